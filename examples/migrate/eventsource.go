package migrate

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/fetchsse/sse"
)

// afterEventSource does what js/eventsource.mjs does.
func afterEventSource(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	stream, err := sse.Subscribe(req, sse.WithTrace(&sse.Trace{
		Open: func(*http.Response) { fmt.Fprintln(out, "open") },
		Wait: func(sse.Attempt) { fmt.Fprintln(out, "reconnecting") },
	}))
	if err != nil {
		return err // the first attempt was refused
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err // the context has ended, or the server refused a reconnect
		}
		switch event.Type {
		case "message":
			fmt.Fprintln(out, event.ID, event.Data)
		case "news":
			fmt.Fprintln(out, "news", event.ID, event.Data)
		}
	}
	fmt.Fprintln(out, "closed") // the server responded with 204
	return nil
}

package migrate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/fetchsse/sse"
)

// afterFetchEventSource does what js/fetch-event-source.mjs does.
func afterFetchEventSource(ctx context.Context, url string, out io.Writer) error {
	ctx, abort := context.WithCancel(ctx)
	defer abort()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"prompt":"Hello!"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	stream, err := sse.Fetch(req)
	if err != nil {
		return err // a response that is not an event stream, for which onopen throws
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err // as from onerror
		}
		if event.Data == "stop" {
			abort() // the next error is context.Canceled; to end without an error, leave the loop
			continue
		}
		fmt.Fprintln(out, event.Data)
	}
	fmt.Fprintln(out, "closed") // as in onclose
	return nil
}

// afterRetriable does what js/retriable.mjs does.
func afterRetriable(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"topic":"news"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	stream, err := sse.Subscribe(req)
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, event.ID, event.Data)
	}
	return nil
}

package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fetchsse/sse"
)

// afterChannel gets the events from a channel, as programs do that wait for several things
// at once.
func afterChannel(ctx context.Context, url string, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream and the goroutine
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	stream, err := sse.Subscribe(req)
	if err != nil {
		return err
	}
	events := make(chan sse.Event)
	go func() {
		defer close(events)
		defer stream.Close()
		for stream.Next() {
			select {
			case events <- stream.Event():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case event, ok := <-events:
			if !ok {
				return stream.Err() // it may be read once the channel is closed
			}
			if event.Data == "stop" {
				return nil
			}
			fmt.Fprintln(out, event.ID, event.Data)
		case <-time.After(time.Minute):
			return errors.New("no news for a minute")
		}
	}
}

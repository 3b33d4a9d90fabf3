package migrate

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/fetchsse/sse"
	gosse "github.com/tmaxmax/go-sse"
)

func beforeGoSSE(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	client := &gosse.Client{
		Backoff: gosse.Backoff{InitialInterval: 200 * time.Millisecond, MaxInterval: 10 * time.Second, MaxRetries: 5},
		OnRetry: func(err error, wait time.Duration) { log.Printf("retry after %v: %v", wait, err) },
	}
	conn := client.NewConnection(req)
	conn.SubscribeMessages(func(event gosse.Event) {
		fmt.Fprintln(out, event.LastEventID, event.Data)
	})
	conn.SubscribeEvent("news", func(event gosse.Event) {
		fmt.Fprintln(out, "news", event.LastEventID, event.Data)
	})
	return conn.Connect()
}

func afterGoSSE(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	stream, err := sse.Subscribe(req,
		sse.WithBackOff(func() backoff.BackOff {
			return backoff.NewExponentialBackOff(
				backoff.WithInitialInterval(200*time.Millisecond),
				backoff.WithMaxInterval(10*time.Second),
				backoff.WithMaxElapsedTime(0), // no limit
			)
		}),
		sse.WithMaxRetries(5),
		sse.WithTrace(&sse.Trace{
			Wait: func(a sse.Attempt) { log.Printf("retry after %v: %v", a.Delay, a.Err) },
		}),
	)
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		switch event.Type {
		case "message":
			fmt.Fprintln(out, event.ID, event.Data)
		case "news":
			fmt.Fprintln(out, "news", event.ID, event.Data)
		}
	}
	return nil
}

func beforeGoSSERead(ctx context.Context, url string, out io.Writer) error {
	resp, err := get(ctx, url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for event, err := range gosse.Read(resp.Body, &gosse.ReadConfig{MaxEventSize: 1 << 20}) {
		if err != nil {
			return err
		}
		if event.Data == "[DONE]" {
			break
		}
		fmt.Fprintln(out, event.Data)
	}
	return nil
}

func afterGoSSERead(ctx context.Context, url string, out io.Writer) error {
	resp, err := get(ctx, url)
	if err != nil {
		return err
	}
	stream, err := sse.FromResponse(resp, sse.WithMaxEventSize(1<<20), sse.WithDone("[DONE]"))
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, event.Data)
	}
	return nil
}

func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

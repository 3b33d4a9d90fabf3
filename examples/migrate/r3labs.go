package migrate

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/fetchsse/sse"
	r3labs "github.com/r3labs/sse/v2"
)

func beforeR3labs(ctx context.Context, url string, out io.Writer) error {
	client := r3labs.NewClient(url)
	client.Headers["Authorization"] = "Bearer secret"
	client.ReconnectNotify = func(err error, wait time.Duration) {
		log.Printf("retry after %v: %v", wait, err)
	}
	return client.SubscribeRawWithContext(ctx, func(event *r3labs.Event) {
		fmt.Fprintf(out, "%s %s\n", event.ID, event.Data)
	})
}

func afterR3labs(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer secret")
	stream, err := sse.Subscribe(req, sse.WithTrace(&sse.Trace{
		Wait: func(a sse.Attempt) { log.Printf("retry after %v: %v", a.Delay, a.Err) },
	}))
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %s\n", event.ID, event.Data)
	}
	return nil
}

// beforeR3labsChannel gets the events from a channel. The client does not close it.
func beforeR3labsChannel(ctx context.Context, url string, out io.Writer) error {
	client := r3labs.NewClient(url)
	events := make(chan *r3labs.Event)
	if err := client.SubscribeChanRawWithContext(ctx, events); err != nil {
		return err
	}
	for event := range events {
		if string(event.Data) == "stop" {
			break
		}
		fmt.Fprintf(out, "%s %s\n", event.ID, event.Data)
	}
	client.Unsubscribe(events)
	return nil
}

// afterBase64 decodes data as the client does with EncodingBase64.
func afterBase64(stream *sse.Stream, out io.Writer) error {
	decode := func(data []byte) ([]byte, error) { return base64.StdEncoding.AppendDecode(nil, data) }
	for data, err := range sse.DecodeFunc(stream, decode) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", data)
	}
	return nil
}

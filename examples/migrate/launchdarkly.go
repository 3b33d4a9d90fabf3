package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/fetchsse/sse"
	"github.com/launchdarkly/eventsource"
)

func beforeLaunchDarkly(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	stream, err := eventsource.SubscribeWithRequestAndOptions(req,
		eventsource.StreamOptionLastEventID("16"),
		eventsource.StreamOptionReadTimeout(time.Minute),
		eventsource.StreamOptionUseBackoff(30*time.Second),
		eventsource.StreamOptionUseJitter(0.5),
		eventsource.StreamOptionErrorHandler(func(err error) eventsource.StreamErrorHandlerResult {
			log.Print(err)
			refusal, ok := errors.AsType[eventsource.SubscriptionError](err)
			return eventsource.StreamErrorHandlerResult{CloseNow: ok && refusal.Code < 500}
		}),
	)
	if err != nil {
		return err
	}
	defer stream.Close()
	for event := range stream.Events {
		fmt.Fprintln(out, event.(eventsource.EventWithLastID).LastEventID(), event.Data())
	}
	return nil
}

func afterLaunchDarkly(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	stream, err := sse.Subscribe(req,
		sse.WithLastEventID("16"),
		sse.WithIdleTimeout(time.Minute),
		sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) { log.Print(a.Err) }}),
	)
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

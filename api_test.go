package sse_test

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// The public names, as programs outside compile against them. A change here breaks
// those programs.
var (
	_ func(*sse.Parser) bool                                   = (*sse.Parser).Next
	_ func(*sse.Parser) sse.Event                              = (*sse.Parser).Event
	_ func(*sse.Parser) []byte                                 = (*sse.Parser).Data
	_ func(*sse.Parser) string                                 = (*sse.Parser).Type
	_ func(*sse.Parser) string                                 = (*sse.Parser).LastEventID
	_ func(*sse.Parser) (time.Duration, bool)                  = (*sse.Parser).Retry
	_ func(*sse.Parser) error                                  = (*sse.Parser).Err
	_ func(*sse.Parser) iter.Seq2[sse.Event, error]            = (*sse.Parser).Events
	_ func(...sse.Option) *sse.Client                          = sse.NewClient
	_ func(*http.Request, ...sse.Option) (*sse.Stream, error)  = sse.Fetch
	_ func(*http.Request, ...sse.Option) (*sse.Stream, error)  = sse.Subscribe
	_ func(*http.Response, ...sse.Option) (*sse.Stream, error) = sse.FromResponse
	_ func(*http.Request, ...sse.Option) (*sse.Stream, error)  = new(sse.Client).Fetch
	_ func(*http.Request, ...sse.Option) (*sse.Stream, error)  = (&sse.Client{}).Subscribe
	_ func(*sse.Stream) bool                                   = (*sse.Stream).Next
	_ func(*sse.Stream) sse.Event                              = (*sse.Stream).Event
	_ func(*sse.Stream) []byte                                 = (*sse.Stream).Data
	_ func(*sse.Stream) string                                 = (*sse.Stream).Type
	_ func(*sse.Stream) string                                 = (*sse.Stream).LastEventID
	_ func(*sse.Stream) error                                  = (*sse.Stream).Err
	_ func(*sse.Stream) iter.Seq2[sse.Event, error]            = (*sse.Stream).Events
	_ func(*sse.Stream) *http.Response                         = (*sse.Stream).Response
	_ func(*sse.Stream)                                        = (*sse.Stream).Reconnect
	_ func(*sse.Stream) error                                  = (*sse.Stream).Close
	_ func(sse.Source) iter.Seq2[struct{}, error]              = sse.Decode[struct{}]
	_ sse.Source                                               = (*sse.Stream)(nil)
	_ sse.Source                                               = (*sse.Parser)(nil)

	_ = []sse.Option{
		sse.WithHTTPClient((*http.Client)(nil)),
		sse.WithHeader("Key", "value"),
		sse.WithPrepare(func(*http.Request) error { return nil }),
		sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return nil, nil }),
		sse.WithLastEventID(""),
		sse.WithBackOff(func() backoff.BackOff { return nil }),
		sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { return 0, false }),
		sse.WithMaxRetries(0),
		sse.WithOpenTimeout(time.Second),
		sse.WithIdleTimeout(time.Second),
		sse.WithEventTimeout(time.Second),
		sse.WithMaxEventSize(1),
		sse.WithDone("a", "b"),
		sse.WithTerminator(func(sse.Event) bool { return false }),
		sse.WithEventError(func(sse.Event) error { return nil }),
		sse.WithTrace(&sse.Trace{
			Request:    func(*http.Request) {},
			Open:       func(*http.Response) {},
			Comment:    func(string) {},
			Ignored:    func(string) {},
			Disconnect: func(error) {},
			Wait:       func(sse.Attempt) {},
		}),
		sse.WithLogger((*slog.Logger)(nil)),
	}

	_ = sse.Event{Type: "", Data: "", ID: ""}
	_ = sse.Attempt{Number: 1, LastEventID: "", Err: nil, Retry: true, Delay: time.Second, Events: 0, Elapsed: 0}

	_ error = &sse.ResponseError{StatusCode: 1, Header: http.Header{}, Body: []byte{}, RetryAfter: time.Second}
	_ error = &sse.TruncatedError{Partial: sse.Event{}, LastEventID: "", Events: 0, Err: nil, Ignored: nil}
	_ error = &sse.EventError{Event: sse.Event{}, Err: nil}
	_ error = &sse.DecodeError{Event: sse.Event{}, Err: nil}
	_       = []error{sse.ErrEventTooLarge, sse.ErrIdleTimeout, sse.ErrEventTimeout, sse.ErrOpenTimeout, sse.ErrClosed}
)

// Error values that a program makes itself, for its own tests, have a message too.
func TestErrorsWithoutAStream(t *testing.T) {
	for _, err := range []error{
		&sse.ResponseError{}, &sse.TruncatedError{}, &sse.EventError{}, &sse.DecodeError{},
		sse.ErrEventTooLarge, sse.ErrIdleTimeout, sse.ErrEventTimeout, sse.ErrOpenTimeout, sse.ErrClosed,
	} {
		require.Regexp(t, "^sse: .", err.Error())
	}
}

func TestBadOptions(t *testing.T) {
	tests := []struct {
		option sse.Option
		want   string
	}{
		{sse.WithMaxEventSize(0), "sse: WithMaxEventSize: 0 is not allowed; give at least 1 byte"},
		{sse.WithMaxEventSize(-1), "sse: WithMaxEventSize: -1 is not allowed; give at least 1 byte"},
		{sse.WithMaxRetries(-1), "sse: WithMaxRetries: -1 is negative; give a count, or 0 for no retry"},
		{sse.WithOpenTimeout(-1), "sse: WithOpenTimeout: -1ns is negative; give a duration, or 0 for no limit"},
		{sse.WithIdleTimeout(-time.Second), "sse: WithIdleTimeout: -1s is negative; give a duration, or 0 for no limit"},
		{sse.WithEventTimeout(-time.Second), "sse: WithEventTimeout: -1s is negative; give a duration, or 0 for no limit"},
		{sse.WithHeader("", "v"), "sse: WithHeader: a header name has a character that is not allowed in one"},
		{sse.WithHeader("Authorization: Bearer x", ""), "sse: WithHeader: a header name has a character that is not allowed in one"},
		{sse.WithHeader("Authorization", "secret\n"), "sse: WithHeader: the value for Authorization has a control character"},
		{sse.WithHeader("X-A", "\x7f"), "sse: WithHeader: the value for X-A has a control character"},
		{sse.WithLastEventID("a\nb"), "sse: WithLastEventID: the last event ID has a control character, so no header can carry it"},
		{sse.WithBackOff(func() backoff.BackOff { return nil }), "sse: WithBackOff: the function returned nil"},
		{
			sse.WithBackOff(func() backoff.BackOff { return &backoff.ExponentialBackOff{} }),
			"sse: WithBackOff: make an ExponentialBackOff with backoff.NewExponentialBackOff",
		},
		{
			sse.WithBackOff(func() backoff.BackOff { return (*backoff.ExponentialBackOff)(nil) }),
			"sse: WithBackOff: make an ExponentialBackOff with backoff.NewExponentialBackOff",
		},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/", nil)
	require.NoError(t, err)
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			_, err := sse.Fetch(req, tt.option)
			require.EqualError(t, err, tt.want)
			_, err = sse.Subscribe(req, tt.option)
			require.EqualError(t, err, tt.want)
			_, err = sse.NewClient(tt.option).Fetch(req)
			require.EqualError(t, err, tt.want)
			_, err = sse.FromResponse(&http.Response{Body: http.NoBody}, tt.option)
			require.EqualError(t, err, tt.want)
		})
	}
}

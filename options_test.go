package sse_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// An invalid option is an error of every call that uses it.
func TestInvalidOption(t *testing.T) {
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

func TestOptionsOfClientAndCall(t *testing.T) {
	in(t, "the call's value replaces the client's", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		c := client(srv, sse.WithMaxRetries(5))
		_, err := c.Fetch(srv.Get("/"), sse.WithMaxRetries(1))
		refusedWith(503)(t, err)
		require.Len(t, srv.Requests(), 2)
		_, err = c.Fetch(srv.Get("/"))
		refusedWith(503)(t, err)
		require.Len(t, srv.Requests(), 2+6)
	})
	in(t, "WithHeader replaces the value for the same key in any case", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		_, err := read(client(srv, sse.WithHeader("X-Client", "2"), sse.WithHeader("x-both", "client")).
			Fetch(srv.Get("/"), sse.WithHeader("X-Both", "call"), sse.WithHeader("Host", "other.test"), sse.WithHeader("!Odd~9", "4")))
		require.NoError(t, err)
		got := srv.Requests()[0]
		require.Equal(t, "2", got.Header.Get("X-Client"))
		require.Equal(t, []string{"call"}, got.Header["X-Both"])
		require.Equal(t, []string{"4"}, got.Header["!odd~9"])
		require.Equal(t, "other.test", got.Host)
	})
	in(t, "nil takes the client's value back", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}, Script{Data("a", "[DONE]", "b"), Send(sse.Event{Type: "error"})}))
		unwanted := func() { t.Error("an option that was taken back is in effect") }
		c := client(srv, doneEvent, failOnError,
			sse.WithPrepare(func(*http.Request) error { unwanted(); return nil }),
			sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { unwanted(); return 0, false }),
			sse.WithTerminator(func(sse.Event) bool { unwanted(); return true }),
			sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { unwanted(); return nil, nil }),
			sse.WithTrace(&sse.Trace{Request: func(*http.Request) { unwanted() }}))
		got, err := read(c.Fetch(srv.Get("/"), nil, sse.WithDone(), sse.WithEventError(nil), sse.WithPrepare(nil),
			sse.WithRetryPolicy(nil), sse.WithTerminator(nil), sse.WithResume(nil), sse.WithTrace(nil), sse.WithLogger(nil)))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "[DONE]", "b", ""}, got)
	})
}

// Error values have a message even if the program made them itself, as tests do.
func TestErrorsHaveMessages(t *testing.T) {
	for _, err := range []error{
		&sse.ResponseError{}, &sse.TruncatedError{}, &sse.EventError{}, &sse.DecodeError{},
		sse.ErrEventTooLarge, sse.ErrIdleTimeout, sse.ErrEventTimeout, sse.ErrOpenTimeout, sse.ErrClosed,
	} {
		require.Regexp(t, "^sse: .", err.Error())
	}
}

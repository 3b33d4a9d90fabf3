package sse_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
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

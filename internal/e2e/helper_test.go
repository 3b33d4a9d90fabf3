package e2e_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// A protocol is a version of HTTP that a test runs over.
type protocol struct {
	name string
	opts []Option
}

var (
	inMemory    = []protocol{{"HTTP/1.1", nil}, {"HTTP/2", []Option{HTTP2()}}}
	overSockets = []protocol{{"HTTP/1.1", []Option{Loopback()}}, {"HTTP/2", []Option{Loopback(), HTTP2()}}}
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// in runs a subtest in a bubble of testing/synctest.
func in(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// client returns a client for srv that waits a second between attempts.
func client(srv *Server, opts ...sse.Option) *sse.Client {
	everySecond := sse.WithBackOff(func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) })
	return sse.NewClient(append([]sse.Option{sse.WithHTTPClient(srv.Client()), everySecond}, opts...)...)
}

// withoutWaits is a retry policy for tests in real time.
var withoutWaits = sse.WithBackOff(func() backoff.BackOff { return &backoff.ZeroBackOff{} })

// read returns the data of all events and the error that ended the stream.
func read(s *sse.Stream, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var data []string
	for s.Next() {
		data = append(data, s.Event().Data)
	}
	return data, s.Err()
}

// truncatedError returns the TruncatedError that err has to be.
func truncatedError(t *testing.T, err error) *sse.TruncatedError {
	t.Helper()
	truncated, ok := errors.AsType[*sse.TruncatedError](err)
	require.True(t, ok, "%v", err)
	return truncated
}

// responseError returns the ResponseError that err has to be.
func responseError(t *testing.T, err error) *sse.ResponseError {
	t.Helper()
	refused, ok := errors.AsType[*sse.ResponseError](err)
	require.True(t, ok, "%v", err)
	return refused
}

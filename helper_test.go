package sse_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// Servers and clients.

// in runs a subtest in a bubble of testing/synctest.
func in(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// everySecond is a policy without jitter, so that waits can be asserted exactly.
var everySecond = sse.WithBackOff(func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) })

// client returns a client for srv that waits a second between attempts.
func client(srv *Server, opts ...sse.Option) *sse.Client {
	return sse.NewClient(append([]sse.Option{sse.WithHTTPClient(srv.Client()), everySecond}, opts...)...)
}

func post(srv *Server) *http.Request { return srv.Post("/", "{}") }

func get(srv *Server) *http.Request { return srv.Get("/") }

// method returns a function that makes a request with this method.
func method(name string) func(*Server) *http.Request {
	return func(srv *Server) *http.Request { return srv.Request(name, "/", "") }
}

// keyed returns a function that makes a POST with an idempotency key in this header.
func keyed(key string) func(*Server) *http.Request {
	return func(srv *Server) *http.Request {
		r := srv.Post("/", "{}")
		r.Header.Set(key, "k1")
		return r
	}
}

// gone ends a subscription with a 204 response.
var gone = Script{Answer(204)}

// stopEvent completes a stream at an event of type stop.
var stopEvent = sse.WithTerminator(func(e sse.Event) bool { return e.Type == "stop" })

// finishEvent makes a clean end complete from an event of type finish on.
var finishEvent = sse.WithCompleteAfter(func(e sse.Event) bool { return e.Type == "finish" })

// doneEvent completes a stream at the event [DONE].
var doneEvent = sse.WithDone("[DONE]")

// Errors of the caller.
var (
	errInBand   = errors.New("in band")
	errUserLeft = errors.New("the user left")
)

// failOnError ends a stream at an event of type error with errInBand.
var failOnError = sse.WithEventError(func(e sse.Event) error {
	if e.Type == "error" {
		return errInBand
	}
	return nil
})

// failOnText ends a stream at a text outside any field that has "error" with errInBand.
var failOnText = sse.WithIgnoredError(func(text string) error {
	if strings.Contains(text, "error") {
		return errInBand
	}
	return nil
})

// Round trippers, responses and bodies without a server.

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// failingDial returns a client for srv that uses each connection once, and gets the error of
// fail, unless it is nil, instead of the nth connection, counted from 0.
func failingDial(srv *Server, fail func(n int) error) *http.Client {
	transport := srv.Client().Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	dial := transport.DialContext
	n := -1
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		n++
		if err := fail(n); err != nil {
			return nil, err
		}
		return dial(ctx, network, addr)
	}
	return &http.Client{Transport: transport}
}

// Errors of dialing.
var (
	errRefused     = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errUnknownHost = &net.DNSError{Err: "no such host", Name: "server.test", IsNotFound: true}
	errUntrusted   = &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
)

// response returns an event stream that comes from no server.
func response(body io.ReadCloser) *http.Response {
	return &http.Response{
		StatusCode: 200,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       body,
	}
}

// A closer records that it was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// A closeFunc calls a function when it is closed.
type closeFunc struct {
	io.ReadCloser
	closed func()
}

func (c closeFunc) Close() error {
	c.closed()
	return c.ReadCloser.Close()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// Outcomes.

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

// gaps returns the time from each request to the next.
func gaps(srv *Server) []time.Duration {
	var all []time.Duration
	requests := srv.Requests()
	for i := 1; i < len(requests); i++ {
		all = append(all, requests[i].Time.Sub(requests[i-1].Time))
	}
	return all
}

// sentIDs returns the Last-Event-ID of every request, "-" where there was none.
func sentIDs(srv *Server) []string {
	var ids []string
	for _, r := range srv.Requests() {
		if v, ok := r.Header["Last-Event-Id"]; ok {
			ids = append(ids, strings.Join(v, "|"))
		} else {
			ids = append(ids, "-")
		}
	}
	return ids
}

// refusedWith returns a check that err has a ResponseError with this status.
func refusedWith(code int) func(t *testing.T, err error) {
	return func(t *testing.T, err error) {
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, code, refusal.StatusCode)
	}
}

// truncatedError returns the TruncatedError that err has to be.
func truncatedError(t *testing.T, err error) *sse.TruncatedError {
	t.Helper()
	cut, ok := errors.AsType[*sse.TruncatedError](err)
	require.True(t, ok, "%v", err)
	return cut
}

// eventError returns the EventError that err has to be.
func eventError(t *testing.T, err error) *sse.EventError {
	t.Helper()
	reported, ok := errors.AsType[*sse.EventError](err)
	require.True(t, ok, "%v", err)
	return reported
}

// responseError returns the ResponseError that err has to be.
func responseError(t *testing.T, err error) *sse.ResponseError {
	t.Helper()
	refused, ok := errors.AsType[*sse.ResponseError](err)
	require.True(t, ok, "%v", err)
	return refused
}

// An opener is the method Fetch or Subscribe of a client.
type opener func(*http.Request, ...sse.Option) (*sse.Stream, error)

// bothCalls returns Fetch and Subscribe of c.
func bothCalls(c *sse.Client) []opener { return []opener{c.Fetch, c.Subscribe} }

package sse_test

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// The error of a first attempt tells whether it was sent, and whether another may succeed.
func TestNotSentAndRetryable(t *testing.T) {
	failure := func(err error) sse.Option { return sse.WithEventError(func(sse.Event) error { return err }) }
	fails := func(err error) func(int) error { return func(int) error { return err } }
	for _, tt := range []struct {
		name               string
		script             Script
		dial               error
		opts               []sse.Option
		end                func(s *sse.Stream, cancel func()) // after the first event
		timeout            time.Duration
		notSent, retryable bool
	}{
		{name: "connection refused", dial: errRefused, notSent: true, retryable: true},
		{name: "unknown host", dial: errUnknownHost, notSent: true, retryable: true},
		{name: "untrusted certificate", dial: errUntrusted, notSent: true},
		{name: "lost before the headers", script: Script{Cut()}, retryable: true},
		{name: "open timeout", script: Script{Stall()}, opts: []sse.Option{sse.WithOpenTimeout(time.Second)}, retryable: true},
		{name: "429", script: Script{Answer(429)}, retryable: true},
		{name: "429, not before an hour", script: Script{Answer(429, "Retry-After", "3600")}, retryable: true},
		{name: "503", script: Script{Answer(503)}, retryable: true},
		{name: "400", script: Script{Answer(400)}},
		{name: "redirect that cannot be followed", script: Script{Answer(302, "Location", "ftp://server.test/")}},
		{name: "200 HTML", script: Script{Answer(200, "Content-Type", "text/html"), Raw("<p>")}},
		{
			name: "200, refused by WithResponseCheck", script: Script{Data("a")},
			opts: []sse.Option{sse.WithResponseCheck(func(*http.Response) error { return errInBand })},
		},
		{
			name: "429, refused by WithResponseCheck", script: Script{Answer(429)}, retryable: true,
			opts: []sse.Option{sse.WithResponseCheck(func(*http.Response) error { return errInBand })},
		},
		{name: "truncated", script: Script{Data("a"), Cut()}, retryable: true},
		{name: "truncated in a block", script: Script{Raw("data: a"), Cut()}, retryable: true},
		{name: "ended without completion", script: Script{Data("a")}, opts: []sse.Option{doneEvent}, retryable: true},
		{name: "idle timeout", script: Script{Data("a"), Stall()}, opts: []sse.Option{sse.WithIdleTimeout(time.Second)}, retryable: true},
		{name: "event timeout", script: Script{Data("a"), Stall()}, opts: []sse.Option{sse.WithEventTimeout(time.Second)}, retryable: true},
		{name: "too large", script: Script{Data(strings.Repeat("x", 100))}, opts: []sse.Option{sse.WithMaxEventSize(50)}},
		{name: "error event", script: Script{Data("a")}, opts: []sse.Option{failure(errInBand)}},
		{name: "error event that may pass", script: Script{Data("a")}, opts: []sse.Option{failure(transient(true))}, retryable: true},
		{name: "error event that may pass, wrapped", script: Script{Data("a")}, opts: []sse.Option{failure(fmt.Errorf("w: %w", transient(true)))}, retryable: true},
		{name: "error event that does not pass", script: Script{Data("a")}, opts: []sse.Option{failure(transient(false))}},
		{name: "request that cannot be made", opts: []sse.Option{sse.WithPrepare(func(*http.Request) error { return errInBand })}, notSent: true},
		{name: "canceled while reading", script: Script{Data("a"), Stall()}, end: func(_ *sse.Stream, cancel func()) { cancel() }},
		{name: "closed", script: Script{Data("a"), Stall()}, end: func(s *sse.Stream, _ func()) { s.Close() }},
		{name: "deadline while waiting for headers", script: Script{Stall()}, timeout: time.Second},
		{name: "deadline while waiting to retry a 429", script: Script{Answer(429, "Retry-After", "30")}, timeout: time.Second, opts: []sse.Option{sse.WithMaxRetries(1)}},
		{name: "deadline while waiting to connect again", dial: errRefused, timeout: 500 * time.Millisecond, opts: []sse.Option{sse.WithMaxRetries(1)}, notSent: true},
	} {
		for name, call := range map[string]func(*sse.Client, *http.Request, ...sse.Option) (*sse.Stream, error){
			"Fetch": (*sse.Client).Fetch, "Subscribe": (*sse.Client).Subscribe,
		} {
			in(t, name+", "+tt.name, func(t *testing.T) {
				srv := NewServer(t, InOrder(append(Script{}, tt.script...)))
				ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(tt.timeout, time.Hour))
				defer cancel()
				c := client(srv, sse.WithHTTPClient(failingDial(srv, fails(tt.dial))), sse.WithMaxRetries(0))
				s, err := call(c, srv.Post("/", "{}").WithContext(ctx), tt.opts...)
				if tt.end != nil {
					require.NoError(t, err)
					require.True(t, s.Next())
					tt.end(s, cancel)
				}
				_, err = read(s, err)
				require.Error(t, err)
				require.Equal(t, tt.notSent, sse.NotSent(err), "NotSent of %v", err)
				require.Equal(t, tt.retryable, sse.Retryable(err), "Retryable of %v", err)
				err = fmt.Errorf("wrapped: %w", err)
				require.Equal(t, tt.notSent, sse.NotSent(err))
				require.Equal(t, tt.retryable, sse.Retryable(err))
			})
		}
	}
	t.Run("nil, and errors of other packages", func(t *testing.T) {
		for _, err := range []error{nil, io.EOF, context.Canceled, context.DeadlineExceeded, sse.ErrClosed} {
			require.False(t, sse.NotSent(err))
			require.False(t, sse.Retryable(err))
		}
	})
}

// transient is the error of an event that knows whether it may pass.
type transient bool

func (e transient) Error() string   { return "overloaded" }
func (e transient) Retryable() bool { return bool(e) }

// A round tripper that is not of net/http may have delivered the request although a dial
// failed: Fetch does not send it again.
func TestRoundTripperThatTriesTwoServers(t *testing.T) {
	in(t, "the first has lost the response", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Cut()}))
		fallback := failingDial(srv, func(int) error { return errRefused }).Transport
		hc := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			first := r.Clone(t.Context()) // without the httptrace of the call
			first.Body, _ = r.GetBody()
			resp, err := srv.Client().Transport.RoundTrip(first)
			if err == nil {
				return resp, nil
			}
			return fallback.RoundTrip(r)
		})}
		_, err := client(srv, sse.WithHTTPClient(hc)).Fetch(srv.Post("/", "{}"))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.False(t, sse.NotSent(err))
		require.Len(t, srv.Requests(), 1)
	})
}

// NotSent speaks of all attempts of a call.
func TestNotSentCountsEveryAttempt(t *testing.T) {
	for _, tt := range []struct {
		name    string
		refused []bool // by number of the attempt
		scripts []Script
		timeout time.Duration
		want    string
		notSent bool
	}{
		{
			name: "none sent", refused: []bool{true, true, true, true}, notSent: true,
			want: "sse: gave up after 3 retries: POST http://server.test/: dial tcp: connection refused",
		},
		{
			name: "none sent, interrupted while waiting", refused: []bool{true, true}, timeout: 1500 * time.Millisecond, notSent: true,
			want: "context deadline exceeded, waiting to retry: POST http://server.test/: dial tcp: connection refused",
		},
		{
			name: "the second was sent, and interrupted", refused: []bool{true}, scripts: []Script{{Stall()}}, timeout: 5 * time.Second,
			want: "context deadline exceeded, waiting to retry: POST http://server.test/: dial tcp: connection refused",
		},
		{
			name: "the second was sent", refused: []bool{true}, scripts: []Script{{Cut()}},
			want: "sse: gave up after 1 retry: POST http://server.test/: the connection ended before the response headers: EOF",
		},
		{
			name: "the second was sent and the third not", refused: []bool{true, false, true}, scripts: []Script{{Answer(429)}}, timeout: 2500 * time.Millisecond,
			want: "context deadline exceeded, waiting to retry: POST http://server.test/: dial tcp: connection refused",
		},
	} {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(append(tt.scripts, Script{Stall()})...))
			hc := failingDial(srv, func(n int) error {
				if n < len(tt.refused) && tt.refused[n] {
					return errRefused
				}
				return nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(tt.timeout, time.Hour))
			defer cancel()
			_, err := client(srv, sse.WithHTTPClient(hc)).Fetch(srv.Post("/", "{}").WithContext(ctx), sse.WithMaxRetries(3))
			require.EqualError(t, err, tt.want)
			require.Equal(t, tt.notSent, sse.NotSent(err))
			require.Len(t, srv.Requests(), len(tt.scripts))
		})
	}
}

// The cause of a context may be the error of another call, as with errgroup. It tells
// nothing about the call that it ends.
func TestCauseThatIsTheErrorOfAnotherCall(t *testing.T) {
	unsent := func(t *testing.T) error { // by another call
		srv := NewServer(t, InOrder(Script{Stall()}))
		_, err := sse.Fetch(post(srv), sse.WithMaxRetries(0), sse.WithHTTPClient(failingDial(srv, func(int) error { return errRefused })))
		require.True(t, sse.NotSent(err) && sse.Retryable(err))
		return err
	}
	for name, cause := range map[string]func(t *testing.T) error{
		"not sent":          unsent,
		"not sent, wrapped": func(t *testing.T) error { return fmt.Errorf("worker A: %w", unsent(t)) },
		"not sent, joined":  func(t *testing.T) error { return errors.Join(errUserLeft, unsent(t)) },
		"mistake":           func(*testing.T) error { _, err := sse.Fetch(nil); return err },
		"refused":           func(*testing.T) error { return &sse.ResponseError{StatusCode: 503} },
		"truncated":         func(*testing.T) error { return &sse.TruncatedError{} },
		"error event":       func(*testing.T) error { return &sse.EventError{Err: transient(true)} },
	} {
		for state, script := range map[string]Script{"waiting for headers": {Stall()}, "reading": {Data("a"), Stall()}} {
			in(t, name+", "+state, func(t *testing.T) {
				srv := NewServer(t, InOrder(script))
				err := cause(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(err) })
				var hooked []error
				_, got := read(client(srv, sse.WithTrace(&sse.Trace{Disconnect: func(err error) { hooked = append(hooked, err) }})).
					Fetch(post(srv).WithContext(ctx)))
				require.ErrorIs(t, got, err)
				require.EqualError(t, got, err.Error())
				for _, got := range append(hooked, got, fmt.Errorf("wrapped: %w", got)) {
					require.False(t, sse.NotSent(got))
					require.False(t, sse.Retryable(got))
				}
			})
		}
	}
	in(t, "waiting to retry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Cut()}))
		cause := unsent(t)
		hc := failingDial(srv, func(int) error { return errRefused })
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(500*time.Millisecond, func() { cancel(cause) })
		_, err := client(srv, sse.WithHTTPClient(hc)).Fetch(post(srv).WithContext(ctx))
		require.ErrorIs(t, err, cause)
		require.True(t, sse.NotSent(err), "no attempt of this call was sent either")
		require.False(t, sse.Retryable(err))
	})
	in(t, "before the call", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(&sse.ResponseError{StatusCode: 503})
		_, err := client(srv).Fetch(post(srv).WithContext(ctx))
		require.True(t, sse.NotSent(err))
		require.False(t, sse.Retryable(err))
	})
	in(t, "FromResponse", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := unsent(t)
		cancel(cause)
		r, _ := io.Pipe()
		resp := response(r)
		resp.Request = newPost("http://server.test/").WithContext(ctx)
		_, err := read(sse.FromResponse(resp))
		require.ErrorIs(t, err, cause)
		require.False(t, sse.NotSent(err))
		require.False(t, sse.Retryable(err))
	})
}

// An error that a call has returned, or has given to a function of the caller, does not
// change anymore: another goroutine may look at it.
func TestErrorsDoNotChange(t *testing.T) {
	in(t, "as the cause of another call", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Cut()}, Script{Stall()}))
		_, first := client(srv).Fetch(post(srv))
		require.False(t, sse.NotSent(first))
		ctx, cancel := context.WithCancelCause(t.Context())
		hc := failingDial(srv, func(int) error { return errRefused })
		time.AfterFunc(500*time.Millisecond, func() { cancel(first) })
		looked := make(chan bool)
		go func() {
			<-ctx.Done()
			looked <- sse.NotSent(first)
		}()
		_, err := client(srv, sse.WithHTTPClient(hc)).Fetch(post(srv).WithContext(ctx))
		require.ErrorIs(t, err, first)
		require.True(t, sse.NotSent(err))
		require.False(t, <-looked)
		require.False(t, sse.NotSent(first))
	})
	in(t, "in a hook", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}))
		looked := make(chan bool, 1)
		_, err := read(client(srv, sse.WithIdleTimeout(time.Second), sse.WithTrace(&sse.Trace{Disconnect: func(err error) {
			go func() { looked <- sse.NotSent(err) }()
		}})).Fetch(post(srv)))
		require.ErrorIs(t, err, sse.ErrIdleTimeout)
		require.False(t, <-looked)
	})
}

// The functions of the caller may make calls of their own, whose errors tell nothing about
// the call around them.
func TestErrorOfACallWithinACall(t *testing.T) {
	_, mistake := sse.Fetch(nil)
	require.True(t, sse.NotSent(mistake))
	for name, nested := range map[string]error{
		"mistake": mistake, "refused": &sse.ResponseError{StatusCode: 503}, "truncated": &sse.TruncatedError{},
		"error event": &sse.EventError{Err: io.EOF}, "decoding": &sse.DecodeError{Err: io.EOF},
	} {
		fails := roundTripper(func(*http.Request) (*http.Response, error) { return nil, nested })
		breaks := roundTripper(func(*http.Request) (*http.Response, error) {
			return response(io.NopCloser(io.MultiReader(strings.NewReader("data: a\n\n"), iotest.ErrReader(nested)))), nil
		})
		for _, tt := range []struct {
			name      string
			script    Script
			opts      []sse.Option
			retryable bool
		}{
			{name: "WithResume", script: Script{Data("a"), Cut()}, opts: []sse.Option{
				sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return nil, nested }),
			}},
			{name: "WithResponseCheck", script: Script{Answer(400)}, opts: []sse.Option{
				sse.WithResponseCheck(func(*http.Response) error { return fmt.Errorf("check: %w", nested) }),
			}},
			{name: "WithEventError", script: Script{Data("a")}, opts: []sse.Option{sse.WithEventError(func(sse.Event) error { return nested })}},
			{name: "round tripper", opts: []sse.Option{sse.WithHTTPClient(&http.Client{Transport: fails})}, retryable: true},
			{name: "body", opts: []sse.Option{sse.WithHTTPClient(&http.Client{Transport: breaks})}, retryable: true},
		} {
			in(t, name+", "+tt.name, func(t *testing.T) {
				srv := NewServer(t, InOrder(append(Script{}, tt.script...)))
				_, err := read(client(srv, tt.opts...).Fetch(post(srv)))
				require.ErrorIs(t, err, nested)
				require.False(t, sse.NotSent(err))
				require.Equal(t, tt.retryable, sse.Retryable(err))
			})
		}
		in(t, name+", WithPrepare at first", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a")}))
			_, err := client(srv, sse.WithPrepare(func(*http.Request) error { return nested })).Fetch(post(srv))
			require.True(t, sse.NotSent(err))
			require.False(t, sse.Retryable(err))
		})
	}
}

// NotSent and Retryable of several errors speak for all of them.
func TestNotSentAndRetryableOfJoinedErrors(t *testing.T) {
	_, mistake := sse.Fetch(nil)
	passes, stays := &sse.ResponseError{StatusCode: 503}, &sse.ResponseError{StatusCode: 400}
	require.True(t, sse.NotSent(errors.Join(io.EOF, mistake)))
	require.False(t, sse.NotSent(errors.Join(mistake, passes)))
	require.True(t, sse.Retryable(errors.Join(io.EOF, passes)))
	require.False(t, sse.Retryable(errors.Join(passes, stays)))
	require.False(t, sse.Retryable(errors.Join(passes, sse.ErrClosed)))
}

func TestRetry(t *testing.T) {
	in(t, "a request that was not sent, after a wait", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(2)
		start := time.Now()
		got, err := read(client(srv).Fetch(srv.Post("/", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, "{}", string(srv.Requests()[0].Body))
	})
	in(t, "an error after the last retry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(3)
		_, err := read(client(srv).Fetch(srv.Post("/p?secret=1", "{}")))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.EqualError(t, err, "sse: gave up after 2 retries: POST http://server.test/p: dial tcp: connection refused")
		require.Empty(t, srv.Requests())
	})
	in(t, "WithMaxRetries of Fetch", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(1)
		_, err := read(client(srv, sse.WithMaxRetries(0)).Fetch(srv.Get("/")))
		require.EqualError(t, err, "sse: GET http://server.test/: dial tcp: connection refused")
		srv.Refuse(5)
		_, err = read(client(srv, sse.WithMaxRetries(5)).Fetch(srv.Get("/")))
		require.NoError(t, err)
	})
	in(t, "Subscribe retries without a limit", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, gone))
		srv.Refuse(50)
		start := time.Now()
		got, err := read(client(srv).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 51*time.Second, time.Since(start))
	})
	in(t, "WithMaxRetries of Subscribe", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		s, err := client(srv, sse.WithMaxRetries(3)).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		srv.Refuse(9)
		require.False(t, s.Next())
		require.EqualError(t, s.Err(), "sse: gave up after 3 retries: GET http://server.test/: dial tcp: connection refused")
		require.ErrorIs(t, s.Err(), syscall.ECONNREFUSED)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "until the policy returns backoff.Stop", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		_, err := read(client(srv, sse.WithBackOff(func() backoff.BackOff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 4)
		})).Subscribe(srv.Get("/")))
		refusedWith(503)(t, err)
		require.EqualError(t, err, "sse: gave up after 4 retries: GET http://server.test/: 503 Service Unavailable")
		require.Len(t, srv.Requests(), 5)
	})
}

func TestIdempotentRequest(t *testing.T) {
	tests := []struct {
		name    string
		request func(*Server) *http.Request
		retried bool
	}{
		{"GET", get, true},
		{"HEAD", method("HEAD"), true},
		{"OPTIONS", method("OPTIONS"), true},
		{"TRACE", method("TRACE"), true},
		{"PUT", method("PUT"), true},
		{"DELETE", method("DELETE"), true},
		{"QUERY", method("QUERY"), true},
		{"POST", post, false},
		{"PATCH", method("PATCH"), false},
		{"REPORT", method("REPORT"), false},
		{"POST with Idempotency-Key", keyed("Idempotency-Key"), true},
		{"POST with X-Idempotency-Key", keyed("X-Idempotency-Key"), true},
		{"POST with a key written by hand", func(srv *Server) *http.Request {
			r := post(srv)
			r.Header["idempotency-key"] = []string{"k1"}
			return r
		}, true},
		{"POST with an X- key written by hand", func(srv *Server) *http.Request {
			r := post(srv)
			r.Header["x-idempotency-KEY"] = []string{"k1"}
			return r
		}, true},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(500)}))
			_, err := read(client(srv).Fetch(tt.request(srv)))
			refusedWith(500)(t, err)
			if tt.retried {
				require.Len(t, srv.Requests(), 3)
			} else {
				require.Len(t, srv.Requests(), 1)
			}
		})
	}
}

// An unknown host and an untrusted certificate are mistakes until a response was accepted.
func TestUnreachable(t *testing.T) {
	for name, cause := range map[string]error{
		"unknown host":          errUnknownHost,
		"untrusted certificate": errUntrusted,
		"another host name":     x509.HostnameError{Certificate: new(x509.Certificate), Host: "server.test"},
		"expired certificate":   x509.CertificateInvalidError{Reason: x509.Expired},
	} {
		in(t, name+", at first", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a")}))
			hc, dials := failDials(srv, cause, 0, 1, 2, 3)
			for i, open := range bothCalls(client(srv, hc, resumeNothing)) {
				start := time.Now()
				_, err := open(srv.Get("/"))
				require.EqualError(t, err, "sse: GET http://server.test/: "+cause.Error())
				require.Equal(t, i+1, *dials)
				require.Zero(t, time.Since(start))
			}
			require.Empty(t, srv.Requests())
		})
		in(t, name+", after other failures", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(429)}, Script{Answer(429)}, gone))
			hc, _ := failDials(srv, cause, 2)
			_, err := read(client(srv, hc).Subscribe(srv.Get("/")))
			require.EqualError(t, err, "sse: gave up after 2 retries: GET http://server.test/: "+cause.Error())
			require.Len(t, srv.Requests(), 2)
		})
		in(t, name+", after a response was accepted", func(t *testing.T) {
			for i, opts := range [][]sse.Option{nil, {resumeAt("http://server.test/rest")}} {
				srv := NewServer(t, InOrder(Script{Data("a"), Raw("data: x"), Cut()}, Script{Data("b", "[DONE]")}))
				hc, dials := failDials(srv, cause, 1)
				c := client(srv, hc, doneEvent)
				got, err := read([]opener{c.Subscribe, c.Fetch}[i](srv.Post("/", "{}"), opts...))
				require.NoError(t, err)
				require.Equal(t, []string{"a", "b"}, got)
				require.Equal(t, 3, *dials)
				require.Equal(t, []time.Duration{2 * time.Second}, gaps(srv))
			}
		})
		in(t, name+", where WithRetryPolicy continues", func(t *testing.T) {
			for i := range 2 {
				srv := NewServer(t, InOrder(Script{Data("a", "[DONE]")}))
				hc, _ := failDials(srv, cause, 0)
				var byDefault []bool
				got, err := read(bothCalls(client(srv, hc, doneEvent, sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
					byDefault = append(byDefault, a.Retry)
					return a.Delay, true
				})))[i](srv.Post("/", "{}")))
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
				require.Equal(t, []bool{false}, byDefault)
			}
		})
	}
}

// failDials returns an option with a client for srv whose numbered connections, counted from
// 0, fail with err, and the number of connections so far.
func failDials(srv *Server, err error, numbers ...int) (hc sse.Option, dials *int) {
	dials = new(int)
	return sse.WithHTTPClient(failingDial(srv, func(n int) error {
		*dials = n + 1
		if slices.Contains(numbers, n) {
			return err
		}
		return nil
	})), dials
}

// resumeAt resumes with a GET of the address.
func resumeAt(address string) sse.Option {
	return sse.WithResume(func(ctx context.Context, _ sse.Attempt) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	})
}

// A request that a server may have processed is not sent again, whatever comes after it.
func TestNeverSentTwice(t *testing.T) {
	count := func(srv *Server, path string) (n int) {
		for _, r := range srv.Requests() {
			if r.Method == http.MethodPost && r.Path == path {
				n++
			}
		}
		return n
	}
	in(t, "a 307 response without a connection, then connection refused", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(1)
		hc := *srv.Client()
		posts := 0
		hc.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/jobs" {
				return srv.Client().Transport.RoundTrip(r)
			}
			posts++
			return &http.Response{StatusCode: 307, Header: http.Header{"Location": {"/jobs/1"}}, Body: http.NoBody, Request: r}, nil
		})
		_, err := client(srv, sse.WithHTTPClient(&hc)).Fetch(srv.Post("/jobs", "{}"))
		require.Error(t, err)
		require.Equal(t, 1, posts)
	})
	for _, code := range []int{302, 303, 307, 308} {
		for name, next := range map[string]Script{"429": {Answer(429)}, "503": {Answer(503)}, "no response": {Cut()}} {
			in(t, fmt.Sprintf("a %d response, then %s", code, name), func(t *testing.T) {
				srv := NewServer(t, func(_ int, r *http.Request) Script {
					if r.URL.Path == "/jobs" {
						return Script{Answer(code, "Location", "/jobs/1/events")}
					}
					return next
				})
				_, err := client(srv).Fetch(srv.Post("/jobs", "{}"))
				require.Error(t, err)
				require.Equal(t, 1, count(srv, "/jobs"))
			})
		}
	}
	in(t, "a redirect, then connection refused", func(t *testing.T) {
		srv := NewServer(t, func(_ int, r *http.Request) Script {
			return Script{Answer(307, "Location", "http://other.test/", "Connection", "close")}
		})
		hc := *srv.Client()
		hc.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "other.test" {
				srv.Refuse(1)
			}
			return srv.Client().Transport.RoundTrip(r)
		})
		_, err := client(srv, sse.WithHTTPClient(&hc)).Fetch(srv.Post("/", "{}"))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "a redirect to another origin, without the idempotency key", func(t *testing.T) {
		srv := NewServer(t, func(_ int, r *http.Request) Script {
			if r.Host == "server.test" {
				return Script{Answer(307, "Location", "http://other.test/b")}
			}
			return Script{Cut()}
		})
		_, err := client(srv).Fetch(keyed("Idempotency-Key")(srv))
		require.Error(t, err)
		require.Len(t, srv.Requests(), 2)
	})
	for name, script := range map[string]Script{"no response": {Cut()}, "500": {Answer(500)}, "502": {Answer(502)}, "503": {Answer(503)}} {
		in(t, "WithResume has nothing to resume: "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(script))
			_, err := client(srv, resumeNothing).Fetch(srv.Post("/", "{}"))
			require.Error(t, err)
			require.Len(t, srv.Requests(), 1)
		})
	}
	in(t, "a 503 response, which a gateway sends after the origin has processed the request", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		_, err := client(srv).Fetch(srv.Post("/", "{}"))
		require.EqualError(t, err, "sse: POST http://server.test/: 503 Service Unavailable")
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "FromResponse: a body without GetBody", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		req := srv.Post("/", "")
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader("once")), -1
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		got, err := read(sse.FromResponse(resp, sse.WithHTTPClient(srv.Client()), everySecond,
			sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return a.Delay, a.Number == 1 })))
		require.ErrorContains(t, err, "cannot be sent again; set GetBody")
		require.Equal(t, []string{"a"}, got)
		require.Len(t, srv.Requests(), 1)
	})
}

// subscribeWaits subscribes without the client helper's policy and returns the time from
// each request to the next.
func subscribeWaits(t *testing.T, srv *Server, opts ...sse.Option) []time.Duration {
	_, err := read(sse.Subscribe(srv.Get("/"), append([]sse.Option{sse.WithHTTPClient(srv.Client())}, opts...)...))
	require.NoError(t, err)
	return gaps(srv)
}

func TestReconnectionTime(t *testing.T) {
	in(t, "is the first wait after progress, on every connection", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(3 * time.Second), Data("a")}, Script{Data("b")}, gone))
		within(t, subscribeWaits(t, srv), span(3, 3.3), span(3, 3.3)) // it is kept
	})
	in(t, "zero", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(0), Data("a")}, gone))
		within(t, subscribeWaits(t, srv), span(0.1, 0.1))
	})
	in(t, "is an hour at most", func(t *testing.T) {
		for _, ms := range []string{"9223372036854775807", "99999999999999999999", "3600001"} {
			srv := NewServer(t, InOrder(Script{Raw("retry: " + ms + "\n\n"), Data("a")}, gone))
			within(t, subscribeWaits(t, srv), span(3600, 3960))
		}
	})
	in(t, "is where the default policy starts", func(t *testing.T) {
		srv := NewServer(t, InOrder(append(append([]Script{{Retry(4 * time.Second), Data("a")}}, drops(5, -1)...), gone)...))
		within(t, subscribeWaits(t, srv), span(4, 4.4), span(4, 6), span(4, 12), span(8, 24), span(15, 45), span(15, 45))
	})
	in(t, "is a lower bound of every wait", func(t *testing.T) {
		srv := NewServer(t, InOrder(append(drops(4, 5*time.Minute), gone)...))
		for _, wait := range subscribeWaits(t, srv) {
			require.GreaterOrEqual(t, wait, 5*time.Minute)
		}
	})
}

func TestBackOff(t *testing.T) {
	in(t, "Fetch, default policy", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		_, err := read(sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client())))
		require.Error(t, err)
		waits := gaps(srv)
		require.Len(t, waits, 2)
		require.InDelta(t, 1, waits[0].Seconds(), 0.5)
		require.InDelta(t, 2, waits[1].Seconds(), 1)
	})
	in(t, "Subscribe, default policy", func(t *testing.T) {
		srv := NewServer(t, InOrder(append(drops(8, -1), gone)...))
		within(t, subscribeWaits(t, srv), span(0.5, 1.5), span(1, 3), span(2, 6), span(4, 12), span(8, 24), span(15, 45), span(15, 45), span(15, 45))
	})
	in(t, "decides the first wait without a reconnection time", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, gone))
		within(t, subscribeWaits(t, srv), span(0.5, 1.5))
		srv = NewServer(t, InOrder(Script{Data("a")}, gone))
		within(t, subscribeWaits(t, srv, everySecond), span(1, 1))
	})
	in(t, "waits without progress are at least 100 ms", func(t *testing.T) {
		srv := NewServer(t, InOrder(append(drops(20, 0), gone)...))
		for _, wait := range subscribeWaits(t, srv, sse.WithBackOff(func() backoff.BackOff { return &backoff.ZeroBackOff{} })) {
			require.Equal(t, 100*time.Millisecond, wait)
		}
	})
	// The default of package backoff stops after 15 minutes of elapsed time.
	in(t, "is reset when an outage begins", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(48 * time.Hour)}, Script{Answer(503)}, Script{Data("b"), Wait(time.Hour)}, gone))
		got, err := read(sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()), sse.WithBackOff(func() backoff.BackOff {
			return backoff.NewExponentialBackOff()
		})))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
}

// event returns a script that sends one event, whose ID and data are id.
func event(id string) Script { return Script{Send(sse.Event{ID: id, Data: id})} }

// A connection makes progress if it moves the place in the stream, or if it shows that the
// server is well.
func TestProgressOfAConnection(t *testing.T) {
	const s = time.Second
	comment := Comment("ping")
	tests := []struct {
		name  string
		steps Script
		took  time.Duration
		want  bool
		opts  []sse.Option
	}{
		{name: "an event without an ID", steps: Script{Data("a"), Cut()}, want: true},
		{name: "an event with another ID", steps: append(event("8"), Cut()), want: true, opts: at("7")},
		{name: "an event that clears the ID", steps: Script{Raw("id\ndata: a\n\n"), Cut()}, want: true, opts: at("7")},
		{name: "the event that was the last one", steps: append(event("7"), Cut()), opts: at("7")},
		{name: "an event that keeps the ID", steps: Script{Data("a"), Cut()}, opts: at("7")},
		{name: "events that lead back to the ID", steps: append(append(event("8"), event("7")...), Cut()), opts: at("7")},
		{name: "an ID without an event", steps: Script{Raw("id: 8\n\n"), Cut()}, opts: at("7")},
		{name: "a type without data", steps: Script{Raw("event: t\n\n"), Cut()}},
		{name: "an unfinished event", steps: Script{Raw("id: 8\ndata: a\n"), Cut()}, opts: at("7")},
		{name: "status 200 alone", steps: Script{Open()}},
		{name: "a comment and 10 s", steps: Script{comment, Wait(10 * s), Cut()}, took: 10 * s, want: true},
		{name: "a comment after 10 s", steps: Script{Open(), Wait(10 * s), comment, Cut()}, took: 10 * s, want: true},
		{name: "a comment and less than 10 s", steps: Script{comment, Wait(10*s - 1), Cut()}, took: 10*s - 1},
		{name: "no byte and 10 s", steps: Script{Open(), Wait(10 * s), Cut()}, took: 10 * s},
		{name: "10 s before the headers", steps: Script{Wait(10 * s), comment, Cut()}, took: 10 * s},
		{name: "retry and a clean end", steps: Script{Retry(s)}, want: true},
		{name: "retry and a break", steps: Script{Retry(s), Cut()}},
		{name: "retry and an unfinished event", steps: Script{Retry(s), Raw("data: a")}},
		{name: "retry that is not valid and a clean end", steps: Script{Raw("retry: soon\n\n")}},
		{name: "a clean end", steps: Script{comment}},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(429)}, Script{Answer(429)}, tt.steps, gone))
			var numbers []int
			var elapsed []time.Duration
			_, err := read(client(srv, append(tt.opts, sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) {
				numbers, elapsed = append(numbers, a.Number), append(elapsed, a.Elapsed)
			}}))...).Subscribe(srv.Get("/")))
			require.NoError(t, err)
			if tt.want {
				require.Equal(t, []int{1, 2, 1}, numbers)
				require.Equal(t, []time.Duration{0, s, 0}, elapsed)
			} else {
				require.Equal(t, []int{1, 2, 3}, numbers)
				require.Equal(t, []time.Duration{0, s, 2*s + tt.took}, elapsed)
			}
		})
	}
	in(t, "the ID that WithResume has sent counts", func(t *testing.T) {
		for sent, want := range map[string]int{"1": 1, "2": 2} {
			srv := NewServer(t, InOrder(append(event("1"), Raw("data: x"), Cut()), append(event("2"), Raw("data: x"), Cut()), Script{Data("c")}))
			var numbers []int
			_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
				r := srv.Get("/rest")
				r.Header.Set("Last-Event-ID", sent)
				return r, nil
			}), sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) { numbers = append(numbers, a.Number) }})).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []int{1, want}, numbers)
		}
	})
}

// at returns an option that starts at the last event ID.
func at(id string) []sse.Option { return []sse.Option{sse.WithLastEventID(id)} }

// A gateway cuts the connection of a quiet feed each minute.
func TestQuietFeed(t *testing.T) {
	minute := Script{Retry(3 * time.Second)}
	for range 4 {
		minute = append(minute, Comment("ping"), Wait(15*time.Second))
	}
	for name, end := range map[string]Step{"clean ends": Wait(0), "cuts": Cut()} {
		in(t, "Subscribe, "+name, func(t *testing.T) {
			cut := append(slices.Clone(minute), end)
			srv := NewServer(t, InOrder(cut, cut, cut, cut, cut, cut, gone))
			waits := subscribeWaits(t, srv, sse.WithMaxRetries(3))
			within(t, waits, slices.Repeat([][2]time.Duration{span(63, 63.3)}, 6)...)
		})
	}
	in(t, "Fetch with WithResume", func(t *testing.T) {
		cut := append(slices.Clone(minute), Cut())
		srv := NewServer(t, InOrder(cut, cut, cut, cut, cut, Script{Data("a")}))
		got, err := read(sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()), resumeAt("http://server.test/rest")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		within(t, gaps(srv), slices.Repeat([][2]time.Duration{span(63, 63.3)}, 5)...)
	})
}

// A server directs polling: each response sets the reconnection time and ends.
func TestPollingServer(t *testing.T) {
	in(t, "waits stay at the reconnection time", func(t *testing.T) {
		poll := Script{Retry(2 * time.Second)}
		srv := NewServer(t, InOrder(poll, poll, poll, poll, poll, gone))
		waits := subscribeWaits(t, srv, sse.WithMaxRetries(1))
		within(t, waits, slices.Repeat([][2]time.Duration{span(2, 2.2)}, 5)...)
	})
	in(t, "waits follow the reconnection time", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(2 * time.Second)}, Script{Retry(0)}, Script{Retry(time.Minute)}, gone))
		within(t, subscribeWaits(t, srv), span(2, 2.2), span(0.1, 0.1), span(60, 66))
	})
	in(t, "waits grow if a response does not set it", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(2 * time.Second)}, Script{Open()}, Script{Open()}, Script{Open()}, gone))
		within(t, subscribeWaits(t, srv), span(2, 2.2), span(2, 3), span(2, 6), span(4, 12))
	})
	in(t, "waits grow after breaks", func(t *testing.T) {
		cut := Script{Retry(2 * time.Second), Cut()}
		srv := NewServer(t, InOrder(cut, cut, cut, gone))
		within(t, subscribeWaits(t, srv), span(2, 3), span(2, 6), span(4, 12))
	})
}

// A server sends the same event on every resume.
func TestSameEventOnEveryResume(t *testing.T) {
	for name, end := range map[string]Step{"clean ends": Wait(0), "cuts": Cut()} {
		in(t, "waits grow, "+name, func(t *testing.T) {
			same := append(event("1"), end)
			srv := NewServer(t, InOrder(same, same, same, same, same, gone))
			within(t, subscribeWaits(t, srv), span(0.5, 1.5), span(1, 3), span(2, 6), span(4, 12), span(8, 24))
		})
		in(t, "WithMaxRetries ends it, "+name, func(t *testing.T) {
			same := append(event("1"), end)
			srv := NewServer(t, InOrder(same, same, same, same, gone))
			got, err := read(client(srv, sse.WithMaxRetries(3)).Subscribe(srv.Get("/")))
			require.ErrorContains(t, err, "sse: gave up after 3 retries: GET http://server.test/: ")
			require.Equal(t, []string{"1", "1", "1", "1"}, got)
			require.Equal(t, []string{"-", "1", "1", "1"}, sentIDs(srv))
		})
	}
	in(t, "waits grow from the reconnection time", func(t *testing.T) {
		same := append(Script{Retry(4 * time.Second)}, append(event("1"), Cut())...)
		srv := NewServer(t, InOrder(same, same, same, same, gone))
		within(t, subscribeWaits(t, srv), span(4, 4.4), span(4, 6), span(4, 12), span(8, 24))
	})
	in(t, "the two retries of Fetch with WithResume end it", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent, cutAfterEvent, cutAfterEvent, Script{Data("b")}))
		got, err := read(client(srv, resumeAt("http://server.test/rest")).Fetch(srv.Post("/", "{}")))
		require.ErrorContains(t, err, "sse: gave up after 2 retries: ")
		require.Equal(t, []string{"a", "a", "a"}, got)
		require.Equal(t, []string{"-", "1", "1"}, sentIDs(srv))
	})
	in(t, "another ID restarts the count", func(t *testing.T) {
		srv := NewServer(t, InOrder(event("1"), event("1"), event("1"), event("2"), event("2"), event("2"), gone))
		got, err := read(client(srv, sse.WithMaxRetries(3)).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"1", "1", "1", "2", "2", "2"}, got)
	})
}

// Attempts start at least 100 ms apart, whatever reconnection time the server sets.
func TestLeastTimeBetweenAttempts(t *testing.T) {
	const ms = time.Millisecond
	for took, want := range map[time.Duration]time.Duration{
		0: 100 * ms, 30 * ms: 100 * ms, 100 * ms: 100 * ms, 250 * ms: 250 * ms,
	} {
		script := func(id string) Script { return append(Script{Retry(0), Wait(took)}, event(id)...) }
		in(t, fmt.Sprintf("Subscribe, connections of %v", took), func(t *testing.T) {
			srv := NewServer(t, InOrder(script("1"), script("2"), script("3"), gone))
			var delays []time.Duration
			require.Equal(t, []time.Duration{want, want, want}, subscribeWaits(t, srv,
				sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) { delays = append(delays, a.Delay) }})))
			require.Equal(t, slices.Repeat([]time.Duration{want - took}, 3), delays)
		})
		in(t, fmt.Sprintf("Fetch with WithResume, connections of %v", took), func(t *testing.T) {
			cut := func(id string) Script { return append(script(id), Raw("data: x"), Cut()) }
			srv := NewServer(t, InOrder(cut("1"), cut("2"), cut("3"), Script{Data("d")}))
			got, err := read(sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()), resumeAt("http://server.test/rest")))
			require.NoError(t, err)
			require.Equal(t, []string{"1", "2", "3", "d"}, got)
			require.Equal(t, []time.Duration{want, want, want}, gaps(srv))
		})
	}
	in(t, "for a minute", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(0), Data("a")}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Millisecond)
		defer cancel()
		s, err := sse.Subscribe(srv.Get("/").WithContext(ctx), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		defer s.Close()
		events := 0
		for s.Next() {
			events++
			require.LessOrEqual(t, events, 601)
		}
		require.Equal(t, context.DeadlineExceeded, s.Err())
		require.Equal(t, 601, events)
	})
	in(t, "Reconnect and WithRetryPolicy may be faster", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(0), Data("a")}, gone))
		require.Equal(t, []time.Duration{0}, subscribeWaits(t, srv,
			sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { return 0, true })))

		srv = NewServer(t, InOrder(Script{Retry(0), Data("a"), Stall()}, gone))
		s, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		require.True(t, s.Next())
		s.Reconnect()
		require.False(t, s.Next())
		require.NoError(t, s.Err())
		require.Equal(t, []time.Duration{0}, gaps(srv))
	})
}

func TestRetryAfter(t *testing.T) {
	for name, tt := range map[string]struct {
		headers []string
		want    time.Duration
	}{
		"milliseconds":                            {[]string{"Retry-After-Ms", "1500"}, 1500 * time.Millisecond},
		"milliseconds before seconds":             {[]string{"Retry-After-Ms", "2500", "Retry-After", "9"}, 2500 * time.Millisecond},
		"milliseconds with a fraction":            {[]string{"Retry-After-Ms", "1500.5"}, 1500*time.Millisecond + 500*time.Microsecond},
		"seconds if the milliseconds are invalid": {[]string{"Retry-After-Ms", "soon", "Retry-After", "9"}, 9 * time.Second},
		"seconds with a fraction":                 {[]string{"Retry-After", "1.25"}, 1250 * time.Millisecond},
	} {
		in(t, name, func(t *testing.T) {
			for i := range 2 {
				srv := NewServer(t, InOrder(Script{Answer(429, tt.headers...)}, Script{Data("a", "[DONE]")}))
				var seen []sse.Attempt
				_, err := read(bothCalls(client(srv, doneEvent, sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) { seen = append(seen, a) }})))[i](srv.Post("/", "{}")))
				require.NoError(t, err)
				require.Equal(t, []time.Duration{tt.want}, gaps(srv))
				require.Len(t, seen, 1)
				require.Equal(t, tt.want, responseError(t, seen[0].Err).RetryAfter)
			}
		})
	}
	in(t, "milliseconds that are over a minute", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(429, "Retry-After-Ms", "60000.5")}, Script{Data("a")}))
		_, err := client(srv).Fetch(srv.Post("/", "{}"))
		require.Equal(t, time.Minute+500*time.Microsecond, responseError(t, err).RetryAfter)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "seconds", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "7")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{7 * time.Second}, gaps(srv))
	})
	in(t, "a date", func(t *testing.T) {
		at := time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat)
		srv := NewServer(t, InOrder(Script{Answer(429, "Retry-After", at)}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{9 * time.Second}, gaps(srv))
	})
	in(t, "does not lower a wait of the policy", func(t *testing.T) {
		for _, v := range []string{"0", "soon", "-5", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)} {
			srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", v)}, Script{Data("a")}))
			_, err := read(client(srv).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []time.Duration{time.Second}, gaps(srv))
		}
	})
	in(t, "does not lower a wait of the reconnection time", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(20 * time.Second), Data("a")}, Script{Answer(429, "Retry-After", "2")}, gone))
		within(t, subscribeWaits(t, srv, everySecond), span(20, 22), span(20, 20))
	})
	in(t, "raises a wait of the default policy", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "77")}, gone))
		within(t, subscribeWaits(t, srv), span(77, 77))
	})
	in(t, "is an hour at most", func(t *testing.T) {
		for _, v := range []string{"3155760000", "99999999999999999999999", "Fri, 31 Dec 2999 23:59:59 GMT"} {
			srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", v)}, gone))
			within(t, subscribeWaits(t, srv), span(3600, 3600))
		}
	})
}

func TestWaitHoldsNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan int, 2)
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}, Script{Data("b"), Stall()}, gone))
		_, err := read(client(srv, sse.WithIdleTimeout(time.Minute), sse.WithTrace(&sse.Trace{Wait: func(sse.Attempt) {
			time.AfterFunc(time.Second/2, func() { open <- srv.Open() })
		}})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Zero(t, <-open)
		require.Zero(t, <-open)
	})
}

// drops returns n scripts that open a stream and drop it, after setting the reconnection time
// to retry unless that is negative.
func drops(n int, retry time.Duration) []Script {
	var all []Script
	for range n {
		s := Script{Open()}
		if retry >= 0 {
			s = append(s, Retry(retry))
		}
		all = append(all, s)
	}
	return all
}

// within requires that each wait is within its bounds.
func within(t *testing.T, waits []time.Duration, bounds ...[2]time.Duration) {
	t.Helper()
	require.Len(t, waits, len(bounds))
	for i, b := range bounds {
		require.GreaterOrEqual(t, waits[i], b[0], "wait %d of %v", i, waits)
		require.LessOrEqual(t, waits[i], b[1], "wait %d of %v", i, waits)
	}
}

// span returns the bounds from lo to hi seconds.
func span(lo, hi float64) [2]time.Duration {
	return [2]time.Duration{time.Duration(lo * float64(time.Second)), time.Duration(hi * float64(time.Second))}
}

func TestRetryPolicy(t *testing.T) {
	in(t, "sees the default decision and overrides it", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"}), Cut()}, Script{Answer(401)}, Script{Answer(503, "Retry-After", "9")}, Script{Send(sse.Event{ID: "2", Data: "b"})}, gone))
		var seen []sse.Attempt
		got, err := read(client(srv, sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			seen = append(seen, a)
			return 5 * time.Second, true
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
		require.Equal(t, []time.Duration{5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second}, gaps(srv))
		require.Len(t, seen, 4)

		require.ErrorIs(t, seen[0].Err, io.ErrUnexpectedEOF)
		refusedWith(401)(t, seen[1].Err)
		refusedWith(503)(t, seen[2].Err)
		require.NoError(t, seen[3].Err) // a clean end
		for i := range seen {
			seen[i].Err = nil
		}
		require.Equal(t, []sse.Attempt{
			{Number: 1, LastEventID: "1", Retry: true, Delay: time.Second, Events: 1},
			{Number: 2, LastEventID: "1", Retry: false, Delay: time.Second, Elapsed: 5 * time.Second},
			{Number: 3, LastEventID: "1", Retry: true, Delay: 9 * time.Second, Elapsed: 10 * time.Second},
			{Number: 1, LastEventID: "2", Retry: true, Delay: time.Second, Events: 1},
		}, seen)
	})
	in(t, "ends the stream where the default retries", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		for _, open := range bothCalls(client(srv)) {
			_, err := read(open(srv.Get("/"), sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { return 0, false })))
			refusedWith(503)(t, err)
		}
		require.Len(t, srv.Requests(), 2)
	})
	in(t, "continues after an error event", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{Type: "error"})}, gone))
		_, err := read(client(srv, failOnError, sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			require.False(t, a.Retry)
			return a.Delay, true
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Second}, gaps(srv))
	})
	in(t, "is not called without a failure", func(t *testing.T) {
		never := sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			t.Errorf("called with %v", a.Err)
			return 0, false
		})
		_, err := read(client(NewServer(t, InOrder(gone)), never).Subscribe(NewServer(t, InOrder(gone)).Get("/")))
		require.NoError(t, err)
		srv := NewServer(t, InOrder(Script{Data("[DONE]")}))
		_, err = read(client(srv, never, doneEvent).Subscribe(srv.Get("/")))
		require.NoError(t, err)

		srv = NewServer(t, InOrder(Script{Data("a"), Stall()}))
		s, err := client(srv, never).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		time.AfterFunc(time.Second, func() { s.Close() })
		require.False(t, s.Next())
		require.Equal(t, sse.ErrClosed, s.Err())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = read(client(srv, never).Subscribe(srv.Get("/").WithContext(ctx)))
		require.Equal(t, context.DeadlineExceeded, err)
	})
	in(t, "a negative delay is no wait", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}, gone))
		_, err := read(client(srv, sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) {
			return math.MinInt64, true
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0}, gaps(srv))
	})
}

// The Last-Event-ID of a reconnect.
func TestLastEventID(t *testing.T) {
	tests := []struct {
		name   string
		stream string
		want   string
	}{
		{name: "committed at the blank line", stream: "id: 1\ndata: a\n\n", want: "1"},
		{name: "committed without data", stream: "id: 1\n\n", want: "1"},
		{name: "not committed before", stream: "id: 1\n\nid: 2\ndata: b\n", want: "1"},
		{name: "never committed", stream: "id: 2\ndata: b\n", want: "-"},
		{name: "kept by events without one", stream: "id: 1\ndata: a\n\ndata: b\n\n", want: "1"},
		{name: "cleared", stream: "id: 1\ndata: a\n\nid\n\n", want: "-"},
		{name: "ignored if it contains NUL", stream: "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", want: "1"},
		{name: "UTF-8", stream: "id: ünï→✓\ndata: a\n\n", want: "ünï→✓"},
		{name: "tab", stream: "id: a\tb\ndata: a\n\n", want: "a\tb"},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Raw(tt.stream)}, gone))
			s, err := client(srv).Subscribe(srv.Get("/"))
			_, err = read(s, err)
			require.NoError(t, err)
			require.Equal(t, []string{"-", tt.want}, sentIDs(srv))
			require.Equal(t, tt.want, orDash(s.LastEventID()))
		})
	}
	in(t, "a header with a key written by hand", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\n")}, gone))
		req := srv.Get("/")
		req.Header = http.Header{"Last-Event-ID": {"0"}}
		_, err := read(client(srv).Subscribe(req))
		require.NoError(t, err)
		require.Equal(t, []string{"0", "1"}, sentIDs(srv))
		require.Equal(t, http.Header{"Last-Event-ID": {"0"}}, req.Header)

		req.Header = http.Header{"Last-Event-ID": nil}
		srv = NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\n")}, gone))
		_, err = read(client(srv).Subscribe(req))
		require.NoError(t, err)
		require.Equal(t, []string{"-", "1"}, sentIDs(srv))
	})
	in(t, "WithLastEventID, until the server sends another", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, Script{Open(), Cut()}, Script{Send(sse.Event{ID: "8", Data: "b"})}, gone))
		s, err := client(srv, sse.WithLastEventID("7")).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.Equal(t, sse.Event{Type: "message", Data: "a", ID: "7"}, s.Event())
		_, err = read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"7", "7", "7", "8"}, sentIDs(srv))
	})
	in(t, "from the caller's headers, until the server sends another", func(t *testing.T) {
		clear := Script{Raw("id\ndata: x\n\n")}
		srv := NewServer(t, InOrder(Script{Data("a")}, clear, gone))
		req := srv.Get("/")
		req.Header.Set("Last-Event-ID", "7")
		_, err := read(client(srv).Subscribe(req))
		require.NoError(t, err)
		require.Equal(t, []string{"7", "7", "-"}, sentIDs(srv))

		srv = NewServer(t, InOrder(Script{Data("a")}, clear, gone))
		_, err = read(client(srv, sse.WithHeader("last-event-id", "7")).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"7", "7", "-"}, sentIDs(srv))
	})
	in(t, "is kept by the events of the next connection", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"})}, Script{Data("b")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		var ids []string
		for e := range s.Events() {
			ids = append(ids, e.ID)
		}
		require.Equal(t, []string{"1", "1"}, ids)
	})
	in(t, "an ID that no header can carry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: a\x01b\ndata: x\n\n")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/p?q=1"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.Equal(t, "a\x01b", s.Event().ID)
		require.False(t, s.Next())
		require.EqualError(t, s.Err(), "sse: GET http://server.test/p: the last event ID has a control character or more than 8 KiB, so no header can carry it; use WithResume to resume another way")
		require.Len(t, srv.Requests(), 1)
	})
}

func orDash(id string) string {
	if id == "" {
		return "-"
	}
	return id
}

// A reconnect sends the caller's request, not the redirected one.
func TestReconnectURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redirect := Script{Answer(307, "Location", "/b")}
		srv := NewServer(t, InOrder(redirect, Script{Data("a")}, redirect, Script{Data("b")}, gone))
		_, err := read(client(srv).Subscribe(srv.Get("/a")))
		require.NoError(t, err)
		var paths []string
		for _, r := range srv.Requests() {
			paths = append(paths, r.Path)
		}
		require.Equal(t, []string{"/a", "/b", "/a", "/b", "/a"}, paths)
	})
}

// cutAfterEvent delivers the event a and breaks off in the middle of the next one.
var cutAfterEvent = Script{Send(sse.Event{ID: "1", Data: "a"}), Raw("data: lost"), Cut()}

func TestWithResume(t *testing.T) {
	in(t, "Fetch continues after a break", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent, Script{Send(sse.Event{ID: "2", Data: "b"})}))
		var asked []sse.Attempt
		got, err := read(client(srv, sse.WithResume(func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
			asked = append(asked, a)
			return srv.Get("/resume?after=" + a.LastEventID), nil
		})).Fetch(srv.Post("/start", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
		require.Equal(t, []string{"-", "1"}, sentIDs(srv))
		require.Equal(t, "POST /start", srv.Requests()[0].Method+" "+srv.Requests()[0].Path)
		require.Equal(t, "GET /resume?after=1", srv.Requests()[1].Method+" "+srv.Requests()[1].Path)
		require.Len(t, asked, 1)
		require.Equal(t, 1, asked[0].Events)
		require.ErrorIs(t, asked[0].Err, io.ErrUnexpectedEOF)
	})
	in(t, "FromResponse continues after a break", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent, Script{Data("b")}))
		resp, err := srv.Client().Do(srv.Post("/start", "{}"))
		require.NoError(t, err)
		got, err := read(sse.FromResponse(resp, sse.WithHTTPClient(srv.Client()), everySecond,
			sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return srv.Get("/resume"), nil })))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
	in(t, "Subscribe continues after a clean end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"})}, gone))
		_, err := read(client(srv, sse.WithResume(func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
			return srv.Get("/resume"), a.Err
		})).Subscribe(srv.Get("/start")))
		require.NoError(t, err)
		require.Equal(t, "/resume", srv.Requests()[1].Path)
	})
	in(t, "the same request several times", func(t *testing.T) {
		cut := func(id string) Script { return append(event(id), Cut()) }
		srv := NewServer(t, InOrder(cut("1"), cut("2"), cut("3"), Script{Data("b")}))
		again := srv.Post("/resume", "{}")
		got, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return again, nil
		})).Fetch(srv.Post("/start", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2", "3", "b"}, got)
		for _, r := range srv.Requests() {
			require.Equal(t, "{}", string(r.Body))
		}
	})
	in(t, "an ID that no header can carry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: a\x01b\ndata: x\n\n")}, gone))
		_, err := read(client(srv, sse.WithResume(func(_ context.Context, a sse.Attempt) (*http.Request, error) {
			return srv.Get("/?hex=" + http.CanonicalHeaderKey(strings.ReplaceAll(a.LastEventID, "\x01", "01"))), nil
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"-", "-"}, sentIDs(srv))
	})
	in(t, "is not called once Close interrupted the wait", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent))
		s, err := client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			t.Error("asked")
			return nil, nil
		})).Fetch(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Second/2, func() { s.Close() })
		_, err = read(s, nil)
		require.Equal(t, sse.ErrClosed, err)
	})
	in(t, "an error ends the stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent))
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return nil, errInBand
		})).Subscribe(srv.Get("/")))
		require.ErrorIs(t, err, errInBand)
		require.ErrorContains(t, err, "sse: ")
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "an invalid request ends the stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent))
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return new(http.Request), nil
		})).Subscribe(srv.Get("/")))
		require.ErrorContains(t, err, "no URL")
	})
}

// A request with a body needs GetBody, so that no attempt sends an empty one.
func TestWithResumeBody(t *testing.T) {
	in(t, "Subscribe refuses a body without GetBody", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		body := &closer{Reader: strings.NewReader("once")}
		req := srv.Post("/", "")
		req.Body = body
		_, err := client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return srv.Get("/resume"), nil
		})).Subscribe(req)
		require.ErrorContains(t, err, "GetBody")
		require.Empty(t, srv.Requests())
		require.True(t, body.closed)
	})
	for name, resume := range map[string]func(srv *Server, start *http.Request) *http.Request{
		"a new request":                      func(srv *Server, _ *http.Request) *http.Request { return requestOnce(srv, "/resume") },
		"the request of the call":            func(_ *Server, start *http.Request) *http.Request { return start },
		"a clone of the request of the call": func(_ *Server, start *http.Request) *http.Request { return start.Clone(start.Context()) },
	} {
		in(t, "without GetBody: refuses "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(cutAfterEvent, Script{Data("b")}))
			start := requestOnce(srv, "/start")
			got, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
				return resume(srv, start), nil
			})).Fetch(start))
			require.ErrorContains(t, err, "WithResume: ")
			require.ErrorContains(t, err, "set GetBody")
			require.Equal(t, []string{"a"}, got)
			require.Len(t, srv.Requests(), 1)
			require.Equal(t, "once", string(srv.Requests()[0].Body))
		})
	}
	in(t, "without GetBody: refuses the request of the call even if its body was not sent", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(1)
		start := requestOnce(srv, "/")
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return start, nil
		})).Fetch(start))
		require.ErrorContains(t, err, "set GetBody")
		require.Empty(t, srv.Requests())
	})
	in(t, "without GetBody: accepts an empty body", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent, Script{Data("b")}))
		got, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			r := srv.Post("/resume", "")
			r.Body, r.GetBody = http.NoBody, nil
			return r, nil
		})).Fetch(srv.Post("/start", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
	for name, address := range map[string]*url.URL{
		"without GetBody": {Scheme: "http", Host: "server.test", Path: "/"},
		"without a URL":   nil,
	} {
		in(t, "the body of a refused request is closed: "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(cutAfterEvent))
			body := &closer{Reader: strings.NewReader("once")}
			_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
				return &http.Request{Method: http.MethodPost, URL: address, Body: body}, nil
			})).Fetch(srv.Get("/")))
			require.ErrorContains(t, err, "WithResume: ")
			require.True(t, body.closed)
			require.Len(t, srv.Requests(), 1)
		})
	}
}

// requestOnce returns a POST with a body that can be read once.
func requestOnce(srv *Server, path string) *http.Request {
	r := srv.Post(path, "")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("once")), -1
	return r
}

// The stream ends as it would without WithResume if its function returns no request.
func TestNothingToResume(t *testing.T) {
	in(t, "after a break", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent))
		got, err := read(client(srv, resumeNothing).Fetch(srv.Get("/")))
		require.Equal(t, []string{"a"}, got)
		lost := truncatedError(t, err)
		require.Equal(t, "lost", lost.Partial.Data)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "a 204 response is not a completion", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent, gone))
		get := sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return srv.Get("/resume"), nil })
		_, err := read(client(srv, get, doneEvent).Fetch(srv.Post("/", "{}")))
		lost := truncatedError(t, err)
		require.Equal(t, "lost", lost.Partial.Data)

		srv = NewServer(t, InOrder(cutAfterEvent, Script{Answer(503)}, gone))
		_, err = read(client(srv, get).Fetch(srv.Post("/", "{}")))
		lost = truncatedError(t, err)
		require.Equal(t, "lost", lost.Partial.Data)
	})
	in(t, "after a failed attempt to resume", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent, Script{Answer(503)}))
		asked := 0
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			if asked++; asked == 1 {
				return srv.Get("/resume"), nil
			}
			return nil, nil
		})).Fetch(srv.Post("/", "{}")))
		lost := truncatedError(t, err)
		require.Equal(t, "lost", lost.Partial.Data)
		require.Len(t, srv.Requests(), 2)
	})
	in(t, "after Reconnect", func(t *testing.T) {
		for _, at := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond} { // in the wait, and in the stream
			srv := NewServer(t, InOrder(cutAfterEvent, Script{Send(sse.Event{ID: "2", Data: "b"}), Stall()}))
			var asked []sse.Attempt
			s, err := client(srv, sse.WithResume(func(_ context.Context, a sse.Attempt) (*http.Request, error) {
				asked = append(asked, a)
				if len(asked) == 1 && at > time.Second {
					return srv.Get("/resume"), nil
				}
				return nil, nil
			})).Fetch(srv.Get("/"))
			require.NoError(t, err)
			time.AfterFunc(at, s.Reconnect)
			_, err = read(s, nil)
			lost := truncatedError(t, err)
			require.Equal(t, 1, lost.Events)
			last := asked[len(asked)-1]
			require.Equal(t, 1, last.Events)
			require.True(t, last.Retry)
			require.ErrorIs(t, last.Err, io.ErrUnexpectedEOF)
		}
	})
	in(t, "after a clean end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		for _, open := range bothCalls(client(srv)) {
			_, err := read(open(srv.Get("/"), resumeNothing))
			require.NoError(t, err)
		}
		require.Len(t, srv.Requests(), 2)
	})
	in(t, "before a response was accepted", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(429)}, Script{Data("a")}))
		got, err := read(client(srv, resumeNothing).Fetch(srv.Post("/", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, "{}", string(srv.Requests()[1].Body))
	})
}

// Until a response was accepted, the first request is sent again if the function of
// WithRetryPolicy decides to retry where the default does not.
func TestNothingToResumeBeforeAResponse(t *testing.T) {
	in(t, "a token that is renewed after a 401 response", func(t *testing.T) {
		for i := range 2 {
			srv := NewServer(t, InOrder(Script{Answer(401)}, Script{Data("a", "[DONE]")}))
			token, asked := "old", 0
			c := client(srv, doneEvent,
				sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { asked++; return nil, nil }),
				sse.WithPrepare(func(r *http.Request) error { r.Header.Set("Authorization", token); return nil }),
				sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
					refusedWith(401)(t, a.Err)
					require.False(t, a.Retry)
					token = "new"
					return 0, true
				}))
			got, err := read(bothCalls(c)[i](srv.Post("/", "{}")))
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, got)
			require.Equal(t, 1, asked)
			require.Equal(t, []time.Duration{0}, gaps(srv))
			for j, want := range []string{"old", "new"} {
				r := srv.Requests()[j]
				require.Equal(t, "POST {} "+want, r.Method+" "+string(r.Body)+" "+r.Header.Get("Authorization"))
			}
		}
	})
	in(t, "a request that WithPrepare could not make", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		prepared := 0
		got, err := read(client(srv, resumeNothing,
			sse.WithPrepare(func(*http.Request) error {
				if prepared++; prepared == 1 {
					return errInBand
				}
				return nil
			}),
			sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return a.Delay, true })).Fetch(srv.Post("/", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "a policy that only confirms the default does not send it again", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}, Script{Data("a")}))
		_, err := client(srv, resumeNothing, sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			require.True(t, a.Retry)
			return a.Delay, a.Retry
		})).Fetch(srv.Post("/", "{}"))
		require.EqualError(t, err, "sse: POST http://server.test/: 503 Service Unavailable")
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "not once a response was accepted", func(t *testing.T) {
		srv := NewServer(t, InOrder(cutAfterEvent, Script{Answer(401)}, Script{Data("b")}))
		asked := 0
		got, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			if asked++; asked == 1 {
				return srv.Get("/rest"), nil
			}
			return nil, nil
		}), sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return a.Delay, true })).Fetch(srv.Post("/", "{}")))
		require.Equal(t, "lost", truncatedError(t, err).Partial.Data)
		require.Equal(t, []string{"a"}, got)
		require.Len(t, srv.Requests(), 2)
	})
}

// resumeNothing has nothing to resume.
var resumeNothing = sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return nil, nil })

func TestReconnect(t *testing.T) {
	in(t, "replaces the connection at once", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"}), Stall()}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		time.AfterFunc(time.Minute, s.Reconnect)
		require.False(t, s.Next())
		require.NoError(t, s.Err())
		require.Equal(t, []time.Duration{time.Minute}, gaps(srv))
		require.Equal(t, []string{"-", "1"}, sentIDs(srv))
	})
	in(t, "cuts a wait short", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "3000")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Minute, s.Reconnect)
		_, err = read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Minute}, gaps(srv))
	})
	in(t, "cancels an attempt", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, Script{Stall()}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Minute, s.Reconnect)
		_, err = read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Second, 59 * time.Second}, gaps(srv))
	})
	in(t, "loses no buffered event", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c"), Stall()}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		s.Reconnect()
		s.Reconnect()
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"b"}, got)
		require.Equal(t, []string{"-", "2"}, sentIDs(srv))
	})
	in(t, "an incomplete block does not complete the stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("data: [DONE]\n"), Stall()}, Script{Data("b", "[DONE]")}))
		s, err := client(srv, doneEvent).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Second, s.Reconnect)
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
	in(t, "cuts short a wait that has not begun", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, Script{Answer(503)}, gone))
		var s *sse.Stream
		s, err := client(srv, sse.WithTrace(&sse.Trace{Wait: func(sse.Attempt) {
			if s != nil {
				s.Reconnect()
			}
		}})).Subscribe(srv.Get("/"))
		_, err = read(s, err)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, 0}, gaps(srv))
	})
	in(t, "restarts the count of retries", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		s, err := client(srv, sse.WithMaxRetries(3)).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(2500*time.Millisecond, s.Reconnect) // in the third wait
		_, err = read(s, nil)
		require.ErrorContains(t, err, "gave up after 3 retries")
		const s1 = time.Second
		require.Equal(t, []time.Duration{s1, s1, s1 / 2, s1, s1, s1}, gaps(srv))
	})
	in(t, "before the first call of Next", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "3000")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		s.Reconnect()
		_, err = read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0}, gaps(srv))
	})
	in(t, "restarts Elapsed", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}, Script{Answer(503)}, gone))
		var seen []sse.Attempt
		s, err := client(srv, sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) { seen = append(seen, a) }})).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		time.AfterFunc(49*time.Hour, s.Reconnect)
		require.False(t, s.Next())
		require.NoError(t, s.Err())
		require.Len(t, seen, 1)
		require.Zero(t, seen[0].Elapsed)
		require.Equal(t, 1, seen[0].Number)
	})
	in(t, "resumes a stream of Fetch with WithResume", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}, Script{Data("b")}))
		s, err := client(srv, sse.WithResume(func(_ context.Context, a sse.Attempt) (*http.Request, error) {
			return srv.Get("/resume"), nil
		})).Fetch(srv.Post("/", "{}"))
		require.NoError(t, err)
		time.AfterFunc(time.Minute, s.Reconnect)
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
		require.Equal(t, []time.Duration{time.Minute}, gaps(srv))
	})
	in(t, "does nothing to a stream of Fetch without WithResume", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(time.Minute), Data("b")}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		s.Reconnect()
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
}

func TestReconnectCounts(t *testing.T) {
	in(t, "in a Wait hook, it ends the wait and not the count", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, Script{Answer(503)}))
		var s *sse.Stream
		var numbers []int
		s, err := client(srv, sse.WithMaxRetries(3), sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) {
			numbers = append(numbers, a.Number)
			s.Reconnect()
		}})).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		for s.Next() {
		}
		refusedWith(503)(t, s.Err())
		require.Equal(t, []int{1, 2, 3}, numbers)
		require.Equal(t, []time.Duration{0, 0, 0}, gaps(srv))
	})
	in(t, "without a request to resume, there was no retry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}))
		s, err := client(srv, resumeNothing).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		s.Reconnect()
		require.False(t, s.Next())
		require.ErrorContains(t, s.Err(), "Reconnect was called")
		require.NotContains(t, s.Err().Error(), "gave up")
	})
}

// An ID that a header carries without its white space is still the same place.
func TestSameEventWithWhiteSpaceInItsID(t *testing.T) {
	for _, id := range []string{"1", "1 ", "\t1"} {
		in(t, fmt.Sprintf("%q", id), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Raw("id: " + id + "\ndata: a\n\n"), Cut()}))
			_, err := read(client(srv, sse.WithMaxRetries(3)).Subscribe(srv.Get("/")))
			require.ErrorContains(t, err, "gave up after 3 retries")
			require.Len(t, srv.Requests(), 4, "only the first event was progress")
		})
	}
}

// A server that directs polling by retry makes progress where a completion event is to come
// as well, unless it only repeats itself.
func TestPollingBeforeTheCompletion(t *testing.T) {
	in(t, "without an event", func(t *testing.T) {
		poll := Script{Retry(time.Second)}
		srv := NewServer(t, InOrder(poll, poll, poll, poll, poll, Script{Data("a", "[DONE]")}))
		got, err := read(client(srv, sse.WithMaxRetries(3), doneEvent).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		for _, gap := range gaps(srv) {
			require.InDelta(t, 1.05, gap.Seconds(), 0.05)
		}
	})
	in(t, "with the same event again", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(0), Send(sse.Event{ID: "1", Data: "a"})}))
		_, err := read(client(srv, sse.WithMaxRetries(3)).Subscribe(srv.Get("/")))
		require.ErrorContains(t, err, "gave up after 3 retries")
	})
}

// A body that cannot be sent again costs the retries, and the error says so.
func TestSpentBodyIsNamed(t *testing.T) {
	in(t, "where there would have been a retry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(429)}))
		_, err := client(srv).Fetch(requestOnce(srv, "/"))
		refusedWith(429)(t, err)
		require.EqualError(t, err, "sse: POST http://server.test/: 429 Too Many Requests; "+
			"there was no retry, because the body of the request cannot be sent again: set GetBody")
		require.True(t, sse.Retryable(err))
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "and not elsewhere", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(400)}))
		_, err := client(srv).Fetch(requestOnce(srv, "/"))
		require.EqualError(t, err, "sse: POST http://server.test/: 400 Bad Request")
	})
}

// The last error of a subscription without progress tells that nothing else was wrong.
func TestGivingUpAfterCleanEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Comment("x")}))
		_, err := read(client(srv, sse.WithMaxRetries(2)).Subscribe(srv.Get("/p?secret")))
		require.EqualError(t, err, "sse: gave up after 2 retries: GET http://server.test/p: the response ended without progress: EOF")
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, srv.Requests(), 3)
	})
}

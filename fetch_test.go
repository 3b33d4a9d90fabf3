package sse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

func TestFetchStreams(t *testing.T) {
	in(t, "clean end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "b"), Comment("x"), Send(sse.Event{Type: "t", Data: "c", ID: "7"})}))
		s, err := client(srv).Fetch(srv.Post("/p", `{"q":1}`))
		require.NoError(t, err)
		require.Equal(t, 200, s.Response().StatusCode)
		var got []sse.Event
		for e, err := range s.Events() {
			require.NoError(t, err)
			got = append(got, e)
		}
		require.Equal(t, []sse.Event{
			{Type: "message", Data: "a"},
			{Type: "message", Data: "b"},
			{Type: "t", Data: "c", ID: "7"},
		}, got)
		require.NoError(t, s.Err())
		require.Equal(t, "7", s.LastEventID())
		require.Len(t, srv.Requests(), 1)
		require.Equal(t, `{"q":1}`, string(srv.Requests()[0].Body))
		require.Equal(t, http.MethodPost, srv.Requests()[0].Method)
	})
	in(t, "event before the next byte", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("data: a\r\r"), Stall()}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.Equal(t, "a", string(s.Data()))
		require.NoError(t, s.Close())
	})
	in(t, "completion is a clean end", func(t *testing.T) {
		for _, end := range []Step{Stall(), Cut(), Wait(0), Data("more")} {
			srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), end}))
			got, err := read(client(srv, sse.WithDone("[END]", "[DONE]")).Fetch(srv.Post("/", "{}")))
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, got)
			require.Len(t, srv.Requests(), 1)
		}
	})
	in(t, "after the last event there is none", func(t *testing.T) {
		for _, last := range []Step{Data("[DONE]"), Data("failed"), Send(sse.Event{Type: "stop", Data: "z"}), Cut(), Raw("data: b")} {
			srv := NewServer(t, InOrder(Script{Data("a"), last}))
			s, err := client(srv, stopEvent, sse.WithDone("[DONE]"), sse.WithEventError(func(e sse.Event) error {
				if e.Data == "failed" {
					return errInBand
				}
				return nil
			})).Fetch(srv.Get("/"))
			require.NoError(t, err)
			for s.Next() {
				require.NotEmpty(t, s.Data())
			}
			require.Nil(t, s.Data())
			require.Empty(t, s.Type())
			require.Zero(t, s.Event())
		}
	})
	in(t, "the context of the attempt ends with it", func(t *testing.T) {
		for _, end := range []Step{Data("[DONE]"), Wait(0), Cut()} {
			srv := NewServer(t, InOrder(Script{Data("a"), end}))
			var attempt context.Context
			_, _ = read(client(srv, sse.WithDone("[DONE]"), sse.WithPrepare(func(r *http.Request) error {
				attempt = r.Context()
				return nil
			})).Fetch(srv.Get("/")))
			require.Error(t, attempt.Err())
		}
	})
	in(t, "terminator is delivered", func(t *testing.T) {
		for _, end := range []Step{Stall(), Cut(), Wait(0)} {
			srv := NewServer(t, InOrder(Script{Data("a"), Send(sse.Event{Type: "stop", Data: "z"}), end}))
			got, err := read(client(srv, stopEvent).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "z"}, got)
		}
	})
	in(t, "nothing that comes after the terminator changes the end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{Type: "stop", Data: "z"}), Stall()}))
		ctx, cancel := context.WithCancel(t.Context())
		s, err := client(srv, stopEvent).Fetch(srv.Get("/").WithContext(ctx))
		require.NoError(t, err)
		require.True(t, s.Next())
		cancel()
		s.Close()
		require.NoError(t, s.Err())
		require.False(t, s.Next())
		require.NoError(t, s.Err())
	})
	in(t, "status 204", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(204)}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.Equal(t, 204, s.Response().StatusCode)
		require.False(t, s.Next())
		require.NoError(t, s.Err())
	})
}

func TestFetchTruncated(t *testing.T) {
	done := sse.WithDone("[DONE]")
	tests := []struct {
		name    string
		script  Script
		opts    []sse.Option
		partial sse.Event
		clean   bool // Err is exactly io.ErrUnexpectedEOF
	}{
		{name: "clean end with data pending", script: Script{Data("a"), Raw("event: t\nid: 4\ndata: x\ndata: y")}, partial: sse.Event{Type: "t", Data: "x\ny", ID: "4"}, clean: true},
		{name: "clean end in the name of a data line", script: Script{Data("a"), Raw("dat")}, clean: true},
		{name: "clean end before WithDone", script: Script{Data("a")}, opts: []sse.Option{done}, clean: true},
		{name: "clean end before WithTerminator", script: Script{Data("a")}, opts: []sse.Option{stopEvent}, clean: true},
		{name: "connection lost between events", script: Script{Data("a"), Cut()}},
		{name: "connection lost in a block", script: Script{Data("a"), Raw("data: x\ndata: y\n"), Cut()}, partial: sse.Event{Type: "message", Data: "x\ny"}},
		{name: "connection lost in a block without data", script: Script{Data("a"), Raw("event: t\n"), Cut()}, partial: sse.Event{Type: "t"}},
		{name: "connection lost before WithDone", script: Script{Data("a"), Cut()}, opts: []sse.Option{done}},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			got, err := read(client(srv, tt.opts...).Fetch(srv.Get("/p?secret=1")))
			require.Equal(t, []string{"a"}, got)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			cut, ok := errors.AsType[*sse.TruncatedError](err)
			require.True(t, ok)
			require.Equal(t, tt.partial, cut.Partial)
			require.Equal(t, 1, cut.Events)
			if tt.clean {
				require.Equal(t, io.ErrUnexpectedEOF, cut.Err)
			}
			require.Error(t, cut.Err)
			message := "sse: GET http://server.test/p: truncated after 1 event"
			if tt.partial != (sse.Event{}) {
				message += ", within the next"
			}
			require.EqualError(t, err, message+": "+cut.Err.Error())
			require.NotContains(t, err.Error(), "secret")
			require.Len(t, srv.Requests(), 1)
		})
	}
	in(t, "an ID without data is no data", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("id: 9\n: comment")}))
		got, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
	in(t, "last event ID", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\nid: 2\n"), Cut()}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		cut, ok := errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok)
		require.Equal(t, "1", cut.LastEventID)
		require.Equal(t, "2", cut.Partial.ID)
	})
}

// The rows about what Fetch tries again. Attempts are counted by the server, so that
// a request sent twice is seen.
func TestFetchRetries(t *testing.T) {
	ok := Script{Data("a")}
	status := func(code int, headers ...string) Script { return Script{Answer(code, headers...)} }
	tests := []struct {
		name    string
		request func(*Server) *http.Request
		scripts []Script
		sent    int
		status  int // of the *ResponseError; 0 if the stream is read to its end
		lost    bool
	}{
		{name: "408", request: post, scripts: []Script{status(408), ok}, sent: 2},
		{name: "425", request: post, scripts: []Script{status(425), ok}, sent: 2},
		{name: "429", request: post, scripts: []Script{status(429), status(429), ok}, sent: 3},
		{name: "503", request: post, scripts: []Script{status(503), ok}, sent: 2},
		{name: "529", request: post, scripts: []Script{status(529), ok}, sent: 2},
		{name: "503 three times", request: post, scripts: []Script{status(503)}, sent: 3, status: 503},
		{name: "429 with a near Retry-After", request: post, scripts: []Script{status(429, "Retry-After", "60"), ok}, sent: 2},
		{name: "429 with a far Retry-After", request: post, scripts: []Script{status(429, "Retry-After", "61"), ok}, sent: 1, status: 429},
		{name: "500 POST", request: post, scripts: []Script{status(500), ok}, sent: 1, status: 500},
		{name: "502 POST", request: post, scripts: []Script{status(502), ok}, sent: 1, status: 502},
		{name: "504 POST", request: post, scripts: []Script{status(504), ok}, sent: 1, status: 504},
		{name: "500 GET", request: get, scripts: []Script{status(500), ok}, sent: 2},
		{name: "502 GET", request: get, scripts: []Script{status(502), ok}, sent: 2},
		{name: "504 GET", request: get, scripts: []Script{status(504), ok}, sent: 2},
		{name: "500 PUT", request: method("PUT"), scripts: []Script{status(500), ok}, sent: 2},
		{name: "500 DELETE", request: method("DELETE"), scripts: []Script{status(500), ok}, sent: 2},
		{name: "500 OPTIONS", request: method("OPTIONS"), scripts: []Script{status(500), ok}, sent: 2},
		{name: "500 REPORT", request: method("REPORT"), scripts: []Script{status(500), ok}, sent: 1, status: 500},
		{name: "500 POST with Idempotency-Key", request: keyed("Idempotency-Key"), scripts: []Script{status(500), ok}, sent: 2},
		{name: "502 POST with X-Idempotency-Key", request: keyed("X-Idempotency-Key"), scripts: []Script{status(502), ok}, sent: 2},
		{name: "lost before the headers, POST", request: post, scripts: []Script{{Cut()}, ok}, sent: 1, lost: true},
		{name: "lost before the headers, GET", request: get, scripts: []Script{{Cut()}, ok}, sent: 2},
		{name: "lost before the headers, POST with key", request: keyed("Idempotency-Key"), scripts: []Script{{Cut()}, ok}, sent: 2},
		{name: "400", request: get, scripts: []Script{status(400), ok}, sent: 1, status: 400},
		{name: "401", request: get, scripts: []Script{status(401), ok}, sent: 1, status: 401},
		{name: "404", request: get, scripts: []Script{status(404), ok}, sent: 1, status: 404},
		{name: "501", request: get, scripts: []Script{status(501), ok}, sent: 1, status: 501},
		{name: "304", request: get, scripts: []Script{status(304), ok}, sent: 1, status: 304},
		{name: "200 HTML", request: get, scripts: []Script{status(200, "Content-Type", "text/html"), ok}, sent: 1, status: 200},
		{name: "200 without a type", request: get, scripts: []Script{status(200), ok}, sent: 1, status: 200},
		{name: "202", request: post, scripts: []Script{status(202), ok}, sent: 1, status: 202},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.scripts...))
			got, err := read(client(srv).Fetch(tt.request(srv)))
			require.Len(t, srv.Requests(), tt.sent)
			switch {
			case tt.status != 0:
				refusal, ok := errors.AsType[*sse.ResponseError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, tt.status, refusal.StatusCode)
			case tt.lost:
				require.Error(t, err)
				require.ErrorContains(t, err, "sse: POST http://server.test/")
			default:
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
			}
		})
	}
}

// What was acted on may not be sent again, whatever comes after it.
func TestFetchNeverTwice(t *testing.T) {
	count := func(srv *Server, path string) (n int) {
		for _, r := range srv.Requests() {
			if r.Method == http.MethodPost && r.Path == path {
				n++
			}
		}
		return n
	}
	in(t, "307 without a connection, then refused", func(t *testing.T) {
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
		for name, next := range map[string]Script{"503": {Answer(503)}, "lost": {Cut()}} {
			in(t, fmt.Sprint(code, ", then ", name), func(t *testing.T) {
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
	in(t, "redirect, then refused", func(t *testing.T) {
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
	in(t, "a key that a redirect has taken away is none", func(t *testing.T) {
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
	for name, script := range map[string]Script{"lost": {Cut()}, "500": {Answer(500)}, "502": {Answer(502)}} {
		in(t, "nothing to resume, "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(script))
			_, err := client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
				return nil, nil
			})).Fetch(srv.Post("/", "{}"))
			require.Error(t, err)
			require.Len(t, srv.Requests(), 1)
		})
	}
}

func TestFetchNotSent(t *testing.T) {
	in(t, "refused, then accepted", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(2)
		start := time.Now()
		got, err := read(client(srv).Fetch(srv.Post("/", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, "{}", string(srv.Requests()[0].Body))
	})
	in(t, "refused for good", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(3)
		_, err := read(client(srv).Fetch(srv.Post("/p?secret=1", "{}")))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.EqualError(t, err, "sse: gave up after 2 retries: POST http://server.test/p: dial tcp: connection refused")
		require.Empty(t, srv.Requests())
	})
	in(t, "WithMaxRetries", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(1)
		_, err := read(client(srv, sse.WithMaxRetries(0)).Fetch(srv.Get("/")))
		require.EqualError(t, err, "sse: GET http://server.test/: dial tcp: connection refused")
		srv.Refuse(5)
		_, err = read(client(srv, sse.WithMaxRetries(5)).Fetch(srv.Get("/")))
		require.NoError(t, err)
	})
}

func TestFetchWaits(t *testing.T) {
	in(t, "Retry-After in seconds raises the wait", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "7")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{7 * time.Second}, gaps(srv))
	})
	in(t, "Retry-After as a date", func(t *testing.T) {
		at := time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat)
		srv := NewServer(t, InOrder(Script{Answer(429, "Retry-After", at)}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{9 * time.Second}, gaps(srv))
	})
	in(t, "Retry-After never lowers it", func(t *testing.T) {
		for _, v := range []string{"0", "soon", "-5", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)} {
			srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", v)}, Script{Data("a")}))
			_, err := read(client(srv).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []time.Duration{time.Second}, gaps(srv))
		}
	})
	in(t, "default policy", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		_, err := read(sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client())))
		require.Error(t, err)
		waits := gaps(srv)
		require.Len(t, waits, 2)
		require.InDelta(t, 1, waits[0].Seconds(), 0.5)
		require.InDelta(t, 2, waits[1].Seconds(), 1)
	})
}

func TestFetchTimeouts(t *testing.T) {
	in(t, "idle timeout", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(9 * time.Second), Comment("x"), Stall()}))
		start := time.Now()
		got, err := read(client(srv, sse.WithIdleTimeout(10*time.Second)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrIdleTimeout)
		require.EqualError(t, err, "sse: GET http://server.test/: timed out waiting for a byte")
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 19*time.Second, time.Since(start))
	})
	in(t, "event timeout", func(t *testing.T) {
		script := Script{Open(), Wait(9 * time.Second), Data("a")}
		for range 20 {
			script = append(script, Wait(time.Second), Comment("x"))
		}
		srv := NewServer(t, InOrder(script))
		start := time.Now()
		got, err := read(client(srv, sse.WithEventTimeout(10*time.Second), sse.WithIdleTimeout(10*time.Second)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTimeout)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 19*time.Second, time.Since(start))
	})
	in(t, "a slow consumer is no silent server", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(time.Second), Data("b")}))
		s, err := client(srv, sse.WithEventTimeout(10*time.Second), sse.WithIdleTimeout(10*time.Second)).Fetch(srv.Get("/"))
		require.NoError(t, err)
		for _, want := range []string{"a", "b"} {
			require.True(t, s.Next(), "%v", s.Err())
			require.Equal(t, want, s.Event().Data)
			<-time.After(time.Minute) // the consumer at work
		}
		require.False(t, s.Next())
		require.NoError(t, s.Err())
	})
	in(t, "a server that is silent after a slow consumer", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}))
		s, err := client(srv, sse.WithIdleTimeout(10*time.Second)).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		<-time.After(time.Minute)
		start := time.Now()
		require.False(t, s.Next())
		require.ErrorIs(t, s.Err(), sse.ErrIdleTimeout)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
	in(t, "the longest timeouts", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Wait(time.Second), Data("a"), Wait(time.Second), Data("b")}))
		got, err := read(client(srv, sse.WithEventTimeout(math.MaxInt64), sse.WithIdleTimeout(math.MaxInt64), sse.WithOpenTimeout(math.MaxInt64)).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
	in(t, "the longest timeout and a short one", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(time.Second), Comment("x"), Stall()}))
		start := time.Now()
		_, err := read(client(srv, sse.WithIdleTimeout(math.MaxInt64), sse.WithEventTimeout(10*time.Second)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTimeout)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestFetchTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", strings.Repeat("x", 100)), Data("b")}))
		got, err := read(client(srv, sse.WithMaxEventSize(50)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTooLarge)
		require.ErrorContains(t, err, "sse: GET http://server.test/: event too large: its block is over 50 bytes")
		require.Equal(t, []string{"a"}, got)
		require.Len(t, srv.Requests(), 1)
	})
}

func TestFetchEventError(t *testing.T) {
	overloaded := errors.New("overloaded")
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Send(sse.Event{Type: "error", Data: "{}", ID: "3"}), Data("b")}))
		got, err := read(client(srv, sse.WithEventError(func(e sse.Event) error {
			if e.Type == "error" {
				return overloaded
			}
			return nil
		})).Fetch(srv.Get("/")))
		require.Equal(t, []string{"a"}, got)
		require.ErrorIs(t, err, overloaded)
		in, ok := errors.AsType[*sse.EventError](err)
		require.True(t, ok)
		require.Equal(t, sse.Event{Type: "error", Data: "{}", ID: "3"}, in.Event)
		require.EqualError(t, err, "sse: GET http://server.test/: error event: overloaded")
		require.Len(t, srv.Requests(), 1)
	})
}

func TestFetchContextDone(t *testing.T) {
	why := errors.New("the user left")
	tests := []struct {
		name   string
		script Script
		refuse int
	}{
		{name: "waiting for headers", script: Script{Stall()}},
		{name: "waiting to retry", script: Script{Data("a")}, refuse: 9},
		{name: "waiting for the first byte", script: Script{Open(), Stall()}},
		{name: "in an event", script: Script{Raw("data: x"), Stall()}},
		{name: "in a refusal", script: Script{Answer(400), Do(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			srv.Refuse(tt.refuse)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
			start := time.Now()
			_, err := read(client(srv).Fetch(srv.Get("/").WithContext(ctx)))
			require.Equal(t, why, err)
			require.Equal(t, 100*time.Millisecond, time.Since(start))
		})
	}
	in(t, "before it began", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		_, err := client(srv).Fetch(srv.Get("/").WithContext(ctx))
		require.Equal(t, why, err)
		require.Empty(t, srv.Requests())
	})
	in(t, "with events at hand", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("data: a\n\ndata: b\n\n"), Stall()}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, err := client(srv).Fetch(srv.Get("/").WithContext(ctx))
		require.NoError(t, err)
		require.True(t, s.Next())
		cancel()
		require.False(t, s.Next())
		require.Equal(t, context.Canceled, s.Err())
		require.Equal(t, sse.Event{}, s.Event())
		require.Nil(t, s.Data())
	})
	in(t, "deadline", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := read(client(srv).Fetch(srv.Get("/").WithContext(ctx)))
		require.Equal(t, context.DeadlineExceeded, err)
	})
}

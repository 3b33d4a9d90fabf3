package sse_test

import (
	"context"
	"io"
	"math"
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

// The rows about what Subscribe goes on after.
func TestSubscribeGoesOn(t *testing.T) {
	first := Data("a")
	tests := []struct {
		name   string
		script Script // of the second connection; the third sends b, the fourth is gone
		opts   []sse.Option
	}{
		{name: "clean end", script: Script{Comment("x")}},
		{name: "clean end with data pending", script: Script{Raw("data: x\n")}},
		{name: "clean end before WithDone", script: Script{Comment("x")}, opts: []sse.Option{sse.WithDone("[DONE]")}},
		{name: "clean end before WithTerminator", script: Script{Comment("x")}, opts: []sse.Option{stopEvent}},
		{name: "connection lost before the headers", script: Script{Cut()}},
		{name: "connection lost", script: Script{Open(), Cut()}},
		{name: "connection lost in a block", script: Script{Raw("data: x\n"), Cut()}},
		{name: "open timeout", script: Script{Stall()}, opts: []sse.Option{sse.WithOpenTimeout(time.Second)}},
		{name: "idle timeout", script: Script{Open(), Stall()}, opts: []sse.Option{sse.WithIdleTimeout(time.Second)}},
		{name: "event timeout", script: Script{Open(), Stall()}, opts: []sse.Option{sse.WithEventTimeout(time.Second)}},
		{name: "408", script: Script{Answer(408)}},
		{name: "425", script: Script{Answer(425)}},
		{name: "429", script: Script{Answer(429)}},
		{name: "500", script: Script{Answer(500)}},
		{name: "502", script: Script{Answer(502)}},
		{name: "503", script: Script{Answer(503)}},
		{name: "504", script: Script{Answer(504)}},
		{name: "529", script: Script{Answer(529)}},
		{name: "429 with a far Retry-After", script: Script{Answer(429, "Retry-After", "3000")}},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{first}, tt.script, Script{Data("b")}, gone))
			got, err := read(client(srv, tt.opts...).Subscribe(srv.Post("/", "{}")))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b"}, got)
			require.Len(t, srv.Requests(), 4)
			require.Equal(t, "{}", string(srv.Requests()[3].Body))
		})
		in(t, tt.name+", on the first attempt", func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script, Script{Data("b")}, gone))
			got, err := read(client(srv, tt.opts...).Subscribe(srv.Post("/", "{}")))
			require.NoError(t, err)
			require.Equal(t, []string{"b"}, got)
			require.Len(t, srv.Requests(), 3)
		})
	}
	in(t, "connection refused", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, gone))
		srv.Refuse(50)
		start := time.Now()
		got, err := read(client(srv).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 51*time.Second, time.Since(start))
	})
}

// The rows about what ends a subscription, on the first attempt and on a reconnect.
func TestSubscribeEnds(t *testing.T) {
	tests := []struct {
		name   string
		script Script
		opts   []sse.Option
		want   []string
		check  func(t *testing.T, err error)
	}{
		{name: "204", script: gone},
		{name: "WithDone", script: Script{Data("b", "[DONE]"), Stall()}, opts: []sse.Option{sse.WithDone("[DONE]")}, want: []string{"b"}},
		{name: "WithTerminator", script: Script{Send(sse.Event{Type: "stop", Data: "z"}), Cut()}, opts: []sse.Option{stopEvent}, want: []string{"z"}},
		{name: "400", script: Script{Answer(400)}, check: refusedWith(400)},
		{name: "401", script: Script{Answer(401)}, check: refusedWith(401)},
		{name: "410", script: Script{Answer(410)}, check: refusedWith(410)},
		{name: "501", script: Script{Answer(501)}, check: refusedWith(501)},
		{name: "200 HTML", script: Script{Answer(200, "Content-Type", "text/html")}, check: refusedWith(200)},
		{name: "event too large", script: Script{Data(strings.Repeat("x", 100))}, opts: []sse.Option{sse.WithMaxEventSize(50)}, check: func(t *testing.T, err error) {
			require.ErrorIs(t, err, sse.ErrEventTooLarge)
		}},
		{name: "error event", script: Script{Send(sse.Event{Type: "error"})}, opts: []sse.Option{failOnError}, check: func(t *testing.T, err error) {
			require.ErrorIs(t, err, errInBand)
		}},
	}
	for _, tt := range tests {
		for _, before := range [][]Script{nil, {{Data("a")}}} {
			name := tt.name
			if before != nil {
				name += ", on a reconnect"
			}
			in(t, name, func(t *testing.T) {
				srv := NewServer(t, InOrder(append(before, tt.script)...))
				got, err := read(client(srv, tt.opts...).Subscribe(srv.Get("/")))
				if tt.check == nil {
					require.NoError(t, err)
				} else {
					tt.check(t, err)
				}
				want := tt.want
				if before != nil {
					want = append([]string{"a"}, want...)
				}
				require.Equal(t, want, got)
				require.Len(t, srv.Requests(), len(before)+1)
			})
		}
	}
}

// drops returns n scripts that open a stream, and set the reconnection time if that
// is not negative, and drop it.
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

// within asserts lo <= d <= hi for each wait.
func within(t *testing.T, waits []time.Duration, bounds ...[2]time.Duration) {
	t.Helper()
	require.Len(t, waits, len(bounds))
	for i, b := range bounds {
		require.GreaterOrEqual(t, waits[i], b[0], "wait %d of %v", i, waits)
		require.LessOrEqual(t, waits[i], b[1], "wait %d of %v", i, waits)
	}
}

func span(lo, hi float64) [2]time.Duration {
	return [2]time.Duration{time.Duration(lo * float64(time.Second)), time.Duration(hi * float64(time.Second))}
}

// The list "When to try again", by its numbers.
func TestWhenToTryAgain(t *testing.T) {
	subscribe := func(t *testing.T, srv *Server, opts ...sse.Option) []time.Duration {
		_, err := read(sse.Subscribe(srv.Get("/"), append([]sse.Option{sse.WithHTTPClient(srv.Client())}, opts...)...))
		require.NoError(t, err)
		return gaps(srv)
	}
	in(t, "1 the first wait after progress is the reconnection time", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(3 * time.Second), Data("a")}, Script{Data("b")}, gone))
		within(t, subscribe(t, srv), span(3, 3.3), span(3, 3.3)) // it is kept
	})
	in(t, "1 the reconnection time of zero", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(0), Data("a")}, gone))
		within(t, subscribe(t, srv), span(0, 0))
	})
	in(t, "1 the reconnection time is clamped", func(t *testing.T) {
		for _, ms := range []string{"9223372036854775807", "99999999999999999999", "3600001"} {
			srv := NewServer(t, InOrder(Script{Raw("retry: " + ms + "\n\n"), Data("a")}, gone))
			within(t, subscribe(t, srv), span(3600, 3960))
		}
	})
	in(t, "2 the policy decides without it", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, gone))
		within(t, subscribe(t, srv), span(0.5, 1.5))
		srv = NewServer(t, InOrder(Script{Data("a")}, gone))
		within(t, subscribe(t, srv, everySecond), span(1, 1))
	})
	in(t, "2 the policy decides without progress", func(t *testing.T) {
		srv := NewServer(t, InOrder(append(drops(8, -1), gone)...))
		within(t, subscribe(t, srv), span(0.5, 1.5), span(1, 3), span(2, 6), span(4, 12), span(8, 24), span(15, 45), span(15, 45), span(15, 45))
	})
	in(t, "2 the policy starts from the reconnection time, never below it", func(t *testing.T) {
		srv := NewServer(t, InOrder(append(append([]Script{{Retry(4 * time.Second), Data("a")}}, drops(5, -1)...), gone)...))
		within(t, subscribe(t, srv), span(4, 4.4), span(4, 6), span(4, 12), span(8, 24), span(15, 45), span(15, 45))
	})
	in(t, "2 a long reconnection time stays a lower bound", func(t *testing.T) {
		srv := NewServer(t, InOrder(append(drops(4, 5*time.Minute), gone)...))
		for _, wait := range subscribe(t, srv) {
			require.GreaterOrEqual(t, wait, 5*time.Minute)
		}
	})
	in(t, "2 no wait without progress is under 100 ms", func(t *testing.T) {
		srv := NewServer(t, InOrder(append(drops(20, 0), gone)...))
		for _, wait := range subscribe(t, srv, sse.WithBackOff(func() backoff.BackOff { return &backoff.ZeroBackOff{} })) {
			require.Equal(t, 100*time.Millisecond, wait)
		}
	})
	in(t, "3 Retry-After raises a wait", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "77")}, gone))
		within(t, subscribe(t, srv), span(77, 77))
	})
	in(t, "3 Retry-After raises a wait to an hour at most", func(t *testing.T) {
		for _, v := range []string{"3155760000", "99999999999999999999999", "Fri, 31 Dec 2999 23:59:59 GMT"} {
			srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", v)}, gone))
			within(t, subscribe(t, srv), span(3600, 3600))
		}
	})
	in(t, "3 Retry-After never lowers a wait", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(20 * time.Second), Data("a")}, Script{Answer(429, "Retry-After", "2")}, gone))
		within(t, subscribe(t, srv, everySecond), span(20, 22), span(20, 20))
	})
	in(t, "4 progress is an event", func(t *testing.T) {
		// Connections that bring an ID, a comment or a type, and no event.
		idle := Script{Raw("id: 1\n\n: x\n\nevent: t\n\n")}
		srv := NewServer(t, InOrder(idle, idle, idle, Script{Data("a")}, idle, gone))
		within(t, subscribe(t, srv), span(0.5, 1.5), span(1, 3), span(2, 6), span(0.5, 1.5), span(1, 3))
	})
	in(t, "5 waiting holds no connection", func(t *testing.T) {
		open := make(chan int, 2)
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}, Script{Data("b"), Stall()}, gone))
		_, err := read(client(srv, sse.WithIdleTimeout(time.Minute), sse.WithTrace(&sse.Trace{Wait: func(sse.Attempt) {
			time.AfterFunc(time.Second/2, func() { open <- srv.Open() })
		}})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Zero(t, <-open)
		require.Zero(t, <-open)
	})
	in(t, "6 giving up says how often it tried", func(t *testing.T) {
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
	in(t, "6 a policy that stops gives up", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		_, err := read(client(srv, sse.WithBackOff(func() backoff.BackOff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 4)
		})).Subscribe(srv.Get("/")))
		refusedWith(503)(t, err)
		require.EqualError(t, err, "sse: gave up after 4 retries: GET http://server.test/: 503 Service Unavailable")
		require.Len(t, srv.Requests(), 5)
	})
	in(t, "6 a clean end again and again", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Open()}))
		_, err := read(client(srv, sse.WithMaxRetries(2)).Subscribe(srv.Get("/")))
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, srv.Requests(), 3)
	})
}

func TestBackOffIsResetWhenAnOutageBegins(t *testing.T) {
	// The library's default stops after 15 minutes, which a stream that was up for
	// days must not count.
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(48 * time.Hour)}, Script{Answer(503)}, Script{Data("b"), Wait(time.Hour)}, gone))
		got, err := read(sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()), sse.WithBackOff(func() backoff.BackOff {
			return backoff.NewExponentialBackOff()
		})))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
}

func TestRetryPolicy(t *testing.T) {
	in(t, "sees the default and has the last word", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"}), Cut()}, Script{Answer(401)}, Script{Answer(503, "Retry-After", "9")}, Script{Data("b")}, gone))
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
			{Number: 1, LastEventID: "1", Retry: true, Delay: time.Second, Events: 1},
		}, seen)
	})
	in(t, "stops what would go on", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		for _, open := range bothCalls(client(srv)) {
			_, err := read(open(srv.Get("/"), sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { return 0, false })))
			refusedWith(503)(t, err)
		}
		require.Len(t, srv.Requests(), 2)
	})
	in(t, "goes on after an error event", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{Type: "error"})}, gone))
		_, err := read(client(srv, failOnError, sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			require.False(t, a.Retry)
			return a.Delay, true
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Second}, gaps(srv))
	})
	in(t, "is not asked about what is no failure", func(t *testing.T) {
		never := sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			t.Errorf("asked about %v", a.Err)
			return 0, false
		})
		_, err := read(client(NewServer(t, InOrder(gone)), never).Subscribe(NewServer(t, InOrder(gone)).Get("/")))
		require.NoError(t, err)
		srv := NewServer(t, InOrder(Script{Data("[DONE]")}))
		_, err = read(client(srv, never, sse.WithDone("[DONE]")).Subscribe(srv.Get("/")))
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
	in(t, "a negative delay is none", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}, gone))
		_, err := read(client(srv, sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) {
			return math.MinInt64, true
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0}, gaps(srv))
	})
}

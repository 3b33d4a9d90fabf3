package fanout

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// serve starts a server in memory with h.
func serve(t *testing.T, h http.HandlerFunc, opts ...ssetest.Option) *ssetest.Server {
	return ssetest.NewServer(t, func(int, *http.Request) ssetest.Script {
		return ssetest.Script{ssetest.Do(h)}
	}, opts...)
}

func newHandler(size int) *Handler {
	return &Handler{Replay: NewReplay(size), Heartbeat: 15 * time.Second, WriteTimeout: 10 * time.Second}
}

func fill(t *testing.T, r *Replay, from, to int) {
	for n := from; n <= to; n++ {
		require.NoError(t, r.Add(numbered(n)))
	}
}

// collect returns the events that a subscription gets until the server ends it.
func collect(t *testing.T, srv *ssetest.Server, opts ...sse.Option) (events []sse.Event) {
	stream, err := sse.Subscribe(srv.Get("/"), append(opts, sse.WithHTTPClient(srv.Client()))...)
	require.NoError(t, err)
	for event, err := range stream.Events() {
		require.NoError(t, err)
		events = append(events, event)
	}
	return events
}

// Clients whose connections break at any time get each event once.
func TestClientsResume(t *testing.T) {
	for name, opts := range map[string][]ssetest.Option{"HTTP/1.1": nil, "HTTP/2": {ssetest.HTTP2()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(100_000)
				var connections atomic.Int32
				srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
					connections.Add(1)
					ctx, cancel := context.WithTimeout(r.Context(), rand.N(3*time.Second))
					defer cancel()
					h.ServeHTTP(w, r.WithContext(ctx))
					if ctx.Err() != nil {
						panic(http.ErrAbortHandler)
					}
				}, opts...)
				const events = 20_000
				go func() {
					time.Sleep(time.Second)
					for n := 1; n <= events; n++ {
						_ = h.Replay.Add(numbered(n))
						time.Sleep(time.Millisecond)
					}
					h.Replay.End()
				}()
				fill(t, h.Replay, 0, 0)
				got := collect(t, srv, sse.WithLastEventID("0"))
				require.Len(t, got, events)
				for i, event := range got {
					require.Equal(t, numbered(i+1), event)
				}
				require.Greater(t, connections.Load(), int32(3))
			})
		})
	}
}

func TestLastEventID(t *testing.T) {
	for id, want := range map[string][]string{
		"":        nil, // from now on
		"9":       {"event 10"},
		"7":       {"event 8", "event 9", "event 10"},
		"6":       {"unknown", "event 7", "event 8", "event 9", "event 10"},
		"another": {"unknown", "event 7", "event 8", "event 9", "event 10"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHandler(4)
			fill(t, h.Replay, 1, 10) // 7 to 10 are kept
			srv := serve(t, h.ServeHTTP)
			time.AfterFunc(time.Second, h.Replay.End)
			var got []string
			for _, event := range collect(t, srv, sse.WithLastEventID(id)) {
				got = append(got, event.Data)
			}
			require.Equal(t, want, got, "ID %q", id)
		})
	}
}

// Events without an ID of their own have that of the event before.
func TestRepeatedIDs(t *testing.T) {
	r := NewReplay(100)
	for _, id := range []string{"a", "c", "b", "b", "b", "c"} {
		require.NoError(t, r.Add(sse.Event{ID: id}))
	}
	for id, want := range map[string]uint64{"a": 1, "b": 3, "c": 6} {
		place, known := r.after(id)
		require.True(t, known)
		require.Equal(t, want, place, id)
	}
}

// A client that falls out of the ring learns how many events it has lost, and keeps its ID.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(200)
		h.WriteTimeout = time.Hour
		srv := serve(t, h.ServeHTTP)
		stream, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		fill(t, h.Replay, 1, 1)
		require.True(t, stream.Next())
		fill(t, h.Replay, 2, 2000) // more than the buffers on the way hold
		h.Replay.End()
		got, lost, id := 1, 0, "1"
		for stream.Next() {
			if stream.Type() == "gap" {
				require.Equal(t, id, stream.LastEventID())
				n, err := strconv.Atoi(string(stream.Data()))
				require.NoError(t, err)
				lost += n
				continue
			}
			got++
			require.Equal(t, numbered(got+lost), stream.Event())
			id = stream.LastEventID()
		}
		require.NoError(t, stream.Err())
		require.Equal(t, 2000, got+lost)
		require.Positive(t, lost)
	})
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(1)
		srv := serve(t, h.ServeHTTP)
		time.AfterFunc(time.Minute+time.Second, h.Replay.End)
		comments := 0
		collect(t, srv, sse.WithIdleTimeout(20*time.Second), sse.WithTrace(&sse.Trace{Comment: func(string) { comments++ }}))
		require.Equal(t, 4, comments)
		require.Len(t, srv.Requests(), 2) // the second gets 204
	})
}

// A client that does not read does not keep its handler. A quiet feed outlasts the timeout.
func TestSlowClient(t *testing.T) {
	for name, opts := range map[string][]ssetest.Option{"HTTP/1.1": nil, "HTTP/2": {ssetest.HTTP2()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(100)
				var ended time.Time
				srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
					h.ServeHTTP(w, r)
					ended = time.Now()
				}, opts...)
				resp, err := srv.Client().Do(srv.Get("/"))
				require.NoError(t, err)
				defer resp.Body.Close()
				events := sse.NewParser(resp.Body)
				time.Sleep(time.Second)
				fill(t, h.Replay, 1, 1)
				require.True(t, events.Next())
				time.AfterFunc(5*time.Minute, func() { _ = h.Replay.Add(numbered(2)) })
				require.True(t, events.Next())
				require.Equal(t, "2", events.LastEventID())

				full := time.Now()
				large := numbered(3)
				large.Data += string(make([]byte, 8<<20)) // more than any buffer on the way
				require.NoError(t, h.Replay.Add(large))
				time.Sleep(time.Minute)
				synctest.Wait()
				require.False(t, ended.IsZero(), "the handler waits for the client")
				require.Less(t, ended.Sub(full), h.WriteTimeout+h.Heartbeat)
			})
		})
	}
}

func TestRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Open(), ssetest.Wait(time.Second), ssetest.Send(numbered(1), numbered(2)), ssetest.Cut()},
			ssetest.Script{ssetest.WantHeader("Last-Event-ID", "2"), ssetest.Send(numbered(3)), ssetest.Wait(time.Second)},
			ssetest.Script{ssetest.Answer(204)},
		))
		upstream, err := sse.Subscribe(source.Get("/"), sse.WithHTTPClient(source.Client()))
		require.NoError(t, err)
		h := newHandler(100)
		srv := serve(t, h.ServeHTTP)
		done := make(chan error, 1)
		go func() { done <- Relay(upstream, h.Replay) }()
		got := collect(t, srv)
		require.NoError(t, <-done)
		require.Equal(t, []sse.Event{numbered(1), numbered(2), numbered(3)}, got)
	})
}

func TestShutdownEndsTheHandlers(t *testing.T) {
	h := newHandler(100)
	srv := NewServer(h)
	srv.WriteTimeout = 50 * time.Millisecond // has no effect on the streams
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), nil)
	require.NoError(t, err)
	stream, err := sse.Fetch(req)
	require.NoError(t, err)
	time.Sleep(4 * srv.WriteTimeout)
	fill(t, h.Replay, 1, 1)
	require.True(t, stream.Next(), "%v", stream.Err())
	retry, ok := stream.Retry()
	require.True(t, ok)
	require.GreaterOrEqual(t, retry, time.Second)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, srv.Shutdown(ctx))
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	require.False(t, stream.Next())
	require.NoError(t, stream.Err()) // a clean end: a subscription reconnects
}

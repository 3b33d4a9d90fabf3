package sse_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// A bubble fails if a goroutine is left when its test ends, so every test that runs
// in one shows that none is. Those below leave the stream in each state, each way.
func TestClose(t *testing.T) {
	states := []struct {
		name   string
		script Script
		refuse int
	}{
		{name: "dialling"},
		{name: "waiting for headers", script: Script{Stall()}},
		{name: "waiting for the first byte", script: Script{Open(), Stall()}},
		{name: "in an event", script: Script{Raw("data: x"), Stall()}},
		{name: "waiting to retry", script: Script{Answer(503, "Retry-After", "3000")}},
		{name: "in a refusal", script: Script{Answer(503), Do(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}},
	}
	ways := map[string]func(s *sse.Stream, cancel func()){
		"Close":  func(s *sse.Stream, _ func()) { s.Close() },
		"cancel": func(_ *sse.Stream, cancel func()) { cancel() },
	}
	for _, state := range states {
		for way, stop := range ways {
			in(t, way+" "+state.name, func(t *testing.T) {
				srv := NewServer(t, InOrder(Script{Data("a")}, state.script))
				hc := *srv.Client()
				if state.script == nil {
					hc.Transport = dialForEver(hc.Transport)
				}
				ctx, cancel := context.WithCancel(t.Context())
				s, err := client(srv, sse.WithHTTPClient(&hc), sse.WithOpenTimeout(0)).Subscribe(srv.Get("/").WithContext(ctx))
				require.NoError(t, err)
				require.True(t, s.Next())
				time.AfterFunc(2*time.Second, func() { stop(s, cancel) })
				start := time.Now()
				require.False(t, s.Next())
				require.Equal(t, 2*time.Second, time.Since(start))
				require.Equal(t, map[string]error{"Close": sse.ErrClosed, "cancel": context.Canceled}[way], s.Err())
				require.False(t, s.Next())
				require.NoError(t, s.Close())
				require.Equal(t, sse.Event{}, s.Event())
				require.Empty(t, s.Type())
				cancel()
			})
		}
	}
	in(t, "between two events", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("data: a\n\ndata: b\n\n"), Stall()}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.NoError(t, s.Err())
		require.NoError(t, s.Close())
		require.Equal(t, sse.ErrClosed, s.Err())
		require.False(t, s.Next())
		require.Equal(t, sse.ErrClosed, s.Err())
	})
	in(t, "after the end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		s, err := client(srv).Fetch(srv.Get("/"))
		_, err = read(s, err)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		require.NoError(t, s.Err())
	})
	in(t, "after the terminator", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{Type: "stop"}), Stall()}))
		s, err := client(srv, stopEvent).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.NoError(t, s.Close())
		require.NoError(t, s.Err())
		require.False(t, s.Next())
		require.NoError(t, s.Err())
	})
	in(t, "in hooks", func(t *testing.T) {
		var s *sse.Stream
		stop := func() {
			if s != nil {
				s.Close()
			}
		}
		for _, trace := range []sse.Trace{
			{Comment: func(string) { stop() }},
			{Ignored: func(string) { stop() }},
			{Disconnect: func(error) { stop() }},
			{Wait: func(sse.Attempt) { stop() }},
			{Request: func(*http.Request) { stop() }},
			{Open: func(*http.Response) { stop() }},
		} {
			srv := NewServer(t, InOrder(Script{Data("a"), Raw("x\n:c\n")}))
			var err error
			s, err = client(srv, sse.WithTrace(&trace)).Subscribe(srv.Get("/"))
			require.NoError(t, err)
			_, err = read(s, nil)
			require.Equal(t, sse.ErrClosed, err)
			s = nil
		}
	})
}

// dialForEver returns a transport whose connections after the first never come.
func dialForEver(rt http.RoundTripper) http.RoundTripper {
	n := 0
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if n++; n == 1 {
			return rt.RoundTrip(r)
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
}

// A body that knows nothing of a context is interrupted all the same.
func TestForeignBody(t *testing.T) {
	in(t, "Close", func(t *testing.T) {
		r, _ := io.Pipe()
		s, err := sse.FromResponse(response(r))
		require.NoError(t, err)
		time.AfterFunc(time.Second, func() { s.Close() })
		require.False(t, s.Next())
		require.Equal(t, sse.ErrClosed, s.Err())
	})
	in(t, "idle timeout", func(t *testing.T) {
		r, _ := io.Pipe()
		s, err := sse.FromResponse(response(r), sse.WithIdleTimeout(time.Second))
		require.NoError(t, err)
		require.False(t, s.Next())
		require.ErrorIs(t, s.Err(), sse.ErrIdleTimeout)
		require.EqualError(t, s.Err(), "sse: timed out waiting for a byte")
	})
	in(t, "context of the request", func(t *testing.T) {
		r, _ := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		resp := response(r)
		resp.Request, _ = http.NewRequestWithContext(ctx, http.MethodGet, "http://server.test/", nil)
		s, err := sse.FromResponse(resp)
		require.NoError(t, err)
		require.False(t, s.Next())
		require.Equal(t, context.DeadlineExceeded, s.Err())
	})
}

// Completion does not wait for the end of a body that nothing can interrupt.
func TestCompletionOfAForeignBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, "data: a\n\ndata: [DONE]\n\n") }() // ends when it is read
		s, err := sse.FromResponse(response(io.NopCloser(r)), sse.WithDone("[DONE]"))
		got, err := read(s, err)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
}

// A lateReader fails, and somebody behind it goes on to write into what it was given.
type lateReader struct{ given []byte }

func (r *lateReader) Read(b []byte) (int, error) {
	if r.given == nil {
		r.given = b
		return copy(b, "data: a\n\n"), nil
	}
	return 0, errors.New("broken")
}

// What a body that has failed still writes does not get into the next one's events.
func TestLateReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := new(lateReader)
		bodies := []io.Reader{late, strings.NewReader("data: b\n\n")}
		hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			body := bodies[0]
			bodies = bodies[1:]
			return response(io.NopCloser(body)), nil
		})}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server.test/", nil)
		require.NoError(t, err)
		s, err := sse.Subscribe(req, sse.WithHTTPClient(hc))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.True(t, s.Next())
		clear(late.given)
		require.Equal(t, "b", string(s.Data()))
		s.Close()
		require.False(t, s.Next())
	})
}

// A panic in a function of the caller ends the attempt that called it.
func TestPanicInPrepare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		var attempt context.Context
		s, err := client(srv, sse.WithPrepare(func(r *http.Request) error {
			if attempt != nil {
				attempt = r.Context()
				panic("out")
			}
			attempt = r.Context()
			return nil
		})).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.Panics(t, func() {
			for range s.Events() {
			}
		})
		require.Error(t, attempt.Err())
	})
}

// A panic in a hook leaves no connection behind, also if the caller never got the stream.
func TestPanicInTrace(t *testing.T) {
	for name, trace := range map[string]*sse.Trace{
		"Open":       {Open: func(*http.Response) { panic("out") }},
		"Disconnect": {Disconnect: func(error) { panic("out") }},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Stall()}))
			for _, open := range []func() (*sse.Stream, error){
				func() (*sse.Stream, error) {
					return sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client()), sse.WithTrace(trace))
				},
				func() (*sse.Stream, error) {
					return sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()), sse.WithTrace(trace))
				},
				func() (*sse.Stream, error) {
					resp, err := srv.Client().Do(srv.Get("/"))
					require.NoError(t, err)
					return sse.FromResponse(resp, sse.WithTrace(trace))
				},
			} {
				require.Panics(t, func() {
					s, err := open()
					require.NoError(t, err)
					for range s.Events() {
						s.Close()
					}
				})
				synctest.Wait()
				require.Zero(t, srv.Open())
			}
		})
	}
}

func TestFromResponseRest(t *testing.T) {
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	for name, tt := range map[string]struct {
		script Script
		is     func(error) bool
		end    func(s *sse.Stream, cancel context.CancelCauseFunc) // a second after the start
	}{
		"truncated":   {script: Script{Data("a"), Cut()}, is: func(err error) bool { _, ok := errors.AsType[*sse.TruncatedError](err); return ok }},
		"error event": {script: Script{Data("failed")}, is: func(err error) bool { _, ok := errors.AsType[*sse.EventError](err); return ok }},
		"refused":     {script: Script{Answer(500)}, is: func(err error) bool { _, ok := errors.AsType[*sse.ResponseError](err); return ok }},
		"silence":     {script: Script{Data("a"), Stall()}, is: is(sse.ErrIdleTimeout)},
		"closed":      {script: Script{Data("a"), Stall()}, is: is(sse.ErrClosed), end: func(s *sse.Stream, _ context.CancelCauseFunc) { s.Close() }},
		"cancelled":   {script: Script{Data("a"), Stall()}, is: is(io.ErrShortBuffer), end: func(_ *sse.Stream, cancel context.CancelCauseFunc) { cancel(io.ErrShortBuffer) }},
	} {
		in(t, "a context that ends with the body, "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			ctx, cancel := context.WithCancelCause(t.Context())
			resp, err := srv.Client().Do(srv.Get("/").WithContext(ctx))
			require.NoError(t, err)
			resp.Body = closeFunc{resp.Body, func() { cancel(nil) }}
			s, err := sse.FromResponse(resp, sse.WithDone("[DONE]"), sse.WithIdleTimeout(time.Minute),
				sse.WithEventError(func(e sse.Event) error {
					if e.Data == "failed" {
						return errors.New("it has")
					}
					return nil
				}))
			if tt.end != nil {
				time.AfterFunc(time.Second, func() { tt.end(s, cancel) })
			}
			_, err = read(s, err)
			require.True(t, tt.is(err), "%v", err)
		})
	}
	in(t, "a context that has ended", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "b"), Stall()}))
		ctx, cancel := context.WithCancelCause(t.Context())
		resp, err := srv.Client().Do(srv.Get("/").WithContext(ctx))
		require.NoError(t, err)
		s, err := sse.FromResponse(resp)
		require.NoError(t, err)
		require.True(t, s.Next())
		cancel(io.ErrShortBuffer)
		require.False(t, s.Next(), "it was at hand")
		require.Equal(t, io.ErrShortBuffer, s.Err())
	})
	in(t, "a body that was sent and cannot be made again", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		req := srv.Post("/", "")
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader("once")), -1
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		got, err := read(sse.FromResponse(resp, sse.WithHTTPClient(srv.Client()), everySecond,
			sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return a.Delay, a.Number == 1 })))
		require.ErrorContains(t, err, "cannot be made again; set GetBody")
		require.Equal(t, []string{"a"}, got)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "a context that ends before another attempt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		resp := response(io.NopCloser(strings.NewReader("data: a\n\ndata: b")))
		resp.Request = new(http.Request).WithContext(ctx)
		s, err := sse.FromResponse(resp, sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { return time.Hour, true }))
		require.NoError(t, err)
		require.True(t, s.Next())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		require.False(t, s.Next())
		require.Equal(t, context.Canceled, s.Err())
		require.Equal(t, time.Second, time.Since(start))
	})
	in(t, "a context that ends after the end of the body was read", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		resp := response(io.NopCloser(iotest.DataErrReader(strings.NewReader("data: a\n\ndata: b\n\n"))))
		resp.Request = new(http.Request).WithContext(ctx)
		s, err := sse.FromResponse(resp)
		require.NoError(t, err)
		require.True(t, s.Next())
		cancel()
		require.False(t, s.Next())
		require.Equal(t, context.Canceled, s.Err())
	})
	in(t, "a context that ends as the end of the body is read", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		resp := response(io.NopCloser(readerFunc(func(b []byte) (int, error) {
			cancel()
			return copy(b, "data: a\n\ndata: b\n\n"), io.EOF
		})))
		resp.Request = new(http.Request).WithContext(ctx)
		got, err := read(sse.FromResponse(resp))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
	in(t, "a subscription ends, even if its context does so as a body is closed", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		ctx, cancel := context.WithCancel(t.Context())
		hc := *srv.Client()
		hc.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := srv.Client().Transport.RoundTrip(r)
			if err == nil {
				resp.Body = closeFunc{resp.Body, cancel}
			}
			return resp, err
		})
		_, err := read(sse.Subscribe(srv.Get("/").WithContext(ctx), sse.WithHTTPClient(&hc)))
		require.Equal(t, context.Canceled, err)
	})
}

// What Data has returned is valid after the loop was left, too: until Next is called, which
// nobody does then.
func TestDataOutlivesTheLoop(t *testing.T) {
	for range 20 { // pools forget things at random under the race detector
		large := strings.Repeat("x", 10_000)
		s, err := sse.FromResponse(&http.Response{
			StatusCode: 200,
			Header:     http.Header{"Content-Type": {"text/event-stream"}},
			Body:       io.NopCloser(strings.NewReader("data: " + large + "\n\ndata: y\n\n")),
		})
		require.NoError(t, err)
		var data []byte
		for range s.Events() {
			data = s.Data()
			break
		}
		other := sse.NewParser(strings.NewReader("data: " + strings.Repeat("z", 10_000) + "\n\n"))
		require.True(t, other.Next())
		require.Equal(t, large, string(data))
	}
}

func TestIterators(t *testing.T) {
	in(t, "break releases the connection before the next statement", func(t *testing.T) {
		var closed bool
		hc := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200,
				Header:     http.Header{"Content-Type": {"text/event-stream"}},
				Body:       &hookedBody{Reader: strings.NewReader("data: {}\n\ndata: {}\n\n"), onClose: func() { closed = true }},
			}, nil
		})}
		loops := map[string]func(s *sse.Stream){
			"Events": func(s *sse.Stream) {
				for range s.Events() {
					break
				}
			},
			"Decode": func(s *sse.Stream) {
				for range sse.Decode[any](s) {
					break
				}
			},
			"panic": func(s *sse.Stream) {
				defer func() { _ = recover() }()
				for range s.Events() {
					panic("out")
				}
			},
		}
		for name, loop := range loops {
			closed = false
			req, _ := http.NewRequest(http.MethodGet, "http://server.test/", nil)
			s, err := sse.Subscribe(req, sse.WithHTTPClient(hc))
			require.NoError(t, err)
			loop(s)
			require.True(t, closed, name)
			require.Equal(t, sse.ErrClosed, s.Err(), name)
		}
	})
	in(t, "the error is the last pair, beside a zero event", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		var pairs []string
		for e, err := range s.Events() {
			pairs = append(pairs, fmt.Sprint(e.Data, " ", err != nil))
			if err != nil {
				require.Equal(t, sse.Event{}, e)
				require.Equal(t, err, s.Err())
			}
		}
		require.Equal(t, []string{"a false", " true"}, pairs)
	})
	in(t, "ranging again yields one error", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("1", "2")}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		for range s.Events() {
		}
		n := 0
		for e, err := range s.Events() {
			n++
			require.Equal(t, sse.Event{}, e)
			require.ErrorContains(t, err, "sse: ")
		}
		for _, err := range sse.Decode[int](s) {
			n++
			require.Error(t, err)
		}
		require.Equal(t, 2, n)
	})
	in(t, "after Next", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("1", "2", "3")}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		var got []string
		for e := range s.Events() {
			got = append(got, e.Data)
		}
		require.Equal(t, []string{"2", "3"}, got)
	})
	in(t, "leaving at the terminator gives the connection back", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{Type: "stop"}), Wait(5 * time.Millisecond)}))
		for range 10 {
			s, err := client(srv, stopEvent).Fetch(srv.Get("/"))
			require.NoError(t, err)
			for range s.Events() {
				break
			}
			require.NoError(t, s.Err())
		}
		require.Equal(t, 1, srv.Connections())
	})
}

type hookedBody struct {
	io.Reader
	onClose func()
}

func (b *hookedBody) Close() error { b.onClose(); return nil }

func TestDecode(t *testing.T) {
	type token struct{ T string }
	in(t, "stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data(`{"T":"a"}`, `{`, `{"T":1}`, ``, `{"T":"b"}`), Cut()}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		var got []string
		for v, err := range sse.Decode[token](s) {
			if bad, ok := errors.AsType[*sse.DecodeError](err); ok {
				require.Zero(t, v)
				got = append(got, "bad "+bad.Event.Data)
				require.ErrorContains(t, err, `sse: decode event of type "message": `)
				continue
			}
			if err != nil {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				got = append(got, "end")
				continue
			}
			got = append(got, v.T)
		}
		require.Equal(t, []string{"a", "bad {", `bad {"T":1}`, "bad ", "b", "end"}, got)
	})
	t.Run("parser", func(t *testing.T) {
		p := sse.NewParser(strings.NewReader("data: 1\n\ndata: x\n\ndata: 3\n\n"))
		var got []int
		for v, err := range sse.Decode[int](p) {
			if err != nil {
				_, ok := errors.AsType[*json.SyntaxError](err)
				require.True(t, ok)
			}
			got = append(got, v)
		}
		require.Equal(t, []int{1, 0, 3}, got)
		require.NoError(t, p.Err())
	})
}

func TestDecodeErrorIsBounded(t *testing.T) {
	long := strings.Repeat("9", 5000)
	for _, err := range sse.Decode[int8](sse.NewParser(strings.NewReader("data: " + long + "\n\n"))) {
		require.Error(t, err)
		require.Less(t, len(err.Error()), 600)
	}
	for _, err := range sse.Decode[time.Time](sse.NewParser(strings.NewReader(`data: "` + long + "\"\n\n"))) {
		require.Error(t, err)
		require.Less(t, len(err.Error()), 600)
	}
}

func TestConnectionReuse(t *testing.T) {
	completions := func(t *testing.T, srv *Server, n int, opts ...sse.Option) {
		for range n {
			got, err := read(client(srv, opts...).Fetch(srv.Post("/", "{}")))
			require.NoError(t, err)
			require.NotEmpty(t, got)
		}
	}
	done := sse.WithDone("[DONE]")
	in(t, "a server that ends 5 ms after the completion", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), Wait(5 * time.Millisecond)}))
		completions(t, srv, 50, done)
		require.Equal(t, 1, srv.Connections())
	})
	in(t, "a server that ends 5 ms after the terminator", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{Type: "stop", Data: "x"}), Wait(5 * time.Millisecond)}))
		completions(t, srv, 50, stopEvent)
		require.Equal(t, 1, srv.Connections())
	})
	in(t, "a clean end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		completions(t, srv, 10)
		require.Equal(t, 1, srv.Connections())
	})
	in(t, "a refusal", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503), Raw("busy")}, Script{Answer(503)}, Script{Data("a")}))
		completions(t, srv, 1)
		require.Equal(t, 1, srv.Connections())
	})
	in(t, "a server that does not end costs a bounded time", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), Stall()}))
		start := time.Now()
		completions(t, srv, 3, done)
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
	in(t, "a server that goes on sending costs bounded reading", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), Raw(strings.Repeat("x", 1<<20))}))
		completions(t, srv, 3, done)
		require.Equal(t, 3, srv.Connections())
	})
}

// What is logged: at which level, and why. Only an end that the program did not ask for is
// a warning. What the caller's own functions say is left out.
func TestLogger(t *testing.T) {
	const (
		connecting = "DEBUG connecting"
		connected  = "INFO connected"
		truncated  = "truncated after 1 event: unexpected EOF"
	)
	for name, tt := range map[string]struct {
		scripts []Script
		end     func(s *sse.Stream, cancel func()) // after the first event
		opt     sse.Option
		want    []string
	}{
		"complete": {
			scripts: []Script{{Data("a", "[DONE]")}},
			want:    []string{connecting, connected, "INFO disconnected", "INFO ended"},
		},
		"truncated": {
			scripts: []Script{{Data("a"), Cut()}},
			want:    []string{connecting, connected, "INFO disconnected: " + truncated, "WARN ended: " + truncated},
		},
		"refused": {
			scripts: []Script{{Answer(400)}},
			want:    []string{connecting, "WARN ended: 400 Bad Request"},
		},
		"retried": {
			scripts: []Script{{Answer(503)}, {Data("[DONE]")}},
			want: []string{
				connecting, "INFO waiting: 503 Service Unavailable",
				connecting, connected, "INFO disconnected", "INFO ended",
			},
		},
		"closed": {
			scripts: []Script{{Data("a"), Stall()}},
			end:     func(s *sse.Stream, _ func()) { s.Close() },
			want:    []string{connecting, connected, "INFO disconnected: the stream was closed", "INFO ended: the stream was closed"},
		},
		"cancelled": {
			scripts: []Script{{Data("a"), Stall()}},
			end:     func(_ *sse.Stream, cancel func()) { cancel() },
			want:    []string{connecting, connected, "INFO disconnected: context canceled", "INFO ended: context canceled"},
		},
		"error event": {
			scripts: []Script{{Data("a")}},
			opt:     sse.WithEventError(func(e sse.Event) error { return errors.New(e.Data) }),
			want:    []string{connecting, connected, "INFO disconnected: error event", "WARN ended: error event"},
		},
		"no request": {
			scripts: []Script{{Data("a")}},
			opt:     sse.WithPrepare(func(*http.Request) error { return errInBand }),
			want:    []string{"WARN ended: the request could not be made"},
		},
	} {
		in(t, name, func(t *testing.T) {
			log := new(logLines)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			srv := NewServer(t, InOrder(tt.scripts...))
			s, err := client(srv, sse.WithDone("[DONE]"), sse.WithLogger(slog.New(log)), tt.opt).Fetch(srv.Get("/").WithContext(ctx))
			if err == nil {
				if s.Next() && tt.end != nil {
					tt.end(s, cancel)
				}
				require.False(t, s.Next())
			}
			require.Equal(t, tt.want, log.lines)
		})
	}
	in(t, "a response of somebody else is cancelled", func(t *testing.T) {
		log := new(logLines)
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := io.Pipe()
		resp := response(r)
		resp.Request = new(http.Request).WithContext(ctx)
		s, err := sse.FromResponse(resp, sse.WithLogger(slog.New(log)))
		require.NoError(t, err)
		cancel()
		require.False(t, s.Next())
		require.Equal(t, []string{connected, "INFO disconnected: context canceled", "INFO ended: context canceled"}, log.lines)
	})
}

// logLines keeps level, message and reason of what is logged to it.
type logLines struct{ lines []string }

func (l *logLines) Enabled(context.Context, slog.Level) bool { return true }

func (l *logLines) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logLines) WithGroup(string) slog.Handler { return l }

func (l *logLines) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + strings.TrimPrefix(r.Message, "sse: ")
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "reason" {
			line += ": " + a.Value.String()
		}
		return true
	})
	l.lines = append(l.lines, line)
	return nil
}

func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(
			Script{Raw(": hello\nunknown: x\nid: a\x00\nretry: soon\n"), Data("a")},
			Script{Answer(503)},
			Script{Data("b"), Cut()},
			Script{Data("[DONE]")},
		))
		var got []string
		say := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
		_, err := read(client(srv, sse.WithDone("[DONE]"), sse.WithTrace(&sse.Trace{
			Request:    func(r *http.Request) { say("request %s %s", r.Method, r.Header.Get("Accept")) },
			Open:       func(r *http.Response) { say("open %d", r.StatusCode) },
			Comment:    func(text string) { say("comment %q", text) },
			Ignored:    func(line string) { say("ignored %q", line) },
			Disconnect: func(err error) { say("disconnect %v", err) },
			Wait:       func(a sse.Attempt) { say("wait %d %v %v", a.Number, a.Delay, a.Retry) },
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{
			"request GET text/event-stream",
			"open 200",
			`comment "hello"`,
			`ignored "unknown: x"`,
			`ignored "id: a\x00"`,
			`ignored "retry: soon"`,
			"disconnect sse: GET http://server.test/: truncated after 1 event, with ignored lines: unexpected EOF",
			"wait 1 1s true",
			"request GET text/event-stream",
			"wait 2 1s true",
			"request GET text/event-stream",
			"open 200",
			"disconnect sse: GET http://server.test/: truncated after 1 event: unexpected EOF",
			"wait 1 1s true",
			"request GET text/event-stream",
			"open 200",
			"disconnect <nil>",
		}, got)
	})
}

func TestManyStreams(t *testing.T) {
	in(t, "all cancelled at once", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}))
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		errs := make(chan error, 200)
		for range cap(errs) {
			all.Go(func() {
				_, err := read(client(srv).Subscribe(srv.Get("/").WithContext(ctx)))
				errs <- err
			})
		}
		time.AfterFunc(time.Minute, cancel)
		all.Wait()
		close(errs)
		for err := range errs {
			require.Equal(t, context.Canceled, err)
		}
	})
}

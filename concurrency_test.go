package sse_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// moody answers in one of the ways that servers have, good and bad.
func moody(_ int, r *http.Request) Script {
	scripts := []Script{
		{Data("a", "b"), Stall()},
		{Data("a"), Cut()},
		{Retry(time.Millisecond), Data("a")},
		{Raw("data: half"), Stall()},
		{Answer(503)},
		{Cut()},
		{Stall()},
		{Open(), Wait(10 * time.Millisecond), Comment("x"), Data("c")},
	}
	return scripts[rand.IntN(len(scripts))]
}

// While a stream reads from a moody server, other goroutines close it, make it connect
// again and cancel it, at random times. It must end, once, for one of these reasons.
func TestInterruptAtRandom(t *testing.T) {
	for _, kind := range []struct {
		name string
		opts []Option
	}{{"HTTP/1.1", nil}, {"HTTP/2", []Option{HTTP2()}}} {
		in(t, kind.name, func(t *testing.T) {
			srv := NewServer(t, moody, kind.opts...)
			why := errors.New("cancelled")
			for range 200 {
				ctx, cancel := context.WithCancelCause(t.Context())
				s, err := client(srv, sse.WithIdleTimeout(3*time.Second), sse.WithOpenTimeout(2*time.Second)).
					Subscribe(srv.Get("/").WithContext(ctx))
				require.NoError(t, err)
				var others sync.WaitGroup
				at := func(do func()) {
					others.Go(func() {
						<-time.After(rand.N(10 * time.Second))
						do()
					})
				}
				for range 5 {
					at(s.Reconnect)
				}
				at(func() { s.Close() })
				at(func() { s.Close() })
				at(func() { cancel(why) })
				for s.Next() {
					require.NotEmpty(t, s.Data())
				}
				require.Contains(t, []error{sse.ErrClosed, why}, s.Err())
				require.False(t, s.Next())
				others.Wait()
			}
		})
	}
}

// The functions that a caller gives may use the stream that calls them.
func TestInterruptFromWithin(t *testing.T) {
	var s *sse.Stream
	ways := map[string]func(){
		"Close":     func() { s.Close() },
		"Reconnect": func() { s.Reconnect() },
	}
	for way, do := range ways {
		places := map[string]func(act func()) sse.Option{
			"WithPrepare": func(act func()) sse.Option {
				return sse.WithPrepare(func(*http.Request) error { act(); return nil })
			},
			"WithTerminator": func(act func()) sse.Option {
				return sse.WithTerminator(func(sse.Event) bool { act(); return false })
			},
			"WithEventError": func(act func()) sse.Option {
				return sse.WithEventError(func(sse.Event) error { act(); return nil })
			},
			"WithRetryPolicy": func(act func()) sse.Option {
				return sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { act(); return a.Delay, a.Retry })
			},
			"Trace": func(act func()) sse.Option {
				return sse.WithTrace(&sse.Trace{
					Request:    func(*http.Request) { act() },
					Open:       func(*http.Response) { act() },
					Comment:    func(string) { act() },
					Ignored:    func(string) { act() },
					Disconnect: func(error) { act() },
					Wait:       func(sse.Attempt) { act() },
				})
			},
		}
		for place, option := range places {
			in(t, way+" in "+place, func(t *testing.T) {
				srv := NewServer(t, InOrder(Script{Data("a"), Comment("c"), Raw("x\n\n"), Data("b"), Cut()}))
				s = nil
				acts := 0
				stream, err := client(srv, option(func() {
					if s != nil && acts < 5 {
						acts++
						do()
					}
				})).Subscribe(srv.Get("/"))
				require.NoError(t, err)
				s = stream
				time.AfterFunc(time.Minute, func() { stream.Close() })
				for stream.Next() {
				}
				require.Equal(t, sse.ErrClosed, stream.Err())
				require.Positive(t, acts)
			})
		}
	}
}

// A thousand streams in all states end together and leave nothing behind: the bubble
// fails if a goroutine is left.
func TestThousandStreams(t *testing.T) {
	for _, kind := range []struct {
		name string
		opts []Option
	}{{"HTTP/1.1", nil}, {"HTTP/2", []Option{HTTP2()}}} {
		in(t, kind.name, func(t *testing.T) {
			srv := NewServer(t, moody, kind.opts...)
			ctx, cancel := context.WithCancel(t.Context())
			errs := make(chan error, 1000)
			for range cap(errs) {
				go func() {
					_, err := read(client(srv).Subscribe(srv.Get("/").WithContext(ctx)))
					errs <- err
				}()
			}
			time.AfterFunc(20*time.Second, cancel)
			for range cap(errs) {
				require.Equal(t, context.Canceled, <-errs)
			}
			require.Greater(t, len(srv.Requests()), cap(errs))
		})
	}
}

package e2e_test

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

// moody responds in a random way, good or bad.
func moody(int, *http.Request) Script {
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

// While a stream reads from a moody server, other goroutines close it, make it reconnect
// and cancel its context, all at random times. It must end once, by Close or by the cause.
func TestConcurrentInterruptionsEndAStreamOnce(t *testing.T) {
	for _, p := range inMemory {
		in(t, p.name, func(t *testing.T) {
			srv := NewServer(t, moody, p.opts...)
			cause := errors.New("canceled")
			for range 200 {
				ctx, cancel := context.WithCancelCause(t.Context())
				s, err := client(srv, sse.WithIdleTimeout(3*time.Second), sse.WithOpenTimeout(2*time.Second)).
					Subscribe(srv.Get("/").WithContext(ctx))
				require.NoError(t, err)
				var others sync.WaitGroup
				atRandom := func(f func()) {
					others.Go(func() {
						<-time.After(rand.N(10 * time.Second))
						f()
					})
				}
				for range 5 {
					atRandom(s.Reconnect)
				}
				atRandom(func() { s.Close() })
				atRandom(func() { s.Close() })
				atRandom(func() { cancel(cause) })
				for s.Next() {
					require.NotEmpty(t, s.Data())
				}
				require.True(t, errors.Is(s.Err(), sse.ErrClosed) != errors.Is(s.Err(), cause), "%v", s.Err())
				require.False(t, s.Next())
				others.Wait()
			}
		})
	}
}

func TestCallbacksCanCloseAndReconnectTheirStream(t *testing.T) {
	methods := map[string]func(*sse.Stream){
		"Close":     func(s *sse.Stream) { s.Close() },
		"Reconnect": (*sse.Stream).Reconnect,
	}
	callbacks := map[string]func(call func()) sse.Option{
		"WithPrepare": func(call func()) sse.Option {
			return sse.WithPrepare(func(*http.Request) error { call(); return nil })
		},
		"WithTerminator": func(call func()) sse.Option {
			return sse.WithTerminator(func(sse.Event) bool { call(); return false })
		},
		"WithEventError": func(call func()) sse.Option {
			return sse.WithEventError(func(sse.Event) error { call(); return nil })
		},
		"WithRetryPolicy": func(call func()) sse.Option {
			return sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { call(); return a.Delay, a.Retry })
		},
		"WithTrace": func(call func()) sse.Option {
			return sse.WithTrace(&sse.Trace{
				Request:    func(*http.Request) { call() },
				Open:       func(*http.Response) { call() },
				Comment:    func(string) { call() },
				Ignored:    func(string) { call() },
				Disconnect: func(error) { call() },
				Wait:       func(sse.Attempt) { call() },
			})
		},
	}
	for name, method := range methods {
		for callback, option := range callbacks {
			in(t, name+" in "+callback, func(t *testing.T) {
				srv := NewServer(t, InOrder(Script{Data("a"), Comment("c"), Raw("x\n\n"), Data("b"), Cut()}))
				var s *sse.Stream // nil until Subscribe has returned
				calls := 0
				opened, err := client(srv, option(func() {
					if s != nil && calls < 5 {
						calls++
						method(s)
					}
				})).Subscribe(srv.Get("/"))
				require.NoError(t, err)
				s = opened
				time.AfterFunc(time.Minute, func() { opened.Close() })
				for s.Next() {
				}
				require.Equal(t, sse.ErrClosed, s.Err())
				require.Positive(t, calls)
			})
		}
	}
}

// The bubble fails if a goroutine is left.
func TestThousandCanceledStreamsLeaveNothingBehind(t *testing.T) {
	for _, p := range inMemory {
		in(t, p.name, func(t *testing.T) {
			srv := NewServer(t, moody, p.opts...)
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
				require.ErrorIs(t, <-errs, context.Canceled)
			}
			require.Greater(t, len(srv.Requests()), cap(errs))
		})
	}
}

package sse_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// An invalid option is an error of every call that uses it.
func TestInvalidOption(t *testing.T) {
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
		{sse.WithLastEventID(strings.Repeat("x", 8<<10+1)), "sse: WithLastEventID: the last event ID has a control character or more than 8 KiB, so no header can carry it"},
		{sse.WithLastEventID("a\nb"), "sse: WithLastEventID: the last event ID has a control character or more than 8 KiB, so no header can carry it"},
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

func TestOptionsOfClientAndCall(t *testing.T) {
	in(t, "the call's value replaces the client's", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		c := client(srv, sse.WithMaxRetries(5))
		_, err := c.Fetch(srv.Get("/"), sse.WithMaxRetries(1))
		refusedWith(503)(t, err)
		require.Len(t, srv.Requests(), 2)
		_, err = c.Fetch(srv.Get("/"))
		refusedWith(503)(t, err)
		require.Len(t, srv.Requests(), 2+6)
	})
	in(t, "WithHeader replaces the value for the same key in any case", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		_, err := read(client(srv, sse.WithHeader("X-Client", "2"), sse.WithHeader("x-both", "client")).
			Fetch(srv.Get("/"), sse.WithHeader("X-Both", "call"), sse.WithHeader("Host", "other.test"), sse.WithHeader("!Odd~9", "4")))
		require.NoError(t, err)
		got := srv.Requests()[0]
		require.Equal(t, "2", got.Header.Get("X-Client"))
		require.Equal(t, []string{"call"}, got.Header["X-Both"])
		require.Equal(t, []string{"4"}, got.Header["!odd~9"])
		require.Equal(t, "other.test", got.Host)
	})
	in(t, "nil takes the client's value back", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}, Script{Raw("x\n"), Data("a", "[DONE]", "b"), Send(sse.Event{Type: "error"})}))
		unwanted := func() { t.Error("an option that was taken back is in effect") }
		c := client(srv, doneEvent, failOnError,
			sse.WithPrepare(func(*http.Request) error { unwanted(); return nil }),
			sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { unwanted(); return 0, false }),
			sse.WithTerminator(func(sse.Event) bool { unwanted(); return true }),
			sse.WithCompleteAfter(func(sse.Event) bool { unwanted(); return false }),
			sse.WithIgnoredError(func(string) error { unwanted(); return errInBand }),
			sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { unwanted(); return nil, nil }),
			sse.WithTrace(&sse.Trace{Request: func(*http.Request) { unwanted() }}))
		got, err := read(c.Fetch(srv.Get("/"), nil, sse.WithDone(), sse.WithEventError(nil), sse.WithPrepare(nil),
			sse.WithRetryPolicy(nil), sse.WithTerminator(nil), sse.WithCompleteAfter(nil), sse.WithIgnoredError(nil),
			sse.WithResume(nil), sse.WithTrace(nil), sse.WithLogger(nil)))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "[DONE]", "b", ""}, got)
	})
}

// Functions that are given several times are all asked, the client's before the call's.
func TestOptionsCombine(t *testing.T) {
	var asked []string
	ask := func(name string) { asked = append(asked, name) }
	twice := func(option func(name string) sse.Option) (client, call sse.Option) {
		return option("client"), option("call")
	}
	in(t, "WithPrepare", func(t *testing.T) {
		asked = nil
		srv := NewServer(t, InOrder(gone))
		a, b := twice(func(name string) sse.Option {
			return sse.WithPrepare(func(r *http.Request) error {
				ask(name + r.Header.Get("X-Prepared"))
				r.Header.Set("X-Prepared", " after "+name)
				return nil
			})
		})
		_, err := read(client(srv, a).Fetch(srv.Get("/"), b))
		require.NoError(t, err)
		require.Equal(t, []string{"client", "call after client"}, asked)
		require.Equal(t, "after call", srv.Requests()[0].Header.Get("X-Prepared"))
	})
	in(t, "WithPrepare, up to the first error", func(t *testing.T) {
		asked = nil
		srv := NewServer(t, InOrder(gone))
		a, b := twice(func(name string) sse.Option {
			return sse.WithPrepare(func(*http.Request) error { ask(name); return errors.New(name) })
		})
		_, err := client(srv, a).Fetch(srv.Get("/"), b)
		require.EqualError(t, err, "sse: GET http://server.test/: WithPrepare: client")
		require.Equal(t, []string{"client"}, asked)
		require.Empty(t, srv.Requests())
	})
	in(t, "WithTrace", func(t *testing.T) {
		asked = nil
		srv := NewServer(t, InOrder(Script{Raw(": c\nx\n"), Data("a"), Cut()}, gone))
		a, b := twice(func(name string) sse.Option {
			return sse.WithTrace(&sse.Trace{
				Request:    func(*http.Request) { ask(name + " request") },
				Open:       func(*http.Response) { ask(name + " open") },
				Comment:    func(string) { ask(name + " comment") },
				Ignored:    func(string) { ask(name + " ignored") },
				Disconnect: func(error) { ask(name + " disconnect") },
				Wait:       func(sse.Attempt) { ask(name + " wait") },
			})
		})
		_, err := read(client(srv, a, sse.WithTrace(&sse.Trace{})).Subscribe(srv.Get("/"), b))
		require.NoError(t, err)
		var want []string
		for _, hook := range []string{"request", "open", "comment", "ignored", "disconnect", "wait", "request"} {
			want = append(want, "client "+hook, "call "+hook)
		}
		require.Equal(t, want, asked)
	})
	in(t, "WithEventError, up to the first error", func(t *testing.T) {
		asked = nil
		srv := NewServer(t, InOrder(Script{Data("a", "b", "c")}))
		a, b := twice(func(name string) sse.Option {
			return sse.WithEventError(func(e sse.Event) error {
				ask(name + " " + e.Data)
				if e.Data == "b" && name == "call" || e.Data == "c" {
					return errors.New(name)
				}
				return nil
			})
		})
		_, err := read(client(srv, a).Fetch(srv.Get("/"), b))
		require.EqualError(t, err, "sse: GET http://server.test/: error event: call")
		require.Equal(t, []string{"client a", "call a", "client b", "call b"}, asked)

		srv = NewServer(t, InOrder(Script{Data("c")}))
		asked = nil
		_, err = read(client(srv, a).Fetch(srv.Get("/"), b))
		require.EqualError(t, err, "sse: GET http://server.test/: error event: client")
		require.Equal(t, []string{"client c"}, asked)
	})
	in(t, "WithTerminator, any of them", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "b", "c")}))
		terminator := func(data string) sse.Option {
			return sse.WithTerminator(func(e sse.Event) bool { return e.Data == data })
		}
		for _, pair := range [][2]string{{"b", "c"}, {"c", "b"}} {
			got, err := read(client(srv, terminator(pair[0])).Fetch(srv.Get("/"), terminator(pair[1])))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b"}, got)
		}
		_, err := read(client(srv, terminator("x")).Fetch(srv.Get("/"), terminator("y")))
		truncatedError(t, err)
	})
	in(t, "WithCompleteAfter, any of them", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "b")}))
		after := func(data string) sse.Option {
			return sse.WithCompleteAfter(func(e sse.Event) bool { return e.Data == data })
		}
		for _, pair := range [][2]string{{"b", "c"}, {"c", "b"}, {"a", "b"}} {
			got, err := read(client(srv, after(pair[0])).Fetch(srv.Get("/"), after(pair[1])))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b"}, got)
		}
		_, err := read(client(srv, after("x")).Fetch(srv.Get("/"), after("y")))
		truncatedError(t, err)
	})
	in(t, "WithIgnoredError, up to the first error", func(t *testing.T) {
		asked = nil
		srv := NewServer(t, InOrder(Script{Raw("a\n\nb\n\nc\n")}))
		a, b := twice(func(name string) sse.Option {
			return sse.WithIgnoredError(func(text string) error {
				ask(name + " " + text)
				if text == "b" && name == "call" || text == "c" {
					return errors.New(name)
				}
				return nil
			})
		})
		_, err := read(client(srv, a).Fetch(srv.Get("/"), b))
		require.EqualError(t, err, "sse: GET http://server.test/: error event: call")
		require.Equal(t, []string{"client a", "call a", "client b", "call b"}, asked)

		srv = NewServer(t, InOrder(Script{Raw("c")}))
		asked = nil
		_, err = read(client(srv, a).Fetch(srv.Get("/"), b))
		require.EqualError(t, err, "sse: GET http://server.test/: error event: client")
		require.Equal(t, []string{"client c"}, asked)
	})
	in(t, "nil takes back the earlier ones and not the later ones", func(t *testing.T) {
		asked = nil
		srv := NewServer(t, InOrder(Script{Raw("x\n"), Data("a")}))
		options := func(name string) []sse.Option {
			return []sse.Option{
				sse.WithPrepare(func(*http.Request) error { ask(name + " prepare"); return nil }),
				sse.WithTrace(&sse.Trace{Open: func(*http.Response) { ask(name + " open") }}),
				sse.WithEventError(func(sse.Event) error { ask(name + " event error"); return nil }),
				sse.WithTerminator(func(sse.Event) bool { ask(name + " terminator"); return true }),
				sse.WithCompleteAfter(func(sse.Event) bool { ask(name + " complete after"); return true }),
				sse.WithIgnoredError(func(string) error { ask(name + " ignored error"); return nil }),
			}
		}
		none := []sse.Option{
			sse.WithPrepare(nil), sse.WithTrace(nil), sse.WithEventError(nil), sse.WithTerminator(nil),
			sse.WithCompleteAfter(nil), sse.WithIgnoredError(nil),
		}
		_, err := read(client(srv, options("client")...).Fetch(srv.Get("/"), append(none, options("call")...)...))
		require.NoError(t, err)
		require.Equal(t, []string{
			"call prepare", "call open", "call ignored error", "call event error", "call terminator", "call complete after",
		}, asked)
	})
	in(t, "calls do not share what is theirs", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		c := client(srv, failOnError, failOnError, failOnError)
		for _, name := range []string{"first", "second"} {
			asked = nil
			_, err := read(c.Fetch(srv.Get("/"), sse.WithEventError(func(sse.Event) error { ask(name); return nil })))
			require.NoError(t, err)
			require.Equal(t, []string{name}, asked)
		}
	})
}

// JoinOptions applies its options where it is given, in their order.
func TestJoinOptions(t *testing.T) {
	header := func(value string) sse.Option { return sse.WithHeader("X-Joined", value) }
	sent := func(t *testing.T, client, call []sse.Option) string {
		t.Helper()
		srv := NewServer(t, InOrder(gone))
		_, err := read(sse.NewClient(append([]sse.Option{sse.WithHTTPClient(srv.Client())}, client...)...).Fetch(srv.Get("/"), call...))
		require.NoError(t, err)
		return srv.Requests()[0].Header.Get("X-Joined")
	}
	in(t, "in order", func(t *testing.T) {
		joined := sse.JoinOptions(header("a"), header("b"))
		require.Equal(t, "b", sent(t, nil, []sse.Option{joined}))
		require.Equal(t, "c", sent(t, nil, []sse.Option{joined, header("c")}))
		require.Equal(t, "b", sent(t, nil, []sse.Option{header("c"), joined}))
		require.Equal(t, "b", sent(t, []sse.Option{header("c")}, []sse.Option{joined}))
		require.Equal(t, "c", sent(t, []sse.Option{joined}, []sse.Option{header("c")}))
		require.Equal(t, "c", sent(t, nil, []sse.Option{sse.JoinOptions(joined, sse.JoinOptions(header("c")))}))
	})
	in(t, "empty and nil", func(t *testing.T) {
		empty := []sse.Option{sse.JoinOptions(), sse.JoinOptions(nil), sse.JoinOptions(nil, nil, sse.JoinOptions())}
		require.Equal(t, "a", sent(t, []sse.Option{header("a")}, empty))
		require.Equal(t, "a", sent(t, nil, []sse.Option{sse.JoinOptions(nil, header("a"), nil)}))
	})
	in(t, "does not share the slice of the caller", func(t *testing.T) {
		opts := []sse.Option{header("a")}
		joined := sse.JoinOptions(opts...)
		opts[0] = header("b")
		require.Equal(t, "a", sent(t, nil, []sse.Option{joined}))
	})
	in(t, "several clients do not share what is theirs", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		var asked []string
		ask := func(name string) sse.Option {
			return sse.WithEventError(func(sse.Event) error { asked = append(asked, name); return nil })
		}
		joined := sse.JoinOptions(sse.WithHTTPClient(srv.Client()), ask("joined"), ask("joined"), ask("joined"))
		for _, name := range []string{"first", "second"} {
			asked = nil
			_, err := read(sse.NewClient(joined, ask(name)).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []string{"joined", "joined", "joined", name}, asked)
		}
	})
	in(t, "an invalid option", func(t *testing.T) {
		_, err := sse.Fetch(newGet("http://server.test/"), sse.JoinOptions(sse.WithMaxRetries(-1)))
		require.EqualError(t, err, "sse: WithMaxRetries: -1 is negative; give a count, or 0 for no retry")
	})
}

// The default limit leaves room for the images that models send.
func TestDefaultMaxEventSize(t *testing.T) {
	for size, ok := range map[int]bool{32 << 20: true, 32<<20 + 1: false} {
		p := sse.NewParser(io.MultiReader(
			strings.NewReader("data: "),
			io.LimitReader(&repeater{stream: bytes.Repeat([]byte("x"), 1<<10), size: 1 << 20}, int64(size-len("data: "))),
			strings.NewReader("\n\n"),
		))
		require.Equal(t, ok, p.Next(), "%v", p.Err())
		require.Equal(t, !ok, errors.Is(p.Err(), sse.ErrEventTooLarge))
	}
}

// Error values have a message even if the program made them itself, as tests do.
func TestErrorsHaveMessages(t *testing.T) {
	for _, err := range []error{
		&sse.ResponseError{}, &sse.TruncatedError{}, &sse.EventError{}, &sse.DecodeError{},
		sse.ErrEventTooLarge, sse.ErrIdleTimeout, sse.ErrEventTimeout, sse.ErrOpenTimeout, sse.ErrClosed,
	} {
		require.Regexp(t, "^sse: .", err.Error())
	}
}

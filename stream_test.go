package sse_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"weak"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/spec"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

func TestNext(t *testing.T) {
	in(t, "delivers the events up to the end of the body", func(t *testing.T) {
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
	in(t, "delivers an event at its blank line, before another byte", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("data: a\r\r"), Stall()}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.Equal(t, "a", string(s.Data()))
		require.NoError(t, s.Close())
	})
	in(t, "leaves no current event at the end", func(t *testing.T) {
		for _, last := range []Step{Data("[DONE]"), Data("failed"), Send(sse.Event{Type: "stop", Data: "z"}), Cut(), Raw("data: b")} {
			srv := NewServer(t, InOrder(Script{Data("a"), last}))
			s, err := client(srv, stopEvent, doneEvent, sse.WithEventError(func(e sse.Event) error {
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
	in(t, "a 204 response has no events", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(204)}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.Equal(t, 204, s.Response().StatusCode)
		require.False(t, s.Next())
		require.NoError(t, s.Err())
	})
	in(t, "the end of the stream ends the context of its request", func(t *testing.T) {
		for _, end := range []Step{Data("[DONE]"), Wait(0), Cut()} {
			srv := NewServer(t, InOrder(Script{Data("a"), end}))
			var attempt context.Context
			_, _ = read(client(srv, doneEvent, sse.WithPrepare(func(r *http.Request) error {
				attempt = r.Context()
				return nil
			})).Fetch(srv.Get("/")))
			require.Error(t, attempt.Err())
		}
	})
}

func TestCompletion(t *testing.T) {
	in(t, "WithDone: a clean end, without the event, whatever the connection does next", func(t *testing.T) {
		for _, end := range []Step{Stall(), Cut(), Wait(0), Data("more")} {
			srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), end}))
			got, err := read(client(srv, sse.WithDone("[END]", "[DONE]")).Fetch(srv.Post("/", "{}")))
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, got)
			require.Len(t, srv.Requests(), 1)
		}
	})
	in(t, "WithTerminator: a clean end, after the event, whatever the connection does next", func(t *testing.T) {
		for _, end := range []Step{Stall(), Cut(), Wait(0)} {
			srv := NewServer(t, InOrder(Script{Data("a"), Send(sse.Event{Type: "stop", Data: "z"}), end}))
			got, err := read(client(srv, stopEvent).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "z"}, got)
		}
	})
	in(t, "WithTerminator: neither cancel nor Close changes the end", func(t *testing.T) {
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
}

// Some servers add white space to the event of WithDone, or a line without text.
func TestDoneWithWhiteSpace(t *testing.T) {
	for _, data := range []string{"[DONE] ", " [DONE]", "[DONE]\n", "\n[DONE]", "[DONE]\t", " [DONE]\n\n"} {
		in(t, fmt.Sprintf("%q completes the stream", data), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a", data, "b")}))
			for _, open := range bothCalls(client(srv)) {
				got, err := read(open(srv.Post("/", "{}"), sse.WithDone("[END]", "[DONE]")))
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
				got, err = read(open(srv.Post("/", "{}"), sse.WithDone(data)))
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
			}
			require.Len(t, srv.Requests(), 4)
		})
	}
	for _, data := range []string{"[DONE].", "[DONE] [DONE]", "[ DONE]", "[done]", "\u200b[DONE]", "\"[DONE]\""} {
		in(t, fmt.Sprintf("%q does not complete the stream", data), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a", data, "b")}))
			got, err := read(client(srv, doneEvent).Fetch(srv.Post("/", "{}")))
			truncatedError(t, err)
			require.Equal(t, []string{"a", data, "b"}, got)
		})
	}
}

// Some servers omit the last blank line. The event of WithDone completes the stream even so.
func TestCompletionWithoutBlankLine(t *testing.T) {
	for _, last := range []string{
		"data: [DONE]", "data:[DONE]\n", "data: [DONE]\r\n", "id: 1\nevent: x\ndata: [DONE]", "data: [DONE] ", "data: [DONE]\ndata:\n",
	} {
		for name, end := range map[string]Step{"clean end": Wait(0), "cut": Cut(), "silence": Stall()} {
			if name != "clean end" && !strings.HasSuffix(last, "\n") {
				continue // the line may not be complete
			}
			in(t, fmt.Sprintf("%q, then %s", last, name), func(t *testing.T) {
				srv := NewServer(t, InOrder(Script{Data("a"), Raw(last), end}))
				var ends []error
				trace := sse.WithTrace(&sse.Trace{Disconnect: func(err error) { ends = append(ends, err) }})
				for _, open := range bothCalls(client(srv, doneEvent, trace, sse.WithIdleTimeout(time.Minute))) {
					got, err := read(open(srv.Get("/")))
					require.NoError(t, err)
					require.Equal(t, []string{"a"}, got)
				}
				require.Equal(t, []error{nil, nil}, ends)
				require.Len(t, srv.Requests(), 2)
			})
		}
	}
	for _, last := range []string{"data: [DONE", "data: [DONE] x", "data: [DONE]\ndata: x\n", "data: [DONE]\ndat", "data: [DONE]\ndata", "[DONE]", "id: [DONE]"} {
		in(t, fmt.Sprintf("%q does not complete the stream", last), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Raw(last)}))
			_, err := read(client(srv, doneEvent).Fetch(srv.Get("/")))
			truncatedError(t, err)
		})
	}
	in(t, "a line that may not be complete does not complete the stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("data: 1"), Cut()})) // of 10?
		_, err := read(client(srv, sse.WithDone("1")).Fetch(srv.Get("/")))
		truncatedError(t, err)
	})
	in(t, "a block without data is not an event without data", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("id: 1\n")}))
		_, err := read(client(srv, sse.WithDone("")).Fetch(srv.Get("/")))
		truncatedError(t, err)
	})
	in(t, "Close interrupts a stream whose blank line is missing", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("data: [DONE]\n"), Stall()}))
		s, err := client(srv, doneEvent).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		time.AfterFunc(time.Second, func() { s.Close() })
		require.False(t, s.Next())
		require.ErrorIs(t, s.Err(), sse.ErrClosed)
	})
}

func TestTruncatedError(t *testing.T) {
	tests := []struct {
		name    string
		script  Script
		opts    []sse.Option
		partial sse.Event
		clean   bool
		want    string // after the name of the request
	}{
		{
			name: "clean end in the middle of an event", script: Script{Data("a"), Raw("event: t\nid: 4\ndata: x\ndata: y")},
			partial: sse.Event{Type: "t", Data: "x\ny", ID: "4"}, clean: true, want: "the response ended after 1 event, in the middle of event 2",
		},
		{
			name: "clean end in the name of a data line", script: Script{Data("a"), Raw("dat")}, clean: true,
			want: "the response ended after 1 event, in the middle of event 2",
		},
		{
			name: "clean end after an event field", script: Script{Data("a"), Raw("event: t\n")},
			partial: sse.Event{Type: "t"}, clean: true, want: "the response ended after 1 event, in the middle of event 2",
		},
		{
			name: "clean end in an event field", script: Script{Data("a"), Raw("event: t")}, clean: true,
			want: "the response ended after 1 event, in the middle of event 2",
		},
		{
			name: "clean end in the name of an event field", script: Script{Data("a"), Raw("id: 1\n\ne")}, clean: true,
			want: "the response ended after 1 event, in the middle of event 2",
		},
		{
			name: "clean end before WithDone", script: Script{Data("a")}, opts: []sse.Option{doneEvent}, clean: true,
			want: "the response ended after 1 event without [DONE]",
		},
		{
			name: "clean end before WithDone, in the middle of an event", script: Script{Data("a"), Raw("data: [DO")}, opts: []sse.Option{doneEvent},
			partial: sse.Event{Type: "message", Data: "[DO"}, clean: true, want: "the response ended after 1 event, in the middle of event 2",
		},
		{
			name: "clean end before WithDone, with ignored lines", script: Script{Data("a"), Raw("error: x\n")}, opts: []sse.Option{doneEvent},
			clean: true, want: "the response ended after 1 event without [DONE], with ignored lines",
		},
		{
			name: "clean end before one of several of WithDone", script: Script{Data("a")}, opts: []sse.Option{sse.WithDone("[DONE]", "[END]")},
			clean: true, want: "the response ended after 1 event without the completion event",
		},
		{
			name: "clean end before a long one of WithDone", script: Script{Data("a")}, opts: []sse.Option{sse.WithDone(strings.Repeat("x", 1000))},
			clean: true, want: "the response ended after 1 event without " + strings.Repeat("x", 512) + "...",
		},
		{
			name: "clean end before WithTerminator", script: Script{Data("a")}, opts: []sse.Option{stopEvent}, clean: true,
			want: "the response ended after 1 event without the completion event",
		},
		{
			name: "clean end before WithTerminator or WithDone", script: Script{Data("a")}, opts: []sse.Option{stopEvent, doneEvent}, clean: true,
			want: "the response ended after 1 event without [DONE] or another completion event",
		},
		{
			name: "connection lost between events", script: Script{Data("a"), Cut()},
			want: "the connection broke after 1 event: unexpected EOF",
		},
		{
			name: "connection lost in a block", script: Script{Data("a"), Raw("data: x\ndata: y\n"), Cut()}, partial: sse.Event{Type: "message", Data: "x\ny"},
			want: "the connection broke after 1 event, in the middle of event 2: unexpected EOF",
		},
		{
			name: "connection lost in a block without data", script: Script{Data("a"), Raw("event: t\n"), Cut()}, partial: sse.Event{Type: "t"},
			want: "the connection broke after 1 event, in the middle of event 2: unexpected EOF",
		},
		{
			name: "connection lost before WithDone", script: Script{Data("a"), Cut()}, opts: []sse.Option{doneEvent},
			want: "the connection broke after 1 event: unexpected EOF",
		},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			got, err := read(client(srv, tt.opts...).Fetch(srv.Get("/p?secret=1")))
			require.Equal(t, []string{"a"}, got)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			cut := truncatedError(t, err)
			require.Equal(t, tt.partial, cut.Partial)
			require.Equal(t, 1, cut.Events)
			require.Equal(t, tt.clean, cut.Clean)
			if tt.clean {
				require.Equal(t, io.ErrUnexpectedEOF, cut.Err)
			}
			require.Error(t, cut.Err)
			require.EqualError(t, err, "sse: GET http://server.test/p: "+tt.want)
			require.Len(t, srv.Requests(), 1)
		})
	}
	in(t, "an event is not truncated if only its id and a comment arrived", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("id: 9\n: comment")}))
		got, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
	in(t, "the ID of the unfinished event is not the last event ID", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\nid: 2\n"), Cut()}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		cut := truncatedError(t, err)
		require.Equal(t, "1", cut.LastEventID)
		require.Equal(t, "2", cut.Partial.ID)
	})
}

// A response that has text and no event, as that of a failing gateway, is not complete. A
// Subscribe reconnects in any case.
func TestTextWithoutEvents(t *testing.T) {
	const (
		outside = "the response ended after 0 events, with ignored lines"
		within  = "the response ended after 0 events, in the middle of event 1"
	)
	for _, tt := range []struct{ stream, want string }{
		{"", ""},
		{": comment\n\n", ""},
		{"retry: soon\n", ""},
		{"retry\n", ""},
		{"retry: 10\n", ""},
		{"retr", ""},
		{"id: a\x00b\n", ""},
		{"id: 1\n", ""},
		{"id: 1", ""},
		{"event: x\n\n", ""},
		{"\xEF\xBB", ""}, // half a byte order mark
		{"data: a\n\nerror: x\n", ""},
		{"error: x\n\ndata: a\n\n", ""},
		{"data: a\n\n<html>", ""},
		{"error: x\n", outside},
		{"error: x", outside},
		{"{\"error\":1}", outside},
		{"<html>\n<p>502</p>\n\n", outside},
		{"retry: soon\n{\n: comment\n", outside},
		{"event: error\n", within},
		{"event: error", within},
		{"ev", within},
		{"data: x\n", within},
		{"d", within},
		{"event: x\n\nevent: y\n", within},
	} {
		in(t, fmt.Sprintf("%q", tt.stream), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Open(), Raw(tt.stream)}))
			_, err := read(client(srv).Fetch(srv.Get("/")))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "sse: GET http://server.test/: "+tt.want)
			require.True(t, truncatedError(t, err).Clean)

			srv = NewServer(t, InOrder(Script{Open(), Raw(tt.stream)}, Script{Data("a")}, gone))
			got, err := read(client(srv).Subscribe(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, got)
		})
	}
	in(t, "events of an earlier connection do not count", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}, Script{Raw("<html>")}, Script{Raw("<html>")}))
		_, err := read(client(srv, sse.WithResume(func(ctx context.Context, _ sse.Attempt) (*http.Request, error) {
			return srv.Get("/rest").WithContext(ctx), nil
		})).Fetch(srv.Get("/")))
		require.EqualError(t, err, "sse: gave up after 2 retries: GET http://server.test/rest: "+outside)
	})
}

// Retry is the reconnection time that the server set last, over any connection.
func TestStreamRetry(t *testing.T) {
	in(t, "none", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("retry: soon\nretry\n"), Data("a")}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		d, ok := s.Retry()
		require.Zero(t, d)
		require.False(t, ok)
	})
	for value, want := range map[string]time.Duration{
		"0":                       0,
		"1500":                    1500 * time.Millisecond,
		"86400000":                24 * time.Hour, // the waits are shorter
		"99999999999999999999999": math.MaxInt64 / time.Millisecond * time.Millisecond,
	} {
		in(t, "as sent: "+value, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Raw("retry: " + value + "\n"), Data("a"), Cut()}))
			s, err := client(srv).Fetch(srv.Get("/"))
			require.NoError(t, err)
			for range 2 { // at the event, and after the end
				s.Next()
				d, ok := s.Retry()
				require.Equal(t, want, d)
				require.True(t, ok)
			}
		})
	}
	in(t, "the latest of several connections", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Retry(time.Second), Data("a")}, Script{Data("b")}, Script{Data("c"), Retry(3 * time.Second), Data("d")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		var got []time.Duration
		for s.Next() {
			d, ok := s.Retry()
			require.True(t, ok)
			got = append(got, d)
		}
		d, _ := s.Retry()
		require.Equal(t, []time.Duration{time.Second, time.Second, time.Second, 3 * time.Second, 3 * time.Second}, append(got, d))
	})
}

// A 204 response has no completion event. For Subscribe it is how a server ends the stream.
func TestNoContentWithCompletion(t *testing.T) {
	for want, opts := range map[string][]sse.Option{
		"[DONE]":               {doneEvent},
		"the completion event": {stopEvent},
	} {
		in(t, "without "+want, func(t *testing.T) {
			srv := NewServer(t, InOrder(gone))
			for _, r := range []*http.Request{srv.Get("/"), srv.Post("/", "{}")} {
				_, err := client(srv, opts...).Fetch(r, sse.WithLastEventID("7"))
				require.EqualError(t, err, "sse: "+r.Method+" http://server.test/: the response ended after 0 events without "+want)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				cut := truncatedError(t, err)
				require.True(t, cut.Clean)
				require.Equal(t, "7", cut.LastEventID)
			}
			require.Len(t, srv.Requests(), 2)
			_, err := read(client(srv, opts...).Subscribe(srv.Get("/")))
			require.NoError(t, err)
		})
	}
}

// Lines outside any field of the standard are in the error: they may tell the reason.
func TestTruncatedErrorIgnored(t *testing.T) {
	long := strings.Repeat("x", 2000)
	var many strings.Builder
	var last []string
	for i := range 20 {
		fmt.Fprintf(&many, "x%d: y\n", i)
		last = append(last, fmt.Sprintf("x%d: y", i))
	}
	tests := []struct {
		name, stream string
		want         []string
	}{
		{"an id field", "id: 1\n", nil},
		{"a field called error", "error: {\"code\":1}\n\n", []string{`error: {"code":1}`}},
		{"bare JSON", `{"error":{"code":1}}`, []string{`{"error":{"code":1}}`}},
		{"bare JSON, indented", "{\r\n  \"error\": 1\r\n}\r\n", []string{"{", `  "error": 1`, "}"}},
		{"HTML", "<html>\n<p>504", []string{"<html>", "<p>504"}},
		{"fields and comments", ": comment\ndata: x\nevent: y\nretry: 1\nid: 2\nid", nil},
		{"the beginning of a field", "dat", nil},
		{"bad values", "retry: soon\nid: a\x00b\n", []string{"retry: soon", "id: a\x00b"}},
		{"ill-formed", "\xFF\n", []string{"\uFFFD"}},
		{"a long line", long + "\n" + long, []string{long[:1024], long[:1024]}},
		{"many lines", many.String(), last[12:]},
	}
	for _, tt := range tests {
		for name, end := range map[string]Step{"clean end": Wait(0), "cut": Cut()} {
			in(t, tt.name+", "+name, func(t *testing.T) {
				srv := NewServer(t, InOrder(Script{Data("a"), Raw(tt.stream), end}))
				_, err := read(client(srv, doneEvent).Fetch(srv.Get("/")))
				cut := truncatedError(t, err)
				require.Equal(t, tt.want, cut.Ignored)
				require.Equal(t, len(tt.want) > 0, strings.Contains(err.Error(), "with ignored lines"), "%v", err)
			})
		}
	}
	in(t, "the lines of one connection only", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("x: 1\n"), Data("a"), Cut()}, Script{Data("b"), Cut()}))
		var ends []error
		_, err := read(client(srv, doneEvent, sse.WithMaxRetries(1), sse.WithTrace(&sse.Trace{
			Disconnect: func(err error) { ends = append(ends, err) },
		}), sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return 0, len(ends) < 2 })).Subscribe(srv.Get("/")))
		require.Error(t, err)
		for i, want := range [][]string{{"x: 1"}, nil} {
			require.Equal(t, want, truncatedError(t, ends[i]).Ignored)
		}
	})
}

// The error names the request and the limit.
func TestEventTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", strings.Repeat("x", 100)), Data("b")}))
		got, err := read(client(srv, sse.WithMaxEventSize(50)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTooLarge)
		require.ErrorContains(t, err, "sse: GET http://server.test/: event too large: its block is over 50 bytes")
		require.Equal(t, []string{"a"}, got)
		require.Len(t, srv.Requests(), 1)
	})
}

// The event is in the error and is not delivered.
func TestEventError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Send(sse.Event{Type: "error", Data: "{}", ID: "3"}), Data("b")}))
		got, err := read(client(srv, failOnError).Fetch(srv.Get("/")))
		require.Equal(t, []string{"a"}, got)
		require.ErrorIs(t, err, errInBand)
		require.Equal(t, sse.Event{Type: "error", Data: "{}", ID: "3"}, eventError(t, err).Event)
		require.EqualError(t, err, "sse: GET http://server.test/: error event: in band")
		require.Len(t, srv.Requests(), 1)
	})
}

func TestIdleTimeout(t *testing.T) {
	in(t, "any byte ends the silence, also one of a comment", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(9 * time.Second), Comment("x"), Stall()}))
		start := time.Now()
		got, err := read(client(srv, sse.WithIdleTimeout(10*time.Second)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrIdleTimeout)
		require.EqualError(t, err, "sse: GET http://server.test/: timed out waiting for a byte")
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 19*time.Second, time.Since(start))
	})
	in(t, "starts when Next waits, not before", func(t *testing.T) {
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
}

func TestEventTimeout(t *testing.T) {
	in(t, "only an event ends the wait, not a comment", func(t *testing.T) {
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
	in(t, "is shorter than the longest idle timeout", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(time.Second), Comment("x"), Stall()}))
		start := time.Now()
		_, err := read(client(srv, sse.WithIdleTimeout(math.MaxInt64), sse.WithEventTimeout(10*time.Second)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTimeout)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

// The idle timeout and the event timeout together.
func TestReadTimeouts(t *testing.T) {
	in(t, "do not include the time that the consumer takes", func(t *testing.T) {
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
	in(t, "the longest durations", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Wait(time.Second), Data("a"), Wait(time.Second), Data("b")}))
		got, err := read(client(srv, sse.WithEventTimeout(math.MaxInt64), sse.WithIdleTimeout(math.MaxInt64), sse.WithOpenTimeout(math.MaxInt64)).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
}

// blockingStates are the states in which a stream blocks, each with the script of the
// attempt that it blocks in. Without a script, that is dialing.
var blockingStates = []struct {
	name        string
	script      Script
	lastFailure string // that the error has beside the cause of the context
}{
	{name: "dialing"},
	{name: "waiting for headers", script: Script{Stall()}},
	{name: "waiting for the first byte", script: Script{Open(), Stall()}},
	{name: "in an event", script: Script{Raw("data: x"), Stall()}},
	{
		name: "waiting to retry", script: Script{Answer(503, "Retry-After", "50")},
		lastFailure: "GET http://server.test/: 503 Service Unavailable; retry after 50s",
	},
	{name: "reading a refused body", script: Script{Answer(503, "Content-Type", "application/json"), Do(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}},
}

// An interruption ends a stream from outside.
type interruption func(s *sse.Stream, cancel context.CancelCauseFunc)

// requireInterrupted subscribes, calls interrupt two seconds after the first event, when the
// second attempt blocks in script, and requires that the stream ends at once with the cause.
func requireInterrupted(t *testing.T, script Script, interrupt interruption, cause error, lastFailure string) {
	t.Helper()
	srv := NewServer(t, InOrder(Script{Data("a")}, script))
	hc := *srv.Client()
	if script == nil {
		hc.Transport = blockAfter(1, hc.Transport)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	s, err := client(srv, sse.WithHTTPClient(&hc), sse.WithOpenTimeout(0)).Subscribe(srv.Get("/").WithContext(ctx))
	require.NoError(t, err)
	require.True(t, s.Next())
	time.AfterFunc(2*time.Second, func() { interrupt(s, cancel) })
	start := time.Now()
	require.False(t, s.Next())
	require.Equal(t, 2*time.Second, time.Since(start))
	requireCause(t, cause, lastFailure, s.Err())
	require.False(t, s.Next())
	require.NoError(t, s.Close())
	requireCause(t, cause, lastFailure, s.Err())
	require.Equal(t, sse.Event{}, s.Event())
	require.Empty(t, s.Type())
}

// requireCause requires that err is the cause of the end of a context, with the failure after
// which the stream waited, if there was one.
func requireCause(t *testing.T, cause error, lastFailure string, err error) {
	t.Helper()
	if lastFailure == "" {
		require.Equal(t, cause, err)
		return
	}
	require.ErrorIs(t, err, cause)
	require.EqualError(t, err, cause.Error()+", waiting to retry: "+lastFailure)
}

// blockAfter returns a transport that never gets a connection after the first n requests.
func blockAfter(n int, rt http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if n--; n >= 0 {
			return rt.RoundTrip(r)
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
}

func TestContextDone(t *testing.T) {
	for _, state := range blockingStates {
		in(t, "Fetch, "+state.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(state.script))
			hc := *srv.Client()
			if state.script == nil {
				hc.Transport = blockAfter(0, hc.Transport)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(100*time.Millisecond, func() { cancel(errUserLeft) })
			start := time.Now()
			_, err := read(client(srv, sse.WithHTTPClient(&hc)).Fetch(srv.Get("/").WithContext(ctx)))
			requireCause(t, errUserLeft, state.lastFailure, err)
			require.Equal(t, 100*time.Millisecond, time.Since(start))
		})
		in(t, "Subscribe, "+state.name, func(t *testing.T) {
			requireInterrupted(t, state.script, func(_ *sse.Stream, cancel context.CancelCauseFunc) { cancel(errUserLeft) }, errUserLeft, state.lastFailure)
		})
		in(t, "Subscribe, without a cause, "+state.name, func(t *testing.T) {
			requireInterrupted(t, state.script, func(_ *sse.Stream, cancel context.CancelCauseFunc) { cancel(nil) }, context.Canceled, state.lastFailure)
		})
	}
	in(t, "before the call", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errUserLeft)
		_, err := client(srv).Fetch(srv.Get("/").WithContext(ctx))
		require.Equal(t, errUserLeft, err)
		require.Empty(t, srv.Requests())
	})
	in(t, "with a buffered event", func(t *testing.T) {
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
	in(t, "as the body of a subscription is closed", func(t *testing.T) {
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
	in(t, "for 200 streams at once", func(t *testing.T) {
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

// A bubble fails if its test leaves a goroutine behind, so each subtest also shows that a
// closed stream leaves none.
func TestClose(t *testing.T) {
	for _, state := range blockingStates {
		in(t, state.name, func(t *testing.T) {
			requireInterrupted(t, state.script, func(s *sse.Stream, _ context.CancelCauseFunc) { s.Close() }, sse.ErrClosed, "")
		})
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
	in(t, "after the event of WithTerminator", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{Type: "stop"}), Stall()}))
		s, err := client(srv, stopEvent).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.NoError(t, s.Close())
		require.NoError(t, s.Err())
		require.False(t, s.Next())
		require.NoError(t, s.Err())
	})
	in(t, "in the hooks of a Trace", func(t *testing.T) {
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

// The handler of the server sees at once that the client has left, and can stop its work.
func TestHandlerEnds(t *testing.T) {
	for name, leave := range map[string]func(s *sse.Stream, cancel context.CancelFunc){
		"break": func(s *sse.Stream, _ context.CancelFunc) {
			for range s.Events() {
				break
			}
		},
		"cancel":      func(s *sse.Stream, cancel context.CancelFunc) { s.Next(); cancel(); s.Next() },
		"Close":       func(s *sse.Stream, _ context.CancelFunc) { s.Next(); s.Close(); s.Next() },
		"Close alone": func(s *sse.Stream, _ context.CancelFunc) { s.Close() },
		"complete": func(s *sse.Stream, _ context.CancelFunc) {
			for s.Next() {
			}
		},
	} {
		for protocol, opts := range map[string][]Option{"HTTP/1.1": nil, "HTTP/2": {HTTP2()}} {
			in(t, name+" over "+protocol, func(t *testing.T) {
				ended := make(chan time.Time, 1)
				srv := NewServer(t, InOrder(Script{Do(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, "data: a\n\ndata: [DONE]\n\n")
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
					ended <- time.Now()
				})}), opts...)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s, err := client(srv, doneEvent).Fetch(srv.Post("/", "{}").WithContext(ctx))
				require.NoError(t, err)
				start := time.Now()
				leave(s, cancel)
				wait := (<-ended).Sub(start)
				if name == "complete" {
					require.LessOrEqual(t, wait, 100*time.Millisecond) // it may still end the response
				} else {
					require.Zero(t, wait)
				}
			})
		}
	}
}

// Between two calls of Next a stream has no goroutine, whichever function has opened it and
// whatever limits its reads have.
func TestNoGoroutineBetweenCalls(t *testing.T) {
	const event = "data: a\n\n"
	body := func() io.ReadCloser { // one event per Read
		return io.NopCloser(spec.LimitReads(strings.NewReader(strings.Repeat(event, 10)), len(event)))
	}
	hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return response(body()), nil })}
	opts := []sse.Option{sse.WithHTTPClient(hc), sse.WithIdleTimeout(time.Minute), sse.WithEventTimeout(time.Minute)}
	for name, open := range map[string]func(*http.Request) (*sse.Stream, error){
		"Fetch":        func(r *http.Request) (*sse.Stream, error) { return sse.Fetch(r, opts...) },
		"Subscribe":    func(r *http.Request) (*sse.Stream, error) { return sse.Subscribe(r, opts...) },
		"FromResponse": func(*http.Request) (*sse.Stream, error) { return sse.FromResponse(response(body()), opts...) },
	} {
		in(t, name, func(t *testing.T) {
			before := goroutinesOfBubble()
			require.Positive(t, before)
			s, err := open(newGet("http://server.test/"))
			require.NoError(t, err)
			for range 3 {
				synctest.Wait()
				require.Equal(t, before, goroutinesOfBubble())
				require.True(t, s.Next())
			}
			<-time.After(time.Hour) // the limits of the reads pass
			synctest.Wait()
			require.Equal(t, before, goroutinesOfBubble())
			require.True(t, s.Next())
			require.NoError(t, s.Close())
			require.False(t, s.Next())
		})
	}
}

// goroutinesOfBubble returns the number of goroutines in bubbles of testing/synctest.
func goroutinesOfBubble() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), ", synctest bubble ")
}

// The context of the request of a response that FromResponse was given.
func TestFromResponseContext(t *testing.T) {
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
		"canceled":    {script: Script{Data("a"), Stall()}, is: is(io.ErrShortBuffer), end: func(_ *sse.Stream, cancel context.CancelCauseFunc) { cancel(io.ErrShortBuffer) }},
	} {
		in(t, "closing the body ends the context: "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			ctx, cancel := context.WithCancelCause(t.Context())
			resp, err := srv.Client().Do(srv.Get("/").WithContext(ctx))
			require.NoError(t, err)
			resp.Body = closeFunc{resp.Body, func() { cancel(nil) }}
			s, err := sse.FromResponse(resp, doneEvent, sse.WithIdleTimeout(time.Minute),
				sse.WithEventError(func(e sse.Event) error {
					if e.Data == "failed" {
						return errors.New("failed")
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
	in(t, "ends with a buffered event", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "b"), Stall()}))
		ctx, cancel := context.WithCancelCause(t.Context())
		resp, err := srv.Client().Do(srv.Get("/").WithContext(ctx))
		require.NoError(t, err)
		s, err := sse.FromResponse(resp)
		require.NoError(t, err)
		require.True(t, s.Next())
		cancel(io.ErrShortBuffer)
		require.False(t, s.Next(), "the buffered event was delivered")
		require.Equal(t, io.ErrShortBuffer, s.Err())
	})
	in(t, "ends while the stream waits to retry", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		resp := response(io.NopCloser(strings.NewReader("data: a\n\ndata: b")))
		resp.Request = new(http.Request).WithContext(ctx)
		s, err := sse.FromResponse(resp, sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { return time.Hour, true }))
		require.NoError(t, err)
		require.True(t, s.Next())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		require.False(t, s.Next())
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, s.Err(), context.Canceled)
		truncatedError(t, s.Err())
		require.EqualError(t, s.Err(), "context canceled, waiting to retry: the response ended after 1 event, in the middle of event 2")
	})
	in(t, "ends after the end of the body was read", func(t *testing.T) {
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
	in(t, "ends, to which the body responds with EOF", func(t *testing.T) {
		r, w := io.Pipe()
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			io.WriteString(w, "data: half of the response\n\n")
			<-ctx.Done()
			w.Close()
		}()
		resp := response(r)
		resp.Request = new(http.Request).WithContext(ctx)
		time.AfterFunc(time.Second, func() { cancel(errUserLeft) })
		got, err := read(sse.FromResponse(resp))
		require.Equal(t, errUserLeft, err)
		require.Equal(t, []string{"half of the response"}, got)
	})
	// Nothing tells this from the case before.
	for _, withData := range []bool{false, true} {
		in(t, fmt.Sprintf("ends as the end of the body is read, with data %v", withData), func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			var body io.Reader = strings.NewReader("data: a\n\n")
			if withData {
				body = iotest.DataErrReader(body)
			}
			resp := response(io.NopCloser(readerFunc(func(b []byte) (int, error) {
				n, err := body.Read(b)
				if err == io.EOF {
					cancel(errUserLeft)
				}
				return n, err
			})))
			resp.Request = new(http.Request).WithContext(ctx)
			_, err := read(sse.FromResponse(resp))
			require.Equal(t, errUserLeft, err)
		})
	}
	for name, completion := range map[string]sse.Option{
		"WithDone": doneEvent, "WithTerminator": sse.WithTerminator(func(e sse.Event) bool { return e.Data == "[DONE]" }),
	} {
		in(t, "ends as the end of a completed body is read, "+name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			body := io.MultiReader(strings.NewReader("data: [DONE]\n\n"), readerFunc(func([]byte) (int, error) {
				cancel()
				return 0, io.EOF
			}))
			resp := response(io.NopCloser(body))
			resp.Request = new(http.Request).WithContext(ctx)
			_, err := read(sse.FromResponse(resp, completion))
			require.NoError(t, err)
			require.Error(t, ctx.Err(), "the rest was not read")
		})
	}
}

// A body that does not know the context of its request.
func TestBodyWithoutContext(t *testing.T) {
	in(t, "Close interrupts a read", func(t *testing.T) {
		r, _ := io.Pipe()
		s, err := sse.FromResponse(response(r))
		require.NoError(t, err)
		time.AfterFunc(time.Second, func() { s.Close() })
		require.False(t, s.Next())
		require.Equal(t, sse.ErrClosed, s.Err())
	})
	in(t, "the idle timeout interrupts a read", func(t *testing.T) {
		r, _ := io.Pipe()
		s, err := sse.FromResponse(response(r), sse.WithIdleTimeout(time.Second))
		require.NoError(t, err)
		require.False(t, s.Next())
		require.ErrorIs(t, s.Err(), sse.ErrIdleTimeout)
		require.EqualError(t, s.Err(), "sse: timed out waiting for a byte")
	})
	in(t, "the context of the request interrupts a read", func(t *testing.T) {
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
	in(t, "completion does not wait for the end of the body", func(t *testing.T) {
		r, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, "data: a\n\ndata: [DONE]\n\n") }() // ends when it is read
		s, err := sse.FromResponse(response(io.NopCloser(r)), doneEvent)
		got, err := read(s, err)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
}

// A lateReader fails after its first Read, whose buffer it keeps.
type lateReader struct{ given []byte }

func (r *lateReader) Read(b []byte) (int, error) {
	if r.given == nil {
		r.given = b
		return copy(b, "data: a\n\n"), nil
	}
	return 0, errors.New("broken")
}

// A body that still writes into its buffer after a failed Read does not change the events of
// the next body.
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

// A panic in a hook leaves no connection open, even if the caller never gets the stream.
func TestPanicInTrace(t *testing.T) {
	for hook, trace := range map[string]*sse.Trace{
		"Open":       {Open: func(*http.Response) { panic("out") }},
		"Disconnect": {Disconnect: func(error) { panic("out") }},
	} {
		requirePanic := func(t *testing.T, open func(srv *Server) (*sse.Stream, error)) *Server {
			srv := NewServer(t, InOrder(Script{Data("a"), Stall()}))
			require.Panics(t, func() {
				s, err := open(srv)
				require.NoError(t, err)
				for range s.Events() {
					s.Close()
				}
			})
			synctest.Wait()
			return srv
		}
		in(t, hook+", Fetch", func(t *testing.T) {
			srv := requirePanic(t, func(srv *Server) (*sse.Stream, error) {
				return client(srv, sse.WithTrace(trace)).Fetch(srv.Get("/"))
			})
			require.Zero(t, srv.Open())
		})
		in(t, hook+", Subscribe", func(t *testing.T) {
			srv := requirePanic(t, func(srv *Server) (*sse.Stream, error) {
				return client(srv, sse.WithTrace(trace)).Subscribe(srv.Get("/"))
			})
			require.Zero(t, srv.Open())
		})
		in(t, hook+", FromResponse", func(t *testing.T) {
			srv := requirePanic(t, func(srv *Server) (*sse.Stream, error) {
				resp, err := srv.Client().Do(srv.Get("/"))
				require.NoError(t, err)
				return sse.FromResponse(resp, sse.WithTrace(trace))
			})
			// Since Go 1.27, Close of a body that is not canceled first reads on for up to 50 ms.
			time.Sleep(time.Second)
			require.Zero(t, srv.Open())
		})
	}
}

// A clean end is complete from the event of WithCompleteAfter on, for Fetch and Subscribe.
func TestCompleteAfter(t *testing.T) {
	const without = "the response ended after 1 event without the completion event"
	tests := []struct {
		name   string
		script Script
		opts   []sse.Option
		data   []string
		want   string // the error of Fetch after the name of the request; a Subscribe then reconnects
	}{
		{name: "before the event", script: Script{Data("a")}, data: []string{"a"}, want: without},
		{name: "before any event", script: Script{Open()}, want: "the response ended after 0 events without the completion event"},
		{name: "after the event", script: Script{Data("a"), finish}, data: []string{"a", "f"}},
		{name: "events after the event", script: Script{finish, Data("usage", "more")}, data: []string{"f", "usage", "more"}},
		{
			name: "a block of the type without data", script: Script{Data("a"), Raw("event: finish\n\n")}, opts: []sse.Option{failOnError},
			data: []string{"a"}, want: without,
		},
		{
			name: "broken after the event", script: Script{finish, Cut()}, data: []string{"f"},
			want: "the connection broke after 1 event: unexpected EOF",
		},
		{
			name: "an unfinished block", script: Script{finish, Raw("data: x\n")}, data: []string{"f"},
			want: "the response ended after 1 event, in the middle of event 2",
		},
		{
			name: "an unfinished line", script: Script{finish, Raw("da")}, data: []string{"f"},
			want: "the response ended after 1 event, in the middle of event 2",
		},
		{
			name: "an unfinished block with a type", script: Script{finish, Raw("event: x\n")}, data: []string{"f"},
			want: "the response ended after 1 event, in the middle of event 2",
		},
		{name: "an unfinished block with an ID", script: Script{finish, Raw("id: 7\n")}, data: []string{"f"}},
		{
			name: "an ignored line", script: Script{finish, Raw("error: x\n\n")}, data: []string{"f"},
			want: "the response ended after 1 event, with ignored lines",
		},
		{
			name: "an ignored line after a later event", script: Script{finish, Data("b"), Raw("error: x\n")}, data: []string{"f", "b"},
			want: "the response ended after 2 events, with ignored lines",
		},
		{
			name: "an unfinished ignored line", script: Script{finish, Raw("<html>")}, data: []string{"f"},
			want: "the response ended after 1 event, with ignored lines",
		},
		{name: "an ignored line before the event", script: Script{Raw("error: x\n"), finish}, data: []string{"f"}},
		{name: "an ignored line before a later event", script: Script{finish, Raw("error: x\n\n"), Data("b")}, data: []string{"f", "b"}},
		{name: "an ignored line in the block of a later event", script: Script{finish, Raw("data: b\nerror: x\n\n")}, data: []string{"f", "b"}},
		{name: "a bad retry", script: Script{finish, Raw("retry: soon\nretry\n")}, data: []string{"f"}},
		{name: "a bad id", script: Script{finish, Raw("id: a\x00b\n")}, data: []string{"f"}},
		{name: "a comment", script: Script{finish, Comment("x")}, data: []string{"f"}},
		{name: "a block without data", script: Script{finish, Raw("event: x\n\n")}, data: []string{"f"}},
		{name: "WithDone after the event", script: Script{finish, Data("[DONE]"), Stall()}, opts: []sse.Option{doneEvent}, data: []string{"f"}},
		{name: "WithDone without the event", script: Script{Data("a", "[DONE]"), Stall()}, opts: []sse.Option{doneEvent}, data: []string{"a"}},
		{name: "the event without that of WithDone", script: Script{finish}, opts: []sse.Option{doneEvent}, data: []string{"f"}},
		{name: "neither the event nor that of WithDone", script: Script{Data("a")}, opts: []sse.Option{doneEvent}, data: []string{"a"}, want: "the response ended after 1 event without [DONE] or another completion event"},
		{
			name: "WithTerminator after the event", script: Script{finish, Send(sse.Event{Type: "stop", Data: "z"}), Stall()}, opts: []sse.Option{stopEvent},
			data: []string{"f", "z"},
		},
		{
			name: "WithTerminator without the event", script: Script{Send(sse.Event{Type: "stop", Data: "z"}), Stall()}, opts: []sse.Option{stopEvent},
			data: []string{"z"},
		},
		{name: "the event without that of WithTerminator", script: Script{finish}, opts: []sse.Option{stopEvent}, data: []string{"f"}},
		{
			name: "another function", script: Script{Data("last", "b")}, data: []string{"last", "b"},
			opts: []sse.Option{sse.WithCompleteAfter(func(e sse.Event) bool { return e.Data == "last" })},
		},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			var ends []error
			opts := append(tt.opts, sse.WithTrace(&sse.Trace{Disconnect: func(err error) { ends = append(ends, err) }}))
			srv := NewServer(t, InOrder(tt.script))
			got, err := read(client(srv, finishEvent).Fetch(srv.Post("/", "{}"), opts...))
			require.Equal(t, tt.data, got)
			require.Equal(t, []error{err}, ends)
			require.Len(t, srv.Requests(), 1)
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, "sse: POST http://server.test/: "+tt.want)
				cut := truncatedError(t, err)
				require.Equal(t, strings.HasPrefix(tt.want, "the response ended"), cut.Clean)
			}

			srv = NewServer(t, InOrder(tt.script, Script{Data("later")}, gone))
			got, err = read(client(srv, finishEvent).Subscribe(srv.Get("/"), opts...))
			require.NoError(t, err)
			if tt.want == "" {
				require.Equal(t, tt.data, got)
				require.Len(t, srv.Requests(), 1)
				return
			}
			require.Equal(t, append(tt.data, "later"), got)
		})
	}
	for stream, want := range map[string]string{
		"":                                 "the response ended after 0 events without the completion event",
		"data: a\n\n":                      without,
		"event: finish\ndata: f\n\n":       "",
		"event: finish\ndata: f\n\n<html>": "the response ended after 1 event, with ignored lines",
	} {
		in(t, fmt.Sprintf("FromResponse, %q", stream), func(t *testing.T) {
			_, err := read(sse.FromResponse(response(io.NopCloser(strings.NewReader(stream))), finishEvent))
			if want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, "sse: "+want)
			}
		})
	}
}

// The event of WithCompleteAfter counts for the stream and not only for its connection.
func TestCompleteAfterOutlivesTheConnection(t *testing.T) {
	finish := Send(sse.Event{Type: "finish", Data: "f", ID: "1"})
	rest := func(srv *Server) sse.Option {
		return sse.WithResume(func(ctx context.Context, _ sse.Attempt) (*http.Request, error) {
			return srv.Get("/rest").WithContext(ctx), nil
		})
	}
	tests := []struct {
		name   string
		second Script
		data   []string
		want   string // the error of Fetch
		again  bool   // Subscribe reconnects once more
	}{
		{name: "an end without events", second: Script{Open()}, data: []string{"f"}},
		{name: "an end after a comment", second: Script{Comment("x")}, data: []string{"f"}},
		{name: "an end after events", second: Script{Data("usage")}, data: []string{"f", "usage"}},
		{
			name: "text and no event", second: Script{Raw("<html>")}, data: []string{"f"}, again: true,
			want: "sse: gave up after 2 retries: GET http://server.test/rest: the response ended after 0 events, with ignored lines",
		},
		{
			name: "another break", second: Script{Data("usage"), Cut()}, data: []string{"f", "usage"}, again: true,
			want: "sse: gave up after 2 retries: GET http://server.test/rest: the connection broke after 1 event: unexpected EOF",
		},
		{
			name: "204", second: gone, data: []string{"f"},
			want: "sse: gave up after 1 retry: POST http://server.test/: the connection broke after 1 event: unexpected EOF",
		},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{finish, Cut()}, tt.second, gone))
			got, err := read(client(srv, finishEvent).Subscribe(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, tt.data, got)
			if tt.again {
				require.Len(t, srv.Requests(), 3)
			} else {
				require.Len(t, srv.Requests(), 2)
			}

			srv = NewServer(t, InOrder(Script{finish, Cut()}, tt.second, tt.second))
			got, err = read(client(srv, finishEvent, rest(srv)).Fetch(srv.Post("/", "{}")))
			require.Equal(t, tt.data, got[:len(tt.data)])
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tt.want)
				truncatedError(t, err)
			}
		})
	}
	in(t, "an event that is an error does not count", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{Type: "error", Data: "x"})}, Script{Data("b")}))
		_, err := read(client(srv, failOnError, sse.WithCompleteAfter(func(e sse.Event) bool { return e.Type == "error" }),
			sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return 0, errors.Is(a.Err, errInBand) })).Fetch(srv.Get("/")))
		require.ErrorContains(t, err, "the response ended after 1 event without the completion event")
	})
	in(t, "the function is not called after the event", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "b", "c"), Cut()}, Script{Data("d")}))
		var seen []string
		_, err := read(client(srv, sse.WithCompleteAfter(func(e sse.Event) bool {
			seen = append(seen, e.Data)
			return e.Data == "b"
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, seen)
	})
}

func TestIterators(t *testing.T) {
	in(t, "break releases the connection before the next statement", func(t *testing.T) {
		var closed bool
		hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			body := io.NopCloser(strings.NewReader("data: {}\n\ndata: {}\n\n"))
			return response(closeFunc{body, func() { closed = true }}), nil
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
			s, err := sse.Subscribe(newGet("http://server.test/"), sse.WithHTTPClient(hc))
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
	in(t, "begins after the current event", func(t *testing.T) {
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
	in(t, "break at the event of WithTerminator keeps the connection for reuse", func(t *testing.T) {
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

// Data stays valid after the loop was left, because Next is not called again.
func TestDataOutlivesTheLoop(t *testing.T) {
	for range 20 { // under the race detector, sync.Pool drops items at random
		large := strings.Repeat("x", 10_000)
		s, err := sse.FromResponse(response(io.NopCloser(strings.NewReader("data: " + large + "\n\ndata: y\n\n"))))
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

func TestDecode(t *testing.T) {
	type token struct{ T string }
	in(t, "of a Stream", func(t *testing.T) {
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
	t.Run("of a Parser", func(t *testing.T) {
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

func TestDecodeFunc(t *testing.T) {
	const stream = "event: n\ndata: 1\n\nevent: n\ndata: x\n\nevent: s\nid: 7\ndata: abc\n\ndata\n\n"
	sources := map[string]func(t *testing.T) sse.Source{
		"Stream": func(t *testing.T) sse.Source {
			s, err := sse.FromResponse(response(io.NopCloser(strings.NewReader(stream))))
			require.NoError(t, err)
			return s
		},
		"Parser": func(*testing.T) sse.Source { return sse.NewParser(strings.NewReader(stream)) },
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			s := source(t)
			n := 0
			values := sse.DecodeFunc(s, func(data []byte) (any, error) {
				n++
				require.Equal(t, s.Data(), data)
				require.Equal(t, s.Event().Data, string(data))
				switch s.Type() {
				case "n":
					return strconv.Atoi(string(data))
				case "s":
					return string(data), nil
				default:
					return "not to be seen", errInBand
				}
			})
			var got []any
			for v, err := range values {
				if err == nil {
					got = append(got, v)
					continue
				}
				require.Nil(t, v)
				bad, ok := errors.AsType[*sse.DecodeError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, s.Event(), bad.Event)
				got = append(got, bad.Event)
				if bad.Event.Data == "" {
					require.Equal(t, errInBand, bad.Err)
					require.EqualError(t, err, `sse: decode event of type "message": in band`)
				} else {
					require.ErrorIs(t, err, strconv.ErrSyntax)
				}
			}
			require.Equal(t, []any{1, sse.Event{Type: "n", Data: "x"}, "abc", sse.Event{Type: "message", ID: "7"}}, got)
			require.NoError(t, s.Err())
			require.Equal(t, 4, n)

			pairs := 0
			for v, err := range values {
				require.Nil(t, v)
				require.EqualError(t, err, "sse: the events were already ranged over; a stream can be read once")
				pairs++
			}
			require.Equal(t, 1, pairs)
			require.Equal(t, 4, n)
		})
		t.Run(name+", borrowed data", func(t *testing.T) {
			s := source(t)
			var same []bool
			for data, err := range sse.DecodeFunc(s, func(data []byte) ([]byte, error) { return data, nil }) {
				require.NoError(t, err)
				require.Equal(t, s.Data(), data)
				same = append(same, len(data) == 0 || &data[0] == &s.Data()[0])
			}
			require.Equal(t, []bool{true, true, true, true}, same)
		})
	}
	in(t, "the end of the stream is the last pair", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		var pairs []string
		for v, err := range sse.DecodeFunc(s, func(data []byte) (string, error) { return string(data), nil }) {
			pairs = append(pairs, fmt.Sprint(v, " ", err != nil))
			if err != nil {
				truncatedError(t, err)
			}
		}
		require.Equal(t, []string{"a false", " true"}, pairs)
	})
	for name, leave := range map[string]func(s *sse.Stream){
		"break": func(s *sse.Stream) {
			for range sse.DecodeFunc(s, func([]byte) (int, error) { return 0, errInBand }) {
				break
			}
		},
		"panic in the loop": func(s *sse.Stream) {
			for range sse.DecodeFunc(s, func([]byte) (int, error) { return 0, nil }) {
				panic("out")
			}
		},
		"panic in the function": func(s *sse.Stream) {
			for range sse.DecodeFunc(s, func([]byte) (int, error) { panic("out") }) {
			}
		},
	} {
		in(t, name+" releases the stream", func(t *testing.T) {
			body := &closer{Reader: strings.NewReader(stream)}
			s, err := sse.FromResponse(response(body))
			require.NoError(t, err)
			func() {
				defer func() { _ = recover() }()
				leave(s)
			}()
			require.True(t, body.closed)
			require.Equal(t, sse.ErrClosed, s.Err())
			require.False(t, s.Next())
		})
	}
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

// Decode allocates what json.Unmarshal does on the same bytes, and nothing for the event.
func TestDecodeAllocations(t *testing.T) {
	const events = 100
	data := []byte(`{"choices":[{"index":0,"delta":{"content":"the quick brown fox"}}]}`)
	type chunk struct {
		Choices []struct{ Delta struct{ Content string } }
	}
	var sink int
	plain := testing.AllocsPerRun(100, func() {
		for range events {
			var c chunk
			if json.Unmarshal(data, &c) != nil {
				t.Error("invalid JSON")
			}
			sink += len(c.Choices)
		}
	})
	stream := strings.Repeat("data: "+string(data)+"\n\n", events)
	decoded := testing.AllocsPerRun(100, func() {
		for c, err := range sse.Decode[chunk](sse.NewParser(strings.NewReader(stream))) {
			if err != nil {
				t.Error(err)
			}
			sink += len(c.Choices)
		}
	})
	// The parser and its iterator are allocated once.
	require.LessOrEqual(t, decoded, plain+20, "for %d events", events)
}

// Next allocates nothing for an event, not even to compare it with those of WithDone.
func TestDataAllocations(t *testing.T) {
	const events = 1000
	stream := strings.Repeat("data: "+strings.Repeat("x", 100)+"\n\n", events) + "data: [DONE]\n\n"
	got := testing.AllocsPerRun(10, func() {
		s, err := sse.FromResponse(response(io.NopCloser(strings.NewReader(stream))), doneEvent)
		if err != nil {
			t.Error(err)
		}
		n := 0
		for s.Next() {
			n += len(s.Data())
		}
		if n != 100*events || s.Err() != nil {
			t.Error(n, s.Err())
		}
	})
	require.Less(t, got, 100.0, "for %d events", events)
}

func TestConnectionReuse(t *testing.T) {
	completions := func(t *testing.T, srv *Server, n int, opts ...sse.Option) {
		for range n {
			got, err := read(client(srv, opts...).Fetch(srv.Post("/", "{}")))
			require.NoError(t, err)
			require.NotEmpty(t, got)
		}
	}
	in(t, "a server that ends 5 ms after the completion", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), Wait(5 * time.Millisecond)}))
		completions(t, srv, 50, doneEvent)
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
		srv := NewServer(t, InOrder(Script{Answer(429), Raw("busy")}, Script{Answer(429)}, Script{Data("a")}))
		completions(t, srv, 1)
		require.Equal(t, 1, srv.Connections())
	})
	in(t, "a server that does not end the response costs a bounded time", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), Stall()}))
		start := time.Now()
		completions(t, srv, 3, doneEvent)
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
	in(t, "a server that keeps sending costs a bounded amount of reading", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), Raw(strings.Repeat("x", 1<<20))}))
		completions(t, srv, 3, doneEvent)
		require.Equal(t, 3, srv.Connections())
	})
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
		_, err := read(client(srv, doneEvent, sse.WithTrace(&sse.Trace{
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
			"disconnect sse: GET http://server.test/: the response ended after 1 event without [DONE], with ignored lines",
			"wait 1 1s true",
			"request GET text/event-stream",
			"wait 2 1s true",
			"request GET text/event-stream",
			"open 200",
			"disconnect sse: GET http://server.test/: the connection broke after 1 event: unexpected EOF",
			"wait 1 1s true",
			"request GET text/event-stream",
			"open 200",
			"disconnect <nil>",
		}, got)
	})
}

// An end that the program did not ask for is a warning. The words of the caller's functions
// are not logged.
func TestLogger(t *testing.T) {
	const (
		connecting = "DEBUG connecting"
		connected  = "INFO connected"
		truncated  = "the connection broke after 1 event: unexpected EOF"
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
		"canceled": {
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
			want:    []string{"WARN ended: the function of WithPrepare failed"},
		},
	} {
		in(t, name, func(t *testing.T) {
			log := new(logLines)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			srv := NewServer(t, InOrder(tt.scripts...))
			s, err := client(srv, doneEvent, sse.WithLogger(slog.New(log)), tt.opt).Fetch(srv.Get("/").WithContext(ctx))
			if err == nil {
				if s.Next() && tt.end != nil {
					tt.end(s, cancel)
				}
				require.False(t, s.Next())
			}
			require.Equal(t, tt.want, log.lines)
		})
	}
	in(t, "canceled, FromResponse", func(t *testing.T) {
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

// A cause of the caller may quote a secret. The log names the reason without its words.
func TestLoggerHidesCauses(t *testing.T) {
	secret := errors.New("token=secret")
	for name, tt := range map[string]struct {
		script Script
		cause  error
	}{
		"waiting for headers":          {Script{Stall()}, secret},
		"waiting for an event":         {Script{Data("a"), Stall()}, secret},
		"waiting to retry":             {Script{Answer(503, "Retry-After", "50")}, secret},
		"a cause with Canceled":        {Script{Data("a"), Stall()}, fmt.Errorf("%w: %w", secret, context.Canceled)},
		"a cause with an idle timeout": {Script{Data("a"), Stall()}, fmt.Errorf("%w: %w", secret, sse.ErrIdleTimeout)},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			for _, open := range bothCalls(client(srv)) {
				log := new(logLines)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(tt.cause) })
				_, err := read(open(srv.Get("/").WithContext(ctx), sse.WithLogger(slog.New(log))))
				require.ErrorIs(t, err, tt.cause)
				require.Regexp(t, "^INFO ended: .", log.lines[len(log.lines)-1])
				require.NotContains(t, strings.Join(log.lines, "\n"), "secret")
			}
		})
	}
	for want, cause := range map[string]error{
		"context canceled":          context.Canceled,
		"context deadline exceeded": context.DeadlineExceeded,
	} {
		in(t, "but not the words of package context: "+want, func(t *testing.T) {
			log := new(logLines)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			srv := NewServer(t, InOrder(Script{Data("a"), Stall()}))
			_, err := read(client(srv).Fetch(srv.Get("/").WithContext(ctx), sse.WithLogger(slog.New(log))))
			require.Equal(t, cause, err)
			require.Equal(t, "INFO ended: "+want, log.lines[len(log.lines)-1])
		})
	}
}

// Errors and attempts can be logged: neither shows what the stream carried.
func TestErrorsLogSafely(t *testing.T) {
	secret := sse.Event{Type: "secret", Data: "secret", ID: "secret"}
	words := errors.New("secret")
	refusal := &sse.ResponseError{
		StatusCode: 400, Header: http.Header{"X-Secret": {"secret"}}, Body: []byte("secret"), RetryAfter: time.Second, Err: words,
	}
	cut := &sse.TruncatedError{Partial: secret, LastEventID: "secret", Events: 3, Ignored: []string{"secret"}, Err: io.ErrUnexpectedEOF}
	for _, tt := range []struct {
		value any
		want  string
	}{
		{refusal, "sse: 400 Bad Request; retry after 1s"},
		{cut, "sse: the connection broke after 3 events, in the middle of event 4, with ignored lines: unexpected EOF"},
		{&sse.TruncatedError{Events: 1, Err: words}, "sse: the connection broke after 1 event: reading failed"},
		{&sse.EventError{Event: secret, Err: words}, "sse: error event"},
		{&sse.DecodeError{Event: secret, Err: words}, "sse: decode event"},
		{
			sse.Attempt{Number: 2, LastEventID: "secret", Err: refusal, Retry: true, Delay: time.Second, Events: 1, Elapsed: time.Minute},
			"[number=2 retry=true delay=1s events=1 elapsed=1m0s reason=400 Bad Request; retry after 1s]",
		},
		{sse.Attempt{Number: 1, Err: &sse.EventError{Event: secret, Err: words}}, "[number=1 retry=false delay=0s events=0 elapsed=0s reason=error event]"},
		{
			sse.Attempt{Number: 1, Err: fmt.Errorf("sse: %w", refusal)},
			"[number=1 retry=false delay=0s events=0 elapsed=0s reason=400 Bad Request; retry after 1s]",
		},
		{sse.Attempt{Number: 1}, "[number=1 retry=false delay=0s events=0 elapsed=0s]"},
	} {
		t.Run(fmt.Sprintf("%T: %s", tt.value, tt.want), func(t *testing.T) {
			require.Equal(t, tt.want, tt.value.(slog.LogValuer).LogValue().String())
			var text, object, list strings.Builder
			slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", tt.value)
			slog.New(slog.NewJSONHandler(&object, nil)).Info("m", "v", tt.value)
			slog.New(slog.NewJSONHandler(&list, nil)).Info("m", "v", []any{tt.value})
			quoted, err := json.Marshal(tt.want)
			require.NoError(t, err)
			require.Contains(t, list.String(), `"v":[`+string(quoted)+`]`)
			for _, log := range []string{text.String(), object.String(), list.String()} {
				require.NotContains(t, log, "secret")
			}
		})
	}
	attempt := sse.Attempt{Number: 1, LastEventID: "secret", Err: refusal}
	for name, value := range map[string]any{
		"Attempt": attempt, "pointer": &attempt,
		"slice": []sse.Attempt{attempt}, "slice of pointers": []*sse.Attempt{&attempt}, "slice of any": []any{attempt},
		"map": map[string]any{"a": attempt}, "struct": struct{ A sse.Attempt }{attempt}, "pointer to struct": &struct{ A *sse.Attempt }{&attempt},
	} {
		t.Run("an attempt in a "+name, func(t *testing.T) {
			var text, object strings.Builder
			slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", value)
			slog.New(slog.NewJSONHandler(&object, nil)).Info("m", "v", value)
			for _, log := range []string{text.String(), object.String(), fmt.Sprint(value), fmt.Sprintf("%v %+v %s", value, value, value)} {
				require.NotContains(t, log, "secret")
				require.Contains(t, log, "400 Bad Request")
			}
		})
	}
	for name, tt := range map[string]struct {
		script  Script
		request func(*Server) *http.Request // nil: get
		opts    []sse.Option
		timeout error // the cause
		want    string
	}{
		"after retries": {
			script: Script{Answer(503)}, opts: []sse.Option{sse.WithResponseCheck(func(*http.Response) error { return words })},
			want: "sse: gave up after 2 retries: GET http://server.test/: 503 Service Unavailable",
		},
		"waiting to retry": {
			script: Script{Answer(429, "Retry-After", "50")}, timeout: words,
			want: "sse: the context ended, waiting to retry: GET http://server.test/: 429 Too Many Requests; retry after 50s",
		},
		"WithPrepare": {
			opts: []sse.Option{sse.WithPrepare(func(*http.Request) error { return words })},
			want: "sse: GET http://server.test/: the function of WithPrepare failed",
		},
		"GetBody": {
			request: func(srv *Server) *http.Request {
				req := post(srv)
				req.GetBody = func() (io.ReadCloser, error) { return nil, words }
				return req
			},
			want: "sse: POST http://server.test/: the request could not be made",
		},
		"a body that cannot be sent again": {
			script: Script{Answer(429)}, opts: []sse.Option{sse.WithResponseCheck(func(*http.Response) error { return words })},
			request: func(srv *Server) *http.Request { return requestOnce(srv, "/") },
			want: "sse: POST http://server.test/: 429 Too Many Requests; " +
				"there was no retry, because the body of the request cannot be sent again: set GetBody",
		},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			ctx := t.Context()
			if tt.timeout != nil {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, 10*time.Second, tt.timeout)
				defer cancel()
			}
			request := get
			if tt.request != nil {
				request = tt.request
			}
			_, err := client(srv, tt.opts...).Fetch(request(srv).WithContext(ctx))
			require.ErrorContains(t, err, cmp.Or(tt.timeout, words).Error(), "the error itself shows the words of the caller")
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", err, "list", []any{err})
			require.Contains(t, log.String(), `"v":"`+tt.want+`","list":["`+tt.want+`"]`)
		})
	}
}

// logLines keeps level, message and reason of each record.
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

// A guardedBody fails the test if Close is called while Read runs.
type guardedBody struct {
	io.ReadCloser
	t       *testing.T
	reading atomic.Bool
}

func (b *guardedBody) Read(p []byte) (int, error) {
	b.reading.Store(true)
	defer b.reading.Store(false)
	return b.ReadCloser.Read(p)
}

func (b *guardedBody) Close() error {
	if b.reading.Load() {
		b.t.Error("Close was called beside a Read")
	}
	return b.ReadCloser.Close()
}

// In net/http of Go 1.27.0 and 1.27.1, a Read of an HTTP/1 body can block forever if Close
// is called beside it: golang/go#81404.
func TestNoCloseBesideARead(t *testing.T) {
	for _, interrupt := range []struct {
		name string
		opts []sse.Option
		stop func(s *sse.Stream, cancel context.CancelFunc)
	}{
		{"Close", nil, func(s *sse.Stream, _ context.CancelFunc) { s.Close() }},
		{"context", nil, func(_ *sse.Stream, cancel context.CancelFunc) { cancel() }},
		{"Reconnect", nil, func(s *sse.Stream, _ context.CancelFunc) { s.Reconnect() }},
		{"idle timeout", []sse.Option{sse.WithIdleTimeout(time.Second)}, nil},
		{"event timeout", []sse.Option{sse.WithEventTimeout(time.Second)}, nil},
	} {
		in(t, interrupt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Stall()}, Script{Data("b"), Stall()}, gone))
			hc := srv.Client()
			transport := hc.Transport
			hc.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := transport.RoundTrip(r)
				if err == nil {
					resp.Body = &guardedBody{ReadCloser: resp.Body, t: t}
				}
				return resp, err
			})
			for _, open := range bothCalls(client(srv, append(interrupt.opts, sse.WithHTTPClient(hc))...)) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s, err := open(srv.Get("/").WithContext(ctx))
				require.NoError(t, err)
				require.True(t, s.Next())
				if interrupt.stop != nil {
					time.AfterFunc(time.Second, func() { interrupt.stop(s, cancel) })
				}
				time.AfterFunc(time.Minute, func() { s.Close() })
				for s.Next() {
				}
				cancel()
			}
		})
	}
}

// A signalBody sends on closed when it was closed.
type signalBody struct {
	io.ReadCloser
	closed chan<- struct{}
}

func (b signalBody) Close() error {
	err := b.ReadCloser.Close()
	b.closed <- struct{}{}
	return err
}

// The same of FromResponse, which has only Close to end a Read: the server ends the
// response within the 50 ms in which net/http reads on after Close, and Next returns even
// if that Read does not.
func TestFromResponseEndsBesideTheResponse(t *testing.T) {
	for _, interrupt := range []struct {
		name string
		opts []sse.Option
		want error
	}{
		{"Close", nil, sse.ErrClosed},
		{"idle timeout", []sse.Option{sse.WithIdleTimeout(20 * time.Millisecond)}, sse.ErrIdleTimeout},
	} {
		t.Run(interrupt.name, func(t *testing.T) {
			closed := make(chan struct{}, 1)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "data: a\n\n")
				if r.URL.Path == "/whole" {
					return
				}
				w.(http.Flusher).Flush()
				<-closed // and then end the response at once
			}))
			defer srv.Close()
			for range 10 {
				hc := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
				_, err := read(sse.Fetch(newGet(srv.URL+"/whole"), sse.WithHTTPClient(hc)))
				require.NoError(t, err) // the connection has served a response
				resp, err := hc.Do(newGet(srv.URL))
				require.NoError(t, err)
				resp.Body = signalBody{resp.Body, closed}
				s, err := sse.FromResponse(resp, interrupt.opts...)
				require.NoError(t, err)
				require.True(t, s.Next())
				if interrupt.opts == nil {
					time.AfterFunc(time.Millisecond, func() { s.Close() })
				}
				require.False(t, s.Next())
				require.ErrorIs(t, s.Err(), interrupt.want)
				hc.CloseIdleConnections()
			}
		})
	}
}

// panicAt returns a function that panics in its nth call, counted from 1, and the number of
// its calls.
func panicAt(n int) (f func(), calls *int) {
	calls = new(int)
	return func() {
		if *calls++; *calls == n {
			panic("out")
		}
	}, calls
}

// nextAfterPanics is Next, called again after each panic.
func nextAfterPanics(s *sse.Stream) (next bool) {
	for again := true; again; {
		func() {
			defer func() { again = recover() != nil }()
			next = s.Next()
		}()
	}
	return next
}

// policyFunc is a backoff policy of a second that calls a function first.
type policyFunc func()

func (f policyFunc) NextBackOff() time.Duration { f(); return time.Second }
func (f policyFunc) Reset()                     {}

// handlerFunc calls a function for each record with this message.
type handlerFunc struct {
	slog.Handler
	message string
	f       func()
}

func (h handlerFunc) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.f()
	}
	return nil
}

func logFunc(message string, f func()) sse.Option {
	return sse.WithLogger(slog.New(handlerFunc{slog.NewTextHandler(io.Discard, nil), message, f}))
}

// decidingFuncs are the functions of the caller that a stream calls between two attempts.
var decidingFuncs = map[string]func(f func()) sse.Option{
	"WithRetryPolicy": func(f func()) sse.Option {
		return sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { f(); return a.Delay, a.Retry })
	},
	"WithBackOff":      func(f func()) sse.Option { return sse.WithBackOff(func() backoff.BackOff { return policyFunc(f) }) },
	"Disconnect":       func(f func()) sse.Option { return sse.WithTrace(&sse.Trace{Disconnect: func(error) { f() }}) },
	"Wait":             func(f func()) sse.Option { return sse.WithTrace(&sse.Trace{Wait: func(sse.Attempt) { f() }}) },
	"log disconnected": func(f func()) sse.Option { return logFunc("sse: disconnected", f) },
	"log waiting":      func(f func()) sse.Option { return logFunc("sse: waiting", f) },
}

// A stream continues after a panic in a function of the caller that was recovered as it does
// without one: with the same wait before the next attempt, and with the same end.
func TestNextAfterARecoveredPanic(t *testing.T) {
	for name, option := range decidingFuncs {
		in(t, name+", Subscribe", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a")}, Script{Data("b")}, gone))
			f, calls := panicAt(1)
			s, err := client(srv, option(f)).Subscribe(srv.Get("/"))
			require.NoError(t, err)
			require.True(t, s.Next())
			require.Panics(t, func() { s.Next() })
			require.True(t, s.Next())
			require.Equal(t, "b", string(s.Data()))
			want := 1
			if name == "WithRetryPolicy" || name == "WithBackOff" {
				want = 2 // it has not decided
			}
			require.Equal(t, want, *calls)
			require.False(t, s.Next())
			require.NoError(t, s.Err())
			require.Equal(t, []time.Duration{time.Second, time.Second}, gaps(srv))
		})
		in(t, name+", Close", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a")}))
			f, _ := panicAt(1)
			s, err := client(srv, option(f)).Subscribe(srv.Get("/"))
			require.NoError(t, err)
			require.True(t, s.Next())
			require.Panics(t, func() { s.Next() })
			s.Close()
			require.False(t, s.Next())
			require.Equal(t, sse.ErrClosed, s.Err())
		})
		in(t, name+", in a loop", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a")}))
			f, _ := panicAt(1)
			s, err := client(srv, option(f)).Subscribe(srv.Get("/"))
			require.NoError(t, err)
			require.Panics(t, func() {
				for range s.Events() {
				}
			})
			require.False(t, s.Next())
			require.Equal(t, sse.ErrClosed, s.Err())
			require.Len(t, srv.Requests(), 1)
		})
		in(t, name+", Fetch with WithResume", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
			f, _ := panicAt(1)
			s, err := client(srv, option(f), sse.WithMaxRetries(0), resumeAt("/rest")).Fetch(post(srv))
			require.NoError(t, err)
			require.True(t, nextAfterPanics(s))
			require.False(t, nextAfterPanics(s))
			truncatedError(t, s.Err())
			require.Len(t, srv.Requests(), 1)
		})
		for end, tt := range map[string]struct {
			script Script
			cut    bool
		}{
			"[DONE]":     {script: Script{Data("a", "[DONE]"), Stall()}},
			"truncated":  {script: Script{Data("a")}, cut: true},
			"broken off": {script: Script{Data("a"), Cut()}, cut: true},
		} {
			in(t, name+", Fetch, "+end, func(t *testing.T) {
				srv := NewServer(t, InOrder(tt.script))
				f, _ := panicAt(1)
				s, err := client(srv, option(f), doneEvent).Fetch(post(srv))
				require.NoError(t, err)
				require.True(t, nextAfterPanics(s))
				require.False(t, nextAfterPanics(s))
				_, cut := errors.AsType[*sse.TruncatedError](s.Err())
				require.Equal(t, tt.cut, cut, "%v", s.Err())
				require.Len(t, srv.Requests(), 1)
				srv.Client().CloseIdleConnections()
				synctest.Wait()
				require.Zero(t, srv.Open())
			})
		}
	}
	in(t, "after every call", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		s, err := client(srv, sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { panic("out") })).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		for range 10 {
			require.Panics(t, func() { s.Next() })
		}
		require.Len(t, srv.Requests(), 1)
	})
}

// A panic in a function that takes part in an attempt ends the attempt. A server may have
// received it, so the next one is another one, with its wait.
func TestPanicInAnAttempt(t *testing.T) {
	for name, option := range map[string]func(srv *Server, f func()) sse.Option{
		"WithPrepare": func(_ *Server, f func()) sse.Option {
			return sse.WithPrepare(func(*http.Request) error { f(); return nil })
		},
		"Request": func(_ *Server, f func()) sse.Option {
			return sse.WithTrace(&sse.Trace{Request: func(*http.Request) { f() }})
		},
		"round tripper": func(srv *Server, f func()) sse.Option {
			return sse.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				f()
				return srv.Client().Transport.RoundTrip(r)
			})})
		},
		"WithResponseCheck": func(_ *Server, f func()) sse.Option {
			return sse.WithResponseCheck(func(*http.Response) error { f(); return nil })
		},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a")}, Script{Data("b"), Stall()}, Script{Data("c"), Stall()}))
			f, calls := panicAt(2)
			var waits []sse.Attempt
			s, err := client(srv, option(srv, f), sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) { waits = append(waits, a) }})).Subscribe(srv.Get("/"))
			require.NoError(t, err)
			require.True(t, s.Next())
			require.Panics(t, func() { s.Next() })
			start := time.Now()
			require.True(t, s.Next())
			require.Equal(t, time.Second, time.Since(start))
			require.Equal(t, 3, *calls)
			require.Len(t, waits, 2)
			require.Equal(t, 2, waits[1].Number)
			require.EqualError(t, waits[1].Err, "sse: GET http://server.test/: a function of the program panicked")
			synctest.Wait()
			require.Equal(t, 1, srv.Open(), "the connection of the attempt that panicked is closed")
			s.Close()
		})
	}
	in(t, "WithMaxRetries", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		tries := 0
		s, err := client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			tries++
			panic("out")
		})).Fetch(post(srv))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.False(t, nextAfterPanics(s))
		require.EqualError(t, s.Err(), "sse: gave up after 2 retries: POST http://server.test/: a function of the program panicked")
		require.Equal(t, 2, tries)
		require.Len(t, srv.Requests(), 1)
	})
}

// A body that panics when it is drained or closed is closed once, and nothing is sent again.
func TestPanicInABody(t *testing.T) {
	for name, body := range map[string]io.ReadCloser{
		"Read":  io.NopCloser(io.MultiReader(strings.NewReader("data: [DONE]\n\n"), readerFunc(func([]byte) (int, error) { panic("out") }))),
		"Close": closeFunc{io.NopCloser(strings.NewReader("data: [DONE]\n\n")), func() { panic("out") }},
	} {
		in(t, name, func(t *testing.T) {
			sent := 0
			hc := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				sent++
				resp := response(body)
				resp.Request = r
				return resp, nil
			})}
			s, err := sse.Fetch(newPost("http://server.test/"), sse.WithHTTPClient(hc), doneEvent)
			require.NoError(t, err)
			require.Panics(t, func() { s.Next() })
			require.False(t, s.Next())
			require.NoError(t, s.Err())
			require.Equal(t, 1, sent)
		})
	}
}

// The cause of the context comes before the failure, also if the context ends while the
// caller's policy decides.
func TestErrIsTheCauseIfThePolicyCancels(t *testing.T) {
	in(t, "WithRetryPolicy", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		ctx, cancel := context.WithCancelCause(t.Context())
		s, err := client(srv, sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) {
			cancel(errUserLeft)
			return 0, false
		})).Fetch(srv.Get("/").WithContext(ctx))
		_, err = read(s, err)
		require.Equal(t, errUserLeft, err)
	})
}

// A cancellation is not a clean end, whatever its cause and whatever the body returns.
func TestFromResponseCanceledWithEOF(t *testing.T) {
	for _, cause := range []error{io.EOF, errUserLeft} {
		in(t, cause.Error(), func(t *testing.T) {
			r, w := io.Pipe()
			ctx, cancel := context.WithCancelCause(t.Context())
			resp := response(closeFunc{r, func() { w.Close() }}) // a Read then returns EOF
			resp.Request = newGet("http://server.test/").WithContext(ctx)
			s, err := sse.FromResponse(resp)
			require.NoError(t, err)
			time.AfterFunc(time.Second, func() { cancel(cause) })
			require.False(t, s.Next())
			require.Equal(t, cause, s.Err())
		})
	}
}

// Close releases the response and the request body if Next is never called again. A timer
// that waits for the timeout of a read would keep the response for that long.
func TestCloseWithoutNext(t *testing.T) {
	for name, opts := range map[string][]Option{"HTTP/1.1": {Loopback()}, "HTTP/2": {Loopback(), HTTP2()}} {
		for limit, timeout := range map[string]sse.Option{
			"idle timeout":  sse.WithIdleTimeout(time.Hour),
			"event timeout": sse.WithEventTimeout(time.Hour),
		} {
			t.Run(name+", "+limit, func(t *testing.T) {
				srv := NewServer(t, InOrder(Script{Data("a"), Stall()}), opts...)
				s, err := client(srv, timeout).Fetch(srv.Get("/"))
				require.NoError(t, err)
				require.True(t, s.Next())
				resp := weak.Make(s.Response())
				require.NoError(t, s.Close())
				s = nil
				require.Eventually(t, func() bool {
					runtime.GC()
					return resp.Value() == nil
				}, 20*time.Second, 10*time.Millisecond)
			})
		}
	}
	in(t, "the request body that no attempt has read", func(t *testing.T) {
		body := &closer{Reader: strings.NewReader("once")}
		req := newPost("http://server.test/")
		req.Body, req.GetBody = body, nil
		hc := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			r.Body.Close() // as net/http does when a server responds early to Expect: 100-continue
			return response(io.NopCloser(strings.NewReader("data: a\n\n"))), nil
		})}
		s, err := sse.Fetch(req, sse.WithHTTPClient(hc))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.NoError(t, s.Close())
		require.True(t, body.closed)
	})
}

// A panic in a function that looks at an event, once recovered, does not lose the event,
// and the place stays before it.
func TestRecoveredPanicKeepsTheEvent(t *testing.T) {
	for name, option := range map[string]func(f func()) sse.Option{
		"WithTerminator": func(f func()) sse.Option {
			return sse.WithTerminator(func(sse.Event) bool { f(); return false })
		},
		"WithEventError": func(f func()) sse.Option {
			return sse.WithEventError(func(sse.Event) error { f(); return nil })
		},
		"WithCompleteAfter": func(f func()) sse.Option {
			return sse.WithCompleteAfter(func(sse.Event) bool { f(); return false })
		},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\nid: 2\ndata: b\n\n"), Stall()}))
			calls := 0
			s, err := client(srv, option(func() {
				if calls++; calls == 2 {
					panic("out")
				}
			})).Fetch(srv.Get("/"))
			require.NoError(t, err)
			require.True(t, s.Next())
			require.Panics(t, func() { s.Next() })
			require.Equal(t, "1", s.LastEventID())
			require.True(t, s.Next())
			require.Equal(t, "b", string(s.Data()))
			require.Equal(t, "2", s.LastEventID())
			s.Close()
			require.False(t, s.Next())
			require.Equal(t, "2", s.LastEventID())
		})
		in(t, name+", in a loop that ends by it", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\nid: 2\ndata: b\n\n"), Stall()}))
			calls := 0
			s, err := client(srv, option(func() {
				if calls++; calls == 2 {
					panic("out")
				}
			})).Subscribe(srv.Get("/"))
			require.NoError(t, err)
			require.Panics(t, func() {
				for range s.Events() {
				}
			})
			require.Equal(t, "1", s.LastEventID())
		})
	}
}

// The context, Close and the event timeout end a stream also if its body brings comments
// without end and its Close does nothing.
func TestEndlessCommentsOfADeafBody(t *testing.T) {
	endless := readerFunc(func(b []byte) (int, error) {
		return copy(b, strings.Repeat(":\n", len(b)/2)), nil
	})
	for name, tt := range map[string]struct {
		opts []sse.Option
		stop func(s *sse.Stream, cancel context.CancelFunc)
		want error
	}{
		"context":       {nil, func(_ *sse.Stream, cancel context.CancelFunc) { cancel() }, context.Canceled},
		"Close":         {nil, func(s *sse.Stream, _ context.CancelFunc) { s.Close() }, sse.ErrClosed},
		"event timeout": {[]sse.Option{sse.WithEventTimeout(time.Millisecond)}, nil, sse.ErrEventTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				return response(io.NopCloser(endless)), nil
			})}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := sse.Fetch(newGet("http://server.test/").WithContext(ctx), append(tt.opts, sse.WithHTTPClient(hc))...)
			require.NoError(t, err)
			if tt.stop != nil {
				time.AfterFunc(time.Millisecond, func() { tt.stop(s, cancel) })
			}
			require.False(t, s.Next())
			require.ErrorIs(t, s.Err(), tt.want)
		})
	}
}

// A textLog keeps the texts that a function of WithIgnoredError got, and the events.
type textLog []string

// read adds what the stream has to the log. The function of WithIgnoredError does as judge
// says for the nth text, counted from 0. If it panics, read calls Next again.
func (l *textLog) read(t *testing.T, body io.Reader, judge func(n int) error) error {
	t.Helper()
	n := 0
	s, err := sse.FromResponse(response(io.NopCloser(body)), sse.WithIgnoredError(func(text string) error {
		n++
		err := judge(n - 1)
		*l = append(*l, "text "+text)
		return err
	}))
	require.NoError(t, err)
	next := func() (ok bool) {
		defer func() { ok = recover() != nil || ok }()
		if ok = s.Next(); ok {
			*l = append(*l, "event "+string(s.Data()))
		}
		return ok
	}
	for next() {
	}
	return s.Err()
}

// The function of WithIgnoredError gets each text once, before the event of its block, in
// whatever way the stream arrives and with whatever line ends.
func TestIgnoredErrorTexts(t *testing.T) {
	const most = 64 << 10
	long := strings.Repeat("x", most)
	tests := []struct {
		name, stream string
		want         []string
	}{
		{"nothing", "", nil},
		{"only fields and comments", ": c\nid: 1\nevent: e\nretry: 1\ndata: a\n\nid\nevent\ndata\n\n", []string{"event a", "event "}},
		{"up to a blank line", "error: x\n\ndata: a\n\n", []string{"text error: x", "event a"}},
		{"within the block of an event", "data: a\nerror: x\n\ndata: b\n\n", []string{"text error: x", "event a", "event b"}},
		{"within a block without data", "event: e\nerror: x\n\nid: 1\ny\n\n", []string{"text error: x", "text y"}},
		{"up to a field", "error: x\ndata: a\nerror: y\nevent: e\nz\n\n", []string{"text error: x", "text error: y", "text z", "event a"}},
		{"up to an id", "a\nid: 1\nb\nid\nc\n", []string{"text a", "text b", "text c"}},
		{"up to a retry", "a\nretry: 1\nb\n", []string{"text a", "text b"}},
		{"up to a field without a colon", "a\ndata\nb\nevent\nc\n", []string{"text a", "text b", "text c"}},
		{"up to a bad field", "a\nretry: soon\nb\nretry\nc\nid: a\x00b\nd\n", []string{"text a", "text b", "text c", "text d"}},
		{"bad fields only", "retry: soon\nretry\nid: a\x00b\n\n", nil},
		{"up to the end", "data: a\n\nerror: x\n", []string{"event a", "text error: x"}},
		{"an unfinished line", "data: a\n\nerror: x", []string{"event a", "text error: x"}},
		{"an unfinished line in a block", "data: a\nerror: x", []string{"text error: x"}},
		{"an unfinished line after others", "<html>\n<p>502", []string{"text <html>\n<p>502"}},
		{"an unfinished field", "error: x\ndat", []string{"text error: x"}},
		{"an unfinished comment", "error: x\n: c", []string{"text error: x"}},
		{"only an unfinished field", "ret", nil},
		{
			"pretty-printed JSON", "{\n  \"error\": {\n    \"code\": 429\n  }\n}\n\ndata: a\n\n",
			[]string{"text {\n  \"error\": {\n    \"code\": 429\n  }\n}", "event a"},
		},
		{"comments between", ": c\na\n: c\n:\nb\n: c\n\nc\n", []string{"text a\nb", "text c"}},
		{"blank lines between", "a\n\nb\n\n\nc\n", []string{"text a", "text b", "text c"}},
		{"names that are not quite fields", "Data: x\n data: y\ndataset: z\nids\nretrying: 1\n", []string{"text Data: x\n data: y\ndataset: z\nids\nretrying: 1"}},
		{"a byte order mark", "\uFEFFerror: x\n", []string{"text error: x"}},
		{"a byte order mark and a field", "\uFEFFdata: a\n\n", []string{"event a"}},
		{"half a byte order mark", "\xEF\xBB", nil},
		{"two byte order marks", "\uFEFF\uFEFFdata: a\n", []string{"text \uFEFFdata: a"}},
		{"ill-formed", "\xFF\xE2\x82\n", []string{"text \uFFFD\uFFFD"}},
		{"a line of the limit", long + "\n\n", []string{"text " + long}},
		{"a line over the limit", long + "yz\n\n", []string{"text " + long}},
		{"an unfinished line over the limit", long[1:] + "\n" + long, []string{"text " + long[1:] + "\n"}},
		{"a line after the limit", long + "\ny\n\nz\n", []string{"text " + long, "text z"}},
		{"many lines over the limit", strings.Repeat(long[:999]+"\n", 70), []string{"text " + strings.Repeat(long[:999]+"\n", 70)[:most]}},
	}
	ways := []struct {
		name   string
		reader func(io.Reader) io.Reader
	}{
		{"whole", func(r io.Reader) io.Reader { return r }},
		{"halves", iotest.HalfReader},
		{"end with the data", iotest.DataErrReader},
		{"one byte", iotest.OneByteReader},
		{"one byte, then lost", func(r io.Reader) io.Reader {
			return io.MultiReader(iotest.OneByteReader(r), iotest.ErrReader(io.ErrUnexpectedEOF))
		}},
	}
	for _, tt := range tests {
		ways := ways
		if len(tt.stream) >= most {
			ways = ways[:3] // the others take long
		}
		for _, way := range ways {
			for _, end := range []string{"\n", "\r\n", "\r"} {
				t.Run(fmt.Sprintf("%s, %s, %q", tt.name, way.name, end), func(t *testing.T) {
					body := func() io.Reader { return way.reader(strings.NewReader(strings.ReplaceAll(tt.stream, "\n", end))) }
					var log textLog
					err := log.read(t, body(), func(int) error { return nil })
					require.Equal(t, tt.want, []string(log))
					_, isReported := errors.AsType[*sse.EventError](err)
					require.False(t, isReported)

					n := 0
					for i, entry := range tt.want {
						text, ok := strings.CutPrefix(entry, "text ")
						if !ok {
							continue
						}
						// An error ends the stream there.
						log = nil
						err := log.read(t, body(), func(i int) error {
							if i == n {
								return errInBand
							}
							return nil
						})
						require.Equal(t, tt.want[:i+1], []string(log))
						reported := eventError(t, err)
						require.Equal(t, text, reported.Event.Data)
						require.Empty(t, reported.Event.Type)
						require.Equal(t, errInBand, reported.Err)

						// After a panic, the function gets the text again.
						log = nil
						_ = log.read(t, body(), func(i int) error {
							if i == n {
								panic("out")
							}
							return nil
						})
						require.Equal(t, tt.want, []string(log))
						n++
					}
				})
			}
		}
	}
}

func TestIgnoredError(t *testing.T) {
	in(t, "ends Fetch and Subscribe", func(t *testing.T) {
		for _, end := range []Step{Data("b"), Cut(), Stall(), Wait(0)} {
			srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"}), Raw("id: 2\nerror: {\"code\":1}\n\n"), end}))
			for _, open := range bothCalls(client(srv, failOnText)) {
				s, err := open(srv.Get("/p?secret=1"))
				got, err := read(s, err)
				require.Equal(t, []string{"a"}, got)
				require.ErrorIs(t, err, errInBand)
				require.EqualError(t, err, "sse: GET http://server.test/p: error event: in band")
				require.Equal(t, sse.Event{Data: `error: {"code":1}`, ID: "1"}, eventError(t, err).Event)
				require.Equal(t, "1", s.LastEventID())
				require.Zero(t, s.Event())
				require.False(t, s.Next())
			}
			require.Len(t, srv.Requests(), 2)
		}
	})
	in(t, "is the reason for a break or an early end", func(t *testing.T) {
		for _, text := range []string{"error: x", "error: x\n", "{\n\"error\": 1\n", "data: b\nerror: x\n", "data: [DONE]\nerror: x", "id: 7\nerror: x"} {
			for _, end := range []Step{Cut(), Wait(0)} {
				srv := NewServer(t, InOrder(Script{Data("a"), Raw(text), end}))
				for _, open := range bothCalls(client(srv, failOnText, doneEvent, finishEvent)) {
					got, err := read(open(srv.Get("/")))
					require.Equal(t, []string{"a"}, got)
					eventError(t, err)
				}
				require.Len(t, srv.Requests(), 2)
			}
		}
	})
	in(t, "nil continues", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("<p>\n\n"), Data("b"), Raw("<p>"), Cut()}))
		got, err := read(client(srv, failOnText).Fetch(srv.Get("/")))
		require.Equal(t, []string{"a", "b"}, got)
		require.Equal(t, []string{"<p>", "<p>"}, truncatedError(t, err).Ignored)
	})
	in(t, "WithRetryPolicy can continue", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\nid: 2\ndata: b\nerror: x\n\n")}, Script{Raw("error: x"), Cut()}, Script{Data("c")}, gone))
		got, err := read(client(srv, failOnText, sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			_, reported := errors.AsType[*sse.EventError](a.Err)
			require.Equal(t, !reported, a.Retry)
			return a.Delay, true
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "c"}, got)
		require.Equal(t, []string{"-", "1", "1", "1"}, sentIDs(srv))
	})
	in(t, "the function may recognize an event that is too large", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("error: x\n\n")}))
		_, err := read(client(srv, sse.WithIgnoredError(func(string) error { return sse.ErrEventTooLarge })).Fetch(srv.Get("/")))
		require.Equal(t, sse.ErrEventTooLarge, eventError(t, err).Err)
	})
	in(t, "WithDone before the text", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "[DONE]"), Raw("error: x\n\n")}))
		got, err := read(client(srv, failOnText, doneEvent).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
	in(t, "before the function of WithEventError", func(t *testing.T) {
		for _, stream := range []string{"event: error\ndata: x\nerror: y\n\n", "event: error\nerror: y\n\n"} {
			srv := NewServer(t, InOrder(Script{Raw(stream)}))
			_, err := read(client(srv, failOnText, failOnError).Fetch(srv.Get("/")))
			require.Equal(t, sse.Event{Data: "error: y"}, eventError(t, err).Event)
		}
	})
	in(t, "over the response of other code", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("error: x")}))
		resp, err := srv.Client().Do(srv.Get("/"))
		require.NoError(t, err)
		_, err = read(sse.FromResponse(resp, failOnText))
		require.EqualError(t, err, "sse: GET http://server.test/: error event: in band")
	})
	in(t, "the log leaves out the text and the words of the function", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("error: secret\n\n")}))
		log := new(logLines)
		_, err := read(client(srv, failOnText, sse.WithLogger(slog.New(log))).Fetch(srv.Get("/")))
		eventError(t, err)
		require.Equal(t, []string{"DEBUG connecting", "INFO connected", "INFO disconnected: error event", "WARN ended: error event"}, log.lines)
	})
	t.Run("a Parser does not use it", func(t *testing.T) {
		p := sse.NewParser(strings.NewReader("error: x\n\ndata: a\n\nerror: x"), failOnText)
		require.True(t, p.Next())
		require.False(t, p.Next())
		require.NoError(t, p.Err())
	})
}

// The stream's own cause of an end wins over a text that is not complete.
func TestIgnoredErrorAndInterruptions(t *testing.T) {
	unwanted := sse.WithIgnoredError(func(string) error { return errInBand })
	text := Script{Data("a"), Raw("error: x\nerror"), Stall()}
	for name, tt := range map[string]struct {
		stop interruption
		opts []sse.Option
		want error
	}{
		"Close":         {stop: closeStream, want: sse.ErrClosed},
		"context":       {stop: cancelStream, want: errUserLeft},
		"idle timeout":  {opts: []sse.Option{idleTimeout}, want: sse.ErrIdleTimeout},
		"event timeout": {opts: []sse.Option{eventTimeout}, want: sse.ErrEventTimeout},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(text))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s, err := client(srv, unwanted).Fetch(srv.Get("/").WithContext(ctx), tt.opts...)
			require.NoError(t, err)
			require.True(t, s.Next())
			if tt.stop != nil {
				time.AfterFunc(time.Second, func() { tt.stop(s, cancel) })
			}
			require.False(t, s.Next())
			require.ErrorIs(t, s.Err(), tt.want)
		})
	}
	in(t, "Reconnect", func(t *testing.T) {
		srv := NewServer(t, InOrder(text, Script{Data("b")}, gone))
		s, err := client(srv, unwanted).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Second, s.Reconnect)
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
	for _, text := range []string{"error: x\n\n", "error: x"} {
		in(t, fmt.Sprintf("Close in the function, %q", text), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Raw(text)}))
			var s *sse.Stream
			s, err := client(srv, sse.WithIgnoredError(func(string) error { s.Close(); return errInBand })).Fetch(srv.Get("/"))
			got, err := read(s, err)
			require.Equal(t, []string{"a"}, got)
			require.Equal(t, sse.ErrClosed, err)
		})
	}
}

// A block that names a type and has no data, as GraphQL over SSE completes with, is shown to
// the functions that end a stream, and to the Ignored hook. It is never delivered.
func TestBlockWithATypeAndNoData(t *testing.T) {
	in(t, "completes the stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("event: next\n\nid: 7\nevent: complete\n\n"), Stall()}))
		var ignored []string
		var seen []sse.Event
		s, err := client(srv, sse.WithTerminator(func(e sse.Event) bool {
			seen = append(seen, e)
			return e.Type == "complete"
		}), sse.WithTrace(&sse.Trace{Ignored: func(line string) { ignored = append(ignored, line) }})).Fetch(srv.Get("/"))
		got, err := read(s, err)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, []sse.Event{{Type: "message", Data: "a"}, {Type: "next"}, {Type: "complete", ID: "7"}}, seen)
		require.Equal(t, []string{"event: next", "event: complete"}, ignored)
		require.Equal(t, "7", s.LastEventID())
	})
	in(t, "is an error event", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("event: error\n\n"), Stall()}))
		got, err := read(client(srv, failOnError).Fetch(srv.Get("/")))
		require.Equal(t, []string{"a"}, got)
		require.ErrorIs(t, err, errInBand)
	})
	in(t, "does not hide the event after it", func(t *testing.T) {
		for _, opts := range [][]sse.Option{nil, {failOnError}, {doneEvent}, {stopEvent}} {
			srv := NewServer(t, InOrder(Script{Raw("event: x\n\ndata: a\n\nevent: y\n\ndata: b\n\n"), Send(sse.Event{Type: "stop", Data: "c"}), Data("[DONE]")}))
			got, err := read(client(srv, opts...).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b", "c"}, got[:3])
		}
	})
	in(t, "is not delivered", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("event: x\n\n"), Data("a"), Raw("event: y\n\n")}))
		got, err := read(client(srv, failOnError).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
}

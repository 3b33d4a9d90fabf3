package sse_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// What the server wrote outside of any event is in the error, for those who look for the
// reason.
func TestTruncatedIgnored(t *testing.T) {
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
		{"nothing", "id: 1\n", nil},
		{"a field called error", "error: {\"code\":1}\n\n", []string{`error: {"code":1}`}},
		{"bare JSON", `{"error":{"code":1}}`, []string{`{"error":{"code":1}}`}},
		{"bare JSON, indented", "{\r\n  \"error\": 1\r\n}\r\n", []string{"{", `  "error": 1`, "}"}},
		{"HTML", "<html>\n<p>504", []string{"<html>", "<p>504"}},
		{"no reason", ": comment\ndata: x\nevent: y\nretry: 1\nid: 2\nid", nil},
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
				_, err := read(client(srv, doneWord).Fetch(srv.Get("/")))
				cut, ok := errors.AsType[*sse.TruncatedError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, tt.want, cut.Ignored)
				require.Equal(t, len(tt.want) > 0, strings.Contains(err.Error(), "with ignored lines"), "%v", err)
			})
		}
	}
	in(t, "of this connection only", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("x: 1\n"), Data("a"), Cut()}, Script{Data("b"), Cut()}))
		var ends []error
		_, err := read(client(srv, doneWord, sse.WithMaxRetries(1), sse.WithTrace(&sse.Trace{
			Disconnect: func(err error) { ends = append(ends, err) },
		}), sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return 0, len(ends) < 2 })).Subscribe(srv.Get("/")))
		require.Error(t, err)
		for i, want := range [][]string{{"x: 1"}, nil} {
			cut, ok := errors.AsType[*sse.TruncatedError](ends[i])
			require.True(t, ok)
			require.Equal(t, want, cut.Ignored)
		}
	})
}

// Some servers omit the last blank line. If all that is missing is that of the event that
// completes the stream, the stream is complete.
func TestDoneWithoutBlankLine(t *testing.T) {
	for _, last := range []string{"data: [DONE]", "data:[DONE]\n", "data: [DONE]\r\n", "id: 1\nevent: x\ndata: [DONE]"} {
		for name, end := range map[string]Step{"clean end": Wait(0), "cut": Cut(), "silence": Stall()} {
			if name != "clean end" && !strings.HasSuffix(last, "\n") {
				continue // there may have been more of the line
			}
			in(t, fmt.Sprintf("%q, %s", last, name), func(t *testing.T) {
				srv := NewServer(t, InOrder(Script{Data("a"), Raw(last), end}))
				var ends []error
				trace := sse.WithTrace(&sse.Trace{Disconnect: func(err error) { ends = append(ends, err) }})
				for _, call := range []func(*sse.Client) (*sse.Stream, error){
					func(c *sse.Client) (*sse.Stream, error) { return c.Fetch(srv.Get("/")) },
					func(c *sse.Client) (*sse.Stream, error) { return c.Subscribe(srv.Get("/")) },
				} {
					got, err := read(call(client(srv, doneWord, trace, sse.WithIdleTimeout(time.Minute))))
					require.NoError(t, err)
					require.Equal(t, []string{"a"}, got)
				}
				require.Equal(t, []error{nil, nil}, ends)
				require.Len(t, srv.Requests(), 2)
			})
		}
	}
	for _, last := range []string{"data: [DONE", "data: [DONE] ", "data: [DONE]\ndata:\n", "data: [DONE]\ndat", "data: [DONE]\ndata", "[DONE]", "id: [DONE]"} {
		in(t, fmt.Sprintf("%q is not it", last), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Raw(last)}))
			_, err := read(client(srv, doneWord).Fetch(srv.Get("/")))
			_, ok := errors.AsType[*sse.TruncatedError](err)
			require.True(t, ok, "%v", err)
		})
	}
	in(t, "half a line is not it", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("data: 1"), Cut()})) // of 10?
		_, err := read(client(srv, sse.WithDone("1")).Fetch(srv.Get("/")))
		_, ok := errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok, "%v", err)
	})
	in(t, "no data is not the empty word", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("id: 1\n")}))
		_, err := read(client(srv, sse.WithDone("")).Fetch(srv.Get("/")))
		_, ok := errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok, "%v", err)
	})
	in(t, "an interrupted stream is not complete", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("data: [DONE]\n"), Stall()}))
		s, err := client(srv, doneWord).Fetch(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		time.AfterFunc(time.Second, func() { s.Close() })
		require.False(t, s.Next())
		require.ErrorIs(t, s.Err(), sse.ErrClosed)
	})
}

// Decoding costs what json.Unmarshal costs on the same bytes, and nothing for the event.
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
				t.Error("the test is in vain")
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
	// The parser and its iterator come once.
	require.LessOrEqual(t, decoded, plain+20, "for %d events", events)
}

// Looking for the event that completes the stream costs nothing either.
func TestDataAllocations(t *testing.T) {
	const events = 1000
	stream := strings.Repeat("data: "+strings.Repeat("x", 100)+"\n\n", events) + "data: [DONE]\n\n"
	got := testing.AllocsPerRun(10, func() {
		s, err := sse.FromResponse(&http.Response{
			StatusCode: 200,
			Header:     http.Header{"Content-Type": {"text/event-stream"}},
			Body:       io.NopCloser(strings.NewReader(stream)),
		}, doneWord)
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

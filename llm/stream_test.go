package llm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// A stream is the body of a response and what it means.
type stream struct {
	name string
	body string // with LF as line ends

	// The deltas, joined.
	text, reasoning, refusal string
	finish                   string         // the last
	calls                    []llm.ToolCall // joined by Index
	usage                    *llm.Usage     // the last
	resets                   int

	// err is "" for a complete response, "truncated" for one that ends too early, and
	// otherwise the message of an *llm.Error.
	err string
}

// as returns the stream with another name and body, which mean the same.
func (s stream) as(name, body string) stream {
	s.name, s.body = name, body
	return s
}

// A result is what reading a stream gave.
type result struct {
	stream
	cause  error
	deltas int
}

// join reads deltas and joins them.
func join(deltas iter.Seq2[llm.Delta, error]) (r result) {
	for d, err := range deltas {
		if err != nil {
			r.cause = errors.Join(r.cause, err)
			continue
		}
		r.deltas++
		if d.Reset {
			r.text = ""
			r.resets++
		}
		r.text += d.Text
		r.reasoning += d.Reasoning
		r.refusal += d.Refusal
		if d.Finish != "" {
			r.finish = d.Finish
		}
		if d.Usage != nil {
			r.usage = d.Usage
		}
		for _, call := range d.ToolCalls {
			i := slices.IndexFunc(r.calls, func(c llm.ToolCall) bool { return c.Index == call.Index })
			if i < 0 {
				r.calls = append(r.calls, call)
				continue
			}
			r.calls[i].ID += call.ID
			r.calls[i].Name += call.Name
			r.calls[i].Arguments += call.Arguments
		}
	}
	switch e, ok := errors.AsType[*llm.Error](r.cause); {
	case ok:
		r.err = e.Message
	case isTruncated(r.cause):
		r.err = "truncated"
	case r.cause != nil:
		r.err = r.cause.Error()
	}
	return r
}

// readBody reads body with a Parser.
func readBody(t *testing.T, d llm.Dialect, body string) result {
	t.Helper()
	return join(d.Deltas(parse(body)))
}

// firstError returns the first *llm.Error of the stream body.
func firstError(t *testing.T, d llm.Dialect, body string) *llm.Error {
	t.Helper()
	return serviceError(t, readBody(t, d, body).cause)
}

// serviceError returns the *llm.Error in the tree of err.
func serviceError(t *testing.T, err error) *llm.Error {
	t.Helper()
	e, ok := errors.AsType[*llm.Error](err)
	require.True(t, ok, "%v", err)
	return e
}

// textError returns the last error of Text, for a body without text.
func textError(t *testing.T, d llm.Dialect, body string) (last error) {
	t.Helper()
	for text, err := range d.Text(parse(body)) {
		require.Empty(t, text)
		last = err
	}
	return last
}

func parse(body string) *sse.Parser { return sse.NewParser(strings.NewReader(body)) }

// events returns a stream of events with this data.
func events(data ...string) string {
	return "data: " + strings.Join(data, "\n\ndata: ") + "\n\n"
}

// without returns body without the lines that begin with one of the prefixes.
func without(body string, prefixes ...string) string {
	var b strings.Builder
lines:
	for line := range strings.Lines(body) {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				continue lines
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

func isTruncated(err error) bool {
	_, ok := errors.AsType[*sse.TruncatedError](err)
	return ok
}

// A way is one of the ways to read a stream.
type way struct {
	name string
	read func(t *testing.T, d llm.Dialect, body io.Reader) result
}

var ways = []way{
	{"llm.Fetch", func(t *testing.T, d llm.Dialect, body io.Reader) result {
		s, err := llm.Fetch(newPost(), d, sse.WithHTTPClient(responding(body)))
		require.NoError(t, err)
		return join(s.Deltas())
	}},
	{"FromResponse with the option", func(t *testing.T, d llm.Dialect, body io.Reader) result {
		s, err := sse.FromResponse(newResponse(body), d.Option())
		require.NoError(t, err)
		return join(d.Deltas(s))
	}},
	{"FromResponse", func(t *testing.T, d llm.Dialect, body io.Reader) result {
		s, err := sse.FromResponse(newResponse(body))
		require.NoError(t, err)
		return join(d.Deltas(s))
	}},
	{"Parser", func(_ *testing.T, d llm.Dialect, body io.Reader) result {
		return join(d.Deltas(sse.NewParser(body)))
	}},
	{"Parser, byte by byte", func(_ *testing.T, d llm.Dialect, body io.Reader) result {
		return join(d.Deltas(sse.NewParser(iotest.OneByteReader(body))))
	}},
}

func newPost() *http.Request {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://server.test/v1", strings.NewReader("{}"))
	if err != nil {
		panic(err)
	}
	return req
}

func newResponse(body io.Reader) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(body)}
}

// responding returns a client that responds to every request with body.
func responding(body io.Reader) *http.Client {
	return &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return newResponse(body), nil })}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// check reads the streams of a dialect in every way, with every kind of line end. It cuts
// each complete one at every byte: the part is truncated, or has the whole text.
func check(t *testing.T, d llm.Dialect, streams []stream) {
	t.Helper()
	for _, want := range streams {
		for name, end := range map[string]string{"LF": "\n", "CRLF": "\r\n", "CR": "\r"} {
			body := strings.ReplaceAll(want.body, "\n", end)
			for _, w := range ways {
				t.Run(fmt.Sprintf("%v/%s/%s, %s", d, want.name, w.name, name), func(t *testing.T) {
					got := w.read(t, d, strings.NewReader(body))
					cause := got.cause
					got.stream.name, got.stream.body = want.name, want.body
					require.Equal(t, want, got.stream, "%v", cause)
				})
			}
		}
		if want.err != "" {
			continue
		}
		t.Run(fmt.Sprintf("%v/%s, cut", d, want.name), func(t *testing.T) { cut(t, d, want) })
	}
}

// cut ends a complete stream too early, cleanly and not.
func cut(t *testing.T, d llm.Dialect, want stream) {
	body := []byte(want.body)
	step := max(1, len(body)/100)
	for n := 0; n < len(body); n += step {
		w := ways[n/step%4] // in turn
		clean := w.read(t, d, bytes.NewReader(body[:n]))
		if clean.cause == nil {
			require.Equal(t, want.text, clean.text, "%s: the first %d bytes pass for the whole", w.name, n)
			require.Equal(t, want.finish, clean.finish, "%s: the first %d bytes", w.name, n)
			require.Equal(t, want.calls, clean.calls, "%s: the first %d bytes", w.name, n)
		} else {
			require.True(t, isTruncated(clean.cause), "%s, the first %d bytes: %v", w.name, n, clean.cause)
		}
		broken := io.MultiReader(bytes.NewReader(body[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
		got := ways[0].read(t, d, broken)
		if got.cause == nil { // the event that completes it has come
			require.Equal(t, want.text, got.text, "the first %d bytes pass for the whole", n)
		} else {
			require.True(t, isTruncated(got.cause), "the first %d bytes: %v", n, got.cause)
		}
	}
}

package e2e_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// Ends, waits and codings that other servers made difficult, over each line end, version of
// HTTP and call.
func TestEndsOverLineEndsProtocolsAndCalls(t *testing.T) {
	complete := sse.WithTerminator(func(e sse.Event) bool { return e.Type == "complete" })
	done := sse.WithDone("[DONE]")
	for _, tt := range []struct {
		name    string
		headers []string // beside the content type
		blocks  []string // with LF as line end; each is a write, and with gzip a member
		silent  bool     // the server sends no more and does not end the response
		opt     sse.Option
		data    []string
		fetch   string // how Fetch ends
		gap     time.Duration
	}{
		{name: "JSON in place of events", blocks: []string{"{\"error\":{\"message\":\"x\"}}\n"}, fetch: "truncated", gap: time.Second},
		{name: "JSON lines", blocks: []string{"{\"text\":\"a\"}\n{\"text\":\"b\"}\n"}, fetch: "truncated", gap: time.Second},
		{name: "HTML in place of events", blocks: []string{"<html>\n\n<p>busy\n\n"}, fetch: "truncated", gap: time.Second},
		{name: "a type at the end", blocks: []string{"data: a\n\nevent: x\n"}, data: []string{"a"}, fetch: "truncated", gap: time.Second},
		{name: "data at the end", blocks: []string{"data: a\n\ndata: b\n"}, data: []string{"a"}, fetch: "truncated", gap: time.Second},
		{name: "a completion without data", blocks: []string{"data: a\n\n", "event: complete\n\n"}, silent: true, opt: complete, data: []string{"a"}},
		{name: "no completion", blocks: []string{"data: a\n\n"}, opt: complete, data: []string{"a"}, fetch: "truncated", gap: time.Second},
		{name: "[DONE] within white space", blocks: []string{"data: a\n\n", "data:  [DONE] \t\n\n"}, silent: true, opt: done, data: []string{"a"}},
		{name: "[DONE] without a blank line", blocks: []string{"data: a\n\n", "data: [DONE]\n"}, opt: done, data: []string{"a"}},
		{name: "gzip, a member an event", headers: []string{"Content-Encoding", "gzip"}, blocks: []string{"data: a\n\n", "data: [DONE]\n\n"}, silent: true, opt: done, data: []string{"a"}},
		{name: "a word that is not a coding", headers: []string{"Content-Encoding", "none"}, blocks: []string{"data: a\n\n"}, data: []string{"a"}, gap: time.Second},
		{name: "two content types", headers: []string{"Content-Type", "text/plain, text/event-stream"}, blocks: []string{"data: a\n\n"}, data: []string{"a"}, gap: time.Second},
		{name: "a server that directs polling", blocks: []string{"retry: 3000\n\n"}, gap: 3 * time.Second},
		{name: "an event each time, and retry: 0", blocks: []string{"retry: 0\ndata: a\n\n"}, data: []string{"a"}, gap: 100 * time.Millisecond},
		{name: "silence", blocks: []string{"data: a\n\n:\n"}, silent: true, opt: sse.WithIdleTimeout(time.Second), data: []string{"a"}, fetch: "idle", gap: time.Second},
	} {
		for ending, end := range map[string]string{"LF": "\n", "CRLF": "\r\n", "CR": "\r"} {
			script := Script{Answer(200, append([]string{"Content-Type", "text/event-stream"}, tt.headers...)...)}
			for _, block := range tt.blocks {
				block = strings.ReplaceAll(block, "\n", end)
				if len(tt.headers) > 0 && tt.headers[1] == "gzip" {
					block = zipped(t, block)
				}
				script = append(script, Raw(block))
			}
			if tt.silent {
				script = append(script, Stall())
			}
			for _, proto := range inMemory {
				in(t, fmt.Sprintf("%s, %s, %s, Fetch", tt.name, ending, proto.name), func(t *testing.T) {
					srv := NewServer(t, InOrder(script), proto.opts...)
					data, err := read(client(srv, tt.opt).Fetch(srv.Post("/", "{}")))
					require.Equal(t, tt.data, data)
					require.Len(t, srv.Requests(), 1)
					switch tt.fetch {
					case "":
						require.NoError(t, err)
					case "truncated":
						require.True(t, truncatedError(t, err).Clean)
					case "idle":
						require.ErrorIs(t, err, sse.ErrIdleTimeout)
					}
				})
				in(t, fmt.Sprintf("%s, %s, %s, Subscribe", tt.name, ending, proto.name), func(t *testing.T) {
					srv := NewServer(t, InOrder(script, script, script, Script{Answer(204)}), proto.opts...)
					data, err := read(client(srv, tt.opt).Subscribe(srv.Get("/")))
					if tt.gap == 0 { // it is complete
						require.NoError(t, err)
						require.Equal(t, tt.data, data)
						require.Len(t, srv.Requests(), 1)
						return
					}
					require.Len(t, data, 3*len(tt.data))
					requests := srv.Requests()
					require.Len(t, requests, 4)
					for i, r := range requests[1:] {
						gap := r.Time.Sub(requests[i].Time)
						require.GreaterOrEqual(t, gap, tt.gap)
						require.LessOrEqual(t, gap, tt.gap+tt.gap/10+time.Second)
					}
				})
			}
		}
	}
}

// zipped returns text as a member of gzip.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

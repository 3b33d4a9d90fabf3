package sse_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

var updateBill = flag.Bool("update-bill", false, "write the table of TestBill to docs/llm.md")

// A bill is a way in which a generation fails, and how many requests the server gets.
type bill struct {
	situation string
	refused   int  // connections before the first that is accepted
	first     Step // of the answer
	rest      Script
	stop      func(s *sse.Stream, cancel context.CancelFunc) // after the first event
	unacted   bool                                           // the server has said that it did not act
}

func bills() []bill {
	token := Data("tok")
	return []bill{
		{situation: "the answer is complete", first: token, rest: Script{Data("[DONE]")}},
		{situation: "connection refused, twice", refused: 2, first: token, rest: Script{Data("[DONE]")}, unacted: true},
		{situation: "429 or 503, `Retry-After` up to a minute", first: Answer(503, "Retry-After", "30"), unacted: true},
		{situation: "429 or 503, `Retry-After` over a minute", first: Answer(429, "Retry-After", "61"), unacted: true},
		{situation: "500, 502, 504", first: Answer(502)},
		{situation: "another status from 300 on", first: Answer(400)},
		{situation: "200 with HTML or JSON", first: Answer(200, "Content-Type", "text/html"), rest: Script{Raw("<p>")}},
		{situation: "204", first: Answer(204)},
		{situation: "connection lost before the headers", first: Cut()},
		{situation: "no headers: `WithOpenTimeout`", first: Stall()},
		{situation: "clean end in the middle of an event", first: token, rest: Script{Raw("data: to")}},
		{situation: "clean end without `[DONE]`", first: token},
		{situation: "connection lost in the answer", first: token, rest: Script{Cut()}},
		{situation: "silence: `WithIdleTimeout`", first: token, rest: Script{Stall()}},
		{situation: "an event over `WithMaxEventSize`", first: token, rest: Script{Data(strings.Repeat("x", 2000))}},
		{situation: "an error event", first: token, rest: Script{Send(sse.Event{Type: "error", Data: "overloaded"})}},
		{situation: "the context ends", first: token, rest: Script{Stall()}, stop: func(_ *sse.Stream, cancel context.CancelFunc) { cancel() }},
		{situation: "`Close`, or leaving the loop", first: token, rest: Script{Stall()}, stop: func(s *sse.Stream, _ context.CancelFunc) { s.Close() }},
	}
}

// requests runs Fetch into the situation and counts what the server gets.
func (b bill) requests(t *testing.T, key bool, opts ...sse.Option) (posts, gets int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, func(_ int, r *http.Request) Script {
			if r.Method == http.MethodGet { // what WithResume asks for
				return Script{Data("en"), Data("[DONE]")}
			}
			return append(Script{b.first}, b.rest...)
		})
		srv.Refuse(b.refused)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req := srv.Post("/", "{}").WithContext(ctx)
		if key {
			req.Header.Set("Idempotency-Key", "k")
		}
		s, err := client(srv, append(opts, doneEvent, inBandError, sse.WithOpenTimeout(time.Minute),
			sse.WithIdleTimeout(time.Minute), sse.WithMaxEventSize(1000))...).Fetch(req)
		for err == nil && s.Next() {
			if b.stop != nil {
				b.stop(s, cancel)
			}
		}
		for _, r := range srv.Requests() {
			if r.Method == http.MethodPost {
				posts++
			} else {
				gets++
			}
		}
	})
	return posts, gets
}

func resumeByGet(ctx context.Context, a sse.Attempt) (*http.Request, error) {
	if _, ok := errors.AsType[*sse.TruncatedError](a.Err); !ok && !errors.Is(a.Err, sse.ErrIdleTimeout) {
		return nil, nil // nothing to resume
	}
	return http.NewRequestWithContext(ctx, http.MethodGet, "http://server.test/rest", nil)
}

// A generation is paid once, whatever happens, unless the program says that twice is the
// same as once. The figures are those of the table in docs/llm.md.
func TestBill(t *testing.T) {
	const guide = "docs/llm.md"
	table := new(strings.Builder)
	fmt.Fprintln(table, "| what happens to `Fetch` with a POST | POSTs | with `Idempotency-Key` | with `WithResume` |")
	fmt.Fprintln(table, "|---|--:|--:|--:|")
	for _, b := range bills() {
		plain, gets := b.requests(t, false)
		require.Zero(t, gets)
		if !b.unacted {
			require.Equal(t, 1, plain, b.situation)
		}
		keyed, gets := b.requests(t, true)
		require.Zero(t, gets)
		require.LessOrEqual(t, keyed, 3, b.situation)
		posts, gets := b.requests(t, false, sse.WithResume(resumeByGet))
		require.Equal(t, plain, posts, "%s: WithResume sends no POST of its own", b.situation)
		resumed := fmt.Sprint(posts)
		if gets > 0 {
			resumed += fmt.Sprintf(" and %d GET", gets)
		}
		fmt.Fprintf(table, "| %s | %d | %d | %s |\n", b.situation, plain, keyed, resumed)
	}
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), "<!-- bill -->\n")
	require.True(t, ok, "%s has no place for the table", guide)
	old, tail, ok := strings.Cut(rest, "<!-- /bill -->\n")
	require.True(t, ok, "%s has no end of the table", guide)
	if *updateBill {
		require.NoError(t, os.WriteFile(guide, []byte(head+"<!-- bill -->\n"+table.String()+"<!-- /bill -->\n"+tail), 0o644))
		return
	}
	require.Equal(t, table.String(), old, "run go test -run TestBill -update-bill .")
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// A response records the progress of one response.
type response struct {
	events, deltas, chars int
	first                 time.Duration  // from the request to the first text
	usage                 llm.Usage      // as the provider counts it
	finish                string         // why the text ends
	refusal               string         // what the model says in place of the text
	calls                 []llm.ToolCall // that the model makes
}

// fetch sends the prompt and prints the text of the response to out as it arrives. It
// reports retries on stderr.
func (r *response) fetch(ctx context.Context, c config, out, stderr io.Writer) error {
	key := os.Getenv(c.dialect.key)
	if c.url == nil {
		base, stop, err := serve(c.pause)
		if err != nil {
			return err
		}
		defer stop()
		c.url, key = base, "" // the embedded server gets no key
	}
	req, err := c.newRequest(ctx, key)
	if err != nil {
		return err
	}
	start := time.Now()
	stream, err := llm.Fetch(req, c.dialect.response,
		// Servers send an event or a comment every few seconds. A connection that
		// has been silent for longer is dead.
		sse.WithIdleTimeout(c.idle),
		sse.WithTrace(&sse.Trace{Wait: func(next sse.Attempt) {
			fmt.Fprintf(stderr, "%v; retrying in %v\n", next.Err, next.Delay.Round(time.Millisecond))
		}}))
	if err != nil {
		return err
	}
	for d, err := range stream.Deltas() {
		if err != nil {
			return err // the response is incomplete
		}
		r.events++
		r.add(d)
		if d.Text == "" {
			continue
		}
		if r.deltas++; r.deltas == 1 {
			r.first = time.Since(start)
		}
		r.chars += utf8.RuneCountInString(d.Text)
		if _, err := io.WriteString(out, d.Text); err != nil {
			return err
		}
	}
	return nil
}

// add adds the parts of a delta other than its text.
func (r *response) add(d llm.Delta) {
	r.finish = cmp.Or(d.Finish, r.finish)
	r.refusal += d.Refusal
	if d.Usage != nil {
		r.usage = *d.Usage
	}
	for _, piece := range d.ToolCalls {
		i := slices.IndexFunc(r.calls, func(c llm.ToolCall) bool { return c.Index == piece.Index })
		if i < 0 {
			r.calls = append(r.calls, piece)
			continue
		}
		call := &r.calls[i]
		call.ID += piece.ID
		call.Name += piece.Name
		call.Arguments += piece.Arguments
	}
}

// isWhole reports whether the text is all that the model wanted to say.
func (r *response) isWhole() bool {
	if r.refusal != "" {
		return false
	}
	switch r.finish {
	case "", "stop", "completed", "end_turn", "stop_sequence", "STOP", "eos_token", "tool_calls", "tool_use", "function_call":
		return true
	}
	return false
}

// summarize prints why a complete response ends, its tool calls if that is wanted, and its
// token counts and times.
func (r *response) summarize(w io.Writer, calls bool) {
	if r.refusal != "" {
		fmt.Fprintln(w, "the model refuses:", r.refusal)
	}
	if !r.isWhole() && r.finish != "" {
		fmt.Fprintln(w, "note: the model stopped early:", r.finish)
	}
	for _, call := range r.calls {
		if calls {
			fmt.Fprintf(w, "call: %s %s\n", call.Name, call.Arguments)
		}
	}
	if n := len(r.calls); n > 0 && !calls {
		fmt.Fprintf(w, "note: tool calls of the model: %d; see -calls\n", n)
	}
	fmt.Fprintf(w, "usage: %s input tokens, %s output tokens\n", count(r.usage.Input), count(r.usage.Output))
	if r.deltas > 0 {
		fmt.Fprintf(w, "first token after %v\n", r.first.Round(time.Millisecond))
	}
}

// count formats a number of tokens. It is 0 if the server did not report one.
func count(tokens int) string {
	if tokens == 0 {
		return "unknown"
	}
	return strconv.Itoa(tokens)
}

// newRequest returns the request that sends the prompt.
func (c config) newRequest(ctx context.Context, key string) (*http.Request, error) {
	d := c.dialect
	body, err := json.Marshal(d.body(c.model, c.prompt))
	if err != nil {
		return nil, err
	}
	u := *c.url
	_, end, ok := strings.Cut(d.path, "{model}") // a complete URL names its own model
	if !ok {
		end = "/" + d.path
	}
	if !strings.HasSuffix(u.Path, end) {
		u = *u.JoinPath(strings.ReplaceAll(d.path, "{model}", c.model))
	}
	if name, value, ok := strings.Cut(d.query, "="); ok {
		query := u.Query()
		query.Set(name, value)
		u.RawQuery = query.Encode()
	}
	// NewRequest sets GetBody for a bytes.Reader. Fetch needs it to send the request
	// again after a response such as 429.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	d.auth(req.Header, key)
	return req, nil
}

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
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fetchsse/sse"
)

// A response records the progress of one response.
type response struct {
	events, deltas, chars int
	first                 time.Duration // from the request to the first text
	input, output         int           // tokens, as the provider counts them
	stopReason            string        // why the model stopped early, if it did
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
	stream, err := sse.Fetch(req, c.dialect.complete, sse.WithEventError(eventError),
		// Servers send an event or a comment every few seconds. A connection that
		// has been silent for longer is dead.
		sse.WithIdleTimeout(c.idle),
		sse.WithTrace(&sse.Trace{Wait: func(next sse.Attempt) {
			fmt.Fprintf(stderr, "%v; retrying in %v\n", next.Err, next.Delay.Round(time.Millisecond))
		}}))
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err // the response is incomplete
		}
		r.events++
		d, err := c.dialect.parse(event)
		if err != nil {
			return err
		}
		r.input, r.output = cmp.Or(d.input, r.input), cmp.Or(d.output, r.output)
		r.stopReason = cmp.Or(d.stopReason, r.stopReason)
		if d.text == "" {
			continue
		}
		if r.deltas++; r.deltas == 1 {
			r.first = time.Since(start)
		}
		r.chars += utf8.RuneCountInString(d.text)
		if _, err := io.WriteString(out, d.text); err != nil {
			return err
		}
	}
	return nil
}

// summarize prints the token counts and times of a complete response.
func (r *response) summarize(w io.Writer) {
	if r.stopReason != "" {
		fmt.Fprintln(w, "note: the model stopped early:", r.stopReason)
	}
	fmt.Fprintf(w, "usage: %s input tokens, %s output tokens\n", count(r.input), count(r.output))
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

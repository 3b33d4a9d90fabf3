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

// An answer is what has arrived so far.
type answer struct {
	events, deltas, chars int
	first                 time.Duration // from the request to the first piece of text
	input, output         int           // tokens, as the provider counts them
	note                  string
}

// fetch asks the question and prints the text of the answer to out as it comes.
func (a *answer) fetch(ctx context.Context, q question, out, stderr io.Writer) error {
	key := os.Getenv(q.dialect.key)
	if q.url == nil {
		base, stop, err := serve(q.pause)
		if err != nil {
			return err
		}
		defer stop()
		q.url, key = base, "" // which is nobody's business but the provider's
	}
	req, err := q.request(ctx, key)
	if err != nil {
		return err
	}
	start := time.Now()
	stream, err := sse.Fetch(req, q.dialect.complete, sse.WithEventError(failure),
		// Servers send something, a comment at least, every few seconds. A connection
		// that has been silent for long is dead.
		sse.WithIdleTimeout(q.idle),
		sse.WithTrace(&sse.Trace{Wait: func(next sse.Attempt) {
			fmt.Fprintf(stderr, "%v; trying again in %v\n", next.Err, next.Delay.Round(time.Millisecond))
		}}))
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err // half an answer never looks like a whole one
		}
		a.events++
		p, err := q.dialect.parse(event)
		if err != nil {
			return err
		}
		a.input, a.output = cmp.Or(p.input, a.input), cmp.Or(p.output, a.output)
		a.note = cmp.Or(p.note, a.note)
		if p.text == "" {
			continue
		}
		if a.deltas++; a.deltas == 1 {
			a.first = time.Since(start)
		}
		a.chars += utf8.RuneCountInString(p.text)
		if _, err := io.WriteString(out, p.text); err != nil {
			return err
		}
	}
	return nil
}

// summarize says what is to be known about a complete answer.
func (a *answer) summarize(w io.Writer) {
	if a.note != "" {
		fmt.Fprintln(w, "note: the model stopped early:", a.note)
	}
	fmt.Fprintf(w, "usage: %s input tokens, %s output tokens\n", count(a.input), count(a.output))
	if a.deltas > 0 {
		fmt.Fprintf(w, "first token after %v\n", a.first.Round(time.Millisecond))
	}
}

// count is a number of tokens, which a server may keep to itself.
func count(tokens int) string {
	if tokens == 0 {
		return "unknown"
	}
	return strconv.Itoa(tokens)
}

// request makes the request that asks the question.
func (q question) request(ctx context.Context, key string) (*http.Request, error) {
	d := q.dialect
	body, err := json.Marshal(d.body(q.model, q.text))
	if err != nil {
		return nil, err
	}
	u := *q.url
	_, end, ok := strings.Cut(d.path, "{model}") // a full URL has its own model
	if !ok {
		end = "/" + d.path
	}
	if !strings.HasSuffix(u.Path, end) {
		u = *u.JoinPath(strings.ReplaceAll(d.path, "{model}", q.model))
	}
	if name, value, ok := strings.Cut(d.query, "="); ok {
		query := u.Query()
		query.Set(name, value)
		u.RawQuery = query.Encode()
	}
	// The body comes from a bytes.Reader so that it can be sent again: Fetch does so
	// when the server was too busy to begin.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	d.auth(req.Header, key)
	return req, nil
}

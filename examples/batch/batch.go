package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// A class is what became of a response.
type class int

const (
	whole          class = iota
	truncated            // it ends too early; the text is what had come
	refusedForGood       // the same request has no prospect
	refusedForNow        // the same request may succeed later
	failedInStream       // the server reports an error in the response
	timedOut
	canceled
	classes // their number
)

func (c class) String() string {
	return [...]string{
		"whole", "truncated", "refused for good", "refused for now", "failed in stream", "timed out", "canceled",
	}[c]
}

// A result is what became of one prompt.
type result struct {
	class      class
	text       string        // as far as it has come
	retryAfter time.Duration // that the server asks for, or 0
	err        error         // nil if the response is whole
}

// A batch sends prompts.
type batch struct {
	url      string
	client   *http.Client
	parallel int
	timeout  time.Duration // for each response
	progress *progress
}

// ask sends n prompts and returns their results. When ctx ends, the prompts that are left
// have its error as their result.
func (b *batch) ask(ctx context.Context, n int) []result {
	results := make([]result, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range b.parallel {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				results[i] = b.askOne(ctx, i)
				b.progress.done(results[i].class)
			}
		})
	}
	workers.Wait()
	b.progress.end()
	return results
}

// askOne sends prompt i.
func (b *batch) askOne(ctx context.Context, i int) result {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	text, err := b.read(ctx, i)
	r := result{class: classify(ctx, err), text: text, err: err}
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		r.retryAfter = refusal.RetryAfter
	}
	return r
}

// read sends prompt i and returns the text of the response as far as it comes.
func (b *batch) read(ctx context.Context, i int) (string, error) {
	body := fmt.Sprintf(`{"model":"demo","stream":true,"messages":[{"role":"user","content":"prompt %d"}]}`, i)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	// A program with retries of its own, or with a later run for what is refused for now,
	// needs none here.
	stream, err := llm.Fetch(req, llm.OpenAIChat, sse.WithHTTPClient(b.client), sse.WithMaxRetries(0))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for s, err := range stream.Text() {
		if err != nil {
			return text.String(), err
		}
		text.WriteString(s)
	}
	return text.String(), nil
}

// classify returns the class of a response that has ended with err. ctx is the context of
// the request. Its end comes first: the error then is the cause of the context, which need
// not be context.Canceled.
func classify(ctx context.Context, err error) class {
	if err == nil {
		return whole
	}
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return timedOut
		}
		return canceled
	}
	if _, ok := errors.AsType[*sse.EventError](err); ok {
		return failedInStream
	}
	if _, ok := errors.AsType[*sse.TruncatedError](err); ok {
		return truncated
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return timedOut
	}
	// There is no response to read: an *sse.ResponseError, an error of the connection, or an
	// *llm.Error if the model itself refuses.
	if sse.Retryable(err) {
		return refusedForNow
	}
	return refusedForGood
}

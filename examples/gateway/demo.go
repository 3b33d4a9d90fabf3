package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// demo sends requests through a gateway to an embedded service, and prints what their client
// reads. It returns an error unless each ends as it has to.
func demo(ctx context.Context, out io.Writer, g *gateway) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	service, _, err := start(ctx, http.HandlerFunc(respond))
	if err != nil {
		return err
	}
	g.upstream, g.from, g.key = service+"/chat/completions", llm.OpenAIChat, "of the gateway"
	url, stopped, err := start(ctx, g)
	if err != nil {
		return err
	}

	fmt.Fprintln(out, "A complete response:")
	if err := read(ctx, out, url, `{"model":"demo"}`); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nAn error in the middle of a response:")
	err = read(ctx, out, url, `{"model":"failing"}`)
	if _, ok := errors.AsType[*llm.Error](err); !ok {
		return fmt.Errorf("the error event is missing: %w", err)
	}
	fmt.Fprintln(out, "error:", reason(err))
	fmt.Fprintln(out, "\nAn error in place of a response:")
	err = read(ctx, out, url, `{"model":"busy"}`)
	refusal, ok := errors.AsType[*sse.ResponseError](err)
	if !ok {
		return fmt.Errorf("the refusal is missing: %w", err)
	}
	fmt.Fprintf(out, "error: %d, retry after %v: %v\n", refusal.StatusCode, refusal.RetryAfter, reason(err))

	cancel()
	return <-stopped
}

// reason returns what the service says about an error.
func reason(err error) error {
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	return err
}

// start serves h on a free port of the loopback interface until ctx ends. It returns the URL
// and a channel for the error of the server.
func start(ctx context.Context, h http.Handler) (url string, stopped <-chan error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	end := make(chan error, 1)
	go func() { end <- serve(ctx, l, h) }()
	return "http://" + l.Addr().String(), end, nil
}

// read sends a request and prints the text of the response.
func read(ctx context.Context, out io.Writer, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	stream, err := llm.Fetch(req, llm.OpenAIChat, sse.WithMaxRetries(0))
	if err != nil {
		return err
	}
	for text, err := range stream.Text() {
		if err != nil {
			fmt.Fprintln(out)
			return err
		}
		fmt.Fprint(out, text)
	}
	fmt.Fprintln(out)
	return nil
}

// respond is the embedded service. The model that the request names tells it what to do.
func respond(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Header.Get("Authorization") != "Bearer of the gateway" {
		http.Error(w, `{"error":{"message":"no such key"}}`, http.StatusUnauthorized)
		return
	}
	if strings.Contains(string(body), "busy") {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"error":{"type":"rate_limit_error","message":"too many requests"}}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	blocks := []string{": processing\n\n"}
	for word := range strings.SplitAfterSeq("Every word of this response has come through the gateway.", " ") {
		blocks = append(blocks, `data: {"choices":[{"index":0,"delta":{"content":"`+word+"\"}}]}\n\n")
	}
	if strings.Contains(string(body), "failing") {
		blocks = append(blocks[:5], "data: {\"error\":{\"type\":\"server_error\",\"message\":\"the model has crashed\"}}\n\n")
	} else {
		blocks = append(blocks, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", "data: [DONE]\n\n")
	}
	for _, block := range blocks {
		if _, err := io.WriteString(w, block); err != nil || http.NewResponseController(w).Flush() != nil {
			return // the gateway has left
		}
		time.Sleep(30 * time.Millisecond)
	}
}

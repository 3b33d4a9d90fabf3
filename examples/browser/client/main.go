//go:build js

// Client is the part of the page that runs in the browser: package sse, as a function that
// JavaScript can call. Package net/http sends the requests with the browser's fetch.
package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"syscall/js"
	"time"

	"github.com/fetchsse/sse"
)

// main gives JavaScript an object fetchSSE with the functions connect and disconnect, and
// waits for their calls.
func main() {
	c := &client{disconnect: func(error) {}}
	js.Global().Set("fetchSSE", map[string]any{
		"connect": js.FuncOf(func(_ js.Value, args []js.Value) any {
			c.connect(newCall(args[0]), args[1])
			return nil
		}),
		"disconnect": js.FuncOf(func(js.Value, []js.Value) any {
			c.disconnect(errDisconnected)
			return nil
		}),
	})
	js.Global().Call("dispatchEvent", js.Global().Get("Event").New("fetchsse"))
	select {}
}

// errDisconnected is the cause of the end of a context that the user has ended.
var errDisconnected = errors.New("disconnected by the user")

// A client reads at most one stream at a time.
type client struct {
	disconnect context.CancelCauseFunc
}

// connect reads the stream of call and reports to report what happens. JavaScript calls it
// on the event loop of the browser, which also brings the response. It must return at
// once, so the stream is read on a goroutine.
func (c *client) connect(call call, report js.Value) {
	c.disconnect(errDisconnected)
	ctx, cancel := context.WithCancelCause(context.Background())
	c.disconnect = cancel
	go func() {
		defer cancel(nil)
		err := read(ctx, call, reporter(report))
		reporter(report).end(err)
	}()
}

// A call is a request and how to read its response.
type call struct {
	method, url, headers, body string
	reconnect                  bool
	idInQuery                  bool // send the last event ID in the query
	idleTimeout                time.Duration
}

func newCall(v js.Value) call {
	return call{
		method:      v.Get("method").String(),
		url:         v.Get("url").String(),
		headers:     v.Get("headers").String(),
		body:        v.Get("body").String(),
		reconnect:   v.Get("reconnect").Bool(),
		idInQuery:   v.Get("idInQuery").Bool(),
		idleTimeout: time.Duration(v.Get("idleTimeout").Float() * float64(time.Second)),
	}
}

// newRequest returns the request of the call. Its URL may be relative to the page.
func (c call) newRequest(ctx context.Context) (*http.Request, error) {
	base := js.Global().Get("location").Get("href")
	if !js.Global().Get("URL").Call("canParse", c.url, base).Bool() {
		return nil, errors.New("the URL is malformed")
	}
	url := js.Global().Get("URL").New(c.url, base).Get("href").String()
	req, err := http.NewRequestWithContext(ctx, c.method, url, strings.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(c.headers) {
		if key, value, ok := strings.Cut(line, ": "); ok {
			req.Header.Add(key, strings.TrimSpace(value))
		}
	}
	return req, nil
}

// read reads the stream to its end.
func read(ctx context.Context, call call, report reporter) error {
	req, err := call.newRequest(ctx)
	if err != nil {
		return err
	}
	open := sse.Fetch
	if call.reconnect {
		open = sse.Subscribe
	}
	opts := []sse.Option{sse.WithTrace(report.trace()), sse.WithIdleTimeout(call.idleTimeout)}
	if call.idInQuery {
		opts = append(opts, sse.WithPrepare(putIDInQuery))
	}
	stream, err := open(req, opts...)
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		report.call("message", map[string]any{"id": event.ID, "type": event.Type, "data": event.Data})
	}
	return nil
}

// putIDInQuery moves the last event ID to the query. The header costs a preflight, which
// a server of another origin may refuse.
func putIDInQuery(req *http.Request) error {
	if id := req.Header.Get("Last-Event-ID"); id != "" {
		query := req.URL.Query()
		query.Set("lastEventID", id)
		req.URL.RawQuery = query.Encode()
		req.Header.Del("Last-Event-ID")
	}
	return nil
}

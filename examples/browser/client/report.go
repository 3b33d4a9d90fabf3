//go:build js

package main

import (
	"context"
	"errors"
	"net/http"
	"syscall/js"

	"github.com/fetchsse/sse"
)

// A reporter is a function of JavaScript that gets what happens: its kind and an object
// with the details.
type reporter js.Value

func (r reporter) call(kind string, details map[string]any) { js.Value(r).Invoke(kind, details) }

// trace returns hooks that report each step of the connections.
func (r reporter) trace() *sse.Trace {
	return &sse.Trace{
		Request: func(req *http.Request) {
			r.call("request", map[string]any{"lastEventID": req.Header.Get("Last-Event-ID")})
		},
		Open: func(resp *http.Response) {
			r.call("open", map[string]any{"status": resp.Status, "stream": resp.Header.Get("X-Stream")})
		},
		Disconnect: func(error) { r.call("disconnect", nil) },
		Wait: func(a sse.Attempt) {
			r.call("wait", map[string]any{"milliseconds": a.Delay.Milliseconds(), "reason": reason(a.Err)})
		},
	}
}

// end reports how the stream ended.
func (r reporter) end(err error) {
	details := map[string]any{"reason": reason(err)}
	refusal, refused := errors.AsType[*sse.ResponseError](err)
	switch {
	case err == nil:
		r.call("end", details)
	case errors.Is(err, errDisconnected), errors.Is(err, context.Canceled):
		r.call("closed", details)
	case refused:
		details["body"] = string(refusal.Body)
		fallthrough
	default:
		r.call("error", details)
	}
}

// reason returns the message of err.
func reason(err error) string {
	if err == nil {
		return "the response ended"
	}
	return err.Error()
}

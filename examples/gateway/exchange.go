package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// An exchange is one request of a client with its response. One goroutine does all of it.
type exchange struct {
	*gateway
	out     http.ResponseWriter
	control *http.ResponseController
	began   time.Time

	stream *sse.Stream   // nil before the response of the service
	retry  time.Duration // the reconnection time that the client has

	started  bool // the client has the headers of an event stream
	first    time.Duration
	events   int
	bytes    int64
	writeErr error  // of writing to the client
	block    []byte // kept for reuse
}

// run sends the request to the service and relays the response. It returns nil if that is
// complete.
func (e *exchange) run(r *http.Request) error {
	req, err := e.newRequest(e.out, r)
	if err != nil {
		return err
	}
	opts := e.options(&sse.Trace{Comment: e.relayComment, Open: e.passHeaders})
	if e.translate {
		s, err := llm.Fetch(req, e.from, opts)
		if err != nil {
			return err
		}
		e.stream = s.Stream
		return e.relayTranslated(s, model(req))
	}
	if e.from != 0 { // without WithDone, [DONE] is an event like others, which the dialect knows too
		opts = sse.JoinOptions(e.from.Option(), sse.WithDone(), opts)
	}
	if e.stream, err = sse.Fetch(req, opts); err != nil {
		return err
	}
	return e.relay()
}

// relay sends each event of the service to the client.
func (e *exchange) relay() error {
	last := ""
	for event, err := range e.stream.Events() {
		if e.isUnfinishedDone(err) {
			event, err = sse.Event{Data: "[DONE]", ID: e.stream.LastEventID()}, nil
		}
		if err = cmp.Or(e.writeErr, err); err != nil {
			return err
		}
		if err := e.send(event); err != nil {
			return err
		}
		last = event.Data
	}
	if (e.from == llm.Cohere || e.from == llm.GeminiInteractions) && last != "[DONE]" && last != "" {
		// The stream has ended at the event that completes the response. These services send
		// [DONE] after it.
		if err := e.send(sse.Event{Data: "[DONE]", ID: e.stream.LastEventID()}); err != nil {
			return err
		}
	}
	return cmp.Or(e.writeErr, e.sendRetry())
}

// isUnfinishedDone reports whether err is that of a response which ends with a [DONE] whose
// blank line is missing. Some servers leave it out, and WithDone is what accepts that.
func (e *exchange) isUnfinishedDone(err error) bool {
	switch e.from {
	case llm.OpenAIChat, llm.OpenAIResponses, llm.Cohere, llm.Perplexity, llm.AISDK:
		cut, ok := errors.AsType[*sse.TruncatedError](err)
		return ok && cut.Clean && strings.TrimSpace(cut.Partial.Data) == "[DONE]"
	}
	return false
}

// relayTranslated sends what the events of the service say as chunks of Chat Completions.
func (e *exchange) relayTranslated(s *llm.Stream, model string) error {
	t := newTranslator(model)
	for delta, err := range s.Deltas() {
		if err = cmp.Or(e.writeErr, err); err != nil {
			return err
		}
		data, err := t.chunk(delta)
		if err != nil {
			return err
		}
		if data == "" {
			continue
		}
		if err := e.send(sse.Event{Data: data}); err != nil {
			return err
		}
	}
	for _, data := range t.end() {
		if err := e.send(sse.Event{Data: data}); err != nil {
			return err
		}
	}
	return cmp.Or(e.writeErr, e.sendRetry())
}

// model returns the model that the body of a request names.
func model(req *http.Request) string {
	var v struct{ Model string }
	if body, err := req.GetBody(); err == nil {
		_ = json.NewDecoder(body).Decode(&v) // without one, the name is empty
	}
	return v.Model
}

// send sends an event to the client, after the reconnection time if the service has set it.
func (e *exchange) send(event sse.Event) error {
	if err := e.sendRetry(); err != nil {
		return err
	}
	block, err := sse.AppendEvent(e.block[:0], event)
	if err != nil {
		return err // a type that a field cannot hold
	}
	if e.events++; e.events == 1 {
		e.first = time.Since(e.began)
	}
	if e.block = block; cap(block) > 64<<10 {
		e.block = nil
	}
	return e.write(block)
}

// sendRetry sends the reconnection time of the service if the client does not have it.
func (e *exchange) sendRetry() error {
	d, ok := e.stream.Retry()
	if !ok || d == e.retry {
		return nil
	}
	e.retry = d
	return e.write(fmt.Appendf(nil, "retry: %d\n\n", d.Milliseconds()))
}

// relayComment sends a comment of the service to the client, as a sign of life. The stream
// calls it from within Next. If the comment comes before the first event, the client has the
// status 200 from then on, and an error after it is an event.
func (e *exchange) relayComment(text string) {
	if e.sendRetry() == nil {
		_ = e.write([]byte(": " + text + "\n\n")) // the error is in e.writeErr
	}
	if e.writeErr != nil {
		_ = e.stream.Close()
	}
}

// passHeaders gives the client headers of the service, before the first byte.
func (e *exchange) passHeaders(resp *http.Response) {
	pass(e.out.Header(), resp.Header, responseHeaders)
}

// write sends bytes to the client at once. It blocks while the client does not read, and
// meanwhile nothing reads from the service.
func (e *exchange) write(b []byte) error {
	if e.writeErr != nil {
		return e.writeErr
	}
	if !e.started {
		e.started = true
		h := e.out.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // nginx
		h.Set("Incremental", "?1")       // other proxies
	}
	e.limitWrites(e.writeTimeout)
	n, err := e.out.Write(b)
	e.bytes += int64(n)
	if err = cmp.Or(err, e.control.Flush()); err != nil {
		e.writeErr = &clientGoneError{err}
	}
	e.limitWrites(0) // the service may be silent for longer
	return e.writeErr
}

// limitWrites limits the time for writing to the client from now on. 0 sets no limit.
func (e *exchange) limitWrites(d time.Duration) {
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = e.control.SetWriteDeadline(deadline) // a ResponseWriter of a test may have none
}

// end ends the response: with nothing to add if err is nil, with an error event if the
// client has the headers, and otherwise with a status.
func (e *exchange) end(r *http.Request, err error) failure {
	f := e.explain(r.Context(), err)
	switch {
	case err == nil && e.stream.Response().StatusCode == http.StatusNoContent:
		e.out.WriteHeader(http.StatusNoContent) // which ends the subscription of a client
	case err == nil && !e.started: // a response without events
		_ = e.write(nil)
	case err == nil || f.status == 0: // the client is not there any more
	case e.started:
		_ = e.send(e.errorEvent(f)) // the client may have left
		f.cut = e.reads() == 0      // its clients do not all know error events
	default:
		e.refuse(f)
	}
	e.limitWrites(e.writeTimeout) // for net/http, which ends the response
	return f
}

// refuse responds with the status of f.
func (e *exchange) refuse(f failure) {
	h := e.out.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if f.header != nil {
		pass(h, f.header, responseHeaders)
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", fmt.Sprint(math.Ceil(f.retryAfter.Seconds())))
	}
	body := f.body
	if body == nil {
		body = []byte(errorData(e.reads(), f))
	}
	e.limitWrites(e.writeTimeout)
	e.out.WriteHeader(f.status)
	n, err := e.out.Write(body)
	e.bytes += int64(n)
	e.writeErr = err
}

// record writes the log line of the exchange. The errors of the library leave out what the
// stream carried when they are logged, and the URL of a request has no query in it.
func (e *exchange) record(r *http.Request, f failure, err error) {
	attrs := []slog.Attr{
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.String("end", f.ending),
		slog.Int("events", e.events),
		slog.Int64("bytes", e.bytes),
		slog.Duration("duration", time.Since(e.began)),
	}
	if e.events > 0 {
		attrs = append(attrs, slog.Duration("first_event", e.first))
	}
	level := slog.LevelInfo
	if !e.started && f.status != 0 {
		attrs = append(attrs, slog.Int("status", f.status))
	}
	if f.status >= 400 {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Any("error", err))
	}
	// The context of the client may have ended.
	e.log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// A clientError is a request that the gateway does not send.
type clientError struct {
	status  int
	message string
}

func (e *clientError) Error() string { return e.message }

// A clientGoneError reports that writing to the client has failed.
type clientGoneError struct{ error }

func (e *clientGoneError) Unwrap() error { return e.error }

// isStalled reports whether the client did not read for the time of the write timeout.
func (e *clientGoneError) isStalled() bool { return errors.Is(e, os.ErrDeadlineExceeded) }

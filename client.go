// Package sse consumes event streams (Server-Sent Events): fetch() plus EventSource for Go.
//
//	stream, err := sse.Fetch(req, sse.WithDone("[DONE]"))
//	if err != nil {
//		return err
//	}
//	for event, err := range stream.Events() {
//		if err != nil {
//			return err // the response is incomplete
//		}
//		fmt.Print(event.Data)
//	}
//
// [Fetch] reads one response. [Subscribe] also reconnects. [FromResponse] reads a response
// that other code obtained, and a [Parser] any io.Reader. Package llm knows the responses of
// language models. No goroutine runs between calls of [Stream.Next].
//
// In the terms of the WHATWG HTML standard (9.2), the lines up to a blank one are a block,
// which the blank line dispatches as an event. An attempt is a request with its response.
//
// # What happens when
//
//	situation                                                                Fetch                     Subscribe
//	request not sent: connection refused, DNS, TLS                           retry, twice              retry
//	unknown host, untrusted certificate, at first                            its error (1)             its error (1)
//	408, 425, 429, 529                                                       retry, twice (2)          retry
//	500, 502, 503, 504, 52x, 530, 598, 599, or no response (ErrOpenTimeout)  retry, twice, if (2, 3)   retry
//	any other status, or not text/event-stream                               *ResponseError            *ResponseError
//	204                                                                      clean end (4)             clean end
//	completed: WithDone, WithTerminator, or an end after WithCompleteAfter   clean end                 clean end
//	body ends between events                                                 clean end (4, 5, 6)       reconnect
//	body ends in the middle of an event                                      *TruncatedError (6)       reconnect
//	body breaks off                                                          *TruncatedError (6)       reconnect
//	idle or event timeout                                                    its error (6)             reconnect
//	event over the limit                                                     ErrEventTooLarge          ErrEventTooLarge
//	error event or text (WithEventError, WithIgnoredError)                   *EventError               *EventError
//	context done                                                             context.Cause             context.Cause
//	Close                                                                    ErrClosed (7)             ErrClosed (7)
//
// Notes:
//  1. Once a response was accepted, as in the row above.
//  2. If Retry-After asks for a minute at most and the body can be sent again; if redirected, only (3).
//  3. GET, HEAD, OPTIONS, TRACE, PUT, DELETE, QUERY, [X-]Idempotency-Key: others may have been processed.
//  4. A [*TruncatedError] before the event that WithDone, WithTerminator or WithCompleteAfter names.
//  5. A [*TruncatedError] with text outside any field and no event (after that of WithCompleteAfter).
//  6. With [WithResume], Fetch reconnects in place of the error, but twice at most without progress.
//  7. If it interrupted something.
//
// # Waits, limits and options
//
// After progress, which [WithMaxRetries] defines, the wait is the reconnection time, or up
// to 10 % more, if the server has set one. Otherwise it grows: 1, 2, 4 … 30 s, each varied
// by up to half, or from the reconnection time, and never less than that. Retry-After
// raises it. A server can ask for an hour at most. Attempts start at least 100 ms apart.
//
// Headers may take 2 minutes ([WithOpenTimeout]), an event may have 32 MiB
// ([WithMaxEventSize]). Silence has no limit: set [WithIdleTimeout]. Other options are for
// requests ([WithHeader], [WithPrepare]), responses ([WithResponseCheck]), retries
// ([WithRetryPolicy]) and logs ([WithLogger]). Errors, listed in docs/errors.md, name the
// request without its query, and never a header value or unbounded server text.
package sse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fetchsse/sse/internal/body"
	"github.com/fetchsse/sse/internal/header"
	"github.com/fetchsse/sse/internal/request"
	"github.com/fetchsse/sse/internal/roundtrip"
	"github.com/fetchsse/sse/internal/watchdog"
)

// A Client opens event streams. It is safe for concurrent use, and its zero value works.
type Client struct {
	opts []Option
}

// NewClient returns a Client whose calls have opts as their defaults.
func NewClient(opts ...Option) *Client {
	return &Client{opts: slices.Clone(opts)}
}

// Fetch sends req and returns the stream of its response. It blocks until the response
// headers have arrived, including waits and retries. It sends req again only if no server
// can have processed it or if it is idempotent; the package documentation has the table.
// [WithMaxRetries](0) turns retries off.
//
// Fetch does not change req, and closes its body. If req has GetBody, each attempt gets a
// new body, and req can be used again. The context of req ends the stream.
//
// The error is the cause of the context if that has ended; while Fetch waited to retry, it
// wraps the cause and the last failure. It is or wraps a [*ResponseError] if the response
// is not an event stream, and otherwise tells why there is no response. After retries it is
// the last failure, with their number. [NotSent] and [Retryable] tell what another call
// risks and whether it makes sense.
func (c *Client) Fetch(req *http.Request, opts ...Option) (*Stream, error) {
	s, err := newStream(req, false, c.opts, opts)
	if err != nil {
		return nil, err
	}
	return s.start(func() {
		for s.state == connecting {
			s.connect()
		}
	})
}

// Subscribe sends req and returns a stream that reconnects after every disconnect: it
// sends req again, with the last event ID, until the context ends, an event completes the
// stream, or a response shows that retrying is pointless.
//
// Subscribe resends requests of any method, also after a response has ended normally. For
// requests that cost money, use [Client.Fetch] or [WithResume].
//
// It does what the section "Processing model" of the standard asks of an EventSource, and
// also reconnects after a status that may pass, such as 503.
//
// It blocks for the first attempt, so that a wrong address or a missing permission is an
// error of the call. If that attempt fails in a way that may pass, Subscribe returns the
// stream, and [Stream.Next] waits and retries.
//
// A request with a body needs GetBody, which [http.NewRequest] sets for the readers of
// packages bytes and strings.
func (c *Client) Subscribe(req *http.Request, opts ...Option) (*Stream, error) {
	s, err := newStream(req, true, c.opts, opts)
	if err != nil {
		return nil, err
	}
	return s.start(s.connect)
}

// Fetch sends req and returns the stream of its response; a response that is not an event
// stream is a [*ResponseError]. It blocks until the response headers have arrived, and sends
// req again only if no server can have processed it or if it is idempotent. It is
// [Client.Fetch] of a zero Client, whose documentation has the details.
func Fetch(req *http.Request, opts ...Option) (*Stream, error) {
	return new(Client).Fetch(req, opts...)
}

// Subscribe sends req and returns a stream that reconnects after every disconnect and
// resumes after the last event. The stream ends with the context of req, or when the server
// or an error that will not pass ends it. It sends req again whatever its method is. It is
// [Client.Subscribe] of a zero Client, whose documentation has the details.
func Subscribe(req *http.Request, opts ...Option) (*Stream, error) {
	return new(Client).Subscribe(req, opts...)
}

// FromResponse returns the stream of a response that other code obtained. The stream
// behaves like one of [Client.Fetch] after its headers, and closes the body. If the
// response is not an event stream, FromResponse closes it and returns a [*ResponseError].
// The context is that of resp.Request, if that is set.
//
// If the context has ended by the time the body does, the error is its cause: a body may
// respond to a cancellation with [io.EOF], and half a response must not pass for a whole
// one. With a package that cancels the request's context when the body ends, use [WithDone]
// or [WithTerminator], which complete the stream before that.
//
// Only closing the body can end a read of it, since the request's context belongs to the
// caller. Each read therefore runs on a goroutine, which ends when the read returns. Next
// stops waiting for it when the stream is closed or times out, and the body may then be
// closed shortly after Next has returned. In net/http of Go 1.27.0 and 1.27.1, closing a
// body during a read can block the goroutine of the read, and also the next response on
// the same connection, forever (golang/go#81404). To avoid this, give the request a
// context that you can cancel, and cancel it in place of calling Close.
func FromResponse(resp *http.Response, opts ...Option) (*Stream, error) {
	if resp == nil {
		return nil, errors.New("sse: FromResponse: the response is nil")
	}
	req := resp.Request
	if req == nil {
		req = new(http.Request)
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	s, err := configure(req, false, opts)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return s.start(func() { s.adopt(resp) })
}

// A conn is one attempt: it sends a request, checks the response and reads its body. It
// owns the attempt's context and whatever that attempt holds; close releases all of it.
type conn struct {
	cfg     *config
	parent  context.Context // of the caller's request
	ctx     context.Context // of the attempt, derived from parent
	cancel  context.CancelCauseFunc
	begun   bool   // the wait before the attempt is over
	settled bool   // the attempt ended before ctx did, so that the cause of ctx does not count
	name    string // of the request, for messages
	adopted bool   // the caller has sent the request; see FromResponse
	ownConn bool   // the connection of an attempt before was given up
	pooled  bool   // that connection, or the one of this attempt, was one of net/http

	timer *watchdog.Timer // of opening, refusing or draining; cancels with errTimeout
	reads watchdog.Watchdog

	resp   *http.Response
	src    io.Reader   // of the body of resp
	body   body.Body   // ends the reading of src; nil once closed
	unhook func() bool // stops the end of ctx from interrupting body
	opened time.Time   // when the response was accepted
	place  string      // the last event ID that the attempt sent, or could not send
	bytes  bool        // the body had some
	events int         // dispatched so far
}

// Causes of the end of an attempt's context other than the caller's cause and ErrClosed.
var (
	errTimeout   = errors.New("sse: timeout")
	errReconnect = errors.New("sse: Reconnect was called")
)

// These stand for io.EOF where it would be the whole reason in a message.
var (
	errNoHeaders  = fmt.Errorf("the connection ended before the response headers: %w", io.EOF)
	errNoProgress = fmt.Errorf("the response ended without progress: %w", io.EOF)
)

const (
	refusalTime = 2 * time.Minute // for the body of a refused response without an open timeout
	refusalSize = 64 << 10        // of which so many bytes are read
	glanceTime  = time.Second     // for a body that cannot be a document
	drainTime   = 100 * time.Millisecond
	drainSize   = 64 << 10 // the rest of a completed response that is read to reuse its connection
)

func newConn(cfg *config, parent context.Context, name string) *conn {
	ctx, cancel := context.WithCancelCause(parent)
	return &conn{cfg: cfg, parent: parent, ctx: ctx, cancel: cancel, name: name}
}

// wait waits for d and reports whether the attempt is still wanted.
func (c *conn) wait(d time.Duration) bool {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.ctx.Done():
		}
	}
	return c.ctx.Err() == nil
}

// startTimer ends the attempt after d. A d of 0 sets no limit.
func (c *conn) startTimer(d time.Duration) {
	if d == 0 {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = watchdog.AfterFunc(d, func() { c.cancel(errTimeout) })
}

// stopTimer stops the timer. If it has fired, the attempt ends.
func (c *conn) stopTimer() {
	if c.timer != nil && !c.timer.Stop() {
		<-c.ctx.Done()
	}
	c.timer = nil // a stream may last for weeks without it
}

// openTimeout returns the time that the attempt has for getting response headers.
func (c *conn) openTimeout() time.Duration {
	timeout := c.cfg.openTimeout
	if t := cmp.Or(c.cfg.httpClient, http.DefaultClient).Timeout; t > 0 && (timeout == 0 || t < timeout) {
		timeout = t
	}
	return timeout
}

// do sends req, which belongs to the attempt, with the last event ID id. It returns the
// outcome of kind accepted if the response is an event stream to be read.
func (c *conn) do(req *http.Request, id string) *outcome {
	c.name = request.Name(req)
	if err := cmp.Or(c.prepare(req, id), c.ctx.Err()); err != nil {
		request.CloseBody(req)
		return c.unsendable(err)
	}
	c.cfg.log(c.ctx, slog.LevelDebug, "sse: connecting", c.name, nil)
	c.cfg.trace.request(req)
	request.CountBody(req)
	trip := roundtrip.New(c.cfg.httpClient)
	if c.ownConn {
		trip.OwnConnection(c.pooled)
	}
	idempotent := request.IsIdempotent(req.Method)
	hasKey := request.HasIdempotencyKey(req.Header)
	resp, err := trip.Do(req, c.cancel)
	c.pooled = trip.Pooled()
	c.stopTimer()
	var o *outcome
	switch {
	case c.ctx.Err() != nil && err != roundtrip.ErrNoConnLasts: // which ends the context itself
		if resp != nil {
			resp.Body.Close()
		}
		o = c.canceled()
	case err != nil:
		o = c.failed(err, trip.LastResponse())
	default:
		if trip.EndsReads(resp) {
			o = c.accept(resp, resp.Body, body.NewOwned(resp.Body))
		} else {
			o = c.accept(resp, resp.Body, body.NewPlain(resp.Body))
		}
	}
	if refusal, ok := o.err.(*ResponseError); ok && trip.LeftOrigin() {
		final := trip.LastResponse().Request.URL
		refusal.origin = final.Scheme + ", " + final.Host
	}
	o.unsent, o.redirected = trip.Unsent(), trip.Redirected()
	o.idempotent = idempotent || hasKey && !trip.LeftOrigin()
	return o
}

// prepare completes req with the headers of the options, the last event ID and the
// defaults, and calls WithPrepare.
func (c *conn) prepare(req *http.Request, id string) error {
	header.Set(req, c.cfg.headers)
	header.Remove(req.Header, header.LastEventID)
	if id = strings.Trim(id, " \t"); id != "" { // HTTP carries no white space around a value
		req.Header.Set(header.LastEventID, id)
	}
	for _, f := range defaultHeaders {
		if runtime.GOOS == "js" && f.Key != "Accept" {
			continue // others cost a preflight, which servers made for EventSource refuse
		}
		if len(header.Keys(req.Header, f.Key)) == 0 {
			req.Header.Set(f.Key, f.Value)
		}
	}
	for _, f := range c.cfg.prepare {
		if err := f(req); err != nil {
			return &functionError{"WithPrepare", err}
		}
	}
	return cmp.Or(request.Check(req), request.CheckLength(req))
}

// defaultHeaders are set where the caller has set nothing. The encoding is identity,
// because a compressing proxy may delay events.
var defaultHeaders = [...]header.Field{
	{Key: "Accept", Value: "text/event-stream"},
	{Key: "Cache-Control", Value: "no-cache"},
	{Key: "Accept-Encoding", Value: "identity"},
}

// accept takes resp as the event stream to read, or refuses it. Its body is read from src.
func (c *conn) accept(resp *http.Response, src io.Reader, b body.Body) *outcome {
	c.resp, c.src, c.body = resp, src, b
	c.reads.Start(
		watchdog.Limit{Timeout: c.cfg.idleTimeout, Err: ErrIdleTimeout},
		watchdog.Limit{Timeout: c.cfg.eventTimeout, Err: ErrEventTimeout},
		func() { c.cancel(errTimeout) })
	c.unhook = context.AfterFunc(c.ctx, func() { // also if Next is never called again
		b.Interrupt()
		c.reads.Stop()
	})
	if resp.StatusCode == http.StatusNoContent {
		return &outcome{kind: noContent}
	}
	c.startTimer(c.bodyTimeout())
	text := body.NewRecorder(body.Decode(body.While(c.ctx, c.src), resp.Header))
	view := *resp
	view.Body = text
	err := c.cfg.check(&view)
	if err == nil && isDecodable(resp.Header) {
		c.stopTimer()
		c.opened = time.Now()
		return &outcome{kind: accepted}
	}
	return c.refuse(resp, text, err)
}

// bodyTimeout returns the time for reading the body of a refused response.
func (c *conn) bodyTimeout() time.Duration { return cmp.Or(c.openTimeout(), refusalTime) }

// refuse reads the body of a response that is not an event stream, as far as it is worth
// its time: a document to its end, and anything else for a second. The error is that of the
// check.
func (c *conn) refuse(resp *http.Response, text *body.Recorder, err error) *outcome {
	limit := refusalSize
	if resp.StatusCode/100 == 2 {
		limit = c.cfg.maxEventSize
	}
	glance := min(glanceTime, c.bodyTimeout())
	isDocument := isDecodable(resp.Header) && isDocument(resp)
	if !isDocument {
		c.startTimer(glance)
	}
	text.ReadStart()
	looksLikeStream := beginsLikeStream(text.Bytes())
	if looksLikeStream && isDocument {
		c.startTimer(glance)
	}
	whole := text.ReadUpTo(limit)
	refusal := newResponseError(c.name, resp)
	refusal.Body, refusal.BodyTruncated = slices.Clip(text.Bytes()), !whole // an abandoned Read may write behind it
	refusal.coding = err == nil
	if _, ok := err.(*ResponseError); !ok {
		refusal.Err = err
	}
	if err != nil && refusal.Err == nil && c.cfg.readRefusal != nil {
		refusal.Err = c.cfg.readRefusal(resp.StatusCode, refusal.Body)
	}
	refusal.stream = looksLikeStream && resp.StatusCode/100 == 2 && refusal.Err == nil && isDecodable(resp.Header)
	return &outcome{kind: kindOfStatus(resp.StatusCode), err: refusal}
}

// isDocument reports whether the body of resp has an end that is worth waiting for.
func isDocument(resp *http.Response) bool {
	t := header.MediaType(resp.Header)
	return resp.ContentLength > 0 || t == "text/html" || t == "application/json" || strings.HasSuffix(t, "+json")
}

// CheckResponse is the default of [WithResponseCheck]. It returns an error, a
// [*ResponseError] without a body, unless the status of resp is 200 to 203 or 206 and its
// media type is text/event-stream. It does not read the body. The media type is extracted
// as the Fetch standard does: of all Content-Type headers, the last valid type counts.
func CheckResponse(resp *http.Response) error {
	if isSuccess(resp) && isEventStream(resp.Header) {
		return nil
	}
	return newResponseError(request.Name(resp.Request), resp)
}

// adopt takes a response to a request that the caller sent.
func (c *conn) adopt(resp *http.Response) *outcome {
	c.adopted, c.pooled = true, resp.ProtoMajor <= 2
	detached := body.NewDetached(c.ctx, c.parent, resp.Body)
	return c.accept(resp, detached, detached)
}

// Read reads from the body as it came, under the idle and event timeouts. These count
// only the time within Read, so that a slow consumer does not look like a silent server.
func (c *conn) Read(b []byte) (int, error) {
	c.reads.Begin()
	if c.ctx.Err() != nil { // also if the reads never wait, whatever the body does
		return 0, errCanceled
	}
	n, err := c.src.Read(b)
	c.reads.End()
	c.bytes = c.bytes || n > 0
	return n, err
}

// errCanceled ends the reading of an attempt whose context has ended. Its cause is the
// reason; it may be io.EOF, which a parser must not see.
var errCanceled = errors.New("sse: the attempt was canceled")

// cause returns the cause of the end of the attempt's context, or nil if that did not end
// the attempt.
func (c *conn) cause() error {
	if c.ctx.Err() == nil || c.settled {
		return nil
	}
	return context.Cause(c.ctx)
}

// isGivenUp reports whether a timeout or Reconnect ended the attempt, whose connection may
// be dead.
func (c *conn) isGivenUp() bool {
	cause := c.cause()
	return cause == errTimeout || cause == errReconnect
}

// callerCause returns the cause if the caller's context or Close ended the attempt.
func (c *conn) callerCause() error {
	if cause := c.cause(); cause != errTimeout && cause != errReconnect {
		return cause
	}
	return nil
}

// canceled returns the outcome of an attempt whose context ended before its response was
// accepted, or while its body was read.
func (c *conn) canceled() *outcome {
	o := &outcome{kind: noResponse}
	if c.resp != nil {
		o.kind = bodyCut
	}
	switch cause := c.cause(); cause {
	case errTimeout:
		o.err = &attemptError{name: c.name, err: cmp.Or(c.reads.Err(), ErrOpenTimeout)}
	case errReconnect:
		o.kind, o.err = reconnectAsked, &attemptError{name: c.name, err: errReconnect}
	default:
		o.kind, o.err = interrupted, cause
	}
	return o
}

// unsendable returns the outcome of an attempt whose request could not be made.
func (c *conn) unsendable(err error) *outcome {
	if c.ctx.Err() != nil {
		o := c.canceled()
		o.unsent = true
		return o
	}
	return &outcome{kind: unsendable, unsent: true, err: &attemptError{name: c.name, err: err, unsendable: true}}
}

// failed returns the outcome of a request without a response. The redirect is the one that
// could not be followed, or nil.
func (c *conn) failed(err error, redirect *http.Response) *outcome {
	if err == io.EOF {
		err = errNoHeaders
	}
	e := &attemptError{name: c.name, err: err}
	if errors.Is(err, request.ErrLength) {
		e.unsendable = true
		return &outcome{kind: unsendable, err: e}
	}
	if redirect == nil {
		return &outcome{kind: kindOfFailure(err), err: e}
	}
	e.redirect = newResponseError(c.name, redirect)
	return &outcome{kind: refused, err: e}
}

// drain reads the rest of a completed response if it comes soon, so that its connection
// can be reused. A response that was made by hand has no connection.
func (c *conn) drain() {
	if c.resp.Request == nil {
		return
	}
	c.startTimer(drainTime)
	// A Read of a Detached may be abandoned, so it must not get the shared buffer that
	// io.Discard reads into. The result does not matter: the stream is complete.
	_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(body.While(c.ctx, c.src), drainSize), make([]byte, 4<<10))
}

// close ends the attempt and releases the response. Closing again does no harm.
func (c *conn) close() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.reads.Stop()
	c.settled = c.settled || c.ctx.Err() == nil
	b := c.body
	c.body = nil // also if Close panics
	if b == nil {
		c.cancel(nil)
		return
	}
	if c.unhook() && c.ctx.Err() != nil { // the context has just ended: the hook has not run, and will not
		b.Interrupt()
	}
	c.cancel(nil)
	b.Close()
}

// isSuccess reports whether the status is one of an event stream, if the type is as well.
func isSuccess(resp *http.Response) bool {
	switch resp.StatusCode {
	case 200, 201, 202, 203, 206:
		return true
	}
	return false
}

func isEventStream(h http.Header) bool { return header.MediaType(h) == "text/event-stream" }
func isDecodable(h http.Header) bool   { return header.ContentEncoding(h) == "" || header.IsGzip(h) }

// Errors of a stream or of an attempt. Test for them with [errors.Is].
var (
	// ErrOpenTimeout reports that the response headers did not arrive within
	// [WithOpenTimeout] or the Timeout of the http.Client.
	ErrOpenTimeout error = &timeoutError{"sse: timed out waiting for the response headers"}
	// ErrIdleTimeout reports that no byte arrived within [WithIdleTimeout].
	ErrIdleTimeout error = &timeoutError{"sse: timed out waiting for a byte"}
	// ErrEventTimeout reports that no event arrived within [WithEventTimeout].
	ErrEventTimeout error = &timeoutError{"sse: timed out waiting for an event"}
	// ErrClosed reports that Close interrupted the stream.
	ErrClosed = errors.New("sse: the stream was closed")
)

// A timeoutError is a [net.Error].
type timeoutError struct{ text string }

func (e *timeoutError) Error() string   { return e.text }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }

// A ResponseError reports a response that is not an event stream. Its message has the
// status and not the body, which may repeat what was sent.
type ResponseError struct {
	StatusCode int           // of the response, such as 429
	Header     http.Header   // of the response
	Body       []byte        // the start of the body: at most 64 KiB, for a 2xx at most the event limit
	RetryAfter time.Duration // 0 if it is not given, past or malformed

	BodyTruncated bool  // the body was not read to its end
	Err           error // of the function of WithResponseCheck, or nil

	name   string
	stream bool   // the body begins like an event stream
	coding bool   // only the content encoding was refused
	origin string // the other origin that a redirect led to, or ""
}

func newResponseError(name string, resp *http.Response) *ResponseError {
	return &ResponseError{
		StatusCode: resp.StatusCode,
		Header:     resp.Header,
		RetryAfter: header.RetryAfter(resp.Header, time.Now()),
		name:       name,
	}
}

// Error returns the request, the status and what is wrong with the response, without its
// body.
func (e *ResponseError) Error() string {
	words := ""
	if e.Err != nil {
		words = ": " + trimPrefix(e.Err)
	}
	return "sse: " + e.text(words)
}

// text returns the message with the words of the caller's function.
func (e *ResponseError) text(words string) string {
	text := strings.TrimSpace(strconv.Itoa(e.StatusCode)+" "+http.StatusText(e.StatusCode)) + words
	switch {
	case e.Err != nil:
	case e.coding:
		text += fmt.Sprintf(", but with the content encoding %.60q, which this package cannot decode", header.ContentEncoding(e.Header))
	case e.StatusCode/100 != 2:
	case header.MediaType(e.Header) == "":
		text += ", but the content type is missing, where text/event-stream is expected"
	case !isEventStream(e.Header):
		text += fmt.Sprintf(", but the content is %.60q instead of text/event-stream", header.MediaType(e.Header))
	}
	if e.stream {
		text += "; the body begins like an event stream, which WithResponseCheck can accept"
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf("; retry after %v", e.RetryAfter)
	}
	if e.origin != "" {
		text += fmt.Sprintf("; a redirect led to another origin (%.100s), where your headers were not sent", e.origin)
	}
	return e.name + text
}

// Unwrap returns Err.
func (e *ResponseError) Unwrap() error { return e.Err }

// LogValue implements [slog.LogValuer]. It leaves out headers, body and the words of the
// caller's function.
func (e *ResponseError) LogValue() slog.Value { return slog.StringValue("sse: " + e.logText()) }

func (e *ResponseError) logText() string {
	if e.Err != nil && e.StatusCode/100 == 2 { // the status does not tell that it was refused
		return e.text(": refused")
	}
	return e.text("")
}

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (e *ResponseError) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

// An attemptError reports an attempt or a connection that failed, with the name of its
// request.
type attemptError struct {
	name       string
	err        error
	unsendable bool           // the request could not be made
	unsent     bool           // no server has received any attempt of the call
	redirect   *ResponseError // the redirect that could not be followed, or nil
}

func (e *attemptError) Error() string { return "sse: " + e.name + trimPrefix(e.err) }

// isRetryable reports whether the same request may succeed later.
func (e *attemptError) isRetryable() bool {
	return !e.unsendable && e.redirect == nil && !errors.Is(e.err, ErrEventTooLarge) && !isUntrusted(e.err)
}

// LogValue implements [slog.LogValuer]. It leaves out the words of the caller's functions.
func (e *attemptError) LogValue() slog.Value { return slog.StringValue("sse: " + e.logText()) }

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (e *attemptError) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

func (e *attemptError) logText() string {
	if f, ok := errors.AsType[*functionError](e.err); ok {
		return e.name + "the function of " + f.option + " failed"
	}
	unknown := "the connection failed"
	if e.unsendable {
		unknown = "the request could not be made"
	}
	return e.name + cmp.Or(safeWords(e.err), unknown)
}

func (e *attemptError) Unwrap() []error {
	if e.redirect != nil {
		return []error{e.err, e.redirect}
	}
	return []error{e.err}
}

// A functionError reports that the caller's function of an option failed.
type functionError struct {
	option string
	err    error
}

func (e *functionError) Error() string { return e.option + ": " + e.err.Error() }
func (e *functionError) Unwrap() error { return e.err }

// trimPrefix returns the message of an error that becomes part of another message.
func trimPrefix(err error) string {
	return strings.TrimPrefix(cmp.Or(err, errUnknown).Error(), "sse: ")
}

// errUnknown stands for the cause of an error that has none.
var errUnknown = errors.New("sse: unknown cause")

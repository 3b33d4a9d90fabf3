package sse

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Client opens event streams. It is safe for concurrent use, and its zero value
// works.
type Client struct {
	opts []Option
}

// NewClient returns a Client whose calls have opts as their defaults.
func NewClient(opts ...Option) *Client {
	return &Client{opts: slices.Clone(opts)}
}

// Fetch sends req and returns the stream of its one response. It blocks until an event
// stream is there, waits and retries included. It sends a request again only if it was
// not sent, if the status says that it was not acted on, or if its method or an
// idempotency key says that twice is the same as once: see the table of the package
// documentation. [WithMaxRetries](0) reports the first failure at once.
//
// The request is not changed; its context ends the stream. Its body is made by
// GetBody where there is one, so that req can be used again.
//
// The error is a [*ResponseError] if the answer is no event stream, the context's
// cause if that is done, or says why there is no answer.
func (c *Client) Fetch(req *http.Request, opts ...Option) (*Stream, error) {
	s, err := newStream(req, false, c.opts, opts)
	if err != nil {
		return nil, err
	}
	defer s.leaveUnlessHandedOver()
	for s.conn == nil && !s.over() {
		s.connect()
	}
	return s.result()
}

// Subscribe sends req and returns a stream that goes on over every disconnect: it
// sends req again with the last event ID until the context ends, an event completes
// the stream, or an answer says that going on is pointless.
//
// Mind that this holds for every method and also after a clean end: an answer that
// costs something is a matter for [Client.Fetch], or for [WithResume].
//
// It blocks for the first attempt, so that a wrong address or a missing permission
// is an error here. If that attempt fails in a way that may pass, Subscribe returns
// the stream all the same, and [Stream.Next] waits and tries again.
//
// A request with a body needs GetBody, which [http.NewRequest] sets for buffers and
// readers of bytes or strings.
func (c *Client) Subscribe(req *http.Request, opts ...Option) (*Stream, error) {
	s, err := newStream(req, true, c.opts, opts)
	if err != nil {
		return nil, err
	}
	defer s.leaveUnlessHandedOver()
	if !s.over() {
		s.connect()
	}
	return s.result()
}

// Fetch sends req and returns the stream of its one response, with the defaults:
// it is [Client.Fetch] of a zero Client.
func Fetch(req *http.Request, opts ...Option) (*Stream, error) {
	return new(Client).Fetch(req, opts...)
}

// Subscribe sends req and returns a stream that goes on over every disconnect, with the
// defaults: it is [Client.Subscribe] of a zero Client.
func Subscribe(req *http.Request, opts ...Option) (*Stream, error) {
	return new(Client).Subscribe(req, opts...)
}

// FromResponse returns the stream of a response that someone else obtained. It goes
// on as a stream of [Client.Fetch] does after its headers, and closes the body. An
// answer that is no event stream is closed and comes back as a [*ResponseError].
// The context is that of resp.Request, if it is set.
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
	defer s.leaveUnlessHandedOver()
	s.adopt(resp)
	return s.result()
}

// A conn is one attempt: it sends a request, validates the answer and is the reader
// of its body. Its context ends with it, and ends it.
type conn struct {
	cfg    *config
	ctx    context.Context
	cancel context.CancelCauseFunc
	where  string // names the request in messages
	resp   *http.Response
	body   io.ReadCloser // of resp, as it came: others may replace it there
	unhook func() bool   // stops ctx from closing the body

	endedWithBody bool // ctx had ended when the end of the body was read

	timer *time.Timer // cancels with errTimeout
	limit error       // what errTimeout stands for
	reads watchdog    // of the idle and event timeouts
}

// Causes of an attempt's cancellation that are not the caller's business.
var (
	errTimeout   = errors.New("sse: timeout")
	errReconnect = errors.New("sse: Reconnect was called")
	errFinished  = errors.New("sse: the connection is finished")
)

// errNoContent is the answer 204, which ends a stream in peace.
var errNoContent = errors.New("sse: no content")

// errorBodyTime and errorBodySize bound the reading of an answer that is refused.
const (
	errorBodyTime = 10 * time.Second
	errorBodySize = 64 << 10
)

// drainTime and drainSize bound the wait for the end of a completed response, after
// which its connection can be used again.
const (
	drainTime = 100 * time.Millisecond
	drainSize = 64 << 10
)

// prepare completes req, which is the attempt's own: the headers of the options, the
// last event ID, the defaults, and WithPrepare's last word.
func (c *conn) prepare(req *http.Request, id string) error {
	setHeaders(req, c.cfg.headers)
	takeID(req.Header)
	if id = strings.Trim(id, " \t"); id != "" { // HTTP carries no white space around a value
		req.Header.Set(lastEventID, id)
	}
	for _, h := range defaultHeaders {
		if len(keysOf(req.Header, h.key)) == 0 {
			req.Header.Set(h.key, h.value)
		}
	}
	if c.cfg.prepare != nil {
		if err := c.cfg.prepare(req); err != nil {
			return fmt.Errorf("WithPrepare: %w", err)
		}
	}
	return checkRequest(req)
}

const lastEventID = "Last-Event-Id" // in the form that net/http gives to header keys

// takeID takes the last event ID from h.
func takeID(h http.Header) (id string) {
	for _, key := range keysOf(h, lastEventID) {
		if len(h[key]) > 0 {
			id = h[key][0]
		}
		delete(h, key)
	}
	return id
}

// keysOf returns the keys of h that name this header, in whatever case: a map may have been
// written by hand.
func keysOf(h http.Header, name string) (keys []string) {
	for key := range h {
		if strings.EqualFold(key, name) {
			keys = append(keys, key)
		}
	}
	return keys
}

// defaultHeaders are set where the caller has set nothing. Identity, because a
// compressing proxy may hold events back; what is compressed all the same is decoded.
var defaultHeaders = [...]header{
	{"Accept", "text/event-stream"},
	{"Cache-Control", "no-cache"},
	{"Accept-Encoding", "identity"},
}

// setHeaders sets headers in req. The Host is no header to net/http.
func setHeaders(req *http.Request, headers []header) {
	for _, h := range headers {
		if http.CanonicalHeaderKey(h.key) == "Host" {
			req.Host = h.value
			continue
		}
		for _, key := range keysOf(req.Header, h.key) {
			delete(req.Header, key)
		}
		req.Header.Set(h.key, h.value)
	}
}

// open sends req and accepts or refuses the answer. The error is an *attemptError
// if there is no answer, a *ResponseError if it is refused, or errNoContent if there is
// nothing to read. What it reports besides is what the server may have done.
func (c *conn) open(req *http.Request) (reach, error) {
	t := newTransport(c.cfg.httpClient)
	if !isRepeatable(req) {
		req = req.WithContext(t.watch(req.Context()))
	}
	if hooks := c.cfg.trace; hooks != nil && hooks.Request != nil {
		hooks.Request(req)
	}
	resp, err := t.client().Do(req)
	if c.timer != nil && !c.timer.Stop() {
		<-c.ctx.Done() // it has fired, and must not end what comes after
	}
	c.timer = nil // a stream may last for weeks without it
	r := t.reach(req)
	switch {
	case c.ctx.Err() != nil:
		if resp != nil {
			resp.Body.Close()
		}
		return r, &attemptError{where: c.where, err: c.cause()}
	case err != nil:
		return r, t.failure(c.where, err)
	}
	return r, c.accept(resp)
}

// openTimeout returns the time that the attempt has for getting response headers.
func (c *conn) openTimeout() time.Duration {
	timeout := c.cfg.openTimeout
	if t := cmp.Or(c.cfg.httpClient, http.DefaultClient).Timeout; t > 0 && (timeout == 0 || t < timeout) {
		timeout = t
	}
	return timeout
}

// accept takes the answer as the body to read, or refuses it.
func (c *conn) accept(resp *http.Response) error {
	c.resp, c.body = resp, resp.Body
	if c.cfg.idleTimeout > 0 || c.cfg.eventTimeout > 0 {
		c.reads.start(c.cancel)
	}
	c.unhook = context.AfterFunc(c.ctx, func() { c.body.Close() })
	if resp.StatusCode == http.StatusNoContent {
		return errNoContent
	}
	if isSuccess(resp) && isEventStream(resp.Header) && isDecodable(resp.Header) {
		return nil
	}
	return c.refuse(resp)
}

// refuse reads the start of an answer that is no event stream, which is the end of the
// attempt. A server that sends it slowly, or never, costs a bounded time.
func (c *conn) refuse(resp *http.Response) error {
	limit := errorBodySize
	if isSuccess(resp) {
		limit = c.cfg.maxEventSize
	}
	c.arm(ErrOpenTimeout, errorBodyTime)
	body, _ := io.ReadAll(io.LimitReader(decoded(c.body, resp.Header), int64(limit)))
	refusal := newResponseError(c.where, resp)
	refusal.Body = body
	return refusal
}

// Read reads from the body as it came, under the idle and event timeouts. They run
// only while Read waits: a slow consumer is no silent server.
func (c *conn) Read(b []byte) (int, error) {
	if c.reads.timer != nil {
		c.limit = c.reads.begin(c.cfg.idleTimeout, c.cfg.eventTimeout)
	}
	return c.endRead(c.body.Read(b))
}

// endRead is what Read does after reading. A part of Read would be on the stack of every
// stream that waits, where a few bytes decide whether the runtime can halve it.
//
//go:noinline
func (c *conn) endRead(n int, err error) (int, error) {
	c.reads.end()
	if err == io.EOF {
		c.endedWithBody = c.ctx.Err() != nil
	}
	return n, err
}

// gotEvent starts the event timeout anew, from the next read on.
func (c *conn) gotEvent() { c.reads.eventBy = 0 }

// arm ends the attempt with limit after d; 0 is never.
func (c *conn) arm(limit error, d time.Duration) {
	if d == 0 {
		return
	}
	c.limit = limit
	if c.timer == nil {
		c.timer = time.AfterFunc(d, func() { c.cancel(errTimeout) })
	} else {
		c.timer.Reset(d)
	}
}

// wait sleeps for d, or until the attempt is cancelled, and returns the cause.
func (c *conn) wait(d time.Duration) error {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.ctx.Done():
		}
	}
	if c.ctx.Err() != nil {
		return c.cause()
	}
	return nil
}

// cause returns why the attempt was cancelled.
func (c *conn) cause() error {
	cause := context.Cause(c.ctx)
	if cause == errTimeout {
		return c.limit
	}
	return cause
}

// drain reads to the end of the response if that comes soon, so that close, which comes
// next, finds nothing to break off and the connection can be used again. A response that
// was made by hand, without a request, has none.
func (c *conn) drain() {
	if c.resp.Request == nil {
		return
	}
	c.arm(errTimeout, drainTime)
	_, _ = io.CopyN(io.Discard, c.body, drainSize) // best effort: the stream is complete
}

// close ends the attempt and lets go of the response.
func (c *conn) close() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.reads.stop()
	mine := c.unhook != nil && c.unhook()
	c.cancel(errFinished)
	if mine {
		c.body.Close()
	}
}

// A watchdog cancels with errTimeout when a read takes too long. Starting and stopping a
// timer costs as much as a read does, so its timer runs on from read to read, and looks
// at the deadline of the one under way when it fires.
type watchdog struct {
	cancel   context.CancelCauseFunc
	timer    *time.Timer   // nil: nothing is watched
	began    time.Time     // from here on, the durations below count
	running  atomic.Bool   // the timer is
	deadline atomic.Int64  // of the read under way; 0 if there is none
	eventBy  time.Duration // end of the event timeout; 0 if it has not begun
}

func (w *watchdog) start(cancel context.CancelCauseFunc) {
	w.cancel, w.began = cancel, time.Now()
	w.timer = time.AfterFunc(math.MaxInt64, w.check)
}

func (w *watchdog) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// begin sets the deadline of a read to whichever of the two timeouts comes first, and
// returns its error. A timeout of 0 is none.
func (w *watchdog) begin(idle, event time.Duration) error {
	now := time.Since(w.began)
	by, limit := later(now, idle), ErrIdleTimeout
	if event > 0 {
		if w.eventBy == 0 {
			w.eventBy = later(now, event)
		}
		if idle == 0 || w.eventBy < by {
			by, limit = w.eventBy, ErrEventTimeout
		}
	}
	w.deadline.Store(int64(by))
	if !w.running.Swap(true) {
		w.timer.Reset(by - now)
	}
	return limit
}

// later returns now + d, or the end of time.
func later(now, d time.Duration) time.Duration { return now + min(d, math.MaxInt64-now) }

// end says that no read is under way, if one was.
func (w *watchdog) end() { w.deadline.Store(0) }

// check is called by the timer. Deadlines only ever move on, so none is missed.
func (w *watchdog) check() {
	by := w.deadline.Load()
	if by == 0 {
		w.running.Store(false) // the next read starts the timer
		by = w.deadline.Load()
		if by == 0 || w.running.Swap(true) {
			return // there is none, or it has done so
		}
	}
	if left := time.Duration(by) - time.Since(w.began); left > 0 {
		w.timer.Reset(left)
	} else {
		w.cancel(errTimeout)
	}
}

// A reach is how far a request may have come, which decides whether it can be sent again.
type reach struct {
	unsent     bool // it has not reached a server
	redirected bool // a server has answered it with a redirect, and may have acted on it
	repeatable bool // sending it twice is the same as once
}

// A transport is the round tripper of one attempt: the caller's, watched.
type transport struct {
	base       http.Client
	trips      int
	answer     *http.Response // to the last trip
	leftOrigin bool           // redirects have led elsewhere
	looked     atomic.Bool    // for a connection
	connected  atomic.Bool
}

func newTransport(hc *http.Client) *transport {
	return &transport{base: *cmp.Or(hc, http.DefaultClient)}
}

// client returns the caller's client, with t as its transport and without its Timeout.
func (t *transport) client() *http.Client {
	hc := t.base
	hc.Transport = t
	hc.Timeout = 0
	hc.CheckRedirect = t.checkRedirect
	return &hc
}

// RoundTrip remembers the answer. An error of the client that comes after an answer is
// about the redirect in it.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	rt := t.base.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	t.trips++
	t.answer = nil
	resp, err := rt.RoundTrip(req)
	if err == nil {
		t.answer = resp
	}
	return resp, err
}

func (t *transport) checkRedirect(req *http.Request, via []*http.Request) error {
	if (req.URL.Scheme != "http" && req.URL.Scheme != "https") || req.URL.Host == "" {
		return errors.New("it redirects to something that is no http or https URL")
	}
	if leavesOrigin(req, via) {
		t.leftOrigin = true
		dropSecrets(req)
	}
	if t.base.CheckRedirect != nil {
		return t.base.CheckRedirect(req, via)
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// watch finds out whether the request may have reached a server. Only the transport's
// word that it has looked for a connection and got none is proof that it has not.
func (t *transport) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.looked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.connected.Store(true) },
	})
}

func (t *transport) reach(req *http.Request) reach {
	return reach{
		unsent:     t.looked.Load() && !t.connected.Load() && t.trips == 1,
		redirected: t.trips > 1,
		repeatable: isIdempotent(req) || hasKey(req) && !t.leftOrigin,
	}
}

// failure returns the error of a request to which the client has no answer. The
// *url.Error around it goes, because it shows the query.
func (t *transport) failure(where string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := &attemptError{where: where, err: redact(err)}
	if r := t.answer; r != nil {
		e.resp = newResponseError(where, r)
	}
	return e
}

// fresh returns a copy of req that can be changed, with a body that was not read.
func fresh(ctx context.Context, req *http.Request) (*http.Request, error) {
	req = req.Clone(ctx)
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if req.Body == nil || req.GetBody == nil {
		return req, nil
	}
	req.Body.Close() // nobody else will; the caller's next use of req makes its own, too
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("GetBody: %w", err)
	}
	req.Body = body
	return req, nil
}

// spendsBody reports whether sending the request uses its body up.
func spendsBody(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.GetBody == nil
}

var errSpentBody = errors.New("the body of the request was sent before and cannot be made again; set GetBody")

// same reports whether a and b are known to be the same body.
func same(a, b io.ReadCloser) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// A heldBody is a request body that cannot be made again. It stays open until it is
// read, for the next attempt.
type heldBody struct {
	io.ReadCloser
	used atomic.Bool
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.used.Store(true)
	return b.ReadCloser.Read(p)
}

func (b *heldBody) Close() error {
	if b.used.Load() {
		return b.ReadCloser.Close()
	}
	return nil
}

// spent reports whether an attempt has read the body, if there is one.
func (b *heldBody) spent() bool { return b != nil && b.used.Load() }

// discard closes a body that no attempt has read.
func (b *heldBody) discard() {
	if !b.used.Swap(true) {
		b.ReadCloser.Close()
	}
}

// decoded returns the reader of what body holds, which the headers tell.
func decoded(body io.Reader, h http.Header) io.Reader {
	if isGzip(h) {
		return &gzipReader{src: body}
	}
	return body
}

// A gzipReader decodes as the bytes flow. It reads the gzip header with the first
// event, not before.
type gzipReader struct {
	src io.Reader
	zr  *gzip.Reader
}

func (g *gzipReader) Read(b []byte) (n int, err error) {
	if g.zr == nil {
		if g.zr, err = gzip.NewReader(g.src); err != nil {
			return 0, err
		}
	}
	return g.zr.Read(b)
}

func isSuccess(resp *http.Response) bool { return resp.StatusCode/100 == 2 }

func isEventStream(h http.Header) bool { return mediaType(h) == "text/event-stream" }

// mediaType returns the media type of the Content-Type, without its parameters.
func mediaType(h http.Header) string {
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// contentEncoding returns how the body is encoded, "" if it is not.
func contentEncoding(h http.Header) string {
	e := strings.ToLower(strings.TrimSpace(strings.Join(h.Values("Content-Encoding"), ",")))
	if e == "identity" || runtime.GOOS == "js" { // a browser has decoded the body
		return ""
	}
	return e
}

func isGzip(h http.Header) bool {
	e := contentEncoding(h)
	return e == "gzip" || e == "x-gzip"
}

func isDecodable(h http.Header) bool { return contentEncoding(h) == "" || isGzip(h) }

// parseRetryAfter returns the wait that a Retry-After header asks for, in seconds or
// until a date, and 0 if it is absent, past or malformed.
func parseRetryAfter(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(now), 0)
	}
	ms, ok := parseRetry([]byte(v))
	const limit = time.Duration(1<<63 - 1)
	if !ok || ms <= limit/1000 {
		return ms * 1000
	}
	return limit
}

// leavesOrigin reports whether redirects have led away from the origin of the first
// request, also if they come back to it.
func leavesOrigin(req *http.Request, via []*http.Request) bool {
	home := origin(via[0].URL)
	away := func(r *http.Request) bool { return origin(r.URL) != home }
	return away(req) || slices.ContainsFunc(via, away)
}

// dropSecrets takes everything but the safe headers from a redirected request. The
// Referer goes, too: it holds the query of the request before.
func dropSecrets(req *http.Request) {
	for key := range req.Header {
		switch key {
		case "Accept", "Cache-Control", "Content-Type", "User-Agent", lastEventID:
		default:
			delete(req.Header, key)
		}
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Host = ""
}

// origin returns scheme, host and port.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" && u.Scheme == "http" {
		port = "80"
	} else if port == "" {
		port = "443"
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// checkRequest returns what makes req impossible to send. net/http would say so, too,
// but in a way that looks like a broken connection.
func checkRequest(req *http.Request) error {
	switch {
	case req == nil:
		return errors.New("sse: the request is nil")
	case req.URL == nil:
		return errors.New("sse: the request has no URL")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("sse: the URL has the scheme %.20q; use http or https", req.URL.Scheme)
	case req.URL.Host == "":
		return errors.New("sse: the URL has no host")
	case req.Method != "" && !isToken(req.Method):
		return fmt.Errorf("sse: %.40q is no method", req.Method)
	case req.ContentLength > 0 && req.Body == nil:
		return errors.New("sse: the request has a ContentLength and no Body")
	case req.RequestURI != "":
		return errors.New("sse: RequestURI is for servers; clear it")
	}
	for key, values := range req.Header {
		if !isToken(key) {
			return errHeaderName
		}
		if slices.ContainsFunc(values, func(v string) bool { return !isHeaderValue(v) }) {
			return fmt.Errorf("sse: the header %s has a control character in its value", key)
		}
	}
	return nil
}

// errHeaderName does not show the name: it may be a whole header with its value.
var errHeaderName = errors.New("sse: a header name has a character that is not allowed in one")

// isToken reports whether s is a token as HTTP defines it.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isHeaderValue reports whether a header can carry s: no control characters but the
// tab.
func isHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}

// Errors that a stream ends with. They are found with [errors.Is].
var (
	// ErrOpenTimeout: the response headers did not come within [WithOpenTimeout] or
	// the Timeout of the http.Client.
	ErrOpenTimeout = errors.New("sse: timed out waiting for the response headers")
	// ErrIdleTimeout: no byte came within [WithIdleTimeout].
	ErrIdleTimeout = errors.New("sse: timed out waiting for a byte")
	// ErrEventTimeout: no event came within [WithEventTimeout].
	ErrEventTimeout = errors.New("sse: timed out waiting for an event")
	// ErrClosed: Close interrupted the stream.
	ErrClosed = errors.New("sse: the stream was closed")
)

var errUnsendableID = errors.New("the last event ID has a control character, so no header can carry it")

// A ResponseError is an answer that is no event stream, or that refuses one. Its
// message has the status and not the body, which may echo what was sent.
type ResponseError struct {
	StatusCode int
	Header     http.Header
	Body       []byte        // its start: at most 64 KiB, for a 2xx at most the event limit
	RetryAfter time.Duration // 0 if not given

	where string
}

func newResponseError(where string, resp *http.Response) *ResponseError {
	return &ResponseError{
		StatusCode: resp.StatusCode,
		Header:     resp.Header,
		RetryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
		where:      where,
	}
}

func (e *ResponseError) Error() string {
	status := strings.TrimSpace(strconv.Itoa(e.StatusCode) + " " + http.StatusText(e.StatusCode))
	switch {
	case e.StatusCode/100 != 2:
	case !isEventStream(e.Header):
		status += fmt.Sprintf(", but the content is %.60q instead of text/event-stream", mediaType(e.Header))
	default:
		status += fmt.Sprintf(", but with the content encoding %.60q, which this package cannot decode", contentEncoding(e.Header))
	}
	if e.RetryAfter > 0 {
		status += fmt.Sprintf(", to be tried again after %v", e.RetryAfter)
	}
	return "sse: " + e.where + status
}

// An attemptError is an attempt or a connection that failed, with the request it
// belongs to.
type attemptError struct {
	where string
	err   error
	resp  *ResponseError // the redirect that was not followed
}

func (e *attemptError) Error() string { return "sse: " + e.where + inner(e.err) }

func (e *attemptError) Unwrap() []error {
	if e.resp != nil {
		return []error{e.err, e.resp}
	}
	return []error{e.err}
}

// A requestError says why a request could not be made. Nothing was sent.
type requestError struct {
	where string
	err   error
}

func (e *requestError) Error() string { return "sse: " + e.where + inner(e.err) }
func (e *requestError) Unwrap() error { return e.err }

// where names a request: method, scheme, host and path.
func where(req *http.Request) string {
	if req == nil || req.URL == nil {
		return ""
	}
	u := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	return cmp.Or(req.Method, http.MethodGet) + " " + u.String() + ": "
}

// inner returns the message of an error that becomes part of another one's.
func inner(err error) string {
	return strings.TrimPrefix(cmp.Or(err, errUnknown).Error(), "sse: ")
}

// errUnknown stands for the cause in an error value that has none.
var errUnknown = errors.New("sse: unknown cause")

func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return strconv.Itoa(n) + " " + many
}

// foreign matches what an error quotes: a URL, which may have a secret in its query or
// user info, a piece of a malformed answer, or a name.
var foreign = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\S*://\S*`)

// aboutHeaders matches what net/http says of a header that it cannot read, quoting it.
var aboutHeaders = regexp.MustCompile(`malformed|Location|Content-Length|transfer encoding|trailer`)

// redact returns err, or an error in its place if its message shows a URL or an unbounded
// piece of what somebody has sent. What is in the tree of err is still found.
func redact(err error) error {
	const long = 64
	was := err.Error()
	text := foreign.ReplaceAllStringFunc(was, func(quote string) string {
		if len(quote) < long && !strings.Contains(quote, "//") && !strings.ContainsAny(quote, "?@#") && !aboutHeaders.MatchString(was) {
			return quote
		}
		return `"..."`
	})
	if text = bounded(text); text == was {
		return err
	}
	return &redactedError{text: text, err: err}
}

// bounded returns the start of a text that may be long.
func bounded(text string) string {
	const most = 512
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// A redactedError stands for an error whose message must not be shown. Unwrap would hand
// that message on to whoever prints the tree, so it has none.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }
func (e *redactedError) As(target any) bool   { return errors.As(e.err, target) }

package sse

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// A Stream delivers the events of a response or of a subscription: [Fetch], [Subscribe]
// and [FromResponse] return one, and [Decode] reads JSON from it. One goroutine
// reads it: all its work, connecting and waiting included, happens in the call of
// [Stream.Next]. Only [Stream.Close] and [Stream.Reconnect] may be called from other
// goroutines.
type Stream struct {
	cfg      *config
	ctx      context.Context // the request's
	req      *http.Request   // the caller's: sent again on every reconnect
	held     *heldBody       // its body, if that cannot be made again
	standing bool            // a subscription

	// The connection under way; conn is nil between two of them.
	conn     *conn
	resp     *http.Response
	where    string // the request that led to it
	parser   Parser
	events   int  // delivered by it
	complete bool // the terminator was delivered

	// The attempts.
	policy   backoff.BackOff
	first    bool          // none was made yet
	accepted bool          // one of them has got an event stream
	reach    reach         // of the last one
	replays  bool          // the caller's request may be sent again
	retries  int           // made in a row without progress
	stalled  time.Time     // when progress stopped
	next     Attempt       // the one to come, zero for the first
	resumed  io.ReadCloser // the last body of WithResume that cannot be made again
	broke    error         // why the last connection ended

	handedOver bool // the caller has it

	// The end.
	ended  bool
	err    error
	ranged bool

	// What Close and Reconnect share with the reader.
	closed  atomic.Bool
	hurry   atomic.Bool          // Reconnect was called: the next attempt does not wait
	attempt atomic.Pointer[conn] // the one under way, which they cancel
}

// newStream returns a stream that has not yet made an attempt. If it cannot, it closes the
// body of the request, as net/http does.
func newStream(req *http.Request, standing bool, opts ...[]Option) (s *Stream, err error) {
	if err = checkRequest(req); err == nil {
		s, err = configure(req, standing, opts...)
	}
	if err == nil && s.held != nil && standing && s.cfg.resume == nil {
		err = errors.New("sse: Subscribe: a request with a body needs GetBody to be sent again; set it, or use WithResume")
	}
	if err == nil {
		return s, nil
	}
	if req != nil && req.Body != nil {
		req.Body.Close()
	}
	return nil, err
}

// configure returns the stream of a request that can be sent or has been.
func configure(req *http.Request, standing bool, opts ...[]Option) (*Stream, error) {
	cfg := newConfig(slices.Concat(opts...)...)
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	policy, err := newPolicy(cfg.backOff)
	if err != nil {
		return nil, err
	}
	if cfg.lastEventID == "" {
		cfg.lastEventID = givenID(req, cfg.headers)
	}
	s := &Stream{
		cfg:      cfg,
		ctx:      req.Context(),
		req:      req,
		standing: standing,
		policy:   policy,
		first:    true,
		stalled:  time.Now(),
	}
	if spendsBody(req) {
		s.held = &heldBody{ReadCloser: req.Body}
	}
	s.parser.init(cfg)
	return s, nil
}

// givenID returns the Last-Event-ID that the caller has put into the headers.
func givenID(req *http.Request, headers []header) string {
	r := http.Request{Header: http.Header{}}
	r.Header.Set(lastEventID, takeID(req.Header.Clone()))
	setHeaders(&r, headers)
	return r.Header.Get(lastEventID)
}

// Next reads up to the next event and reports whether there is one. It blocks while
// the server is silent and, with a subscription, while it waits and connects again.
// Once it has returned false, it does so for ever: [Stream.Err] says why, and
// everything the stream held is released.
func (s *Stream) Next() bool {
	for !s.over() {
		switch {
		case s.conn == nil:
			s.connect()
		case !s.parser.next():
			s.broken()
		case s.deliver():
			return true
		}
	}
	return false
}

// over reports whether the stream has ended, and ends it if it has to.
func (s *Stream) over() bool {
	switch {
	case s.ended:
	case s.complete:
		s.end(nil)
	case s.ctx.Err() != nil:
		s.end(context.Cause(s.ctx))
	case s.closed.Load():
		s.end(ErrClosed)
	default:
		if cause := s.interruption(); cause != nil {
			s.end(cause)
		}
	}
	return s.ended
}

// interruption returns why the caller has ended the connection under way, if that is so
// and the response was not at its end by itself.
func (s *Stream) interruption() error {
	if s.conn == nil || s.conn.ctx.Err() == nil || s.conn.endedWithBody {
		return nil // for every event, so nothing that takes a lock
	}
	switch cause := context.Cause(s.conn.ctx); cause {
	case errTimeout, errReconnect:
		return nil
	default:
		return cause
	}
}

// connect makes the next attempt: it waits, makes the request and sends it.
func (s *Stream) connect() {
	s.ctx = s.req.Context()
	c := s.begin()
	var err error
	if !s.hurry.Swap(false) {
		err = c.wait(s.next.Delay)
	}
	if err == nil {
		err = s.send(c)
	}
	if err != nil {
		c.close()
		s.lost(err, false)
		return
	}
	s.connected(c)
}

// begin starts an attempt, which Close and Reconnect can cancel from now on.
func (s *Stream) begin() *conn {
	ctx, cancel := context.WithCancelCause(s.ctx)
	c := &conn{cfg: s.cfg, ctx: ctx, cancel: cancel}
	s.attempt.Store(c)
	if s.closed.Load() {
		cancel(ErrClosed)
	}
	return c
}

// send makes the request of the attempt and opens it.
func (s *Stream) send(c *conn) error {
	c.arm(ErrOpenTimeout, c.openTimeout())
	c.where = s.where
	s.reach = reach{unsent: true}
	req, id, err := s.request(c)
	if err == nil {
		c.where = where(req)
		err = c.prepare(req, id)
	}
	s.where = c.where
	if err == nil && c.ctx.Err() != nil {
		err = c.cause()
	}
	if err != nil && req != nil && req.Body != nil {
		req.Body.Close()
	}
	switch {
	case err == errNothingToResume:
		return err
	case err != nil && c.ctx.Err() != nil:
		return &attemptError{where: c.where, err: c.cause()}
	case err != nil:
		return &requestError{where: c.where, err: redact(err)}
	}
	s.log(slog.LevelDebug, "sse: connecting", nil)
	s.reach, err = c.open(req)
	if c.resp != nil {
		s.resp = c.resp
	}
	return err
}

// request returns the request of the attempt, which is its own to change, and the
// last event ID to send with it.
func (s *Stream) request(c *conn) (*http.Request, string, error) {
	first := s.first
	s.first = false
	if !first && s.cfg.resume != nil {
		req, err := s.cfg.resume(c.ctx, s.next)
		if err != nil {
			return nil, "", fmt.Errorf("WithResume: %w", err)
		}
		if req != nil {
			return s.resume(c, req)
		}
		if s.accepted || !s.replays {
			return nil, "", errNothingToResume
		}
	}
	return s.replay(c)
}

// errNothingToResume is what WithResume says with a nil request.
var errNothingToResume = errors.New("sse: nothing to resume")

// resume takes the caller's request as it is. What no header can carry is left out:
// the caller has seen the ID and found another way.
func (s *Stream) resume(c *conn, req *http.Request) (*http.Request, string, error) {
	body, err := s.bodyOf(req)
	if err == nil {
		err = checkRequest(req)
	}
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, "", fmt.Errorf("WithResume: %w", err)
	}
	id := takeID(req.Header.Clone())
	if id == "" && isHeaderValue(s.parser.LastEventID()) {
		id = s.parser.LastEventID()
	}
	req, err = fresh(c.ctx, req)
	if err == nil && req.GetBody == nil {
		req.Body = body
	}
	return req, id, err
}

// bodyOf returns the body to send with a request of WithResume. It is an error if that was
// used up by an attempt before: what would be sent is an empty one.
func (s *Stream) bodyOf(req *http.Request) (io.ReadCloser, error) {
	switch {
	case !spendsBody(req):
		return req.Body, nil
	case s.held != nil && same(req.Body, s.held.ReadCloser):
		if s.held.spent() {
			return nil, errSpentBody
		}
		return s.held, nil
	case same(req.Body, s.resumed):
		return nil, errSpentBody
	}
	s.resumed = req.Body
	return req.Body, nil
}

// replay makes the stream's own request again.
func (s *Stream) replay(c *conn) (*http.Request, string, error) {
	id := s.parser.LastEventID()
	if !isHeaderValue(id) {
		return nil, "", fmt.Errorf("%w; use WithResume to resume another way", errUnsendableID)
	}
	if s.held.spent() {
		return nil, "", errSpentBody
	}
	req, err := fresh(c.ctx, s.req)
	if err == nil && s.held != nil {
		req.Body = s.held
	}
	return req, id, err
}

// adopt reads a response from elsewhere as if the first attempt had brought it.
func (s *Stream) adopt(resp *http.Response) {
	s.first, s.where = false, where(resp.Request)
	if s.held != nil {
		s.held.used.Store(true)
	}
	c := s.begin()
	c.where = s.where
	// Until another attempt, the connection is all there is to cancel, and its context tells
	// who has done it first: to close a body may end the request's context, in packages that
	// hand responses over.
	s.ctx = context.WithoutCancel(s.ctx)
	err := c.accept(resp)
	s.resp = resp
	if err == nil {
		s.connected(c)
		return
	}
	if cause := context.Cause(c.ctx); cause != nil && cause != errTimeout {
		err = cause
	}
	c.close()
	if err == errNoContent {
		err = nil
	}
	if !s.over() {
		s.end(err)
	}
}

// connected starts to read an accepted response.
func (s *Stream) connected(c *conn) {
	s.conn, s.events, s.accepted = c, 0, true
	s.next, s.broke = Attempt{}, nil // the errors may have a large event in them
	s.parser.reset(decoded(c, c.resp.Header))
	if t := s.cfg.trace; t != nil && t.Open != nil {
		t.Open(c.resp)
	}
	s.log(slog.LevelInfo, "sse: connected", nil, slog.Int("status", c.resp.StatusCode))
}

// deliver reports whether the parser's event is one for the caller.
func (s *Stream) deliver() bool {
	if s.isDone(s.parser.Data()) {
		s.end(nil)
		return false
	}
	var e Event
	if s.cfg.eventError != nil || s.cfg.terminator != nil {
		e = s.parser.Event()
	}
	if f := s.cfg.eventError; f != nil {
		if err := f(e); err != nil {
			s.disconnect(&EventError{Event: e, Err: err, where: s.where})
			return false
		}
	}
	if f := s.cfg.terminator; f != nil {
		s.complete = f(e)
	}
	s.events++
	s.conn.gotEvent()
	return true
}

// isDone reports whether this is the data of an event that completes the stream.
func (s *Stream) isDone(data []byte) bool {
	return slices.ContainsFunc(s.cfg.done, func(done string) bool { return string(data) == done })
}

// broken ends a connection on which there are no more events. A server that goes without
// the blank line after the event of [WithDone] has completed the stream all the same.
func (s *Stream) broken() {
	p, c := &s.parser, s.conn
	if s.over() {
		return
	}
	if errors.Is(p.err, ErrEventTooLarge) {
		s.disconnect(&attemptError{where: s.where, err: p.err})
		return
	}
	ended := p.readErr == io.EOF
	lineEnded := p.pos == p.end
	partial, cut := p.partial()
	cause := context.Cause(c.ctx)
	switch {
	case p.hasData && s.isDone([]byte(partial.Data)) && (lineEnded || ended && !cut) && cause != errReconnect:
		s.end(nil)
	case cause != nil && !ended && (cause != errReconnect || s.standing):
		s.disconnect(&attemptError{where: s.where, err: c.cause()})
	case ended && !p.hasData && !cut && !s.cfg.completes():
		s.disconnect(nil)
	default:
		s.disconnect(s.truncation(partial, cause))
	}
}

// truncation returns what ends a connection that was cut off, for a cause of its context if
// that is not nil.
func (s *Stream) truncation(partial Event, cause error) *TruncatedError {
	p := &s.parser
	e := &TruncatedError{
		Partial:     partial,
		LastEventID: p.LastEventID(),
		Events:      s.events,
		Err:         io.ErrUnexpectedEOF,
		where:       s.where,
	}
	switch {
	case cause == errReconnect:
		e.Err = errReconnect
	case p.readErr != io.EOF:
		e.Err = redact(p.readErr)
	}
	for _, line := range p.ignored {
		e.Ignored = append(e.Ignored, validString(line))
	}
	return e
}

// disconnect ends the connection and decides what comes next.
func (s *Stream) disconnect(reason error) {
	c := s.conn
	s.conn = nil
	c.close()
	s.parser.release() // a wait needs no buffer
	s.lost(reason, true)
}

// lost decides what comes after an attempt, or, if opened, after a connection: the
// end or, after a wait, another attempt.
func (s *Stream) lost(reason error, opened bool) {
	if opened {
		s.broke = reason
		s.disconnected(reason)
	}
	switch {
	case s.over():
	case reason == errNoContent && s.broke != nil && !s.standing:
		s.giveUp(s.broke) // the rest of what was cut off is not to be had
	case reason == errNoContent || reason == nil && !s.standing:
		s.end(nil)
	case reason == errNothingToResume:
		s.retries-- // the one that was not made
		s.giveUp(cmp.Or(s.broke, s.next.Err))
	case errors.Is(reason, errReconnect):
		s.retries = 0
		next := s.following(reason, opened)
		if !opened && s.next.Err != nil { // why there is to be another attempt has not changed
			next.Err, next.Events = s.next.Err, s.next.Events
		}
		next.Retry = true
		s.next = next
	default:
		s.plan(reason, opened)
	}
}

// plan asks the two decisions and the caller's policy whether and when to go on.
func (s *Stream) plan(reason error, opened bool) {
	a := s.following(reason, opened)
	var ok bool
	a.Delay, ok = s.pause(a).delay(s.policy)
	e := s.ending(a, opened)
	a.Retry = ok && e.retryable() && s.retries < s.maxRetries()
	e.resumes = false
	s.replays = e.retryable()
	if f := s.cfg.retryPolicy; f != nil {
		a.Delay, a.Retry = f(a)
	}
	if !a.Retry {
		s.giveUp(reason)
		return
	}
	s.retries++
	s.next = a
	if t := s.cfg.trace; t != nil && t.Wait != nil {
		t.Wait(a)
	}
	s.log(slog.LevelInfo, "sse: waiting", reason, slog.Int("attempt", a.Number), slog.Duration("delay", a.Delay))
}

// following describes the attempt that would follow, and counts progress.
func (s *Stream) following(reason error, opened bool) Attempt {
	a := Attempt{LastEventID: s.parser.LastEventID(), Err: reason}
	if opened {
		a.Events = s.events
	}
	if a.Events > 0 {
		s.retries, s.stalled = 0, time.Now()
	}
	a.Number = s.retries + 1
	a.Elapsed = time.Since(s.stalled)
	return a
}

func (s *Stream) pause(a Attempt) pause {
	p := pause{number: a.Number, progress: a.Events > 0, spread: rand.Float64()}
	p.retry, p.hasRetry = s.parser.Retry()
	if refusal, ok := errors.AsType[*ResponseError](a.Err); ok {
		p.retryAfter = refusal.RetryAfter
	}
	return p
}

func (s *Stream) ending(a Attempt, opened bool) ending {
	return ending{
		reach:    s.reach,
		err:      a.Err,
		opened:   opened,
		standing: s.standing,
		resumes:  s.cfg.resume != nil,
		spent:    s.held.spent(),
	}
}

func (s *Stream) maxRetries() int {
	switch {
	case s.cfg.maxRetries != nil:
		return *s.cfg.maxRetries
	case s.standing:
		return math.MaxInt
	}
	return fetchRetries
}

// giveUp ends the stream for a reason that retries have not mended, if there were any.
func (s *Stream) giveUp(reason error) {
	_, unsent := errors.AsType[*requestError](reason)
	if s.retries > 0 && !unsent {
		if reason == nil {
			reason = &attemptError{where: s.where, err: io.EOF}
		}
		reason = &gaveUpError{retries: s.retries, err: reason}
	}
	s.end(reason)
}

// end ends the stream and lets go of everything.
func (s *Stream) end(err error) {
	s.ended, s.err = true, err
	if c := s.conn; c != nil {
		s.conn = nil
		if err == nil {
			c.drain()
		}
		c.close()
		s.disconnected(err)
	}
	switch {
	case s.held != nil:
		s.held.discard()
	case s.first && s.req.Body != nil:
		s.req.Body.Close()
	}
	s.parser.reset(nil)
	level := slog.LevelWarn
	if err == nil || err == ErrClosed || s.req.Context().Err() != nil { // as the program wanted it
		level = slog.LevelInfo
	}
	s.log(level, "sse: ended", err)
}

func (s *Stream) disconnected(reason error) {
	if t := s.cfg.trace; t != nil && t.Disconnect != nil {
		t.Disconnect(reason)
	}
	s.log(slog.LevelInfo, "sse: disconnected", reason, slog.Int("events", s.events))
}

// result is what a call that opens a stream returns.
func (s *Stream) result() (*Stream, error) {
	s.handedOver = true
	if s.ended && s.err != nil {
		return nil, s.err
	}
	return s, nil
}

// Event returns the event of the last call of [Stream.Next], a copy that the caller
// may keep. Without an event it is the zero Event.
func (s *Stream) Event() Event { return s.parser.Event() }

// Data returns the data of the last event without a copy. The bytes are the
// stream's: they are valid until the next call of [Stream.Next].
func (s *Stream) Data() []byte { return s.parser.Data() }

// Type returns the type of the last event, or "" without an event.
func (s *Stream) Type() string { return s.parser.Type() }

// LastEventID returns the ID that the next attempt would send. A program that stores
// it can go on there with [WithLastEventID].
func (s *Stream) LastEventID() string { return s.parser.LastEventID() }

// Response returns the response of the current connection, or of the last one: its
// status and headers. The body is the stream's. It is nil if there was none yet.
func (s *Stream) Response() *http.Response { return s.resp }

// Err returns what ended the stream: nil if it was complete, or ended cleanly and was not
// to go on, as with [Client.Fetch]; what comes after that changes nothing. Otherwise, in
// this order, the cause of the context, [ErrClosed], or the reason for not going on. A
// reconnect is no error.
func (s *Stream) Err() error {
	if !s.ended && !s.complete && s.closed.Load() {
		return ErrClosed
	}
	return s.err
}

// Events returns an iterator over the events. At most one error comes, as the last
// pair and beside a zero Event; a clean end is silent. However the loop is left, the
// stream is closed before the next statement runs; [Stream.Err] is [ErrClosed] then
// if the loop was left early. It can be ranged over once; a further time yields one
// error.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return each(s, func() (Event, error) { return s.Event(), nil })
}

// Reconnect drops the connection, or cuts a wait short, and makes a new attempt at
// once: after a change of network, or when the machine wakes up. Events that have
// arrived whole are still delivered. It may be called from any goroutine, and does
// not wait. A stream from Fetch or FromResponse without [WithResume] has nothing to
// connect to again; it takes no notice.
func (s *Stream) Reconnect() {
	if !s.standing && s.cfg.resume == nil {
		return
	}
	s.hurry.Store(true)
	if c := s.attempt.Load(); c != nil {
		c.cancel(errReconnect)
	}
}

// Close ends the stream. It may be called from any goroutine, in any state and any
// number of times, and does not wait: a call of Next under way returns false within
// milliseconds. If there was something to interrupt, Err is [ErrClosed]. The error
// is always nil.
func (s *Stream) Close() error {
	s.closed.Store(true)
	if c := s.attempt.Load(); c != nil {
		c.cancel(ErrClosed)
	}
	return nil
}

func (s *Stream) claim() bool {
	first := !s.ranged
	s.ranged = true
	return first
}

// leave closes the stream on the goroutine that reads it, so that the connection is
// released when it returns.
func (s *Stream) leave() {
	s.parser.keep()
	s.closed.Store(true)
	s.over()
	if c := s.attempt.Load(); c != nil {
		c.close() // which a panic in a function of the caller may have prevented
	}
}

// leaveUnlessHandedOver closes a stream that its caller never gets, because a function of the
// caller has panicked.
func (s *Stream) leaveUnlessHandedOver() {
	if !s.handedOver {
		s.leave()
	}
}

// log says what happens to the connection and why, never what it carries: the words of
// the caller's own functions are left out, because they may quote that.
func (s *Stream) log(level slog.Level, message string, reason error, attrs ...slog.Attr) {
	if s.cfg.logger == nil {
		return
	}
	attrs = append(attrs, slog.String("request", strings.TrimSuffix(s.where, ": ")))
	_, event := errors.AsType[*EventError](reason)
	_, request := errors.AsType[*requestError](reason)
	switch {
	case event:
		attrs = append(attrs, slog.String("reason", "error event"))
	case request:
		attrs = append(attrs, slog.String("reason", "the request could not be made"))
	case reason != nil:
		text := strings.TrimPrefix(inner(reason), s.where)
		attrs = append(attrs, slog.String("reason", redact(errors.New(text)).Error()))
	}
	s.cfg.logger.LogAttrs(s.ctx, level, message, attrs...)
}

// A Source is what [Decode] reads: a [*Stream] or a [*Parser].
type Source interface {
	Next() bool
	Event() Event
	Data() []byte
	Err() error

	claim() bool // for an iterator; false if one has run before
	leave()      // the iterator's loop was left
}

// Decode returns an iterator over the data of the events as JSON, decoded into a T
// each. Within the loop, the methods of s tell more of the event, such as its type.
// Data that does not fit is a [*DecodeError] beside a zero T; the loop may go on after
// it. Otherwise it is like [Stream.Events] and [Parser.Events].
func Decode[T any](s Source) iter.Seq2[T, error] {
	return each(s, func() (T, error) {
		var v T
		if err := json.Unmarshal(s.Data(), &v); err != nil {
			var zero T
			return zero, &DecodeError{Event: s.Event(), Err: redact(err)}
		}
		return v, nil
	})
}

var errRanged = errors.New("sse: the events were ranged over before; a stream can be read once")

// each is the loop of all iterators: value makes what is yielded for an event.
func each[T any](s Source, value func() (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		if !s.claim() {
			yield(zero, errRanged)
			return
		}
		defer s.leave()
		for s.Next() {
			if !yield(value()) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(zero, err)
		}
	}
}

// A TruncatedError is a stream that ended before it was complete: in the middle of a
// block, before the event that [WithDone] or [WithTerminator] tells of, or because
// reading failed. [io.ErrUnexpectedEOF] is in its tree, whatever the cause.
type TruncatedError struct {
	Partial     Event  // the unfinished block, as far as it had come
	LastEventID string // in force at the end
	Events      int    // delivered before, by this connection
	Err         error  // io.ErrUnexpectedEOF, or what reading returned

	// Ignored has the last lines that were no field of the standard, up to 8, and of each
	// the first 1,024 bytes, as valid UTF-8. An unfinished last one is included. A server
	// or proxy that fails may write its reason there: a field called error, or plain JSON.
	// They are not in the message.
	Ignored []string

	where string
}

func (e *TruncatedError) Error() string {
	also := ""
	if e.Partial != (Event{}) {
		also = ", within the next"
	}
	if len(e.Ignored) > 0 {
		also += ", with ignored lines"
	}
	return fmt.Sprintf("sse: %struncated after %s%s: %s",
		e.where, count(e.Events, "event", "events"), also, inner(redact(cmp.Or(e.Err, io.ErrUnexpectedEOF))))
}

func (e *TruncatedError) Unwrap() []error { return []error{e.Err, io.ErrUnexpectedEOF} }

// An EventError is an error that the server reported in the stream. Err is what the
// function of [WithEventError] made of the event.
type EventError struct {
	Event Event
	Err   error

	where string
}

func (e *EventError) Error() string {
	return "sse: " + e.where + "error event: " + bounded(inner(e.Err))
}

func (e *EventError) Unwrap() error { return e.Err }

// A DecodeError is an event whose data is not what [Decode] was to make of it.
type DecodeError struct {
	Event Event
	Err   error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("sse: decode event of type %.40q: %s", e.Event.Type, inner(redact(cmp.Or(e.Err, errUnknown))))
}

func (e *DecodeError) Unwrap() error { return e.Err }

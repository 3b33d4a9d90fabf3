package sse

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fetchsse/sse/internal/body"
	"github.com/fetchsse/sse/internal/bridge"
	"github.com/fetchsse/sse/internal/header"
	"github.com/fetchsse/sse/internal/redact"
	"github.com/fetchsse/sse/internal/request"
	"github.com/fetchsse/sse/internal/utf8x"
)

// A Stream delivers the events of a response or of a subscription. [Fetch], [Subscribe]
// and [FromResponse] return one, and [Decode] reads JSON from it.
//
// One goroutine reads a Stream. All work after the opening, including reconnecting and
// waiting, happens within [Stream.Next]. Other goroutines may call only [Stream.Close] and
// [Stream.Reconnect]. The zero Stream must not be used.
type Stream struct {
	cfg      *config
	requests requests
	retrier  retrier
	parser   Parser // outlives connections, with the last event ID and the reconnection time

	state    state
	judges   bool     // functions of the caller look at each event
	inHand   bool     // one of them has not finished with the event
	mayEnd   bool     // a clean end is complete; see WithCompleteAfter
	complete bool     // an option has named the end
	before   string   // the last event ID before the event in hand
	conn     *conn    // the current attempt, from the wait before it on; at last, the last one
	outcome  *outcome // of conn, while deciding
	resp     *http.Response
	err      error
	iterated bool

	// Shared with Close and Reconnect, which other goroutines call.
	closed   atomic.Bool
	skipWait atomic.Bool // Reconnect was called: the next attempt does not wait
	attempt  atomic.Pointer[conn]
}

// A state is what the next turn of [Stream.Next] does.
type state int

const (
	connecting state = iota // make an attempt
	reading                 // read the response
	deciding                // decide what follows the outcome
	completed               // end: the event of WithTerminator was delivered
	ended                   // nothing
)

// newStream returns a stream that has not made an attempt. If it cannot, it closes the
// body of the request, as net/http does.
func newStream(req *http.Request, subscribe bool, opts ...[]Option) (s *Stream, err error) {
	if err = request.Check(req); err == nil {
		s, err = configure(req, subscribe, opts...)
	}
	if err == nil && subscribe && request.IsOneShot(req) {
		err = errors.New("sse: Subscribe: a request with a body needs GetBody to be sent again; set it")
	}
	if err != nil {
		request.CloseBody(req)
		return nil, &mistakeError{err}
	}
	return s, nil
}

// configure returns a stream for req. FromResponse calls it for a request that was already
// sent.
func configure(req *http.Request, subscribe bool, opts ...[]Option) (*Stream, error) {
	cfg := newConfig(slices.Concat(opts...)...)
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	retrier, err := newRetrier(cfg, subscribe)
	if err != nil {
		return nil, err
	}
	if cfg.lastEventID == "" {
		cfg.lastEventID = callerID(req, cfg.headers)
	}
	s := &Stream{cfg: cfg, requests: newRequests(cfg, req), retrier: retrier}
	s.parser.configure(cfg)
	s.parser.stopAtDropped = len(cfg.terminator) > 0 || len(cfg.eventError) > 0
	s.parser.tell(cfg.ignoredError...)
	s.judges = s.parser.stopAtDropped || len(cfg.completeAfter) > 0
	s.before = s.parser.LastEventID()
	s.newAttempt(request.Name(req))
	return s, nil
}

// callerID returns the Last-Event-ID in the headers of req and of the options.
func callerID(req *http.Request, headers []header.Field) string {
	r := http.Request{Header: http.Header{}}
	r.Header.Set(header.LastEventID, header.Remove(req.Header.Clone(), header.LastEventID))
	header.Set(&r, headers)
	return r.Header.Get(header.LastEventID)
}

// start runs open, which makes the first attempts, and returns the stream or the error
// that ended it. A panic in a function of the caller releases the connection.
func (s *Stream) start(open func()) (stream *Stream, err error) {
	defer func() {
		if stream == nil {
			s.abandon()
		}
	}()
	open()
	if s.state == ended && s.err != nil {
		return nil, s.err
	}
	return s, nil
}

// Next reads up to the next event and reports whether there is one. It blocks while the
// server is silent and, for a subscription, while it waits and reconnects. Once it has
// returned false it always does: [Stream.Err] tells why, and everything that the stream
// held is released, except as [FromResponse] says.
func (s *Stream) Next() bool {
	for {
		switch s.state {
		case connecting:
			s.connect()
		case reading:
			switch {
			case s.interrupted():
				s.interrupt()
			case !s.inHand && !s.parser.next():
				s.endAttempt(s.disconnect())
			case s.deliver():
				return true
			}
		case deciding: // a panic in a function of the caller came before the end of decide
			s.decide()
		case completed:
			s.endAttempt(&outcome{kind: done})
		case ended:
			return false
		}
	}
}

// newAttempt makes the conn of the next attempt, which Close and Reconnect can cancel
// from now on. Until its request is made, it has the name of the previous one.
func (s *Stream) newAttempt(name string) {
	s.conn = newConn(s.cfg, s.requests.original.Context(), name)
	s.attempt.Store(s.conn)
	if s.closed.Load() {
		s.conn.cancel(ErrClosed)
	}
}

// connect runs the current attempt up to its response: it waits, makes the request and
// sends it.
func (s *Stream) connect() {
	c := s.conn
	if c.begun { // and a panic in a function of the caller came before its end
		s.endAttempt(&outcome{kind: noResponse, err: &attemptError{name: c.name, err: errPanic}})
		return
	}
	delay := s.retrier.next.Delay
	if s.skipWait.Swap(false) {
		delay = 0
	}
	if !c.wait(delay) {
		o := c.canceled()
		o.unsent = true
		s.endAttempt(o)
		return
	}
	c.begun, s.retrier.began = true, time.Now()
	c.startTimer(c.openTimeout())
	req, id, err := s.requests.next(c.ctx, &s.retrier, s.parser.LastEventID())
	c.place = cmp.Or(id, s.parser.LastEventID())
	var o *outcome
	switch {
	case err != nil:
		o = c.unsendable(err)
	case req == nil:
		o = &outcome{kind: nothingToResume}
	default:
		o = c.do(req, id)
	}
	s.begin(o)
}

// adopt reads a response that other code obtained as that of the first attempt.
func (s *Stream) adopt(resp *http.Response) {
	s.requests.adopted()
	s.retrier.maybeSent = true
	c := s.conn
	c.name = request.Name(resp.Request)
	o := c.adopt(resp)
	if o.kind == accepted {
		s.begin(o)
		return
	}
	s.resp = resp
	c.close()
	if o.kind == noContent && s.cfg.completes() {
		o.err = s.incomplete()
	}
	s.finish(o.err)
}

// begin begins to read the response of the current attempt if it was accepted.
func (s *Stream) begin(o *outcome) {
	c := s.conn
	if c.resp != nil {
		s.resp = c.resp
	}
	if o.kind != accepted {
		s.endAttempt(o)
		return
	}
	s.state = reading
	s.requests.resuming = true
	s.retrier.connected()
	s.parser.reset(body.Decode(c, c.resp.Header))
	s.cfg.trace.open(c.resp)
	s.cfg.log(c.parent, slog.LevelInfo, "sse: connected", c.name, nil, slog.Int("status", c.resp.StatusCode))
}

// deliver reports whether the parser's event is for the caller. If the event ends the
// stream, deliver ends it, or marks it completed.
func (s *Stream) deliver() bool {
	dropped := s.parser.dropped != ""
	if !dropped && s.isDone(s.parser.Data()) {
		s.endAttempt(&outcome{kind: done})
		return false
	}
	if s.judges {
		switch o := s.judge(); {
		case o != nil:
			s.endAttempt(o)
			return false
		case dropped:
			return false
		}
	}
	s.conn.events++
	s.conn.reads.Reset()
	return true
}

// judge shows the event to the functions of the caller. It returns the outcome if one of
// them ends the stream there. An event that completes the stream is delivered first, unless
// it was dropped because it has no data.
func (s *Stream) judge() *outcome {
	var e Event
	if typ := s.parser.dropped; typ != "" {
		e = Event{Type: typ, ID: s.parser.LastEventID()}
	} else {
		e = s.parser.Event()
	}
	s.inHand = true // a panic in a function loses neither the event nor the place before it
	var failure error
	for _, f := range s.cfg.eventError {
		if failure = f(e); failure != nil {
			break
		}
	}
	holds := func(f func(Event) bool) bool { return f(e) }
	complete := failure == nil && slices.ContainsFunc(s.cfg.terminator, holds)
	if failure == nil && s.parser.dropped == "" {
		s.mayEnd = s.mayEnd && !slices.ContainsFunc(s.cfg.reopen, holds) || slices.ContainsFunc(s.cfg.completeAfter, holds)
	}
	s.inHand, s.before = false, e.ID
	switch {
	case failure != nil:
		return &outcome{kind: poisoned, err: &EventError{Event: e, Err: failure, name: s.conn.name}}
	case complete && s.parser.dropped != "":
		return &outcome{kind: done}
	case complete:
		s.state = completed
	}
	return nil
}

// isDone reports whether data is that of a [WithDone] event.
func (s *Stream) isDone(data []byte) bool {
	if len(s.cfg.done) == 0 {
		return false
	}
	data = bytes.TrimSpace(data)
	return slices.ContainsFunc(s.cfg.done, func(done string) bool { return string(data) == done })
}

// disconnect returns the outcome of a connection from which no more events come.
func (s *Stream) disconnect() *outcome {
	c := s.conn
	if cause := s.interruption(); cause != nil {
		return &outcome{kind: interrupted, err: cause}
	}
	cause := c.cause()
	err := s.parser.Err()
	e, _ := err.(*EventError) // of WithIgnoredError
	switch {
	case e != nil:
	case errors.Is(err, ErrEventTooLarge):
		return &outcome{kind: poisoned, err: &attemptError{name: c.name, err: err}}
	case cause == nil:
		e = s.parser.endText() // perhaps the reason for a break
	}
	if e != nil {
		e.name = c.name
		return &outcome{kind: poisoned, err: e}
	}
	texts := s.parser.texts
	if texts != nil && texts.completed {
		return &outcome{kind: done}
	}
	r := s.parser.remainder()
	isDone := r.hasData && r.whole && s.isDone([]byte(r.event.Data)) || texts.isDone(&r)
	isClean := cause == nil && r.err == io.EOF && !r.pending
	switch {
	case isDone && cause != errReconnect:
		return &outcome{kind: done} // its blank line is missing
	case cause == errTimeout || (cause == errReconnect && s.retrier.subscribe):
		return c.canceled() // a Fetch needs the TruncatedError in case there is no rest
	case isClean && s.mayEnd && !r.foreign:
		return &outcome{kind: done}
	case isClean && !s.cfg.completes() && (!r.foreign || c.events > 0):
		return &outcome{kind: bodyEnded}
	}
	o := &outcome{kind: bodyCut, err: s.truncation(r, cause)}
	if cause == errReconnect {
		o.kind = reconnectAsked
	}
	return o
}

// truncation returns the error of a connection that ended too early. If Reconnect ended it,
// the cause is errReconnect.
func (s *Stream) truncation(r remainder, cause error) *TruncatedError {
	e := &TruncatedError{
		Partial:     r.event,
		LastEventID: s.parser.LastEventID(),
		Events:      s.conn.events,
		Err:         io.ErrUnexpectedEOF,
		Ignored:     r.ignored,
		name:        s.conn.name,
		within:      r.pending || r.event != (Event{}),
	}
	switch {
	case cause == errReconnect:
		e.Err = errReconnect
	case r.err != io.EOF:
		e.Err = redact.Transport(r.err)
	default:
		e.Clean = true
		if !s.mayEnd {
			e.without = s.cfg.completion()
		}
	}
	return e
}

// incomplete returns the error of a 204 response where a completion event is expected.
func (s *Stream) incomplete() *TruncatedError {
	return &TruncatedError{
		LastEventID: s.parser.LastEventID(),
		Err:         io.ErrUnexpectedEOF,
		Clean:       true,
		name:        s.conn.name,
		without:     s.cfg.completion(),
	}
}

// endAttempt ends the current attempt with the outcome o. It then ends the stream or
// prepares the next attempt, as the retrier decides.
func (s *Stream) endAttempt(o *outcome) {
	c := s.conn
	o.name, o.opened, o.accepted, o.spent = c.name, s.state != connecting, s.requests.resuming, s.requests.oneShot.Used()
	if s.inHand {
		s.parser.id.set(s.before)
		s.inHand = false
	}
	o.lastEventID = s.parser.LastEventID()
	o.retry, o.hasRetry = s.parser.Retry()
	s.retrier.countSent(o) // before a hook gets the error
	if o.kind == interrupted {
		o.err = s.retrier.interruptedBy(o.err)
	}
	s.state, s.outcome = deciding, o
	if o.kind == done {
		s.complete = true
		c.drain()
	}
	s.decide()
}

// decide closes the connection, and then ends the stream or prepares the next attempt. After
// a panic in a function of the caller, the next call continues where that came: it must not
// skip the decision, nor call the hooks again.
func (s *Stream) decide() {
	c, o := s.conn, s.outcome
	c.close()
	if o.opened && !o.reported {
		o.reported = true
		o.events, o.place, o.bytes, o.lasted = c.events, c.place, c.bytes, time.Since(c.opened)
		o.progress = o.madeProgress(s.parser.retrySet)
		s.parser.release() // a wait needs no buffer
		s.cfg.trace.disconnect(o.err)
		s.cfg.log(c.parent, slog.LevelInfo, "sse: disconnected", c.name, o.err, slog.Int("events", c.events))
	}
	if !o.again {
		if cause := s.interruption(); cause != nil && o.kind != done {
			o.kind, o.err = interrupted, cause
		}
		if o.kind == noContent && s.cfg.completes() {
			o.err = s.incomplete()
		}
		var err error
		if o.again, err = s.retrier.decide(o); !o.again {
			s.finish(err)
			return
		}
		if o.kind != reconnectAsked {
			next := s.retrier.next
			s.cfg.trace.wait(next)
			s.cfg.log(c.parent, slog.LevelInfo, "sse: waiting", c.name, o.err, slog.Int("attempt", next.Number), slog.Duration("delay", next.Delay))
		}
	}
	s.newAttempt(c.name)
	s.conn.ownConn, s.conn.pooled = c.isGivenUp() || c.ownConn && !o.opened, c.pooled
	s.state, s.outcome = connecting, nil
}

// interrupt ends the stream for its interruption.
func (s *Stream) interrupt() {
	s.endAttempt(&outcome{kind: interrupted, err: s.interruption()})
}

// interrupted reports whether there is an interruption. It is called for each event and
// takes no lock.
func (s *Stream) interrupted() bool {
	return s.conn.ctx.Err() != nil && s.interruption() != nil
}

// interruption returns the cause if the context of the request ended or Close was called.
func (s *Stream) interruption() error {
	c := s.conn
	if c.adopted {
		// Closing its body may have ended the context of the request. The attempt's own
		// context tells what came first.
		if cause := c.callerCause(); cause != nil {
			return cause
		}
	} else if c.parent.Err() != nil {
		return context.Cause(c.parent)
	}
	if s.closed.Load() {
		return ErrClosed
	}
	return nil
}

// finish ends the stream with err, or with the interruption if there is one, and releases
// everything.
func (s *Stream) finish(err error) {
	level := slog.LevelInfo
	if cause := s.interruption(); err != nil && cause != nil {
		err = s.retrier.interruptedBy(cause)
	} else if err != nil {
		level = slog.LevelWarn // the program has not asked for this end
	}
	s.state, s.outcome, s.err = ended, nil, err
	s.requests.discard()
	s.parser.release()
	s.cfg.log(s.conn.parent, level, "sse: ended", s.conn.name, err)
}

// Event returns the event of the last call of [Stream.Next], a copy that the caller may
// keep. Without an event it returns the zero Event.
func (s *Stream) Event() Event { return s.parser.Event() }

// Data returns the data of the last event without a copy. The stream owns the bytes: they
// are valid until the next call of [Stream.Next]. Without an event it returns nil.
func (s *Stream) Data() []byte { return s.parser.Data() }

// Type returns the type of the last event, "message" if its block names none, or ""
// without an event.
func (s *Stream) Type() string { return s.parser.Type() }

// Retry returns the reconnection time that the server set last, over any connection, and
// whether it has set any. The value is as sent, up to the largest Duration; the waits are
// an hour at most.
func (s *Stream) Retry() (time.Duration, bool) { return s.parser.Retry() }

// LastEventID returns the ID that the next attempt would send, as the stream had it; a
// header carries it without white space at its ends. The section "The Last-Event-ID header"
// of the standard says what a server makes of it. A program that stores it can resume there
// with [WithLastEventID].
func (s *Stream) LastEventID() string {
	if s.inHand {
		return s.before
	}
	return s.parser.LastEventID()
}

// Response returns the response of the current connection, or of the last one, for its
// status and headers. The stream owns the body. Without a response it returns nil.
func (s *Stream) Response() *http.Response { return s.resp }

// Err returns the error that ended the stream. It is nil until then, unless Close was
// called, and after the completion or another clean end. Otherwise it is the cause of the
// context, [ErrClosed], or the error of the last attempt or connection, in this order. A
// reconnect is not an error. If the context ended while the stream waited to retry, the
// error wraps the cause and the last failure: test it with [errors.Is].
func (s *Stream) Err() error {
	if s.state < completed && s.closed.Load() {
		return ErrClosed
	}
	return s.err
}

// Events returns an iterator over the events. At most one error comes, as the last pair
// and beside a zero Event; a clean end is silent. Leaving the loop closes the stream
// before the next statement runs, and [Stream.Err] is then [ErrClosed] unless the stream
// had ended. The iterator can be ranged over once: another time it yields one error.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return iterate(s, func() (Event, error) { return s.Event(), nil })
}

// Reconnect drops the connection, or ends a wait, and makes a new attempt at once: after
// a change of network, or when the machine wakes up. Complete events that Next has already
// read from the connection are still delivered. The new attempt has a connection of its
// own. Reconnect may be called from any goroutine, and does not block. It has no effect on a
// stream of Fetch or FromResponse without [WithResume].
func (s *Stream) Reconnect() {
	if !s.retrier.subscribe && s.cfg.resume == nil {
		return
	}
	s.skipWait.Store(true)
	s.attempt.Load().cancel(errReconnect)
}

// Close ends the stream. It may be called from any goroutine, in any state and any number
// of times, and does not block: a concurrent call of Next returns false within
// milliseconds. The connection is released even if Next is not called again, but hooks and
// log report the end only from within Next. If Close interrupted something, Err returns
// [ErrClosed]. The error of Close is always nil.
func (s *Stream) Close() error {
	s.closed.Store(true)
	s.attempt.Load().cancel(ErrClosed)
	s.requests.oneShot.Discard()
	return nil
}

func (s *Stream) watch(w bridge.Watcher) { s.parser.watch(w) }

// ending implements bridge.Ended.
func (s *Stream) ending() bridge.End {
	return bridge.End{
		Completed: s.complete,
		Open:      s.parser.foreign,
		Truncated: func(events int, without string) error {
			cut := s.incomplete()
			cut.Events, cut.without = events, without
			return cut
		},
	}
}

func (s *Stream) iterateOnce() bool {
	first := !s.iterated
	s.iterated = true
	return first
}

// abandon closes the stream on the goroutine that reads it, so that the connection is
// released when it returns.
func (s *Stream) abandon() {
	s.parser.keepData()
	s.closed.Store(true)
	if s.state == deciding {
		s.decide()
	}
	switch s.state {
	case completed:
		s.endAttempt(&outcome{kind: done})
	case connecting, reading:
		s.interrupt()
	}
	s.conn.close() // again, if a panic in a function of the caller came first
}

// log reports the life of the connection called name: why it ended, and never what it
// carries.
func (c *config) log(ctx context.Context, level slog.Level, message, name string, err error, attrs ...slog.Attr) {
	if c.logger == nil {
		return
	}
	attrs = append(attrs, slog.String("request", strings.TrimSuffix(name, ": ")))
	if err != nil {
		attrs = append(attrs, slog.String("reason", strings.ReplaceAll(logText(err), name, "")))
	}
	c.logger.LogAttrs(ctx, level, message, attrs...)
}

// logText returns the text of err for a log, made of what is known to be safe. The words of
// the caller's functions are not: they may repeat what the stream carries.
func logText(err error) string {
	if e, ok := errors.AsType[interface {
		error
		logText() string
	}](err); ok {
		return e.logText()
	}
	return cmp.Or(safeWords(err), "the context ended") // with the caller's cause
}

// safeWords returns the part of the message of err that is known to be safe, or "".
func safeWords(err error) string {
	return strings.TrimPrefix(redact.Words(err,
		ErrOpenTimeout, ErrIdleTimeout, ErrEventTimeout, ErrClosed, ErrEventTooLarge, errReconnect, errPanic, errSpentBody, errUnsendableID,
		errNoHeaders, errNoProgress, request.ErrLength,
	), "sse: ")
}

// traces are the hooks of all WithTrace options.
type traces []*Trace

func (ts traces) request(req *http.Request) {
	for _, t := range ts {
		if t.Request != nil {
			t.Request(req)
		}
	}
}

func (ts traces) open(resp *http.Response) {
	for _, t := range ts {
		if t.Open != nil {
			t.Open(resp)
		}
	}
}

func (ts traces) disconnect(err error) {
	for _, t := range ts {
		if t.Disconnect != nil {
			t.Disconnect(err)
		}
	}
}

func (ts traces) wait(a Attempt) {
	for _, t := range ts {
		if t.Wait != nil {
			t.Wait(a)
		}
	}
}

func (ts traces) comment(text []byte) {
	for _, t := range ts {
		if t.Comment != nil {
			t.Comment(utf8x.String(text))
		}
	}
}

func (ts traces) ignored(line []byte) {
	for _, t := range ts {
		if t.Ignored != nil {
			t.Ignored(utf8x.String(line))
		}
	}
}

// A TruncatedError reports a stream that ended too early: in the middle of a block, before
// the event of [WithDone], [WithTerminator] or [WithCompleteAfter], or because reading
// failed. Its tree always has [io.ErrUnexpectedEOF].
type TruncatedError struct {
	Partial     Event  // the unfinished block, as far as it had arrived
	LastEventID string // in force at the end
	Events      int    // dispatched by this connection
	Err         error  // io.ErrUnexpectedEOF, or the error of reading
	Clean       bool   // the response itself ended normally

	// Ignored has the last lines that were not fields of the standard, at most 8, and of
	// each the first 1,024 bytes as valid UTF-8. The unfinished last line is included. A
	// server or proxy that fails may report its reason in them, for example as a field
	// called error or as plain JSON. The message of the error does not show them.
	Ignored []string

	name    string
	without string // the completion event that is missing, if one was configured
	within  bool   // the end cut off a block, or a line that may have begun one
}

// Error returns the request and how the response ended, without any of its data.
func (e *TruncatedError) Error() string {
	return "sse: " + e.text(trimPrefix(cmp.Or(e.Err, io.ErrUnexpectedEOF)))
}

// text returns the message with the reason why the connection broke.
func (e *TruncatedError) text(reason string) string {
	text := "the connection broke"
	if e.Clean {
		text = "the response ended"
	}
	text += " after " + count(e.Events, "event", "events")
	switch {
	case e.within || e.Partial != (Event{}):
		text += fmt.Sprintf(", in the middle of event %d", e.Events+1)
	case e.Clean && e.without != "":
		text += " without " + e.without
	}
	if len(e.Ignored) > 0 {
		text += ", with ignored lines"
	}
	if !e.Clean {
		text += ": " + reason
	}
	return e.name + text
}

// Unwrap returns Err and [io.ErrUnexpectedEOF].
func (e *TruncatedError) Unwrap() []error { return []error{e.Err, io.ErrUnexpectedEOF} }

// LogValue implements [slog.LogValuer]. It leaves out what the stream carried and the words
// of the caller's body.
func (e *TruncatedError) LogValue() slog.Value { return slog.StringValue("sse: " + e.logText()) }

func (e *TruncatedError) logText() string { return e.text(cmp.Or(safeWords(e.Err), "reading failed")) }

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (e *TruncatedError) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

func count(n int, singular, plural string) string {
	if n == 1 {
		plural = singular
	}
	return strconv.Itoa(n) + " " + plural
}

// An EventError reports an error that the server sent in the stream. Err is the error that
// the function of [WithEventError] returned for the event, or that of [WithIgnoredError]
// for the text in Event.Data; the event then has no type.
type EventError struct {
	Event Event // or the text, in Data
	Err   error // of the function

	name string
}

// Error returns the request and what the function of the option made of the event.
func (e *EventError) Error() string {
	return "sse: " + e.name + "error event: " + redact.Bound(trimPrefix(e.Err))
}

// Unwrap returns Err.
func (e *EventError) Unwrap() error { return e.Err }

// LogValue implements [slog.LogValuer]. It leaves out the event and the words of the
// caller's function.
func (e *EventError) LogValue() slog.Value { return slog.StringValue("sse: " + e.logText()) }

func (e *EventError) logText() string { return e.name + "error event" }

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (e *EventError) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

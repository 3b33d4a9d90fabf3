package sse

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/fetchsse/sse/internal/bridge"
	"github.com/fetchsse/sse/internal/header"
	"github.com/fetchsse/sse/internal/redact"
)

// An Option changes a default of [NewClient], [Client.Fetch], [Client.Subscribe],
// [FromResponse] or [NewParser]. The options of NewClient are the defaults of its calls;
// the options of a call override them. An invalid value is an error of the call that uses
// it. A nil function, client, set of hooks or logger restores the default. Of options that
// are given several times, the last one counts unless their documentation says otherwise:
// the functions of WithPrepare, WithTrace, WithEventError, WithIgnoredError, WithTerminator
// and WithCompleteAfter are all called.
type Option func(*config)

// JoinOptions returns opts as one option, which applies them in order.
func JoinOptions(opts ...Option) Option {
	opts = slices.Clone(opts)
	return func(c *config) { c.apply(opts) }
}

type config struct {
	// The request.
	httpClient  *http.Client
	headers     []header.Field
	prepare     []func(*http.Request) error
	resume      func(context.Context, Attempt) (*http.Request, error)
	lastEventID string

	// Retries.
	backOff     func() backoff.BackOff
	retryPolicy func(Attempt) (time.Duration, bool)
	maxRetries  *int // nil: the default of Fetch or Subscribe

	// Limits. A duration of 0 sets no limit.
	openTimeout  time.Duration
	openDefault  time.Duration // the openTimeout unless openSet
	openSet      bool
	idleTimeout  time.Duration
	eventTimeout time.Duration
	maxEventSize int

	// Responses and events that end a stream.
	check         func(*http.Response) error
	readRefusal   func(status int, body []byte) error
	done          []string
	terminator    []func(Event) bool
	completeAfter []func(Event) bool
	reopen        []func(Event) bool // of bridge.Reopen
	eventError    []func(Event) error
	ignoredError  []func(string) error

	// Observers.
	trace  traces
	logger *slog.Logger

	err error // of an option that cannot be applied
}

// newConfig returns the defaults as changed by opts, in order.
func newConfig(opts ...Option) *config {
	c := &config{
		openDefault:  2 * time.Minute,
		check:        CheckResponse,
		maxEventSize: 32 << 20,
	}
	c.apply(opts)
	if !c.openSet {
		c.openTimeout = c.openDefault
	}
	return c
}

func (c *config) apply(opts []Option) {
	for _, o := range opts {
		if o != nil {
			o(c)
		}
	}
}

// validate returns an error that names the first invalid value and the valid ones.
func (c *config) validate() error {
	if c.err != nil {
		return c.err
	}
	for _, h := range c.headers {
		if !header.IsName(h.Key) {
			return fmt.Errorf("sse: WithHeader: %w", header.ErrName)
		}
		if !header.IsValue(h.Value) {
			return fmt.Errorf("sse: WithHeader: the value for %s has a control character", h.Key)
		}
	}
	for _, d := range []struct {
		option string
		value  time.Duration
	}{
		{"WithOpenTimeout", c.openTimeout},
		{"WithIdleTimeout", c.idleTimeout},
		{"WithEventTimeout", c.eventTimeout},
	} {
		if d.value < 0 {
			return fmt.Errorf("sse: %s: %v is negative; give a duration, or 0 for no limit", d.option, d.value)
		}
	}
	switch {
	case !isSendable(c.lastEventID):
		return fmt.Errorf("sse: WithLastEventID: %w", errUnsendableID)
	case c.maxRetries != nil && *c.maxRetries < 0:
		return fmt.Errorf("sse: WithMaxRetries: %d is negative; give a count, or 0 for no retry", *c.maxRetries)
	case c.maxEventSize < 1:
		return fmt.Errorf("sse: WithMaxEventSize: %d is not allowed; give at least 1 byte", c.maxEventSize)
	}
	return nil
}

// completes reports whether the stream needs an event to be complete.
func (c *config) completes() bool {
	return len(c.done) > 0 || len(c.terminator) > 0 || len(c.completeAfter) > 0
}

// completion names the completion event for messages, or returns "" if there is none.
func (c *config) completion() string {
	switch functions := len(c.terminator) + len(c.completeAfter); {
	case !c.completes():
		return ""
	case len(c.done) != 1:
		return "the completion event"
	case functions > 0:
		return redact.Bound(c.done[0]) + " or another completion event"
	}
	return redact.Bound(c.done[0])
}

// combine returns earlier with f at its end, or nothing if f is nil: that takes the earlier
// ones back.
func combine[F any](earlier []F, f F, isNil bool) []F {
	if isNil {
		return nil
	}
	return append(slices.Clip(earlier), f)
}

// WithHTTPClient sends requests with hc in place of [http.DefaultClient]. Each attempt
// uses a copy of hc, which is never changed. The Timeout of hc limits the wait for the
// response headers, as [WithOpenTimeout] does, and never the stream.
func WithHTTPClient(hc *http.Client) Option {
	return func(c *config) { c.httpClient = hc }
}

// WithHeader sets a header on every attempt, in place of the values in the request. For
// several headers, give it several times; for the same key, the last one counts.
func WithHeader(key, value string) Option {
	return func(c *config) { c.headers = append(c.headers, header.Field{Key: key, Value: value}) }
}

// WithPrepare calls f with the request of every attempt just before it is sent, for
// example to set a fresh token or a signature. The request is a copy for this attempt,
// and its context ends with the attempt. If f returns an error, the stream ends unless
// [WithRetryPolicy] continues. Given several times, all functions are called in order, up
// to the first error.
func WithPrepare(f func(*http.Request) error) Option {
	return func(c *config) { c.prepare = combine(c.prepare, f, f == nil) }
}

// WithResume calls f for the request of every attempt after the first. By default, the
// first request is sent again; f may choose another method, URL or cursor. The last event
// ID is added as Last-Event-ID unless f has set one. The request is sent with the context
// that f gets, which ends with the attempt, and not with its own. If it has a body, it
// needs GetBody; without it, the attempt fails with an error that says so.
//
// Because f decides what is sent twice, [Client.Fetch] and [FromResponse] also reconnect
// after a break, with the waits of a subscription and the two retries of Fetch.
//
// If f returns nil and no error, there is nothing to resume. If no response has been
// accepted yet, the first request is then sent again where that is safe, or where only
// [WithRetryPolicy] has decided to retry. Otherwise the stream ends with the error of the
// break, or cleanly after a clean end. If f returns an error, the stream ends unless
// [WithRetryPolicy] continues.
func WithResume(f func(context.Context, Attempt) (*http.Request, error)) Option {
	return func(c *config) { c.resume = f }
}

// WithLastEventID starts with this last event ID, to resume where an earlier process
// stopped. A header must be able to carry it. The default is the Last-Event-ID header of
// the request, if there is one.
func WithLastEventID(id string) Option {
	return func(c *config) { c.lastEventID = id }
}

// WithBackOff takes the waits between attempts without progress, and all waits if the
// server has not set a reconnection time, from the policy that f returns. It calls f once
// for each stream and resets the policy after progress; see [WithMaxRetries]. No such wait
// is shorter than 100 ms, and [backoff.Stop] ends the stream.
//
// The default is exponential: 1 s to 30 s, doubling, with 50 % of jitter and no limit of
// time. A policy of [backoff.NewExponentialBackOff] stops after 15 minutes by default.
func WithBackOff(f func() backoff.BackOff) Option {
	return func(c *config) { c.backOff = f }
}

// WithRetryPolicy calls f after every failure, and when a response of a subscription has
// ended, to decide whether there is another attempt and after which wait. Its [Attempt] has
// the default decision, which f can override: it may retry an unknown host, or start
// attempts less than 100 ms apart. It is not called for cancellation, Close, Reconnect,
// completion, status 204 and a [WithResume] function without a request. To renew a token
// after a 401, let f continue once and [WithPrepare] set the new token.
func WithRetryPolicy(f func(Attempt) (time.Duration, bool)) Option {
	return func(c *config) { c.retryPolicy = f }
}

// WithMaxRetries limits the consecutive retries and reconnects without progress. A
// connection makes progress with an event after which the last event ID differs from the
// one that was sent, or with any event where there are no IDs; if it brings bytes and lasts
// 10 seconds; or if its response sets retry and ends cleanly. The same event after every
// reconnect is not progress. The default is 2 for Fetch and no limit for Subscribe. With 0
// there is no retry and no reconnect.
func WithMaxRetries(n int) Option {
	return func(c *config) { c.maxRetries = &n }
}

// WithOpenTimeout limits the time from the start of an attempt to the headers of its
// response. Some servers send the headers with the first event: allow for the time that
// this takes. The default is 2 minutes; 0 sets no limit. The error is [ErrOpenTimeout].
func WithOpenTimeout(d time.Duration) Option {
	return func(c *config) { c.openTimeout, c.openSet = d, true }
}

// WithIdleTimeout limits the time that Next waits for a byte of the body, which may be
// that of a comment. It does not limit the wait for the response headers; see
// [WithOpenTimeout]. By default and with 0 there is no limit. The error is
// [ErrIdleTimeout].
//
// The next attempt has a connection of its own, since the old one may be dead. If many
// streams share a connection of HTTP/2, let net/http find a dead one first, so that they
// share the next one as well: set SendPingTimeout and PingTimeout of [http.HTTP2Config], in
// sum to less than d.
func WithIdleTimeout(d time.Duration) Option {
	return func(c *config) { c.idleTimeout = d }
}

// WithEventTimeout limits the time that Next waits for an event, whatever comments arrive
// meanwhile. By default and with 0 there is no limit. The error is [ErrEventTimeout].
func WithEventTimeout(d time.Duration) Option {
	return func(c *config) { c.eventTimeout = d }
}

// WithMaxEventSize limits the bytes of one block, including its comments and ignored
// lines. The default is 32 MiB and the minimum 1. The error is [ErrEventTooLarge].
func WithMaxEventSize(n int) Option {
	return func(c *config) { c.maxEventSize = n }
}

// WithResponseCheck calls f in place of [CheckResponse] to decide at the headers whether a
// response is the event stream. It is not called for status 204. It may call CheckResponse
// for a part of the decision, and accept any status or media type.
//
// If f returns an error, the attempt ends with a [*ResponseError] that has the error as its
// Err. Before that, f may read the body, for example a JSON response, in the time of
// [WithOpenTimeout]; the ResponseError has what it read in its Body. It must not read the
// body of a response that it accepts. The body that f reads is decoded from its content
// encoding.
func WithResponseCheck(f func(*http.Response) error) Option {
	return func(c *config) {
		if c.check = f; f == nil {
			c.check = CheckResponse
		}
	}
}

// WithDone completes the stream at an event whose data is one of these strings, such as
// "[DONE]". White space around them does not count. The event is not delivered. At the end
// of the response it counts even if its blank line is missing. A stream that ends without
// it is truncated.
//
// Next then waits up to 100 ms for the end of the response, so that the connection can be
// reused. WithDone without arguments takes an earlier one back.
func WithDone(data ...string) Option {
	done := slices.Clone(data)
	for i := range done {
		done[i] = strings.TrimSpace(done[i])
	}
	return func(c *config) { c.done = done }
}

// WithTerminator completes the stream at the first event for which f returns true. The
// event is delivered. A stream that ends without it is truncated. The following call of
// Next, or leaving the loop at the event, waits for the end of the response as with
// [WithDone]. Given several times, any of the functions completes the stream.
//
// A block that names a type and has no data is not an event, but f sees it too, with empty
// Data, and it can complete the stream. It is not delivered.
func WithTerminator(f func(Event) bool) Option {
	return func(c *config) { c.terminator = combine(c.terminator, f, f == nil) }
}

// WithCompleteAfter makes a clean end of the response complete the stream, from the first
// event for which f returns true. The event is delivered, and reading continues: more
// events may follow, such as the token counts after the last text. A connection that
// breaks, or a response that ends in the middle of a block or after a line outside any
// field of the standard, is truncated even so, as is a stream that ends without such an
// event. The state belongs to the stream and outlives reconnects. WithDone and
// WithTerminator, which complete the stream at once, can be given as well. Given several
// times, any of the functions counts.
func WithCompleteAfter(f func(Event) bool) Option {
	return func(c *config) { c.completeAfter = combine(c.completeAfter, f, f == nil) }
}

// WithEventError ends the stream with an [*EventError] at the first event for which f
// returns an error. The event is in the error and is not delivered. WithDone sees an event
// before f does, and WithTerminator sees it afterwards. If [WithRetryPolicy] continues, the
// next attempt resumes after the event. Given several times, all functions are called in
// order, up to the first error. A block that names a type and has no data is not an event,
// but f sees it too.
func WithEventError(f func(Event) error) Option {
	return func(c *config) { c.eventError = combine(c.eventError, f, f == nil) }
}

// WithIgnoredError ends the stream with an [*EventError] at the first text outside any field
// of the standard for which f returns an error. Some servers report errors in such text: in
// a field called error, as JSON that may have many lines, or as HTML. The Data of the event
// in the error is the text, and its Type is empty.
//
// A text is consecutive lines, joined with "\n" and cut after 64 KiB; comments between them
// do not count. f gets it once: at the blank line, field or end of the response that
// follows, before the event of a block that the blank line ends. At the end, an unfinished
// last line belongs to it. An invalid retry or id is a field. Given several times, all
// functions are called in order, up to the first error. A [Parser] does not use it.
func WithIgnoredError(f func(text string) error) Option {
	return func(c *config) { c.ignoredError = combine(c.ignoredError, f, f == nil) }
}

// WithTrace calls the hooks of t. Given several times, the hooks of all are called in order.
func WithTrace(t *Trace) Option {
	return func(c *config) { c.trace = combine(c.trace, t, t == nil) }
}

// WithLogger logs the life of connections to l: connecting at level debug; connected,
// disconnected and waiting at level info; and ended at level warn if an error other than
// an interruption ended the stream, else at level info. It never logs event data, header
// values, query strings or the words of the caller's functions. By default nothing is
// logged.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) { c.logger = l }
}

// The options and sources of package bridge, for package llm.
func init() {
	option := func(o Option) any { return o }
	bridge.Fail = func(err error) any { return option(func(c *config) { c.err = err }) }
	bridge.OpenTimeout = func(d time.Duration) any { return option(func(c *config) { c.openDefault = d }) }
	bridge.Refusal = func(read func(int, []byte) error) any { return option(func(c *config) { c.readRefusal = read }) }
	bridge.Reopen = func(f any) any { return option(func(c *config) { c.reopen = append(c.reopen, f.(func(Event) bool)) }) }
	bridge.Watch = func(source any, w bridge.Watcher) { source.(Source).watch(w) }
	bridge.Ended = func(source any) bridge.End { return source.(Source).ending() }
}

// A Trace is a set of hooks, each of which may be nil. The goroutine that reads the stream
// calls them. They may call [Stream.Close] and [Stream.Reconnect]. A [Parser] calls only
// Comment and Ignored. When a connection ends, the order is Disconnect, the function of
// [WithRetryPolicy], Wait, the wait itself, the functions of [WithResume] and
// [WithPrepare], Request, Open.
type Trace struct {
	// Request is called with the request of an attempt just before it is sent.
	Request func(*http.Request)

	// Open is called with a response that was accepted.
	Open func(*http.Response)

	// Comment is called at the end of a comment line with the text after its colon,
	// without one leading space.
	Comment func(text string)

	// Ignored is called with a line that has no effect: an unknown field, an invalid
	// retry, an id with a NUL, or the event field of a block without data, at the end of
	// that. It gets at most the first 1,024 bytes.
	Ignored func(line string)

	// Disconnect is called when a connection has ended: with nil after completion or a
	// clean end, and with the reason otherwise. If [WithDone], [WithTerminator] or
	// [WithCompleteAfter] is given, a response that ends without completion is a
	// [*TruncatedError], as is one that ends in the middle of an event, or that has text
	// and no event. It is not called for an attempt whose response was not accepted; see
	// [Trace.Wait].
	Disconnect func(err error)

	// Wait is called before the wait for the next attempt, even if its Delay is 0. The
	// values are the final ones, after [WithRetryPolicy]. It is not called after
	// [Stream.Reconnect], which does not wait.
	Wait func(Attempt)
}

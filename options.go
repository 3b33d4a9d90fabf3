package sse

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/fetchsse/sse/internal/header"
)

// An Option changes a default of [NewClient], [Client.Fetch], [Client.Subscribe],
// [FromResponse] or [NewParser]. Options given to NewClient are the defaults of its
// calls; those given to a call win. A bad value is an error of the call that uses
// it. A nil function, client, hook set or logger restores the default.
type Option func(*config)

type config struct {
	// The request.
	httpClient  *http.Client
	headers     []header.Field
	prepare     func(*http.Request) error
	resume      func(context.Context, Attempt) (*http.Request, error)
	lastEventID string

	// Trying again.
	backOff     func() backoff.BackOff
	retryPolicy func(Attempt) (time.Duration, bool)
	maxRetries  *int // nil: the default of Fetch or Subscribe

	// Limits. A duration of 0 is none.
	openTimeout  time.Duration
	idleTimeout  time.Duration
	eventTimeout time.Duration
	maxEventSize int

	// What ends a stream.
	done       []string
	terminator func(Event) bool
	eventError func(Event) error

	// Watching it.
	trace  *Trace
	logger *slog.Logger
}

// newConfig returns the defaults as opts change them, the later ones last.
func newConfig(opts ...Option) *config {
	c := &config{
		openTimeout:  2 * time.Minute,
		maxEventSize: 16 << 20,
	}
	for _, o := range opts {
		if o != nil {
			o(c)
		}
	}
	return c
}

// validate returns an error that names the first bad value and what is allowed.
func (c *config) validate() error {
	for _, h := range c.headers {
		if !header.IsToken(h.Key) {
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
	case !header.IsValue(c.lastEventID):
		return fmt.Errorf("sse: WithLastEventID: %w", errUnsendableID)
	case c.maxRetries != nil && *c.maxRetries < 0:
		return fmt.Errorf("sse: WithMaxRetries: %d is negative; give a count, or 0 for no retry", *c.maxRetries)
	case c.maxEventSize < 1:
		return fmt.Errorf("sse: WithMaxEventSize: %d is not allowed; give at least 1 byte", c.maxEventSize)
	}
	return nil
}

// completes reports whether the stream is to end by an event.
func (c *config) completes() bool { return len(c.done) > 0 || c.terminator != nil }

// WithHTTPClient sends requests with hc instead of [http.DefaultClient]. It is
// copied for each attempt and never changed. Its Timeout bounds the wait for the
// response headers, as [WithOpenTimeout] does, and never the stream.
func WithHTTPClient(hc *http.Client) Option {
	return func(c *config) { c.httpClient = hc }
}

// WithHeader sets a header on every attempt, in place of the request's own values
// for key. It can be given several times for different keys.
func WithHeader(key, value string) Option {
	return func(c *config) { c.headers = append(c.headers, header.Field{Key: key, Value: value}) }
}

// WithPrepare calls f with the request of every attempt, the last word before it is
// sent: the place for a fresh token or a signature. The request is the attempt's
// own copy, and its context ends with the attempt. An error of f ends the stream
// unless [WithRetryPolicy] goes on.
func WithPrepare(f func(*http.Request) error) Option {
	return func(c *config) { c.prepare = f }
}

// WithResume calls f for the request of every attempt after the first, where the
// default is to send the first request again: f may use another method, URL or
// cursor. Last-Event-ID is added if there is one and f set none. The request is sent
// with the context that f is given, which ends with the attempt, and not with its own.
// Because f decides what is sent twice, [Client.Fetch] and [FromResponse] go on after a
// break, too, after the waits of a subscription.
//
// A nil request without an error says that there is nothing to resume. Then the
// stream ends as it would without f, or, if no answer had been accepted so far, the
// first request is sent again. An error ends the stream unless [WithRetryPolicy]
// goes on.
func WithResume(f func(context.Context, Attempt) (*http.Request, error)) Option {
	return func(c *config) { c.resume = f }
}

// WithLastEventID starts with this last event ID, to resume where an earlier
// process stopped. It must be fit for a header. The default is the Last-Event-ID
// header of the request, if it has one.
func WithLastEventID(id string) Option {
	return func(c *config) { c.lastEventID = id }
}

// WithBackOff takes the waits between attempts without progress from the policy
// that f returns, called once for each stream. The default is exponential, 1 s to
// 30 s, doubling, give or take 50 %, without a limit of time. The policy is reset
// when an outage begins; no wait is under 100 ms; [backoff.Stop] gives up. Mind that
// [backoff.NewExponentialBackOff] by default stops after 15 minutes.
func WithBackOff(f func() backoff.BackOff) Option {
	return func(c *config) { c.backOff = f }
}

// WithRetryPolicy asks f after every failure whether to try again and after what
// wait, instead of going by the default, which f sees in its [Attempt]. It is not
// asked about cancellation, Close, Reconnect, completion and status 204. To renew a
// token after a 401, let [WithPrepare] set it and f go on once.
func WithRetryPolicy(f func(Attempt) (time.Duration, bool)) Option {
	return func(c *config) { c.retryPolicy = f }
}

// WithMaxRetries sets how many attempts in a row may bring no event before the
// stream gives up. The default is 2 for Fetch and no limit for Subscribe; 0 means
// never to try again.
func WithMaxRetries(n int) Option {
	return func(c *config) { c.maxRetries = &n }
}

// WithOpenTimeout bounds the time from the start of an attempt to the headers of
// its response. The default is 2 minutes; 0 is no limit. The error is
// [ErrOpenTimeout].
func WithOpenTimeout(d time.Duration) Option {
	return func(c *config) { c.openTimeout = d }
}

// WithIdleTimeout bounds the silence on the wire while Next waits for the body: any
// byte, that of a comment too, ends it. The wait for response headers is not the body's:
// [WithOpenTimeout] bounds it, on every attempt. It is off by default and with 0. The
// error is [ErrIdleTimeout].
func WithIdleTimeout(d time.Duration) Option {
	return func(c *config) { c.idleTimeout = d }
}

// WithEventTimeout bounds the time that Next waits for an event; comments do not
// help. It is off by default and with 0. The error is [ErrEventTimeout].
func WithEventTimeout(d time.Duration) Option {
	return func(c *config) { c.eventTimeout = d }
}

// WithMaxEventSize sets how many bytes the lines of one block may have, comments
// and ignored lines included. The default is 16 MiB, the least 1. The error is
// [ErrEventTooLarge].
func WithMaxEventSize(n int) Option {
	return func(c *config) { c.maxEventSize = n }
}

// WithDone completes the stream at an event whose data is exactly one of these
// strings, such as "[DONE]". The event is not delivered; it counts without its blank
// line, too, if the stream ends there. A stream that ends before is truncated. Next then
// waits for the end of the response, 100 ms at most, so that the connection can be used
// again. Without arguments it takes an earlier WithDone back.
func WithDone(data ...string) Option {
	return func(c *config) { c.done = slices.Clone(data) }
}

// WithTerminator completes the stream at the first event for which f returns true.
// The event is delivered. A stream that ends before is truncated. The next call of
// Next, or leaving the loop over the events there, waits for the end of the response as
// with [WithDone].
func WithTerminator(f func(Event) bool) Option {
	return func(c *config) { c.terminator = f }
}

// WithEventError ends the stream with an [*EventError] at the first event for which
// f returns an error. The event is in the error and is not delivered.
func WithEventError(f func(Event) error) Option {
	return func(c *config) { c.eventError = f }
}

// WithTrace calls the hooks of t.
func WithTrace(t *Trace) Option {
	return func(c *config) { c.trace = t }
}

// WithLogger logs the life of connections to l: connecting (level debug), connected,
// disconnected, waiting, and ended (level warn if by an error that is no interruption).
// It never logs payloads, header values or query strings. The default logs nothing.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) { c.logger = l }
}

// A Trace is a set of hooks, each of which may be nil. They are called on the
// goroutine that reads the stream and may call [Stream.Close] and
// [Stream.Reconnect]. A [Parser] calls Comment and Ignored only.
type Trace struct {
	// Request is called with the request of an attempt that is about to be sent.
	Request func(*http.Request)

	// Open is called with a response that was accepted.
	Open func(*http.Response)

	// Comment is called at the end of a comment line with the text after its colon,
	// less one leading space.
	Comment func(text string)

	// Ignored is called with a line that has no effect: an unknown field, a bad
	// retry, an id with a NUL. Of a long one it gets the first 1,024 bytes.
	Ignored func(line string)

	// Disconnect is called when a connection has ended: with nil after completion or
	// a clean end, else with the reason. Where [WithDone] or [WithTerminator] says how
	// the stream completes, another end of the response is a [*TruncatedError]. An attempt
	// that never got an event stream is not a connection; its error is in [Trace.Wait].
	Disconnect func(err error)

	// Wait is called before the wait for the next attempt. The values are the final
	// ones, after [WithRetryPolicy].
	Wait func(Attempt)
}

package sse

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/fetchsse/sse/internal/body"
	"github.com/fetchsse/sse/internal/header"
	"github.com/fetchsse/sse/internal/request"
)

// An Attempt tells how the last attempt or connection ended, and what comes next. The
// functions of [WithRetryPolicy] and [WithResume] and the hook [Trace.Wait] get one.
// [WithMaxRetries] defines progress.
type Attempt struct {
	Number      int           // of the next attempt: 1 is the first after progress or Reconnect
	LastEventID string        // where the next attempt resumes
	Err         error         // why the last attempt or connection ended; nil after a clean end
	Retry       bool          // whether there is a next attempt by default
	Delay       time.Duration // the wait before it
	Events      int           // dispatched by the connection that ended
	Elapsed     time.Duration // since the last connection with progress ended, or the call began
}

// LogValue implements [slog.LogValuer]. It leaves out the last event ID.
func (a Attempt) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Int("number", a.Number), slog.Bool("retry", a.Retry), slog.Duration("delay", a.Delay),
		slog.Int("events", a.Events), slog.Duration("elapsed", a.Elapsed),
	}
	if a.Err != nil {
		attrs = append(attrs, slog.String("reason", logText(a.Err)))
	}
	return slog.GroupValue(attrs...)
}

// String returns the text of LogValue. Package fmt, and with it a text log, calls it also for
// an Attempt within another value.
func (a Attempt) String() string { return a.LogValue().String() }

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (a Attempt) MarshalText() ([]byte, error) { return []byte(a.LogValue().String()), nil }

const (
	fetchRetries  = 2                      // of Fetch without WithMaxRetries
	minDelay      = 100 * time.Millisecond // between the starts of attempts
	quietProgress = 10 * time.Second       // a connection with bytes that lasts as long makes progress
	maxServerWait = time.Hour              // that a server may ask for
	maxFetchWait  = time.Minute            // the longest Retry-After that Fetch waits for
)

// An outcome describes how an attempt or a connection ended. The kind decides what
// happens next; see rules.
type outcome struct {
	kind kind
	err  error // for the caller; nil if there is none

	// How far the request got; conn.do sets this.
	unsent     bool // certainly not to a server
	redirected bool // to a server that responded with a redirect, and may have processed it
	idempotent bool // it may be sent twice

	// The connection and the place in the stream; Stream.endAttempt and decide set this.
	spent       bool   // the body of the request was read and cannot be sent again
	name        string // of the request
	accepted    bool   // a response was accepted at some time
	opened      bool   // the response was accepted
	reported    bool   // the hooks have got the end of the connection
	again       bool   // there is another attempt
	progress    bool   // the connection made progress
	events      int    // dispatched by it
	place       string // the last event ID that it sent
	bytes       bool   // it brought some
	lasted      time.Duration
	lastEventID string
	retry       time.Duration // the reconnection time
	hasRetry    bool          // the server has set one
}

// A kind is the kind of an outcome. Most are rows of the table in the package documentation.
type kind int

const (
	accepted        kind = iota // the response is an event stream
	noContent                   // 204
	unsendable                  // the request could not be made
	nothingToResume             // WithResume returned no request
	unreachable                 // the host is unknown, or its certificate is not trusted
	noResponse                  // the connection failed before the response headers
	notProcessed                // a status that says that the request was not processed
	maybeProcessed              // a status that leaves that open
	refused                     // any other response
	done                        // a completion event
	bodyEnded                   // a clean end
	bodyCut                     // an end in the middle, or a timeout
	poisoned                    // an error event, or an event over the limit
	reconnectAsked              // Stream.Reconnect was called
	interrupted                 // the context ended, or Stream.Close was called
)

// A rule reports whether to make another attempt after an outcome. If resumes is set,
// WithResume makes the request.
type rule func(o *outcome, resumes bool) bool

// rules are the decisions of Fetch and Subscribe. Without a rule the stream ends, and the
// function of WithRetryPolicy is not asked.
var rules = [...]struct{ fetch, subscribe rule }{
	accepted:        {},
	noContent:       {},
	unsendable:      {never, never},
	nothingToResume: {},
	unreachable:     {ifKnownAndUnsentOrSafe, ifKnown},
	noResponse:      {ifUnsentOrSafe, always},
	notProcessed:    {ifSoonAndNotRedirected, always},
	maybeProcessed:  {ifSoonAndSafe, always},
	refused:         {never, never},
	done:            {},
	bodyEnded:       {nil, always},
	bodyCut:         {ifResumes, always},
	poisoned:        {never, never},
	reconnectAsked:  {}, // another attempt at once; see decide
	interrupted:     {},
}

func never(*outcome, bool) bool                   { return false }
func always(*outcome, bool) bool                  { return true }
func ifResumes(_ *outcome, resumes bool) bool     { return resumes }
func ifSoonAndSafe(o *outcome, resumes bool) bool { return o.isSoon() && o.isSafe(resumes) }

func ifKnown(o *outcome, _ bool) bool { return o.accepted }

func ifKnownAndUnsentOrSafe(o *outcome, resumes bool) bool {
	return o.accepted && ifUnsentOrSafe(o, resumes)
}

func ifUnsentOrSafe(o *outcome, resumes bool) bool {
	return o.isSafe(resumes) || o.unsent && !o.spent
}

func ifSoonAndNotRedirected(o *outcome, resumes bool) bool {
	return o.isSoon() && (o.isSafe(resumes) || !o.redirected && !o.spent)
}

// isSafe reports whether another attempt cannot repeat what the server has processed.
func (o *outcome) isSafe(resumes bool) bool { return resumes || o.idempotent && !o.spent }

// isSoon reports whether Fetch waits as long as the server asks.
func (o *outcome) isSoon() bool { return o.retryAfter() <= maxFetchWait }

func (o *outcome) retryAfter() time.Duration {
	if refusal, ok := errors.AsType[*ResponseError](o.err); ok {
		return refusal.RetryAfter
	}
	return 0
}

// kindOfStatus returns the outcome of a response that is not an event stream.
func kindOfStatus(status int) kind {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, 529:
		return notProcessed
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, 520, 521, 522, 523, 524, 525, 526, 527, 530, 598, 599:
		return maybeProcessed // gateways send a 503 also after the origin has worked
	}
	return refused
}

// kindOfFailure returns the outcome of a request without a response, for err.
func kindOfFailure(err error) kind {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return unreachable
	}
	if isUntrusted(err) {
		return unreachable
	}
	return noResponse
}

// isUntrusted reports whether err says that the certificate of a server is not trusted.
func isUntrusted(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return verification || authority || hostname || invalid
}

// A retrier decides whether and when there is another attempt.
type retrier struct {
	cfg       *config
	subscribe bool
	policy    backoff.BackOff

	retries   int       // consecutive ones without progress
	stalled   time.Time // when progress stopped
	began     time.Time // when the last attempt began
	maybeSent bool      // a server may have received an attempt
	next      Attempt   // the planned one; zero for the first
	mayReplay bool      // the first request may be sent again for it
	lost      error     // why the last connection ended
}

func newRetrier(cfg *config, subscribe bool) (retrier, error) {
	policy, err := newPolicy(cfg.backOff)
	return retrier{cfg: cfg, subscribe: subscribe, policy: policy, stalled: time.Now()}, err
}

// connected forgets how the last connection ended. Its error may hold a large event, which
// is freed here.
func (r *retrier) connected() { r.next, r.lost = Attempt{}, nil }

// decide plans the next attempt after o and reports whether there is one. If there is
// none, the stream ends with the error.
func (r *retrier) decide(o *outcome) (again bool, err error) {
	r.countProgress(o)
	a := Attempt{
		Number:      r.retries + 1,
		LastEventID: o.lastEventID,
		Err:         o.err,
		Events:      o.events,
		Elapsed:     time.Since(r.stalled),
	}
	if o.opened {
		r.lost = o.err
	}
	if o.kind == reconnectAsked {
		if !o.opened && r.next.Err != nil { // that is still the reason for the attempt
			a.Err, a.Events = r.next.Err, r.next.Events
		}
		a.Retry = true
		r.next = a
		return true, nil
	}
	rule := rules[o.kind].fetch
	if r.subscribe {
		rule = rules[o.kind].subscribe
	}
	if rule == nil {
		return false, r.endError(o)
	}
	resumes := r.cfg.resume != nil
	var ok bool
	a.Delay, ok = r.delay(o, a.Number, rand.Float64())
	a.Delay = max(a.Delay, minDelay-time.Since(r.began))
	ok = ok && r.retries < r.maxRetries()
	a.Retry = ok && rule(o, resumes)
	r.mayReplay = rule(o, false)
	if f := r.cfg.retryPolicy; f != nil {
		byDefault := a.Retry
		a.Delay, a.Retry = f(a)
		r.mayReplay = r.mayReplay || a.Retry && !byDefault
	}
	if !a.Retry {
		err := o.err
		if sendable := *o; o.spent {
			if sendable.spent = false; rule(&sendable, resumes) {
				err = &spentBodyError{err}
			}
		}
		return false, r.gaveUp(o, err)
	}
	r.retries++
	r.next = a
	return true, nil
}

// madeProgress reports whether the connection that ended has moved the place in the stream
// or shown that the server is well: a quiet feed, or one that directs polling by the retry
// that it has set.
func (o *outcome) madeProgress(retrySet bool) bool {
	moved := o.events > 0 && (o.lastEventID == "" || o.lastEventID != o.place)
	quiet := o.bytes && o.lasted >= quietProgress
	cut, ok := o.err.(*TruncatedError)
	clean := o.err == nil || ok && cut.Clean && cut.Partial == Event{}
	polling := retrySet && clean && o.events == 0
	return moved || quiet || polling
}

// countProgress starts the count of retries again after progress, or if Reconnect asks for
// an attempt.
func (r *retrier) countProgress(o *outcome) {
	if o.progress {
		r.retries, r.stalled = 0, time.Now()
	}
	if o.kind == reconnectAsked {
		r.retries = 0
	}
}

// countSent records in the errors of o and of the failure before it whether a server may
// have received an attempt.
func (r *retrier) countSent(o *outcome) {
	r.maybeSent = r.maybeSent || !o.unsent
	if e, ok := o.err.(*attemptError); ok && o.kind != interrupted { // a cause is of another call
		e.unsent = !r.maybeSent
	}
	if e, ok := r.next.Err.(*attemptError); ok && e.unsent && r.maybeSent {
		sent := *e // a hook may have kept e
		sent.unsent = false
		r.next.Err = &sent
	}
}

func (r *retrier) maxRetries() int {
	switch {
	case r.cfg.maxRetries != nil:
		return *r.cfg.maxRetries
	case r.subscribe:
		return math.MaxInt
	}
	return fetchRetries
}

// delay returns the wait before the next attempt, and whether the policy allows one.
//
// After progress it is the reconnection time, if there is one, up to a tenth longer so that
// the clients of a server do not return at the same moment. Otherwise the policy decides,
// starting from the reconnection time. Retry-After raises the result. The spread in [0, 1)
// is random.
func (r *retrier) delay(o *outcome, number int, spread float64) (time.Duration, bool) {
	retry := min(max(o.retry, 0), maxServerWait)
	if number == 1 {
		r.resetPolicy(retry, o.hasRetry)
	}
	d := retry + time.Duration(spread*float64(retry)/10)
	ok := true
	if !o.progress || !o.hasRetry {
		d = r.policy.NextBackOff()
		ok = d >= 0 // backoff.Stop is negative
		d = max(d, retry, minDelay)
	}
	return max(d, min(o.retryAfter(), maxServerWait)), ok
}

// resetPolicy resets the policy at the start of an outage. The policy may have been idle
// for weeks, which a limit of elapsed time must not count.
func (r *retrier) resetPolicy(retry time.Duration, hasRetry bool) {
	if e, ok := r.policy.(*backoff.ExponentialBackOff); ok && hasRetry {
		e.InitialInterval = max(retry, minDelay)
	}
	r.policy.Reset()
}

// endError returns the error of a stream that ends after o without a rule.
func (r *retrier) endError(o *outcome) error {
	switch {
	case o.kind == interrupted:
		return o.err
	case o.kind == nothingToResume:
		r.retries-- // the attempt was not made
		return r.gaveUp(o, cmp.Or(r.lost, r.next.Err))
	case o.kind == noContent && r.lost != nil && !r.subscribe:
		return r.gaveUp(o, r.lost) // the server does not have the rest
	case o.kind == noContent && !r.subscribe:
		return o.err
	}
	return nil
}

// gaveUp returns err with the number of retries before it, if there were any. A request
// that could not be made is a mistake of the program, which no retry has to do with.
func (r *retrier) gaveUp(o *outcome, err error) error {
	attempt, ok := err.(*attemptError)
	if r.retries <= 0 || ok && attempt.unsendable {
		return err
	}
	if err == nil { // a clean end of the response
		err = &attemptError{name: o.name, err: errNoProgress}
	}
	return &gaveUpError{retries: r.retries, err: err}
}

// Retryable reports whether the same request may succeed later, judging from the error of a
// stream or of a call: it returns what [Subscribe] would do. It returns false once the
// context has ended or the stream was closed, whatever else is in the tree of err. For an
// [*EventError] it asks the Retryable method of its Err, if there is one.
func Retryable(err error) bool {
	v, _ := verdictOf(err)
	return v.retryable && !errors.Is(err, ErrClosed)
}

// NotSent reports whether it is certain that no server received any attempt of the call
// that returned err. It can return false if none did, as behind a round tripper that may
// have sent the request elsewhere before: see [Retryable] for the question whether another
// call makes sense.
func NotSent(err error) bool {
	v, _ := verdictOf(err)
	return v.notSent
}

// A verdict is what an error tells about another call.
type verdict struct{ notSent, retryable bool }

// verdictOf returns the verdict on err and whether err is an error of this library. The
// outermost one decides. Those below it are about other calls: that of a context's cause, or
// one that a function of the caller made. Of several side by side, all must agree.
func verdictOf(err error) (v verdict, own bool) {
	switch e := err.(type) {
	case *mistakeError:
		return verdict{notSent: true}, true
	case *interruptedError:
		return verdict{notSent: e.unsent}, true
	case *attemptError:
		return verdict{e.unsent, e.isRetryable()}, true
	case *ResponseError:
		k := kindOfStatus(e.StatusCode)
		return verdict{retryable: k == notProcessed || k == maybeProcessed}, true
	case *TruncatedError:
		return verdict{retryable: true}, true
	case *EventError:
		r, ok := errors.AsType[interface {
			error
			Retryable() bool
		}](e.Err)
		return verdict{retryable: ok && r.Retryable()}, true
	case *DecodeError:
		return verdict{}, true
	case interface{ Unwrap() error }:
		return verdictOf(e.Unwrap())
	case interface{ Unwrap() []error }:
		v = verdict{true, true}
		for _, err := range e.Unwrap() {
			if w, ok := verdictOf(err); ok {
				v.notSent, v.retryable, own = v.notSent && w.notSent, v.retryable && w.retryable, true
			}
		}
		if own {
			return v, true
		}
	}
	return verdict{}, false
}

// A mistakeError reports an invalid request or option, for which no attempt was made.
type mistakeError struct{ error }

func (e *mistakeError) Unwrap() error { return e.error }

// An interruptedError reports that the caller's context ended: while the stream waited to
// retry or tried it, or with an error of this library as its cause. That is the error of
// another call, so it must not be taken for the error of this one.
type interruptedError struct {
	cause  error // of the context
	last   error // the failure before, or nil
	unsent bool  // no server has received any attempt of the call
}

func (e *interruptedError) Error() string { return e.text(e.cause.Error(), trimPrefix) }

// text returns cause with the failure before, if there was one, in these words.
func (e *interruptedError) text(cause string, words func(error) string) string {
	if e.last == nil {
		return cause
	}
	return cause + ", waiting to retry: " + words(e.last)
}

func (e *interruptedError) Unwrap() []error {
	if e.last == nil {
		return []error{e.cause}
	}
	return []error{e.cause, e.last}
}

// LogValue implements [slog.LogValuer]. It leaves out the words of the cause.
func (e *interruptedError) LogValue() slog.Value { return slog.StringValue("sse: " + e.logText()) }

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (e *interruptedError) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

func (e *interruptedError) logText() string { return e.text(logText(e.cause), logText) }

// interruptedBy returns the error of a stream that the context's cause or ErrClosed ended:
// the cause as it is, unless an interruptedError has more to tell.
func (r *retrier) interruptedBy(cause error) error {
	if cause == ErrClosed {
		return cause
	}
	e := &interruptedError{cause: cause, unsent: !r.maybeSent}
	if last := r.next.Err; !errors.Is(last, errReconnect) {
		e.last = last
	}
	if _, own := verdictOf(cause); e.last == nil && !own {
		return cause
	}
	return e
}

// newPolicy returns the backoff policy of a stream.
func newPolicy(f func() backoff.BackOff) (backoff.BackOff, error) {
	if f == nil {
		return backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(time.Second),
			backoff.WithMaxInterval(30*time.Second),
			backoff.WithMultiplier(2),
			backoff.WithRandomizationFactor(0.5),
			backoff.WithMaxElapsedTime(0),
		), nil
	}
	policy := f()
	if policy == nil {
		return nil, errors.New("sse: WithBackOff: the function returned nil")
	}
	if e, ok := policy.(*backoff.ExponentialBackOff); ok && (e == nil || e.Clock == nil) {
		return nil, errors.New("sse: WithBackOff: make an ExponentialBackOff with backoff.NewExponentialBackOff")
	}
	return policy, nil
}

// requests makes the request of each attempt.
type requests struct {
	cfg      *config
	original *http.Request
	oneShot  *body.OneShot // its body, if that cannot be sent again
	made     bool          // the first request was made
	copied   bool          // from then on, its body is closed
	resuming bool          // a response was accepted: the next request resumes
}

func newRequests(cfg *config, req *http.Request) requests {
	q := requests{cfg: cfg, original: req}
	if request.IsOneShot(req) {
		q.oneShot = body.NewOneShot(req.Body)
	}
	return q
}

// adopted notes that the caller has sent the original request.
func (q *requests) adopted() {
	q.made, q.copied = true, true
	if q.oneShot != nil {
		q.oneShot.MarkUsed()
	}
}

// next returns the request of the next attempt, which the attempt may change, and the last
// event ID to send with it. A nil request means that there is nothing to resume.
func (q *requests) next(ctx context.Context, r *retrier, id string) (*http.Request, string, error) {
	first := !q.made
	q.made = true
	if first || q.cfg.resume == nil {
		return q.replay(ctx, id)
	}
	req, err := q.cfg.resume(ctx, r.next)
	switch {
	case err != nil:
		return nil, "", &functionError{"WithResume", err}
	case req != nil:
		return q.resume(ctx, req, id)
	case q.resuming || !r.mayReplay:
		return nil, "", nil
	}
	return q.replay(ctx, id)
}

var (
	errUnsendableID = errors.New("the last event ID has a control character or more than 8 KiB, so no header can carry it")
	errPanic        = errors.New("a function of the program panicked")
	errSpentBody    = errors.New("the body of the request was already sent and cannot be sent again; set GetBody")
)

// isSendable reports whether a header can carry id.
func isSendable(id string) bool { return len(id) <= 8<<10 && header.IsValue(id) }

// replay returns the original request again.
func (q *requests) replay(ctx context.Context, id string) (*http.Request, string, error) {
	if !isSendable(id) {
		return nil, "", fmt.Errorf("%w; use WithResume to resume another way", errUnsendableID)
	}
	if q.oneShot.Used() {
		return nil, "", errSpentBody
	}
	req, err := request.Clone(ctx, q.original)
	if err == nil && q.oneShot != nil {
		req.Body = q.oneShot
	}
	q.copied = q.copied || err == nil
	return req, id, err
}

// resume returns req, which WithResume made. It leaves out an ID that no header can
// carry: the caller has seen it and resumes in another way.
func (q *requests) resume(ctx context.Context, req *http.Request, id string) (*http.Request, string, error) {
	err := request.Check(req)
	if err == nil && request.IsOneShot(req) {
		err = errors.New("the body of the request cannot be sent again; set GetBody")
	}
	if err != nil {
		request.CloseBody(req)
		return nil, "", fmt.Errorf("WithResume: %w", err)
	}
	if own := header.Remove(req.Header.Clone(), header.LastEventID); own != "" {
		id = own
	} else if !isSendable(id) {
		id = ""
	}
	req, err = request.Clone(ctx, req)
	return req, id, err
}

// discard closes the body of the original request if no attempt did.
func (q *requests) discard() {
	switch {
	case q.oneShot != nil:
		q.oneShot.Discard()
	case !q.copied:
		request.CloseBody(q.original)
	}
}

// A spentBodyError reports err, after which there would have been a retry if the body of the
// request could be sent again.
type spentBodyError struct{ err error }

const spentBody = "; there was no retry, because the body of the request cannot be sent again: set GetBody"

func (e *spentBodyError) Error() string   { return e.err.Error() + spentBody }
func (e *spentBodyError) Unwrap() error   { return e.err }
func (e *spentBodyError) logText() string { return logText(e.err) + spentBody }

// LogValue implements [slog.LogValuer]. It leaves out what the errors in the tree do.
func (e *spentBodyError) LogValue() slog.Value { return slog.StringValue("sse: " + e.logText()) }

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (e *spentBodyError) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

// A gaveUpError reports err with the number of retries before it.
type gaveUpError struct {
	retries int
	err     error
}

func (e *gaveUpError) Error() string { return "sse: " + e.text(trimPrefix(e.err)) }

func (e *gaveUpError) text(reason string) string {
	return "gave up after " + count(e.retries, "retry", "retries") + ": " + reason
}

func (e *gaveUpError) Unwrap() error { return e.err }

// LogValue implements [slog.LogValuer]. It leaves out what the errors in the tree do.
func (e *gaveUpError) LogValue() slog.Value { return slog.StringValue("sse: " + e.logText()) }

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (e *gaveUpError) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

func (e *gaveUpError) logText() string { return e.text(logText(e.err)) }

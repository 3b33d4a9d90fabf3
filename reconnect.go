package sse

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// An Attempt tells what has ended and what would come next, to the functions of
// [WithRetryPolicy] and [WithResume] and the hook [Trace.Wait].
type Attempt struct {
	Number      int           // of the next attempt, in a row without progress, from 1
	LastEventID string        // where it would resume
	Err         error         // why the last attempt or connection ended; nil after a clean end
	Retry       bool          // whether the default goes on
	Delay       time.Duration // the wait before the next attempt
	Events      int           // delivered by the connection that ended
	Elapsed     time.Duration // since the last connection with progress ended, or the call began
}

const (
	fetchRetries  = 2                      // of Fetch, unless WithMaxRetries says otherwise
	minDelay      = 100 * time.Millisecond // between attempts without progress
	maxServerWait = time.Hour              // of what a server may ask for
	maxFetchWait  = time.Minute            // of a Retry-After that Fetch waits out by itself
)

// An ending is how an attempt or a connection ended: what the first of the two
// decisions, whether to go on, looks at.
type ending struct {
	reach
	err      error // nil after a clean end
	opened   bool  // the answer had been accepted
	standing bool  // it was a subscription's
	resumes  bool  // WithResume makes the next request
	spent    bool  // the body was read and cannot be made again
}

// retryable reports whether another attempt makes sense and is safe.
func (e ending) retryable() bool {
	switch {
	case isPermanent(e.err):
		return false
	case e.opened:
		return e.standing || e.resumes && e.err != nil
	case e.spent && !e.resumes:
		return false
	}
	safe := e.standing || e.resumes || e.repeatable
	if refusal, ok := errors.AsType[*ResponseError](e.err); ok {
		return e.retryableAnswer(refusal, safe)
	}
	return safe || e.unsent
}

func (e ending) retryableAnswer(refusal *ResponseError, safe bool) bool {
	if !e.standing && refusal.RetryAfter > maxFetchWait {
		return false
	}
	switch refusal.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusServiceUnavailable, 529:
		// The server says that it has not acted. One that it was redirected from may.
		return safe || !e.redirected
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return safe // it may have
	}
	return false
}

// isPermanent reports whether err would only come again: a request that cannot be
// made, a poison event, an error that the server put into the stream.
func isPermanent(err error) bool {
	if _, ok := errors.AsType[*requestError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*EventError](err); ok {
		return true
	}
	return errors.Is(err, ErrEventTooLarge)
}

// isIdempotent reports whether the method says that sending the request twice is the
// same as sending it once.
func isIdempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// hasKey reports whether the request has a key by which the server recognizes it.
func hasKey(req *http.Request) bool {
	return req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != ""
}

func isRepeatable(req *http.Request) bool { return isIdempotent(req) || hasKey(req) }

// A pause is what the second decision, how long to wait, looks at.
type pause struct {
	number     int           // of the attempt to come, from 1
	progress   bool          // the connection that ended has delivered an event
	retry      time.Duration // the reconnection time of the stream,
	hasRetry   bool          // if the server has set one
	retryAfter time.Duration // what the refusal asked for, or 0
	spread     float64       // in [0, 1): where in its range a jittered wait lies
}

// delay returns the wait before the next attempt, and whether the policy goes on.
//
// After progress it is the reconnection time, up to a tenth over so that the many
// clients of a server do not come back in one moment. Otherwise the policy decides,
// starting from the reconnection time. Retry-After raises the result.
func (p pause) delay(policy backoff.BackOff) (time.Duration, bool) {
	retry := min(max(p.retry, 0), maxServerWait)
	if p.number == 1 {
		startPolicy(policy, retry, p.hasRetry)
	}
	d := retry + time.Duration(p.spread*float64(retry)/10)
	goOn := true
	if !p.progress || !p.hasRetry {
		d = policy.NextBackOff()
		goOn = d >= 0 // backoff.Stop is negative
		d = max(d, retry, minDelay)
	}
	return max(d, min(p.retryAfter, maxServerWait)), goOn
}

// startPolicy resets the policy at the start of an outage. It may have been idle for
// weeks, which a limit of elapsed time must not count.
func startPolicy(policy backoff.BackOff, retry time.Duration, hasRetry bool) {
	if e, ok := policy.(*backoff.ExponentialBackOff); ok && hasRetry {
		e.InitialInterval = max(retry, minDelay)
	}
	policy.Reset()
}

// newPolicy returns the policy of a stream.
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

// A gaveUpError says how often a stream has tried before err ended it.
type gaveUpError struct {
	retries int
	err     error
}

func (e *gaveUpError) Error() string {
	return fmt.Sprintf("sse: gave up after %s: %s", count(e.retries, "retry", "retries"), inner(e.err))
}

func (e *gaveUpError) Unwrap() error { return e.err }

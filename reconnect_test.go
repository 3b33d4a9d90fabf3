package sse

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"
)

func TestRetryable(t *testing.T) {
	status := func(code int) error { return &ResponseError{StatusCode: code} }
	lost := &attemptError{err: io.EOF}
	tests := []struct {
		name string
		ending
		want bool
	}{
		{"fetch: not sent", ending{err: lost, unsent: true}, true},
		{"fetch: maybe sent", ending{err: lost}, false},
		{"fetch: maybe sent, repeatable", ending{err: lost, again: true}, true},
		{"fetch: maybe sent, resumed", ending{err: lost, resumes: true}, true},
		{"fetch: body spent", ending{err: status(503), spent: true, again: true}, false},
		{"fetch: body spent, resumed", ending{err: status(503), spent: true, resumes: true}, true},
		{"fetch: 503", ending{err: status(503)}, true},
		{"fetch: 500", ending{err: status(500)}, false},
		{"fetch: 500, repeatable", ending{err: status(500), again: true}, true},
		{"fetch: 404", ending{err: status(404), again: true}, false},
		{"fetch: far Retry-After", ending{err: &ResponseError{StatusCode: 503, RetryAfter: time.Minute + 1}}, false},
		{"fetch: break", ending{err: io.EOF, opened: true}, false},
		{"fetch: break, repeatable", ending{err: io.EOF, opened: true, again: true}, false},
		{"fetch: break, resumed", ending{err: io.EOF, opened: true, resumes: true}, true},
		{"fetch: clean end, resumed", ending{opened: true, resumes: true}, false},
		{"subscribe: clean end", ending{opened: true, standing: true}, true},
		{"subscribe: break", ending{err: io.EOF, opened: true, standing: true}, true},
		{"subscribe: maybe sent", ending{err: lost, standing: true}, true},
		{"subscribe: 500", ending{err: status(500), standing: true}, true},
		{"subscribe: 404", ending{err: status(404), standing: true}, false},
		{"subscribe: far Retry-After", ending{err: &ResponseError{StatusCode: 503, RetryAfter: time.Hour}, standing: true}, true},
		{"subscribe: too large", ending{err: fmt.Errorf("%w", ErrEventTooLarge), opened: true, standing: true}, false},
		{"subscribe: error event", ending{err: &EventError{}, opened: true, standing: true}, false},
		{"subscribe: bad request", ending{err: &requestError{err: io.EOF}, standing: true}, false},
		{"subscribe: redirect not followed", ending{err: &attemptError{err: io.EOF, resp: &ResponseError{StatusCode: 302}}, standing: true}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, tt.retryable()) })
	}
}

func TestDelay(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name string
		pause
		policy backoff.BackOff
		want   time.Duration
		stop   bool
	}{
		{name: "policy", pause: pause{number: 1}, policy: backoff.NewConstantBackOff(3 * s), want: 3 * s},
		{name: "policy after progress", pause: pause{number: 1, progress: true}, policy: backoff.NewConstantBackOff(3 * s), want: 3 * s},
		{name: "retry after progress", pause: pause{number: 1, progress: true, retry: s, hasRetry: true}, policy: backoff.NewConstantBackOff(3 * s), want: s},
		{name: "spread", pause: pause{number: 1, progress: true, retry: s, hasRetry: true, spread: 0.5}, policy: &backoff.StopBackOff{}, want: s + s/20},
		{name: "retry of zero", pause: pause{number: 1, progress: true, hasRetry: true, spread: 0.9}, policy: &backoff.StopBackOff{}, want: 0},
		{name: "retry is clamped", pause: pause{number: 1, progress: true, retry: math.MaxInt64, hasRetry: true}, policy: &backoff.StopBackOff{}, want: time.Hour},
		{name: "retry is a lower bound", pause: pause{number: 2, retry: 5 * s, hasRetry: true}, policy: backoff.NewConstantBackOff(3 * s), want: 5 * s},
		{name: "least wait", pause: pause{number: 2}, policy: &backoff.ZeroBackOff{}, want: s / 10},
		{name: "Retry-After", pause: pause{number: 2, retryAfter: 9 * s}, policy: backoff.NewConstantBackOff(3 * s), want: 9 * s},
		{name: "Retry-After is clamped", pause: pause{number: 2, retryAfter: math.MaxInt64}, policy: backoff.NewConstantBackOff(3 * s), want: time.Hour},
		{name: "stop", pause: pause{number: 1, retryAfter: 9 * s}, policy: &backoff.StopBackOff{}, want: 9 * s, stop: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, ok := tt.delay(tt.policy)
			require.Equal(t, tt.want, d)
			require.Equal(t, !tt.stop, ok)
		})
	}
}

// counter counts what is asked of a policy.
type counter struct{ resets, nexts int }

func (c *counter) Reset()                     { c.resets++ }
func (c *counter) NextBackOff() time.Duration { c.nexts++; return time.Second }

func TestPolicyIsResetOncePerOutage(t *testing.T) {
	var c counter
	for outage := 1; outage <= 3; outage++ {
		for n := 1; n <= 4; n++ {
			_, ok := pause{number: n}.delay(&c)
			require.True(t, ok)
		}
		require.Equal(t, counter{resets: outage, nexts: 4 * outage}, c)
	}
}

func TestIsRepeatable(t *testing.T) {
	for method, want := range map[string]bool{
		"": true, "GET": true, "HEAD": true, "OPTIONS": true, "PUT": true, "DELETE": true,
		"POST": false, "PATCH": false, "REPORT": false, "get": false,
	} {
		require.Equal(t, want, isRepeatable(&http.Request{Method: method}), method)
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2024, 2, 29, 12, 0, 0, 500, time.UTC)
	for v, want := range map[string]time.Duration{
		"":                                 0,
		"0":                                0,
		"7":                                7 * time.Second,
		" 7\t":                             7 * time.Second,
		"007":                              7 * time.Second,
		"-7":                               0,
		"+7":                               0,
		"7.5":                              0,
		"7s":                               0,
		"soon":                             0,
		"9223372036":                       9223372036 * time.Second,
		"9223372037":                       math.MaxInt64,
		"99999999999999999999999999999":    math.MaxInt64,
		"Thu, 29 Feb 2024 12:00:09 GMT":    9*time.Second - 500,
		"Thu, 29 Feb 2024 11:59:59 GMT":    0,
		"Thursday, 29-Feb-24 12:00:09 GMT": 9*time.Second - 500,
		"Fri, 31 Dec 9999 23:59:59 GMT":    math.MaxInt64,
	} {
		require.Equal(t, want, parseRetryAfter(v, now), "%q", v)
	}
}

func TestRedact(t *testing.T) {
	plain := errors.New(`lookup host: certificate of "Example CA" is bad`)
	require.Equal(t, plain, redact(plain))
	for _, bad := range []string{
		`failed to parse Location header "http://u:secret@h:x/": invalid port`,
		`failed to parse "/a?secret"`,
	} {
		require.NotContains(t, redact(errors.New(bad)).Error(), "secret")
	}
}

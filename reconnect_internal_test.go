package sse

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
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
		{"fetch: not sent", ending{err: lost, reach: reach{unsent: true}}, true},
		{"fetch: maybe sent", ending{err: lost}, false},
		{"fetch: maybe sent, repeatable", ending{err: lost, reach: reach{repeatable: true}}, true},
		{"fetch: maybe sent, resumed", ending{err: lost, resumes: true}, true},
		{"fetch: body spent", ending{err: status(503), spent: true, reach: reach{repeatable: true}}, false},
		{"fetch: body spent, resumed", ending{err: status(503), spent: true, resumes: true}, true},
		{"fetch: 503", ending{err: status(503)}, true},
		{"fetch: 500", ending{err: status(500)}, false},
		{"fetch: 500, repeatable", ending{err: status(500), reach: reach{repeatable: true}}, true},
		{"fetch: 503, redirected", ending{err: status(503), reach: reach{redirected: true}}, false},
		{"fetch: 503, redirected, repeatable", ending{err: status(503), reach: reach{redirected: true, repeatable: true}}, true},
		{"subscribe: 503, redirected", ending{err: status(503), reach: reach{redirected: true}, standing: true}, true},
		{"fetch: 404", ending{err: status(404), reach: reach{repeatable: true}}, false},
		{"fetch: far Retry-After", ending{err: &ResponseError{StatusCode: 503, RetryAfter: time.Minute + 1}}, false},
		{"fetch: break", ending{err: io.EOF, opened: true}, false},
		{"fetch: break, repeatable", ending{err: io.EOF, opened: true, reach: reach{repeatable: true}}, false},
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

// counter counts the calls of a policy.
type counter struct{ resets, nexts int }

func (c *counter) Reset() { c.resets++ }

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

// fixed is a policy with a constant wait.
type fixed time.Duration

func (f fixed) Reset() {}

func (f fixed) NextBackOff() time.Duration { return time.Duration(f) }

// A wait is never negative, never below the reconnection time or what Retry-After asks
// for, each up to its cap, and never above the longest of those and the policy's wait.
func FuzzDelay(f *testing.F) {
	f.Add(1, true, int64(time.Second), true, int64(0), uint16(1<<15), int64(time.Second))
	f.Add(1, false, int64(-5), true, int64(1<<62), uint16(65000), int64(backoff.Stop))
	f.Add(7, false, int64(1<<63-1), true, int64(1<<63-1), uint16(0), int64(1<<63-1))
	f.Fuzz(func(t *testing.T, number int, progress bool, retry int64, hasRetry bool, after int64, spread uint16, policy int64) {
		p := pause{
			number: number, progress: progress, spread: float64(spread) / (1 << 16),
			retry: time.Duration(retry), hasRetry: hasRetry, retryAfter: time.Duration(after & math.MaxInt64),
		}
		if !hasRetry {
			p.retry = 0
		}
		d, goOn := p.delay(fixed(policy))
		fromServer := min(max(p.retry, 0), maxServerWait)
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.GreaterOrEqual(t, d, fromServer)
		require.GreaterOrEqual(t, d, min(p.retryAfter, maxServerWait))
		if progress && hasRetry {
			require.True(t, goOn)
			require.LessOrEqual(t, d, max(fromServer+fromServer/10, min(p.retryAfter, maxServerWait)))
			return
		}
		require.Equal(t, policy >= 0, goOn)
		require.GreaterOrEqual(t, d, minDelay)
		require.LessOrEqual(t, d, max(time.Duration(policy), fromServer, minDelay, min(p.retryAfter, maxServerWait)))
	})
}

// The default policy grows to its cap, whatever reconnection time it starts from.
func FuzzDefaultPolicy(f *testing.F) {
	f.Add(int64(0), 20)
	f.Add(int64(time.Hour), 100)
	f.Fuzz(func(t *testing.T, retry int64, n int) {
		policy, err := newPolicy(nil)
		require.NoError(t, err)
		server := min(max(time.Duration(retry), 0), maxServerWait)
		for number := 1; number <= min(n, 200); number++ {
			d, goOn := pause{number: number, retry: time.Duration(retry), hasRetry: true}.delay(policy)
			require.True(t, goOn)
			require.GreaterOrEqual(t, d, max(server, minDelay))
			require.LessOrEqual(t, d, max(45*time.Second, server+server/2))
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An outage may be long. A stream that waits for its end holds no buffer, even after an
// event that was cut off.
func TestWaitHoldsNoBuffer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hc := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 200,
			Header:     http.Header{"Content-Type": {"text/event-stream"}},
			Body:       io.NopCloser(strings.NewReader("data: a\n\ndata: " + strings.Repeat("x", 1<<20))),
			Request:    r,
		}, nil
	})}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server.test/", nil)
	require.NoError(t, err)
	var s *Stream
	waited := false
	s, err = Subscribe(req, WithHTTPClient(hc), WithTrace(&Trace{Wait: func(Attempt) {
		waited = true
		require.Empty(t, s.parser.buf)
		cancel()
	}}))
	require.NoError(t, err)
	require.True(t, s.Next())
	require.False(t, s.Next())
	require.True(t, waited)
}

// An unfinished event may be large. The stream drops it when the next connection opens.
func TestConnectionHoldsNoPartial(t *testing.T) {
	bodies := []string{"data: a\n\ndata: " + strings.Repeat("x", 1<<20), "data: b\n\n"}
	hc := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		body := bodies[0]
		bodies = bodies[1:]
		return &http.Response{
			StatusCode: 200,
			Header:     http.Header{"Content-Type": {"text/event-stream"}},
			Body:       io.NopCloser(strings.NewReader(body)),
		}, nil
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server.test/", nil)
	require.NoError(t, err)
	s, err := Subscribe(req, WithHTTPClient(hc), WithRetryPolicy(func(a Attempt) (time.Duration, bool) { return 0, true }))
	require.NoError(t, err)
	require.True(t, s.Next())
	require.True(t, s.Next())
	require.Nil(t, s.next.Err)
	s.Close()
	require.False(t, s.Next())
}

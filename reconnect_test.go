package sse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"syscall"
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
	for _, fine := range []string{
		`lookup host: certificate of "Example CA" is bad`,
		`x509: unknown authority (possibly because of "crypto/rsa: verification error")`,
	} {
		err := errors.New(fine)
		require.Equal(t, err, redact(err))
	}
	for _, bad := range []string{
		`failed to parse Location header "http://u:secret@h:x/": invalid port`,
		`failed to parse Location header "http://h/%zz?a=\"&token=secret": parse`,
		`Location header "//user:secret@h:x/": invalid`,
		`failed to parse "/a?secret"`,
		`Location header "%zz#access_token=secret"`,
		`invalid proxy address "user:secret@proxy:bad"`,
		`Get "https://h/token?secret=1": EOF`,
		`cannot reach http://h/p?secret: no`,
		`malformed MIME header line: ` + strings.Repeat("x", 600) + "secret",
		`malformed MIME header: missing colon: "Set-Cookie session=secret"`,
		`malformed "` + strings.Repeat("secret", 20) + `"`,
		`unexpected "` + strings.Repeat("secret", 20) + `"`,
		`bad Content-Length "secret"`,
		`unsupported transfer encoding: "secret"`,
		`too many transfer encodings: ["gzip" "secret"]`,
	} {
		text := redact(errors.New(bad)).Error()
		require.NotContains(t, text, "secret")
		require.Less(t, len(text), 600)
	}
}

func TestOrigin(t *testing.T) {
	for _, same := range [][2]string{
		{"http://a/b?c", "HTTP://A:80"},
		{"https://a", "https://a:443/b"},
		{"http://[::1]/", "http://[::1]:80/"},
	} {
		require.Equal(t, originOf(t, same[0]), originOf(t, same[1]))
	}
	for _, other := range [][2]string{
		{"http://a", "https://a"},
		{"http://a:443", "https://a"},
		{"http://a", "http://a:8080"},
		{"https://a", "https://a:80"},
		{"http://a", "http://b.a"},
	} {
		require.NotEqual(t, originOf(t, other[0]), originOf(t, other[1]))
	}
}

func originOf(t *testing.T, address string) string {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return origin(u)
}

// What must not be shown is in no message of the tree, and is found all the same.
func TestRedactKeepsTheCause(t *testing.T) {
	quota := errors.New("quota used up, see https://h/quota?secret=1")
	get := &url.Error{Op: "Post", URL: "https://h/token?secret=1", Err: syscall.ECONNREFUSED}
	err := redact(fmt.Errorf("token: %w", errors.Join(fmt.Errorf("oauth2: %w", get), quota)))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorIs(t, err, quota)
	found, ok := errors.AsType[*url.Error](err)
	require.True(t, ok)
	require.Equal(t, get, found)
	_, ok = errors.AsType[*ResponseError](err)
	require.False(t, ok)
	for e := err; e != nil; e = errors.Unwrap(e) {
		require.NotContains(t, e.Error(), "secret")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An outage may last, and a stream that waits for its end holds no buffer, whatever had
// come of the event that was cut.
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

// What was cut off may be large, and is not kept beyond the next connection.
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

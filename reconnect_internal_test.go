package sse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"
)

// A row of rules, in the circumstances in which it says yes and in those in which it says
// no. The kinds without a rule end the stream.
func TestRules(t *testing.T) {
	soon := &ResponseError{RetryAfter: time.Minute}
	late := &ResponseError{RetryAfter: time.Minute + 1}
	tests := []struct {
		name             string
		outcome          outcome
		resumes          bool
		fetch, subscribe bool
	}{
		{"request could not be made", outcome{kind: unsendable, unsent: true, idempotent: true}, true, false, false},
		{"no response, not sent", outcome{kind: noResponse, unsent: true}, false, true, true},
		{"no response, not sent, body spent", outcome{kind: noResponse, unsent: true, spent: true}, false, false, true},
		{"no response, perhaps sent", outcome{kind: noResponse}, false, false, true},
		{"no response, idempotent", outcome{kind: noResponse, idempotent: true}, false, true, true},
		{"no response, idempotent, body spent", outcome{kind: noResponse, idempotent: true, spent: true}, false, false, true},
		{"no response, WithResume", outcome{kind: noResponse}, true, true, true},
		{"no response, WithResume, body spent", outcome{kind: noResponse, spent: true}, true, true, true},
		{"unreachable at first, not sent", outcome{kind: unreachable, unsent: true, idempotent: true}, false, false, false},
		{"unreachable at first, WithResume", outcome{kind: unreachable, unsent: true}, true, false, false},
		{"unreachable", outcome{kind: unreachable, unsent: true, accepted: true}, false, true, true},
		{"unreachable, body spent", outcome{kind: unreachable, unsent: true, accepted: true, spent: true}, false, false, true},
		{"unreachable, perhaps sent", outcome{kind: unreachable, accepted: true}, false, false, true},
		{"unreachable, idempotent", outcome{kind: unreachable, accepted: true, idempotent: true}, false, true, true},
		{"unreachable, WithResume", outcome{kind: unreachable, accepted: true}, true, true, true},
		{"not processed", outcome{kind: notProcessed, err: soon}, false, true, true},
		{"not processed, body spent", outcome{kind: notProcessed, err: soon, spent: true}, false, false, true},
		{"not processed, body spent, WithResume", outcome{kind: notProcessed, spent: true}, true, true, true},
		{"not processed, after a redirect", outcome{kind: notProcessed, redirected: true}, false, false, true},
		{"not processed, after a redirect, idempotent", outcome{kind: notProcessed, redirected: true, idempotent: true}, false, true, true},
		{"not processed, late Retry-After", outcome{kind: notProcessed, err: late, idempotent: true}, true, false, true},
		{"maybe processed", outcome{kind: maybeProcessed}, false, false, true},
		{"maybe processed, idempotent", outcome{kind: maybeProcessed, err: soon, idempotent: true}, false, true, true},
		{"maybe processed, idempotent, body spent", outcome{kind: maybeProcessed, idempotent: true, spent: true}, false, false, true},
		{"maybe processed, WithResume", outcome{kind: maybeProcessed}, true, true, true},
		{"maybe processed, late Retry-After", outcome{kind: maybeProcessed, err: late, idempotent: true}, true, false, true},
		{"refused", outcome{kind: refused, idempotent: true}, true, false, false},
		{"clean end", outcome{kind: bodyEnded, idempotent: true}, true, false, true},
		{"break", outcome{kind: bodyCut, idempotent: true}, false, false, true},
		{"break, WithResume", outcome{kind: bodyCut}, true, true, true},
		{"error event", outcome{kind: poisoned, idempotent: true}, true, false, false},
		{"204", outcome{kind: noContent, idempotent: true}, true, false, false},
		{"nothing to resume", outcome{kind: nothingToResume, idempotent: true}, true, false, false},
		{"completion event", outcome{kind: done, idempotent: true}, true, false, false},
		{"context done", outcome{kind: interrupted, idempotent: true}, true, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			holds := func(r rule) bool { return r != nil && r(&tt.outcome, tt.resumes) }
			require.Equal(t, tt.fetch, holds(rules[tt.outcome.kind].fetch), "Fetch")
			require.Equal(t, tt.subscribe, holds(rules[tt.outcome.kind].subscribe), "Subscribe")
		})
	}
}

// The table of the rules in docs/design.md has the kinds in the order of their constants,
// and for each the words of its rules.
func TestDesignListsTheRules(t *testing.T) {
	kinds := [...]string{
		accepted:        "accepted",
		noContent:       "noContent",
		unsendable:      "unsendable",
		nothingToResume: "nothingToResume",
		unreachable:     "unreachable",
		noResponse:      "noResponse",
		notProcessed:    "notProcessed",
		maybeProcessed:  "maybeProcessed",
		refused:         "refused",
		done:            "done",
		bodyEnded:       "bodyEnded",
		bodyCut:         "bodyCut",
		poisoned:        "poisoned",
		reconnectAsked:  "reconnectAsked",
		interrupted:     "interrupted",
	}
	require.Len(t, rules, len(kinds))
	pointer := func(r rule) uintptr { return reflect.ValueOf(r).Pointer() }
	words := map[uintptr]string{
		pointer(nil):                    "end",
		pointer(never):                  "no",
		pointer(always):                 "yes",
		pointer(ifResumes):              "with WithResume",
		pointer(ifUnsentOrSafe):         "if unsent or safe",
		pointer(ifKnown):                "if a response was accepted before",
		pointer(ifKnownAndUnsentOrSafe): "if a response was accepted before, and unsent or safe",
		pointer(ifSoonAndNotRedirected): "if soon, and safe or not redirected",
		pointer(ifSoonAndSafe):          "if soon and safe",
	}
	require.Len(t, words, 9, "two rules are one function")

	text, err := os.ReadFile("docs/design.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "\n| kind | meaning | Fetch | Subscribe |\n|---|---|---|---|\n")
	require.True(t, ok, "docs/design.md has no table of the rules")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(strings.ReplaceAll(table, "`", ""), "\n")
	require.Len(t, rows, len(kinds))
	for kind, name := range kinds {
		cells := strings.Split(strings.Trim(rows[kind], "| "), " | ")
		require.Len(t, cells, 4, name)
		require.Equal(t, name, cells[0])
		switch kind { // the rules are not asked
		case int(accepted):
			require.Equal(t, []string{"read it", "read it"}, cells[2:])
			continue
		case int(reconnectAsked):
			require.Equal(t, []string{"now", "now"}, cells[2:])
			continue
		}
		require.Equal(t, words[pointer(rules[kind].fetch)], cells[2], "Fetch, %s", name)
		require.Equal(t, words[pointer(rules[kind].subscribe)], cells[3], "Subscribe, %s", name)
	}
}

func TestKindOfStatus(t *testing.T) {
	for code := 100; code < 1000; code++ {
		want := refused
		switch code {
		case 408, 425, 429, 529:
			want = notProcessed
		case 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530, 598, 599:
			want = maybeProcessed
		}
		require.Equal(t, want, kindOfStatus(code), code)
	}
}

// An unknown host and a certificate that is not trusted are mistakes until a response was
// accepted; other failures may pass.
func TestKindOfFailure(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want kind
	}{
		{"unknown host", &net.DNSError{Err: "no such host", IsNotFound: true}, unreachable},
		{"unknown host, wrapped", &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, unreachable},
		{"DNS server fails", &net.DNSError{Err: "server misbehaving", IsTemporary: true}, noResponse},
		{"DNS timeout", &net.DNSError{Err: "i/o timeout", IsTimeout: true}, noResponse},
		{"verification", &tls.CertificateVerificationError{Err: io.EOF}, unreachable},
		{"unknown authority", x509.UnknownAuthorityError{}, unreachable},
		{"another host name", x509.HostnameError{}, unreachable},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, unreachable},
		{"TLS alert", tls.AlertError(80), noResponse},
		{"connection refused", syscall.ECONNREFUSED, noResponse},
		{"break", io.ErrUnexpectedEOF, noResponse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, kindOfFailure(tt.err))
			require.Equal(t, tt.want, kindOfFailure(&url.Error{Op: "Get", Err: tt.err}))
		})
	}
}

func TestDelay(t *testing.T) {
	const s = time.Second
	retryAfter := func(d time.Duration) error { return &ResponseError{RetryAfter: d} }
	constant := backoff.NewConstantBackOff(3 * s)
	tests := []struct {
		name    string
		number  int
		outcome outcome
		spread  float64
		policy  backoff.BackOff
		want    time.Duration
		stop    bool
	}{
		{name: "policy", number: 1, policy: constant, want: 3 * s},
		{name: "policy after progress", number: 1, outcome: outcome{progress: true}, policy: constant, want: 3 * s},
		{name: "reconnection time after an event without progress", number: 2, outcome: outcome{events: 1, retry: s, hasRetry: true}, policy: constant, want: 3 * s},
		{name: "reconnection time after progress", number: 1, outcome: outcome{progress: true, retry: s, hasRetry: true}, policy: constant, want: s},
		{name: "spread", number: 1, outcome: outcome{progress: true, retry: s, hasRetry: true}, spread: 0.5, policy: &backoff.StopBackOff{}, want: s + s/20},
		{name: "reconnection time of zero", number: 1, outcome: outcome{progress: true, hasRetry: true}, spread: 0.9, policy: &backoff.StopBackOff{}, want: 0},
		{name: "reconnection time is clamped", number: 1, outcome: outcome{progress: true, retry: math.MaxInt64, hasRetry: true}, policy: &backoff.StopBackOff{}, want: time.Hour},
		{name: "reconnection time is a lower bound", number: 2, outcome: outcome{retry: 5 * s, hasRetry: true}, policy: constant, want: 5 * s},
		{name: "least wait", number: 2, policy: &backoff.ZeroBackOff{}, want: s / 10},
		{name: "Retry-After", number: 2, outcome: outcome{err: retryAfter(9 * s)}, policy: constant, want: 9 * s},
		{name: "Retry-After is clamped", number: 2, outcome: outcome{err: retryAfter(math.MaxInt64)}, policy: constant, want: time.Hour},
		{name: "stop", number: 1, outcome: outcome{err: retryAfter(9 * s)}, policy: &backoff.StopBackOff{}, want: 9 * s, stop: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := retrier{policy: tt.policy}
			d, ok := r.delay(&tt.outcome, tt.number, tt.spread)
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
	r := retrier{policy: &c}
	for outage := 1; outage <= 3; outage++ {
		for n := 1; n <= 4; n++ {
			_, ok := r.delay(&outcome{}, n, 0)
			require.True(t, ok)
		}
		require.Equal(t, counter{resets: outage, nexts: 4 * outage}, c)
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
		retryAfter := time.Duration(after & math.MaxInt64)
		o := outcome{err: &ResponseError{RetryAfter: retryAfter}, progress: progress, hasRetry: hasRetry}
		if hasRetry {
			o.retry = time.Duration(retry)
		}
		r := retrier{policy: fixed(policy)}
		d, ok := r.delay(&o, number, float64(spread)/(1<<16))
		fromServer := min(max(o.retry, 0), maxServerWait)
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.GreaterOrEqual(t, d, fromServer)
		require.GreaterOrEqual(t, d, min(retryAfter, maxServerWait))
		if progress && hasRetry {
			require.True(t, ok)
			require.LessOrEqual(t, d, max(fromServer+fromServer/10, min(retryAfter, maxServerWait)))
			return
		}
		require.Equal(t, policy >= 0, ok)
		require.GreaterOrEqual(t, d, minDelay)
		require.LessOrEqual(t, d, max(time.Duration(policy), fromServer, minDelay, min(retryAfter, maxServerWait)))
	})
}

// The default policy grows to its cap, whatever reconnection time it starts from.
func FuzzDefaultPolicy(f *testing.F) {
	f.Add(int64(0), 20)
	f.Add(int64(time.Hour), 100)
	f.Fuzz(func(t *testing.T, retry int64, n int) {
		r, err := newRetrier(newConfig(), true)
		require.NoError(t, err)
		server := min(max(time.Duration(retry), 0), maxServerWait)
		for number := 1; number <= min(n, 200); number++ {
			d, ok := r.delay(&outcome{retry: time.Duration(retry), hasRetry: true}, number, 0)
			require.True(t, ok)
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
		require.Empty(t, s.parser.in.buf)
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
	require.Nil(t, s.retrier.next.Err)
	s.Close()
	require.False(t, s.Next())
}

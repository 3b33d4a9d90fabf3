package sse

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"
)

// fixed is a policy that always says the same.
type fixed time.Duration

func (f fixed) Reset()                     {}
func (f fixed) NextBackOff() time.Duration { return time.Duration(f) }

// A wait is never negative, never under the reconnection time or what Retry-After asks
// for, each up to its cap, and never over what somebody has asked for.
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

// Whatever a server writes into its headers, reading them does not fail, and agrees with
// what net/http makes of them.
func FuzzHeaders(f *testing.F) {
	for _, v := range []string{"", "7", " 7 ", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "text/event-stream; charset=utf-8", "GZIP, br"} {
		f.Add(v)
	}
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, v string) {
		after := parseRetryAfter(v, now)
		require.GreaterOrEqual(t, after, time.Duration(0))
		if at, err := http.ParseTime(strings.TrimSpace(v)); err == nil {
			require.Equal(t, max(at.Sub(now), 0), after)
		} else if strings.Trim(strings.TrimSpace(v), "0123456789") != "" {
			require.Zero(t, after)
		}
		h := http.Header{"Content-Type": {v}, "Content-Encoding": {v}}
		name, _, _ := strings.Cut(strings.ToLower(v), ";")
		require.Equal(t, strings.TrimSpace(name) == "text/event-stream", isEventStream(h))
		if isGzip(h) {
			require.True(t, isDecodable(h))
		}
		if isToken(v) {
			require.NotContains(t, v, " ")
		}
		if isHeaderValue(v) {
			require.NotContains(t, v, "\n")
			require.NotContains(t, v, "\x00")
		}
		refusal := &ResponseError{StatusCode: 200, Header: h}
		require.Less(t, len(refusal.Error()), 400)
	})
}

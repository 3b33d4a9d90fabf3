package benchmarks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestManyStreams(t *testing.T) {
	server, err := StartServer()
	require.NoError(t, err)
	defer server.Close()
	do := func(t *testing.T, job Job) Result {
		job.Session = t.Name()
		r, err := server.Run(job, 30*time.Second)
		require.NoError(t, err)
		return r
	}
	for proto, want := range map[string]struct{ descriptors, goroutines float64 }{
		"http1": {250, 3}, "https1": {250, 3}, "http2-100": {3, 2}, "http2": {1, 2},
	} {
		t.Run("memory/"+proto, func(t *testing.T) {
			r := do(t, Job{Measure: "memory", Proto: proto, N: 250, Size: 300})
			require.InDelta(t, want.goroutines, r["goroutines/stream"], 0.1)
			require.Positive(t, r["open-µs/stream"])
			if descriptors() > 0 { // the system tells them
				require.InDelta(t, want.descriptors, r["descriptors"], 1) // the poller has one
				require.Positive(t, r["peak-B/stream"])
			}
		})
	}
	for _, batch := range []int{1, 50} {
		t.Run("load", func(t *testing.T) {
			r := do(t, Job{Measure: "load", Proto: "http1", N: 10, Rate: 10_000, Batch: batch, Millis: 300})
			require.Positive(t, r["cpu-ns/event"])
			require.Less(t, r["events/s"], 20_000.0) // a slow machine has fewer
		})
	}
}

func TestStorms(t *testing.T) {
	server, err := StartServer()
	require.NoError(t, err)
	defer server.Close()
	const n = 100
	do := func(t *testing.T, storm Storm) Result {
		r, err := server.Run(Job{Measure: "storm", Proto: "http1", N: n, Session: t.Name(), Storm: storm}, 30*time.Second)
		require.NoError(t, err)
		require.GreaterOrEqual(t, r["return-p1-ms"], r["wait-p1-ms"])
		return r
	}
	t.Run("retry", func(t *testing.T) {
		r := do(t, Storm{Retry: 500})
		require.GreaterOrEqual(t, r["wait-p1-ms"], 500.0)
		require.LessOrEqual(t, r["wait-max-ms"], 550.0)
		require.EqualValues(t, n, r["requests"])
		require.EqualValues(t, n, r["waits-in-100ms"])
	})
	t.Run("spread", func(t *testing.T) {
		r := do(t, Storm{Retry: 500, Spread: 1000})
		require.Greater(t, r["wait-max-ms"], 550.0)
		require.LessOrEqual(t, r["wait-max-ms"], 1650.0)
		require.Less(t, r["waits-in-100ms"], n/2.0)
	})
	t.Run("refused", func(t *testing.T) {
		r := do(t, Storm{Retry: 500, Admit: n / 4, After: 1, Until: 2})
		require.Greater(t, r["requests"], float64(n))
		require.GreaterOrEqual(t, r["return-max-ms"], 3000.0) // in the fourth second
	})
}

func TestMostWithin(t *testing.T) {
	ms := func(times ...time.Duration) []time.Duration {
		for i := range times {
			times[i] *= time.Millisecond
		}
		return times
	}
	require.Equal(t, 0, mostWithin(nil, 100*time.Millisecond))
	require.Equal(t, 1, mostWithin(ms(300, 200, 100), 100*time.Millisecond))
	require.Equal(t, 3, mostWithin(ms(299, 150, 200, 400), 150*time.Millisecond))
}

func TestQuantiles(t *testing.T) {
	times := make([]time.Duration, 100)
	for i := range times {
		times[i] = time.Duration(100-i) * time.Millisecond
	}
	r := Result{}
	quantiles(r, "wait", times)
	require.Equal(t, Result{"wait-p1-ms": 2, "wait-p50-ms": 51, "wait-p99-ms": 100, "wait-max-ms": 100}, r)
}

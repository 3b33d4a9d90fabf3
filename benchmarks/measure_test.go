package benchmarks

import (
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every measurement runs and returns the results that the tables need. The times of such a
// short run are meaningless, but the counts of this library must be correct.
func TestMeasurements(t *testing.T) {
	server, err := StartServer()
	require.NoError(t, err)
	defer server.Close()
	do := func(t *testing.T, job Job) Result {
		r, err := server.Run(job, 30*time.Second)
		require.NoError(t, err)
		return r
	}
	for _, c := range Clients() {
		t.Run("cpu/"+c.Name, func(t *testing.T) {
			r := do(t, Job{Measure: "cpu", Client: c.Name, Proto: "http1", Millis: 1})
			require.Positive(t, r["cpu-ns/event"])
		})
	}
	for _, name := range []string{"bare-loop", "sse-event"} {
		t.Run("latency/"+name, func(t *testing.T) {
			r := do(t, Job{Measure: "latency", Client: name, Proto: "http2", N: 150})
			require.Positive(t, r["p50-µs"])
			require.GreaterOrEqual(t, r["p99-µs"], r["p50-µs"])
		})
	}
	for _, name := range []string{"bare-loop", "sse-data", "sse-subscribe-timeouts"} {
		for proto, goroutines := range map[string]float64{"http1": 3, "http2": 2} {
			t.Run("idle/"+name+"/"+proto, func(t *testing.T) {
				r := do(t, Job{Measure: "idle", Client: name, Proto: proto, N: 100, Size: 300})
				require.InDelta(t, goroutines, r["goroutines/stream"], 0.2)
			})
		}
	}
	for _, c := range []struct {
		name, proto    string
		apart          bool
		client, server float64 // goroutines
	}{
		{"sse-subscribe", "http1", false, 3, 2},
		{"sse-subscribe", "http2", false, 2, 1},
		{"sse-subscribe", "http2", true, 3, 3},
		{"websocket", "http1", false, 1, 2},
	} {
		t.Run(fmt.Sprintf("idle-both/%s/%s/apart=%v", c.name, c.proto, c.apart), func(t *testing.T) {
			server, err := StartServer() // without the streams of other measurements
			require.NoError(t, err)
			defer server.Close()
			r, err := server.Run(Job{Measure: "idle-both", Client: c.name, Proto: c.proto, Apart: c.apart, N: 100, Size: 300}, 30*time.Second)
			require.NoError(t, err)
			require.InDelta(t, c.client, r["client-goroutines/stream"], 0.2)
			require.InDelta(t, c.server, r["server-goroutines/stream"], 0.2)
			require.Positive(t, r["client-heap-B/stream"])
			require.Positive(t, r["server-heap-B/stream"])
		})
	}
	for _, c := range Completers() {
		t.Run("completions/"+c.Name, func(t *testing.T) {
			r := do(t, Job{Measure: "completions", Client: c.Name, Proto: "http1", N: 10})
			if c.Name == "sse" {
				require.EqualValues(t, 1, r["connections"])
				require.EqualValues(t, 1, r["handshakes"])
			}
		})
	}
	for _, c := range Reconnecters() {
		t.Run("reconnect/"+c.Name, func(t *testing.T) {
			r := do(t, Job{Measure: "reconnect", Client: c.Name, Proto: "http1", N: 12, Session: c.Name})
			if c.Name == "sse" {
				delete(r, "ms")
				require.Equal(t, Result{"lost": 0, "twice": 0, "broken": 0, "empty": 0}, r)
			}
		})
	}
}

// A measurement whose streams all fail ends with their error, and not with its time limit.
func TestIdleStreamsThatFail(t *testing.T) {
	nothing := &Server{Endpoint: Endpoint{Plain: "127.0.0.1:0"}} // to which no connection is possible
	_, err := nothing.Run(Job{Measure: "idle", Client: "bare-loop", Proto: "http1", N: 100}, 20*time.Second)
	_, ok := errors.AsType[*exec.ExitError](err)
	require.True(t, ok, "%v", err)
}

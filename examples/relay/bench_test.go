package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// The benchmark runs this test binary as a process of its own, so that the CPU time of the
// process is not that of the broker and of the feed. A variable has the URL of the feed for
// readOnly, or the flags of a relay.
const (
	readVariable  = "RELAY_BENCHMARK_READ"
	relayVariable = "RELAY_BENCHMARK_FLAGS"
)

func init() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if url := os.Getenv(readVariable); url != "" {
		os.Exit(readOnly(ctx, url))
	} else if flags := os.Getenv(relayVariable); flags != "" {
		os.Exit(run(ctx, strings.Fields(flags), os.Stderr))
	}
}

// readOnly reads a feed and does nothing with its events. It returns the exit status.
func readOnly(ctx context.Context, url string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 1
	}
	stream, err := sse.Subscribe(req)
	if err != nil {
		return 1
	}
	for stream.Next() {
		_ = stream.Event()
	}
	if stream.Err() != nil {
		return 1
	}
	return 0
}

// BenchmarkRelay measures the CPU time of a relay, and that of a loop that only reads. The feed
// sends 100,000 events of 200 bytes: 10,000 a second, or as fast as they are read.
func BenchmarkRelay(b *testing.B) {
	const n = 100_000
	for _, rate := range []int{10_000, 0} {
		for _, relays := range []bool{false, true} {
			b.Run(fmt.Sprintf("rate=%d/relay=%t", rate, relays), func(b *testing.B) {
				for b.Loop() {
					c := testConfig(b, sourceConfig{Name: "a", URL: steadyFeed(b, n, rate)})
					variable := readVariable + "=" + c.Sources[0].URL
					if relays {
						variable = relayVariable + "=-nats " + c.NATS + " -source a=" + c.Sources[0].URL
					}
					var log bytes.Buffer
					child := exec.CommandContext(b.Context(), os.Args[0])
					child.Env = append(os.Environ(), variable)
					child.Stderr = &log
					began := time.Now()
					require.NoError(b, child.Start())
					if relays {
						waitForEvents(b, c, n)
					} else {
						require.NoError(b, child.Wait())
					}
					elapsed := time.Since(began)
					if relays {
						require.NoError(b, child.Process.Signal(os.Interrupt))
						require.NoError(b, child.Wait(), "%s", &log)
					}
					cpu := child.ProcessState.UserTime() + child.ProcessState.SystemTime()
					b.ReportMetric(n/elapsed.Seconds(), "events/s")
					b.ReportMetric(cpu.Seconds()/n*1e6, "cpu-s/Mevent")
				}
			})
		}
	}
}

// waitForEvents waits until n events of the source "a" are stored.
func waitForEvents(b *testing.B, c config, n uint64) {
	broker := testBroker(b, c)
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		require.Less(b, time.Now(), deadline)
		if at, err := broker.place(b.Context(), "a"); err == nil && at.seq == n {
			return
		}
	}
}

// steadyFeed returns the URL of an event stream of n events, at a rate for each second or as
// fast as they are read. Rate 0 sets no limit.
func steadyFeed(b *testing.B, n, rate int) string {
	payload := strings.Repeat("x", 200)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		buffered := bufio.NewWriterSize(w, 32<<10)
		began := time.Now()
		for i := 1; i <= n; i++ {
			if rate > 0 && i%(rate/100) == 0 { // every 10 ms
				_ = buffered.Flush()
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
			}
			if _, err := fmt.Fprintf(buffered, "id: %d\ndata: %s\n\n", i, payload); err != nil {
				return
			}
		}
		_ = buffered.Flush()
	}))
	b.Cleanup(srv.Close)
	return srv.URL
}

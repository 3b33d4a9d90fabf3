package behaviour

import (
	"bytes"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

func resources() []row {
	return []row{
		{
			name: "goroutines", title: "goroutines beside those of net/http and the loop", readme: true, alone: true,
			how: "The client waits for the next event. The result is the difference to the bufio.Scanner loop.",
			measure: func(t *testing.T, c *client, _ setting) string {
				loop := clients()[len(clients())-1]
				require.Equal(t, "scanner", loop.name)
				return strconv.Itoa(goroutinesWhileReading(t, c) - goroutinesWhileReading(t, loop))
			},
		},
		{
			name: "left", title: "goroutines left after the loop", alone: true,
			how: "The program leaves the loop at the first event of an endless stream. The result is the number of goroutines that are " +
				"left after 3 seconds or earlier.",
			measure: func(t *testing.T, c *client, _ setting) string {
				before := settledGoroutines()
				t.Run("read", func(t *testing.T) {
					leave := func(string) bool { return false }
					tr := begin(t, c.feed, defaults, leave, ssetest.Script{ssetest.Do(endless)})
					require.Equal(t, "done", tr.wait(nil, 0))
					require.NoError(t, tr.err)
				})
				return strconv.Itoa(leftGoroutines(before))
			},
		},
		{
			name: "left-idle", title: "goroutines left after 5 idle timeouts", alone: true, set: idleTimeout,
			how: "The server is silent after an event on each of 5 connections. The program leaves the loop at an event of the " +
				"sixth one.",
			measure: func(t *testing.T, c *client, set setting) string {
				if set != idleTimeout {
					return "–"
				}
				before := settledGoroutines()
				t.Run("read", func(t *testing.T) {
					silent := ssetest.Script{ssetest.Raw("retry: 20\ndata: one\n\n"), ssetest.Stall()}
					stay := func(data string) bool { return data != "last" }
					tr := begin(t, c.feed, set, stay, silent, silent, silent, silent, silent,
						ssetest.Script{ssetest.Data("last"), ssetest.Stall()})
					require.Equal(t, "done", tr.wait(nil, 0))
					require.NoError(t, tr.err)
				})
				return strconv.Itoa(leftGoroutines(before))
			},
		},
		{
			name: "endless-line", title: "limits the memory for an endless line",
			how: "The server sends a line of 40 MiB. *Yes* means that the client gives up before its end.",
			measure: func(t *testing.T, c *client, set setting) string {
				tr := begin(t, c.once, set, nil, ssetest.Script{ssetest.Do(longLine)}, ssetest.Script{ssetest.Data("[DONE]")})
				tr.wait(tr.again, 0)
				return yes(len(tr.received()) == 0)
			},
		},
		{
			name: "redirect", title: "keeps `X-Api-Key` from another origin", readme: true,
			how: "The first server redirects to another host with status 307. *Refused* means that the client does not follow the " +
				"redirect. A `CheckRedirect` function of the http.Client can refuse it with each client. net/http itself keeps " +
				"`Authorization` from other hosts.",
			measure: func(t *testing.T, c *client, set setting) string {
				reached := make(chan struct{})
				done := ssetest.Script{ssetest.Check(closer(reached)), ssetest.Data("[DONE]")}
				other := ssetest.NewServer(t, ssetest.InOrder(done, ssetest.Script{ssetest.Data("[DONE]")}), ssetest.Loopback())
				elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
				tr := begin(t, c.once, set, nil, ssetest.Script{ssetest.Answer(307, "Location", elsewhere)})
				require.NotEmpty(t, tr.wait(reached, 0))
				r := other.Requests()
				if len(r) == 0 {
					require.Error(t, tr.err)
					return "refused"
				}
				return yes(r[0].Header.Get("X-Api-Key") == "")
			},
		},
	}
}

// closer returns a function that closes a channel. A script calls it once.
func closer(c chan struct{}) func(*http.Request) { return func(*http.Request) { close(c) } }

func goroutinesWhileReading(t *testing.T, c *client) (n int) {
	before := settledGoroutines()
	t.Run("read", func(t *testing.T) {
		tr := begin(t, c.feed, defaults, nil, ssetest.Script{ssetest.Data("one"), ssetest.Stall()})
		require.Equal(t, "ready", tr.wait(tr.first, 0))
		n = settledGoroutines() - before
		tr.stop()
		require.Equal(t, "done", tr.wait(nil, 0))
	})
	leftGoroutines(before)
	return n
}

// settledGoroutines returns the number of goroutines as soon as it does not change anymore.
func settledGoroutines() int {
	n, since := runtime.NumGoroutine(), time.Now()
	for time.Since(since) < 200*time.Millisecond {
		time.Sleep(5 * time.Millisecond)
		if now := runtime.NumGoroutine(); now != n {
			n, since = now, time.Now()
		}
	}
	return n
}

// leftGoroutines waits until there are as many goroutines as before, and returns how many
// more there are after 3 seconds.
func leftGoroutines(before int) int {
	for start := time.Now(); runtime.NumGoroutine() > before && time.Since(start) < 3*time.Second; {
		time.Sleep(5 * time.Millisecond)
	}
	return max(0, runtime.NumGoroutine()-before)
}

// endless sends events until the client disconnects.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte("data: one\n\n")); err != nil {
			return
		}
	}
}

// longLine sends an event of 40 MiB.
func longLine(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	piece := bytes.Repeat([]byte("x"), 1<<20)
	copy(piece, "data: ")
	for range 40 {
		if _, err := w.Write(piece); err != nil {
			return
		}
		copy(piece, "xxxxxx")
	}
	_, _ = w.Write([]byte("\n\n"))
}

package sse_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// TestSoak keeps hundreds of subscriptions to a server that misbehaves at random, and
// counts what is sent and received. It runs for as long as SSE_SOAK says:
//
//	SSE_SOAK=10m go test -run Soak -timeout 0 -v .
func TestSoak(t *testing.T) {
	text := os.Getenv("SSE_SOAK")
	if text == "" {
		t.Skip("set SSE_SOAK to a duration, such as 10m, to run it")
	}
	length, err := time.ParseDuration(text)
	require.NoError(t, err)
	var feed soakFeed
	srv := httptest.NewServer(&feed)
	transport := &http.Transport{}
	hc := &http.Client{Transport: transport}

	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var received, reconnects atomic.Int64
	var all sync.WaitGroup
	failures := make(chan error, 300)
	for range cap(failures) {
		all.Go(func() {
			failures <- soakSubscription(ctx, srv.URL, &received,
				sse.WithHTTPClient(hc),
				sse.WithIdleTimeout(time.Second),
				soon,
				sse.WithTrace(&sse.Trace{Wait: func(sse.Attempt) { reconnects.Add(1) }}),
			)
		})
	}
	all.Wait()
	for range cap(failures) {
		require.NoError(t, <-failures)
	}
	t.Logf("%d requests, %d reconnects, %d events received in order", feed.requests.Load(), reconnects.Load(), received.Load())
	require.Positive(t, received.Load())
	require.Positive(t, reconnects.Load())

	transport.CloseIdleConnections()
	srv.Close()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines }, 10*time.Second, 10*time.Millisecond)
	require.Less(t, heapInUse(), heap+8<<20)
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// soakSubscription reads until the context ends. Every event must follow the one
// before: nothing lost, nothing twice, nothing broken.
func soakSubscription(ctx context.Context, url string, received *atomic.Int64, opts ...sse.Option) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	s, err := sse.Subscribe(req, opts...)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	last := 0
	for e, err := range s.Events() {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		last++
		if want := soakData(last); e.ID != strconv.Itoa(last) || e.Data != want {
			return fmt.Errorf("event %q with %q in place of event %d with %q", e.ID, e.Data, last, want)
		}
		received.Add(1)
	}
	return s.Err()
}

// soakData is the data of the event: some in several lines, some large.
func soakData(id int) string {
	line := strings.Repeat("ü", id%100)
	if id%500 == 0 {
		line = strings.Repeat("large ", 20_000)
	}
	return fmt.Sprintf("%d\n%s", id, line)
}

// soakFeed sends the events after Last-Event-ID, in all line ends and pieces, and
// breaks off in all ways.
type soakFeed struct{ requests atomic.Int64 }

func (f *soakFeed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	_, _ = io.Copy(io.Discard, r.Body)                     // net/http tells that the client has gone only after the body
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // without one, from the start
	switch rand.IntN(20) {
	case 0:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case 1:
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	eol := []string{"\n", "\r\n", "\r"}[rand.IntN(3)]
	var text strings.Builder
	for id := last + 1; id <= last+1+rand.IntN(200); id++ {
		data := strings.ReplaceAll(soakData(id), "\n", "\ndata: ")
		block := fmt.Sprintf(": c\nid: %d\ndata: %s\n\n", id, data)
		text.WriteString(strings.ReplaceAll(block, "\n", eol))
	}
	rest := text.String()
	if rand.IntN(2) == 0 {
		rest = rest[:rand.IntN(len(rest))]
	}
	for len(rest) > 0 {
		n := min(len(rest), 1+rand.IntN(5000))
		if _, err := w.Write([]byte(rest[:n])); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush() // an error shows in the next write
		rest = rest[n:]
	}
	switch rand.IntN(10) {
	case 0:
		<-r.Context().Done() // a stall
	case 1, 2, 3, 4:
		panic(http.ErrAbortHandler)
	}
}

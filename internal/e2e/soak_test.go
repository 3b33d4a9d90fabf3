package e2e_test

import (
	"cmp"
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

// TestSoakOfSubscriptionsLosesNothing keeps hundreds of subscriptions to a server that
// misbehaves at random, and counts the events received. It runs for two seconds, or for as
// long as SSE_SOAK says:
//
//	SSE_SOAK=4m go test -race -timeout 0 -run Soak -v ./internal/e2e
func TestSoakOfSubscriptionsLosesNothing(t *testing.T) {
	length, err := time.ParseDuration(cmp.Or(os.Getenv("SSE_SOAK"), "2s"))
	require.NoError(t, err)
	var feed soakFeed
	goroutines, heap := runtime.NumGoroutine(), liveBytes()
	srv := httptest.NewServer(&feed)
	transport := &http.Transport{}
	hc := &http.Client{Transport: transport}

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
				withoutWaits,
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
	// Eventually has a goroutine of its own, which evaluates the condition.
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+1 }, time.Minute, 10*time.Millisecond)
	require.Less(t, liveBytes(), heap+8<<20)
}

// liveBytes returns the bytes of all objects on the heap. The spans that hold them are larger
// by chance.
func liveBytes() uint64 {
	runtime.GC()
	runtime.GC() // a sync.Pool keeps its objects through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// soakSubscription reads until the context ends. Each event must be intact and have the
// ID that follows the one before: none is lost and none repeated.
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

// soakData returns the data of the event with this ID. All have two lines, some are large.
func soakData(id int) string {
	line := strings.Repeat("ü", id%100)
	if id%500 == 0 {
		line = strings.Repeat("large ", 20_000)
	}
	return fmt.Sprintf("%d\n%s", id, line)
}

// A soakFeed sends the events after Last-Event-ID, with all line endings and in pieces,
// and ends its responses in all ways.
type soakFeed struct{ requests atomic.Int64 }

func (f *soakFeed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	_, _ = io.Copy(io.Discard, r.Body)                     // net/http detects a disconnect only after the body
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // 0 if there is none
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
		<-r.Context().Done() // silence
	case 1, 2, 3, 4:
		panic(http.ErrAbortHandler)
	}
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/fetchsse/sse/ssetest"
)

// A counter is a service that counts its requests.
type counter struct {
	began, ended atomic.Int64
}

// ServeHTTP sends events: 50 and [DONE], or events without end to those who ask for them.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.began.Add(1)
	defer c.ended.Add(1)
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	for i := 0; i < 50 || strings.Contains(string(body), "endless"); i++ {
		fmt.Fprintf(w, "data: %s\n\n", text(fmt.Sprint(i)))
		if http.NewResponseController(w).Flush() != nil || r.Context().Err() != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// Of 200 clients at once, every other one leaves somewhere in the middle of its response.
// Every request to the service ends, and no goroutine stays.
func TestMany(t *testing.T) {
	const clients = 200
	before := runtime.NumGoroutine()
	service := new(counter)
	origin := httptest.NewServer(service)
	defer origin.Close()
	g, book := newGateway(t, origin.URL, llm.OpenAIChat)
	front := httptest.NewServer(g)
	defer front.Close()
	transport := &http.Transport{}

	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var complete, left atomic.Int64
	random := rand.New(rand.NewPCG(1, 2))
	var all sync.WaitGroup
	for i := range clients {
		leaveAfter := 0
		if i%2 == 0 {
			leaveAfter = 1 + random.IntN(60)
		}
		all.Go(func() {
			kind := "short"
			if leaveAfter > 0 {
				kind = "endless"
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL, strings.NewReader(`{"model":"`+kind+`"}`))
			if err != nil {
				return
			}
			s, err := llm.Fetch(req, llm.OpenAIChat, sse.WithHTTPClient(&http.Client{Transport: transport}))
			if err != nil {
				return
			}
			events := 0
			for _, err := range s.Deltas() {
				if err != nil {
					return
				}
				if events++; events == leaveAfter {
					left.Add(1)
					return
				}
			}
			if events == 50 {
				complete.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, clients/2, complete.Load())
	require.EqualValues(t, clients/2, left.Load())
	require.Eventually(t, func() bool { return service.ended.Load() == clients }, patience, time.Millisecond)
	require.EqualValues(t, clients, service.began.Load())

	require.Eventually(t, func() bool { return len(book.records(t)) == clients }, patience, 50*time.Millisecond)
	ends := map[any]int{}
	for _, line := range book.records(t) {
		ends[line["end"]]++
	}
	require.Equal(t, map[any]int{"complete": clients / 2, "client left": clients / 2}, ends)

	transport.CloseIdleConnections()
	front.Close()
	g.client.CloseIdleConnections()
	origin.Close()
	require.Eventually(t, func() bool { // on a goroutine of its own
		return runtime.NumGoroutine() <= before+1
	}, patience, 10*time.Millisecond, "goroutines are left")
}

// heap returns the bytes of the heap that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// With a client that stops reading, the gateway stops reading from the service. The
// bytes between them are in the buffers of the sockets.
func TestBackPressure(t *testing.T) {
	const (
		total = 1 << 30 // what the service would send
		limit = 64 << 20
	)
	var sent atomic.Int64
	ended := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		w.Header().Set("Content-Type", "text/event-stream")
		event := []byte("data: " + strings.Repeat("x", 32<<10) + "\n\n")
		for sent.Load() < total {
			n, err := w.Write(event)
			sent.Add(int64(n))
			if err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
		}
	}))
	defer origin.Close()
	g, book := newGateway(t, origin.URL, 0)
	front := httptest.NewServer(g)
	defer front.Close()
	before := heap()

	client, err := net.Dial("tcp", front.Listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
	require.NoError(t, err)
	status, err := bufio.NewReader(client).ReadString('\n') // and nothing after that
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200 OK\r\n", status)

	last, same := int64(-1), 0
	require.Eventually(t, func() bool {
		if n := sent.Load(); n != last {
			last, same = n, 0
		}
		same++
		return same > 20 || last >= total
	}, patience, 50*time.Millisecond, "the service can send without end")
	grown := int64(heap()) - int64(before)
	t.Logf("the service has sent %d KiB, and the heap has grown by %d KiB", last>>10, grown>>10)
	require.Less(t, last, int64(limit))
	require.Less(t, grown, int64(8<<20))

	require.NoError(t, client.Close())
	awaitEnd(t, ended)
	require.Equal(t, "client left", book.wait(t)["end"])
}

// A client that does not read for the time of the write timeout is given up.
func TestStalledClient(t *testing.T) {
	flood := ssetest.Do(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			fmt.Fprintf(w, "data: %s\n\n", strings.Repeat("x", 32<<10))
		}
	})
	g, book := newGateway(t, upstream(t, flood).URL, 0)
	g.writeTimeout = 100 * time.Millisecond
	client, err := net.Dial("tcp", strings.TrimPrefix(serveGateway(t, g), "http://"))
	require.NoError(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
	require.NoError(t, err)
	require.Equal(t, "client stalled", book.wait(t)["end"])
}

// The client has each event before the service sends the next one.
func TestAtOnce(t *testing.T) {
	next := make(chan struct{})
	wait := ssetest.Do(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-next:
		case <-r.Context().Done():
		}
	})
	g, book := newGateway(t, upstream(t, ssetest.Open(), ssetest.Data(text("one")), wait, ssetest.Data(text("two"), "[DONE]")).URL, llm.OpenAIChat)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, serveGateway(t, g), strings.NewReader("{}"))
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	want := "id:\ndata: " + text("one") + "\n\n"
	first := make([]byte, len(want))
	_, err = io.ReadFull(resp.Body, first)
	require.NoError(t, err)
	require.Equal(t, want, string(first))
	close(next)
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "id:\ndata: "+text("two")+"\n\nid:\ndata: [DONE]\n\n", string(rest))
	require.Equal(t, "complete", book.wait(t)["end"])
}

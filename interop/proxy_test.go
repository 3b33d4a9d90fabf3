package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// A proxy forwards requests to an origin.
type proxy struct {
	*child
	name      string
	endpoints []endpoint
}

// An endpoint is where a proxy listens, with a client for its protocol.
type endpoint struct {
	protocol string
	url      string
	hc       *http.Client
}

// startProxy starts a proxy for the origin at an address.
type startProxy func(t *testing.T, origin string) *proxy

// origin starts an origin that serves every request with the script for it.
func origin(t *testing.T, script func(r *http.Request) ssetest.Script) *ssetest.Server {
	t.Helper()
	return ssetest.NewServer(t, func(_ int, r *http.Request) ssetest.Script { return script(r) }, ssetest.Loopback())
}

// addressOf returns the address of a URL.
func addressOf(url string) string { return strings.TrimPrefix(url, "http://") }

// step sends an event whose ID and data are n.
func step(n int) ssetest.Step {
	id := fmt.Sprint(n)
	return ssetest.Send(sse.Event{ID: id, Data: id})
}

// breaking returns the scripts of a stream of the events 1, 2 and 3 and the completion
// [DONE]. The first response ends with these steps after event 2. A request that resumes
// after event 2 gets the rest.
func breaking(end ...ssetest.Step) func(r *http.Request) ssetest.Script {
	return func(r *http.Request) ssetest.Script {
		if r.Header.Get("Last-Event-ID") == "2" {
			return ssetest.Script{step(3), ssetest.Data("[DONE]")}
		}
		return append(ssetest.Script{step(1), step(2)}, end...)
	}
}

// An ending is what the library tells about a response that has ended early.
type ending struct {
	plain     string // by Fetch
	completed string // by Fetch with a completion event
}

var (
	brokenOff   = ending{"truncated, not Clean", "truncated, not Clean"}
	cleanEnd    = ending{"clean end", "truncated, Clean"}
	cleanWithin = ending{"truncated, Clean", "truncated, Clean"} // in the middle of an event
)

// testBreaks reads a stream of breaking through each endpoint of a proxy: with Fetch, which
// has to report the ending, and with Subscribe, which has to deliver each event once.
func testBreaks(t *testing.T, tried string, begin startProxy, http1, http2 ending, end ...ssetest.Step) {
	t.Helper()
	srv := origin(t, breaking(end...))
	p := begin(t, addressOf(srv.URL))
	for _, at := range p.endpoints {
		before := len(srv.Requests())
		client := sse.NewClient(sse.WithHTTPClient(at.hc), withoutWaits)
		events, plain := read(client.Fetch(request(t, "GET", at.url)))
		require.Equal(t, []string{"1", "2"}, dataOf(events), "%v", plain)
		events, completed := read(client.Fetch(request(t, "GET", at.url), sse.WithDone("[DONE]")))
		require.Equal(t, []string{"1", "2"}, dataOf(events), "%v", completed)
		require.Len(t, srv.Requests(), before+2, "Fetch sends no request again after its response has begun")
		want := http1
		if at.protocol != "HTTP/1.1" {
			want = http2
		}
		got := ending{describe(plain), describe(completed)}
		require.Equal(t, want, got, at.protocol)

		events, err := read(client.Subscribe(request(t, "GET", at.url), sse.WithDone("[DONE]")))
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2", "3"}, dataOf(events))
		require.Len(t, srv.Requests(), before+4)
		results.row(t, p.name+", "+at.protocol, tried,
			"Fetch: %s; with a completion: %s; Subscribe: 3 of 3 events, each once, in 2 requests", got.plain, got.completed)
	}
}

// A passage is the time that 20 consecutive events took through an endpoint.
type passage struct {
	peer string
	took time.Duration
}

// deliver reads a stream of 20 events through each endpoint of a proxy. The origin sends an
// event when the one before has arrived. It sends the headers given too.
func deliver(t *testing.T, begin startProxy, headers ...string) (passages []passage) {
	t.Helper()
	arrived := make(chan struct{})
	srv := origin(t, func(*http.Request) ssetest.Script {
		script := ssetest.Script{ssetest.Answer(200, append(headers, "Content-Type", "text/event-stream")...)}
		for n := range 20 {
			script = append(script, step(n), released(arrived))
		}
		return append(script, ssetest.Data("[DONE]"))
	})
	p := begin(t, addressOf(srv.URL))
	for i, at := range p.endpoints {
		s, err := sse.Fetch(request(t, "POST", at.url), sse.WithHTTPClient(at.hc), sse.WithDone("[DONE]"))
		require.NoError(t, err)
		begun := time.Now()
		count := 0
		for s.Next() {
			require.Equal(t, fmt.Sprint(count), s.Event().Data)
			count++
			arrived <- struct{}{}
		}
		require.NoError(t, s.Err())
		require.Equal(t, 20, count)
		require.Len(t, srv.Requests(), i+1)
		passages = append(passages, passage{p.name + ", " + at.protocol, time.Since(begun)})
	}
	return passages
}

// testPassing requires that no endpoint of a proxy holds events back.
func testPassing(t *testing.T, tried string, begin startProxy, headers ...string) {
	t.Helper()
	for _, p := range deliver(t, begin, headers...) {
		require.Less(t, p.took, 2*time.Second, p.peer)
		results.row(t, p.peer, tried, "20 of 20 events, each as soon as it was sent")
	}
}

// testDown sends requests through p while its origin is down, and starts the origin while
// a subscription waits.
func testDown(t *testing.T, status int, begin startProxy) {
	t.Helper()
	address := freeAddress(t)
	p := begin(t, address)
	for _, at := range p.endpoints {
		attempts := 0
		count := sse.WithTrace(&sse.Trace{Request: func(*http.Request) { attempts++ }})
		client := sse.NewClient(sse.WithHTTPClient(at.hc), withoutWaits, sse.WithDone("[DONE]"), count)
		fetch := func(method string, want int) {
			t.Helper()
			attempts = 0
			_, err := client.Fetch(request(t, method, at.url))
			refused, ok := errors.AsType[*sse.ResponseError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, status, refused.StatusCode)
			require.Equal(t, want, attempts, method)
		}
		fetch("POST", 1)
		fetch("GET", 3)

		attempts = 0
		var once sync.Once
		l := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: back\n\ndata: [DONE]\n\n")
		})}
		events, err := read(client.Subscribe(request(t, "GET", at.url), sse.WithTrace(&sse.Trace{
			Wait: func(sse.Attempt) {
				once.Do(func() {
					listener, err := net.Listen("tcp", address)
					require.NoError(t, err)
					go l.Serve(listener) //nolint:errcheck // ends with Close
				})
			},
		})))
		l.Close()
		require.NoError(t, err)
		require.Equal(t, []string{"back"}, dataOf(events))
		require.Greater(t, attempts, 1)
		results.row(t, p.name+", "+at.protocol, "origin down", "%d: Fetch sends a POST once and a GET three times; Subscribe connects when the origin is back",
			status)
	}
}

// testComments reads a stream that lasts two seconds and is never silent for one, through
// each endpoint of a proxy that ends a stream after a second of silence.
func testComments(t *testing.T, tried string, begin startProxy) {
	t.Helper()
	script := ssetest.Script{step(1)}
	for range 8 {
		script = append(script, ssetest.Comment("still here"), ssetest.Wait(250*time.Millisecond))
	}
	script = append(script, ssetest.Data("[DONE]"))
	srv := origin(t, func(*http.Request) ssetest.Script { return script })
	p := begin(t, addressOf(srv.URL))
	for i, at := range p.endpoints {
		events, err := read(sse.Fetch(request(t, "GET", at.url), sse.WithHTTPClient(at.hc), sse.WithDone("[DONE]")))
		require.NoError(t, err)
		require.Equal(t, []string{"1"}, dataOf(events))
		require.Len(t, srv.Requests(), i+1)
		results.row(t, p.name+", "+at.protocol, tried, "the stream lasts for twice the limit")
	}
}

// testSlow sends a POST through a proxy to an origin that sends no headers in time.
func testSlow(t *testing.T, tried string, begin startProxy) {
	t.Helper()
	srv := origin(t, func(*http.Request) ssetest.Script { return ssetest.Script{ssetest.Stall()} })
	p := begin(t, addressOf(srv.URL))
	for i, at := range p.endpoints {
		_, err := sse.Fetch(request(t, "POST", at.url), sse.WithHTTPClient(at.hc), withoutWaits)
		require.Equal(t, "refused with 504", describe(err))
		require.Len(t, srv.Requests(), i+1)
		results.row(t, p.name+", "+at.protocol, tried, "504: a POST reaches the origin once")
	}
}

// testReload makes p read its configuration again in the middle of a stream. If lasts, the
// old process serves the stream to its end. Otherwise it ends the stream after a time.
func testReload(t *testing.T, lasts bool, tried string, begin startProxy,
	reload func(t *testing.T, c *child),
) {
	t.Helper()
	reloaded := make(chan struct{}, 1)
	srv := origin(t, breaking(released(reloaded), step(3), ssetest.Data("[DONE]")))
	p := begin(t, addressOf(srv.URL))
	for _, at := range p.endpoints {
		before := len(srv.Requests())
		var disconnects []error
		s, err := sse.Subscribe(request(t, "GET", at.url), sse.WithHTTPClient(at.hc), withoutWaits, sse.WithDone("[DONE]"),
			sse.WithTrace(&sse.Trace{Disconnect: func(err error) { disconnects = append(disconnects, err) }}))
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2"}, next(t, s, 2))
		reload(t, p.child)
		if lasts {
			reloaded <- struct{}{}
		}
		require.Equal(t, []string{"3"}, next(t, s, 1))
		require.False(t, s.Next())
		require.NoError(t, s.Err())
		requests := len(srv.Requests()) - before
		if lasts {
			require.Equal(t, 1, requests)
			results.row(t, p.name+", "+at.protocol, tried, "3 of 3 events in 1 request")
		} else {
			require.Equal(t, 2, requests)
			results.row(t, p.name+", "+at.protocol, tried, "%s; Subscribe: 3 of 3 events, each once, in 2 requests",
				describe(disconnects[0]))
		}
	}
}

// released waits for a value of c, or until the client has disconnected.
func released(c <-chan struct{}) ssetest.Step {
	return ssetest.Check(func(r *http.Request) {
		select {
		case <-c:
		case <-r.Context().Done():
		}
	})
}

// testLeaving closes a stream, which an origin that is silent has to notice.
func testLeaving(t *testing.T, tried string, begin startProxy) {
	t.Helper()
	left := make(chan struct{}, 1)
	srv := origin(t, func(*http.Request) ssetest.Script {
		watch := ssetest.Check(func(r *http.Request) {
			context.AfterFunc(r.Context(), func() { left <- struct{}{} })
		})
		return ssetest.Script{watch, step(1), ssetest.Stall()}
	})
	p := begin(t, addressOf(srv.URL))
	for _, at := range p.endpoints {
		s, err := sse.Fetch(request(t, "POST", at.url), sse.WithHTTPClient(at.hc))
		require.NoError(t, err)
		require.Equal(t, []string{"1"}, next(t, s, 1))
		s.Close()
		await(t, "the end of the request at the origin", func() bool { return len(left) > 0 })
		<-left
		results.row(t, p.name+", "+at.protocol, tried, "the request of the origin ends at once")
	}
}

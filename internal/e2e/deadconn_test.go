package e2e_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/flaky"
)

// newFeed starts a server that sends an event every 20 ms, behind a proxy.
func newFeed(t *testing.T, http2 bool) (p *flaky.Proxy, url string, hc *http.Client) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "data: tick\n\n")
			w.(http.Flusher).Flush()
			<-tick.C
		}
	}))
	srv.EnableHTTP2 = http2
	srv.StartTLS()
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	p = flaky.New(t, srv.Listener.Addr().String())
	hc = srv.Client()
	hc.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
	return p, "https://" + p.Address, hc
}

// withForeignPool gives hc a transport whose HTTP/2 has a pool of its own, as that of
// ConfigureTransport of golang.org/x/net/http2 up to Go 1.26: a new connection goes into
// the pool, which uses the first one for as long as it seems to work.
func withForeignPool(t *testing.T, hc *http.Client) {
	config := hc.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	conns := make(chan net.Conn, 1)
	pool := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return <-conns, nil }}
	t.Cleanup(pool.CloseIdleConnections)
	var first sync.Once
	hc.Transport = &http.Transport{TLSClientConfig: config, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{
		"h2": func(_ string, c *tls.Conn) http.RoundTripper {
			used := false
			first.Do(func() { conns <- c; used = true })
			if !used {
				c.Close()
			}
			return pool
		},
	}}
}

// A dead connection costs each stream one timeout: the next attempt has a connection of its
// own, although net/http still takes the dead one for good.
func TestDeadConnectionCostsOneTimeout(t *testing.T) {
	soon := sse.WithBackOff(func() backoff.BackOff { return backoff.NewConstantBackOff(time.Millisecond) })
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true, "HTTP/2 with a foreign pool": true} {
		for _, end := range []struct {
			name      string
			opt       sse.Option
			reconnect bool
		}{
			{"idle timeout", sse.WithIdleTimeout(time.Second), false},
			{"event timeout", sse.WithEventTimeout(time.Second), false},
			{"Reconnect", nil, true},
		} {
			t.Run(name+", "+end.name, func(t *testing.T) {
				t.Parallel()
				p, url, hc := newFeed(t, http2)
				if strings.Contains(name, "foreign") {
					withForeignPool(t, hc)
				}
				const streams = 3
				var timeouts atomic.Int64
				var ready, done sync.WaitGroup
				ready.Add(streams)
				silenced := make(chan struct{})
				errs := make(chan error, streams)
				for range streams {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
					require.NoError(t, err)
					opened := 0
					s, err := sse.Subscribe(req, sse.WithHTTPClient(hc), soon, end.opt, sse.WithTrace(&sse.Trace{
						Open: func(*http.Response) { opened++ },
						Wait: func(sse.Attempt) { timeouts.Add(1) },
					}))
					require.NoError(t, err)
					require.True(t, s.Next())
					done.Go(func() {
						ready.Done()
						<-silenced
						if end.reconnect {
							s.Reconnect()
						}
						for s.Next() && opened == 1 { // to the first event of another connection
						}
						errs <- s.Err()
						s.Close()
						s.Next()
					})
				}
				ready.Wait()
				p.Silence()
				close(silenced)
				done.Wait()
				for range streams {
					require.NoError(t, <-errs)
				}
				if end.reconnect {
					require.Zero(t, timeouts.Load())
				} else {
					require.EqualValues(t, streams, timeouts.Load())
				}
			})
		}
	}
}

// A round tripper of RegisterProtocol gets the attempts after a timeout as well: a copy of
// the transport does not have it.
func TestRegisteredRoundTripperIsKeptAfterATimeout(t *testing.T) {
	for name, opt := range map[string]sse.Option{
		"idle timeout": sse.WithIdleTimeout(time.Second),
		"open timeout": sse.WithOpenTimeout(time.Second),
	} {
		in(t, name, func(t *testing.T) {
			transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("dialed")
			}}
			requests := 0
			transport.RegisterProtocol("http", roundTripper(func(r *http.Request) (*http.Response, error) {
				requests++
				if requests > 3 {
					return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
				}
				require.Equal(t, requests > 1, r.Close)
				if name == "open timeout" {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				body, w := io.Pipe()
				context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
			}))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server.test/", nil)
			require.NoError(t, err)
			s, err := sse.Subscribe(req, sse.WithHTTPClient(&http.Client{Transport: transport}), opt)
			require.NoError(t, err)
			require.False(t, s.Next())
			require.NoError(t, s.Err())
			require.Equal(t, 4, requests)
		})
	}
}

// The next call over the same client finds the dead connection by its own timeout, once.
func TestDeadConnectionCostsTheNextFetchOneTimeout(t *testing.T) {
	p, url, hc := newFeed(t, true)
	attempts := 0
	c := sse.NewClient(sse.WithHTTPClient(hc), sse.WithIdleTimeout(time.Second), sse.WithOpenTimeout(2*time.Second),
		sse.WithBackOff(func() backoff.BackOff { return backoff.NewConstantBackOff(time.Millisecond) }),
		sse.WithTrace(&sse.Trace{Request: func(*http.Request) { attempts++ }}))
	fetch := func() (*sse.Stream, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		return c.Fetch(req)
	}
	s, err := fetch()
	require.NoError(t, err)
	require.True(t, s.Next())
	p.Silence()
	for s.Next() { // what had arrived
	}
	require.ErrorIs(t, s.Err(), sse.ErrIdleTimeout)
	attempts = 0
	s, err = fetch()
	require.NoError(t, err)
	require.True(t, s.Next())
	require.LessOrEqual(t, attempts, 2)
	s.Close()
	s.Next()
}

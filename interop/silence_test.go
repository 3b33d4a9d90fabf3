package interop

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/flaky"
)

// Three subscriptions share a connection to nginx over HTTP/2. When it goes silent, each of
// them recovers with one attempt over a connection of its own, after its idle timeout or at
// once after Reconnect.
func TestNginxSilence(t *testing.T) {
	const idle = 2 * time.Second
	const streams = 3
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "data: tick\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}))
	t.Cleanup(func() { feed.CloseClientConnections(); feed.Close() })
	pem, hc := certificate(t)
	address := freeAddress(t)
	nginx := startNginx(t, "", fmt.Sprintf(`server {
		listen %s ssl http2;
		ssl_certificate %s;
		ssl_certificate_key %[2]s;
		location / {
			proxy_pass %s;
			proxy_buffering off;
		}
	}`, address, pem, feed.URL))
	nginx.awaitListener(t, address)

	for _, c := range []struct {
		name      string
		reconnect bool
		timeouts  int
	}{
		{"idle timeout", false, 1},
		{"Reconnect", true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer hc.CloseIdleConnections()
			p := flaky.New(t, address)
			type result struct {
				requests, timeouts int
				protocols          []string
				recovery           time.Duration
				err                error
			}
			recovered := make(chan result, streams)
			silenced := make(chan struct{})
			for range streams {
				var r result
				s, err := sse.Subscribe(request(t, http.MethodGet, "https://"+p.Address), sse.WithHTTPClient(hc), withoutWaits,
					sse.WithIdleTimeout(idle), sse.WithTrace(&sse.Trace{
						Request: func(*http.Request) { r.requests++ },
						Open:    func(resp *http.Response) { r.protocols = append(r.protocols, resp.Proto) },
						Wait:    func(sse.Attempt) { r.timeouts++ },
					}))
				require.NoError(t, err)
				require.True(t, s.Next(), s.Err())
				go func() {
					defer s.Close()
					<-silenced
					since := time.Now()
					if c.reconnect {
						s.Reconnect()
					}
					for s.Next() && len(r.protocols) < 2 { // to the first event of the next connection
					}
					r.recovery, r.err = time.Since(since), s.Err()
					recovered <- r
				}()
			}
			require.Equal(t, 1, p.Dials())
			p.Silence()
			close(silenced)
			var slowest time.Duration
			for range streams {
				r := <-recovered
				require.NoError(t, r.err)
				require.Equal(t, 2, r.requests)
				require.Equal(t, c.timeouts, r.timeouts)
				require.Equal(t, []string{"HTTP/2.0", "HTTP/2.0"}, r.protocols)
				slowest = max(slowest, r.recovery)
			}
			require.Equal(t, 1+streams, p.Dials())
			results.row(t, nginxVersion(t), "HTTP/2, a silent connection, "+c.name,
				"%d streams with an idle timeout of %v recovered within %v, with one attempt each and %d dials",
				streams, idle, slowest.Round(10*time.Millisecond), p.Dials()-1)
		})
	}
}

package benchmarks

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/stretchr/testify/require"
)

// A stream past a limit waits or gets another connection. The limit is that of the server,
// which allows two streams on a connection of HTTP/2, or one of the transport.
func TestStreamPastALimit(t *testing.T) {
	for name, c := range map[string]struct {
		http2     bool
		transport func(*http.Transport)
		waits     bool  // the third stream
		opened    int64 // connections for the streams that do not wait, of five
	}{
		"HTTP/2": {http2: true, opened: 3},
		"HTTP/2, StrictMaxConcurrentRequests": {
			http2:     true,
			transport: func(t *http.Transport) { t.HTTP2 = &http.HTTP2Config{StrictMaxConcurrentRequests: true} },
			waits:     true, opened: 1,
		},
		"HTTP/2, MaxConnsPerHost": {
			http2: true, transport: func(t *http.Transport) { t.MaxConnsPerHost = 1 }, opened: 3,
		},
		"HTTP/1.1, MaxConnsPerHost": {
			transport: func(t *http.Transport) { t.MaxConnsPerHost = 2 }, waits: true, opened: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				flusher := start(w)
				_, _ = io.WriteString(w, "data: open\n\n")
				_ = flusher.Flush()
				<-r.Context().Done()
			}))
			var opened atomic.Int64
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			server.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2}
			server.EnableHTTP2 = c.http2
			server.StartTLS()
			defer server.Close()
			transport := server.Client().Transport.(*http.Transport).Clone()
			if c.transport != nil {
				c.transport(transport)
			}
			client := sse.NewClient(sse.WithHTTPClient(&http.Client{Transport: transport}), sse.WithMaxRetries(0))
			for i := range 5 {
				timeout := time.Minute
				if c.waits && i >= 2 {
					timeout = 100 * time.Millisecond
				}
				stream, err := client.Fetch(get(t.Context(), server.URL), sse.WithOpenTimeout(timeout))
				if c.waits && i >= 2 {
					require.ErrorIs(t, err, sse.ErrOpenTimeout)
					continue
				}
				require.NoError(t, err)
				defer stream.Close()
				require.True(t, stream.Next())
			}
			require.Equal(t, c.opened, opened.Load())
		})
	}
}

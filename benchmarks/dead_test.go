package benchmarks

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/stretchr/testify/require"
)

// A connection of HTTP/2 that the network forgets drops all of its streams. After an idle
// timeout each stream gets a connection of its own. If net/http finds the dead connection by
// a ping before that, the streams share the next one.
func TestDeadConnectionOfManyStreams(t *testing.T) {
	const streams = 20
	t.Run("idle timeout", func(t *testing.T) {
		require.Equal(t, streams, reconnections(t, streams, new(http.HTTP2Config), 3*time.Second))
	})
	t.Run("ping", func(t *testing.T) {
		ping := &http.HTTP2Config{SendPingTimeout: 500 * time.Millisecond, PingTimeout: 500 * time.Millisecond}
		require.Less(t, reconnections(t, streams, ping, time.Minute), streams/2)
	})
}

// reconnections opens streams that share a connection, lets the network forget it, and
// returns how many connections the streams have opened when all are back.
func reconnections(t *testing.T, streams int, config *http.HTTP2Config, idle time.Duration) int {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := start(w)
		_, _ = io.WriteString(w, "id: 1\ndata: first\n\n")
		for tick := time.Tick(100 * time.Millisecond); ; {
			if c.Flush() != nil {
				return
			}
			select {
			case <-tick:
				_, _ = io.WriteString(w, ":\n\n")
			case <-r.Context().Done():
				return
			}
		}
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)

	var opened atomic.Int64
	var dead atomic.Bool // the first connection
	transport := &http.Transport{
		Protocols: new(http.Protocols),
		HTTP2:     config,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil && opened.Add(1) == 1 {
				conn = &forgotten{Conn: conn, dead: &dead, closed: make(chan struct{})}
			}
			return conn, err
		},
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := sse.NewClient(sse.WithHTTPClient(&http.Client{Transport: transport}), sse.WithIdleTimeout(idle))
	var events atomic.Int64
	var readers sync.WaitGroup
	t.Cleanup(readers.Wait)
	for range streams {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		stream, err := client.Subscribe(req) // one after the other, so that they share a connection
		require.NoError(t, err)
		readers.Go(func() {
			for stream.Next() {
				events.Add(1)
			}
		})
	}
	received := func(n int) {
		require.Eventually(t, func() bool { return int(events.Load()) >= n }, time.Minute, 5*time.Millisecond)
	}
	received(streams)
	require.EqualValues(t, 1, opened.Load())
	dead.Store(true)
	received(2 * streams)
	return int(opened.Load()) - 1
}

// A forgotten connection is silent once it is dead: it loses what is written, and a read
// waits.
type forgotten struct {
	net.Conn
	dead   *atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (f *forgotten) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if f.dead.Load() {
		<-f.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (f *forgotten) Write(b []byte) (int, error) {
	if f.dead.Load() {
		return len(b), nil
	}
	return f.Conn.Write(b)
}

func (f *forgotten) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// patience limits every wait of a test.
const patience = 30 * time.Second

// startNATS starts a server with its store in dir. Port -1 is a free one.
func startNATS(t testing.TB, dir string, port int, limits ...server.JSLimitOpts) *server.Server {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir,
		MaxPayload: 128 << 10, NoLog: true, NoSigs: true,
	}
	for _, l := range limits {
		o.JetStreamLimits = l
	}
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(patience))
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// startCluster starts three servers and returns the URL of one.
func startCluster(t testing.TB) string {
	t.Helper()
	// The ports of the routes have to be known before the servers start.
	var routes []*url.URL
	var listeners []net.Listener
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners = append(listeners, l)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
	}
	var servers []*server.Server
	for i, l := range listeners {
		require.NoError(t, l.Close())
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port},
			Routes:  routes,
		})
		require.NoError(t, err)
		servers = append(servers, s)
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
		s.Start()
	}
	for _, s := range servers {
		require.True(t, s.ReadyForConnections(patience))
		eventually(t, func() bool { return s.JetStreamEnabled() && s.JetStreamIsCurrent() })
	}
	return servers[0].ClientURL()
}

// testConfig returns the settings of a relay with a broker of its own.
func testConfig(t testing.TB, sources ...sourceConfig) config {
	t.Helper()
	c := defaultConfig()
	c.NATS = startNATS(t, t.TempDir(), -1).ClientURL()
	c.Lease = time.Second
	c.Sources = sources
	return c
}

// startRelay starts a relay. The function ends it, if it runs, and returns its error.
func startRelay(t testing.TB, c config) (r *relay, stop func() error) {
	t.Helper()
	require.NoError(t, c.check())
	r = newRelay(c, slog.New(slog.NewTextHandler(testLog(), nil)))
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- r.run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-end
	})
	t.Cleanup(func() { require.NoError(t, stop()) })
	return r, stop
}

// testLog returns the writer for the log of a relay.
func testLog() io.Writer {
	if testing.Verbose() {
		return os.Stderr
	}
	return io.Discard
}

// eventually waits until f returns true.
func eventually(t testing.TB, f func() bool, words ...any) {
	t.Helper()
	require.Eventually(t, f, patience, 10*time.Millisecond, words...)
}

// stateOf returns the state of a source in a relay.
func stateOf(r *relay, source string) string {
	for _, state := range states {
		if testutil.ToFloat64(r.metrics.states.WithLabelValues(source, state)) == 1 {
			return state
		}
	}
	return ""
}

// testBroker opens the stream of c with a connection of its own.
func testBroker(t testing.TB, c config) (b *broker) {
	t.Helper()
	nc, err := nats.Connect(c.NATS)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	eventually(t, func() bool {
		// A request that creates the stream at the same time as another may get no response.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b, err = openBroker(ctx, nc, c)
		return err == nil
	})
	return b
}

// testLeases opens the bucket of c with a connection of its own.
func testLeases(t testing.TB, c config, name string) *leases {
	t.Helper()
	c.Name = name
	l, err := openLeases(t.Context(), testBroker(t, c).js, c)
	require.NoError(t, err)
	return l
}

// messages returns the messages of the stream of c that are events, in their order. It checks
// what holds for all: the number of the event is consecutive for each source, and the
// token does not decrease.
func messages(t testing.TB, c config) (all []jetstream.Msg) {
	t.Helper()
	js := testBroker(t, c).js
	stream, err := js.Stream(t.Context(), c.Stream)
	require.NoError(t, err)
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	numbers, tokens := map[string]int{}, map[string]int{}
	for left := stream.CachedInfo().State.Msgs; left > 0; {
		batch, err := consumer.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(patience))
		require.NoError(t, err)
		for m := range batch.Messages() {
			left--
			h := m.Headers()
			source := h.Get(headerSource)
			require.GreaterOrEqual(t, number(t, h.Get(headerLease)), tokens[source])
			tokens[source] = number(t, h.Get(headerLease))
			if h.Get(headerMarker) == "" {
				numbers[source]++
				all = append(all, m)
			}
			require.Equal(t, numbers[source], number(t, h.Get(headerSeq)))
		}
		if err := batch.Error(); !errors.Is(err, nats.ErrNoResponders) { // the consumer is new to the node
			require.NoError(t, err)
		}
	}
	return all
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}

// datas returns the data of the events in the stream of c.
func datas(t testing.TB, c config) (all []string) {
	t.Helper()
	for _, m := range messages(t, c) {
		all = append(all, string(m.Data()))
	}
	return all
}

// want waits until the events in the stream of c have these data, and no others.
func want(t testing.TB, c config, data ...string) {
	t.Helper()
	b := testBroker(t, c)
	eventually(t, func() bool {
		for _, s := range c.Sources {
			if at, err := b.place(t.Context(), s.Name); err == nil && at.seq >= uint64(len(data)) {
				return true
			}
		}
		return false
	}, "too few events are stored")
	require.Equal(t, data, datas(t, c))
}

// scripted returns the URL of a server of scripts.
func scripted(t testing.TB, scripts ...ssetest.Script) string {
	return ssetest.NewServer(t, ssetest.InOrder(scripts...), ssetest.Loopback()).URL
}

func event(id, data string) ssetest.Step { return ssetest.Send(sse.Event{ID: id, Data: data}) }

// soon makes the client reconnect without the usual waits.
func soon() ssetest.Step { return ssetest.Retry(time.Millisecond) }

// feed returns the URL of an event stream of n events, of size bytes each, which begin with
// their number. It resumes after the last event ID, breaks each connection after some events,
// and ends the subscription after the last event.
func feed(t testing.TB, n, size, connection int) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := 1
		if id := r.Header.Get("Last-Event-ID"); id != "" {
			last, err := strconv.Atoi(id)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			next = last + 1
		}
		if next > n {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 1\n\n")
		for end := min(n, next+connection-1); next <= end; next++ {
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %0*d\n\n", next, size, next); err != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// requireFeed requires that the stream of c has the n events of feed, once and in order.
func requireFeed(t testing.TB, c config, n int) {
	t.Helper()
	got := datas(t, c)
	require.Len(t, got, n)
	for i, data := range got {
		require.Equal(t, i+1, number(t, data))
	}
}

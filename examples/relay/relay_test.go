package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// The events of a source that breaks its connections are stored once and in order, and a relay
// that is started again continues after them.
func TestRelay(t *testing.T) {
	const n = 3000
	c := testConfig(t, sourceConfig{Name: "a", URL: feed(t, n, 10, 700)})
	r, stop := startRelay(t, c)
	eventually(t, func() bool { return testutil.ToFloat64(r.metrics.events.WithLabelValues("a")) > 100 })
	require.NoError(t, stop())
	r, stop = startRelay(t, c)
	eventually(t, func() bool { return stateOf(r, "a") == stateEnded })
	requireFeed(t, c, n)
	require.NoError(t, stop())
	requireFeed(t, c, n)
}

func TestReplayedEvents(t *testing.T) {
	c := testConfig(t, sourceConfig{Name: "a", URL: scripted(
		t,
		ssetest.Script{soon(), event("1", "a"), event("2", "b"), ssetest.Cut()},
		ssetest.Script{ssetest.WantHeader("Last-Event-ID", "2"), event("2", "b"), event("3", "c"), ssetest.Cut()},
		ssetest.Script{ssetest.WantHeader("Last-Event-ID", "3"), event("3", "c"), event("4", "d"), ssetest.Stall()},
		ssetest.Script{ssetest.WantHeader("Last-Event-ID", "4"), event("4", "d"), event("5", "e"), ssetest.Stall()}, // of the next relay
	)})
	r, stop := startRelay(t, c)
	want(t, c, "a", "b", "c", "d")
	require.EqualValues(t, 2, testutil.ToFloat64(r.metrics.duplicates))
	require.EqualValues(t, 2, testutil.ToFloat64(r.metrics.reconnects.WithLabelValues("a", "broken")))
	require.NoError(t, stop())

	r, _ = startRelay(t, c)
	want(t, c, "a", "b", "c", "d", "e")
	require.EqualValues(t, 1, testutil.ToFloat64(r.metrics.duplicates))
}

// A source that was reset uses its IDs again. Other content is another event; the same content
// is the same event, within the duplicate window.
func TestResetIDs(t *testing.T) {
	c := testConfig(t, sourceConfig{Name: "a", URL: scripted(
		t,
		ssetest.Script{soon(), event("1", "a"), event("2", "b"), event("3", "c"), ssetest.Cut()},
		ssetest.Script{event("1", "x"), event("2", "b"), event("3", "z"), ssetest.Stall()},
	)})
	startRelay(t, c)
	want(t, c, "a", "b", "c", "x", "z")
}

// Events without IDs of their own are stored each time that they arrive.
func TestEventsWithoutIDs(t *testing.T) {
	c := testConfig(t, sourceConfig{Name: "a", URL: scripted(
		t,
		ssetest.Script{soon(), ssetest.Data("a", "a", "b"), ssetest.Cut()},
		ssetest.Script{ssetest.Data("b"), event("1", "c"), ssetest.Data("c", "c"), ssetest.Raw("id\ndata: c\n\n"), ssetest.Stall()},
	)})
	startRelay(t, c)
	want(t, c, "a", "a", "b", "b", "c", "c", "c", "c")
	var own []bool
	for _, m := range messages(t, c) {
		own = append(own, m.Headers().Get(jetstream.MsgIDHeader) != "")
		require.NotEqual(t, own[len(own)-1], m.Headers().Get(headerHash) != "")
	}
	require.Equal(t, []bool{false, false, false, false, true, false, false, false}, own)
}

func TestEventTypes(t *testing.T) {
	types := []string{"message", "price.up", "_lease", "* >", "日本", strings.Repeat("long", 2000)}
	var events []sse.Event
	for i, kind := range types {
		events = append(events, sse.Event{Type: kind, ID: fmt.Sprint("id ", i), Data: kind})
	}
	c := testConfig(t, sourceConfig{Name: "a", URL: scripted(t, ssetest.Script{ssetest.Send(events...), ssetest.Stall()})})
	startRelay(t, c)
	want(t, c, types...)
	for i, m := range messages(t, c) {
		require.Equal(t, "events.a."+typeToken(types[i]), m.Subject())
		require.Equal(t, types[i], m.Headers().Get(headerType))
		require.Equal(t, events[i].ID, m.Headers().Get(headerID))
	}
}

// A source with an event that the broker does not accept fails. The events before it are
// stored, and other sources continue.
func TestTooLargeEvent(t *testing.T) {
	large := func(n int) string {
		return scripted(t, ssetest.Script{event("1", "a"), event("2", strings.Repeat("x", n)), event("3", "c"), ssetest.Stall()})
	}
	c := testConfig(
		t,
		sourceConfig{Name: "a", URL: large(140 << 10)},
		sourceConfig{Name: "b", URL: large(128<<10 - 100)}, // too large with its headers
		sourceConfig{Name: "c", URL: scripted(t, ssetest.Script{ // the headers are too large
			event("1", "a"), event(strings.Repeat("2", 64<<10-500), "b"), ssetest.Stall(),
		})},
		sourceConfig{Name: "d", URL: feed(t, 100, 10, 100)},
	)
	r, _ := startRelay(t, c)
	eventually(t, func() bool {
		return stateOf(r, "a") == stateFailed && stateOf(r, "b") == stateFailed && stateOf(r, "c") == stateFailed && stateOf(r, "d") == stateEnded
	})
	for _, name := range []string{"a", "b", "c"} {
		at, err := r.broker.place(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, "1", at.id)
	}
}

// The largest event that the relay lets pass is stored.
func TestLargestEvent(t *testing.T) {
	c := testConfig(t, sourceConfig{Name: strings.Repeat("n", 64), URL: scripted(t, ssetest.Script{
		event("1", strings.Repeat("x", 127<<10-1-len("message"))), event("2", "b"), ssetest.Stall(),
	})})
	r, _ := startRelay(t, c)
	eventually(t, func() bool { return testutil.ToFloat64(r.metrics.events.WithLabelValues(c.Sources[0].Name)) == 2 })
}

// While the broker is away, the window bounds the events in memory. Then all are stored.
func TestBrokerRestart(t *testing.T) {
	const n = 1500
	dir := t.TempDir()
	srv := startNATS(t, dir, -1)
	c := defaultConfig()
	c.NATS = srv.ClientURL()
	c.Lease, c.Window = 2*time.Second, 50
	c.Sources = []sourceConfig{{Name: "a", URL: feed(t, n, 200, 500)}}
	r, _ := startRelay(t, c)
	stored := r.metrics.events.WithLabelValues("a")
	window := r.metrics.window.WithLabelValues("a")
	eventually(t, func() bool { return testutil.ToFloat64(stored) > 0 })
	port := srv.Addr().(*net.TCPAddr).Port
	srv.Shutdown()
	srv.WaitForShutdown()

	eventually(t, func() bool { return stateOf(r, "a") == stateBlocked && testutil.ToFloat64(window) == 50 })
	require.Error(t, r.ready(t.Context()))
	startNATS(t, dir, port)
	eventually(t, func() bool {
		require.LessOrEqual(t, testutil.ToFloat64(window), 50.0)
		return stateOf(r, "a") == stateEnded
	})
	requireFeed(t, c, n)
	require.NoError(t, r.ready(t.Context()))
}

// startBlocked starts a relay that has stored the event 0 of source a, has the events 1 to 4
// in its window, and cannot publish until the slots of the relay are free again.
func startBlocked(t *testing.T) (c config, r *relay, stop func() error, srv *ssetest.Server) {
	t.Helper()
	sent := make(chan struct{})
	srv = ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{
		event("0", "0"), ssetest.Do(func(http.ResponseWriter, *http.Request) { <-sent }),
		event("1", "1"), event("2", "2"), event("3", "3"), event("4", "4"), ssetest.Stall(),
	}, ssetest.Script{ssetest.Stall()}), ssetest.Loopback())
	c = testConfig(t, sourceConfig{Name: "a", URL: srv.URL})
	r, stop = startRelay(t, c)
	want(t, c, "0")
	for range maxPublishes {
		r.slots <- struct{}{}
	}
	close(sent)
	eventually(t, func() bool { return testutil.ToFloat64(r.metrics.window.WithLabelValues("a")) == 4 })
	return c, r, stop, srv
}

// A stop publishes the events that were read, and gives the leases back.
func TestStopDrains(t *testing.T) {
	c, r, stop, srv := startBlocked(t)
	stopped := make(chan error)
	go func() { stopped <- stop() }()
	eventually(t, func() bool { return srv.Open() == 0 }, "the relay still reads")
	for range maxPublishes {
		<-r.slots
	}
	require.NoError(t, <-stopped)
	require.Equal(t, []string{"0", "1", "2", "3", "4"}, datas(t, c))
	_, err := testLeases(t, c, "other").acquire(t.Context(), "a")
	require.NoError(t, err)
}

// Relays share the sources, also those of a relay that stops.
func TestShare(t *testing.T) {
	c := testConfig(t)
	for i := range 4 {
		c.Sources = append(c.Sources, sourceConfig{Name: fmt.Sprint("s", i), URL: scripted(t, ssetest.Script{
			event("1", "a"), ssetest.Stall(),
		})})
	}
	count := func(r *relay) (n int) {
		for _, s := range c.Sources {
			if stateOf(r, s.Name) == stateReading {
				n++
			}
		}
		return n
	}
	first, stop := startRelay(t, c)
	eventually(t, func() bool { return count(first) == 4 })
	second, _ := startRelay(t, c)
	eventually(t, func() bool { return count(first) == 2 && count(second) == 2 })
	require.NoError(t, stop())
	eventually(t, func() bool { return count(second) == 4 })
	require.Zero(t, testutil.ToFloat64(first.metrics.losses)+testutil.ToFloat64(second.metrics.losses))
}

// A relay whose lease has gone to another one stops reading.
func TestLostLease(t *testing.T) {
	c := testConfig(t, sourceConfig{Name: "a", URL: scripted(t, ssetest.Script{event("1", "a"), ssetest.Stall()})})
	r, _ := startRelay(t, c)
	want(t, c, "a")
	other := testLeases(t, c, "other")
	require.NoError(t, other.bucket.Delete(t.Context(), sourceKeys+"a"))
	_, err := other.acquire(t.Context(), "a")
	if err != nil { // the relay was faster
		require.ErrorIs(t, err, errTaken)
		_, err = other.bucket.PutString(t.Context(), sourceKeys+"a", other.owner)
		require.NoError(t, err)
	}
	eventually(t, func() bool { return stateOf(r, "a") == stateStandby })
	require.EqualValues(t, 1, testutil.ToFloat64(r.metrics.losses))
	// The other one does not renew its lease.
	eventually(t, func() bool { return stateOf(r, "a") == stateReading })
}

// A relay that has lost a source has none of its events in its metrics.
func TestWindowOfLostSource(t *testing.T) {
	c, r, _, _ := startBlocked(t)
	window := r.metrics.window.WithLabelValues("a")
	_, err := testLeases(t, c, "other").bucket.PutString(t.Context(), sourceKeys+"a", "other")
	require.NoError(t, err)
	eventually(t, func() bool { return testutil.ToFloat64(r.metrics.losses) == 1 })
	require.Zero(t, testutil.ToFloat64(window))
	for range maxPublishes {
		<-r.slots
	}
}

// The message of another program has no place in the source. A relay waits until it is deleted.
func TestForeignMessage(t *testing.T) {
	c := testConfig(t, sourceConfig{Name: "a", URL: scripted(t, ssetest.Script{event("1", "a"), ssetest.Stall()})})
	b := testBroker(t, c)
	ack, err := b.js.Publish(t.Context(), subjects+"a.message", nil)
	require.NoError(t, err)
	r, _ := startRelay(t, c)
	eventually(t, func() bool { return stateOf(r, "a") == stateBlocked })
	stream, err := b.js.Stream(t.Context(), c.Stream)
	require.NoError(t, err)
	require.NoError(t, stream.DeleteMsg(t.Context(), ack.Sequence))
	want(t, c, "a")
	require.Equal(t, stateReading, stateOf(r, "a"))
}

// The server may refuse a relay for a time, as while its users are changed.
func TestRefusedByNATS(t *testing.T) {
	dir := t.TempDir()
	start := func(port int, password string) *server.Server {
		s, err := server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
			Username: "user", Password: password,
		})
		require.NoError(t, err)
		s.Start()
		require.True(t, s.ReadyForConnections(patience))
		t.Cleanup(s.Shutdown)
		return s
	}
	srv := start(-1, "old")
	port := srv.Addr().(*net.TCPAddr).Port
	srv.Shutdown()
	srv.WaitForShutdown()
	srv = start(port, "new")
	c := defaultConfig()
	c.NATS = fmt.Sprintf("nats://user:old@127.0.0.1:%d", port)
	nc, err := connect(c, slog.New(slog.NewTextHandler(testLog(), nil)))
	require.NoError(t, err)
	defer nc.Close()
	time.Sleep(1200 * time.Millisecond) // it tries more than twice
	srv.Shutdown()
	srv.WaitForShutdown()
	start(port, "old")
	eventually(t, nc.IsConnected)
}

func TestLease(t *testing.T) {
	c := testConfig(t)
	first, second := testLeases(t, c, "first"), testLeases(t, c, "second")
	l, err := first.acquire(t.Context(), "a")
	require.NoError(t, err)
	_, err = second.acquire(t.Context(), "a")
	require.ErrorIs(t, err, errTaken)
	relays, taken, err := second.survey(t.Context(), []sourceConfig{{Name: "a"}, {Name: "b"}})
	require.NoError(t, err)
	require.Equal(t, 1, relays)
	require.Equal(t, map[string]bool{"a": true}, taken)

	// The response to a renewal is lost.
	unknown := *l
	require.NoError(t, unknown.renew(t.Context()))
	require.NoError(t, l.renew(t.Context()))
	require.NoError(t, l.renew(t.Context()))

	// The lease ends, and no relay takes it.
	require.NoError(t, second.bucket.Purge(t.Context(), l.key))
	require.NoError(t, l.renew(t.Context()))

	// It ends by itself, and another relay takes it.
	var next *lease
	eventually(t, func() bool {
		next, err = second.acquire(t.Context(), "a")
		return err == nil
	})
	require.Greater(t, next.token, l.token)
	require.ErrorIs(t, l.renew(t.Context()), errTaken)
	require.True(t, isWrongSequence(l.release(t.Context())))
	require.NoError(t, next.release(t.Context()))
	_, taken, err = first.survey(t.Context(), []sourceConfig{{Name: "a"}, {Name: "b"}})
	require.NoError(t, err)
	require.Empty(t, taken)
	_, err = first.acquire(t.Context(), "a")
	require.NoError(t, err)
}

// The state of more sources than a response has.
func TestSurveyOfManySources(t *testing.T) {
	c := testConfig(t)
	l := testLeases(t, c, "first")
	var sources []sourceConfig
	for i := range 3 * maxSubjects {
		sources = append(sources, sourceConfig{Name: fmt.Sprint("s", i)})
	}
	_, err := l.acquire(t.Context(), "s0")
	require.NoError(t, err)
	_, err = l.acquire(t.Context(), fmt.Sprint("s", len(sources)-1))
	require.NoError(t, err)
	relays, taken, err := l.survey(t.Context(), sources)
	require.NoError(t, err)
	require.Equal(t, 1, relays)
	require.Equal(t, map[string]bool{"s0": true, fmt.Sprint("s", len(sources)-1): true}, taken)
}

func TestMonitoring(t *testing.T) {
	srv := startNATS(t, t.TempDir(), -1)
	c := defaultConfig()
	c.NATS = srv.ClientURL()
	c.Lease = time.Second
	c.Sources = []sourceConfig{{Name: "a", URL: feed(t, 10, 10, 5)}}
	r, _ := startRelay(t, c)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		r.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	eventually(t, func() bool { return stateOf(r, "a") == stateEnded })
	status, body := get("/metrics")
	require.Equal(t, 200, status)
	for _, line := range []string{
		`relay_source_state{source="a",state="ended"} 1`,
		`relay_source_state{source="a",state="reading"} 0`,
		`relay_events_total{source="a"} 10`,
		`relay_last_event_timestamp_seconds{source="a"} `,
		`relay_reconnects_total{reason="end",source="a"} 2`,
		`relay_window_messages{source="a"} 0`,
		`relay_publish_seconds_count `,
		`relay_duplicates_total 0`,
		`relay_lease_losses_total 0`,
		`process_cpu_seconds_total `,
	} {
		require.Contains(t, body, line)
	}
	status, _ = get("/healthz")
	require.Equal(t, 200, status)
	status, _ = get("/readyz")
	require.Equal(t, 200, status)
	require.NoError(t, r.broker.js.DeleteStream(t.Context(), c.Stream))
	status, body = get("/readyz")
	require.Equal(t, 503, status)
	require.Contains(t, body, "stream not found")
	srv.Shutdown()
	eventually(t, func() bool { return !r.nc.IsConnected() })
	status, body = get("/readyz")
	require.Equal(t, 503, status)
	require.Contains(t, body, "no connection")
	status, _ = get("/healthz")
	require.Equal(t, 200, status)
}

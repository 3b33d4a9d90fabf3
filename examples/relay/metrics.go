package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The states of a source in this relay.
const (
	stateStandby = "standby" // another relay has it, or none
	stateReading = "reading"
	stateBlocked = "blocked" // the broker does not store its events
	stateFailed  = "failed"  // it is tried again later
	stateEnded   = "ended"   // the source has ended the subscription
)

var states = []string{stateStandby, stateReading, stateBlocked, stateFailed, stateEnded}

type metrics struct {
	registry   *prometheus.Registry
	states     *prometheus.GaugeVec
	events     *prometheus.CounterVec
	last       *prometheus.GaugeVec
	reconnects *prometheus.CounterVec
	window     *prometheus.GaugeVec
	publish    prometheus.Histogram
	duplicates prometheus.Counter
	losses     prometheus.Counter
}

func newMetrics(sources []sourceConfig) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "relay_source_state", Help: "1 for the state that the source has in this relay.",
		}, []string{"source", "state"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_events_total", Help: "Events that this relay has stored.",
		}, []string{"source"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "relay_last_event_timestamp_seconds", Help: "Time at which the last event was read.",
		}, []string{"source"}),
		reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_reconnects_total", Help: "Attempts to connect after the first, by the reason for which the connection ended.",
		}, []string{"source", "reason"}),
		window: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "relay_window_messages", Help: "Events that wait to be stored.",
		}, []string{"source"}),
		publish: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "relay_publish_seconds", Help: "Time until a message or a batch was stored.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "relay_duplicates_total", Help: "Events that were not stored because they are stored already.",
		}),
		losses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "relay_lease_losses_total", Help: "Sources that another relay has taken over from this one.",
		}),
	}
	m.registry.MustRegister(m.states, m.events, m.last, m.reconnects, m.window, m.publish, m.duplicates, m.losses,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, s := range sources {
		m.setState(s.Name, stateStandby)
		m.events.WithLabelValues(s.Name)
	}
	return m
}

// setState sets the state of a source.
func (m *metrics) setState(source, current string) {
	for _, state := range states {
		value := 0.0
		if state == current {
			value = 1
		}
		m.states.WithLabelValues(source, state).Set(value)
	}
}

// handler returns the handler for monitoring.
func (r *relay) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, req *http.Request) {
		if err := r.ready(req.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	return mux
}

// ready returns an error unless this relay is connected to NATS and the stream exists.
func (r *relay) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if !r.nc.IsConnected() {
		return errors.New("there is no connection to NATS")
	}
	js, err := r.nc.JetStream()
	if err != nil {
		return err
	}
	_, err = js.StreamInfo(r.config.Stream, nats.Context(ctx))
	return err
}

// serve serves h until the function that it returns is called.
func serve(l net.Listener, h http.Handler) (stop func()) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	return func() {
		_ = srv.Close()
		serving.Wait()
	}
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/fetchsse/sse"
)

const (
	windowBytes = 8 << 20          // of a source, at most, and one event
	drainLimit  = 10 * time.Second // to publish the window after the stop
	firstPause  = 10 * time.Second // before a source is tried again that has failed
	lastPause   = 5 * time.Minute
)

var errDrain = errors.New("the time to publish the window is over")

// A source is an event stream whose lease this relay has.
type source struct {
	sourceConfig
	relay *relay
	lease *lease
	log   *slog.Logger
}

// run relays the source until ctx ends or another relay has it. After the end of ctx, it
// publishes the window and gives the lease back.
func (s *source) run(ctx context.Context) {
	owning, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(drainLimit, func() { cancel(errDrain) })
	})()
	var renewal sync.WaitGroup
	renewal.Go(func() { s.renew(owning, cancel) })
	err := s.work(ctx, owning)
	cancel(nil)
	renewal.Wait()

	if errors.Is(err, errLost) || errors.Is(err, errTaken) {
		s.relay.metrics.losses.Inc()
		s.log.Warn("the source is lost", "error", err)
	} else if errors.Is(err, errDrain) {
		s.log.Error("the window is not empty; its events have to come from the source again", "error", err)
	}
	s.relay.metrics.setState(s.Name, stateStandby) // before another relay has it
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), requestLimit)
	defer cancelLast()
	if err := s.lease.release(last); err != nil && !isWrongSequence(err) {
		s.log.Warn("cannot give the lease back", "error", err)
	}
	s.log.Info("the source is not relayed by this relay any more")
}

// renew renews the lease until ctx ends. It calls cancel if another relay has the lease.
func (s *source) renew(ctx context.Context, cancel context.CancelCauseFunc) {
	for sleep(ctx, s.relay.config.Lease/3) {
		request, end := context.WithTimeout(ctx, requestLimit)
		err := s.lease.renew(request)
		end()
		if errors.Is(err, errTaken) {
			cancel(errTaken)
			return
		} else if err != nil && ctx.Err() == nil {
			s.log.Warn("cannot renew the lease", "error", err)
		}
	}
}

// work takes the source over and relays its events: until ctx ends, and then those of the
// window until owning ends.
func (s *source) work(ctx, owning context.Context) error {
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(owning, func() { stop(context.Cause(owning)) })()

	at, err := s.relay.broker.takeOver(reading, s.Name, s.lease)
	for wait := firstRetry; err != nil; wait = min(2*wait, lastRetry) {
		if errors.Is(err, errTaken) {
			return err
		}
		s.relay.metrics.setState(s.Name, stateBlocked)
		s.log.Warn("cannot take the source over", "wait", wait, "error", err)
		if !sleep(reading, wait) {
			return context.Cause(reading)
		}
		at, err = s.relay.broker.takeOver(reading, s.Name, s.lease)
	}
	s.log.Info("the source is taken over", "token", at.token, "id", at.id, "events", at.seq)

	p := newPublisher(s.relay.broker, s.Name, at, s.relay.slots, s.relay.metrics, s.log)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		s.relay.metrics.setState(s.Name, stateReading)
		before := p.at.seq
		err := s.copy(reading, owning, p)
		switch {
		case ctx.Err() != nil, owning.Err() != nil, errors.Is(err, errLost):
			return err
		case err == nil:
			s.relay.metrics.setState(s.Name, stateEnded)
			s.log.Info("the source has ended its event stream")
			<-reading.Done()
			return context.Cause(owning)
		case p.at.seq > before:
			pause = firstPause
		}
		s.relay.metrics.setState(s.Name, stateFailed)
		s.log.Error("the source has failed", "pause", pause, "error", err)
		if !sleep(reading, pause) {
			return context.Cause(owning)
		}
	}
}

// copy reads the event stream and publishes its events until the stream ends, and the events
// that it has read until owning ends.
func (s *source) copy(reading, owning context.Context, p *publisher) error {
	reading, stop := context.WithCancel(reading)
	defer stop()
	w := newWindow(s.relay.config.Window, windowBytes, s.relay.metrics.window.WithLabelValues(s.Name))
	at := p.at
	var failure error
	var reader sync.WaitGroup
	reader.Go(func() {
		defer w.close()
		failure = s.read(reading, w, at)
	})
	err := p.run(owning, w)
	stop()
	reader.Wait()
	w.messages.Set(0) // those that are left are not stored by this relay
	return cmp.Or(err, failure)
}

// read reads the event stream from a place into the window.
func (s *source) read(ctx context.Context, w *window, at place) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	m, limit := s.relay.metrics, s.relay.broker.limit
	opened := false // since the last event
	options := []sse.Option{
		sse.WithLastEventID(at.id),
		sse.WithMaxEventSize(limit),
		sse.WithIdleTimeout(s.IdleTimeout),
		sse.WithLogger(s.log),
		sse.WithTrace(&sse.Trace{
			Open: func(*http.Response) { opened = true },
			Wait: func(a sse.Attempt) { m.reconnects.WithLabelValues(s.Name, reason(a.Err)).Inc() },
		}),
	}
	for key, value := range s.Headers {
		options = append(options, sse.WithHeader(key, value))
	}
	stream, err := sse.Subscribe(req, options...)
	if err != nil {
		return err
	}
	defer stream.Close()
	for w.wait(ctx) && stream.Next() {
		item := newItem(stream.Event(), at.id)
		replayed := opened && item.ID != "" && item.hash == at.hash
		opened = false
		if replayed {
			m.duplicates.Inc()
			continue
		}
		if !item.fits(limit) {
			return fmt.Errorf("%w: with its headers, the message of the event after ID %q is over the %d bytes of the broker, or the headers over 64 KiB", sse.ErrEventTooLarge, at.id, limit)
		}
		at.id, at.hash = item.ID, item.hash
		m.last.WithLabelValues(s.Name).SetToCurrentTime()
		w.add(item)
	}
	return stream.Err()
}

// reason returns a word for the end of a connection.
func reason(err error) string {
	if _, ok := errors.AsType[*sse.ResponseError](err); ok {
		return "status"
	} else if _, ok := errors.AsType[*sse.TruncatedError](err); ok {
		return "broken"
	}
	switch {
	case err == nil:
		return "end"
	case errors.Is(err, sse.ErrIdleTimeout), errors.Is(err, sse.ErrOpenTimeout):
		return "timeout"
	}
	return "connect"
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

const (
	maxBatch      = 1000    // messages, the default limit of the server
	maxBatchBytes = 1 << 20 // or a single message
	// maxPublishes limits the batches and messages of all sources that are sent at a time. The
	// server allows 50 batches for a stream, and there are other relays.
	maxPublishes = 12

	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// errLost reports that another relay has taken over the source.
var errLost = errors.New("another relay has taken over the source")

// A publisher stores the events of one source, one batch at a time. A publish is refused if
// another relay has taken over: each expects the last message to be that of the publish before.
type publisher struct {
	*broker
	source  string
	at      place         // of the last event that is stored
	slots   chan struct{} // for the publishes of all sources
	metrics *metrics
	log     *slog.Logger

	expected uint64 // the last message; before at.last if messages were deleted
}

func newPublisher(b *broker, source string, at place, slots chan struct{}, m *metrics, log *slog.Logger) *publisher {
	return &publisher{broker: b, source: source, at: at, slots: slots, metrics: m, log: log, expected: at.last}
}

// run stores the items of the window until that is closed and empty, or ctx ends.
func (p *publisher) run(ctx context.Context, w *window) error {
	for {
		items := w.head(ctx, maxBatch, maxBatchBytes)
		if len(items) == 0 {
			return context.Cause(ctx)
		}
		if err := p.store(ctx, items); err != nil {
			return err
		}
		w.drop(len(items))
	}
}

// store stores items in order. While the broker is not available, it waits.
func (p *publisher) store(ctx context.Context, items []item) error {
	single := false // publish message by message
	blocked := false
	var wait time.Duration
	for len(items) > 0 {
		stored := len(items)
		if single {
			stored = 1
		}
		began := time.Now()
		err := p.publish(ctx, items[:stored])
		if err == nil {
			p.metrics.publish.Observe(time.Since(began).Seconds())
		}
		for err != nil {
			switch code := errorCode(err); {
			case code == jetstreamext.JSErrCodeBatchPublishDuplicateMsgID && !single:
				single = true
				stored, err = 0, nil
				continue
			case code == jetstreamext.JSErrCodeBatchPublishExceedsLimit,
				code == jetstreamext.JSErrCodeBatchPublishIncomplete:
				single = true // if the server has refused one of the messages, this shows why
			case code == jetstreamext.JSErrCodeBatchPublishNotEnabled,
				code == jetstream.JSErrCodeStreamMessageExceedsMaximum,
				errors.Is(err, nats.ErrMaxPayload):
				return err
			}
			if wait > 0 || !isWrongSequence(err) {
				wait = min(max(2*wait, firstRetry), lastRetry)
				p.log.Warn("cannot publish", "wait", wait, "error", err)
				p.metrics.setState(p.source, stateBlocked)
				blocked = true
				if !sleep(ctx, wait) {
					return context.Cause(ctx)
				}
			}
			wait = max(wait, firstRetry)
			if stored, err = p.resolve(ctx, len(items)); errors.Is(err, errLost) {
				return err
			}
		}
		if stored > 0 {
			wait = 0
		}
		if stored > 0 && blocked {
			p.log.Info("the broker stores events again")
			p.metrics.setState(p.source, stateReading)
			blocked = false
		}
		items = items[stored:]
	}
	return nil
}

// publish sends items to the broker: a single one as a message, several as an atomic batch.
// After an error it is not known whether they are stored, but all of them are or none.
func (p *publisher) publish(ctx context.Context, items []item) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.slots }()
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	messages := make([]*nats.Msg, len(items))
	at := p.at
	for i, item := range items {
		at.id, at.kind, at.hash = item.ID, item.Type, item.hash
		at.seq++
		messages[i] = p.message(item, at)
	}
	messages[0].Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, filter(p.source))
	messages[0].Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(p.expected, 10))

	if len(items) == 1 {
		ack, err := p.js.PublishMsg(ctx, messages[0])
		if err != nil {
			return err
		}
		if ack.Duplicate && ack.Sequence > p.at.last {
			return errors.New("the event is stored, by this publisher or another one")
		} else if ack.Duplicate {
			p.metrics.duplicates.Inc()
			return nil
		}
		at.last = ack.Sequence
	} else {
		ack, err := jetstreamext.PublishMsgBatch(ctx, p.js, messages,
			jetstreamext.BatchFlowControl{AckFirst: true, AckTimeout: requestLimit})
		if err != nil {
			return err
		}
		at.last = ack.Sequence
	}
	p.moved(at)
	return nil
}

// message returns the message of an item that is the event at a place.
func (p *publisher) message(i item, at place) *nats.Msg {
	m := newMessage(p.source, typeToken(i.Type), at)
	if i.own {
		m.Header[jetstream.MsgIDHeader] = []string{p.source + ":" + i.hash}
	} else {
		m.Header[headerHash] = []string{i.hash}
	}
	m.Data = []byte(i.Data)
	return m
}

// moved notes that the events up to a place are stored.
func (p *publisher) moved(at place) {
	p.metrics.events.WithLabelValues(p.source).Add(float64(at.seq - p.at.seq))
	p.at, p.expected = at, at.last
}

// resolve finds out how many of n items are stored after a publish whose result is not known.
// The error is errLost if the last message is of another owner.
func (p *publisher) resolve(ctx context.Context, n int) (int, error) {
	at, err := p.place(ctx, p.source)
	if err != nil {
		return 0, err
	}
	switch {
	case at.token == p.at.token && at.seq > p.at.seq && at.seq-p.at.seq <= uint64(n):
		stored := int(at.seq - p.at.seq)
		p.moved(at)
		return stored, nil
	case at.token <= p.at.token && at.last <= p.at.last:
		// None is stored. If it is before the last message that this publisher knows, that
		// was deleted, or the response is of a server that has yet to learn that it is not
		// the leader any more. The leader refuses the publish then, and this is repeated.
		p.expected = at.last
		return 0, nil
	default: // in a stream that was created again, the sequence alone does not show it
		return 0, fmt.Errorf("%w: message %d has the token %d, and this lease %d", errLost, at.last, at.token, p.at.token)
	}
}

// sleep waits for d. It returns false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A message is a message of the stream.
type message struct {
	stored   time.Time
	subject  string
	source   string
	marker   bool // of a take-over, without an event
	lease    uint64
	sequence uint64 // of the event within its source
	id       string
	kind     string // type of the event
	data     []byte
}

// readStream returns all messages of a stream.
func readStream(ctx context.Context, js jetstream.JetStream, stream string) ([]message, error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	last := s.CachedInfo().State.LastSeq
	if last == 0 {
		return nil, nil
	}
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	in, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer in.Stop()
	var messages []message
	for {
		m, err := in.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		message, err := parseMessage(m, meta.Timestamp)
		if err != nil {
			return nil, fmt.Errorf("message %d of the stream: %w", meta.Sequence.Stream, err)
		}
		messages = append(messages, message)
		if meta.Sequence.Stream >= last {
			return messages, nil
		}
	}
}

// parseMessage reads the headers of a message.
func parseMessage(m jetstream.Msg, stored time.Time) (message, error) {
	h := m.Headers()
	lease, err := strconv.ParseUint(h.Get(headerLease), 10, 64)
	if err != nil {
		return message{}, fmt.Errorf(headerLease+": %w", err)
	}
	sequence, err := strconv.ParseUint(cmp.Or(h.Get(headerSeq), "0"), 10, 64)
	if err != nil {
		return message{}, fmt.Errorf(headerSeq+": %w", err)
	}
	return message{
		stored:   stored,
		subject:  m.Subject(),
		source:   h.Get(headerSource),
		marker:   h.Get(headerMarker) != "",
		lease:    lease,
		sequence: sequence,
		id:       h.Get(headerID),
		kind:     h.Get(headerType),
		data:     m.Data(),
	}, nil
}

// A result compares the events of a feed with the messages of the stream.
type result struct {
	feed       string
	made       int
	stored     int
	duplicates int // messages whose event is stored already
	disordered int // messages before which a later event is stored
	wrong      int // messages that differ from their event, or have a wrong header
	lost       int // events that the relay has lost
	// missed are the events that the relay did not get, or whose connection broke before
	// the relay could store them, of a feed without IDs. It cannot send them again.
	missed int
	first  error // the first thing that is wrong
}

// check compares the events that a feed has made with the messages of the stream, of all
// feeds. Each event has to be stored once and in order.
//
// A feed without IDs cannot resume. After a connection broke, the events that it wrote last
// are lost if the relay had not stored them: the relay cannot ask for them, and the feed
// does not know what arrived. The feed has lost these. The events of a connection that are
// stored therefore have to be the first ones of that connection, without a gap. A missing
// event before a stored one was lost by the relay.
func check(f *demoFeed, messages []message) result {
	r := result{feed: f.name, made: len(f.times())}
	seen := make([]bool, r.made+1)
	next := f.firsts() // of each connection, the event that the relay has to store next
	connections := len(next)
	var lease, sequence uint64
	last := 0
	note := func(count *int, m message, err error) {
		*count++
		if r.first == nil {
			r.first = fmt.Errorf("%s: event ID %q of lease %d: %w", m.subject, m.id, m.lease, err)
		}
	}
	for _, m := range messages {
		if m.source != f.name {
			continue
		}
		if m.lease < lease {
			note(&r.wrong, m, fmt.Errorf("a relay stored it after it had lost its lease to %d", lease))
		}
		lease = max(lease, m.lease)
		if m.marker {
			continue
		}
		r.stored++
		if m.sequence != sequence+1 {
			note(&r.wrong, m, fmt.Errorf("Relay-Seq is %d after %d", m.sequence, sequence))
		}
		sequence = m.sequence
		p, err := f.compare(m)
		if err == nil && (p.N > r.made || p.Connection > connections) {
			err = errors.New("the feed has not sent such an event")
		}
		if err != nil {
			note(&r.wrong, m, err)
			continue
		}
		switch {
		case seen[p.N] && f.share == 1:
			note(&r.duplicates, m, fmt.Errorf("event %d is stored already", p.N))
		case seen[p.N]:
			r.duplicates++
		case p.N < last:
			note(&r.disordered, m, fmt.Errorf("event %d is stored after event %d", p.N, last))
		}
		seen[p.N] = true
		last = max(last, p.N)
		if p.Connection > 0 {
			if expected := &next[p.Connection-1]; p.N >= *expected {
				for ; *expected < p.N; *expected++ {
					note(&r.lost, m, fmt.Errorf("event %d of its connection is missing", *expected))
				}
				*expected++
			}
		}
	}
	for n := 1; n <= r.made; n++ {
		switch {
		case seen[n]:
		case f.share == 0:
			r.missed++
		default:
			note(&r.lost, message{subject: f.name, id: f.id(n), lease: lease}, fmt.Errorf("event %d is not stored", n))
		}
	}
	if f.share == 0 {
		r.missed -= r.lost
	}
	return r
}

// compare returns what the data of a message says, and an error unless the message is equal
// to that event.
func (f *demoFeed) compare(m message) (payload, error) {
	var p payload
	if err := json.Unmarshal(m.data, &p); err != nil {
		return p, err
	}
	if p.Feed != f.name || p.N < 1 || p.Connection < 0 || (p.Connection > 0) != (f.share == 0) {
		return p, errors.New("the feed does not send such an event")
	}
	e, err := f.event(p.N, p.Connection)
	if err != nil {
		return p, err
	}
	if string(m.data) != e.Data || m.id != e.ID || m.kind != e.Type {
		return p, fmt.Errorf("event %d has the ID %q and the type %q, or its data differs: %q", p.N, e.ID, e.Type, m.kind)
	}
	if strings.Count(m.subject, ".") != 2 || !strings.HasPrefix(m.subject, "events."+f.name+".") {
		return p, fmt.Errorf("event %d of type %q has a wrong subject", p.N, e.Type)
	}
	return p, nil
}

// failed returns an error unless everything is stored, once and in order. A feed in which
// events share an ID, or have none, may send events again that are stored already.
func (r result) failed(f *demoFeed) error {
	if r.lost+r.disordered+r.wrong > 0 || f.share == 1 && r.duplicates > 0 {
		return fmt.Errorf("%s: %d lost, %d duplicates, %d out of order, %d wrong: %w",
			r.feed, r.lost, r.duplicates, r.disordered, r.wrong, r.first)
	}
	return nil
}

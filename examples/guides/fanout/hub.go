// Package fanout passes the events of one subscription to many readers of the process, and
// to other processes and browsers. It is the code of docs/fan-out.md.
package fanout

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/fetchsse/sse"
)

// A Hub passes the events of one subscription to many readers. It never waits for one.
type Hub struct {
	mu      sync.Mutex
	readers map[*Reader]bool
	number  uint  // of the last event
	err     error // why there are no more events, nil before that
}

// NewHub returns a Hub without readers.
func NewHub() *Hub { return &Hub{readers: make(map[*Reader]bool)} }

// A Reader gets the events of a Hub through a channel of its own.
type Reader struct {
	messages chan message
	whenFull Policy
	last     uint  // number of the last event that Next returned
	err      error // set before messages is closed
}

type message struct {
	number uint
	event  sse.Event
}

// A Policy tells what happens to a reader whose channel is full.
type Policy int

const (
	DropOldest Policy = iota // it loses the oldest event, and Next reports that
	Disconnect               // Next returns ErrSlow after the events in the channel
)

// ErrSlow reports that a reader with the policy Disconnect has been too slow.
var ErrSlow = errors.New("fanout: the reader was too slow")

// Join adds a reader of the events from now on. Its channel has room for size events, of
// which there must be at least one.
func (h *Hub) Join(size int, whenFull Policy) *Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Reader{messages: make(chan message, max(1, size)), whenFull: whenFull, last: h.number}
	if h.err != nil {
		r.end(h.err)
	} else {
		h.readers[r] = true
	}
	return r
}

// Leave removes a reader. It may have left before.
func (h *Hub) Leave(r *Reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, r)
}

// Run publishes the events of stream until it ends. Then the readers get its error, or
// [io.EOF] after a clean end.
func (h *Hub) Run(stream *sse.Stream) error {
	for event, err := range stream.Events() {
		if err == nil {
			h.Publish(event)
		}
	}
	h.end(cmp.Or(stream.Err(), io.EOF))
	return stream.Err()
}

// Publish passes an event to all readers.
func (h *Hub) Publish(event sse.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.number++
	m := message{h.number, event}
	for r := range h.readers {
		select {
		case r.messages <- m:
		default:
			h.full(r, m)
		}
	}
}

// full deals with a reader whose channel has no room for m.
func (h *Hub) full(r *Reader, m message) {
	if r.whenFull == Disconnect {
		delete(h.readers, r)
		r.end(ErrSlow)
		return
	}
	select {
	case <-r.messages:
	default: // the reader has just made room
	}
	r.messages <- m // does not block: only the holder of the mutex sends
}

func (h *Hub) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	for r := range h.readers {
		r.end(err)
	}
	clear(h.readers)
}

func (r *Reader) end(err error) {
	r.err = err
	close(r.messages)
}

// Next returns the next event, and how many the reader has lost before it.
func (r *Reader) Next(ctx context.Context) (event sse.Event, lost uint, err error) {
	select {
	case m, ok := <-r.messages:
		if !ok {
			return sse.Event{}, 0, r.err
		}
		lost = m.number - r.last - 1
		r.last = m.number
		return m.event, lost, nil
	case <-ctx.Done():
		return sse.Event{}, 0, context.Cause(ctx)
	}
}

package main

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// A window has the events of a source that wait for the broker. One goroutine adds events
// and another takes them. Events that are being published stay in the window.
type window struct {
	maxItems, maxBytes int
	messages           prometheus.Gauge

	mu     sync.Mutex
	items  []item
	bytes  int
	closed bool

	room  chan struct{} // has a value after drop
	event chan struct{} // has a value after add and close
}

func newWindow(maxItems, maxBytes int, messages prometheus.Gauge) *window {
	return &window{maxItems: maxItems, maxBytes: maxBytes, messages: messages, room: make(chan struct{}, 1), event: make(chan struct{}, 1)}
}

// wait waits while the window is full. It returns false if ctx ends before.
func (w *window) wait(ctx context.Context) bool {
	for {
		w.mu.Lock()
		full := len(w.items) >= w.maxItems || w.bytes >= w.maxBytes
		w.mu.Unlock()
		if !full {
			return ctx.Err() == nil
		}
		select {
		case <-w.room:
		case <-ctx.Done():
			return false
		}
	}
}

// add adds an event. The last one may be over the limit of bytes.
func (w *window) add(i item) {
	w.mu.Lock()
	w.items = append(w.items, i)
	w.bytes += i.size()
	w.messages.Set(float64(len(w.items)))
	w.mu.Unlock()
	notify(w.event)
}

// close tells that no event follows.
func (w *window) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	notify(w.event)
}

// head returns the first events: at most n, and of more than one at most so many bytes. It
// waits for the first. It returns none if the window is closed and empty, or if ctx ends.
func (w *window) head(ctx context.Context, n, bytes int) []item {
	for ctx.Err() == nil {
		w.mu.Lock()
		end := 0
		for size := 0; end < min(n, len(w.items)); end++ {
			if size += w.items[end].size(); size > bytes && end > 0 {
				break
			}
		}
		items, closed := w.items[:end:end], w.closed
		w.mu.Unlock()
		if end > 0 || closed {
			return items
		}
		select {
		case <-w.event:
		case <-ctx.Done():
		}
	}
	return nil
}

// drop removes the first n events, which are stored.
func (w *window) drop(n int) {
	w.mu.Lock()
	for _, i := range w.items[:n] {
		w.bytes -= i.size()
	}
	clear(w.items[:n]) // for the garbage collector
	w.items = w.items[n:]
	w.messages.Set(float64(len(w.items)))
	w.mu.Unlock()
	notify(w.room)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has one
	}
}

package main

import (
	"context"
	"sync"
	"time"
)

// A streams keeps the streams whose handlers run, and the times at which the others ended.
type streams struct {
	mu  sync.Mutex
	all []*stream
}

// A stream is one response.
type stream struct {
	number   int // from 1
	dropped  chan struct{}
	silenced chan struct{}
	done     chan struct{} // closed when the handler has ended
	ended    time.Time
}

func (s *streams) begin() *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &stream{
		number:   len(s.all) + 1,
		dropped:  make(chan struct{}, 1),
		silenced: make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	s.all = append(s.all, st)
	return st
}

func (s *streams) end(st *stream) {
	st.ended = time.Now()
	close(st.done)
}

// drop makes the server drop the connections of all streams.
func (s *streams) drop() {
	s.each(func(st *stream) { tell(st.dropped) })
}

// silence makes all streams silent.
func (s *streams) silence() {
	s.each(func(st *stream) { tell(st.silenced) })
}

func (s *streams) each(f func(*stream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.all {
		f(st)
	}
}

// tell sends to c unless it was told before.
func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// waitEnd waits for the end of a stream's handler and returns its time. It reports false if
// there is no such stream or ctx ends first.
func (s *streams) waitEnd(ctx context.Context, number int) (time.Time, bool) {
	s.mu.Lock()
	known := number >= 1 && number <= len(s.all)
	var st *stream
	if known {
		st = s.all[number-1]
	}
	s.mu.Unlock()
	if !known {
		return time.Time{}, false
	}
	select {
	case <-st.done:
		return st.ended, true
	case <-ctx.Done():
		return time.Time{}, false
	}
}

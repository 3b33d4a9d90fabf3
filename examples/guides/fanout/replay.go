package fanout

import (
	"sync"

	"github.com/fetchsse/sse"
)

// A Replay keeps the last events of a feed for readers that resume. Each reader has a place
// in it, which is a number, and no memory of its own.
type Replay struct {
	mu      sync.Mutex
	kept    []kept        // event n is kept[n%len(kept)]
	next    uint64        // number of the next event
	changed chan struct{} // closed by the next event
	ended   bool
}

type kept struct {
	id    string
	block []byte // of the event stream, shared by all readers
}

// NewReplay returns a Replay that keeps the last size events, of which there must be at
// least one.
func NewReplay(size int) *Replay {
	return &Replay{kept: make([]kept, max(1, size)), changed: make(chan struct{})}
}

// Add adds an event. It never waits for a reader.
func (r *Replay) Add(event sse.Event) error {
	block, err := sse.AppendEvent(nil, event)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[r.next%uint64(len(r.kept))] = kept{event.ID, block}
	r.next++
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

// End tells the readers that no event follows.
func (r *Replay) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.ended = true
		close(r.changed)
	}
}

// oldest returns the number of the oldest event that is kept.
func (r *Replay) oldest() uint64 { return r.next - min(r.next, uint64(len(r.kept))) }

// after returns the place after the event with this ID. Without an ID, it is the place of
// the next event. If the ID is not known, it is that of the oldest event, and false.
//
// Consecutive events have the same ID if only the first has an ID of its own. A client with
// this ID may have received any of them, so it gets all after the first.
func (r *Replay) after(id string) (place uint64, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == "" {
		return r.next, true
	}
	oldest := r.oldest()
	for n := r.next; n > oldest; n-- {
		if r.kept[(n-1)%uint64(len(r.kept))].id == id {
			place, known = n, true
		} else if known {
			return place, true
		}
	}
	return max(place, oldest), known
}

// read appends the blocks of the events from a place on to dst, as far as that has capacity.
// The first of them is event number first, which is later than the place if events were
// lost. Without blocks, changed is closed when there are more, or nil after the end.
func (r *Replay) read(place uint64, dst [][]byte) (blocks [][]byte, first uint64, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = max(place, r.oldest())
	for n := first; n < r.next && len(dst) < cap(dst); n++ {
		dst = append(dst, r.kept[n%uint64(len(r.kept))].block)
	}
	if r.ended {
		return dst, first, nil
	}
	return dst, first, r.changed
}

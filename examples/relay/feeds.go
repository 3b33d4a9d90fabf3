package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fetchsse/sse"
)

// A demoFeed is an event stream of the demo. It makes events by the clock, whether a relay
// reads them or not, and remembers all of them. The nth event has the same content on every
// connection.
type demoFeed struct {
	name  string
	rate  int           // events per second
	burst time.Duration // if not 0, the events of this time come at once
	types []string      // of consecutive events
	lines int           // of text in each event
	life  time.Duration // if not 0, the server closes a connection after this time

	// share is the number of consecutive events that have the same ID, which marks the
	// first of them. 1 gives each event an ID of its own, and 0 gives none.
	share int
	// reset is the number of events after which the IDs begin at 1 again, or 0.
	reset int
	// replay makes a connection begin with the event of Last-Event-ID, and not after it.
	replay bool

	mu      sync.Mutex
	made    []time.Time   // when each event was made
	grown   chan struct{} // closed when made grows
	written int           // the highest event that a connection has got
	first   []int         // the first event of each connection, of a feed without IDs
}

// newFeeds returns the feeds of the demo. fast is the rate of the fastest one. The IDs of
// another one begin again at 1 after a time, which has to be longer than the relays keep
// events that they have not stored: an ID could otherwise mean either of two events.
func newFeeds(fast int, reset time.Duration) []*demoFeed {
	const rate = 40
	feeds := []*demoFeed{
		{name: "numbered", rate: rate, share: 1},
		{name: "replaying", rate: rate, share: 1, replay: true},
		{name: "resetting", rate: rate, share: 1, reset: int(reset.Seconds() * rate)},
		{name: "anonymous", rate: rate, share: 0},
		{name: "checkpoints", rate: rate, share: 10},
		{name: "typed", rate: rate, share: 1, types: []string{"message", "trade", "order.filled", "größe *>", "_lease"}},
		{name: "brief", rate: rate, share: 1, life: time.Second},
		{name: "bursts", rate: 100, share: 1, burst: 3 * time.Second},
		{name: "large", rate: 4, share: 1, lines: 1000},
		{name: "fast", rate: fast, share: 1},
	}
	for _, f := range feeds {
		f.grown = make(chan struct{})
	}
	return feeds
}

// handle returns the source server: each feed has the path of its name.
func handle(feeds []*demoFeed) http.Handler {
	mux := http.NewServeMux()
	for _, f := range feeds {
		mux.Handle("GET /"+f.name, f)
	}
	return mux
}

// run makes events until ctx ends.
func (f *demoFeed) run(ctx context.Context) {
	step := max(f.burst, 10*time.Millisecond)
	started := time.Now()
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			f.grow(int(now.Sub(started).Seconds()*float64(f.rate)), now)
		}
	}
}

// grow makes events up to the nth.
func (f *demoFeed) grow(n int, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n <= len(f.made) {
		return
	}
	for len(f.made) < n {
		f.made = append(f.made, now)
	}
	close(f.grown)
	f.grown = make(chan struct{})
}

// times returns when each event was made. The first event is number 1.
func (f *demoFeed) times() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.made)
}

// firsts returns the first event of each connection, of a feed without IDs.
func (f *demoFeed) firsts() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.first)
}

// A payload is the data of an event, as JSON.
type payload struct {
	Feed       string
	N          int      // number of the event, from 1
	Connection int      `json:",omitempty"` // of a feed without IDs, from 1
	Text       []string `json:",omitempty"`
}

// event returns the nth event. A feed without IDs also has the number of the connection in
// it, which tells what the relay read on which one.
func (f *demoFeed) event(n, connection int) (sse.Event, error) {
	p := payload{Feed: f.name, N: n, Connection: connection}
	for i := range f.lines {
		p.Text = append(p.Text, strings.Repeat(strconv.Itoa((n+i)%10), 50))
	}
	data, err := json.MarshalIndent(p, "", " ") // data with many lines
	if err != nil {
		return sse.Event{}, err
	}
	e := sse.Event{Type: "message", Data: string(data), ID: f.id(n)}
	if len(f.types) > 0 {
		e.Type = f.types[n%len(f.types)]
	}
	return e, nil
}

// id returns the last event ID after the nth event.
func (f *demoFeed) id(n int) string {
	if f.share == 0 {
		return ""
	}
	if f.reset > 0 && n > f.reset {
		n -= f.reset
	}
	return strconv.Itoa((n-1)/f.share + 1)
}

// connect returns the number of a new connection and the first event that it gets.
//
// A feed without IDs continues with its next event: the events before it are lost to the
// relay. A feed that shares an ID resumes after the first event that has it, since the relay
// may have stored no other. A feed whose IDs began again takes an ID for the last event that
// had it, if a connection got that one.
func (f *demoFeed) connect(lastEventID string) (number, next int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.share == 0 {
		next = len(f.made) + 1
		f.first = append(f.first, next)
		return len(f.first), next
	}
	k, err := strconv.Atoi(lastEventID)
	if err != nil || k < 1 {
		return 0, 1 // without an ID, or with one that is not of this feed: all events
	}
	n := (k-1)*f.share + 1
	if f.reset > 0 && n+f.reset <= f.written {
		n += f.reset
	}
	if f.replay {
		return 0, n
	}
	return 0, n + 1
}

// available returns the number of events, and a channel that is closed when there are more.
func (f *demoFeed) available() (int, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.made), f.grown
}

// wrote records that a connection is about to get the events up to n.
func (f *demoFeed) wrote(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written = max(f.written, n)
}

func (f *demoFeed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, next := f.connect(r.Header.Get("Last-Event-ID"))
	var end <-chan time.Time // never
	if f.life > 0 {
		end = time.After(f.life)
	}
	keepAlive := time.NewTicker(5 * time.Second)
	defer keepAlive.Stop()
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	const enough = 64 << 10 // bytes of a write
	block := []byte("retry: 100\n\n")
	for {
		last, grown := f.available()
		for ; next <= last && len(block) < enough; next++ {
			e, err := f.event(next, number)
			if err == nil {
				block, err = sse.AppendEvent(block, e)
			}
			if err != nil {
				panic(err) // a mistake in this file
			}
		}
		f.wrote(next - 1)
		if _, err := w.Write(block); err != nil || control.Flush() != nil {
			return // the relay has left
		}
		block = block[:0]
		if next <= last {
			continue
		}
		select {
		case <-grown:
		case <-keepAlive.C:
			block = append(block, ":\n\n"...)
		case <-end:
			return
		case <-r.Context().Done():
			return
		}
	}
}

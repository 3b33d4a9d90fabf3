package benchmarks

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchsse/sse"
)

// A Storm describes a server that drops all streams at once, and what it does when they
// return.
type Storm struct {
	Retry  int // the reconnection time in milliseconds that it sets; 0 sets none
	Spread int // up to so much more, at random for each stream
	Admit  int // streams that it accepts per second, 0 meaning all; others get status 503
	After  int // the Retry-After of a 503 in seconds
	Until  int // up to this, at random for each 503
}

// storm measures when the streams return after the server has dropped all of them: the waits
// that the clients chose for the first attempt, and when the server got the requests.
func (j Job) storm() (Result, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var (
		waits  = make([]time.Duration, j.N)
		events = make([]int, j.N)
		left   atomic.Int64
		back   = make(chan struct{})
	)
	left.Store(int64(j.N))
	on := func(i int) {
		if events[i]++; events[i] == 2 && left.Add(-1) == 0 {
			close(back)
		}
	}
	client := func(i int) run {
		return subscribe(sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) {
			if waits[i] == 0 {
				waits[i] = a.Delay
			}
		}}))
	}
	query := url.Values{
		"session": {j.Session},
		"retry":   {strconv.Itoa(j.Storm.Retry)}, "spread": {strconv.Itoa(j.Storm.Spread)},
		"admit": {strconv.Itoa(j.Storm.Admit)},
		"after": {strconv.Itoa(j.Storm.After)}, "until": {strconv.Itoa(j.Storm.Until)},
	}.Encode()
	ended, err := j.openMany(ctx, j.url("/storm?"+query), client, on)
	if err != nil {
		return nil, err
	}
	var got stormTimes
	if err := j.get("/storm/drop?"+query, &got); err != nil {
		return nil, err
	}
	select {
	case <-back:
	case err := <-ended:
		return nil, err
	}
	if err := j.get("/storm/times?"+query, &got); err != nil {
		return nil, err
	}
	if len(got.Returns) != j.N {
		return nil, fmt.Errorf("%d of %d streams returned", len(got.Returns), j.N)
	}
	r := Result{
		"requests":          float64(len(got.Requests)),
		"waits-in-100ms":    float64(mostWithin(waits, 100*time.Millisecond)),
		"requests-in-100ms": float64(mostWithin(got.Requests, 100*time.Millisecond)),
	}
	quantiles(r, "wait", waits)
	quantiles(r, "return", got.Returns)
	return r, nil
}

// quantiles adds quantiles of the times, in milliseconds, to r. It sorts the times.
func quantiles(r Result, name string, times []time.Duration) {
	slices.Sort(times)
	for label, q := range map[string]float64{"p1": 0.01, "p50": 0.5, "p99": 0.99, "max": 1} {
		i := min(int(q*float64(len(times))), len(times)-1)
		r[name+"-"+label+"-ms"] = float64(times[i].Microseconds()) / 1e3
	}
}

// mostWithin returns the largest number of times within any window. It sorts the times.
func mostWithin(times []time.Duration, window time.Duration) int {
	slices.Sort(times)
	most, first := 0, 0
	for i, t := range times {
		for t-times[first] >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// A stormTimes holds when requests came after the drop, and when streams were accepted.
type stormTimes struct{ Requests, Returns []time.Duration }

// storms serves the storms by session.
type storms struct {
	mu  sync.Mutex
	all map[string]*storm
}

// A storm is the state of one.
type storm struct {
	dropped chan struct{} // closed by the drop

	mu       sync.Mutex
	at       time.Time // of the drop
	times    stormTimes
	second   int // since the drop
	admitted int // in that second
}

func (s *storms) get(session string) *storm {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.all[session]
	if st == nil {
		st = &storm{dropped: make(chan struct{})}
		s.all[session] = st
	}
	return st
}

// stream sends an event and holds the stream until the drop, which breaks its connection.
// Later requests are accepted or refused as the query says.
func (s *storms) stream(w http.ResponseWriter, r *http.Request) {
	number := func(name string) int { n, _ := strconv.Atoi(r.FormValue(name)); return n }
	st := s.get(r.FormValue("session"))
	select {
	case <-st.dropped:
		if !st.admit(number("admit")) {
			after := number("after")
			after += rand.IntN(max(number("until")-after, 0) + 1)
			w.Header().Set("Retry-After", strconv.Itoa(after))
			http.Error(w, "overloaded", http.StatusServiceUnavailable)
			return
		}
		c := start(w)
		fmt.Fprint(w, "id: 2\ndata: back\n\n")
		_ = c.Flush()
		<-r.Context().Done()
	default:
		c := start(w)
		if retry := number("retry"); retry > 0 {
			fmt.Fprintf(w, "retry: %d\n", retry+rand.IntN(number("spread")+1))
		}
		fmt.Fprint(w, "id: 1\ndata: first\n\n")
		_ = c.Flush()
		select {
		case <-st.dropped:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
		}
	}
}

// admit records a request and reports whether it is one of the first perSecond of this
// second; 0 admits all.
func (st *storm) admit(perSecond int) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	since := time.Since(st.at)
	st.times.Requests = append(st.times.Requests, since)
	if second := int(since / time.Second); second != st.second {
		st.second, st.admitted = second, 0
	}
	if perSecond > 0 && st.admitted >= perSecond {
		return false
	}
	st.admitted++
	st.times.Returns = append(st.times.Returns, since)
	return true
}

// drop breaks the connections of all streams.
func (s *storms) drop(w http.ResponseWriter, r *http.Request) {
	st := s.get(r.FormValue("session"))
	st.mu.Lock()
	st.at = time.Now()
	st.mu.Unlock()
	close(st.dropped)
	_ = json.NewEncoder(w).Encode(stormTimes{})
}

// sendTimes sends when the requests came.
func (s *storms) sendTimes(w http.ResponseWriter, r *http.Request) {
	st := s.get(r.FormValue("session"))
	st.mu.Lock()
	defer st.mu.Unlock()
	_ = json.NewEncoder(w).Encode(st.times)
}

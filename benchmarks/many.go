package benchmarks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// openMany opens j.N streams, 32 at a time, and returns when each has its first event. The
// client of each stream comes from client: the compiler cannot inline a function that it does
// not know, so that the stack of an idle stream is small. It calls on for every event with the
// number of its stream, on the goroutine of that stream. An error of a stream after its first
// event is sent to the channel.
func (j Job) openMany(ctx context.Context, url string, client func(stream int) run, on func(stream int)) (<-chan error, error) {
	hc := j.httpClient()
	opened, ended := make(chan error, j.N), make(chan error, j.N)
	const atOnce = 32
	slots := make(chan struct{}, atOnce)
	for i := range j.N {
		slots <- struct{}{}
		go func() {
			isOpen := false
			err := client(i)(ctx, hc, url, func(string, []byte) bool {
				on(i)
				if !isOpen {
					isOpen = true
					<-slots
					opened <- nil
				}
				return true
			})
			err = errorOr(err, "the stream ended")
			if !isOpen {
				<-slots
				opened <- err
				return
			}
			ended <- err
		}()
	}
	var failed error
	for range j.N {
		failed = errors.Join(failed, <-opened)
	}
	return ended, failed
}

func subscriber(int) run { return subscribe() }

// memory measures what a stream costs that waits after its first event: memory, goroutines,
// descriptors and the CPU time of its opening. The peak is that of the resident memory while
// the streams were opened, and gc is the CPU time of one garbage collection with all of them.
func (j Job) memory() (Result, error) {
	before, files, used := usage(), descriptors(), CPUTime()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := j.openMany(ctx, j.url("/idle?size="+strconv.Itoa(j.Size)), subscriber, func(int) {})
	if err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond)
	r := Result{
		"descriptors":    float64(descriptors() - files),
		"open-µs/stream": float64((CPUTime() - used).Nanoseconds()) / 1e3 / float64(j.N),
	}
	for name, after := range usage() {
		r[name+"/stream"] = (after - before[name]) / float64(j.N)
	}
	r["peak-B/stream"] = (peakResident() - before["rss-B"]) / float64(j.N)
	used = CPUTime()
	runtime.GC()
	r["gc-ms"] = float64((CPUTime() - used).Microseconds()) / 1e3
	return r, nil
}

// descriptors returns the number of open files of the process, or 0 if it is unknown.
func descriptors() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

// peakResident returns the largest resident memory that the process has had, or 0 if it is
// unknown.
func peakResident() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		var kilobytes float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kilobytes); n == 1 {
			return kilobytes * 1024
		}
	}
	return 0
}

// load measures the CPU time of the process per event while the events of all streams come
// at a steady rate.
func (j Job) load() (Result, error) {
	counts := make([]atomic.Int64, j.N) // one for each stream, so that they do not compete
	total := func() (n int64) {
		for i := range counts {
			n += counts[i].Load()
		}
		return n
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	every := time.Duration(float64(time.Second) * float64(j.N*j.Batch) / float64(j.Rate))
	path := fmt.Sprintf("/paced?every=%v&batch=%d&session=%s", every, j.Batch, url.QueryEscape(j.Session))
	_, err := j.openMany(ctx, j.url(path), subscriber, func(i int) { counts[i].Add(1) })
	if err != nil {
		return nil, err
	}
	if err := j.get("/paced/start?session="+url.QueryEscape(j.Session), new(bool)); err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond)
	runtime.GC() // the garbage of the opening
	began, used, start := time.Now(), CPUTime(), total()
	time.Sleep(time.Duration(j.Millis) * time.Millisecond)
	events, cpu, wall := float64(total()-start), CPUTime()-used, time.Since(began)
	if events == 0 {
		return nil, errors.New("no event came in time")
	}
	return Result{
		"cpu-ns/event":      float64(cpu) / events,
		"events/cpu-second": events / cpu.Seconds(),
		"events/s":          events / wall.Seconds(),
	}, nil
}

// A pacer sends events at a steady rate on streams that start together.
type pacer struct {
	mu     sync.Mutex
	starts map[string]chan struct{} // by session; closed by start
}

func (p *pacer) started(session string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.starts[session] == nil {
		p.starts[session] = make(chan struct{})
	}
	return p.starts[session]
}

// stream sends one event. After the start, and a time of its own, it sends a batch of events
// in one write at each interval.
func (p *pacer) stream(w http.ResponseWriter, r *http.Request) {
	every, _ := time.ParseDuration(r.FormValue("every"))
	every = max(every, 1)
	batch, _ := strconv.Atoi(r.FormValue("batch"))
	c := start(w)
	one := block(eventSize)
	_, _ = io.WriteString(w, one) // a disconnect of the client cancels the context
	_ = c.Flush()
	select {
	case <-p.started(r.FormValue("session")):
		time.Sleep(rand.N(every))
	case <-r.Context().Done():
		return
	}
	all := []byte(strings.Repeat(one, batch))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := w.Write(all); err != nil {
			return
		}
		if err := c.Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// start starts the streams of a session.
func (p *pacer) start(w http.ResponseWriter, r *http.Request) {
	close(p.started(r.FormValue("session")))
	_ = json.NewEncoder(w).Encode(true)
}

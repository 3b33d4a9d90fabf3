package benchmarks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"time"
)

// cpu measures the CPU time of the process per event while the server sends events as
// fast as it can.
func (j Job) cpu() (Result, error) {
	c, err := find(Clients(), j.Client)
	if err != nil {
		return nil, err
	}
	const (
		warm = 20_000
		step = 4_096
	)
	path := "/fast"
	if j.Flush {
		path += "?flush=1"
	}
	var (
		units, next int
		began       time.Time
		used        time.Duration
		r           Result
		stop        = func() {}
	)
	unit := 1 // units per event
	if c.Raw {
		unit = eventSize
	}
	next = warm * unit
	start := 0
	on := func(_ string, data []byte) bool {
		if c.Raw {
			units += len(data)
		} else {
			units++
		}
		if units < next {
			return true
		}
		next += step * unit
		if began.IsZero() {
			if j.Profile != "" {
				stop = startProfile(j.Profile)
			}
			began, used, start = time.Now(), CPUTime(), units
			return true
		}
		wall := time.Since(began)
		if wall < time.Duration(j.Millis)*time.Millisecond {
			return true
		}
		events := float64(units-start) / float64(unit)
		cpu := CPUTime() - used
		stop()
		r = Result{
			"cpu-ns/event":      float64(cpu) / events,
			"wall-ns/event":     float64(wall) / events,
			"events/cpu-second": events / cpu.Seconds(),
		}
		return false
	}
	err = c.Run(context.Background(), j.httpClient(), j.url(path), on)
	if r == nil {
		return nil, errorOr(err, "the stream ended early")
	}
	return r, nil
}

// errorOr returns err, or an error with this text if err is nil.
func errorOr(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

// latency measures the time from the server's write until the client has the event.
func (j Job) latency() (Result, error) {
	c, err := find(Clients(), j.Client)
	if err != nil {
		return nil, err
	}
	var (
		lags    []time.Duration
		pending []byte
	)
	const warm = 50
	record := func(data []byte) bool {
		now := time.Now().UnixNano()
		at, err := strconv.ParseInt(string(bytes.TrimLeft(data[:stampSize], "0")), 10, 64)
		if err != nil {
			panic(err) // the server always sends a valid time
		}
		lags = append(lags, time.Duration(now-at))
		return len(lags) < j.N
	}
	on := func(_ string, data []byte) bool { return record(data) }
	if c.Raw {
		on = func(_ string, data []byte) bool {
			for pending = append(pending, data...); len(pending) >= eventSize; pending = pending[eventSize:] {
				if !record(pending[len("data: "):]) {
					return false
				}
			}
			pending = append(make([]byte, 0, 2*eventSize), pending...)
			return true
		}
	}
	if err := c.Run(context.Background(), j.httpClient(), j.url("/timed?n="+strconv.Itoa(j.N)), on); err != nil {
		return nil, err
	}
	lags = lags[warm:]
	slices.Sort(lags)
	at := func(q int) float64 { return float64(lags[len(lags)*q/100]) / 1e3 }
	return Result{"p50-µs": at(50), "p99-µs": at(99)}, nil
}

// startProfile starts a CPU profile and returns a function that stops it.
func startProfile(name string) func() {
	f, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		panic(err) // the directory given by the user is not writable
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}
}

// completions measures the connections, the handshakes and the time of consecutive
// responses.
func (j Job) completions() (Result, error) {
	c, err := find(Completers(), j.Client)
	if err != nil {
		return nil, err
	}
	hc := j.httpClient()
	before, err := j.stats()
	if err != nil {
		return nil, err
	}
	url := "https://" + j.Endpoint.TLS + "/completion"
	began := time.Now()
	for range j.N {
		bytes := 0
		err := c.Run(context.Background(), hc, url, func(_ string, data []byte) bool {
			bytes += len(data)
			return true
		})
		if err != nil {
			return nil, err
		}
		if bytes < 30*len(`{"choices":[{"delta":{"content":"word"}}]}`) {
			return nil, fmt.Errorf("got a response of only %d bytes", bytes)
		}
	}
	took := time.Since(began)
	after, err := j.stats()
	if err != nil {
		return nil, err
	}
	return Result{
		"connections":   float64(after.Connections - before.Connections),
		"handshakes":    float64(after.Handshakes - before.Handshakes),
		"ms/completion": float64(took.Microseconds()) / 1e3 / float64(j.N),
	}, nil
}

func (j Job) stats() (s Stats, err error) {
	err = j.get("/stats", &s)
	return s, err
}

// reconnect measures the time to read a feed that drops its connections. It counts the
// events that are lost, received twice, broken or empty.
func (j Job) reconnect() (Result, error) {
	c, err := find(Reconnecters(), j.Client)
	if err != nil {
		return nil, err
	}
	url := j.url(fmt.Sprintf("/feed?drops=%d&session=%s", j.N, j.Session))
	seen := make(map[int]int)
	total := 0
	var empty, broken int
	on := func(_ string, data []byte) bool {
		if c.Raw {
			return true
		}
		var e struct{ N int }
		switch {
		case len(data) == 0:
			empty++
		case bytes.HasPrefix(data, []byte("END ")):
			total, _ = strconv.Atoi(string(data[len("END "):]))
			return false
		case json.Unmarshal(data, &e) != nil, string(data) != feedData(e.N):
			broken++
		default:
			seen[e.N]++
		}
		return true
	}
	began := time.Now()
	if err := c.Run(context.Background(), j.httpClient(), url, on); err != nil {
		return nil, err
	}
	took := time.Since(began)
	if !c.Raw && total == 0 {
		return nil, errors.New("the stream ended early")
	}
	lost, twice := 0, 0
	for n := 1; n <= total; n++ {
		switch {
		case seen[n] == 0:
			lost++
		case seen[n] > 1:
			twice++
		}
	}
	return Result{
		"ms":     float64(took.Microseconds()) / 1e3,
		"lost":   float64(lost),
		"twice":  float64(twice),
		"broken": float64(broken),
		"empty":  float64(empty),
	}, nil
}

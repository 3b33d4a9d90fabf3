package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fetchsse/sse"
)

// A status knows the state of the connection and counts what it brings. On a terminal it
// shows this in a line.
type status struct {
	screen *screen

	mu      sync.Mutex
	phase   phase
	events  int
	bytes   int
	retries int
	last    time.Time // of the last byte, or of the start of the connection
	next    time.Time // of the next attempt
	reason  string    // for it
	past    [8]int    // the events at the last refreshes
}

// A phase is the state of the connection.
type phase int

const (
	connecting phase = iota
	connected
	waiting
)

const refresh = 250 * time.Millisecond

func newStatus(scr *screen) *status { return &status{screen: scr, last: time.Now()} }

// read counts n bytes of a body.
func (s *status) read(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += n
	s.last = time.Now()
}

// event counts an event and returns the time of its arrival, without the monotonic reading
// that a template would print.
func (s *status) event() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events++
	return s.last.Round(0)
}

// trace returns the hooks that follow the connection.
func (s *status) trace() *sse.Trace {
	enter := func(p phase) {
		s.mu.Lock()
		s.phase, s.last = p, time.Now()
		s.mu.Unlock()
		s.screen.refresh() // a phase can be shorter than the time to the next tick
	}
	return &sse.Trace{
		Request: func(*http.Request) { enter(connecting) },
		Open:    func(*http.Response) { enter(connected) },
		Wait: func(a sse.Attempt) {
			s.mu.Lock()
			s.next, s.reason = time.Now().Add(a.Delay), shortReason(a.Err)
			s.retries++
			s.mu.Unlock()
			enter(waiting)
		},
	}
}

// shortReason returns why a connection ended, in a few words.
func shortReason(err error) string {
	if err == nil {
		return "the response ended"
	}
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		return strconv.Itoa(refusal.StatusCode) + " " + http.StatusText(refusal.StatusCode)
	}
	text := words(err)
	if _, after, ok := strings.Cut(text, "://"); ok { // the request is known
		if _, reason, ok := strings.Cut(after, ": "); ok {
			return reason
		}
	}
	return text
}

// show shows the status line until stop is called.
func (s *status) show() (stop func()) {
	if !s.screen.errIsTerminal || s.screen.quiet {
		return func() {}
	}
	s.screen.setStatus(s.line)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(refresh)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.tick()
				s.screen.refresh()
			case <-done:
				s.screen.setStatus(nil)
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// tick notes the number of events for the rate.
func (s *status) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	copy(s.past[:], s.past[1:])
	s.past[len(s.past)-1] = s.events
}

// line returns the status line.
func (s *status) line() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	rate := float64(s.events-s.past[0]) / (refresh.Seconds() * float64(len(s.past)))
	var color, state string
	facts := []string{
		count(s.events, "event", "events"),
		fmt.Sprintf("%.1f/s", rate),
		size(s.bytes),
	}
	switch s.phase {
	case connecting:
		color, state = yellow, "connecting"
		facts = append(facts, "for "+inSeconds(time.Since(s.last)))
	case connected:
		color, state = green, "connected"
		facts = append(facts, "last byte "+inSeconds(time.Since(s.last))+" ago")
	case waiting:
		color, state = red, "retry in "+inSeconds(max(0, time.Until(s.next)))
	}
	if s.retries > 0 {
		facts = append(facts, count(s.retries, "retry", "retries"))
	}
	if s.phase == waiting {
		facts = append(facts, s.reason)
	}
	room := max(0, columns(s.screen.err)-len("* ")-len(state)-1)
	rest := []rune(string(visible([]byte(" · " + strings.Join(facts, " · ")))))
	if len(rest) > room {
		rest = rest[:room]
	}
	return s.screen.paint(color, "● "+state) + s.screen.paint(dim, string(rest))
}

// columns returns the width of the terminal f.
func columns(f *os.File) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if n, ok := windowSize(f); ok && n > 0 {
		return n
	}
	return 80
}

// inSeconds returns d for people.
func inSeconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// size returns a number of bytes for people.
func size(n int) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

func count(n int, singular, plural string) string {
	if n == 1 {
		plural = singular
	}
	return strconv.Itoa(n) + " " + plural
}

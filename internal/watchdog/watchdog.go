// Package watchdog bounds the time that reads take.
package watchdog

import (
	"math"
	"sync/atomic"
	"time"
)

// A Limit is a timeout and the error that reports it. A Timeout of 0 sets no limit.
type Limit struct {
	Timeout time.Duration
	Err     error
}

// A timer that fires later than lateness has found the process stopped, as by SIGSTOP, or
// the machine overloaded. The bytes that have arrived meanwhile wait in the socket, and the
// grace is the time to read them.
const (
	lateness = 10 * time.Millisecond
	grace    = 100 * time.Millisecond
)

// A Timer calls a function once after a time, or a grace later if the process was stopped.
type Timer struct {
	f     func()
	due   time.Time
	timer *time.Timer
	late  bool        // it has fired late, and runs again
	done  atomic.Bool // it was stopped, or has called f
}

// AfterFunc returns a Timer that calls f on a goroutine of its own after d.
func AfterFunc(d time.Duration, f func()) *Timer {
	t := &Timer{f: f, due: time.Now().Add(d)}
	t.timer = time.AfterFunc(math.MaxInt64, t.fire)
	t.timer.Reset(d) // fire uses t.timer
	return t
}

// Stop reports whether it keeps the Timer from calling its function.
func (t *Timer) Stop() bool {
	t.timer.Stop()
	return !t.done.Swap(true)
}

func (t *Timer) fire() {
	if !t.late && time.Since(t.due) > lateness {
		t.late = true
		t.timer.Reset(grace)
		return
	}
	if !t.done.Swap(true) {
		t.f()
	}
}

// A Watchdog calls a function when a read exceeds its deadline. Between Start and Stop,
// the reading goroutine calls Begin before each read and End after it.
//
// Starting and stopping a timer costs as much as a read does. The timer therefore keeps
// running from read to read and compares the clock with the current deadline when it
// fires. The zero Watchdog watches nothing.
type Watchdog struct {
	idle  Limit // longest read
	event Limit // longest time from one Reset, or the first read, to the next Reset

	expired  func() // nil if nothing is watched
	timer    *time.Timer
	start    time.Time // the durations below count from here
	eventEnd time.Duration
	extended bool  // eventEnd has got its grace
	limit    error // reported for the current read

	running  atomic.Bool  // the timer is set
	deadline atomic.Int64 // of the current read, 0 if there is none
	late     int64        // the deadline that has got its grace; only check uses it
}

// Start begins to watch reads. When a read exceeds one of the limits, the Watchdog calls
// expired, mostly on a goroutine of its own; [Watchdog.Err] tells which limit it was.
func (w *Watchdog) Start(idle, event Limit, expired func()) {
	if idle.Timeout <= 0 && event.Timeout <= 0 {
		return
	}
	w.idle, w.event, w.expired = idle, event, expired
	w.start = time.Now()
	w.timer = time.AfterFunc(math.MaxInt64, w.check)
	w.timer.Stop() // a stream that is not read leaves nothing behind
}

// Stop ends the watching. Another goroutine may call it, if a read that is running or
// comes later is followed by another call.
func (w *Watchdog) Stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// Begin sets the deadline of the read that follows to the earlier of the two limits. If the
// time for an event has passed, it calls expired itself: reads that bring something at
// once, such as comments, leave the timer no chance.
func (w *Watchdog) Begin() {
	if w.expired == nil {
		return
	}
	now := time.Since(w.start)
	end, limit := addClamped(now, w.idle.Timeout), w.idle.Err
	if w.event.Timeout > 0 {
		switch {
		case w.eventEnd == 0:
			w.eventEnd = addClamped(now, w.event.Timeout)
		case now-w.eventEnd > lateness && !w.extended:
			w.eventEnd, w.extended = now+grace, true
		}
		if w.idle.Timeout <= 0 || w.eventEnd < end {
			end, limit = w.eventEnd, w.event.Err
		}
	}
	w.limit = limit
	if end <= now {
		w.expired()
		return
	}
	w.deadline.Store(int64(end))
	if !w.running.Swap(true) {
		w.timer.Reset(end - now)
	}
}

// End clears the deadline after a read.
func (w *Watchdog) End() { w.deadline.Store(0) }

// Reset restarts the event limit at the next read.
func (w *Watchdog) Reset() { w.eventEnd, w.extended = 0, false }

// Err returns the error of the limit that applied to the last read.
func (w *Watchdog) Err() error { return w.limit }

// check is called by the timer. Deadlines only move forward, so it misses none.
func (w *Watchdog) check() {
	end := w.deadline.Load()
	if end == 0 {
		w.running.Store(false) // the next read sets the timer
		end = w.deadline.Load()
		if end == 0 || w.running.Swap(true) {
			return // there is no read, or it has set the timer
		}
	}
	left := time.Duration(end) - time.Since(w.start)
	switch {
	case left > 0:
		w.timer.Reset(left)
	case left < -lateness && w.late != end:
		w.late = end
		w.timer.Reset(grace)
	default:
		w.expired()
	}
}

// addClamped returns now + d without overflow.
func addClamped(now, d time.Duration) time.Duration { return now + min(d, math.MaxInt64-now) }

package watchdog

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	errIdle  = errors.New("idle")
	errEvent = errors.New("event")
)

// in runs a test in a bubble, with a Watchdog of these limits. The function elapsed
// returns the time until the Watchdog expired, or -1 if it has not.
func in(t *testing.T, idle, event time.Duration, test func(t *testing.T, w *Watchdog, elapsed func() time.Duration)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start, expired := time.Now(), time.Duration(-1)
		w := new(Watchdog)
		w.Start(Limit{idle, errIdle}, Limit{event, errEvent}, func() { expired = time.Since(start) })
		test(t, w, func() time.Duration {
			synctest.Wait()
			return expired
		})
		w.Stop()
	})
}

func TestZeroWatchdogWatchesNothing(t *testing.T) {
	in(t, 0, 0, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		w.Begin()
		time.Sleep(time.Hour)
		w.End()
		require.Equal(t, time.Duration(-1), elapsed())
		require.NoError(t, w.Err())
	})
}

func TestIdleLimitEndsASingleRead(t *testing.T) {
	in(t, time.Second, 0, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		for range 5 {
			w.Begin()
			time.Sleep(900 * time.Millisecond)
			w.End()
		}
		time.Sleep(time.Hour) // no read is in progress
		require.Equal(t, time.Duration(-1), elapsed())
		w.Begin()
		time.Sleep(2 * time.Second)
		require.Equal(t, time.Hour+5500*time.Millisecond, elapsed())
		require.Equal(t, errIdle, w.Err())
	})
}

func TestEventLimitSpansReads(t *testing.T) {
	in(t, time.Second, 3*time.Second, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		for range 4 {
			w.Begin()
			time.Sleep(800 * time.Millisecond)
			w.End()
		}
		require.Equal(t, 3*time.Second, elapsed(), "in the middle of the fourth read")
		require.Equal(t, errEvent, w.Err())
	})
}

func TestResetRestartsTheEventLimit(t *testing.T) {
	in(t, 0, time.Second, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		for range 5 {
			w.Begin()
			time.Sleep(900 * time.Millisecond)
			w.End()
			w.Reset()
		}
		require.Equal(t, time.Duration(-1), elapsed())
		w.Begin()
		time.Sleep(time.Second)
		require.Equal(t, 5500*time.Millisecond, elapsed())
		require.Equal(t, errEvent, w.Err())
	})
}

// A process that was stopped and continues finds its timers late. It can still read once
// the bytes that have arrived meanwhile.
func TestLateTimerGivesTimeToRead(t *testing.T) {
	in(t, time.Second, 0, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		w.Begin()
		w.timer.Stop()
		time.Sleep(time.Minute)
		w.check() // the timer fires late
		require.Equal(t, time.Duration(-1), elapsed())
		w.End()
		w.Begin()
		time.Sleep(time.Second)
		require.Equal(t, time.Minute+time.Second, elapsed(), "the next read has its own time")
	})
	in(t, time.Second, 0, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		w.Begin()
		w.timer.Stop()
		time.Sleep(time.Minute)
		w.check()
		time.Sleep(time.Second)
		require.Equal(t, time.Minute+grace, elapsed(), "nothing was there to read")
	})
}

// The event limit can also pass between two reads: what the stop has interrupted was read
// first, and the rest of the event comes with the next read.
func TestEventLimitThatIsLongOverGivesTimeToRead(t *testing.T) {
	in(t, 0, time.Second, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		w.Begin()
		w.End()
		time.Sleep(time.Minute)
		w.Begin()
		require.Equal(t, time.Duration(-1), elapsed())
		w.End()
		time.Sleep(grace)
		w.Begin()
		require.Equal(t, time.Minute+grace, elapsed())
		require.Equal(t, errEvent, w.Err())
	})
	in(t, 50*time.Millisecond, time.Second, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		w.Begin()
		w.End()
		time.Sleep(time.Minute)
		w.Begin()
		time.Sleep(time.Second)
		require.Equal(t, time.Minute+50*time.Millisecond, elapsed())
		require.Equal(t, errIdle, w.Err())
	})
}

func TestTimer(t *testing.T) {
	for name, tt := range map[string]struct {
		act  func(*Timer)
		want time.Duration
	}{
		"on time": {func(*Timer) {}, time.Second},
		"stopped": {func(timer *Timer) { require.True(t, timer.Stop()); require.False(t, timer.Stop()) }, -1},
		"late": {func(timer *Timer) {
			timer.timer.Stop()
			time.Sleep(time.Minute)
			timer.fire()
		}, time.Minute + grace},
		"late, then stopped": {func(timer *Timer) {
			timer.timer.Stop()
			time.Sleep(time.Minute)
			timer.fire()
			require.True(t, timer.Stop())
		}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, fired := time.Now(), time.Duration(-1)
				timer := AfterFunc(time.Second, func() { fired = time.Since(start) })
				tt.act(timer)
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Equal(t, tt.want, fired)
				require.False(t, timer.Stop(), "it has been stopped or has fired")
			})
		})
	}
}

func TestStopEndsTheWatching(t *testing.T) {
	in(t, time.Second, 0, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		w.Begin()
		w.Stop()
		time.Sleep(time.Hour)
		require.Equal(t, time.Duration(-1), elapsed())
	})
}

func TestLongestLimitsDoNotOverflow(t *testing.T) {
	in(t, math.MaxInt64, math.MaxInt64, func(t *testing.T, w *Watchdog, elapsed func() time.Duration) {
		time.Sleep(time.Hour)
		w.Begin()
		time.Sleep(time.Hour)
		require.Equal(t, time.Duration(-1), elapsed())
		w.End()
	})
}

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

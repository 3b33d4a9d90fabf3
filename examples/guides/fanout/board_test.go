package fanout

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBoardKeepsTheLatestValue(t *testing.T) {
	b := NewBoard[string, int]()
	for n := range 100 {
		b.Set("a", n)
		b.Set("b", -n)
	}
	values, version, err := b.Changes(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 99, "b": -99}, values)

	b.Set("b", 7)
	values, _, err = b.Changes(t.Context(), version)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"b": 7}, values) // not a, which has not changed
}

func TestBoardWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBoard[string, int]()
		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, gone)
		defer cancel()
		_, version, err := b.Changes(ctx, 0)
		require.ErrorIs(t, err, gone)
		require.Zero(t, version)

		time.AfterFunc(time.Second, func() { b.Set("a", 1) })
		began := time.Now()
		values, version, err := b.Changes(t.Context(), 0)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"a": 1}, values)
		require.EqualValues(t, 1, version)
		require.Equal(t, time.Second, time.Since(began))
	})
}

// A slow reader gets fewer values than a fast one, and both end with the latest.
func TestBoardConflates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBoard[int, int]()
		go func() {
			for n := 1; n <= 1000; n++ {
				b.Set(n%10, n)
				time.Sleep(time.Millisecond)
			}
		}()
		read := func(pause time.Duration) <-chan int {
			got := make(chan int, 1)
			go func() {
				count, latest, version := 0, 0, uint64(0)
				for latest < 1000 {
					values, next, err := b.Changes(t.Context(), version)
					if err != nil {
						break
					}
					version = next
					count += len(values)
					for _, n := range values {
						latest = max(latest, n)
					}
					time.Sleep(pause)
				}
				got <- count
			}()
			return got
		}
		fast, slow := read(0), read(100*time.Millisecond)
		require.Equal(t, 1000, <-fast)
		require.LessOrEqual(t, <-slow, 120) // ten keys, about ten times
	})
}

package fanout

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

func numbered(n int) sse.Event {
	return sse.Event{Type: "message", ID: strconv.Itoa(n), Data: "event " + strconv.Itoa(n)}
}

func TestDropOldest(t *testing.T) {
	h := NewHub()
	h.Publish(numbered(0)) // before the reader joins
	r := h.Join(3, DropOldest)
	for n := 1; n <= 10; n++ {
		h.Publish(numbered(n))
	}
	for _, want := range []struct {
		id   string
		lost uint
	}{{"8", 7}, {"9", 0}, {"10", 0}} {
		event, lost, err := r.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, want.id, event.ID)
		require.Equal(t, want.lost, lost)
	}
	h.Publish(numbered(11))
	event, lost, err := r.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, numbered(11), event)
	require.Zero(t, lost)
}

func TestDisconnect(t *testing.T) {
	h := NewHub()
	slow, fast := h.Join(3, Disconnect), h.Join(3, Disconnect)
	for n := 1; n <= 10; n++ {
		h.Publish(numbered(n))
		event, lost, err := fast.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, numbered(n), event)
		require.Zero(t, lost)
	}
	for n := 1; n <= 3; n++ {
		event, lost, err := slow.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, numbered(n), event)
		require.Zero(t, lost)
	}
	_, _, err := slow.Next(t.Context())
	require.ErrorIs(t, err, ErrSlow)
	h.Leave(slow) // is not an error
	require.Len(t, h.readers, 1)
}

func TestLeave(t *testing.T) {
	h := NewHub()
	r := h.Join(1, Disconnect)
	h.Leave(r)
	h.Publish(numbered(1))
	h.Publish(numbered(2))
	require.Empty(t, h.readers)
	require.Empty(t, r.messages)
}

// Readers of different speeds get the events of a subscription that loses its connection.
func TestHubRun(t *testing.T) {
	const events = 1000
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, func(_ int, r *http.Request) ssetest.Script {
			after, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
			if after == events {
				return ssetest.Script{ssetest.Answer(204)}
			}
			var script ssetest.Script
			for n := after + 1; n <= min(after+100, events); n++ {
				script = append(script, ssetest.Send(numbered(n)), ssetest.Wait(time.Millisecond))
			}
			return append(script, ssetest.Cut())
		})
		stream, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		h := NewHub()
		var readers sync.WaitGroup
		for i := range 10 {
			r := h.Join(16, DropOldest)
			readers.Go(func() {
				got, lost := 0, 0
				for {
					event, missed, err := r.Next(t.Context())
					if err != nil {
						assert.ErrorIs(t, err, io.EOF)
						break
					}
					got++
					lost += int(missed)
					assert.Equal(t, numbered(got+lost), event) // in order, and each gap is where it is reported
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
				assert.Equal(t, events, got+lost)
				assert.Equal(t, i > 1, lost > 0, "the reader needs %d ms for each event and lost %d", i, lost)
			})
		}
		require.NoError(t, h.Run(stream))
		readers.Wait()
	})
}

func TestHubRunReportsTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Send(numbered(1)), ssetest.Cut()},
			ssetest.Script{ssetest.Answer(401)},
		))
		stream, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		h := NewHub()
		early := h.Join(1, DropOldest)
		err = h.Run(stream)
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		require.True(t, ok)
		require.Equal(t, 401, refusal.StatusCode)

		event, _, err := early.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, numbered(1), event)
		late := h.Join(1, DropOldest)
		for _, r := range []*Reader{early, late} {
			_, _, err := r.Next(t.Context())
			require.ErrorIs(t, err, refusal)
		}
	})
}

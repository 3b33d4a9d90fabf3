// The code of the guides in docs, which the tests run.
package guides_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// The code of docs/lasting.md that is not in the program of the directory lasting.

// loadPlace returns the last event ID in the file, or "" if there is no file yet.
func loadPlace(file string) (string, error) {
	id, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(id), err
}

// storePlace replaces the file. After a crash, the file has either ID and never a part.
func storePlace(file, id string) error {
	f, err := os.CreateTemp(filepath.Dir(file), "place")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // without effect after Rename
	_, err = f.WriteString(id)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// followFromFile handles the events of a feed after the place in the file, each at least once.
func followFromFile(client *sse.Client, req *http.Request, file string, handle func(sse.Event) error) error {
	place, err := loadPlace(file)
	if err != nil {
		return err
	}
	stream, err := client.Subscribe(req, sse.WithLastEventID(place), sse.WithIdleTimeout(time.Minute))
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		if err := handle(event); err != nil {
			return err
		}
		if err := storePlace(file, stream.LastEventID()); err != nil {
			return err
		}
	}
	return nil
}

// event returns an event with data from which a test recognizes it.
func event(id string) sse.Event { return sse.Event{ID: id, Data: "event " + id} }

// The program fails at its second event. The next run begins with that event.
func TestPlaceInAFile(t *testing.T) {
	srv := ssetest.NewServer(t, ssetest.InOrder(
		ssetest.Script{ssetest.WantHeader("Last-Event-ID", ""), ssetest.Send(event("1"), event("2")), ssetest.Stall()},
		ssetest.Script{ssetest.WantHeader("Last-Event-ID", "1"), ssetest.Send(event("2")), ssetest.Stall()},
	))
	client := sse.NewClient(sse.WithHTTPClient(srv.Client()))
	dir := t.TempDir()
	file := filepath.Join(dir, "place")
	failure := errors.New("out of order")
	var handled []string
	for range 2 {
		err := followFromFile(client, srv.Get("/feed"), file, func(e sse.Event) error {
			handled = append(handled, e.ID)
			if e.ID == "2" {
				return failure
			}
			return nil
		})
		require.ErrorIs(t, err, failure)
	}
	require.Equal(t, []string{"1", "2", "2"}, handled)
	require.Len(t, srv.Requests(), 2)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1) // no temporary file is left
	require.Error(t, storePlace(filepath.Join(dir, "missing", "place"), "1"))
}

// patience returns the option of a subscription of which there are many.
func patience() sse.Option {
	return sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
		switch {
		case a.Err == nil: // the server has ended the response, as in a deploy
			return a.Delay + rand.N(30*time.Second), a.Retry
		case a.Elapsed > time.Hour: // without progress
			return 0, false // the stream ends with the last failure
		}
		return a.Delay, a.Retry
	})
}

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Retry(time.Second), ssetest.Send(event("1"))}, // a deploy
			ssetest.Script{ssetest.Answer(503)},                                  // for ever
		))
		stream, err := sse.Subscribe(srv.Get("/feed"), sse.WithHTTPClient(srv.Client()), patience())
		require.NoError(t, err)
		for stream.Next() {
		}
		require.ErrorContains(t, stream.Err(), "503 Service Unavailable")
		require.True(t, sse.Retryable(stream.Err()))
		requests := srv.Requests()
		wait := requests[1].Time.Sub(requests[0].Time)
		require.GreaterOrEqual(t, wait, time.Second)
		require.Less(t, wait, 32*time.Second)
		outage := requests[len(requests)-1].Time.Sub(requests[0].Time)
		require.Greater(t, outage, time.Hour)
		require.Less(t, outage, time.Hour+time.Minute)
	})
}

var errReset = errors.New("the server has reset its IDs")

// followRising calls handle for each event of a feed whose IDs are numbers that rise.
func followRising(client *sse.Client, req *http.Request, place int64, handle func(sse.Event) error) error {
	stream, err := client.Subscribe(req, sse.WithLastEventID(strconv.FormatInt(place, 10)))
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		id, err := strconv.ParseInt(event.ID, 10, 64)
		switch {
		case err != nil:
			return err
		case id == place:
			continue // the server has sent the last event again
		case id < place:
			return errReset
		}
		if err := handle(event); err != nil {
			return err
		}
		place = id
	}
	return nil
}

// mustStartAgain reports whether the place is of no use to the server any more. The program
// then needs the complete state before it follows the feed again.
func mustStartAgain(err error) bool {
	refusal, ok := errors.AsType[*sse.ResponseError](err)
	return errors.Is(err, errReset) || ok && refusal.StatusCode == http.StatusGone
}

func TestReset(t *testing.T) {
	for name, again := range map[string]ssetest.Script{
		"lower IDs": {ssetest.Send(event("1"))},
		"gone":      {ssetest.Answer(410)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ssetest.NewServer(t, ssetest.InOrder(
					ssetest.Script{ssetest.Send(event("7"), event("8")), ssetest.Cut()},
					ssetest.Script{ssetest.WantHeader("Last-Event-ID", "8"), ssetest.Send(event("8"), event("9"))},
					again,
				))
				var handled []string
				err := followRising(sse.NewClient(sse.WithHTTPClient(srv.Client())), srv.Get("/feed"), 6, func(e sse.Event) error {
					handled = append(handled, e.ID)
					return nil
				})
				require.True(t, mustStartAgain(err), err)
				require.False(t, mustStartAgain(errors.New("disk full")))
				require.Equal(t, []string{"7", "8", "9"}, handled)
			})
		})
	}
}

// readFor reads the stream for a time, to its last complete event.
func readFor(stream *sse.Stream, limit time.Duration, handle func(sse.Event)) error {
	timer := time.AfterFunc(limit, func() { stream.Close() })
	defer timer.Stop()
	for event, err := range stream.Events() {
		if errors.Is(err, sse.ErrClosed) {
			return nil // this program wanted it
		}
		if err != nil {
			return err
		}
		handle(event)
	}
	return nil
}

func TestCloseFromAnotherGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Data("a"), ssetest.Wait(time.Minute), ssetest.Data("b"), ssetest.Stall()},
			ssetest.Script{ssetest.Answer(503)},
		))
		var got []string
		handle := func(e sse.Event) { got = append(got, e.Data) }
		stream, err := sse.Subscribe(srv.Get("/feed"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		require.NoError(t, readFor(stream, time.Hour, handle))
		require.Equal(t, []string{"a", "b"}, got)

		stream, err = sse.Subscribe(srv.Get("/feed"), sse.WithHTTPClient(srv.Client()), sse.WithMaxRetries(1))
		require.NoError(t, err)
		require.ErrorContains(t, readFor(stream, time.Hour, handle), "503")
	})
}

// A lostConn can lose its network: nothing arrives any more, and nothing ends it.
type lostConn struct {
	net.Conn
	lost *atomic.Bool
}

func (c lostConn) Read(b []byte) (int, error) {
	for {
		if n, err := c.Conn.Read(b); err != nil || !c.lost.Load() {
			return n, err
		}
	}
}

// The network of an HTTP/2 connection is lost, and the server sends no comments. The health
// check ends the connection, and the subscription resumes over another one.
func TestHealthCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Send(event("1")), ssetest.Stall()},
			ssetest.Script{ssetest.WantHeader("Last-Event-ID", "1"), ssetest.Send(event("2")), ssetest.Stall()},
		), ssetest.HTTP2())
		var lost []*atomic.Bool
		transport := srv.Client().Transport.(*http.Transport)
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			lost = append(lost, new(atomic.Bool))
			return lostConn{conn, lost[len(lost)-1]}, err
		}
		transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}

		stream, err := sse.Subscribe(srv.Get("/feed"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		defer stream.Close()
		require.True(t, stream.Next())
		time.Sleep(time.Hour) // the checks succeed
		synctest.Wait()
		require.Equal(t, 1, srv.Connections())
		lost[0].Store(true)
		began := time.Now()
		require.True(t, stream.Next())
		require.Equal(t, "2", stream.Event().ID)
		require.Equal(t, 2, srv.Connections())
		require.LessOrEqual(t, time.Since(began), 47*time.Second) // 45 for the check, 1 to 1.5 for the wait
	})
}

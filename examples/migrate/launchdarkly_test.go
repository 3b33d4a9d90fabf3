package migrate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/launchdarkly/eventsource"
	"github.com/stretchr/testify/require"
)

func TestLaunchDarkly(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{
		{ssetest.WantHeader("Last-Event-ID", "16"), soon, send("17", "one"), ssetest.Data("two"), ssetest.Cut()},
		{ssetest.WantHeader("Last-Event-ID", "17"), send("18", "three"), ssetest.Raw("data: half\n")},
		{ssetest.WantHeader("Last-Event-ID", "18"), ssetest.Answer(http.StatusNoContent)},
	}
	old := run(t, beforeLaunchDarkly, scripts...)
	require.NoError(t, old.err)
	ours := run(t, afterLaunchDarkly, scripts...)
	require.NoError(t, ours.err)
	require.Equal(t, "17 one\n17 two\n18 three\n", ours.out)

	// A block without data is an event of the old client, here that of the retry field.
	require.Equal(t, "16 \n"+ours.out, old.out)
}

// A failure of the first attempt is an error of the old call, whatever it is.
func TestLaunchDarklyFirstAttempt(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{
		{ssetest.Answer(http.StatusServiceUnavailable)},
		{soon, send("17", "one")},
		{ssetest.Answer(http.StatusNoContent)},
	}
	old := run(t, beforeLaunchDarkly, scripts...)
	require.ErrorAs(t, old.err, new(eventsource.SubscriptionError))
	ours := run(t, afterLaunchDarkly, scripts...)
	require.NoError(t, ours.err)
	require.Equal(t, "17 one\n", ours.out)

	refused(t, run(t, afterLaunchDarkly, ssetest.Script{ssetest.Answer(http.StatusUnauthorized)}), http.StatusUnauthorized)
}

// Later, the old client retries after any status unless an error handler ends it.
func TestLaunchDarklyRefused(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{{soon, send("1", "one")}, {ssetest.Answer(http.StatusUnauthorized)}, {ssetest.Answer(http.StatusUnauthorized)}}
	old := runUntil(t, 3, withoutHandler, scripts...)
	require.Len(t, old.requests, 4)
	require.Equal(t, "EOF\nerror 401\nerror 401\n", old.out)

	ours := run(t, afterLaunchDarkly, scripts...)
	refused(t, ours, http.StatusUnauthorized)
	require.Equal(t, "1 one\n", ours.out)
	require.Len(t, ours.requests, 2)
}

// withoutHandler prints the errors of a stream with default options.
func withoutHandler(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	stream, err := eventsource.SubscribeWithRequestAndOptions(req)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		select {
		case _, ok := <-stream.Events:
			if !ok {
				return nil
			}
		case err, ok := <-stream.Errors:
			if !ok {
				return nil
			}
			fmt.Fprintln(out, err)
		}
	}
}

// The old client does not look at the media type.
func TestLaunchDarklyNotAStream(t *testing.T) {
	t.Parallel()
	login := ssetest.Script{ssetest.Answer(http.StatusOK, "Content-Type", "text/html"), soon, ssetest.Raw("<p>Please log in.\n\n")}
	old := runUntil(t, 1, beforeLaunchDarkly, login)
	require.NoError(t, old.err)
	require.Equal(t, "16 \n16 \n", old.out) // the HTML is an event, as is the retry field
	require.Len(t, old.requests, 2)

	refused(t, run(t, afterLaunchDarkly, login), http.StatusOK)
}

func TestLaunchDarklyChannel(t *testing.T) {
	t.Parallel()
	ours := run(t, afterChannel, feed...)
	require.NoError(t, ours.err)
	require.Equal(t, "1 one\n2 two\n3 three\n", ours.out)
	refused(t, run(t, afterChannel, feed[0], page), http.StatusOK)
}

// Reconnect is our Restart. It does not wait.
func TestLaunchDarklyRestart(t *testing.T) {
	t.Parallel()
	scripts := ssetest.InOrder(ssetest.Script{send("1", "one"), ssetest.Stall()}, ssetest.Script{send("2", "two"), ssetest.Stall()})
	srv := ssetest.NewServer(t, scripts, ssetest.Loopback())
	stream, err := sse.Subscribe(srv.Get("/"))
	require.NoError(t, err)
	defer stream.Close()
	require.True(t, stream.Next())
	stream.Reconnect()
	require.True(t, stream.Next())
	require.Equal(t, "two", stream.Event().Data)
}

// The old client always waits 3 s by default, and does not retry before its error is read.
func TestLaunchDarklyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Open(), ssetest.Cut()}))
		stream, err := eventsource.SubscribeWithRequestAndOptions(srv.Get("/"), eventsource.StreamOptionHTTPClient(srv.Client()))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.Len(t, srv.Requests(), 1)
		for range 3 {
			<-stream.Errors
		}
		stream.Close()
		<-stream.Events // it is closed
		requests := srv.Requests()
		require.Len(t, requests, 3)
		require.Equal(t, time.Hour+3*time.Second, requests[1].Time.Sub(requests[0].Time))
		require.Equal(t, 3*time.Second, requests[2].Time.Sub(requests[1].Time))
		time.Sleep(time.Minute) // until the timer of the next attempt has gone
	})
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Open(), ssetest.Cut()}))
		stream, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()), sse.WithMaxRetries(3))
		require.NoError(t, err)
		require.False(t, stream.Next())
		requests := srv.Requests()
		require.Len(t, requests, 4)
		require.Less(t, requests[1].Time.Sub(requests[0].Time), requests[3].Time.Sub(requests[2].Time))
	})
}

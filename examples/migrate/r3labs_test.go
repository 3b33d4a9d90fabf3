package migrate

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	r3labs "github.com/r3labs/sse/v2"
	"github.com/stretchr/testify/require"
	"gopkg.in/cenkalti/backoff.v1"
)

func TestR3labs(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{
		{ssetest.WantHeader("Authorization", "Bearer secret"), soon, send("1", "one"), ssetest.Cut()},
		{ssetest.WantHeader("Last-Event-ID", "1"), send("2", "two\nlines")}, // the old client ends here
		{ssetest.Answer(http.StatusNoContent)},                              // the new one ends here
	}
	old := run(t, beforeR3labs, scripts...)
	require.NoError(t, old.err)
	ours := run(t, afterR3labs, scripts...)
	require.NoError(t, ours.err)
	require.Equal(t, "1 one\n2 two\nlines\n", ours.out)
	require.Len(t, old.requests, 2)
	require.Len(t, ours.requests, 3)

	// An event without data is an event of the old client.
	require.Equal(t, " \n"+ours.out, old.out)
}

func TestR3labsChannel(t *testing.T) {
	t.Parallel()
	out := same(t, beforeR3labsChannel, afterChannel, ssetest.Script{send("1", "one"), ssetest.Data("stop"), ssetest.Stall()})
	require.Equal(t, "1 one\n", out)
}

// The old client repeats a refused request, whatever the status is, and does not look at the
// media type.
func TestR3labsRefused(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Answer(http.StatusUnauthorized)}
	old := runUntil(t, 2, beforeWithWait(time.Millisecond), script, script)
	require.Len(t, old.requests, 3)
	ours := run(t, afterR3labs, script)
	refused(t, ours, http.StatusUnauthorized)
	require.Len(t, ours.requests, 1)

	old = run(t, beforeR3labs, page)
	require.NoError(t, old.err)
	require.Empty(t, old.out)
	refused(t, run(t, afterR3labs, page), http.StatusOK)
}

// beforeWithWait returns a program with a constant wait, which ends with the context.
func beforeWithWait(wait time.Duration) program {
	return func(ctx context.Context, url string, _ io.Writer) error {
		client := r3labs.NewClient(url)
		client.ReconnectStrategy = backoff.WithContext(backoff.NewConstantBackOff(wait), ctx)
		return client.SubscribeRawWithContext(ctx, func(*r3labs.Event) {})
	}
}

// The old client delivers the beginning of an event.
func TestR3labsHalfAnEvent(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{{ssetest.Raw("id: 1\ndata: {\"amount\": 1")}, {ssetest.Answer(http.StatusNoContent)}}
	old := run(t, beforeR3labs, scripts...)
	require.NoError(t, old.err)
	require.Equal(t, "1 {\"amount\": 1\n", old.out)
	ours := run(t, afterR3labs, scripts...)
	require.NoError(t, ours.err)
	require.Empty(t, ours.out)
}

// An event over 64 KiB breaks the connection of the old client.
func TestR3labsLargeEvent(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<16)
	scripts := []ssetest.Script{{soon, send("1", large)}, {ssetest.Answer(http.StatusNoContent)}}
	old := runUntil(t, 1, beforeWithWait(time.Millisecond), scripts...)
	require.Len(t, old.requests, 2) // it did not get the event, and asks again
	require.Empty(t, old.requests[1].Header.Get("Last-Event-ID"))
	ours := run(t, afterR3labs, scripts...)
	require.NoError(t, ours.err)
	require.Equal(t, "1 "+large+"\n", ours.out)
}

// By default the old client gives up at the first break after 15 minutes.
func TestR3labsGivesUp(t *testing.T) {
	scripts := ssetest.InOrder(
		ssetest.Script{send("1", "one"), ssetest.Wait(16 * time.Minute), send("2", "two"), ssetest.Cut()},
		ssetest.Script{ssetest.Answer(http.StatusNoContent)})
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, scripts)
		client := r3labs.NewClient(srv.URL)
		client.Connection = srv.Client()
		require.Error(t, client.SubscribeRawWithContext(t.Context(), func(*r3labs.Event) {}))
		require.Len(t, srv.Requests(), 1)
	})
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, scripts)
		stream, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		for _, err := range stream.Events() {
			require.NoError(t, err)
		}
		require.Len(t, srv.Requests(), 2)
	})
}

// The old client does not end with the deadline of the context: it retries for 15 minutes.
func TestR3labsDeadline(t *testing.T) {
	scripts := ssetest.InOrder(ssetest.Script{send("1", "one"), ssetest.Stall()})
	elapsed := func(t *testing.T, read func(context.Context, *ssetest.Server) error) time.Duration {
		var took time.Duration
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			require.ErrorIs(t, read(ctx, ssetest.NewServer(t, scripts)), context.DeadlineExceeded)
			took = time.Since(start)
		})
		return took
	}
	took := elapsed(t, func(ctx context.Context, srv *ssetest.Server) error {
		client := r3labs.NewClient(srv.URL)
		client.Connection = srv.Client()
		return client.SubscribeRawWithContext(ctx, func(*r3labs.Event) {})
	})
	require.Greater(t, took, 10*time.Minute)

	took = elapsed(t, func(ctx context.Context, srv *ssetest.Server) error {
		stream, err := sse.Subscribe(srv.Get("/").WithContext(ctx), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		for stream.Next() {
		}
		return stream.Err()
	})
	require.Equal(t, time.Minute, took)
}

// The error of the old client is nil if the context was canceled during a read.
func TestR3labsCancel(t *testing.T) {
	t.Parallel()
	srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{send("1", "one"), ssetest.Stall()}), ssetest.Loopback())
	ctx, cancel := context.WithCancel(t.Context())
	err := r3labs.NewClient(srv.URL).SubscribeRawWithContext(ctx, func(*r3labs.Event) { cancel() })
	require.NoError(t, err)

	ctx, cancel = context.WithCancel(t.Context())
	stream, err := sse.Subscribe(srv.Get("/").WithContext(ctx))
	require.NoError(t, err)
	require.True(t, stream.Next())
	cancel()
	require.False(t, stream.Next())
	require.ErrorIs(t, stream.Err(), context.Canceled)
}

func TestR3labsBase64(t *testing.T) {
	t.Parallel()
	const data = "R29vZCBtb3JuaW5nIQ=="
	srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data(data)}), ssetest.Loopback())
	client := r3labs.NewClient(srv.URL)
	client.EncodingBase64 = true
	require.NoError(t, client.SubscribeRaw(func(event *r3labs.Event) { require.Equal(t, "Good morning!", string(event.Data)) }))

	stream, err := sse.Fetch(srv.Get("/"))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, afterBase64(stream, &out))
	require.Equal(t, "Good morning!\n", out.String())
}

func TestR3labsRetryField(t *testing.T) {
	scripts := ssetest.InOrder(
		ssetest.Script{ssetest.Retry(time.Hour), send("1", "one"), ssetest.Cut()},
		ssetest.Script{ssetest.Answer(http.StatusNoContent)})
	wait := func(t *testing.T, subscribe func(*ssetest.Server)) (wait time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			srv := ssetest.NewServer(t, scripts)
			subscribe(srv)
			requests := srv.Requests()
			wait = requests[1].Time.Sub(requests[0].Time)
		})
		return wait
	}
	require.Less(t, wait(t, func(srv *ssetest.Server) {
		client := r3labs.NewClient(srv.URL)
		client.Connection = srv.Client()
		require.Error(t, client.SubscribeRaw(func(*r3labs.Event) {}))
	}), time.Minute)
	require.GreaterOrEqual(t, wait(t, func(srv *ssetest.Server) {
		stream, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		for stream.Next() {
		}
		require.NoError(t, stream.Err())
	}), time.Hour)
}

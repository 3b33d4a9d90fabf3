package migrate

import (
	"context"
	"net/http"
	"testing"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

var (
	beforeFetchEventSource = node("fetch-event-source.mjs")
	beforeRetriable        = node("retriable.mjs")
	defaults               = node("defaults.mjs") // without onopen, onclose and onerror
)

func TestFetchEventSource(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{
		ssetest.WantHeader("Content-Type", "application/json"), ssetest.WantBody(`{"prompt":"Hello!"}`),
		ssetest.Data("Good", "morning!"),
	}
	require.Equal(t, "Good\nmorning!\nclosed\n", same(t, beforeFetchEventSource, afterFetchEventSource, script))
}

// The promise of an aborted call resolves; the error of ours is that of the context.
func TestFetchEventSourceAbort(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Data("Good", "stop"), ssetest.Stall()}
	old := run(t, beforeFetchEventSource, script)
	require.NoError(t, old.err)
	require.Equal(t, "Good\n", old.out)

	ours := run(t, afterFetchEventSource, script)
	require.ErrorIs(t, ours.err, context.Canceled)
	require.Equal(t, "Good\n", ours.out)
}

func TestFetchEventSourceRefused(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Answer(http.StatusUnauthorized)}
	old := run(t, beforeFetchEventSource, script)
	require.ErrorContains(t, old.err, "refused with 401")
	ours := run(t, afterFetchEventSource, script)
	refused(t, ours, http.StatusUnauthorized)

	// Without an onopen of its own, the call sends the request again, each second.
	old = runUntil(t, 2, defaults, script)
	require.Error(t, old.err) // canceled
	require.Len(t, old.requests, 3)
}

// The default onopen checks the media type and not the status.
func TestFetchEventSourceStatus(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Answer(500, "Content-Type", "text/event-stream"), ssetest.Data("an error")}
	old := run(t, defaults, script)
	require.NoError(t, old.err)
	require.Contains(t, old.out, "an error")

	ours := run(t, afterFetchEventSource, script)
	refused(t, ours, 500)
	require.Len(t, ours.requests, 1)
}

// After a break, the call sends the POST again. Fetch reports it.
func TestFetchEventSourceBreak(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{{soon, ssetest.Data("Good"), ssetest.Cut()}, {ssetest.Data("Good", "morning!")}}
	old := run(t, defaults, scripts...)
	require.NoError(t, old.err)
	require.Len(t, old.requests, 2)
	require.Equal(t, http.MethodPost, old.requests[1].Method)

	ours := run(t, afterFetchEventSource, scripts...)
	truncated(t, ours)
	require.Equal(t, "Good\n", ours.out)
	require.Len(t, ours.requests, 1)
}

// A response that ends in the middle of an event is complete for one and not for the other.
func TestFetchEventSourceHalfAnEvent(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Data("Good"), ssetest.Raw("data: morn")}
	old := run(t, beforeFetchEventSource, script)
	require.NoError(t, old.err)
	require.Equal(t, "Good\nclosed\n", old.out)

	ours := run(t, afterFetchEventSource, script)
	truncated(t, ours)
	require.Equal(t, "Good\n", ours.out)
}

// Each blank line is a message, also after a comment or a retry field.
func TestFetchEventSourceEmptyMessages(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Comment("keep-alive"), soon, ssetest.Data("Good")}
	old := run(t, beforeFetchEventSource, script)
	require.NoError(t, old.err)
	require.Equal(t, "\n\nGood\nclosed\n", old.out)

	ours := run(t, afterFetchEventSource, script)
	require.NoError(t, ours.err)
	require.Equal(t, "Good\nclosed\n", ours.out)
}

// The fields of a message: no type is "", and the ID is the event's own.
func TestFetchEventSourceFields(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{send("1", "a"), ssetest.Data("b")}
	old := run(t, defaults, script)
	require.NoError(t, old.err)
	require.Equal(t, `{"data":"a","event":"","id":"1"}`+"\n"+`{"data":"b","event":"","id":""}`+"\nresolved\n", old.out)

	srv := ssetest.NewServer(t, ssetest.InOrder(script))
	stream, err := sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
	require.NoError(t, err)
	var events []sse.Event
	for event, err := range stream.Events() {
		require.NoError(t, err)
		events = append(events, event)
	}
	require.Equal(t, []sse.Event{{Type: "message", ID: "1", Data: "a"}, {Type: "message", ID: "1", Data: "b"}}, events)
}

func TestRetriable(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{
		{ssetest.WantBody(`{"topic":"news"}`), soon, send("1", "one")},
		{ssetest.WantHeader("Last-Event-ID", "1"), ssetest.WantBody(`{"topic":"news"}`), send("2", "two")},
		{ssetest.WantHeader("Last-Event-ID", "2"), ssetest.Answer(http.StatusNoContent)},
	}
	old := run(t, beforeRetriable, scripts...)
	require.NoError(t, old.err)
	require.Equal(t, " \n1 one\n2 two\nrefused with 204\n", old.out) // the retry field is a message

	ours := run(t, afterRetriable, scripts...)
	require.NoError(t, ours.err)
	require.Equal(t, "1 one\n2 two\n", ours.out)
}

// An event of which only the beginning has come is lost: its ID is sent back.
func TestRetriableHalfAnEvent(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{
		{soon, send("1", "one"), ssetest.Raw("id: 2\ndata: tw")},
		{ssetest.Answer(http.StatusNoContent)},
	}
	old := run(t, beforeRetriable, scripts...)
	require.NoError(t, old.err)
	require.Equal(t, "2", old.requests[1].Header.Get("Last-Event-ID"))

	ours := run(t, afterRetriable, scripts...)
	require.NoError(t, ours.err)
	require.Equal(t, "1", ours.requests[1].Header.Get("Last-Event-ID"))
}

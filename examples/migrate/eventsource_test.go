package migrate

import (
	"net/http"
	"testing"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// beforeEventSource runs the EventSource of npm, which follows the standard as browsers do.
var beforeEventSource = node("eventsource.mjs")

func TestEventSource(t *testing.T) {
	t.Parallel()
	out := same(t, beforeEventSource, afterEventSource, feed...)
	require.Equal(t, "open\n1 one\nnews 2 two\nreconnecting\nopen\nreconnecting\nopen\n3 three\nreconnecting\nclosed\n", out)
}

// Both reconnect after a clean end, and neither delivers an event that is incomplete.
func TestEventSourceHalfAnEvent(t *testing.T) {
	t.Parallel()
	out := same(t, beforeEventSource, afterEventSource,
		ssetest.Script{soon, send("1", "one"), ssetest.Raw("id: 2\ndata: half\n")},
		ssetest.Script{ssetest.WantHeader("Last-Event-ID", "1"), ssetest.Answer(http.StatusNoContent)})
	require.Equal(t, "open\n1 one\nreconnecting\nclosed\n", out)
}

// EventSource ends at an overload, and Subscribe retries.
func TestEventSourceOverload(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 503} {
		scripts := []ssetest.Script{
			{soon, send("1", "one")},
			{ssetest.Answer(status)},
			{send("2", "two")},
			{ssetest.Answer(http.StatusNoContent)},
		}
		old := run(t, beforeEventSource, scripts...)
		require.NoError(t, old.err)
		require.Equal(t, "open\n1 one\nreconnecting\nclosed\n", old.out)

		ours := run(t, afterEventSource, scripts...)
		require.NoError(t, ours.err)
		require.Equal(t, "open\n1 one\nreconnecting\nreconnecting\nopen\n2 two\nreconnecting\nclosed\n", ours.out)
	}
}

// Both end at other refusals. EventSource does not tell the reason.
func TestEventSourceRefused(t *testing.T) {
	t.Parallel()
	for status, script := range map[int]ssetest.Script{401: {ssetest.Answer(401)}, 404: {ssetest.Answer(404)}, 200: page} {
		old := run(t, beforeEventSource, script)
		require.NoError(t, old.err)
		require.Equal(t, "closed\n", old.out)
		require.Len(t, old.requests, 1)

		ours := run(t, afterEventSource, script)
		refused(t, ours, status)
		require.Empty(t, ours.out)
		require.Len(t, ours.requests, 1)
	}
}

// A listener gets the events of one type; the loop gets all.
func TestEventSourceTypes(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{
		{soon, ssetest.Send(sse.Event{Type: "other", Data: "x"}), send("1", "one")},
		{ssetest.Answer(http.StatusNoContent)},
	}
	require.Equal(t, "open\n1 one\nreconnecting\nclosed\n", same(t, beforeEventSource, afterEventSource, scripts...))

	ours := run(t, afterR3labs, scripts...) // it has no switch
	require.NoError(t, ours.err)
	require.Equal(t, " x\n1 one\n", ours.out)
}

// The URL of a response, for the origin of an event.
func TestEventSourceOrigin(t *testing.T) {
	t.Parallel()
	srv := ssetest.NewServer(t, ssetest.InOrder(
		ssetest.Script{ssetest.Answer(http.StatusFound, "Location", "/feed")},
		ssetest.Script{send("1", "one"), ssetest.Stall()}))
	stream, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
	require.NoError(t, err)
	defer stream.Close()
	require.True(t, stream.Next())
	require.Equal(t, srv.URL+"/feed", stream.Response().Request.URL.String())
}

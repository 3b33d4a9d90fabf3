package migrate

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
	gosse "github.com/tmaxmax/go-sse"
)

func TestGoSSE(t *testing.T) {
	t.Parallel()
	old := run(t, beforeGoSSE, feed...)
	failure, ok := errors.AsType[*gosse.ConnectionError](old.err)
	require.True(t, ok)
	require.ErrorContains(t, failure, "received 204") // an error here, and a clean end below
	ours := run(t, afterGoSSE, feed...)
	require.NoError(t, ours.err)

	// A block without data is an event of the old client, here that of the retry field.
	require.Equal(t, " \n1 one\nnews 2 two\n2 \n3 three\n", old.out)
	require.Equal(t, "1 one\nnews 2 two\n3 three\n", ours.out)
}

// A refusal that passes ends the old client, and Subscribe retries.
func TestGoSSEOverload(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{
		{ssetest.Answer(http.StatusServiceUnavailable)},
		{soon, send("1", "one")},
		{ssetest.Answer(http.StatusNoContent)},
	}
	old := run(t, beforeGoSSE, scripts...)
	require.ErrorContains(t, old.err, "503")
	require.Len(t, old.requests, 1)
	ours := run(t, afterGoSSE, scripts...)
	require.NoError(t, ours.err)
	require.Equal(t, "1 one\n", ours.out)
}

func TestGoSSERefused(t *testing.T) {
	t.Parallel()
	old := run(t, beforeGoSSE, page)
	require.ErrorContains(t, old.err, "text/html")
	refused(t, run(t, afterGoSSE, page), http.StatusOK)
}

// The old client loses the Last-Event-ID of the request at its first retry.
func TestGoSSELastEventID(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{{soon, ssetest.Cut()}, {ssetest.Answer(http.StatusNoContent)}}
	for _, client := range []struct {
		subscribe func(*http.Request)
		want      string
	}{
		{func(req *http.Request) { _ = gosse.NewConnection(req).Connect() }, ""},
		{func(req *http.Request) {
			stream, err := sse.Subscribe(req)
			require.NoError(t, err)
			require.False(t, stream.Next())
		}, "16"},
	} {
		srv := ssetest.NewServer(t, ssetest.InOrder(scripts...), ssetest.Loopback())
		req := srv.Get("/")
		req.Header.Set("Last-Event-ID", "16")
		client.subscribe(req)
		require.Len(t, srv.Requests(), 2)
		require.Equal(t, "16", srv.Requests()[0].Header.Get("Last-Event-ID"))
		require.Equal(t, client.want, srv.Requests()[1].Header.Get("Last-Event-ID"))
	}
}

func TestGoSSERead(t *testing.T) {
	t.Parallel()
	out := same(t, beforeGoSSERead, afterGoSSERead, ssetest.Script{ssetest.Data("Good", "morning!", "[DONE]")})
	require.Equal(t, "Good\nmorning!\n", out)
}

// Read does not tell a truncated response from a whole one.
func TestGoSSEReadTruncated(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{"", "data: morn", "data: [DONE]\n"} {
		script := ssetest.Script{ssetest.Data("Good"), ssetest.Raw(rest)}
		old := run(t, beforeGoSSERead, script)
		require.NoError(t, old.err)
		require.Equal(t, "Good\n", old.out)
		ours := run(t, afterGoSSERead, script)
		require.Equal(t, "Good\n", ours.out)
		if strings.Contains(rest, "[DONE]") { // which counts without its blank line
			require.NoError(t, ours.err)
			continue
		}
		truncated(t, ours)
	}
}

// Both limit the size of an event.
func TestGoSSEReadLarge(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Data(strings.Repeat("x", 2<<20)), ssetest.Data("[DONE]")}
	require.Error(t, run(t, beforeGoSSERead, script).err)
	require.ErrorIs(t, run(t, afterGoSSERead, script).err, sse.ErrEventTooLarge)

	// Without options, the limits are 64 KiB and 32 MiB.
	large := ssetest.Encode(sse.Event{Data: strings.Repeat("x", 1<<16)})
	for _, err := range gosse.Read(strings.NewReader(large), nil) {
		require.Error(t, err)
	}
	for event, err := range sse.NewParser(strings.NewReader(large)).Events() {
		require.NoError(t, err)
		require.Len(t, event.Data, 1<<16)
	}
}

// A reader that fails is an error of both. A Parser does not know how a stream ends.
func TestGoSSEReadBroken(t *testing.T) {
	t.Parallel()
	broken := io.MultiReader(strings.NewReader("data: Good\n\n"), errReader{})
	var failure error
	for _, err := range gosse.Read(broken, nil) {
		failure = err
	}
	require.ErrorIs(t, failure, errBroken)
	parser := sse.NewParser(io.MultiReader(strings.NewReader("data: Good\n\n"), errReader{}))
	for parser.Next() {
	}
	require.ErrorIs(t, parser.Err(), errBroken)
}

var errBroken = errors.New("broken")

// An errReader fails.
type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

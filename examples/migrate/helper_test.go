package migrate

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// limit is how long a program may run, on a machine that may be busy.
const limit = time.Minute

// A program reads the event stream at url and prints its events.
type program func(ctx context.Context, url string, out io.Writer) error

// node returns the program of a script in js.
func node(script string) program {
	return func(ctx context.Context, url string, out io.Writer) error {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, "node", "js/"+script, url)
		cmd.Stdout, cmd.Stderr = out, &stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%w: %s", err, cmp.Or(stderr.String(), "no message"))
		}
		return nil
	}
}

// A result tells how a program ran.
type result struct {
	out      string
	err      error
	requests []ssetest.Request
}

// run runs a program against a server of its own, which serves the scripts in order.
func run(t *testing.T, p program, scripts ...ssetest.Script) result {
	t.Helper()
	return runUntil(t, -1, p, scripts...)
}

// runUntil is run for a program that does not end: it cancels the program as soon as the
// request arrives that follows the first n.
func runUntil(t *testing.T, n int, p program, scripts ...ssetest.Script) result {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv := ssetest.NewServer(t, func(i int, r *http.Request) ssetest.Script {
		if i == n {
			cancel()
			return ssetest.Script{ssetest.Stall()}
		}
		return ssetest.InOrder(scripts...)(i, r)
	}, ssetest.Loopback())
	hangs := time.AfterFunc(limit, func() {
		t.Errorf("the program did not end")
		cancel()
	})
	defer hangs.Stop()
	var out bytes.Buffer
	err := p(ctx, srv.URL, &out)
	return result{out.String(), err, srv.Requests()}
}

// same runs the programs with the same scripts and returns their common output.
func same(t *testing.T, before, after program, scripts ...ssetest.Script) string {
	t.Helper()
	old := run(t, before, scripts...)
	require.NoError(t, old.err)
	ours := run(t, after, scripts...)
	require.NoError(t, ours.err)
	require.Equal(t, old.out, ours.out)
	return ours.out
}

// send is a step that sends an event with an ID.
func send(id, data string) ssetest.Step {
	return ssetest.Send(sse.Event{ID: id, Data: data})
}

// The wait before a reconnect, so that the tests do not take long.
var soon = ssetest.Retry(10 * time.Millisecond)

// feed is a subscription of three events. One of its connections breaks, without an event:
// Node may drop those that came just before a break. The server ends the subscription.
var feed = []ssetest.Script{
	{soon, send("1", "one"), ssetest.Send(sse.Event{ID: "2", Type: "news", Data: "two"})},
	{ssetest.WantHeader("Last-Event-ID", "2"), ssetest.Comment("soon"), ssetest.Wait(100 * time.Millisecond), ssetest.Cut()},
	{ssetest.WantHeader("Last-Event-ID", "2"), soon, send("3", "three")},
	{ssetest.WantHeader("Last-Event-ID", "3"), ssetest.Answer(http.StatusNoContent)},
}

// A page is what a proxy or a login sends in place of a stream.
var page = ssetest.Script{ssetest.Answer(http.StatusOK, "Content-Type", "text/html"), ssetest.Raw("<p>Please log in.\n\n")}

// refused requires that a response was not an event stream.
func refused(t *testing.T, r result, status int) {
	t.Helper()
	refusal := new(sse.ResponseError)
	require.ErrorAs(t, r.err, &refusal)
	require.Equal(t, status, refusal.StatusCode)
}

// truncated requires that a response has ended too early.
func truncated(t *testing.T, r result) {
	t.Helper()
	cut := new(sse.TruncatedError)
	require.ErrorAs(t, r.err, &cut)
}

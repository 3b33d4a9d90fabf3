package main

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server-everything is the reference server of the protocol. It uses the TypeScript SDK.
func TestServerEverything(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	cmd := node(t, "@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp")
	cmd.Env = append(os.Environ(), "PORT="+port)
	start(t, cmd, address)
	url := "http://" + address + "/mcp"

	t.Run("lists its tools", func(t *testing.T) {
		t.Parallel()
		p, out := newProgram(url)
		p.tool = ""
		require.NoError(t, p.use(t.Context()))
		require.Contains(t, out.printed(), "tool echo")
		require.Equal(t, 1, out.count("revision "+stateful))
	})
	t.Run("calls a tool", func(t *testing.T) {
		t.Parallel()
		p, out := newProgram(url)
		p.tool, p.arguments = "echo", []byte(`{"message":"hello"}`)
		require.NoError(t, p.use(t.Context()))
		require.Equal(t, []string{"revision " + stateful, "Echo: hello"}, out.printed())
	})
	t.Run("responds to a question", func(t *testing.T) {
		t.Parallel()
		p, out := newProgram(url)
		p.tool = "trigger-elicitation-request"
		require.NoError(t, p.answer.Set(`{"name":"Ann"}`))
		require.NoError(t, p.use(t.Context()))
		require.Equal(t, 1, out.count("✅ User provided the requested information!"))
	})
	t.Run("listens", func(t *testing.T) {
		t.Parallel()
		p, out := newProgram(url)
		c := open(t, p)
		defer p.listenMeanwhile(t.Context(), c)()
		_, err := c.call(t.Context(), "toggle-simulated-logging", p.arguments)
		require.NoError(t, err)
		out.await(t, "notifications/message", 1)
	})
	// The server replays what it sent before a resume, and then sends nothing on the resumed
	// stream: its event store returns the ID of the event where the SDK expects that of the
	// stream. The client resumes again after silence.
	t.Run("resumes a call", func(t *testing.T) {
		t.Parallel()
		p, out := newProgram(breaking(t, address, progressMark(2), progressMark(5)) + "/mcp")
		p.tool, p.arguments = "trigger-long-running-operation", []byte(`{"duration":4,"steps":8}`)
		p.idle = 2 * time.Second
		require.NoError(t, p.use(t.Context()))
		want := append(wholeCall(stateful)[:steps+1], "Long running operation completed. Duration: 4 seconds, Steps: 8.")
		require.Equal(t, want, withoutWaits(out.printed()))
		require.GreaterOrEqual(t, out.count("waiting "), 2)
	})
}

// freeAddress returns an address of the loopback interface at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// limit is how long a test waits for what has to happen, on a machine that may be busy.
const limit = 30 * time.Second

// A printer records the lines that a program prints.
type printer struct {
	mu    sync.Mutex
	lines []string
}

func (p *printer) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *printer) printed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// count returns the number of lines with a prefix.
func (p *printer) count(prefix string) int {
	n := 0
	for _, line := range p.printed() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// await waits until n lines have the prefix.
func (p *printer) await(t *testing.T, prefix string, n int) {
	t.Helper()
	await(t, prefix, func() bool { return p.count(prefix) >= n })
}

// await waits until happened returns true.
func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !happened(); {
		require.Truef(t, time.Now().Before(deadline), "%s: not within %v", what, limit)
		time.Sleep(10 * time.Millisecond)
	}
}

// withoutWaits returns the lines that do not report a lost connection.
func withoutWaits(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if !strings.HasPrefix(line, "waiting ") {
			kept = append(kept, line)
		}
	}
	return kept
}

// wholeCall returns what the program prints for a call of the slow tool.
func wholeCall(revision string) []string {
	lines := []string{"revision " + revision}
	for i := range steps {
		lines = append(lines, fmt.Sprintf("progress %d of %d", i+1, steps))
	}
	return append(lines, "slow but sure")
}

// newProgram returns a program that calls the slow tool of the server at url.
func newProgram(url string) (*program, *printer) {
	out := new(printer)
	return &program{url: url, newest: stateless, tool: "slow", arguments: []byte("{}"), log: out.printf}, out
}

// A sdkServer is a server of the MCP Go SDK.
type sdkServer struct {
	*slowServer
	http *httptest.Server

	mu      sync.Mutex
	methods map[string]int // HTTP
}

// newSDKServer starts a server. wrap may be nil.
func newSDKServer(t *testing.T, opts mcp.StreamableHTTPOptions, wrap func(http.Handler) http.Handler) *sdkServer {
	t.Helper()
	s := &sdkServer{slowServer: newSlowServer(10 * time.Millisecond), methods: make(map[string]int)}
	var handler http.Handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.Server }, &opts)
	if wrap != nil {
		handler = wrap(handler)
	}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.methods[r.Method]++
		s.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.http.CloseClientConnections(); s.http.Close() })
	return s
}

func (s *sdkServer) received() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]int{"POST": s.methods["POST"], "GET": s.methods["GET"], "DELETE": s.methods["DELETE"]}
}

// breaking returns the URL of a proxy that breaks a connection at each of the marks.
func breaking(t *testing.T, address string, marks ...string) string {
	t.Helper()
	b, err := newBreaker(address, marks...)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return "http://" + b.Addr().String()
}

// resumable are the options of a server whose streams can be resumed.
func resumable() mcp.StreamableHTTPOptions {
	return mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)}
}

// open returns a client that has agreed with the server on a revision.
func open(t *testing.T, p *program) *client {
	t.Helper()
	c := p.newClient()
	require.NoError(t, c.open(t.Context(), p.newest))
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		_ = c.end(ctx) // the server may have ended the session
	})
	return c
}

// node returns the command that runs a program of an npm package.
func node(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	path := filepath.Join("node_modules", script)
	_, err := os.Stat(path)
	require.NoErrorf(t, err, "%s is missing; run examples/mcp/install.sh", path)
	program := filepath.Join("node_modules", ".bin", "node") // where the system has an old Node
	if _, err := os.Stat(program); err != nil {
		program, err = exec.LookPath("node")
		require.NoError(t, err, "node is not installed; run examples/mcp/install.sh")
	}
	cmd := exec.Command(program, append([]string{"--require", "./loopback.cjs", path}, args...)...)
	cmd.WaitDelay = time.Second
	return cmd
}

// start runs cmd until the test ends, and waits until it listens at address.
func start(t *testing.T, cmd *exec.Cmd, address string) {
	t.Helper()
	var output strings.Builder // read after the end
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // a signal ends it
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		<-ended
		if t.Failed() {
			t.Logf("%s has written:\n%s", cmd, &output)
		}
	})
	await(t, "a listener at "+address, func() bool {
		select {
		case <-ended:
			require.FailNowf(t, "the program has ended", "%s: %s", cmd, &output)
		default:
		}
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

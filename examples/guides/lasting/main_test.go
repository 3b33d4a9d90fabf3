package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// TestMain makes the test binary the program, which the test can then start and kill.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_LASTING") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	payments = 600 // of each feed
	accounts = 7
	bad      = 333 // the ID of an event that is not a payment
)

// A bank serves the feeds. It breaks each connection, often in the middle of an event. It
// sends the last event again when a client resumes. A token is good for three connections.
type bank struct {
	tokens, uses, connections, logins atomic.Int64
	refused                           atomic.Int64
	connected                         chan struct{} // gets an element for each connection
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		b.logins.Add(1)
		b.uses.Store(0)
		fmt.Fprintln(w, "token", b.tokens.Add(1))
		return
	}
	if r.Header.Get("Authorization") != fmt.Sprint("Bearer token ", b.tokens.Load()) || b.uses.Add(1) > 3 {
		b.refused.Add(1)
		http.Error(w, "expired", http.StatusUnauthorized)
		return
	}
	b.connections.Add(1)
	b.connected <- struct{}{}
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // none is 0
	if last == payments {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 10\n\n")
	for id := max(last, 1); id <= min(last+40, payments); id++ {
		data := fmt.Sprintf(`{"account":"%d","cents":%d,"time":%q}`, id%accounts, id, time.Now().Format(time.RFC3339Nano))
		if id == bad {
			data = "oops"
		}
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", id, data)
	}
	if last%2 == 0 {
		fmt.Fprint(w, "id: 9999\ndata: {\"account\":\"0\",") // not a complete event
	}
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// The program is killed six times, and stopped once, while each connection breaks and
// tokens expire. At the end each payment has been counted once.
func TestEachPaymentIsCountedOnce(t *testing.T) {
	b := &bank{connected: make(chan struct{}, 1000)}
	srv := httptest.NewServer(b)
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "balances.db")
	start := func() (*exec.Cmd, *strings.Builder) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-db", file, "-login", srv.URL+"/token", "-metrics", "127.0.0.1:0",
			"-pause", "10ms", "north="+srv.URL+"/payments")
		cmd.Env = append(os.Environ(), "RUN_LASTING=1")
		var output strings.Builder
		cmd.Stderr = &output
		require.NoError(t, cmd.Start())
		return cmd, &output
	}
	for i := range 6 {
		cmd, output := start()
		for range 2 {
			<-b.connected
		}
		time.Sleep(time.Duration(i) * time.Millisecond) // another place each time, in the middle of the events
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait(), output)
		require.NotContains(t, output.String(), "ERROR failed")
	}
	if runtime.GOOS != "windows" { // which has no such signal
		cmd, output := start()
		<-b.connected
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait(), output)
		require.Contains(t, output.String(), `INFO ended feed=north err="terminated signal received"`)
	}
	cmd, output := start()
	require.NoError(t, cmd.Wait(), output)
	require.Contains(t, output.String(), `INFO ended feed=north err=<nil>`)
	require.NotContains(t, output.String(), "ERROR failed") // an expired token is not a failure
	require.Greater(t, b.refused.Load(), int64(1))          // tokens have expired
	t.Logf("%d connections, %d tokens, %d refused", b.connections.Load(), b.logins.Load(), b.refused.Load())

	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer db.Close()
	for account := range accounts {
		want := 0
		for id := 1; id <= payments; id++ {
			if id%accounts == account && id != bad {
				want += id
			}
		}
		require.Equal(t, want, query(t, db, "SELECT cents FROM balance WHERE account = ?", account), account)
	}
	require.Equal(t, payments, query(t, db, "SELECT id FROM place WHERE feed = 'north'"))
	require.Equal(t, bad, query(t, db, "SELECT id FROM rejected"))
	require.Equal(t, 1, query(t, db, "SELECT count(*) FROM rejected"))
}

func query(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(query, args...).Scan(&n))
	return n
}

func TestReason(t *testing.T) {
	for want, err := range map[string]error{
		"end":           nil,
		"status 503":    fmt.Errorf("gave up: %w", &sse.ResponseError{StatusCode: 503}),
		"timeout":       fmt.Errorf("GET: %w", sse.ErrIdleTimeout),
		"break":         &sse.TruncatedError{Err: io.ErrUnexpectedEOF},
		"no connection": refusedConnection(t),
		"failure":       errors.New("disk full"),
	} {
		require.Equal(t, want, reason(err))
	}
}

// refusedConnection returns the error of a request that no server has received.
func refusedConnection(t *testing.T) error {
	srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{}))
	srv.Refuse(1)
	_, err := sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client()), sse.WithMaxRetries(0))
	require.Error(t, err)
	return err
}

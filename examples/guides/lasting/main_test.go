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
	"sync"
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
	payments = 1800 // of each feed
	accounts = 7
	bad      = 333 // the ID of an event that is not a payment
)

// A bank serves the feeds. It breaks each connection, often in the middle of an event. It
// sends the last event again when a client resumes. A token is good for three connections.
type bank struct {
	mu              sync.Mutex
	uses            map[string]int // by token
	logins, refused int
	connected       chan struct{} // gets an element for each connection
}

func (b *bank) login() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logins++
	token := fmt.Sprint("secret-", b.logins)
	b.uses[token] = 3
	return token
}

func (b *bank) accepts(authorization string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	token, _ := strings.CutPrefix(authorization, "Bearer ")
	if b.uses[token] == 0 {
		b.refused++
		return false
	}
	b.uses[token]--
	return true
}

func (b *bank) refusals() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		fmt.Fprintln(w, b.login())
		return
	}
	if !b.accepts(r.Header.Get("Authorization")) {
		http.Error(w, "expired", http.StatusUnauthorized)
		return
	}
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

// A program is a running copy of this one.
type program struct {
	*exec.Cmd
	output strings.Builder
}

func start(t *testing.T, file, server string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), os.Args[0], "-db", file, "-login", server+"/token", "-metrics", "127.0.0.1:0",
		"-pause", "10ms", "north="+server+"/payments")}
	p.Env = append(os.Environ(), "RUN_LASTING=1")
	p.Stderr = &p.output
	require.NoError(t, p.Start())
	return p
}

// The program is killed six times and stopped once, while each connection breaks and tokens
// expire. Then two programs run at once, which is a mistake. At the end each payment has
// been counted once.
func TestEachPaymentIsCountedOnce(t *testing.T) {
	b := &bank{uses: make(map[string]int), connected: make(chan struct{}, 1000)}
	srv := httptest.NewServer(b)
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "balances.db")
	for i := range 6 {
		p := start(t, file, srv.URL)
		for range i + 1 {
			<-b.connected
		}
		time.Sleep(time.Duration(i) * time.Millisecond) // another place each time, in the middle of the events
		require.NoError(t, p.Process.Kill())
		require.Error(t, p.Wait(), p.output.String())
		require.NotContains(t, p.output.String(), "ERROR failed")
	}
	require.Positive(t, b.refusals()) // tokens have expired, which is not a failure

	if runtime.GOOS != "windows" { // which has no such signal
		p := start(t, file, srv.URL)
		<-b.connected
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.NoError(t, p.Wait(), p.output.String())
		require.Contains(t, p.output.String(), `INFO ended feed=north err="terminated signal received"`)
		require.NotContains(t, p.output.String(), "ERROR failed")
	}

	p, second := start(t, file, srv.URL), start(t, file, srv.URL)
	require.NoError(t, p.Wait(), p.output.String())
	require.NoError(t, second.Wait(), second.output.String())
	require.Contains(t, p.output.String(), `INFO ended feed=north err=<nil>`)
	require.Contains(t, p.output.String()+second.output.String(), `err="another program has moved the place"`)
	require.NotContains(t, p.output.String()+second.output.String(), "secret")

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

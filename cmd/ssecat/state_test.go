package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

const feedEvents = 300

// feed serves events from 1 to feedEvents, and resumes. It signals requests, and never waits
// to do so.
func feed(t *testing.T) (url string, requests chan struct{}) {
	requests = make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case requests <- struct{}{}:
		default:
		}
		last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		if last == feedEvents {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i := last + 1; i <= feedEvents; i++ {
			fmt.Fprintf(w, "retry: 1\nid: %d\ndata: event %d\n\n", i, i)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, requests
}

const maxKills = 15

// runAndKill runs cmd and kills it at a random moment after its request, unless there were
// enough kills. It reports whether the command came to its end.
func runAndKill(t *testing.T, cmd *exec.Cmd, requests chan struct{}, kills int) (ended bool) {
	t.Helper()
	select {
	case <-requests: // of an earlier run
	default:
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	<-requests
	if kills < maxKills {
		killer := time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		defer killer.Stop()
	}
	if cmd.Wait() == nil {
		return true
	}
	killed := -1 // by a signal
	if runtime.GOOS == "windows" {
		killed = 1 // the status that Kill gives
	}
	require.Equal(t, killed, cmd.ProcessState.ExitCode(), stderr.String())
	require.Empty(t, stderr.String())
	return false
}

// feedLines are the lines of the whole feed.
func feedLines() (lines []string) {
	for i := range feedEvents {
		lines = append(lines, fmt.Sprintf("event %d", i+1))
	}
	return lines
}

// Kills at random moments lose nothing and repeat nothing if the output is a regular file.
func TestStateWithAFile(t *testing.T) {
	t.Parallel()
	mode := os.O_WRONLY // as of the shell
	if runtime.GOOS != "linux" {
		mode = os.O_RDWR // elsewhere the program cannot open its standard output again
	}
	for name, args := range map[string][]string{"standard output": nil, "-o": {"-o"}} {
		t.Run(name, func(t *testing.T) {
			url, requests := feed(t)
			dir := t.TempDir()
			path := filepath.Join(dir, "out")
			if args != nil {
				args = append(args, path)
			}
			kills := 0
			for end := false; !end; {
				cmd := command(t, append(args, "--state", filepath.Join(dir, "state"), url)...)
				out, err := os.OpenFile(path, os.O_CREATE|mode|os.O_APPEND, 0o600)
				require.NoError(t, err)
				if args == nil {
					cmd.Stdout = out
				}
				if end = runAndKill(t, cmd, requests, kills); !end {
					kills++
				}
				out.Close()
			}
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, strings.Join(feedLines(), "\n")+"\n", string(got), kills)
			require.NotZero(t, kills)
		})
	}
}

// With a pipe, nothing is lost, and at most the last event of a killed run is printed again.
func TestStateWithAPipe(t *testing.T) {
	t.Parallel()
	url, requests := feed(t)
	state := filepath.Join(t.TempDir(), "state")
	seen, kills := 0, 0
	for end := false; !end; kills++ {
		var stdout bytes.Buffer // which a pipe leads to
		cmd := command(t, "--state", state, url)
		cmd.Stdout = &stdout
		end = runAndKill(t, cmd, requests, kills)
		first := true
		for line := range strings.Lines(stdout.String()) {
			again := first && seen > 0 && line == fmt.Sprintf("event %d\n", seen)
			if first = false; again {
				continue
			}
			seen++
			require.Equal(t, fmt.Sprintf("event %d\n", seen), line)
		}
	}
	require.Equal(t, feedEvents, seen)
}

// The next run completes what was announced, and touches nothing else in the file.
func TestStateCompletesTheOutput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ out, want string }{
		"nothing written":  {"a\n", "a\nbcd\n"},
		"a part":           {"a\nbc", "a\nbcd\n"},
		"all":              {"a\nbcd\n", "a\nbcd\n"},
		"all, and more":    {"a\nbcd\nend\n", "a\nbcd\nend\n"},
		"something else":   {"a\nended\n", "a\nended\nbcd\n"},
		"an empty file":    {"", "bcd\n"},
		"a shorter output": {"a", "abcd\n"},
	} {
		t.Run(name, func(t *testing.T) {
			out := file(t, c.out)
			state := file(t, `{"id":"1","next":{"id":"2","size":2,"output":"YmNkCg=="}}`)
			srv := server(t, ssetest.Script{ssetest.WantHeader("Last-Event-ID", "2"), ssetest.Answer(204)})
			code, _, stderr := ssecat(t, "", "-o", out, "--state", state, srv.URL)
			require.Equal(t, complete, code, stderr)
			got, err := os.ReadFile(out)
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
			saved, err := os.ReadFile(state)
			require.NoError(t, err)
			require.JSONEq(t, `{"id":"2"}`, string(saved))
		})
	}
}

func TestStateOfFilteredEvents(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	srv := server(t, ssetest.Script{ssetest.Raw("id: 1\ndata: a\n\nid: 2\nevent: x\ndata: b\n\nid: 3\n\n")})
	code, stdout, stderr := ssecat(t, "", "--state", state, "-t", "message", "--once", srv.URL)
	require.Equal(t, complete, code, stderr)
	require.Equal(t, "a\n", stdout)
	var p place
	text, err := os.ReadFile(state)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &p))
	require.Equal(t, place{ID: "3"}, p)
}

func TestBrokenState(t *testing.T) {
	t.Parallel()
	path := file(t, "{")
	code, _, stderr := ssecat(t, "", "--state", path, "http://localhost:1")
	require.Equal(t, notWritten, code)
	require.Contains(t, stderr, "--state: "+path+" could not be read: ")
}

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// A replay prints what the recorded run has printed, and ends as it did.
func TestReplay(t *testing.T) {
	t.Parallel()
	event := func(id string) ssetest.Step { return ssetest.Send(sse.Event{ID: id, Data: "event " + id}) }
	for name, c := range map[string]struct {
		scripts []ssetest.Script
		args    []string
		code    int
		lines   int
	}{
		"feed": {
			[]ssetest.Script{
				{ssetest.Retry(time.Millisecond), event("1"), ssetest.Raw("data: ill-formed \xff\n\n"), ssetest.Raw("id: 9\ndata: half"), ssetest.Cut()},
				{event("2"), ssetest.Wait(50 * time.Millisecond), event("3")},
				{ssetest.Answer(204)},
			}, nil, complete, 4,
		},
		"truncated POST": {[]ssetest.Script{{event("1"), ssetest.Cut()}}, []string{"--json", "{}"}, truncated, 1},
		"raw":            {[]ssetest.Script{{ssetest.Comment("hi"), event("1")}}, []string{"--once", "--raw"}, complete, 5},
		"refused":        {[]ssetest.Script{{ssetest.Answer(404, "Content-Type", "application/json"), ssetest.Raw(`{"a":1}`)}}, nil, refused, 0},
		"timeout":        {[]ssetest.Script{{event("1"), ssetest.Stall()}}, []string{"--once", "--idle-timeout", "1"}, timedOut, 1},
		"no response":    {[]ssetest.Script{{ssetest.Cut()}}, []string{"--retry-max", "0"}, noResponse, 0},
		"completed":      {[]ssetest.Script{{event("1"), ssetest.Data("[DONE]"), ssetest.Stall()}}, []string{"--done", "[DONE]"}, complete, 1},
	} {
		t.Run(name, func(t *testing.T) {
			recorded := filepath.Join(t.TempDir(), "bug.jsonl")
			srv := server(t, c.scripts...)
			code, want, stderr := ssecat(t, "", append(c.args, srv.URL+"/x?key=secret", "-H", "X-Key: secret", "--record", recorded)...)
			require.Equal(t, c.code, code, stderr)
			require.Equal(t, c.lines, strings.Count(want, "\n"))
			text, err := os.ReadFile(recorded)
			require.NoError(t, err)
			require.NotContains(t, string(text), "secret")
			code, got, replayed := ssecat(t, "", append(c.args, "--replay", recorded)...)
			if name == "timeout" { // the client left, so the replay ends there
				require.Contains(t, []int{truncated, timedOut}, code)
			} else {
				require.Equal(t, c.code, code, replayed)
			}
			require.Equal(t, want, got)
		})
	}
}

// A replay has the pauses of the recording.
func TestReplayPauses(t *testing.T) {
	t.Parallel()
	recording := file(t, `{"ssecat":1,"method":"GET","url":"http://x/feed","subscribe":false}
{"at":1,"request":{"last_event_id":""},"response":{"status":200,"header":{"Content-Type":["text/event-stream"]}},"opened":1.01}
{"at":1.1,"data":"data: a\n\n"}
{"at":1.4,"data":"data: b\n\n"}
{"at":1.4,"end":"clean"}
{"at":1.5,"da`)
	began := time.Now()
	code, stdout, stderr := ssecat(t, "", "--replay", recording)
	require.Equal(t, complete, code, stderr)
	require.Equal(t, "a\nb\n", stdout)
	require.GreaterOrEqual(t, time.Since(began), 400*time.Millisecond)
}

// A recording can be served to other programs, any number of times.
func TestServe(t *testing.T) {
	t.Parallel()
	recording := file(t, `{"ssecat":1,"method":"GET","url":"http://x/feed","subscribe":true}
{"at":0,"request":{"last_event_id":""},"response":{"status":200,"header":{"Content-Type":["text/event-stream"]}}}
{"at":0,"data":"data: a\n\n"}
{"at":0,"end":"clean"}
{"at":0,"request":{"last_event_id":""},"end":"cut","reason":"refused"}
`)
	cmd := command(t, "--replay", recording, "--serve", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	url, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	for range 2 {
		resp, err := http.Get(strings.TrimSpace(url))
		require.NoError(t, err)
		require.Equal(t, "/feed", resp.Request.URL.Path)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, "data: a\n\n", string(body))
		_, err = http.Get(strings.TrimSpace(url))
		require.Error(t, err)
		resp, err = http.Get(strings.TrimSpace(url))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
	}
	if runtime.GOOS == "windows" { // a process cannot send an interrupt there
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		return
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Equal(t, interrupted, wait(t, cmd, cmd.Wait()))
}

func TestBrokenRecording(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                                    "has no request",
		"{}\n":                                "not a recording",
		"{\n":                                 "line 1: ",
		"{\"ssecat\":1}\n{\"data\":\"a\"}\n":  "line 2 comes before a request",
		"{\"ssecat\":1}\n{\"data\":\"a\"]}\n": "line 2: ",

		"{\"ssecat\":1,\"url\":\"http://[\"}\n{\"request\":{}}\n": "--replay: parse ",
	} {
		code, _, stderr := ssecat(t, "", "--replay", file(t, content))
		require.Equal(t, failed, code)
		require.Contains(t, stderr, want)
	}
}

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain runs the program instead of the tests if a test has started this binary.
func TestMain(m *testing.M) {
	if os.Getenv("QUICKSTART") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// quickstart runs the program with a server that responds with stream.
func quickstart(t *testing.T, stream string) (stdout string, err error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
	}))
	defer srv.Close()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, srv.URL)
	cmd.Env = append(os.Environ(), "QUICKSTART=1", "API_KEY=secret")
	out, err := cmd.Output()
	return string(out), err
}

const tokens = `data: {"choices":[{"delta":{"role":"assistant"}}]}

data: {"choices":[{"delta":{"content":"Good "}}]}

data: {"choices":[{"delta":{"content":"morning!"}}]}

`

func TestQuickstart(t *testing.T) {
	out, err := quickstart(t, tokens+"data: [DONE]\n\n")
	require.NoError(t, err)
	require.Equal(t, "Good morning!\n", out)
}

func TestQuickstartTruncated(t *testing.T) {
	out, err := quickstart(t, tokens)
	failed := new(exec.ExitError)
	require.ErrorAs(t, err, &failed)
	require.Contains(t, string(failed.Stderr), "the response ended after 3 events without [DONE]")
	require.Equal(t, "Good morning!\n", out)
}

func TestQuickstartErrorEvent(t *testing.T) {
	for _, block := range []string{`data: {"error":{"message":"overloaded"}}`, `data: {"error":"overloaded"}`, "event: error\ndata: overloaded"} {
		_, err := quickstart(t, tokens+block+"\n\n")
		failed := new(exec.ExitError)
		require.ErrorAs(t, err, &failed)
		require.Regexp(t, "error event: .*overloaded", string(failed.Stderr))
	}
}

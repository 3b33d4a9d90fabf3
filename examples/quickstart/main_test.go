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

// quickstart runs the program.
func quickstart(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), "QUICKSTART=1", "API_KEY=secret")
	out, err := cmd.Output()
	if err == nil {
		return string(out), ""
	}
	failed := new(exec.ExitError)
	require.ErrorAs(t, err, &failed)
	require.NotEmpty(t, failed.Stderr)
	return string(out), string(failed.Stderr)
}

func TestQuickstart(t *testing.T) {
	out, stderr := quickstart(t)
	require.Empty(t, stderr)
	require.Equal(t, response, out)
}

func TestQuickstartCut(t *testing.T) {
	out, stderr := quickstart(t, "-cut")
	require.Equal(t, "Hello! What can I ", out)
	require.Regexp(t, "^\nsse: POST .*: the response ended after 4 events without", stderr)
}

func TestQuickstartURL(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, `{"error":{"message":"no key"}}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\nevent: error\ndata: overloaded\n\n")
	}))
	defer srv.Close()
	out, stderr := quickstart(t, "-url", srv.URL)
	require.Equal(t, "Hi", out)
	require.Contains(t, stderr, "error event: llm: overloaded")
}

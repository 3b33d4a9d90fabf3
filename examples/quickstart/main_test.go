package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain runs the program instead of the tests if a test has started this binary: in
// front of the server of the variable, if it is set.
func TestMain(m *testing.M) {
	server, ok := os.LookupEnv("QUICKSTART")
	if !ok {
		os.Exit(m.Run())
	}
	if server != "" {
		http.DefaultTransport = toServer(server)
	}
	main()
}

// quickstart runs the program.
func quickstart(t *testing.T, server, key string, args ...string) (stdout, stderr string) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), "QUICKSTART="+server, "OPENAI_API_KEY="+key)
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
	out, stderr := quickstart(t, "", "")
	require.Empty(t, stderr)
	require.Equal(t, response, out)
}

func TestQuickstartCut(t *testing.T) {
	out, stderr := quickstart(t, "", "", "-cut")
	require.Equal(t, "Hello! What can I ", out)
	require.Contains(t, stderr, "\nsse: POST https://api.openai.com/v1/chat/completions: the response ended after 4 events without")
}

func TestQuickstartWithKey(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, `{"error":{"message":"no key"}}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\nevent: error\ndata: overloaded\n\n")
	}))
	defer srv.Close()
	out, stderr := quickstart(t, strings.TrimPrefix(srv.URL, "http://"), "secret")
	require.Equal(t, "Hi", out)
	require.Contains(t, stderr, "error event: llm: overloaded")
}

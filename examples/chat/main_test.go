package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

var writers = map[string]writer{
	"openai":    writeOpenAI,
	"responses": writeResponses,
	"anthropic": writeAnthropic,
	"gemini":    writeGemini,
}

// chat runs the program and returns its exit status and output.
func chat(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader("from stdin\n"), &out, &errs)
	return code, out.String(), errs.String()
}

// server starts a server that responds to every prompt with script.
func server(t *testing.T, script ...ssetest.Step) *ssetest.Server {
	return ssetest.NewServer(t, ssetest.InOrder(script), ssetest.Loopback())
}

func TestEmbedded(t *testing.T) {
	for provider := range dialects {
		t.Run(provider, func(t *testing.T) {
			code, stdout, stderr := chat(t, "-provider", provider, "-pause", "0", "hello", `"you"`)
			require.Equal(t, success, code, stderr)
			tokens := makeTokens([]string{"hello", `"you"`})
			require.Equal(t, strings.Join(tokens, "")+"\n", stdout)
			require.Contains(t, stdout, `You wrote “hello "you"”`)
			output := len(tokens)
			if provider == "gemini" {
				output += 3 // thoughts count as output
			}
			want := fmt.Sprintf(`^usage: 2 input tokens, %d output tokens\nfirst token after [\d.µm]+s\n$`, output)
			require.Regexp(t, want, stderr)
		})
	}
}

func TestPromptFromStdin(t *testing.T) {
	code, stdout, stderr := chat(t, "-pause", "0")
	require.Equal(t, success, code, stderr)
	require.Contains(t, stdout, "You wrote “from stdin”")
}

func TestRefused(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "secret")
	const body = `{"error":{"message":"Incorrect API key provided."}}`
	srv := server(t, ssetest.Answer(http.StatusUnauthorized, "Content-Type", "application/json"), ssetest.Raw(body))
	code, stdout, stderr := chat(t, "-url", srv.URL, "hello")
	require.Equal(t, failed, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "401 Unauthorized: llm: Incorrect API key provided.\n")
	require.NotContains(t, stderr, "secret")
}

// A trigger cancels when a text is written, as a user does with Ctrl-C.
type trigger struct {
	written string
	text    string
	cancel  context.CancelFunc
}

func (w *trigger) Write(b []byte) (int, error) {
	w.written += string(b)
	if strings.Contains(w.written, w.text) {
		w.cancel()
	}
	return len(b), nil
}

func TestCancel(t *testing.T) {
	half := strings.Join(writeOpenAI([]string{"one ", "two"}, 1)[:4], "")
	for name, c := range map[string]struct {
		script ssetest.Script
		stdout string // text on stdout that cancels
		stderr string // text on stderr that cancels
		want   string
	}{
		"reading": {
			ssetest.Script{ssetest.Raw(half), ssetest.Stall()},
			"two", "-",
			"canceled: context canceled\nreceived: 3 events, 2 text deltas, 7 characters",
		},
		"waiting": {
			ssetest.Script{ssetest.Answer(http.StatusTooManyRequests)},
			"-", "retrying",
			"/chat/completions: 429 Too Many Requests\nreceived: 0 events",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stdout, stderr := &trigger{text: c.stdout, cancel: cancel}, &trigger{text: c.stderr, cancel: cancel}
			code := run(ctx, []string{"-url", server(t, c.script...).URL, "hello"}, nil, stdout, stderr)
			require.Equal(t, interrupted, code)
			require.Contains(t, stderr.written, "canceled: context canceled")
			require.Contains(t, stderr.written, c.want)
		})
	}
}

func TestCancelBeforeHeaders(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	received := ssetest.Check(func(*http.Request) { cancel() })
	code := run(ctx, []string{"-url", server(t, received, ssetest.Stall()).URL, "hello"}, nil, io.Discard, io.Discard)
	require.Equal(t, interrupted, code)
}

// A canceler is a terminal on which the user only presses Ctrl-C.
type canceler struct {
	context.CancelFunc
	io.Reader
}

func (c canceler) Read(b []byte) (int, error) {
	c.CancelFunc()
	return c.Reader.Read(b)
}

func TestCancelPrompt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	var stderr bytes.Buffer
	require.Equal(t, interrupted, run(ctx, nil, canceler{cancel, r}, io.Discard, &stderr))
	require.Contains(t, stderr.String(), "canceled: context canceled\n")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-provider", "unknown", "hello"},
		{"-url", "localhost/v1", "hello"},
		{"-url", "://secret", "hello"},
		{"-nonsense"},
		{""},
	} {
		code, stdout, stderr := chat(t, args...)
		require.Equal(t, usage, code, args)
		require.Empty(t, stdout, args)
		require.Contains(t, stderr, "Usage", args)
		require.NotContains(t, stderr, "secret")
	}
	code, _, _ := chat(t, "-h")
	require.Equal(t, success, code)
}

package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// modelText is the text that aimock sends. Each event has 20 code units of UTF-16, so that
// it could contain half of 👋. Here it does not.
const modelText = "Each event carries twenty characters of this text, and the last one fewer.\n" +
	"It is long enough to be cut in the middle, in each dialect. 再见 👋 "

// aimockFixtures contains what aimock sends for each prompt.
var aimockFixtures = func() string {
	type object = map[string]any
	complete := object{"content": modelText, "usage": object{
		"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, // OpenAI
		"input_tokens": 11, "output_tokens": 7, // Responses, Anthropic
		"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18, // Gemini
	}}
	failure := func(status int, message string) object {
		return object{"status": status, "error": object{"message": message, "type": "mock"}}
	}
	busy := failure(http.StatusTooManyRequests, "too many prompts")
	b, err := json.Marshal(object{"fixtures": []object{
		{"match": object{"userMessage": "complete"}, "response": complete},
		{
			"match": object{"userMessage": "truncated"}, "response": complete,
			"truncateAfterChunks": 6, "latency": 10, // milliseconds, in which a chunk leaves before the cut
		},
		{"match": object{"userMessage": "disconnected"}, "response": complete, "chaos": object{"disconnectRate": 1}},
		{"match": object{"userMessage": "busy once", "sequenceIndex": 0}, "response": busy},
		{"match": object{"userMessage": "busy once"}, "response": complete},
		{"match": object{"userMessage": "always busy"}, "response": busy},
		{"match": object{"userMessage": "failed"}, "response": failure(http.StatusInternalServerError, "out of order")},
		{"match": object{"userMessage": "malformed"}, "response": complete, "chaos": object{"malformedRate": 1}},
	}})
	if err != nil {
		panic(err)
	}
	return string(b)
}()

// startAimock runs @copilotkit/aimock, a mock server for the APIs of language models. It
// returns its base URL and its name with its version.
func startAimock(t *testing.T) (base, name string) {
	t.Helper()
	const directory = "node_modules/@copilotkit/aimock"
	manifest, err := os.ReadFile(filepath.Join(directory, "package.json"))
	require.NoError(t, err, "aimock is not installed; run interop/install.sh")
	var installed struct{ Version string }
	require.NoError(t, json.Unmarshal(manifest, &installed))
	args := []string{
		filepath.Join(directory, "dist", "cli.js"),
		"--port", "0", "--fixtures", writeFile(t, "fixtures.json", aimockFixtures),
	}
	node := exec.Command("node_modules/.bin/node", args...) // installed where that of the system is too old
	if _, err := os.Stat(node.Path); err != nil {
		node = command(t, "node", args...)
	}
	server := start(t, node)
	address := regexp.MustCompile(`listening on (http://\S+)`)
	await(t, "the address of aimock", func() bool {
		select {
		case <-server.ended:
			require.FailNow(t, "aimock has ended", &server.output)
		default:
		}
		if m := address.FindStringSubmatch(server.output.String()); m != nil {
			base = m[1]
		}
		return base != ""
	})
	return base, "aimock " + installed.Version
}

// buildChat builds examples/chat and returns the path of the program.
func buildChat(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat")
	build := exec.Command("go", "build", "-o", path, "./examples/chat")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	return path
}

// aimockPosts returns how many requests aimock has received from a test.
func aimockPosts(t *testing.T, base, id string) int {
	t.Helper()
	ended := time.Now().Add(patience)
	for { // aimock records a request after it has responded
		resp, err := http.DefaultClient.Do(request(t, http.MethodGet, base+"/__aimock/journal?testId="+url.QueryEscape(id)))
		require.NoError(t, err)
		var entries []json.RawMessage
		err = json.NewDecoder(resp.Body).Decode(&entries)
		resp.Body.Close()
		require.NoError(t, err)
		if len(entries) > 0 || time.Now().After(ended) {
			return len(entries)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The chat client reads the responses of aimock in four dialects, and reports those that
// are not complete.
func TestAimock(t *testing.T) {
	base, name := startAimock(t)
	chat := buildChat(t)
	paths := map[string]string{"openai": "/v1", "responses": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}
	const whole, part, none = modelText + "\n", "part", ""
	for _, c := range []struct {
		prompt string
		code   int
		stdout string
		stderr string // a regular expression
		posts  int
		held   string
	}{
		{
			"complete", 0, whole, `^usage: 11 input tokens, 7 output tokens\nfirst token after \S+\n$`, 1,
			"all of the text and the token counts, exit status 0",
		},
		{
			"truncated", 1, part, `^error: .*: the connection broke after \d+ events: unexpected EOF\nreceived: `, 1,
			"the text so far, a truncation error, exit status 1, one POST",
		},
		{
			"disconnected", 1, none, `^error: .*: EOF\n$`, 1,
			"an error, exit status 1, one POST",
		},
		{
			"busy once", 0, whole, `^sse: .* 429 Too Many Requests: llm: mock: too many prompts; retry after 1s; retrying in 1[.\d]*s\nusage: `, 2,
			"a retry after Retry-After, then all of the text, exit status 0",
		},
		{
			"always busy", 1, none, `\nerror: sse: gave up after 2 retries: .* 429 Too Many Requests: llm: mock: too many prompts; retry after 1s\n`, 3,
			"two retries, an error with the reason, exit status 1, three POSTs",
		},
		{
			"failed", 1, none, `^error: .*: 500 Internal Server Error: llm: mock: out of order\n`, 1,
			"an error with the reason, exit status 1, one POST",
		},
		{
			"malformed", 1, none, `^error: .*: 200 OK, but the content is "application/json" instead of text/event-stream\n`, 1,
			"an error with the body, exit status 1, one POST",
		},
	} {
		t.Run(c.prompt, func(t *testing.T) {
			t.Cleanup(func() { results.row(t, name, "four dialects, "+c.prompt, "%s", c.held) })
			for provider, path := range paths {
				t.Run(provider, func(t *testing.T) {
					t.Parallel()
					id := provider + " " + c.prompt // counts the requests of this test
					endpoint := base + path + "?testId=" + url.QueryEscape(id)
					program := exec.CommandContext(t.Context(), chat, "-provider", provider, "-url", endpoint, c.prompt)
					var stdout, stderr bytes.Buffer
					program.Stdout, program.Stderr = &stdout, &stderr
					err := program.Run()
					if _, ok := errors.AsType[*exec.ExitError](err); !ok {
						require.NoError(t, err)
					}
					require.Equal(t, c.code, program.ProcessState.ExitCode(), &stderr)
					if c.stdout == part {
						text := strings.TrimSuffix(stdout.String(), "\n")
						require.NotEmpty(t, text)
						require.NotEqual(t, modelText, text)
						require.True(t, strings.HasPrefix(modelText, text), text)
					} else {
						require.Equal(t, c.stdout, stdout.String())
					}
					require.Regexp(t, c.stderr, stderr.String())
					require.Equal(t, c.posts, aimockPosts(t, base, id))
				})
			}
		})
	}
}

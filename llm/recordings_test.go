package llm_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
)

// recorded returns a recorded stream. The recordings are not in the repository: the test is
// skipped if their folder is absent.
func recorded(t *testing.T, name string) string {
	t.Helper()
	const dir = "../../shared/streams"
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skip("there are no recorded streams: ", err)
	}
	body, err := os.ReadFile(filepath.Join(dir, name+".sse"))
	require.NoError(t, err)
	return string(body)
}

// readRecorded reads a recorded stream in every way, and its first half.
func readRecorded(t *testing.T, d llm.Dialect, name string) result {
	t.Helper()
	body := recorded(t, name)
	first := ways[0].read(t, d, strings.NewReader(body))
	for _, w := range ways {
		got := w.read(t, d, strings.NewReader(body))
		require.Equal(t, first.stream, got.stream, w.name)

		half := w.read(t, d, strings.NewReader(body[:len(body)/2]))
		require.True(t, isTruncated(half.cause), "%s: %v", w.name, half.cause)
		require.True(t, strings.HasPrefix(first.text, half.text), w.name)
	}
	return first
}

func TestRecordedAnthropicAndGemini(t *testing.T) {
	for _, r := range []struct {
		name, finish string
		dialect      llm.Dialect
		calls        int
	}{
		{"anthropic-messages-thinking", "tool_use", llm.Anthropic, 1},
		{"gemini-generate", "STOP", llm.Gemini, 0},
	} {
		t.Run(r.name, func(t *testing.T) {
			got := readRecorded(t, r.dialect, r.name)
			require.NoError(t, got.cause)
			require.Equal(t, r.finish, got.finish)
			require.Equal(t, r.calls == 0, got.text != "")
			for _, call := range got.calls {
				require.NotEmpty(t, call.Name)
				require.True(t, json.Valid([]byte(call.Arguments)), call.Arguments)
			}
			require.NotEmpty(t, got.reasoning)
			require.Len(t, got.calls, r.calls)
			require.Positive(t, got.usage.Input)
			require.Positive(t, got.usage.Output)
		})
	}
}

// Streams of Cohere, Replicate, Dify and the AI SDK that were recorded.
func TestRecordedApplications(t *testing.T) {
	for _, r := range []struct {
		name    string
		dialect llm.Dialect
		text    bool // it has text, and otherwise a tool call
		finish  string
		usage   *llm.Usage
	}{
		{"cohere-v2-chat", llm.Cohere, false, "TOOL_CALL", &llm.Usage{Input: 1508, Output: 67, Cached: 1472}},
		{"replicate-text-ids", llm.Replicate, true, "", nil},
		{"dify-chat-bare-ping", llm.Dify, true, "", &llm.Usage{Input: 18, Output: 779}},
		{"ai-sdk-ui-message", llm.AISDK, true, "", nil},
	} {
		t.Run(r.name, func(t *testing.T) {
			got := readRecorded(t, r.dialect, r.name)
			require.NoError(t, got.cause)
			require.Equal(t, r.text, got.text != "")
			require.Equal(t, r.text, got.calls == nil)
			require.Equal(t, r.finish, got.finish)
			require.Equal(t, r.usage, got.usage)

			var text strings.Builder
			for s, err := range r.dialect.Text(parse(recorded(t, r.name))) {
				require.NoError(t, err)
				text.WriteString(s)
			}
			require.Equal(t, r.text, text.Len() > 0)
		})
	}
}

package llm_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// Streams of Cohere, Replicate, Dify and the AI SDK that were recorded.
func TestRecordedApplications(t *testing.T) {
	const dir = "../../shared/streams"
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no shared streams: ", err)
	}
	for _, r := range []struct {
		file    string
		dialect llm.Dialect
		text    bool // it has text, and otherwise a tool call
		finish  string
		usage   *llm.Usage
	}{
		{"cohere-v2-chat.sse", llm.Cohere, false, "TOOL_CALL", &llm.Usage{Input: 1508, Output: 67, Cached: 1472}},
		{"replicate-text-ids.sse", llm.Replicate, true, "", nil},
		{"dify-chat-bare-ping.sse", llm.Dify, true, "", &llm.Usage{Input: 18, Output: 779}},
		{"ai-sdk-ui-message.sse", llm.AISDK, true, "", nil},
	} {
		t.Run(r.file, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join(dir, r.file))
			require.NoError(t, err)
			for _, w := range ways {
				got := w.read(t, r.dialect, strings.NewReader(string(body)))
				require.NoError(t, got.cause, w.name)
				require.Equal(t, r.text, got.text != "", w.name)
				require.Equal(t, r.text, got.calls == nil, w.name)
				require.Equal(t, r.finish, got.finish, w.name)
				require.Equal(t, r.usage, got.usage, w.name)

				half := w.read(t, r.dialect, strings.NewReader(string(body[:len(body)/2])))
				require.True(t, isTruncated(half.cause), "%s: %v", w.name, half.cause)
				require.True(t, strings.HasPrefix(got.text, half.text), w.name)
			}
			var text strings.Builder
			for s, err := range r.dialect.Text(sse.NewParser(strings.NewReader(string(body)))) {
				require.NoError(t, err)
				text.WriteString(s)
			}
			require.Equal(t, r.text, text.Len() > 0)
		})
	}
}

package llm_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// readBody reads body with a Parser.
func readBody(t *testing.T, d llm.Dialect, body string) result {
	t.Helper()
	return join(d.Deltas(parse(body)))
}

func parse(body string) *sse.Parser { return sse.NewParser(strings.NewReader(body)) }

// without returns body without the lines that begin with one of the prefixes.
func without(body string, prefixes ...string) string {
	var b strings.Builder
lines:
	for line := range strings.Lines(body) {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				continue lines
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

// recording returns a recorded stream, which may lie outside the repository.
func recording(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("../../shared/streams", name))
	if os.IsNotExist(err) {
		t.Skip("no recorded streams: ", err)
	}
	require.NoError(t, err)
	return body
}

func TestRecordedAnthropicAndGemini(t *testing.T) {
	for _, r := range []struct {
		name, finish string
		dialect      llm.Dialect
		calls        int
	}{
		{"anthropic-messages-thinking.sse", "tool_use", llm.Anthropic, 1},
		{"gemini-generate.sse", "STOP", llm.Gemini, 0},
	} {
		body := recording(t, r.name)
		for _, w := range ways {
			t.Run(r.name+"/"+w.name, func(t *testing.T) {
				got := w.read(t, r.dialect, bytes.NewReader(body))
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

				cut := w.read(t, r.dialect, bytes.NewReader(body[:len(body)/2]))
				require.True(t, isTruncated(cut.cause), "%v", cut.cause)
			})
		}
	}
}

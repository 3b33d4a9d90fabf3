package llm_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
)

// The streams in testdata/streams that a dialect reads. The others there are of MCP and of
// feeds. The framing is that of the services.
func TestStreams(t *testing.T) {
	for name, s := range map[string]struct {
		dialect llm.Dialect
		want    stream
	}{
		"anthropic-error": {llm.Anthropic, stream{
			text:  "Der Leuchtturm von Kråkhamn steht seit 1871 auf der Schäre. Sein Licht reicht neunzehn Seemeilen weit, und",
			usage: &llm.Usage{Input: 25, Output: 1},
			err:   "Overloaded",
		}},
		"anthropic-tool-use": {llm.Anthropic, stream{
			reasoning: "The user wants the depth at the pier. I have a tool for that.",
			calls: []llm.ToolCall{{
				Index: 1, ID: "toolu_0119661a2588ab913dcd98", Name: "depth_at", Arguments: `{"place": "pier 3", "tide": "low"}`,
			}},
			finish: "tool_use",
			usage:  &llm.Usage{Input: 31, Output: 48},
		}},
		"dify-ping": {llm.Dify, stream{
			text: "Low water at pier 3 is at 10:20, with 4.2 m under the keel.",
		}},
		"error-data": {llm.OpenAIChat, stream{
			text: " and the full moon: sun and moon",
			err:  "The server had an error while processing your request.",
		}},
		"error-event": {llm.OpenAIChat, stream{
			text: "Spring tides follow the new and the full moon:",
			err:  "Tool call validation failed: parameters for tool depth_at did not match schema",
		}},
		"error-field-name": {llm.OpenAIChat, stream{
			text: " higher and low water falls lower. A week later they pull at right angles and the range is small —",
			err:  "context is full, try again with a shorter prompt",
		}},
		"error-raw-json": {llm.OpenAIChat, stream{
			text: "Spring tides follow the new and",
			err:  "upstream request timeout",
		}},
		"gemini-crlf": {llm.Gemini, stream{
			text: "Ebbeund Flut wechseln etwa alle sechs Stunden.\n\n* **Hochwasser**: 04:12 und 16:37\n" +
				"* **Niedrigwasser**: 10:20 und 22:49\n\nBei Springtide 🌕 ist der Hub am größten.",
			finish: "STOP",
			usage:  &llm.Usage{Input: 9, Output: 48},
		}},
		"openai-chat-cut": {llm.OpenAIChat, stream{
			text: "Spring tides follow the new and the full moon: sun and moon pull along",
			err:  "truncated",
		}},
		"openai-chat": {llm.OpenAIChat, stream{
			text:   "Spring tides follow the new and the full moon: sun and moon pull along one line, so high",
			finish: "stop",
			usage:  &llm.Usage{Input: 21, Output: 18},
		}},
		"openai-responses": {llm.OpenAIResponses, stream{
			text:   "Here is the chart of the harbour, with the depths at low water in metres.",
			finish: "completed",
			usage:  &llm.Usage{Input: 40, Output: 19},
		}},
		"replicate-ids": {llm.Replicate, stream{
			text: "The old pilot said:\n\n“Red right returning.”\n\n  — and left.\n",
		}},
	} {
		body, err := os.ReadFile("../testdata/streams/" + name + ".sse")
		require.NoError(t, err)
		s.want.name, s.want.body = name, strings.ReplaceAll(string(body), "\r\n", "\n")
		check(t, s.dialect, []stream{s.want})
	}
}

package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/fetchsse/sse/ssetest"
)

// responses has a complete response in each dialect, whose text is Hello, and the reason in
// OpenAI's words.
var responses = map[llm.Dialect]struct{ body, finish string }{
	llm.OpenAIChat: {"data: " + text("Hello") + "\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n", "length"},
	llm.Perplexity: {"data: " + text("Hello") + "\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", "stop"},
	llm.OpenAIResponses: {`event: response.output_text.delta
data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hello"}

event: response.completed
data: {"type":"response.completed","response":{"status":"completed","output":[],"usage":{"input_tokens":1,"output_tokens":2}}}

`, "stop"},
	llm.Anthropic: {`event: message_start
data: {"type":"message_start","message":{"usage":{"input_tokens":1,"output_tokens":1}}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":2}}

event: message_stop
data: {"type":"message_stop"}

`, "length"},
	llm.Gemini: {`data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]},"index":0}]}

data: {"candidates":[{"content":{"parts":[{"text":"lo"}]},"finishReason":"SAFETY"}]}

`, "content_filter"},
	llm.GeminiInteractions: {`data: {"event_type":"step.start","index":0,"step":{"type":"model_output"}}

data: {"event_type":"step.delta","index":0,"delta":{"type":"text","text":"Hello"}}

data: {"event_type":"interaction.completed","interaction":{"status":"completed"}}

data: [DONE]

`, "stop"},
	llm.Cohere: {`event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hello"}}}}

event: message-end
data: {"type":"message-end","delta":{"finish_reason":"MAX_TOKENS"}}

data: [DONE]

`, "length"},
	llm.Replicate: {"event: output\nid: 1:0\ndata: Hel\n\nevent: output\nid: 1:1\ndata: lo\n\nevent: done\nid: 1:2\ndata: {}\n\n", "stop"},
	llm.Dify: {`data: {"event":"message","message_id":"m","answer":"Hello"}

data: {"event":"message_end","message_id":"m","metadata":{}}

`, "stop"},
	llm.AISDK: {`data: {"type":"start-step"}

data: {"type":"text-delta","id":"t","delta":"Hello"}

data: {"type":"finish-step"}

data: {"type":"finish","finishReason":"content-filter"}

data: [DONE]

`, "content_filter"},
}

// events returns the events of a body.
func events(t *testing.T, body string) (all []sse.Event) {
	t.Helper()
	for e, err := range sse.NewParser(strings.NewReader(body)).Events() {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

// Every dialect is relayed as it is, and becomes chunks of Chat Completions.
func TestDialects(t *testing.T) {
	require.Len(t, responses, len(dialects))
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			r := responses[d]
			_, body, line := exchangeWith(t, d, ssetest.Raw(r.body))
			require.Equal(t, events(t, r.body), events(t, body))
			require.Equal(t, "complete", line["end"])

			_, body, line = translated(t, d, ssetest.Raw(r.body))
			got, err := joined(t, body)
			require.NoError(t, err)
			require.Equal(t, "Hello", got.Text)
			require.Equal(t, r.finish, got.Finish)
			require.True(t, strings.HasSuffix(body, "data: [DONE]\n\n"))
			require.Equal(t, "complete", line["end"])

			// Without its last events, the response is truncated, whatever the clients read.
			start, _, _ := strings.Cut(r.body, "\n\n")
			_, body, line = translated(t, d, ssetest.Raw(start+"\n\n"), ssetest.Comment("relayed"))
			_, err = joined(t, body)
			require.ErrorAs(t, err, new(*llm.Error))
			require.NotContains(t, body, "[DONE]")
			require.Equal(t, "truncated", line["end"])
		})
	}
}

// The error events that the gateway makes are errors to those who read the dialect.
func TestErrorEvents(t *testing.T) {
	f := failure{status: 503, kind: "api_error", message: "the reason"}
	for name, d := range dialects {
		e := &exchange{gateway: &gateway{from: d}, stream: open(t, "")}
		block, err := sse.AppendEvent(nil, e.errorEvent(f))
		require.NoError(t, err)
		var last error
		for _, err := range d.Deltas(sse.NewParser(bytes.NewReader(block))) {
			last = err
		}
		reported, ok := errors.AsType[*llm.Error](last)
		require.True(t, ok, name)
		require.Equal(t, f.message, reported.Message, name)
	}
}

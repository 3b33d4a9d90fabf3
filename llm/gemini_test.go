package llm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
)

const geminiWhole = `data: {"candidates": [{"content": {"parts": [{"text": "Hm","thought": true}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 9}}

data: {"candidates": [{"content": {"parts": [{"text": "Hel"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 9,"candidatesTokenCount": 1,"thoughtsTokenCount": 5}}

data: {"candidates": [{"content": {"parts": [{"text": "lo"},{"executableCode": {"code": "1"}},{"inlineData": {"data": "aGk="}}],"role": "model"},"finishReason": "STOP","finishMessage": "Done.","index": 0}],"usageMetadata": {"promptTokenCount": 9,"toolUsePromptTokenCount": 2,"cachedContentTokenCount": 4,"candidatesTokenCount": 2,"thoughtsTokenCount": 5}}

`

func TestGemini(t *testing.T) {
	check(t, llm.Gemini, []stream{
		{
			name: "whole", body: geminiWhole,
			text: "Hello", reasoning: "Hm", finish: "STOP", usage: &llm.Usage{Input: 11, Output: 7, Cached: 4, Reasoning: 5},
		},
		{
			name: "several candidates, keep-alives and [DONE]",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"No"}]},"index":1,"finishReason":"STOP"},{"content":{"parts":[{"text":"Hel"}]},"index":0}]}

data: ping

data: {}

data: {"candidates":[{"content":{"parts":[{"text":"lo"}]},"finishReason":"STOP"}]}

data: {"candidates":[{"content":{"parts":[{"text":"No"}]},"index":1,"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":5}}

data: [DONE]

`,
			text: "Hello", finish: "STOP",
		},
		{
			name: "a reason to finish in each chunk",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9}}

data: {"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2}}

`,
			text: "Hello", finish: "STOP", usage: &llm.Usage{Input: 9, Output: 2},
		},
		{
			name: "calls in two chunks",
			body: `data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"weather","args":{"city":"Rome"}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"b","name":"time"}}]}}]}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"b","name":"time"}}]}}]}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"weather","args":{"city":"Oslo"}}},{"functionCall":{}}]},"finishReason":"STOP"}]}

`,
			calls: []llm.ToolCall{
				{Index: 0, Name: "weather", Arguments: `{"city":"Rome"}`},
				{Index: 1, ID: "b", Name: "time"},
				{Index: 2, ID: "b", Name: "time"},
				{Index: 3, Name: "weather", Arguments: `{"city":"Oslo"}`},
			},
			finish: "STOP",
		},
		{
			name: "two candidates with the same index",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]},"finishReason":"STOP"},{"content":{"parts":[{"text":"lo"}]}}]}

`,
			text: "Hello", finish: "STOP",
		},
		{
			name: "blocked prompt",
			body: `data: {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT","blockReasonMessage": "The prompt is blocked."},"usageMetadata": {"promptTokenCount": 9}}

`,
			refusal: "The prompt is blocked.", finish: "PROHIBITED_CONTENT", usage: &llm.Usage{Input: 9},
		},
		{
			name: "blocked response",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]}}],"promptFeedback":{"safetyRatings":[]}}

data: {"candidates":[{"finishReason":"SAFETY","finishMessage":"The response is blocked.","index":0}]}

`,
			text: "Hel", refusal: "The response is blocked.", finish: "SAFETY",
		},
		{
			name: "malformed call",
			body: `data: {"candidates":[{"content":{},"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: f("}]}

`,
			refusal: "Malformed function call: f(", finish: "MALFORMED_FUNCTION_CALL",
		},
		{
			name: "limit of the length",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]},"finishReason":"MAX_TOKENS"}]}

`,
			text: "Hel", finish: "MAX_TOKENS",
		},
		{
			name: "words that are not a reason",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]},"finishReason":""}]}

data: {"candidates":[{"content":{"parts":[{"text":"lo"}]},"finishReason":"FINISH_REASON_UNSPECIFIED"}],"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED"}}

data: {"candidates":[{"content":{"parts":[{"text":"!"}]},"finishReason":null}]}

`,
			text: "Hello!", err: "truncated",
		},
		{
			name: "text after the reason",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]},"finishReason":"STOP"}]}

data: {"candidates":[{"content":{"parts":[{"text":"lo"}]}}]}

`,
			text: "Hello", finish: "STOP", err: "truncated",
		},
		{
			name: "error in a chunk",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}

data: {"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}

`,
			text: "Hel", err: "The model is overloaded.",
		},
		{
			name: "error event",
			body: "event: error\ndata: {\"code\":500,\"message\":\"Internal error\"}\n\n",
			err:  "Internal error",
		},
		{
			name: "error in a list",
			body: "data: [{\"error\":{\"code\":429,\"message\":\"Quota\",\"status\":\"RESOURCE_EXHAUSTED\"}}]\n\n",
			err:  "Quota",
		},
		{
			name: "error over many lines",
			body: `data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}

{
  "error": {
    "code": 503,
    "message": "The model is overloaded.",
    "status": "UNAVAILABLE"
  }
}
`,
			text: "Hel", err: "The model is overloaded.",
		},
		{
			name: "error in a list over many lines",
			body: `[{
  "error": {
    "code": 503,
    "message": "The model is overloaded.",
    "status": "UNAVAILABLE",
    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo"}]
  }
}
]
`,
			err: "The model is overloaded.",
		},
		{
			name: "members that are not errors",
			body: `data: {"error":null,"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}

`,
			text: "Hello", finish: "STOP",
		},
	})
}

func TestGeminiErrorHasAStatus(t *testing.T) {
	e := firstError(t, llm.Gemini, "data: {\"error\":{\"code\":503,\"message\":\"Overloaded\",\"status\":\"UNAVAILABLE\"}}\n\n")
	require.Equal(t, "UNAVAILABLE", e.Type)
	require.Equal(t, 503, e.Status)
	require.True(t, e.Retryable())
}

func TestGeminiTextTellsOfABlockedPrompt(t *testing.T) {
	const body = "data: {\"promptFeedback\":{\"blockReason\":\"OTHER\"}}\n\n"
	require.Equal(t, "OTHER", serviceError(t, textError(t, llm.Gemini, body)).Type)
}

// Some proxies send a reason to finish with each chunk that has no text, also before the
// text. What counts is whether one comes after the text.
func TestEarlyReasonToFinishIsNotTheEnd(t *testing.T) {
	for d, chunks := range map[llm.Dialect][]string{
		llm.Gemini: {
			`{"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}]}`,
			`{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}`,
			`{"candidates":[{"content":{"parts":[{"text":"lo"}]}}]}`,
			`{"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}]}`,
		},
		llm.Anthropic: {
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo"}}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`,
		},
	} {
		for _, w := range ways {
			t.Run(fmt.Sprintf("%v/%s", d, w.name), func(t *testing.T) {
				var body strings.Builder
				for i, chunk := range chunks {
					body.WriteString("data: " + chunk + "\n\n")
					got := w.read(t, d, strings.NewReader(body.String()))
					if i == 1 || i == 2 {
						require.True(t, isTruncated(got.cause), "%v", got.cause)
					} else {
						require.NoError(t, got.cause)
					}
				}
			})
		}
	}
}

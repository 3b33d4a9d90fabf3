package llm_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
)

const cohereTools = `event: message-start
data: {"id":"r1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}

event: tool-plan-delta
data: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I look"}}}

event: tool-plan-delta
data: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":" it up."}}}

event: tool-call-start
data: {"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"a1","type":"function","function":{"name":"tide","arguments":""}}}}}

event: tool-call-delta
data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"port\":"}}}}}

event: tool-call-delta
data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"\"Brest\"}"}}}}}

event: tool-call-end
data: {"type":"tool-call-end","index":0}

event: tool-call-start
data: {"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"b2","type":"function","function":{"name":"clock","arguments":null}}}}}

event: tool-call-end
data: {"type":"tool-call-end","index":1}

event: message-end
data: {"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":9,"output_tokens":8},"tokens":{"input_tokens":120,"output_tokens":30},"cached_tokens":96}}}

data: [DONE]

`

const cohereText = `event: message-start
data: {"id":"r2","type":"message-start","delta":{"message":{"role":"assistant"}}}

event: content-start
data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":"A"}}}}

event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":" greeting."}}}}

event: content-end
data: {"type":"content-end","index":0}

event: content-start
data: {"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}

event: content-delta
data: {"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"[DONE"}}},"logprobs":{"token_ids":[1]}}

event: citation-start
data: {"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":5,"text":"[DONE","sources":[{"type":"document","id":"d"}]}}}}

event: citation-end
data: {"type":"citation-end","index":0}

event: content-delta
data: {"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"]"}}}}

event: content-end
data: {"type":"content-end","index":1}

event: debug
data: {"type":"debug","prompt":"x"}

event: message-end
data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":7,"output_tokens":2}}}}

`

func TestCohere(t *testing.T) {
	calls := []llm.ToolCall{
		{Index: 0, ID: "a1", Name: "tide", Arguments: `{"port":"Brest"}`},
		{Index: 1, ID: "b2", Name: "clock"},
	}
	tools := stream{
		reasoning: "I look it up.", calls: calls, finish: "TOOL_CALL", usage: &llm.Usage{Input: 120, Output: 30, Cached: 96},
	}
	text := stream{
		text: "[DONE]", reasoning: "A greeting.", finish: "COMPLETE", usage: &llm.Usage{Input: 7, Output: 2},
	}
	before, _, _ := strings.Cut(cohereText, "event: message-end")
	start := "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"Hel\"}}}}\n\n"
	check(t, llm.Cohere, []stream{
		tools.as("tool calls", cohereTools),
		tools.as("tool calls, without event lines", without(cohereTools, "event:")),
		text.as("text", cohereText),
		text.as("text, without event lines", without(cohereText, "event:")),
		{
			name: "message-end removed", body: before + "data: [DONE]\n\n",
			text: "[DONE]", reasoning: "A greeting.",
		},
		{name: "no end", body: before, text: "[DONE]", reasoning: "A greeting.", err: "truncated"},
		{
			name: "keep-alives and a list of content", body: "retry: 3000\n\n: hi\n\ndata: ping\n\ndata:\n\ndata: {}\n\n" +
				`data: {"type":"content-delta","index":"0","delta":{"message":{"content":[{"type":"text","text":"Hi"}],"tool_calls":null}}}` + "\n\n" +
				`data: {"type":"message-end","delta":{"finish_reason":"MAX_TOKENS","error":null,"usage":null}}` + "\n\n",
			text: "Hi", finish: "MAX_TOKENS",
		},
		{
			name: "the type only in the event line", body: start + "event: message-end\n" + `data: {"delta":{"finish_reason":"COMPLETE"}}` + "\n\n",
			text: "Hel", finish: "COMPLETE",
		},
		{
			name: "ERROR", body: start + "event: message-end\n" + `data: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"the worker is gone"}}` + "\n\ndata: [DONE]\n\n",
			text: "Hel", err: "the worker is gone",
		},
		{
			name: "TIMEOUT", body: start + `data: {"type":"message-end","delta":{"finish_reason":"TIMEOUT"}}` + "\n\n",
			text: "Hel", err: "the response ended with the finish_reason TIMEOUT",
		},
		{
			name: "ERROR_TOXIC", body: `data: {"type":"message-end","delta":{"finish_reason":"ERROR_TOXIC"}}` + "\n\n",
			err: "the response ended with the finish_reason ERROR_TOXIC",
		},
		{
			name: "an error beside a reason", body: start + `data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","error":"half of it"}}` + "\n\n",
			text: "Hel", err: "half of it",
		},
		{name: "error event", body: start + "event: error\ndata: upstream closed\n\n", text: "Hel", err: "upstream closed"},
		{name: "error envelope", body: start + `data: {"error":{"message":"no capacity"}}` + "\n\n", text: "Hel", err: "no capacity"},
		{name: "error body", body: start + `data: {"id":"x","message":"trial key limit"}` + "\n\n", text: "Hel", err: "trial key limit"},
		{name: "error as text", body: start + "data: error: no route\n\n", text: "Hel", err: "no route"},
	})
}

func TestCohereErrors(t *testing.T) {
	end := func(reason string) string {
		return `data: {"type":"message-end","delta":{"finish_reason":"` + reason + `"}}` + "\n\n"
	}
	for reason, want := range map[string]struct {
		status    int
		retryable bool
	}{
		"ERROR": {500, true}, "TIMEOUT": {0, true}, "ERROR_LIMIT": {0, false}, "USER_CANCEL": {0, false},
	} {
		e := firstError(t, llm.Cohere, end(reason))
		require.Equal(t, reason, e.Type)
		require.Equal(t, want.status, e.Status, reason)
		require.Equal(t, want.retryable, e.Retryable(), reason)
	}
}

// There is one Delta for each event up to message-end.
func TestCohereDeltasCountEvents(t *testing.T) {
	require.Equal(t, 12, readBody(t, llm.Cohere, cohereText).deltas)
}

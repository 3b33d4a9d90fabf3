package llm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

const anthropicWhole = `event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":3,"cache_read_input_tokens":4,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"Hello"}}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":12,"output_tokens_details":{"thinking_tokens":5}}}

event: message_stop
data: {"type":"message_stop"}

`

func TestAnthropic(t *testing.T) {
	usage := &llm.Usage{Input: 16, Output: 12, Cached: 4, Reasoning: 5}
	check(t, llm.Anthropic, []stream{
		{
			name: "whole", body: anthropicWhole,
			text: "Hello", reasoning: "Hm", finish: "end_turn", usage: usage,
		},
		{
			name: "without the lines of the types, with comments and retry",
			body: ": hello\n\nretry: 1000\n\n" + without(anthropicWhole, "event: "),
			text: "Hello", reasoning: "Hm", finish: "end_turn", usage: usage,
		},
		{
			name: "without the types in the data",
			body: `event: content_block_delta
data: {"index":0,"delta":{"text":"Hello"}}

event: message_delta
data: {"delta":{"stop_reason":"end_turn"}}

event: message_stop
data: {}

`,
			text: "Hello", finish: "end_turn",
		},
		{
			name: "tools",
			body: `event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"srv","name":"web_search","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\":\"x\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"srv","content":[{"type":"web_search_result","title":"t"}]}}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"a","name":"weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"b","name":"time","input":{"zone":""}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"Rome\"}"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}

event: message_stop
data: {"type":"message_stop"}

`,
			calls: []llm.ToolCall{
				{Index: 2, ID: "a", Name: "weather", Arguments: `{"city":"Rome"}`},
				{Index: 3, ID: "b", Name: "time", Arguments: `{"zone":""}`},
			},
			finish: "tool_use",
		},
		{
			name: "all of the input in the start of a block, and in deltas",
			body: `data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"time","input":{"zone":"x"}}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"zone\":"}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"x\"}"}}

data: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}

data: {"type":"message_stop"}

`,
			calls:  []llm.ToolCall{{Index: 0, ID: "a", Name: "time", Arguments: `{"zone":"x"}`}},
			finish: "tool_use",
		},
		{
			name: "text in the start of a block, another model for the rest, no message_stop but [DONE]",
			body: `event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_start","index":1,"content_block":{"type":"fallback","from":{"model":"a"},"to":{"model":"b"}}}

event: content_block_delta
data: {"type":"content_block_delta","index":"2","delta":{"type":"text_delta","text":"lo"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":0,"output_tokens":0}}

data: [DONE]

`,
			text: "Hello", finish: "max_tokens",
		},
		{
			name: "refusal before any content",
			body: `event: message_start
data: {"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":0}}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"cyber","explanation":"That would do harm."}},"usage":{"output_tokens":3}}

event: message_stop
data: {"type":"message_stop"}

`,
			refusal: "That would do harm.", finish: "refusal", usage: &llm.Usage{Input: 9, Output: 3},
		},
		{
			name: "refusal with the details outside the delta",
			body: `event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"refusal"},"stop_details":{"explanation":"No."}}

event: message_stop
data: {"type":"message_stop"}

`,
			refusal: "No.", finish: "refusal",
		},
		{
			name: "no reason to stop",
			body: without(anthropicWhole, `data: {"type":"message_stop"`, `data: {"type":"message_delta"`),
			text: "Hello", reasoning: "Hm", usage: &llm.Usage{Input: 16, Output: 1, Cached: 4}, err: "truncated",
		},
		{
			name: "no reason to stop, but [DONE]",
			body: `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}

data: {"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":3}}

data: [DONE]

`,
			text: "Hel", usage: &llm.Usage{Output: 3}, err: "truncated",
		},
		{
			name: "error event",
			body: `event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}

event: error
data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}

`,
			text: "Hel", err: "Overloaded",
		},
		{
			name: "error by the type in the data",
			body: `data: {"type":"error","message":"upstream failed"}

`,
			err: "upstream failed",
		},
		{
			name: "error without a type",
			body: `data: {"error":{"type":"api_error","message":"Internal"}}

`,
			err: "Internal",
		},
		{
			name: "error after the reason to stop",
			body: `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}

data: error: the upstream has closed the connection

`,
			finish: "end_turn", err: "the upstream has closed the connection",
		},
		{
			name: "error as a bare line",
			body: `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}

{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}

`,
			text: "Hel", err: "Overloaded",
		},
		{
			name: "error as HTML",
			body: "<html>\n<head><title>502 Bad Gateway</title></head>\n</html>\n",
			err:  "502 Bad Gateway",
		},
	})
}

func TestAnthropicErrorHasAStatus(t *testing.T) {
	got := readBody(t, llm.Anthropic, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n")
	e := serviceError(t, got.cause)
	require.Equal(t, "overloaded_error", e.Type)
	require.Equal(t, 529, e.Status)
	require.True(t, e.Retryable())
	require.ErrorAs(t, got.cause, new(*sse.EventError))
}

// Each event is one Delta.
func TestAnthropicDeltas(t *testing.T) {
	got := readBody(t, llm.Anthropic, anthropicWhole)
	require.NoError(t, got.cause)
	require.Equal(t, 13, got.deltas)
}

func TestAnthropicTextTellsOfARefusal(t *testing.T) {
	const body = `data: {"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":null}}

data: {"type":"message_stop"}

`
	require.Equal(t, "refusal", serviceError(t, textError(t, llm.Anthropic, body)).Type)
}

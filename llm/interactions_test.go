package llm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
)

const interactionsWhole = `event: interaction.created
data: {"interaction":{"id":"v1","status":"in_progress","object":"interaction"},"event_type":"interaction.created"}

event: interaction.status_update
data: {"interaction_id":"v1","status":"in_progress","event_type":"interaction.status_update"}

event: step.start
data: {"index":0,"step":{"type":"thought","summary":[{"type":"text","text":"H"}]},"event_type":"step.start"}

event: step.delta
data: {"index":0,"delta":{"type":"thought_summary","content":{"type":"text","text":"m"}},"event_type":"step.delta"}

event: step.delta
data: {"index":0,"delta":{"type":"thought_signature","signature":"c2ln"},"event_type":"step.delta"}

event: step.stop
data: {"index":0,"event_type":"step.stop"}

event: step.start
data: {"index":1,"step":{"type":"google_search_call","id":"s"},"event_type":"step.start"}

event: step.delta
data: {"index":1,"delta":{"type":"google_search_call","id":"s","arguments":{"queries":["x"]}},"event_type":"step.delta"}

event: step.start
data: {"index":2,"step":{"type":"model_output","content":[{"type":"text","text":"He"}]},"event_type":"step.start"}

event: step.delta
data: {"index":2,"delta":{"type":"text","text":"llo"},"event_type":"step.delta"}

event: step.stop
data: {"index":2,"event_type":"step.stop"}

event: interaction.completed
data: {"interaction":{"id":"v1","status":"completed","usage":{"total_tokens":18,"total_input_tokens":9,"total_tool_use_tokens":1,"total_cached_tokens":4,"total_output_tokens":3,"total_thought_tokens":5}},"event_type":"interaction.completed"}

event: done
data: [DONE]

`

const interactionsBegin = `event: interaction.created
data: {"interaction":{"id":"v1","status":"in_progress"},"event_type":"interaction.created"}

event: step.delta
data: {"index":0,"delta":{"type":"text","text":"Hel"},"event_type":"step.delta"}

`

func TestGeminiInteractions(t *testing.T) {
	usage := &llm.Usage{Input: 10, Output: 8, Cached: 4, Reasoning: 5}
	check(t, llm.GeminiInteractions, []stream{
		{
			name: "whole", body: interactionsWhole,
			text: "Hello", reasoning: "Hm", finish: "completed", usage: usage,
		},
		{
			name: "without the lines of the types and [DONE]",
			body: without(interactionsWhole, "event: ", "data: [DONE]"),
			text: "Hello", reasoning: "Hm", finish: "completed", usage: usage,
		},
		{
			name: "without the types in the data",
			body: `event: step.start
data: {"index":0,"step":{"type":"model_output","content":null}}

event: step.delta
data: {"index":0,"delta":{"type":"text","text":"Hello"}}

event: interaction.completed
data: {}

`,
			text: "Hello", finish: "completed",
		},
		{
			name: "before 2026",
			body: `event: interaction.start
data: {"interaction":{"id":"v1","status":"in_progress"},"event_type":"interaction.start"}

event: content.start
data: {"index":0,"content":{"type":"thought"},"event_type":"content.start"}

event: content.delta
data: {"index":0,"delta":{"type":"thought_summary","content":"Hm"},"event_type":"content.delta"}

event: content.start
data: {"index":1,"content":{"type":"text"},"event_type":"content.start"}

event: content.delta
data: {"index":1,"delta":{"type":"text","text":"Hello"},"event_type":"content.delta"}

event: content.stop
data: {"index":1,"event_type":"content.stop"}

event: content.start
data: {"index":2,"content":{"type":"function_call"},"event_type":"content.start"}

event: content.delta
data: {"index":2,"delta":{"type":"function_call","id":"a","name":"weather","arguments":{"city":"Rome"}},"event_type":"content.delta"}

event: interaction.status_update
data: {"interaction_id":"v1","status":"requires_action","event_type":"interaction.status_update"}

event: interaction.complete
data: {"interaction":{"id":"v1","status":"requires_action","outputs":[{"type":"text","text":"Hello"}],"usage":{"total_input_tokens":9}},"event_type":"interaction.complete"}

`,
			text: "Hello", reasoning: "Hm", finish: "requires_action", usage: &llm.Usage{Input: 9},
			calls: []llm.ToolCall{{Index: 2, ID: "a", Name: "weather", Arguments: `{"city":"Rome"}`}},
		},
		{
			name: "calls in pieces, without interaction.completed",
			body: `event: step.start
data: {"index":0,"step":{"type":"function_call","id":"a","name":"weather","arguments":{}},"event_type":"step.start"}

event: step.delta
data: {"index":0,"delta":{"type":"arguments_delta","arguments":"{\"city\":"},"event_type":"step.delta"}

event: step.start
data: {"index":1,"step":{"type":"function_call","id":"b","name":"time","arguments":{"zone":"CET"}},"event_type":"step.start"}

event: step.delta
data: {"index":0,"delta":{"type":"arguments_delta","arguments":"\"Rome\"}"},"event_type":"step.delta"}

event: interaction.requires_action
data: {"event_type":"interaction.requires_action"}

event: done
data: [DONE]

`,
			calls: []llm.ToolCall{
				{Index: 0, ID: "a", Name: "weather", Arguments: `{"city":"Rome"}`},
				{Index: 1, ID: "b", Name: "time", Arguments: `{"zone":"CET"}`},
			},
			finish: "requires_action",
		},
		{
			name: "only as a whole",
			body: `data: {"event_type":"interaction.completed","interaction":{"status":"completed","steps":[{"type":"thought","summary":[{"text":"Hm"}]},{"type":"model_output","content":[{"type":"text","text":"Hel"},{"type":"image"},{"type":"text","text":"lo"}]}]}}

`,
			text: "Hello", finish: "completed",
		},
		{
			name: "members of the interaction in the event",
			body: `data: {"event_type":"interaction.complete","id":"v1","status":"completed","usage":{"total_input_tokens":9,"total_output_tokens":2}}

`,
			finish: "completed", usage: &llm.Usage{Input: 9, Output: 2},
		},
		{
			name: "limit of the length",
			body: interactionsBegin + `data: {"event_type":"interaction.completed","interaction":{"status":"incomplete"}}

`,
			text: "Hel", finish: "incomplete",
		},
		{
			name: "a new status",
			body: interactionsBegin + `data: {"event_type":"interaction.status_update","status":"paused"}

data: {"event_type":"interaction.completed","interaction":{"status":"archived"}}

`,
			text: "Hel", finish: "archived",
		},
		{
			name: "[DONE] without interaction.completed",
			body: interactionsBegin + "event: done\ndata: [DONE]\n\n",
			text: "Hel", err: "truncated",
		},
		{
			name: "a status that is not an end",
			body: interactionsBegin + `data: {"event_type":"interaction.status_update","status":"queued"}

data: {"event_type":"interaction.in_progress"}

data: {"event_type":"future.event"}

`,
			text: "Hel", err: "truncated",
		},
		{
			name: "failed",
			body: interactionsBegin + `data: {"event_type":"interaction.completed","interaction":{"status":"failed","error":{"code":"api_error","message":"Backend"}}}

`,
			text: "Hel", err: "Backend",
		},
		{
			name: "cancelled",
			body: interactionsBegin + `data: {"event_type":"interaction.status_update","status":"cancelled"}

`,
			text: "Hel", err: "the interaction ended with the status cancelled",
		},
		{
			name: "budget exceeded",
			body: interactionsBegin + `data: {"event_type":"interaction.budget_exceeded"}

`,
			text: "Hel", err: "the interaction ended with the status budget_exceeded",
		},
		{
			name: "error event",
			body: interactionsBegin + `event: error
data: {"error":{"message":"Deadline expired.","code":"gateway_timeout"},"event_type":"error"}

`,
			text: "Hel", err: "Deadline expired.",
		},
		{
			name: "error by the type in the data",
			body: interactionsBegin + `data: {"event_type":"error","message":"Deadline expired."}

`,
			text: "Hel", err: "Deadline expired.",
		},
		{
			name: "error without a type",
			body: interactionsBegin + `data: {"error":{"code":"not_found","message":"Result not found."}}

`,
			text: "Hel", err: "Result not found.",
		},
		{
			name: "refusal as a bare line, then [DONE]",
			body: `event: interaction.created
data: {"interaction":{"id":"v1","status":"in_progress"},"event_type":"interaction.created"}

{"error":{"message":"The request is blocked.","code":"prohibited_content"}}

event: done
data: [DONE]

`,
			err: "The request is blocked.",
		},
		{
			name: "refusal as a bare line at the end",
			body: `event: interaction.created
data: {"interaction":{"id":"v1","status":"in_progress"},"event_type":"interaction.created"}

{"error":{"message":"The request is blocked.","code":"prohibited_content"}}`,
			err: "The request is blocked.",
		},
	})
}

func TestGeminiInteractionsErrors(t *testing.T) {
	for body, want := range map[string]llm.Error{
		`{"event_type":"error","error":{"code":"gateway_timeout","message":"M"}}`:                                             {Code: "gateway_timeout", Message: "M", Status: 504},
		`{"event_type":"interaction.status_update","status":"budget_exceeded"}`:                                               {Type: "budget_exceeded", Message: "the interaction ended with the status budget_exceeded"},
		`{"event_type":"interaction.completed","interaction":{"status":"failed","error":{"code":"api_error","message":"M"}}}`: {Type: "failed", Code: "api_error", Message: "M", Status: 500},
	} {
		e := firstError(t, llm.GeminiInteractions, "data: "+body+"\n\n")
		want.Raw = body
		require.Equal(t, &want, e)
		require.Equal(t, want.Status >= 500, e.Retryable(), body)
	}
}

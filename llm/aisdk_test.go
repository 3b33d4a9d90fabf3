package llm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
)

func TestAISDK(t *testing.T) {
	const (
		hel    = `{"type":"text-delta","id":"t1","delta":"Hel"}`
		lo     = `{"type":"text-delta","id":"t2","delta":"lo"}`
		step   = `{"type":"start-step"}`
		end    = `{"type":"finish-step"}`
		finish = `{"type":"finish","finishReason":"stop"}`
		done   = "[DONE]"
	)
	check(t, llm.AISDK, []stream{
		{
			name: "text", body: events(`{"type":"start","messageId":"m","messageMetadata":{"createdAt":1}}`, step,
				`{"type":"reasoning-start","id":"r"}`, `{"type":"reasoning-delta","id":"r","delta":"Hm"}`, `{"type":"reasoning-end","id":"r"}`,
				`{"type":"text-start","id":"t1"}`, hel, `{"type":"text-end","id":"t1"}`, `{"type":"text-start","id":"t2"}`, lo, `{"type":"text-end","id":"t2"}`,
				`{"type":"source-url","sourceId":"s","url":"https://a.test"}`, `{"type":"file","url":"data:image/png;base64,","mediaType":"image/png"}`,
				`{"type":"data-weather","id":"d","data":{"error":"no error","type":"error"}}`, `{"type":"custom","kind":"a.b"}`,
				`{"type":"message-metadata","messageMetadata":{"model":"x"}}`, end, finish, done),
			text: "Hello", reasoning: "Hm", finish: "stop",
		},
		{name: "finish without [DONE]", body: events(step, hel, lo, end, `{"type":"finish"}`), text: "Hello"},
		{name: "[DONE] without finish", body: events(step, hel, lo, end, done), text: "Hello"},
		{
			name: "usage of version 5", body: events(hel, `{"type":"finish","messageMetadata":{"usage":{"inputTokens":9,"outputTokens":2,"totalTokens":11,"cachedInputTokens":4,"reasoningTokens":1}}}`, done),
			text: "Hel", usage: &llm.Usage{Input: 9, Output: 2, Cached: 4, Reasoning: 1},
		},
		{
			name: "usage of version 6", body: events(hel, `{"type":"finish","finishReason":"length","messageMetadata":{"totalUsage":{"inputTokens":9,"outputTokens":2,"inputTokenDetails":{"cacheReadTokens":4},"outputTokenDetails":{"reasoningTokens":1}}}}`, done),
			text: "Hel", finish: "length", usage: &llm.Usage{Input: 9, Output: 2, Cached: 4, Reasoning: 1},
		},
		{
			name: "metadata of another kind", body: events(`{"type":"start","messageMetadata":"x"}`, `{"type":"message-metadata","messageMetadata":{"usage":[1]}}`, hel, `{"type":"finish","messageMetadata":{"usage":"3"}}`, done),
			text: "Hel",
		},
		{
			name: "tool calls", body: events(step, `{"type":"tool-input-start","toolCallId":"a1","toolName":"tide"}`,
				`{"type":"tool-input-start","toolCallId":"b2","toolName":"clock","dynamic":true}`,
				`{"type":"tool-input-delta","toolCallId":"a1","inputTextDelta":"{\"port\":"}`,
				`{"type":"tool-input-delta","toolCallId":"b2","inputTextDelta":"{}"}`,
				`{"type":"tool-input-delta","toolCallId":"a1","inputTextDelta":"\"Brest\"}"}`,
				`{"type":"tool-input-available","toolCallId":"b2","toolName":"clock","input":{}}`,
				`{"type":"tool-input-available","toolCallId":"a1","toolName":"tide","input":{"port":"Brest"}}`,
				`{"type":"tool-output-available","toolCallId":"a1","output":{"high":"04:10"}}`,
				`{"type":"tool-output-error","toolCallId":"b2","errorText":"no clock"}`,
				`{"type":"tool-input-start","toolCallId":"c3","toolName":"map"}`,
				`{"type":"tool-input-available","toolCallId":"c3","toolName":"map","input":{"x":1}}`,
				`{"type":"tool-input-available","toolCallId":"d4","toolName":"wait","input":null}`,
				`{"type":"tool-input-error","toolCallId":"e5","toolName":"run","input":"{\"x\":","errorText":"not JSON"}`,
				`{"type":"tool-input-error","toolCallId":"f6","toolName":"fly","input":{"y":2},"errorText":"no such tool"}`,
				`{"type":"tool-approval-request","approvalId":"p","toolCallId":"f6"}`, `{"type":"tool-output-denied","toolCallId":"f6"}`,
				end, `{"type":"finish","finishReason":"tool-calls"}`, done),
			finish: "tool-calls",
			calls: []llm.ToolCall{
				{Index: 0, ID: "a1", Name: "tide", Arguments: `{"port":"Brest"}`},
				{Index: 1, ID: "b2", Name: "clock", Arguments: `{}`},
				{Index: 2, ID: "c3", Name: "map", Arguments: `{"x":1}`},
				{Index: 3, ID: "d4", Name: "wait", Arguments: `null`},
				{Index: 4, ID: "e5", Name: "run", Arguments: `{"x":`},
				{Index: 5, ID: "f6", Name: "fly", Arguments: `{"y":2}`},
			},
		},
		{
			name: "tool calls of the service", body: events(`{"type":"tool-input-start","toolCallId":"a1","toolName":"web_search","providerExecuted":true}`,
				`{"type":"tool-input-delta","toolCallId":"a1","inputTextDelta":"{\"q\":1}"}`,
				`{"type":"tool-input-available","toolCallId":"a1","toolName":"web_search","input":{"q":1},"providerExecuted":true}`,
				`{"type":"tool-input-available","toolCallId":"b2","toolName":"clock","input":{},"providerExecuted":false}`,
				`{"type":"tool-input-available","toolCallId":"c3","toolName":"web_search","input":{"q":2},"providerExecuted":true}`, hel, finish, done),
			text: "Hel", finish: "stop", calls: []llm.ToolCall{{Index: 1, ID: "b2", Name: "clock", Arguments: "{}"}},
		},
		{
			name: "reset-step in the second step", body: events(step, hel, end, step, lo, `{"type":"reset-step"}`, lo, ` {"type":"text-delta","delta":"!"}`, end, finish, done),
			text: "Hello!", resets: 1, finish: "stop",
		},
		{
			name: "reset-step twice, without a step", body: events(hel, `{"type":"reset-step"}`, hel, hel, `{"type":"reset-step"}`, lo, finish, done),
			text: "lo", resets: 2, finish: "stop",
		},
		{
			name: "reset-step with a call", body: events(step, `{"type":"tool-input-start","toolCallId":"a1","toolName":"tide"}`, `{"type":"reset-step"}`,
				`{"type":"tool-input-available","toolCallId":"a1","toolName":"tide","input":{}}`, finish, done),
			finish: "stop", resets: 1,
			calls: []llm.ToolCall{{Index: 0, ID: "a1", Name: "tide"}, {Index: 1, ID: "a1", Name: "tide", Arguments: "{}"}},
		},
		{
			name: "keep-alives", body: ": ping\n\nretry: 10\n\ndata: ping\n\ndata:\n\nevent: ping\ndata: {}\n\n" + events(hel, lo, finish) + ": bye\n\n",
			text: "Hello", finish: "stop",
		},
		{name: "no end", body: events(step, hel, end), text: "Hel", err: "truncated"},
		{name: "error", body: events(step, hel, `{"type":"error","errorText":"An error occurred."}`, done), text: "Hel", err: "An error occurred."},
		{name: "error without text", body: events(`{"type":"error"}`), err: `{"type":"error"}`},
		{name: "abort", body: events(step, hel, `{"type":"abort"}`, done), text: "Hel", err: "the response was aborted"},
		{name: "abort with a reason", body: events(step, hel, `{"type":"abort","reason":"step timeout"}`, done), text: "Hel", err: "step timeout"},
		{name: "finishReason error", body: events(hel, `{"type":"finish","finishReason":"error"}`, done), text: "Hel", err: "the response ended with the finishReason error"},
		{name: "error of a server", body: events(hel, `{"error":"no key"}`), text: "Hel", err: "no key"},
		{name: "error event", body: events(hel) + "event: error\ndata: {\"message\":\"bad gateway\"}\n\n", text: "Hel", err: "bad gateway"},
		{name: "error as text", body: events(hel, "error: bad gateway"), text: "Hel", err: "bad gateway"},
	})
}

func TestAISDKErrors(t *testing.T) {
	e := firstError(t, llm.AISDK, events(`{"type":"abort","reason":"by the user"}`))
	require.Equal(t, []any{"abort", 0, false}, []any{e.Type, e.Status, e.Retryable()})
}

func TestAISDKFilter(t *testing.T) {
	body := events(`{"type":"start-step"}`, `{"type":"finish","finishReason":"content-filter"}`, "[DONE]")
	require.Equal(t, "content-filter", serviceError(t, textError(t, llm.AISDK, body)).Type)
}

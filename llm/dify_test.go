package llm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
)

const (
	difyHel     = `{"event":"message","task_id":"t","message_id":"m","conversation_id":"c","answer":"Hel"}`
	difyLo      = `{"event":"message","task_id":"t","message_id":"m","conversation_id":"c","answer":"lo"}`
	difyEnd     = `{"event":"message_end","task_id":"t","message_id":"m","conversation_id":"c","metadata":{"usage":{"prompt_tokens":9,"prompt_unit_price":"0.001","completion_tokens":2,"total_tokens":11,"currency":"USD","latency":1.5},"retriever_resources":[]}}`
	difyStarted = `{"event":"workflow_started","task_id":"t","workflow_run_id":"w","data":{"id":"w","inputs":{},"created_at":1}}`
	difyNode    = `{"event":"node_finished","task_id":"t","workflow_run_id":"w","data":{"id":"n","node_type":"llm","status":"failed","error":"one of two attempts","outputs":{"text":"Hello"},"elapsed_time":1.2}}`
	difyChunk   = `{"event":"text_chunk","task_id":"t","workflow_run_id":"w","data":{"text":"Hel","from_variable_selector":["n","text"]}}`
)

// finished returns the event of a workflow with this status, other members of its data, and
// members of the event.
func finished(status, data, event string) string {
	return `{"event":"workflow_finished","task_id":"t","workflow_run_id":"w"` + event + `,"data":{"id":"w","status":"` + status + `","total_tokens":11` + data + `}}`
}

func TestDify(t *testing.T) {
	usage := &llm.Usage{Input: 9, Output: 2}
	const chatflow = `,"message_id":"m","conversation_id":"c"`
	check(t, llm.Dify, []stream{
		{
			name: "chat", body: events(difyHel) + "event: ping\n\n" + events(`{"event":"ping"}`, `{"event":"tts_message","audio":"qg=="}`, difyLo,
				`{"event":"message_file","id":"f","type":"image","url":"/f"}`, difyEnd) + events(`{"event":"tts_message_end","audio":""}`),
			text: "Hello", usage: usage,
		},
		{
			name: "completion", body: events(`{"event":"message","message_id":"m","answer":"Hello"}`, `{"event":"message_end","message_id":"m","metadata":{}}`),
			text: "Hello",
		},
		{
			name: "the same text twice", body: events(difyHel, difyHel, difyEnd),
			text: "HelHel", usage: usage,
		},
		{
			name: "agent", body: events(
				`{"event":"agent_thought","id":"a","position":1,"thought":"","tool":"","tool_input":""}`,
				`{"event":"agent_message","message_id":"m","answer":"Hel"}`,
				`{"event":"agent_message","message_id":"m","answer":"lo"}`,
				`{"event":"agent_thought","id":"a","position":1,"thought":"Hello","observation":null,"tool":"clock","tool_labels":{},"tool_input":"{}","message_files":[]}`,
				difyEnd),
			text: "Hello", usage: usage,
		},
		{
			name: "agent, with the whole at the end", body: events(
				`{"event":"agent_message","message_id":"m","answer":"Hel"}`,
				`{"event":"agent_message","message_id":"m","answer":"lo"}`,
				`{"event":"message","message_id":"m","answer":"Hello"}`, difyEnd),
			text: "Hello", usage: usage,
		},
		{
			name: "agent, then more", body: events(
				`{"event":"agent_message","message_id":"m","answer":"Hel"}`,
				`{"event":"message","message_id":"m","answer":"lo"}`, difyEnd),
			text: "Hello", usage: usage,
		},
		{
			name: "message_replace", body: events(difyHel, `{"event":"message_replace","message_id":"m","answer":"I cannot say.","reason":"output_moderation"}`, difyEnd),
			text: "I cannot say.", resets: 1, usage: usage,
		},
		{
			name: "chatflow, message_end last", body: events(difyStarted, difyNode, difyHel, difyLo,
				finished("succeeded", `,"outputs":{"answer":"Hello","files":[]},"error":null`, chatflow), difyEnd),
			text: "Hello", finish: "succeeded", usage: usage,
		},
		{
			name: "chatflow, without message_end", body: events(difyHel, difyLo, finished("succeeded", `,"outputs":{"answer":"Hello"}`, chatflow)),
			text: "Hello", finish: "succeeded",
		},
		{
			name: "chatflow, workflow_finished last", body: events(difyHel, difyLo, difyEnd, finished("succeeded", "", chatflow)),
			text: "Hello", usage: usage,
		},
		{
			name: "chatflow, replaced", body: events(difyHel, `{"event":"message_replace","answer":"No."}`,
				finished("succeeded", `,"outputs":{"answer":"Hello"}`, chatflow), difyEnd),
			text: "No.", resets: 1, finish: "succeeded", usage: usage,
		},
		{
			name: "chatflow, taken back", body: events(difyHel, `{"event":"message_replace","answer":""}`,
				finished("succeeded", `,"outputs":{"answer":"Hello"}`, chatflow), difyEnd),
			resets: 1, finish: "succeeded", usage: usage,
		},
		{
			name: "workflow", body: events(difyStarted, `{"event":"reasoning_chunk","data":{"reasoning":"Hm","node_id":"n","is_final":false}}`,
				`{"event":"reasoning_chunk","data":{"reasoning":"","node_id":"n","is_final":true}}`, difyNode, difyChunk,
				`{"event":"text_chunk","data":{"text":"lo"}}`, finished("succeeded", `,"outputs":{"text":"Hello"}`, "")),
			text: "Hello", reasoning: "Hm", finish: "succeeded",
		},
		{
			name: "text_replace", body: events(difyChunk, `{"event":"text_replace","data":{"text":"No."}}`, finished("succeeded", `,"outputs":{"text":"Hello"}`, "")),
			text: "No.", resets: 1, finish: "succeeded",
		},
		{
			name: "workflow that only has outputs", body: events(difyStarted, finished("partial-succeeded", `,"outputs":{"result":"Hello","n":2}`, "")),
			text: "Hello", finish: "partial-succeeded",
		},
		{
			name: "workflow with several outputs", body: events(difyStarted, finished("succeeded", `,"outputs":{"a":"Hel","b":"lo"}`, "")),
			finish: "succeeded",
		},
		{
			name: "workflow without outputs", body: events(finished("", `,"outputs":null`, "")),
		},
		{
			name: "paused", body: events(difyHel, `{"event":"human_input_required","data":{"node_id":"h","form_content":"?"}}`,
				`{"event":"workflow_paused","workflow_run_id":"w","data":{"status":"paused","reasons":[{"type":"human_input_required"}],"outputs":{}}}`),
			text: "Hel", finish: "paused",
		},
		{
			name: "paused, then message_end", body: events(difyHel, `{"event":"workflow_paused","data":{}}`, difyEnd),
			text: "Hel", finish: "paused", usage: usage,
		},
		{
			name: "numbers, null and keep-alives", body: "retry: 1000\n\ndata: ping\n\nevent: ping\ndata:\n\n" + events(`{"event":"message","answer":42}`, `{"event":"message","answer":null}`, `{}`, difyEnd),
			text: "42", usage: usage,
		},
		{name: "no end", body: events(difyHel), text: "Hel", err: "truncated"},
		{name: "no sentinel of Dify", body: events(difyHel, "[DONE]"), text: "Hel", err: "truncated"},
		{
			name: "error", body: events(difyHel, `{"event":"error","task_id":"t","message_id":"m","status":400,"code":"completion_request_error","message":"the provider refuses"}`),
			text: "Hel", err: "the provider refuses",
		},
		{
			name: "failed, then error", body: events(difyHel, finished("failed", `,"error":"node llm: no quota"`, chatflow),
				`{"event":"error","status":400,"code":"invalid_param","message":"node llm: no quota"}`),
			text: "Hel", err: "node llm: no quota",
		},
		{
			name: "error, then workflow_finished", body: events(`{"event":"error","status":500,"code":"internal_server_error","message":"Internal Server Error"}`,
				finished("failed", "", "")),
			err: "Internal Server Error",
		},
		{name: "failed without a reason", body: events(difyChunk, finished("failed", "", "")), text: "Hel", err: "the workflow has the status failed"},
		{name: "stopped", body: events(difyHel, finished("stopped", `,"error":"stopped by the user"`, chatflow), difyEnd), text: "Hel", err: "stopped by the user"},
		{name: "error event", body: events(difyHel) + "event: error\ndata: upstream closed\n\n", text: "Hel", err: "upstream closed"},
		{name: "error body", body: events(difyHel, `{"code":"unauthorized","message":"the key is invalid","status":401}`), text: "Hel", err: "the key is invalid"},
		{name: "error envelope", body: events(difyHel, `{"error":{"message":"bad gateway"}}`), text: "Hel", err: "bad gateway"},
		{name: "error as text", body: events(difyHel, "error: bad gateway"), text: "Hel", err: "bad gateway"},
	})
}

func TestDifyErrors(t *testing.T) {
	e := firstError(t, llm.Dify, events(`{"event":"error","status":400,"code":"invalid_param","message":"no"}`))
	require.Equal(t, []any{"", "invalid_param", 400, false}, []any{e.Type, e.Code, e.Status, e.Retryable()})

	e = firstError(t, llm.Dify, events(`{"event":"error","status":500,"code":"internal_server_error","message":"no"}`))
	require.True(t, e.Retryable())

	e = firstError(t, llm.Dify, events(finished("failed", `,"error":"no"`, "")))
	require.Equal(t, []any{"failed", "", 0, false}, []any{e.Type, e.Code, e.Status, e.Retryable()})
}

func TestDifyText(t *testing.T) {
	for name, body := range map[string]string{
		"succeeded": events(finished("succeeded", "", "")),
		"paused":    events(`{"event":"workflow_paused","data":{"status":"paused"}}`),
	} {
		for text, err := range llm.Dify.Text(parse(body)) {
			require.Fail(t, "a response without text has some", "%s: %q, %v", name, text, err)
		}
	}
}

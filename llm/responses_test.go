package llm_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// response is a stream of the Responses API with all of its events for one message.
const response = `event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"r","object":"response","status":"in_progress","error":null,"incomplete_details":null,"output":[],"usage":null}}

event: response.in_progress
data: {"type":"response.in_progress","sequence_number":1,"response":{"id":"r","object":"response","status":"in_progress","error":null,"output":[]}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[]}}

event: response.reasoning_summary_text.delta
data: {"type":"response.reasoning_summary_text.delta","sequence_number":3,"item_id":"rs","output_index":0,"summary_index":0,"delta":"H"}

event: response.reasoning_summary_text.delta
data: {"type":"response.reasoning_summary_text.delta","sequence_number":4,"item_id":"rs","output_index":0,"summary_index":0,"delta":"m"}

event: response.reasoning_summary_text.done
data: {"type":"response.reasoning_summary_text.done","sequence_number":5,"item_id":"rs","output_index":0,"summary_index":0,"text":"Hm"}

event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":6,"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":7,"output_index":1,"item":{"id":"m","type":"message","role":"assistant","status":"in_progress","content":[]}}

event: response.content_part.added
data: {"type":"response.content_part.added","sequence_number":8,"item_id":"m","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":9,"item_id":"m","output_index":1,"content_index":0,"delta":"Hel","logprobs":[]}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":10,"item_id":"m","output_index":1,"content_index":0,"delta":"lo","logprobs":[]}

event: response.output_text.done
data: {"type":"response.output_text.done","sequence_number":11,"item_id":"m","output_index":1,"content_index":0,"text":"Hello"}

event: response.content_part.done
data: {"type":"response.content_part.done","sequence_number":12,"item_id":"m","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[]}}

event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":13,"output_index":1,"item":{"id":"m","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hello","annotations":[]}]}}

event: response.completed
data: {"type":"response.completed","sequence_number":14,"response":{"id":"r","object":"response","status":"completed","error":null,"incomplete_details":null,"output":[{"id":"rs","type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]},{"id":"m","type":"message","content":[{"type":"output_text","text":"Hello"}]}],"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":16}}}

`

// withoutEvents returns response without the events whose type matches.
func withoutEvents(types string) string {
	var rest []string
	match := regexp.MustCompile("^event: response\\.(" + types + ")\n")
	for block := range strings.SplitSeq(response, "\n\n") {
		if !match.MatchString(block) {
			rest = append(rest, block)
		}
	}
	return strings.Join(rest, "\n\n")
}

func withoutTypes(body string) string {
	return regexp.MustCompile("(?m)^event: .*\n").ReplaceAllString(body, "")
}

// hello is what response means.
var hello = stream{
	text: "Hello", reasoning: "Hm", finish: "completed",
	usage: &llm.Usage{Input: 9, Output: 7, Cached: 4, Reasoning: 5},
}

const (
	textDelta = `event: response.output_text.delta
data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hel"}

`
	textDone = `event: response.output_text.done
data: {"type":"response.output_text.done","output_index":0,"content_index":0,"text":"Hello"}

`
	completed = `event: response.completed
data: {"type":"response.completed","response":{"status":"completed","output":[]}}

`
)

func TestOpenAIResponses(t *testing.T) {
	check(t, llm.OpenAIResponses, []stream{
		hello.as("whole", response),
		hello.as("then [DONE]", response+"data: [DONE]\n\n"),
		hello.as("then the limits", response+"event: response.rate_limits.updated\ndata: {\"type\":\"response.rate_limits.updated\"}\n\n"),
		hello.as("without the event lines", withoutTypes(response)),
		hello.as("with other event lines", regexp.MustCompile("(?m)^event: .*$").ReplaceAllString(response, "event: data")),
		hello.as("without the types in the JSON", regexp.MustCompile(`"type":"response[a-z_.]*",`).ReplaceAllString(response, "")),
		hello.as("response.done", strings.ReplaceAll(response, "response.completed", "response.done")),
		hello.as("IDs that change", strings.ReplaceAll(response, `"id":"m"`, `"id":"other"`)),
		hello.as("no deltas", withoutEvents(`\w+\.delta`)),
		hello.as("only whole items", withoutEvents(`\w+\.delta|\w+_text\.done|content_part.*`)),
		hello.as("only the whole response", withoutEvents(`\w+\.delta|\w+\.done|content_part.*|output_item.*`)),
		hello.as("deltas that are objects", regexp.MustCompile(`"delta":("\w+")`).ReplaceAllString(response, `"delta":{"type":"text","text":$1}`)),
		hello.as("messages that are strings", strings.NewReplacer(
			`[{"type":"output_text","text":"Hello"}]`, `"Hello"`,
			`[{"type":"output_text","text":"Hello","annotations":[]}]`, `"Hello"`,
		).Replace(withoutEvents(`\w+_text\.delta|\w+_text\.done`))),
		{
			name: "the response in place of a stream",
			body: `data: {"object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}],"text":{"format":{"type":"text"}}}

`,
			text: "Hello", finish: "completed",
		},
		{
			name: "[DONE] without response.completed",
			body: textDelta + "data: [DONE]\n\n",
			text: "Hel",
		},
		{
			name: "two parts, of which one has deltas",
			body: textDelta + strings.ReplaceAll(textDone, "Hello", "Hel") + `event: response.refusal.done
data: {"type":"response.refusal.done","output_index":0,"content_index":1,"refusal":"No."}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"Hel"},{"type":"refusal","refusal":"No."}]}}

event: response.output_text.done
data: {"type":"response.output_text.done","output_index":1,"content_index":0,"text":"lo"}

` + completed,
			text: "Hello", refusal: "No.", finish: "completed",
		},
		{
			name: "a refusal",
			body: `event: response.refusal.delta
data: {"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"I cannot "}

event: response.refusal.delta
data: {"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"help."}

event: response.refusal.done
data: {"type":"response.refusal.done","output_index":0,"content_index":0,"refusal":"I cannot help."}

` + completed,
			refusal: "I cannot help.", finish: "completed",
		},
		{
			name: "thoughts as text, and with the types before",
			body: `event: response.reasoning_text.delta
data: {"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"a"}

event: response.reasoning_text.done
data: {"type":"response.reasoning_text.done","output_index":0,"content_index":0,"text":"a"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"a"}]}}

event: response.reasoning_summary.delta
data: {"type":"response.reasoning_summary.delta","output_index":1,"summary_index":0,"delta":{"text":"b"}}

event: response.reasoning.done
data: {"type":"response.reasoning.done","output_index":2,"content_index":0,"text":"c"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":3,"item":{"type":"reasoning","content":null,"summary":[{"type":"summary_text","text":"d"}]}}

` + completed,
			reasoning: "abcd", finish: "completed",
		},
		{
			name: "calls of tools",
			body: `event: response.output_item.added
data: {"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"fc","call_id":"call_a","name":"add","arguments":"","status":"in_progress"}}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc","output_index":1,"delta":"{\"a\""}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","item_id":"fc","output_index":1,"delta":":1}"}

event: response.function_call_arguments.done
data: {"type":"response.function_call_arguments.done","item_id":"fc","output_index":1,"name":"add","arguments":"{\"a\":1}"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"fc","call_id":"call_a","name":"add","arguments":"{\"a\":1}","status":"completed"}}

event: response.output_item.added
data: {"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"call_b","name":"sub","arguments":""}}

event: response.function_call_arguments.done
data: {"type":"response.function_call_arguments.done","output_index":2,"arguments":"{\"b\":2}"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":4,"item":{"type":"function_call","call_id":"call_c","name":"mul","arguments":"{}"}}

event: response.custom_tool_call_input.delta
data: {"type":"response.custom_tool_call_input.delta","output_index":5,"delta":"ls"}

event: response.custom_tool_call_input.done
data: {"type":"response.custom_tool_call_input.done","output_index":5,"input":"ls"}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":5,"item":{"type":"custom_tool_call","call_id":"call_d","name":"sh","input":"ls"}}

event: response.output_item.done
data: {"type":"response.output_item.done","output_index":6,"item":{"type":"web_search_call","action":{"type":"search"}}}

event: response.completed
data: {"type":"response.completed","response":{"status":"completed","output":[{"type":"function_call","call_id":"call_a","name":"add","arguments":"{\"a\":1}"},{"type":"function_call","call_id":"call_b","name":"sub","arguments":"{\"b\":2}"}]}}

`,
			finish: "completed",
			calls: []llm.ToolCall{
				{Index: 1, ID: "call_a", Name: "add", Arguments: `{"a":1}`},
				{Index: 2, ID: "call_b", Name: "sub", Arguments: `{"b":2}`},
				{Index: 4, ID: "call_c", Name: "mul", Arguments: "{}"},
				{Index: 5, ID: "call_d", Name: "sh", Arguments: "ls"},
			},
		},
		{
			name: "calls of tools only in the whole response",
			body: `event: response.completed
data: {"type":"response.completed","response":{"status":"completed","output":[{"type":"reasoning"},{"type":"function_call","call_id":"call_a","name":"add","arguments":"{}"}]}}

`,
			finish: "completed", calls: []llm.ToolCall{{Index: 1, ID: "call_a", Name: "add", Arguments: "{}"}},
		},
		{
			name: "a limit",
			body: textDelta + `event: response.incomplete
data: {"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"usage":{"input_tokens":9,"output_tokens":1}}}

`,
			text: "Hel", finish: "max_output_tokens", usage: &llm.Usage{Input: 9, Output: 1},
		},
		{
			name: "a filter, in an event of another name",
			body: textDelta + `event: response.completed
data: {"type":"response.completed","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}}

`,
			text: "Hel", finish: "content_filter",
		},
		{
			name: "incomplete without a reason",
			body: textDelta + `event: response.incomplete
data: {"type":"response.incomplete","response":{"status":"in_progress","incomplete_details":null}}

`,
			text: "Hel", finish: "incomplete",
		},
		{
			name: "keep-alives, failures of tools, and events of the server",
			body: `data: {"type":"keepalive","sequence_number":3}

data: PING

event: response.mcp_call.failed
data: {"type":"response.mcp_call.failed","output_index":0,"error":"no such tool","detail":"x"}

data: {"type":"response.web_search_call.completed","error":"no result"}

event: status
data: {"detail":"reading"}

event: codex.rate_limits
data: {"type":"codex.rate_limits","error":null}

event: list
data: [1]

` + textDelta + completed,
			text: "Hel", finish: "completed",
		},
		{
			name: "the end of the text",
			body: textDelta + textDone,
			text: "Hel", err: "truncated",
		},
		{
			name: "response.done without a status",
			body: textDelta + `data: {"type":"response.done"}

`,
			text: "Hel", finish: "completed",
		},
		{
			name: "a response in the queue",
			body: `event: response.queued
data: {"type":"response.queued","response":{"status":"queued"}}

`,
			err: "truncated",
		},
	})
}

// Some servers leave out the index of an item, or number all items 0.
func TestOpenAIResponsesWithoutIndex(t *testing.T) {
	const (
		addedA  = `{"type":"response.output_item.added","item":{"type":"function_call","id":"1","call_id":"a","name":"f"}}`
		addedB  = `{"type":"response.output_item.added","item":{"type":"function_call","id":"2","call_id":"b","name":"g"}}`
		deltaA  = `{"type":"response.function_call_arguments.delta","item_id":"1","delta":"{\"a\":1}"}`
		deltaB  = `{"type":"response.function_call_arguments.delta","item_id":"2","delta":"{\"b\":1}"}`
		callA   = `{"type":"function_call","id":"1","call_id":"a","name":"f","arguments":"{\"a\":1}"}`
		callB   = `{"type":"function_call","id":"2","call_id":"b","name":"g","arguments":"{\"b\":1}"}`
		doneA   = `{"type":"response.output_item.done","item":` + callA + `}`
		doneB   = `{"type":"response.output_item.done","item":` + callB + `}`
		one     = `{"type":"message","content":[{"type":"output_text","text":"One."}]}`
		two     = `{"type":"message","content":[{"type":"output_text","text":"Two."}]}`
		doneOne = `{"type":"response.output_item.done","item":` + one + `}`
		doneTwo = `{"type":"response.output_item.done","item":` + two + `}`
		onDelta = `{"type":"response.output_text.delta","delta":"On"}`
		eDelta  = `{"type":"response.output_text.delta","delta":"e."}`
		tDelta  = `{"type":"response.output_text.delta","delta":"Two."}`
		hm      = `{"type":"reasoning","summary":[{"text":"Hm"}]}`
	)
	completed := func(output ...string) string {
		return `{"type":"response.completed","response":{"output":[` + strings.Join(output, ",") + `]}}`
	}
	calls := []llm.ToolCall{{Index: 0, ID: "a", Name: "f", Arguments: `{"a":1}`}, {Index: 1, ID: "b", Name: "g", Arguments: `{"b":1}`}}
	for _, c := range []struct {
		name            string
		events          []string
		text, reasoning string
		calls           []llm.ToolCall
	}{
		{"calls, of which one begins before the other is done", []string{addedA, addedB, doneA, doneB, completed()}, "", "", calls},
		{"deltas of mixed calls", []string{addedA, addedB, deltaA, deltaB, doneB, doneA, completed(callA, callB)}, "", "", calls},
		{"calls that only are done", []string{doneA, doneB, completed()}, "", "", calls},
		{"calls that are done twice", []string{doneA, doneB, completed(callA, callB)}, "", "", calls},
		{"a call only in the response", []string{addedA, deltaA, completed(callA, callB)}, "", "", calls},
		{"calls with other IDs in the response", []string{doneA, doneB, completed(strings.ReplaceAll(callA, `"a"`, `"x"`), strings.ReplaceAll(callB, `"b"`, `"y"`))}, "", "", calls},
		{"messages that only are done", []string{doneOne, doneTwo, completed()}, "One.Two.", "", nil},
		{"deltas, then a message that only is done", []string{onDelta, eDelta, doneOne, doneTwo, completed(one, two)}, "One.Two.", "", nil},
		{"messages that are done after both", []string{onDelta, eDelta, tDelta, doneOne, doneTwo, completed(one, two)}, "One.Two.", "", nil},
		{"messages one after the other", []string{onDelta, eDelta, doneOne, tDelta, doneTwo, completed(one, two)}, "One.Two.", "", nil},
		{"a message only in the response", []string{onDelta, eDelta, completed(hm, one, two)}, "One.Two.", "Hm", nil},
		{"the end of a message only when it is done", []string{onDelta, doneOne, completed(one)}, "One.", "", nil},
		{"a message that is another when it is done", []string{onDelta, eDelta, strings.ReplaceAll(doneOne, "One", "1"), completed(strings.ReplaceAll(one, "One", "1"))}, "One.", "", nil},
		{"the end of a message only in the response", []string{onDelta, completed(one, two)}, "One.Two.", "", nil},
	} {
		body := events(c.events...)
		check(t, llm.OpenAIResponses, []stream{
			{name: c.name, body: body, text: c.text, reasoning: c.reasoning, calls: c.calls, finish: "completed"},
			{name: c.name + ", all 0", body: strings.ReplaceAll(body, `{"type":"response.`, `{"output_index":0,"type":"response.`), text: c.text, reasoning: c.reasoning, calls: c.calls, finish: "completed"},
		})
	}
}

func TestOpenAIResponsesErrors(t *testing.T) {
	for _, c := range []struct{ name, body, err string }{
		{"failed", `event: response.failed
data: {"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"The model failed."}}}`, "The model failed."},
		{"failed without a reason", `event: response.failed
data: {"type":"response.failed","response":{"status":"failed","error":null}}`, "the response is failed"},
		{"failed, of Perplexity", `event: response.failed
data: {"type":"response.failed","error":{"message":"no credit","code":"402"}}`, "no credit"},
		{"cancelled", `event: response.cancelled
data: {"type":"response.cancelled","response":{"status":"cancelled"}}`, "the response is cancelled"},
		{"canceled", `event: response.canceled
data: {"type":"response.canceled","response":{"status":"canceled"}}`, "the response is canceled"},
		{"response.error", `data: {"type":"response.error","error":{"message":"lost"}}`, "lost"},
		{"response.error without an object", `data: {"type":"response.error","message":"lost"}`, "lost"},
		{"an error in another event", `data: {"type":"response.in_progress","error":{"message":"lost"}}`, "lost"},
		{"done, but failed", `data: {"type":"response.done","response":{"status":"failed","error":{"message":"lost"}}}`, "lost"},
		{"completed, but failed", `data: {"type":"response.completed","response":{"status":"completed","error":{"message":"lost"}}}`, "lost"},
		{"an error event", `event: error
data: {"type":"error","code":"rate_limit_exceeded","message":"too many","param":null,"sequence_number":3}`, "too many"},
		{"an error event with an object", `event: error
data: {"type":"error","error":{"type":"tokens","code":"rate_limit_exceeded","message":"too many"}}`, "too many"},
		{"an error without an event line", `data: {"type":"error","code":"ERR","message":"too many"}`, "too many"},
		{"an object", `data: {"error":{"message":"overloaded"}}`, "overloaded"},
		{"detail", `data: {"detail":"Not Found"}`, "Not Found"},
		{"text in data", `data: Error: no model`, "no model"},
		{"a field", `error: no model`, "no model"},
		{"a document", "{\n\"detail\": \"no model\"\n}", "no model"},
	} {
		body := textDelta + c.body + "\n\n"
		check(t, llm.OpenAIResponses, []stream{
			{name: c.name, body: body, text: "Hel", err: c.err},
			{name: c.name + ", then [DONE]", body: body + "data: [DONE]\n\n", text: "Hel", err: c.err},
			{name: c.name + ", alone", body: c.body + "\n\n", err: c.err},
		})
	}
}

func TestOpenAIResponsesTellTheKindOfAnError(t *testing.T) {
	body := `data: {"type":"response.failed","response":{"error":{"code":"server_error","message":"The model failed."}}}` + "\n\n"
	got := ways[0].read(t, llm.OpenAIResponses, strings.NewReader(body))
	e := serviceError(t, got.cause)
	require.Equal(t, "server_error", e.Code)
	require.Equal(t, 500, e.Status)
	require.True(t, sse.Retryable(got.cause))
	require.Equal(t, strings.TrimSpace(strings.TrimPrefix(body, "data: ")), e.Raw)
}

func TestOpenAIResponsesDataThatIsNotAnEvent(t *testing.T) {
	for _, data := range []string{
		`{"type":"response.output_text.delta","delta":"lo`,
		`{"type":"response.output_item.done","item":"text"}`,
		`{"object":"response","output":{}}`,
	} {
		got := ways[0].read(t, llm.OpenAIResponses, strings.NewReader(textDelta+"data: "+data+"\n\n"+completed))
		bad, ok := errors.AsType[*sse.DecodeError](got.cause)
		require.True(t, ok, "%v", got.cause)
		require.Equal(t, data, bad.Event.Data)
		require.Equal(t, "Hel", got.text)
		require.Equal(t, "completed", got.finish)
	}
}

// There is one Delta for each event.
func TestOpenAIResponsesDeltasCountEvents(t *testing.T) {
	for _, w := range ways {
		require.Equal(t, 15, w.read(t, llm.OpenAIResponses, strings.NewReader(response)).deltas, w.name)
	}
}

func TestOpenAIResponsesText(t *testing.T) {
	for body, want := range map[string]string{
		`{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}`:                            "llm: content_filter: the response has no text",
		`{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}`:                         "",
		`{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"refusal","refusal":"No."}]}]}}`: "llm: completed: No.",
		`{"type":"response.completed","response":{}}`:                                                                             "",
	} {
		err := textError(t, llm.OpenAIResponses, "data: "+body+"\n\n")
		if want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, want)
		}
	}
}

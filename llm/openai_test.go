package llm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// hel is a chunk with the first half of a text.
const hel = `data: {"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}

`

func TestOpenAIChat(t *testing.T) {
	check(t, llm.OpenAIChat, []stream{
		{
			name: "whole",
			body: `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}

data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}]}

data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}

data: [DONE]

`,
			text: "Hello", finish: "stop", usage: &llm.Usage{Input: 9, Output: 2, Cached: 4},
		},
		{
			name: "no [DONE], usage of null and of zeros",
			body: hel + `data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"length"}],"usage":{"prompt_tokens":0,"completion_tokens":0}}

data: {"choices":null,"usage":{"prompt_tokens":9,"completion_tokens":20,"completion_tokens_details":{"reasoning_tokens":18}}}

`,
			text: "Hello", finish: "length", usage: &llm.Usage{Input: 9, Output: 20, Reasoning: 18},
		},
		{
			name: "[DONE] without a finish reason",
			body: hel + "data:[DONE]\n\n",
			text: "Hel",
		},
		{
			name: "[DONE] alone",
			body: "data: [DONE]\n\n",
		},
		{
			name: "members that report no error",
			body: `data: {"error":null,"choices":[{"index":0,"delta":{"content":"a"},"error":null}],"x_groq":{"id":"r"}}

data: {"error":{},"detail":"fine","choices":[{"delta":{"content":"b"},"error":{}}],"base_resp":{"status_code":0,"status_msg":""}}

data: {"error":"","error_type":null,"error_code":0,"error_message":"","choices":[{"delta":{"content":"c"}}],"x_groq":null}

data: {"error":false,"object":"chat.completion.chunk","choices":[{"delta":{"content":"d"}}],"code":0,"message":""}

data: {"error":{"code":0,"message":null,"param":""},"errors":[],"choices":[{"delta":{"content":"e"}}]}

data: {"choices":[],"moderation":{"input":{"type":"error","code":"timeout","message":"no result"}}}

data: {"code":200,"message":"success"}

data: {"code":"0","message":"ok"}

data: [DONE]

`,
			text: "abcde",
		},
		{
			name: "keep-alives as data, and events of the server",
			body: `: OPENROUTER PROCESSING

retry: 3000
data: : OPENROUTER PROCESSING

data: PING

data:

event: ping
data: {}

event: search
data: [{"title":"error: none"}]

event: notice
data: reading the documents

event: status
data: {"detail":"reading","code":"busy","message":"wait"}

` + hel + "data: [DONE]\n\n",
			text: "Hel",
		},
		{
			name: "chunks with an event line",
			body: "event: chunk\n" + hel + "event: done\ndata: [DONE]\n\n",
			text: "Hel",
		},
		{
			name: "Azure, with the results of filters",
			body: `data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}

data: {"choices":[{"content_filter_results":{},"delta":{"content":"Hi"},"finish_reason":null,"index":0,"logprobs":null}]}

data: {"choices":[{"content_filter_offsets":{"check_offset":1,"start_offset":1,"end_offset":2},"content_filter_result":{"error":{"code":"content_filter_error","message":"not filtered"}},"finish_reason":null,"index":0}]}

data: {"choices":[{"content_filter_results":{},"delta":{},"finish_reason":"content_filter","index":0}]}

data: [DONE]

`,
			text: "Hi", finish: "content_filter",
		},
		{
			name: "a refusal",
			body: `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null,"refusal":"I cannot "}}]}

data: {"choices":[{"index":0,"delta":{"refusal":"help."}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: [DONE]

`,
			refusal: "I cannot help.", finish: "stop",
		},
		{
			name: "reasoning in every member",
			body: `data: {"choices":[{"delta":{"reasoning_content":"a","content":null},"finish_reason":""}]}

data: {"choices":[{"delta":{"reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b"}]}}]}

data: {"choices":[{"delta":{"reasoning":"c","reasoning_content":"c"}}]}

data: {"choices":[{"delta":{"reasoning_text":"d"}}]}

data: {"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"e"}]},{"type":"reference","reference_ids":[1]},{"type":"text","text":"Hi"}]}}]}

data: {"choices":[{"delta":{"content":{"type":"text","text":" you"}}}]}

data: {"choices":[{"delta":{"content":7,"reasoning":true},"finish_reason":"stop"}]}

data: [DONE]

`,
			text: "Hi you", reasoning: "abcde", finish: "stop",
		},
		{
			name: "calls of tools in pieces",
			body: `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"add","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":"0","id":"","function":{"name":"","arguments":":1}"}},{"index":1,"id":"call_b","function":{"name":"sub","arguments":"{}"}}]}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: [DONE]

`,
			finish: "tool_calls",
			calls: []llm.ToolCall{
				{Index: 0, ID: "call_a", Name: "add", Arguments: `{"a":1}`},
				{Index: 1, ID: "call_b", Name: "sub", Arguments: "{}"},
			},
		},
		{
			name: "calls of tools with an ID and a name in each piece",
			body: `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":"{"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":"}"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"other","function":{"arguments":" "}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":""}}]}}]}

data: [DONE]

`,
			calls: []llm.ToolCall{{ID: "a", Name: "add", Arguments: "{} "}},
		},
		{
			name: "whole calls of tools with the same index, or none",
			body: `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":"{}"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"add","arguments":{"x":1}}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"id":"c","function":{"name":"sub","arguments":"{}"}},{"id":"d","function":{"name":"sub","arguments":"{}"}}]}}]}

data: [DONE]

`,
			calls: []llm.ToolCall{
				{Index: 0, ID: "a", Name: "add", Arguments: "{}"},
				{Index: 1, ID: "b", Name: "add", Arguments: `{"x":1}`},
				{Index: 2, ID: "c", Name: "sub", Arguments: "{}"},
				{Index: 3, ID: "d", Name: "sub", Arguments: "{}"},
			},
		},
		{
			name: "whole calls of tools without an ID",
			body: `data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"add","arguments":"{}"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"sub","arguments":"{}"}}]}}]}

data: [DONE]

`,
			calls: []llm.ToolCall{{Index: 0, Name: "add", Arguments: "{}"}, {Index: 1, Name: "sub", Arguments: "{}"}},
		},
		{
			name: "parallel calls of the same tool with the same index and no ID",
			body: `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"","function":{"name":"weather","arguments":"{\"city\":\"P{\\\"ari"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"","function":{"name":"weather","arguments":"s}\"}"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"","function":{"name":"weather","arguments":"{\"cities\":["}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{},"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}]}"}}]}}]}

data: [DONE]

`,
			calls: []llm.ToolCall{
				{Index: 0, Name: "weather", Arguments: `{"city":"P{\"aris}"}`},
				{Index: 1, Name: "weather", Arguments: `{"cities":[{},{}]}`},
			},
		},
		{
			name: "an ID that returns",
			body: `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":"{"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"add","arguments":"{}"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":"}"}}]}}]}

data: [DONE]

`,
			calls: []llm.ToolCall{{Index: 0, ID: "a", Name: "add", Arguments: "{}"}, {Index: 1, ID: "b", Name: "add", Arguments: "{}"}},
		},
		{
			name: "a function call, before there were tools",
			body: `data: {"choices":[{"index":0,"delta":{"function_call":{"name":"add","arguments":""}}}]}

data: {"choices":[{"index":0,"delta":{"function_call":{"arguments":"{}"}}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"function_call"}]}

data: [DONE]

`,
			finish: "function_call", calls: []llm.ToolCall{{Name: "add", Arguments: "{}"}},
		},
		{
			name: "legacy Completions",
			body: `data: {"object":"text_completion","choices":[{"text":"Hel","index":0,"logprobs":null,"finish_reason":null}]}

data: {"object":"text_completion","choices":[{"text":"lo","index":0,"finish_reason":"stop"}]}

data: [DONE]

`,
			text: "Hello", finish: "stop",
		},
		{
			name: "several choices",
			body: `data: {"choices":[{"index":1,"delta":{"content":"No"}},{"index":"0","delta":{"content":"Yes"}}]}

data: {"choices":[{"index":1,"delta":{},"finish_reason":"length","error":{"message":"of another choice"}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"choices":[{"index":2,"delta":{"content":"Maybe"}}]}

`,
			text: "Yes", finish: "stop",
		},
		{
			name: "several choices with the same index, as of Copilot",
			body: `data: {"choices":[{"index":0,"delta":{"content":"Hel","reasoning_text":"H"}},{"index":0,"delta":{"content":"lo","reasoning_text":"m"}}]}

data: {"choices":[{"finish_reason":"tool_calls","index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":"{}"}}]}},{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"sub","arguments":"{}"}}]}}]}

`,
			text: "Hello", reasoning: "Hm", finish: "tool_calls",
			calls: []llm.ToolCall{{Index: 0, ID: "a", Name: "add", Arguments: "{}"}, {Index: 1, ID: "b", Name: "sub", Arguments: "{}"}},
		},
		{
			name: "a finish reason that is an object",
			body: hel + `data: {"choices":[{"index":0,"delta":{},"finish_reason":{"type":"length","length":20}}]}

`,
			text: "Hel", finish: "length",
		},
		{
			name: "the end of another choice",
			body: hel + `data: {"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}

`,
			text: "Hel", err: "truncated",
		},
		{
			name: "one whole completion",
			body: `data: {"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","reasoning_content":"Hm","tool_calls":[{"id":"a","function":{"name":"add","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":"9","completion_tokens":2.0,"prompt_cache_hit_tokens":3}}

`,
			text: "Hello", reasoning: "Hm", finish: "stop",
			calls: []llm.ToolCall{{ID: "a", Name: "add", Arguments: "{}"}},
			usage: &llm.Usage{Input: 9, Output: 2, Cached: 3},
		},
		{
			name: "deltas, then the whole message",
			body: `data: {"choices":[{"delta":{"content":"Hello","reasoning":"Hm","tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":"{}"}}]}}]}

data: {"choices":[{"message":{"content":"Hello","reasoning":"Hm","tool_calls":[{"id":"a","function":{"name":"add","arguments":"{}"}}]},"finish_reason":"stop"}]}

`,
			text: "Hello", reasoning: "Hm", finish: "stop", calls: []llm.ToolCall{{ID: "a", Name: "add", Arguments: "{}"}},
		},
		{
			name: "usage of xAI, which counts the reasoning apart",
			body: hel + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":32,"completion_tokens":90,"total_tokens":131,"completion_tokens_details":{"reasoning_tokens":9}}}

data: [DONE]

`,
			text: "Hel", finish: "stop", usage: &llm.Usage{Input: 32, Output: 99, Reasoning: 9},
		},
		{
			name: "usage of SGLang, which counts the reasoning in",
			body: hel + `data: {"choices":[],"usage":{"prompt_tokens":32,"completion_tokens":90,"total_tokens":122,"reasoning_tokens":9}}

data: [DONE]

`,
			text: "Hel", usage: &llm.Usage{Input: 32, Output: 90, Reasoning: 9},
		},
		{
			name: "usage of Moonshot and of Groq",
			body: hel + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":5,"completion_tokens":1,"cached_tokens":2}}]}

data: {"choices":[],"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":3}}}

data: [DONE]

`,
			text: "Hel", finish: "stop", usage: &llm.Usage{Input: 5, Output: 3, Cached: 2},
		},
		{
			name: "no completion",
			body: `data: {"choices":[{"index":0,"delta":{"content":"H"},"finish_reason":""}]}

data: {"choices":[{"index":0,"delta":{"content":"el"},"finish_reason":"null"}]}

`,
			text: "Hel", err: "truncated",
		},
		{
			name: "nothing but a comment",
			body: ": hello\n\n",
			err:  "truncated",
		},
	})
}

func TestOpenAIChatErrors(t *testing.T) {
	const done = "data: [DONE]\n\n"
	for _, c := range []struct{ name, body, err string }{
		{"an object", `data: {"error":{"message":"overloaded","type":"server_error"}}`, "overloaded"},
		{"a string", `data: {"error":"model not found"}`, "model not found"},
		{"with choices", `data: {"choices":[{"index":0,"delta":{"content":"x"}}],"error":{"code":"server_error","message":"lost"}}`, "lost"},
		{"an event", "event: error\ndata: {\"error\":{\"message\":\"bad call\",\"code\":\"tool_use_failed\"}}", "bad call"},
		{"an event of text", "event: error\ndata: out of memory", "out of memory"},
		{"an event of nothing", "event: error\ndata: {}", "{}"},
		{"vLLM", `data: {"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}`, "too long"},
		{"a type", `data: {"type":"error","message":"too long"}`, "too long"},
		{"members", `data: {"error_type":"overloaded","error_message":"busy"}`, "busy"},
		{"error_code", `data: {"error_code":"REQUEST_LIMIT_EXCEEDED","message":"too many"}`, "too many"},
		{"detail", `data: {"detail":"Not Found"}`, "Not Found"},
		{"detail of FastAPI", `data: {"detail":[{"type":"missing","loc":["body"],"msg":"Field required"}]}`, "Field required"},
		{"a list", `data: {"errors":[{"message":"first"},{"message":"second"}]}`, "first"},
		{"a gateway", `data: {"code":"InvalidApiKey","message":"Invalid API-key","request_id":"r"}`, "Invalid API-key"},
		{"a gateway with a number", `data: {"code":1302,"message":"too fast"}`, "too fast"},
		{"MiniMax", `data: {"base_resp":{"status_code":1002,"status_msg":"rate limit"}}`, "rate limit"},
		{"Groq", `data: {"choices":[],"x_groq":{"id":"r","error":"over capacity"}}`, "over capacity"},
		{"OpenRouter", `data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":502,"message":"disconnected"}}]}`, "disconnected"},
		{"finish reason", `data: {"choices":[{"index":0,"delta":{},"finish_reason":"insufficient_system_resource"}]}`, "the service ended the response with finish_reason insufficient_system_resource"},
		{"finish reason timeout", `data: {"choices":[{"index":0,"delta":{},"finish_reason":"timeout"}]}`, "the service ended the response with finish_reason timeout"},
		{"finish reason cancelled", `data: {"choices":[{"index":0,"delta":{},"finish_reason":"cancelled"}]}`, "the service ended the response with finish_reason cancelled"},
		{"finish reason of SGLang", `data: {"choices":[{"index":0,"delta":{},"finish_reason":{"type":"abort","message":"out of memory"}}]}`, "out of memory"},
		{"of the second of two choices", `data: {"choices":[{"index":0,"delta":{}},{"index":0,"error":{"message":"lost"}}]}`, "lost"},
		{"text in data", `data: error: CUDA out of memory`, "CUDA out of memory"},
		{"an exception in data", `data: ValueError: bad token`, "bad token"},
		{"HTML in data", `data: <html><title>502 Bad Gateway</title></html>`, "502 Bad Gateway"},
		{"brackets in data", `data: [ERROR] no slot`, "[ERROR] no slot"},
		{"a field", `error: {"code":500,"message":"failed to decode","type":"server_error"}`, "failed to decode"},
		{"a field of text", `error: failed to decode`, "failed to decode"},
		{"a field of many lines", "error: {\n  \"message\": \"failed\"\n}", "failed"},
		{"a field that is empty, then text", "error:\nout of memory", "error:\nout of memory"},
		{"a field with JSON on the next line", "error:\n{\"message\":\"failed\"}", "failed"},
		{"a field with an envelope", `error: {"detail":"x","error":{"message":"failed"}}`, "failed"},
		{"a document", `{"error":{"message":"quota","type":"insufficient_quota"}}`, "quota"},
		{"a document of many lines", "{\n  \"error\": {\n    \"message\": \"quota\"\n  }\n}", "quota"},
		{"a list of documents", "[{\n  \"error\": {\"code\": 503, \"status\": \"UNAVAILABLE\", \"message\": \"busy\"}\n}\n]", "busy"},
		{"HTML", "<!DOCTYPE html>\n<html>\n<head><title>504\nGateway Time-out</title></head>\n</html>", "504 Gateway Time-out"},
		{"plain text", "upstream request timeout", "upstream request timeout"},
		{"a chunk without a field", `{"choices":[]}`, `a chunk that is not in a data field: {"choices":[]}`},
		{"a capital before data", `Data: x`, "a line that is not a field because of its case or white space: Data: x"},
		{"a space before data", ` data: {"choices":[{"index":0,"delta":{"content":"lost"}}]}`, `a line that is not a field because of its case or white space: data: {"choices":[{"index":0,"delta":{"content":"lost"}}]}`},
	} {
		body := hel + c.body + "\n\n"
		check(t, llm.OpenAIChat, []stream{
			{name: c.name, body: body, text: "Hel", err: c.err},
			{name: c.name + ", then [DONE]", body: body + done, text: "Hel", err: c.err},
			{name: c.name + ", in place of a stream", body: strings.TrimPrefix(body, hel), err: c.err},
			{name: c.name + ", after a finish reason", body: `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + c.body + "\n\n", finish: "stop", err: c.err},
		})
	}
}

func TestOpenAIChatDataThatIsNotAChunk(t *testing.T) {
	for _, data := range []string{
		`{"choices":[{"delta":{"content":"lost"`,
		`{"choices":"text"}`,
		`{"choices":[{"delta":{"content":[{"type":"text","text":"a"},{"thinking":{"text":{"text":["x",{"text":[1]}]}}}`,
		`{"choices":[{"delta":"text"}]}`,
	} {
		p := parse(hel + "data: " + data + "\n\n" + hel + "data: [DONE]\n\n")
		var text strings.Builder
		var failed int
		for d, err := range llm.OpenAIChat.Deltas(p) {
			if err != nil {
				bad, ok := errors.AsType[*sse.DecodeError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, data, bad.Event.Data)
				failed++
			}
			text.WriteString(d.Text)
		}
		require.Equal(t, 1, failed, data)
		require.Equal(t, "HelHel", text.String(), data)
	}
}

// There is one Delta for each event, except for those that only mark the end.
func TestOpenAIChatDeltasCountEvents(t *testing.T) {
	body := ": comment\n\ndata: PING\n\n" + hel + "event: other\ndata: x\n\n" + hel + "data: [DONE]\n\n"
	for _, w := range ways[:2] {
		require.Equal(t, 4, w.read(t, llm.OpenAIChat, strings.NewReader(body)).deltas, w.name)
	}
}

func TestOpenAIChatHarmlessLines(t *testing.T) {
	cut := strings.Repeat("trace-id: 0123456789\n", 4000) // longer than a text that is kept
	for _, line := range []string{cut + "x: y", "error:", "error:\nfoo: bar", "error: None", "[DONE]", "x: y\n[DONE]", "keepalive", "  ", "PING", "x-custom: 1", " : comment", "error: null", "{}", `{"error":null}`, " id: 7"} {
		body := line + "\n\n" + hel + "data: [DONE]\n\n"
		for _, w := range ways {
			got := w.read(t, llm.OpenAIChat, strings.NewReader(body))
			require.NoError(t, got.cause, line)
			require.Equal(t, "Hel", got.text, line)
		}
	}
}

// A sentinel that has lost the name of its field is not an error, and does not complete a response.
func TestOpenAIChatBareSentinel(t *testing.T) {
	for _, w := range ways {
		got := w.read(t, llm.OpenAIChat, strings.NewReader(hel+"[DONE]\n\n"))
		require.True(t, isTruncated(got.cause), "%s: %v", w.name, got.cause)
		require.Equal(t, "truncated", got.err)
	}
}

// A usage chunk with a blank thought does not reopen a response that has a finish reason.
func TestOpenAIChatBlankThought(t *testing.T) {
	const body = `data: {"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":"stop"}]}

data: {"choices":[{"index":0,"delta":{"reasoning_content":" \n"},"finish_reason":null}],"usage":{"prompt_tokens":1}}

`
	for _, w := range ways {
		got := w.read(t, llm.OpenAIChat, strings.NewReader(body))
		require.NoError(t, got.cause, w.name)
		require.Equal(t, " \n", got.reasoning)
	}
}

func TestOpenAIChatTextOfALongRefusal(t *testing.T) {
	refuse := func(words string, n int) *llm.Error {
		body := strings.Repeat(`data: {"choices":[{"index":0,"delta":{"refusal":"`+words+`"}}]}`+"\n\n", n) + "data: [DONE]\n\n"
		return serviceError(t, textError(t, llm.OpenAIChat, body))
	}
	long := refuse(strings.Repeat("é", 2000), 40)
	require.LessOrEqual(t, len(long.Message), 64<<10)
	require.Greater(t, len(long.Message), 60<<10)
	require.Equal(t, "the response has no text", refuse(" ", 2).Message)
	require.Equal(t, "No.", refuse(" No. ", 1).Message)
}

// Streams that share an option do not share an error.
func TestErrorsAreNotShared(t *testing.T) {
	opt := llm.OpenAIChat.Option()
	for range 2 {
		s, err := sse.FromResponse(newResponse(strings.NewReader(events(`{"error":{"message":"lost"}}`))), opt)
		require.NoError(t, err)
		e := serviceError(t, join(llm.OpenAIChat.Deltas(s)).cause)
		require.Equal(t, "lost", e.Message)
		e.Message = "changed by the caller"
		serviceError(t, s.Err()).Message = "changed by the caller"
	}
}

// A response with calls and without text is not a refusal.
func TestOpenAIChatTextOfCalls(t *testing.T) {
	for _, finish := range []string{"tool_calls", "something_new"} {
		body := `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":"{}"}}]},"finish_reason":"` + finish + `"}]}` + "\n\n"
		for text, err := range llm.OpenAIChat.Text(parse(body)) {
			require.NoError(t, err)
			require.Empty(t, text)
		}
	}
	body := `data: {"choices":[{"delta":{},"finish_reason":"content_filter"}]}` + "\n\n"
	require.EqualError(t, textError(t, llm.OpenAIChat, body), "llm: content_filter: the response has no text")
}

// Ranging over the deltas again yields one error, and a dialect that does not exist another.
func TestDeltasOnce(t *testing.T) {
	p := parse("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
	require.True(t, isTruncated(join(llm.OpenAIChat.Deltas(p)).cause))
	again := join(llm.OpenAIChat.Deltas(p))
	require.EqualError(t, again.cause, "sse: the events were already ranged over; a stream can be read once")
	for _, d := range []llm.Dialect{0, -1, 99} {
		s, err := sse.FromResponse(newResponse(strings.NewReader("")))
		require.NoError(t, err)
		require.ErrorContains(t, join(d.Deltas(s)).cause, "is not a dialect")
		require.ErrorIs(t, s.Err(), sse.ErrClosed)
		_, err = llm.Fetch(newPost(), d)
		require.ErrorContains(t, err, "is not a dialect")
		require.True(t, sse.NotSent(err))
	}
}

// A Stream is a source of any dialect, and so is what embeds a source.
func TestDeltasOfAnySource(t *testing.T) {
	const body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\nerror: overloaded\n\n"
	s, err := llm.Fetch(newPost(), llm.OpenAIChat, sse.WithHTTPClient(responding(strings.NewReader(body))))
	require.NoError(t, err)
	require.Equal(t, "overloaded", join(llm.OpenAIChat.Deltas(s)).err)
	p := struct{ sse.Source }{sse.NewParser(strings.NewReader(body))}
	require.Equal(t, "overloaded", join(llm.OpenAIChat.Deltas(p)).err)
}

// What a source does not deliver as an event counts in every way of reading: a type without
// data, and the end without its blank line. The error of an end that is too early tells how
// many events came, and what is missing.
func TestEndsOfEverySource(t *testing.T) {
	const hel = "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n"
	for _, tt := range []struct {
		name    string
		dialect llm.Dialect
		body    string
		want    string // of the error
	}{
		{"an error without data", llm.OpenAIChat, hel + "event: error\n\ndata: [DONE]\n\n", "error event"},
		{"an end without data", llm.Replicate, "event: output\ndata: Hel\n\nevent: done\n\n", ""},
		{"[DONE] without a blank line", llm.OpenAIChat, hel + "data: [DONE]\n", ""},
		{"[DONE] without a line end", llm.OpenAIChat, hel + "data: [DONE]", ""},
		{"[DONE] that is cut", llm.OpenAIChat, hel + "data: [DON", "the response ended after 1 event, in the middle of event 2"},
		{"no end", llm.OpenAIChat, hel + hel, "the response ended after 2 events without [DONE] or another completion event"},
		{"no end, after data that is not a chunk", llm.OpenAIChat, hel + "data: {\n\n", "the response ended after 2 events without"},
		{"no end that is [DONE]", llm.Anthropic, "event: ping\ndata: {\"type\":\"ping\"}\n\n", "the response ended after 1 event without the completion event"},
	} {
		for _, w := range ways {
			t.Run(tt.name+", "+w.name, func(t *testing.T) {
				err := w.read(t, tt.dialect, strings.NewReader(tt.body)).cause
				if tt.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.want)
				}
			})
		}
	}
}

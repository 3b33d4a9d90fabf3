package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/fetchsse/sse/ssetest"
)

// translate returns the data of the events for deltas, without the members that vary.
func translate(t *testing.T, deltas ...llm.Delta) []string {
	t.Helper()
	tr := newTranslator("m")
	id, created := tr.id, tr.created
	var all []string
	for _, d := range deltas {
		data, err := tr.chunk(d)
		require.NoError(t, err)
		if data != "" {
			all = append(all, data)
		}
	}
	all = append(all, tr.end()...)
	for i, data := range all {
		if data == "[DONE]" {
			require.Equal(t, len(all)-1, i)
			continue
		}
		var v struct {
			ID, Object, Model string
			Created           int64
			Choices, Usage    json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(data), &v))
		require.Equal(t, []any{id, "chat.completion.chunk", "m", created}, []any{v.ID, v.Object, v.Model, v.Created})
		all[i] = strings.TrimSpace(string(v.Choices) + " " + string(v.Usage))
	}
	return all
}

func TestTranslate(t *testing.T) {
	require.Equal(t, []string{
		`[{"index":0,"delta":{"role":"assistant","reasoning_content":"Hm"},"finish_reason":null}]`,
		`[{"index":0,"delta":{"content":"Good"},"finish_reason":null}]`,
		`[{"index":0,"delta":{"content":" morning"},"finish_reason":null}]`,
		`[{"index":0,"delta":{},"finish_reason":"length"}]`,
		`[] {"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}`,
		"[DONE]",
	}, translate(t,
		llm.Delta{Usage: &llm.Usage{Input: 9}},
		llm.Delta{},
		llm.Delta{Reasoning: "Hm"},
		llm.Delta{Text: "Good", Finish: "max_tokens"},
		llm.Delta{Text: " morning"},
		llm.Delta{Usage: &llm.Usage{Input: 9, Output: 4, Cached: 2, Reasoning: 1}},
	))
}

func TestTranslateRefusal(t *testing.T) {
	require.Equal(t, []string{
		`[{"index":0,"delta":{"role":"assistant","refusal":"I cannot"},"finish_reason":null}]`,
		`[{"index":0,"delta":{},"finish_reason":"content_filter"}]`,
		"[DONE]",
	}, translate(t, llm.Delta{Refusal: "I cannot", Finish: "refusal"}))
}

// A response without text is a response.
func TestTranslateNothing(t *testing.T) {
	require.Equal(t, []string{`[{"index":0,"delta":{"role":"assistant"},"finish_reason":"stop"}]`, "[DONE]"}, translate(t))
}

// The first piece of a call has an ID and a type, even if the service sends no ID.
func TestTranslateToolCalls(t *testing.T) {
	tr := newTranslator("m")
	var calls []toolCall
	for _, d := range []llm.Delta{
		{ToolCalls: []llm.ToolCall{{Index: 0, ID: "a", Name: "f", Arguments: "{"}}},
		{ToolCalls: []llm.ToolCall{{Index: 0, Arguments: "}"}, {Index: 1, Name: "g", Arguments: "{}"}}, Finish: "STOP"},
	} {
		data, err := tr.chunk(d)
		require.NoError(t, err)
		var v chunk
		require.NoError(t, json.Unmarshal([]byte(data), &v))
		calls = append(calls, v.Choices[0].Delta.ToolCalls...)
	}
	require.Len(t, calls, 3)
	require.Equal(t, toolCall{Index: 0, ID: "a", Type: "function", Function: function{Name: "f", Arguments: "{"}}, calls[0])
	require.Equal(t, toolCall{Index: 0, Function: function{Arguments: "}"}}, calls[1])
	require.Regexp(t, `^call_\w+_1$`, calls[2].ID)
	require.Contains(t, tr.end()[0], `"finish_reason":"tool_calls"`) // Gemini says STOP
}

// Chat Completions cannot take text back.
func TestTranslateReset(t *testing.T) {
	tr := newTranslator("m")
	_, err := tr.chunk(llm.Delta{Reset: true, Text: "a"})
	require.NoError(t, err)
	data, err := tr.chunk(llm.Delta{Reset: true, Text: "ab"}) // takes nothing back
	require.NoError(t, err)
	require.Contains(t, data, `"content":"b"`)
	_, err = tr.chunk(llm.Delta{Reset: true, Text: "a"})
	require.ErrorIs(t, err, errTakenBack)
}

func TestFinishReason(t *testing.T) {
	for want, reasons := range map[string][]string{
		"stop":           {"", "stop", "end_turn", "stop_sequence", "STOP", "COMPLETE", "completed", "succeeded", "FINISH_REASON_UNSPECIFIED", "eos_token"},
		"length":         {"length", "max_tokens", "MAX_TOKENS", "max_output_tokens"},
		"tool_calls":     {"tool_calls", "tool_use", "TOOL_CALL", "tool-calls", "function_call"},
		"content_filter": {"content_filter", "content-filter", "refusal", "SAFETY", "RECITATION", "OTHER", "MALFORMED_FUNCTION_CALL", "error"},
	} {
		for _, reason := range reasons {
			require.Equal(t, want, finishReason(reason), reason)
		}
	}
}

// joined is what a client of Chat Completions reads.
func joined(t *testing.T, body string) (total llm.Delta, err error) {
	t.Helper()
	for d, err := range llm.OpenAIChat.Deltas(sse.NewParser(strings.NewReader(body))) {
		if err != nil {
			return total, err
		}
		total.Text += d.Text
		total.Reasoning += d.Reasoning
		total.Refusal += d.Refusal
		total.Finish += d.Finish
		total.ToolCalls = append(total.ToolCalls, d.ToolCalls...)
		if d.Usage != nil {
			total.Usage = d.Usage
		}
	}
	return total, nil
}

// translated sends a request through a gateway that translates.
func translated(t *testing.T, from llm.Dialect, script ...ssetest.Step) (*http.Response, string, map[string]any) {
	t.Helper()
	g, book := newGateway(t, upstream(t, script...).URL, from)
	g.translate = true
	resp, body := post(t, serveGateway(t, g))
	return resp, body, book.wait(t)
}

func TestTranslateResponse(t *testing.T) {
	resp, body, line := translated(t, llm.OpenAIChat,
		ssetest.Comment("wait"), ssetest.Retry(0),
		ssetest.Data(`{"choices":[{"index":0,"delta":{"reasoning":"Hm"}}]}`, text("Hi"),
			`{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}`, `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	require.Equal(t, 200, resp.StatusCode)
	got, err := joined(t, body)
	require.NoError(t, err)
	require.Equal(t, llm.Delta{Text: "Hi", Reasoning: "Hm", Finish: "length", Usage: &llm.Usage{Input: 1, Output: 2}}, got)
	require.Contains(t, body, `"model":"m"`)
	require.True(t, strings.HasPrefix(body, ": wait\n\n"))
	require.True(t, strings.HasSuffix(body, "data: [DONE]\n\n"), "the service has not sent it")
	require.Equal(t, "complete", line["end"])
}

// Errors are in the words of the clients, with what the service says.
func TestTranslateErrors(t *testing.T) {
	for name, c := range map[string]struct {
		script ssetest.Script
		status int
		want   string
	}{
		"refused": {
			ssetest.Script{ssetest.Answer(529, "Content-Type", "application/json"), ssetest.Raw(`{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`)},
			529, `{"error":{"code":null,"message":"busy","param":null,"type":"overloaded_error"}}`,
		},
		"first event": {
			ssetest.Script{ssetest.Data(`{"error":{"type":"overloaded_error","message":"busy"}}`)},
			529, `{"error":{"code":null,"message":"busy","param":null,"type":"overloaded_error"}}`,
		},
		"later event": {
			ssetest.Script{ssetest.Data(text("Hi"), `{"error":{"type":"overloaded_error","message":"busy"}}`)},
			200, `{"error":{"code":null,"message":"busy","param":null,"type":"overloaded_error"}}`,
		},
		"not JSON": {
			ssetest.Script{ssetest.Data(text("Hi"), `{"choices":`)},
			200, `{"error":{"code":null,"message":"the response of the service cannot be relayed","param":null,"type":"api_error"}}`,
		},
		"no stream": {
			ssetest.Script{ssetest.Answer(200, "Content-Type", "application/json"), ssetest.Raw(`{"content":[]}`)},
			502, `{"error":{"code":null,"message":"the response of the service is not an event stream","param":null,"type":"api_error"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body, _ := translated(t, llm.OpenAIChat, c.script...)
			require.Equal(t, c.status, resp.StatusCode)
			if c.status != 200 {
				require.Equal(t, c.want, body)
				return
			}
			require.True(t, strings.HasSuffix(body, "data: "+c.want+"\n\n"), body)
			require.NotContains(t, body, "[DONE]")
			_, err := joined(t, body)
			require.ErrorAs(t, err, new(*llm.Error))
		})
	}
}

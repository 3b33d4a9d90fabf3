package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// A response that ends before its finish reason is not accepted as complete, wherever it
// ends. After it, a clean end is: some servers leave out what follows.
func TestTruncated(t *testing.T) {
	for provider, write := range writers {
		t.Run(provider, func(t *testing.T) {
			blocks := write([]string{"one ", "two ", "three"}, 1)
			for n := range blocks {
				stream := strings.Join(blocks[:n], "")
				for end, script := range map[string]ssetest.Script{
					"the response ended after ":   {ssetest.Open(), ssetest.Raw(stream)},
					"the connection broke after ": {ssetest.Open(), ssetest.Raw(stream), ssetest.Cut()},
				} {
					code, stdout, stderr := chat(t, "-provider", provider, "-url", server(t, script...).URL, "hello")
					if code == success {
						require.Contains(t, blocks[n-1]+blocks[max(n-2, 0)], `stop`, stream)
						require.Equal(t, "one two three\n", stdout)
						continue
					}
					require.Equal(t, failed, code, stream)
					require.Contains(t, stderr, end, stream)
					require.NotContains(t, stderr, "usage:", stream)
					require.True(t, strings.HasPrefix("one two three\n", strings.TrimSuffix(stdout, "\n")), stdout)
				}
			}
		})
	}
}

func TestErrorInStream(t *testing.T) {
	for name, c := range map[string]struct{ provider, block, want string }{
		"openai":          {"openai", `data: {"error":{"message":"too busy","type":"server_error"}}`, "server_error: too busy"},
		"openai type":     {"openai", "event: error\ndata: too busy", "too busy"},
		"openai string":   {"openai", `data: {"error":"too busy"}`, "too busy"},
		"responses":       {"responses", named("error", `,"code":"busy","message":"too busy"`), "too busy"},
		"responses empty": {"responses", "event: error\ndata: {}", "{}"},
		"responses failed": {
			"responses", named("response.failed", `,"response":{"error":{"code":"x","message":"too busy"}}`), "too busy",
		},
		"anthropic": {
			"anthropic", named("error", `,"error":{"type":"overloaded_error","message":"too busy"}`), "overloaded_error: too busy",
		},
		"gemini": {
			"gemini", `data: {"error":{"code":503,"message":"too busy","status":"UNAVAILABLE"}}`, "UNAVAILABLE: too busy",
		},
		"not JSON": {"openai", "data: {]", "invalid character ']' looking for beginning of object key string"},
		"a field":  {"openai", `error: {"message":"too busy"}`, "too busy"},
	} {
		t.Run(name, func(t *testing.T) {
			blocks := writers[c.provider]([]string{"one ", "two"}, 1)
			second := slices.IndexFunc(blocks, func(s string) bool { return strings.Contains(s, `"two"`) })
			before := strings.Join(blocks[:second], "")
			srv := server(t, ssetest.Raw(before+c.block+"\n\n"), ssetest.Stall())
			code, stdout, stderr := chat(t, "-provider", c.provider, "-url", srv.URL, "hello")
			require.Equal(t, failed, code)
			require.Contains(t, stderr, c.want+"\nreceived: ")
			require.Equal(t, "one \n", stdout)
		})
	}
}

// The stream is complete, but the model has stopped early.
func TestStoppedEarly(t *testing.T) {
	for provider, c := range map[string]struct{ stream, want string }{
		"openai": {
			"data: {\"choices\":[{\"delta\":{\"content\":\"one\"},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n", "length",
		},
		"responses": {
			named("response.output_text.delta", `,"delta":"one"`) + named("response.incomplete",
				`,"response":{"error":null,"incomplete_details":{"reason":"max_output_tokens"}}`), "max_output_tokens",
		},
		"anthropic": {
			named("content_block_delta", `,"delta":{"type":"thinking_delta","thinking":"hm"}`) +
				named("content_block_delta", `,"delta":{"type":"text_delta","text":"one"}`) +
				named("message_delta", `,"delta":{"stop_reason":"max_tokens"}`) + named("message_stop", ""), "max_tokens",
		},
		"gemini": {
			`data: {"candidates":[{"content":{"parts":[{"text":"one"}]},"finishReason":"MAX_TOKENS"}]}` + "\r\n\r\n", "MAX_TOKENS",
		},
	} {
		t.Run(provider, func(t *testing.T) {
			code, stdout, stderr := chat(t, "-provider", provider, "-url", server(t, ssetest.Raw(c.stream)).URL, "hello")
			require.Equal(t, stopped, code, stderr)
			require.Equal(t, "one\n", stdout)
			require.Contains(t, stderr, "note: the model stopped early: "+c.want+"\nusage: unknown input")
		})
	}
}

func TestRefusal(t *testing.T) {
	for name, tt := range map[string]struct{ provider, stream, want string }{
		"of the model": {
			"openai", `data: {"choices":[{"delta":{"refusal":"I cannot "}}]}` + "\n\n" +
				`data: {"choices":[{"delta":{"refusal":"help."},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n",
			"the model refuses: I cannot help.\n",
		},
		"of the prompt": {
			"gemini", `data: {"promptFeedback":{"blockReason":"SAFETY"}}` + "\r\n\r\n",
			"note: the model stopped early: SAFETY\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := chat(t, "-provider", tt.provider, "-url", server(t, ssetest.Raw(tt.stream)).URL, "hello")
			require.Equal(t, stopped, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.want)
		})
	}
}

// Text Generation Inference has a word of its own for the end of a text.
func TestWholeByAnotherWord(t *testing.T) {
	const stream = `data: {"choices":[{"delta":{"content":"one"},"finish_reason":"eos_token"}]}` + "\n\ndata: [DONE]\n\n"
	code, stdout, stderr := chat(t, "-url", server(t, ssetest.Raw(stream)).URL, "hello")
	require.Equal(t, success, code, stderr)
	require.Equal(t, "one\n", stdout)
}

// Text may follow an early finish reason.
func TestTextAfterTheFinish(t *testing.T) {
	const stream = `data: {"candidates":[{"content":{"parts":[{"text":"one "}]},"finishReason":"STOP"}]}` + "\r\n\r\n" +
		`data: {"candidates":[{"content":{"parts":[{"text":"two"}]},"finishReason":"STOP"}]}` + "\r\n\r\n"
	code, stdout, stderr := chat(t, "-provider", "gemini", "-url", server(t, ssetest.Raw(stream)).URL, "hello")
	require.Equal(t, success, code, stderr)
	require.Equal(t, "one two\n", stdout)
}

func TestCalls(t *testing.T) {
	const stream = `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"weather","arguments":"{\"city\":"}}]}}]}` + "\n\n" +
		`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Oslo\"}"}}]},"finish_reason":"tool_calls"}]}` + "\n\ndata: [DONE]\n\n"
	for want, args := range map[string][]string{
		"call: weather {\"city\":\"Oslo\"}\n":          {"-calls", "hello"},
		"note: tool calls of the model: 1; see -calls": {"hello"},
	} {
		code, stdout, stderr := chat(t, append([]string{"-url", server(t, ssetest.Raw(stream)).URL}, args...)...)
		require.Equal(t, success, code, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
	}
}

func TestRequest(t *testing.T) {
	const chatBody = `{"model":"m","messages":[{"role":"user","content":"hello"}],"stream":true`
	for provider, c := range map[string]struct{ env, header, value, path, body string }{
		"openai": {
			"OPENAI_API_KEY", "Authorization", "Bearer secret", "/v1/chat/completions",
			chatBody + `,"stream_options":{"include_usage":true}}`,
		},
		"responses": {
			"OPENAI_API_KEY", "Authorization", "Bearer secret", "/v1/responses",
			`{"model":"m","input":"hello","stream":true}`,
		},
		"anthropic": {"ANTHROPIC_API_KEY", "X-Api-Key", "secret", "/v1/messages", chatBody + `,"max_tokens":4096}`},
		"gemini": {
			"GEMINI_API_KEY", "X-Goog-Api-Key", "secret", "/v1/models/m:streamGenerateContent?alt=sse",
			`{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`,
		},
	} {
		t.Run(provider, func(t *testing.T) {
			srv := server(t, ssetest.Raw(strings.Join(writers[provider]([]string{"one"}, 1), "")))
			for _, key := range []string{"secret", ""} {
				t.Setenv(c.env, key)
				for _, url := range []string{srv.URL + "/v1", srv.URL + c.path} { // the base URL and the complete URL
					code, stdout, stderr := chat(t, "-provider", provider, "-model", "m", "-url", url, "hello")
					require.Equal(t, success, code, stderr)
					require.Equal(t, "one\n", stdout)
					require.NotContains(t, stderr, "secret")
				}
			}
			for i, req := range srv.Requests() {
				require.Equal(t, c.path, req.Path)
				require.JSONEq(t, c.body, string(req.Body))
				if i < 2 {
					require.Equal(t, c.value, req.Header.Get(c.header))
				} else {
					require.Empty(t, req.Header.Values(c.header))
				}
				if provider == "anthropic" {
					require.Equal(t, "2023-06-01", req.Header.Get("Anthropic-Version"))
				}
			}
			require.Len(t, srv.Requests(), 4)
		})
	}
}

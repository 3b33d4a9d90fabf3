package llm_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// refuse returns the error of a response with this status, type and body.
func refuse(t testing.TB, d llm.Dialect, status int, contentType, body string) error {
	t.Helper()
	resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body))}
	hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return resp, nil })}
	_, err := llm.Fetch(newPost(), d, sse.WithHTTPClient(hc), sse.WithMaxRetries(0))
	require.Error(t, err)
	return err
}

func TestRefusals(t *testing.T) {
	const inJSON, html, text = "application/json", "text/html; charset=utf-8", "text/plain"
	for _, c := range []struct {
		name              string
		status            int
		contentType, body string
		want              llm.Error // without Raw
		retryable         bool
	}{
		{
			"OpenAI", 401, inJSON, `{"error":{"message":"Incorrect API key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			llm.Error{Type: "invalid_request_error", Code: "invalid_api_key", Message: "Incorrect API key", Status: 401},
			false,
		},
		{
			"OpenAI, limit", 429, inJSON, `{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}`,
			llm.Error{Type: "tokens", Code: "rate_limit_exceeded", Message: "Rate limit reached", Status: 429},
			true,
		},
		{
			"OpenAI, quota", 429, inJSON, `{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}`,
			llm.Error{Type: "insufficient_quota", Code: "insufficient_quota", Message: "You exceeded your quota", Status: 429},
			false,
		},
		{
			"Anthropic", 529, inJSON, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req"}`,
			llm.Error{Type: "overloaded_error", Message: "Overloaded", Status: 529},
			true,
		},
		{
			"Gemini", 503, inJSON, "[{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"The model is overloaded.\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n]",
			llm.Error{Type: "UNAVAILABLE", Message: "The model is overloaded.", Status: 503},
			true,
		},
		{
			"Cohere", 400, inJSON, `{"id":"x","message":"invalid request: message must be at least 1 token long"}`,
			llm.Error{Message: "invalid request: message must be at least 1 token long", Status: 400},
			false,
		},
		{
			"Replicate", 422, inJSON, `{"title":"Input validation failed","detail":"- input: prompt is required","status":422,"invalid_fields":[{"type":"required","field":"input","description":"x"}]}`,
			llm.Error{Message: "- input: prompt is required", Status: 422},
			false,
		},
		{
			"Replicate, title alone", 404, inJSON, `{"title":"Not found","status":404}`,
			llm.Error{Message: "Not found", Status: 404},
			false,
		},
		{
			"Dify", 400, inJSON, `{"code":"provider_quota_exceeded","message":"No quota.","status":400}`,
			llm.Error{Code: "provider_quota_exceeded", Message: "No quota.", Status: 400},
			false,
		},
		{
			"FastAPI", 422, inJSON, `{"detail":[{"type":"missing","loc":["body","model"],"msg":"Field required","input":{}}]}`,
			llm.Error{Message: "Field required", Status: 422},
			false,
		},
		{
			"vLLM", 400, inJSON, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}`,
			llm.Error{Type: "BadRequestError", Message: "This model's maximum context length is 4096 tokens.", Status: 400},
			false,
		},
		{
			"Ollama", 404, inJSON, `{"error":"model 'x' not found"}`,
			llm.Error{Message: "model 'x' not found", Status: 404},
			false,
		},
		{
			"Text Generation Inference", 429, inJSON, `{"error":"Model is overloaded","error_type":"overloaded"}`,
			llm.Error{Type: "overloaded", Message: "Model is overloaded", Status: 429},
			true,
		},
		{
			"Azure", 400, inJSON, `{"error":{"message":"The response was filtered.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
			llm.Error{Code: "content_filter", Message: "The response was filtered.", Status: 400},
			false,
		},
		{
			"Azure, a code that is a status", 429, inJSON, `{"error":{"code":"429","message":"Requests have exceeded the limit."}}`,
			llm.Error{Message: "Requests have exceeded the limit.", Status: 429},
			true,
		},
		{
			"Azure, its gateway", 401, inJSON, `{"statusCode":401,"message":"Unauthorized. Access token is missing."}`,
			llm.Error{Message: "Unauthorized. Access token is missing.", Status: 401},
			false,
		},
		{
			"OpenRouter", 200, inJSON, `{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"busy","provider_name":"p"}},"user_id":"u"}`,
			llm.Error{Message: "Provider returned error", Status: 429},
			true,
		},
		{
			"Zhipu, a code that is not a status", 429, inJSON, `{"error":{"code":"1302","message":"Rate limit"}}`,
			llm.Error{Code: "1302", Message: "Rate limit", Status: 429},
			true,
		},
		{
			"MiniMax", 200, inJSON, `{"id":"x","choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}`,
			llm.Error{Code: "1008", Message: "insufficient balance"},
			false,
		},
		{
			"Moonshot", 429, inJSON, `{"error":{"type":"exceeded_current_quota_error","message":"Your account is suspended"}}`,
			llm.Error{Type: "exceeded_current_quota_error", Message: "Your account is suspended", Status: 429},
			false,
		},
		{
			"Databricks", 429, inJSON, `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"Exceeded workspace limit"}`,
			llm.Error{Code: "REQUEST_LIMIT_EXCEEDED", Message: "Exceeded workspace limit", Status: 429},
			true,
		},
		{
			"DashScope", 400, inJSON, `{"code":"InvalidParameter","message":"model not found","request_id":"r"}`,
			llm.Error{Code: "InvalidParameter", Message: "model not found", Status: 400},
			false,
		},
		{
			"DashScope, an event", 429, "text/event-stream", "id:1\nevent:error\n:HTTP_STATUS/429\ndata:{\"code\":\"Throttling.RateQuota\",\"message\":\"Requests rate limit exceeded\"}\n\n",
			llm.Error{Code: "Throttling.RateQuota", Message: "Requests rate limit exceeded", Status: 429},
			true,
		},
		{
			"a framework with a title", 404, inJSON, `{"statusCode":404,"message":"Cannot POST /v1","error":"Not Found"}`,
			llm.Error{Type: "Not Found", Message: "Cannot POST /v1", Status: 404},
			false,
		},
		{
			"OAuth", 401, inJSON, `{"error":"invalid_client","error_description":"The secret has expired."}`,
			llm.Error{Type: "invalid_client", Message: "The secret has expired.", Status: 401},
			false,
		},
		{
			"the status of an envelope", 200, inJSON, `{"status":503,"error":{"message":"busy"}}`,
			llm.Error{Message: "busy", Status: 503},
			true,
		},
		{
			"a list of errors", 400, inJSON, `{"errors":[null,{},{"message":"first","code":10000}]}`,
			llm.Error{Code: "10000", Message: "first", Status: 400},
			false,
		},
		{
			"no message", 400, inJSON, `{"error":{"type":"invalid_request_error","message":""}}`,
			llm.Error{Type: "invalid_request_error", Message: "invalid_request_error", Status: 400},
			false,
		},
		{
			"unknown members", 400, inJSON, `{"error":{"reason":"unknown"}}`,
			llm.Error{Message: `{"reason":"unknown"}`, Status: 400},
			false,
		},
		{
			"a flag", 400, inJSON, `{"error":true,"status":"failed","reason":"x"}`,
			llm.Error{Message: "true", Status: 400},
			false,
		},
		{
			"a flag with a message", 500, inJSON, `{"error":true,"message":"it broke"}`,
			llm.Error{Message: "it broke", Status: 500},
			true,
		},
		{
			"a number", 400, inJSON, `{"error":429}`,
			llm.Error{Code: "429", Message: "429", Status: 429},
			true,
		},
		{
			"a string", 400, inJSON, `"bad request"`,
			llm.Error{Message: "bad request", Status: 400},
			false,
		},
		{
			"a byte order mark", 400, inJSON, "\ufeff" + `{"error":{"message":"x"}}`,
			llm.Error{Message: "x", Status: 400},
			false,
		},
		{
			"Zhipu, with 200", 200, inJSON, `{"code":500,"msg":"404 NOT_FOUND","success":false}`,
			llm.Error{Message: "404 NOT_FOUND", Status: 500},
			true,
		},
		{
			"DashScope, with 200", 200, inJSON, `{"code":"InvalidApiKey","message":"no key","request_id":"r"}`,
			llm.Error{Code: "InvalidApiKey", Message: "no key"},
			false,
		},
		{
			"a status that is a word, with 200", 200, inJSON, `{"status":"error","message":"it broke"}`,
			llm.Error{Message: "it broke"},
			false,
		},
		{
			"blanks", 400, inJSON, `{"error":{"type":" ","code":"x ","message":" "}}`,
			llm.Error{Code: "x", Message: "x", Status: 400},
			false,
		},
		{
			"long words", 400, inJSON, `{"error":{"type":"` + strings.Repeat("t", 100) + `","code":"` + strings.Repeat("c", 100) + `","message":"x"}}`,
			llm.Error{Type: strings.Repeat("t", 61) + "...", Code: strings.Repeat("c", 61) + "...", Message: "x", Status: 400},
			false,
		},
		{
			"HTML", 502, html, "<html>\r\n<head><title>502 Bad &amp; Gateway</title></head>\r\n<body></body>\r\n</html>",
			llm.Error{Message: "502 Bad & Gateway", Status: 502},
			true,
		},
		{
			"HTML without a title", 524, html, "<html><title> </title>error</html>",
			llm.Error{Message: "an HTML document in place of the response", Status: 524},
			true,
		},
		{
			"plain text", 504, text, "upstream request timeout",
			llm.Error{Message: "upstream request timeout", Status: 504},
			true,
		},
		{
			"broken JSON", 413, inJSON, `{"error":{"message":"too lar`,
			llm.Error{Message: `{"error":{"message":"too lar`, Status: 413},
			false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := refuse(t, llm.OpenAIChat, c.status, c.contentType, c.body)
			response, ok := errors.AsType[*sse.ResponseError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.status, response.StatusCode)
			got := serviceError(t, err)
			require.Equal(t, strings.TrimPrefix(strings.TrimSpace(c.body), "\ufeff"), got.Raw)
			got.Raw = ""
			require.Equal(t, c.want, *got)
			require.Equal(t, c.retryable, got.Retryable())
		})
	}
}

// Other bodies are not an error of the service: a complete response, for instance.
func TestRefusalsWithoutAnError(t *testing.T) {
	for _, c := range []struct {
		status            int
		contentType, body string
	}{
		{200, "application/json", `{"choices":[{"message":{"content":"Hi"}}],"error":null}`},
		{200, "application/json", `[1,{"a":1}]`},
		{200, "application/json", `{"message":"Hi"}`},
		{200, "application/json", `{"object":"response","status":"failed"}`},
		{200, "application/json", `[1`},
		{200, "text/html", "<html><title>Log in</title></html>"},
		{200, "application/json", ""},
		{500, "application/json", "{}"},
		{500, "application/json", "null"},
		{500, "text/plain", " \n"},
	} {
		err := refuse(t, llm.OpenAIChat, c.status, c.contentType, c.body)
		_, ok := errors.AsType[*sse.ResponseError](err)
		require.True(t, ok, "%v", err)
		_, ok = errors.AsType[*llm.Error](err)
		require.False(t, ok, "%s", c.body)
	}
}

// halves has the first half of a text in each dialect.
var halves = map[llm.Dialect]string{
	llm.OpenAIChat:         hel,
	llm.OpenAIResponses:    textDelta,
	llm.Anthropic:          events(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}`),
	llm.Gemini:             events(`{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}]}`),
	llm.GeminiInteractions: events(`{"event_type":"step.delta","index":0,"delta":{"type":"text","text":"Hel"}}`),
	llm.Cohere:             events(`{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hel"}}}}`),
	llm.Perplexity:         hel,
	llm.Replicate:          "event: output\ndata: Hel\n\n",
	llm.Dify:               events(difyHel),
	llm.AISDK:              events(`{"type":"text-delta","id":"t1","delta":"Hel"}`),
}

// Data that has nothing of the dialect can report an error, also if [DONE] follows.
func TestErrorsThatAreNotOfTheDialect(t *testing.T) {
	for d, half := range halves {
		for _, c := range []struct{ body, err string }{
			{`data: [{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]`, "overloaded"},
			{`data: {"code":500,"msg":"404 NOT_FOUND","success":false}`, "404 NOT_FOUND"},
			{`data: {"message":"Internal server error"}`, "Internal server error"},
			{`data: {"status":"error","message":"it broke"}`, "it broke"},
			{`data: {"status":500,"message":"it broke"}`, "it broke"},
			{`data: {"code":"500","message":"it broke"}`, "it broke"},
			{`data: {"code":200,"status":"failed","message":"it broke"}`, "it broke"},
			{`data: {"statusCode":500}`, `{"statusCode":500}`},
			{`data: {"success":false}`, `{"success":false}`},
			{`data: {"modelStreamErrorException":{"message":"it broke"}}`, "it broke"},
			{`data: {"type":"overloaded_error","message":"it broke"}`, "it broke"},
			{`data: {"type":"ERROR","message":"it broke"}`, "it broke"},
			{`data: {"detail":"it broke"}`, "it broke"},
			{`data: Internal Server Error`, "Internal Server Error"},
			{`data: upstream error: 502`, "upstream error: 502"},
			{`data: "error: it broke"`, "it broke"},
			{`data: TimeoutException`, "TimeoutException"},
			{"event: ERROR\ndata: {\"message\":\"it broke\"}", "it broke"},
			{"event: exception\ndata: it broke", "it broke"},
			{`{"message":"Internal server error"}`, "Internal server error"},
		} {
			body := half + c.body + "\n\ndata: [DONE]\n\n"
			if d == llm.Replicate && strings.HasPrefix(c.body, "event: ") {
				continue // the types of its events are its own
			}
			for _, w := range ways {
				got := w.read(t, d, strings.NewReader(body))
				require.Equal(t, c.err, got.err, "%v, %s: %s", d, w.name, c.body)
				require.Equal(t, "Hel", got.text)
			}
		}
		for _, harmless := range []string{
			"data: ping", "data: ok", "data: : OPENROUTER PROCESSING", "data:", "data: keep alive", `data: "keep-alive"`, "data: null", `data: [1, 2]`,
			`data: {"message":"pong"}`, `data: {"code":200,"message":"success"}`, `data: {"code":0,"message":"it works"}`, `data: {"status":"running","message":"still here"}`,
			`data: {"message":{"content":"x"}}`, `data: {"success":true,"message":"ok"}`, `data: {"type":"status","message":"reading","detail":"x"}`, `data: {"object":"status","code":"x","message":"reading"}`,
			"event: status\ndata: {\"code\":\"busy\",\"message\":\"reading\"}", "event: status\ndata: reading the error",
		} {
			for _, w := range ways {
				got := w.read(t, d, strings.NewReader(harmless+"\n\n"+half))
				require.Equal(t, "Hel", got.text, "%v, %s: %s: %v", d, w.name, harmless, got.cause)
			}
		}
	}
}

// JSON that is broken is an error of its event. The loop continues after it.
func TestBrokenJSON(t *testing.T) {
	for d, half := range halves {
		if d == llm.Replicate {
			continue // whose data is text
		}
		for _, w := range ways {
			got := w.read(t, d, strings.NewReader(events(`{"type":`)+half))
			bad, ok := errors.AsType[*sse.DecodeError](got.cause)
			require.True(t, ok, "%v, %s: %v", d, w.name, got.cause)
			require.Equal(t, `{"type":`, bad.Event.Data)
			require.Equal(t, "Hel", got.text)
			require.Equal(t, 1, got.deltas)
		}
	}
}

// Members that report no error, although they are set.
func TestMembersThatReportNoError(t *testing.T) {
	for _, members := range []string{
		`"error":"None"`, `"error":"null"`, `"error":{"code":200,"message":"success"}`, `"error":{"code":0,"message":"","details":[ ]}`,
		`"error_code":200`, `"error":{"code":"0","message":"OK"}`, `"error":[{},[ ],"none"]`, `"base_resp":[]`, `"base_resp":{"status_code":0,"status_msg":"success"}`,
	} {
		for _, w := range ways {
			got := w.read(t, llm.OpenAIChat, strings.NewReader(`data: {`+members+`,"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":"stop"}]}`+"\n\n"))
			require.NoError(t, got.cause, members)
			require.Equal(t, "Hel", got.text, members)
		}
	}
	e := firstError(t, llm.OpenAIChat, `data: {"error":{"type":"None","code":"500","message":"x"}}`+"\n\n")
	require.Equal(t, []any{"", 500}, []any{e.Type, e.Status})
}

// Members that a response can do without may be of any type, and an empty list may be in
// place of an object.
func TestMembersOfAnotherType(t *testing.T) {
	const stop = `{"choices":[{"index":0,"delta":{"content":"[] \\"},"finish_reason":"stop"}]`
	for _, s := range []struct {
		dialect llm.Dialect
		events  []string
		text    string
		finish  string
		usage   *llm.Usage
	}{
		{llm.OpenAIChat, []string{stop + `,"usage":[]}`}, `[] \`, "stop", nil},
		{llm.OpenAIChat, []string{stop + `,"usage":"x","x_groq":1}`}, `[] \`, "stop", nil},
		{llm.OpenAIChat, []string{stop + `,"usage":{"prompt_tokens_details":[],"prompt_tokens":3}}`}, `[] \`, "stop", &llm.Usage{Input: 3}},
		{llm.OpenAIChat, []string{stop + `}`, `{"choices":[{"delta":[ ],"note":"\"[]","logprobs":[1],"finish_reason":"stop"}]}`}, `[] \`, "stop", nil},
		{llm.OpenAIResponses, []string{`{"type":"response.completed","response":{"usage":[],"incomplete_details":[]}}`}, "", "completed", nil},
		{llm.OpenAIResponses, []string{`{"type":"response.incomplete","response":{"usage":1,"incomplete_details":"x"}}`}, "", "incomplete", nil},
		{llm.Anthropic, []string{`{"type":"message_start","message":{"usage":[]}}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_details":[]},"usage":"x"}`}, "", "end_turn", nil},
		{llm.Gemini, []string{`{"candidates":[{"content":[],"finishReason":"STOP"}],"promptFeedback":[],"usageMetadata":[]}`}, "", "STOP", nil},
		{llm.GeminiInteractions, []string{`{"event_type":"interaction.completed","interaction":{"status":"completed","usage":[]},"usage":1}`}, "", "completed", nil},
		{llm.Cohere, []string{`{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":[]}}`}, "", "COMPLETE", nil},
		{llm.Dify, []string{`{"event":"agent_log","data":[]}`, `{"event":"message_end","metadata":[]}`}, "", "", nil},
	} {
		for _, w := range ways {
			got := w.read(t, s.dialect, strings.NewReader(events(s.events...)))
			require.NoError(t, got.cause, "%v: %v", s.dialect, s.events)
			require.Equal(t, s.text, got.text)
			require.Equal(t, s.finish, got.finish)
			require.Equal(t, s.usage, got.usage)
		}
	}
	for _, data := range []string{`{"error":{"message":"lost"},"choices":"x"}`, `{"choices":[{"delta":7}],"error":"lost"}`} {
		require.Equal(t, "lost", ways[0].read(t, llm.OpenAIChat, strings.NewReader(events(data, "[DONE]"))).err)
	}
}

// An error and a text are found in a few levels of JSON.
func TestDepth(t *testing.T) {
	for n, want := range map[int]string{1: "x", 9: "x", 11: `{"error":"x"}`} {
		require.Equal(t, want, firstError(t, llm.OpenAIChat, events(nested(n, `{"error":`, `"x"`, `}`))).Message)
	}
	for _, c := range []struct {
		n    int
		want string
	}{{8, "x"}, {9, ""}} {
		got := readBody(t, llm.OpenAIChat, events(`{"choices":[{"delta":{"content":`+nested(c.n, `{"text":`, `"x"`, `}`)+`}}]}`, "[DONE]"))
		require.Equal(t, c.want, got.text)
		require.Equal(t, c.want == "", got.cause != nil)
	}
}

func nested(n int, begin, core, end string) string {
	return strings.Repeat(begin, n) + core + strings.Repeat(end, n)
}

// The time for a level of JSON does not depend on the depth.
func BenchmarkDepth(b *testing.B) {
	for _, n := range []int{90, 900, 9000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			streams := []string{
				events(nested(n, `{"error":`, `{}`, `}`)), events(nested(n, `[`, ``, `]`)), events(`{"error":` + nested(n, `[`, ``, `]`) + `}`),
				events(`{"choices":[{"delta":{"content":` + nested(n, `{"text":`, `"x"`, `}`) + `}}]}`),
			}
			for b.Loop() {
				for _, stream := range streams {
					for range llm.OpenAIChat.Deltas(sse.NewParser(strings.NewReader(stream))) {
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n*len(streams)), "ns/level")
		})
	}
}

func TestErrorText(t *testing.T) {
	for want, e := range map[string]llm.Error{
		"llm: overloaded_error: Overloaded": {Type: "overloaded_error", Message: "Overloaded"},
		"llm: 1302: slow":                   {Code: "1302", Message: "slow"},
		"llm: slow":                         {Message: "slow"},
		"llm: timeout":                      {Type: "timeout", Message: "timeout"},
		"llm: " + strings.Repeat("t", 61) + "...: " + strings.Repeat("m", 509) + "...": {Type: strings.Repeat("t", 100), Message: strings.Repeat("m", 600)},
		"llm: " + strings.Repeat("ä", 254) + "...":                                     {Message: strings.Repeat("ä", 300)},
	} {
		require.EqualError(t, &e, want)
	}
}

func TestErrorIsRetryable(t *testing.T) {
	for _, c := range []struct {
		e    llm.Error
		want bool
	}{
		{llm.Error{}, false},
		{llm.Error{Status: 400}, false},
		{llm.Error{Status: 402}, false},
		{llm.Error{Status: 408}, true},
		{llm.Error{Status: 429}, true},
		{llm.Error{Status: 501}, false},
		{llm.Error{Status: 529}, true},
		{llm.Error{Status: 429, Code: "insufficient_quota"}, false},
		{llm.Error{Status: 429, Type: "usage_limit_reached"}, false},
		{llm.Error{Type: "RESOURCE_EXHAUSTED"}, true},
		{llm.Error{Type: "InternalServerError"}, true},
		{llm.Error{Code: "Service Unavailable"}, true},
		{llm.Error{Type: "tokens", Code: "rate_limit_exceeded"}, true},
		{llm.Error{Type: "insufficient_system_resource"}, true},
		{llm.Error{Code: "server_is_overloaded"}, true},
		{llm.Error{Type: "service_unavailable_error"}, true},
		{llm.Error{Type: "rate_limit_exceeded_error"}, true},
		{llm.Error{Status: 429, Code: "billing_not_active"}, false},
		{llm.Error{Status: 429, Code: "insufficient_balance"}, false},
		{llm.Error{Status: 429, Type: "insufficient_balance_error"}, false},
		{llm.Error{Status: 429, Type: "insufficient_quota_error"}, false},
		{llm.Error{Status: 429, Code: "insufficient_user_quota"}, false},
		{llm.Error{Status: 429, Type: "quota_exceeded"}, false},
		{llm.Error{Type: "abort"}, false},
		{llm.Error{Type: "INVALID_ARGUMENT"}, false},
	} {
		require.Equal(t, c.want, c.e.Retryable(), "%+v", c.e)
	}
}

// The type of an error in a stream tells its status where the service documents that.
func TestErrorStatusInAStream(t *testing.T) {
	for data, want := range map[string]int{
		`{"error":{"type":"overloaded_error","message":"x"}}`:                               529,
		`{"error":{"code":"rate_limit_exceeded","message":"x"}}`:                            429,
		`{"error":{"type":"server_error","code":503,"message":"x"}}`:                        503,
		`{"error":{"type":"authentication_error","code":"bad","message":"x"}}`:              401,
		`{"error":{"type":"invalid_request_error","code":"invalid_api_key","message":"x"}}`: 401,
		`{"error":{"code":1302,"message":"x"}}`:                                             0,
		`{"error":{"code":200,"message":"x"}}`:                                              0,
		`{"error":{"message":"x","status":"429"}}`:                                          429,
		`{"object":"error","message":"x","type":"InternalServerError","code":500}`:          500,
	} {
		got := ways[0].read(t, llm.OpenAIChat, strings.NewReader("data: "+data+"\n\n"))
		e := serviceError(t, got.cause)
		require.Equal(t, want, e.Status, data)
		require.Equal(t, "x", e.Message)
	}
}

func TestErrorIsBounded(t *testing.T) {
	long := strings.Repeat("é", 5000)
	for _, body := range []string{
		`data: {"error":{"message":"` + long + `"}}`,
		"event: error\ndata: " + long,
		"error: " + long,
		"<html>" + long,
		"Oh " + long,
		"[" + long,
	} {
		got := ways[0].read(t, llm.OpenAIChat, strings.NewReader(body+"\n\n"))
		e := serviceError(t, got.cause)
		requireBounded(t, e)
		require.Greater(t, len(e.Raw), 4000)
	}
}

func requireBounded(t testing.TB, e *llm.Error) {
	t.Helper()
	require.NotEmpty(t, e.Message)
	require.LessOrEqual(t, len(e.Message), 4096)
	require.LessOrEqual(t, len(e.Raw), 4096)
	require.LessOrEqual(t, len(e.Type), 64)
	require.LessOrEqual(t, len(e.Code), 64)
	require.NotEmpty(t, e.Error())
	require.LessOrEqual(t, len(e.Error()), 5+64+2+512)
	require.True(t, e.Status == 0 || e.Status >= 400 && e.Status < 600, "%d", e.Status)
	e.Retryable()
}

// Whatever a server sends, an error has a message and is bounded.
func FuzzError(f *testing.F) {
	for _, seed := range []string{
		`{"error":{"message":"x","type":"y","code":429}}`, `[{"error":"x"}]`, `{"errors":[{},"x"]}`, `{"detail":[{"msg":"x"}]}`,
		`{"type":"error","error":{}}`, `{"object":"error"}`, `{"error_type":" "}`, `{"base_resp":{"status_code":-1}}`, `{"code":"x","message":"y"}`,
		`error: {"a":1} x`, "Error:\n{\n\"error\": null\n}", "<html><title>x</title>", "<Title>İ</title>", " data: x", "\xff: \xfe", "ping", "null", "0", "-1", `""`, "[[", "{}{}", "\ufeffdata: x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, d := range []llm.Dialect{llm.OpenAIChat, llm.OpenAIResponses, llm.Perplexity} {
			data := "data: " + strings.NewReplacer("\r\n", "\ndata: ", "\r", "\ndata: ", "\n", "\ndata: ").Replace(body)
			for _, stream := range []string{body, data, "event: error\n" + data} {
				for _, err := range d.Deltas(parse(stream + "\n\n")) {
					if e, ok := errors.AsType[*llm.Error](err); ok {
						requireBounded(t, e)
					}
				}
			}
			if e, ok := errors.AsType[*llm.Error](refuse(t, d, 400, "text/plain", body)); ok {
				requireBounded(t, e)
			}
			if e, ok := errors.AsType[*llm.Error](refuse(t, d, 200, "application/json", body)); ok {
				requireBounded(t, e)
			}
		}
	})
}

func TestErrorLogsSafely(t *testing.T) {
	for want, err := range map[string]*llm.Error{
		"llm: error overloaded_error 529": {Type: "overloaded_error", Message: "secret", Status: 529, Raw: "secret"},
		"llm: error x":                    {Type: "the key is secret", Code: "x", Message: "secret"},
		"llm: error":                      {Message: "secret"},
	} {
		require.Equal(t, want, err.LogValue().String())
		var text, object strings.Builder
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "err", err)
		slog.New(slog.NewJSONHandler(&object, nil)).Info("m", "err", []any{err})
		require.NotContains(t, text.String()+object.String(), "secret")
		require.Contains(t, object.String(), want)
	}
}

package llm_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
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
			got, ok := errors.AsType[*llm.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, strings.TrimSpace(c.body), got.Raw)
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
		{llm.Error{Type: "abort"}, false},
		{llm.Error{Type: "INVALID_ARGUMENT"}, false},
	} {
		require.Equal(t, c.want, c.e.Retryable(), "%+v", c.e)
	}
}

// The type of an error in a stream tells its status where the service documents that.
func TestErrorStatusInAStream(t *testing.T) {
	for data, want := range map[string]int{
		`{"error":{"type":"overloaded_error","message":"x"}}`:                      529,
		`{"error":{"code":"rate_limit_exceeded","message":"x"}}`:                   429,
		`{"error":{"type":"server_error","code":503,"message":"x"}}`:               503,
		`{"error":{"type":"authentication_error","code":"bad","message":"x"}}`:     401,
		`{"error":{"code":1302,"message":"x"}}`:                                    0,
		`{"error":{"code":200,"message":"x"}}`:                                     0,
		`{"error":{"message":"x","status":"429"}}`:                                 429,
		`{"object":"error","message":"x","type":"InternalServerError","code":500}`: 500,
	} {
		got := ways[0].read(t, llm.OpenAIChat, strings.NewReader("data: "+data+"\n\n"))
		e, ok := errors.AsType[*llm.Error](got.cause)
		require.True(t, ok, "%v", got.cause)
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
		e, ok := errors.AsType[*llm.Error](got.cause)
		require.True(t, ok, "%v", got.cause)
		requireBounded(t, e)
		require.Greater(t, len(e.Raw), 4000)
	}
}

func requireBounded(t testing.TB, e *llm.Error) {
	t.Helper()
	require.NotEmpty(t, e.Message)
	require.LessOrEqual(t, len(e.Message), 4096)
	require.LessOrEqual(t, len(e.Raw), 4096)
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
				for _, err := range d.Deltas(sse.NewParser(strings.NewReader(stream + "\n\n"))) {
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

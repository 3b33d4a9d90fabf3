package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/fetchsse/sse/ssetest"
)

// patience is how long a test waits for what takes milliseconds.
const patience = 30 * time.Second

// A logBook collects log lines.
type logBook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(p)
}

// records returns the lines so far.
func (b *logBook) records(t *testing.T) (records []map[string]any) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range bytes.Lines(b.lines.Bytes()) {
		var r map[string]any
		require.NoError(t, json.Unmarshal(line, &r))
		records = append(records, r)
	}
	return records
}

// wait returns the line of the only request, which the gateway writes after the response.
func (b *logBook) wait(t *testing.T) map[string]any {
	t.Helper()
	require.Eventually(t, func() bool { return len(b.records(t)) > 0 }, patience, time.Millisecond)
	records := b.records(t)
	require.Len(t, records, 1)
	return records[0]
}

// newGateway returns a gateway to an endpoint.
func newGateway(t *testing.T, upstream string, from llm.Dialect) (*gateway, *logBook) {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	book := new(logBook)
	return &gateway{
		upstream:     upstream,
		from:         from,
		client:       &http.Client{Transport: transport},
		openTimeout:  patience,
		idleTimeout:  patience,
		writeTimeout: patience,
		log:          slog.New(slog.NewJSONHandler(book, nil)),
	}, book
}

// serveGateway starts g and returns its URL.
func serveGateway(t *testing.T, g *gateway) string {
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	return srv.URL
}

// upstream starts a service that serves script.
func upstream(t *testing.T, script ...ssetest.Step) *ssetest.Server {
	return ssetest.NewServer(t, ssetest.InOrder(script), ssetest.Loopback())
}

// awaitEnd waits until the request to the service has ended, which closes ended.
func awaitEnd(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the request to the service has not ended")
	}
}

// post sends a request to url and returns the response with its body. An error of reading
// the body is the text "cut off" at its end.
func post(t *testing.T, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/any/path", strings.NewReader(`{"model":"m"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		body = append(body, "cut off"...)
	}
	return resp, string(body)
}

// exchangeWith sends a request through a gateway whose service serves script.
func exchangeWith(t *testing.T, from llm.Dialect, script ...ssetest.Step) (*http.Response, string, map[string]any) {
	t.Helper()
	g, book := newGateway(t, upstream(t, script...).URL, from)
	resp, body := post(t, serveGateway(t, g))
	return resp, body, book.wait(t)
}

func text(s string) string {
	return `{"choices":[{"index":0,"delta":{"content":"` + s + `"},"finish_reason":null}]}`
}

// Events have the type, data and ID that they had. Comments and reconnection times are in
// their places.
func TestRelay(t *testing.T) {
	events := []sse.Event{
		{Type: "message", Data: "one", ID: "1"},
		{Type: "note", Data: "\ntwo\n\n", ID: "1"},
		{Type: "message", Data: " ünd ", ID: ""},
		{Type: "message", Data: "[DONE]", ID: "x y"},
		{Type: "message", Data: "", ID: "x y"},
	}
	resp, body, line := exchangeWith(t, 0,
		ssetest.Comment("wait"), ssetest.Retry(1500*time.Millisecond), ssetest.Send(events[:2]...),
		ssetest.Raw("id\n"+ssetest.Encode(events[2])), ssetest.Comment("still there"), ssetest.Retry(0), ssetest.Send(events[3:]...))
	require.Equal(t, 200, resp.StatusCode)
	for key, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Incremental": "?1",
	} {
		require.Equal(t, want, resp.Header.Get(key), key)
	}
	var got []sse.Event
	var comments []string
	p := sse.NewParser(strings.NewReader(body), sse.WithTrace(&sse.Trace{Comment: func(s string) { comments = append(comments, s) }}))
	for e, err := range p.Events() {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Equal(t, events, got)
	require.Equal(t, []string{"wait", "still there"}, comments)
	require.True(t, strings.HasPrefix(body, ": wait\n\nretry: 1500\n\nid: 1\ndata: one\n\n"), body)
	require.Equal(t, 2, strings.Count(body, "retry: "))
	require.Contains(t, body, "retry: 0\n\n")

	require.Equal(t, "complete", line["end"])
	require.EqualValues(t, len(events), line["events"])
	require.EqualValues(t, len(body), line["bytes"])
	require.Contains(t, line, "first_event")
	require.Equal(t, "INFO", line["level"])
}

// A complete response of a known dialect includes its [DONE].
func TestRelayDone(t *testing.T) {
	_, body, line := exchangeWith(t, llm.OpenAIChat, ssetest.Data(text("Hi"), "[DONE]"))
	require.Equal(t, "id:\ndata: "+text("Hi")+"\n\nid:\ndata: [DONE]\n\n", body)
	require.Equal(t, "complete", line["end"])

	// Its blank line may be missing, and another event be unfinished.
	_, body, line = exchangeWith(t, llm.OpenAIChat, ssetest.Data(text("Hi")), ssetest.Raw("data: [DONE]\n"))
	require.Equal(t, "id:\ndata: "+text("Hi")+"\n\nid:\ndata: [DONE]\n\n", body)
	require.Equal(t, "complete", line["end"])
	_, body, line = exchangeWith(t, llm.OpenAIChat, ssetest.Data(text("Hi")), ssetest.Raw("data: [DON"))
	require.NotContains(t, body, "[DON")
	require.Equal(t, "truncated", line["end"])
}

// Only the headers of a fixed list reach the service.
func TestRequest(t *testing.T) {
	for _, c := range []struct {
		name    string
		from    llm.Dialect
		passKey bool
		want    map[string]string
	}{
		{"OpenAI", llm.OpenAIChat, false, map[string]string{"Authorization": "Bearer of the gateway"}},
		{"no dialect", 0, false, map[string]string{"Authorization": "Bearer of the gateway"}},
		{"Anthropic", llm.Anthropic, false, map[string]string{"X-Api-Key": "of the gateway"}},
		{"Gemini", llm.Gemini, false, map[string]string{"X-Goog-Api-Key": "of the gateway"}},
		{"passed on", llm.OpenAIChat, true, map[string]string{
			"Authorization": "Bearer of the client", "X-Api-Key": "k1", "X-Goog-Api-Key": "k2", "Api-Key": "k3",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := upstream(t, ssetest.Data("[DONE]"))
			g, _ := newGateway(t, srv.URL+"/endpoint?alt=sse", c.from)
			if g.passKey = c.passKey; !g.passKey {
				g.key = "of the gateway"
			}
			post(t, serveGateway(t, g),
				"Authorization", "Bearer of the client", "X-Api-Key", "k1", "X-Goog-Api-Key", "k2", "Api-Key", "k3",
				"Cookie", "session=1", "X-Forwarded-For", "10.0.0.1", "Te", "trailers", "Proxy-Authorization", "Basic x",
				"Connection", "openai-beta, close", "OpenAI-Beta", "hop", "Keep-Alive", "9", "X-Unknown", "1",
				"Anthropic-Version", "2023-06-01", "Last-Event-ID", "7", "Idempotency-Key", "i", "Accept-Encoding", "gzip")
			require.Len(t, srv.Requests(), 1)
			req := srv.Requests()[0]
			require.Equal(t, "/endpoint?alt=sse", req.Path)
			require.JSONEq(t, `{"model":"m"}`, string(req.Body))
			got := map[string]string{}
			for key := range req.Header {
				got[key] = req.Header.Get(key)
			}
			want := map[string]string{
				"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-cache", "User-Agent": "Go-http-client/1.1",
				"Content-Length": "13", "Content-Type": "application/json",
				"Anthropic-Version": "2023-06-01", "Last-Event-Id": "7", "Idempotency-Key": "i",
			}
			maps.Copy(want, c.want)
			require.Equal(t, want, got)
		})
	}
}

// An error before the first byte is a status.
func TestRefused(t *testing.T) {
	const limit = `{"error":{"type":"rate_limit_error","message":"slow down"}}`
	jsonOf := func(status int, headers ...string) ssetest.Step {
		return ssetest.Answer(status, append(headers, "Content-Type", "application/json", "Set-Cookie", "a=b", "X-Request-Id", "r1")...)
	}
	for _, c := range []struct {
		name       string
		script     ssetest.Script
		status     int
		retryAfter string
		body       string
		end        string
	}{
		{
			"status with JSON",
			ssetest.Script{jsonOf(429, "Retry-After", "12"), ssetest.Raw(limit)},
			429, "12", limit, "refused",
		},
		{
			"wait with a fraction",
			ssetest.Script{jsonOf(529, "Retry-After-Ms", "1200"), ssetest.Raw(limit)},
			529, "2", limit, "refused",
		},
		{
			"status with HTML",
			ssetest.Script{ssetest.Answer(503, "Content-Type", "text/html"), ssetest.Raw("<title>Down</title>")},
			503, "", `{"error":{"message":"Down","type":"api_error","param":null,"code":null}}`, "refused",
		},
		{
			"status without a body",
			ssetest.Script{ssetest.Answer(404)},
			404, "", `{"error":{"message":"the service responds with Not Found","type":"api_error","param":null,"code":null}}`, "refused",
		},
		{
			"key of the gateway",
			ssetest.Script{jsonOf(401), ssetest.Raw(`{"error":{"message":"Incorrect API key provided: sk-12*****9"}}`)},
			502, "", `{"error":{"message":"the service does not accept the key of the gateway","type":"api_error","param":null,"code":null}}`, "refused",
		},
		{
			"complete JSON response",
			ssetest.Script{jsonOf(200), ssetest.Raw(`{"choices":[]}`)},
			200, "", `{"choices":[]}`, "not a stream",
		},
		{
			"error with status 200",
			ssetest.Script{jsonOf(200), ssetest.Raw(`{"error":{"code":429,"message":"slow down"}}`)},
			429, "", `{"error":{"code":429,"message":"slow down"}}`, "refused",
		},
		{
			"login page",
			ssetest.Script{ssetest.Answer(200, "Content-Type", "text/html"), ssetest.Raw("<p>Log in")},
			502, "", `{"error":{"message":"the response of the service is not an event stream","type":"api_error","param":null,"code":null}}`, "refused",
		},
		{
			"first event",
			ssetest.Script{ssetest.Data(limit)},
			429, "", limit, "error event",
		},
		{
			"text in place of events",
			ssetest.Script{ssetest.Raw("error: out of memory\n\n")},
			502, "", `{"error":{"message":"out of memory","type":"api_error","param":null,"code":null}}`, "error event",
		},
		{
			"no event",
			ssetest.Script{ssetest.Open()},
			502, "", `{"error":{"message":"the response of the service has ended too early","type":"api_error","param":null,"code":null}}`, "truncated",
		},
		{
			"no headers",
			ssetest.Script{ssetest.Cut()},
			502, "", `{"error":{"message":"the service cannot be reached","type":"api_error","param":null,"code":null}}`, "no response",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body, line := exchangeWith(t, llm.OpenAIChat, c.script...)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.retryAfter, resp.Header.Get("Retry-After"))
			require.JSONEq(t, c.body, body)
			require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
			require.Empty(t, resp.Header.Get("Set-Cookie"))
			require.Equal(t, c.end, line["end"])
			require.EqualValues(t, c.status, line["status"])
			require.EqualValues(t, len(body), line["bytes"])
		})
	}
}

func TestHeadersOfService(t *testing.T) {
	resp, _, _ := exchangeWith(t, 0, ssetest.Answer(200, "Content-Type", "text/event-stream", "X-Request-Id", "r1", "Set-Cookie", "a=b"), ssetest.Data("a"))
	require.Equal(t, "r1", resp.Header.Get("X-Request-Id"))
	require.Empty(t, resp.Header.Get("Set-Cookie"))
}

func TestNoContent(t *testing.T) {
	resp, body, line := exchangeWith(t, 0, ssetest.Answer(204))
	require.Equal(t, 204, resp.StatusCode)
	require.Empty(t, body)
	require.Equal(t, "complete", line["end"])
}

func TestEmptyResponse(t *testing.T) {
	resp, body, line := exchangeWith(t, 0, ssetest.Open())
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Empty(t, body)
	require.Equal(t, "complete", line["end"])
}

// The service cannot be reached, or it is silent.
func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	g, book := newGateway(t, "http://"+l.Addr().String(), 0)
	resp, body := post(t, serveGateway(t, g))
	require.Equal(t, 502, resp.StatusCode)
	require.NotContains(t, body, l.Addr().String())
	require.Equal(t, "no response", book.wait(t)["end"])

	for name, script := range map[string]ssetest.Script{
		"before the headers": {ssetest.Stall()},
		"after the headers":  {ssetest.Open(), ssetest.Stall()},
	} {
		t.Run(name, func(t *testing.T) {
			g, book := newGateway(t, upstream(t, script...).URL, llm.Anthropic)
			g.openTimeout, g.idleTimeout = 50*time.Millisecond, 50*time.Millisecond
			resp, body := post(t, serveGateway(t, g))
			require.Equal(t, 504, resp.StatusCode)
			require.JSONEq(t, `{"type":"error","error":{"type":"timeout_error","message":"the service does not respond"}}`, body)
			require.Equal(t, "timeout", book.wait(t)["end"])
		})
	}
}

func TestBadRequest(t *testing.T) {
	srv := upstream(t, ssetest.Data("a"))
	g, _ := newGateway(t, srv.URL, 0)
	url := serveGateway(t, g)
	for _, c := range []struct {
		method string
		size   int64
		want   int
	}{
		{http.MethodDelete, 1, 405},
		{http.MethodPost, maxRequest + 1, 413},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, url, io.LimitReader(zeros{}, c.size))
		require.NoError(t, err)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, req)
		require.Equal(t, c.want, w.Code)
	}
	require.Empty(t, srv.Requests())
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// An error in the middle is an event that the clients of the dialect know.
func TestErrorInTheMiddle(t *testing.T) {
	const crash = `{"error":{"type":"server_error","message":"crashed"}}`
	early := `{"error":{"code":null,"message":"the response of the service has ended too early","param":null,"type":"api_error"}}`
	for _, c := range []struct {
		name   string
		from   llm.Dialect
		script []ssetest.Step
		want   string
		end    string
	}{
		{"error event", llm.OpenAIChat, []ssetest.Step{ssetest.Data(crash)}, "id:\ndata: " + crash + "\n\n", "error event"},
		{"broken connection", llm.OpenAIChat, []ssetest.Step{ssetest.Cut()}, "id:\ndata: " + early + "\n\n", "truncated"},
		{"clean but early", llm.OpenAIChat, nil, "id:\ndata: " + early + "\n\n", "truncated"},
		{
			"text", llm.OpenAIChat,
			[]ssetest.Step{ssetest.Raw("{\n\"error\":{\"message\":\"no memory\"}\n}\n\n")},
			"id:\ndata: " + `{"error":{"code":null,"message":"no memory","param":null,"type":"api_error"}}` + "\n\n", "error event",
		},
		{"no dialect", 0, []ssetest.Step{ssetest.Cut()}, "event: error\nid:\ndata: " + early + "\n\ncut off", "truncated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := append(ssetest.Script{ssetest.Data(text("Hi"))}, c.script...)
			resp, body, line := exchangeWith(t, c.from, script...)
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, "id:\ndata: "+text("Hi")+"\n\n"+c.want, body)
			require.Equal(t, c.end, line["end"])
			require.Equal(t, "WARN", line["level"])
			require.NotContains(t, fmt.Sprint(line), "crashed") // a log is not for what a stream carries
		})
	}
}

// A comment is a byte of the response. After it there is no other status.
func TestErrorAfterComment(t *testing.T) {
	resp, body, _ := exchangeWith(t, llm.OpenAIChat, ssetest.Comment("processing"), ssetest.Data(`{"error":{"message":"crashed"}}`))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, ": processing\n\nid:\ndata: {\"error\":{\"message\":\"crashed\"}}\n\n", body)
}

func TestTimeoutInTheMiddle(t *testing.T) {
	g, book := newGateway(t, upstream(t, ssetest.Data(text("Hi")), ssetest.Stall()).URL, llm.OpenAIChat)
	g.idleTimeout = 50 * time.Millisecond
	_, body := post(t, serveGateway(t, g))
	require.Contains(t, body, `"type":"timeout_error"`)
	require.Equal(t, "timeout", book.wait(t)["end"])
}

// A silent service may be silent for longer than a client may take to read.
func TestSilence(t *testing.T) {
	g, book := newGateway(t, upstream(t, ssetest.Data("a"), ssetest.Wait(1500*time.Millisecond), ssetest.Data("b")).URL, 0)
	g.writeTimeout = time.Second
	_, body := post(t, serveGateway(t, g))
	require.Equal(t, "id:\ndata: a\n\nid:\ndata: b\n\n", body)
	require.Equal(t, "complete", book.wait(t)["end"])
}

// open returns a stream of the events in body.
func open(t *testing.T, body string) *sse.Stream {
	s, err := sse.FromResponse(&http.Response{
		StatusCode: 200,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       io.NopCloser(strings.NewReader(body)),
	})
	require.NoError(t, err)
	return s
}

// Every dialect has an error in JSON.
func TestErrorData(t *testing.T) {
	for _, d := range dialects {
		for _, status := range []int{400, 429, 500, 503, 504} {
			data := errorData(d, failure{status: status, kind: "kind", message: "the reason"})
			require.True(t, json.Valid([]byte(data)), d)
			require.Contains(t, data, "the reason", d)
		}
	}
}

// A client that leaves ends the request to the service, wherever that is.
func TestClientLeaves(t *testing.T) {
	for name, script := range map[string]ssetest.Script{
		"before the headers": {},
		"after the headers":  {ssetest.Open()},
		"between events":     {ssetest.Data("a")},
		"within an event":    {ssetest.Data("a"), ssetest.Raw("data: b")},
	} {
		t.Run(name, func(t *testing.T) {
			began, ended := make(chan struct{}), make(chan time.Time, 1)
			stall := ssetest.Do(func(_ http.ResponseWriter, r *http.Request) {
				close(began)
				<-r.Context().Done()
				ended <- time.Now()
			})
			g, book := newGateway(t, upstream(t, append(script, stall)...).URL, 0)
			url := serveGateway(t, g)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
			require.NoError(t, err)
			go func() {
				if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}()
			<-began
			left := time.Now()
			cancel()
			select {
			case at := <-ended:
				t.Logf("the request to the service has ended after %v", at.Sub(left))
			case <-time.After(patience):
				t.Fatal("the request to the service has not ended")
			}
			require.Equal(t, "client left", book.wait(t)["end"])
		})
	}
}

// A client that leaves while the service sends only comments is noticed too.
func TestClientLeavesDuringComments(t *testing.T) {
	ended := make(chan struct{})
	comments := ssetest.Do(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			fmt.Fprint(w, ": still there\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	})
	g, book := newGateway(t, upstream(t, comments).URL, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, serveGateway(t, g), nil)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = bufio.NewReader(resp.Body).ReadString('\n')
	require.NoError(t, err)
	cancel()
	awaitEnd(t, ended)
	require.Equal(t, "client left", book.wait(t)["end"])
}

// The end of the service ends the response of the client.
func TestServiceEnds(t *testing.T) {
	for name, end := range map[string][]ssetest.Step{"clean": nil, "cut off": {ssetest.Cut()}} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan time.Time, 1)
			mark := ssetest.Do(func(http.ResponseWriter, *http.Request) { sent <- time.Now() })
			script := append(ssetest.Script{ssetest.Data("a"), mark}, end...)
			_, body, _ := exchangeWith(t, 0, script...)
			t.Logf("the response has ended after %v", time.Since(<-sent))
			require.Contains(t, body, "data: a\n\n")
			require.Equal(t, name == "cut off", strings.HasSuffix(body, "cut off"))
		})
	}
}

// When the gateway stops, no response looks complete.
func TestShutdown(t *testing.T) {
	g, book := newGateway(t, upstream(t, ssetest.Data(text("Hi")), ssetest.Stall()).URL, llm.OpenAIChat)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, stopped, err := start(ctx, g)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	cancel()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), text("Hi"))
	require.Contains(t, string(body), `"message":"the gateway is shutting down"`)
	require.NoError(t, <-stopped)
	require.Equal(t, "shut down", book.wait(t)["end"])
}

func TestDemo(t *testing.T) {
	var out, log bytes.Buffer
	require.Equal(t, success, run(t.Context(), nil, "", &out, &log))
	require.Equal(t, `A complete response:
Every word of this response has come through the gateway.

An error in the middle of a response:
Every word of this `+`
error: llm: server_error: the model has crashed

An error in place of a response:
error: 429, retry after 20s: llm: rate_limit_error: too many requests
`, out.String())
	require.Equal(t, 3, strings.Count(log.String(), "msg=request"))
}

func TestCancelDemo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, interrupted, run(ctx, nil, "", io.Discard, io.Discard))
}

func TestUsage(t *testing.T) {
	const url = "http://127.0.0.1/v1"
	for _, args := range [][]string{
		{"-nonsense"},
		{"argument"},
		{"-from", "openai"},
		{"-upstream", "localhost/v1"},
		{"-upstream", "ftp://host/v1"},
		{"-upstream", "://secret"},
		{"-upstream", url, "-from", "unknown"},
		{"-upstream", url, "-to", "openai"},
		{"-upstream", url, "-from", "openai", "-to", "anthropic"},
		{"-upstream", url, "-idle-timeout", "-1s"},
		{"-upstream", url, "-pass-key"},
	} {
		var errs bytes.Buffer
		require.Equal(t, usageFailed, run(t.Context(), args, "key", io.Discard, &errs), args)
		require.Contains(t, errs.String(), "Usage", args)
		require.NotContains(t, errs.String(), "secret\n")
	}
	require.Equal(t, success, run(t.Context(), []string{"-h"}, "", io.Discard, io.Discard))
}

func TestListen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	taken := []string{"-upstream", "http://127.0.0.1/", "-listen", l.Addr().String()}
	require.Equal(t, failed, run(t.Context(), taken, "", io.Discard, io.Discard))

	ctx, cancel := context.WithCancel(t.Context())
	log := cancelWriter{cancel}
	free := []string{"-upstream", "http://127.0.0.1/", "-listen", "127.0.0.1:0"}
	require.Equal(t, success, run(ctx, free, "", io.Discard, log))
}

// A cancelWriter presses Ctrl-C at the first line of the log.
type cancelWriter struct{ cancel context.CancelFunc }

func (w cancelWriter) Write(b []byte) (int, error) {
	w.cancel()
	return len(b), nil
}

package interop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/flaky"
)

const (
	mcpSDK        = "MCP Go SDK 1.8.0"
	primed        = "2025-11-25" // the first version whose streams begin with an event ID
	notPrimed     = "2025-06-18"
	notifications = 12 // of the progress of the slow tool
)

// An mcpServer is a server of the SDK with a slow tool, behind a proxy.
type mcpServer struct {
	sdk   *mcp.Server
	proxy *flaky.Proxy
	runs  atomic.Int64 // of the tool
	posts atomic.Int64 // received
}

// newMCPServer starts a server. The tool calls each, if it is not nil, after each progress
// notification with the number of that.
func newMCPServer(t *testing.T, opts *mcp.StreamableHTTPOptions, each func(i int, req *mcp.CallToolRequest), marks ...string) *mcpServer {
	t.Helper()
	s := &mcpServer{sdk: mcp.NewServer(&mcp.Implementation{Name: "slow", Version: "1"}, nil)}
	type none struct{}
	mcp.AddTool(s.sdk, &mcp.Tool{Name: "slow"}, func(ctx context.Context, req *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, any, error) {
		s.runs.Add(1)
		for i := range notifications {
			time.Sleep(30 * time.Millisecond) // the work of a slow tool
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: req.Params.GetProgressToken(),
				Progress:      float64(i + 1),
				Total:         notifications,
			})
			if err != nil {
				return nil, nil, err
			}
			if each != nil {
				each(i+1, req)
			}
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "slow but sure"}}}, nil, nil
	})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.sdk }, opts)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			s.posts.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	s.proxy = flaky.New(t, srv.Listener.Addr().String(), marks...)
	return s
}

// An rpcMessage is a JSON-RPC message of the server.
type rpcMessage struct {
	ID     json.RawMessage
	Method string
	Params struct {
		ProgressToken string
		Progress      int
	}
	Result struct {
		ProtocolVersion string
		Content         []struct{ Text string }
	}
}

// An mcpClient is a client of one session.
type mcpClient struct {
	*sse.Client
	url     string
	version string   // of the protocol
	session string   // once the server has set it
	opened  []string // the methods of the requests whose responses were streams
	waits   []time.Duration
	refused atomic.Int64 // resumes, because the stream still has a connection
}

// newMCPClient returns a client that has initialized a session of s.
func newMCPClient(t *testing.T, s *mcpServer, version string) *mcpClient {
	t.Helper()
	c := &mcpClient{url: "http://" + s.proxy.Address, version: version}
	c.Client = sse.NewClient(
		sse.WithHTTPClient(newClient(t, &http.Transport{})),
		sse.WithResponseCheck(c.check),
		sse.WithTerminator(isResponse),
		sse.WithPrepare(func(req *http.Request) error {
			if c.session != "" {
				req.Header.Set("Mcp-Session-Id", c.session)
				req.Header.Set("Mcp-Protocol-Version", c.version)
			}
			return nil
		}),
		sse.WithResume(func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
			if a.LastEventID == "" {
				return nil, nil // nothing to resume
			}
			return http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
		}),
		sse.WithBackOff(func() backoff.BackOff { return backoff.NewConstantBackOff(100 * time.Millisecond) }),
		sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			refusal, ok := errors.AsType[*sse.ResponseError](a.Err)
			if ok && refusal.StatusCode == http.StatusConflict {
				c.refused.Add(1) // the server has not noticed yet that the connection broke
				return 100 * time.Millisecond, true
			}
			return a.Delay, a.Retry
		}),
		sse.WithTrace(&sse.Trace{
			Open: func(resp *http.Response) { c.opened = append(c.opened, resp.Request.Method) },
			Wait: func(a sse.Attempt) { c.waits = append(c.waits, a.Delay) },
		}))

	greeting, err := c.send(t, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+version+`",`+
		`"capabilities":{},"clientInfo":{"name":"interop","version":"1"}}}`)
	require.NoError(t, err)
	require.Len(t, greeting, 1)
	require.Equal(t, version, greeting[0].Result.ProtocolVersion)
	require.NotEmpty(t, c.session)
	nothing, err := c.send(t, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	require.NoError(t, err)
	require.Empty(t, nothing)
	c.opened = nil
	return c
}

// errNoStream reports a response that is complete without a stream: JSON, or nothing.
var errNoStream = errors.New("not a stream")

// check accepts an event stream, and reads a response without one.
func (c *mcpClient) check(resp *http.Response) error {
	c.session = cmp.Or(resp.Header.Get("Mcp-Session-Id"), c.session)
	isJSON := resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == "application/json"
	if isJSON || resp.StatusCode == http.StatusAccepted {
		_, err := io.Copy(io.Discard, resp.Body) // the ResponseError will contain it
		return cmp.Or(err, errNoStream)
	}
	return sse.CheckResponse(resp)
}

// isResponse reports whether an event contains the response to a request.
func isResponse(e sse.Event) bool {
	var m rpcMessage
	return json.Unmarshal([]byte(e.Data), &m) == nil && m.ID != nil && m.Method == ""
}

// post returns the request that sends a message.
func (c *mcpClient) post(t *testing.T, body string) *http.Request {
	t.Helper()
	req := request(t, http.MethodPost, c.url)
	req.Body = io.NopCloser(strings.NewReader(body)) // without GetBody, it cannot be sent twice
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	return req
}

// send sends a message and returns the messages of the response.
func (c *mcpClient) send(t *testing.T, body string) ([]rpcMessage, error) {
	t.Helper()
	events, err := read(c.Fetch(c.post(t, body)))
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && refusal.Err == errNoStream {
		if len(refusal.Body) == 0 {
			return nil, nil
		}
		var m rpcMessage
		err := json.Unmarshal(refusal.Body, &m)
		return []rpcMessage{m}, err
	}
	return decodeMessages(t, events), err
}

// decodeMessages returns the messages in events. The first event of a stream can have only an ID,
// and the last one only a reconnection time.
func decodeMessages(t *testing.T, events []sse.Event) []rpcMessage {
	t.Helper()
	var messages []rpcMessage
	for _, e := range events {
		if e.Data != "" {
			var m rpcMessage
			require.NoError(t, json.Unmarshal([]byte(e.Data), &m))
			messages = append(messages, m)
		}
	}
	return messages
}

const callSlow = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow","arguments":{},"_meta":{"progressToken":"p"}}}`

// progressMark is the mark of a progress notification.
func progressMark(i int) string { return fmt.Sprintf(`"progress":%d,`, i) }

// requireCall requires that messages are all of a call of the slow tool: each progress
// notification once, in order, and then the result, once.
func requireCall(t *testing.T, messages []rpcMessage) {
	t.Helper()
	require.Len(t, messages, notifications+1)
	for i, m := range messages[:notifications] {
		require.Equal(t, "notifications/progress", m.Method)
		require.Equal(t, "p", m.Params.ProgressToken)
		require.Equal(t, i+1, m.Params.Progress)
	}
	result := messages[notifications]
	require.Equal(t, "2", string(result.ID))
	require.Len(t, result.Result.Content, 1)
	require.Equal(t, "slow but sure", result.Result.Content[0].Text)
}

func resumable() *mcp.StreamableHTTPOptions {
	return &mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)}
}

// A call survives two broken connections. The first one breaks in the middle of the first
// message, when the client has only the ID of the event before it.
func TestMCPResumesACall(t *testing.T) {
	s := newMCPServer(t, resumable(), nil, progressMark(1), progressMark(8))
	c := newMCPClient(t, s, primed)
	got, err := c.send(t, callSlow)
	require.NoError(t, err)
	requireCall(t, got)
	require.EqualValues(t, 1, s.runs.Load())
	require.EqualValues(t, 3, s.posts.Load())
	require.Equal(t, []string{"POST", "GET", "GET"}, c.opened)
	results.row(t, mcpSDK, "tools/call, two broken connections",
		"one POST, two GETs with Last-Event-ID; %d of %d notifications once and in order, one result, one run of the tool",
		len(got)-1, notifications)
}

// A server may end the response to a call and ask the client to come back.
func TestMCPComesBackToACall(t *testing.T) {
	const comeBackAfter = 150 * time.Millisecond
	s := newMCPServer(t, resumable(), func(i int, req *mcp.CallToolRequest) {
		if i == 5 {
			req.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: comeBackAfter})
		}
	})
	c := newMCPClient(t, s, primed)
	got, err := c.send(t, callSlow)
	require.NoError(t, err)
	requireCall(t, got)
	require.EqualValues(t, 1, s.runs.Load())
	require.Equal(t, []string{"POST", "GET"}, c.opened)
	require.GreaterOrEqual(t, c.waits[0], comeBackAfter)
	results.row(t, mcpSDK, "tools/call, the server ends the stream and sets retry",
		"one GET with Last-Event-ID after the reconnection time; all messages once and in order")
}

// The server holds a dead connection for good and refuses to resume its stream. It sends
// all that is missing once the tool has returned. The tool returns after a refusal.
func TestMCPResumesAfterSilence(t *testing.T) {
	var c *mcpClient
	s := newMCPServer(t, resumable(), func(i int, _ *mcp.CallToolRequest) {
		for deadline := time.Now().Add(patience); i == 5 && c.refused.Load() == 0 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	c = newMCPClient(t, s, primed)
	stream, err := c.Fetch(c.post(t, callSlow), sse.WithIdleTimeout(time.Second))
	require.NoError(t, err)
	defer stream.Close()
	var events []sse.Event
	for stream.Next() {
		if events = append(events, stream.Event()); len(events) == 3 {
			s.proxy.Silence()
		}
	}
	require.NoError(t, stream.Err())
	requireCall(t, decodeMessages(t, events))
	require.EqualValues(t, 1, s.runs.Load())
	require.Positive(t, c.refused.Load())
	require.Equal(t, []string{"POST", "GET"}, c.opened)
	results.row(t, mcpSDK, "tools/call, a silent connection",
		"409 until the tool has returned, which WithRetryPolicy retries; then all messages once and in order")
}

// Without an event ID there is nothing to resume, and the call is not sent again.
func TestMCPDoesNotRepeatACall(t *testing.T) {
	s := newMCPServer(t, resumable(), nil, progressMark(1))
	c := newMCPClient(t, s, notPrimed)
	got, err := c.send(t, callSlow)
	truncated, ok := errors.AsType[*sse.TruncatedError](err)
	require.Truef(t, ok, "%v", err)
	require.False(t, truncated.Clean)
	require.Empty(t, got)
	require.EqualValues(t, 1, s.runs.Load())
	require.EqualValues(t, 3, s.posts.Load())
	results.row(t, mcpSDK, "tools/call, broken before the first event ID", "a truncation error, no second POST")
}

// A server may respond with JSON in place of a stream.
func TestMCPRespondsWithJSON(t *testing.T) {
	opts := resumable() // the notifications have to go somewhere
	opts.JSONResponse = true
	s := newMCPServer(t, opts, nil)
	c := newMCPClient(t, s, primed)
	got, err := c.send(t, callSlow)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Len(t, got[0].Result.Content, 1)
	require.Equal(t, "slow but sure", got[0].Result.Content[0].Text)
	require.Empty(t, c.opened)
	results.row(t, mcpSDK, "initialize and tools/call in JSON mode", "WithResponseCheck reads the JSON")
}

// The stream of a session, which belongs to no request, is a subscription.
func TestMCPSessionStream(t *testing.T) {
	s := newMCPServer(t, resumable(), nil, progressMark(4))
	c := newMCPClient(t, s, primed)
	stream, err := c.Subscribe(request(t, http.MethodGet, c.url))
	require.NoError(t, err)
	defer stream.Close()
	for session := range s.sdk.Sessions() {
		for i := range notifications {
			require.NoError(t, session.NotifyProgress(t.Context(), &mcp.ProgressNotificationParams{
				ProgressToken: "feed", Progress: float64(i + 1), Total: notifications,
			}))
		}
	}
	var events []sse.Event
	for len(events) < notifications && stream.Next() {
		events = append(events, stream.Event())
	}
	require.NoError(t, stream.Err())
	for i, m := range decodeMessages(t, events) {
		require.Equal(t, i+1, m.Params.Progress)
	}
	require.Equal(t, []string{"GET", "GET"}, c.opened)
	results.row(t, mcpSDK, "GET of a session, a broken connection", "resumed after the last event; %d of %d notifications once and in order",
		len(events), notifications)
}

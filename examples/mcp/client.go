package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fetchsse/sse"
)

// A client speaks MCP with a server.
type client struct {
	*transport
	answer answer       // to the questions of the server
	lastID atomic.Int64 // of a request
}

var (
	implementation = map[string]string{"name": "fetchsse-example", "version": "1.0.0"}

	errNoResponse = errors.New("the stream ended without the response to the request")
	errNoListen   = errors.New("the server offers no stream of its own")
)

// legacy has the revisions with a handshake. All of them work in the same way here.
var legacy = []string{"2025-03-26", "2025-06-18", stateful}

// open agrees with the server on a revision that is not newer than newest. It begins with a
// request of the stateless revision: the response tells whether the server knows it.
func (c *client) open(ctx context.Context, newest string) error {
	if newest == stateless {
		if known, err := c.discover(ctx); known || err != nil {
			return err
		}
	}
	return c.initialize(ctx, min(newest, stateful))
}

// discover reports whether the server knows the stateless revision.
func (c *client) discover(ctx context.Context) (bool, error) {
	c.revision = stateless
	var reply struct{ SupportedVersions, Supported []string }
	result, err := c.request(ctx, "server/discover", nil)
	rejection, ok := errors.AsType[*rpcError](err)
	if ok && rejection.Code == unsupportedVersion {
		_ = json.Unmarshal(rejection.Data, &reply) // the list stays empty
		if slices.Contains(reply.Supported, stateless) {
			result, err = c.request(ctx, "server/discover", nil) // as it asks for
		}
	}
	if err == nil && json.Unmarshal(result, &reply) == nil && slices.Contains(reply.SupportedVersions, stateless) {
		return true, nil
	}
	if err != nil && !isOfOldServer(err) {
		return false, err
	}
	c.revision = ""
	return false, nil
}

// isOfOldServer reports whether a server that knows only earlier revisions may have sent err.
func isOfOldServer(err error) bool {
	if rejection, ok := errors.AsType[*rpcError](err); ok {
		return rejection.Code != headerMismatch && rejection.Code != missingCapability
	}
	refusal, ok := errors.AsType[*sse.ResponseError](err)
	return ok && slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed}, refusal.StatusCode)
}

// initialize makes the handshake of the revisions with sessions.
func (c *client) initialize(ctx context.Context, revision string) error {
	var session string
	result, err := c.request(ctx, "initialize", map[string]any{
		"protocolVersion": revision,
		"capabilities":    c.answer.capabilities(),
		"clientInfo":      implementation,
	}, sse.WithResponseCheck(func(resp *http.Response) error {
		session = resp.Header.Get("Mcp-Session-Id")
		return c.check(resp)
	}))
	if err != nil {
		return err
	}
	var reply struct{ ProtocolVersion string }
	if err := json.Unmarshal(result, &reply); err != nil {
		return fmt.Errorf("response to initialize: %w", err)
	}
	if !slices.Contains(legacy, reply.ProtocolVersion) {
		return fmt.Errorf("the server chose revision %q, which this program does not know", reply.ProtocolVersion)
	}
	c.revision, c.session = reply.ProtocolVersion, session
	return c.notify(ctx, message{Method: "notifications/initialized"})
}

// exchange sends a request and returns an iterator over the messages up to its response.
// Leaving the loop before the response cancels the request, as does the end of ctx.
func (c *client) exchange(ctx context.Context, method string, params map[string]any, opts ...sse.Option) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		id := raw(c.lastID.Add(1))
		req, err := c.post(ctx, message{ID: id, Method: method, Params: raw(c.withMeta(params, id))})
		if err != nil {
			yield(message{}, err)
			return
		}
		if c.revision == stateless {
			opts = append(opts, sse.WithResume(nil)) // a response that breaks is lost
		}
		for m, err := range c.messages(c.Fetch, req, opts...) {
			left := !yield(m, err)
			interrupted := err != nil && ctx.Err() != nil
			if interrupted || (left && err == nil && !m.isResponse()) {
				c.cancel(ctx, id)
			}
			if left {
				return
			}
		}
	}
}

// withMeta returns params with what each request tells about the client.
func (c *client) withMeta(params map[string]any, id json.RawMessage) map[string]any {
	meta := map[string]any{"progressToken": id}
	if c.revision == stateless {
		meta["io.modelcontextprotocol/protocolVersion"] = c.revision
		meta["io.modelcontextprotocol/clientInfo"] = implementation
		meta["io.modelcontextprotocol/clientCapabilities"] = c.answer.capabilities()
	}
	all := map[string]any{"_meta": meta}
	maps.Copy(all, params)
	return all
}

// cancel tells the server that the client does not wait for a response any more. In the
// stateless revision, the end of the connection has told it.
func (c *client) cancel(ctx context.Context, id json.RawMessage) {
	if c.revision == stateless || c.revision == "" { // the handshake cannot be canceled
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer stop()
	err := c.notify(ctx, message{Method: "notifications/cancelled", Params: raw(map[string]any{"requestId": id})})
	if err != nil {
		c.log("the server does not know that the request is canceled: %v", err)
	}
}

// patience limits the time for messages that end something.
const patience = 5 * time.Second

// request sends a request and returns its result. It prints notifications of the server and
// responds to its requests while it waits.
func (c *client) request(ctx context.Context, method string, params map[string]any, opts ...sse.Option) (json.RawMessage, error) {
	for m, err := range c.exchange(ctx, method, params, opts...) {
		switch {
		case err != nil:
			return nil, err
		case m.Error != nil:
			return nil, m.Error
		case m.isResponse():
			return m.Result, nil
		}
		if err := c.handle(ctx, m); err != nil {
			return nil, err
		}
	}
	return nil, errNoResponse
}

// notify sends a message that has no response.
func (c *client) notify(ctx context.Context, m message) error {
	req, err := c.post(ctx, m)
	if err != nil {
		return err
	}
	for m, err := range c.messages(c.Fetch, req) {
		if err == nil && m.Error != nil {
			err = m.Error
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// handle prints a notification of the server, or responds to a request of it.
func (c *client) handle(ctx context.Context, m message) error {
	switch {
	case m.ID != nil && c.revision != stateless: // that has no such requests
		return c.notify(ctx, c.answer.respond(m, c.log))
	case m.Method == "notifications/progress":
		var p struct {
			Progress, Total float64
			Message         string
		}
		if err := json.Unmarshal(m.Params, &p); err != nil {
			return fmt.Errorf("progress: %w", err)
		}
		var suffix string
		if p.Total > 0 {
			suffix = fmt.Sprintf(" of %v", p.Total)
		}
		if p.Message != "" {
			suffix += ": " + p.Message
		}
		c.log("progress %v%s", p.Progress, suffix)
	default:
		c.log("%s %.200s", m.Method, m.Params)
	}
	return nil
}

// tools returns the names of the tools of the server.
func (c *client) tools(ctx context.Context) ([]string, error) {
	var names []string
	var cursor map[string]any
	for {
		result, err := c.request(ctx, "tools/list", cursor)
		if err != nil {
			return nil, err
		}
		var page struct {
			Tools      []struct{ Name string }
			NextCursor string
		}
		if err := json.Unmarshal(result, &page); err != nil {
			return nil, fmt.Errorf("list of tools: %w", err)
		}
		for _, tool := range page.Tools {
			names = append(names, tool.Name)
		}
		if page.NextCursor == "" {
			return names, nil
		}
		cursor = map[string]any{"cursor": page.NextCursor}
	}
}

// A toolResult is the result of a call.
type toolResult struct {
	Content []struct{ Type, Text string }
	IsError bool

	// The stateless revision asks for input with a result.
	ResultType    string
	InputRequests map[string]message
	RequestState  *string
}

// call calls a tool.
func (c *client) call(ctx context.Context, name string, arguments json.RawMessage) (toolResult, error) {
	params := map[string]any{"name": name, "arguments": arguments}
	for range maxQuestions {
		result, err := c.request(ctx, "tools/call", params)
		if err != nil {
			return toolResult{}, err
		}
		var r toolResult
		if err := json.Unmarshal(result, &r); err != nil {
			return r, fmt.Errorf("result of the tool: %w", err)
		}
		switch r.ResultType {
		case "", "complete":
			return r, nil
		case "input_required":
		default:
			return r, fmt.Errorf("the server sent a result of the unknown type %q", r.ResultType)
		}
		params = map[string]any{"name": name, "arguments": arguments}
		responses := make(map[string]any)
		for key, question := range r.InputRequests {
			response := c.answer.respond(question, c.log)
			if response.Error != nil {
				return r, response.Error
			}
			responses[key] = response.Result
		}
		if len(responses) > 0 {
			params["inputResponses"] = responses
		}
		if r.RequestState != nil {
			params["requestState"] = *r.RequestState
		}
	}
	return toolResult{}, fmt.Errorf("the tool asked for input %d times", maxQuestions)
}

const maxQuestions = 10 // of one call

// listen prints the notifications that belong to no request, and responds to such requests,
// until ctx ends. It reconnects after every disconnect.
func (c *client) listen(ctx context.Context, trace *sse.Trace) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if c.revision == stateless {
		id := raw(c.lastID.Add(1))
		req, err = c.post(ctx, message{ID: id, Method: "subscriptions/listen", Params: raw(c.withMeta(map[string]any{
			"notifications": map[string]bool{"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true},
		}, id))})
	}
	if err != nil {
		return err
	}
	var opts []sse.Option
	if trace != nil {
		opts = append(opts, sse.WithTrace(trace))
	}
	opts = append(opts, sse.WithResume(nil)) // the same request is sent again, and not one that resumes a call
	for m, err := range c.messages(c.Subscribe, req, opts...) {
		refusal, refused := errors.AsType[*sse.ResponseError](err)
		switch {
		case refused && refusal.StatusCode == http.StatusMethodNotAllowed, err == nil && m.Error != nil && m.Error.Code == methodNotFound:
			return errNoListen
		case err != nil:
			return err
		case m.Error != nil:
			return m.Error
		case m.isResponse():
			return nil // the server has ended the subscription
		}
		if err := c.handle(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

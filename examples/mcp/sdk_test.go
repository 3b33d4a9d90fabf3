package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// The first connection breaks when the client has only the ID of the event that begins the
// stream.
func TestResumesACall(t *testing.T) {
	t.Parallel()
	s := newSDKServer(t, resumable(), nil)
	p, out := newProgram(breaking(t, s.http.Listener.Addr().String(), progressMark(1), progressMark(6)))
	require.NoError(t, p.use(t.Context()))
	require.Equal(t, wholeCall(stateful), withoutWaits(out.printed()))
	require.Equal(t, 2, out.count("waiting "))
	require.EqualValues(t, 1, s.runs.Load())
	require.Equal(t, map[string]int{"POST": 4, "GET": 2, "DELETE": 1}, s.received())
	require.Empty(t, slices.Collect(s.Sessions()))
}

// A server may end the response to a call and set the time at which the client comes back.
func TestWaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	s := newSDKServer(t, resumable(), nil)
	mcp.AddTool(s.Server, &mcp.Tool{Name: "later"}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		req.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 321 * time.Millisecond})
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	})
	p, out := newProgram(s.http.URL)
	p.tool = "later"
	require.NoError(t, p.use(t.Context()))
	lines := out.printed()
	require.Len(t, lines, 3)
	require.True(t, strings.HasPrefix(lines[1], "waiting 321ms: "), lines[1])
	require.Equal(t, "done", lines[2])
	require.Equal(t, map[string]int{"POST": 4, "GET": 1, "DELETE": 1}, s.received())
}

func TestReadsJSON(t *testing.T) {
	t.Parallel()
	for _, revision := range []string{stateful, stateless} {
		s := newSDKServer(t, mcp.StreamableHTTPOptions{JSONResponse: true, Stateless: revision == stateless}, nil)
		p, out := newProgram(s.http.URL)
		require.NoError(t, p.use(t.Context()))
		require.Equal(t, []string{"revision " + revision, "slow but sure"}, out.printed())
	}
}

// The connection breaks during a call, and the token has expired when the client resumes.
func TestRenewsTheToken(t *testing.T) {
	t.Parallel()
	var valid atomic.Value
	valid.Store("first")
	s := newSDKServer(t, resumable(), auth.RequireBearerToken(func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		if token != valid.Load() {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{UserID: "user", Expiration: time.Now().Add(time.Hour)}, nil
	}, nil))
	mcp.AddTool(s.Server, &mcp.Tool{Name: "expire"}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		valid.Store("second")
		req.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: time.Millisecond})
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	})
	p, out := newProgram(s.http.URL)
	p.tool = "expire"
	var asked atomic.Int64
	p.token = &token{source: func() (string, error) {
		asked.Add(1)
		return valid.Load().(string), nil
	}}
	require.NoError(t, p.use(t.Context()))
	require.EqualValues(t, 2, asked.Load())
	require.Equal(t, []string{"revision " + stateful, "done"}, withoutWaits(out.printed()))
	require.Equal(t, map[string]int{"POST": 4, "GET": 2, "DELETE": 1}, s.received())

	asked.Store(0)
	p.token = &token{source: func() (string, error) { asked.Add(1); return "wrong", nil }}
	refusal, ok := errors.AsType[*sse.ResponseError](p.use(t.Context()))
	require.True(t, ok)
	require.Equal(t, http.StatusUnauthorized, refusal.StatusCode)
	require.EqualValues(t, 2, asked.Load(), "renewed once")
}

func TestTellsThatTheSessionHasExpired(t *testing.T) {
	t.Parallel()
	s := newSDKServer(t, resumable(), nil)
	p, _ := newProgram(s.http.URL)
	c := open(t, p)
	for session := range s.Sessions() {
		require.NoError(t, session.Close())
	}
	_, err := c.call(t.Context(), "slow", []byte("{}"))
	require.ErrorIs(t, err, errSessionExpired)
	require.Contains(t, err.Error(), "the session has expired; run the program again")
}

// A response that breaks is lost in the stateless revision. The call is not sent again.
func TestDoesNotRepeatACall(t *testing.T) {
	t.Parallel()
	s := newSDKServer(t, mcp.StreamableHTTPOptions{Stateless: true}, nil)
	p, out := newProgram(breaking(t, s.http.Listener.Addr().String(), progressMark(3)))
	truncated, ok := errors.AsType[*sse.TruncatedError](p.use(t.Context()))
	require.True(t, ok)
	require.False(t, truncated.Clean)
	require.Equal(t, wholeCall(stateless)[:3], out.printed())
	require.EqualValues(t, 1, s.runs.Load())
	require.Equal(t, map[string]int{"POST": 2, "GET": 0, "DELETE": 0}, s.received())
}

func TestCancelsByLeavingTheLoop(t *testing.T) {
	t.Parallel()
	for revision, posts := range map[string]int{stateful: 5, stateless: 2} { // the former sends notifications/cancelled
		s := newSDKServer(t, mcp.StreamableHTTPOptions{Stateless: revision == stateless, PropagateRequestCancellation: true}, nil)
		p, _ := newProgram(s.http.URL)
		c := open(t, p)
		mcp.AddTool(s.Server, &mcp.Tool{Name: "endless"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: 1})
			<-ctx.Done()
			s.canceled <- struct{}{}
			return nil, nil, ctx.Err()
		})
		for m, err := range c.exchange(t.Context(), "tools/call", map[string]any{"name": "endless", "arguments": map[string]any{}}) {
			require.NoError(t, err)
			require.Equal(t, "notifications/progress", m.Method)
			break
		}
		await(t, "cancellation", func() bool { return len(s.canceled) == 1 })
		require.Equal(t, posts, s.received()["POST"], revision)
	}
}

// The end of the context, which Ctrl-C causes, cancels a call as well.
func TestCancelsAtTheEndOfTheContext(t *testing.T) {
	t.Parallel()
	for _, revision := range []string{stateful, stateless} {
		s := newSDKServer(t, mcp.StreamableHTTPOptions{Stateless: revision == stateless, PropagateRequestCancellation: true}, nil)
		mcp.AddTool(s.Server, &mcp.Tool{Name: "endless"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: 1})
			<-ctx.Done()
			s.canceled <- struct{}{}
			return nil, nil, ctx.Err()
		})
		p, out := newProgram(s.http.URL)
		p.tool = "endless"
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.use(ctx) }()
		out.await(t, "progress 1", 1)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		await(t, "cancellation", func() bool { return len(s.canceled) == 1 })
	}
}

// The stream that belongs to no request lives on after a break.
func TestListens(t *testing.T) {
	t.Parallel()
	for _, revision := range []string{stateful, stateless} {
		s := newSDKServer(t, mcp.StreamableHTTPOptions{Stateless: revision == stateless}, nil)
		p, out := newProgram(s.http.URL)
		c := open(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- c.listen(ctx, &sse.Trace{Open: func(*http.Response) { out.printf("opened") }})
		}()
		for i := range 2 {
			out.await(t, "opened", i+1)
			if revision == stateless {
				out.await(t, "notifications/subscriptions/acknowledged", i+1)
			}
			before := out.count("notifications/tools/list_changed")
			s.RemoveTools("slow")
			mcp.AddTool(s.Server, &mcp.Tool{Name: "slow"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
				return nil, nil, nil
			})
			out.await(t, "notifications/tools/list_changed", before+1)
			s.http.CloseClientConnections()
		}
		out.await(t, "opened", 3)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	}
}

func TestTellsThatThereIsNoStream(t *testing.T) {
	t.Parallel()
	s := newSDKServer(t, mcp.StreamableHTTPOptions{Stateless: true}, nil)
	p, out := newProgram(s.http.URL)
	p.newest = stateful // which this server knows as well, without sessions
	require.Equal(t, errNoListen, open(t, p).listen(t.Context(), nil))

	p.listen = true
	require.NoError(t, p.use(t.Context()))
	require.Equal(t, 1, out.count("stopped listening: "+errNoListen.Error()))
	require.Equal(t, 1, out.count("slow but sure"))
}

func TestRespondsToTheServer(t *testing.T) {
	t.Parallel()
	question := &mcp.ElicitParams{
		Message: "Which color?",
		RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{
			"color": map[string]any{"type": "string", "default": "green"},
			"size":  map[string]any{"type": "integer", "default": 7},
		}},
	}
	for _, revision := range []string{stateful, stateless} {
		s := newSDKServer(t, mcp.StreamableHTTPOptions{Stateless: revision == stateless}, nil)
		mcp.AddTool(s.Server, &mcp.Tool{Name: "ask"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			var reply *mcp.ElicitResult
			if revision == stateless {
				given, ok := req.Params.InputResponses["color"]
				if !ok {
					return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"color": question}, RequestState: "state"}, nil, nil
				}
				reply = given.(*mcp.ElicitResult)
				if req.Params.RequestState != "state" {
					return nil, nil, errors.New("the state is missing")
				}
			} else {
				var err error
				if err = req.Session.Ping(ctx, nil); err != nil {
					return nil, nil, err
				}
				if reply, err = req.Session.Elicit(ctx, question); err != nil {
					return nil, nil, err
				}
			}
			text := reply.Action + " " + string(raw(reply.Content))
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
		})
		for flag, want := range map[string]string{
			`{}`:               `accept {"color":"green","size":7}`,
			`{"color":"blue"}`: `accept {"color":"blue","size":7}`,
			"decline":          "decline null",
		} {
			p, out := newProgram(s.http.URL)
			p.tool = "ask"
			require.NoError(t, p.answer.Set(flag))
			require.NoErrorf(t, p.use(t.Context()), "%s: %q", revision, out.printed())
			require.Equal(t, want, out.printed()[2])
		}
	}
}

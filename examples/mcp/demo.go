package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// steps is the number of progress notifications of the slow tool.
const steps = 8

// A slowServer is a server of the MCP Go SDK with a slow tool.
type slowServer struct {
	*mcp.Server
	runs     atomic.Int64  // of the tool
	canceled chan struct{} // receives once for each canceled run
}

func newSlowServer(pause time.Duration) *slowServer {
	s := &slowServer{
		Server:   mcp.NewServer(&mcp.Implementation{Name: "demo", Version: "1"}, nil),
		canceled: make(chan struct{}, 100),
	}
	type none struct{}
	mcp.AddTool(s.Server, &mcp.Tool{Name: "slow"}, func(ctx context.Context, req *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, any, error) {
		s.runs.Add(1)
		for i := range steps {
			select {
			case <-time.After(pause): // the work
			case <-ctx.Done():
				s.canceled <- struct{}{}
				return nil, nil, ctx.Err()
			}
			_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ // without a connection, the server stores it
				ProgressToken: req.Params.GetProgressToken(),
				Progress:      float64(i + 1),
				Total:         steps,
			})
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "slow but sure"}}}, nil, nil
	})
	return s
}

// serve serves s at the address until stop is called.
func (s *slowServer) serve(opts *mcp.StreamableHTTPOptions) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{
		Handler:           mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.Server }, opts),
		ReadHeaderTimeout: patience,
	}
	go func() { _ = srv.Serve(l) }() // until Close
	return l.Addr().String(), func() { srv.Close() }, nil
}

// progressMark is a part of a progress notification.
func progressMark(i int) string { return fmt.Sprintf(`"progress":%d,`, i) }

// demonstrate calls a slow tool in both revisions.
func (p *program) demonstrate(ctx context.Context) error {
	p.tool, p.arguments, p.newest = "slow", json.RawMessage("{}"), stateless
	if err := p.demonstrateResuming(ctx); err != nil {
		return err
	}
	return p.demonstrateCanceling(ctx)
}

// demonstrateResuming loses the connection twice during a call.
func (p *program) demonstrateResuming(ctx context.Context) error {
	server := newSlowServer(100 * time.Millisecond)
	address, stop, err := server.serve(&mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)})
	if err != nil {
		return err
	}
	defer stop()
	proxy, err := newBreaker(address, progressMark(3), progressMark(6))
	if err != nil {
		return err
	}
	defer proxy.Close()

	p.url = "http://" + proxy.Addr().String()
	p.log("a server with sessions, whose connections break:")
	if err := p.use(ctx); err != nil {
		return err
	}
	if n := server.runs.Load(); n != 1 {
		return fmt.Errorf("the tool ran %d times", n)
	}
	p.log("the tool ran once")
	p.log("")
	return nil
}

// demonstrateCanceling leaves a call before its result.
func (p *program) demonstrateCanceling(ctx context.Context) error {
	server := newSlowServer(100 * time.Millisecond)
	address, stop, err := server.serve(&mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true})
	if err != nil {
		return err
	}
	defer stop()

	p.url = "http://" + address
	p.log("a server without sessions, and a call that is canceled:")
	c := p.newClient()
	if err := c.open(ctx, p.newest); err != nil {
		return err
	}
	p.log("revision %s", c.revision)
	received := 0
	for m, err := range c.exchange(ctx, "tools/call", map[string]any{"name": p.tool, "arguments": p.arguments}) {
		if err != nil {
			return err
		}
		if err := c.handle(ctx, m); err != nil {
			return err
		}
		if received++; received == 3 {
			break // closes the response, which cancels the call
		}
	}
	select {
	case <-server.canceled:
		p.log("left the loop; the server has canceled the tool")
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the server did not cancel the tool within %v", patience)
	}
}

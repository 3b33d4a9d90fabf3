// Mcp is a small client of the Model Context Protocol (MCP) over Streamable HTTP. It lists
// the tools of a server, or calls one and prints its progress:
//
//	go run . http://localhost:3001/mcp
//	go run . -call echo -args '{"message":"hello"}' http://localhost:3001/mcp
//
// It speaks revision 2026-07-28, and those from 2025-03-26 to 2025-11-25 with servers that
// do not know it. With -demo, or without arguments, it starts a server of its own, loses
// connections to it, and cancels a call:
//
//	go run . -demo
//
// The exit status is 0 if the server has responded and, for a call, the tool reports no
// error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/fetchsse/sse"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C exits at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	success     = 0
	failure     = 1
	usage       = 2
	interrupted = 130 // as shells report a program that Ctrl-C has ended
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var p program
	p.log = log.New(stdout, "", 0).Printf
	switch err := p.parse(args, stderr); {
	case errors.Is(err, flag.ErrHelp):
		return success
	case err != nil:
		return usage // parse has printed the error
	}
	do := p.use
	if p.demo {
		do = p.demonstrate
	}
	err := do(ctx)
	switch {
	case err == nil:
		return success
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "canceled:", err)
		return interrupted
	}
	fmt.Fprintln(stderr, "error:", err)
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && refusal.Err == nil && len(refusal.Body) > 0 {
		fmt.Fprintf(stderr, "%.1000s\n", refusal.Body)
	}
	return failure
}

// A program holds the values of the command line, and prints.
type program struct {
	url, newest, tool string
	arguments         json.RawMessage
	answer            answer
	token             *token
	listen, demo      bool
	idle              time.Duration
	log               func(format string, args ...any) // prints a line
}

func (p *program) parse(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("mcp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: mcp [flags] url\n       mcp -demo")
		flags.PrintDefaults()
	}
	flags.StringVar(&p.tool, "call", "", "`name` of the tool to call (default: list the tools)")
	arguments := flags.String("args", "{}", "arguments of the tool as a `JSON` object")
	flags.Var(&p.answer, "answer", "what to `answer` if the server asks: a JSON object with fields, where {} has the defaults\n"+
		"of the server, or decline, or cancel (default: the server cannot ask)")
	flags.BoolVar(&p.listen, "listen", false, "print what the server sends on its own: during the call, or else until Ctrl-C")
	flags.StringVar(&p.newest, "revision", stateless, "newest `revision` of the protocol to use")
	flags.Func("token-file", "`file` with a bearer token; it is read again after a 401 response", func(name string) error {
		p.token = &token{source: func() (string, error) {
			text, err := os.ReadFile(name)
			return strings.TrimSpace(string(text)), err
		}}
		return nil
	})
	flags.DurationVar(&p.idle, "idle", 5*time.Minute, "maximum silence before a connection counts as dead, 0 for no limit")
	flags.BoolVar(&p.demo, "demo", false, "use a server of its own and lose connections to it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	p.demo = p.demo || len(args) == 0
	p.arguments = json.RawMessage(*arguments)
	p.url = flags.Arg(0)
	var err error
	switch {
	case p.demo && (flags.NFlag() > 1 || flags.NArg() > 0):
		err = errors.New("-demo needs nothing else")
	case !p.demo && flags.NArg() != 1:
		err = errors.New("give the URL of the server, after the flags")
	case p.newest != stateless && !slices.Contains(legacy, p.newest):
		err = fmt.Errorf("unknown revision %q; use %s or one of %q", p.newest, stateless, legacy)
	case !strings.HasPrefix(*arguments, "{") || !json.Valid(p.arguments):
		err = errors.New("-args is not a JSON object")
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		flags.Usage()
	}
	return err
}

// use opens a session, does what the command line asks for, and ends the session.
func (p *program) use(ctx context.Context) (err error) {
	c := p.newClient()
	if err := c.open(ctx, p.newest); err != nil {
		return err
	}
	p.log("revision %s", c.revision)
	defer func() {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer stop()
		err = errors.Join(err, c.end(ctx))
	}()
	switch {
	case p.listen && p.tool == "":
		return c.listen(ctx, nil)
	case p.listen:
		stop := p.listenMeanwhile(ctx, c)
		defer stop()
	}
	if p.tool == "" {
		names, err := c.tools(ctx)
		for _, name := range names {
			p.log("tool %s", name)
		}
		return err
	}
	return p.call(ctx, c)
}

// listenMeanwhile listens until stop is called. It returns when the server can send, or does
// not offer that.
func (p *program) listenMeanwhile(ctx context.Context, c *client) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	opened := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := c.listen(ctx, &sse.Trace{Open: func(*http.Response) {
			select {
			case opened <- struct{}{}:
			default: // reconnected
			}
		}})
		if ctx.Err() == nil {
			p.log("stopped listening: %v", err)
		}
	}()
	select {
	case <-opened:
	case <-ended:
	case <-time.After(patience): // some servers send the headers with the first event
	}
	return func() { cancel(); <-ended }
}

func (p *program) newClient() *client {
	return &client{transport: newTransport(p.url, p.idle, p.token, p.log), answer: p.answer}
}

// call calls the tool and prints its result.
func (p *program) call(ctx context.Context, c *client) error {
	result, err := c.call(ctx, p.tool, p.arguments)
	if err != nil {
		return err
	}
	for _, content := range result.Content {
		if content.Type == "text" {
			p.log("%s", content.Text)
		} else {
			p.log("(%s)", content.Type)
		}
	}
	if result.IsError {
		return errors.New("the tool reports an error")
	}
	return nil
}

// Fetchsse shows event streams at work. Without arguments it starts a small server
// on a free loopback port and reads two streams from it: the answer to a POST, and a
// feed that loses its connection twice and no event.
//
//	go run ./examples/fetchsse
//
// With -url it reads from any other server, once or, with -subscribe, until Ctrl-C:
//
//	go run ./examples/fetchsse -url https://example.com/chat -H "Authorization: Bearer x" -d '{"content":"xxx"}'
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/fetchsse/sse"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit statuses.
const (
	success     = 0
	failure     = 1
	usage       = 2
	interrupted = 130 // what shells give to a program that Ctrl-C has ended
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := program{out: stdout}
	switch err := p.parse(args, stdin, stderr); {
	case errors.Is(err, flag.ErrHelp):
		return success
	case err != nil:
		return usage // the flag package has said what is wrong
	}
	var err error
	if p.call.url == "" {
		err = p.demo(ctx)
	} else {
		_, err = p.read(ctx, p.call)
	}
	switch {
	case err == nil:
		return success
	case ctx.Err() != nil:
		fmt.Fprintln(stdout, "cancelled:", err)
		return interrupted
	}
	fmt.Fprintln(stderr, "error:", err)
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && len(refusal.Body) > 0 {
		const most = 1 << 10
		fmt.Fprintf(stderr, "%s\n", refusal.Body[:min(len(refusal.Body), most)])
	}
	return failure
}

// A program is what the flags say, and where to print.
type program struct {
	out      io.Writer
	interval time.Duration
	call     call
}

// A call is a request and how to read its answer.
type call struct {
	url, method string
	header      http.Header
	body        []byte
	done        string
	subscribe   bool
}

func (p *program) parse(args []string, stdin io.Reader, stderr io.Writer) error {
	p.call.header = make(http.Header)
	flags := flag.NewFlagSet("fetchsse", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&p.interval, "interval", time.Second/2, "time between the events of the demo server")
	flags.StringVar(&p.call.url, "url", "", "read from this `URL` instead of the demo server")
	flags.StringVar(&p.call.method, "X", "", "`method` of the request (default GET, or POST with -d)")
	flags.StringVar(&p.call.done, "done", "", "`data` of the event that completes the stream, such as [DONE]")
	flags.BoolVar(&p.call.subscribe, "subscribe", false, "reconnect until the server says that it is over, or Ctrl-C")
	flags.Func("H", "`header` of the request, as \"Key: value\"; can be repeated", func(s string) error {
		key, value, ok := strings.Cut(s, ":")
		if !ok {
			return errors.New("there is no colon")
		}
		p.call.header.Add(key, strings.TrimSpace(value))
		return nil
	})
	flags.Func("d", "`body` of the request; @file reads a file, @- standard input\n"+
		"(as application/json unless -H says otherwise)", func(s string) (err error) {
		p.call.body, err = readBody(s, stdin)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 && (p.call.url != "" || onlyInterval(flags)) {
		return nil
	}
	err := errors.New("give -url, too: nothing but -interval changes the demo")
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	fmt.Fprintln(stderr, err)
	flags.Usage()
	return err
}

// onlyInterval reports whether the flags are ones of the demo. The others would be
// without effect there, which is a mistake to point out.
func onlyInterval(flags *flag.FlagSet) bool {
	only := true
	flags.Visit(func(f *flag.Flag) { only = only && f.Name == "interval" })
	return only
}

func readBody(s string, stdin io.Reader) ([]byte, error) {
	switch name, isFile := strings.CutPrefix(s, "@"); {
	case !isFile:
		return []byte(s), nil
	case name == "-":
		return io.ReadAll(stdin)
	default:
		return os.ReadFile(name)
	}
}

// demo reads a response and a feed from the demo server, and checks that every event
// of the feed has come.
func (p *program) demo(ctx context.Context) error {
	url, stop, err := serve(p.interval)
	if err != nil {
		return err
	}
	defer stop()
	_, err = p.read(ctx, call{
		url:    url + "/fetch-sse",
		header: http.Header{"X-Demo": {"fetchsse"}},
		body:   []byte(`{"content":"xxx"}`),
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out)
	ids, err := p.read(ctx, call{url: url + "/feed", subscribe: true, done: feedEnd})
	if err != nil {
		return err
	}
	if err := inOrder(ids, feed); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "events 1 to %d have come in order: none was lost, none came twice\n", feed)
	return nil
}

// inOrder returns an error unless ids counts from 1 to n.
func inOrder(ids []string, n int) error {
	for i, id := range ids {
		if id != strconv.Itoa(i+1) {
			return fmt.Errorf("event %q has come where %d was due", id, i+1)
		}
	}
	if len(ids) != n {
		return fmt.Errorf("%d events have come instead of %d", len(ids), n)
	}
	return nil
}

// read makes the call, prints the events as they come and returns their IDs.
func (p *program) read(ctx context.Context, c call) (ids []string, err error) {
	req, err := c.request(ctx)
	if err != nil {
		return nil, err
	}
	open := sse.Fetch
	if c.subscribe {
		open = sse.Subscribe
	}
	opts := []sse.Option{sse.WithTrace(p.trace())}
	if c.done != "" {
		opts = append(opts, sse.WithDone(c.done))
	}
	stream, err := open(req, opts...)
	if err != nil {
		return nil, err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return ids, err
		}
		fmt.Fprintf(p.out, "%s: %s\n", strings.TrimSpace(event.Type+" "+event.ID), event.Data)
		ids = append(ids, event.ID)
	}
	return ids, nil
}

func (c call) request(ctx context.Context) (*http.Request, error) {
	method := cmp.Or(c.method, http.MethodGet)
	if c.method == "" && c.body != nil {
		method = http.MethodPost
	}
	// From a bytes.Reader the request gets a GetBody, which a reconnect needs to
	// send it again.
	req, err := http.NewRequestWithContext(ctx, method, c.url, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, c.header)
	req.Host = c.header.Get("Host") // net/http takes it from here
	return req, nil
}

// trace prints the life of the connections.
func (p *program) trace() *sse.Trace {
	var closed error // why the last connection ended
	return &sse.Trace{
		Request: func(req *http.Request) {
			fmt.Fprintf(p.out, "request: %s %s://%s%s\n", req.Method, req.URL.Scheme, req.URL.Host, req.URL.Path)
			for _, key := range []string{"X-Demo", "Last-Event-ID"} {
				if v := req.Header.Get(key); v != "" {
					fmt.Fprintf(p.out, "  %s: %s\n", key, v)
				}
			}
		},
		Open: func(resp *http.Response) { fmt.Fprintln(p.out, "open:", resp.Status) },
		Disconnect: func(err error) {
			closed = err
			fmt.Fprintln(p.out, "close:", ending(err))
		},
		Wait: func(a sse.Attempt) {
			if a.Err != closed { // an attempt that opened nothing
				fmt.Fprintln(p.out, "failed:", a.Err)
			}
			fmt.Fprintln(p.out, "wait:", a.Delay.Round(time.Millisecond))
		},
	}
}

// ending says how a connection ended.
func ending(err error) string {
	if err == nil {
		return "the end of the response"
	}
	return err.Error()
}

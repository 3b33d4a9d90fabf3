// Fetchsse demonstrates event streams. Without arguments it starts a small server on a
// free loopback port and reads two streams from it: the response to a POST, and a feed
// that disconnects twice without losing an event.
//
//	go run ./examples/fetchsse
//
// With -url it reads a response from another server. With -subscribe it also reconnects
// until Ctrl-C:
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
	interrupted = 130 // as shells report a program that Ctrl-C has ended
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := program{out: stdout}
	switch err := p.parse(args, stdin, stderr); {
	case errors.Is(err, flag.ErrHelp):
		return success
	case err != nil:
		return usage // parse has printed the error
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
		fmt.Fprintln(stdout, "canceled:", err)
		return interrupted
	}
	fmt.Fprintln(stderr, "error:", err)
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && len(refusal.Body) > 0 {
		const maxBody = 1 << 10
		fmt.Fprintf(stderr, "%s\n", refusal.Body[:min(len(refusal.Body), maxBody)])
	}
	return failure
}

// A program holds the values of the flags and the output.
type program struct {
	out      io.Writer
	interval time.Duration
	call     call
}

// A call describes a request and how to read its response.
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
	flags.BoolVar(&p.call.subscribe, "subscribe", false, "reconnect until the server ends the subscription, or Ctrl-C")
	flags.Func("H", "`header` of the request, as \"Key: value\"; can be repeated", func(s string) error {
		key, value, ok := strings.Cut(s, ":")
		if !ok {
			return errors.New("missing colon")
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
	err := errors.New("missing -url; the demo accepts only -interval")
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	fmt.Fprintln(stderr, err)
	flags.Usage()
	return err
}

// onlyInterval reports whether no flag other than -interval is set. The demo ignores the
// other flags.
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

// demo reads a response and a feed from the demo server. It checks that the feed delivered
// every event once.
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
	fmt.Fprintf(p.out, "received events 1 to %d in order, without losses or duplicates\n", feed)
	return nil
}

// inOrder returns an error unless ids counts from 1 to n.
func inOrder(ids []string, n int) error {
	for i, id := range ids {
		if id != strconv.Itoa(i+1) {
			return fmt.Errorf("got event %q, want %d", id, i+1)
		}
	}
	if len(ids) != n {
		return fmt.Errorf("got %d events, want %d", len(ids), n)
	}
	return nil
}

// read sends the request of c, prints the events as they arrive, and returns their IDs.
func (p *program) read(ctx context.Context, c call) (ids []string, err error) {
	req, err := c.newRequest(ctx)
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

// newRequest returns the request of the call.
func (c call) newRequest(ctx context.Context) (*http.Request, error) {
	method := cmp.Or(c.method, http.MethodGet)
	if c.method == "" && c.body != nil {
		method = http.MethodPost
	}
	// NewRequest sets GetBody for a bytes.Reader. A reconnect needs it to send the
	// request again.
	req, err := http.NewRequestWithContext(ctx, method, c.url, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, c.header)
	req.Host = c.header.Get("Host") // net/http ignores Host in req.Header
	return req, nil
}

// trace returns hooks that print each step of the connections.
func (p *program) trace() *sse.Trace {
	var closed error // error of the last disconnect
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
			fmt.Fprintln(p.out, "close:", closeReason(err))
		},
		Wait: func(a sse.Attempt) {
			if a.Err != closed { // the attempt did not open a connection
				fmt.Fprintln(p.out, "failed:", a.Err)
			}
			fmt.Fprintln(p.out, "wait:", a.Delay.Round(time.Millisecond))
		},
	}
}

// closeReason returns the reason for a disconnect. A nil error means a clean end.
func closeReason(err error) string {
	if err == nil {
		return "end of response"
	}
	return err.Error()
}

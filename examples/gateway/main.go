// Gateway forwards requests to a language model and relays its response event by event.
// Without -upstream it starts an embedded service and itself on free loopback ports, sends
// a few requests through the gateway, prints what their client reads, and exits:
//
//	go run .
//
// With -upstream it serves until Ctrl-C. The URL is that of the endpoint: every request,
// whatever its path, is sent there, so that its key opens no other one. The request itself
// is passed on as it is:
//
//	UPSTREAM_API_KEY=... go run . -upstream https://api.openai.com/v1/chat/completions -from openai
//
// -from is the dialect of the service. With it, the gateway knows a complete response from a
// truncated one, and reports errors to its clients in the words of that dialect. Without it,
// it relays any event stream.
//
// -to is the dialect that the clients read, if it is another one. It can be openai: the
// text, reasoning, refusals, tool calls, finish reason and token counts become chunks of
// Chat Completions. The request is not translated. It is that of the service:
//
//	UPSTREAM_API_KEY=... go run . -upstream https://api.anthropic.com/v1/messages -from anthropic -to openai
//
// The key of the service is in UPSTREAM_API_KEY. Keys that clients send are dropped. With
// -pass-key, these are passed on, and the gateway has none. The gateway does not ask its
// clients who they are; by default it listens on the loopback interface only.
//
// An error before the first byte of the response is a status, with the JSON and the
// Retry-After of the service: 502 if it cannot be reached, and 504 if it does not respond. A
// later one is an error event. Without -from, the connection is also cut off after it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/fetchsse/sse/llm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C exits at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv("UPSTREAM_API_KEY"), os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	success     = 0
	failed      = 1
	usageFailed = 2
	interrupted = 130 // as shells report a program that Ctrl-C has ended
)

// dialects has the names of the flags.
var dialects = map[string]llm.Dialect{
	"openai":       llm.OpenAIChat,
	"responses":    llm.OpenAIResponses,
	"anthropic":    llm.Anthropic,
	"gemini":       llm.Gemini,
	"interactions": llm.GeminiInteractions,
	"cohere":       llm.Cohere,
	"perplexity":   llm.Perplexity,
	"replicate":    llm.Replicate,
	"dify":         llm.Dify,
	"aisdk":        llm.AISDK,
}

func run(ctx context.Context, args []string, key string, stdout, stderr io.Writer) int {
	// All requests go to one host, of which the default transport keeps two idle connections.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns
	defer transport.CloseIdleConnections()
	g := &gateway{key: key, client: &http.Client{Transport: transport}, log: slog.New(slog.NewTextHandler(stderr, nil))}
	address, err := g.parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return success
	case err != nil:
		return usageFailed // parse has printed the error
	case g.upstream == "":
		err = demo(ctx, stdout, g)
		if ctx.Err() != nil {
			return interrupted
		}
	default:
		err = g.listen(ctx, address)
	}
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return failed
	}
	return success
}

// parse parses the command line and returns the address to listen on.
func (g *gateway) parse(args []string, stderr io.Writer) (address string, err error) {
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := strings.Join(slices.Sorted(maps.Keys(dialects)), ", ")
	flags.StringVar(&address, "listen", "127.0.0.1:8080", "`address` to listen on")
	flags.StringVar(&g.upstream, "upstream", "", "`URL` of the endpoint of the service (default: a demonstration with an embedded service)")
	from := flags.String("from", "", "`dialect` of the service: "+names+" (default: any event stream)")
	to := flags.String("to", "", "`dialect` that clients read: openai, or that of -from (default: that of -from)")
	flags.BoolVar(&g.passKey, "pass-key", false, "send the keys of the clients to the service in place of UPSTREAM_API_KEY")
	flags.DurationVar(&g.openTimeout, "open-timeout", 10*time.Minute, "limit for the response headers of the service, 0 for none")
	flags.DurationVar(&g.idleTimeout, "idle-timeout", 5*time.Minute, "limit for the silence of the service, 0 for none")
	flags.DurationVar(&g.writeTimeout, "write-timeout", time.Minute, "limit for a client that does not read, 0 for none")
	if err := flags.Parse(args); err != nil {
		return "", err // Parse has printed it
	}
	switch u, urlErr := url.Parse(g.upstream); {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case g.upstream == "" && flags.NFlag() > 0:
		err = errors.New("missing -upstream; without it there are no other flags")
	case g.upstream != "" && (urlErr != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
		err = errors.New("invalid -upstream; use a URL such as http://localhost:8000/v1/chat/completions") // it may have a password
	case *from != "" && dialects[*from] == 0:
		err = fmt.Errorf("unknown dialect %q of -from; use one of %s", *from, names)
	case *to != "" && *from == "":
		err = errors.New("missing -from: -to needs the dialect of the service")
	case *to != "" && *to != *from && *to != "openai":
		err = fmt.Errorf("the gateway does not translate to %q, only to openai", *to)
	case g.passKey && g.key != "":
		err = errors.New("-pass-key and UPSTREAM_API_KEY exclude each other")
	case min(g.openTimeout, g.idleTimeout, g.writeTimeout) < 0:
		err = errors.New("a timeout is negative; use 0 for no limit")
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		flags.Usage()
		return "", err
	}
	g.from = dialects[*from]
	g.translate = *to != "" && *to != *from
	return address, nil
}

// listen serves g on an address until ctx ends.
func (g *gateway) listen(ctx context.Context, address string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	g.log.Info("listening", "address", l.Addr().String())
	return serve(ctx, l, g)
}

// grace is the time that running responses have to end when the gateway stops.
const grace = 5 * time.Second

// serve serves on l until ctx ends. Then every response that is running ends with an error
// event.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		cancel(errShutdown)
		limited, done := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer done()
		stopped <- cmp.Or(srv.Shutdown(limited), srv.Close())
	})
	err := srv.Serve(l)
	if stop() {
		cancel(err)
		return err // not because ctx has ended
	}
	return <-stopped
}

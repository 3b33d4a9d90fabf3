// Chat sends a prompt to a language model and prints the response as it arrives. Without
// -url it starts a server of its own on a free loopback port, which responds in the format
// of the provider. It then needs neither a key nor a network.
//
//	go run ./examples/chat "hello"
//	go run ./examples/chat -provider anthropic <prompt.txt # flags come before the prompt
//
// With -url it sends the prompt to any server that implements the provider's API. The key
// comes from the environment and is sent in a header. Without a key, the header is not
// sent.
//
//	OPENAI_API_KEY=... go run ./examples/chat -url https://api.openai.com/v1 "hello"
//	OPENAI_API_KEY=... go run ./examples/chat -provider responses -url https://api.openai.com/v1 "hello"
//	ANTHROPIC_API_KEY=... go run ./examples/chat -provider anthropic -url https://api.anthropic.com/v1 "hello"
//	GEMINI_API_KEY=... go run ./examples/chat -provider gemini -url https://generativelanguage.googleapis.com/v1beta "hello"
//
// Standard output contains only the response. The exit status is 0 only if the response
// is complete, and 3 if the model has stopped early: at a limit, or because it or a filter
// refuses.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/fetchsse/sse"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C exits even if a write blocks
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	success     = 0
	failed      = 1
	usage       = 2
	stopped     = 3
	interrupted = 130 // as shells report a program that Ctrl-C has ended
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, err := parse(ctx, args, stdin, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return success
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return usage // parse has printed the error
	}
	var r response
	if err == nil {
		err = r.fetch(ctx, c, stdout, stderr)
	}
	if r.deltas > 0 {
		fmt.Fprintln(stdout) // also after an incomplete response, to end its line
	}
	if err == nil {
		r.summarize(stderr, c.calls)
		if !r.isWhole() {
			return stopped
		}
		return success
	}
	code, prefix := failed, "error"
	if ctx.Err() != nil {
		code, prefix = interrupted, "canceled"
	}
	fmt.Fprintf(stderr, "%s: %v\n", prefix, err)
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && refusal.Err == nil && len(refusal.Body) > 0 {
		fmt.Fprintf(stderr, "%.1000s\n", refusal.Body) // package llm has found no reason in it
	}
	if r.events > 0 || code == interrupted {
		fmt.Fprintf(stderr, "received: %d events, %d text deltas, %d characters\n", r.events, r.deltas, r.chars)
	}
	return code
}

// A config holds the values of the command line.
type config struct {
	dialect       dialect
	url           *url.URL // nil means the embedded server
	model, prompt string
	idle, pause   time.Duration
	calls         bool // print the tool calls
}

// A usageError is an error in the command line, or -h.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// parse parses the command line. It reads the prompt from stdin if no argument contains it.
func parse(ctx context.Context, args []string, stdin io.Reader, stderr io.Writer) (c config, err error) {
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(stderr)
	provider := flags.String("provider", "openai", "`API` of the server: "+providers())
	base := flags.String("url", "", "base `URL` of the API, such as https://api.openai.com/v1, or the complete URL of the\n"+
		"endpoint, such as http://localhost:8080/v1/chat/completions (default: an embedded server)")
	flags.StringVar(&c.model, "model", "", "`name` of the model (default: a small model of the provider)")
	flags.DurationVar(&c.idle, "idle", time.Minute, "maximum silence of the server, 0 for no limit; thinking models may need more")
	flags.BoolVar(&c.calls, "calls", false, "print the tool calls that the model makes on standard error")
	flags.DurationVar(&c.pause, "pause", 45*time.Millisecond, "time between the tokens of the embedded server")
	if err := flags.Parse(args); err != nil {
		return c, usageError{err} // Parse has printed it
	}
	usageErr := func(err error) (config, error) {
		fmt.Fprintln(stderr, err)
		flags.Usage()
		return c, usageError{err}
	}
	var known bool
	if c.dialect, known = dialects[*provider]; !known {
		return usageErr(fmt.Errorf("unknown provider %q; use one of %s", *provider, providers()))
	}
	c.model = cmp.Or(c.model, c.dialect.model)
	if *base != "" {
		// The message does not include the URL, which may contain a password.
		if c.url, err = url.Parse(*base); err != nil || c.url.Host == "" {
			return usageErr(errors.New("invalid -url; use a URL such as https://example.com/v1"))
		}
	}
	c.prompt = strings.Join(flags.Args(), " ")
	if flags.NArg() == 0 {
		if c.prompt, err = readAll(ctx, stdin); err != nil {
			return c, err
		}
	}
	if strings.TrimSpace(c.prompt) == "" {
		return usageErr(errors.New("the prompt is empty; give it as an argument or on standard input"))
	}
	return c, nil
}

// readAll reads until the end of r or until ctx is done. It reads in a goroutine because
// a read from a terminal cannot be interrupted.
func readAll(ctx context.Context, r io.Reader) (string, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(r)
		done <- result{text, err}
	}()
	select {
	case got := <-done:
		return string(got.text), got.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

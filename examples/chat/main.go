// Chat asks a language model and prints the answer while it is being written. Without
// -url it asks a server of its own on a free loopback port, which has an answer ready
// in the format of the provider: neither a key nor a network is needed.
//
//	go run ./examples/chat "hello"
//	go run ./examples/chat -provider anthropic <question.txt # flags come before the question
//
// With -url it asks any server that speaks the provider's dialect. The key comes from
// the environment and is sent in a header; without one none is sent.
//
//	OPENAI_API_KEY=... go run ./examples/chat -url https://api.openai.com/v1 "hello"
//	OPENAI_API_KEY=... go run ./examples/chat -provider responses -url https://api.openai.com/v1 "hello"
//	ANTHROPIC_API_KEY=... go run ./examples/chat -provider anthropic -url https://api.anthropic.com/v1 "hello"
//	GEMINI_API_KEY=... go run ./examples/chat -provider gemini -url https://generativelanguage.googleapis.com/v1beta "hello"
//
// Standard output gets the answer and nothing else. The exit status is 0 only if the
// answer is complete.
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
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program even if a write blocks
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	success     = 0
	failed      = 1
	usage       = 2
	interrupted = 130 // what shells give to a program that Ctrl-C has ended
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	q, err := parse(ctx, args, stdin, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return success
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return usage // parse has said what is wrong
	}
	var a answer
	if err == nil {
		err = a.fetch(ctx, q, stdout, stderr)
	}
	if a.deltas > 0 {
		fmt.Fprintln(stdout) // also after half an answer: what follows gets a line of its own
	}
	if err == nil {
		a.summarize(stderr)
		return success
	}
	code, what := failed, "error"
	if ctx.Err() != nil {
		code, what = interrupted, "cancelled"
	}
	fmt.Fprintf(stderr, "%s: %v\n", what, err)
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && len(refusal.Body) > 0 {
		fmt.Fprintf(stderr, "%.1000s\n", refusal.Body) // the reason; it is not in the message
	}
	if a.events > 0 || code == interrupted {
		fmt.Fprintf(stderr, "arrived: %d events, %d pieces of text, %d characters\n", a.events, a.deltas, a.chars)
	}
	return code
}

// A question is what the command line says.
type question struct {
	dialect     dialect
	url         *url.URL // nil: ask the embedded server
	model, text string
	idle, pause time.Duration
}

// A usageError is a mistake in the command line, or -h.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func parse(ctx context.Context, args []string, stdin io.Reader, stderr io.Writer) (q question, err error) {
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(stderr)
	provider := flags.String("provider", "openai", "`dialect` to speak: "+providers())
	base := flags.String("url", "", "base `URL` of the API, such as https://api.openai.com/v1, or the full one of the\n"+
		"endpoint, such as http://localhost:8080/v1/chat/completions (default: an embedded server)")
	flags.StringVar(&q.model, "model", "", "`name` of the model (default: a small one of the provider)")
	flags.DurationVar(&q.idle, "idle", time.Minute, "give up after so much silence, 0 for never; models that think may need more")
	flags.DurationVar(&q.pause, "pause", 45*time.Millisecond, "time between the tokens of the embedded server")
	if err := flags.Parse(args); err != nil {
		return q, usageError{err} // Parse has printed it
	}
	complain := func(err error) (question, error) {
		fmt.Fprintln(stderr, err)
		flags.Usage()
		return q, usageError{err}
	}
	var known bool
	if q.dialect, known = dialects[*provider]; !known {
		return complain(fmt.Errorf("unknown provider %q: there are %s", *provider, providers()))
	}
	q.model = cmp.Or(q.model, q.dialect.model)
	if *base != "" {
		// The message has nothing of the URL, which may have a password in it.
		if q.url, err = url.Parse(*base); err != nil || q.url.Host == "" {
			return complain(errors.New("-url is not like https://example.com/v1"))
		}
	}
	q.text = strings.Join(flags.Args(), " ")
	if flags.NArg() == 0 {
		if q.text, err = readAll(ctx, stdin); err != nil {
			return q, err
		}
	}
	if strings.TrimSpace(q.text) == "" {
		return complain(errors.New("give a prompt, as an argument or on standard input"))
	}
	return q, nil
}

// readAll reads to the end, or until ctx is done. The goroutine is for that: a read
// from a terminal cannot be interrupted, and Ctrl-C has to work there, too.
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

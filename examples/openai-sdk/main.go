// Openai-sdk asks through the official SDK for the Chat Completions API, openai-go, and
// reads the answer with package sse, which knows a whole answer from one that was cut.
// Without arguments it asks a small server of its own, with a made-up answer:
//
//	go run .
//
// With -url it asks any other server, with the key of OPENAI_API_KEY:
//
//	go run . -url https://api.openai.com/v1/ -model gpt-4o-mini Why is the sky blue?
//
// bridge.go has the functions to copy.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func main() {
	url := flag.String("url", "", "base `URL` of a server to ask instead of the one of the demo")
	model := flag.String("model", "gpt-4o-mini", "`name` of the model")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C aborts
	defer stop()

	params := openai.ChatCompletionNewParams{
		Model:    *model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(cmp.Or(strings.Join(flag.Args(), " "), "Hello!"))},
	}
	var err error
	if *url == "" {
		err = demo(ctx, os.Stdout, params, 100*time.Millisecond)
	} else {
		err = open(ctx, os.Stdout, openai.NewClient(option.WithBaseURL(*url)), params)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// demo asks the server of the demo: for a whole answer, and for one that is cut. interval
// is the time between tokens.
func demo(ctx context.Context, out io.Writer, params openai.ChatCompletionNewParams, interval time.Duration) error {
	url, stop, err := serve(interval)
	if err != nil {
		return err
	}
	defer stop()
	client := func(path string, opts ...option.RequestOption) openai.Client {
		// The key of the environment is no business of the demo.
		return openai.NewClient(append(opts, option.WithBaseURL(url+path), option.WithAPIKey("demo"))...)
	}
	fmt.Fprintln(out, "A whole answer, by Open and by Guard:")
	if err := open(ctx, out, client("/whole"), params); err != nil {
		return err
	}
	if err := newStreaming(ctx, out, client("/whole", Guard()), params); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nAn answer that is cut, by Open, by Guard and by the SDK alone:")
	fmt.Fprintln(out, "  error:", open(ctx, out, client("/cut"), params))
	fmt.Fprintln(out, "  error:", newStreaming(ctx, out, client("/cut", Guard()), params))
	fmt.Fprintln(out, "  error:", newStreaming(ctx, out, client("/cut"), params))
	return ctx.Err()
}

// open prints the answer with Open. The SDK's accumulator works as ever.
func open(ctx context.Context, out io.Writer, client openai.Client, params openai.ChatCompletionNewParams) error {
	stream, err := Open(ctx, client, params)
	if err != nil {
		return err
	}
	var whole openai.ChatCompletionAccumulator
	defer fmt.Fprintln(out)
	for chunk, err := range sse.Decode[openai.ChatCompletionChunk](stream) {
		if err != nil {
			return err
		}
		whole.AddChunk(chunk)
		printChunk(out, chunk)
	}
	fmt.Fprintf(out, " (%d tokens)", whole.Usage.TotalTokens)
	return nil
}

// newStreaming prints the answer as programs do that use the SDK alone.
func newStreaming(ctx context.Context, out io.Writer, client openai.Client, params openai.ChatCompletionNewParams) error {
	stream := client.Chat.Completions.NewStreaming(ctx, params)
	defer stream.Close()
	defer fmt.Fprintln(out)
	for stream.Next() {
		printChunk(out, stream.Current())
	}
	return stream.Err()
}

func printChunk(out io.Writer, chunk openai.ChatCompletionChunk) {
	for _, choice := range chunk.Choices {
		fmt.Fprint(out, choice.Delta.Content)
	}
}

// Openai-sdk sends a prompt with openai-go, the official SDK for the Chat Completions API,
// and reads the response with package sse, which detects truncated responses. Without
// arguments it starts a small server of its own, which sends a fixed response:
//
//	go run .
//
// With -url it sends the prompt to another server, with the key in OPENAI_API_KEY:
//
//	go run . -url https://api.openai.com/v1/ -model gpt-4o-mini Why is the sky blue?
//
// The functions in bridge.go can be copied into other programs.
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
	url := flag.String("url", "", "base `URL` of a server to use instead of the demo server")
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

// demo reads a complete and a truncated response from the demo server. interval is the
// time between tokens.
func demo(ctx context.Context, out io.Writer, params openai.ChatCompletionNewParams, interval time.Duration) error {
	url, stop, err := serve(interval)
	if err != nil {
		return err
	}
	defer stop()
	client := func(path string, opts ...option.RequestOption) openai.Client {
		// The demo server gets no real key.
		return openai.NewClient(append(opts, option.WithBaseURL(url+path), option.WithAPIKey("demo"))...)
	}
	fmt.Fprintln(out, "A complete response, read with Open and with Guard:")
	if err := open(ctx, out, client("/complete"), params); err != nil {
		return err
	}
	if err := newStreaming(ctx, out, client("/complete", Guard()), params); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nA truncated response, read with Open, with Guard and with the SDK alone:")
	fmt.Fprintln(out, "  error:", open(ctx, out, client("/truncated"), params))
	fmt.Fprintln(out, "  error:", newStreaming(ctx, out, client("/truncated", Guard()), params))
	fmt.Fprintln(out, "  error:", newStreaming(ctx, out, client("/truncated"), params))
	return ctx.Err()
}

// open prints a response that it reads with Open. The SDK's accumulator works with the
// decoded chunks.
func open(ctx context.Context, out io.Writer, client openai.Client, params openai.ChatCompletionNewParams) error {
	stream, err := Open(ctx, client, params)
	if err != nil {
		return err
	}
	var completion openai.ChatCompletionAccumulator
	defer fmt.Fprintln(out)
	for chunk, err := range sse.Decode[openai.ChatCompletionChunk](stream) {
		if err != nil {
			return err
		}
		completion.AddChunk(chunk)
		printChunk(out, chunk)
	}
	fmt.Fprintf(out, " (%d tokens)", completion.Usage.TotalTokens)
	return nil
}

// newStreaming prints a response that it reads with the SDK.
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

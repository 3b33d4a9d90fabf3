// Quickstart sends a prompt to a server that speaks OpenAI's Chat Completions API, and
// prints the response as it arrives:
//
//	API_KEY=... go run ./examples/quickstart https://example.com/v1/chat/completions
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/fetchsse/sse"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: quickstart URL")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C aborts
	defer stop()
	if err := printResponse(ctx, os.Args[1]); err != nil {
		fmt.Println()
		log.Fatal(err)
	}
}

// printResponse sends a prompt to url and prints the text of the response.
func printResponse(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url,
		strings.NewReader(`{"model":"any","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("API_KEY"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}

	// The server ends a complete response with [DONE]. A response without it is truncated.
	// If the server fails in the middle of a response, it sends an error event.
	stream, err := sse.Fetch(req, sse.WithDone("[DONE]"), sse.WithEventError(eventError))
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		return fmt.Errorf("%w: %.300s", err, refusal.Body) // the body contains the reason
	}
	if err != nil {
		return err
	}
	type chunk struct {
		Choices []struct{ Delta struct{ Content string } }
	}
	for c, err := range sse.Decode[chunk](stream) {
		if err != nil {
			return err
		}
		for _, choice := range c.Choices {
			fmt.Print(choice.Delta.Content)
		}
	}
	fmt.Println()
	return nil
}

// eventError returns the error that an event reports, or nil.
func eventError(e sse.Event) error {
	var v struct{ Error any } // nil if the member is missing or null
	if json.Unmarshal([]byte(e.Data), &v) == nil && v.Error != nil || e.Type == "error" {
		return errors.New(e.Data)
	}
	return nil
}

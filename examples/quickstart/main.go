// Quickstart asks a server of the chat completions API and prints the answer as it
// comes:
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
	if err := ask(ctx, os.Args[1]); err != nil {
		fmt.Println()
		log.Fatal(err)
	}
}

func ask(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url,
		strings.NewReader(`{"model":"any","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("API_KEY"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}

	// Such a server ends a whole answer with [DONE]; without it, the answer is cut. When
	// it fails in the middle of one, it says so in an event.
	stream, err := sse.Fetch(req, sse.WithDone("[DONE]"), sse.WithEventError(failure))
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		return fmt.Errorf("%w: %.300s", err, refusal.Body) // the reason is in the body
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

// failure returns the error that an event reports, if it does.
func failure(e sse.Event) error {
	var v struct{ Error any } // nil for a chunk without one, and for "error":null
	if json.Unmarshal([]byte(e.Data), &v) == nil && v.Error != nil || e.Type == "error" {
		return errors.New(e.Data)
	}
	return nil
}

// Quickstart asks a server of the chat completions API and prints the answer as it
// comes:
//
//	API_KEY=... go run ./examples/quickstart https://example.com/v1/chat/completions
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/fetchsse/sse"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C aborts
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Args[1],
		strings.NewReader(`{"model":"any","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+os.Getenv("API_KEY"))

	// Such a server ends a whole answer with [DONE]; without it, the answer is cut.
	stream, err := sse.Fetch(req, sse.WithDone("[DONE]"))
	if err != nil {
		log.Fatal(err)
	}
	type chunk struct {
		Choices []struct{ Delta struct{ Content string } }
	}
	for c, err := range sse.Decode[chunk](stream) {
		if err != nil {
			log.Fatal(err)
		}
		for _, choice := range c.Choices {
			fmt.Print(choice.Delta.Content)
		}
	}
	fmt.Println()
}

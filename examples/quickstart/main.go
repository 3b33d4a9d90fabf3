// Quickstart sends a prompt to a language model and prints the response as it arrives.
// Without a key it asks a server of its own, which is in server.go: the program in this
// file does not need it.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -cut   # the server ends the response in the middle
//	OPENAI_API_KEY=... go run ./examples/quickstart
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/fetchsse/sse/llm"
)

func main() {
	log.SetFlags(0)
	prompt := `{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`
	req, _ := http.NewRequest("POST", "https://api.openai.com/v1/chat/completions", strings.NewReader(prompt))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	stream, err := llm.Fetch(req, llm.OpenAIChat)
	if err != nil {
		log.Fatal(err) // for example 401 or 429
	}
	for text, err := range stream.Text() {
		if err != nil {
			log.Fatal("\n", err) // also if the response is only half of one
		}
		fmt.Print(text)
	}
}

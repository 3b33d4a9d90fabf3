// Quickstart sends a prompt to a language model and prints the response as it arrives. It
// starts a server of its own, which needs no key.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -cut   # the server ends the response in the middle
//	API_KEY=... go run ./examples/quickstart -url https://example.com/v1/chat/completions
package main

import (
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/fetchsse/sse/llm"
)

const prompt = `{"model":"any","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`

func main() {
	req, err := http.NewRequest(http.MethodPost, endpoint(), strings.NewReader(prompt))
	if err != nil {
		log.Fatal(err)
	}
	setHeaders(req)
	stream, err := llm.Fetch(req, llm.OpenAIChat)
	if err != nil {
		log.Fatal(err)
	}
	for text, err := range stream.Text() {
		if err != nil {
			log.Fatal("\n", err) // also if the response is only half of one
		}
		fmt.Print(text)
	}
}

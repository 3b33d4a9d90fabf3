package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const response = "Hello! What can I do for you today?\n"

// endpoint returns the URL of the command line, or that of a server on a free port of the
// loopback interface, which runs until the program exits.
func endpoint() string {
	url := flag.String("url", "", "`URL` of Chat Completions, in place of the server's")
	cut := flag.Bool("cut", false, "let the server end the response in the middle")
	flag.Parse()
	log.SetFlags(0)
	if *url != "" {
		return *url
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.Serve(l, respond(*cut))) }()
	return "http://" + l.Addr().String() + "/v1/chat/completions"
}

// setHeaders sets the headers that a service wants.
func setHeaders(req *http.Request) {
	req.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("API_KEY"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
}

// respond sends the response word by word.
func respond(cut bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		words := strings.SplitAfter(response, " ")
		if cut {
			words = words[:len(words)/2]
		}
		for _, word := range words {
			fmt.Fprintf(w, `data: {"choices":[{"delta":{"content":%q}}]}`+"\n\n", word)
			_ = http.NewResponseController(w).Flush() // fails if the client has gone
			time.Sleep(50 * time.Millisecond)
		}
		if !cut {
			fmt.Fprint(w, "data: [DONE]\n\n")
		}
	}
}

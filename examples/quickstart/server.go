package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const response = "Hello! What can I do for you today?\n"

// init lets the program run without a key: each request goes to a server of this file
// then. With -cut, it ends the response in the middle.
func init() {
	if os.Getenv("OPENAI_API_KEY") != "" {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stderr, "no OPENAI_API_KEY: a server of this program responds")
	cut := slices.Contains(os.Args[1:], "-cut")
	go func() { log.Fatal(http.Serve(l, respond(cut))) }()
	http.DefaultTransport = toServer(l.Addr().String())
}

// toServer is a transport that sends each request to the server at the address.
type toServer string

func (addr toServer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", string(addr)
	return new(http.Transport).RoundTrip(req)
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

package main

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// serve starts the demo server on a free port of the loopback interface. It returns the
// server's URL and a function that stops it. The path of a request tells what happens.
func serve(interval time.Duration) (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	whole := func(w http.ResponseWriter, r *http.Request) {
		sendTokens(w, r, interval, "Good", " morning", "!")
		fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n")
		fmt.Fprint(w, `data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}`+"\n\n")
		fmt.Fprint(w, "data: [DONE]\n\n")
	}
	refuse := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
	var busy atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whole", whole)
	mux.HandleFunc("POST /truncated", func(w http.ResponseWriter, r *http.Request) {
		sendTokens(w, r, interval, "Good", " morning") // ends cleanly, as if a proxy had lost its server
	})
	mux.HandleFunc("POST /refused", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusUnauthorized, `{"error":{"message":"Incorrect API key provided: demo","code":"invalid_api_key"}}`)
	})
	mux.HandleFunc("POST /busy", func(w http.ResponseWriter, r *http.Request) {
		if busy.Add(1) == 1 {
			refuse(w, http.StatusTooManyRequests, `{"error":{"message":"slow down"}}`)
			return
		}
		whole(w, r)
	})
	mux.HandleFunc("POST /overloaded", func(w http.ResponseWriter, r *http.Request) {
		sendTokens(w, r, interval, "Good")
		fmt.Fprint(w, `data: {"error":{"type":"overloaded_error","message":"try later"}}`+"\n\n")
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }() // returns when stop closes the server
	stop := func() { _ = srv.Close() }
	return "http://" + l.Addr().String(), stop, nil
}

// sendTokens sends the tokens as chunks and waits for interval after each.
func sendTokens(w http.ResponseWriter, r *http.Request, interval time.Duration, tokens ...string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for _, token := range tokens {
		fmt.Fprintf(w, `data: {"choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`+"\n\n", token)
		_ = http.NewResponseController(w).Flush() // an error means that the client disconnected
		select {
		case <-time.After(interval):
		case <-r.Context().Done():
		}
	}
}

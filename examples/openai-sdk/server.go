package main

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// serve starts the demo server on a free port of the loopback interface. It returns the
// server's URL and a function that stops it. Responses below /complete are complete.
// Responses below /truncated end early but cleanly, as if a proxy had lost its server.
func serve(interval time.Duration) (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /complete/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		sendTokens(w, r, interval, "Good", " morning", ", what", " can", " I do", " for you?")
		fmt.Fprint(w, chunk(`"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":6,"total_tokens":15}`))
		fmt.Fprint(w, "data: [DONE]\n\n")
	})
	mux.HandleFunc("POST /truncated/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		sendTokens(w, r, interval, "Good", " morning", ", what")
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
		fmt.Fprint(w, content(token))
		_ = http.NewResponseController(w).Flush() // an error means that the client disconnected
		select {
		case <-time.After(interval):
		case <-r.Context().Done():
		}
	}
}

// content returns a chunk with the token, which must not need escaping in JSON.
func content(token string) string {
	return chunk(`"choices":[{"index":0,"delta":{"content":"` + token + `"},"finish_reason":null}]`)
}

// chunk returns an event with a chunk that has the given members and the common ones.
func chunk(members string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"demo",` +
		members + "}\n\n"
}

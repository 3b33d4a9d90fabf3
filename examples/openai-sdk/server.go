package main

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// serve starts the demo server on a free port of the loopback interface. It returns
// the server's address and a function that ends it. Below /whole its answers are whole;
// below /cut they end early, but cleanly, as when a proxy loses its server.
func serve(interval time.Duration) (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whole/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, interval, "Good", " morning", ", what", " can", " I do", " for you?")
		fmt.Fprint(w, chunk(`"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":6,"total_tokens":15}`))
		fmt.Fprint(w, "data: [DONE]\n\n")
	})
	mux.HandleFunc("POST /cut/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, interval, "Good", " morning", ", what")
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }() // returns when stop closes the server
	stop := func() { _ = srv.Close() }
	return "http://" + l.Addr().String(), stop, nil
}

// answer sends the tokens one after the other, and waits for interval after each.
func answer(w http.ResponseWriter, r *http.Request, interval time.Duration, tokens ...string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for _, token := range tokens {
		fmt.Fprint(w, content(token))
		_ = http.NewResponseController(w).Flush() // an error comes when the client has gone
		select {
		case <-time.After(interval):
		case <-r.Context().Done():
		}
	}
}

// content returns the chunk of a token, which must need no escape in JSON.
func content(token string) string {
	return chunk(`"choices":[{"index":0,"delta":{"content":"` + token + `"},"finish_reason":null}]`)
}

// chunk returns the event of a chunk with these members in addition to those of all.
func chunk(members string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"demo",` +
		members + "}\n\n"
}

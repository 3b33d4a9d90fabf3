package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	echoes = 4 // events of POST /fetch-sse
	feed   = 9 // events of GET /feed,
	gulp   = 3 // of which one connection brings so many
)

// serve starts the demo server on a free port of the loopback interface. It returns
// the server's address and a function that ends it.
func serve(interval time.Duration) (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fetch-sse", func(w http.ResponseWriter, r *http.Request) { serveEcho(w, r, interval) })
	mux.HandleFunc("GET /feed", func(w http.ResponseWriter, r *http.Request) { serveFeed(w, r, interval/2) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }() // returns when stop closes the server
	stop := func() { _ = srv.Close() }
	return "http://" + l.Addr().String(), stop, nil
}

// An echo is the data of an event of POST /fetch-sse.
type echo struct {
	ID   int             `json:"id"`
	Time time.Time       `json:"time"`
	Body json.RawMessage `json:"body"` // what was posted
}

// serveEcho answers with events that echo what was posted, one each interval.
func serveEcho(w http.ResponseWriter, r *http.Request, interval time.Duration) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || !json.Valid(body) {
		http.Error(w, "post JSON, at most 64 KiB", http.StatusBadRequest)
		return
	}
	if !begin(w) {
		return
	}
	for id := 1; id <= echoes && pause(r.Context(), interval); id++ {
		data, err := json.Marshal(echo{ID: id, Time: time.Now(), Body: body})
		if err != nil || !send(w, "data: %s\n\n", data) {
			return
		}
	}
}

// serveFeed sends the events after the client's Last-Event-ID. It drops every
// connection but the last: the first one by a clean end, the second in the middle of
// an event, as a crash or a lost network would.
func serveFeed(w http.ResponseWriter, r *http.Request, interval time.Duration) {
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // without one, from the start
	retry := max(interval, time.Millisecond)               // when the client is to come back
	if !begin(w) || !send(w, "retry: %d\n\n", retry.Milliseconds()) {
		return
	}
	for id := last + 1; id <= min(last+gulp, feed); id++ {
		if !pause(r.Context(), interval) || !send(w, "id: %d\ndata: news %d\n\n", id, id) {
			return
		}
	}
	switch last + gulp {
	case gulp:
		return
	case 2 * gulp:
		send(w, "id: %d\ndata: half of the ne", last+gulp+1)
		panic(http.ErrAbortHandler) // cuts the connection and logs nothing
	}
	send(w, "data: %s\n\n", feedEnd)
}

// feedEnd is the data of the event that ends the feed. Without such a word, a client
// cannot tell the end of a feed from a lost connection.
const feedEnd = "[END]"

// begin sends the headers of an event stream, so that the client knows at once that
// its request was accepted.
func begin(w http.ResponseWriter) bool {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	return http.NewResponseController(w).Flush() == nil
}

// send writes and flushes a piece of the stream. It reports false when the client
// has gone.
func send(w http.ResponseWriter, format string, args ...any) bool {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}

// pause waits for d and reports false when the client has gone.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

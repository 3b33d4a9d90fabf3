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
	feed   = 9 // events of GET /feed
	batch  = 3 // events of GET /feed on one connection
)

// serve starts the demo server on a free port of the loopback interface. It returns
// the server's URL and a function that stops it.
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
	Body json.RawMessage `json:"body"` // body of the request
}

// serveEcho responds with events that contain the body of the request, one per interval.
func serveEcho(w http.ResponseWriter, r *http.Request, interval time.Duration) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || !json.Valid(body) {
		http.Error(w, "the request body must be JSON of at most 64 KiB", http.StatusBadRequest)
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

// serveFeed sends the events after the client's Last-Event-ID. The first connection ends
// cleanly. The second is cut in the middle of an event, as by a crash or a network
// failure. The third sends the end of the feed.
func serveFeed(w http.ResponseWriter, r *http.Request, interval time.Duration) {
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // 0 if the header is missing
	retry := max(interval, time.Millisecond)               // reconnection time
	if !begin(w) || !send(w, "retry: %d\n\n", retry.Milliseconds()) {
		return
	}
	for id := last + 1; id <= min(last+batch, feed); id++ {
		if !pause(r.Context(), interval) || !send(w, "id: %d\ndata: news %d\n\n", id, id) {
			return
		}
	}
	switch last + batch {
	case batch:
		return
	case 2 * batch:
		send(w, "id: %d\ndata: half of the ne", last+batch+1)
		panic(http.ErrAbortHandler) // cuts the connection and logs nothing
	}
	send(w, "data: %s\n\n", feedEnd)
}

// feedEnd is the data of the event that ends the feed. Without it, a client cannot
// distinguish the end of the feed from a lost connection.
const feedEnd = "[END]"

// begin sends the headers of an event stream immediately. It reports whether the client
// is still connected.
func begin(w http.ResponseWriter) bool {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	return http.NewResponseController(w).Flush() == nil
}

// send writes and flushes a part of the stream. It reports whether the client is still
// connected.
func send(w http.ResponseWriter, format string, args ...any) bool {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}

// pause waits for d. It reports whether the client is still connected.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

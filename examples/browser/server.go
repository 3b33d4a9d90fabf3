package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"time"
)

//go:embed page
var page embed.FS

// A server serves the page, its client and the streams.
type server struct {
	client   *bundle
	interval time.Duration // between messages
	out      io.Writer
	streams  streams
}

func newServer(client *bundle, interval time.Duration, out io.Writer) http.Handler {
	s := &server{client: client, interval: interval, out: out}
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the path is constant
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(files))
	mux.HandleFunc("GET /client.wasm", s.serveClient)
	mux.HandleFunc("GET /wasm_exec.js", s.serveSupport)
	mux.HandleFunc("GET /messages", s.serveMessages)
	mux.HandleFunc("POST /messages", s.serveMessages)
	mux.HandleFunc("/refused", refuse)
	mux.HandleFunc("POST /drop", func(http.ResponseWriter, *http.Request) { s.streams.drop() })
	mux.HandleFunc("POST /silence", func(http.ResponseWriter, *http.Request) { s.streams.silence() })
	mux.HandleFunc("GET /ended", s.serveEnded)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src data:; connect-src *; base-uri 'none'; form-action 'none'")
		mux.ServeHTTP(w, r)
	})
}

func (s *server) serveClient(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/wasm")
	w.Header().Set("Content-Encoding", "gzip") // every browser with WebAssembly reads it
	_, _ = w.Write(s.client.zipped)
}

func (s *server) serveSupport(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript")
	_, _ = w.Write(s.client.support)
}

// refuse responds as a service does whose token has expired.
func refuse(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, `{"error":"the token has expired"}`)
}

// A message is the data of an event. It has what the server got with the request.
type message struct {
	ID     int             `json:"id"`
	Time   time.Time       `json:"time"`
	Header string          `json:"header"` // X-Demo
	Body   json.RawMessage `json:"body"`
}

// serveMessages sends a message per interval, from the client's Last-Event-ID on. It ends
// when the client disconnects or the page asks for a drop.
func (s *server) serveMessages(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if len(body) == 0 {
		body = []byte("null")
	}
	if err != nil || !json.Valid(body) {
		http.Error(w, "the request body must be JSON of at most 64 KiB", http.StatusBadRequest)
		return
	}
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // 0 if the header is missing
	st := s.streams.begin()
	fmt.Fprintf(s.out, "stream %d: %s after message %d\n", st.number, r.Method, last)
	id := last
	reason := "the client has disconnected"
	defer func() {
		s.streams.end(st)
		fmt.Fprintf(s.out, "stream %d: ended after message %d: %s\n", st.number, id, reason)
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Stream", strconv.Itoa(st.number))
	if !send(w, "retry: 500\n\n") {
		return
	}
	ticks := time.NewTicker(s.interval)
	defer ticks.Stop()
	silenced := st.silenced
	for {
		select {
		case <-r.Context().Done():
			return
		case <-st.dropped:
			reason = "the page asked for a drop"
			send(w, "id: %d\ndata: half of the ne", id+1)
			panic(http.ErrAbortHandler) // cuts the connection and logs nothing
		case <-silenced:
			ticks.Stop()
			silenced = nil
		case now := <-ticks.C:
			data, err := json.Marshal(message{ID: id + 1, Time: now, Header: r.Header.Get("X-Demo"), Body: body})
			if err != nil || !send(w, "id: %d\ndata: %s\n\n", id+1, data) {
				return
			}
			id++
		}
	}
}

// send writes and flushes a part of a stream. It reports whether the client is still
// connected.
func send(w http.ResponseWriter, format string, args ...any) bool {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}

// serveEnded waits until the handler of a stream has ended, 10 seconds at most, and
// responds with the time of that in milliseconds since 1970.
func (s *server) serveEnded(w http.ResponseWriter, r *http.Request) {
	number, _ := strconv.Atoi(r.FormValue("stream"))
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	at, ok := s.streams.waitEnd(ctx, number)
	if !ok {
		http.Error(w, "no such stream has ended", http.StatusNotFound)
		return
	}
	fmt.Fprint(w, at.UnixMilli())
}

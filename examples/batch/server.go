package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// A behavior is what the server does with one prompt, and what a client has to make of it.
type behavior struct {
	name       string
	class      class
	text       string // what the client can read
	retryAfter time.Duration

	status int // 0 is that of an event stream
	mime   string
	writes []string // sent one by one
	end    ending
}

// An ending is what the server does after its writes.
type ending int

const (
	clean ending = iota
	cut          // drop the connection
	stall        // send nothing more, and do not end
	idle         // send only comments, and do not end
)

// Parts of responses.
const (
	done   = "data: [DONE]\n\n"
	finish = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
)

// token returns a chunk with text.
func token(text string) string {
	return `data: {"choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":null}]}` + "\n\n"
}

// streamed returns a response that sends tokens and then rest.
func streamed(name string, c class, tokens []string, end ending, rest ...string) behavior {
	b := behavior{name: name, class: c, text: strings.Join(tokens, ""), end: end}
	for _, t := range tokens {
		b.writes = append(b.writes, token(t))
	}
	b.writes = append(b.writes, rest...)
	return b
}

// refused returns a response with a status and a JSON body.
func refused(name string, c class, status int, retryAfter time.Duration, body string) behavior {
	return behavior{name: name, class: c, retryAfter: retryAfter, status: status, mime: "application/json", writes: []string{body}}
}

// faults returns the ways to misbehave with these tokens.
func faults(tokens []string) []behavior {
	half := tokens[:len(tokens)/2]
	return []behavior{
		streamed("ends too early", truncated, half, clean),
		streamed("breaks", truncated, half, cut),
		streamed("breaks in the middle of a chunk", truncated, half, cut, `data: {"choices":[{"ind`),

		refused("invalid request", refusedForGood, 400, 0, `{"error":{"message":"the prompt is too long"}}`),
		refused("wrong key", refusedForGood, 401, 0, `{"error":{"message":"no such key"}}`),
		{name: "login page", class: refusedForGood, status: 200, mime: "text/html", writes: []string{"<title>Log in</title>"}},
		streamed("content filter", refusedForGood, nil, clean, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}`+"\n\n", done),

		refused("rate limit", refusedForNow, 429, 30*time.Second, `{"error":{"message":"slow down"}}`),
		refused("long wait", refusedForNow, 503, 10*time.Minute, `{"error":{"message":"maintenance"}}`),
		refused("overloaded", refusedForNow, 529, 0, `{"error":{"message":"busy"}}`),
		{name: "breaks before the headers", class: refusedForNow, end: cut},

		streamed("error event", failedInStream, half, clean, `data: {"error":{"type":"server_error","message":"crashed"}}`+"\n\n", done),
		streamed("error at once", failedInStream, nil, clean, `data: {"error":{"message":"crashed"}}`+"\n\n"),
		streamed("error outside events", failedInStream, half, clean, "{\n  \"error\": {\"message\": \"no memory\"}\n}\n"),
		streamed("error field", failedInStream, half, clean, `error: {"message":"crashed"}`+"\n\n"),

		streamed("stops", timedOut, half, stall),
		streamed("only sends comments", timedOut, half, idle),
		{name: "no headers", class: timedOut, end: stall},
	}
}

// newScript returns what the server does with each of n prompts: one in five is a fault,
// and each fault comes about as often as the others. Those that cost time are rarer.
func newScript(n int, seed uint64) []behavior {
	script := make([]behavior, n)
	for i := range script {
		tokens := strings.SplitAfter(fmt.Sprintf("This is response %d to a prompt.", i), " ")
		all := faults(tokens)
		switch fault := i / 5; {
		case i%5 == 0 && (all[fault%len(all)].class != timedOut || fault/len(all)%2 == 0):
			script[i] = all[fault%len(all)]
		case i%2 == 0:
			script[i] = streamed("with [DONE]", whole, tokens, clean, ": still there\n\n", finish, done)
		default:
			script[i] = streamed("without [DONE]", whole, tokens, clean, finish)
		}
	}
	rand.New(rand.NewPCG(seed, 0)).Shuffle(n, func(i, j int) { script[i], script[j] = script[j], script[i] })
	return script
}

// serve starts a server for the script on a free port of the loopback interface. It returns
// the URL and a function that stops the server.
func serve(script []behavior) (string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Messages []struct{ Content string } }
		var n int
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body)
		if err == nil && len(body.Messages) > 0 {
			_, err = fmt.Sscanf(body.Messages[0].Content, "prompt %d", &n)
		}
		if err != nil || len(body.Messages) == 0 || n < 0 || n >= len(script) {
			http.Error(w, "there is no such prompt in the script", http.StatusNotFound)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // up to its end, where net/http begins to notice that a client leaves
		script[n].serve(w, r)
	})}
	go func() { _ = srv.Serve(l) }() // returns when stop closes the server
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}

// serve responds to a prompt.
func (b *behavior) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", cmp.Or(b.mime, "text/event-stream"))
	if b.retryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(b.retryAfter.Seconds()))
	}
	if b.status != 0 {
		w.WriteHeader(b.status)
	}
	for _, s := range b.writes {
		if !send(w, s) {
			return
		}
	}
	switch b.end {
	case cut:
		panic(http.ErrAbortHandler) // net/http drops the connection
	case stall:
		<-r.Context().Done()
	case idle:
		for r.Context().Err() == nil && send(w, ": still there\n\n") {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// send sends text at once and reports whether the client is there.
func send(w http.ResponseWriter, text string) bool {
	_, err := io.WriteString(w, text)
	return err == nil && http.NewResponseController(w).Flush() == nil
}

package llm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// This example sends a prompt and prints the response as it arrives.
func ExampleFetch() {
	srv := serve(`data: {"choices":[{"delta":{"content":"Good "}}]}

data: {"choices":[{"delta":{"content":"morning!"},"finish_reason":"stop"}]}

data: [DONE]

`)
	defer srv.Close()

	prompt := `{"model":"any","stream":true,"messages":[{"role":"user","content":"Greet me."}]}`
	req, err := http.NewRequest(http.MethodPost, srv.URL+"/v1/chat/completions", strings.NewReader(prompt))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer secret")

	stream, err := llm.Fetch(req, llm.OpenAIChat)
	if err != nil {
		log.Fatal(err)
	}
	for text, err := range stream.Text() {
		if err != nil {
			log.Fatal(err) // the response is incomplete
		}
		fmt.Print(text)
	}
	// Output: Good morning!
}

// A proxy ends the response before the service does. The text is incomplete, and the loop
// gets an error.
func ExampleStream_Text() {
	srv := serve(`event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good mor"}}

`)
	defer srv.Close()

	stream, err := llm.Fetch(newRequest(srv.URL), llm.Anthropic)
	if err != nil {
		log.Fatal(err)
	}
	for text, err := range stream.Text() {
		if cut, ok := errors.AsType[*sse.TruncatedError](err); ok {
			fmt.Println("incomplete after", cut.Events, "event")
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(text)
	}
	// Output:
	// Good mor
	// incomplete after 1 event
}

// atTheLimit is a complete response whose text is cut at the limit of tokens.
const atTheLimit = `data: {"choices":[{"delta":{"content":"Good mor"},"finish_reason":null}]}

data: {"choices":[{"delta":{},"finish_reason":"length"}]}

data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}

data: [DONE]

`

// The text of a complete response may be cut, at the limit of tokens.
func ExampleStream_Deltas_length() {
	srv := serve(atTheLimit)
	defer srv.Close()

	stream, err := llm.Fetch(newRequest(srv.URL), llm.OpenAIChat)
	if err != nil {
		log.Fatal(err)
	}
	for delta, err := range stream.Deltas() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(delta.Text)
		if delta.Finish == "length" {
			fmt.Print(" [the limit of tokens]")
		}
		if delta.Usage != nil { // OpenAI sends it if stream_options asks for it
			fmt.Printf(" (%d tokens)", delta.Usage.Output)
		}
	}
	// Output: Good mor [the limit of tokens] (2 tokens)
}

// The deltas tell more than the text: why it ends, and the tokens that it costs.
func ExampleStream_Deltas() {
	srv := serve(atTheLimit)
	defer srv.Close()

	stream, err := llm.Fetch(newRequest(srv.URL), llm.OpenAIChat)
	if err != nil {
		log.Fatal(err)
	}
	var text strings.Builder
	var finish string
	var usage llm.Usage
	for d, err := range stream.Deltas() {
		if err != nil {
			log.Fatal(err)
		}
		if d.Reset {
			text.Reset() // d.Text is what remains
		}
		text.WriteString(d.Text)
		if d.Finish != "" {
			finish = d.Finish
		}
		if d.Usage != nil {
			usage = *d.Usage // the total so far
		}
	}
	fmt.Printf("%q, finish: %s, tokens: %d and %d\n", text.String(), finish, usage.Input, usage.Output)
	// Output: "Good mor", finish: length, tokens: 9 and 2
}

// A call of a tool comes in pieces, and those of several calls can be mixed. The Index
// tells them apart.
func ExampleStream_Deltas_toolCalls() {
	srv := serve(`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":""}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":1,"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"now","arguments":"{}"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"y\":2}"}}]}}]}

data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}

data: [DONE]

`)
	defer srv.Close()

	stream, err := llm.Fetch(newRequest(srv.URL), llm.OpenAIChat)
	if err != nil {
		log.Fatal(err)
	}
	calls := make(map[int]llm.ToolCall) // by Index
	for d, err := range stream.Deltas() {
		if err != nil {
			log.Fatal(err) // no call is complete
		}
		for _, piece := range d.ToolCalls {
			call := calls[piece.Index]
			call.Index = piece.Index
			call.ID += piece.ID
			call.Name += piece.Name
			call.Arguments += piece.Arguments
			calls[piece.Index] = call
		}
	}
	for _, i := range slices.Sorted(maps.Keys(calls)) { // in the order of the model
		fmt.Println(calls[i].ID, calls[i].Name, calls[i].Arguments)
	}
	// Output:
	// a add {"x":1,"y":2}
	// b now {}
}

// A client holds the options that all calls of a program share. Its streams are of package
// sse, and the dialect reads them.
func ExampleDialect_Option() {
	srv := serve(`data: {"candidates":[{"content":{"parts":[{"text":"Good morning!"}]},"finishReason":"STOP"}]}

`)
	defer srv.Close()

	client := sse.NewClient(
		llm.Gemini.Option(),
		sse.WithHTTPClient(srv.Client()), // for a proxy, certificates, middleware
		sse.WithIdleTimeout(time.Minute),
	)
	stream, err := client.Fetch(newRequest(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	for text, err := range llm.Gemini.Text(stream) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(text)
	}
	// Output: Good morning!
}

// A Parser reads a stream that was stored, and the dialect tells whether it is complete.
func ExampleDialect_Deltas() {
	file := strings.NewReader(`data: {"event":"message","answer":"Good morning!"}

data: {"event":"message_end","metadata":{"usage":{"prompt_tokens":9,"completion_tokens":3}}}

`)
	p := sse.NewParser(file)
	for d, err := range llm.Dify.Deltas(p) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q %v\n", d.Text, d.Usage != nil)
	}
	// Output:
	// "Good morning!" false
	// "" true
}

// A service reports an error in place of the response, here in its body, or in the stream.
// Both are an Error.
func ExampleError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"error":{"type":"insufficient_quota","message":"You exceeded your current quota."}}`)
	}))
	defer srv.Close()

	_, err := llm.Fetch(newRequest(srv.URL), llm.OpenAIChat, sse.WithMaxRetries(0))
	retry := sse.Retryable(err)
	if failure, ok := errors.AsType[*llm.Error](err); ok {
		fmt.Println(failure.Type, failure.Status, failure.Message)
		retry = failure.Retryable() // knows which kinds of 429 do not pass
	}
	fmt.Println("retry:", retry)
	// Output:
	// insufficient_quota 429 You exceeded your current quota.
	// retry: false
}

// A program needs more than a Delta has. It decodes the events itself, as their type
// requires, and the dialect still tells whether the response is complete.
func ExampleFetch_events() {
	srv := serve(`event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good morning!"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"bye"}}

event: message_stop
data: {"type":"message_stop"}

`)
	defer srv.Close()

	stream, err := llm.Fetch(newRequest(srv.URL), llm.Anthropic)
	if err != nil {
		log.Fatal(err)
	}
	type text struct{ Delta struct{ Text string } }
	type stop struct {
		Delta struct {
			StopSequence string `json:"stop_sequence"`
		}
	}
	decode := func(data []byte) (v any, err error) {
		switch stream.Type() {
		case "content_block_delta":
			v = new(text)
		case "message_delta":
			v = new(stop)
		default:
			return nil, nil // an event that the program does not need
		}
		return v, json.Unmarshal(data, v)
	}
	for v, err := range sse.DecodeFunc(stream, decode) {
		if err != nil {
			log.Fatal(err)
		}
		switch v := v.(type) {
		case *text:
			fmt.Println("text:", v.Delta.Text)
		case *stop:
			fmt.Println("stopped at:", v.Delta.StopSequence)
		}
	}
	// Output:
	// text: Good morning!
	// stopped at: bye
}

// A recorder is a round tripper that writes the bytes of each event stream to a file.
type recorder struct {
	next http.RoundTripper
	file io.Writer
}

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusOK {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(resp.Body, r.file), resp.Body}
	}
	return resp, err
}

// A round tripper records a response byte for byte. A Parser reads the recording.
func Example_recording() {
	srv := serve(`data: {"choices":[{"delta":{"content":"Good morning!"}}]}

data: [DONE]

`)
	defer srv.Close()

	file := new(bytes.Buffer)
	hc := &http.Client{Transport: recorder{http.DefaultTransport, file}}
	stream, err := llm.Fetch(newRequest(srv.URL), llm.OpenAIChat, sse.WithHTTPClient(hc))
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range stream.Text() {
		if err != nil {
			log.Fatal(err)
		}
	}

	for text, err := range llm.OpenAIChat.Text(sse.NewParser(file)) {
		if err != nil {
			log.Fatal(err) // also if the recording is incomplete
		}
		fmt.Println(text)
	}
	// Output: Good morning!
}

// Replicate numbers its events. A subscription reads the stream of a prediction over as
// many connections as it takes.
func ExampleDialect_Text() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		switch r.Header.Get("Last-Event-ID") {
		case "":
			fmt.Fprint(w, "retry: 1\n\nevent: output\nid: 1\ndata: Good \n\nevent: output\nid: 2\nda")
		case "1":
			fmt.Fprint(w, "event: output\nid: 2\ndata: morning!\n\nevent: done\nid: 3\ndata: {}\n\n")
		}
	}))
	defer srv.Close()

	req, err := http.NewRequest(http.MethodGet, srv.URL+"/v1/predictions/p/stream", nil)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := sse.Subscribe(req, llm.Replicate.Option())
	if err != nil {
		log.Fatal(err)
	}
	for text, err := range llm.Replicate.Text(stream) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(text)
	}
	// Output: Good morning!
}

// serve starts a server that responds to every request with stream.
func serve(stream string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, stream)
	}))
}

// newRequest returns a request with a prompt.
func newRequest(url string) *http.Request {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"stream":true}`))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

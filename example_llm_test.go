package sse_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/fetchsse/sse"
)

// Chat Completions and its many likes: a whole answer ends with [DONE]. An error in the
// middle takes the place of a chunk; "error":null is none.
func ExampleWithDone() {
	srv := serveText(`data: {"choices":[{"delta":{"content":"Good"}}],"error":null}

data: {"error":{"message":"overloaded"}}

`)
	defer srv.Close()

	stream, err := sse.Fetch(newPost(srv.URL), sse.WithDone("[DONE]"),
		sse.WithEventError(func(e sse.Event) error {
			var v struct{ Error any } // nil for a chunk without one, and for "error":null
			if json.Unmarshal([]byte(e.Data), &v) == nil && v.Error != nil || e.Type == "error" {
				return errors.New(e.Data)
			}
			return nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	type chunk struct {
		Choices []struct{ Delta struct{ Content string } }
	}
	for c, err := range sse.Decode[chunk](stream) {
		if failed, ok := errors.AsType[*sse.EventError](err); ok {
			fmt.Println("\nthe service has failed:", failed.Err)
		} else if err != nil {
			log.Fatal(err)
		} else {
			fmt.Print(c.Choices[0].Delta.Content)
		}
	}
	// Output:
	// Good
	// the service has failed: {"error":{"message":"overloaded"}}
}

// Anthropic Messages: the last event is message_stop, and an error is an event of its
// own type.
func ExampleWithTerminator() {
	srv := serveText(`event: content_block_delta
data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Good morning!"}}

event: message_stop
data: {"type":"message_stop"}

`)
	defer srv.Close()

	stream, err := sse.Fetch(newPost(srv.URL),
		sse.WithTerminator(func(e sse.Event) bool { return e.Type == "message_stop" }),
		sse.WithEventError(func(e sse.Event) error {
			if e.Type == "error" {
				return errors.New(e.Data)
			}
			return nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range stream.Events() {
		if err != nil {
			log.Fatal(err) // a *TruncatedError without message_stop
		}
		fmt.Println(e.Type)
	}
	// Output:
	// content_block_delta
	// message_stop
}

// OpenAI Responses: three events can be the last. One of them says that the answer is
// incomplete, for a reason of the model's: the stream is whole all the same.
func ExampleWithTerminator_responses() {
	srv := serveText(`event: response.output_text.delta
data: {"type":"response.output_text.delta","delta":"Good mor"}

event: response.incomplete
data: {"response":{"incomplete_details":{"reason":"max_output_tokens"}}}

`)
	defer srv.Close()

	stream, err := sse.Fetch(newPost(srv.URL),
		sse.WithTerminator(func(e sse.Event) bool {
			return e.Type == "response.completed" || e.Type == "response.incomplete"
		}),
		sse.WithEventError(func(e sse.Event) error {
			if e.Type == "response.failed" || e.Type == "error" {
				return errors.New(e.Data)
			}
			return nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Type)
	}
	// Output:
	// response.output_text.delta
	// response.incomplete
}

// Gemini has no event for the end: the last chunk has a finishReason.
func ExampleWithTerminator_gemini() {
	srv := serveText("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Good \"}]}}]}\r\n\r\n" +
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"morning!\"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n")
	defer srv.Close()

	type chunk struct {
		Candidates []struct {
			Content      struct{ Parts []struct{ Text string } }
			FinishReason string
		}
	}
	stream, err := sse.Fetch(newPost(srv.URL), sse.WithTerminator(func(e sse.Event) bool {
		var c chunk
		return json.Unmarshal([]byte(e.Data), &c) == nil && len(c.Candidates) > 0 && c.Candidates[0].FinishReason != ""
	}))
	if err != nil {
		log.Fatal(err)
	}
	for c, err := range sse.Decode[chunk](stream) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(c.Candidates[0].Content.Parts[0].Text)
	}
	// Output: Good morning!
}

// A gateway that fails in the middle may write its reason outside of any event.
func ExampleTruncatedError_ignored() {
	srv := serveText("data: {\"text\":\"Good\"}\n\n{\"error\":\"upstream timed out\"}")
	defer srv.Close()

	stream, err := sse.Fetch(newPost(srv.URL), sse.WithDone("[DONE]"))
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range stream.Events() {
		if cut, ok := errors.AsType[*sse.TruncatedError](err); ok {
			fmt.Println("cut after", cut.Events, "event; the body went on:", strings.Join(cut.Ignored, "\n"))
		}
	}
	// Output: cut after 1 event; the body went on: {"error":"upstream timed out"}
}

// Some servers begin with an event without data, which only brings an ID: that of MCP
// does. It is no JSON, so it comes as a DecodeError that one line passes over.
func ExampleDecode_priming() {
	p := sse.NewParser(strings.NewReader("id: 1\ndata:\n\nid: 2\ndata: {\"text\":\"Good\"}\n\n"))
	for v, err := range sse.Decode[struct{ Text string }](p) {
		if bad, ok := errors.AsType[*sse.DecodeError](err); ok && bad.Event.Data == "" {
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v.Text)
	}
	// Output: Good
}

// OpenAI Responses in background mode: the service goes on without us, and a GET reads
// what comes after a sequence number. The loop keeps it.
func ExampleWithResume_responses() {
	srv := httptest.NewServer(http.HandlerFunc(serveBackground))
	defer srv.Close()

	var id string
	var cursor int
	resume := func(ctx context.Context, _ sse.Attempt) (*http.Request, error) {
		if id == "" {
			return nil, nil // not known to have begun: not ordered twice
		}
		rest := fmt.Sprintf("%s/v1/responses/%s?stream=true&starting_after=%d", srv.URL, id, cursor)
		return http.NewRequestWithContext(ctx, http.MethodGet, rest, nil)
	}
	req := newPost(srv.URL + "/v1/responses") // {"background":true,"stream":true,…}
	stream, err := sse.Fetch(req, sse.WithResume(resume),
		sse.WithTerminator(func(e sse.Event) bool { return e.Type == "response.completed" }))
	if err != nil {
		log.Fatal(err)
	}
	type event struct {
		Number   int `json:"sequence_number"`
		Response struct{ ID string }
		Delta    string
	}
	for e, err := range sse.Decode[event](stream) {
		if err != nil {
			log.Fatal(err)
		}
		id, cursor = cmp.Or(id, e.Response.ID), e.Number
		fmt.Print(e.Delta)
	}
	// Output: Good morning!
}

// MCP: the server ends the answer to a POST when it likes, and a GET with the last event
// ID, which is added by itself, brings the rest. The JSON-RPC response completes it.
func ExampleWithResume_mcp() {
	srv := httptest.NewServer(http.HandlerFunc(serveMCP))
	defer srv.Close()

	resume := func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
		if a.LastEventID == "" {
			return nil, nil
		}
		return http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/mcp", nil)
	}
	type message struct {
		ID     json.RawMessage
		Method string
		Result json.RawMessage
	}
	isResponse := func(e sse.Event) bool {
		var m message
		return json.Unmarshal([]byte(e.Data), &m) == nil && m.ID != nil && m.Method == ""
	}
	stream, err := sse.Fetch(newPost(srv.URL+"/mcp"), sse.WithResume(resume), sse.WithTerminator(isResponse))
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		if e.Data != "" { // the event that only brings an ID
			fmt.Println(e.Data)
		}
	}
	// Output:
	// {"method":"notifications/progress"}
	// {"id":1,"result":"done"}
}

// newPost returns a POST request with a JSON body.
func newPost(url string) *http.Request {
	ctx := context.Background()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"stream":true}`))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

// serveBackground breaks off the answer to the POST, and has the rest for a GET.
func serveBackground(w http.ResponseWriter, r *http.Request) {
	const created = `data: {"sequence_number":0,"response":{"id":"resp_1"}}`
	delta := func(n int, text string) string {
		return fmt.Sprintf("event: response.output_text.delta\ndata: {\"sequence_number\":%d,\"delta\":%q}\n\n", n, text)
	}
	switch r.Method + " " + r.RequestURI {
	case "POST /v1/responses":
		sendText(w, "retry: 1\n\nevent: response.created\n"+created+"\n\n"+delta(1, "Good")+"event: response.out")
	case "GET /v1/responses/resp_1?stream=true&starting_after=1":
		sendText(w, delta(2, " morning!")+"event: response.completed\ndata: {\"sequence_number\":3}\n\n")
	default:
		http.NotFound(w, r)
	}
}

// serveMCP answers the POST with an ID alone, and each GET with one message more.
func serveMCP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.Header.Get("Last-Event-ID") {
	case "POST ":
		sendText(w, "id: 0\nretry: 1\ndata:\n\n")
	case "GET 0":
		sendText(w, "id: 1\ndata: {\"method\":\"notifications/progress\"}\n\n")
	case "GET 1":
		sendText(w, "id: 2\ndata: {\"id\":1,\"result\":\"done\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // it leaves the connection open
	default:
		http.NotFound(w, r)
	}
}

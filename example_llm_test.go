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

// OpenAI Chat Completions and compatible APIs: a complete response ends with [DONE]. An
// error during generation replaces a chunk. "error":null is not an error.
func ExampleWithDone() {
	srv := serveText(`data: {"choices":[{"delta":{"content":"Good"}}],"error":null}

data: {"error":{"message":"overloaded"}}

`)
	defer srv.Close()

	stream, err := sse.Fetch(newPost(srv.URL), sse.WithDone("[DONE]"),
		sse.WithEventError(func(e sse.Event) error {
			var v struct{ Error any } // nil if the member is missing or null
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
		if reported, ok := errors.AsType[*sse.EventError](err); ok {
			fmt.Println("\nthe service reported:", reported.Err)
		} else if err != nil {
			log.Fatal(err)
		} else {
			fmt.Print(c.Choices[0].Delta.Content)
		}
	}
	// Output:
	// Good
	// the service reported: {"error":{"message":"overloaded"}}
}

// Anthropic Messages: the last event has the type message_stop. An error event has the
// type error.
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
			log.Fatal(err) // a *TruncatedError if message_stop is missing
		}
		fmt.Println(e.Type)
	}
	// Output:
	// content_block_delta
	// message_stop
}

// OpenAI Responses: the last event is response.completed, response.incomplete or
// response.failed. After response.incomplete the stream is complete, although the model
// stopped early.
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

// Gemini sends no separate event at the end. Its last chunk has a finishReason.
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

// A failing gateway may write the reason outside any event.
func ExampleTruncatedError_ignored() {
	srv := serveText("data: {\"text\":\"Good\"}\n\n{\"error\":\"upstream timed out\"}")
	defer srv.Close()

	stream, err := sse.Fetch(newPost(srv.URL), sse.WithDone("[DONE]"))
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range stream.Events() {
		if cut, ok := errors.AsType[*sse.TruncatedError](err); ok {
			fmt.Println("truncated after", cut.Events, "event; ignored text:", strings.Join(cut.Ignored, "\n"))
		}
	}
	// Output: truncated after 1 event; ignored text: {"error":"upstream timed out"}
}

// Some servers, such as those of MCP, first send an event that has an ID and empty data.
// Empty data is not JSON, so Decode returns a DecodeError, and the loop skips the event.
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

// OpenAI Responses in background mode: the service generates the response without a
// connection, and a GET reads the events after a sequence number. The loop stores the
// number.
func ExampleWithResume_responses() {
	srv := httptest.NewServer(http.HandlerFunc(serveBackground))
	defer srv.Close()

	var id string
	var cursor int
	resume := func(ctx context.Context, _ sse.Attempt) (*http.Request, error) {
		if id == "" {
			return nil, nil // no response ID arrived; do not send the POST again
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

// MCP: the server may end the response to a POST at any time. A GET with Last-Event-ID
// reads the rest; the library adds the header. The JSON-RPC response completes the stream.
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
		if e.Data != "" { // the first event has only an ID
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

// serveBackground ends its response to the POST in the middle of an event. A GET reads
// the rest.
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

// serveMCP responds to the POST with an event that has only an ID, and to each GET with
// one more message.
func serveMCP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.Header.Get("Last-Event-ID") {
	case "POST ":
		sendText(w, "id: 0\nretry: 1\ndata:\n\n")
	case "GET 0":
		sendText(w, "id: 1\ndata: {\"method\":\"notifications/progress\"}\n\n")
	case "GET 1":
		sendText(w, "id: 2\ndata: {\"id\":1,\"result\":\"done\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // the server keeps the connection open
	default:
		http.NotFound(w, r)
	}
}

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
	"github.com/fetchsse/sse/llm"
)

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
	stream, err := llm.Fetch(req, llm.OpenAIResponses, sse.WithResume(resume))
	if err != nil {
		log.Fatal(err)
	}
	for d, err := range stream.Deltas() {
		if err != nil {
			log.Fatal(err)
		}
		var event struct {
			Number   int `json:"sequence_number"`
			Response struct{ ID string }
		}
		if json.Unmarshal(stream.Data(), &event) == nil {
			id, cursor = cmp.Or(id, event.Response.ID), event.Number
		}
		fmt.Print(d.Text)
	}
	// Output: Good morning!
}

// MCP in the revision of 2025-11-25: the server may end the response to a POST at any time.
// A GET with Last-Event-ID reads the rest; the library adds the header. The JSON-RPC
// response completes the stream.
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

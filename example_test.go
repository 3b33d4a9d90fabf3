package sse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/fetchsse/sse"
)

// A question is posted, and the answer is printed while it is being written.
func ExampleFetch() {
	srv := serveText("data: Good\n\ndata:  morning\n\ndata: !\n\ndata: [DONE]\n\n")
	defer srv.Close()

	// The context bounds the call and all of its stream. To abort, cancel it.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	body := strings.NewReader(`{"prompt":"Greet me.","stream":true}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, body)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")

	// This server ends a whole answer with [DONE]. Where there is such a word, name
	// it: without it, a lost connection can look like the end of the answer.
	stream, err := sse.Fetch(req, sse.WithDone("[DONE]"))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(event.Data)
	}
	// Output: Good morning!
}

// The server drops the connection after every second event, which the loop does not
// notice. In the end it answers with status 204: there will be no more.
func ExampleSubscribe() {
	srv := httptest.NewServer(http.HandlerFunc(serveNews))
	defer srv.Close()

	req, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := sse.Subscribe(req,
		sse.WithLastEventID("16"), // where an earlier run of the program stopped
		// The server sends a comment every 15 s. After a minute of silence the
		// connection is dead, which TCP alone may not find out for hours.
		sse.WithIdleTimeout(time.Minute),
		sse.WithOpenTimeout(10*time.Second), // it answers at once, or not at all
	)
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		// Handle the event before the loop asks for the next one: a reconnect goes on
		// after it. So does a later run, if stream.LastEventID() is stored here.
		fmt.Println(event.ID, event.Data)
	}
	// Output:
	// 17 news
	// 18 news
	// 19 news
	// 20 news
}

// What all calls share is given to a client once.
func ExampleNewClient() {
	srv := serveText("data: hello\n\n")
	defer srv.Close()

	client := sse.NewClient(
		sse.WithHTTPClient(srv.Client()), // for a proxy, certificates, middleware
		sse.WithHeader("User-Agent", "example/1.0"),
		sse.WithMaxEventSize(1<<20), // a server that is not trusted gets less than 16 MiB
	)
	stream, err := client.Fetch(newGet(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close() // Next, unlike Events, does not close it when the loop is left
	for stream.Next() {
		fmt.Println(stream.Event().Data)
	}
	if err := stream.Err(); err != nil {
		log.Fatal(err)
	}
	// Output: hello
}

// Each event is decoded from JSON, without a copy of its data.
func ExampleDecode() {
	srv := serveText("data: {\"delta\":\"Good\"}\n\ndata: oops\n\ndata: {\"delta\":\" morning\"}\n\n")
	defer srv.Close()

	stream, err := sse.Fetch(newGet(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	type chunk struct{ Delta string }
	for c, err := range sse.Decode[chunk](stream) {
		if bad, ok := errors.AsType[*sse.DecodeError](err); ok {
			fmt.Printf("skipped: %q\n", bad.Event.Data)
			continue // one bad event need not end the stream
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", c.Delta)
	}
	// Output:
	// "Good"
	// skipped: "oops"
	// " morning"
}

// A parser reads from anything: a file, a test's string, a message queue.
func ExampleParser() {
	p := sse.NewParser(strings.NewReader("id: 7\nevent: greeting\ndata: hello\ndata: world\n\n"))
	for event, err := range p.Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%+v\n", event)
	}
	// Output: {Type:greeting Data:hello
	// world ID:7}
}

// The request was made by another package, which knows how to sign it.
func ExampleFromResponse() {
	srv := serveText("data: hello\n\n")
	defer srv.Close()

	resp, err := http.Get(srv.URL)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := sse.FromResponse(resp) // checks status and content, closes the body
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Data)
	}
	// Output: hello
}

// A token expires while the subscription lasts.
func ExampleWithPrepare() {
	srv := httptest.NewServer(http.HandlerFunc(serveGuarded))
	defer srv.Close()

	token := "old"
	stream, err := sse.Subscribe(newGet(srv.URL),
		sse.WithPrepare(func(req *http.Request) error { // for every attempt
			req.Header.Set("Authorization", "Bearer "+token)
			return nil
		}),
		sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			refusal, ok := errors.AsType[*sse.ResponseError](a.Err)
			if ok && refusal.StatusCode == http.StatusUnauthorized && token == "old" {
				token = "new" // once: a token that is refused, too, must end the stream
				return 0, true
			}
			return a.Delay, a.Retry // the default
		}))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		fmt.Println(event.Data, err)
		break
	}
	// Output: welcome <nil>
}

// A POST whose answer breaks off is not sent again: that would order a second answer.
// This server keeps the first one, and the rest of it can be read with a GET.
func ExampleWithResume() {
	srv := httptest.NewServer(http.HandlerFunc(serveAnswers))
	defer srv.Close()

	req, err := http.NewRequest(http.MethodPost, srv.URL+"/answers", strings.NewReader("Greet me."))
	if err != nil {
		log.Fatal(err)
	}
	resume := func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
		if a.LastEventID == "" {
			return nil, nil // nothing has come that the GET could start from
		}
		rest := srv.URL + "/answers/1?after=" + url.QueryEscape(a.LastEventID)
		return http.NewRequestWithContext(ctx, http.MethodGet, rest, nil)
	}
	stream, err := sse.Fetch(req, sse.WithDone("[DONE]"), sse.WithResume(resume))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(event.Data)
	}
	// Output: Good morning!
}

// The status is sent before the answer is known, so a server that fails later says so
// in an event. How it looks differs from server to server.
func ExampleWithEventError() {
	srv := serveText("data: Good\n\nevent: error\ndata: overloaded\n\n")
	defer srv.Close()

	stream, err := sse.Fetch(newGet(srv.URL), sse.WithEventError(func(e sse.Event) error {
		if e.Type == "error" {
			return errors.New(e.Data)
		}
		return nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if failed, ok := errors.AsType[*sse.EventError](err); ok {
			fmt.Println("the server has failed:", failed.Err)
		} else {
			fmt.Println(event.Data, err)
		}
	}
	// Output:
	// Good <nil>
	// the server has failed: overloaded
}

// The answer is no event stream. The body says why, but it is not in the message,
// which may go to a log.
func ExampleResponseError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600") // longer than Fetch waits by itself
		http.Error(w, "quota used up", http.StatusTooManyRequests)
	}))
	defer srv.Close()

	_, err := sse.Fetch(newGet(srv.URL))
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		fmt.Printf("%d, again in %v: %s", refusal.StatusCode, refusal.RetryAfter, refusal.Body)
	}
	// Output: 429, again in 1h0m0s: quota used up
}

// The response ends in the middle of its second event.
func ExampleTruncatedError() {
	srv := serveText("id: 1\ndata: Good\n\nid: 2\ndata:  mor")
	defer srv.Close()

	stream, err := sse.Fetch(newGet(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if cut, ok := errors.AsType[*sse.TruncatedError](err); ok {
			fmt.Printf("cut after event %s; unfinished: %q\n", cut.LastEventID, cut.Partial.Data)
		} else {
			fmt.Println(event.Data, err)
		}
	}
	// Output:
	// Good <nil>
	// cut after event 1; unfinished: " mor"
}

// newGet returns a plain request.
func newGet(url string) *http.Request {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	return req
}

// serveText starts a server that answers every request with stream.
func serveText(stream string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sendText(w, stream)
	}))
}

func sendText(w http.ResponseWriter, stream string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, stream)
}

// serveNews sends the two events after the Last-Event-ID, and says that it is over
// when there are none.
func serveNews(w http.ResponseWriter, r *http.Request) {
	id := 0
	fmt.Sscan(r.Header.Get("Last-Event-ID"), &id)
	if id >= 20 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	sendText(w, fmt.Sprintf("retry: 1\n\nid: %d\ndata: news\n\nid: %d\ndata: news\n\n", id+1, id+2))
}

// serveGuarded knows one token only.
func serveGuarded(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer new" {
		http.Error(w, "token expired", http.StatusUnauthorized)
		return
	}
	sendText(w, "data: welcome\n\n")
}

// serveAnswers breaks off its answer to a POST.
func serveAnswers(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.RequestURI {
	case "POST /answers":
		sendText(w, "retry: 1\n\nid: a\ndata: Good\n\nid: b\ndata:  morn")
	case "GET /answers/1?after=a":
		sendText(w, "id: b\ndata:  morning\n\nid: c\ndata: !\n\ndata: [DONE]\n\n")
	default:
		http.NotFound(w, r)
	}
}

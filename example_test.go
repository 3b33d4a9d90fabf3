package sse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/fetchsse/sse"
)

// This example sends a prompt with POST and prints the response as it arrives.
func ExampleFetch() {
	srv := serveText("data: Good\n\ndata:  morning\n\ndata: !\n\ndata: [DONE]\n\n")
	defer srv.Close()

	// The context limits the call and its stream. Cancel it to abort.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	body := strings.NewReader(`{"prompt":"Greet me.","stream":true}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, body)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")

	// The server ends a complete response with [DONE]. Without WithDone, a lost
	// connection can look like the end of the response.
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

// The response is complete at an event of the type "end", and truncated without it.
func ExampleFetch_types() {
	srv := serveText("event: text\ndata: Good morning!\n\nevent: usage\ndata: {\"tokens\":3}\n\nevent: end\ndata: {}\n\n")
	defer srv.Close()
	req := newGet(srv.URL)
	type usage struct{ Tokens int }

	stream, err := sse.Fetch(req, sse.WithTerminator(func(e sse.Event) bool { return e.Type == "end" }))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err) // *sse.TruncatedError, if the response ends before the event "end"
		}
		switch event.Type {
		case "text":
			fmt.Print(event.Data)
		case "usage":
			var u usage
			if err := json.Unmarshal([]byte(event.Data), &u); err != nil {
				log.Fatal(err)
			}
			fmt.Printf(" (%d tokens)\n", u.Tokens)
		}
	}
	// Output: Good morning! (3 tokens)
}

// The server drops the connection after every second event. The stream reconnects, and
// the loop does not notice. The server ends the subscription with status 204.
func ExampleSubscribe() {
	srv := httptest.NewServer(http.HandlerFunc(serveNews))
	defer srv.Close()

	feed := srv.URL

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, feed, nil)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := sse.Subscribe(req,
		sse.WithLastEventID("16"), // where an earlier run of the program stopped
		// The server sends a comment every 15 seconds. After a minute of silence the
		// connection is dead. TCP alone detects a lost machine only after minutes,
		// and a server that hangs never.
		sse.WithIdleTimeout(time.Minute),
		sse.WithOpenTimeout(10*time.Second), // the server sends its headers immediately
	)
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err) // after Ctrl-C: interrupt signal received
		}
		// Finish handling the event here: a reconnect resumes after it. To resume
		// after it in a later run of the program, store stream.LastEventID().
		fmt.Println(event.ID, event.Data)
	}
	// Output:
	// 17 news
	// 18 news
	// 19 news
	// 20 news
}

// The loop ends when the context does, on Ctrl-C, or when the server ends the subscription.
func ExampleSubscribe_interrupt() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") == "2" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		sendText(w, "retry: 1\n\nid: 1\ndata: news\n\nid: 2\ndata: more news\n\n")
	}))
	defer srv.Close()
	feed := srv.URL

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	req, _ := http.NewRequestWithContext(ctx, "GET", feed, nil)
	stream, err := sse.Subscribe(req)
	if err != nil {
		log.Fatal(err) // for example status 401; a server that is down is tried again in the loop
	}
	for event, err := range stream.Events() {
		if ctx.Err() != nil {
			break // Ctrl-C, which err would report as well
		}
		if err != nil {
			log.Fatal(err) // for example status 401 after a reconnect
		}
		fmt.Println(event.Type, event.Data)
	}
	// Output:
	// message news
	// message more news
}

// A client holds the options that all of its calls share.
func ExampleNewClient() {
	srv := serveText("data: hello\n\n")
	defer srv.Close()

	client := sse.NewClient(
		sse.WithHTTPClient(srv.Client()), // for a proxy, certificates, middleware
		sse.WithHeader("User-Agent", "example/1.0"),
		sse.WithMaxEventSize(1<<20), // less than the default, for an untrusted server
	)
	stream, err := client.Fetch(newGet(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close() // unlike Events, a loop over Next does not close the stream
	for stream.Next() {
		fmt.Println(stream.Event().Data)
	}
	if err := stream.Err(); err != nil {
		log.Fatal(err)
	}
	// Output: hello
}

// Decode decodes each event from JSON without copying its data.
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
			continue // the stream continues after a bad event
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

// DecodeFunc decodes each event as its type requires.
func ExampleDecodeFunc() {
	srv := serveText("event: text\ndata: Good morning!\n\nevent: usage\ndata: {\"tokens\":3}\n\nevent: ping\ndata\n\n")
	defer srv.Close()

	stream, err := sse.Fetch(newGet(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	type usage struct{ Tokens int }
	decode := func(data []byte) (any, error) {
		switch stream.Type() {
		case "text":
			return string(data), nil // a copy: the bytes belong to the stream
		case "usage":
			var u usage
			err := json.Unmarshal(data, &u)
			return u, err
		default:
			return nil, nil // such as a ping
		}
	}
	for v, err := range sse.DecodeFunc(stream, decode) {
		if err != nil {
			log.Fatal(err)
		}
		switch v := v.(type) {
		case string:
			fmt.Println("text:", v)
		case usage:
			fmt.Println("tokens:", v.Tokens)
		}
	}
	// Output:
	// text: Good morning!
	// tokens: 3
}

// A program stores the events of a stream in a file, and reads them again later.
func ExampleAppendEvent() {
	var file []byte
	for _, e := range []sse.Event{
		{Type: "greeting", Data: "hello\nworld", ID: "7"},
		{Data: "bye"},
	} {
		var err error
		if file, err = sse.AppendEvent(file, e); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%q\n", file)

	for event, err := range sse.NewParser(bytes.NewReader(file)).Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%+q\n", event)
	}
	// Output:
	// "event: greeting\nid: 7\ndata: hello\ndata: world\n\nid:\ndata: bye\n\n"
	// {"greeting" "hello\nworld" "7"}
	// {"message" "bye" ""}
}

// A parser reads events from any io.Reader, such as a file or a string.
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

// FromResponse reads a response that other code obtained, for example a package that
// signs requests.
func ExampleFromResponse() {
	srv := serveText("data: hello\n\n")
	defer srv.Close()

	resp, err := http.Get(srv.URL)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := sse.FromResponse(resp) // checks status and media type; the stream closes the body
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

// The token of the subscription expires. WithPrepare sets the current token for every
// attempt, and the retry policy renews it after a 401 response.
func ExampleWithPrepare() {
	srv := httptest.NewServer(http.HandlerFunc(serveGuarded))
	defer srv.Close()

	token := "old"
	stream, err := sse.Subscribe(newGet(srv.URL),
		sse.WithPrepare(func(req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+token)
			return nil
		}),
		sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			refusal, ok := errors.AsType[*sse.ResponseError](a.Err)
			if ok && refusal.StatusCode == http.StatusUnauthorized && token == "old" {
				token = "new" // only once: if the server refuses it as well, the stream ends
				return 0, true
			}
			return a.Delay, a.Retry // the default decision
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

// Fetch does not send the POST again when its response breaks, because the server would
// generate a second response. The server keeps the first one, and a GET reads the rest.
func ExampleWithResume() {
	srv := httptest.NewServer(http.HandlerFunc(serveStored))
	defer srv.Close()

	req, err := http.NewRequest(http.MethodPost, srv.URL+"/responses", strings.NewReader("Greet me."))
	if err != nil {
		log.Fatal(err)
	}
	resume := func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
		if a.LastEventID == "" {
			return nil, nil // no event arrived, so there is nothing to resume
		}
		rest := srv.URL + "/responses/1?after=" + url.QueryEscape(a.LastEventID)
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

// A server that fails after it has sent status 200 reports the error in an event. Each
// service has its own format for such events.
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
		if reported, ok := errors.AsType[*sse.EventError](err); ok {
			fmt.Println("the server reported:", reported.Err)
		} else {
			fmt.Println(event.Data, err)
		}
	}
	// Output:
	// Good <nil>
	// the server reported: overloaded
}

// Some gateways report their own error outside of any event, here as JSON with many lines.
func ExampleWithIgnoredError() {
	srv := serveText("data: Good\n\n{\n  \"error\": {\n    \"message\": \"overloaded\"\n  }\n}\n")
	defer srv.Close()

	stream, err := sse.Fetch(newGet(srv.URL), sse.WithIgnoredError(func(text string) error {
		var v struct{ Error struct{ Message string } }
		if json.Unmarshal([]byte(text), &v) == nil && v.Error.Message != "" {
			return errors.New(v.Error.Message)
		}
		return nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if reported, ok := errors.AsType[*sse.EventError](err); ok {
			fmt.Println("the gateway reported:", reported.Err)
		} else {
			fmt.Println(event.Data, err)
		}
	}
	// Output:
	// Good <nil>
	// the gateway reported: overloaded
}

// A server reports the progress of a job, and then its result. A stream without the result
// is truncated.
func ExampleWithTerminator() {
	srv := serveText("event: progress\ndata: 40 %\n\nevent: result\ndata: 42\n\n")
	defer srv.Close()

	isResult := func(e sse.Event) bool { return e.Type == "result" }
	stream, err := sse.Fetch(newGet(srv.URL), sse.WithTerminator(isResult))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Type, event.Data)
	}
	// Output:
	// progress 40 %
	// result 42
}

// Some servers send the usage after the last text, and not all of them send [DONE] after
// that. The reason to finish tells that the text is complete.
func ExampleWithCompleteAfter() {
	const finish = "data: {\"text\":\"morning!\",\"finish_reason\":\"stop\"}\n\n"
	for _, rest := range []string{
		finish + "data: {\"usage\":{\"tokens\":3}}\n\ndata: [DONE]\n\n",
		finish + "data: {\"usage\":{\"tokens\":3}}\n\n",
		"", // the server has failed
	} {
		srv := serveText("data: {\"text\":\"Good \"}\n\n" + rest)
		isLast := func(e sse.Event) bool {
			var chunk struct {
				FinishReason string `json:"finish_reason"`
			}
			return json.Unmarshal([]byte(e.Data), &chunk) == nil && chunk.FinishReason != ""
		}
		stream, err := sse.Fetch(newGet(srv.URL), sse.WithDone("[DONE]"), sse.WithCompleteAfter(isLast))
		if err != nil {
			log.Fatal(err)
		}
		n := 0
		for _, err := range stream.Events() {
			if cut, ok := errors.AsType[*sse.TruncatedError](err); ok {
				fmt.Println("truncated, events:", cut.Events)
			} else {
				n++
			}
		}
		if stream.Err() == nil {
			fmt.Println("complete, events:", n)
		}
		srv.Close()
	}
	// Output:
	// complete, events: 3
	// complete, events: 3
	// truncated, events: 1
}

// The response is not an event stream. Its body contains the reason. The error message
// does not include the body, so that it can be logged.
func ExampleResponseError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600") // Fetch waits for a minute at most
		http.Error(w, "quota used up", http.StatusTooManyRequests)
	}))
	defer srv.Close()

	_, err := sse.Fetch(newGet(srv.URL))
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		fmt.Printf("%d, retry after %v: %s", refusal.StatusCode, refusal.RetryAfter, refusal.Body)
	}
	// Output: 429, retry after 1h0m0s: quota used up
}

// Some services respond with JSON although the request asks for a stream. The check
// decodes such a response, and the program takes it as what it is.
func ExampleWithResponseCheck() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"text":"Good morning!"}`)
	}))
	defer srv.Close()

	var complete struct{ Text string }
	isComplete := errors.New("the response is complete")
	stream, err := sse.Fetch(newGet(srv.URL), sse.WithResponseCheck(func(resp *http.Response) error {
		if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == "application/json" {
			// The time for this is limited by WithOpenTimeout.
			if err := json.NewDecoder(resp.Body).Decode(&complete); err != nil {
				return err
			}
			return isComplete
		}
		return sse.CheckResponse(resp)
	}))
	if errors.Is(err, isComplete) {
		fmt.Println(complete.Text)
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		fmt.Print(event.Data, err)
	}
	// Output: Good morning!
}

// A check can accept the stream of a server that names its media type wrongly.
func ExampleCheckResponse() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "data: hello\n\n")
	}))
	defer srv.Close()

	stream, err := sse.Fetch(newGet(srv.URL), sse.WithResponseCheck(func(resp *http.Response) error {
		if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == "text/plain" {
			return nil
		}
		return sse.CheckResponse(resp)
	}))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		fmt.Println(event.Data, err)
	}
	// Output: hello <nil>
}

// A job queue asks whether to run a job again. Fetch has not retried the request, since
// the server may have processed it.
func ExampleRetryable() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusBadRequest
		if r.URL.Path == "/busy" {
			status = http.StatusServiceUnavailable
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()

	for _, path := range []string{"/busy", "/wrong"} {
		req, err := http.NewRequest(http.MethodPost, srv.URL+path, strings.NewReader("{}"))
		if err != nil {
			log.Fatal(err)
		}
		_, err = sse.Fetch(req)
		fmt.Printf("%s: may succeed later: %t, was certainly not sent: %t\n", path, sse.Retryable(err), sse.NotSent(err))
	}
	// Output:
	// /busy: may succeed later: true, was certainly not sent: false
	// /wrong: may succeed later: false, was certainly not sent: false
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
			fmt.Printf("truncated after event %s; unfinished: %q\n", cut.LastEventID, cut.Partial.Data)
		} else {
			fmt.Println(event.Data, err)
		}
	}
	// Output:
	// Good <nil>
	// truncated after event 1; unfinished: " mor"
}

// A loop over Next with Type and Data copies and allocates nothing. The bytes are valid
// until the next call.
func ExampleStream_Next() {
	srv := serveText("event: price\ndata: 17\n\nevent: ping\ndata\n\nevent: price\ndata: 18\n\n")
	defer srv.Close()

	stream, err := sse.Fetch(newGet(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	for stream.Next() {
		if stream.Type() == "price" {
			fmt.Printf("%s\n", stream.Data())
		}
	}
	fmt.Println(stream.Err())
	// Output:
	// 17
	// 18
	// <nil>
}

// A program that learns that the network has changed does not wait until the dead
// connection is noticed. Here each connection stays silent after its event.
func ExampleStream_Reconnect() {
	connections := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections++
		sendText(w, fmt.Sprintf("id: %d\ndata: connection %d\n\n", connections, connections))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()

	stream, err := sse.Subscribe(newGet(srv.URL))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		fmt.Println(event.Data, err)
		if event.ID == "2" {
			break
		}
		time.AfterFunc(time.Millisecond, stream.Reconnect) // from another goroutine
	}
	// Output:
	// connection 1 <nil>
	// connection 2 <nil>
}

// The hooks of a Trace count what a program shows in its metrics.
func ExampleWithTrace() {
	srv := httptest.NewServer(http.HandlerFunc(serveNews))
	defer srv.Close()

	requests, disconnects := 0, 0
	stream, err := sse.Subscribe(newGet(srv.URL), sse.WithLastEventID("16"), sse.WithTrace(&sse.Trace{
		Request:    func(*http.Request) { requests++ },
		Disconnect: func(error) { disconnects++ },
		Wait: func(a sse.Attempt) {
			fmt.Printf("attempt %d after %v, resuming after %s\n", a.Number, a.Err, a.LastEventID)
		},
	}))
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(requests, "requests,", disconnects, "disconnects")
	// Output:
	// attempt 1 after <nil>, resuming after 18
	// attempt 1 after <nil>, resuming after 20
	// 3 requests, 2 disconnects
}

// A policy that also retries a status that is final by default, five seconds at most.
func ExampleWithRetryPolicy() {
	starting := 2
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if starting--; starting >= 0 {
			http.Error(w, "the feed is not there yet", http.StatusNotFound)
			return
		}
		sendText(w, "data: welcome\n\n")
	}))
	defer srv.Close()

	stream, err := sse.Fetch(newGet(srv.URL), sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
		refusal, ok := errors.AsType[*sse.ResponseError](a.Err)
		if ok && refusal.StatusCode == http.StatusNotFound && a.Elapsed < 5*time.Second {
			return 10 * time.Millisecond, true
		}
		return a.Delay, a.Retry // the default decision
	}))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		fmt.Println(event.Data, err)
	}
	// Output: welcome <nil>
}

// Without a retry: field, the waits come from the policy.
func ExampleWithBackOff() {
	srv := serveText("data: news\n\n")
	defer srv.Close()

	stream, err := sse.Subscribe(newGet(srv.URL),
		sse.WithBackOff(func() backoff.BackOff { return backoff.NewConstantBackOff(200 * time.Millisecond) }),
		sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) { fmt.Println("wait", a.Delay) }}))
	if err != nil {
		log.Fatal(err)
	}
	events := 0
	for event := range stream.Events() {
		fmt.Println(event.Data)
		if events++; events == 2 {
			break
		}
	}
	// Output:
	// news
	// wait 200ms
	// news
}

// One option has all that the feeds of a service need.
func ExampleJoinOptions() {
	srv := serveText("data: hello\n\nevent: bye\ndata\n\n")
	defer srv.Close()

	feeds := sse.JoinOptions(
		sse.WithHeader("Accept-Language", "en"),
		sse.WithIdleTimeout(time.Minute),
		sse.WithTerminator(func(e sse.Event) bool { return e.Type == "bye" }),
	)
	stream, err := sse.Subscribe(newGet(srv.URL), feeds)
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range stream.Events() {
		fmt.Printf("%s %q %v\n", event.Type, event.Data, err)
	}
	// Output:
	// message "hello" <nil>
	// bye "" <nil>
}

// The log has no query, no header value and no data of events.
func ExampleWithLogger() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sendText(w, "data: secret\n\n")
	}))
	defer srv.Close()

	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "request" { // they differ from run to run
				return slog.Attr{}
			}
			return a
		},
	}))
	stream, err := sse.Fetch(newGet(srv.URL+"?key=secret"), sse.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// level=INFO msg="sse: connected" status=200
	// level=INFO msg="sse: disconnected" events=1
	// level=INFO msg="sse: ended"
}

// A request that no server has received can be sent to another one, also if it must not be
// processed twice.
func ExampleNotSent() {
	srv := serveText("data: hello\n\n")
	defer srv.Close()
	down := httptest.NewServer(nil)
	down.Close()

	for _, url := range []string{down.URL, srv.URL} {
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("{}"))
		if err != nil {
			log.Fatal(err)
		}
		stream, err := sse.Fetch(req, sse.WithMaxRetries(0))
		if sse.NotSent(err) {
			fmt.Println("not sent")
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		for event, err := range stream.Events() {
			fmt.Println(event.Data, err)
		}
		break
	}
	// Output:
	// not sent
	// hello <nil>
}

// newGet returns a GET request for url.
func newGet(url string) *http.Request {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	return req
}

// serveText starts a server that responds to every request with stream.
func serveText(stream string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sendText(w, stream)
	}))
}

func sendText(w http.ResponseWriter, stream string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, stream)
}

// serveNews sends the two events after the Last-Event-ID. It responds with 204 if there
// are none.
func serveNews(w http.ResponseWriter, r *http.Request) {
	id := 0
	fmt.Sscan(r.Header.Get("Last-Event-ID"), &id)
	if id >= 20 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	sendText(w, fmt.Sprintf("retry: 1\n\nid: %d\ndata: news\n\nid: %d\ndata: news\n\n", id+1, id+2))
}

// serveGuarded accepts only the new token.
func serveGuarded(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer new" {
		http.Error(w, "token expired", http.StatusUnauthorized)
		return
	}
	sendText(w, "data: welcome\n\n")
}

// serveStored ends its response to a POST in the middle of an event. A GET reads the
// events after a given ID.
func serveStored(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.RequestURI {
	case "POST /responses":
		sendText(w, "retry: 1\n\nid: a\ndata: Good\n\nid: b\ndata:  morn")
	case "GET /responses/1?after=a":
		sendText(w, "id: b\ndata:  morning\n\nid: c\ndata: !\n\ndata: [DONE]\n\n")
	default:
		http.NotFound(w, r)
	}
}

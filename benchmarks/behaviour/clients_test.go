package behaviour

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/launchdarkly/eventsource"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
	"gopkg.in/cenkalti/backoff.v1"
)

// A setting is a need that the defaults of a client may not meet. Each client has another
// option for it, or none.
type setting int

const (
	defaults setting = iota
	largeEvents
	sendOnce
	idleTimeout
	readRefusal
	checkType // and send once
	cancelWait
)

const (
	largeLimit = 1 << 20
	idleLimit  = 300 * time.Millisecond
)

// A call tells a client what to do.
type call struct {
	http *http.Client
	url  string
	key  string // the header X-Api-Key
	set  setting

	// on is called with each event. It returns false to leave the loop.
	on func(id, data string) bool
}

// A reader reads events until the client reports an end, on returns false, or ctx ends.
type reader func(ctx context.Context, c call) error

// A client uses one library as its documentation shows.
type client struct {
	name    string // in the names of tests
	title   string // in the tables
	module  string // "" means the standard library
	pkg     string // the package that a program imports
	results string // the name in results.txt

	once reader // sends a prompt and reads the response; the data of its events is JSON
	feed reader // reads an event stream with GET

	// settings has the option for each setting, as the tables name it.
	settings map[setting]string
	// refusal returns what the client tells about a refused response.
	refusal func(error) string
	// typed reads a response of Chat Completions into the types of the library.
	typed func(ctx context.Context, hc *http.Client, url string) (chunk, error)
	// serve returns a handler that sends one event to each client, or nil.
	serve func() (http.Handler, func())
	loop  string // how a program receives the events
}

func clients() []*client {
	return []*client{
		{
			name: "sse", title: "**this library**", module: "github.com/fetchsse/sse", pkg: "github.com/fetchsse/sse/llm",
			results: "sse-event", once: fetch, feed: subscribe, refusal: refusalSSE, typed: typedSSE, loop: "`for range`",
			settings: map[setting]string{idleTimeout: "`WithIdleTimeout`"},
		},
		{
			name: "go-sse", title: "go-sse", module: "github.com/tmaxmax/go-sse", pkg: "github.com/tmaxmax/go-sse",
			results: "tmaxmax", once: goSSE(http.MethodPost), feed: goSSE(http.MethodGet), serve: serveGoSSE,
			loop: "callback; `for range` for a body",
			settings: map[setting]string{
				largeEvents: "`Connection.Buffer`",
				sendOnce:    "`Backoff{MaxRetries: -1}`",
				readRefusal: "a `ResponseValidator` that reads the body",
			},
		},
		{
			name: "eventsource", title: "eventsource", module: "github.com/launchdarkly/eventsource",
			pkg: "github.com/launchdarkly/eventsource", results: "launchdarkly",
			once: launchDarkly(http.MethodPost), feed: launchDarkly(http.MethodGet),
			refusal: refusalLaunchDarkly, serve: serveLaunchDarkly, loop: "channel",
			settings: map[setting]string{
				sendOnce:    "a `StreamOptionErrorHandler` that closes the stream",
				checkType:   "a `StreamOptionErrorHandler` that closes the stream",
				idleTimeout: "`StreamOptionReadTimeout`",
			},
		},
		{
			name: "r3labs", title: "r3labs/sse", module: "github.com/r3labs/sse/v2", pkg: "github.com/r3labs/sse/v2",
			results: "r3labs", once: readR3labs, feed: readR3labs, serve: serveR3labs, loop: "callback or channel",
			settings: map[setting]string{
				largeEvents: "`ClientMaxBufferSize`",
				sendOnce:    "a `ReconnectStrategy` that stops",
				readRefusal: "a `ResponseValidator` that reads the body, and a `ReconnectStrategy` that stops",
				checkType:   "a `ResponseValidator` that checks the type, and a `ReconnectStrategy` that stops",
				cancelWait:  "the `ReconnectStrategy` `backoff.WithContext`",
			},
		},
		{
			name: "openai-go", title: "openai-go", module: "github.com/openai/openai-go/v3", pkg: "github.com/openai/openai-go/v3",
			results: "openai-go", once: chatOpenAI, feed: decodeOpenAI, refusal: refusalOpenAI, typed: typedOpenAI, loop: "`Next`",
			settings: map[setting]string{sendOnce: "`WithMaxRetries(0)`"},
		},
		{
			name: "scanner", title: "bufio.Scanner", pkg: "bufio",
			once: scan(http.MethodPost), feed: scan(http.MethodGet), loop: "`Scan`",
			settings: map[setting]string{largeEvents: "`Scanner.Buffer`"},
		},
	}
}

const prompt = `{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`

// request returns the request of c: a prompt if the method is POST.
func (c call) request(ctx context.Context, method string) (*http.Request, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(prompt)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("X-Api-Key", c.key)
	}
	return req, nil
}

// more passes an event to on, unless it ends a response of Chat Completions. Clients that
// do not know this end use it.
func (c call) more(id, data string) bool { return data != "[DONE]" && c.on(id, data) }

func fetch(ctx context.Context, c call) error {
	req, err := c.request(ctx, http.MethodPost)
	if err != nil {
		return err
	}
	stream, err := llm.Fetch(req, llm.OpenAIChat, c.options()...)
	if err != nil {
		return err
	}
	return c.read(stream.Stream)
}

func subscribe(ctx context.Context, c call) error {
	req, err := c.request(ctx, http.MethodGet)
	if err != nil {
		return err
	}
	stream, err := sse.Subscribe(req, c.options()...)
	if err != nil {
		return err
	}
	return c.read(stream)
}

func (c call) options() []sse.Option {
	opts := []sse.Option{sse.WithHTTPClient(c.http)}
	if c.set == idleTimeout {
		opts = append(opts, sse.WithIdleTimeout(idleLimit))
	}
	return opts
}

func (c call) read(stream *sse.Stream) error {
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		if !c.on(event.ID, event.Data) {
			break
		}
	}
	return nil
}

func refusalSSE(err error) string {
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		return string(refusal.Body)
	}
	return ""
}

// goSSE uses a Connection, which the README also shows for language models: with
// MaxRetries -1.
func goSSE(method string) reader {
	return func(ctx context.Context, c call) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		req, err := c.request(ctx, method)
		if err != nil {
			return err
		}
		client := &tmaxmax.Client{HTTPClient: c.http}
		switch c.set {
		case sendOnce:
			client.Backoff.MaxRetries = -1
		case readRefusal:
			client.ResponseValidator = func(resp *http.Response) error {
				err := tmaxmax.DefaultValidator(resp)
				if err != nil {
					body, _ := io.ReadAll(resp.Body)
					err = fmt.Errorf("%w: %s", err, body)
				}
				return err
			}
		}
		conn := client.NewConnection(req)
		if c.set == largeEvents {
			conn.Buffer(nil, largeLimit)
		}
		left := false
		conn.SubscribeToAll(func(e tmaxmax.Event) {
			if !left && !c.more(e.LastEventID, e.Data) {
				left = true
				cancel()
			}
		})
		if err = conn.Connect(); left {
			return nil
		}
		return err
	}
}

// launchDarkly returns the error that the handler gets for a broken stream. Without the
// handler, the stream reconnects.
func launchDarkly(method string) reader {
	return func(ctx context.Context, c call) error {
		req, err := c.request(ctx, method)
		if err != nil {
			return err
		}
		options := []eventsource.StreamOption{eventsource.StreamOptionHTTPClient(c.http)}
		failure := make(chan error, 1)
		switch c.set {
		case sendOnce, checkType:
			options = append(options, eventsource.StreamOptionErrorHandler(func(err error) eventsource.StreamErrorHandlerResult {
				failure <- err
				return eventsource.StreamErrorHandlerResult{CloseNow: true}
			}))
		case idleTimeout:
			options = append(options, eventsource.StreamOptionReadTimeout(idleLimit))
		}
		stream, err := eventsource.SubscribeWithRequestAndOptions(req, options...)
		if err != nil {
			return err
		}
		defer stream.Close()
		failures := stream.Errors // nil with a handler
		for {
			select {
			case event, ok := <-stream.Events:
				switch {
				case ok && !c.more(event.Id(), event.Data()):
					return nil
				case !ok && len(failure) > 0:
					return <-failure
				case !ok:
					return ctx.Err()
				}
			case _, ok := <-failures:
				if !ok {
					failures = nil
				}
			}
		}
	}
}

func refusalLaunchDarkly(err error) string {
	if refusal, ok := errors.AsType[eventsource.SubscriptionError](err); ok {
		return refusal.Message
	}
	return ""
}

// readR3labs sends a GET request, since the library has no other.
func readR3labs(ctx context.Context, c call) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var options []func(*r3labs.Client)
	if c.set == largeEvents {
		options = append(options, r3labs.ClientMaxBufferSize(largeLimit))
	}
	client := r3labs.NewClient(c.url, options...)
	client.Connection = c.http
	if c.key != "" {
		client.Headers["X-Api-Key"] = c.key
	}
	switch c.set {
	case readRefusal:
		client.ReconnectStrategy = new(backoff.StopBackOff)
		client.ResponseValidator = func(_ *r3labs.Client, resp *http.Response) error {
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			return fmt.Errorf("%s: %s", resp.Status, body)
		}
	case checkType:
		client.ReconnectStrategy = new(backoff.StopBackOff)
		client.ResponseValidator = func(_ *r3labs.Client, resp *http.Response) error {
			if typ := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || typ != "text/event-stream" {
				resp.Body.Close()
				return fmt.Errorf("%s with type %q", resp.Status, typ)
			}
			return nil
		}
	case sendOnce:
		client.ReconnectStrategy = new(backoff.StopBackOff)
	case cancelWait:
		client.ReconnectStrategy = backoff.WithContext(backoff.NewExponentialBackOff(), ctx)
	}
	left := false
	err := client.SubscribeRawWithContext(ctx, func(e *r3labs.Event) {
		if !left && !c.more(string(e.ID), string(e.Data)) {
			left = true
			cancel()
		}
	})
	if left {
		return nil
	}
	return err
}

func openAI(c call) openai.Client {
	options := []option.RequestOption{option.WithBaseURL(c.url), option.WithAPIKey("key"), option.WithHTTPClient(c.http)}
	if c.key != "" {
		options = append(options, option.WithHeader("X-Api-Key", c.key))
	}
	if c.set == sendOnce {
		options = append(options, option.WithMaxRetries(0))
	}
	return openai.NewClient(options...)
}

func chatOpenAI(ctx context.Context, c call) error {
	client := openAI(c)
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model:    "m",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello!")},
	})
	defer stream.Close()
	for stream.Next() {
		chunk := stream.Current()
		if !c.on("", chunk.RawJSON()) {
			return nil
		}
	}
	return stream.Err()
}

// decodeOpenAI reads a stream that is not one of the API with the decoder of the SDK.
func decodeOpenAI(ctx context.Context, c call) error {
	req, err := c.request(ctx, http.MethodGet)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	decoder := ssestream.NewDecoder(resp)
	defer decoder.Close()
	for decoder.Next() {
		if !c.more("", string(bytes.TrimSuffix(decoder.Event().Data, []byte("\n")))) {
			return nil
		}
	}
	return decoder.Err()
}

func refusalOpenAI(err error) string {
	if refusal, ok := errors.AsType[*openai.Error](err); ok {
		return refusal.RawJSON()
	}
	return ""
}

// scan is the loop that many programs have. It checks the status, which some do not.
func scan(method string) reader {
	return func(ctx context.Context, c call) error {
		req, err := c.request(ctx, method)
		if err != nil {
			return err
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(resp.Body)
			return fmt.Errorf("%s: %s", resp.Status, body)
		}
		scanner := bufio.NewScanner(resp.Body)
		if c.set == largeEvents {
			scanner.Buffer(nil, largeLimit)
		}
		for scanner.Scan() {
			data, ok := strings.CutPrefix(scanner.Text(), "data: ")
			if ok && !c.more("", data) {
				return nil
			}
		}
		return scanner.Err()
	}
}

package benchmarks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
	"unsafe"

	anthropicstream "github.com/anthropics/anthropic-sdk-go/packages/ssestream"
	"github.com/fetchsse/sse"
	"github.com/launchdarkly/eventsource"
	ogen "github.com/ogen-go/ogen/sse"
	openaistream "github.com/openai/openai-go/v3/packages/ssestream"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
	"resty.dev/v3"
)

// A Handler handles the data of an event, and its ID if the client reports IDs. It
// returns false to stop.
type Handler func(id string, data []byte) bool

// A Client reads event streams with one library.
type Client struct {
	Name string
	Raw  bool // Run calls on with the bytes of each read, not with events

	// Buffers is the size of the transport's read and write buffers. 0 means the default.
	Buffers int

	// Path is the handler of the server for idle streams. "" means /idle.
	Path string

	// Run sends a GET request for url and reads the response until it ends or on returns
	// false.
	Run func(ctx context.Context, hc *http.Client, url string, on Handler) error
}

// Clients returns the clients of the measurements. The first is the bare loop: the
// minimal program that reads the bytes of a cancelable request into a buffer of 4 KiB.
func Clients() []Client {
	const long = 10 * time.Minute
	timeouts := []sse.Option{sse.WithIdleTimeout(long), sse.WithEventTimeout(long)}
	return []Client{
		{Name: "bare-loop", Raw: true, Run: bare(4 << 10)},
		{Name: "bare-512", Raw: true, Run: bare(512)},
		{Name: "sse-data", Run: fetch(false)},
		{Name: "sse-event", Run: fetch(true)},
		{Name: "sse-timeouts", Run: fetch(false, timeouts...)},
		{Name: "sse-subscribe", Run: subscribe()},
		{Name: "sse-subscribe-timeouts", Run: subscribe(timeouts...)},
		{Name: "sse-small-buffers", Run: subscribe(), Buffers: 512},
		{Name: "openai-go", Run: clientOpenAI},
		{Name: "anthropic-sdk-go", Run: clientAnthropic},
		{Name: "ogen", Run: clientOgen},
		{Name: "tmaxmax", Run: clientTmaxmax},
		{Name: "launchdarkly", Run: clientLaunchDarkly},
		{Name: "r3labs", Run: clientR3labs},
		{Name: "resty", Run: clientResty},
	}
}

// Completers returns clients that stop at [DONE], each in the way its library documents.
func Completers() []Client {
	return []Client{
		{Name: "bare-loop", Raw: true, Run: bare(4 << 10)}, // until the end of the body
		{Name: "sse", Run: fetch(true, sse.WithDone(done))},
		{Name: "openai-go", Run: completeOpenAI},
		{Name: "anthropic-sdk-go", Run: untilDone(clientAnthropic)},
		{Name: "ogen", Run: untilDone(clientOgen)},
		{Name: "tmaxmax", Run: untilDone(completeTmaxmax)},
		{Name: "launchdarkly", Run: untilDone(clientLaunchDarkly)},
		{Name: "r3labs", Run: untilDone(clientR3labs)},
		{Name: "resty", Run: untilDone(clientResty)},
	}
}

const done = "[DONE]"

type run = func(ctx context.Context, hc *http.Client, url string, on Handler) error

func untilDone(f run) run {
	return func(ctx context.Context, hc *http.Client, url string, on Handler) error {
		return f(ctx, hc, url, func(id string, data []byte) bool {
			return !bytes.HasPrefix(data, []byte(done)) && on(id, data)
		})
	}
}

// Reconnecters returns the clients that can reconnect. They wait [feedWait] before each
// reconnect.
func Reconnecters() []Client {
	return []Client{
		{Name: "bare-loop", Raw: true, Run: reconnectBare},
		{Name: "sse", Run: subscribe(withFeedWait)},
		{Name: "tmaxmax", Run: reconnectTmaxmax},
		{Name: "launchdarkly", Run: reconnectLaunchDarkly},
		{Name: "r3labs", Run: reconnectR3labs},
	}
}

// withFeedWait shortens the waits of package sse, whose attempts otherwise start at least
// 100 ms apart.
var withFeedWait = sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
	return feedWait + rand.N(feedWait/10), a.Retry
})

func get(ctx context.Context, url string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic(err) // the program builds its URLs itself
	}
	return req
}

// bytesOf returns the bytes of s without a copy. They must not be modified.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

func bare(size int) run {
	return func(ctx context.Context, hc *http.Client, url string, on Handler) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		resp, err := hc.Do(get(ctx, url))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		buf := make([]byte, size)
		for {
			n, err := resp.Body.Read(buf)
			if n > 0 && !on("", buf[:n]) {
				return nil
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

func fetch(events bool, opts ...sse.Option) run {
	return func(ctx context.Context, hc *http.Client, url string, on Handler) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := sse.NewClient(sse.WithHTTPClient(hc)).Fetch(get(ctx, url), opts...)
		if err != nil {
			return err
		}
		if events {
			return readEvents(s, on)
		}
		defer s.Close()
		for s.Next() {
			if !on("", s.Data()) {
				return nil
			}
		}
		return s.Err()
	}
}

func subscribe(opts ...sse.Option) run {
	return func(ctx context.Context, hc *http.Client, url string, on Handler) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := openSubscription(ctx, hc, url, opts)
		if err != nil {
			return err
		}
		return readEvents(s, on)
	}
}

// openSubscription is a separate function so that its stack frame is gone when the stream
// is idle. See "Idle streams" in README.md.
func openSubscription(ctx context.Context, hc *http.Client, url string, opts []sse.Option) (*sse.Stream, error) {
	return sse.NewClient(sse.WithHTTPClient(hc)).Subscribe(get(ctx, url), opts...)
}

func readEvents(s *sse.Stream, on Handler) error {
	defer s.Close()
	for s.Next() {
		e := s.Event()
		if !on(e.ID, bytesOf(e.Data)) {
			return nil
		}
	}
	return s.Err()
}

func clientOpenAI(ctx context.Context, hc *http.Client, url string, on Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := hc.Do(get(ctx, url))
	if err != nil {
		return err
	}
	d := openaistream.NewDecoder(resp)
	defer d.Close()
	for d.Next() {
		if !on("", d.Event().Data) {
			return nil
		}
	}
	return d.Err()
}

// completeOpenAI uses the SDK's layer that stops at [DONE], without decoding the JSON.
func completeOpenAI(ctx context.Context, hc *http.Client, url string, on Handler) error {
	resp, err := hc.Do(get(ctx, url))
	if err != nil {
		return err
	}
	s := openaistream.NewStream[rawJSON](openaistream.NewDecoder(resp), nil)
	defer s.Close()
	for s.Next() {
		on("", s.Current())
	}
	return s.Err()
}

type rawJSON []byte

func (r *rawJSON) UnmarshalJSON(b []byte) error {
	*r = append((*r)[:0], b...)
	return nil
}

func clientAnthropic(ctx context.Context, hc *http.Client, url string, on Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := hc.Do(get(ctx, url))
	if err != nil {
		return err
	}
	d := anthropicstream.NewDecoder(resp)
	defer d.Close()
	for d.Next() {
		if !on("", d.Event().Data) {
			return nil
		}
	}
	return d.Err()
}

func clientOgen(ctx context.Context, hc *http.Client, url string, on Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := hc.Do(get(ctx, url))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d := ogen.NewDecoder(resp.Body, 0, maxEvent, "", nil)
	for {
		e, err := d.Decode()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !on(e.ID, bytesOf(e.Data)) {
			return nil
		}
	}
}

func clientTmaxmax(ctx context.Context, hc *http.Client, url string, on Handler) error {
	return connectTmaxmax(ctx, hc, url, on, tmaxmax.Backoff{MaxRetries: -1})
}

// reconnectTmaxmax waits with jitter, because the option to disable jitter has no effect.
func reconnectTmaxmax(ctx context.Context, hc *http.Client, url string, on Handler) error {
	return connectTmaxmax(ctx, hc, url, on, tmaxmax.Backoff{InitialInterval: feedWait, Multiplier: 1, Jitter: -1})
}

func connectTmaxmax(ctx context.Context, hc *http.Client, url string, on Handler, b tmaxmax.Backoff) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := (&tmaxmax.Client{HTTPClient: hc, Backoff: b}).NewConnection(get(ctx, url))
	c.SubscribeToAll(func(e tmaxmax.Event) {
		if !on(e.LastEventID, bytesOf(e.Data)) {
			cancel()
		}
	})
	err := c.Connect()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// completeTmaxmax reads a response as the documentation of Read recommends.
func completeTmaxmax(ctx context.Context, hc *http.Client, url string, on Handler) error {
	resp, err := hc.Do(get(ctx, url))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for e, err := range tmaxmax.Read(resp.Body, nil) {
		if err != nil {
			return err
		}
		if !on(e.LastEventID, bytesOf(e.Data)) {
			return nil
		}
	}
	return nil
}

func clientLaunchDarkly(ctx context.Context, hc *http.Client, url string, on Handler) error {
	return connectLaunchDarkly(ctx, hc, url, on, true)
}

func reconnectLaunchDarkly(ctx context.Context, hc *http.Client, url string, on Handler) error {
	return connectLaunchDarkly(ctx, hc, url, on, false)
}

func connectLaunchDarkly(ctx context.Context, hc *http.Client, url string, on Handler, once bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := eventsource.SubscribeWithRequestAndOptions(get(ctx, url),
		eventsource.StreamOptionHTTPClient(hc),
		eventsource.StreamOptionInitialRetry(feedWait),
		eventsource.StreamOptionErrorHandler(func(error) eventsource.StreamErrorHandlerResult {
			return eventsource.StreamErrorHandlerResult{CloseNow: once}
		}))
	if err != nil {
		return err
	}
	defer s.Close()
	for e := range s.Events {
		if !on(e.Id(), bytesOf(e.Data())) {
			return nil
		}
	}
	return nil
}

func clientR3labs(ctx context.Context, hc *http.Client, url string, on Handler) error {
	return connectR3labs(ctx, r3labs.NewClient(url), hc, never{}, on)
}

// reconnectR3labs subscribes again after a clean end, because the library does not.
func reconnectR3labs(ctx context.Context, hc *http.Client, url string, on Handler) error {
	stopped := false
	stop := func(id string, data []byte) bool {
		stopped = stopped || !on(id, data)
		return !stopped
	}
	c := r3labs.NewClient(url)
	for !stopped && ctx.Err() == nil {
		if err := connectR3labs(ctx, c, hc, constant{}, stop); err != nil {
			return err
		}
		if !stopped {
			time.Sleep(feedWait)
		}
	}
	return ctx.Err()
}

// policy is the interface of r3labs for backoff policies.
type policy interface {
	NextBackOff() time.Duration
	Reset()
}

func connectR3labs(ctx context.Context, c *r3labs.Client, hc *http.Client, p policy, on Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.Connection = hc
	c.ReconnectStrategy = p
	err := c.SubscribeRawWithContext(ctx, func(e *r3labs.Event) {
		if ctx.Err() == nil && !on(string(e.ID), e.Data) {
			cancel()
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// constant is a backoff policy for r3labs that always waits feedWait.
type constant struct{}

func (constant) NextBackOff() time.Duration { return feedWait }
func (constant) Reset()                     {}

func clientResty(ctx context.Context, hc *http.Client, url string, on Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := resty.NewSSESource().SetURL(url).SetTransport(hc.Transport).SetContext(ctx).SetRetryCount(0)
	c.OnMessage(func(v any) {
		e := v.(*resty.SSE)
		if !on(e.ID, bytesOf(e.Data)) {
			c.Close()
		}
	}, nil)
	err := c.Get()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// reconnectBare reads a feed until its last event and reconnects after every failure. It
// waits as package sse does: the reconnection time and up to 10 % more.
func reconnectBare(ctx context.Context, hc *http.Client, url string, on Handler) error {
	stopped := false
	for !stopped && ctx.Err() == nil {
		_ = bare(4<<10)(ctx, hc, url+"&resume=server", func(_ string, data []byte) bool {
			stopped = bytes.Contains(data, []byte("data: END"))
			return on("", data) && !stopped
		})
		if !stopped {
			time.Sleep(feedWait + rand.N(feedWait/10))
		}
	}
	return ctx.Err()
}

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/fetchsse/sse"
)

// A transport sends the messages of one session to the endpoint of a server. It has
// the options of package sse that the two revisions of Streamable HTTP need.
type transport struct {
	url string
	*sse.Client
	token *token
	log   func(format string, args ...any)

	// The values that the server and the client have agreed on. They are empty until then.
	revision string
	session  string // also empty for a server without sessions
}

// The revisions with different rules.
const (
	stateless = "2026-07-28" // and later: no session, and no stream can be resumed
	stateful  = "2025-11-25" // and before
)

var (
	errNoStream       = errors.New("the response is not a stream") // but JSON, or nothing
	errSessionExpired = errors.New("the session has expired; run the program again to begin a new one")
)

func newTransport(url string, idle time.Duration, token *token, log func(format string, args ...any)) *transport {
	t := &transport{url: url, token: token, log: log}
	t.Client = sse.NewClient(
		sse.WithPrepare(t.prepare),
		sse.WithResponseCheck(t.check),
		sse.WithTerminator(isResponse),
		sse.WithResume(t.resume),
		sse.WithIdleTimeout(idle),
		sse.WithTrace(&sse.Trace{Wait: t.waiting}),
	)
	return t
}

// prepare sets the headers of a request just before it is sent.
func (t *transport) prepare(req *http.Request) error {
	if t.revision != "" {
		req.Header.Set("Mcp-Protocol-Version", t.revision)
	}
	if t.session != "" {
		req.Header.Set("Mcp-Session-Id", t.session)
	}
	return t.token.authorize(req)
}

// check accepts an event stream. A JSON response is not one: messages finds it in the body
// of the ResponseError.
func (t *transport) check(resp *http.Response) error {
	if resp.StatusCode == http.StatusNotFound && resp.Request.Header.Get("Mcp-Session-Id") != "" {
		return errSessionExpired
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if mediaType == "application/json" || resp.StatusCode == http.StatusAccepted {
		return errNoStream
	}
	return sse.CheckResponse(resp)
}

// resume returns the request that resumes the stream of a response.
func (t *transport) resume(ctx context.Context, a sse.Attempt) (*http.Request, error) {
	if a.LastEventID == "" {
		return nil, nil // there is nothing to resume
	}
	return http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
}

// waiting reports a lost connection.
func (t *transport) waiting(a sse.Attempt) {
	reason := "the server ended the response"
	if a.Err != nil {
		reason = a.Err.Error()
	}
	t.log("waiting %v: %s", a.Delay, reason)
}

// A policy decides about the retries of one stream.
type policy struct {
	*transport
	stream  *sse.Stream // nil before a response was accepted
	renewed bool        // the token
}

func (p *policy) decide(a sse.Attempt) (time.Duration, bool) {
	refusal, refused := errors.AsType[*sse.ResponseError](a.Err)
	switch {
	case refused && refusal.StatusCode == http.StatusUnauthorized && !p.renewed && p.token != nil:
		p.renewed = true
		p.token.renew()
		return 0, true
	case refused && refusal.StatusCode == http.StatusConflict && p.stream != nil:
		// The server has not noticed yet that the connection broke.
		return 100 * time.Millisecond, a.Elapsed < time.Minute
	case a.Retry && !refused && a.Number == 1 && p.stream != nil:
		if d, ok := p.stream.Retry(); ok {
			return d, true // exactly: the default may wait 10 % longer
		}
	}
	return a.Delay, a.Retry
}

// post returns the request that sends a message.
func (t *transport) post(ctx context.Context, m message) (*http.Request, error) {
	m.JSONRPC = "2.0"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(raw(m)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if t.revision == stateless {
		req.Header.Set("Mcp-Method", m.Method)
		var params struct{ Name string }
		if json.Unmarshal(m.Params, &params) == nil && params.Name != "" {
			req.Header.Set("Mcp-Name", headerValue(params.Name))
		}
	}
	return req, nil
}

// plain matches what a header can carry as it is.
var plain = regexp.MustCompile(`^[!-~]([ -~\t]*[!-~])?$`)

// headerValue returns s as the value of a header that mirrors a field of a message.
func headerValue(s string) string {
	if plain.MatchString(s) && !(strings.HasPrefix(s, "=?base64?") && strings.HasSuffix(s, "?=")) {
		return s
	}
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
}

// An opener is the Fetch or the Subscribe method of a client.
type opener func(*http.Request, ...sse.Option) (*sse.Stream, error)

// messages sends a request and returns an iterator over the messages of its response.
// Leaving the loop closes the stream.
func (t *transport) messages(open opener, req *http.Request, opts ...sse.Option) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		p := &policy{transport: t}
		stream, err := open(req, append(opts, sse.WithRetryPolicy(p.decide))...)
		if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && refusal.Err == errNoStream {
			m, decodeErr := decode(refusal.Body)
			switch {
			case decodeErr == nil && m.isResponse():
				yield(m, nil)
			case refusal.StatusCode != http.StatusAccepted:
				yield(message{}, err)
			}
			return
		}
		if err != nil {
			yield(message{}, err)
			return
		}
		p.stream = stream
		for m, err := range sse.DecodeFunc(stream, decode) {
			if (err != nil || m.JSONRPC != "") && !yield(m, err) {
				return
			}
		}
	}
}

// end tells the server that the session has ended. A server need not support it.
func (t *transport) end(ctx context.Context) error {
	if t.session == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, t.url, nil)
	if err != nil {
		return err
	}
	if err := t.prepare(req); err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	t.session = ""
	return err
}

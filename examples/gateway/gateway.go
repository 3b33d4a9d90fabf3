package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// A gateway is a handler that sends each request to one endpoint of a service, and relays
// the events of its response as they arrive. It reads the next event only when the client
// has taken the one before, so that a client that does not read slows the service down and
// costs no memory.
type gateway struct {
	upstream  string      // the URL of the endpoint
	from      llm.Dialect // of the service; 0 if it is not known
	translate bool        // clients read OpenAI Chat Completions in place of from
	key       string      // of the service; "" sends none
	passKey   bool        // send the key of the client

	client       *http.Client  // nil is http.DefaultClient
	openTimeout  time.Duration // for the headers of the service
	idleTimeout  time.Duration // for a silent service
	writeTimeout time.Duration // for a client that does not read
	log          *slog.Logger
}

const (
	maxRequest = 32 << 20 // bytes of the body of a request, which is held in memory
	maxEvent   = 16 << 20 // bytes of an event
)

// The headers that are passed on, in their canonical form. No other header of a client
// reaches the service, and no other header of the service reaches a client. This leaves out
// the hop-by-hop headers, cookies, and the addresses of the client.
var (
	requestHeaders = []string{
		"Content-Type", "Last-Event-Id", "Idempotency-Key",
		"Anthropic-Version", "Anthropic-Beta", "Openai-Beta",
	}
	keyHeaders      = []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key"}
	responseHeaders = []string{"X-Request-Id", "Request-Id"}
)

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &exchange{gateway: g, out: w, control: http.NewResponseController(w), began: time.Now()}
	err := e.run(r)
	f := e.end(r, err)
	e.record(r, f, err)
	if f.cut {
		panic(http.ErrAbortHandler) // net/http ends the connection, so that the response is not complete
	}
}

// newRequest returns the request to the service for the request of a client. It ends when
// the client leaves.
func (g *gateway) newRequest(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, &clientError{http.StatusMethodNotAllowed, "the method must be POST or GET"}
	}
	// Once the body has been read, net/http notices when the client leaves.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &clientError{http.StatusRequestEntityTooLarge, "the request is too large"}
	}
	if err != nil {
		return nil, &clientError{http.StatusBadRequest, "the request is incomplete"}
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, g.upstream, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	pass(req.Header, r.Header, requestHeaders)
	switch {
	case g.passKey:
		pass(req.Header, r.Header, keyHeaders)
	case g.key == "":
	case g.from == llm.Anthropic:
		req.Header.Set("X-Api-Key", g.key)
	case g.from == llm.Gemini, g.from == llm.GeminiInteractions:
		req.Header.Set("X-Goog-Api-Key", g.key)
	default:
		req.Header.Set("Authorization", "Bearer "+g.key)
	}
	return req, nil
}

// pass copies headers, except those that Connection makes hop-by-hop.
func pass(to, from http.Header, keys []string) {
	hop := make(map[string]bool)
	for _, list := range from["Connection"] {
		for key := range strings.SplitSeq(list, ",") {
			hop[textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(key))] = true
		}
	}
	for _, key := range keys {
		if values := from[key]; len(values) > 0 && !hop[key] {
			to[key] = values
		}
	}
}

// options returns the options of a request to the service, with the hooks of t. The client
// has retries of its own, and gets the Retry-After that it needs for them.
func (g *gateway) options(t *sse.Trace) sse.Option {
	return sse.JoinOptions(
		sse.WithHTTPClient(g.client),
		sse.WithMaxRetries(0),
		sse.WithMaxEventSize(maxEvent),
		sse.WithOpenTimeout(g.openTimeout),
		sse.WithIdleTimeout(g.idleTimeout),
		sse.WithTrace(t),
	)
}

// reads returns the dialect that clients read, or 0 if it is not known.
func (g *gateway) reads() llm.Dialect {
	if g.translate {
		return llm.OpenAIChat
	}
	return g.from
}

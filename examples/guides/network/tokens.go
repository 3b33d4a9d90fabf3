package network

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/fetchsse/sse"
)

// A Tokens authorizes the requests of one stream with tokens of OAuth 2.0. It asks for
// another token if one expires, and once if the server refuses one.
type Tokens struct {
	newSource func() oauth2.TokenSource
	source    oauth2.TokenSource
	renewed   bool // since the last response that was accepted
}

// NewTokens returns a Tokens. Each source that newSource returns begins without a token, as
// those of clientcredentials.Config do.
func NewTokens(newSource func() oauth2.TokenSource) *Tokens {
	return &Tokens{newSource: newSource, source: newSource()}
}

// Option returns the options of the stream.
func (t *Tokens) Option() sse.Option {
	return sse.JoinOptions(
		sse.WithPrepare(t.authorize),
		sse.WithRetryPolicy(t.retry),
		sse.WithTrace(&sse.Trace{Open: func(*http.Response) { t.renewed = false }}),
	)
}

var errNoToken = errors.New("there is no token")

func (t *Tokens) authorize(req *http.Request) error {
	token, err := t.source.Token()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoToken, err)
	}
	token.SetAuthHeader(req)
	return nil
}

func (t *Tokens) retry(a sse.Attempt) (time.Duration, bool) {
	refusal, ok := errors.AsType[*sse.ResponseError](a.Err)
	switch {
	case ok && refusal.StatusCode == http.StatusUnauthorized && !t.renewed:
		t.source, t.renewed = t.newSource(), true
		return 0, true
	case errors.Is(a.Err, errNoToken):
		refusal, ok := errors.AsType[*oauth2.RetrieveError](a.Err) // otherwise the service cannot be reached
		return max(a.Delay, 10*time.Second), !ok || refusal.Response.StatusCode >= 500
	}
	return a.Delay, a.Retry // the default decision
}

package main

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fetchsse/sse"
)

// newClient returns the client that all feeds share.
func newClient() *sse.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return sse.NewClient(
		sse.WithHTTPClient(&http.Client{Transport: transport}),
		sse.WithOpenTimeout(30*time.Second),
		sse.WithIdleTimeout(time.Minute)) // the servers send a comment every 15 seconds
}

// renewToken returns the options that send a token, and get another one when it has expired.
func renewToken() sse.Option {
	token, accepted := "", false
	return sse.JoinOptions(
		sse.WithPrepare(func(req *http.Request) (err error) {
			if token == "" {
				token, err = login(req.Context())
			}
			req.Header.Set("Authorization", "Bearer "+token)
			return err
		}),
		sse.WithTrace(&sse.Trace{Open: func(*http.Response) { accepted = true }}),
		sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			refusal, ok := errors.AsType[*sse.ResponseError](a.Err)
			if ok && refusal.StatusCode == http.StatusUnauthorized && accepted {
				token, accepted = "", false // if the server refuses the next token too, the stream ends
				return a.Delay, true
			}
			return a.Delay, a.Retry
		}))
}

// login returns a new token.
func login(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, *loginURL, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("no token: %s", resp.Status)
	}
	token, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return strings.TrimSpace(string(token)), err
}

// observe returns the options that count and log what happens to the connection.
func (f *feed) observe() sse.Option {
	return sse.JoinOptions(
		sse.WithLogger(f.log),
		sse.WithTrace(&sse.Trace{
			Request: func(*http.Request) { f.counts.Add("attempts", 1) },
			Wait:    func(a sse.Attempt) { f.counts.Add("reconnects after "+reason(a.Err), 1) },
		}))
}

// reason returns why a connection or an attempt has ended, as one of few words.
func reason(err error) string {
	refusal, refused := errors.AsType[*sse.ResponseError](err)
	switch {
	case err == nil:
		return "end"
	case refused:
		return fmt.Sprint("status ", refusal.StatusCode)
	case errors.Is(err, sse.ErrOpenTimeout), errors.Is(err, sse.ErrIdleTimeout):
		return "timeout"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "break"
	case sse.NotSent(err):
		return "no connection"
	}
	return "failure"
}

// measure counts a payment and notes its lag: the time from its creation to its handling.
func (f *feed) measure(p payment) {
	var lag expvar.Float
	lag.Set(time.Since(p.Time).Seconds())
	f.counts.Set("lag", &lag)
	f.counts.Add("payments", 1)
}

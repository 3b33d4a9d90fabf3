package sse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// The rows about what Fetch tries again. Attempts are counted by the server, so that
// a request sent twice is seen.
func TestFetchRetries(t *testing.T) {
	ok := Script{Data("a")}
	status := func(code int, headers ...string) Script { return Script{Answer(code, headers...)} }
	tests := []struct {
		name    string
		request func(*Server) *http.Request
		scripts []Script
		sent    int
		status  int // of the *ResponseError; 0 if the stream is read to its end
		lost    bool
	}{
		{name: "408", request: post, scripts: []Script{status(408), ok}, sent: 2},
		{name: "425", request: post, scripts: []Script{status(425), ok}, sent: 2},
		{name: "429", request: post, scripts: []Script{status(429), status(429), ok}, sent: 3},
		{name: "503", request: post, scripts: []Script{status(503), ok}, sent: 2},
		{name: "529", request: post, scripts: []Script{status(529), ok}, sent: 2},
		{name: "503 three times", request: post, scripts: []Script{status(503)}, sent: 3, status: 503},
		{name: "429 with a near Retry-After", request: post, scripts: []Script{status(429, "Retry-After", "60"), ok}, sent: 2},
		{name: "429 with a far Retry-After", request: post, scripts: []Script{status(429, "Retry-After", "61"), ok}, sent: 1, status: 429},
		{name: "500 POST", request: post, scripts: []Script{status(500), ok}, sent: 1, status: 500},
		{name: "502 POST", request: post, scripts: []Script{status(502), ok}, sent: 1, status: 502},
		{name: "504 POST", request: post, scripts: []Script{status(504), ok}, sent: 1, status: 504},
		{name: "500 GET", request: get, scripts: []Script{status(500), ok}, sent: 2},
		{name: "502 GET", request: get, scripts: []Script{status(502), ok}, sent: 2},
		{name: "504 GET", request: get, scripts: []Script{status(504), ok}, sent: 2},
		{name: "500 PUT", request: method("PUT"), scripts: []Script{status(500), ok}, sent: 2},
		{name: "500 DELETE", request: method("DELETE"), scripts: []Script{status(500), ok}, sent: 2},
		{name: "500 OPTIONS", request: method("OPTIONS"), scripts: []Script{status(500), ok}, sent: 2},
		{name: "500 REPORT", request: method("REPORT"), scripts: []Script{status(500), ok}, sent: 1, status: 500},
		{name: "500 POST with Idempotency-Key", request: keyed("Idempotency-Key"), scripts: []Script{status(500), ok}, sent: 2},
		{name: "502 POST with X-Idempotency-Key", request: keyed("X-Idempotency-Key"), scripts: []Script{status(502), ok}, sent: 2},
		{name: "lost before the headers, POST", request: post, scripts: []Script{{Cut()}, ok}, sent: 1, lost: true},
		{name: "lost before the headers, GET", request: get, scripts: []Script{{Cut()}, ok}, sent: 2},
		{name: "lost before the headers, POST with key", request: keyed("Idempotency-Key"), scripts: []Script{{Cut()}, ok}, sent: 2},
		{name: "400", request: get, scripts: []Script{status(400), ok}, sent: 1, status: 400},
		{name: "401", request: get, scripts: []Script{status(401), ok}, sent: 1, status: 401},
		{name: "404", request: get, scripts: []Script{status(404), ok}, sent: 1, status: 404},
		{name: "501", request: get, scripts: []Script{status(501), ok}, sent: 1, status: 501},
		{name: "304", request: get, scripts: []Script{status(304), ok}, sent: 1, status: 304},
		{name: "200 HTML", request: get, scripts: []Script{status(200, "Content-Type", "text/html"), ok}, sent: 1, status: 200},
		{name: "200 without a type", request: get, scripts: []Script{status(200), ok}, sent: 1, status: 200},
		{name: "202", request: post, scripts: []Script{status(202), ok}, sent: 1, status: 202},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.scripts...))
			got, err := read(client(srv).Fetch(tt.request(srv)))
			require.Len(t, srv.Requests(), tt.sent)
			switch {
			case tt.status != 0:
				refusal, ok := errors.AsType[*sse.ResponseError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, tt.status, refusal.StatusCode)
			case tt.lost:
				require.Error(t, err)
				require.ErrorContains(t, err, "sse: POST http://server.test/")
			default:
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
			}
		})
	}
}

// What was acted on may not be sent again, whatever comes after it.
func TestFetchNeverTwice(t *testing.T) {
	count := func(srv *Server, path string) (n int) {
		for _, r := range srv.Requests() {
			if r.Method == http.MethodPost && r.Path == path {
				n++
			}
		}
		return n
	}
	in(t, "307 without a connection, then refused", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(1)
		hc := *srv.Client()
		posts := 0
		hc.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/jobs" {
				return srv.Client().Transport.RoundTrip(r)
			}
			posts++
			return &http.Response{StatusCode: 307, Header: http.Header{"Location": {"/jobs/1"}}, Body: http.NoBody, Request: r}, nil
		})
		_, err := client(srv, sse.WithHTTPClient(&hc)).Fetch(srv.Post("/jobs", "{}"))
		require.Error(t, err)
		require.Equal(t, 1, posts)
	})
	for _, code := range []int{302, 303, 307, 308} {
		for name, next := range map[string]Script{"503": {Answer(503)}, "lost": {Cut()}} {
			in(t, fmt.Sprint(code, ", then ", name), func(t *testing.T) {
				srv := NewServer(t, func(_ int, r *http.Request) Script {
					if r.URL.Path == "/jobs" {
						return Script{Answer(code, "Location", "/jobs/1/events")}
					}
					return next
				})
				_, err := client(srv).Fetch(srv.Post("/jobs", "{}"))
				require.Error(t, err)
				require.Equal(t, 1, count(srv, "/jobs"))
			})
		}
	}
	in(t, "redirect, then refused", func(t *testing.T) {
		srv := NewServer(t, func(_ int, r *http.Request) Script {
			return Script{Answer(307, "Location", "http://other.test/", "Connection", "close")}
		})
		hc := *srv.Client()
		hc.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "other.test" {
				srv.Refuse(1)
			}
			return srv.Client().Transport.RoundTrip(r)
		})
		_, err := client(srv, sse.WithHTTPClient(&hc)).Fetch(srv.Post("/", "{}"))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "a key that a redirect has taken away is none", func(t *testing.T) {
		srv := NewServer(t, func(_ int, r *http.Request) Script {
			if r.Host == "server.test" {
				return Script{Answer(307, "Location", "http://other.test/b")}
			}
			return Script{Cut()}
		})
		_, err := client(srv).Fetch(keyed("Idempotency-Key")(srv))
		require.Error(t, err)
		require.Len(t, srv.Requests(), 2)
	})
	for name, script := range map[string]Script{"lost": {Cut()}, "500": {Answer(500)}, "502": {Answer(502)}} {
		in(t, "nothing to resume, "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(script))
			_, err := client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
				return nil, nil
			})).Fetch(srv.Post("/", "{}"))
			require.Error(t, err)
			require.Len(t, srv.Requests(), 1)
		})
	}
}

func TestFetchNotSent(t *testing.T) {
	in(t, "refused, then accepted", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(2)
		start := time.Now()
		got, err := read(client(srv).Fetch(srv.Post("/", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, "{}", string(srv.Requests()[0].Body))
	})
	in(t, "refused for good", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(3)
		_, err := read(client(srv).Fetch(srv.Post("/p?secret=1", "{}")))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.EqualError(t, err, "sse: gave up after 2 retries: POST http://server.test/p: dial tcp: connection refused")
		require.Empty(t, srv.Requests())
	})
	in(t, "WithMaxRetries", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(1)
		_, err := read(client(srv, sse.WithMaxRetries(0)).Fetch(srv.Get("/")))
		require.EqualError(t, err, "sse: GET http://server.test/: dial tcp: connection refused")
		srv.Refuse(5)
		_, err = read(client(srv, sse.WithMaxRetries(5)).Fetch(srv.Get("/")))
		require.NoError(t, err)
	})
}

func TestFetchWaits(t *testing.T) {
	in(t, "Retry-After in seconds raises the wait", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "7")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{7 * time.Second}, gaps(srv))
	})
	in(t, "Retry-After as a date", func(t *testing.T) {
		at := time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat)
		srv := NewServer(t, InOrder(Script{Answer(429, "Retry-After", at)}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{9 * time.Second}, gaps(srv))
	})
	in(t, "Retry-After never lowers it", func(t *testing.T) {
		for _, v := range []string{"0", "soon", "-5", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)} {
			srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", v)}, Script{Data("a")}))
			_, err := read(client(srv).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []time.Duration{time.Second}, gaps(srv))
		}
	})
	in(t, "default policy", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		_, err := read(sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client())))
		require.Error(t, err)
		waits := gaps(srv)
		require.Len(t, waits, 2)
		require.InDelta(t, 1, waits[0].Seconds(), 0.5)
		require.InDelta(t, 2, waits[1].Seconds(), 1)
	})
}

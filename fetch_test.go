package sse_test

import (
	"errors"
	"net/http"
	"testing"

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

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/stretchr/testify/require"
)

// The tests in e2e drive the page in a browser. These need none.

func TestUsage(t *testing.T) {
	var out, errs bytes.Buffer
	require.Equal(t, 2, run(t.Context(), []string{"argument"}, &out, &errs))
	require.Equal(t, 2, run(t.Context(), []string{"-nonsense"}, &out, &errs))
	require.Equal(t, 0, run(t.Context(), []string{"-h"}, &out, &errs))
	require.Empty(t, out.String())
	require.Contains(t, errs.String(), "Usage")
}

// newTestServer starts the server without a client.
func newTestServer(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(newServer(&bundle{}, time.Millisecond, io.Discard))
	t.Cleanup(srv.Close)
	return srv
}

// post sends a POST without a body, as a button of the page does.
func post(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Post(url, "", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestDropAndResume(t *testing.T) {
	srv := newTestServer(t)
	req, err := http.NewRequest(http.MethodPost, srv.URL+"/messages", strings.NewReader(`{"a":1}`))
	require.NoError(t, err)
	opened := 0
	stream, err := sse.Subscribe(req, sse.WithTrace(&sse.Trace{Open: func(*http.Response) { opened++ }}))
	require.NoError(t, err)
	id := 0
	for m, err := range sse.Decode[message](stream) {
		require.NoError(t, err)
		id++
		require.Equal(t, id, m.ID)
		require.JSONEq(t, `{"a":1}`, string(m.Body))
		if id == 3 {
			post(t, srv.URL+"/drop")
		}
		if opened == 2 {
			break
		}
	}
	require.Equal(t, 2, opened)
	resp, err := http.Get(srv.URL + "/ended?stream=2")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, "the handler ended when the loop was left")
}

func TestSilence(t *testing.T) {
	srv := newTestServer(t)
	req, err := http.NewRequest(http.MethodGet, srv.URL+"/messages", nil)
	require.NoError(t, err)
	stream, err := sse.Fetch(req, sse.WithIdleTimeout(500*time.Millisecond))
	require.NoError(t, err)
	require.True(t, stream.Next())
	post(t, srv.URL+"/silence")
	for stream.Next() {
	}
	require.ErrorIs(t, stream.Err(), sse.ErrIdleTimeout)
}

func TestBadBody(t *testing.T) {
	srv := newTestServer(t)
	resp, err := http.Post(srv.URL+"/messages", "application/json", strings.NewReader("no JSON"))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

package sse_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// For the browser, net/http takes the options of fetch from headers whose names are not
// tokens.
func TestFetchOptionsInHeaders(t *testing.T) {
	var sent http.Header
	hc := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		sent = req.Header.Clone()
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: req}, nil
	})}
	req, err := http.NewRequest(http.MethodGet, "http://server.test/feed", nil)
	require.NoError(t, err)
	req.Header.Set("js.fetch:mode", "same-origin")
	_, err = sse.Fetch(req, sse.WithHTTPClient(hc), sse.WithHeader("js.fetch:credentials", "include"))
	require.NoError(t, err)
	require.Equal(t, []string{"same-origin"}, sent["js.fetch:mode"])
	require.Equal(t, []string{"include"}, sent["js.fetch:credentials"])

	req.Header.Set("js.other:mode", "x")
	_, err = sse.Fetch(req, sse.WithHTTPClient(hc))
	require.ErrorContains(t, err, "a header name has a character that is not allowed in one")
}

package roundtrip

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrigin(t *testing.T) {
	for _, same := range [][2]string{
		{"http://a/b?c", "HTTP://A:80"},
		{"https://a", "https://a:443/b"},
		{"http://[::1]/", "http://[::1]:80/"},
	} {
		require.Equal(t, originOf(t, same[0]), originOf(t, same[1]))
	}
	for _, other := range [][2]string{
		{"http://a", "https://a"},
		{"http://a:443", "https://a"},
		{"http://a", "http://a:8080"},
		{"https://a", "https://a:80"},
		{"http://a", "http://b.a"},
		{"http://api.github.test", "http://api.g\u0130thub.test"},
		{"http://stra\u00dfe.test", "http://stra\u1e9ee.test"},
	} {
		require.NotEqual(t, originOf(t, other[0]), originOf(t, other[1]))
	}
}

func originOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return origin(u)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func send(t *testing.T, rt http.RoundTripper) (*Trip, *http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a.test/?secret", strings.NewReader("{}"))
	require.NoError(t, err)
	trip := New(&http.Client{Transport: rt})
	resp, err := trip.Do(req, nil)
	return trip, resp, err
}

// A transport that looked for a connection and got none proves that nothing was sent, if it
// is that of net/http or has not used the body.
func TestUnsent(t *testing.T) {
	refused := errors.New("refused")
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}
	trip, _, err := send(t, transport)
	require.Equal(t, refused, err, "without the *url.Error, which shows the query")
	require.True(t, trip.Unsent())
	require.Nil(t, trip.LastResponse())

	trip, _, err = send(t, roundTripper(transport.RoundTrip))
	require.Equal(t, refused, err)
	require.True(t, trip.Unsent(), "the round tripper has not used the body")

	for name, use := range map[string]func(*http.Request) error{
		"Read":    func(r *http.Request) error { _, err := r.Body.Read(make([]byte, 1)); return err },
		"GetBody": func(r *http.Request) error { _, err := r.GetBody(); return err },
	} {
		trip, _, err = send(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			require.NoError(t, use(r))
			return transport.RoundTrip(r)
		}))
		require.Equal(t, refused, err)
		require.False(t, trip.Unsent(), "%s: the round tripper may have sent it before", name)
	}
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a.test/", nil)
	require.NoError(t, err)
	trip = New(&http.Client{Transport: roundTripper(transport.RoundTrip)})
	_, err = trip.Do(get, nil)
	require.Equal(t, refused, err)
	require.False(t, trip.Unsent(), "without a body, nothing tells")

	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		server.Close()
		return client, nil
	}
	trip, _, err = send(t, transport)
	require.Error(t, err)
	require.False(t, trip.Unsent(), "it had a connection")
}

// The error of net/http for a CONNECT that a proxy refuses is only the text of the status.
func TestRefusedByProxy(t *testing.T) {
	words := errors.New("Secret")
	for _, tt := range []struct {
		status string // of the response to CONNECT
		set    func(*http.Transport)
		wrap   bool
		want   string
	}{
		{status: "403 Forbidden", want: "the proxy refused: 403 Forbidden"},
		{status: "407 Proxy Authentication Required", want: "the proxy refused: 407 Proxy Authentication Required"},
		{status: "403 Forbidden", wrap: true, want: "the proxy refused: 403 Forbidden"},
		{status: "403 secret", want: "the proxy refused the connection"},
		{status: "secret", want: `malformed HTTP status code "..."`},
		{status: "", want: "unexpected EOF"},
		{
			status: "403 Forbidden", want: "Secret",
			set: func(tr *http.Transport) {
				tr.OnProxyConnectResponse = func(context.Context, *url.URL, *http.Request, *http.Response) error { return words }
			},
		},
		{
			status: "403 Forbidden", want: "Secret",
			set: func(tr *http.Transport) {
				tr.GetProxyConnectHeader = func(context.Context, *url.URL, string) (http.Header, error) { return nil, words }
			},
		},
		{
			want: "proxyconnect tcp: Forbidden",
			set: func(tr *http.Transport) {
				tr.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("Forbidden") }
			},
		},
	} {
		transport := &http.Transport{
			Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test:3128"}),
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				client, proxy := net.Pipe()
				go func() {
					_, _ = http.ReadRequest(bufio.NewReader(proxy)) // CONNECT
					if tt.status != "" {
						_, _ = io.WriteString(proxy, "HTTP/1.1 "+tt.status+"\r\n\r\n")
					}
					proxy.Close()
				}()
				return client, nil
			},
		}
		if tt.set != nil {
			tt.set(transport)
		}
		hc := &http.Client{Transport: transport}
		if tt.wrap {
			hc.Transport = roundTripper(transport.RoundTrip)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://a.test/?secret", strings.NewReader("{}"))
		require.NoError(t, err)
		_, err = New(hc).Do(req, nil)
		require.EqualError(t, err, tt.want)
	}
}

func TestEndsReadsOnlyOverHTTP1(t *testing.T) {
	for major, want := range map[int]bool{1: true, 2: false, 3: false} {
		trip, resp, err := send(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
			return &http.Response{StatusCode: 200, ProtoMajor: major, Body: http.NoBody}, nil
		}))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, trip.EndsReads(resp), "HTTP/%d", major)
	}
	trip, resp, err := send(t, roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ProtoMajor: 1, Body: http.NoBody}, nil
	}))
	require.NoError(t, err)
	resp.Body.Close()
	require.False(t, trip.EndsReads(resp), "without word of a connection")
}

// A redirect to another origin takes along only headers that are known to be safe, and so
// does one back to the first origin.
func TestRedirectsLeaveSecretsBehind(t *testing.T) {
	var sent []http.Header
	locations := []string{"http://b.test/", "http://a.test/back"}
	trip := New(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Clone())
		resp := &http.Response{StatusCode: 307, Header: http.Header{}, Body: http.NoBody}
		if len(locations) == 0 {
			resp.StatusCode = 200
			return resp, nil
		}
		resp.Header.Set("Location", locations[0])
		locations = locations[1:]
		return resp, nil
	})})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a.test/?secret", nil)
	require.NoError(t, err)
	req.Header = http.Header{"X-Api-Key": {"k"}, "Accept": {"text/event-stream"}, "Last-Event-Id": {"7"}, "Cookie": {"c"}}
	resp, err := trip.Do(req, nil)
	require.NoError(t, err)
	resp.Body.Close()
	require.True(t, trip.LeftOrigin())
	require.True(t, trip.Redirected())
	require.Len(t, sent, 3)
	for _, h := range sent[1:] {
		require.Equal(t, http.Header{"Accept": {"text/event-stream"}, "Last-Event-Id": {"7"}, "Accept-Encoding": {"identity"}}, h)
	}
}

func TestRedirectsAreLimited(t *testing.T) {
	requests := 0
	trip, _, err := send(t, roundTripper(func(*http.Request) (*http.Response, error) {
		requests++
		return &http.Response{StatusCode: 303, Header: http.Header{"Location": {"/"}}, Body: http.NoBody}, nil
	}))
	require.EqualError(t, err, "stopped after 10 redirects")
	require.Equal(t, 10, requests)
	require.Equal(t, 303, trip.LastResponse().StatusCode)
}

func TestRedirectsStayHTTP(t *testing.T) {
	for _, location := range []string{"ftp://h/", "mailto:a@b", "http:///x"} {
		_, _, err := send(t, roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 303, Header: http.Header{"Location": {location}}, Body: http.NoBody}, nil
		}))
		require.EqualError(t, err, "the redirect does not lead to an http or https URL", location)
	}
}

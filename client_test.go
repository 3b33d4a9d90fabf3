package sse_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

func TestRequestHeaders(t *testing.T) {
	in(t, "defaults", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		_, err := read(sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client())))
		require.NoError(t, err)
		require.Equal(t, http.Header{
			"Accept":          {"text/event-stream"},
			"Accept-Encoding": {"identity"},
			"Cache-Control":   {"no-cache"},
			"User-Agent":      {"Go-http-client/1.1"},
		}, srv.Requests()[0].Header)
	})
	in(t, "values of the caller are kept and the request is not changed", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		req := srv.Get("/")
		req.Header.Set("Accept", "text/event-stream, application/json")
		req.Header.Set("X-Own", "1")
		req.Header["Cache-Control"] = nil
		before := req.Header.Clone()
		_, err := read(client(srv, sse.WithHeader("X-Client", "2")).Fetch(req, sse.WithHeader("Host", "other.test")))
		require.NoError(t, err)
		got := srv.Requests()[0]
		require.Equal(t, "text/event-stream, application/json", got.Header.Get("Accept"))
		require.NotContains(t, got.Header, "Cache-Control")
		require.Equal(t, "1", got.Header.Get("X-Own"))
		require.Equal(t, before, req.Header)
		require.Equal(t, "server.test", req.Host)
	})
	in(t, "request without a header map", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		_, err := read(client(srv, sse.WithLastEventID("7")).Fetch(&http.Request{URL: srv.Get("/").URL}))
		require.NoError(t, err)
		require.Equal(t, "7", srv.Requests()[0].Header.Get("Last-Event-ID"))
	})
	in(t, "keys written by hand in any case", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		req := srv.Get("/")
		req.Header = http.Header{"accept": {"text/event-stream, text/plain"}, "x-both": {"request"}, "x-OWN": {"1"}}
		_, err := read(client(srv, sse.WithHeader("X-Both", "call")).Fetch(req))
		require.NoError(t, err)
		got := srv.Requests()[0].Header
		require.Equal(t, []string{"text/event-stream, text/plain"}, got["Accept"])
		require.Equal(t, []string{"call"}, got["X-Both"])
		require.Equal(t, []string{"1"}, got["X-Own"])
	})
	in(t, "a request can be used again", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		req := srv.Post("/", "body")
		for range 3 {
			_, err := read(client(srv).Fetch(req))
			require.NoError(t, err)
		}
		for _, r := range srv.Requests() {
			require.Equal(t, "body", string(r.Body))
		}
	})
}

func TestWithPrepare(t *testing.T) {
	in(t, "is called with the request of every attempt after its headers are set", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, Script{Answer(503)}, gone))
		n := 0
		_, err := read(client(srv, sse.WithHeader("Authorization", "old"), sse.WithPrepare(func(r *http.Request) error {
			n++
			r.Header.Set("Authorization", fmt.Sprint("token ", n))
			r.Header.Del("Cache-Control")
			return nil
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		for i, r := range srv.Requests() {
			require.Equal(t, fmt.Sprint("token ", i+1), r.Header.Get("Authorization"))
			require.NotContains(t, r.Header, "Cache-Control")
		}
	})
	in(t, "an error ends the stream unless WithRetryPolicy continues", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		fail := true
		prepare := sse.WithPrepare(func(*http.Request) error {
			if fail {
				return errInBand
			}
			return nil
		})
		_, err := client(srv, prepare).Subscribe(srv.Get("/"))
		require.ErrorIs(t, err, errInBand)
		require.EqualError(t, err, "sse: GET http://server.test/: WithPrepare: in band")
		_, err = read(client(srv, prepare, sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
			fail = false
			return a.Delay, true
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Len(t, srv.Requests(), 1)
	})
}

// A request that cannot be sent is an error of the call.
func TestInvalidRequest(t *testing.T) {
	request := func(change func(*http.Request)) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1/", nil)
		r.RequestURI = ""
		change(r)
		return r
	}
	tests := []struct {
		name, want string
		req        *http.Request
	}{
		{name: "nil", want: "the request is nil"},
		{name: "no URL", want: "no URL", req: new(http.Request)},
		{name: "no host", want: "no host", req: request(func(r *http.Request) { r.URL.Host = "" })},
		{name: "scheme", want: `"ftp"`, req: request(func(r *http.Request) { r.URL.Scheme = "ftp" })},
		{name: "no scheme", want: "use http or https", req: request(func(r *http.Request) { r.URL.Scheme = "" })},
		{name: "method", want: "invalid method", req: request(func(r *http.Request) { r.Method = "GE T" })},
		{name: "header name", want: "header name", req: request(func(r *http.Request) { r.Header["a b"] = []string{"x"} })},
		{name: "header value", want: "X-A has a control character", req: request(func(r *http.Request) { r.Header.Set("X-A", "secret\n") })},
		{name: "trailer name", want: "header name", req: request(func(r *http.Request) { r.Trailer = http.Header{"a b": nil} })},
		{name: "trailer value", want: "X-A has a control character", req: request(func(r *http.Request) { r.Trailer = http.Header{"X-A": {"secret\n"}} })},
		{name: "trailer that is not allowed", want: "must not have content-length", req: request(func(r *http.Request) { r.Trailer = http.Header{"content-length": nil} })},
		{name: "length without a body", want: "no Body", req: request(func(r *http.Request) { r.Body, r.ContentLength = nil, 3 })},
		{name: "server request", want: "RequestURI", req: request(func(r *http.Request) { r.RequestURI = "/" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, open := range []opener{sse.Fetch, sse.Subscribe} {
				_, err := open(tt.req)
				require.ErrorContains(t, err, "sse: ")
				require.ErrorContains(t, err, tt.want)
				require.NotContains(t, err.Error(), "secret")
			}
		})
	}
}

func TestRequestBody(t *testing.T) {
	in(t, "Subscribe refuses a body without GetBody", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		req := srv.Post("/", "")
		req.Body = io.NopCloser(strings.NewReader("once"))
		_, err := client(srv).Subscribe(req)
		require.EqualError(t, err, "sse: Subscribe: a request with a body needs GetBody to be sent again; set it")
		require.Empty(t, srv.Requests())
	})
	in(t, "Subscribe accepts an empty body without GetBody", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		req := srv.Post("/", "")
		req.Body = http.NoBody
		_, err := read(client(srv).Subscribe(req))
		require.NoError(t, err)
	})
	in(t, "an error of GetBody is an error of the call", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		req := srv.Post("/", "{}")
		req.GetBody = func() (io.ReadCloser, error) { return nil, errInBand }
		for _, open := range bothCalls(client(srv)) {
			_, err := open(req)
			require.ErrorIs(t, err, errInBand)
			require.EqualError(t, err, "sse: POST http://server.test/: GetBody: in band")
		}
		require.Empty(t, srv.Requests())
	})
	in(t, "without GetBody: sent by the next attempt if none has read it", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(1)
		body := &closer{Reader: strings.NewReader("once")}
		req := srv.Post("/", "")
		req.Body = body
		_, err := read(client(srv).Fetch(req))
		require.NoError(t, err)
		require.Equal(t, "once", string(srv.Requests()[0].Body))
		require.True(t, body.closed)
	})
	in(t, "without GetBody: not sent again once it was read", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(429)}, Script{Data("a")}))
		req := srv.Post("/", "")
		req.Body = &closer{Reader: strings.NewReader("once")}
		_, err := read(client(srv).Fetch(req))
		refusal := responseError(t, err)
		require.Equal(t, 429, refusal.StatusCode)
		require.Len(t, srv.Requests(), 1)
	})
}

// A request whose body has another length than it says fails at once. Over HTTP/1.1 with the
// words of net/http, and over HTTP/2 without any, it looked like a broken connection.
func TestRequestBodyOfAnotherLength(t *testing.T) {
	for protocol, opts := range map[string][]Option{"HTTP/1.1": nil, "HTTP/2": {HTTP2()}} {
		for _, length := range []int64{1, 3, 10} {
			for name, tt := range map[string]struct {
				body    func() io.ReadCloser
				notSent bool
			}{
				"strings.Reader": {func() io.ReadCloser { return io.NopCloser(strings.NewReader("{}")) }, true},
				"bytes.Buffer":   {func() io.ReadCloser { return io.NopCloser(bytes.NewBufferString("{}")) }, true},
				"other reader":   {func() io.ReadCloser { return io.NopCloser(io.MultiReader(strings.NewReader("{}"))) }, false},
				"byte by byte":   {func() io.ReadCloser { return io.NopCloser(iotest.OneByteReader(strings.NewReader("{}"))) }, false},
			} {
				in(t, fmt.Sprintf("%s, %s, %d", protocol, name, length), func(t *testing.T) {
					srv := NewServer(t, InOrder(Script{Stall()}), opts...)
					for _, open := range bothCalls(client(srv)) {
						req := srv.Post("/", "{}")
						req.Body, req.ContentLength = tt.body(), length
						req.GetBody = func() (io.ReadCloser, error) { return tt.body(), nil }
						start := time.Now()
						_, err := open(req)
						require.EqualError(t, err, "sse: POST http://server.test/: the Body is longer or shorter than the ContentLength of the request")
						require.Equal(t, tt.notSent, sse.NotSent(err))
						require.False(t, sse.Retryable(err))
						require.Zero(t, time.Since(start))
					}
				})
			}
		}
		in(t, protocol+", of the same length", func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a")}), opts...)
			for _, body := range []io.Reader{
				strings.NewReader("{}"), io.MultiReader(strings.NewReader("{}")), iotest.DataErrReader(strings.NewReader("{}")),
			} {
				req := srv.Post("/", "{}")
				req.Body, req.GetBody = io.NopCloser(body), nil
				_, err := read(client(srv).Fetch(req))
				require.NoError(t, err)
			}
			for _, r := range srv.Requests() {
				require.Equal(t, "{}", string(r.Body))
			}
		})
	}
	in(t, "a body of WithPrepare", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		_, err := client(srv, sse.WithPrepare(func(r *http.Request) error {
			r.Body = io.NopCloser(strings.NewReader("longer"))
			return nil
		})).Subscribe(post(srv))
		require.ErrorContains(t, err, "ContentLength")
		require.Empty(t, srv.Requests())
	})
}

// The context and the open timeout end an attempt whose body blocks.
func TestRequestBodyThatBlocks(t *testing.T) {
	for name, proto := range map[string][]Option{"HTTP/1.1": nil, "HTTP/2": {HTTP2()}} {
		for _, what := range []string{"without GetBody", "with GetBody", "after a redirect"} {
			in(t, name+", "+what, func(t *testing.T) {
				script := Script{Stall()}
				if what == "after a redirect" {
					script = Script{Answer(307, "Location", "/b")}
				}
				srv := NewServer(t, InOrder(script, Script{Stall()}, script, Script{Stall()}), proto...)
				pr, pw := io.Pipe()
				defer pw.Close()
				body := func() io.ReadCloser { return io.NopCloser(io.LimitReader(pr, 10)) }
				req := srv.Post("/", "")
				req.Body, req.GetBody, req.ContentLength = body(), nil, 10
				switch what {
				case "with GetBody":
					req.GetBody = func() (io.ReadCloser, error) { return body(), nil }
				case "after a redirect":
					made := 0
					req.GetBody = func() (io.ReadCloser, error) {
						if made++; made%2 == 1 { // the first of an attempt
							return io.NopCloser(io.LimitReader(strings.NewReader("0123456789"), 10)), nil
						}
						return body(), nil
					}
				}
				for _, timeout := range []time.Duration{time.Second, time.Hour} {
					if req.GetBody == nil {
						req.Body = body() // the Read of the one before has not returned
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					start := time.Now()
					_, err := client(srv, sse.WithOpenTimeout(timeout)).Fetch(req.WithContext(ctx))
					cancel()
					require.Error(t, err)
					require.Equal(t, min(timeout, time.Minute), time.Since(start))
				}
			})
		}
	}
}

// Every body that was given or made for an attempt is closed, however the attempt ends.
func TestRequestBodyIsClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		script  Script
		prepare func(r *http.Request, cancel func()) error
	}{
		"completed":                    {script: Script{Data("[DONE]")}},
		"refused":                      {script: Script{Answer(400)}},
		"retried":                      {script: Script{Answer(429)}},
		"no response":                  {script: Script{Cut()}},
		"WithPrepare fails":            {prepare: func(*http.Request, func()) error { return errInBand }},
		"WithPrepare makes it invalid": {prepare: func(r *http.Request, _ func()) error { r.URL.Scheme = "ftp"; return nil }},
		"canceled in WithPrepare":      {prepare: func(_ *http.Request, cancel func()) error { cancel(); return nil }},
	} {
		in(t, "when the attempt ends: "+name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			srv := NewServer(t, InOrder(tt.script))
			made, closed := 0, 0
			req := srv.Post("/", "{}").WithContext(ctx)
			get := req.GetBody
			req.GetBody = func() (io.ReadCloser, error) {
				made++
				body, err := get()
				return closeFunc{body, sync.OnceFunc(func() { closed++ })}, err
			}
			_, _ = read(client(srv, doneEvent, sse.WithPrepare(func(r *http.Request) error {
				if tt.prepare == nil {
					return nil
				}
				return tt.prepare(r, cancel)
			})).Fetch(req))
			synctest.Wait()
			require.Positive(t, made)
			require.Equal(t, made, closed)
		})
	}
	in(t, "without GetBody, when no attempt has read it", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		srv.Refuse(3)
		body := &closer{Reader: strings.NewReader("once")}
		req := srv.Post("/", "")
		req.Body = body
		_, err := read(client(srv).Fetch(req))
		require.Error(t, err)
		require.True(t, body.closed)
	})
	in(t, "of the request, when GetBody fails", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200)}))
		req := srv.Post("/", "{}")
		body := &closer{Reader: strings.NewReader("not this one")}
		req.Body = body
		req.GetBody = func() (io.ReadCloser, error) { return nil, errInBand }
		_, err := client(srv).Fetch(req)
		require.ErrorIs(t, err, errInBand)
		require.True(t, body.closed)
	})
	in(t, "of the request, when GetBody makes the one that is sent", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		req := srv.Post("/", "{}")
		body := &closer{Reader: strings.NewReader("not this one")}
		req.Body = body
		_, err := read(client(srv).Fetch(req))
		require.NoError(t, err)
		require.Equal(t, "{}", string(srv.Requests()[0].Body))
		require.True(t, body.closed)
	})
	for name, open := range map[string]func(t *testing.T, c *sse.Client, r *http.Request) (*sse.Stream, error){
		"without GetBody": func(_ *testing.T, c *sse.Client, r *http.Request) (*sse.Stream, error) { return c.Subscribe(r) },
		"an invalid option": func(_ *testing.T, c *sse.Client, r *http.Request) (*sse.Stream, error) {
			return c.Fetch(r, sse.WithMaxEventSize(0))
		},
		"an invalid method": func(_ *testing.T, c *sse.Client, r *http.Request) (*sse.Stream, error) {
			r.Method = "?"
			return c.Fetch(r)
		},
		"a context that has ended": func(t *testing.T, c *sse.Client, r *http.Request) (*sse.Stream, error) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r.GetBody = func() (io.ReadCloser, error) { return r.Body, nil }
			return c.Fetch(r.WithContext(ctx))
		},
	} {
		in(t, "when the call is refused: "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a")}))
			body := &closer{Reader: strings.NewReader("once")}
			req := srv.Post("/", "")
			req.Body = body
			s, err := open(t, client(srv), req)
			require.Nil(t, s)
			require.Error(t, err)
			require.True(t, body.closed)
			require.Empty(t, srv.Requests())
		})
	}
}

func TestMediaType(t *testing.T) {
	for _, mediaType := range []string{"text/event-stream", "Text/Event-Stream", "text/event-stream;charset=utf-8", " text/event-stream ; x=y; q", "TEXT/EVENT-STREAM;"} {
		in(t, "accepted "+mediaType, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", mediaType), Data("a")}))
			got, err := read(client(srv).Fetch(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, got)
		})
	}
	for _, tt := range []struct {
		name   string
		values []string // of the Content-Type headers
		want   string   // the type of a refusal
	}{
		{name: "the last of two headers", values: []string{"text/plain", "text/event-stream"}},
		{name: "the last of a list", values: []string{"text/html; charset=utf-8, text/event-stream; charset=utf-8"}},
		{name: "before one that is not valid", values: []string{"text/event-stream", "charset=utf-8"}},
		{name: "before */*", values: []string{"text/event-stream, */*"}},
		{name: "not before another", values: []string{"text/event-stream", "text/plain"}, want: "text/plain"},
		{name: "not within a quoted string", values: []string{`text/plain; x="a, text/event-stream"`}, want: "text/plain"},
	} {
		in(t, "the last valid type counts: "+tt.name, func(t *testing.T) {
			var headers []string
			for _, v := range tt.values {
				headers = append(headers, "Content-Type", v)
			}
			srv := NewServer(t, InOrder(Script{Answer(200, headers...), Data("a", "[DONE]")}))
			for _, open := range bothCalls(client(srv, doneEvent)) {
				got, err := read(open(srv.Get("/")))
				if tt.want != "" {
					refusedWith(200)(t, err)
					require.ErrorContains(t, err, fmt.Sprintf("the content is %q instead of text/event-stream", tt.want))
					continue
				}
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
			}
		})
	}
	for _, mediaType := range []string{"text/event-streams", "text/plain", "application/json; x=text/event-stream", "event-stream"} {
		in(t, "refused "+mediaType, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", mediaType, "X-Id", "7"), Raw(`{"error":1}`)}))
			_, err := read(client(srv).Fetch(srv.Post("/p?secret=1", "{}")))
			refusal := responseError(t, err)
			require.Equal(t, 200, refusal.StatusCode)
			require.Equal(t, `{"error":1}`, string(refusal.Body))
			require.Equal(t, "7", refusal.Header.Get("X-Id"))
			want := "type is missing, where text/event-stream is expected"
			if name, _, _ := strings.Cut(mediaType, ";"); strings.Contains(name, "/") {
				want = fmt.Sprintf("is %q instead of text/event-stream", name)
			}
			require.EqualError(t, err, "sse: POST http://server.test/p: 200 OK, but the content "+want)
		})
	}
}

// The status of an event stream is one that says that the body is the response.
func TestStatus(t *testing.T) {
	for _, code := range []int{200, 201, 202, 203, 206} {
		in(t, fmt.Sprint("accepted ", code), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(code, "Content-Type", "text/event-stream"), Data("a", "[DONE]")}))
			for _, open := range bothCalls(client(srv, doneEvent)) {
				got, err := read(open(srv.Get("/")))
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
			}
		})
	}
	for _, code := range []int{205, 207, 208, 226, 299, 300, 404} {
		in(t, fmt.Sprint("refused ", code), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(code, "Content-Type", "text/event-stream"), Data("a", "[DONE]")}))
			for _, open := range bothCalls(client(srv, doneEvent)) {
				_, err := open(srv.Get("/"))
				refusedWith(code)(t, err)
			}
			require.Len(t, srv.Requests(), 2)
		})
	}
}

func TestResponseError(t *testing.T) {
	in(t, "the body of a 2xx response is bounded by WithMaxEventSize", func(t *testing.T) {
		big := strings.Repeat("x", 100<<10)
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "application/json"), Raw(big)}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal := responseError(t, err)
		require.Len(t, refusal.Body, 100<<10)
		_, err = client(srv).Fetch(srv.Get("/"), sse.WithMaxEventSize(1000))
		refusal = responseError(t, err)
		require.Len(t, refusal.Body, 1000)
	})
	in(t, "Retry-After is reported", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(429, "Retry-After", " 120 ")}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal := responseError(t, err)
		require.Equal(t, 2*time.Minute, refusal.RetryAfter)
	})
}

// An error tells what happened and what to do.
func TestWhatAnErrorTells(t *testing.T) {
	const request = "sse: POST http://server.test/p: "
	events := Data("1", "2", "3")
	noRetry := sse.WithMaxRetries(0)
	for _, tt := range []struct {
		name      string
		scripts   []Script
		dial      error
		opts      []sse.Option
		timeout   time.Duration
		cause     error // of the timeout
		want      string
		http2     string // the same over HTTP/2, where it differs
		is        error
		status    int // of a ResponseError in the tree
		body      string
		truncated bool // the body
	}{
		{
			name: "deadline while waiting to retry", scripts: []Script{{Answer(429, "Retry-After", "30")}},
			timeout: 10 * time.Second, is: context.DeadlineExceeded, status: 429,
			want: "context deadline exceeded, waiting to retry: POST http://server.test/p: 429 Too Many Requests; retry after 30s",
		},
		{
			name: "cancellation while retrying", scripts: []Script{{Answer(429)}, {Stall()}},
			timeout: 10 * time.Second, cause: errUserLeft, is: errUserLeft, status: 429,
			want: "the user left, waiting to retry: POST http://server.test/p: 429 Too Many Requests",
		},
		{
			name:    "deadline while reading a refused body of a retry",
			scripts: []Script{{Answer(429)}, {Answer(400, "Content-Type", "application/json"), Raw("{"), Stall()}},
			timeout: 10 * time.Second, is: context.DeadlineExceeded, status: 429,
			want: "context deadline exceeded, waiting to retry: POST http://server.test/p: 429 Too Many Requests",
		},
		{
			name: "deadline without a failure before it", scripts: []Script{{Stall()}},
			timeout: 10 * time.Second, is: context.DeadlineExceeded, want: "context deadline exceeded",
		},
		{
			name: "deadline while reading after a retry", scripts: []Script{{Answer(429)}, {events, Stall()}},
			timeout: 10 * time.Second, is: context.DeadlineExceeded, want: "context deadline exceeded",
		},
		{
			name: "clean end without [DONE]", scripts: []Script{{events}}, opts: []sse.Option{doneEvent, noRetry},
			is: io.ErrUnexpectedEOF, want: request + "the response ended after 3 events without [DONE]",
		},
		{
			name: "clean end in the middle of an event", scripts: []Script{{events, Raw("data: x")}}, opts: []sse.Option{noRetry},
			is: io.ErrUnexpectedEOF, want: request + "the response ended after 3 events, in the middle of event 4",
		},
		{
			name: "broken connection", scripts: []Script{{events, Raw("data: x\n"), Cut()}}, opts: []sse.Option{noRetry},
			is: io.ErrUnexpectedEOF, want: request + "the connection broke after 3 events, in the middle of event 4: unexpected EOF",
			http2: request + "the connection broke after 3 events, in the middle of event 4: stream error: stream ID 1; INTERNAL_ERROR; received from peer",
		},
		{
			name: "connection that ends before the response", scripts: []Script{{Cut()}}, opts: []sse.Option{noRetry},
			want:  request + "the connection ended before the response headers: EOF",
			http2: request + "stream error: stream ID 1; INTERNAL_ERROR; received from peer",
		},
		{
			name: "refusal by its status", scripts: []Script{{Answer(400), Raw("why")}},
			status: 400, body: "why", want: request + "400 Bad Request",
		},
		{
			name: "refusal by an unknown status", scripts: []Script{{Answer(499)}},
			status: 499, want: request + "499",
		},
		{
			name: "refusal by its media type", scripts: []Script{{Answer(200, "Content-Type", "application/json; a=b"), Raw("{}")}},
			status: 200, body: "{}", want: request + `200 OK, but the content is "application/json" instead of text/event-stream`,
		},
		{
			name: "refusal without a media type", scripts: []Script{{Answer(200), Raw("hello")}},
			status: 200, body: "hello", want: request + "200 OK, but the content type is missing, where text/event-stream is expected",
		},
		{
			name:    "refusal by its encoding",
			scripts: []Script{{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "br"), Raw("xyz")}},
			status:  200, body: "xyz", want: request + `200 OK, but with the content encoding "br", which this package cannot decode`,
		},
		{
			name: "refusal with Retry-After", scripts: []Script{{Answer(429, "Retry-After", "90")}}, opts: []sse.Option{noRetry},
			status: 429, want: request + "429 Too Many Requests; retry after 1m30s",
		},
		{
			name:    "refusal by another origin",
			scripts: []Script{{Answer(307, "Location", "http://other.test/b?secret")}, {Answer(401), Raw("who?")}},
			status:  401, body: "who?",
			want: request + "401 Unauthorized; a redirect led to another origin (http, other.test), where your headers were not sent",
		},
		{
			name: "refusal whose body is not whole", scripts: []Script{{Answer(400), Raw("so far"), Stall()}},
			status: 400, body: "so far", truncated: true, want: request + "400 Bad Request",
		},
		{
			name:    "refusal of what looks like an event stream",
			scripts: []Script{{Answer(200, "Content-Type", "application/json"), Raw("data: {}\n\n")}},
			status:  200, body: "data: {}\n\n",
			want: request + `200 OK, but the content is "application/json" instead of text/event-stream; ` +
				"the body begins like an event stream, which WithResponseCheck can accept",
		},
		{
			name: "refusal by WithResponseCheck", scripts: []Script{{Answer(200, "Retry-After", "5")}},
			opts: []sse.Option{sse.WithResponseCheck(func(*http.Response) error { return errInBand })},
			is:   errInBand, status: 200, want: request + "200 OK: in band; retry after 5s",
		},
		{
			name: "unknown host", dial: errUnknownHost,
			is: errUnknownHost, want: request + "lookup server.test: no such host",
		},
		{
			name: "untrusted certificate", dial: errUntrusted,
			is: errUntrusted, want: request + "tls: failed to verify certificate: x509: certificate signed by unknown authority",
		},
	} {
		for name, open := range map[string]func(*sse.Client, *http.Request, ...sse.Option) (*sse.Stream, error){
			"Fetch": (*sse.Client).Fetch, "Subscribe": (*sse.Client).Subscribe,
		} {
			for protocol, opts := range map[string][]Option{"HTTP/1.1": nil, "HTTP/2": {HTTP2()}} {
				in(t, name+", "+protocol+", "+tt.name, func(t *testing.T) {
					srv := NewServer(t, InOrder(append(tt.scripts, Script{Stall()})...), opts...)
					req := srv.Post("/p?q=secret", "{}")
					if tt.timeout != 0 {
						ctx, cancel := context.WithTimeoutCause(t.Context(), tt.timeout, tt.cause)
						defer cancel()
						req = req.WithContext(ctx)
					}
					hc := failingDial(srv, func(int) error { return tt.dial })
					s, err := open(client(srv, sse.WithHTTPClient(hc)), req, tt.opts...)
					if tt.dial != nil {
						require.Error(t, err, "of the call")
					}
					_, err = read(s, err)
					if tt.http2 != "" && protocol == "HTTP/2" {
						require.EqualError(t, err, tt.http2)
					} else {
						require.EqualError(t, err, tt.want)
					}
					if tt.is != nil {
						require.ErrorIs(t, err, tt.is)
					}
					if tt.status == 0 {
						require.NotErrorAs(t, err, new(*sse.ResponseError))
						return
					}
					refusal := responseError(t, err)
					require.Equal(t, tt.status, refusal.StatusCode)
					require.Equal(t, tt.body, string(refusal.Body))
					require.Equal(t, tt.truncated, refusal.BodyTruncated)
				})
			}
		}
	}
}

// The body of a refusal is read to its end if it is a document, and otherwise for a second.
func TestRefusedBody(t *testing.T) {
	const json = "application/json"
	const encoding = "Content-Encoding"
	for _, tt := range []struct {
		name      string
		script    Script
		opts      []sse.Option
		want      time.Duration
		body      string
		truncated bool
		stream    bool // the message says that it looks like one
	}{
		{
			name: "JSON that takes its time", want: 90 * time.Second, body: "{}",
			script: Script{Answer(200, "Content-Type", json), Raw("{"), Wait(90 * time.Second), Raw("}")},
		},
		{
			name: "another kind of JSON", want: 90 * time.Second, body: "{}",
			script: Script{Answer(400, "Content-Type", "Application/Problem+JSON; a=b"), Raw("{"), Wait(90 * time.Second), Raw("}")},
		},
		{
			name: "JSON in gzip", want: 90 * time.Second, body: "{}",
			script: Script{Answer(400, "Content-Type", json, encoding, "gzip"), Wait(90 * time.Second), Raw(zipped("{}"))},
		},
		{
			name: "HTML that takes its time", want: 90 * time.Second, body: "<p>",
			script: Script{Answer(502, "Content-Type", "text/html"), Raw("<"), Wait(90 * time.Second), Raw("p>")},
		},
		{
			name: "text with a Content-Length", want: 90 * time.Second, body: "busy",
			script: Script{Answer(400, "Content-Type", "text/plain", "Content-Length", "4"), Raw("bu"), Wait(90 * time.Second), Raw("sy")},
		},
		{
			name: "JSON that stalls", want: 2 * time.Minute, body: "{", truncated: true,
			script: Script{Answer(400, "Content-Type", json), Raw("{"), Stall()},
		},
		{
			name: "JSON that stalls, with an open timeout", want: 3 * time.Second, body: "{", truncated: true,
			script: Script{Answer(400, "Content-Type", json), Raw("{"), Stall()}, opts: []sse.Option{sse.WithOpenTimeout(3 * time.Second)},
		},
		{
			name: "JSON that stalls, without an open timeout", want: 2 * time.Minute, body: "{", truncated: true,
			script: Script{Answer(400, "Content-Type", json), Raw("{"), Stall()}, opts: []sse.Option{sse.WithOpenTimeout(0)},
		},
		{
			name: "JSON that takes its time and stalls", want: 2 * time.Minute, body: "{", truncated: true,
			script: Script{Answer(400, "Content-Type", json), Wait(90 * time.Second), Raw("{"), Stall()},
		},
		{
			name: "JSON that is cut off", body: "{", truncated: true,
			script: Script{Answer(400, "Content-Type", json), Raw("{"), Cut()},
		},
		{
			name: "text without a Content-Length", want: time.Second, body: "busy", truncated: true,
			script: Script{Answer(400, "Content-Type", "text/plain"), Raw("busy"), Stall()},
		},
		{
			name: "text without a Content-Length that ends", want: 900 * time.Millisecond, body: "busy",
			script: Script{Answer(400, "Content-Type", "text/plain"), Raw("bu"), Wait(900 * time.Millisecond), Raw("sy")},
		},
		{
			name: "no type", want: time.Second, body: "busy", truncated: true,
			script: Script{Answer(400), Raw("busy"), Stall()},
		},
		{
			name: "no byte", want: time.Second, truncated: true,
			script: Script{Answer(200, "Content-Type", "application/x-ndjson"), Stall()},
		},
		{
			name: "a second is longer than the open timeout", want: 500 * time.Millisecond, body: "busy", truncated: true,
			script: Script{Answer(400), Raw("busy"), Stall()}, opts: []sse.Option{sse.WithOpenTimeout(500 * time.Millisecond)},
		},
		{
			name: "an event stream with a status of a refusal", want: time.Second, body: "busy", truncated: true,
			script: Script{Answer(400, "Content-Type", "text/event-stream"), Raw("busy"), Stall()},
		},
		{
			name: "an encoding that cannot be decoded", want: time.Second, body: "xyz", truncated: true,
			script: Script{Answer(400, "Content-Type", json, encoding, "br"), Raw("xyz"), Stall()},
		},
		{
			name: "an event stream that calls itself JSON", want: time.Second, body: "data: {}\n\n", truncated: true, stream: true,
			script: Script{Answer(200, "Content-Type", json), Raw("data: {}\n\n"), Stall()},
		},
		{
			name: "an event stream that calls itself JSON and begins late", want: 31 * time.Second, body: ": ping\n", truncated: true, stream: true,
			script: Script{Answer(200, "Content-Type", json), Wait(30 * time.Second), Raw(": ping\n"), Stall()},
		},
		{
			name: "an event stream without a type that begins late", want: time.Second, body: "event: x\n", truncated: true, stream: true,
			script: Script{Answer(200), Wait(900 * time.Millisecond), Raw("event: x\n"), Stall()},
		},
		{
			name: "an event stream with a status of a refusal that calls itself JSON", want: time.Second, body: "id: 1\n", truncated: true,
			script: Script{Answer(400, "Content-Type", json), Raw("id: 1\n"), Stall()},
		},
		{
			name: "an event stream with an encoding that it does not have", want: time.Second, body: "data: {}\n\n", truncated: true,
			script: Script{Answer(200, "Content-Type", "text/event-stream", encoding, "br"), Raw("data: {}\n\n"), Stall()},
		},
		{
			name: "64 KiB", body: strings.Repeat("x", 64<<10),
			script: Script{Answer(400), Raw(strings.Repeat("x", 64<<10))},
		},
		{
			name: "more than 64 KiB", body: strings.Repeat("x", 64<<10), truncated: true,
			script: Script{Answer(400), Raw(strings.Repeat("x", 64<<10+1))},
		},
	} {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			start := time.Now()
			_, err := client(srv).Fetch(srv.Post("/", "{}"), tt.opts...)
			require.Equal(t, tt.want, time.Since(start))
			refusal := responseError(t, err)
			require.Equal(t, tt.body, string(refusal.Body))
			require.Equal(t, tt.truncated, refusal.BodyTruncated)
			const stream = "; the body begins like an event stream, which WithResponseCheck can accept"
			require.Equal(t, tt.stream, strings.HasSuffix(err.Error(), stream), "%v", err)
		})
	}
}

// The body of a round tripper may ignore Close and have no end.
func TestBodyWithoutEnd(t *testing.T) {
	for name, body := range map[string]readerFunc{
		"nothing":            func([]byte) (int, error) { return 0, nil },
		"slow":               func(b []byte) (int, error) { time.Sleep(time.Second); return copy(b, "x"), nil },
		"empty gzip members": readMembers,
	} {
		for what, resp := range map[string]*http.Response{
			"refused":   {StatusCode: 500, Header: http.Header{"Content-Type": {"application/json"}}},
			"checked":   {StatusCode: 200},
			"completed": {StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}},
		} {
			in(t, what+", "+name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server.test/", nil)
				require.NoError(t, err)
				resp := *resp
				resp.Request = req
				if resp.Header == nil {
					resp.Header = make(http.Header)
				}
				src := io.Reader(body)
				if name == "empty gzip members" {
					resp.Header.Set("Content-Encoding", "gzip")
				}
				if what == "completed" && resp.Header.Get("Content-Encoding") == "" {
					src = io.MultiReader(strings.NewReader("data: [DONE]\n\n"), body)
				}
				resp.Body = io.NopCloser(src)
				hc := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return &resp, nil })}
				opts := []sse.Option{sse.WithHTTPClient(hc), doneEvent, sse.WithMaxRetries(0)}
				if what == "checked" {
					opts = append(opts, sse.WithResponseCheck(func(r *http.Response) error {
						_, err := io.ReadAll(r.Body)
						return cmp.Or(err, errInBand)
					}))
				}
				start := time.Now()
				_, _ = read(sse.Fetch(req, opts...))
				require.LessOrEqual(t, time.Since(start), 3*time.Minute)
			})
		}
	}
}

// readMembers is a body of empty gzip members without end.
var readMembers readerFunc = func(b []byte) (int, error) {
	var zipped bytes.Buffer
	_ = gzip.NewWriter(&zipped).Close()
	time.Sleep(time.Second)
	return copy(b, zipped.Bytes()), nil
}

func TestCheckResponse(t *testing.T) {
	for status, ok := range map[int]bool{
		200: true, 201: true, 202: true, 203: true, 206: true,
		204: false, 205: false, 226: false, 300: false, 404: false, 500: false,
	} {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/event-stream"}}}
		err := sse.CheckResponse(resp)
		require.Equal(t, ok, err == nil, status)
	}
	resp := &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"5"}}, Body: closeFunc{nil, nil}, Request: newGet("http://server.test/p?q=secret")}
	err := sse.CheckResponse(resp)
	require.EqualError(t, err, "sse: GET http://server.test/p: 503 Service Unavailable; retry after 5s")
	require.Equal(t, 503, responseError(t, err).StatusCode)
	require.Equal(t, 5*time.Second, responseError(t, err).RetryAfter)
	resp = &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream", "text/plain"}}}
	require.EqualError(t, sse.CheckResponse(resp), `sse: 200 OK, but the content is "text/plain" instead of text/event-stream`)
	resp.Header = http.Header{"Content-Type": {"text/plain", "text/event-stream, */*"}}
	require.NoError(t, sse.CheckResponse(resp))
}

func TestWithResponseCheck(t *testing.T) {
	const json = "application/json"
	acceptAll := sse.WithResponseCheck(func(*http.Response) error { return nil })
	in(t, "accepts any status and media type", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(404, "Content-Type", "text/plain"), Data("a"), Wait(time.Hour), Data("b", "[DONE]")}))
		for _, open := range bothCalls(client(srv, acceptAll, doneEvent)) {
			got, err := read(open(srv.Get("/")))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b"}, got)
		}
	})
	in(t, "refuses what CheckResponse accepts, with its error in the tree", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		check := sse.WithResponseCheck(func(resp *http.Response) error {
			if resp.Header.Get("X-Feed") == "" {
				return errInBand
			}
			return nil
		})
		for _, open := range bothCalls(client(srv, check)) {
			_, err := open(srv.Get("/"))
			require.EqualError(t, err, "sse: GET http://server.test/: 200 OK: in band")
			require.ErrorIs(t, err, errInBand)
			require.Equal(t, errInBand, responseError(t, err).Err)
		}
		require.Len(t, srv.Requests(), 2)
		resp, err := srv.Client().Do(srv.Get("/"))
		require.NoError(t, err)
		_, err = sse.FromResponse(resp, check)
		require.EqualError(t, err, "sse: GET http://server.test/: 200 OK: in band")
	})
	in(t, "an error of CheckResponse is that of the attempt", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(400), Raw("why")}))
		_, err := client(srv, sse.WithResponseCheck(sse.CheckResponse)).Fetch(srv.Get("/"))
		require.EqualError(t, err, "sse: GET http://server.test/: 400 Bad Request")
		require.NoError(t, responseError(t, err).Err)
		require.Equal(t, "why", string(responseError(t, err).Body))
	})
	in(t, "what it reads is kept", func(t *testing.T) {
		for name, body := range map[string]string{"": `{"error":"busy"}`, "gzip": zipped(`{"error":"busy"}`)} {
			srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", json, "Content-Encoding", name), Raw(body)}))
			for _, n := range []int64{0, 1, 5, 100} {
				read := -1
				_, err := client(srv).Fetch(srv.Get("/"), sse.WithResponseCheck(func(resp *http.Response) error {
					text, err := io.ReadAll(io.LimitReader(resp.Body, n))
					require.NoError(t, err)
					read = len(text)
					return fmt.Errorf("%s: %w", text, errors.Join(errInBand, resp.Body.Close()))
				}))
				require.Equal(t, min(int(n), 16), read)
				require.EqualError(t, err, "sse: GET http://server.test/: 200 OK: "+`{"error":"busy"}`[:read]+": in band")
				require.Equal(t, `{"error":"busy"}`, string(responseError(t, err).Body))
				require.False(t, responseError(t, err).BodyTruncated)
			}
		}
	})
	in(t, "reads under the open timeout", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", json), Raw("{"), Stall()}))
		start := time.Now()
		_, err := client(srv, sse.WithOpenTimeout(3*time.Second)).Fetch(srv.Get("/"), sse.WithResponseCheck(func(resp *http.Response) error {
			_, err := io.ReadAll(resp.Body)
			require.Error(t, err)
			return errInBand
		}))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.ErrorIs(t, err, errInBand)
		require.Equal(t, "{", string(responseError(t, err).Body))
		require.True(t, responseError(t, err).BodyTruncated)
	})
	in(t, "the context ends while it reads", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", json), Raw("{"), Stall()}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client(srv).Fetch(srv.Get("/").WithContext(ctx), sse.WithResponseCheck(func(resp *http.Response) error {
			_, err := io.ReadAll(resp.Body)
			return err
		}))
		require.Equal(t, context.DeadlineExceeded, err)
	})
	in(t, "is not called for 204", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		for _, open := range bothCalls(client(srv, sse.WithResponseCheck(func(*http.Response) error { return errInBand }))) {
			_, err := read(open(srv.Get("/")))
			require.NoError(t, err)
		}
	})
	in(t, "nil restores CheckResponse", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", json), Data("a")}))
		_, err := client(srv, acceptAll).Fetch(srv.Get("/"), sse.WithResponseCheck(nil))
		refusedWith(200)(t, err)
	})
	in(t, "the status decides about a retry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(429)}, Script{Answer(200)}))
		checked := 0
		_, err := client(srv, sse.WithResponseCheck(func(*http.Response) error { checked++; return errInBand })).Fetch(srv.Post("/", "{}"))
		require.EqualError(t, err, "sse: gave up after 1 retry: POST http://server.test/: 200 OK: in band")
		require.Equal(t, 2, checked)
		require.Len(t, srv.Requests(), 2)
	})
	for name, answer := range map[string]Step{
		"200 OK":        Answer(200, "Content-Type", json, "Content-Encoding", "br"),
		"404 Not Found": Answer(404, "Content-Type", json, "Content-Encoding", "br"),
	} {
		in(t, "cannot accept an encoding that cannot be decoded: "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{answer, Raw("xyz")}))
			_, err := client(srv, acceptAll).Fetch(srv.Get("/"))
			require.EqualError(t, err, "sse: GET http://server.test/: "+name+`, but with the content encoding "br", which this package cannot decode`)
			require.Equal(t, "xyz", string(responseError(t, err).Body))
		})
	}
}

// A program that asks for a timeout in the way of package net finds it.
func TestTimeoutsAreNetErrors(t *testing.T) {
	for _, timeout := range []error{sse.ErrOpenTimeout, sse.ErrIdleTimeout, sse.ErrEventTimeout} {
		e, ok := errors.AsType[net.Error](timeout)
		require.True(t, ok)
		require.True(t, e.Timeout())
		temporary, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](timeout)
		require.True(t, ok)
		require.True(t, temporary.Temporary())
	}
	in(t, "of a stream", func(t *testing.T) {
		for want, opt := range map[error]sse.Option{
			sse.ErrOpenTimeout:  sse.WithOpenTimeout(time.Second),
			sse.ErrIdleTimeout:  sse.WithIdleTimeout(time.Second),
			sse.ErrEventTimeout: sse.WithEventTimeout(time.Second),
		} {
			script := Script{Open(), Stall()}
			if want == sse.ErrOpenTimeout {
				script = Script{Stall()}
			}
			srv := NewServer(t, InOrder(script))
			_, err := read(client(srv, opt, sse.WithMaxRetries(1)).Fetch(srv.Get("/")))
			require.ErrorIs(t, err, want)
			e, ok := errors.AsType[net.Error](err)
			require.True(t, ok)
			require.True(t, e.Timeout())
		}
	})
}

func TestContentEncoding(t *testing.T) {
	in(t, "gzip is decoded as it arrives", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{
			Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "GZip"),
			Do(func(w http.ResponseWriter, r *http.Request) {
				zw := gzip.NewWriter(w)
				for _, d := range []string{"a", "b"} {
					fmt.Fprintf(zw, "data: %s\n\n", d)
					zw.Flush()
					_ = http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
			}),
		}))
		s, err := client(srv, sse.WithIdleTimeout(time.Second)).Fetch(srv.Get("/"))
		require.NoError(t, err)
		got, err := read(s, nil)
		require.Equal(t, []string{"a", "b"}, got)
		require.ErrorIs(t, err, sse.ErrIdleTimeout)
	})
	in(t, "gzip, a member for each event", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{
			Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip"),
			Raw(zipped("data: a\n\n")), Wait(time.Minute), Raw(zipped("data: b\n\n")), Wait(time.Minute),
		}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		start := time.Now()
		require.True(t, s.Next())
		require.Equal(t, "a", s.Event().Data)
		require.Zero(t, time.Since(start))
		require.True(t, s.Next())
		require.Equal(t, "b", s.Event().Data)
		require.Equal(t, time.Minute, time.Since(start))
		require.False(t, s.Next())
		require.NoError(t, s.Err())
		require.Equal(t, 2*time.Minute, time.Since(start))
	})
	in(t, "gzip that is cut off in the header of a member", func(t *testing.T) {
		member := zipped("data: a\n\n")
		srv := NewServer(t, InOrder(Script{
			Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip"), Raw(member), Raw(member[:5]),
		}))
		got, err := read(client(srv).Fetch(srv.Get("/")))
		require.Equal(t, []string{"a"}, got)
		require.ErrorIs(t, truncatedError(t, err), io.ErrUnexpectedEOF)
	})
	in(t, "gzip, up to its end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "x-gzip"), Raw(zipped("data: a\n\n"))}))
		got, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
	in(t, "gzip that is cut off", func(t *testing.T) {
		body := zipped("data: " + strings.Repeat("abc", 1000) + "\n\n")
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip"), Raw(body[:len(body)-9])}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
	in(t, "a body that is not gzip", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip"), Data("a, and more than ten bytes")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, gzip.ErrHeader)
		truncatedError(t, err)
	})
	in(t, "gzip in the body of a ResponseError", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(400, "Content-Encoding", "gzip"), Raw(zipped("why"))}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal := responseError(t, err)
		require.Equal(t, "why", string(refusal.Body))
	})
	in(t, "two encodings", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip", "Content-Encoding", "br"), Raw("xyz")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.ErrorContains(t, err, `the content encoding "gzip,br"`)
	})
	for _, encoding := range []string{"none", "utf-8", "chunked", "identity, identity", "8bit", ""} {
		in(t, fmt.Sprintf("%q is not a coding", encoding), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", encoding), Data("a", "[DONE]")}))
			for _, open := range bothCalls(client(srv, doneEvent)) {
				got, err := read(open(srv.Get("/")))
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
			}
		})
	}
	in(t, "a word that is not a coding beside gzip", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip, none"), Raw(zipped("data: a\n\n"))}))
		got, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
	in(t, "identity", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "Identity"), Data("a")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
	})
}

// zipped returns text in gzip.
func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text) // to memory
	w.Close()
	return b.String()
}

func TestRedirect(t *testing.T) {
	in(t, "to the same origin, with all headers and the body", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(307, "Location", "/b")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(withSecrets(srv.Post("/a", "{}"))))
		require.NoError(t, err)
		got := srv.Requests()[1]
		require.Equal(t, "Bearer secret", got.Header.Get("Authorization"))
		require.Equal(t, "secret", got.Header.Get("X-Api-Key"))
		require.Equal(t, "POST {}", got.Method+" "+string(got.Body))
	})
	in(t, "to the same origin, spelled in another way", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(302, "Location", "http://SERVER.test:80/b")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(withSecrets(srv.Get("/a"))))
		require.NoError(t, err)
		require.Equal(t, "secret", srv.Requests()[1].Header.Get("X-Api-Key"))
	})
	in(t, "as CheckRedirect of the http.Client decides", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(302, "Location", "/b"), Raw("moved")}))
		srv.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, err := read(client(srv).Fetch(srv.Get("/a")))
		refusal := responseError(t, err)
		require.Equal(t, "302 moved", fmt.Sprint(refusal.StatusCode, " ", string(refusal.Body)))
	})
	in(t, "in a loop", func(t *testing.T) {
		for _, subscribe := range []bool{false, true} {
			srv := NewServer(t, InOrder(Script{Answer(302, "Location", "/a?secret=1")}))
			open := client(srv).Fetch
			if subscribe {
				open = client(srv).Subscribe
			}
			_, err := read(open(srv.Get("/a?secret=1")))
			require.EqualError(t, err, "sse: GET http://server.test/a: stopped after 10 redirects")
			refusedWith(302)(t, err)
			require.Len(t, srv.Requests(), 10)
		}
	})
	for location, want := range map[string]string{
		"%zz":         `failed to parse Location header "...": parse "...": invalid URL escape "..."`,
		"http://h:x/": `failed to parse Location header "...": parse "...": invalid port "..." after host`,
		"ftp://h/":    "the redirect does not lead to an http or https URL",
		"http:///x":   "the redirect does not lead to an http or https URL",
		"mailto:a@b":  "the redirect does not lead to an http or https URL",
	} {
		in(t, "to a location that cannot be followed: "+location, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(302, "Location", location)}))
			for _, open := range bothCalls(client(srv)) {
				_, err := read(open(srv.Get("/a")))
				refusedWith(302)(t, err)
				require.EqualError(t, err, "sse: GET http://server.test/a: "+want)
			}
			require.Len(t, srv.Requests(), 2)
		})
	}
}

// A redirect to another origin takes along none of the secrets of the request.
func TestRedirectToAnotherOrigin(t *testing.T) {
	in(t, "sends only safe headers, even if it leads back", func(t *testing.T) {
		srv := NewServer(t, InOrder(
			Script{Answer(307, "Location", "http://other.test/b")},
			Script{Answer(307, "Location", "http://server.test:80/c")},
			Script{Data("a")},
		))
		_, err := read(client(srv, sse.WithLastEventID("7"), sse.WithHeader("X-Option", "secret"), sse.WithPrepare(func(r *http.Request) error {
			r.Header.Set("X-Prepared", "secret")
			return nil
		})).Fetch(withSecrets(srv.Post("/a?q=secret", "{}"))))
		require.NoError(t, err)
		for _, got := range srv.Requests()[1:] {
			delete(got.Header, "Content-Length")
			require.Equal(t, http.Header{
				"Accept":          {"text/event-stream"},
				"Accept-Encoding": {"identity"},
				"Cache-Control":   {"no-cache"},
				"Content-Type":    {"application/json"},
				"Last-Event-Id":   {"7"},
				"User-Agent":      {"mine"},
			}, got.Header)
		}
	})
	in(t, "another port is another origin", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(302, "Location", "http://server.test:81/b")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(withSecrets(srv.Get("/a"))))
		require.NoError(t, err)
		for _, key := range []string{"Authorization", "Cookie", "X-Api-Key", "Referer"} {
			require.Empty(t, srv.Requests()[1].Header.Get(key), key)
		}
	})
	in(t, "a host that is the same only when Unicode case is folded", func(t *testing.T) {
		for _, host := range []string{"\u212aelvin.test", "%E2%84%AAelvin.test"} { // K is the Kelvin sign
			srv := NewServer(t, InOrder(Script{Answer(302, "Location", "http://"+host+"/b")}, Script{Data("a")}))
			req := withSecrets(srv.Get("/a"))
			req.URL.Host = "kelvin.test"
			_, err := read(client(srv).Fetch(req))
			require.NoError(t, err)
			require.Len(t, srv.Requests(), 2)
			for _, key := range []string{"Authorization", "Cookie", "X-Api-Key", "Referer"} {
				require.Empty(t, srv.Requests()[1].Header.Get(key), key)
			}
		}
	})
	in(t, "does not send the caller's Host", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(302, "Location", "//other.test/b")}, Script{Data("a")}))
		_, err := read(client(srv, sse.WithHeader("Host", "secret.internal")).Fetch(srv.Get("/a")))
		require.NoError(t, err)
		require.Equal(t, "secret.internal", srv.Requests()[0].Host)
		require.Equal(t, "other.test", srv.Requests()[1].Host)
	})
}

// withSecrets sets headers that only the origin of r may see.
func withSecrets(r *http.Request) *http.Request {
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Cookie", "secret=1")
	r.Header.Set("X-Api-Key", "secret")
	r.Header.Set("User-Agent", "mine")
	return r
}

// Neither an error nor any error in its tree nor a log line shows a query, a header value
// or a long text of the server.
func TestNoSecrets(t *testing.T) {
	tests := []struct {
		name   string
		script Script
	}{
		{name: "lost", script: Script{Cut()}},
		{name: "bad status line", script: rawConn("HTTP/1.1 " + strings.Repeat("secret", 1000) + "\r\n\r\n")},
		{name: "bad header", script: rawConn("HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 9000) + "\r\n\r\n")},
		{name: "bad location", script: Script{Answer(302, "Location", "http://u:secret@h:x/?q=secret")}},
		{name: "bad relative location", script: Script{Answer(302, "Location", "%zz?q=secret")}},
		{name: "location with a quote", script: Script{Answer(302, "Location", `http://h/%zz?a="&token=secret`)}},
		{name: "location with a user", script: Script{Answer(302, "Location", "//user:secret@h:x/")}},
		{name: "location with a fragment", script: Script{Answer(302, "Location", "%zz#access_token=secret")}},
		{name: "header without a colon", script: rawConn("HTTP/1.1 200 OK\r\nSet-Cookie session=secret\r\n\r\n")},
		{name: "bad trailer", script: rawConn("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" +
			strings.Repeat("secret", 500) + "\r\n\r\n")},
		{name: "location elsewhere", script: Script{Answer(302, "Location", "ftp://h/?q=secret")}},
		{name: "refused with an echo", script: Script{Answer(401, "X-Echo", "secret"), Raw("secret")}},
		{name: "wrong type with an echo", script: Script{Answer(200, "Content-Type", "text/html; secret"), Raw("secret")}},
		{name: "cut in a block", script: Script{Raw("data: secret\nid: secret\n"), Cut()}},
		{name: "too large", script: Script{Data(strings.Repeat("secret", 100))}},
		{name: "stalled", script: Script{Data("secret"), Stall()}},
		{name: "clean", script: Script{Data("secret")}},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			var log bytes.Buffer
			req := srv.Post("/path?key=secret#secret", "secret")
			req.URL.User = url.UserPassword("user", "secret")
			req.Header.Set("Authorization", "secret")
			wrapping := &http.Client{Transport: roundTripper(srv.Client().Transport.RoundTrip)}
			for _, open := range append(bothCalls(client(srv)), bothCalls(client(srv, sse.WithHTTPClient(wrapping)))...) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				_, err := read(open(req.WithContext(ctx), sse.WithMaxEventSize(100), sse.WithIdleTimeout(time.Second), sse.WithMaxRetries(2),
					sse.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
				cancel()
				walk(err, func(err error) {
					require.NotContains(t, err.Error(), "secret")
					require.Less(t, len(err.Error()), 1000)
				})
				if err != nil && err != context.DeadlineExceeded {
					require.Contains(t, err.Error(), "POST http://server.test/path: ")
				}
			}
			require.NotContains(t, log.String(), "secret")
		})
	}
}

// The error shows the words of the caller's own functions as they are. The log does not,
// since they may repeat what was sent.
func TestWordsOfTheCaller(t *testing.T) {
	const words = `key=secret "secret" http://auth.test/?client_secret=secret`
	secret := errors.New(words)
	redirect := Script{Answer(302, "Location", "/b")}
	for name, tt := range map[string]struct {
		script Script
		set    func(hc *http.Client) sse.Option
		log    string // the last line
	}{
		"a round tripper": {
			script: Script{Answer(200)},
			set: func(hc *http.Client) sse.Option {
				hc.Transport = roundTripper(func(*http.Request) (*http.Response, error) { return nil, secret })
				return nil
			},
			log: "WARN ended: gave up after 2 retries: the connection failed",
		},
		"the body of a round tripper": {
			script: Script{Data("a"), Stall()},
			set: func(hc *http.Client) sse.Option {
				next := hc.Transport
				hc.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err == nil {
						resp.Body = struct {
							io.Reader
							io.Closer
						}{iotest.ErrReader(secret), resp.Body}
					}
					return resp, err
				})
				return nil
			},
			log: "WARN ended: the connection broke after 0 events: reading failed",
		},
		"DialContext": {
			set: func(hc *http.Client) sse.Option {
				hc.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, secret }}
				return nil
			},
			log: "WARN ended: gave up after 2 retries: the connection failed",
		},
		"Proxy": {
			set: func(hc *http.Client) sse.Option {
				hc.Transport = &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, secret }}
				return nil
			},
			log: "WARN ended: gave up after 2 retries: the connection failed",
		},
		"the body of the request": {
			script: Script{Answer(200)},
			set: func(*http.Client) sse.Option {
				return sse.WithPrepare(func(r *http.Request) error {
					r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(secret)), 10
					return nil
				})
			},
			log: "WARN ended: gave up after 2 retries: the connection failed",
		},
		"CheckRedirect": {
			script: redirect,
			set: func(hc *http.Client) sse.Option {
				hc.CheckRedirect = func(*http.Request, []*http.Request) error { return secret }
				return nil
			},
			log: "WARN ended: the connection failed",
		},
		"WithPrepare": {
			script: redirect,
			set: func(*http.Client) sse.Option {
				return sse.WithPrepare(func(*http.Request) error { return fmt.Errorf("token: %w", secret) })
			},
			log: "WARN ended: the function of WithPrepare failed",
		},
		"WithResume": {
			script: Script{Data("a"), Cut()},
			set: func(*http.Client) sse.Option {
				return sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return nil, secret })
			},
			log: "WARN ended: the function of WithResume failed",
		},
		"WithResponseCheck": {
			script: Script{Answer(200)},
			set: func(*http.Client) sse.Option {
				return sse.WithResponseCheck(func(*http.Response) error { return secret })
			},
			log: "WARN ended: 200 OK: refused",
		},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script, tt.script, tt.script))
			log := new(logLines)
			hc := *srv.Client()
			opt := tt.set(&hc)
			_, err := read(client(srv, sse.WithHTTPClient(&hc), opt, sse.WithLogger(slog.New(log))).Fetch(srv.Get("/p")))
			require.ErrorIs(t, err, secret)
			require.ErrorContains(t, err, words)
			require.NotContains(t, strings.Join(log.lines, "\n"), "secret")
			require.Equal(t, tt.log, log.lines[len(log.lines)-1])
		})
	}
}

// rawConn sends text in place of an HTTP response.
func rawConn(text string) Script {
	return Script{Do(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, text) // the client may have gone
			c.Close()
		}
		panic(http.ErrAbortHandler)
	})}
}

// walk calls f with err and every error in its tree.
func walk(err error, f func(error)) {
	if err == nil {
		return
	}
	f(err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		walk(e.Unwrap(), f)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			walk(err, f)
		}
	}
}

func TestOpenTimeout(t *testing.T) {
	in(t, "ends an attempt without response headers", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Stall()}))
		start := time.Now()
		_, err := read(client(srv, sse.WithOpenTimeout(3*time.Second)).Fetch(srv.Post("/", "{}")))
		require.ErrorIs(t, err, sse.ErrOpenTimeout)
		require.EqualError(t, err, "sse: POST http://server.test/: timed out waiting for the response headers")
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "is retried for a GET", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Stall()}, Script{Data("a")}))
		got, err := read(client(srv, sse.WithOpenTimeout(3*time.Second)).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, []time.Duration{4 * time.Second}, gaps(srv))
	})
	in(t, "includes the time of WithPrepare", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		prepared := 0
		got, err := read(client(srv, sse.WithOpenTimeout(3*time.Second), sse.WithPrepare(func(*http.Request) error {
			if prepared++; prepared == 1 {
				<-time.After(5 * time.Second)
			}
			return nil
		})).Fetch(srv.Post("/", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, 2, prepared)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "is two minutes by default", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Stall()}))
		start := time.Now()
		_, err := read(client(srv).Fetch(srv.Post("/", "{}")))
		require.ErrorIs(t, err, sse.ErrOpenTimeout)
		require.Equal(t, 2*time.Minute, time.Since(start))
	})
	for _, tt := range []struct{ client, option, want time.Duration }{
		{5 * time.Second, 2 * time.Minute, 5 * time.Second},
		{5 * time.Second, 0, 5 * time.Second},
		{5 * time.Second, 3 * time.Second, 3 * time.Second},
		{0, 3 * time.Second, 3 * time.Second},
	} {
		in(t, fmt.Sprintf("is the shorter one of the option and the Timeout of the http.Client: %v", tt), func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Stall()}))
			srv.Client().Timeout = tt.client
			start := time.Now()
			_, err := read(client(srv, sse.WithOpenTimeout(tt.option)).Fetch(srv.Post("/", "{}")))
			require.ErrorIs(t, err, sse.ErrOpenTimeout)
			require.Equal(t, tt.want, time.Since(start))
		})
	}
	in(t, "Timeout of the http.Client does not bound the stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(time.Hour), Data("b")}))
		srv.Client().Timeout = 5 * time.Second
		got, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
		require.Equal(t, 5*time.Second, srv.Client().Timeout)
	})
	in(t, "headers that arrive as the timer fires", func(t *testing.T) {
		for range 100 {
			srv := NewServer(t, InOrder(Script{Wait(3 * time.Second), Data("a"), Wait(time.Second), Data("b")}))
			got, err := read(client(srv, sse.WithOpenTimeout(3*time.Second)).Fetch(srv.Post("/", "{}")))
			if err == nil {
				require.Equal(t, []string{"a", "b"}, got)
			} else {
				require.ErrorIs(t, err, sse.ErrOpenTimeout)
				require.Empty(t, got)
			}
		}
	})
}

func TestFromResponse(t *testing.T) {
	in(t, "reads the events of the response", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a", "[DONE]")}))
		resp, err := srv.Client().Do(srv.Get("/"))
		require.NoError(t, err)
		s, err := sse.FromResponse(resp, doneEvent)
		require.NoError(t, err)
		require.Equal(t, resp, s.Response())
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
	in(t, "accepts a 204 response without a body", func(t *testing.T) {
		s, err := sse.FromResponse(&http.Response{StatusCode: 204})
		got, err := read(s, err)
		require.NoError(t, err)
		require.Empty(t, got)
	})
	in(t, "a 204 response is truncated if a completion is configured", func(t *testing.T) {
		_, err := sse.FromResponse(&http.Response{StatusCode: 204}, doneEvent)
		require.EqualError(t, err, "sse: the response ended after 0 events without [DONE]")
		require.True(t, truncatedError(t, err).Clean)
	})
	in(t, "refuses a response that is not an event stream and closes it", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "3"), Raw("busy")}))
		resp, err := srv.Client().Do(srv.Get("/"))
		require.NoError(t, err)
		_, err = sse.FromResponse(resp, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			t.Error("WithResume was called before a response was accepted")
			return nil, nil
		}))
		refusedWith(503)(t, err)
		require.ErrorContains(t, err, "sse: GET http://server.test/: 503")
		_, err = resp.Body.Read(make([]byte, 1))
		require.ErrorContains(t, err, "closed")
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "reads a refused body for a bounded time", func(t *testing.T) {
		r, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, "busy") }() // ends when it is read
		resp := response(r)
		resp.StatusCode = 503
		start := time.Now()
		_, err := sse.FromResponse(resp)
		refusedWith(503)(t, err)
		require.Equal(t, time.Second, time.Since(start))
	})
	in(t, "the context of the request ends while a refused body is read", func(t *testing.T) {
		r, _ := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		resp := response(r)
		resp.StatusCode = 503
		resp.Request = new(http.Request).WithContext(ctx)
		time.AfterFunc(500*time.Millisecond, cancel)
		_, err := sse.FromResponse(resp)
		require.Equal(t, context.Canceled, err)
	})
	in(t, "names the request in a TruncatedError", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		resp, err := srv.Client().Do(srv.Get("/p"))
		require.NoError(t, err)
		_, err = read(sse.FromResponse(resp))
		truncatedError(t, err)
		require.ErrorContains(t, err, "sse: GET http://server.test/p: the connection broke after 1 event: unexpected EOF")
	})
	in(t, "keeps reading the body that it was given", func(t *testing.T) {
		resp := response(io.NopCloser(strings.NewReader("data: a\n\n")))
		s, err := sse.FromResponse(resp)
		require.NoError(t, err)
		resp.Body = io.NopCloser(strings.NewReader("data: b\n\n"))
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
	in(t, "a nil response, or an invalid option", func(t *testing.T) {
		_, err := sse.FromResponse(nil)
		require.EqualError(t, err, "sse: FromResponse: the response is nil")
		body := &closer{Reader: strings.NewReader("")}
		_, err = sse.FromResponse(&http.Response{Body: body}, sse.WithMaxRetries(-1))
		require.Error(t, err)
		require.True(t, body.closed)
	})
}

// The exported names, as programs outside this module use them. A change that does not
// compile here breaks those programs.
var (
	_ func(*sse.Parser) bool                                   = (*sse.Parser).Next
	_ func(*sse.Parser) sse.Event                              = (*sse.Parser).Event
	_ func(*sse.Parser) []byte                                 = (*sse.Parser).Data
	_ func(*sse.Parser) string                                 = (*sse.Parser).Type
	_ func(*sse.Parser) string                                 = (*sse.Parser).LastEventID
	_ func(*sse.Parser) (time.Duration, bool)                  = (*sse.Parser).Retry
	_ func(*sse.Parser) error                                  = (*sse.Parser).Err
	_ func(*sse.Parser) iter.Seq2[sse.Event, error]            = (*sse.Parser).Events
	_ func([]byte, sse.Event) ([]byte, error)                  = sse.AppendEvent
	_ func(...sse.Option) *sse.Client                          = sse.NewClient
	_ func(*http.Request, ...sse.Option) (*sse.Stream, error)  = sse.Fetch
	_ func(*http.Request, ...sse.Option) (*sse.Stream, error)  = sse.Subscribe
	_ func(*http.Response, ...sse.Option) (*sse.Stream, error) = sse.FromResponse
	_ func(*http.Request, ...sse.Option) (*sse.Stream, error)  = new(sse.Client).Fetch
	_ func(*http.Request, ...sse.Option) (*sse.Stream, error)  = (&sse.Client{}).Subscribe
	_ func(*sse.Stream) bool                                   = (*sse.Stream).Next
	_ func(*sse.Stream) sse.Event                              = (*sse.Stream).Event
	_ func(*sse.Stream) []byte                                 = (*sse.Stream).Data
	_ func(*sse.Stream) string                                 = (*sse.Stream).Type
	_ func(*sse.Stream) (time.Duration, bool)                  = (*sse.Stream).Retry
	_ func(*sse.Stream) string                                 = (*sse.Stream).LastEventID
	_ func(*sse.Stream) error                                  = (*sse.Stream).Err
	_ func(*sse.Stream) iter.Seq2[sse.Event, error]            = (*sse.Stream).Events
	_ func(*sse.Stream) *http.Response                         = (*sse.Stream).Response
	_ func(*sse.Stream)                                        = (*sse.Stream).Reconnect
	_ func(*sse.Stream) error                                  = (*sse.Stream).Close
	_ func(sse.Source) iter.Seq2[struct{}, error]              = sse.Decode[struct{}]
	_ iter.Seq2[int, error]                                    = sse.DecodeFunc(sse.Source(nil), func([]byte) (int, error) { return 0, nil })
	_ func(sse.Source) string                                  = sse.Source.Type
	_ func(...sse.Option) sse.Option                           = sse.JoinOptions
	_ func(*http.Response) error                               = sse.CheckResponse
	_ func(error) bool                                         = sse.NotSent
	_ func(error) bool                                         = sse.Retryable
	_ sse.Source                                               = (*sse.Stream)(nil)
	_ sse.Source                                               = (*sse.Parser)(nil)

	_ = []sse.Option{
		sse.WithHTTPClient((*http.Client)(nil)),
		sse.WithHeader("Key", "value"),
		sse.WithPrepare(func(*http.Request) error { return nil }),
		sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return nil, nil }),
		sse.WithLastEventID(""),
		sse.WithBackOff(func() backoff.BackOff { return nil }),
		sse.WithRetryPolicy(func(sse.Attempt) (time.Duration, bool) { return 0, false }),
		sse.WithMaxRetries(0),
		sse.WithOpenTimeout(time.Second),
		sse.WithIdleTimeout(time.Second),
		sse.WithEventTimeout(time.Second),
		sse.WithMaxEventSize(1),
		sse.WithResponseCheck(func(*http.Response) error { return nil }),
		sse.WithDone("a", "b"),
		sse.WithTerminator(func(sse.Event) bool { return false }),
		sse.WithCompleteAfter(func(sse.Event) bool { return false }),
		sse.WithEventError(func(sse.Event) error { return nil }),
		sse.WithIgnoredError(func(string) error { return nil }),
		sse.WithTrace(&sse.Trace{
			Request:    func(*http.Request) {},
			Open:       func(*http.Response) {},
			Comment:    func(string) {},
			Ignored:    func(string) {},
			Disconnect: func(error) {},
			Wait:       func(sse.Attempt) {},
		}),
		sse.WithLogger((*slog.Logger)(nil)),
	}

	_ = sse.Event{Type: "", Data: "", ID: ""}
	_ = sse.Attempt{Number: 1, LastEventID: "", Err: nil, Retry: true, Delay: time.Second, Events: 0, Elapsed: 0}

	_ error = &sse.ResponseError{StatusCode: 1, Header: http.Header{}, Body: []byte{}, RetryAfter: time.Second, BodyTruncated: true, Err: nil}
	_ error = &sse.TruncatedError{Partial: sse.Event{}, LastEventID: "", Events: 0, Err: nil, Clean: true, Ignored: nil}
	_ error = &sse.EventError{Event: sse.Event{}, Err: nil}
	_ error = &sse.DecodeError{Event: sse.Event{}, Err: nil}
	_       = []error{sse.ErrEventTooLarge, sse.ErrIdleTimeout, sse.ErrEventTimeout, sse.ErrOpenTimeout, sse.ErrClosed}
)

// A 101 response leaves its connection to the caller, so that net/http does not end a Read of
// its body with the context.
func TestContextEndsTheReadOfASwitchedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the client closes the connection
		conn.Close()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = sse.Fetch(newGet("http://" + l.Addr().String()).WithContext(ctx))
	require.Equal(t, context.DeadlineExceeded, err)
}

// A round tripper may send the request with another context. Then only Close ends a Read.
// This test is in real time: in a bubble, net/http 1.27 waits for a lock beside the Read.
func TestRoundTripperThatDropsTheContext(t *testing.T) {
	for name, next := range map[string]bool{"Close during Next": true, "Close without another call of Next": false} {
		t.Run(name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Stall()}), Loopback())
			closed := make(chan struct{}, 2)
			hc := srv.Client()
			transport := hc.Transport
			hc.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := transport.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
				if err == nil {
					resp.Body = closeFunc{resp.Body, func() { closed <- struct{}{} }}
				}
				return resp, err
			})
			s, err := client(srv, sse.WithHTTPClient(hc)).Fetch(srv.Get("/"))
			require.NoError(t, err)
			require.True(t, s.Next())
			if next {
				time.AfterFunc(time.Millisecond, func() { s.Close() })
				require.False(t, s.Next())
				require.Equal(t, sse.ErrClosed, s.Err())
			} else {
				s.Close()
			}
			<-closed
		})
	}
}

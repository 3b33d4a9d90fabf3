package sse_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
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
		require.ErrorContains(t, err, "GetBody")
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
		_, err := client(srv).Subscribe(req)
		require.ErrorIs(t, err, errInBand)
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
		srv := NewServer(t, InOrder(Script{Answer(503)}, Script{Data("a")}))
		req := srv.Post("/", "")
		req.Body = &closer{Reader: strings.NewReader("once")}
		_, err := read(client(srv).Fetch(req))
		refusal := responseError(t, err)
		require.Equal(t, 503, refusal.StatusCode)
		require.Len(t, srv.Requests(), 1)
	})
}

// Every body that was given or made for an attempt is closed, however the attempt ends.
func TestRequestBodyIsClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		script  Script
		prepare func(r *http.Request, cancel func()) error
	}{
		"completed":                    {script: Script{Data("[DONE]")}},
		"refused":                      {script: Script{Answer(400)}},
		"retried":                      {script: Script{Answer(503)}},
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
	for _, mediaType := range []string{"text/event-streams", "text/plain", "application/json; x=text/event-stream", "event-stream"} {
		in(t, "refused "+mediaType, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", mediaType, "X-Id", "7"), Raw(`{"error":1}`)}))
			_, err := read(client(srv).Fetch(srv.Post("/p?secret=1", "{}")))
			refusal := responseError(t, err)
			require.Equal(t, 200, refusal.StatusCode)
			require.Equal(t, `{"error":1}`, string(refusal.Body))
			require.Equal(t, "7", refusal.Header.Get("X-Id"))
			require.ErrorContains(t, err, "sse: POST http://server.test/p: 200 OK, but the content is ")
			require.ErrorContains(t, err, "instead of text/event-stream")
		})
	}
}

func TestResponseError(t *testing.T) {
	in(t, "the body is bounded", func(t *testing.T) {
		big := strings.Repeat("x", 100<<10)
		srv := NewServer(t, InOrder(Script{Answer(400), Raw(big), Stall()}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal := responseError(t, err)
		require.Len(t, refusal.Body, 64<<10)
		require.EqualError(t, err, "sse: GET http://server.test/: 400 Bad Request")
	})
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
	in(t, "a body that stalls costs a bounded time", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(400), Raw("so far"), Stall()}))
		start := time.Now()
		_, err := client(srv, sse.WithOpenTimeout(0)).Fetch(srv.Get("/"))
		refusal := responseError(t, err)
		require.Equal(t, "so far", string(refusal.Body))
		require.Equal(t, 10*time.Second, time.Since(start))
	})
	in(t, "Retry-After is reported", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(429, "Retry-After", " 120 ")}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal := responseError(t, err)
		require.Equal(t, 2*time.Minute, refusal.RetryAfter)
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
	in(t, "an encoding that cannot be decoded", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "br"), Raw("xyz")}))
		_, err := read(client(srv).Subscribe(srv.Get("/")))
		require.EqualError(t, err, `sse: GET http://server.test/: 200 OK, but with the content encoding "br", which this package cannot decode`)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "two encodings", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip", "Content-Encoding", "br"), Raw("xyz")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.ErrorContains(t, err, `the content encoding "gzip,br"`)
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
			for _, open := range bothCalls(client(srv)) {
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

// A function of the caller may return an error of net/http.
func TestNoSecretsOfPrepare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		cause := &url.Error{Op: "Post", URL: "http://auth.test/token?client_secret=secret", Err: io.EOF}
		_, err := client(srv, sse.WithPrepare(func(*http.Request) error { return cause })).Fetch(srv.Get("/p"))
		require.ErrorIs(t, err, io.EOF)
		require.ErrorContains(t, err, "sse: GET http://server.test/p: WithPrepare: ")
		walk(err, func(err error) { require.NotContains(t, err.Error(), "secret") })
	})
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
		require.Equal(t, 10*time.Second, time.Since(start))
	})
	in(t, "the context of the request ends while a refused body is read", func(t *testing.T) {
		r, _ := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		resp := response(r)
		resp.StatusCode = 503
		resp.Request = new(http.Request).WithContext(ctx)
		time.AfterFunc(time.Second, cancel)
		_, err := sse.FromResponse(resp)
		require.Equal(t, context.Canceled, err)
	})
	in(t, "names the request in a TruncatedError", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		resp, err := srv.Client().Do(srv.Get("/p"))
		require.NoError(t, err)
		_, err = read(sse.FromResponse(resp))
		truncatedError(t, err)
		require.ErrorContains(t, err, "sse: GET http://server.test/p: truncated")
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
	_ func(*sse.Stream) string                                 = (*sse.Stream).LastEventID
	_ func(*sse.Stream) error                                  = (*sse.Stream).Err
	_ func(*sse.Stream) iter.Seq2[sse.Event, error]            = (*sse.Stream).Events
	_ func(*sse.Stream) *http.Response                         = (*sse.Stream).Response
	_ func(*sse.Stream)                                        = (*sse.Stream).Reconnect
	_ func(*sse.Stream) error                                  = (*sse.Stream).Close
	_ func(sse.Source) iter.Seq2[struct{}, error]              = sse.Decode[struct{}]
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
		sse.WithDone("a", "b"),
		sse.WithTerminator(func(sse.Event) bool { return false }),
		sse.WithEventError(func(sse.Event) error { return nil }),
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

	_ error = &sse.ResponseError{StatusCode: 1, Header: http.Header{}, Body: []byte{}, RetryAfter: time.Second}
	_ error = &sse.TruncatedError{Partial: sse.Event{}, LastEventID: "", Events: 0, Err: nil, Ignored: nil}
	_ error = &sse.EventError{Event: sse.Event{}, Err: nil}
	_ error = &sse.DecodeError{Event: sse.Event{}, Err: nil}
	_       = []error{sse.ErrEventTooLarge, sse.ErrIdleTimeout, sse.ErrEventTimeout, sse.ErrOpenTimeout, sse.ErrClosed}
)

// A 101 response leaves its connection to the caller, whose context does not end its reads.
func TestSwitchingProtocolsIsRefused(t *testing.T) {
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

package sse_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

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
	in(t, "the caller's stay", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		req := srv.Get("/")
		req.Header.Set("Accept", "text/event-stream, application/json")
		req.Header.Set("X-Own", "1")
		req.Header["Cache-Control"] = nil
		before := req.Header.Clone()
		_, err := read(client(srv, sse.WithHeader("X-Client", "2"), sse.WithHeader("x-both", "client")).
			Fetch(req, sse.WithHeader("X-Both", "call"), sse.WithHeader("Host", "other.test"), sse.WithHeader("!Odd~9", "4")))
		require.NoError(t, err)
		got := srv.Requests()[0]
		require.Equal(t, "text/event-stream, application/json", got.Header.Get("Accept"))
		require.NotContains(t, got.Header, "Cache-Control")
		require.Equal(t, "1", got.Header.Get("X-Own"))
		require.Equal(t, "2", got.Header.Get("X-Client"))
		require.Equal(t, []string{"call"}, got.Header["X-Both"])
		require.Equal(t, []string{"4"}, got.Header["!odd~9"])
		require.Equal(t, "other.test", got.Host)
		require.Equal(t, before, req.Header)
		require.Equal(t, "server.test", req.Host)
	})
	in(t, "none of the caller's", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		_, err := read(client(srv, sse.WithLastEventID("7")).Fetch(&http.Request{URL: srv.Get("/").URL}))
		require.NoError(t, err)
		require.Equal(t, "7", srv.Requests()[0].Header.Get("Last-Event-ID"))
	})
	in(t, "the caller's, in a case of their own", func(t *testing.T) {
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
	in(t, "WithPrepare has the last word on every attempt", func(t *testing.T) {
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
	in(t, "an error of WithPrepare ends the stream, unless the policy goes on", func(t *testing.T) {
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

func TestResponses(t *testing.T) {
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
			refusal, ok := errors.AsType[*sse.ResponseError](err)
			require.True(t, ok)
			require.Equal(t, 200, refusal.StatusCode)
			require.Equal(t, `{"error":1}`, string(refusal.Body))
			require.Equal(t, "7", refusal.Header.Get("X-Id"))
			require.ErrorContains(t, err, "sse: POST http://server.test/p: 200 OK, but the content is ")
			require.ErrorContains(t, err, "instead of text/event-stream")
		})
	}
	in(t, "body of a refusal is bounded", func(t *testing.T) {
		big := strings.Repeat("x", 100<<10)
		srv := NewServer(t, InOrder(Script{Answer(400), Raw(big), Stall()}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		require.True(t, ok)
		require.Len(t, refusal.Body, 64<<10)
		require.EqualError(t, err, "sse: GET http://server.test/: 400 Bad Request")
	})
	in(t, "body of a 2xx is bounded by the event limit", func(t *testing.T) {
		big := strings.Repeat("x", 100<<10)
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "application/json"), Raw(big)}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal, _ := errors.AsType[*sse.ResponseError](err)
		require.Len(t, refusal.Body, 100<<10)
		_, err = client(srv).Fetch(srv.Get("/"), sse.WithMaxEventSize(1000))
		refusal, _ = errors.AsType[*sse.ResponseError](err)
		require.Len(t, refusal.Body, 1000)
	})
	in(t, "a refusal that stalls costs a bounded time", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(400), Raw("so far"), Stall()}))
		start := time.Now()
		_, err := client(srv, sse.WithOpenTimeout(0)).Fetch(srv.Get("/"))
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		require.True(t, ok)
		require.Equal(t, "so far", string(refusal.Body))
		require.Equal(t, 10*time.Second, time.Since(start))
	})
	in(t, "Retry-After is reported", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(429, "Retry-After", " 120 ")}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal, _ := errors.AsType[*sse.ResponseError](err)
		require.Equal(t, 2*time.Minute, refusal.RetryAfter)
	})
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text) // to memory
	w.Close()
	return b.String()
}

func TestContentEncoding(t *testing.T) {
	in(t, "gzip is decoded as it flows", func(t *testing.T) {
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
	in(t, "gzip to its end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "x-gzip"), Raw(zipped("data: a\n\n"))}))
		got, err := read(client(srv).Fetch(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	})
	in(t, "gzip cut off", func(t *testing.T) {
		body := zipped("data: " + strings.Repeat("abc", 1000) + "\n\n")
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip"), Raw(body[:len(body)-9])}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
	in(t, "no gzip at all", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "gzip"), Data("a, and more than ten bytes")}))
		_, err := read(client(srv).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, gzip.ErrHeader)
		_, ok := errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok)
	})
	in(t, "a refusal in gzip", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(400, "Content-Encoding", "gzip"), Raw(zipped("why"))}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal, _ := errors.AsType[*sse.ResponseError](err)
		require.Equal(t, "why", string(refusal.Body))
	})
	in(t, "another encoding", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "br"), Raw("xyz")}))
		_, err := read(client(srv).Subscribe(srv.Get("/")))
		require.EqualError(t, err, `sse: GET http://server.test/: 200 OK, but with the content encoding "br", which this package cannot decode`)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "one encoding in another", func(t *testing.T) {
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

func TestRedirects(t *testing.T) {
	secrets := func(r *http.Request) *http.Request {
		r.Header.Set("Authorization", "Bearer secret")
		r.Header.Set("Cookie", "secret=1")
		r.Header.Set("X-Api-Key", "secret")
		r.Header.Set("User-Agent", "mine")
		return r
	}
	in(t, "to the same origin", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(307, "Location", "/b")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(secrets(srv.Post("/a", "{}"))))
		require.NoError(t, err)
		got := srv.Requests()[1]
		require.Equal(t, "Bearer secret", got.Header.Get("Authorization"))
		require.Equal(t, "secret", got.Header.Get("X-Api-Key"))
		require.Equal(t, "POST {}", got.Method+" "+string(got.Body))
	})
	in(t, "to another origin, and back", func(t *testing.T) {
		srv := NewServer(t, InOrder(
			Script{Answer(307, "Location", "http://other.test/b")},
			Script{Answer(307, "Location", "http://server.test:80/c")},
			Script{Data("a")},
		))
		_, err := read(client(srv, sse.WithLastEventID("7"), sse.WithHeader("X-Option", "secret"), sse.WithPrepare(func(r *http.Request) error {
			r.Header.Set("X-Prepared", "secret")
			return nil
		})).Fetch(secrets(srv.Post("/a?q=secret", "{}"))))
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
	in(t, "another port or scheme is another origin", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(302, "Location", "http://server.test:81/b")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(secrets(srv.Get("/a"))))
		require.NoError(t, err)
		for _, key := range []string{"Authorization", "Cookie", "X-Api-Key", "Referer"} {
			require.Empty(t, srv.Requests()[1].Header.Get(key), key)
		}
	})
	in(t, "the same origin in other words", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(302, "Location", "http://SERVER.test:80/b")}, Script{Data("a")}))
		_, err := read(client(srv).Fetch(secrets(srv.Get("/a"))))
		require.NoError(t, err)
		require.Equal(t, "secret", srv.Requests()[1].Header.Get("X-Api-Key"))
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
		"ftp://h/":    "it redirects to something that is no http or https URL",
		"http:///x":   "it redirects to something that is no http or https URL",
		"mailto:a@b":  "it redirects to something that is no http or https URL",
	} {
		in(t, "that cannot be followed, "+location, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Answer(302, "Location", location)}))
			for _, open := range []func(*http.Request, ...sse.Option) (*sse.Stream, error){client(srv).Fetch, client(srv).Subscribe} {
				_, err := read(open(srv.Get("/a")))
				refusedWith(302)(t, err)
				require.EqualError(t, err, "sse: GET http://server.test/a: "+want)
			}
			require.Len(t, srv.Requests(), 2)
		})
	}
	in(t, "a Host of the caller stays at home", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(302, "Location", "//other.test/b")}, Script{Data("a")}))
		_, err := read(client(srv, sse.WithHeader("Host", "secret.internal")).Fetch(srv.Get("/a")))
		require.NoError(t, err)
		require.Equal(t, "secret.internal", srv.Requests()[0].Host)
		require.Equal(t, "other.test", srv.Requests()[1].Host)
	})
	in(t, "the client's own check", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(302, "Location", "/b"), Raw("moved")}))
		srv.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, err := read(client(srv).Fetch(srv.Get("/a")))
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		require.True(t, ok)
		require.Equal(t, "302 moved", fmt.Sprint(refusal.StatusCode, " ", string(refusal.Body)))
	})
}

// No query, header value or long payload may be in the message of an error or of what
// it wraps, nor in a log line.
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
			for _, o := range []func(*http.Request, ...sse.Option) (*sse.Stream, error){client(srv).Fetch, client(srv).Subscribe} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				_, err := read(o(req.WithContext(ctx), sse.WithMaxEventSize(100), sse.WithIdleTimeout(time.Second), sse.WithMaxRetries(2),
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

// An error of the caller's own function may come from net/http, too.
func TestNoSecretsOfOthers(t *testing.T) {
	in(t, "", func(t *testing.T) {
		srv := NewServer(t, InOrder(gone))
		cause := &url.Error{Op: "Post", URL: "http://auth.test/token?client_secret=secret", Err: io.EOF}
		_, err := client(srv, sse.WithPrepare(func(*http.Request) error { return cause })).Fetch(srv.Get("/p"))
		require.ErrorIs(t, err, io.EOF)
		require.ErrorContains(t, err, "sse: GET http://server.test/p: WithPrepare: ")
		walk(err, func(err error) { require.NotContains(t, err.Error(), "secret") })
	})
}

// rawConn answers with text in place of HTTP.
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

// walk calls f with err and everything in its tree.
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

func TestBadRequests(t *testing.T) {
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
		{name: "method", want: "no method", req: request(func(r *http.Request) { r.Method = "GE T" })},
		{name: "header name", want: "header name", req: request(func(r *http.Request) { r.Header["a b"] = []string{"x"} })},
		{name: "header value", want: "X-A has a control character", req: request(func(r *http.Request) { r.Header.Set("X-A", "secret\n") })},
		{name: "length without a body", want: "no Body", req: request(func(r *http.Request) { r.Body, r.ContentLength = nil, 3 })},
		{name: "server request", want: "RequestURI", req: request(func(r *http.Request) { r.RequestURI = "/" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, o := range []func(*http.Request, ...sse.Option) (*sse.Stream, error){sse.Fetch, sse.Subscribe} {
				_, err := o(tt.req)
				require.ErrorContains(t, err, "sse: ")
				require.ErrorContains(t, err, tt.want)
				require.NotContains(t, err.Error(), "secret")
			}
		})
	}
}

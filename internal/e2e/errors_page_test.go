package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// A shownError is a line of docs/errors.md, and a part of a row in its table of Retryable
// and NotSent.
type shownError struct {
	row     string
	cause   func(t *testing.T) error
	sockets bool // the cause needs sockets, which do not work in a bubble
}

// The rows of the table, with the results of Retryable and NotSent.
const (
	notConnected = "connection refused, or another failure before the connection | yes | yes"
	unknownHost  = "unknown host | yes | yes"
	untrusted    = "untrusted certificate | no | yes"
	noResponse   = "connection that ended before the response headers, `ErrOpenTimeout` | yes | no"
	busy         = "`*ResponseError`: 408, 425, 429, 500, 502, 503, 504, 52x, 530, 598, 599 | yes | no"
	refused      = "any other `*ResponseError` | no | no"
	incomplete   = "`*TruncatedError`, `ErrIdleTimeout`, `ErrEventTimeout` | yes | no"
	noProgress   = "subscription that gave up without progress | yes | no"
	inBand       = "`*EventError` | no | no"
	inBandPasses = "`*EventError` whose `Err` has a method `Retryable` that returns true, such as an `*llm.Error` | yes | no"
	declined     = "refusal of a model, from `Text` of package llm | no | no"
	badEvent     = "`ErrEventTooLarge`, `*DecodeError`, failed reader of a `Parser` | no | no"
	interrupted  = "context done, `ErrClosed` | no | no"
	waiting      = "context done, waiting to retry, and no attempt was sent | no | yes"
	unsendable   = "`WithPrepare`, `WithResume`, `GetBody`, last event ID: at first | no | yes"
	unsendable2  = "the same after an attempt was sent | no | no"
	mistake      = "mistake in an option or the request of `Fetch` or `Subscribe` | no | yes"
	mistake2     = "mistake in a loop, `FromResponse`, `NewParser` or `AppendEvent` | no | no"
)

// tableRows are the rows in the order of the table.
var tableRows = []string{
	notConnected, unknownHost, untrusted, noResponse, busy, refused, incomplete, noProgress, inBand, inBandPasses,
	declined, badEvent, interrupted, waiting, unsendable, unsendable2, mistake, mistake2,
}

var (
	three   = Data("1", "2", "3")
	done    = sse.WithDone("[DONE]")
	stop    = sse.WithTerminator(func(e sse.Event) bool { return e.Type == "stop" })
	jsonTyp = Answer(200, "Content-Type", "application/json")
)

// fetch returns the error of a Fetch with a POST.
func fetch(script Script, opts ...sse.Option) func(*testing.T) error {
	return open((*sse.Client).Fetch, post, []Script{script}, opts...)
}

// open returns the error of a call and its stream.
func open(call func(*sse.Client, *http.Request, ...sse.Option) (*sse.Stream, error), request func(*Server) *http.Request,
	scripts []Script, opts ...sse.Option,
) func(*testing.T) error {
	return func(t *testing.T) error {
		srv := NewServer(t, InOrder(scripts...))
		_, err := read(call(client(srv), request(srv), opts...))
		return err
	}
}

func post(srv *Server) *http.Request { return srv.Post("/chat", "{}") }

func get(srv *Server) *http.Request { return srv.Get("/feed") }

// postOnce returns a POST whose body cannot be sent again.
func postOnce(srv *Server) *http.Request {
	r := post(srv)
	r.GetBody = nil
	return r
}

// within returns a function that makes a request whose context ends after d for this cause.
func within(d time.Duration, cause error) func(*Server) *http.Request {
	return func(srv *Server) *http.Request {
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(d, func() { cancel(cause) })
		return post(srv).WithContext(ctx)
	}
}

// undialed returns an option whose client gets err in place of a connection.
func undialed(err error) sse.Option {
	return sse.WithHTTPClient(&http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err },
	}})
}

// dialDeaf returns a connection to a server that reads everything and never responds.
func dialDeaf(context.Context, string, string) (net.Conn, error) {
	conn, server := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, server) }() // until conn is closed
	return conn, nil
}

// A resetConn is a connection that its peer resets once it has a request.
type resetConn struct{ net.Conn }

func dialReset(context.Context, string, string) (net.Conn, error) {
	conn, server := net.Pipe()
	go func() {
		defer server.Close()
		if r, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}()
	return resetConn{conn}, nil
}

func (c resetConn) Read(b []byte) (int, error) {
	if n, err := c.Conn.Read(b); err != io.EOF {
		return n, err
	}
	return 0, &net.OpError{
		Op: "read", Net: "tcp", Source: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 40000}, Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8080},
		Err: os.NewSyscallError("read", syscall.ECONNRESET),
	}
}

// fetchTLS returns the error of a Fetch from a server that start has started. The client
// trusts no certificate.
func fetchTLS(url string, start func(*httptest.Server)) func(*testing.T) error {
	return func(t *testing.T) error {
		srv := httptest.NewUnstartedServer(http.NotFoundHandler())
		srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
		start(srv)
		defer srv.Close()
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
			},
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		_, err = sse.Fetch(req, sse.WithHTTPClient(&http.Client{Transport: transport}), withoutWaits)
		return err
	}
}

var (
	forExample = (*httptest.Server).StartTLS // with a certificate for example.com
	plain      = (*httptest.Server).Start
)

// changed returns the error of a Fetch with a request that change has spoiled.
func changed(change func(*http.Request), opts ...sse.Option) func(*testing.T) error {
	return func(t *testing.T) error {
		srv := NewServer(t, InOrder(Script{}))
		req := post(srv)
		change(req)
		_, err := client(srv).Fetch(req, opts...)
		return err
	}
}

// overloaded is an error event that may pass.
type overloaded struct{}

func (overloaded) Error() string   { return "overloaded_error" }
func (overloaded) Retryable() bool { return true }

func failWith(err error) sse.Option {
	return sse.WithEventError(func(e sse.Event) error {
		if e.Type == "error" {
			return err
		}
		return nil
	})
}

// after makes a clean end complete from the event with this data on.
func after(data string) sse.Option {
	return sse.WithCompleteAfter(func(e sse.Event) bool { return e.Data == data })
}

var failOnHTML = sse.WithIgnoredError(func(text string) error {
	if strings.HasPrefix(text, "<html>") {
		return errors.New("bad gateway")
	}
	return nil
})

// retryOnce continues after the first failure, whatever it is.
var retryOnce = sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return a.Delay, a.Number == 1 })

func resume(f func(context.Context) (*http.Request, error)) sse.Option {
	return sse.WithResume(func(ctx context.Context, _ sse.Attempt) (*http.Request, error) { return f(ctx) })
}

// shownErrors are the errors of docs/errors.md, in its order.
var shownErrors = []shownError{
	// Refused.
	{row: refused, cause: fetch(Script{Answer(401)})},
	{row: busy, cause: fetch(Script{Answer(429, "Retry-After", "90")})},
	{row: refused, cause: fetch(Script{Answer(200)})},
	{row: refused, cause: fetch(Script{jsonTyp, Raw("{}")})},
	{row: refused, cause: fetch(Script{Answer(200, "Content-Type", "text/plain"), Raw("data: 1\n\n")})},
	{row: refused, cause: fetch(Script{Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "br")})},
	{row: refused, cause: fetch(Script{jsonTyp, Raw("{}")}, sse.WithResponseCheck(func(*http.Response) error { return errors.New("quota used up") }))},
	{row: refused, cause: func(t *testing.T) error {
		srv := NewServer(t, func(_ int, r *http.Request) Script {
			if r.Host == "server.test" {
				return Script{Answer(307, "Location", "http://other.test/chat")}
			}
			return Script{Answer(401)}
		})
		_, err := client(srv).Fetch(post(srv))
		return err
	}},
	{row: refused, cause: fetch(Script{Answer(307, "Location", "/chat")})},
	{row: refused, cause: fetch(Script{Answer(307, "Location", "ftp://server.test/chat")})},

	// Without a response.
	{row: notConnected, cause: fetch(Script{}, undialed(&net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080},
		Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}))},
	{row: notConnected, cause: fetch(Script{}, undialed(&net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8080},
		Err: os.NewSyscallError("connect", syscall.ENETUNREACH),
	}))},
	{row: notConnected, cause: fetch(Script{}, undialed(&net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8080}, Err: os.ErrDeadlineExceeded,
	}))},
	{row: notConnected, cause: fetch(Script{}, undialed(&net.OpError{
		Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "server.test", Server: "127.0.0.53:53", IsTemporary: true},
	}))},
	{row: unknownHost, cause: open((*sse.Client).Subscribe, get, []Script{{}}, undialed(&net.OpError{
		Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "server.test", IsNotFound: true},
	}))},
	{row: untrusted, cause: fetchTLS("https://example.com/feed", forExample), sockets: true},
	{row: untrusted, cause: fetchTLS("https://server.test/feed", forExample), sockets: true},
	{row: notConnected, cause: fetchTLS("https://server.test/feed", plain), sockets: true},
	{row: notConnected, cause: func(t *testing.T) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://server.test/feed", nil)
		require.NoError(t, err)
		_, err = sse.Fetch(req, sse.WithHTTPClient(&http.Client{Transport: &http.Transport{
			TLSHandshakeTimeout: 10 * time.Second, // that of http.DefaultTransport
			DialContext:         dialDeaf,
		}}))
		return err
	}},
	{row: notConnected, sockets: true, cause: func(t *testing.T) error {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }))
		defer proxy.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://server.test/chat", strings.NewReader("{}"))
		require.NoError(t, err)
		address := proxy.Listener.Addr().String()
		_, err = sse.Fetch(req, withoutWaits, sse.WithHTTPClient(&http.Client{Transport: &http.Transport{
			Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: address}),
		}}))
		return err
	}},
	{row: noResponse, cause: fetch(Script{Cut()})},
	{row: noResponse, cause: fetch(Script{}, sse.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dialReset}}))},
	{row: noResponse, sockets: true, cause: func(t *testing.T) error {
		srv := newH2Server(t, h2Response{func(uint32) string { return goAway(0, noError) }, true})
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(srv.url, "http://"))
		}}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server.test/chat", strings.NewReader("{}"))
		require.NoError(t, err)
		_, err = sse.Fetch(req, sse.WithHTTPClient(&http.Client{Transport: transport}))
		return err
	}},

	// Timeouts.
	{row: noResponse, cause: fetch(Script{Stall()})},
	{row: incomplete, cause: fetch(Script{three, Stall()}, sse.WithIdleTimeout(time.Minute))},
	{row: incomplete, cause: fetch(Script{three, Stall()}, sse.WithEventTimeout(time.Minute))},

	// Truncated.
	{row: incomplete, cause: fetch(Script{three}, done)},
	{row: incomplete, cause: fetch(Script{three}, stop, after("4"))},
	{row: incomplete, cause: fetch(Script{three, Raw("data: Good")})},
	{row: incomplete, cause: fetch(Script{three, Raw(`{"error":"timeout"}`)}, done)},
	{row: incomplete, cause: fetch(Script{three, Raw(`{"error":"timeout"}`)}, after("3"))},
	{row: incomplete, cause: fetch(Script{Raw("<html>502")})},
	{row: incomplete, cause: fetch(Script{Answer(204)}, done)},
	{row: incomplete, cause: fetch(Script{three, Cut()})},
	{row: incomplete, cause: fetch(Script{three, Raw("data: Good"), Cut()})},
	{row: incomplete, cause: func(t *testing.T) error {
		srv := NewServer(t, InOrder(Script{three, Cut()}), HTTP2())
		_, err := read(client(srv).Fetch(post(srv)))
		return err
	}},

	{row: incomplete, cause: func(t *testing.T) error {
		srv := NewServer(t, InOrder(Script{Data("1"), Stall()}))
		s, err := client(srv).Fetch(post(srv), resume(func(context.Context) (*http.Request, error) { return nil, nil }))
		require.NoError(t, err)
		require.True(t, s.Next())
		s.Reconnect()
		require.False(t, s.Next())
		return s.Err()
	}},

	// Events.
	{row: inBand, cause: fetch(Script{three, Send(sse.Event{Type: "error", Data: "{}"})}, failWith(errors.New("invalid_request_error")))},
	{row: inBandPasses, cause: fetch(Script{three, Send(sse.Event{Type: "error", Data: "{}"})}, failWith(overloaded{}))},
	{row: inBand, cause: fetch(Script{three, Raw("<html>\n<h1>502 Bad Gateway</h1>\n")}, failOnHTML)},
	{row: badEvent, cause: fetch(Script{three, Data(strings.Repeat("x", 2000))}, sse.WithMaxEventSize(1000))},
	{row: badEvent, cause: decode("oops")},
	{row: badEvent, cause: decode("")},
	{row: badEvent, cause: func(*testing.T) (err error) {
		p := sse.NewParser(strings.NewReader("event: price\ndata: free\n\n"))
		for _, err = range sse.DecodeFunc(p, func([]byte) (int, error) { return 0, errors.New("not a number") }) {
		}
		return err
	}},
	{row: badEvent, cause: func(*testing.T) error {
		p := sse.NewParser(iotest.ErrReader(syscall.EIO))
		p.Next()
		return p.Err()
	}},

	// Language models.
	{row: incomplete, cause: prompt(Script{deltas})},
	{row: inBandPasses, cause: prompt(Script{deltas, Data(`{"error":{"type":"server_error","message":"overloaded"}}`)})},
	{row: busy, cause: prompt(Script{
		Answer(429, "Content-Type", "application/json", "Retry-After", "1"),
		Raw(`{"error":{"type":"rate_limit_error","message":"slow down"}}`),
	})},
	{row: busy, cause: prompt(Script{
		Answer(429, "Content-Type", "application/json"),
		Raw(`{"error":{"type":"insufficient_quota","message":"You exceeded your current quota."}}`),
	})},
	{row: refused, cause: prompt(Script{Answer(403, "Content-Type", "text/html"), Raw("<html><body><h1>Blocked</h1></body></html>")})},
	{row: inBand, cause: prompt(Script{deltas, Raw("<html><body><h1>Blocked</h1></body></html>\n")})},
	{row: badEvent, cause: prompt(Script{Data(`{"choices":[{"del`)})},
	{row: declined, cause: prompt(Script{Data(`{"choices":[{"delta":{"refusal":"I cannot help with that."},"finish_reason":"stop"}]}`, "[DONE]")})},
	{row: declined, cause: prompt(Script{Data(`{"choices":[{"delta":{},"finish_reason":"content_filter"}]}`, "[DONE]")})},
	{row: mistake, cause: changed(func(*http.Request) {}, llm.Dialect(0).Option())},

	// Interrupted.
	{row: interrupted, cause: open((*sse.Client).Fetch, within(time.Minute, context.Canceled), []Script{{three, Stall()}})},
	{row: interrupted, cause: open((*sse.Client).Fetch, within(time.Minute, context.DeadlineExceeded), []Script{{three, Stall()}})},
	{row: interrupted, cause: open((*sse.Client).Fetch, within(10*time.Second, context.DeadlineExceeded), []Script{{Answer(429, "Retry-After", "30")}})},
	{row: waiting, cause: open((*sse.Client).Subscribe, within(1500*time.Millisecond, errors.New("the user left")), []Script{{}}, undialed(errors.New("proxy unavailable")))},
	{row: interrupted, sockets: true, cause: ctrlC},
	{row: interrupted, cause: closed},
	{row: mistake2, cause: func(t *testing.T) error {
		srv := NewServer(t, InOrder(Script{three}))
		s, err := client(srv).Fetch(post(srv))
		require.NoError(t, err)
		for range 2 {
			for _, err = range s.Events() {
			}
		}
		return err
	}},

	// After retries.
	{row: busy, cause: open((*sse.Client).Fetch, get, []Script{{Answer(503)}})},
	{row: noProgress, cause: open((*sse.Client).Subscribe, get, []Script{{Comment("")}}, sse.WithMaxRetries(5))},

	// The body.
	{row: mistake, cause: open((*sse.Client).Subscribe, postOnce, []Script{{}})},
	{row: busy, cause: open((*sse.Client).Fetch, postOnce, []Script{{Answer(429)}})},
	{row: unsendable2, cause: open((*sse.Client).Fetch, postOnce, []Script{{Answer(503)}}, retryOnce)},
	{row: unsendable2, cause: fetch(Script{three, Cut()}, resume(func(ctx context.Context) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodPost, "http://server.test/chat", io.MultiReader(strings.NewReader("{}")))
	}))},
	{row: unsendable, cause: changed(func(r *http.Request) {
		r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("open prompt.json: no such file or directory") }
	})},
	{row: unsendable, cause: changed(func(r *http.Request) { r.ContentLength = 10 })},

	// Functions and IDs.
	{row: unsendable, cause: fetch(Script{}, sse.WithPrepare(func(*http.Request) error { return errors.New("the token has expired") }))},
	{row: unsendable2, cause: fetch(Script{three, Cut()}, resume(func(context.Context) (*http.Request, error) { return nil, errors.New("the response is not stored") }))},
	{row: unsendable2, cause: open((*sse.Client).Subscribe, get, []Script{{Send(sse.Event{ID: "a\x01", Data: "1"})}})},
	{row: noResponse, cause: func(t *testing.T) error {
		srv := NewServer(t, InOrder(Script{three}))
		calls := 0
		s, err := client(srv).Subscribe(get(srv), sse.WithMaxRetries(1), sse.WithPrepare(func(*http.Request) error {
			if calls++; calls == 2 {
				panic("out")
			}
			return nil
		}))
		require.NoError(t, err)
		require.Panics(t, func() {
			for s.Next() {
			}
		})
		require.False(t, s.Next())
		return s.Err()
	}},

	// Mistakes.
	{row: mistake, cause: fetch(nil, sse.WithHeader("Authorization", "Bearer x\n"))},
	{row: mistake, cause: fetch(nil, sse.WithHeader("X Y", "z"))},
	{row: mistake, cause: fetch(nil, sse.WithLastEventID("a\n"))},
	{row: mistake, cause: fetch(nil, sse.WithIdleTimeout(-1*time.Second))},
	{row: mistake, cause: fetch(nil, sse.WithMaxRetries(-1))},
	{row: mistake, cause: fetch(nil, sse.WithMaxEventSize(0))},
	{row: mistake, cause: fetch(nil, sse.WithBackOff(func() backoff.BackOff { return nil }))},
	{row: mistake, cause: fetch(nil, sse.WithBackOff(func() backoff.BackOff { return new(backoff.ExponentialBackOff) }))},
	{row: mistake, cause: func(*testing.T) error { _, err := sse.Fetch(nil); return err }},
	{row: mistake, cause: changed(func(r *http.Request) { r.URL = nil })},
	{row: mistake, cause: changed(func(r *http.Request) { r.URL.Host = "" })},
	{row: mistake, cause: changed(func(r *http.Request) { r.URL.Scheme = "ftp" })},
	{row: mistake, cause: changed(func(r *http.Request) { r.Method = "GE T" })},
	{row: mistake, cause: changed(func(r *http.Request) { r.Header.Set("Authorization", "Bearer x\n") })},
	{row: mistake, cause: changed(func(r *http.Request) { r.Header["X Y"] = []string{"z"} })},
	{row: mistake, cause: changed(func(r *http.Request) { r.Trailer = http.Header{"Content-Length": nil} })},
	{row: mistake, cause: changed(func(r *http.Request) { r.Body, r.ContentLength = nil, 1 })},
	{row: mistake, cause: changed(func(r *http.Request) { r.RequestURI = "/chat" })},
	{row: mistake2, cause: func(*testing.T) error { _, err := sse.FromResponse(nil); return err }},
	{row: mistake2, cause: func(*testing.T) error { return sse.NewParser(nil).Err() }},
	{row: mistake2, cause: appendEvent(sse.Event{Type: "a\n"})},
	{row: mistake2, cause: appendEvent(sse.Event{ID: "\x00"})},
	{row: mistake2, cause: appendEvent(sse.Event{Data: "a\r\nb"})},
	{row: mistake2, cause: appendEvent(sse.Event{Data: "\xFF"})},
}

// deltas are four events of Chat Completions.
var deltas = Data(slices.Repeat([]string{`{"choices":[{"delta":{"content":"Good "}}]}`}, 4)...)

// prompt returns the error of the text of a response of Chat Completions.
func prompt(script Script) func(*testing.T) error {
	return func(t *testing.T) error {
		srv := NewServer(t, InOrder(script))
		s, err := llm.Fetch(post(srv), llm.OpenAIChat, sse.WithHTTPClient(srv.Client()))
		if err != nil {
			return err
		}
		for _, err = range s.Text() {
			if err != nil {
				break
			}
		}
		return err
	}
}

// ctrlC returns the error of a stream whose program gets an interrupt.
func ctrlC(t *testing.T) error {
	if runtime.GOOS == "windows" {
		return errors.New("interrupt signal received") // a process cannot send one to itself
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	srv := NewServer(t, InOrder(Script{three, Stall()}), Loopback())
	s, err := client(srv).Fetch(srv.Get("/").WithContext(ctx))
	require.NoError(t, err)
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, self.Signal(os.Interrupt))
	for s.Next() {
	}
	require.ErrorIs(t, s.Err(), context.Canceled)
	return s.Err()
}

// closed returns the error of a stream that was closed.
func closed(t *testing.T) error {
	srv := NewServer(t, InOrder(Script{three, Stall()}))
	s, err := client(srv).Fetch(post(srv))
	require.NoError(t, err)
	s.Close()
	require.False(t, s.Next())
	return s.Err()
}

// appendEvent returns the error of AppendEvent.
func appendEvent(e sse.Event) func(*testing.T) error {
	return func(*testing.T) error { _, err := sse.AppendEvent(nil, e); return err }
}

// decode returns the error of decoding this data.
func decode(data string) func(*testing.T) error {
	return func(t *testing.T) error {
		srv := NewServer(t, InOrder(Script{Data(data)}))
		s, err := client(srv).Fetch(post(srv))
		require.NoError(t, err)
		for _, err = range sse.Decode[struct{}](s) {
		}
		return err
	}
}

// Each line of the text blocks is the message of an error, in the same order, and each row
// of the table holds for its errors.
func TestErrorsPageShowsRealMessages(t *testing.T) {
	page := errorsPage(t)
	messages := blocks(page, "text")
	require.Len(t, messages, len(shownErrors))
	for i, tt := range shownErrors {
		run := synctest.Test
		if tt.sockets {
			run = func(t *testing.T, f func(*testing.T)) { f(t) }
		}
		run(t, func(t *testing.T) {
			err := tt.cause(t)
			require.EqualError(t, err, messages[i])
			require.Contains(t, tableRows, tt.row)
			require.True(t, strings.HasSuffix(tt.row, fmt.Sprintf("| %s | %s", yesNo(sse.Retryable(err)), yesNo(sse.NotSent(err)))), "%s: %v", tt.row, err)
		})
	}

	_, table, ok := strings.Cut(page, "\n| error | `Retryable` | `NotSent` |\n|---|---|---|\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	require.Equal(t, "| "+strings.Join(tableRows, " |\n| ")+" |", table)
	for _, row := range tableRows {
		require.True(t, slices.ContainsFunc(shownErrors, func(e shownError) bool { return e.row == row }), row)
	}
}

// errorsPage returns the text of docs/errors.md.
func errorsPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/errors.md")
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// blocks returns the lines of the code blocks in a language.
func blocks(page, language string) (lines []string) {
	for _, b := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)\n```$").FindAllStringSubmatch(page, -1) {
		lines = append(lines, strings.Split(b[1], "\n")...)
	}
	return lines
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// The log of the page is that of a stream that waits and then gets an error event.
func TestErrorsPageShowsRealLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(
			Script{Answer(429, "Retry-After", "30")},
			Script{three, Send(sse.Event{Type: "error", Data: "secret"})},
		))
		var log strings.Builder
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		_, err := read(client(srv, sse.WithLogger(logger), failWith(errors.New("secret"))).Fetch(post(srv)))
		require.ErrorContains(t, err, "secret")
		logger.Warn("chat failed", "err", err)
		require.Equal(t, strings.Split(strings.TrimSpace(log.String()), "\n"), blocks(errorsPage(t), "logfmt"))
	})
}

// explain is the code of the page that asks about an error.
func explain(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "ended by the program: " + context.Cause(ctx).Error()
	}
	if errors.Is(err, sse.ErrClosed) {
		return "closed by the program"
	}
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		return fmt.Sprintf("refused with %d: %.300s", refusal.StatusCode, refusal.Body)
	}
	if event, ok := errors.AsType[*sse.EventError](err); ok {
		return "reported by the service: " + event.Event.Data
	}
	if cut, ok := errors.AsType[*sse.TruncatedError](err); ok {
		return fmt.Sprintf("incomplete; unfinished: %q", cut.Partial.Data)
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "timed out" // also while dialing; errors.Is(err, sse.ErrIdleTimeout) tells more
	}
	return err.Error()
}

// decide is the code of the page that decides whether to run a job again.
func decide(err error) string {
	failure, _ := errors.AsType[*llm.Error](err) // only with package llm
	refusal, _ := errors.AsType[*sse.ResponseError](err)
	switch {
	case !sse.Retryable(err), failure != nil && !failure.Retryable():
		return "report it" // such as a used-up quota, also with status 429
	case sse.NotSent(err):
		return "run the job again"
	case refusal != nil && slices.Contains([]int{408, 425, 429, 529}, refusal.StatusCode):
		return "run the job again after refusal.RetryAfter" // it was not processed
	default:
		return "run it again if it may run twice" // the service may have processed it
	}
}

// ask is the code of the page that reads a response.
func ask(client *sse.Client, req *http.Request) (string, error) {
	stream, err := client.Fetch(req, sse.WithDone("[DONE]"))
	if err != nil {
		return "", err // there is no response, or it is not an event stream
	}
	var text strings.Builder
	for event, err := range stream.Events() {
		if err != nil {
			return text.String(), err // the text is incomplete
		}
		text.WriteString(event.Data)
	}
	return text.String(), nil // [DONE] has come
}

// askRegions is the code of the page that looks for a region that gets the request.
func askRegions(ctx context.Context, client *sse.Client, prompt string, regions ...string) (string, error) {
	var unsent []error
	for _, url := range regions {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(prompt))
		if err != nil {
			return "", err
		}
		text, err := ask(client, req)
		if !sse.NotSent(err) || ctx.Err() != nil {
			return text, err // after a failure, the region may have processed the request
		}
		unsent = append(unsent, err)
	}
	return "", errors.Join(unsent...) // for which NotSent is true as well
}

func TestErrorsPageAsksAnotherRegion(t *testing.T) {
	const east, west = "http://east.test/chat", "http://west.test/chat"
	for _, tt := range []struct {
		name     string
		refuse   int // connections, of which each region uses three
		scripts  []Script
		text     string
		err      error
		hosts    []string
		canceled bool
		notSent  bool
	}{
		{name: "first", scripts: []Script{{Data("Good", "[DONE]")}}, text: "Good", hosts: []string{"east.test"}},
		{name: "not sent", refuse: 3, scripts: []Script{{Data("Good", "[DONE]")}}, text: "Good", hosts: []string{"west.test"}},
		{name: "sent", scripts: []Script{{Cut()}}, err: io.EOF, hosts: []string{"east.test"}},
		{name: "cut", scripts: []Script{{Data("Good"), Cut()}}, text: "Good", err: io.ErrUnexpectedEOF, hosts: []string{"east.test"}},
		{name: "no region", refuse: 6, scripts: []Script{{}}, err: syscall.ECONNREFUSED, notSent: true},
		{name: "canceled", refuse: 6, scripts: []Script{{}}, err: context.Canceled, canceled: true, notSent: true},
	} {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.scripts...))
			srv.Refuse(tt.refuse)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.canceled {
				time.AfterFunc(time.Millisecond, cancel)
			}
			text, err := askRegions(ctx, client(srv), "{}", east, west)
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.notSent, sse.NotSent(err))
			require.Equal(t, tt.text, text)
			var hosts []string
			for _, r := range srv.Requests() {
				hosts = append(hosts, r.Host)
			}
			require.Equal(t, tt.hosts, hosts)
		})
	}
}

func TestErrorsPageAsksAsItSays(t *testing.T) {
	for _, tt := range []struct {
		cause             func(*testing.T) error
		explained, decide string
	}{
		{fetch(Script{Answer(400), Raw("no model")}), "refused with 400: no model", "report it"},
		{fetch(Script{Answer(503), Raw("busy")}), "refused with 503: busy", "run it again if it may run twice"},
		{fetch(Script{Send(sse.Event{Type: "error", Data: "{}"})}, failWith(overloaded{})), "reported by the service: {}", "run it again if it may run twice"},
		{prompt(Script{Answer(429), Raw("slow down")}), "refused with 429: slow down", "run the job again after refusal.RetryAfter"},
		{
			open((*sse.Client).Fetch, within(10*time.Second, context.DeadlineExceeded), []Script{{Answer(429, "Retry-After", "30")}}),
			"refused with 429: ", "report it",
		},
		{prompt(Script{Answer(429), Raw(`{"error":{"code":"insufficient_quota"}}`)}), `refused with 429: {"error":{"code":"insufficient_quota"}}`, "report it"},
		{fetch(Script{three, Raw("data: Good")}), `incomplete; unfinished: "Good"`, "run it again if it may run twice"},
		{closed, "closed by the program", "report it"},
		{fetch(Script{Stall()}), "timed out", "run it again if it may run twice"},
		{
			fetch(Script{}, sse.WithMaxRetries(0), undialed(errors.New("proxy unavailable"))),
			"sse: POST http://server.test/chat: proxy unavailable", "run the job again",
		},
	} {
		in(t, tt.explained+", "+tt.decide, func(t *testing.T) {
			err := tt.cause(t)
			require.Equal(t, tt.explained, explain(t.Context(), err))
			require.Equal(t, tt.decide, decide(err))
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("the user left"))
			require.Equal(t, "ended by the program: the user left", explain(ctx, err))
		})
	}
}

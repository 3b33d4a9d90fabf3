// Package ssetest provides a scripted server for testing programs that read event
// streams, in the manner of net/http/httptest. The program under test can use package
// sse or any other client.
//
// A [Script] lists the steps of the server for one request. This test checks that a
// program resumes a broken stream:
//
//	func TestResumes(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			srv := ssetest.NewServer(t, ssetest.InOrder(
//				ssetest.Script{ssetest.Send(sse.Event{ID: "1", Data: "a"}), ssetest.Cut()},
//				ssetest.Script{ssetest.WantHeader("Last-Event-ID", "1"), ssetest.Data("b")},
//				ssetest.Script{ssetest.Answer(204)}, // ends the subscription
//			))
//			got := program(srv.Client(), srv.URL+"/feed")
//			if want := []string{"a", "b"}; !slices.Equal(got, want) {
//				t.Errorf("got %q, want %q", got, want)
//			}
//		})
//	}
//
// These scripts check that a program waits as long as a busy server asks. The test
// compares the times in [Server.Requests]:
//
//	ssetest.Script{ssetest.Answer(429, "Retry-After", "30")},
//	ssetest.Script{ssetest.Data("ok")},
//
// This script checks that a program does not accept a truncated response as complete:
//
//	ssetest.Script{ssetest.Data("Hel"), ssetest.Raw("data: lo"), ssetest.Cut()},
//
// # Networks
//
// By default the server runs in memory. It then works inside a bubble of
// testing/synctest, where waits take no time. The server must be created inside the
// bubble. If the program leaves a goroutine running, the bubble fails the test, unless
// the goroutine exits when the server closes. A test can assert the exact wait for a
// Retry-After header and for a constant backoff policy; package sse adds jitter to all
// other waits.
//
// Only [Server.Client] reaches a server in memory. It connects to the server for every
// host name, so a test can redirect to another origin. With [Loopback] the server
// listens on a real socket, which does not work in a bubble. With [HTTP2] it speaks
// HTTP/2, in memory or over loopback.
//
// # Further checks
//
// A step that the server does not reach reports nothing, and the last script serves all
// further requests. A test should therefore also check the number of [Server.Requests],
// which shows a POST that was sent twice. In a bubble, a test can check that the program
// left no stream open:
//
//	srv.Client().CloseIdleConnections()
//	synctest.Wait()
//	if n := srv.Open(); n != 0 {
//		t.Errorf("%d connections were left open", n)
//	}
package ssetest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/header"
)

// A Server serves requests from scripts and records them. It is closed when the test
// ends.
type Server struct {
	// URL is the base URL of the server, without a path. Without Loopback, only the
	// client returned by Client can reach it.
	URL string

	t      testing.TB
	next   func(n int, r *http.Request) Script
	server *http.Server
	client *http.Client
	ctx    context.Context // ends with the server
	cancel context.CancelFunc

	mu       sync.Mutex
	requests []Request
	conns    int            // connections accepted so far
	open     int            // connections open now
	refuse   int            // connections left to refuse
	scripts  sync.WaitGroup // running scripts; none starts after ctx has ended
	serving  sync.WaitGroup // connections
}

// A Request is the server's record of one request.
type Request struct {
	Method string      // such as GET
	Path   string      // including the query
	Header http.Header // without Host
	Host   string      // of the Host header
	Body   []byte      // as far as it had arrived
	Time   time.Time   // arrival of the headers
}

// An Option configures the network of a Server.
type Option func(*settings)

type settings struct{ loopback, http2 bool }

// Loopback makes the server listen on a free port of the loopback interface.
func Loopback() Option { return func(s *settings) { s.loopback = true } }

// HTTP2 makes the server and its client speak HTTP/2, without TLS.
func HTTP2() Option { return func(s *settings) { s.http2 = true } }

// InOrder returns a function for [NewServer] that serves the nth request with the nth
// script, and every later request with the last script. A subscription reconnects until
// a script ends it, for example with [Answer](204). In a bubble, where waits take no time,
// a test without such a script never ends.
func InOrder(scripts ...Script) func(n int, r *http.Request) Script {
	if len(scripts) == 0 {
		panic("ssetest: InOrder needs a script")
	}
	return func(n int, _ *http.Request) Script { return scripts[min(n, len(scripts)-1)] }
}

// NewServer starts a server. The script that next returns for n serves the nth request,
// counted from 0. The server calls next on the goroutine of the request, before it reads
// the request's body. next must not read the body.
func NewServer(t testing.TB, next func(n int, r *http.Request) Script, opts ...Option) *Server {
	t.Helper()
	if next == nil {
		panic("ssetest: NewServer needs a function; see InOrder")
	}
	var set settings
	for _, o := range opts {
		o(&set)
	}
	s := &Server{t: t, next: next}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	var protocols http.Protocols
	protocols.SetHTTP1(!set.http2)
	protocols.SetUnencryptedHTTP2(set.http2)
	transport := &http.Transport{Protocols: &protocols}
	listener := s.listen(set, transport)
	s.client = &http.Client{Transport: transport}
	s.server = &http.Server{
		Handler:   http.HandlerFunc(s.serve),
		Protocols: &protocols,
		ConnState: s.count,
	}
	var done sync.WaitGroup
	done.Go(func() { _ = s.server.Serve(listener) })
	t.Cleanup(func() {
		s.Close()
		done.Wait()
		s.scripts.Wait() // a script may still report to t
		s.serving.Wait() // in a bubble, no goroutine of net/http may remain
	})
	return s
}

// listen returns the listener of the server and makes transport dial it.
func (s *Server) listen(set settings, transport *http.Transport) net.Listener {
	if set.loopback {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.t.Fatalf("ssetest: %v", err)
		}
		s.URL = "http://" + l.Addr().String()
		transport.DialContext = s.refusing(new(net.Dialer).DialContext)
		return l
	}
	l := newPipeListener()
	s.URL = "http://server.test"
	transport.DialContext = s.refusing(l.dial)
	return l
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// refusing returns a dialer that refuses the next s.refuse connections and calls dial
// for all others.
func (s *Server) refusing(dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		s.mu.Lock()
		refuse := s.refuse > 0
		if refuse {
			s.refuse--
		}
		s.mu.Unlock()
		if refuse {
			return nil, errRefused
		}
		return dial(ctx, network, addr)
	}
}

var errRefused error = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// Refuse makes the next n connections of the server's client fail with
// [syscall.ECONNREFUSED]. The client can still reuse its idle connections; to prevent
// that, call the client's CloseIdleConnections first.
func (s *Server) Refuse(n int) {
	s.mu.Lock()
	s.refuse = n
	s.mu.Unlock()
}

// Close drops all connections and stops listening. It does not wait for running
// scripts. The server is also closed when the test ends.
func (s *Server) Close() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.server.Close()
	s.client.CloseIdleConnections()
}

// Client returns a client that reaches the server. The caller may change the client
// before its first use.
func (s *Server) Client() *http.Client { return s.client }

// Get returns a GET request for path.
func (s *Server) Get(path string) *http.Request { return s.Request(http.MethodGet, path, "") }

// Post returns a POST request for path with a JSON body. Its GetBody is set, so it can
// be sent again.
func (s *Server) Post(path, body string) *http.Request {
	r := s.Request(http.MethodPost, path, body)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// Request returns a request with the context of the test.
func (s *Server) Request(method, path, body string) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, reader)
	if err != nil {
		s.t.Fatalf("ssetest: %v", err)
	}
	return r
}

// Requests returns a copy of the requests recorded so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Connections returns the number of connections that the server has accepted.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// Open returns the number of open connections, including idle ones. It does not count
// the connections that [HalfClose] or [Reset] has taken over.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *Server) count(_ net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.serving.Add(1)
		s.conns++
		s.open++
	case http.StateClosed, http.StateHijacked:
		s.serving.Done()
		s.open--
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	s.scripts.Add(1)
	s.mu.Unlock()
	defer s.scripts.Done()

	// Until the body has been read, net/http does not cancel the request's context when
	// the server closes.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	r = r.WithContext(ctx)

	n := s.record(r)
	x := &exchange{server: s, n: n, w: w, r: r, flush: http.NewResponseController(w)}
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v != http.ErrAbortHandler { // a bug in a script; without a report it looks like Cut
			x.errorf("panic: %v\n%s", v, debug.Stack())
		}
		panic(http.ErrAbortHandler)
	}()
	script := s.next(n, r)
	if script == nil {
		x.errorf("the Script is nil; an empty one, Script{}, sends an event stream without events")
	}
	if len(script) == 0 || !script[0].early {
		body, err := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests[n].Body = body
		s.mu.Unlock()
		if err != nil {
			return // the client disconnected
		}
		x.body = body
	}
	for i, step := range script {
		if step.do == nil || step.early && i > 0 {
			x.errorf("step %d is an empty Step, or an Early after the first step", i)
			continue
		}
		step.do(x)
		if ctx.Err() != nil {
			panic(http.ErrAbortHandler) // an interrupted response must not end cleanly
		}
	}
	x.open()
}

func (s *Server) record(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		Method: r.Method,
		Path:   r.URL.RequestURI(),
		Header: r.Header.Clone(),
		Host:   r.Host,
		Time:   time.Now(),
	})
	return len(s.requests) - 1
}

// An exchange is one request with its response. The steps of a script operate on it.
type exchange struct {
	server *Server
	n      int // number of the request, from 0
	w      http.ResponseWriter
	r      *http.Request
	flush  *http.ResponseController
	body   []byte // body of the request; nil after Early
	size   int    // bytes in each write; 0 means no limit
	opened bool   // the headers were sent
}

// errorf reports a bug in the test or in the program under test.
func (x *exchange) errorf(format string, args ...any) {
	x.server.t.Errorf("ssetest: request %d, %s %s: "+format, append([]any{x.n, x.r.Method, x.r.URL.Path}, args...)...)
}

// rewindBody lets the next function read the body of the request, which the server has read.
func (x *exchange) rewindBody() {
	if x.body != nil {
		x.r.Body = io.NopCloser(bytes.NewReader(x.body))
	}
}

// open sends the headers of an event stream unless headers were already sent.
func (x *exchange) open() {
	if x.opened {
		return
	}
	x.w.Header().Set("Content-Type", "text/event-stream")
	x.header(http.StatusOK)
}

func (x *exchange) header(code int) {
	x.opened = true
	x.w.WriteHeader(code)
	_ = x.flush.Flush() // the next write returns the error as well
}

func (x *exchange) write(text string) {
	x.open()
	for len(text) > 0 {
		n := len(text)
		if x.size > 0 {
			n = min(n, x.size)
		}
		if _, err := io.WriteString(x.w, text[:n]); err != nil {
			if err == http.ErrBodyNotAllowed || err == http.ErrContentLength {
				x.errorf("the response cannot contain these bytes: %v", err)
			}
			return
		}
		if err := x.flush.Flush(); err != nil {
			return
		}
		text = text[n:]
	}
}

// A Script is the list of steps with which the server handles one request. The server
// reads the request's body before the first step. It sends the headers of an event
// stream with the first bytes unless [Answer] sends others. The response ends cleanly
// after the last step.
type Script []Step

// A Step is one action of the server.
type Step struct {
	do    func(*exchange)
	early bool // the server does not read the request's body
}

func step(do func(*exchange)) Step { return Step{do: do} }

// Check calls f with the request. Every Check can read the request's body. f runs on a
// goroutine of the server, so it can report a failure with Errorf but not with FailNow.
func Check(f func(r *http.Request)) Step {
	return step(func(x *exchange) {
		x.rewindBody()
		f(x.r)
	})
}

// WantHeader fails the test unless want is the value of the request's header key. Several
// values count as one, joined with ", ". An empty want means that the header is missing or
// empty.
func WantHeader(key, want string) Step {
	return step(func(x *exchange) {
		got := strings.Join(x.r.Header.Values(key), ", ") // each value counts
		if http.CanonicalHeaderKey(key) == "Host" {
			got = x.r.Host
		}
		if got != want {
			x.errorf("header %s is %q, want %q", key, got, want)
		}
	})
}

// WantBody fails the test unless the request's body equals want. It cannot be used after
// [Early].
func WantBody(want string) Step {
	return step(func(x *exchange) {
		if x.body == nil {
			x.errorf("WantBody cannot be used after Early, which does not read the body")
		} else if got := string(x.body); got != want {
			x.errorf("body is %q, want %q", got, want)
		}
	})
}

// Answer sends a status code and headers instead of those of an event stream. The headers
// alternate between keys and values. No Content-Type is added, not even for status 200.
// It must come before any step that sends.
func Answer(code int, headers ...string) Step {
	if len(headers)%2 != 0 {
		panic("ssetest: Answer needs a value for each header")
	}
	return step(func(x *exchange) {
		if x.opened {
			x.errorf("Answer(%d) must come before Do and before any step that sends", code)
			return
		}
		if code < 200 {
			x.errorf("Answer(%d) is not the response; use Do for informational statuses", code)
			return
		}
		for i := 0; i < len(headers); i += 2 {
			if !header.IsToken(headers[i]) || !header.IsValue(headers[i+1]) {
				x.errorf("Answer(%d) has an invalid header, %q", code, headers[i]+": "+headers[i+1])
				return
			}
			x.w.Header().Add(headers[i], headers[i+1])
		}
		x.header(code)
	})
}

// Open sends the headers of an event stream immediately.
func Open() Step { return step((*exchange).open) }

// Early makes the server respond without reading the request's body. It must be the
// first step.
func Early() Step {
	return Step{early: true, do: func(x *exchange) { _ = x.flush.EnableFullDuplex() }}
}

// Raw sends text unchanged.
func Raw(text string) Step { return step(func(x *exchange) { x.write(text) }) }

// Send sends events as [Encode] writes them.
func Send(events ...sse.Event) Step {
	blocks := make([]string, len(events))
	for i, e := range events {
		blocks[i] = Encode(e)
	}
	return step(func(x *exchange) {
		for _, block := range blocks {
			x.write(block)
		}
	})
}

// Data sends one event for each text. The events have no type and no ID.
func Data(texts ...string) Step {
	events := make([]sse.Event, len(texts))
	for i, text := range texts {
		events[i].Data = text
	}
	return Send(events...)
}

// Comment sends each line of text as a comment, followed by a blank line, as servers do
// for keep-alive.
func Comment(text string) Step {
	return Raw(": " + strings.ReplaceAll(lineEnds.Replace(text), "\n", "\n: ") + "\n\n")
}

// Retry sets the reconnection time.
func Retry(d time.Duration) Step {
	return Raw("retry: " + strconv.FormatInt(d.Milliseconds(), 10) + "\n\n")
}

// Chunks makes the following steps write at most n bytes at a time and flush each write.
// Chunks(0) restores the default, one write for each event or text.
func Chunks(n int) Step { return step(func(x *exchange) { x.size = n }) }

// Wait pauses for d or until the client disconnects.
func Wait(d time.Duration) Step {
	return step(func(x *exchange) {
		select {
		case <-time.After(d):
		case <-x.r.Context().Done():
		}
	})
}

// Stall sends nothing and keeps the connection open until the client disconnects. As the
// first step it sends no headers; for a stream that is open and silent, put [Open] before
// it.
func Stall() Step {
	return step(func(x *exchange) { <-x.r.Context().Done() })
}

// Cut aborts the response. Over HTTP/1.1 it drops the connection; over HTTP/2 it resets
// the stream. As the first step it sends no response at all. If the connection has served
// an earlier request, the transport of net/http then retries an idempotent request, such
// as a GET, on its own.
func Cut() Step {
	return step(func(*exchange) { panic(http.ErrAbortHandler) })
}

// Reset drops the connection immediately. On a real socket it sends a TCP reset. It
// requires HTTP/1.1.
func Reset() Step {
	return hijack("Reset", func(_ *exchange, c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // best effort: a plain close also ends the connection
		}
		c.Close()
	})
}

// HalfClose closes the server's side of the connection in the middle of the response. The
// other direction stays open until the client disconnects or the server closes. It
// requires HTTP/1.1 and [Loopback].
func HalfClose() Step {
	return hijack("HalfClose", func(x *exchange, c net.Conn) {
		defer c.Close()
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			x.errorf("HalfClose requires Loopback")
			return
		}
		defer context.AfterFunc(x.server.ctx, func() { c.Close() })()
		_ = tcp.CloseWrite() // an error means that the client disconnected
		_, _ = io.Copy(io.Discard, c)
	})
}

// hijack returns a step that takes over the connection and calls f with it.
func hijack(name string, f func(*exchange, net.Conn)) Step {
	return step(func(x *exchange) {
		c, _, err := x.flush.Hijack()
		if err != nil {
			x.errorf("%s requires HTTP/1.1: %v", name, err)
			panic(http.ErrAbortHandler)
		}
		f(x, c)
		panic(http.ErrAbortHandler)
	})
}

// Do calls f with the request and its ResponseWriter. After Do, the server sends no
// headers of its own: f must send them, or [Open] or [Answer] must come before Do.
func Do(f func(w http.ResponseWriter, r *http.Request)) Step {
	return step(func(x *exchange) {
		x.opened = true
		x.rewindBody()
		f(x.w, x.r)
	})
}

// Encode returns e as a block of an event stream. The block has an event field unless the
// type is "" or "message", an id field unless the ID is empty, and a data field for each
// line of the data. A parser reads the block back as e, with three exceptions: a CR or
// CRLF in the data becomes LF, ill-formed UTF-8 is replaced, and an empty ID becomes the
// ID of the previous event. Encode panics if the type or the ID contains a character that
// its field cannot hold.
func Encode(e sse.Event) string {
	if strings.ContainsAny(e.Type+e.ID, "\r\n") || strings.Contains(e.ID, "\x00") {
		panic("ssetest: Encode: the type or the ID contains a line end, or the ID contains a NUL")
	}
	var b bytes.Buffer
	if e.Type != "" && e.Type != "message" {
		b.WriteString("event: " + e.Type + "\n")
	}
	if e.ID != "" {
		b.WriteString("id: " + e.ID + "\n")
	}
	for line := range strings.SplitSeq(lineEnds.Replace(e.Data), "\n") {
		b.WriteString("data: " + line + "\n")
	}
	b.WriteString("\n")
	return b.String()
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// A pipeListener accepts connections that its dial method makes in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "server.test:80" }

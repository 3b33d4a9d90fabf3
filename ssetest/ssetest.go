// Package ssetest provides a scripted event-stream server for tests, in the manner
// of net/http/httptest: of programs that read event streams with package sse, or in
// any other way.
//
// A [Script] says what the server does with one request, step by step. A test that a
// program resumes:
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
// A test that it waits as long as a busy server asks for has a script more like this,
// and looks at the times of [Server.Requests]:
//
//	ssetest.Script{ssetest.Answer(429, "Retry-After", "30")},
//	ssetest.Script{ssetest.Data("ok")},
//
// And a test that it does not take a truncated answer for a whole one:
//
//	ssetest.Script{ssetest.Data("Hel"), ssetest.Raw("data: lo"), ssetest.Cut()},
//
// # Where it runs
//
// The server runs in memory by default, and then works inside a bubble of
// testing/synctest: waits take no time, and a goroutine that the program leaves behind
// fails the test, unless it is one that the end of the server ends. Make the server inside
// the bubble. A wait for Retry-After, or by a constant backoff policy, can be asserted
// exactly; package sse varies the others. Only [Server.Client] reaches the server, and it
// does so whatever the host of a URL is: a redirect to another origin can be tested. With
// [Loopback] the server listens on a real socket, outside of bubbles; with [HTTP2] it speaks
// HTTP/2, in memory or not. It records every request and is closed when the test ends.
//
// # What a test should also look at
//
// Steps that were not reached say nothing, and the last script answers all further
// requests. So require the number of [Server.Requests], too: a POST that was sent twice
// shows there. To see whether a stream was left open, in a bubble:
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
)

// A Server answers requests by scripts. It is closed when the test ends.
type Server struct {
	// URL is the address of the server, without a path. Without Loopback, only Client
	// reaches it: other clients look for a host of that name.
	URL string

	t      testing.TB
	next   func(n int, r *http.Request) Script
	server *http.Server
	client *http.Client
	ctx    context.Context // ends with the server
	cancel context.CancelFunc

	mu       sync.Mutex
	requests []Request
	conns    int            // made so far
	open     int            // now
	refuse   int            // connections to refuse
	scripts  sync.WaitGroup // those that run; none begins once ctx has ended
}

// A Request is what the server has recorded of one request.
type Request struct {
	Method string
	Path   string // with the query
	Header http.Header
	Host   string
	Body   []byte
	Time   time.Time // when its headers had arrived
}

// An Option changes how a server is reached.
type Option func(*settings)

type settings struct{ loopback, http2 bool }

// Loopback makes the server listen on a free port of the loopback interface.
func Loopback() Option { return func(s *settings) { s.loopback = true } }

// HTTP2 makes the server and its client speak HTTP/2, without TLS.
func HTTP2() Option { return func(s *settings) { s.http2 = true } }

// InOrder answers the nth request with the nth script, and all requests after the
// last script with that. A subscription goes on until a script ends it, as [Answer] with
// 204 does; in a bubble, where waits take no time, it is not even slow.
func InOrder(scripts ...Script) func(n int, r *http.Request) Script {
	if len(scripts) == 0 {
		panic("ssetest: InOrder needs a script")
	}
	return func(n int, _ *http.Request) Script { return scripts[min(n, len(scripts)-1)] }
}

// NewServer starts a server that answers the nth request, counted from 0, with the
// script that next returns for it. next is called on the goroutine of the request, before
// its body is read, which is not for next to read.
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
		s.scripts.Wait() // they may still report to t
	})
	return s
}

// listen opens the listener and tells the transport how to reach it.
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

// refusing returns dial, except for the connections that are to be refused.
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

// Refuse makes the next n connections of the server's client fail as if nobody
// listened. Connections that are open stay and are used again: without them, call
// CloseIdleConnections of the client before.
func (s *Server) Refuse(n int) {
	s.mu.Lock()
	s.refuse = n
	s.mu.Unlock()
}

// Close drops all connections and stops listening, in the middle of whatever happens.
// The end of the test does it, too.
func (s *Server) Close() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.server.Close()
	s.client.CloseIdleConnections()
}

// Client returns a client that reaches the server. It may be changed before its first use.
func (s *Server) Client() *http.Client { return s.client }

// Get returns a GET request for path.
func (s *Server) Get(path string) *http.Request { return s.Request(http.MethodGet, path, "") }

// Post returns a POST request for path with a JSON body, which can be sent again.
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

// Requests returns the requests recorded so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Connections returns how many connections have been opened to the server.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// Open returns how many connections to the server are open, idle ones included, but not
// those that [HalfClose] or [Reset] has taken.
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
		s.conns++
		s.open++
	case http.StateClosed, http.StateHijacked:
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

	// Before the body is read, net/http does not tell that the server has gone.
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
		if v != http.ErrAbortHandler { // a mistake in a script, which would look like Cut
			x.errorf("panic: %v\n%s", v, debug.Stack())
		}
		panic(http.ErrAbortHandler)
	}()
	script := s.next(n, r)
	if len(script) == 0 || !script[0].early {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		x.body = body
		s.mu.Lock()
		s.requests[n].Body = body
		s.mu.Unlock()
	}
	for i, step := range script {
		if step.do == nil || step.early && i > 0 {
			x.errorf("step %d is an empty Step, or an Early that is not the first", i)
			continue
		}
		step.do(x)
		if ctx.Err() != nil {
			panic(http.ErrAbortHandler) // what was broken off must not end cleanly
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

// An exchange is the request that a script answers.
type exchange struct {
	server *Server
	n      int // of the request, from 0
	w      http.ResponseWriter
	r      *http.Request
	flush  *http.ResponseController
	body   []byte // of the request
	size   int    // of a chunk, 0 for all
	opened bool   // the headers were sent
}

// errorf reports a mistake in the test or in the program under test.
func (x *exchange) errorf(format string, args ...any) {
	x.server.t.Errorf("ssetest: request %d, %s %s: "+format, append([]any{x.n, x.r.Method, x.r.URL.Path}, args...)...)
}

// open sends the headers of an event stream, unless headers were sent before.
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
	_ = x.flush.Flush() // an error shows in the next write
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
				x.errorf("the answer cannot have these bytes: %v", err)
			}
			return
		}
		if err := x.flush.Flush(); err != nil {
			return
		}
		text = text[n:]
	}
}

// A Script is what the server does with one request. It first reads the body of the
// request. The headers of an event stream are sent with the first bytes unless
// [Answer] sends others; the response ends cleanly with the script.
type Script []Step

// A Step is one thing that the server does.
type Step struct {
	do    func(*exchange)
	early bool // the request's body is not read before
}

func step(do func(*exchange)) Step { return Step{do: do} }

// Check calls f with the request, whose body can be read, once in each Check. It is called
// on the goroutine of the server, where a test may report with Errorf and not with FailNow.
func Check(f func(r *http.Request)) Step {
	return step(func(x *exchange) {
		if x.body != nil {
			x.r.Body = io.NopCloser(bytes.NewReader(x.body))
		}
		f(x.r)
	})
}

// WantHeader fails the test unless the request has this value for key, as its first or
// only one; "" is none.
func WantHeader(key, want string) Step {
	return step(func(x *exchange) {
		got := x.r.Header.Get(key)
		if http.CanonicalHeaderKey(key) == "Host" {
			got = x.r.Host
		}
		if got != want {
			x.errorf("header %s is %q, want %q", key, got, want)
		}
	})
}

// WantBody fails the test unless the request has this body. It has none to look at after
// [Early].
func WantBody(want string) Step {
	return step(func(x *exchange) {
		if x.body == nil {
			x.errorf("WantBody after Early: the body was not read")
		} else if got := string(x.body); got != want {
			x.errorf("body is %q, want %q", got, want)
		}
	})
}

// Answer sends the status and headers, given as key, value, key, value …, in place
// of those of an event stream: that of 200 needs its Content-Type, too. It comes before
// anything that is sent.
func Answer(code int, headers ...string) Step {
	if len(headers)%2 != 0 {
		panic("ssetest: Answer needs a value for each header")
	}
	return step(func(x *exchange) {
		if x.opened {
			x.errorf("Answer(%d) comes after the headers were sent, or after Do", code)
			return
		}
		for i := 0; i < len(headers); i += 2 {
			x.w.Header().Add(headers[i], headers[i+1])
		}
		x.header(code)
	})
}

// Open sends the headers of an event stream at once.
func Open() Step { return step((*exchange).open) }

// Early, as the first step, answers before the body of the request was read, which
// is then never read.
func Early() Step {
	return Step{early: true, do: func(x *exchange) { _ = x.flush.EnableFullDuplex() }}
}

// Raw sends bytes as they are.
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

// Data sends an event without a type and an ID for each text.
func Data(texts ...string) Step {
	events := make([]sse.Event, len(texts))
	for i, text := range texts {
		events[i].Data = text
	}
	return Send(events...)
}

// Comment sends a comment, one for each line of the text, and a blank line, as keep-alives
// do.
func Comment(text string) Step {
	return Raw(": " + strings.ReplaceAll(lineEnds.Replace(text), "\n", "\n: ") + "\n\n")
}

// Retry sets the reconnection time.
func Retry(d time.Duration) Step {
	return Raw("retry: " + strconv.FormatInt(d.Milliseconds(), 10) + "\n\n")
}

// Chunks sends what follows in writes of n bytes, each flushed; 0 ends that.
func Chunks(n int) Step { return step(func(x *exchange) { x.size = n }) }

// Wait does nothing for d, or until the client has gone.
func Wait(d time.Duration) Step {
	return step(func(x *exchange) {
		select {
		case <-time.After(d):
		case <-x.r.Context().Done():
		}
	})
}

// Stall says nothing more and keeps the connection until the client goes. As the first
// step it sends no headers; put Open before it for a stream that is open and silent.
func Stall() Step {
	return step(func(x *exchange) { <-x.r.Context().Done() })
}

// Cut breaks off: over HTTP/1.1 it drops the connection, over HTTP/2 it resets the
// stream. As the first step it gives no answer at all: on a connection that has served a
// request before, net/http then sends one of its own accord again that it may repeat, such
// as a GET.
func Cut() Step {
	return step(func(*exchange) { panic(http.ErrAbortHandler) })
}

// Reset drops the connection at once, on a real socket with a TCP reset. It is for
// HTTP/1.1.
func Reset() Step {
	return hijack("Reset", func(_ *exchange, c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // best effort: a plain close ends it, too
		}
		c.Close()
	})
}

// HalfClose ends what the server sends, in the middle of the response, and keeps the
// connection open in the other direction until the client or the server goes. It is for
// HTTP/1.1 over [Loopback].
func HalfClose() Step {
	return hijack("HalfClose", func(x *exchange, c net.Conn) {
		defer c.Close()
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			x.errorf("HalfClose needs Loopback")
			return
		}
		defer context.AfterFunc(x.server.ctx, func() { c.Close() })()
		_ = tcp.CloseWrite() // an error means that the client has gone
		_, _ = io.Copy(io.Discard, c)
	})
}

func hijack(name string, f func(*exchange, net.Conn)) Step {
	return step(func(x *exchange) {
		c, _, err := x.flush.Hijack()
		if err != nil {
			x.errorf("%s is for HTTP/1.1: %v", name, err)
			panic(http.ErrAbortHandler)
		}
		f(x, c)
		panic(http.ErrAbortHandler)
	})
}

// Do calls f with the exchange, for what no other step does. The headers are its business
// from then on: if it sends none, put [Open] or [Answer] before it.
func Do(f func(w http.ResponseWriter, r *http.Request)) Step {
	return step(func(x *exchange) {
		x.opened = true
		f(x.w, x.r)
	})
}

// Encode returns e as a block of an event stream, which a parser reads back as e: an
// event field unless the type is "" or "message", an id field if there is an ID, a
// data field for each line of the data. CR in the data becomes a line end like LF, and
// ill-formed UTF-8 is for the reader to replace. An event without an ID has, to a reader,
// that of the event before. A type or ID that a field cannot hold is a mistake of the
// test, and panics.
func Encode(e sse.Event) string {
	if strings.ContainsAny(e.Type+e.ID, "\r\n") || strings.Contains(e.ID, "\x00") {
		panic("ssetest: Encode: a type or ID cannot hold a line end, nor an ID a NUL")
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

// A pipeListener accepts connections that were dialled in memory.
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

package benchmarks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An Endpoint holds the addresses of the server.
type Endpoint struct {
	Plain string // HTTP/1.1 and HTTP/2 without TLS
	TLS   string // HTTP/1.1
	Cert  []byte // PEM

	Hundred string // like Plain, with 100 streams on a connection of HTTP/2; Plain has 250
}

// A Stats holds the counters of the server's TLS listener.
type Stats struct{ Connections, Handshakes int64 }

type server struct {
	connections, handshakes atomic.Int64

	mu    sync.Mutex
	feeds map[string]*feed
}

// serve prints the endpoint and serves requests until standard input ends, at the latest
// when the parent process exits.
func serve() error {
	s := &server{feeds: make(map[string]*feed)}
	cert, certPEM, err := selfSigned()
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	hundred, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/fast", s.fast)
	mux.HandleFunc("/timed", s.timed)
	mux.HandleFunc("/idle", s.idle)
	mux.HandleFunc("/websocket", s.websocket)
	mux.HandleFunc("/usage", s.usage)
	mux.HandleFunc("/completion", s.completion)
	mux.HandleFunc("/stats", s.stats)
	mux.HandleFunc("/feed", s.feed)
	pace := &pacer{starts: make(map[string]chan struct{})}
	mux.HandleFunc("/paced", pace.stream)
	mux.HandleFunc("/paced/start", pace.start)
	st := &storms{all: make(map[string]*storm)}
	mux.HandleFunc("/storm", st.stream)
	mux.HandleFunc("/storm/drop", st.drop)
	mux.HandleFunc("/storm/times", st.sendTimes)
	quiet := log.New(io.Discard, "", 0)

	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	serve := func(s *http.Server, l net.Listener) { _ = s.Serve(l) } // returns when the process exits
	go serve(&http.Server{Handler: mux, ErrorLog: quiet, Protocols: &protocols}, plain)
	limit := &http.HTTP2Config{MaxConcurrentStreams: 100}
	go serve(&http.Server{Handler: mux, ErrorLog: quiet, Protocols: &protocols, HTTP2: limit}, hundred)

	config := &tls.Config{
		Certificates: []tls.Certificate{cert},
		NextProtos:   []string{"http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			s.handshakes.Add(1)
			return nil, nil
		},
	}
	count := func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	go serve(&http.Server{Handler: mux, ErrorLog: quiet, ConnState: count}, tls.NewListener(secure, config))

	err = json.NewEncoder(os.Stdout).Encode(Endpoint{
		Plain: plain.Addr().String(), TLS: secure.Addr().String(), Cert: certPEM, Hundred: hundred.Addr().String(),
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "127.0.0.1"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, certPEM, nil
}

func start(w http.ResponseWriter) *http.ResponseController {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	return http.NewResponseController(w)
}

// eventSize is the size on the wire of an event in the measurements of clients.
const eventSize = 320

func block(size int) string { return "data: " + text(size-len("data: \n\n")) + "\n\n" }

// fast sends events as fast as it can, 50 per write. With flush=1 it writes and flushes
// each event separately.
func (s *server) fast(w http.ResponseWriter, r *http.Request) {
	c := start(w)
	if r.FormValue("flush") == "" {
		b := []byte(strings.Repeat(block(eventSize), 50))
		for {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}
	b := []byte(block(eventSize))
	for {
		if _, err := w.Write(b); err != nil {
			return
		}
		if err := c.Flush(); err != nil {
			return
		}
	}
}

// timed sends n events, one per millisecond. The data starts with the current time.
func (s *server) timed(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	c := start(w)
	pad := text(eventSize - len("data: \n\n") - stampSize)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range n {
		<-tick.C
		if _, err := fmt.Fprintf(w, "data: %0*d%s\n\n", stampSize, time.Now().UnixNano(), pad); err != nil {
			return
		}
		if err := c.Flush(); err != nil {
			return
		}
	}
	<-r.Context().Done()
}

const stampSize = 20

// idle sends one event and then keeps the response open.
func (s *server) idle(w http.ResponseWriter, r *http.Request) {
	size, _ := strconv.Atoi(r.FormValue("size"))
	c := start(w)
	_, _ = io.WriteString(w, block(size)) // a disconnect of the client cancels the context
	_ = c.Flush()
	<-r.Context().Done()
}

// usage sends the memory and the goroutines of the process.
func (s *server) usage(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(usage())
}

// completion sends the response of a language model: 30 events and [DONE].
func (s *server) completion(w http.ResponseWriter, _ *http.Request) {
	c := start(w)
	b := []byte(`data: {"choices":[{"delta":{"content":"word"}}]}` + "\n\n")
	for range 30 {
		_, _ = w.Write(b)
		_ = c.Flush()
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
	_ = c.Flush()
}

func (s *server) stats(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(Stats{s.connections.Load(), s.handshakes.Load()})
}

// A feed is the state of one subscription in the measurement of reconnects.
type feed struct{ connections, head int }

// feedEvents is the number of events on each connection.
const feedEvents = 10

// feedWait is the reconnection time that the feed sets.
const feedWait = 10 * time.Millisecond

// feed resumes after Last-Event-ID, sends ten events and drops the connection: in turn with
// a clean end, with a reset, and in the middle of an event. After the last drop it sends a
// final event with the number of events.
func (s *server) feed(w http.ResponseWriter, r *http.Request) {
	drops, _ := strconv.Atoi(r.FormValue("drops"))
	session := r.FormValue("session")
	s.mu.Lock()
	f := s.feeds[session]
	if f == nil {
		f = new(feed)
		s.feeds[session] = f
	}
	drop := f.connections
	f.connections++
	from := f.head
	if r.FormValue("resume") == "" {
		from, _ = strconv.Atoi(r.Header.Get("Last-Event-ID"))
	}
	last := from + feedEvents
	f.head = max(f.head, last)
	total := f.head
	s.mu.Unlock()

	c := start(w)
	fmt.Fprintf(w, "retry: %d\n\n", feedWait.Milliseconds())
	for n := from + 1; n <= last; n++ {
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", n, feedData(n))
	}
	if drop >= drops {
		fmt.Fprintf(w, "data: END %d\n\n", total)
		_ = c.Flush()
		<-r.Context().Done()
		return
	}
	kind := drop % 3
	if kind == 2 {
		_, _ = io.WriteString(w, cutEvent(last+1, drop/3))
	}
	_ = c.Flush()
	switch {
	case kind == 1:
		reset(c)
	case kind == 2 && drop%2 == 0:
		panic(http.ErrAbortHandler)
	}
}

func feedData(n int) string { return fmt.Sprintf(`{"n":%d,"text":%q}`, n, text(20+n%100)) }

// cutEvent returns the start of event n, cut at one of four places.
func cutEvent(n, i int) string {
	id := fmt.Sprintf("id: %d\n", n)
	data := fmt.Sprintf("data: %s\n", feedData(n))
	switch i % 4 {
	case 0:
		return id[:len("id: 1")]
	case 1:
		return id
	case 2:
		return id + data[:len(data)/2]
	}
	return id + data
}

// reset drops the connection with a TCP reset.
func reset(c *http.ResponseController) {
	conn, _, err := c.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// Package flaky has a TCP proxy whose connections fail as those of real networks do. It
// serves the tests of other packages.
package flaky

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A Proxy is a TCP proxy on the loopback interface. It can break a connection, and it can
// make connections dead: nothing passes them any more and nothing ends them, as behind a
// NAT that has forgotten them. New connections work.
type Proxy struct {
	Address string // host and port
	backend string
	dials   atomic.Int64

	mu     sync.Mutex
	silent chan struct{} // closed for the connections made so far
	marks  []string
}

// New starts a proxy in front of the server at the address backend. It runs until the test
// ends. When the server sends the next of the marks, in one write, the proxy breaks the
// connection before it: the client does not get the mark. Each mark breaks one connection.
func New(t *testing.T, backend string, marks ...string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &Proxy{Address: l.Addr().String(), backend: backend, silent: make(chan struct{}), marks: marks}
	go p.serve(t.Context(), l)
	return p
}

// Dials returns the number of connections that clients have made so far.
func (p *Proxy) Dials() int { return int(p.dials.Load()) }

// Silence makes the connections that exist dead.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.silent)
	p.silent = make(chan struct{})
}

func (p *Proxy) serve(ctx context.Context, l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.dials.Add(1)
		server, err := net.Dial("tcp", p.backend)
		if err != nil {
			client.Close()
			continue
		}
		context.AfterFunc(ctx, func() { client.Close(); server.Close() })
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		go relay(server, client, silent, func(part []byte) (int, bool) { return len(part), false })
		go relay(client, server, silent, p.find)
	}
}

// relay copies from src to dst until one of them ends or find finds a mark. Once silent is
// closed, it drops what it reads.
func relay(dst, src net.Conn, silent <-chan struct{}, find func([]byte) (end int, cut bool)) {
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		select {
		case <-silent:
			if err != nil {
				return // dst does not learn of it
			}
			continue
		default:
		}
		end, cut := find(buf[:n])
		if _, werr := dst.Write(buf[:end]); cut || err != nil || werr != nil {
			dst.Close() // which ends the other direction
			return
		}
	}
}

// find returns where part, which the server wrote at once, reaches the next mark.
func (p *Proxy) find(part []byte) (end int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.marks) > 0 {
		if i := bytes.Index(part, []byte(p.marks[0])); i >= 0 {
			p.marks = p.marks[1:]
			return i, true
		}
	}
	return len(part), false
}

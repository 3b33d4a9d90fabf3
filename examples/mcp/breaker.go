package main

import (
	"bytes"
	"io"
	"net"
	"sync"
)

// A breaker is a TCP proxy. It breaks a connection when the server sends the next of its
// marks, which the client does not get. Each mark breaks one connection.
type breaker struct {
	net.Listener
	backend string

	mu    sync.Mutex
	marks []string
}

// newBreaker starts a breaker in front of the server at address backend. Close stops it.
func newBreaker(backend string, marks ...string) (*breaker, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &breaker{Listener: l, backend: backend, marks: marks}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go b.relay(client)
		}
	}()
	return b, nil
}

// relay connects client to the server until one of them ends or a mark comes.
func (b *breaker) relay(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", b.backend)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		_, _ = io.Copy(server, client)
	}()
	buf := make([]byte, 16<<10)
	for {
		n, err := server.Read(buf)
		end, cut := b.find(buf[:n])
		if _, werr := client.Write(buf[:end]); cut || err != nil || werr != nil {
			return
		}
	}
}

// find returns where part, which the server wrote at once, reaches the next mark.
func (b *breaker) find(part []byte) (end int, cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.marks) > 0 {
		if i := bytes.Index(part, []byte(b.marks[0])); i >= 0 {
			b.marks = b.marks[1:]
			return i, true
		}
	}
	return len(part), false
}

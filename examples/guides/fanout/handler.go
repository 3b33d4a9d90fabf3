package fanout

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/fetchsse/sse"
)

// A Handler serves the events of a Replay to any number of clients, which resume with
// Last-Event-ID: browsers, and programs with this library. A client that has lost events
// gets an event of the type "gap" before the next one.
type Handler struct {
	Replay       *Replay
	Heartbeat    time.Duration // between comments; less than the shortest timeout on the path
	WriteTimeout time.Duration // how long a write may wait for a slow client
}

// ServeHTTP sends events to one client until it leaves, is too slow, or the events end.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	place, known := h.Replay.after(req.Header.Get("Last-Event-ID"))
	blocks, _, changed := h.Replay.read(place, make([][]byte, 0, 64))
	if len(blocks) == 0 && changed == nil {
		w.WriteHeader(http.StatusNoContent) // the client must not connect again
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // for nginx
	c := client{w, http.NewResponseController(w), h.WriteTimeout}
	// The clients of a server that stops must not all come back at the same time. The block
	// also shows that the stream is open.
	hello := fmt.Sprintf("retry: %d\n\n", 1000+rand.N(2000))
	if !known {
		hello += "event: gap\ndata: unknown\n\n"
	}
	if c.send([]byte(hello)) != nil {
		return
	}
	heartbeat := time.NewTicker(h.Heartbeat)
	defer heartbeat.Stop()
	for {
		blocks, first, changed := h.Replay.read(place, blocks[:0])
		switch {
		case first > place:
			// Without an ID, so that the client keeps the one that it has.
			if c.send(fmt.Appendf(nil, "event: gap\ndata: %d\n\n", first-place)) != nil {
				return
			}
			place = first
		case len(blocks) > 0:
			if c.send(blocks...) != nil {
				return
			}
			place += uint64(len(blocks))
		case changed == nil:
			return
		default:
			select {
			case <-changed:
			case <-heartbeat.C:
				if c.send([]byte(":\n\n")) != nil {
					return
				}
			case <-req.Context().Done():
				return
			}
		}
	}
}

type client struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

// send sends the blocks. An error means that the client has left or is too slow.
func (c *client) send(blocks ...[]byte) error {
	if err := c.control.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	for _, block := range blocks {
		if _, err := c.Write(block); err != nil {
			return err
		}
	}
	if err := c.control.Flush(); err != nil {
		return err
	}
	// Over HTTP/2, a deadline that passes resets the stream even if nothing is written.
	return c.control.SetWriteDeadline(time.Time{})
}

// Relay adds the events of an upstream feed to replay until the feed ends.
func Relay(stream *sse.Stream, replay *Replay) error {
	for event, err := range stream.Events() {
		if err != nil {
			return err // the clients reconnect to a process that has events
		}
		if err := replay.Add(event); err != nil {
			return err
		}
	}
	replay.End() // the source has ended the subscription: the clients get 204
	return nil
}

// NewServer returns a server whose handlers end at its Shutdown, which waits for them.
func NewServer(h http.Handler) *http.Server {
	ctx, cancel := context.WithCancel(context.Background())
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	srv.RegisterOnShutdown(cancel)
	return srv
}

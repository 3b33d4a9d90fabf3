// Package body reads the bodies of requests and responses.
package body

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fetchsse/sse/internal/header"
)

// Decode returns a reader of the content of body, whose encoding is in the headers.
func Decode(body io.Reader, h http.Header) io.Reader {
	if header.IsGzip(h) {
		return &gzipReader{src: body}
	}
	return body
}

// A gzipReader decodes bytes as they arrive. It reads the gzip header in its first Read,
// since the server may send that with the first event.
type gzipReader struct {
	src io.Reader
	zr  *gzip.Reader
}

func (g *gzipReader) Read(b []byte) (n int, err error) {
	if g.zr == nil {
		if g.zr, err = gzip.NewReader(g.src); err != nil {
			return 0, err
		}
	}
	return g.zr.Read(b)
}

// A OneShot is a request body that cannot be sent again. It ignores Close until it has
// been read, so that another attempt can send it after one that did not.
type OneShot struct {
	body io.ReadCloser
	used atomic.Bool
}

// NewOneShot returns a OneShot for body.
func NewOneShot(body io.ReadCloser) *OneShot { return &OneShot{body: body} }

func (b *OneShot) Read(p []byte) (int, error) {
	b.used.Store(true)
	return b.body.Read(p)
}

// Close closes the body if it has been read.
func (b *OneShot) Close() error {
	if b.used.Load() {
		return b.body.Close()
	}
	return nil
}

// Used reports whether the body has been read. A nil OneShot has not.
func (b *OneShot) Used() bool { return b != nil && b.used.Load() }

// MarkUsed marks the body as read by other code.
func (b *OneShot) MarkUsed() { b.used.Store(true) }

// Discard closes the body if it has not been read. It ignores a nil OneShot.
func (b *OneShot) Discard() {
	if b != nil && !b.used.Swap(true) {
		b.body.Close()
	}
}

// A Body ends the reading of a response. The goroutine that reads calls Close, once, when
// no Read is running. Another goroutine calls Interrupt when the context of the attempt
// ends before that, to end a Read.
type Body interface {
	Close()
	Interrupt()
}

// A closer closes a body once.
type closer struct {
	body   io.ReadCloser
	closed atomic.Bool
}

func (c *closer) closeOnce() {
	if !c.closed.Swap(true) {
		c.body.Close()
	}
}

// A Plain is a body of which Close ends a Read: one of HTTP/2, or of a round tripper that
// says nothing of its connection.
type Plain struct{ closer }

// NewPlain returns a Plain for body.
func NewPlain(body io.ReadCloser) *Plain { return &Plain{closer{body: body}} }

// Interrupt closes the body.
func (p *Plain) Interrupt() { p.closeOnce() }

// Close closes the body unless Interrupt does.
func (p *Plain) Close() { p.closeOnce() }

// An Owned is an HTTP/1 body of net/http, of which the end of the request's context ends a
// Read. No Close may come beside a Read of it: in net/http 1.27.0 and 1.27.1, that can
// block the Read forever (golang/go#81404).
type Owned struct{ closer }

// lastResort is the time that a Read has to end after the context. A round tripper may
// have sent the request with another context. Then only Close can end the Read.
const lastResort = 100 * time.Millisecond

// NewOwned returns an Owned for body.
func NewOwned(body io.ReadCloser) *Owned { return &Owned{closer{body: body}} }

// Interrupt leaves the Read to the end of the context, and closes the body after a while.
func (o *Owned) Interrupt() { time.AfterFunc(lastResort, o.closeOnce) }

// Close closes the body after the end of the context.
//
// Since Go 1.27, net/http reads on for 50 ms after Close (golang/go#77370), and the server
// does not notice. It closes the connection at once if it sees the end of the context
// first, which is certain when a Read has returned an error.
func (o *Owned) Close() {
	timer := time.AfterFunc(lastResort, o.closeOnce)
	_, _ = io.Copy(io.Discard, o.body)
	timer.Stop()
	o.closeOnce()
}

// A Detached is the body of a response that was requested elsewhere, so that only Close
// can end a Read of it, with the danger described at [Owned]. Detached therefore runs each
// Read on a goroutine of its own, which lives no longer than that Read, and stops waiting
// for it when the context ends. The abandoned Read may still write into its buffer.
type Detached struct {
	closer
	ctx       context.Context
	request   context.Context
	results   chan result
	abandoned bool // a Read of the body has not returned
}

type result struct {
	n     int
	err   error
	panic any // a panic of the Read, for the goroutine that reads
}

var (
	errInterrupted = errors.New("the reading was interrupted")
	errExited      = errors.New("the goroutine of the read has exited")
)

// selfEndDelay is the time in which a Read has to return by itself once the context of
// its request has ended. With net/http it does so at once.
const selfEndDelay = 50 * time.Millisecond

// NewDetached returns a Detached for body. Its reading ends with ctx. The context of the
// request, from which ctx is derived, is one that a Read may end with by itself.
func NewDetached(ctx, request context.Context, body io.ReadCloser) *Detached {
	return &Detached{closer: closer{body: body}, ctx: ctx, request: request, results: make(chan result, 1)}
}

// Read reads from the body until that returns or the context ends. In the latter case, the
// error is never io.EOF, also if closing the body has made it the error of the body.
func (d *Detached) Read(b []byte) (int, error) {
	if d.ctx.Err() != nil {
		return 0, errInterrupted
	}
	go func() {
		r := result{err: errExited}
		defer func() {
			r.panic = recover()
			d.results <- r
		}()
		r.n, r.err = d.body.Read(b)
	}()
	select {
	case r := <-d.results:
		return d.use(r)
	case <-d.ctx.Done():
	}
	var wait time.Duration
	if d.request.Err() != nil {
		wait = selfEndDelay
	}
	select {
	case r := <-d.results:
		return d.use(r)
	case <-time.After(wait):
		d.abandoned = true
		return 0, errInterrupted
	}
}

// use returns the result of a Read of the body.
func (d *Detached) use(r result) (int, error) {
	if r.panic != nil {
		panic(r.panic)
	}
	if r.err == io.EOF && d.closed.Load() {
		r.err = errInterrupted
	}
	return r.n, r.err
}

// Interrupt closes the body, beside a Read if there is one.
func (d *Detached) Interrupt() {
	if d.request.Err() != nil {
		time.AfterFunc(selfEndDelay, d.closeOnce) // the Read ends by itself
		return
	}
	d.closeOnce()
}

// Close closes the body. Beside an abandoned Read, Interrupt does that.
func (d *Detached) Close() {
	if !d.abandoned {
		d.closeOnce()
	}
}

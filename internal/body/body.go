// Package body reads the bodies of requests and responses.
package body

import (
	"compress/gzip"
	"context"
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

// A OneShot is a request body that cannot be made again. It ignores Close until it has
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

// A Detached is the body of a response that was requested elsewhere, so that only Close
// can end a Read of it. In net/http 1.27.0 and 1.27.1 such a Read can block forever if
// Close is called beside it (golang/go#81404). Detached therefore runs each Read on a
// goroutine of its own, which lives no longer than that Read, and stops waiting for it
// when the context ends. After that, the abandoned Read may still write into its buffer.
type Detached struct {
	body    io.ReadCloser
	ctx     context.Context
	request context.Context
	results chan result

	closed    atomic.Bool   // body is closed
	released  chan struct{} // closed by Close
	abandoned bool          // a Read of the body has not returned
}

type result struct {
	n   int
	err error
}

// selfEndDelay is the time in which a Read has to return by itself once the context of
// its request has ended. With net/http it does so at once.
const selfEndDelay = 50 * time.Millisecond

// NewDetached returns a Detached for body. Its reading ends with ctx. The context of the
// request, from which ctx is derived, is one that a Read may end with by itself.
func NewDetached(ctx, request context.Context, body io.ReadCloser) *Detached {
	return &Detached{body: body, ctx: ctx, request: request, results: make(chan result, 1), released: make(chan struct{})}
}

// Read reads from the body until that returns or the context ends. The error is then
// the cause of the context.
func (d *Detached) Read(b []byte) (int, error) {
	if d.ctx.Err() != nil {
		return 0, context.Cause(d.ctx)
	}
	go func() {
		n, err := d.body.Read(b)
		d.results <- result{n, err}
	}()
	select {
	case r := <-d.results:
		return r.n, r.err
	case <-d.ctx.Done():
	}
	var wait time.Duration
	if d.request.Err() != nil {
		wait = selfEndDelay
	}
	select {
	case r := <-d.results:
		return r.n, r.err
	case <-time.After(wait):
		d.abandoned = true
		return 0, context.Cause(d.ctx)
	}
}

// Interrupt closes the body after the end of the context, beside a Read if there is one.
// It may be called from any goroutine.
func (d *Detached) Interrupt() {
	if d.request.Err() != nil {
		select {
		case <-d.released:
		case <-time.After(selfEndDelay):
		}
	}
	_ = d.closeOnce() // the stream has ended; nothing depends on the error
}

// Close closes the body. If an abandoned Read is still running, Interrupt does so. Close
// is called once, on the goroutine that reads.
func (d *Detached) Close() error {
	close(d.released)
	if d.abandoned {
		return nil
	}
	return d.closeOnce()
}

func (d *Detached) closeOnce() error {
	if d.closed.Swap(true) {
		return nil
	}
	return d.body.Close()
}

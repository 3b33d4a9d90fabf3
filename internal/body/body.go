// Package body reads the bodies of requests and responses.
package body

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fetchsse/sse/internal/header"
)

// Decode returns a reader of the content of body, whose encoding is in the headers.
func Decode(body io.Reader, h http.Header) io.Reader {
	if header.IsGzip(h) {
		return &gzipReader{src: bufio.NewReader(body)}
	}
	return body
}

// A gzipReader decodes bytes as they arrive. It reads the header of a gzip member only when
// it needs its data: a server may send the header with the next event, and some compress
// each event as a member of its own.
type gzipReader struct {
	src    *bufio.Reader
	zr     *gzip.Reader
	inside bool // of a member
}

func (g *gzipReader) Read(b []byte) (n int, err error) {
	for {
		if !g.inside {
			if err := g.nextMember(); err != nil {
				return 0, err
			}
		}
		n, err = g.zr.Read(b)
		if err != io.EOF {
			return n, err
		}
		g.inside = false
		if n > 0 {
			return n, nil
		}
	}
}

// nextMember reads the header of the next member. At the end of the body it returns io.EOF.
func (g *gzipReader) nextMember() (err error) {
	if g.zr == nil {
		g.zr, err = gzip.NewReader(g.src)
	} else {
		err = g.zr.Reset(g.src)
	}
	if err == nil {
		g.zr.Multistream(false)
		g.inside = true
	}
	return err
}

// While returns a reader of src that ends with ctx, also if a Read of src does not: a body
// may ignore Close and bring bytes without end. It gives up after 100 consecutive reads
// without a byte or an error.
func While(ctx context.Context, src io.Reader) io.Reader { return &while{ctx: ctx, src: src} }

type while struct {
	ctx   context.Context
	src   io.Reader
	empty int // consecutive reads
}

func (w *while) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.src.Read(b)
	if n > 0 || err != nil || len(b) == 0 {
		w.empty = 0
		return n, err
	}
	if w.empty++; w.empty == maxEmpty {
		return 0, io.ErrNoProgress
	}
	return 0, nil
}

const maxEmpty = 100

// A Recorder is the body of a refused response. It keeps what is read from it.
type Recorder struct {
	src  io.Reader
	text []byte
	err  error // of the last Read
}

// NewRecorder returns a Recorder of src.
func NewRecorder(src io.Reader) *Recorder { return &Recorder{src: src} }

func (r *Recorder) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.src.Read(b)
	r.text, r.err = append(r.text, b[:n]...), err
	return n, err
}

// Close does nothing: the attempt closes the body.
func (r *Recorder) Close() error { return nil }

// Bytes returns what was read.
func (r *Recorder) Bytes() []byte { return r.text }

// ReadStart reads until the first bytes are there.
func (r *Recorder) ReadStart() {
	b := make([]byte, 512)
	for len(r.text) == 0 && r.err == nil {
		_, _ = r.Read(b) // the error stays in r
	}
}

// ReadUpTo reads up to limit bytes in all, and reports whether these are the whole body.
func (r *Recorder) ReadUpTo(limit int) bool {
	b := make([]byte, 4<<10)
	for len(r.text) < limit && r.err == nil {
		_, _ = r.Read(b[:min(len(b), limit-len(r.text))])
	}
	if r.err == nil { // it has the limit: is there more?
		if n, err := r.src.Read(b[:1]); n == 0 {
			r.err = err
		}
	}
	return r.err == io.EOF
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

// Interruptible returns a request body of which the end of ctx ends a Read: net/http waits
// for it over HTTP/1, also after the end of the request's context. It reports false, with
// body itself, if a Read of it cannot block.
func Interruptible(ctx context.Context, body io.ReadCloser) (io.ReadCloser, bool) {
	if body == nil || LengthInMemory(body) >= 0 {
		return body, false
	}
	return &interruptible{ReadCloser: body, ctx: ctx, results: make(chan result, 1)}, true
}

// LengthInMemory returns the number of bytes that are left in r if it reads from memory, as
// the bodies of [http.NewRequest] do for the readers of packages bytes and strings, or -1.
func LengthInMemory(r io.Reader) int64 {
	switch r := r.(type) {
	case *bytes.Reader:
		return int64(r.Len())
	case *bytes.Buffer:
		return int64(r.Len())
	case *strings.Reader:
		return int64(r.Len())
	case *OneShot:
		return LengthInMemory(r.body)
	}
	if r == http.NoBody {
		return 0
	}
	switch reflect.TypeOf(r) {
	case nopCloser, nopCloserWriterTo:
		if inner, ok := reflect.ValueOf(r).Field(0).Interface().(io.Reader); ok {
			return LengthInMemory(inner)
		}
	}
	return -1
}

// The types that io.NopCloser returns.
var (
	nopCloser         = reflect.TypeOf(io.NopCloser(nil))
	nopCloserWriterTo = reflect.TypeOf(io.NopCloser(new(bytes.Reader)))
)

// An interruptible runs each Read of a request body on a goroutine of its own, which lives
// no longer than that Read, and stops waiting for it when the context ends.
type interruptible struct {
	io.ReadCloser
	ctx     context.Context
	buf     []byte // of the Read of the body; an abandoned one may still write into it
	results chan result
}

func (b *interruptible) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if body, ok := b.ReadCloser.(*OneShot); ok {
		body.MarkUsed() // the goroutine may run late
	}
	if len(b.buf) < min(len(p), maxSend) {
		b.buf = make([]byte, min(len(p), maxSend))
	}
	start(b.ReadCloser, b.buf[:min(len(p), len(b.buf))], b.results)
	select {
	case r := <-b.results:
		return copy(p, b.buf[:r.n]), r.error()
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

const maxSend = 32 << 10 // bytes that a Read of a request body is asked for at most

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
	_, _ = io.Copy(io.Discard, untilClosed{&o.closer}) // some bodies have no end although closed
	timer.Stop()
	o.closeOnce()
}

type untilClosed struct{ *closer }

func (c untilClosed) Read(b []byte) (int, error) {
	if c.closed.Load() {
		return 0, io.EOF
	}
	return c.body.Read(b)
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

// A result is what a Read on a goroutine of its own has returned.
type result struct {
	n     int
	err   error
	panic any // a panic of the Read, for the goroutine that reads
}

// start calls Read of src on a goroutine of its own.
func start(src io.Reader, b []byte, results chan<- result) {
	go func() {
		r := result{err: errExited}
		defer func() {
			r.panic = recover()
			results <- r
		}()
		r.n, r.err = src.Read(b)
	}()
}

// error returns the error of the Read, or continues its panic.
func (r result) error() error {
	if r.panic != nil {
		panic(r.panic)
	}
	return r.err
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
	start(d.body, b, d.results)
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
	err := r.error()
	if err == io.EOF && d.closed.Load() {
		err = errInterrupted
	}
	return r.n, err
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

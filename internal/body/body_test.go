package body

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Only bodies whose Read can block are read on a goroutine.
func TestInterruptibleKeepsBodiesInMemory(t *testing.T) {
	for _, r := range []io.Reader{strings.NewReader("x"), bytes.NewReader([]byte("x")), bytes.NewBufferString("x")} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a.test", r)
		require.NoError(t, err)
		for _, body := range []io.ReadCloser{req.Body, NewOneShot(req.Body)} {
			same, ok := Interruptible(t.Context(), body)
			require.False(t, ok, "%T", r)
			require.Equal(t, body, same)
		}
	}
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		same, ok := Interruptible(t.Context(), body)
		require.False(t, ok)
		require.Equal(t, body, same)
	}
	for _, r := range []io.Reader{io.LimitReader(strings.NewReader("some text"), 4), iotest.OneByteReader(strings.NewReader("some"))} {
		body, ok := Interruptible(t.Context(), NewOneShot(io.NopCloser(r)))
		require.True(t, ok)
		text, err := io.ReadAll(body)
		require.NoError(t, err)
		require.Equal(t, "some", string(text))
	}
}

// The end of the context ends a Read. The Read of the body may still write, but not into the
// buffer of the caller.
func TestInterruptibleStopsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		oneShot := NewOneShot(io.NopCloser(readFunc(func(b []byte) (int, error) {
			time.Sleep(time.Hour)
			return copy(b, "late"), nil
		})))
		body, ok := Interruptible(ctx, oneShot)
		require.True(t, ok)
		time.AfterFunc(time.Minute, cancel)
		b := make([]byte, 4)
		start := time.Now()
		n, err := body.Read(b)
		require.Zero(t, n)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Minute, time.Since(start))
		require.True(t, oneShot.Used())
		time.Sleep(2 * time.Hour)
		require.Equal(t, make([]byte, 4), b)
		_, err = body.Read(b)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestInterruptiblePanicsAsTheBody(t *testing.T) {
	body, _ := Interruptible(t.Context(), io.NopCloser(readFunc(func([]byte) (int, error) { panic("body") })))
	require.PanicsWithValue(t, "body", func() { _, _ = body.Read(make([]byte, 1)) })
}

func TestDecodeReadsGzipAsItArrives(t *testing.T) {
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	_, err := zw.Write([]byte("data: a\n\n"))
	require.NoError(t, err)
	require.NoError(t, zw.Close())
	text, err := io.ReadAll(Decode(&zipped, http.Header{"Content-Encoding": {"gzip"}}))
	require.NoError(t, err)
	require.Equal(t, "data: a\n\n", string(text))

	plain := strings.NewReader("x")
	require.Same(t, plain, Decode(plain, nil))

	_, err = io.ReadAll(Decode(strings.NewReader("not gzip at all"), http.Header{"Content-Encoding": {"gzip"}}))
	require.ErrorIs(t, err, gzip.ErrHeader)
}

// The data of a member is there before the next member begins, with which a server waits
// until its next event.
func TestDecodeDoesNotWaitForTheNextMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer r.Close()
		zw := gzip.NewWriter(w)
		go func() {
			for _, text := range []string{"data: a\n\n", "data: b\n\n"} {
				zw.Reset(w)
				_, _ = zw.Write([]byte(text))
				_ = zw.Close()
				time.Sleep(time.Minute)
			}
			w.Close()
		}()
		start := time.Now()
		src := Decode(r, http.Header{"Content-Encoding": {"gzip"}})
		b := make([]byte, 100)
		for i, want := range []string{"data: a\n\n", "data: b\n\n"} {
			n, err := src.Read(b)
			require.NoError(t, err)
			require.Equal(t, want, string(b[:n]))
			require.Equal(t, time.Duration(i)*time.Minute, time.Since(start))
		}
		_, err := src.Read(b)
		require.Equal(t, io.EOF, err)
	})
}

// A recorder is a body that counts its Close calls.
type recorder struct {
	io.Reader
	closed atomic.Int32
}

func (r *recorder) Close() error {
	r.closed.Add(1)
	if c, ok := r.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func TestOneShotStaysOpenUntilItIsRead(t *testing.T) {
	src := &recorder{Reader: strings.NewReader("once")}
	b := NewOneShot(src)
	require.NoError(t, b.Close())
	require.Zero(t, src.closed.Load())
	require.False(t, b.Used())
	_, err := b.Read(make([]byte, 1))
	require.NoError(t, err)
	require.True(t, b.Used())
	require.NoError(t, b.Close())
	require.EqualValues(t, 1, src.closed.Load())
	b.Discard()
	require.EqualValues(t, 1, src.closed.Load())
}

func TestOneShotIsDiscardedOnce(t *testing.T) {
	src := &recorder{}
	b := NewOneShot(src)
	b.Discard()
	b.Discard()
	require.EqualValues(t, 1, src.closed.Load())
	NewOneShot(src).MarkUsed()
	var none *OneShot
	require.False(t, none.Used())
	none.Discard()
}

// Close reads until the end of the context has reached the body, and closes it then.
func TestOwnedIsClosedAfterItsReadHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		src := &recorder{Reader: r}
		context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
		o := NewOwned(src)
		context.AfterFunc(ctx, o.Interrupt)
		time.AfterFunc(time.Second, cancel)
		_, err := src.Read(make([]byte, 1))
		require.Equal(t, context.Canceled, err)
		synctest.Wait()
		require.Zero(t, src.closed.Load())
		o.Close()
		require.EqualValues(t, 1, src.closed.Load())
	})
}

// A round tripper may have dropped the context. Then Close must come beside the Read.
func TestOwnedStopsReadingABodyWithoutEnd(t *testing.T) {
	for name, read := range map[string]readFunc{
		"bytes":   func(b []byte) (int, error) { time.Sleep(time.Millisecond); return len(b), nil },
		"nothing": func([]byte) (int, error) { time.Sleep(time.Millisecond); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				NewOwned(io.NopCloser(read)).Close()
				require.InDelta(t, lastResort, time.Since(start), float64(2*time.Millisecond))
			})
		})
	}
}

func TestWhileEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		text, err := io.ReadAll(While(ctx, readFunc(func(b []byte) (int, error) {
			time.Sleep(300 * time.Millisecond)
			return copy(b, "x"), nil
		})))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, "xxxx", string(text))
		require.Equal(t, 1200*time.Millisecond, time.Since(start))

		reads := 0
		empty := func([]byte) (int, error) { reads++; return 0, nil }
		_, err = io.ReadAll(While(t.Context(), readFunc(empty)))
		require.ErrorIs(t, err, io.ErrNoProgress)
		require.Equal(t, 100, reads)
		text, err = io.ReadAll(While(t.Context(), io.MultiReader(strings.NewReader("a"), iotest.OneByteReader(strings.NewReader("b")))))
		require.NoError(t, err)
		require.Equal(t, "ab", string(text))
	})
}

func TestOwnedClosesABodyThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := io.Pipe()
		o := NewOwned(&recorder{Reader: r})
		context.AfterFunc(ctx, o.Interrupt)
		start := time.Now()
		cancel()
		_, err := r.Read(make([]byte, 1))
		require.Equal(t, io.ErrClosedPipe, err)
		require.Equal(t, lastResort, time.Since(start))
		o.Close()

		r, _ = io.Pipe()
		start = time.Now()
		NewOwned(r).Close() // without a Read
		require.Equal(t, lastResort, time.Since(start))
	})
}

// A stuckReader blocks in Read until it is released, whatever else happens, as net/http
// 1.27 does when a Close comes beside a Read at the wrong time.
type stuckReader struct{ release chan struct{} }

func (r stuckReader) Read([]byte) (int, error) {
	<-r.release
	return 0, io.EOF
}

func TestDetachedStopsWaitingForAStuckRead(t *testing.T) {
	errClosed := errors.New("closed")
	synctest.Test(t, func(t *testing.T) {
		stuck := stuckReader{make(chan struct{})}
		src := &recorder{Reader: stuck}
		ctx, cancel := context.WithCancelCause(t.Context())
		d := NewDetached(ctx, t.Context(), src)
		unhook := context.AfterFunc(ctx, d.Interrupt)
		start := time.Now()
		time.AfterFunc(time.Second, func() { cancel(errClosed) })
		_, err := d.Read(make([]byte, 1))
		require.Equal(t, errInterrupted, err)
		require.Equal(t, time.Second, time.Since(start))
		synctest.Wait() // the Read may see the end of the context before the hook does
		require.False(t, unhook())
		require.EqualValues(t, 1, src.closed.Load(), "beside the Read, which nothing else can end")
		_, err = d.Read(make([]byte, 1))
		require.Equal(t, errInterrupted, err)
		d.Close()
		require.EqualValues(t, 1, src.closed.Load())
		close(stuck.release)
	})
}

// The body ends by itself when the context of its request does. Its Read gets the time for
// that, and no Close comes beside it.
func TestDetachedLetsTheRequestEndTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		src := &recorder{Reader: r}
		context.AfterFunc(request, func() { w.CloseWithError(io.EOF) })
		ctx, stop := context.WithCancelCause(request)
		defer stop(nil)
		d := NewDetached(ctx, request, src)
		context.AfterFunc(ctx, d.Interrupt)
		time.AfterFunc(time.Second, cancel)
		_, err := d.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		synctest.Wait()
		require.Zero(t, src.closed.Load())
		d.Close()
		require.EqualValues(t, 1, src.closed.Load())
	})
}

// Not every body heeds a context. After a moment it is closed as well.
func TestDetachedClosesABodyThatIgnoresItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request, cancel := context.WithCancel(t.Context())
		r, _ := io.Pipe()
		src := &recorder{Reader: r}
		ctx, stop := context.WithCancelCause(request)
		defer stop(nil)
		d := NewDetached(ctx, request, src)
		context.AfterFunc(ctx, d.Interrupt)
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		_, err := d.Read(make([]byte, 1))
		require.Equal(t, errInterrupted, err)
		require.Equal(t, time.Second+selfEndDelay, time.Since(start))
		d.Close()
		synctest.Wait()
		require.EqualValues(t, 1, src.closed.Load())
	})
}

func TestPlainIsClosedByInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := io.Pipe()
		src := &recorder{Reader: r}
		p := NewPlain(src)
		go p.Interrupt()
		_, err := r.Read(make([]byte, 1))
		require.Equal(t, io.ErrClosedPipe, err)
		p.Close()
		require.EqualValues(t, 1, src.closed.Load())
	})
}

func TestDetachedIsClosedWithoutARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &recorder{Reader: strings.NewReader("x")}
		ctx, cancel := context.WithCancelCause(t.Context())
		d := NewDetached(ctx, t.Context(), src)
		context.AfterFunc(ctx, d.Interrupt)
		cancel(io.EOF)
		synctest.Wait()
		require.EqualValues(t, 1, src.closed.Load(), "Next need not be called again")
		_, err := d.Read(make([]byte, 1))
		require.Equal(t, errInterrupted, err, "not the cause")
		d.Close()
		require.EqualValues(t, 1, src.closed.Load())
	})
}

// Close makes the Read of some bodies return io.EOF, which is then not the end of the body.
func TestDetachedDoesNotTakeItsCloseForTheEnd(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			request, cancel := context.WithCancel(t.Context())
			r, w := io.Pipe()
			ctx, stop := context.WithCancelCause(request)
			defer stop(nil)
			d := NewDetached(ctx, request, closeFunc{r, func() { w.Close() }})
			context.AfterFunc(ctx, d.Interrupt)
			time.AfterFunc(time.Second, cancel)
			_, err := d.Read(make([]byte, 1))
			require.Equal(t, errInterrupted, err)
			d.Close()
		})
	}
}

// A closeFunc is a body with a Close of its own.
type closeFunc struct {
	io.Reader
	close func()
}

func (f closeFunc) Close() error {
	f.close()
	return nil
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// What happens in the Read happens on the goroutine that reads.
func TestDetachedPassesOnPanicAndGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := func(f readFunc) (int, error) {
			return NewDetached(t.Context(), t.Context(), closeFunc{f, func() {}}).Read(make([]byte, 1))
		}
		require.PanicsWithValue(t, "out", func() { _, _ = read(func([]byte) (int, error) { panic("out") }) })
		_, err := read(func([]byte) (int, error) {
			runtime.Goexit()
			return 0, nil
		})
		require.Equal(t, errExited, err)
	})
}

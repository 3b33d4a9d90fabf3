package sse_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// soon is a policy for tests in real time.
var soon = sse.WithBackOff(func() backoff.BackOff { return &backoff.ZeroBackOff{} })

// protocols runs a test over real sockets, with HTTP/1.1 and with HTTP/2.
func protocols(t *testing.T, test func(t *testing.T, opts ...Option)) {
	t.Run("HTTP/1.1", func(t *testing.T) { test(t, Loopback()) })
	t.Run("HTTP/2", func(t *testing.T) { test(t, Loopback(), HTTP2()) })
}

func TestLoopbackSubscribe(t *testing.T) {
	protocols(t, func(t *testing.T, opts ...Option) {
		srv := NewServer(t, InOrder(
			Script{Retry(time.Millisecond), Send(sse.Event{ID: "1", Data: "a"}), Cut()},
			Script{WantHeader("Last-Event-ID", "1"), Send(sse.Event{ID: "2", Data: "b"}), Raw("data: half")},
			Script{WantHeader("Last-Event-ID", "2"), Chunks(1), Send(sse.Event{ID: "3", Data: "c\nd"})},
			gone,
		), opts...)
		s, err := sse.Subscribe(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()), soon)
		require.NoError(t, err)
		require.Equal(t, strings.TrimPrefix(t.Name(), "TestLoopbackSubscribe/"), strings.TrimSuffix(s.Response().Proto, ".0"))
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b", "c\nd"}, got)
		for _, r := range srv.Requests() {
			require.Equal(t, "{}", string(r.Body))
		}
	})
}

func TestLoopbackFetch(t *testing.T) {
	protocols(t, func(t *testing.T, opts ...Option) {
		srv := NewServer(t, InOrder(
			Script{Data("a"), Cut()},
			Script{Data("a")},
			Script{Cut()},
			Script{Answer(400), Raw("no")},
		), opts...)
		hc := sse.WithHTTPClient(srv.Client())

		got, err := read(sse.Fetch(srv.Post("/", "{}"), hc, soon))
		require.Equal(t, []string{"a"}, got)
		_, ok := errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok, "%v", err)

		got, err = read(sse.Fetch(srv.Post("/", "{}"), hc, soon))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)

		_, err = read(sse.Fetch(srv.Post("/", "{}"), hc, soon))
		require.Error(t, err)
		require.Len(t, srv.Requests(), 3)

		_, err = read(sse.Fetch(srv.Post("/", "{}"), hc, soon))
		refusedWith(400)(t, err)
	})
}

func TestLoopbackInterrupt(t *testing.T) {
	protocols(t, func(t *testing.T, opts ...Option) {
		for _, script := range []Script{{Stall()}, {Open(), Stall()}, {Data("a"), Stall()}} {
			left := make(chan struct{})
			watch := Check(func(r *http.Request) {
				context.AfterFunc(r.Context(), func() { close(left) })
			})
			srv := NewServer(t, InOrder(append(Script{watch}, script...)), opts...)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			_, err := read(sse.Fetch(srv.Get("/").WithContext(ctx), sse.WithHTTPClient(srv.Client())))
			require.Equal(t, context.Canceled, err)
			<-left // the server sees it, too
		}
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}), opts...)
		s, err := sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		require.True(t, s.Next())
		time.AfterFunc(20*time.Millisecond, func() { s.Close() })
		require.False(t, s.Next())
		require.Equal(t, sse.ErrClosed, s.Err())
	})
}

func TestLoopbackReset(t *testing.T) {
	for name, cut := range map[string]Step{"reset": Reset(), "half-close": HalfClose()} {
		t.Run(name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), cut}), Loopback())
			got, err := read(sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client())))
			require.Equal(t, []string{"a"}, got)
			_, ok := errors.AsType[*sse.TruncatedError](err)
			require.True(t, ok, "%v", err)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
}

// A server that answers while the request body is still being sent, and never reads
// it: neither the answer nor Close may wait for that.
func TestLoopbackUnreadBody(t *testing.T) {
	protocols(t, func(t *testing.T, opts ...Option) {
		srv := NewServer(t, InOrder(Script{Early(), Data("a"), Stall()}), opts...)
		req := srv.Post("/", strings.Repeat("x", 8<<20))
		s, err := sse.Fetch(req, sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		require.True(t, s.Next(), "%v", s.Err())
		require.NoError(t, s.Close())
		require.False(t, s.Next())
	})
}

// One hundred completions over TLS take one connection and one handshake.
func TestTLSHandshakes(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("HTTP/2 ", http2), func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprint(w, "data: a\n\ndata: [DONE]\n\n")
				_ = http.NewResponseController(w).Flush()
			}))
			srv.EnableHTTP2 = http2
			srv.StartTLS()
			defer srv.Close()
			var handshakes atomic.Int32
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				TLSHandshakeDone: func(tls.ConnectionState, error) { handshakes.Add(1) },
			})
			for range 100 {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, strings.NewReader("{}"))
				require.NoError(t, err)
				got, err := read(sse.Fetch(req, sse.WithHTTPClient(srv.Client()), sse.WithDone("[DONE]")))
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, got)
			}
			most := 1
			if http2 { // a second request may come before net/http shares the first connection
				most = 2
			}
			require.LessOrEqual(t, int(handshakes.Load()), most)
		})
	}
	t.Run("a certificate that is not trusted", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(http.NotFoundHandler())
		srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the client
		srv.StartTLS()
		defer srv.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("{}"))
		require.NoError(t, err)
		_, err = sse.Fetch(req, soon)
		_, ok := errors.AsType[*tls.CertificateVerificationError](err)
		require.True(t, ok, "%v", err)
		require.ErrorContains(t, err, "gave up after 2 retries") // it was not sent
	})
}

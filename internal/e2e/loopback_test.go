package e2e_test

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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

func TestLoopbackSubscribeResumesAfterEveryDisconnect(t *testing.T) {
	for _, p := range overSockets {
		t.Run(p.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(
				Script{Retry(time.Millisecond), Send(sse.Event{ID: "1", Data: "a"}), Cut()},
				Script{WantHeader("Last-Event-ID", "1"), Send(sse.Event{ID: "2", Data: "b"}), Raw("data: half")},
				Script{WantHeader("Last-Event-ID", "2"), Chunks(1), Send(sse.Event{ID: "3", Data: "c\nd"})},
				Script{Answer(204)},
			), p.opts...)
			s, err := sse.Subscribe(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()), withoutWaits)
			require.NoError(t, err)
			require.Equal(t, p.name, strings.TrimSuffix(s.Response().Proto, ".0"))
			got, err := read(s, nil)
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b", "c\nd"}, got)
			for _, r := range srv.Requests() {
				require.Equal(t, "{}", string(r.Body))
			}
		})
	}
}

func TestLoopbackFetchSendsAPostOnce(t *testing.T) {
	for _, p := range overSockets {
		t.Run(p.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(
				Script{Data("a"), Cut()},
				Script{Data("a")},
				Script{Cut()},
				Script{Answer(400), Raw("no")},
			), p.opts...)
			fetch := func() ([]string, error) {
				return read(sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()), withoutWaits))
			}

			got, err := fetch()
			require.Equal(t, []string{"a"}, got)
			truncatedError(t, err)

			got, err = fetch()
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, got)

			_, err = fetch()
			require.Error(t, err)
			require.Len(t, srv.Requests(), 3)

			_, err = fetch()
			require.Equal(t, 400, responseError(t, err).StatusCode)
			require.Len(t, srv.Requests(), 4)
		})
	}
}

func TestLoopbackCancellationReachesTheServer(t *testing.T) {
	for name, script := range map[string]Script{
		"before the headers":     {},
		"before the first event": {Open()},
		"after an event":         {Data("a")},
	} {
		for _, p := range overSockets {
			t.Run(name+", "+p.name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				left := make(chan struct{})
				cancelNow := Check(func(r *http.Request) {
					context.AfterFunc(r.Context(), func() { close(left) })
					cancel()
				})
				srv := NewServer(t, InOrder(append(script, cancelNow, Stall())), p.opts...)
				_, err := read(sse.Fetch(srv.Get("/").WithContext(ctx), sse.WithHTTPClient(srv.Client())))
				require.Equal(t, context.Canceled, err)
				<-left
			})
		}
	}
}

// The moment of Close varies with the scheduling of the goroutines.
func TestLoopbackCloseEndsARead(t *testing.T) {
	for _, p := range overSockets {
		t.Run(p.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Stall()}), p.opts...)
			for range 50 {
				s, err := sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
				require.NoError(t, err)
				require.True(t, s.Next())
				var closing sync.WaitGroup
				closing.Go(func() { s.Close() })
				require.False(t, s.Next())
				require.Equal(t, sse.ErrClosed, s.Err())
				closing.Wait()
			}
		})
	}
}

func TestLoopbackDisconnectsTruncateAFetch(t *testing.T) {
	for name, disconnect := range map[string]Step{"reset": Reset(), "half-close": HalfClose()} {
		t.Run(name, func(t *testing.T) {
			// A reset that arrives before the client has read the event could discard the event.
			read := make(chan struct{})
			wait := Check(func(r *http.Request) {
				select {
				case <-read:
				case <-r.Context().Done():
				}
			})
			srv := NewServer(t, InOrder(Script{Data("a"), wait, disconnect}), Loopback())
			s, err := sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
			require.NoError(t, err)
			require.True(t, s.Next())
			require.Equal(t, "a", string(s.Data()))
			close(read)
			require.False(t, s.Next())
			require.Equal(t, 1, truncatedError(t, s.Err()).Events)
			require.ErrorIs(t, s.Err(), io.ErrUnexpectedEOF)
		})
	}
	for _, p := range overSockets {
		t.Run("shutdown of the server, "+p.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Data("a"), Stall()}), p.opts...)
			s, err := sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()))
			require.NoError(t, err)
			require.True(t, s.Next())
			srv.Close()
			require.False(t, s.Next())
			truncatedError(t, s.Err())
			require.Len(t, srv.Requests(), 1)
		})
	}
}

// The server responds while the client is still sending the request body, and never reads it.
// Neither the response nor Close waits for that.
func TestLoopbackResponseBeforeTheEndOfTheRequest(t *testing.T) {
	for _, p := range overSockets {
		t.Run(p.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Early(), Data("a"), Stall()}), p.opts...)
			req := srv.Post("/", strings.Repeat("x", 8<<20))
			s, err := sse.Fetch(req, sse.WithHTTPClient(srv.Client()))
			require.NoError(t, err)
			require.True(t, s.Next(), "%v", s.Err())
			require.NoError(t, s.Close())
			require.False(t, s.Next())
		})
	}
}

func TestLoopbackCompletedFetchesShareATLSConnection(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("HTTP/2 ", http2), func(t *testing.T) {
			// The end of this short response arrives with [DONE], so however slow the machine
			// is, the client need not wait for it.
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "data: a\n\ndata: [DONE]\n\n")
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
}

func TestLoopbackUntrustedCertificateIsAnErrorAtOnce(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // for its errors about the handshake
	srv.StartTLS()
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("{}"))
	require.NoError(t, err)
	for _, open := range []func(*http.Request, ...sse.Option) (*sse.Stream, error){sse.Fetch, sse.Subscribe} {
		attempts := 0
		_, err = open(req, withoutWaits, sse.WithTrace(&sse.Trace{Request: func(*http.Request) { attempts++ }}))
		_, ok := errors.AsType[*tls.CertificateVerificationError](err)
		require.True(t, ok, "%v", err)
		require.NotContains(t, err.Error(), "gave up")
		require.Equal(t, 1, attempts)
	}
}

package network

import (
	"errors"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// retrying returns the client of go-retryablehttp with its defaults.
func retrying(srv *ssetest.Server) *http.Client {
	client := retryablehttp.NewClient()
	client.HTTPClient = srv.Client()
	client.Logger = nil
	return client.StandardClient()
}

func busy() func(int, *http.Request) ssetest.Script {
	return ssetest.InOrder(ssetest.Script{ssetest.Answer(http.StatusServiceUnavailable, "Retry-After", "3")})
}

// go-retryablehttp sends a POST again that the server may have processed.
func TestRetryablehttpRepeatsPosts(t *testing.T) {
	for name, script := range map[string]ssetest.Script{
		"503":                 {ssetest.Answer(http.StatusServiceUnavailable)},
		"no response headers": {ssetest.Cut()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ssetest.NewServer(t, ssetest.InOrder(script))
				_, err := sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()))
				require.Error(t, err)
				require.Len(t, srv.Requests(), 1)
				_, err = sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(retrying(srv)))
				require.Error(t, err)
				require.Len(t, srv.Requests(), 1+5)
			})
		})
	}
}

// Both retry: each attempt of this library is five of the other.
func TestRetryablehttpMultipliesAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, busy())
		_, err := sse.Fetch(srv.Get("/"), sse.WithHTTPClient(retrying(srv)))
		require.Error(t, err)
		require.Len(t, srv.Requests(), 15)
	})
}

// The error has neither the status nor Retry-After nor the body.
func TestRetryablehttpHidesTheRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, busy())
		_, err := sse.Fetch(srv.Get("/"), sse.WithHTTPClient(srv.Client()), sse.WithMaxRetries(0))
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		require.True(t, ok)
		require.Equal(t, 3*time.Second, refusal.RetryAfter)

		_, err = sse.Fetch(srv.Get("/"), sse.WithHTTPClient(retrying(srv)), sse.WithMaxRetries(0))
		_, ok = errors.AsType[*sse.ResponseError](err)
		require.False(t, ok)
		require.ErrorContains(t, err, "giving up after 5 attempt(s)")
	})
}

func TestRetryablehttpHidesNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, busy())
		srv.Refuse(1)
		_, err := sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()), sse.WithMaxRetries(0))
		require.True(t, sse.NotSent(err))
		srv.Refuse(5)
		_, err = sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(retrying(srv)), sse.WithMaxRetries(0))
		require.ErrorContains(t, err, "connection refused")
		require.False(t, sse.NotSent(err))
		require.Empty(t, srv.Requests())
	})
}

// A body is read to its end before the server gets the first byte.
func TestRetryablehttpBuffersTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a")}))
		connectionsAtTheEnd := func(hc *http.Client) int {
			hc.CloseIdleConnections()
			before, connections := srv.Connections(), -1
			body := io.MultiReader(strings.NewReader("{}"), readerFunc(func([]byte) (int, error) {
				connections = srv.Connections() - before
				return 0, io.EOF
			}))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, body)
			require.NoError(t, err)
			stream, err := sse.Fetch(req, sse.WithHTTPClient(hc))
			require.NoError(t, err)
			require.NoError(t, stream.Close())
			synctest.Wait()
			return connections
		}
		require.Equal(t, 1, connectionsAtTheEnd(srv.Client()))
		require.Equal(t, 0, connectionsAtTheEnd(retrying(srv)))
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// The default logger prints the URL with its query, which may have a key.
func TestRetryablehttpLogsTheQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a")}))
		var out strings.Builder
		client := retryablehttp.NewClient()
		client.HTTPClient = srv.Client()
		require.IsType(t, (*log.Logger)(nil), client.Logger) // to standard error
		logger := client.Logger.(*log.Logger)                // of the package
		defer logger.SetOutput(logger.Writer())
		logger.SetOutput(&out)
		_, err := sse.Fetch(srv.Get("/?key=secret"), sse.WithHTTPClient(client.StandardClient()))
		require.NoError(t, err)
		require.Contains(t, out.String(), "key=secret")
	})
}

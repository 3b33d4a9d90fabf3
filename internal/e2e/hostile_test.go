package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// endless sends text repeatedly until the client disconnects.
func endless(text string) Step {
	text = strings.Repeat(text, 1+8000/len(text))
	return Do(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
	})
}

// allocated returns the number of bytes that the process has allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// An endless block is not retried and uses no more memory than a small multiple of the limit.
func TestEndlessBlockFailsAtTheSizeLimit(t *testing.T) {
	for name, text := range map[string]string{
		"line":        "x",
		"data line":   "data: x",
		"data lines":  "data: x\n",
		"comments":    ": x\n",
		"ids":         "id: 1\n",
		"types":       "event: x\n",
		"retries":     "retry: 1\n",
		"CR":          "data\r",
		"ill-formed":  "data: \xff\xff\n",
		"CRLF fields": "x\r\n",
	} {
		in(t, name, func(t *testing.T) {
			const limit = 1 << 20
			srv := NewServer(t, InOrder(Script{Open(), Data("a"), Raw(text), endless(text)}))
			for _, open := range []func(*http.Request, ...sse.Option) (*sse.Stream, error){client(srv).Fetch, client(srv).Subscribe} {
				before := allocated()
				got, err := read(open(srv.Get("/"), sse.WithMaxEventSize(limit)))
				require.ErrorIs(t, err, sse.ErrEventTooLarge)
				require.Equal(t, []string{"a"}, got)
				// Doubling up to the limit allocates about twice the limit in total.
				require.Less(t, allocated()-before, uint64(6*limit))
			}
			require.Len(t, srv.Requests(), 2)
		})
	}
}

// Comments in blocks of their own are keep-alives: they are not limited in size, and no
// timeout but the one for events ends them.
func TestEndlessCommentsEndWithTheEventTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var script Script
		for range 1000 {
			script = append(script, Wait(time.Second), Comment("x"))
		}
		srv := NewServer(t, InOrder(script))
		_, err := read(client(srv, sse.WithIdleTimeout(2*time.Second), sse.WithEventTimeout(time.Minute), sse.WithMaxEventSize(10)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTimeout)
	})
}

// hijacked calls f with the connection of the server, which it then closes.
func hijacked(f func(c net.Conn)) Step {
	return Do(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		f(c)
	})
}

func TestEndlessHeadersFailOnceWithoutShowingThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{hijacked(func(c net.Conn) {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				_, err = io.WriteString(c, "X-Key: "+strings.Repeat("secret", 1000)+"\r\n")
			}
		})}))
		_, err := client(srv).Fetch(srv.Post("/", "{}"))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
		require.Len(t, srv.Requests(), 1)
	})
}

func TestSlowHeadersEndWithTheOpenTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{hijacked(func(c net.Conn) {
			for range 1000 {
				if _, err := io.WriteString(c, "H"); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		})}))
		start := time.Now()
		_, err := client(srv).Fetch(srv.Post("/", "{}"))
		require.ErrorIs(t, err, sse.ErrOpenTimeout)
		require.Equal(t, 2*time.Minute, time.Since(start))
		<-time.After(2 * time.Second) // until the next write of the server fails
	})
}

func TestManyTinyBlocksAreAllRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100_000
		srv := NewServer(t, InOrder(Script{Raw(strings.Repeat("data\n\n:\n\nid\n\n\n", n))}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		got := 0
		for s.Next() {
			got++
		}
		require.NoError(t, s.Err())
		require.Equal(t, n, got)
	})
}

func TestGzipBombIsReadUpToTheLimit(t *testing.T) {
	var bomb bytes.Buffer
	zw, err := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	require.NoError(t, err)
	_, err = io.WriteString(zw, "data: a\n\ndata: ")
	require.NoError(t, err)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, err = zw.Write(zeros)
		require.NoError(t, err)
	}
	require.NoError(t, zw.Close())

	headers := []string{"Content-Type", "text/event-stream", "Content-Encoding", "gzip"}
	in(t, "in an event stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, headers...), Raw(bomb.String())}))
		before := allocated()
		got, err := read(client(srv, sse.WithMaxEventSize(1<<20)).Subscribe(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTooLarge)
		require.Equal(t, []string{"a"}, got)
		require.Less(t, allocated()-before, uint64(8<<20))
	})
	in(t, "in an error response", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(400, headers...), Raw(bomb.String())}))
		_, err := client(srv).Fetch(srv.Get("/"))
		require.Len(t, responseError(t, err).Body, 64<<10)
	})
}

// Some of these responses end a subscription. The policy retries them even so.
func TestRetriesOfUselessResponsesAreRare(t *testing.T) {
	for name, script := range map[string]Script{
		"lost connection":            {Open(), Cut()},
		"empty body":                 {Open()},
		"retry of zero":              {Raw("retry: 0\n\n"), Cut()},
		"retry that overflows":       {Raw("retry: 9223372036854775807\n\n")},
		"many retries":               {Raw(strings.Repeat("retry: 0\nretry: 1\n\n", 1000)), Cut()},
		"the same event":             {Raw("retry: 0\nid: 1\ndata: a\n\n"), Cut()},
		"only IDs":                   {Raw("id: 1\n\n"), Cut()},
		"503":                        {Answer(503)},
		"503, Retry-After 0":         {Answer(503, "Retry-After", "0")},
		"503, Retry-After long past": {Answer(503, "Retry-After", "Mon, 01 Jan 1990 00:00:00 GMT")},
		"no response":                {Cut()},
		"wrong type":                 {Answer(200, "Content-Type", "text/html"), Raw("<p>")},
		"wrong encoding":             {Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "br")},
		"404":                        {Answer(404)},
		"redirect loop":              {Answer(307, "Location", "/")},
		"redirect to another scheme": {Answer(307, "Location", "ftp://server.test/")},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(script))
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			attempts := 0
			s, err := sse.Subscribe(srv.Get("/").WithContext(ctx), sse.WithHTTPClient(srv.Client()),
				sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return a.Delay, true }),
				sse.WithTrace(&sse.Trace{Request: func(*http.Request) { attempts++ }}))
			require.NoError(t, err)
			defer s.Close()
			for s.Next() {
				require.Less(t, attempts, 60*5, "more than five a minute")
			}
			require.ErrorIs(t, s.Err(), context.DeadlineExceeded)
			require.Less(t, attempts, 60*5, "more than five a minute")
			require.LessOrEqual(t, len(srv.Requests()), 10*attempts, "more redirects than net/http follows")
		})
	}
}

// An event resets the policy, so each wait is its first one.
func TestReconnectsAfterProgressWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		s, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { s.Close() })
		for s.Next() {
		}
		require.Equal(t, sse.ErrClosed, s.Err())
		require.Less(t, len(srv.Requests()), 121)
	})
}

func TestLastEventIDOverTheLimitOfHeadersIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := strings.Repeat("x", 2<<20)
		srv := NewServer(t, InOrder(Script{Raw("id: " + id + "\ndata: a\n\n")}))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.Equal(t, id, s.LastEventID())
		require.False(t, s.Next())
		require.ErrorContains(t, s.Err(), "use WithResume")
		require.Len(t, srv.Requests(), 1)
		require.Less(t, len(s.Err().Error()), 200)
	})
}

// The peer accepts connections and never reads from them.
func TestPeerThatNeverReadsEndsWithTheOpenTimeout(t *testing.T) {
	post := func(t *testing.T, url string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(strings.Repeat("x", 32<<20)))
		require.NoError(t, err)
		return req
	}
	in(t, "in memory", func(t *testing.T) {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			c, peer := net.Pipe()
			t.Cleanup(func() { peer.Close() })
			return c, nil
		}}
		start := time.Now()
		_, err := sse.Fetch(post(t, "http://server.test"), sse.WithHTTPClient(&http.Client{Transport: transport}))
		require.ErrorIs(t, err, sse.ErrOpenTimeout)
		require.Equal(t, 2*time.Minute, time.Since(start))
	})
	// The timeout is in real time. However early it comes, the error is the same.
	t.Run("with a socket that buffers a part", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
			}
		}()
		_, err = sse.Fetch(post(t, "http://"+l.Addr().String()), sse.WithOpenTimeout(50*time.Millisecond))
		require.ErrorIs(t, err, sse.ErrOpenTimeout)
	})
}

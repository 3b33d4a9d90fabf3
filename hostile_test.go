package sse_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// endless sends text again and again until the client has gone.
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

var openStream = Answer(200, "Content-Type", "text/event-stream")

// A block that never ends is an error, once, and costs no more than the limit.
func TestHostileEndlessBlock(t *testing.T) {
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
			srv := NewServer(t, InOrder(Script{openStream, Data("a"), Raw(text), endless(text)}))
			for _, open := range []func(*http.Request, ...sse.Option) (*sse.Stream, error){client(srv).Fetch, client(srv).Subscribe} {
				before := allocated()
				got, err := read(open(srv.Get("/"), sse.WithMaxEventSize(limit)))
				require.ErrorIs(t, err, sse.ErrEventTooLarge)
				require.Equal(t, []string{"a"}, got)
				// Doubling up to the limit allocates about twice as much in all.
				require.Less(t, allocated()-before, uint64(6*limit))
			}
			require.Len(t, srv.Requests(), 2)
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Comments that end their blocks are keep-alives: only the event timeout objects.
func TestHostileEndlessComments(t *testing.T) {
	in(t, "", func(t *testing.T) {
		var script Script
		for range 1000 {
			script = append(script, Wait(time.Second), Comment("x"))
		}
		srv := NewServer(t, InOrder(script))
		_, err := read(client(srv, sse.WithIdleTimeout(2*time.Second), sse.WithEventTimeout(time.Minute), sse.WithMaxEventSize(10)).Fetch(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTimeout)
	})
}

func TestHostileHeaders(t *testing.T) {
	in(t, "endless", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Do(func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				_, err = io.WriteString(c, "X-Key: "+strings.Repeat("secret", 1000)+"\r\n")
			}
		})}))
		_, err := client(srv).Fetch(srv.Post("/", "{}"))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "that drip", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Do(func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
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
		<-time.After(2 * time.Second) // the server finds out
	})
}

func TestHostileTinyBlocks(t *testing.T) {
	in(t, "", func(t *testing.T) {
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

func TestHostileGzipBomb(t *testing.T) {
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
	in(t, "in a stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(200, headers...), Raw(bomb.String())}))
		before := allocated()
		got, err := read(client(srv, sse.WithMaxEventSize(1<<20)).Subscribe(srv.Get("/")))
		require.ErrorIs(t, err, sse.ErrEventTooLarge)
		require.Equal(t, []string{"a"}, got)
		require.Less(t, allocated()-before, uint64(8<<20))
	})
	in(t, "in a refusal", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(400, headers...), Raw(bomb.String())}))
		_, err := client(srv).Fetch(srv.Get("/"))
		refusal, ok := errors.AsType[*sse.ResponseError](err)
		require.True(t, ok)
		require.Len(t, refusal.Body, 64<<10)
	})
}

// How often a subscription asks a server that gives it nothing: it must not be a loop
// without waits.
func TestHostileLoops(t *testing.T) {
	for name, script := range map[string]Script{
		"accepts and drops":          {Open(), Cut()},
		"accepts and ends":           {Open()},
		"retry of zero":              {Raw("retry: 0\n\n")},
		"retry that overflows":       {Raw("retry: 9223372036854775807\n\n")},
		"retry storm":                {Raw(strings.Repeat("retry: 0\nretry: 1\n\n", 1000))},
		"IDs":                        {Raw("id: 1\n\n"), Cut()},
		"503":                        {Answer(503)},
		"503, Retry-After 0":         {Answer(503, "Retry-After", "0")},
		"503, Retry-After long past": {Answer(503, "Retry-After", "Mon, 01 Jan 1990 00:00:00 GMT")},
		"no answer":                  {Cut()},
		"wrong type":                 {Answer(200, "Content-Type", "text/html"), Raw("<p>")},
		"wrong encoding":             {Answer(200, "Content-Type", "text/event-stream", "Content-Encoding", "br")},
		"no place":                   {Answer(404)},
		"redirect loop":              {Answer(307, "Location", "/")},
		"redirect to nowhere":        {Answer(307, "Location", "ftp://server.test/")},
	} {
		in(t, name, func(t *testing.T) {
			srv := NewServer(t, InOrder(script))
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			attempts := 0
			// Some of these end a subscription, unless the caller's policy goes on for ever.
			s, err := sse.Subscribe(srv.Get("/").WithContext(ctx), sse.WithHTTPClient(srv.Client()),
				sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return a.Delay, true }),
				sse.WithTrace(&sse.Trace{Request: func(*http.Request) { attempts++ }}))
			require.NoError(t, err)
			require.False(t, s.Next())
			require.Equal(t, context.DeadlineExceeded, s.Err())
			require.Less(t, attempts, 60*5, "more than five a minute")
			require.LessOrEqual(t, len(srv.Requests()), 10*attempts, "more redirects than net/http follows")
		})
	}
}

// A server that makes a little progress each time is asked again after its own
// reconnection time, or the first wait of the policy.
func TestHostileProgress(t *testing.T) {
	in(t, "", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Cut()}))
		s, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { s.Close() })
		for s.Next() {
		}
		require.Less(t, len(srv.Requests()), 121)
	})
}

func TestHostileIDs(t *testing.T) {
	in(t, "too long for the server's own limit", func(t *testing.T) {
		id := strings.Repeat("x", 2<<20)
		srv := NewServer(t, InOrder(Script{Raw("id: " + id + "\ndata: a\n\n")}))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.Equal(t, id, s.LastEventID())
		require.False(t, s.Next())
		refusedWith(431)(t, s.Err()) // the client passes on what it was given
		require.Less(t, len(s.Err().Error()), 200)
	})
}

// A peer that takes the connection and then neither reads nor answers.
func TestHostileDeafPeer(t *testing.T) {
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
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String(), strings.NewReader(strings.Repeat("x", 32<<20)))
	require.NoError(t, err)
	_, err = sse.Fetch(req, sse.WithOpenTimeout(50*time.Millisecond))
	require.ErrorIs(t, err, sse.ErrOpenTimeout)
}

// A server that goes away in mid-stream, without a word.
func TestHostileShutdown(t *testing.T) {
	protocols(t, func(t *testing.T, opts ...Option) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}), opts...)
		s, err := sse.Fetch(srv.Post("/", "{}"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		require.True(t, s.Next())
		srv.Close()
		require.False(t, s.Next())
		_, ok := errors.AsType[*sse.TruncatedError](s.Err())
		require.True(t, ok, "%v", s.Err())
		require.Len(t, srv.Requests(), 1)
	})
}

// A frame of HTTP/2, written by hand because no server of net/http sends what a test wants
// when it wants it.
func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	head := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}

const (
	kindData, kindHeaders, kindRST, kindSettings, kindGoAway = 0, 1, 3, 4, 7

	endStream, endHeaders, ack = 1, 4, 1

	noError, internalError = "\x00\x00\x00\x00", "\x00\x00\x00\x02"
)

// h2Headers are those of an event stream: :status 200, and content-type, which is number 31
// of the static table.
var h2Headers = "\x88\x5f" + string(rune(len("text/event-stream"))) + "text/event-stream"

// goAway says that no stream after the last one was looked at.
func goAway(last uint32, code string) string {
	return frame(kindGoAway, 0, 0, string(binary.BigEndian.AppendUint32(nil, last))+code)
}

// h2Server answers the nth connection with the nth text as soon as a request has come, and
// drops it. It returns its address and the count of requests.
func h2Server(t *testing.T, answers ...string) (string, func() int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var requests atomic.Int64
	var done sync.WaitGroup
	serve := func(c net.Conn, answer string) {
		defer c.Close()
		preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		_, err := io.ReadFull(c, preface)
		_, _ = io.WriteString(c, frame(kindSettings, 0, 0, "")) // an error shows in the next read
		for head := make([]byte, 9); err == nil; {
			if _, err = io.ReadFull(c, head); err != nil {
				return
			}
			_, err = io.CopyN(io.Discard, c, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
			switch kind, flags := head[3], head[4]; {
			case kind == kindSettings && flags&ack == 0:
				_, _ = io.WriteString(c, frame(kindSettings, ack, 0, ""))
			case kind == kindHeaders || kind == kindData:
				if kind == kindHeaders {
					requests.Add(1)
				}
				if flags&endStream != 0 {
					_, _ = io.WriteString(c, answer)
					// Until the client has gone, or a moment later: a reset could take what is under way.
					_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
				}
			}
		}
	}
	done.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { serve(c, answers[min(n, len(answers)-1)]) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		done.Wait()
	})
	return "http://" + l.Addr().String(), func() int { return int(requests.Load()) }
}

func h2Client(t *testing.T) *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// GOAWAY and RST_STREAM in the middle of a stream are a break, and in place of an answer
// they are none: only what the server has not looked at is sent again.
func TestHostileFrames(t *testing.T) {
	open := frame(kindHeaders, endHeaders, 1, h2Headers)
	half := open + frame(kindData, 0, 1, "id: 1\ndata: a\n\ndata: lo")
	rest := open + frame(kindData, endStream, 1, "id: 2\ndata: b\n\n")
	for name, tt := range map[string]struct {
		first      string
		sent       int  // by a Fetch with POST
		truncated  bool // by which it ends; otherwise it has got the rest
		unanswered bool // by which it ends
	}{
		"GOAWAY, then dropped":                   {first: half + goAway(1, noError), sent: 1, truncated: true},
		"GOAWAY with an error":                   {first: half + goAway(1, internalError), sent: 1, truncated: true},
		"GOAWAY with an error, stream forgotten": {first: half + goAway(0, internalError), sent: 1, truncated: true},
		"RST_STREAM":                             {first: half + frame(kindRST, 0, 1, internalError), sent: 1, truncated: true},
		"RST_STREAM without an error":            {first: half + frame(kindRST, 0, 1, noError), sent: 1, truncated: true},
		"RST_STREAM for an answer":               {first: frame(kindRST, 0, 1, internalError), sent: 1, unanswered: true},
		"GOAWAY for an answer":                   {first: goAway(1, internalError), sent: 1, unanswered: true},
		"GOAWAY for an answer, not looked at":    {first: goAway(0, noError), sent: 2},
	} {
		t.Run("Fetch, "+name, func(t *testing.T) {
			url, sent := h2Server(t, tt.first, rest)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
			require.NoError(t, err)
			got, err := read(sse.Fetch(req, sse.WithHTTPClient(h2Client(t)), soon))
			require.Equal(t, tt.sent, sent())
			cut, truncated := errors.AsType[*sse.TruncatedError](err)
			require.Equal(t, tt.truncated, truncated, "%v", err)
			switch {
			case tt.truncated:
				require.Equal(t, []string{"a"}, got)
				require.Equal(t, "lo", cut.Partial.Data)
			case tt.unanswered:
				require.Error(t, err)
			default:
				require.NoError(t, err)
				require.Equal(t, []string{"b"}, got)
			}
		})
		t.Run("Subscribe, "+name, func(t *testing.T) {
			url, sent := h2Server(t, tt.first, rest)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			require.NoError(t, err)
			s, err := sse.Subscribe(req, sse.WithHTTPClient(h2Client(t)), soon)
			require.NoError(t, err)
			var got []string
			for s.Next() {
				if got = append(got, s.Event().Data); s.LastEventID() == "2" {
					s.Close()
				}
			}
			require.Equal(t, sse.ErrClosed, s.Err())
			if tt.truncated {
				require.Equal(t, []string{"a", "b"}, got)
			} else {
				require.Equal(t, []string{"b"}, got)
			}
			require.Equal(t, 2, sent())
		})
	}
}

package e2e_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// The HTTP/2 server of net/http cannot be told to send a certain frame at a certain time,
// so these tests write the frames themselves.

const (
	kindData, kindHeaders, kindRST, kindSettings, kindGoAway = 0, 1, 3, 4, 7

	endStream, endHeaders, ack = 1, 4, 1

	noError, internalError = "\x00\x00\x00\x00", "\x00\x00\x00\x02"
)

// frame returns an HTTP/2 frame.
func frame(kind, flags byte, id uint32, payload string) string {
	n := len(payload)
	head := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return string(binary.BigEndian.AppendUint32(head, id)) + payload
}

// openFrame returns the headers of an event stream: :status 200, and content-type, which is
// number 31 of the static table.
func openFrame(id uint32) string {
	const contentType = "text/event-stream"
	return frame(kindHeaders, endHeaders, id, "\x88\x5f"+string(rune(len(contentType)))+contentType)
}

// goAway returns a GOAWAY frame: the server has not processed any stream after the last one.
func goAway(last uint32, code string) string {
	return frame(kindGoAway, 0, 0, string(binary.BigEndian.AppendUint32(nil, last))+code)
}

// An h2Response is what an h2Server sends for a request.
type h2Response struct {
	frames func(id uint32) string // for the stream of the request
	drop   bool                   // then end the connection
}

// An h2Server responds to the nth request with the nth response, and to later ones with
// the last.
type h2Server struct {
	url       string
	responses []h2Response
	requests  atomic.Int64
}

func newH2Server(t *testing.T, responses ...h2Response) *h2Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &h2Server{url: "http://" + l.Addr().String(), responses: responses}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer context.AfterFunc(t.Context(), func() { c.Close() })()
				s.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		done.Wait()
	})
	return s
}

// serve responds to the requests on a connection until the client closes it. An error of
// a write shows in the next read.
func (s *h2Server) serve(c net.Conn) {
	defer c.Close()
	preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	_, _ = io.WriteString(c, frame(kindSettings, 0, 0, ""))
	var response h2Response
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(head[0])<<16|int64(head[1])<<8|int64(head[2])); err != nil {
			return
		}
		kind, flags, id := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == kindSettings && flags&ack == 0:
			_, _ = io.WriteString(c, frame(kindSettings, ack, 0, ""))
		case kind == kindHeaders:
			response = s.responses[min(int(s.requests.Add(1)), len(s.responses))-1]
		}
		if (kind == kindHeaders || kind == kindData) && flags&endStream != 0 {
			_, _ = io.WriteString(c, response.frames(id))
			if response.drop {
				// Without a reset, which could discard what the client has not read yet.
				_ = c.(*net.TCPConn).CloseWrite()
			}
		}
	}
}

func h2Client(t *testing.T) sse.Option {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return sse.WithHTTPClient(&http.Client{Transport: transport})
}

// A server that ends each connection before it processes the request ends an attempt:
// net/http retries without a wait and without an end.
func TestGoAwayOnEachConnectionEndsTheAttempt(t *testing.T) {
	srv := newH2Server(t, h2Response{func(uint32) string { return goAway(0, noError) }, true})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.url, strings.NewReader("{}"))
	require.NoError(t, err)
	_, err = sse.Fetch(req, h2Client(t), withoutWaits)
	require.EqualError(t, err, "sse: POST "+srv.url+": the server ended each of 5 new connections before its response")
	require.True(t, sse.Retryable(err))
	require.False(t, sse.NotSent(err))
	require.LessOrEqual(t, srv.requests.Load(), int64(6))

	srv.requests.Store(0)
	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, srv.url, nil)
	require.NoError(t, err)
	_, err = sse.Fetch(req, h2Client(t), withoutWaits)
	require.ErrorContains(t, err, "sse: gave up after 2 retries: GET "+srv.url+": the server ended each of 5 new connections")
	require.LessOrEqual(t, srv.requests.Load(), int64(18))
}

// GOAWAY and RST_STREAM truncate a response that has begun. A request without a response
// is sent again only if the server has not processed it.
func TestGoAwayAndStreamResets(t *testing.T) {
	half := func(id uint32) string {
		return openFrame(id) + frame(kindData, 0, id, "id: 1\ndata: a\n\ndata: lo")
	}
	rest := h2Response{frames: func(id uint32) string {
		return openFrame(id) + frame(kindData, endStream, id, "id: 2\ndata: b\n\n")
	}}
	const truncated, noResponse, complete = "truncated", "no response", "complete"
	for name, tt := range map[string]struct {
		first h2Response
		end   string // of a Fetch with POST
		posts int    // that it sends
	}{
		"GOAWAY in a response": {
			h2Response{func(id uint32) string { return half(id) + goAway(id, noError) }, true}, truncated, 1,
		},
		"GOAWAY with an error in a response": {
			h2Response{func(id uint32) string { return half(id) + goAway(id, internalError) }, true}, truncated, 1,
		},
		"GOAWAY with an error and without the stream in a response": {
			h2Response{func(id uint32) string { return half(id) + goAway(0, internalError) }, true}, truncated, 1,
		},
		"RST_STREAM in a response": {
			h2Response{func(id uint32) string { return half(id) + frame(kindRST, 0, id, internalError) }, false}, truncated, 1,
		},
		"RST_STREAM without an error in a response": {
			h2Response{func(id uint32) string { return half(id) + frame(kindRST, 0, id, noError) }, false}, truncated, 1,
		},
		"RST_STREAM without a response": {
			h2Response{func(id uint32) string { return frame(kindRST, 0, id, internalError) }, false}, noResponse, 1,
		},
		"GOAWAY without a response": {
			h2Response{func(id uint32) string { return goAway(id, internalError) }, true}, noResponse, 1,
		},
		"GOAWAY before the request was processed": {
			h2Response{func(uint32) string { return goAway(0, noError) }, true}, complete, 2,
		},
	} {
		t.Run("Fetch, "+name, func(t *testing.T) {
			srv := newH2Server(t, tt.first, rest)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.url, strings.NewReader("{}"))
			require.NoError(t, err)
			got, err := read(sse.Fetch(req, h2Client(t), withoutWaits))
			switch tt.end {
			case truncated:
				require.Equal(t, "lo", truncatedError(t, err).Partial.Data)
				require.Equal(t, []string{"a"}, got)
			case noResponse:
				require.Error(t, err)
				require.NotErrorAs(t, err, new(*sse.TruncatedError))
				require.Empty(t, got)
			case complete:
				require.NoError(t, err)
				require.Equal(t, []string{"b"}, got)
			}
			require.EqualValues(t, tt.posts, srv.requests.Load())
		})
		t.Run("Subscribe, "+name, func(t *testing.T) {
			srv := newH2Server(t, tt.first, rest)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.url, nil)
			require.NoError(t, err)
			s, err := sse.Subscribe(req, h2Client(t), withoutWaits)
			require.NoError(t, err)
			var got []string
			for s.Next() {
				if got = append(got, s.Event().Data); s.LastEventID() == "2" {
					s.Close()
				}
			}
			require.Equal(t, sse.ErrClosed, s.Err())
			if tt.end == truncated {
				require.Equal(t, []string{"a", "b"}, got)
			} else {
				require.Equal(t, []string{"b"}, got)
			}
			require.EqualValues(t, 2, srv.requests.Load())
		})
	}
}

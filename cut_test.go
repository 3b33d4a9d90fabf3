package sse_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// feed is a stream of twenty events in all forms that a cut may fall into, block by
// block. One of them resets the last event ID. The last one completes the stream.
var feed = []string{
	"id: 1\ndata: one\n\n",
	"id: 2\ndata: two\ndata: lines\n\n",
	"id: 3\r\ndata: three\r\n\r\n",
	"id: 4\ndata\n\n",
	": a comment\nid: 5\nevent: named\ndata: five\n\n",
	"id: 6\rdata: six\r\r",
	"data: ünïcode ✓\nid: 7\n\n",
	"id: 8\ndata:\ndata: \ndata:  eight\n\n",
	"retry: 1000\nid: 9\ndata: nine\n\n",
	"id\ndata: reset\n\n",
	"id: 11\ndata: eleven\n\n",
	"unknown: field\nid: 12\ndata: twelve\r\n\n",
	"id: 13\r\nevent: t\r\ndata: thirteen\r\ndata: lines\r\n\r\n",
	"id: 14\ndata: {\"json\": [1, 2]}\n\n",
	"\n\nid: 15\ndata: fifteen\n\n",
	"id: 16\ndata: " + strings.Repeat("long ", 12) + "\n\n",
	"id: 17\ndata: seventeen\n\n",
	"id: 18\ndata: eighteen\n\n",
	"id: 19\ndata: nineteen\n\n",
	"id: 20\nevent: stop\ndata: end\n\n",
}

const resetAt = 9 // the block of feed that resets the last event ID

var feedEvents = func() []sse.Event {
	var all []sse.Event
	for e, err := range sse.NewParser(strings.NewReader(strings.Join(feed, ""))).Events() {
		if err == nil {
			all = append(all, e)
		}
	}
	return all
}()

// A resumer is a server that resumes after Last-Event-ID and cuts its connections.
type resumer struct {
	cuts []int // after how many bytes the nth connection is cut; later ones are not
	end  Step
	sent int // blocks that were sent whole so far
}

func (s *resumer) script(n int, r *http.Request) Script {
	from := s.after(r.Header.Get("Last-Event-ID"))
	text := strings.Join(feed[from:], "")
	if n >= len(s.cuts) || s.cuts[n] >= len(text) {
		return Script{Raw(text)}
	}
	text = text[:s.cuts[n]]
	for left := len(text); from < len(feed); from++ {
		// A blank line is complete with its CR.
		if left -= len(feed[from]); left < 0 && !(left == -1 && strings.HasSuffix(feed[from], "\r\n\r\n")) {
			break
		}
	}
	s.sent = max(s.sent, from)
	return Script{Open(), Raw(text), s.end}
}

// after returns the block that follows the ID. Without one that is the first block or,
// once the server has sent the reset, the one after that.
func (s *resumer) after(id string) int {
	if id == "" && s.sent > resetAt {
		return resetAt + 1
	}
	for i, e := range feedEvents {
		if e.ID == id && id != "" {
			return i + 1
		}
	}
	return 0
}

var cutWays = map[string]Step{
	"clean end": Wait(0),
	"cut":       Cut(),
	"stall":     Stall(),
}

func TestFeedIsWhatItSays(t *testing.T) {
	require.Len(t, feed, 20)
	require.Len(t, feedEvents, 20)
	for i, e := range feedEvents {
		if i == resetAt {
			require.Empty(t, e.ID)
		} else {
			require.Equal(t, fmt.Sprint(i+1), e.ID)
		}
	}
}

// Whatever byte the server cuts after, and however: a subscription delivers every
// event once.
func TestEveryCutOfASubscription(t *testing.T) {
	size := len(strings.Join(feed, ""))
	for way, end := range cutWays {
		everyProtocol(t, way, func(t *testing.T, opts ...Option) {
			for k := range size {
				requireFeed(t, &resumer{cuts: []int{k}, end: end}, opts...)
			}
		})
		everyProtocol(t, way+", twice", func(t *testing.T, opts ...Option) {
			for k := 0; k < size; k += 7 {
				requireFeed(t, &resumer{cuts: []int{k, (k * 31) % 97}, end: end}, opts...)
			}
		})
	}
}

func everyProtocol(t *testing.T, name string, test func(t *testing.T, opts ...Option)) {
	t.Run(name+", HTTP/1.1", func(t *testing.T) { t.Parallel(); test(t) })
	t.Run(name+", HTTP/2", func(t *testing.T) { t.Parallel(); test(t, HTTP2()) })
}

func requireFeed(t *testing.T, server *resumer, opts ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, server.script, opts...)
		s, err := client(srv, stopEvent, sse.WithIdleTimeout(time.Minute)).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		var got []sse.Event
		for e, err := range s.Events() {
			require.NoError(t, err)
			got = append(got, e)
		}
		require.Equal(t, feedEvents, got, "cut after %d bytes", server.cuts)
		require.LessOrEqual(t, len(srv.Requests()), len(server.cuts)+1)
	})
}

// A TCP reset may also take what had arrived and was not yet read. The cuts are those
// before the ID is reset: after it, this server cannot tell such a loss.
func TestCutsByReset(t *testing.T) {
	for k := 0; k < len(strings.Join(feed[:resetAt], "")); k += 5 {
		srv := NewServer(t, (&resumer{cuts: []int{k, k / 2}, end: Reset()}).script, Loopback())
		s, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()), stopEvent,
			sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return 0, a.Retry }))
		require.NoError(t, err)
		var got []sse.Event
		for e, err := range s.Events() {
			require.NoError(t, err)
			got = append(got, e)
		}
		require.Equal(t, feedEvents, got, "cut after %d bytes", k)
	}
}

// Whatever byte the server cuts after: a Fetch that is not complete says so, and what
// had come.
func TestEveryCutOfAFetch(t *testing.T) {
	text := strings.Join(feed, "")
	for _, way := range []string{"clean end", "cut"} {
		everyProtocol(t, way, func(t *testing.T, opts ...Option) {
			for k := range len(text) {
				synctest.Test(t, func(t *testing.T) {
					srv := NewServer(t, (&resumer{cuts: []int{k}, end: cutWays[way]}).script, opts...)
					got, err := read(client(srv, stopEvent).Fetch(srv.Post("/", "{}")))
					whole, rest := split(text[:k])
					if whole == len(feed) {
						require.NoError(t, err)
						return
					}
					lost, ok := errors.AsType[*sse.TruncatedError](err)
					require.True(t, ok, "cut after %d bytes: %v", k, err)
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					require.Len(t, got, whole, "cut after %d bytes", k)
					require.Equal(t, whole, lost.Events)
					require.Equal(t, pendingData(rest), lost.Partial.Data, "cut after %d bytes: %q", k, rest)
					require.Len(t, srv.Requests(), 1)
				})
			}
		})
	}
}

// split returns how many events text has and its unfinished block, lines ended by LF.
func split(text string) (events int, rest string) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	blocks := strings.SplitAfter(text, "\n\n")
	for _, b := range blocks {
		if strings.HasSuffix(b, "\n\n") && strings.Contains("\n"+b, "\ndata") {
			events++
		}
	}
	return events, blocks[len(blocks)-1]
}

// pendingData returns the data of an unfinished block, that of its last line included
// if it is known to be data.
func pendingData(block string) string {
	var data []string
	for line := range strings.SplitAfterSeq(block, "\n") {
		field, ended := strings.CutSuffix(line, "\n")
		value, isData := strings.CutPrefix(field, "data:")
		if ended && field == "data" {
			value, isData = "", true
		}
		if isData {
			data = append(data, strings.TrimPrefix(value, " "))
		}
	}
	return strings.ToValidUTF8(strings.Join(data, "\n"), "\uFFFD")
}

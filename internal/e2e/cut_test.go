package e2e_test

import (
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

// feed is a stream of twenty events in all forms that a cut can divide, as blocks. One of
// them resets the last event ID. The last one completes the stream.
var feed = []struct {
	block string
	event sse.Event
}{
	{"id: 1\ndata: one\n\n", message("1", "one")},
	{"id: 2\ndata: two\ndata: lines\n\n", message("2", "two\nlines")},
	{"id: 3\r\ndata: three\r\n\r\n", message("3", "three")},
	{"id: 4\ndata\n\n", message("4", "")},
	{": a comment\nid: 5\nevent: named\ndata: five\n\n", sse.Event{Type: "named", ID: "5", Data: "five"}},
	{"id: 6\rdata: six\r\r", message("6", "six")},
	{"data: ünïcode ✓\nid: 7\n\n", message("7", "ünïcode ✓")},
	{"id: 8\ndata:\ndata: \ndata:  eight\n\n", message("8", "\n\n eight")},
	{"retry: 1000\nid: 9\ndata: nine\n\n", message("9", "nine")},
	{"id\ndata: reset\n\n", message("", "reset")},
	{"id: 11\ndata: eleven\n\n", message("11", "eleven")},
	{"unknown: field\nid: 12\ndata: twelve\r\n\n", message("12", "twelve")},
	{"id: 13\r\nevent: t\r\ndata: thirteen\r\ndata: lines\r\n\r\n", sse.Event{Type: "t", ID: "13", Data: "thirteen\nlines"}},
	{"id: 14\ndata: {\"json\": [1, 2]}\n\n", message("14", `{"json": [1, 2]}`)},
	{"\n\nid: 15\ndata: fifteen\n\n", message("15", "fifteen")},
	{"id: 16\ndata: " + strings.Repeat("long ", 12) + "\n\n", message("16", strings.Repeat("long ", 12))},
	{"id: 17\ndata: seventeen\n\n", message("17", "seventeen")},
	{"id: 18\ndata: eighteen\n\n", message("18", "eighteen")},
	{"id: 19\ndata: nineteen\n\n", message("19", "nineteen")},
	{"id: 20\nevent: stop\ndata: end\n\n", sse.Event{Type: "stop", ID: "20", Data: "end"}},
}

const resetAt = 9 // the index of the block that resets the last event ID

func message(id, data string) sse.Event { return sse.Event{Type: "message", ID: id, Data: data} }

// feedComplete completes a stream at the last event of feed.
var feedComplete = sse.WithTerminator(func(e sse.Event) bool { return e.Type == "stop" })

// feedText returns the blocks of feed from index i up to j.
func feedText(i, j int) string {
	var text strings.Builder
	for _, f := range feed[i:j] {
		text.WriteString(f.block)
	}
	return text.String()
}

// A resumer is a server that resumes feed after Last-Event-ID and cuts its connections.
type resumer struct {
	cuts []int // after how many bytes the nth connection is cut; later ones are not
	end  Step  // ends a connection that is cut
	sent int   // the number of blocks sent completely so far
}

func (s *resumer) script(n int, r *http.Request) Script {
	from := s.after(r.Header.Get("Last-Event-ID"))
	text := feedText(from, len(feed))
	if n >= len(s.cuts) || s.cuts[n] >= len(text) {
		return Script{Raw(text)}
	}
	text = text[:s.cuts[n]]
	for left := len(text); from < len(feed); from++ {
		block := feed[from].block
		// A blank line is complete with its CR.
		if left -= len(block); left < 0 && !(left == -1 && strings.HasSuffix(block, "\r\n\r\n")) {
			break
		}
	}
	s.sent = max(s.sent, from)
	return Script{Open(), Raw(text), s.end}
}

// after returns the index of the block that follows the one with this ID. Without an ID
// that is the first block or, after the reset was sent, the block after the reset.
func (s *resumer) after(id string) int {
	if id == "" && s.sent > resetAt {
		return resetAt + 1
	}
	for i, f := range feed {
		if f.event.ID == id && id != "" {
			return i + 1
		}
	}
	return 0
}

// requireFeed requires that the stream has each event of feed once, in order, and ends
// without an error.
func requireFeed(t *testing.T, s *sse.Stream, cuts []int) {
	t.Helper()
	var want, got []sse.Event
	for _, f := range feed {
		want = append(want, f.event)
	}
	for e, err := range s.Events() {
		require.NoError(t, err, "cut after %d bytes", cuts)
		got = append(got, e)
	}
	require.Equal(t, want, got, "cut after %d bytes", cuts)
}

func TestEveryCutOfASubscriptionLosesNothing(t *testing.T) {
	size := len(feedText(0, len(feed)))
	var cuts [][]int
	for k := range size {
		cuts = append(cuts, []int{k})
	}
	for k := 0; k < size; k += 7 { // two cuts
		cuts = append(cuts, []int{k, (k * 31) % 97})
	}
	for name, end := range map[string]Step{
		"end of the body": Wait(0),
		"lost connection": Cut(),
		"silence":         Stall(),
	} {
		for _, p := range inMemory {
			t.Run(name+", "+p.name, func(t *testing.T) {
				t.Parallel()
				for _, c := range cuts {
					synctest.Test(t, func(t *testing.T) {
						srv := NewServer(t, (&resumer{cuts: c, end: end}).script, p.opts...)
						s, err := client(srv, feedComplete, sse.WithIdleTimeout(time.Minute)).Subscribe(srv.Get("/"))
						require.NoError(t, err)
						requireFeed(t, s, c)
						require.LessOrEqual(t, len(srv.Requests()), len(c)+1)
					})
				}
			})
		}
	}
}

// A TCP reset may also discard bytes that had arrived and were not yet read. The cuts are
// those before the ID is reset: after it, this server cannot detect such a loss.
func TestTCPResetsOfASubscriptionLoseNothing(t *testing.T) {
	for k := 0; k < len(feedText(0, resetAt)); k += 5 {
		cuts := []int{k, k / 2}
		srv := NewServer(t, (&resumer{cuts: cuts, end: Reset()}).script, Loopback())
		s, err := sse.Subscribe(srv.Get("/"), sse.WithHTTPClient(srv.Client()), feedComplete,
			sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return 0, a.Retry }))
		require.NoError(t, err)
		requireFeed(t, s, cuts)
	}
}

func TestEveryCutOfAFetchIsReportedWithTheUnfinishedEvent(t *testing.T) {
	text := feedText(0, len(feed))
	for name, end := range map[string]Step{"end of the body": Wait(0), "lost connection": Cut()} {
		for _, p := range inMemory {
			t.Run(name+", "+p.name, func(t *testing.T) {
				t.Parallel()
				for k := range len(text) {
					synctest.Test(t, func(t *testing.T) {
						srv := NewServer(t, (&resumer{cuts: []int{k}, end: end}).script, p.opts...)
						got, err := read(client(srv, feedComplete).Fetch(srv.Post("/", "{}")))
						events, rest := split(text[:k])
						if events == len(feed) {
							require.NoError(t, err)
							return
						}
						truncated := truncatedError(t, err)
						require.ErrorIs(t, err, io.ErrUnexpectedEOF)
						require.Len(t, got, events, "cut after %d bytes", k)
						require.Equal(t, events, truncated.Events)
						require.Equal(t, unfinishedData(rest), truncated.Partial.Data, "cut after %d bytes: %q", k, rest)
						require.Len(t, srv.Requests(), 1)
					})
				}
			})
		}
	}
}

// split returns the number of events in text and its unfinished block, with LF as the
// line ending.
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

// unfinishedData returns the data of an unfinished block. That includes its last line if
// the line is known to be data.
func unfinishedData(block string) string {
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

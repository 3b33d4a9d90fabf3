package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// stored returns the messages that a perfect relay makes of events of a feed.
func stored(t *testing.T, f *demoFeed, connection int, numbers ...int) []message {
	t.Helper()
	messages := []message{{source: f.name, lease: 1, marker: true}}
	for i, n := range numbers {
		e, err := f.event(n, connection)
		require.NoError(t, err)
		messages = append(messages, message{
			subject: fmt.Sprintf("events.%s.t", f.name), source: f.name, lease: 1, sequence: uint64(i + 1),
			id: e.ID, kind: e.Type, data: []byte(e.Data),
		})
	}
	return messages
}

// TestCheckFindsEachDefect changes what a perfect relay has stored.
func TestCheckFindsEachDefect(t *testing.T) {
	f := &demoFeed{name: "f", share: 1, reset: 3, grown: make(chan struct{})}
	f.grow(6, time.Now())
	good := func() []message { return stored(t, f, 0, 1, 2, 3, 4, 5, 6) }

	require.NoError(t, check(f, good()).failed(f))
	require.Equal(t, result{feed: "f", made: 6, stored: 6}, check(f, good()))
	require.Equal(t, result{feed: "f", made: 6, stored: 6}, check(f, append(good(), message{source: "another"})))

	for _, test := range []struct {
		name   string
		change func([]message) []message
		want   result
	}{
		{"nothing is stored", func([]message) []message { return nil }, result{lost: 6}},
		{"an event is missing", func(m []message) []message {
			return renumbered(slices.Delete(m, 3, 4))
		}, result{stored: 5, lost: 1}},
		{"the last event is missing", func(m []message) []message { return m[:6] }, result{stored: 5, lost: 1}},
		{"an event is stored twice", func(m []message) []message {
			return renumbered(slices.Insert(m, 4, m[3]))
		}, result{stored: 7, duplicates: 1}},
		{"two events are exchanged", func(m []message) []message {
			m[3], m[4] = m[4], m[3]
			return renumbered(m)
		}, result{stored: 6, disordered: 1}},
		{"a number of the relay is missing", func(m []message) []message {
			m[6].sequence++
			return m
		}, result{stored: 6, wrong: 1}},
		{"an old owner stores an event", func(m []message) []message {
			m[3].lease = 2
			return m
		}, result{stored: 6, wrong: 3}},
		{"the content of the same ID before the reset", func(m []message) []message {
			m[4].data = m[1].data
			m[4].id = "2"
			return m
		}, result{stored: 6, wrong: 1, lost: 1}},
		{"another type", func(m []message) []message {
			m[1].kind = "other"
			return m
		}, result{stored: 6, wrong: 1, lost: 1}},
		{"another ID", func(m []message) []message {
			m[1].id = "7"
			return m
		}, result{stored: 6, wrong: 1, lost: 1}},
		{"a subject with too many tokens", func(m []message) []message {
			m[1].subject += ".x"
			return m
		}, result{stored: 6, wrong: 1, lost: 1}},
		{"an event that the feed has not made yet", func(m []message) []message {
			return append(m, renumbered(stored(t, f, 0, 1, 2, 3, 4, 5, 6, 7))[7])
		}, result{stored: 7, wrong: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := check(f, test.change(good()))
			require.Error(t, got.failed(f))
			require.Error(t, got.first)
			got.first = nil
			test.want.feed, test.want.made = "f", 6
			require.Equal(t, test.want, got)
		})
	}
}

// renumbered gives the events the numbers that a relay gives them.
func renumbered(messages []message) []message {
	n := uint64(0)
	for i := range messages {
		if !messages[i].marker {
			n++
			messages[i].sequence = n
		}
	}
	return messages
}

// TestCheckOfAFeedWithoutIDs tells the events that the relay has lost from those that the
// feed cannot send again.
func TestCheckOfAFeedWithoutIDs(t *testing.T) {
	f := &demoFeed{name: "f", grown: make(chan struct{})}
	connect := func(events int) {
		number, next := f.connect("ignored")
		require.Equal(t, len(f.firsts()), number)
		require.Equal(t, len(f.times())+1, next)
		f.grow(next-1+events, time.Now())
	}
	connect(5)            // 1 to 5
	f.grow(7, time.Now()) // 6 and 7 without a connection
	connect(3)            // 8 to 10

	first := stored(t, f, 1, 1, 2, 3)
	second := stored(t, f, 2, 8, 9, 10)[1:]
	got := check(f, renumbered(slices.Concat(first, second)))
	require.NoError(t, got.failed(f))
	require.Equal(t, result{feed: "f", made: 10, stored: 6, missed: 4}, got)

	first = stored(t, f, 1, 1, 3)
	second = stored(t, f, 2, 9, 10)[1:]
	got = check(f, renumbered(slices.Concat(first, second)))
	require.Error(t, got.failed(f))
	require.Equal(t, 2, got.lost)
	require.Equal(t, 4, got.missed)
}

// TestFeedsResume reads each feed in two parts, of which the second resumes after an event
// of the first.
func TestFeedsResume(t *testing.T) {
	for name, want := range map[string][]int{
		"numbered":    {8, 9, 10},
		"replaying":   {7, 8, 9, 10},
		"resetting":   {8, 9, 10},
		"anonymous":   nil,
		"checkpoints": {2, 3, 4, 5, 6, 7, 8, 9, 10}, // the first seven have the ID 1
	} {
		t.Run(name, func(t *testing.T) {
			feeds := newFeeds(100, time.Second)
			f := feeds[slices.IndexFunc(feeds, func(f *demoFeed) bool { return f.name == name })]
			if f.reset > 0 {
				f.reset = 5
			}
			srv := httptest.NewServer(handle(feeds))
			t.Cleanup(srv.Close) // after the streams are closed
			stream := subscribe(t, srv.URL+"/"+name, "")
			f.grow(10, time.Now())
			for n := range 7 {
				require.True(t, stream.Next(), stream.Err())
				e, err := f.event(n+1, len(f.firsts()))
				require.NoError(t, err)
				require.Equal(t, e, stream.Event())
			}
			require.NoError(t, stream.Close())
			again := subscribe(t, srv.URL+"/"+name, stream.LastEventID())
			for _, n := range want {
				require.True(t, again.Next(), again.Err())
				e, err := f.event(n, 0)
				require.NoError(t, err)
				require.Equal(t, e, again.Event())
			}
			f.grow(11, time.Now())
			require.True(t, again.Next(), again.Err())
			e, err := f.event(11, len(f.firsts()))
			require.NoError(t, err)
			require.Equal(t, e, again.Event())
		})
	}
}

func subscribe(t *testing.T, url, id string) *sse.Stream {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	stream, err := sse.Subscribe(req, sse.WithLastEventID(id))
	require.NoError(t, err)
	t.Cleanup(func() { stream.Close() })
	return stream
}

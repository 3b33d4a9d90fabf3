package spec

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A recording is right only if all of it is.
func TestVerdictChecksEverything(t *testing.T) {
	long := strings.Repeat("x", 7) + "\u4E8B" + strings.Repeat("y", 7)
	stream := ": c\nretry: 5\n" + long + "\nid: 1\ndata: a\n\ndata: b\n\n"
	want := Oracle{}.Interpret([]byte(stream))
	tests := []struct {
		name   string
		change func(*Recorder)
		err    string
	}{
		{"nothing", func(*Recorder) {}, ""},
		{"other event", func(r *Recorder) { r.Events[1].Data = "c" }, `event 1: got {"message" "c" "1"}, want {"message" "b" "1"}`},
		{"no event", func(r *Recorder) { r.Events = nil }, `events: got 0, want 2; the next is {"message" "a" "1"}`},
		{"event too many", func(r *Recorder) { r.Event(Event{}) }, `events: got 3, want 2; the next is {"" "" ""}`},
		{"no comment", func(r *Recorder) { r.Comments = nil }, `comments: got 0, want 1; the next is "c"`},
		{"last event ID", func(r *Recorder) { r.LastEventID = "" }, `last event ID: got "", want "1"`},
		{"retry", func(r *Recorder) { r.Retry++ }, "retry: got 5.000001ms, true, want 5ms, true"},
		{"no retry", func(r *Recorder) { r.HasRetry = false }, "retry: got 5ms, false, want 5ms, true"},
		{"ignored line", func(r *Recorder) { r.Ignored = nil }, "ignored lines: got 0, want 1"},
		{"too little of it", func(r *Recorder) { r.Ignored[0] = long[:4] }, "ignored line 0: got"},
		{"not of it", func(r *Recorder) { r.Ignored[0] = "foo" + long[:6] }, "ignored line 0: got"},
		{"late event", func(r *Recorder) { r.read[0] = want.Ends[0] }, "event 0 was dispatched only after another read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewRecorder(strings.NewReader(stream))
			_, err := io.ReadFull(r, make([]byte, want.Ends[0]-1))
			require.NoError(t, err)
			_, err = r.Read(make([]byte, 1))
			require.NoError(t, err)
			r.Comment("c")
			r.Ignore(long[:7] + "\uFFFD") // the character ends after 10 bytes, the line after 17
			r.Event(Event{"message", "a", "1"})
			r.Event(Event{"message", "b", "1"})
			r.LastEventID, r.Retry, r.HasRetry = "1", 5*time.Millisecond, true
			tt.change(r)
			if err := want.Check(r, 9); tt.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.err)
			}
		})
	}
}

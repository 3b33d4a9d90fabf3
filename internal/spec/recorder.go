package spec

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Recorder records what a parser reports about a stream. The parser reads the stream from
// it; the test passes on the events and comments as they come, and sets the rest of the
// Outcome at the end.
type Recorder struct {
	Outcome
	Ignored []string // the lines without effect

	stream io.Reader
	total  int   // bytes read
	before int   // total when the last read began
	read   []int // for each event, before
}

// NewRecorder returns a Recorder for a parser of stream.
func NewRecorder(stream io.Reader) *Recorder { return &Recorder{stream: stream} }

// Read reads from the stream.
func (r *Recorder) Read(b []byte) (int, error) {
	r.before = r.total
	n, err := r.stream.Read(b)
	r.total += n
	return n, err
}

// Event records an event.
func (r *Recorder) Event(e Event) {
	r.Events = append(r.Events, e)
	r.read = append(r.read, r.before)
}

// Comment records a comment.
func (r *Recorder) Comment(text string) { r.Comments = append(r.Comments, text) }

// Ignore records a line without effect.
func (r *Recorder) Ignore(line string) { r.Ignored = append(r.Ignored, line) }

// Check returns an error if the recording differs from the verdict, or if an event was
// dispatched only after another read. Of ignored lines it compares the first shown bytes, or
// a few less if these end inside a character.
func (v Verdict) Check(r *Recorder, shown int) error {
	same := func(line, got string) bool {
		if len(line) <= shown {
			return got == line
		}
		got = strings.TrimSuffix(got, "\uFFFD")
		return strings.HasPrefix(line, got) && len(got) > shown-utf8.UTFMax
	}
	if err := v.Outcome.check(r.Outcome); err != nil {
		return err
	}
	if err := compare("ignored line", v.Ignored, r.Ignored, same); err != nil {
		return err
	}
	for i, read := range r.read {
		if read >= v.Ends[i] {
			return fmt.Errorf("event %d was dispatched only after another read: "+
				"its end is at %d, and %d bytes had been read before", i, v.Ends[i], read)
		}
	}
	return nil
}

// check returns an error if got differs from want.
func (want Outcome) check(got Outcome) error {
	if err := compare("event", want.Events, got.Events, equal); err != nil {
		return err
	}
	if err := compare("comment", want.Comments, got.Comments, equal); err != nil {
		return err
	}
	if want.LastEventID != got.LastEventID {
		return fmt.Errorf("last event ID: got %q, want %q", got.LastEventID, want.LastEventID)
	}
	if want.Retry != got.Retry || want.HasRetry != got.HasRetry {
		return fmt.Errorf("retry: got %v, %t, want %v, %t", got.Retry, got.HasRetry, want.Retry, want.HasRetry)
	}
	return nil
}

func equal[T comparable](a, b T) bool { return a == b }

// compare returns an error for the first difference between two lists.
func compare[T any](name string, want, got []T, same func(want, got T) bool) error {
	if slices.EqualFunc(want, got, same) {
		return nil
	}
	for i := range min(len(want), len(got)) {
		if !same(want[i], got[i]) {
			return fmt.Errorf("%s %d: got %.500q, want %.500q", name, i, any(got[i]), any(want[i]))
		}
	}
	longer := want
	if len(got) > len(want) {
		longer = got
	}
	next := longer[min(len(want), len(got))]
	return fmt.Errorf("%ss: got %d, want %d; the next is %.500q", name, len(got), len(want), any(next))
}

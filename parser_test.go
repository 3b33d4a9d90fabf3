package sse

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// A vector is one case of testdata/parser.json; its README says what the keys mean.
type vector struct {
	Name   string   `json:"name"`
	Why    string   `json:"why"`
	Chunks [][]byte `json:"chunks"` // base64 in the file
	Events []struct {
		Type string `json:"type"`
		Data string `json:"data"`
		ID   string `json:"id"`
	} `json:"events"`
	LastEventID         string    `json:"lastEventID"`
	RetryMS             *int64    `json:"retryMs"`
	RetryMSAtLeast      *int64    `json:"retryMsAtLeast"`
	Comments            *[]string `json:"comments"`
	DispatchedBeforeEOF *int      `json:"dispatchedBeforeEOF"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/parser.json")
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(file, &all))
	require.Greater(t, len(all), 100)
	return all
}

// bytes returns the whole stream.
func (v vector) bytes() []byte {
	var all []byte
	for _, c := range v.Chunks {
		all = append(all, c...)
	}
	return all
}

// chunkReader returns one chunk a read and then err.
type chunkReader struct {
	chunks [][]byte
	err    error
}

func (r *chunkReader) Read(b []byte) (int, error) {
	if len(r.chunks) == 0 {
		return 0, r.err
	}
	n := copy(b, r.chunks[0])
	if r.chunks[0] = r.chunks[0][n:]; len(r.chunks[0]) == 0 {
		r.chunks = r.chunks[1:]
	}
	return n, nil
}

// An outcome is everything that interpreting a stream can tell.
type outcome struct {
	Events      []Event
	LastEventID string
	Retry       time.Duration
	HasRetry    bool
	Comments    []string
}

// interpret runs the parser over r.
func interpret(r io.Reader, opts ...Option) (outcome, error) {
	var o outcome
	trace := &Trace{Comment: func(text string) { o.Comments = append(o.Comments, text) }}
	p := NewParser(r, append(opts, WithTrace(trace))...)
	for p.Next() {
		o.Events = append(o.Events, p.Event())
	}
	o.LastEventID = p.LastEventID()
	o.Retry, o.HasRetry = p.Retry()
	return o, p.Err()
}

func TestParserVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Run("as given", func(t *testing.T) {
				v.check(t, &chunkReader{chunks: v.clone(), err: io.EOF})
			})
			t.Run("one piece", func(t *testing.T) { v.check(t, strings.NewReader(string(v.bytes()))) })
			t.Run("byte by byte", func(t *testing.T) {
				v.check(t, iotest.OneByteReader(strings.NewReader(string(v.bytes()))))
			})
			t.Run("data with EOF", func(t *testing.T) {
				v.check(t, iotest.DataErrReader(strings.NewReader(string(v.bytes()))))
			})
			t.Run("in time", v.checkInTime)
		})
	}
}

func (v vector) clone() [][]byte {
	var c [][]byte
	for _, b := range v.Chunks {
		c = append(c, append([]byte{}, b...))
	}
	return c
}

func (v vector) check(t *testing.T, r io.Reader) {
	t.Helper()
	got, err := interpret(r)
	require.NoError(t, err, v.Why)
	v.compare(t, got)
}

func (v vector) compare(t *testing.T, got outcome) {
	t.Helper()
	var want []Event
	for _, e := range v.Events {
		want = append(want, Event{Type: e.Type, Data: e.Data, ID: e.ID})
	}
	require.Equal(t, want, got.Events, v.Why)
	require.Equal(t, v.LastEventID, got.LastEventID, v.Why)
	switch ms := got.Retry.Milliseconds(); {
	case v.RetryMSAtLeast != nil:
		require.True(t, got.HasRetry, v.Why)
		require.GreaterOrEqual(t, ms, *v.RetryMSAtLeast, v.Why)
	case v.RetryMS != nil:
		require.True(t, got.HasRetry, v.Why)
		require.Equal(t, *v.RetryMS, ms, v.Why)
	default:
		require.False(t, got.HasRetry, v.Why)
	}
	if v.Comments != nil {
		require.Equal(t, withoutSpace(*v.Comments), withoutSpace(got.Comments), v.Why)
	}
}

// withoutSpace drops one leading space of each comment: no vector depends on it.
func withoutSpace(comments []string) []string {
	cut := []string{}
	for _, c := range comments {
		cut = append(cut, strings.TrimPrefix(c, " "))
	}
	return cut
}

// checkInTime reads as many events as must have come while the reader blocks: it
// fails the read after the last chunk instead, which an early parser never makes.
func (v vector) checkInTime(t *testing.T) {
	if v.DispatchedBeforeEOF == nil {
		return
	}
	more := 0
	p := NewParser(io.MultiReader(
		&chunkReader{chunks: v.clone(), err: io.EOF},
		readerFunc(func([]byte) (int, error) { more++; return 0, io.EOF }),
	))
	for i := range *v.DispatchedBeforeEOF {
		require.True(t, p.Next(), "event %d", i)
		require.Zero(t, more, "event %d came only after another read", i)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

package sse

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A chunking is a way for a stream to arrive.
type chunking struct {
	name   string
	reader func(stream []byte) io.Reader
}

func chunkings() []chunking {
	of := func(wrap func(io.Reader) io.Reader) func([]byte) io.Reader {
		return func(stream []byte) io.Reader { return wrap(bytes.NewReader(stream)) }
	}
	return []chunking{
		{"whole", func(stream []byte) io.Reader { return bytes.NewReader(stream) }},
		{"byte by byte", of(iotest.OneByteReader)},
		{"half of what fits", of(iotest.HalfReader)},
		{"37 bytes", of(func(r io.Reader) io.Reader { return sizedReader{r, 37} })},
		{"data with EOF", of(iotest.DataErrReader)},
		{"byte by byte, the last with EOF", of(func(r io.Reader) io.Reader {
			return iotest.DataErrReader(iotest.OneByteReader(r))
		})},
	}
}

// splits are all ways for a stream to arrive in two pieces. In half of them the second
// one comes together with the end.
func splits(stream []byte) []chunking {
	var all []chunking
	for i := range len(stream) + 1 {
		all = append(all, chunking{fmt.Sprintf("split at %d", i), func(stream []byte) io.Reader {
			var r io.Reader = &chunkReader{chunks: [][]byte{stream[:i], stream[i:]}, err: io.EOF}
			if i%2 == 1 {
				r = iotest.DataErrReader(r)
			}
			return r
		}})
	}
	return all
}

// A sizedReader reads up to so many bytes at a time.
type sizedReader struct {
	r    io.Reader
	size int
}

func (r sizedReader) Read(b []byte) (int, error) { return r.r.Read(b[:min(len(b), r.size)]) }

// A meter counts what it hands out.
type meter struct {
	r      io.Reader
	total  int
	before int // total when the last read began
}

func (m *meter) Read(b []byte) (int, error) {
	m.before = m.total
	n, err := m.r.Read(b)
	m.total += n
	return n, err
}

// A sighting is all there is to see of a parser at work.
type sighting struct {
	outcome
	ignored []string
	reads   []int // for each event, how many bytes had come before the last read
	peak    int   // the largest buffer
	err     error

	unfinished Event // what partial returns at the end
	pending    bool
}

func sight(r io.Reader, opts ...Option) sighting {
	var s sighting
	m := &meter{r: r}
	p := NewParser(m, append(opts, WithTrace(&Trace{
		Comment: func(text string) { s.Comments = append(s.Comments, text) },
		Ignored: func(line string) { s.ignored = append(s.ignored, line) },
	}))...)
	for p.next() {
		s.Events = append(s.Events, p.Event())
		s.reads = append(s.reads, m.before)
		s.peak = max(s.peak, len(p.buf))
	}
	s.peak = max(s.peak, len(p.buf))
	s.LastEventID = p.LastEventID()
	s.Retry, s.HasRetry = p.Retry()
	s.err = p.Err()
	if s.err == nil {
		s.unfinished, s.pending = p.partial()
		s.pending = s.pending || p.hasData
	}
	return s
}

// check requires that the parser sees in a stream what the oracle has seen in it, and
// no event later.
func (want verdict) check(t testing.TB, o oracle, c chunking, stream []byte) {
	t.Helper()
	got := sight(c.reader(stream), o.opts()...)
	if want.tooLarge {
		require.ErrorIs(t, got.err, ErrEventTooLarge, c.name)
	} else {
		require.NoError(t, got.err, c.name)
	}
	// Comparing is most of the work of a long test, and require is slow at it.
	if !slices.Equal(want.Events, got.Events) {
		require.Equal(t, want.Events, got.Events, c.name)
	}
	require.Equal(t, want.LastEventID, got.LastEventID, c.name)
	require.Equal(t, want.Retry, got.Retry, c.name)
	require.Equal(t, want.HasRetry, got.HasRetry, c.name)
	if !slices.Equal(want.Comments, got.Comments) {
		require.Equal(t, want.Comments, got.Comments, c.name)
	}
	if !slices.EqualFunc(want.ignored, got.ignored, sameShown) {
		require.Equal(t, want.ignored, got.ignored, c.name)
	}
	for i, before := range got.reads {
		if before >= want.ends[i] {
			require.Less(t, before, want.ends[i], "%s: event %d came only after another read", c.name, i)
		}
	}
}

// sameShown reports whether a hook that was shown got has seen the line. Of a long one
// it sees the beginning, which may end inside a character.
func sameShown(line, got string) bool {
	if len(line) <= maxShown {
		return got == line
	}
	shown := strings.TrimSuffix(got, "\uFFFD")
	return strings.HasPrefix(line, shown) && len(shown) > maxShown-utf8.UTFMax
}

// A wire is a stream to run through every chunking.
type wire struct {
	name   string
	stream []byte
}

func wires(t testing.TB) []wire {
	all := []wire{
		{"line ends in every order", []byte("data: a\n\r\rdata: b\r\n\n\rdata: c\n\r\n\rdata: d\r\r\n\n\r\n\r\n")},
		{"line ends only", []byte("\r\n\r\r\n\n\r\n\r\n\r")},
		{"CR after everything", []byte("\uFEFF\rid: 1\r: c\rdata: a\rretry: 5\r\rdata\r\r")},
		{"byte order marks", []byte("\uFEFF\uFEFFdata: a\n\n\uFEFFdata: b\n\ndata: \uFEFF\n\n")},
		{"half a byte order mark", []byte("\xEF\xBBdata: a\n\ndata: b\n\n")},
		{"only half a byte order mark", []byte("\xEF\xBB")},
		{"ill-formed at line ends", []byte("data:\xE2\x82\ndata: \xF0\x9F\x98\n\nid: \xC3\r\revent:\xED\xA0\x80\ndata\n\n")},
		{"ill-formed in and between events", []byte(": \xFF\n\ndata: a\n\ndata: \xFF\n\nid: \xE2\n\n" +
			"event: \xC3\ndata: b\n\ndata: c\n: \xFF\n\ndata: d\n\ndata: e\ndata:\xFF\xE2\x82\n\nfoo: \xFF\n\ndata: f\n\ndata: \xF0\x9F")},
		{"one ill-formed byte at every place", illFormedEverywhere(70)},
		{"long ignored line, cut inside a character", []byte("foo:" + strings.Repeat("\u4E8B", 400) + "\ndata: a\n\n")},
		{"long ignored line, ill-formed", []byte(strings.Repeat("\xDF", 1500) + "\ndata: a\n\n")},
		{"id cleared and set", []byte("id: 1\n\nid\ndata: a\n\nid: 2\ndata: b\nid: x\x00\n\nid:\n\nid: 3\ndata: c")},
		{"nothing but ignored lines", []byte("retry: 1x\nretry:\nid: \x00\nfoo: bar\n{\n\n: c\n:\n")},
	}
	for _, v := range vectors(t) {
		all = append(all, wire{v.Name, v.bytes()})
	}
	return all
}

// illFormedEverywhere returns n events of n bytes of data, of which one is ill-formed:
// what looks for such bytes may do so in steps.
func illFormedEverywhere(n int) []byte {
	var stream []byte
	for i := range n {
		data := bytes.Repeat([]byte("x"), n)
		data[i] = 0xFF
		stream = fmt.Appendf(stream, "data: %s\n\ndata: %d\n\n", data, i)
	}
	return stream
}

// What comes of a stream does not depend on how it arrives.
func TestParserChunkings(t *testing.T) {
	for _, w := range wires(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			o := oracle{lastEventID: "before"}
			want := o.read(w.stream)
			for _, c := range chunkings() {
				want.check(t, o, c, w.stream)
			}
			if len(w.stream) > 20<<10 {
				return // the work is quadratic
			}
			for _, c := range splits(w.stream) {
				want.check(t, o, c, w.stream)
			}
		})
	}
}

// Empty reads and pauses between any two bytes change nothing either.
func TestParserEmptyReads(t *testing.T) {
	stream := []byte("\uFEFFid: 7\r\nevent: x\r\ndata: a\r\n\r\ndata: b\r\rdata: c\n\n")
	want := oracle{}.read(stream)
	want.check(t, oracle{}, chunking{"empty reads", func(stream []byte) io.Reader {
		var chunks [][]byte
		for _, c := range stream {
			chunks = append(chunks, []byte{c}, nil, nil)
		}
		return &chunkReader{chunks: chunks, err: io.EOF}
	}}, stream)
}

// The unfinished block, which Fetch reports, is the event that a line end and a blank
// line would have made of it.
func TestParserUnfinished(t *testing.T) {
	for _, w := range wires(t) {
		if len(w.stream) > 2<<10 {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			for i := range len(w.stream) + 1 {
				checkUnfinished(t, w.stream[:i], sight(bytes.NewReader(w.stream[:i])))
			}
		})
	}
}

func checkUnfinished(t testing.TB, stream []byte, got sighting) {
	t.Helper()
	before := oracle{}.read(stream)
	// What is not a data line cannot be told before its end: an id may be half of one.
	rest := stream[before.rest:]
	finished := slices.Clip(stream[:before.rest])
	if bytes.HasPrefix(rest, []byte("data:")) {
		finished = append(finished, rest...)
	}
	after := oracle{}.read(append(finished, "\n\n"...))
	if len(after.Events) > len(before.Events) {
		require.True(t, got.pending, "%q", stream)
		require.Equal(t, after.Events[len(before.Events)], got.unfinished, "%q", stream)
		return
	}
	begun := len(rest) > 0 && bytes.HasPrefix([]byte("data"), rest)
	require.Equal(t, begun, got.pending, "%q", stream)
	require.Empty(t, got.unfinished.Data, "%q", stream)
}

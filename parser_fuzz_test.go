package sse_test

import (
	"bytes"
	"cmp"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/spec"
	"github.com/fetchsse/sse/internal/utf8x"
)

// A randomReader cuts a stream at random places, returns nothing now and then, and may
// return the end together with the last bytes. The same seed cuts the same way.
type randomReader struct {
	stream []byte
	rand   *rand.Rand
}

func cutBy(seed uint64) spec.Chunking {
	return spec.Chunking{Name: "random", Reader: func(stream []byte) io.Reader {
		return &randomReader{stream, rand.New(rand.NewPCG(seed, seed))}
	}}
}

func (r *randomReader) Read(b []byte) (int, error) {
	// Small pieces find more, and most streams here are small.
	size := []int{0, 1, 1, 2, 3, 7, 30, 300, 5000}[r.rand.IntN(9)]
	n := copy(b[:min(len(b), size)], r.stream)
	r.stream = r.stream[n:]
	if len(r.stream) == 0 && (n == 0 || r.rand.IntN(2) == 0) {
		return n, io.EOF
	}
	return n, nil
}

// fuzzChunkings returns the chunkings to fuzz with: whole, byte by byte, and at random.
func fuzzChunkings(seed uint64) []spec.Chunking {
	return append(spec.Chunkings()[:2], cutBy(seed))
}

// fuzzSeeds returns the streams to start from. Large ones would only slow the fuzzer down.
func fuzzSeeds(f *testing.F) [][]byte {
	all := wires(f)
	recorded, err := filepath.Glob("testdata/streams/*.sse")
	require.NoError(f, err)
	require.NotEmpty(f, recorded)
	for _, name := range recorded {
		stream, err := os.ReadFile(name)
		require.NoError(f, err)
		all = append(all, wire{name, stream})
	}
	var small [][]byte
	for _, w := range all {
		if len(w.stream) <= 1<<10 {
			small = append(small, w.stream)
		}
	}
	return small
}

// The parser finds in any stream what the oracle finds, with no event later than it can come,
// in any chunking.
func FuzzParser(f *testing.F) {
	for i, stream := range fuzzSeeds(f) {
		f.Add(stream, uint64(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		checkParser(t, spec.Oracle{}, stream, fuzzChunkings(seed)...)
		checkUnfinished(t, stream, cutBy(seed).Reader(stream))
	})
}

// A limit makes no difference to the blocks within it, ends the stream at the first one
// over it, and bounds the buffer.
func FuzzLimit(f *testing.F) {
	for i, stream := range fuzzSeeds(f) {
		f.Add(stream, uint16(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16, seed uint64) {
		// A limit over the size of the stream would have no effect. Two bytes may be half a
		// byte order mark, which does not count, and the oracle does not know of halves.
		o := spec.Oracle{Limit: max(2, int(limit)%(len(stream)+2))}
		checkParser(t, o, stream, fuzzChunkings(seed)...)
		for _, c := range fuzzChunkings(seed) {
			size, _, _ := largestBuffer(c.Reader(stream), o.Limit)
			require.LessOrEqual(t, size, maxBuffer(o.Limit), c.Name)
		}
	})
}

// The parser reads two events back as they were appended. An error leaves the slice as it
// is and comes only for a value that a field cannot hold.
func FuzzAppendEvent(f *testing.F) {
	for _, e := range []sse.Event{
		{},
		{Type: "message", Data: "a", ID: "1"},
		{Type: "t", Data: " a\n\n b\n", ID: " 2 "},
		{Type: "\uFEFF", Data: "\uFEFF\x00", ID: "\uFEFF"},
		{Data: "a\rb"},
		{ID: "a\x00"},
		{ID: "a\rb"},
		{Type: "a\nb"},
		{Type: "\x00"},
		{Data: "\xFF"},
		{ID: "\xE2\x82"},
		{Type: ":", Data: "data: x\n:\nevent: y\n\nid: z", ID: "id: 1"},
	} {
		f.Add(e.Type, e.Data, e.ID, "", "b", "", uint64(0))
		f.Add("t", "a", "1", e.Type, e.Data, e.ID, uint64(1))
	}
	f.Fuzz(func(t *testing.T, type1, data1, id1, type2, data2, id2 string, seed uint64) {
		stream := []byte(": before\n\n")
		var want []sse.Event
		for _, e := range []sse.Event{{Type: type1, Data: data1, ID: id1}, {Type: type2, Data: data2, ID: id2}} {
			old := string(stream)
			extended, err := sse.AppendEvent(stream, e)
			if mistake := strings.ContainsAny(e.Type+e.ID, "\n\r\x00") || strings.Contains(e.Data, "\r") ||
				!utf8.ValidString(e.Type) || !utf8.ValidString(e.Data) || !utf8.ValidString(e.ID); mistake {
				require.ErrorContains(t, err, "sse: AppendEvent: ")
				require.Equal(t, old, string(extended))
				continue
			}
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(extended), old))
			stream = extended
			e.Type = cmp.Or(e.Type, "message")
			want = append(want, e)
		}
		for _, c := range fuzzChunkings(seed) {
			p := sse.NewParser(c.Reader(stream))
			var got []sse.Event
			for e, err := range p.Events() {
				require.NoError(t, err)
				got = append(got, e)
			}
			require.Equal(t, want, got, c.Name)
		}
	})
}

// The function of WithIgnoredError gets the same texts, at the same places between the
// events, in any chunking, and also if a program recovers from a panic of it each time.
func FuzzIgnoredError(f *testing.F) {
	for i, stream := range fuzzSeeds(f) {
		f.Add(stream, uint64(i))
	}
	f.Add([]byte("data: a\r\nerror: x\r\r\n{\n: c\n}"), uint64(0))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		var want textLog
		_ = want.read(t, bytes.NewReader(stream), func(int) error { return nil })
		for _, c := range fuzzChunkings(seed) {
			var got textLog
			_ = got.read(t, c.Reader(stream), func(n int) error {
				if n%2 == 0 {
					panic("out")
				}
				return nil
			})
			require.Equal(t, want, got, c.Name)
		}
	})
}

// Ill-formed UTF-8 is decoded as the Encoding Standard says.
func FuzzUTF8(f *testing.F) {
	for _, stream := range fuzzSeeds(f) {
		f.Add(stream)
	}
	f.Add([]byte(strings.Repeat("\u4E8B\u4EF6", 30)))
	for _, text := range []string{
		"\xC0\xAF", "\xE0\x80\xBF", "\xED\xA0\x80", "\xF4\x91\x92\x93", "\xF0\x91\x92", "\xF1\xBF\x41",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := spec.DecodeWithoutBOM(text)
		require.Equal(t, want, string(utf8x.AppendValid(nil, text)))
		require.Equal(t, want, utf8x.String(text))
		require.Equal(t, want == string(text), utf8x.Valid(text))
		line := strings.NewReplacer("\r", "", "\n", "").Replace(string(text))
		checkUTF8(t, []byte(line))
	})
}

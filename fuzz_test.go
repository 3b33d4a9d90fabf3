package sse

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A randomReader cuts a stream at random places, now and then returns nothing, and may
// return the end together with the last bytes. The same seed cuts the same way.
type randomReader struct {
	stream []byte
	rand   *rand.Rand
}

func cutBy(seed uint64) chunking {
	return chunking{"random", func(stream []byte) io.Reader {
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

// seeds are the streams to start from. Large ones would only slow the fuzzer down.
func seeds(f *testing.F) [][]byte {
	var all [][]byte
	for _, w := range wires(f) {
		all = append(all, w.stream)
	}
	recorded, err := filepath.Glob("testdata/streams/*.sse")
	require.NoError(f, err)
	require.NotEmpty(f, recorded)
	for _, name := range recorded {
		stream, err := os.ReadFile(name)
		require.NoError(f, err)
		all = append(all, stream)
	}
	var small [][]byte
	for _, stream := range all {
		if len(stream) <= 1<<10 {
			small = append(small, stream)
		}
	}
	return small
}

// The parser finds in any stream what the oracle finds, no event later, however the
// stream arrives.
func FuzzParser(f *testing.F) {
	for i, stream := range seeds(f) {
		f.Add(stream, uint64(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		o := oracle{}
		want := o.read(stream)
		want.check(t, o, chunkings()[0], stream)
		want.check(t, o, chunkings()[1], stream)
		want.check(t, o, cutBy(seed), stream)
		checkUnfinished(t, stream, sight(cutBy(seed).reader(stream)))
	})
}

// A limit makes no difference to the blocks within it, ends the stream at the first one
// over it, and bounds the buffer.
func FuzzLimit(f *testing.F) {
	for i, stream := range seeds(f) {
		f.Add(stream, uint16(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16, seed uint64) {
		// A limit over the size of the stream would be none. Two bytes may be half a byte
		// order mark, which does not count, and of halves the oracle does not know.
		o := oracle{limit: max(2, int(limit)%(len(stream)+2))}
		want := o.read(stream)
		for _, c := range []chunking{chunkings()[0], chunkings()[1], cutBy(seed)} {
			want.check(t, o, c, stream)
			got := sight(c.reader(stream), o.opts()...)
			require.LessOrEqual(t, got.peak, maxBuffer(o.limit), c.name)
		}
	})
}

// Ill-formed UTF-8 becomes what the Encoding Standard makes of it.
func FuzzUTF8(f *testing.F) {
	for _, stream := range seeds(f) {
		f.Add(stream)
	}
	f.Add([]byte(strings.Repeat("\u4E8B\u4EF6", 30)))
	for _, text := range []string{
		"\xC0\xAF", "\xE0\x80\xBF", "\xED\xA0\x80", "\xF4\x91\x92\x93", "\xF0\x91\x92", "\xF1\xBF\x41",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := textOf(utf8Process(text, 0))
		require.Equal(t, want, string(appendValid(nil, text)))
		require.Equal(t, want, validString(text))
		line := strings.NewReplacer("\r", "", "\n", "").Replace(string(text))
		checkUTF8(t, []byte(line))
	})
}

package sse

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// The limit is on the lines of a block with the line ends between them. The one at the
// end of the last line and the blank line do not count.
func TestParserLimit(t *testing.T) {
	tests := []struct {
		name, block string
		size        int
	}{
		{"one line", "data: x\n\n", 7},
		{"one long line", "data: a line of 24 bytes\n\n", 24},
		{"one line, CRLF", "data: x\r\n\r\n", 7},
		{"one line, CR", "data: x\r\r", 7},
		{"two lines", "data: x\ndata: y\n\n", 15},
		{"two lines, CRLF", "data: x\r\ndata: y\r\n\r\n", 16},
		{"two lines, CR", "data: x\rdata: y\r\r", 15},
		{"event and id", "event: x\nid: y\ndata\n\n", 19},
		{"comment", ": cc\ndata: x\n\n", 12},
		{"comment last", "data: x\n: cc\n\n", 12},
		{"ignored line", "ignored\ndata: x\n\n", 15},
		{"no data", "event: x\nid: y\n\n", 14},
		{"nothing but comments", ": a\n: b\n: c\n\n", 11},
		{"characters count in bytes", "data: \u20AC\n\n", 9},
		{"ill-formed characters count as sent", "data: \xFF\xFF\n\n", 8},
		{"not ended", "data: x", 7},
		{"line ended", "data: x\n", 7},
		{"line ended by CR", "data: x\r", 7},
		{"second line not ended", "data: x\r\ndata", 13},
		{"longer than the buffer", "data: " + strings.Repeat("x", 5000) + "\n\n", 5006},
		{"as long as the waiting buffer", "data: " + strings.Repeat("x", waitSize-6) + "\n\n", waitSize},
		{"lines as long as the buffer", strings.Repeat("data: x\r\n", 500) + "\r\n", 4498},
	}
	const before = ": c\nid: 1\ndata\n\n" // 14 bytes, with CRLF 16
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Run("alone", func(t *testing.T) {
				checkLimit(t, test.block, test.size, false)
				checkLimit(t, test.block, test.size-1, true)
			})
			if test.size <= 16 {
				return // the events around it would be over the limit
			}
			t.Run("after an event", func(t *testing.T) {
				checkLimit(t, before+test.block, test.size, false)
				checkLimit(t, before+test.block, test.size-1, true)
			})
			t.Run("after an event, with CRLF and mark", func(t *testing.T) {
				stream := "\uFEFF" + strings.ReplaceAll(before, "\n", "\r\n") + test.block
				checkLimit(t, stream, test.size, false)
				checkLimit(t, stream, test.size-1, true)
			})
		})
	}
}

// checkLimit requires that the stream is over the limit or not, and that the parser
// says so at the same place however it arrives.
func checkLimit(t *testing.T, stream string, limit int, tooLarge bool) {
	t.Helper()
	o := oracle{limit: limit}
	want := o.read([]byte(stream))
	require.Equal(t, tooLarge, want.tooLarge, "the oracle")
	ways := chunkings()
	if len(stream) < 1<<10 { // the work is quadratic
		ways = append(ways, splits([]byte(stream))...)
	}
	for _, c := range ways {
		want.check(t, o, c, []byte(stream))
	}
}

// The smallest limit leaves room for blank lines, and for a byte order mark.
func TestParserLimitHuge(t *testing.T) {
	data := strings.Repeat("x", 100_000)
	p := NewParser(strings.NewReader("data: "+data+"\n\n"), WithMaxEventSize(math.MaxInt))
	require.True(t, p.Next())
	require.Len(t, p.Data(), len(data))
}

func TestParserLimitOne(t *testing.T) {
	for _, stream := range []string{"\n\n\r\r\n", "\uFEFF\n\n", "\uFEFF", "\uFEFFx\n\n", "x\n\nx\n\nx"} {
		checkLimit(t, stream, 1, false)
	}
	for _, stream := range []string{"xx", "\uFEFFxx", "x\nx", "x\n\nxx\n\n", "\xEFx"} {
		checkLimit(t, stream, 1, true)
	}
}

// The events before it are delivered; then the error comes, without waiting for another
// byte, and stays.
func TestParserLimitError(t *testing.T) {
	for _, large := range []string{"data: bcdefghijk", "data: bcdefghijk\n", "data: bcdefghijk\n\ndata: c\n\n"} {
		t.Run(large, func(t *testing.T) {
			reads := 0
			r := strings.NewReader("id: 1\ndata: a\n\n" + large)
			p := NewParser(readerFunc(func(b []byte) (int, error) { reads++; return r.Read(b) }), WithMaxEventSize(13))
			require.True(t, p.Next())
			require.Equal(t, Event{Type: "message", Data: "a", ID: "1"}, p.Event())
			require.NoError(t, p.Err())
			for range 3 {
				require.False(t, p.Next())
				require.ErrorIs(t, p.Err(), ErrEventTooLarge)
				require.Regexp(t, "^sse: event too large.* 13 bytes", p.Err().Error())
				require.Equal(t, 1, reads)
			}
			require.Equal(t, "1", p.LastEventID())
			require.Zero(t, p.Event())
		})
	}
}

// A block over the limit is too large, whatever comes together with its last bytes.
func TestParserLimitAtTheEnd(t *testing.T) {
	for _, end := range []error{io.EOF, io.ErrClosedPipe} {
		for _, stream := range []string{"data: x", "data: x\n", "data: x\n\n"} {
			t.Run(fmt.Sprintf("%v after %q", end, stream), func(t *testing.T) {
				r := &chunkReader{chunks: [][]byte{[]byte(stream)}, err: end}
				p := NewParser(iotest.DataErrReader(r), WithMaxEventSize(6))
				require.False(t, p.Next())
				require.ErrorIs(t, p.Err(), ErrEventTooLarge)
			})
		}
	}
}

// Memory is bounded by the limit and one read, whatever the server sends.
func TestParserBoundedBuffer(t *testing.T) {
	const limit = 100_000
	tests := []struct{ name, first, again string }{
		{"endless line", "data: ", "x"},
		{"endless name", "", "x"},
		{"endless comment", ":", " "},
		{"comments", "", ": c\n"},
		{"ignored lines", "", "{}\r\n"},
		{"data lines", "", "data: 0123456789\n"},
		{"empty data lines", "", "data\r"},
		{"event names", "", "event: x\n"},
		{"ids", "", "id: x\n"},
	}
	for _, test := range tests {
		for _, size := range []int{1, 37, 1 << 10, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", test.name, size), func(t *testing.T) {
				endless := &repeater{stream: []byte(strings.Repeat(test.again, 1<<10)), size: size}
				got := sight(io.MultiReader(strings.NewReader(test.first), endless), WithMaxEventSize(limit))
				require.ErrorIs(t, got.err, ErrEventTooLarge)
				require.Empty(t, got.Events)
				require.LessOrEqual(t, got.peak, maxBuffer(limit))
			})
		}
	}
}

// maxBuffer is how large the buffer may get: what a block within the limit needs, its
// line end, and a read.
func maxBuffer(limit int) int { return max(workSize, limit+len("\r\n")+waitSize) }

// A repeater repeats a stream for ever, up to so many bytes at a time.
type repeater struct {
	stream []byte
	size   int
	at     int
}

func (r *repeater) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), r.size)], r.stream[r.at:])
	if r.at += n; r.at == len(r.stream) {
		r.at = 0
	}
	return n, nil
}

// After a large event the buffers go back to what small ones need, also if the reads
// never end where an event does: a busy stream does not do us the favour.
func TestParserShrinks(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	tests := []struct{ name, large, small string }{
		{"data", "data: " + big + "\n\n", "data: a\n\n"},
		{"ill-formed data", "data: \xFF" + big + "\n\n", "data: \xFF\n\n"},
		{"id", "id: " + big + "\ndata\n\n", "id: 1\ndata: a\n\nid: 2\ndata: b\n\n"},
		{"id that is replaced in its block", "id: " + big + "\nid: 1\ndata\n\n", "id: 1\ndata: a\n\n"},
		{"comment", ":" + big + "\n\n", "data: a\n\n"},
	}
	for _, test := range tests {
		for _, shift := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s, reads end %d bytes into an event", test.name, shift), func(t *testing.T) {
				small := strings.Repeat(test.small, 10)
				first := test.large + small[:shift]
				again := &repeater{stream: []byte(small[shift:] + small[:shift]), size: len(small)}
				p := NewParser(io.MultiReader(strings.NewReader(first), again))
				for range 100 {
					require.True(t, p.Next())
				}
				require.LessOrEqual(t, len(p.buf), keepSize, "the buffer")
				require.LessOrEqual(t, cap(p.fixed), keepSize, "the replaced data")
				require.LessOrEqual(t, cap(p.newID)+cap(p.lastID), keepSize, "the IDs")
			})
		}
	}
}

// What shrinks in the middle of a block keeps what the block has brought so far.
func TestParserShrinksInABlock(t *testing.T) {
	chunks := []string{
		"id: " + strings.Repeat("x", 1<<20) + "\ndata\n\n",
		"id: 1\ndata: a\n\nid: 2\ndata: b\ndata: c",
		"d\nevent: x",
		"\n\n",
	}
	var r chunkReader
	for _, c := range chunks {
		r.chunks = append(r.chunks, []byte(c))
	}
	r.err = io.EOF
	got, err := interpret(&r)
	require.NoError(t, err)
	require.Equal(t, []Event{
		{Type: "message", Data: "a", ID: "1"},
		{Type: "x", Data: "b\ncd", ID: "2"},
	}, got.Events[1:])
}

// A byte that was searched for line ends is not searched again, however small the
// reads: turning it into a line end afterwards changes nothing.
func TestParserSearchesOnce(t *testing.T) {
	const size = 1 << 20
	for _, poison := range []byte("\n\r") {
		for _, read := range []int{1, 1 << 10} {
			t.Run(fmt.Sprintf("%q after reads of %d", poison, read), func(t *testing.T) {
				head, tail := "data: ", "\n\n"
				x := &repeater{stream: bytes.Repeat([]byte("x"), 1<<10), size: read}
				var p *Parser
				poisoned := readerFunc(func(b []byte) (int, error) {
					for i := max(p.pos+len(head), p.end-read); i < p.end; i++ {
						p.buf[i] = poison
					}
					return x.Read(b)
				})
				p = NewParser(io.MultiReader(
					strings.NewReader(head), io.LimitReader(poisoned, size), strings.NewReader(tail),
				))
				require.True(t, p.Next())
				require.Len(t, p.Data(), size)
				require.Less(t, bytes.Count(p.Data(), []byte("x")), 2<<10, "the test is in vain")
				require.False(t, p.Next())
				require.NoError(t, p.Err())
			})
		}
	}
}

// The bytes that the parser moves, to make room or to grow, are a bounded multiple of
// those that it reads.
func TestParserMovesLittle(t *testing.T) {
	small := strings.Repeat("id: 12\ndata: 0123456789\n\n", 4000)
	tests := []struct {
		name, stream string
		limit        int
	}{
		{"large event", "data: " + strings.Repeat("x", 1<<20) + "\n\n", 16 << 20},
		{"large event at the limit", "data\n\ndata: " + strings.Repeat("x", 100_000) + "\n\n", 100_006},
		{"many lines", strings.Repeat("data: x\n", 20_000) + "\n", 16 << 20},
		{"small events", small, 16 << 20},
		{"small events, small limit", small, 100},
		{"half a buffer", strings.Repeat("data: "+strings.Repeat("x", 2100)+"\n\n", 500), 16 << 20},
		{"nearly a buffer", strings.Repeat("data\n\ndata: "+strings.Repeat("x", 3600)+"\n\n", 500), 16 << 20},
		{"at the limit", strings.Repeat("data\n\ndata: "+strings.Repeat("x", 5000)+"\n\n", 500), 5006},
		{"large and small", strings.Repeat("data: "+strings.Repeat("x", 100_000)+"\n\n"+small, 3), 16 << 20},
	}
	for _, test := range tests {
		for _, read := range []int{1, 37, 1 << 10, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", test.name, read), func(t *testing.T) {
				t.Parallel()
				var p *Parser
				r := sizedReader{strings.NewReader(test.stream), read}
				moved, last, base := 0, 0, (*byte)(nil)
				p = NewParser(readerFunc(func(b []byte) (int, error) {
					if p.block < last || &p.buf[0] != base {
						moved += p.end - p.block
					}
					last, base = p.block, &p.buf[0]
					return r.Read(b)
				}), WithMaxEventSize(test.limit))
				for p.Next() {
					last = min(last, p.block)
				}
				require.NoError(t, p.Err())
				require.LessOrEqual(t, moved, 3*len(test.stream))
			})
		}
	}
}

// What a large event allocates is a bounded multiple of its size, too.
func TestParserGrowsLinearly(t *testing.T) {
	for _, read := range []int{1, 1 << 10} {
		size := int64(8 << 20)
		if read == 1 {
			size = 2 << 20 // the race detector is slow
		}
		p := NewParser(io.MultiReader(
			strings.NewReader("data: "),
			io.LimitReader(&repeater{stream: bytes.Repeat([]byte("x"), 1<<10), size: read}, size),
			strings.NewReader("\n\n"),
		))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.True(t, p.Next())
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(5*size), "reads of %d", read)
	}
}

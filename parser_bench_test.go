package sse_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/fetchsse/sse"
)

// A shape is a stream like those of a known kind, to be repeated.
type shape struct {
	name   string
	stream []byte
	events int // in the stream
}

func shapes() []shape {
	// Half a megabyte each, so that small blocks also share their reads.
	repeat := func(name, block string) shape {
		n := max(1, 512<<10/len(block))
		return shape{name, []byte(strings.Repeat(block, n)), n}
	}
	openai := "data: " + jsonText(312) + "\n\n"
	return []shape{
		repeat("openai", openai),
		repeat("anthropic", "event: content_block_delta\ndata: "+jsonText(90)+"\n\n"),
		ticks(20_000),
		repeat("64KiB", "data: "+jsonText(64<<10)+"\n\n"),
		repeat("1MiB", "data: "+jsonText(1<<20)+"\n\n"),
		repeat("1000lines", strings.Repeat("data: "+jsonText(40)+"\n", 1000)+"\n"),
		repeat("comments", strings.Repeat(": keep-alive\n\n", 9)+"data: "+jsonText(40)+"\n\n"),
		repeat("crlf", strings.ReplaceAll(openai, "\n", "\r\n")),
		repeat("cr", strings.ReplaceAll(openai, "\n", "\r")),
		repeat("cjk", "data: "+strings.Repeat("事件流的數據", 17)+"\n\n"),
	}
}

// ticks returns n small events, each with an ID of its own.
func ticks(n int) shape {
	var stream []byte
	for i := range n {
		stream = fmt.Appendf(stream, "id: %07d\ndata: %s\n\n", i, jsonText(8))
	}
	return shape{"ticks", stream, n}
}

// readSizes returns how much a read brings at most: as much as the parser has room for, a
// usual buffer, a small record, the worst case.
func readSizes() []struct {
	name string
	size int
} {
	return []struct {
		name string
		size int
	}{{"whole", math.MaxInt}, {"4KiB", 4 << 10}, {"37B", 37}, {"1B", 1}}
}

// One operation is one event. The reader does nothing but copy.
func BenchmarkParser(b *testing.B) {
	for _, s := range shapes() {
		for _, read := range readSizes() {
			b.Run(fmt.Sprintf("%s/%s/data", s.name, read.name), func(b *testing.B) {
				p := s.parser(b, read.size)
				for b.Loop() {
					if !p.Next() || p.Data() == nil {
						b.Fatal(p.Err())
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%s/event", s.name, read.name), func(b *testing.B) {
				p := s.parser(b, read.size)
				for b.Loop() {
					if !p.Next() {
						b.Fatal(p.Err())
					}
					kept = p.Event()
				}
			})
		}
	}
}

func (s shape) parser(b *testing.B, read int) *sse.Parser {
	b.SetBytes(int64(len(s.stream) / s.events))
	b.ReportAllocs()
	return sse.NewParser(&repeater{stream: s.stream, size: read})
}

// The floor: only to find the line ends, as every parser must, with reads of 4 KiB into one
// buffer. Compare with BenchmarkParser/…/4KiB/data in MB/s; one operation is one read here.
func BenchmarkScanFloor(b *testing.B) {
	for _, s := range shapes() {
		b.Run(s.name, func(b *testing.B) {
			eol := byte('\n')
			if s.name == "cr" {
				eol = '\r'
			}
			r := &repeater{stream: s.stream, size: readSize}
			buf := make([]byte, readSize)
			lines, total := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				n, _ := r.Read(buf)
				total += n
				lines += countLines(buf[:n], eol)
			}
			b.SetBytes(int64(total / b.N))
			b.ReportMetric(float64(lines)/float64(b.N), "lines/op")
		})
	}
}

func countLines(buf []byte, eol byte) (lines int) {
	for {
		i := bytes.IndexByte(buf, eol)
		if i < 0 {
			return lines
		}
		lines++
		buf = buf[i+1:]
	}
}

// One event that is much larger than a read, with a new parser each time. The floor is the
// least that it can cost: the reads, and one copy into a buffer of its size.
func BenchmarkParserLarge(b *testing.B) {
	const read = 1 << 10
	stream := []byte("data: " + jsonText(8<<20) + "\n\n")
	b.Run("floor", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		buf := make([]byte, read)
		for b.Loop() {
			r := &repeater{stream: stream, size: read}
			block := make([]byte, 0, len(stream))
			for len(block) < len(stream) {
				n, _ := r.Read(buf)
				block = append(block, buf[:n]...)
			}
		}
	})
	b.Run("data", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		for b.Loop() {
			p := sse.NewParser(io.LimitReader(&repeater{stream: stream, size: read}, int64(len(stream))))
			if !p.Next() || p.Next() {
				b.Fatal(p.Err())
			}
		}
	})
}

// The cost of a parser before its first event, which counts for short responses.
func BenchmarkParserNew(b *testing.B) {
	stream := "data: " + jsonText(100) + "\n\n"
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		p := sse.NewParser(strings.NewReader(stream))
		if !p.Next() || p.Next() || p.Err() != nil {
			b.Fatal(p.Err())
		}
	}
}

// A stream that is not UTF-8 at all, so that every event needs replacements.
func BenchmarkIllFormed(b *testing.B) {
	line := "data: " + strings.Repeat("Stra\xDFe in M\xFCnchen ", 16) + "\n\n"
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	p := sse.NewParser(&repeater{stream: []byte(strings.Repeat(line, 100)), size: readSize})
	for b.Loop() {
		if !p.Next() {
			b.Fatal(p.Err())
		}
	}
}

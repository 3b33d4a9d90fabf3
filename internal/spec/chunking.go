package spec

import (
	"bytes"
	"fmt"
	"io"
	"testing/iotest"
)

// A Chunking is a way in which a stream can arrive.
type Chunking struct {
	Name   string
	Reader func(stream []byte) io.Reader
}

// Chunkings returns chunkings for streams of any size. The first is the stream as a whole,
// the second byte by byte.
func Chunkings() []Chunking {
	wrap := func(f func(io.Reader) io.Reader) func([]byte) io.Reader {
		return func(stream []byte) io.Reader { return f(bytes.NewReader(stream)) }
	}
	return []Chunking{
		{"whole", func(stream []byte) io.Reader { return bytes.NewReader(stream) }},
		{"byte by byte", wrap(iotest.OneByteReader)},
		{"half of what fits", wrap(iotest.HalfReader)},
		{"37 bytes", wrap(func(r io.Reader) io.Reader { return LimitReads(r, 37) })},
		{"data with EOF", wrap(iotest.DataErrReader)},
		{"byte by byte, the last with EOF", wrap(func(r io.Reader) io.Reader {
			return iotest.DataErrReader(iotest.OneByteReader(r))
		})},
	}
}

// Splits returns all chunkings of stream into two chunks. In every other one the second
// chunk arrives together with the end of the stream.
func Splits(stream []byte) []Chunking {
	var all []Chunking
	for i := range len(stream) + 1 {
		all = append(all, Chunking{fmt.Sprintf("split at %d", i), func(stream []byte) io.Reader {
			r := Chunks(io.EOF, stream[:i], stream[i:])
			if i%2 == 1 {
				r = iotest.DataErrReader(r)
			}
			return r
		}})
	}
	return all
}

// Chunks returns a reader that returns one chunk per read, and after the last one err. An
// empty chunk is a read of no bytes.
func Chunks(err error, chunks ...[]byte) io.Reader {
	return &chunkReader{chunks: chunks, err: err}
}

type chunkReader struct {
	chunks [][]byte
	read   int // bytes of the first chunk that have been read
	err    error
}

func (r *chunkReader) Read(b []byte) (int, error) {
	if len(r.chunks) == 0 {
		return 0, r.err
	}
	n := copy(b, r.chunks[0][r.read:])
	if r.read += n; r.read == len(r.chunks[0]) {
		r.chunks, r.read = r.chunks[1:], 0
	}
	return n, nil
}

// LimitReads returns a reader that reads up to size bytes at a time from r.
func LimitReads(r io.Reader, size int) io.Reader { return sizedReader{r, size} }

type sizedReader struct {
	r    io.Reader
	size int
}

func (r sizedReader) Read(b []byte) (int, error) { return r.r.Read(b[:min(len(b), r.size)]) }

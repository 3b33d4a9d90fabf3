package spec

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChunkingsKeepStream(t *testing.T) {
	stream := make([]byte, 200)
	for i := range stream {
		stream[i] = byte(i)
	}
	for _, c := range append(Chunkings(), Splits(stream)...) {
		for range 2 {
			got, err := io.ReadAll(c.Reader(stream))
			require.NoError(t, err, c.Name)
			require.Equal(t, stream, got, c.Name)
		}
	}
}

func TestChunksReturnsOneChunkPerRead(t *testing.T) {
	broken := errors.New("broken")
	r := Chunks(broken, []byte("abc"), nil, []byte("d"))
	b := make([]byte, 2)
	for _, want := range []string{"ab", "c", "", "d"} {
		n, err := r.Read(b)
		require.NoError(t, err)
		require.Equal(t, want, string(b[:n]))
	}
	for range 2 {
		n, err := r.Read(b)
		require.Zero(t, n)
		require.Equal(t, broken, err)
	}
}

func TestLimitReads(t *testing.T) {
	r := LimitReads(Chunks(io.EOF, []byte("abc")), 2)
	b := make([]byte, 9)
	n, err := r.Read(b)
	require.NoError(t, err)
	require.Equal(t, "ab", string(b[:n]))
}

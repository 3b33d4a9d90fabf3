package spec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVectorsAreComplete(t *testing.T) {
	vectors, err := Vectors("../../testdata/parser")
	require.NoError(t, err)
	require.Greater(t, len(vectors), 200)
	seen := make(map[string]bool)
	for _, v := range vectors {
		require.False(t, seen[v.Name], "two vectors have the name %s", v.Name)
		seen[v.Name] = true
		require.NotEmpty(t, v.Why, v.Name)
	}
	_, err = Vectors(t.TempDir())
	require.ErrorContains(t, err, "no vectors")
}

func TestVectorsFileFormat(t *testing.T) {
	tests := []struct{ name, file, err string }{
		{"unknown key", `[{"name": "a", "retryMS2": 1}]`, "unknown field"},
		{"two values", `[] []`, "more than one value"},
		{"chunk without bytes", `[{"chunks": [{}]}]`, "has no bytes"},
		{"chunk with an unknown key", `[{"chunks": [{"base64": ""}]}]`, "unknown field"},
		{"not a byte", `[{"chunks": [{"bytes": "\u0100"}]}]`, "is not a byte"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseVectors("class", []byte(tt.file))
			require.ErrorContains(t, err, tt.err)
		})
	}
	got, err := parseVectors("class", []byte(`[{"name": "a", "chunks": ["\u00e9\ud83d\ude00", "", {"bytes": "\u00e9\u0000a"}]}]`))
	require.NoError(t, err)
	require.Equal(t, []Vector{{Name: "class/a", Chunks: [][]byte{[]byte("é😀"), {}, []byte("\xE9\x00a")}}}, got)
}

func TestVectorChecksRetryAndComments(t *testing.T) {
	ms := func(n int64) Outcome { return Outcome{Retry: time.Duration(n) * time.Millisecond, HasRetry: true} }
	exact, least := Vector{Retry: new(int64(5))}, Vector{Retry: new(int64(1)), RetryMin: new(int64(5))}
	require.NoError(t, exact.Check(ms(5)))
	require.Error(t, exact.Check(ms(6)))
	require.Error(t, exact.Check(Outcome{}))
	require.NoError(t, least.Check(ms(5)))
	require.NoError(t, least.Check(ms(6)))
	require.Error(t, least.Check(ms(4)))
	require.Error(t, least.Check(Outcome{}))
	require.Error(t, Vector{}.Check(ms(0)))

	require.NoError(t, Vector{}.Check(Outcome{Comments: []string{"a"}}))
	require.NoError(t, Vector{Comments: []string{" a"}}.Check(Outcome{Comments: []string{"a"}}))
	require.Error(t, Vector{Comments: []string{}}.Check(Outcome{Comments: []string{"a"}}))
}

package spec

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestOracleDecodesUTF8(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		want := []character{{r, utf8.RuneLen(r)}}
		if got := utf8Process([]byte(string(r)), 0); !slices.Equal(want, got) {
			require.Equal(t, want, got)
		}
	}
	text, bom := utf8Decode([]byte("\uFEFF\uFEFFa"))
	require.Equal(t, []character{{'\uFEFF', 6}, {'a', 7}}, text, "only the first byte order mark is dropped")
	require.Equal(t, 3, bom)

	// Tables 3-8 to 3-11 of the Unicode Standard.
	tests := []struct{ name, bytes, want string }{
		{"not the shortest form", "\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "????????A"},
		{"surrogates", "\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "????????A"},
		{"other bytes", "\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "?????A??B"},
		{"truncated", "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "????A"},
		{"truncated by the end", "a\xF0\x91\x92", "a?"},
		{"mark in the middle", "a\xEF\xBB\xBFb", "a\uFEFFb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := strings.ReplaceAll(tt.want, "?", "\uFFFD")
			require.Equal(t, want, DecodeWithoutBOM([]byte(tt.bytes)))
		})
	}
}

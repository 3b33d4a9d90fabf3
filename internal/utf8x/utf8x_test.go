package utf8x

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/internal/spec"
)

// texts are well-formed and ill-formed sequences at each offset from a word boundary.
func texts() (all []string) {
	for _, s := range []string{
		"", "a", "é", "界", "😀", "\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xED\x9F\xBF", "\xE0\xA0\x80",
		"\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xE7\x95", "\xF0\x9F\x98", "\xFF\xFE", "\xC2", "a\xE7b",
	} {
		for n := range 70 {
			all = append(all, strings.Repeat("x", n)+s, strings.Repeat("界", n)+s, s+strings.Repeat("界", n)+"z")
		}
	}
	return all
}

func TestIndexNonASCII(t *testing.T) {
	for _, text := range texts() {
		want := strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
		if want < 0 {
			want = len(text)
		}
		require.Equal(t, want, IndexNonASCII([]byte(text), 0), "%q", text)
		require.Equal(t, len(text), IndexNonASCII([]byte(text), len(text)))
	}
}

func TestValidAgreesWithUnicodeUTF8(t *testing.T) {
	for _, text := range texts() {
		require.Equal(t, utf8.ValidString(text), Valid([]byte(text)), "%q", text)
	}
}

func TestAppendValidFollowsTheEncodingStandard(t *testing.T) {
	for _, text := range texts() {
		want := spec.DecodeWithoutBOM([]byte(text))
		require.Equal(t, "prefix"+want, string(AppendValid([]byte("prefix"), []byte(text))), "%q", text)
		require.Equal(t, want, String([]byte(text)), "%q", text)
	}
}

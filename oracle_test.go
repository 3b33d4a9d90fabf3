package sse

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// An oracle interprets event streams by the letter: the steps of the Encoding
// Standard and of WHATWG HTML, sections 9.2.5 and 9.2.6, one after the other over the
// whole stream. It is slow, and shares no code with the parser, so that the two do not
// err together.
//
// It leaves the letter only where this library does: an empty retry is ignored, a
// retry too large is clamped, the last event ID may start from a given value, and
// there may be a limit on the size of a block.
type oracle struct {
	lastEventID string // as of WithLastEventID
	limit       int    // as of WithMaxEventSize; 0 is none
}

// A verdict is what the oracle says about a stream.
type verdict struct {
	outcome
	ends     []int    // for each event, how many bytes of the stream lead to its dispatch
	ignored  []string // the lines without effect
	rest     int      // where the line begins that the end of the stream cuts off
	tooLarge bool     // a block is over the limit; what follows was not looked at
}

// opts returns the options that tell the parser what the oracle was told.
func (o oracle) opts() []Option {
	opts := []Option{WithLastEventID(o.lastEventID)}
	if o.limit > 0 {
		opts = append(opts, WithMaxEventSize(o.limit))
	}
	return opts
}

// read is "Interpreting an event stream".
func (o oracle) read(stream []byte) verdict {
	// "Streams must be decoded using the UTF-8 decode algorithm."
	text, bom := utf8Decode(stream)
	lines, rest := splitLines(text, bom)

	// "A data buffer, an event type buffer, and a last event ID buffer", all of them
	// empty at first, but for the ID that the caller gave.
	s := interpretation{idBuffer: o.lastEventID}
	s.LastEventID = o.lastEventID
	s.rest = rest

	// "Lines must be processed, in the order they are received."
	block := bom
	for _, l := range lines {
		if o.exceeds(l.to-block, l.text) {
			s.tooLarge = true
			return s.verdict
		}
		s.line(l)
		if l.text == "" {
			block = l.next
		}
	}
	// "Once the end of the file is reached, any pending data must be discarded."
	s.tooLarge = o.exceeds(len(stream)-block, string(stream[rest:]))
	return s.verdict
}

// exceeds is the limit: the lines of a block, with the line ends between them. The
// blank line that ends the block adds nothing to it.
func (o oracle) exceeds(size int, line string) bool {
	return o.limit > 0 && line != "" && size > o.limit
}

// An interpretation is the state of the interpretation of a stream.
type interpretation struct {
	verdict
	dataBuffer, typeBuffer, idBuffer string
}

// line processes one line.
func (s *interpretation) line(l streamLine) {
	field, value, colon := strings.Cut(l.text, ":")
	switch {
	case l.text == "":
		// "If the line is empty: dispatch the event."
		s.dispatch(l)
	case colon && field == "":
		// "If the line starts with a U+003A COLON: ignore the line."
		s.Comments = append(s.Comments, withoutOneSpace(value))
	case colon:
		// "If the line contains a U+003A COLON": what is before the first is the field,
		// what is after it the value; "if value starts with a U+0020 SPACE, remove it".
		s.field(l.text, field, withoutOneSpace(value))
	default:
		// "Using the whole line as the field name, and the empty string as the value."
		s.field(l.text, l.text, "")
	}
}

func withoutOneSpace(value string) string {
	if value != "" && value[0] == ' ' {
		return value[1:]
	}
	return value
}

// field is the steps to process the field.
func (s *interpretation) field(line, field, value string) {
	switch field {
	case "event":
		// "Set the event type buffer to the field value."
		s.typeBuffer = value
	case "data":
		// "Append the field value to the data buffer, then append a single U+000A LF."
		s.dataBuffer += value + "\n"
	case "id":
		// "If the field value does not contain U+0000 NULL, set the last event ID buffer
		// to the field value. Otherwise, ignore the field."
		if strings.ContainsRune(value, 0) {
			s.ignored = append(s.ignored, line)
			return
		}
		s.idBuffer = value
	case "retry":
		// "If the field value consists of only ASCII digits, interpret it as an integer
		// in base ten, and set the reconnection time to it. Otherwise, ignore the field."
		if value == "" || strings.Trim(value, "0123456789") != "" {
			s.ignored = append(s.ignored, line)
			return
		}
		s.Retry, s.HasRetry = clampedMilliseconds(value), true
	default:
		// "The field is ignored."
		s.ignored = append(s.ignored, line)
	}
}

func clampedMilliseconds(digits string) time.Duration {
	ms, _ := new(big.Int).SetString(digits, 10)
	largest := big.NewInt(math.MaxInt64 / int64(time.Millisecond))
	if ms.Cmp(largest) > 0 {
		ms = largest
	}
	return time.Duration(ms.Int64()) * time.Millisecond
}

// dispatch is the steps to dispatch the event, at the blank line l.
func (s *interpretation) dispatch(l streamLine) {
	// 1. "Set the last event ID string to the value of the last event ID buffer. The
	// buffer does not get reset."
	s.LastEventID = s.idBuffer
	// 2. "If the data buffer is an empty string, set the data buffer and the event type
	// buffer to the empty string and return."
	if s.dataBuffer == "" {
		s.typeBuffer = ""
		return
	}
	// 3. "If the data buffer's last character is a U+000A LF, remove it."
	data := strings.TrimSuffix(s.dataBuffer, "\n")
	// 4. and 5. Create an event of type "message" with the data and the last event ID.
	event := Event{Type: "message", Data: data, ID: s.LastEventID}
	// 6. "If the event type buffer has a value other than the empty string, change the
	// type of the event to it."
	if s.typeBuffer != "" {
		event.Type = s.typeBuffer
	}
	// 7. "Set the data buffer and the event type buffer to the empty string."
	s.dataBuffer, s.typeBuffer = "", ""
	// 8. Dispatch the event.
	s.Events = append(s.Events, event)
	s.ends = append(s.ends, l.ended)
}

// A streamLine is a line and its place in the stream, in bytes.
type streamLine struct {
	text  string
	to    int // where its end of line begins
	ended int // how many bytes show that it has ended: a CR alone does
	next  int // where the next line begins
}

// splitLines is "Parsing an event stream" from begin on: "a CRLF pair, a single LF not
// preceded by CR, and a single CR not followed by LF" are the ends of a line. It
// returns the lines that have ended and where the one begins that has not.
func splitLines(text []character, begin int) (lines []streamLine, rest int) {
	rest = begin
	var line []rune
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c.r != '\r' && c.r != '\n' {
			line = append(line, c.r)
			continue
		}
		if c.r == '\r' && i+1 < len(text) && text[i+1].r == '\n' {
			i++
		}
		rest = text[i].end
		lines = append(lines, streamLine{text: string(line), to: c.end - 1, ended: c.end, next: rest})
		line = nil
	}
	return lines, rest
}

// A character is a decoded code point and how many bytes of the stream lead up to and
// include it.
type character struct {
	r   rune
	end int
}

// utf8Decode is the "UTF-8 decode" algorithm of the Encoding Standard. It returns the
// code points and the length of the byte order mark.
func utf8Decode(stream []byte) (text []character, bom int) {
	// "Let buffer be the result of peeking three bytes. If it is 0xEF 0xBB 0xBF, then
	// read three bytes."
	if len(stream) >= 3 && stream[0] == 0xEF && stream[1] == 0xBB && stream[2] == 0xBF {
		bom = 3
	}
	return utf8Process(stream, bom), bom
}

// utf8Process is "process a queue" with the UTF-8 decoder and the error mode
// "replacement", from the byte at on.
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

// handle is the decoder's handler, given the queue and where its next byte is.
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

func textOf(text []character) string {
	var s []rune
	for _, c := range text {
		s = append(s, c.r)
	}
	return string(s)
}

// The oracle has to know the rules that the vectors are about before it can judge.
func TestOracleVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			got := oracle{}.read(v.bytes())
			v.compare(t, got.outcome)
			require.Len(t, got.ends, len(got.Events))
			require.True(t, slices.IsSorted(got.ends))
			if v.DispatchedBeforeEOF != nil {
				require.Len(t, got.Events, *v.DispatchedBeforeEOF)
			}
		})
	}
}

func TestOracleOffsets(t *testing.T) {
	tests := []struct {
		name, stream string
		ends         []int
		rest         int
	}{
		{"LF", "data: a\n\ndata: b\n\n", []int{9, 18}, 18},
		{"CR needs nothing after it", "data: a\r\r\n", []int{9}, 10},
		{"CRLF is over at its CR", "data: a\r\n\r\n", []int{10}, 11},
		{"byte order mark", "\uFEFFdata\n\nda", []int{9}, 9},
		{"ill-formed characters", "data: \xE2\x82\xFF\n\n", []int{11}, 11},
		{"no event", "id: 1\n\nevent: x\n", nil, 16},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := oracle{}.read([]byte(test.stream))
			require.Equal(t, test.ends, got.ends)
			require.Equal(t, test.rest, got.rest)
		})
	}
}

func TestOracleUTF8(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		want := []character{{r, utf8.RuneLen(r)}}
		if got := utf8Process([]byte(string(r)), 0); !slices.Equal(want, got) {
			require.Equal(t, want, got)
		}
	}
	// Tables 3-8 to 3-11 of the Unicode Standard.
	tests := []struct{ name, bytes, want string }{
		{"not the shortest form", "\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "????????A"},
		{"surrogates", "\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "????????A"},
		{"other bytes", "\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "?????A??B"},
		{"truncated", "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "????A"},
		{"truncated by the end", "a\xF0\x91\x92", "a?"},
		{"mark in the middle", "a\xEF\xBB\xBFb", "a\uFEFFb"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := strings.ReplaceAll(test.want, "?", "\uFFFD")
			require.Equal(t, want, textOf(utf8Process([]byte(test.bytes), 0)))
		})
	}
}

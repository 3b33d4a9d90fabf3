// Package spec interprets event streams by the letter of the standards: the UTF-8 decoder of
// the Encoding Standard, and the sections "Parsing an event stream" and "Interpreting an
// event stream" of WHATWG HTML.
//
// It is the reference for the tests and benchmarks of parsers. An [Oracle] carries out the
// steps one after the other over a whole stream; it is slow, and shares no code with the
// parser of package sse, so that the two do not make the same mistakes. The package also has
// the test vectors, the ways in which a stream can arrive, and a [Recorder] for what a parser
// reports.
package spec

import (
	"math"
	"math/big"
	"strings"
	"time"
)

// An Event is one dispatched event. It has the fields of sse.Event and converts to it.
type Event struct {
	Type, Data, ID string
}

// An Outcome is the result of interpreting a stream.
type Outcome struct {
	Events      []Event
	LastEventID string
	Retry       time.Duration // the reconnection time, if HasRetry
	HasRetry    bool
	Comments    []string
}

// An Oracle interprets event streams.
//
// It departs from the letter only where package sse does: an empty retry is ignored, a retry
// too large is clamped, the last event ID may start from a given value, and there may be a
// limit on the size of a block. The type of a block without data counts as an ignored line.
type Oracle struct {
	LastEventID string // the last event ID to start from
	Limit       int    // bytes of the largest block; 0 means no limit
}

// A Verdict is an outcome with the places in the stream that lead to it.
type Verdict struct {
	Outcome
	Ends     []int    // for each event, how many bytes of the stream lead to its dispatch
	Ignored  []string // the lines without effect, and the types of blocks without data
	Rest     int      // start of the line that the end of the stream cuts off
	TooLarge bool     // a block is over the limit; the rest of the stream is not interpreted
}

// Interpret carries out "Interpreting an event stream".
func (o Oracle) Interpret(stream []byte) Verdict {
	// "Streams must be decoded using the UTF-8 decode algorithm."
	text, bom := utf8Decode(stream)
	lines, rest := splitLines(text, bom)

	// "A data buffer, an event type buffer, and a last event ID buffer", all of them
	// initially empty, except for the ID to start from.
	s := interpretation{idBuffer: o.LastEventID}
	s.LastEventID = o.LastEventID
	s.Rest = rest

	// "Lines must be processed, in the order they are received."
	block := bom
	for _, l := range lines {
		if o.exceeds(l.to-block, l.text) {
			s.TooLarge = true
			return s.Verdict
		}
		s.line(l)
		if l.text == "" {
			block = l.next
		}
	}
	// "Once the end of the file is reached, any pending data must be discarded."
	s.TooLarge = o.exceeds(len(stream)-block, string(stream[rest:]))
	return s.Verdict
}

// exceeds reports whether a block whose lines up to this one have size bytes, with the line
// ends between them, is over the limit. The blank line that ends a block does not count.
func (o Oracle) exceeds(size int, line string) bool {
	return o.Limit > 0 && line != "" && size > o.Limit
}

// An interpretation is the state of the interpretation of a stream.
type interpretation struct {
	Verdict
	dataBuffer, typeBuffer, idBuffer string
}

// line processes one line.
func (s *interpretation) line(l line) {
	field, value, colon := strings.Cut(l.text, ":")
	switch {
	case l.text == "":
		// "If the line is empty: dispatch the event."
		s.dispatch(l)
	case colon && field == "":
		// "If the line starts with a U+003A COLON: ignore the line."
		s.Comments = append(s.Comments, strings.TrimPrefix(value, " "))
	case colon:
		// "If the line contains a U+003A COLON": the text before the first is the field, the
		// text after it the value; "if value starts with a U+0020 SPACE, remove it".
		s.field(l.text, field, strings.TrimPrefix(value, " "))
	default:
		// "Using the whole line as the field name, and the empty string as the value."
		s.field(l.text, l.text, "")
	}
}

// field carries out the steps to process the field.
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
			s.Ignored = append(s.Ignored, line)
			return
		}
		s.idBuffer = value
	case "retry":
		// "If the field value consists of only ASCII digits, interpret it as an integer
		// in base ten, and set the reconnection time to it. Otherwise, ignore the field."
		if value == "" || strings.Trim(value, "0123456789") != "" {
			s.Ignored = append(s.Ignored, line)
			return
		}
		s.Retry, s.HasRetry = clampedMilliseconds(value), true
	default:
		// "The field is ignored."
		s.Ignored = append(s.Ignored, line)
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

// dispatch carries out the steps to dispatch the event, at the blank line l.
func (s *interpretation) dispatch(l line) {
	// 1. "Set the last event ID string to the value of the last event ID buffer. The
	// buffer does not get reset."
	s.LastEventID = s.idBuffer
	// 2. "If the data buffer is an empty string, set the data buffer and the event type
	// buffer to the empty string and return."
	if s.dataBuffer == "" {
		if s.typeBuffer != "" {
			s.Ignored = append(s.Ignored, "event: "+s.typeBuffer)
		}
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
	s.Ends = append(s.Ends, l.ended)
}

// A line is a line of a stream and its place there, in bytes.
type line struct {
	text  string
	to    int // start of its line end
	ended int // how many bytes show that it has ended: a CR alone does
	next  int // start of the next line
}

// splitLines carries out "Parsing an event stream" for the text after the first begin bytes:
// "a CRLF pair, a single LF not preceded by CR, and a single CR not followed by LF" end a
// line. It returns the lines that have ended and the start of the one that has not.
func splitLines(text []character, begin int) (lines []line, rest int) {
	rest = begin
	var runes []rune
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c.r != '\r' && c.r != '\n' {
			runes = append(runes, c.r)
			continue
		}
		if c.r == '\r' && i+1 < len(text) && text[i+1].r == '\n' {
			i++
		}
		rest = text[i].end
		lines = append(lines, line{text: string(runes), to: c.end - 1, ended: c.end, next: rest})
		runes = nil
	}
	return lines, rest
}

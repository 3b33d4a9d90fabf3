package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Vector is a stream and what a parser must make of it. See testdata/README.md for the
// files that vectors come from.
type Vector struct {
	Name   string   // class/variation
	Why    string   // the rule it is about
	Chunks [][]byte // the bytes as they arrive

	Events      []Event
	LastEventID string
	Retry       *int64   // milliseconds; nil if the stream sets none
	RetryMin    *int64   // if not nil, any value from this one on is right in place of Retry
	Comments    []string // nil if they do not matter

	// DispatchedBeforeEOF is how many events must have been dispatched once all chunks have
	// been read, before the end of the stream is known; nil if that does not matter.
	DispatchedBeforeEOF *int
}

// Vectors reads the vectors of a directory, in which CLASS.json has those of one class, and
// adds those of the class size, which are too large for a file.
func Vectors(dir string) ([]Vector, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("spec: no vectors in %s", dir)
	}
	var all []Vector
	for _, name := range names {
		vectors, err := readVectors(name)
		if err != nil {
			return nil, fmt.Errorf("spec: %s: %w", name, err)
		}
		all = append(all, vectors...)
	}
	return append(all, sizeVectors()...), nil
}

func readVectors(name string) ([]Vector, error) {
	file, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	class := strings.TrimSuffix(filepath.Base(name), ".json")
	return parseVectors(class, file)
}

// parseVectors returns the vectors of a file. A key that it does not know is an error.
func parseVectors(class string, file []byte) ([]Vector, error) {
	var cases []struct {
		Name                string   `json:"name"`
		Why                 string   `json:"why"`
		Chunks              []chunk  `json:"chunks"`
		Events              []Event  `json:"events"`
		LastEventID         string   `json:"lastEventID"`
		RetryMS             *int64   `json:"retryMs"`
		RetryMSAtLeast      *int64   `json:"retryMsAtLeast"`
		Comments            []string `json:"comments"`
		DispatchedBeforeEOF *int     `json:"dispatchedBeforeEOF"`
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&cases); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	var all []Vector
	for _, c := range cases {
		v := Vector{
			Name:   class + "/" + c.Name,
			Why:    c.Why,
			Events: c.Events, LastEventID: c.LastEventID,
			Retry: c.RetryMS, RetryMin: c.RetryMSAtLeast,
			Comments: c.Comments, DispatchedBeforeEOF: c.DispatchedBeforeEOF,
		}
		for _, chunk := range c.Chunks {
			v.Chunks = append(v.Chunks, chunk)
		}
		all = append(all, v)
	}
	return all, nil
}

// A chunk is a string, or {"bytes": s} with one character up to U+00FF for each byte.
type chunk []byte

func (c *chunk) UnmarshalJSON(value []byte) error {
	var text string
	if err := json.Unmarshal(value, &text); err == nil {
		*c = []byte(text)
		return nil
	}
	var object struct {
		Bytes *string `json:"bytes"`
	}
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(&object); err != nil {
		return err
	}
	if object.Bytes == nil {
		return fmt.Errorf("chunk %s has no bytes", value)
	}
	*c = chunk{}
	for _, r := range *object.Bytes {
		if r > 0xFF {
			return fmt.Errorf("%q in chunk %s is not a byte", r, value)
		}
		*c = append(*c, byte(r))
	}
	return nil
}

// sizeVectors returns the vectors of the class size.
func sizeVectors() []Vector {
	const why = "the standard sets no bound on a line"
	whole := func(name, stream string, events ...Event) Vector {
		return Vector{Name: "size/" + name, Why: why, Chunks: [][]byte{[]byte(stream)}, Events: events}
	}
	data := func(data string) Event { return Event{Type: "message", Data: data} }
	a4089, b65530 := strings.Repeat("a", 4089), strings.Repeat("b", 65530)
	digits, id := strings.Repeat("0123456789", 10_000), strings.Repeat("9", 5000)
	typ := strings.Repeat("t", 9000)

	chunked := whole("line-100000-in-chunks", "", data(digits))
	chunked.Chunks = slices.Collect(slices.Chunk([]byte("data: "+digits+"\n\n"), 1000))
	chunked.DispatchedBeforeEOF = new(1)

	withID := whole("id-5000", "id: "+id+"\ndata: x\n\n", Event{Type: "message", Data: "x", ID: id})
	withID.LastEventID = id

	lines := whole("many-data-lines", strings.Repeat("data: line\n", 2000)+"\n",
		data(strings.TrimSuffix(strings.Repeat("line\n", 2000), "\n")))
	lines.Why = "the standard sets no bound on an event"

	var stream strings.Builder
	var events []Event
	for i := range 300 {
		fmt.Fprintf(&stream, "id: %d\ndata: %d\n\n", i, i*i)
		events = append(events, Event{Type: "message", Data: fmt.Sprint(i * i), ID: fmt.Sprint(i)})
	}
	many := whole("many-events", stream.String(), events...)
	many.LastEventID = "299"
	many.DispatchedBeforeEOF = new(300)

	return []Vector{
		whole("line-4096", "data: "+a4089+"\n\n", data(a4089)),
		whole("line-4097-crlf", "data: "+a4089+"a\r\n\r\n", data(a4089+"a")),
		whole("line-64k", "data: "+b65530+"\n\ndata: x\n\n", data(b65530), data("x")),
		chunked,
		whole("comment-70000", ":"+strings.Repeat("c", 70_000)+"\ndata: x\n\n", data("x")),
		whole("unknown-field-70000", "foo: "+strings.Repeat("d", 70_000)+"\ndata: x\n\n", data("x")),
		withID,
		lines,
		many,
		whole("long-event-type", "event: "+typ+"\ndata: x\n\n", Event{Type: typ, Data: "x"}),
	}
}

// Bytes returns the whole stream.
func (v Vector) Bytes() []byte { return bytes.Join(v.Chunks, nil) }

// Check returns an error if got is not what the vector says.
func (v Vector) Check(got Outcome) error {
	want := Outcome{Events: v.Events, LastEventID: v.LastEventID, Comments: trimSpaces(v.Comments)}
	got.Comments = trimSpaces(got.Comments)
	if v.Comments == nil {
		want.Comments = got.Comments
	}
	if ms := cmp.Or(v.RetryMin, v.Retry); ms != nil {
		want.Retry, want.HasRetry = time.Duration(*ms)*time.Millisecond, true
	}
	if v.RetryMin != nil {
		want.Retry = max(want.Retry, got.Retry)
	}
	return want.check(got)
}

// trimSpaces drops one leading space of each comment: no vector depends on it.
func trimSpaces(comments []string) []string {
	trimmed := slices.Clone(comments)
	for i, c := range trimmed {
		trimmed[i] = strings.TrimPrefix(c, " ")
	}
	return trimmed
}

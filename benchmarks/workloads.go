package benchmarks

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// An Event is an event of a workload, as a parser must report it.
type Event struct{ Type, Data, ID string }

// A Workload is a stream of one kind of event.
type Workload struct {
	Name   string
	Note   string
	Stream []byte
	Count  int               // number of events
	Event  func(i int) Event // returns event i; stored events would slow down the garbage collector
	EOL    byte              // last byte of each line, for the floor
	IDs    bool              // the events have IDs
}

// Workloads returns the streams for the measurements of parsers. Each has about 256 KiB,
// or two events of the largest size.
func Workloads() []Workload {
	openai := plain("openai", "data only, 320 B", 320, "\n")
	crlf := plain("crlf", "openai with CRLF", 320, "\r\n")
	cr := plain("cr", "openai with CR", 320, "\r")
	cr.EOL = '\r'
	return []Workload{
		openai,
		anthropic(),
		ticks(),
		plain("64KiB", "events of 64 KiB", 64<<10, "\n"),
		plain("1MiB", "events of 1 MiB", 1<<20, "\n"),
		thousandLines(),
		comments(),
		crlf,
		cr,
		cjk(),
	}
}

// Large returns a stream of one event of 8 MiB.
func Large() Workload {
	w := Workload{Name: "8MiB", Note: "one event of 8 MiB", EOL: '\n'}
	data := text(8<<20 - len("data: \n\n"))
	w.repeat(Event{Type: "message", Data: data}, "data: "+data+"\n\n", 1)
	return w
}

const corpus = 256 << 10

// repeat sets the stream of w to n equal events.
func (w *Workload) repeat(e Event, block string, n int) {
	w.Count = n
	w.Event = func(int) Event { return e }
	w.Stream = []byte(strings.Repeat(block, n))
}

// plain returns a stream of events that have only data. With LF as line end, each event
// has size bytes.
func plain(name, note string, size int, eol string) Workload {
	w := Workload{Name: name, Note: note, EOL: '\n'}
	data := text(size - len("data: \n\n"))
	w.repeat(Event{Type: "message", Data: data}, "data: "+data+eol+eol, max(2, corpus/size))
	return w
}

func anthropic() Workload {
	const head = "event: content_block_delta\ndata: "
	w := Workload{Name: "anthropic", Note: "event and data, 125 B", EOL: '\n'}
	data := text(125 - len(head) - len("\n\n"))
	w.repeat(Event{Type: "content_block_delta", Data: data}, head+data+"\n\n", corpus/125)
	return w
}

func ticks() Workload {
	w := Workload{Name: "ticks", Note: "id and 8 B of data", EOL: '\n', IDs: true}
	w.Event = func(i int) Event {
		return Event{Type: "message", Data: text(8), ID: fmt.Sprintf("%07d", i)}
	}
	for ; len(w.Stream) < corpus; w.Count++ {
		e := w.Event(w.Count)
		w.Stream = fmt.Appendf(w.Stream, "id: %s\ndata: %s\n\n", e.ID, e.Data)
	}
	return w
}

func thousandLines() Workload {
	w := Workload{Name: "1000lines", Note: "1,000 lines of 40 B each", EOL: '\n'}
	line := text(40)
	data := strings.TrimSuffix(strings.Repeat(line+"\n", 1000), "\n")
	block := strings.Repeat("data: "+line+"\n", 1000) + "\n"
	w.repeat(Event{Type: "message", Data: data}, block, corpus/len(block))
	return w
}

func comments() Workload {
	w := Workload{Name: "comments", Note: "nine comments to one event", EOL: '\n'}
	data := text(40)
	block := strings.Repeat(": keep-alive\n\n", 9) + "data: " + data + "\n\n"
	w.repeat(Event{Type: "message", Data: data}, block, corpus/len(block))
	return w
}

func cjk() Workload {
	w := Workload{Name: "cjk", Note: "Chinese text, 320 B", EOL: '\n'}
	data := strings.Repeat("事件流的數據", 18)[:312]
	w.repeat(Event{Type: "message", Data: data}, "data: "+data+"\n\n", corpus/320)
	return w
}

// text returns JSON-like text of n bytes without a line end.
func text(n int) string {
	const piece = `{"index":0,"delta":{"content":"the quick brown fox"}},`
	return strings.Repeat(piece, n/len(piece)+1)[:n]
}

// A Reads is a maximum number of bytes per read.
type Reads struct {
	Name string
	Size int
}

// ReadSizes returns the sizes of reads for the measurements of parsers.
func ReadSizes() []Reads {
	return []Reads{
		{"whole", math.MaxInt},
		{"64KiB", 64 << 10},
		{"4KiB", 4 << 10},
		{"37B", 37},
		{"1B", 1},
	}
}

// A Reader reads from a stream, with a limit on the size of each read.
type Reader struct {
	rest  []byte
	size  int
	until time.Time // deadline; zero means none
	reads int
	cut   bool // the deadline has passed
}

// NewReader returns a Reader that reads at most size bytes of stream at a time.
func NewReader(stream []byte, size int) *Reader { return &Reader{rest: stream, size: size} }

var errCut = errors.New("too slow")

func (r *Reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	if !r.until.IsZero() {
		if r.reads++; r.reads%64 == 0 && time.Now().After(r.until) {
			r.cut = true
			return 0, errCut
		}
	}
	n := copy(p[:min(len(p), r.size)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

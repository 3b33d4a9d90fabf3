package sse

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// An Event is one dispatched event of an event stream. It owns its strings.
type Event struct {
	Type string // the event field, or "message" when the block names none
	Data string // the data lines joined with "\n", no trailing newline, valid UTF-8
	ID   string // the last event ID in force when the event was dispatched
}

// ErrEventTooLarge reports a block over the limit of [WithMaxEventSize].
var ErrEventTooLarge = errors.New("sse: event too large")

// A Parser reads events from a byte stream. It follows the sections "Parsing an
// event stream" and "Interpreting an event stream" of the WHATWG HTML standard.
//
// An event is handed over at its blank line, without waiting for another byte.
// A block that the stream leaves unfinished is discarded, as the standard says.
// A Parser is for one goroutine.
type Parser struct {
	r   io.Reader
	max int // bytes of one block
	err error

	// The bytes at hand: 0 <= block <= pos <= lf, cr, high <= end <= len(buf), but lf,
	// cr and high may lag behind until parse looks again.
	// Keeping a whole block in one piece makes its size a subtraction and lets
	// its data be joined where it lies.
	buf     []byte
	waiting []byte // is buf while the stream waits for an event
	block   int    // start of the block under way
	pos     int    // start of the line under way
	lf, cr  int    // next LF and next CR from pos on; end if there is none so far
	high    int    // next non-ASCII byte from block on, likewise
	end     int    // end of the bytes read
	large   bool   // the last block was: another one may follow
	readErr error  // what the last read returned; counts when the bytes are used up
	start   bool   // nothing but a possible byte order mark has been seen
	afterCR bool   // the last byte read was a CR: an LF that follows belongs to it

	// The block under way.
	hasData  bool
	from, to int    // its data, joined, is buf[from:to]
	newType  string // its event field
	hasID    bool   // it has a valid id field,
	newID    []byte // with this value

	// The event that Next dispatched.
	data  []byte // nil if there is none
	typ   string
	fixed []byte // holds the data when ill-formed UTF-8 had to be replaced

	// What outlives events.
	lastID    []byte
	lastIDStr string // lastID as a string, if idFresh
	idFresh   bool
	types     map[string]string // types seen, so that a repeated one costs nothing
	retry     time.Duration
	hasRetry  bool
	trace     *Trace
	ranged    bool // an iterator was run
}

const (
	waitSize  = 512      // the buffer of a stream that waits for an event
	workSize  = 16 << 10 // the buffer of a stream whose bytes flow
	keepSize  = 64 << 10 // a larger buffer is dropped when it is not needed again
	maxTypes  = 64       // types remembered, of at most
	maxType   = 64       // so many bytes
	maxShown  = 1 << 10  // bytes of an ignored line that a hook sees
	maxJoined = 1 << 10  // data up to this size shares an allocation with its ID
	maxEmpty  = 100      // reads in a row that may return nothing
)

// NewParser returns a Parser that reads from r. It heeds [WithMaxEventSize],
// [WithLastEventID] and [WithTrace] and ignores the other options; a bad value
// makes Next return false and is the error of Err.
func NewParser(r io.Reader, opts ...Option) *Parser {
	cfg := newConfig(opts...)
	p := new(Parser)
	p.init(cfg)
	p.reset(r)
	p.err = cfg.validate()
	if r == nil {
		p.err = errors.New("sse: NewParser: the reader is nil")
	}
	return p
}

func (p *Parser) init(cfg *config) {
	p.max = cfg.maxEventSize
	p.trace = cfg.trace
	p.lastID = []byte(cfg.lastEventID)
	p.lastIDStr, p.idFresh = cfg.lastEventID, true
}

// reset makes p read a new stream from r: what belongs to the old one goes, the
// last event ID and the reconnection time stay.
func (p *Parser) reset(r io.Reader) {
	p.r, p.err, p.readErr = r, nil, nil
	p.block, p.pos, p.lf, p.cr, p.high, p.end = 0, 0, 0, 0, 0, 0
	p.start, p.afterCR = true, false
	p.clearBlock()
	p.data, p.typ = nil, ""
	p.buf = nil // and not to the pool: the caller may still look at the last event
	p.shrink()
}

// Next reads up to the next event and reports whether there is one. It blocks
// while the reader does. After it has returned false it does so for ever, and
// [Parser.Err] says why.
func (p *Parser) Next() bool {
	p.data, p.typ = nil, ""
	for p.err == nil {
		if p.parse() {
			return true
		}
		if p.err == nil {
			p.fill()
		}
	}
	return false
}

// parse interprets the lines at hand up to the next event and reports whether it found
// one. However the stream was cut, every byte is searched once for LF, once for CR and
// once for non-ASCII: lf, cr and high remember how far the searches have come.
func (p *Parser) parse() bool {
	buf := p.buf[:p.end]
	for p.pos < len(buf) {
		from := p.pos
		to := from
		if c := buf[from]; c != '\n' && c != '\r' { // a blank line needs no search
			if p.lf < from {
				p.lf = index(buf, from, '\n')
			}
			if p.cr < from {
				p.cr = index(buf, from, '\r')
			}
			to = min(p.lf, p.cr)
		}
		if to == len(buf) {
			return false
		}
		p.pos = to + 1
		if buf[to] == '\r' {
			p.skipLF()
		}
		switch line := buf[from:to]; {
		case from == to:
			if p.dispatch() {
				return true
			}
		case to-p.block > p.max:
			p.fail()
			return false
		case hasPrefix(line, "data:"):
			p.addData(from+valueAt(line, len("data:")), to)
		case hasPrefix(line, "event:"):
			p.newType = p.intern(line[valueAt(line, len("event:")):])
		case hasPrefix(line, "id:"):
			p.addID(line, line[valueAt(line, len("id:")):])
		default:
			p.field(line, to)
		}
	}
	return false
}

// index returns where c is next in b, looking from from on, or the length of b.
func index(b []byte, from int, c byte) int {
	if i := bytes.IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// skipLF steps over the LF of a CRLF. If it is not there yet, fill will do so.
func (p *Parser) skipLF() {
	if p.pos == p.end {
		p.afterCR = true
	} else if p.buf[p.pos] == '\n' {
		p.pos++
	}
}

func hasPrefix(line []byte, name string) bool {
	return len(line) >= len(name) && string(line[:len(name)]) == name
}

// valueAt returns where the value starts in line, whose first colon is at i-1.
func valueAt(line []byte, i int) int {
	if i < len(line) && line[i] == ' ' {
		i++
	}
	return i
}

// field interprets the lines that are not the everyday ones.
func (p *Parser) field(line []byte, to int) {
	switch {
	case line[0] == ':':
		if p.trace != nil && p.trace.Comment != nil {
			p.trace.Comment(validString(line[valueAt(line, 1):]))
		}
	case string(line) == "data":
		p.addData(to, to)
	case string(line) == "event":
		p.newType = ""
	case string(line) == "id":
		p.addID(line, nil)
	case hasPrefix(line, "retry:"):
		d, ok := parseRetry(line[valueAt(line, len("retry:")):])
		if !ok {
			p.ignore(line)
			return
		}
		p.retry, p.hasRetry = d, true
	default:
		p.ignore(line)
	}
}

// addID notes the ID of the block, unless it has a NUL.
func (p *Parser) addID(line, id []byte) {
	if bytes.IndexByte(id, 0) >= 0 {
		p.ignore(line)
		return
	}
	p.newID, p.hasID = append(p.newID[:0], id...), true
}

func (p *Parser) ignore(line []byte) {
	if p.trace != nil && p.trace.Ignored != nil {
		p.trace.Ignored(validString(line[:min(len(line), maxShown)]))
	}
}

// addData appends the data line buf[from:to] to the data of the block. The data
// is joined in place: it never grows past the line it comes from.
func (p *Parser) addData(from, to int) {
	if !p.hasData {
		p.hasData, p.from, p.to = true, from, to
		return
	}
	p.buf[p.to] = '\n'
	p.to++
	p.to += copy(p.buf[p.to:], p.buf[from:to])
}

// dispatch ends the block at its blank line and reports whether it is an event.
func (p *Parser) dispatch() bool {
	if p.hasID {
		p.commitID()
	}
	if p.hasData {
		p.data = p.buf[p.from:p.to:p.to]
		if p.high < p.pos {
			p.data = p.valid(p.data)
		}
		p.typ = p.newType
		if p.typ == "" {
			p.typ = "message"
		}
	}
	p.clearBlock()
	p.large = p.pos-p.block > keepSize/2
	p.block = p.pos
	return p.data != nil
}

func (p *Parser) commitID() {
	if p.high < p.pos && !utf8.Valid(p.newID) {
		p.newID = appendValid(nil, p.newID)
	}
	if !bytes.Equal(p.newID, p.lastID) {
		p.lastID, p.newID = p.newID, p.lastID
		p.idFresh = false
	}
}

func (p *Parser) clearBlock() {
	p.hasData, p.newType, p.hasID = false, "", false
}

// valid returns the data b with ill-formed UTF-8 replaced. Decoding it once per event
// is decoding the stream: no character reaches over a line end.
func (p *Parser) valid(b []byte) []byte {
	p.high = nonASCII(p.buf[:p.end], p.pos)
	if isValid(b) {
		return b
	}
	p.fixed = appendValid(p.fixed[:0], b)
	return p.fixed
}

// intern returns b as a string, without allocating for a type seen before.
func (p *Parser) intern(b []byte) string {
	if s, ok := p.types[string(b)]; ok {
		return s
	}
	s := validString(b)
	if len(b) <= maxType && len(p.types) < maxTypes && len(s) == len(b) {
		if p.types == nil {
			p.types = make(map[string]string)
		}
		p.types[s] = s
	}
	return s
}

// fill reads once. When it returns, there are more bytes at hand or err is set.
func (p *Parser) fill() {
	switch {
	case p.pos < p.end && p.end-p.block > p.max && !p.start:
		p.fail()
		return
	case p.readErr == io.EOF:
		p.err = io.EOF
		return
	case p.readErr != nil:
		p.err = fmt.Errorf("sse: read: %w", p.readErr)
		return
	}
	p.makeRoom()
	n, err := p.read()
	p.readErr = err
	if n > 0 {
		p.take(n)
	}
}

// take adds the n bytes that were read to those at hand, and searches them.
func (p *Parser) take(n int) {
	old := p.end
	p.end += n
	buf := p.buf[:p.end]
	if p.afterCR && buf[old] == '\n' {
		p.pos++
		if p.block == old {
			p.block++
		}
	}
	p.afterCR = false
	if p.start {
		p.skipBOM()
	}
	if n == 1 && buf[old] > '\r' && buf[old] < utf8.RuneSelf { // it needs no search
		old++
		p.lf, p.cr, p.high = past(p.lf, old), past(p.cr, old), past(p.high, old)
		return
	}
	if p.lf == old {
		p.lf = index(buf, old, '\n')
	}
	if p.cr == old {
		p.cr = index(buf, old, '\r')
	}
	if p.high == old {
		p.high = nonASCII(buf, old)
	}
}

// past returns i, or end if that is the byte after it.
func past(i, end int) int {
	if i == end-1 {
		return end
	}
	return i
}

// read reads into the free end of the buffer.
func (p *Parser) read() (int, error) {
	free := p.buf[p.end:]
	for range maxEmpty {
		n, err := p.r.Read(free)
		if n < 0 || n > len(free) {
			return 0, errors.New("the reader returned an impossible count")
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// skipBOM drops one byte order mark at the start of the stream, once enough of
// it has come to tell.
func (p *Parser) skipBOM() {
	const bom = "\xEF\xBB\xBF"
	head := string(p.buf[:min(p.end, len(bom))])
	switch {
	case head == bom:
		p.block, p.pos = len(bom), len(bom)
		p.start = false
	case !strings.HasPrefix(bom, head):
		p.start = false
	}
}

// makeRoom makes room for a read behind the block under way. Between events a stream may
// wait for hours, so it does that in a small buffer; the working one comes from a pool
// when bytes flow. A byte is moved to the front only when that frees at least as much as
// it moves, and the buffer doubles otherwise, so the work stays linear even if every read
// brings one byte.
func (p *Parser) makeRoom() {
	size, pending := len(p.buf), p.end-p.block
	if pending < waitSize {
		p.shrink()
	}
	switch {
	case pending == 0:
		p.use(waitSize)
	case size > keepSize && pending < waitSize && !p.large:
		p.use(workSize)
	case size-p.end < size/8 && p.block >= size/2:
		p.move(p.buf)
	case size-p.end >= size/8: // less than that is not worth a read
	case size < workSize:
		p.use(workSize)
	case size <= p.max/2:
		p.move(make([]byte, 2*size))
	case size < p.max+waitSize: // as much as a block within the limit needs
		p.move(make([]byte, p.max+waitSize))
	default:
		p.move(p.buf)
	}
}

// workBuffers has the buffers of streams that are busy, for those that become so.
var workBuffers = sync.Pool{New: func() any { return new([workSize]byte) }}

// use takes the waiting or the working buffer in place of the one in use, which nobody
// reads any more: this is within a call of Next.
func (p *Parser) use(size int) {
	old := p.buf
	switch {
	case len(old) == size:
		p.move(old)
		return
	case size == workSize:
		p.move(workBuffers.Get().(*[workSize]byte)[:])
	case p.waiting == nil:
		p.waiting = make([]byte, waitSize)
		fallthrough
	default:
		p.move(p.waiting)
	}
	if len(old) == workSize {
		workBuffers.Put((*[workSize]byte)(old))
	}
}

// move moves the block under way to the front of buf, which becomes the buffer.
func (p *Parser) move(buf []byte) {
	d := p.block
	if d > 0 || len(buf) != len(p.buf) {
		copy(buf, p.buf[d:p.end])
	}
	p.buf = buf
	p.block, p.pos, p.end = 0, p.pos-d, p.end-d
	p.lf, p.cr, p.high = p.lf-d, p.cr-d, p.high-d
	p.from, p.to = p.from-d, p.to-d
}

// shrink lets go of what a large event has left behind.
func (p *Parser) shrink() {
	if cap(p.fixed) > keepSize {
		p.fixed = nil
	}
	if cap(p.newID) > keepSize && !p.hasID {
		p.newID = nil
	}
	if cap(p.lastID) > keepSize && len(p.lastID) < keepSize/2 {
		p.lastID = bytes.Clone(p.lastID)
	}
}

func (p *Parser) fail() {
	p.err = fmt.Errorf("%w: its block is over %d bytes, see WithMaxEventSize", ErrEventTooLarge, p.max)
}

// Event returns the event of the last call of [Parser.Next], a copy that the
// caller may keep. It allocates once. Without an event it is the zero Event.
func (p *Parser) Event() Event {
	if p.data == nil {
		return Event{}
	}
	if p.idFresh || len(p.data) > maxJoined {
		return Event{Type: p.typ, Data: string(p.data), ID: p.LastEventID()}
	}
	// A new ID lies behind the data in the same string. Not so for large data,
	// which an ID that is kept must not keep in memory.
	var b strings.Builder
	b.Grow(len(p.data) + len(p.lastID))
	b.Write(p.data)
	b.Write(p.lastID)
	both := b.String()
	p.lastIDStr, p.idFresh = both[len(p.data):], true
	return Event{Type: p.typ, Data: both[:len(p.data)], ID: p.lastIDStr}
}

// Data returns the data of the last event without a copy. The bytes are the
// parser's: they are valid until the next call of [Parser.Next]. Without an event
// they are nil.
func (p *Parser) Data() []byte { return p.data }

// Type returns the type of the last event, "message" if its block names none, or
// "" without an event.
func (p *Parser) Type() string { return p.typ }

// LastEventID returns the last event ID: what the most recent id field set or
// cleared whose block has ended, with data or without.
func (p *Parser) LastEventID() string {
	if !p.idFresh {
		p.lastIDStr, p.idFresh = string(p.lastID), true
	}
	return p.lastIDStr
}

// Retry returns the reconnection time that the stream set last, and whether it
// set any. The value is as sent, up to the largest Duration.
func (p *Parser) Retry() (time.Duration, bool) { return p.retry, p.hasRetry }

// Err returns what ended the events: nil after a clean end or as long as Next
// returns true, an error that wraps [ErrEventTooLarge] for a block over the limit,
// otherwise one that wraps what the reader returned.
func (p *Parser) Err() error {
	if p.err == io.EOF {
		return nil
	}
	return p.err
}

// Events returns an iterator over the events. At most one error comes, as the last
// pair and beside a zero Event. It can be ranged over once; a further time yields
// one error.
func (p *Parser) Events() iter.Seq2[Event, error] {
	return each(p, func() (Event, error) { return p.Event(), nil })
}

func (p *Parser) claim() bool {
	first := !p.ranged
	p.ranged = true
	return first
}

func (p *Parser) leave() {}

// partial returns the block that the end of the stream has left unfinished, with
// the data of its unfinished line, and whether data of it had begun to arrive.
func (p *Parser) partial() (Event, bool) {
	rest := p.buf[p.pos:p.end]
	cut := len(rest) > 0 && strings.HasPrefix("data", string(rest[:min(len(rest), len("data:"))]))
	if hasPrefix(rest, "data:") {
		p.addData(p.pos+valueAt(rest, len("data:")), p.end)
	}
	if !p.hasData && !p.hasID && p.newType == "" {
		return Event{}, cut
	}
	e := Event{Type: cmp.Or(p.newType, "message"), ID: p.LastEventID()}
	if p.hasData {
		e.Data = validString(p.buf[p.from:p.to])
	}
	if p.hasID {
		e.ID = validString(p.newID)
	}
	return e, p.hasData || cut
}

// parseRetry returns the reconnection time of a retry field, which is given in
// milliseconds. What a Duration cannot hold becomes the largest one.
func parseRetry(digits []byte) (time.Duration, bool) {
	const limit = math.MaxInt64 / int64(time.Millisecond)
	ms := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		ms = min(ms*10+int64(c-'0'), limit)
	}
	return time.Duration(ms) * time.Millisecond, len(digits) > 0
}

// nonASCII returns where the next byte outside of ASCII is in b, looking from from on,
// or the length of b. It looks at 32 bytes a step.
func nonASCII(b []byte, from int) int {
	const ones = 0x8080808080808080
	i := from
	for ; i+32 <= len(b); i += 32 {
		s := b[i : i+32]
		if (binary.NativeEndian.Uint64(s)|binary.NativeEndian.Uint64(s[8:])|
			binary.NativeEndian.Uint64(s[16:])|binary.NativeEndian.Uint64(s[24:]))&ones != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] >= utf8.RuneSelf {
			return i
		}
	}
	return len(b)
}

// isValid is utf8.Valid, three to four times as fast on text in which runs of 3-byte
// characters are common, as they are in Chinese, Japanese and Korean.
func isValid(b []byte) bool {
	for {
		b = b[nonASCII(b, 0):]
		if len(b) == 0 {
			return true
		}
		n := threeByteRun(b)
		if n == 0 {
			var r rune
			if r, n = utf8.DecodeRune(b); r == utf8.RuneError && n == 1 {
				return false
			}
		}
		b = b[n:]
	}
}

// threeByteRun returns the length of a run of 3-byte characters at the start of b,
// which it takes eight at a time. It leaves those whose lead byte is E0 or ED to others:
// their second byte has a range of its own.
func threeByteRun(b []byte) int {
	const (
		mask  = 0x00C0C0F0_C0C0F0 // of two characters, the first byte lowest,
		value = 0x008080E0_8080E0 // and what they are
		other = 1<<0x0 | 1<<0xD
	)
	n := 0
	for ; n+26 <= len(b); n += 24 {
		c := b[n : n+26]
		w := binary.LittleEndian.Uint64(c)
		x := binary.LittleEndian.Uint64(c[6:])
		y := binary.LittleEndian.Uint64(c[12:])
		z := binary.LittleEndian.Uint64(c[18:])
		shape := (w&mask ^ value) | (x&mask ^ value) | (y&mask ^ value) | (z&mask ^ value)
		leads := other>>(w&15) | other>>(w>>24&15) | other>>(x&15) | other>>(x>>24&15) |
			other>>(y&15) | other>>(y>>24&15) | other>>(z&15) | other>>(z>>24&15)
		if shape != 0 || leads&1 != 0 {
			break
		}
	}
	return n
}

func validString(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string(appendValid(nil, b))
}

// appendValid appends src to dst as the UTF-8 decoder of the Encoding Standard
// reads it: each maximal part of an ill-formed sequence becomes one U+FFFD. The
// functions of the standard library replace every byte, or whole runs.
func appendValid(dst, src []byte) []byte {
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n == 1 {
			n = illFormed(src)
			dst = append(dst, "\uFFFD"...)
		} else {
			dst = append(dst, src[:n]...)
		}
		src = src[n:]
	}
	return dst
}

// illFormed returns the length of the maximal part of the ill-formed sequence at
// the start of b: as many bytes as could begin a character, and at least one.
// The ranges are those of the Unicode Standard's table of well-formed UTF-8.
func illFormed(b []byte) int {
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

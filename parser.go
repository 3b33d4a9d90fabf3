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
	"math/bits"
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
	waiting []byte  // is buf while the stream waits for an event
	pooled  *[]byte // is buf while bytes flow; nil if buf goes to no pool
	block   int     // start of the block under way
	pos     int     // start of the line under way
	lf, cr  int     // next LF and next CR from pos on; end if there is none so far
	high    int     // next non-ASCII byte from block on, likewise
	end     int     // end of the bytes read
	readErr error   // what the last read returned; counts when the bytes are used up
	start   bool    // nothing but a possible byte order mark has been seen
	afterCR bool    // the last byte read was a CR: an LF that follows belongs to it

	// The block under way, or the one that Next has dispatched. Setting a pointer for each
	// event would cost more than all the rest while the garbage collector is at work.
	hasData    bool
	dispatched bool
	from, to   int  // its data, joined, is buf[from:to],
	replaced   bool // or fixed, when ill-formed UTF-8 had to be replaced
	fixed      []byte
	typ        string // its event field
	hasID      bool   // it has a valid id field,
	newID      []byte // with this value

	// What outlives events.
	lastID    []byte
	lastIDStr string // lastID as a string, if idFresh
	idFresh   bool
	types     map[string]string // types seen, so that a repeated one costs nothing
	lastType  string            // one of them
	retry     time.Duration
	hasRetry  bool
	ignored   [][]byte // the last lines without effect of this stream
	trace     *Trace
	ranged    bool // an iterator was run
}

const (
	waitSize  = 512      // the buffer of a stream that waits for an event
	workSize  = 16 << 10 // the least buffer of a stream whose bytes flow
	keepSize  = 64 << 10 // what a large event has left behind goes if it is larger
	maxTypes  = 64       // types remembered, of at most
	maxType   = 64       // so many bytes
	maxShown  = 1 << 10  // bytes of an ignored line that are shown
	maxKept   = 8        // ignored lines that are kept
	maxJoined = 1 << 10  // data up to this size shares an allocation with its ID
	maxEmpty  = 100      // reads in a row that may return nothing
)

// NewParser returns a Parser that reads from r. It heeds [WithMaxEventSize],
// [WithLastEventID] and [WithTrace]; the other options have no effect. A bad value of
// any makes Next return false and is the error of Err.
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
	p.max = min(cfg.maxEventSize, math.MaxInt/2) // so that sums do not overflow
	p.trace = cfg.trace
	p.lastID = []byte(cfg.lastEventID)
	p.lastIDStr, p.idFresh = cfg.lastEventID, true
}

// reset makes p read a new stream from r: what belongs to the old one goes, the
// last event ID and the reconnection time stay.
func (p *Parser) reset(r io.Reader) {
	p.release()
	p.r, p.err, p.readErr = r, nil, nil
	p.start, p.afterCR = true, false
	p.ignored = nil
}

// release lets go of the bytes at hand, which nobody reads any more: this is within a
// call of Next. A reader that has failed may have left somebody behind who still writes.
func (p *Parser) release() {
	p.clearBlock()
	p.block, p.pos, p.lf, p.cr, p.high, p.end = 0, 0, 0, 0, 0, 0
	if p.readErr == nil || p.readErr == io.EOF {
		giveBack(p.pooled)
	} else {
		p.waiting = nil
	}
	p.buf, p.pooled, p.fixed = nil, nil, nil
}

// keep leaves the data of the last event to a caller who may still look at it, when
// something other than Next ends the stream.
func (p *Parser) keep() { p.pooled = nil }

// Next reads up to the next event and reports whether there is one. It blocks
// while the reader does. After it has returned false it does so for ever, and
// [Parser.Err] says why.
func (p *Parser) Next() bool {
	if p.next() {
		return true
	}
	p.release()
	return false
}

// next is Next, but keeps what the end of the stream has left unfinished.
func (p *Parser) next() bool {
	p.clearBlock()
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
				p.lf = len(buf) // as index does, which is not inlined: every line comes here
				if i := bytes.IndexByte(buf[from:], '\n'); i >= 0 {
					p.lf = from + i
				}
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
			p.typ = p.intern(line[valueAt(line, len("event:")):])
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
		p.typ = ""
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
	if cap(p.newID) > keepSize && len(id) <= keepSize { // it was for a larger one of this block
		p.newID = nil
	}
	p.newID, p.hasID = append(p.newID[:0], id...), true
}

func (p *Parser) ignore(line []byte) {
	line = line[:min(len(line), maxShown)]
	if p.trace != nil && p.trace.Ignored != nil {
		p.trace.Ignored(validString(line))
	}
	p.keepIgnored(line)
}

// keepIgnored keeps a line that may explain how the stream ends: some servers report an
// error in a way that is no event.
func (p *Parser) keepIgnored(line []byte) {
	if len(p.ignored) < maxKept {
		p.ignored = append(p.ignored, bytes.Clone(line))
		return
	}
	oldest := p.ignored[0]
	copy(p.ignored, p.ignored[1:])
	p.ignored[maxKept-1] = append(oldest[:0], line...)
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
	p.block = p.pos
	if !p.hasData {
		p.clearBlock()
		return false
	}
	p.dispatched = true
	if p.high < p.pos {
		p.replace()
	}
	return true
}

func (p *Parser) commitID() {
	if p.high < p.pos && !utf8.Valid(p.newID) {
		p.newID = appendValid(nil, p.newID)
	}
	if !bytes.Equal(p.newID, p.lastID) {
		p.lastID, p.newID = p.newID, p.lastID
		p.idFresh = false
	}
	if cap(p.newID) > keepSize {
		p.newID = nil
	}
}

func (p *Parser) clearBlock() {
	p.hasData, p.hasID, p.dispatched, p.replaced = false, false, false, false
	if p.typ != "" {
		p.typ = ""
	}
}

// replace replaces ill-formed UTF-8 in the data. Decoding it once per event is decoding
// the stream: no character reaches over a line end.
func (p *Parser) replace() {
	p.high = nonASCII(p.buf[:p.end], p.pos)
	if data := p.buf[p.from:p.to]; !isValid(data) {
		p.fixed, p.replaced = appendValid(p.fixed[:0], data), true
	}
}

// intern returns b as a string, without allocating for a type seen before.
func (p *Parser) intern(b []byte) string {
	if string(b) == p.lastType { // most are, and looking it up takes longer
		return p.lastType
	}
	if s, ok := p.types[string(b)]; ok {
		p.lastType = s
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

// fill reads until there is something to interpret, or until err is set.
func (p *Parser) fill() {
	for empty := 0; ; {
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
		n, err := p.r.Read(p.buf[p.end:])
		switch {
		case n < 0 || n > len(p.buf)-p.end:
			err = errors.New("the reader returned an impossible count")
		case n > 0:
			p.take(n)
			empty = 0
		case err == nil:
			if empty++; empty == maxEmpty {
				err = io.ErrNoProgress
			}
		}
		p.readErr = err
		if n > 0 && (p.lf < p.end || p.cr < p.end) {
			return
		}
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
	if n > 1 {
		if p.lf == old {
			p.lf = index(buf, old, '\n')
		}
		if p.cr == old {
			p.cr = index(buf, old, '\r')
		}
		if p.high == old {
			p.high = nonASCII(buf, old)
		}
		return
	}
	// One byte needs no search.
	c := buf[old]
	if p.lf == old && c != '\n' {
		p.lf++
	}
	if p.cr == old && c != '\r' {
		p.cr++
	}
	if p.high == old && c < utf8.RuneSelf {
		p.high++
	}
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
// wait for hours, so it does that in a small buffer; a larger one comes from a pool when
// bytes flow. A byte is moved to the front only when that frees at least as much as it
// moves, and the buffer doubles otherwise, so the work stays linear even if every read
// brings one byte.
func (p *Parser) makeRoom() {
	size, pending := len(p.buf), p.end-p.block
	switch {
	case pending == 0:
		p.use(waitSize)
	case pending < waitSize && size > workSize:
		p.use(workSize)
	case size-p.end >= size/8: // less than that is not worth a read
	case size < workSize: // it was full, so bytes flow
		p.use(workSize)
	case p.block >= size/2:
		p.move(p.buf)
	case size < p.max+waitSize: // as much as a block within the limit needs
		p.use(min(2*size, p.max+waitSize))
	default:
		p.move(p.buf)
	}
}

// buffers has the buffers of streams that are busy, for those that become so: those of
// workSize, of twice that, and so on. What is in a pool goes with the next collections.
var buffers [11]sync.Pool

// pool returns where buffers of this size are kept, nil if they are not.
func pool(size int) *sync.Pool {
	if i := bits.Len(uint(size / workSize)); 0 < i && i <= len(buffers) && size == workSize<<(i-1) {
		return &buffers[i-1]
	}
	return nil
}

func takeBuffer(size int) *[]byte {
	if pool := pool(size); pool != nil {
		if b, ok := pool.Get().(*[]byte); ok {
			return b
		}
	}
	return new(make([]byte, size))
}

func giveBack(b *[]byte) {
	if b == nil {
		return
	}
	if pool := pool(len(*b)); pool != nil {
		pool.Put(b)
	}
}

// use takes a buffer of this size in place of the one in use, which nobody reads any
// more: this is within a call of Next.
func (p *Parser) use(size int) {
	old := p.pooled
	switch {
	case len(p.buf) == size:
		p.move(p.buf)
		return
	case size == waitSize:
		if p.waiting == nil {
			p.waiting = make([]byte, waitSize)
		}
		p.pooled = nil
		p.move(p.waiting)
	default:
		p.pooled = takeBuffer(size)
		p.move(*p.pooled)
	}
	giveBack(old)
	if cap(p.fixed) > keepSize {
		p.fixed = nil
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

func (p *Parser) fail() {
	p.err = fmt.Errorf("%w: its block is over %d bytes, see WithMaxEventSize", ErrEventTooLarge, p.max)
}

// Event returns the event of the last call of [Parser.Next], a copy that the
// caller may keep. It allocates once. Without an event it is the zero Event.
func (p *Parser) Event() Event {
	if !p.dispatched {
		return Event{}
	}
	data := p.Data()
	if p.idFresh || len(data) > maxJoined {
		return Event{Type: p.Type(), Data: string(data), ID: p.LastEventID()}
	}
	// A new ID lies behind the data in the same string. Not so for large data,
	// which an ID that is kept must not keep in memory.
	var b strings.Builder
	b.Grow(len(data) + len(p.lastID))
	b.Write(data)
	b.Write(p.lastID)
	both := b.String()
	p.lastIDStr, p.idFresh = both[len(data):], true
	return Event{Type: p.Type(), Data: both[:len(data)], ID: p.lastIDStr}
}

// Data returns the data of the last event without a copy. The bytes are the
// parser's: they are valid until the next call of [Parser.Next]. Without an event
// they are nil.
func (p *Parser) Data() []byte {
	switch {
	case !p.dispatched:
		return nil
	case p.replaced:
		return p.fixed
	}
	return p.buf[p.from:p.to:p.to]
}

// Type returns the type of the last event, "message" if its block names none, or
// "" without an event.
func (p *Parser) Type() string {
	if !p.dispatched {
		return ""
	}
	return cmp.Or(p.typ, "message")
}

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

// partial returns the block that the end of the stream has left unfinished, with the data
// of its unfinished line, and whether that line may have become data, or more data.
func (p *Parser) partial() (e Event, cut bool) {
	rest := p.buf[p.pos:p.end]
	cut = len(rest) > 0 && strings.HasPrefix("data", string(rest[:min(len(rest), len("data:"))]))
	switch {
	case hasPrefix(rest, "data:"):
		p.addData(p.end-len(rest)+valueAt(rest, len("data:")), p.end)
	case !beginsKnown(rest):
		p.keepIgnored(rest[:min(len(rest), maxShown)])
	}
	if !p.hasData && !p.hasID && p.typ == "" {
		return Event{}, cut
	}
	e = Event{Type: cmp.Or(p.typ, "message"), ID: p.LastEventID()}
	if p.hasData {
		e.Data = validString(p.buf[p.from:p.to])
	}
	if p.hasID {
		e.ID = validString(p.newID)
	}
	return e, cut
}

// beginsKnown reports whether a line that begins with b can have a meaning.
func beginsKnown(b []byte) bool {
	for _, name := range [...]string{":", "data:", "event:", "id:", "retry:"} {
		n := min(len(b), len(name))
		if string(b[:n]) == name[:n] {
			return true
		}
	}
	return false
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
	const high = 0x8080808080808080
	rest := b[from:]
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

// isValid is utf8.Valid, four times as fast on the first run of 3-byte characters, which
// is long in Chinese, Japanese and Korean text.
func isValid(b []byte) bool {
	b = b[nonASCII(b, 0):]
	return utf8.Valid(b[threeByteRun(b):])
}

// threeByteRun returns the length of a run of 3-byte characters at the start of b,
// which it takes eight at a time: 1110xxxx 10xxxxxx 10xxxxxx. It leaves those whose lead
// byte is E0 or ED to others: their second byte has a range of its own.
func threeByteRun(b []byte) int {
	const (
		// Three words hold eight characters. The first begins with a lead byte, here the
		// lowest; the lead bytes of the three are in eight different places.
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
		leads := x&lead0 | y&lead1 | z&lead2 // of each, the lower half
		legal := (leads + 0x7F*ones) & (leads ^ 0xD*ones + 0x7F*ones) & (0x80 * ones)
		if x&mask0 != form0 || y&mask1 != form1 || z&mask2 != form2 || legal != 0x80*ones {
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

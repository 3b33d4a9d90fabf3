package sse

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fetchsse/sse/internal/bridge"
	"github.com/fetchsse/sse/internal/bufpool"
	"github.com/fetchsse/sse/internal/redact"
	"github.com/fetchsse/sse/internal/utf8x"
)

// An Event is one dispatched event of an event stream, as the section "Interpreting an
// event stream" of the standard defines it. It owns its strings. The zero Event is not one:
// a dispatched event has a Type.
type Event struct {
	Type string // the event field, or "message" when the block names none
	Data string // the data lines joined with "\n", no trailing newline, valid UTF-8
	ID   string // the last event ID in force when the event was dispatched
}

// AppendEvent appends e to dst as a block of an event stream, and returns the extended
// slice. A [Parser] reads e back from it, with "message" as the Type if that is empty. An
// empty ID is written as well, since the ID of an event before it would otherwise stay in
// force. If a field cannot hold a value, AppendEvent returns dst and an error: an ID or Type
// with a line end or NUL, Data with a carriage return, or any of them with ill-formed UTF-8.
func AppendEvent(dst []byte, e Event) ([]byte, error) {
	for _, f := range [...]struct{ name, value, bad string }{
		{"Type", e.Type, "\n\r\x00"}, {"ID", e.ID, "\n\r\x00"}, {"Data", e.Data, "\r"},
	} {
		switch i := strings.IndexAny(f.value, f.bad); {
		case i >= 0:
			return dst, fmt.Errorf("sse: AppendEvent: the %s has %q, which its field cannot hold", f.name, f.value[i])
		case !utf8.ValidString(f.value):
			return dst, fmt.Errorf("sse: AppendEvent: the %s has ill-formed UTF-8; see strings.ToValidUTF8", f.name)
		}
	}
	if e.Type != "" && e.Type != "message" {
		dst = appendField(dst, "event:", e.Type)
	}
	dst = appendField(dst, "id:", e.ID)
	for line := range strings.SplitSeq(e.Data, "\n") {
		dst = appendField(dst, "data:", line)
	}
	return append(dst, '\n'), nil
}

// appendField appends a line. The parser removes the space after the colon again.
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	if value != "" {
		dst = append(append(dst, ' '), value...)
	}
	return append(dst, '\n')
}

// ErrEventTooLarge reports a block over the limit of [WithMaxEventSize].
var ErrEventTooLarge = errors.New("sse: event too large")

// A Parser reads events from a byte stream. It follows the sections "Parsing an event
// stream" and "Interpreting an event stream" of the WHATWG HTML standard.
//
// It dispatches an event at its blank line, without waiting for another byte, and
// discards a block that the stream leaves unfinished. A Parser must not be used by
// several goroutines at once. Use [NewParser] to make one.
type Parser struct {
	r     io.Reader
	max   int // bytes of one block
	trace traces
	err   error // sticky; io.EOF after a clean end

	in    buffer
	block block

	// These outlive a block, and a connection.
	id       lastID
	types    typeCache
	retry    time.Duration
	hasRetry bool

	// This stream.
	retrySet bool     // it has set the reconnection time
	foreign  bool     // since its last event, an ignored line was not a retry or id field
	ignored  [][]byte // its last ignored lines
	texts    *texts   // nil if no function wants the text of such lines

	dropped       string // the type of the block without data at which next has stopped,
	stopAtDropped bool   // which it does if this is set
	iterated      bool
}

// A buffer holds the bytes that were read:
//
//	buf[:block]      belongs to dispatched blocks and is free
//	buf[block:line]  are the interpreted lines of the current block
//	buf[line:end]    are the lines still to be interpreted
//	buf[end:]        is room for the next read
//
// A block stays in one piece. Its size is then a subtraction, and its data can be joined
// in place.
//
// Three marks remember how far the buffer has been searched, so that no byte is searched
// twice: lf and cr are the next LF and CR from line on, and high is the next non-ASCII
// byte from block on; each is end if there is none so far. A mark less than line has
// been passed, and parse searches again from line.
type buffer struct {
	buf              []byte
	block, line, end int
	lf, cr, high     int
	atStart          bool    // only bytes of a possible byte order mark have come
	afterCR          bool    // the last byte was a CR; an LF that follows belongs to it
	readErr          error   // of the last read; it counts once the bytes are used up
	idleBuf          []byte  // small buffer used while no block is buffered; kept for reuse
	pooled           *[]byte // the pooled buffer that buf is, or nil
}

// A block is the current block, or after a successful Next the dispatched one. It stores
// offsets, because storing a pointer for each event would make the garbage collector's
// write barrier the largest cost.
type block struct {
	dispatched bool
	hasData    bool
	from, to   int    // the data, joined, is in.buf[from:to]
	replaced   bool   // the data had ill-formed UTF-8
	valid      []byte // the data with U+FFFD in its place
	typ        string // the event field
	hasID      bool   // a valid id field came
	id         []byte // its value
}

// A texts hands text outside any field to functions; see WithIgnoredError.
type texts struct {
	functions []func(string) error
	text      []byte // the current one

	// Of package llm.
	watcher   bridge.Watcher // its Text is one of the functions
	completed bool           // the watcher says so
	rest      *remainder     // of a Parser, at its end
}

const (
	idleSize  = 512             // buffer of a stream that waits for an event
	busySize  = bufpool.MinSize // smallest buffer of a stream whose bytes flow
	keepSize  = 64 << 10        // larger buffers are dropped after a large event
	maxTypes  = 64              // remembered types
	maxType   = 64              // bytes of a remembered type
	maxShown  = 1 << 10         // bytes of an ignored line that are shown
	maxKept   = 8               // ignored lines that are kept
	maxJoined = 1 << 10         // bytes of data that may share an allocation with the ID
	maxText   = 64 << 10        // bytes of a text outside any field
	maxEmpty  = 100             // consecutive reads without a byte
)

// NewParser returns a Parser that reads from r. It uses [WithMaxEventSize],
// [WithLastEventID] and [WithTrace]; the other options have no effect. If an option has
// an invalid value or r is nil, Next returns false and Err reports it.
func NewParser(r io.Reader, opts ...Option) *Parser {
	cfg := newConfig(opts...)
	p := new(Parser)
	p.configure(cfg)
	p.reset(r)
	p.err = cfg.validate()
	if r == nil {
		p.err = errors.New("sse: NewParser: the reader is nil")
	}
	return p
}

func (p *Parser) configure(cfg *config) {
	p.max = min(cfg.maxEventSize, math.MaxInt/2) // sums do not overflow
	p.trace = cfg.trace
	p.id.set(cfg.lastEventID)
}

// reset makes p read a new stream from r. It keeps the last event ID, the types and the
// reconnection time.
func (p *Parser) reset(r io.Reader) {
	p.release()
	p.r, p.err, p.in.readErr = r, nil, nil
	p.in.atStart, p.in.afterCR = true, false
	p.ignored, p.foreign, p.retrySet = nil, false, false
	if p.texts != nil {
		p.texts.text = nil
	}
}

// release drops the buffered bytes. The caller of Next has given up Data.
func (p *Parser) release() {
	p.clearBlock()
	in := &p.in
	if in.readErr == nil || in.readErr == io.EOF {
		bufpool.Put(in.pooled)
	} else {
		in.idleBuf = nil // a reader that failed may still write into its buffer
	}
	*in = buffer{idleBuf: in.idleBuf, readErr: in.readErr, atStart: in.atStart, afterCR: in.afterCR}
	p.block.valid = nil
}

// keepData leaves the data of the last event to the caller after the end of the stream.
func (p *Parser) keepData() { p.in.pooled = nil }

// Next reads up to the next event and reports whether there is one. It blocks while the
// reader does. Once it has returned false it always does, and [Parser.Err] tells why.
func (p *Parser) Next() bool {
	if p.next() {
		return true
	}
	if p.texts != nil && p.err == io.EOF && p.texts.rest == nil {
		p.watchEnd()
	}
	p.release()
	return false
}

// next is Next, but keeps an unfinished block for remainder.
func (p *Parser) next() bool {
	if p.block.dispatched { // after a panic in a function of the caller, the block continues
		p.clearBlock()
	}
	if p.dropped != "" { // spares the write barrier
		p.dropped = ""
	}
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

func (p *Parser) clearBlock() {
	b := &p.block
	b.hasData, b.hasID, b.dispatched, b.replaced = false, false, false, false
	if b.typ != "" { // spares the write barrier
		b.typ = ""
	}
}

// parse interprets buffered lines up to the next event and reports whether it found one.
func (p *Parser) parse() bool {
	buf := p.in.buf[:p.in.end]
	for p.in.line < len(buf) {
		from := p.in.line
		to := from
		if c := buf[from]; c != '\n' && c != '\r' { // a blank line needs no search
			if p.in.lf < from {
				p.in.lf = len(buf) // index written out: it is not inlined, and each line comes here
				if i := bytes.IndexByte(buf[from:], '\n'); i >= 0 {
					p.in.lf = from + i
				}
			}
			if p.in.cr < from {
				p.in.cr = index(buf, from, '\r')
			}
			to = min(p.in.lf, p.in.cr)
		}
		if to == len(buf) {
			return false
		}
		if p.texts != nil && p.texts.endsAt(buf[from:to]) {
			if e := p.giveText(p.texts.text); e != nil {
				p.err = e
				return false
			}
		}
		p.in.line = to + 1
		if buf[to] == '\r' {
			p.skipLF()
		}
		switch line := buf[from:to]; {
		case from == to:
			if p.dispatch() {
				return true
			}
			if p.err != nil { // of watchBlock
				return false
			}
		case to-p.in.block > p.max:
			p.failTooLarge()
			return false
		case hasPrefix(line, "data:"):
			p.addData(from+valueStart(line, len("data:")), to)
		case hasPrefix(line, "event:"):
			p.block.typ = p.types.intern(line[valueStart(line, len("event:")):])
		case hasPrefix(line, "id:"):
			p.setID(line, line[valueStart(line, len("id:")):])
		default:
			p.parseOther(line, to)
		}
	}
	return false
}

// index returns the index of the first c in b from start on, or len(b).
func index(b []byte, start int, c byte) int {
	if i := bytes.IndexByte(b[start:], c); i >= 0 {
		return start + i
	}
	return len(b)
}

// skipLF skips the LF of a CRLF, or leaves that to addRead if it has not come yet.
func (p *Parser) skipLF() {
	if p.in.line == p.in.end {
		p.in.afterCR = true
	} else if p.in.buf[p.in.line] == '\n' {
		p.in.line++
	}
}

func hasPrefix(line []byte, prefix string) bool {
	return len(line) >= len(prefix) && string(line[:len(prefix)]) == prefix
}

// valueStart returns the index of the value in line, whose first colon is at i-1.
func valueStart(line []byte, i int) int {
	if i < len(line) && line[i] == ' ' {
		i++
	}
	return i
}

// addData appends the data line in.buf[from:to] to the data of the block. The joined
// data never passes the end of the line that it takes in, so this works in place.
func (p *Parser) addData(from, to int) {
	b := &p.block
	if !b.hasData {
		b.hasData, b.from, b.to = true, from, to
		return
	}
	p.in.buf[b.to] = '\n'
	b.to++
	b.to += copy(p.in.buf[b.to:], p.in.buf[from:to])
}

// setID sets the ID of the block, unless it has a NUL.
func (p *Parser) setID(line, id []byte) {
	b := &p.block
	if bytes.IndexByte(id, 0) >= 0 {
		p.ignore(line)
		return
	}
	if cap(b.id) > keepSize && len(id) <= keepSize { // this block had a larger one before
		b.id = nil
	}
	b.id, b.hasID = append(b.id[:0], id...), true
}

// parseOther interprets comments, fields without a colon, retry fields and unknown ones.
func (p *Parser) parseOther(line []byte, to int) {
	switch {
	case line[0] == ':':
		if len(p.trace) > 0 { // the usual case costs no call
			p.trace.comment(line[valueStart(line, 1):])
		}
	case string(line) == "data":
		p.addData(to, to)
	case string(line) == "event":
		p.block.typ = ""
	case string(line) == "id":
		p.setID(line, nil)
	case hasPrefix(line, "retry:"):
		d, ok := parseRetry(line[valueStart(line, len("retry:")):])
		if !ok {
			p.ignore(line)
			return
		}
		p.retry, p.hasRetry, p.retrySet = d, true, true
	default:
		p.ignore(line)
	}
}

// parseRetry returns the reconnection time of a retry field, which is in milliseconds.
// A value that a Duration cannot hold becomes the longest one.
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

func (p *Parser) ignore(line []byte) {
	isField := hasPrefix(line, "retry:") || string(line) == "retry" || hasPrefix(line, "id:")
	p.foreign = p.foreign || !isField
	if !isField && p.texts != nil {
		p.texts.text = appendText(p.texts.text, line)
	}
	line = line[:min(len(line), maxShown)]
	p.trace.ignored(line)
	p.keepIgnored(line)
}

// keepIgnored keeps a line for TruncatedError: some servers report an error outside of
// the fields of the standard.
func (p *Parser) keepIgnored(line []byte) {
	if len(p.ignored) < maxKept {
		p.ignored = append(p.ignored, bytes.Clone(line))
		return
	}
	oldest := p.ignored[0]
	copy(p.ignored, p.ignored[1:])
	p.ignored[maxKept-1] = append(oldest[:0], line...)
}

// appendText appends a line to a text.
func appendText(text, line []byte) []byte {
	if n := len(text); n > 0 && n < maxText {
		text = append(text, '\n')
	}
	return append(text, line[:min(len(line), maxText-len(text))]...)
}

// endsAt reports whether there is a text and line ends it: a blank line and a field do, but
// not a comment.
func (t *texts) endsAt(line []byte) bool {
	if len(t.text) == 0 {
		return false
	}
	name, _, _ := bytes.Cut(line, []byte(":"))
	switch string(name) {
	case "data", "event", "id", "retry":
		return true
	}
	return len(line) == 0
}

// giveText hands over a text. It returns an error if a function does not accept it. After a
// panic in a function, the text and the line after it are still there.
func (p *Parser) giveText(text []byte) (failure *EventError) {
	e := Event{Data: utf8x.String(text), ID: p.LastEventID()}
	for _, f := range p.texts.functions {
		if err := f(e.Data); err != nil {
			failure = &EventError{Event: e, Err: err}
			break
		}
	}
	p.texts.text = nil
	return failure
}

// endText hands over the text at the end of the reader, with the unfinished last line.
func (p *Parser) endText() *EventError {
	if p.texts == nil {
		return nil
	}
	text := p.texts.text
	if rest := p.in.buf[p.in.line:p.in.end]; !p.in.atStart && !beginsKnown(rest) {
		text = appendText(slices.Clip(text), rest)
	}
	if len(text) == 0 {
		return nil
	}
	return p.giveText(text)
}

// dispatch ends the block at its blank line and reports whether it is an event.
func (p *Parser) dispatch() bool {
	in := &p.in
	if p.block.hasID {
		p.commitID()
	}
	in.block = in.line
	if !p.block.hasData {
		if p.block.typ != "" {
			return p.dropBlock()
		}
		p.clearBlock()
		return false
	}
	p.block.dispatched, p.foreign = true, false
	if in.high < in.line {
		p.replaceIllFormed()
	}
	return true
}

// dropBlock drops a block that names a type and has no data, and reports whether to stop at
// it, which a Stream asks for if its functions are to see it.
func (p *Parser) dropBlock() bool {
	typ := p.block.typ
	p.clearBlock()
	p.trace.ignored([]byte("event: " + typ[:min(len(typ), maxShown)]))
	if p.texts != nil && p.texts.watcher.Block != nil && p.watchBlock(typ) {
		return false
	}
	if p.stopAtDropped {
		p.dropped = typ
	}
	return p.stopAtDropped
}

// watchBlock shows the type of a block without data to the watcher, and reports whether
// that ends the stream.
func (p *Parser) watchBlock(typ string) bool {
	complete, err := p.texts.watcher.Block(typ)
	switch {
	case err != nil:
		p.err = &EventError{Event: Event{Type: typ, ID: p.LastEventID()}, Err: err}
	case complete:
		p.texts.completed, p.err = true, io.EOF
	}
	return p.err != nil
}

func (p *Parser) commitID() {
	b := &p.block
	if p.in.high < p.in.line && !utf8.Valid(b.id) {
		b.id = utf8x.AppendValid(nil, b.id)
	}
	b.id = p.id.swap(b.id)
	if cap(b.id) > keepSize {
		b.id = nil
	}
}

// replaceIllFormed replaces ill-formed UTF-8 in the data. Decoding each event gives the
// same as decoding the stream, since no character spans a line end.
func (p *Parser) replaceIllFormed() {
	p.in.high = utf8x.IndexNonASCII(p.in.buf[:p.in.end], p.in.line)
	b := &p.block
	if data := p.in.buf[b.from:b.to]; !utf8x.Valid(data) {
		b.valid, b.replaced = utf8x.AppendValid(b.valid[:0], data), true
	}
}

// fill reads until there is a line end to interpret, or sets err.
func (p *Parser) fill() {
	in := &p.in
	for empty := 0; ; {
		switch {
		case in.line < in.end && in.end-in.block > p.max && !in.atStart:
			p.failTooLarge()
			return
		case in.readErr == io.EOF:
			p.err = io.EOF
			return
		case in.readErr != nil:
			p.err = fmt.Errorf("sse: read: %w", in.readErr)
			return
		}
		p.makeRoom()
		n, err := p.r.Read(in.buf[in.end:])
		switch {
		case n < 0 || n > len(in.buf)-in.end:
			err = errors.New("the reader returned an impossible count")
		case n > 0:
			p.addRead(n)
			empty = 0
		case err == nil:
			if empty++; empty == maxEmpty {
				err = io.ErrNoProgress
			}
		}
		in.readErr = err
		if n > 0 && (in.lf < in.end || in.cr < in.end) {
			return
		}
	}
}

func (p *Parser) failTooLarge() {
	p.err = fmt.Errorf("%w: its block is over %d bytes; see WithMaxEventSize", ErrEventTooLarge, p.max)
}

// addRead adds the n bytes of a read to the buffer and searches them.
func (p *Parser) addRead(n int) {
	in := &p.in
	old := in.end
	in.end += n
	buf := in.buf[:in.end]
	if in.afterCR && buf[old] == '\n' {
		in.line++
		if in.block == old {
			in.block++
		}
	}
	in.afterCR = false
	if in.atStart {
		p.skipBOM()
	}
	if n > 1 {
		if in.lf == old {
			in.lf = index(buf, old, '\n')
		}
		if in.cr == old {
			in.cr = index(buf, old, '\r')
		}
		if in.high == old {
			in.high = utf8x.IndexNonASCII(buf, old)
		}
		return
	}
	// A single byte needs no search.
	c := buf[old]
	if in.lf == old && c != '\n' {
		in.lf++
	}
	if in.cr == old && c != '\r' {
		in.cr++
	}
	if in.high == old && c < utf8.RuneSelf {
		in.high++
	}
}

// skipBOM skips one byte order mark at the start of the stream, once enough bytes came.
func (p *Parser) skipBOM() {
	const bom = "\xEF\xBB\xBF"
	in := &p.in
	head := string(in.buf[:min(in.end, len(bom))])
	switch {
	case head == bom:
		in.block, in.line = len(bom), len(bom)
		in.atStart = false
	case !strings.HasPrefix(bom, head):
		in.atStart = false
	}
}

// makeRoom makes room for a read behind the current block. A stream may wait for hours
// between events and does so with a small buffer; while bytes flow it has a larger one
// from a pool. Bytes move to the front only if that frees at least as many as it moves,
// and otherwise the buffer doubles. The work stays linear even if each read brings a
// single byte.
func (p *Parser) makeRoom() {
	in := &p.in
	size, pending := len(in.buf), in.end-in.block
	switch {
	case pending == 0:
		p.setBuffer(idleSize)
	case pending <= busySize/2 && size > busySize: // after a large event
		p.setBuffer(busySize)
	case size-in.end >= size/8: // less than that is not worth a read
	case size < busySize: // it was full, so bytes flow
		p.setBuffer(busySize)
	case in.block >= size/2:
		p.moveBlock(in.buf)
	case size < p.max+idleSize: // as much as a block within the limit needs
		p.setBuffer(min(size, (p.max+idleSize)/2) * 2) // in this order, it does not overflow
	default:
		p.moveBlock(in.buf)
	}
}

// setBuffer continues with a buffer of this size. The call of Next has ended the caller's
// use of earlier data.
func (p *Parser) setBuffer(size int) {
	in := &p.in
	old := in.pooled
	switch {
	case len(in.buf) == size:
		p.moveBlock(in.buf)
		return
	case size == idleSize:
		if in.idleBuf == nil {
			in.idleBuf = make([]byte, idleSize)
		}
		in.pooled = nil
		p.moveBlock(in.idleBuf)
	default:
		in.pooled = bufpool.Get(size)
		p.moveBlock(*in.pooled)
	}
	bufpool.Put(old)
	if cap(p.block.valid) > keepSize {
		p.block.valid = nil
	}
}

// moveBlock moves the current block to the front of buf, which becomes the buffer.
func (p *Parser) moveBlock(buf []byte) {
	in := &p.in
	d := in.block
	if d > 0 || len(buf) != len(in.buf) {
		copy(buf, in.buf[d:in.end])
	}
	in.buf = buf
	in.block, in.line, in.end = 0, in.line-d, in.end-d
	in.lf, in.cr, in.high = in.lf-d, in.cr-d, in.high-d
	p.block.from, p.block.to = p.block.from-d, p.block.to-d
}

// Event returns the event of the last call of [Parser.Next], a copy that the caller may
// keep. It allocates once. Without an event it returns the zero Event.
func (p *Parser) Event() Event {
	if !p.block.dispatched {
		return Event{}
	}
	data := p.Data()
	if p.id.strValid || len(data) > maxJoined {
		return Event{Type: p.Type(), Data: string(data), ID: p.LastEventID()}
	}
	// A new ID shares an allocation with the data. With large data it does not: a caller
	// who keeps the ID would keep the data in memory.
	var b strings.Builder
	b.Grow(len(data) + len(p.id.bytes))
	b.Write(data)
	b.Write(p.id.bytes)
	both := b.String()
	p.id.set(both[len(data):])
	return Event{Type: p.Type(), Data: both[:len(data)], ID: p.id.str}
}

// Data returns the data of the last event without a copy. The parser owns the bytes: they
// are valid until the next call of [Parser.Next]. Without an event it returns nil.
func (p *Parser) Data() []byte {
	b := &p.block
	switch {
	case !b.dispatched:
		return nil
	case b.replaced:
		return b.valid
	}
	return p.in.buf[b.from:b.to:b.to]
}

// Type returns the type of the last event, "message" if its block names none, or ""
// without an event.
func (p *Parser) Type() string {
	if !p.block.dispatched {
		return ""
	}
	return cmp.Or(p.block.typ, "message")
}

// LastEventID returns the last event ID: the value of the most recent id field whose
// block has ended, with or without data.
func (p *Parser) LastEventID() string { return p.id.String() }

// Retry returns the reconnection time that the stream set last, and whether it set any.
// The value is as sent, up to the largest Duration.
func (p *Parser) Retry() (time.Duration, bool) { return p.retry, p.hasRetry }

// Err returns the error that ended the events. It is nil as long as Next returns true and
// after the end of the input, even in the middle of a block. It wraps [ErrEventTooLarge] for
// a block over the limit, and the error of the reader otherwise.
func (p *Parser) Err() error {
	if p.err == io.EOF {
		return nil
	}
	return p.err
}

// Events returns an iterator over the events. At most one error comes, as the last pair
// and beside a zero Event; a clean end is silent. The iterator can be ranged over once:
// another time it yields one error.
func (p *Parser) Events() iter.Seq2[Event, error] {
	return iterate(p, func() (Event, error) { return p.Event(), nil })
}

func (p *Parser) iterateOnce() bool {
	first := !p.iterated
	p.iterated = true
	return first
}

func (p *Parser) abandon() {}

// A remainder describes how a stream ended, and the block that it left unfinished.
type remainder struct {
	err     error // io.EOF or the error of the reader
	event   Event // the unfinished block, with the data of its unfinished line
	hasData bool  // event has data
	pending bool  // it has data or a type, or its unfinished line may have become one
	foreign bool  // the stream had text outside of any field of the standard
	whole   bool  // the last data line arrived in full
	ignored []string
}

// remainder returns the remainder after next has returned false at the end of the reader.
// It can be called once.
func (p *Parser) remainder() remainder {
	in := &p.in
	rest := in.buf[in.line:in.end]
	r := remainder{err: in.readErr}
	// A line that is cut within its name, "d" to "data", may have become data.
	mayBeData := len(rest) > 0 && strings.HasPrefix("data", string(rest[:min(len(rest), len("data:"))]))
	switch {
	case hasPrefix(rest, "data:"):
		p.addData(in.line+valueStart(rest, len("data:")), in.end)
	case !beginsKnown(rest):
		p.foreign = p.foreign || !in.atStart // half a byte order mark is not text
		p.keepIgnored(rest[:min(len(rest), maxShown)])
	}
	b := &p.block
	mayBeType := len(rest) > 0 && strings.HasPrefix("event:", string(rest[:min(len(rest), len("event:"))]))
	if b.hasData || b.hasID || b.typ != "" {
		r.event = Event{Type: cmp.Or(b.typ, "message"), ID: p.LastEventID()}
	}
	if b.hasData {
		r.event.Data = utf8x.String(in.buf[b.from:b.to])
	}
	if b.hasID {
		r.event.ID = utf8x.String(b.id)
	}
	r.hasData, r.pending = b.hasData, b.hasData || mayBeData || b.typ != "" || mayBeType
	r.foreign = p.foreign
	r.whole = len(rest) == 0 || r.err == io.EOF && !mayBeData
	for _, line := range p.ignored {
		r.ignored = append(r.ignored, utf8x.String(line))
	}
	return r
}

// lineStarts are those of a comment and of the fields of the standard.
var lineStarts = [...]string{":", "data:", "event:", "id:", "retry:"}

// beginsKnown reports whether a line that begins with b can be a comment or a field of
// the standard.
func beginsKnown(b []byte) bool {
	for _, start := range lineStarts {
		if n := min(len(b), len(start)); string(b[:n]) == start[:n] {
			return true
		}
	}
	return false
}

// beginsLikeStream reports whether text begins like an event stream: with a comment or a
// field of the standard.
func beginsLikeStream(text []byte) bool {
	return slices.ContainsFunc(lineStarts[:], func(start string) bool { return hasPrefix(text, start) })
}

// A lastID is the last event ID. It becomes a string only when that is asked for.
type lastID struct {
	bytes    []byte // the ID unless strValid, else a slice to reuse
	str      string // the ID if strValid
	strValid bool
}

func (id *lastID) String() string {
	if !id.strValid {
		id.set(string(id.bytes))
	}
	return id.str
}

// set sets the ID to s. A large ID is held once.
func (id *lastID) set(s string) {
	id.str, id.strValid = s, true
	if len(s) > keepSize {
		id.bytes = nil
	}
}

// swap sets the ID to b and returns a slice to reuse.
func (id *lastID) swap(b []byte) []byte {
	if id.strValid && string(b) == id.str || !id.strValid && bytes.Equal(b, id.bytes) {
		return b
	}
	old := id.bytes
	id.bytes, id.str, id.strValid = b, "", false
	return old
}

// A typeCache holds the types of a stream as strings, so that a repeated type costs no
// allocation.
type typeCache struct {
	seen map[string]string
	last string // the most recent one, which is often the next one
}

// intern returns b as a string.
func (c *typeCache) intern(b []byte) string {
	if string(b) == c.last { // faster than the map
		return c.last
	}
	if s, ok := c.seen[string(b)]; ok {
		c.last = s
		return s
	}
	s := utf8x.String(b)
	if len(b) <= maxType && len(c.seen) < maxTypes && len(s) == len(b) {
		if c.seen == nil {
			c.seen = make(map[string]string)
		}
		c.seen[s] = s
	}
	return s
}

// A Source is a [*Stream] or a [*Parser], from which [Decode] and [DecodeFunc] read.
type Source interface {
	Next() bool   // advances to the next event, or returns false
	Event() Event // a copy of the current event
	Data() []byte // of the current event, until the next call of Next
	Type() string // of the current event
	Err() error   // why Next has returned false

	iterateOnce() bool // reports whether this is the first iterator
	abandon()          // called when the loop is left

	// For package llm; see package bridge.
	watch(w bridge.Watcher)
	ending() bridge.End
}

// Decode returns an iterator over the data of the events, each decoded from JSON into a
// T. Within the loop, the methods of s describe the current event, for example its type.
// Data that does not decode yields a [*DecodeError] beside a zero T, after which the loop
// can continue. In all else it is like [Stream.Events] and [Parser.Events].
func Decode[T any](s Source) iter.Seq2[T, error] {
	return DecodeFunc(s, func(data []byte) (v T, err error) {
		err = json.Unmarshal(data, &v)
		return v, err
	})
}

// DecodeFunc is like [Decode] with another decoder: f returns the value of an event, for
// its data. It may also ask s for the type of the event. The data is borrowed, as that of
// [Stream.Data] is: a value that is used after the next event is read needs a copy.
func DecodeFunc[T any](s Source, f func(data []byte) (T, error)) iter.Seq2[T, error] {
	return iterate(s, func() (T, error) {
		v, err := f(s.Data())
		if err != nil {
			var zero T
			return zero, &DecodeError{Event: s.Event(), Err: err}
		}
		return v, nil
	})
}

var errIterated = errors.New("sse: the events were already ranged over; a stream can be read once")

// iterate is the loop of all iterators. The function value returns the pair to yield for
// the current event.
func iterate[T any](s Source, value func() (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		if !s.iterateOnce() {
			yield(zero, errIterated)
			return
		}
		defer s.abandon()
		for s.Next() {
			if !yield(value()) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(zero, err)
		}
	}
}

// tell adds functions that get the text outside any field.
func (p *Parser) tell(functions ...func(string) error) {
	if len(functions) > 0 {
		p.texts = cmp.Or(p.texts, new(texts))
		p.texts.functions = append(slices.Clip(p.texts.functions), functions...)
	}
}

// watch implements bridge.Watch.
func (p *Parser) watch(w bridge.Watcher) {
	p.tell(w.Text)
	p.texts.watcher = w
}

// watchEnd tells the watcher of the text at the end of the input, and keeps what the end
// has left.
func (p *Parser) watchEnd() {
	if e := p.endText(); e != nil {
		p.err = e
		return
	}
	r := p.remainder()
	p.texts.rest = &r
	p.texts.completed = p.texts.completed || p.texts.isDone(&r)
}

// isDone reports whether the event that the stream has left without its blank line
// completes it for the watcher.
func (t *texts) isDone(r *remainder) bool {
	return t != nil && t.watcher.IsDone != nil && r.hasData && r.whole && t.watcher.IsDone(r.event.Data)
}

// ending implements bridge.Ended.
func (p *Parser) ending() bridge.End {
	r := cmp.Or(p.texts.rest, new(remainder))
	return bridge.End{
		Completed: p.texts.completed,
		Open:      r.pending || r.foreign,
		Truncated: func(events int, without string) error {
			return &TruncatedError{
				Partial: r.event, LastEventID: p.LastEventID(), Events: events, Err: io.ErrUnexpectedEOF, Clean: true,
				Ignored: r.ignored, within: r.pending, without: without,
			}
		},
	}
}

// A DecodeError reports an event whose data [Decode] or the function of [DecodeFunc] could
// not decode.
type DecodeError struct {
	Event Event // with the data that could not be decoded
	Err   error // of encoding/json or the function
}

// Error returns the type of the event and the reason, without the data.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("sse: decode event of type %.40q: %s", e.Event.Type, redact.Bound(trimPrefix(e.Err)))
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

// LogValue implements [slog.LogValuer]. It leaves out the event.
func (e *DecodeError) LogValue() slog.Value { return slog.StringValue("sse: decode event") }

// MarshalText returns the text of LogValue, for encoders that do not call it.
func (e *DecodeError) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

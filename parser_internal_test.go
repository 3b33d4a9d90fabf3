package sse

// This file gives the tests of package sse_test what they need to know of a Parser beyond
// its API.

// The limits that the parser sets itself.
const (
	IdleSize  = idleSize
	BusySize  = busySize
	KeepSize  = keepSize
	MaxTypes  = maxTypes
	MaxType   = maxType
	MaxShown  = maxShown
	MaxJoined = maxJoined
	MaxEmpty  = maxEmpty
)

// BufferOf returns the buffer of p, and in it the start of the current block, the start of
// the current line and the end of the bytes read.
func BufferOf(p *Parser) (buf []byte, block, line, end int) {
	return p.in.buf, p.in.block, p.in.line, p.in.end
}

// RetainedBy returns how many bytes p retains for replaced data and for IDs.
func RetainedBy(p *Parser) (valid, ids int) {
	return cap(p.block.valid), cap(p.block.id) + cap(p.id.bytes)
}

// TypesOf returns the event types that p remembers.
func TypesOf(p *Parser) map[string]string { return p.types.seen }

package sse

// This file gives the tests in package sse_test what they need to know of a Parser beyond its
// API.

// The limits that the parser sets itself.
const (
	WaitSize  = waitSize
	WorkSize  = workSize
	KeepSize  = keepSize
	MaxTypes  = maxTypes
	MaxType   = maxType
	MaxShown  = maxShown
	MaxJoined = maxJoined
	MaxEmpty  = maxEmpty
)

var (
	AppendValid = appendValid
	ValidString = validString
)

// BufferOf returns the buffer of p, and in it the start of the current block, the start of the
// current line and the end of the bytes read.
func BufferOf(p *Parser) (buf []byte, block, line, end int) { return p.buf, p.block, p.pos, p.end }

// RetainedBy returns how many bytes p retains for replaced data and for IDs.
func RetainedBy(p *Parser) (fixed, ids int) { return cap(p.fixed), cap(p.newID) + cap(p.lastID) }

// TypesOf returns the event types that p remembers.
func TypesOf(p *Parser) map[string]string { return p.types }

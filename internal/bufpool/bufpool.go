// Package bufpool shares read buffers between streams. A buffer is taken while bytes
// flow and returned when a stream waits, so idle streams hold none.
package bufpool

import (
	"math/bits"
	"sync"
)

// MinSize is the size of the smallest buffers in the pool. The others are MinSize times
// a power of two.
const MinSize = 16 << 10

// pools holds one pool for each size. The garbage collector empties them.
var pools [11]sync.Pool

// poolOf returns the pool of buffers of this size, or nil if there is none.
func poolOf(size int) *sync.Pool {
	if i := bits.Len(uint(size / MinSize)); 0 < i && i <= len(pools) && size == MinSize<<(i-1) {
		return &pools[i-1]
	}
	return nil
}

// Get returns a buffer of exactly this size, with arbitrary contents. It works for every
// size; only the sizes described at [MinSize] are pooled.
func Get(size int) *[]byte {
	if pool := poolOf(size); pool != nil {
		if b, ok := pool.Get().(*[]byte); ok {
			return b
		}
	}
	return new(make([]byte, size))
}

// Put returns b to its pool. The caller must not use b afterwards, and nothing else may
// still write to it. A nil b is ignored.
func Put(b *[]byte) {
	if b == nil {
		return
	}
	if pool := poolOf(len(*b)); pool != nil {
		pool.Put(b)
	}
}

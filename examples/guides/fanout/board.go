package fanout

import (
	"context"
	"sync"
)

// A Board has the latest value of each key, and tells its readers which ones have changed.
type Board[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]entry[V]
	version uint64        // of the last change
	changed chan struct{} // closed by the next change
}

type entry[V any] struct {
	value   V
	version uint64
}

// NewBoard returns an empty Board.
func NewBoard[K comparable, V any]() *Board[K, V] {
	return &Board[K, V]{entries: make(map[K]entry[V]), changed: make(chan struct{})}
}

// Set stores the value of a key in place of an older one.
func (b *Board[K, V]) Set(key K, value V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version++
	b.entries[key] = entry[V]{value, b.version}
	close(b.changed)
	b.changed = make(chan struct{})
}

// Changes returns the values that have changed after a version, and the version to ask for
// next. It waits until there is one. Version 0 is before all changes.
func (b *Board[K, V]) Changes(ctx context.Context, after uint64) (map[K]V, uint64, error) {
	for {
		values, version, changed := b.since(after)
		if len(values) > 0 {
			return values, version, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, after, context.Cause(ctx)
		}
	}
}

func (b *Board[K, V]) since(after uint64) (values map[K]V, version uint64, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.version > after {
		values = make(map[K]V)
		for key, e := range b.entries {
			if e.version > after {
				values[key] = e.value
			}
		}
	}
	return values, b.version, b.changed
}

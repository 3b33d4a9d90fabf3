package sse

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type countedBody struct{ interrupts, closes int }

func (b *countedBody) Interrupt() { b.interrupts++ }
func (b *countedBody) Close()     { b.closes++ }

// A body whose Read was abandoned is closed by Interrupt alone. The end of the context and
// close may come so close together that the hook does not run.
func TestConnInterruptsInPlaceOfItsHook(t *testing.T) {
	for _, ended := range []bool{true, false} {
		c := newConn(newConfig(), t.Context(), "")
		b := new(countedBody)
		c.body, c.unhook = b, func() bool { return true }
		if ended {
			c.cancel(errTimeout)
		}
		c.close()
		c.close()
		require.Equal(t, 1, b.closes)
		require.Equal(t, ended, b.interrupts == 1)
	}
}

package bufpool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizesInThePool(t *testing.T) {
	for _, size := range []int{MinSize, 2 * MinSize, 16 << 20} {
		require.NotNil(t, poolOf(size), size)
	}
	for _, size := range []int{0, 1, MinSize - 1, MinSize + 1, 3 * MinSize, 32 << 20} {
		require.Nil(t, poolOf(size), size)
	}
	require.NotSame(t, poolOf(MinSize), poolOf(2*MinSize))
}

func TestGetReturnsEachSize(t *testing.T) {
	for _, size := range []int{0, 1, 512, MinSize, 3 * MinSize, 64 * MinSize} {
		b := Get(size)
		require.Len(t, *b, size)
		Put(b)
		require.Len(t, *Get(size), size)
	}
	Put(nil)
}

package spec

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The oracle must follow the rules that the vectors are about before it can judge a parser.
func TestOracleFollowsStandard(t *testing.T) {
	vectors, err := Vectors("../../testdata/parser")
	require.NoError(t, err)
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			got := Oracle{}.Interpret(v.Bytes())
			require.NoError(t, v.Check(got.Outcome), v.Why)
			require.Len(t, got.Ends, len(got.Events))
			require.True(t, slices.IsSorted(got.Ends))
			if v.DispatchedBeforeEOF != nil {
				require.Len(t, got.Events, *v.DispatchedBeforeEOF)
			}
		})
	}
}

func TestOracleTellsWhereEventsEnd(t *testing.T) {
	tests := []struct {
		name, stream string
		ends         []int
		rest         int
	}{
		{"LF", "data: a\n\ndata: b\n\n", []int{9, 18}, 18},
		{"CR needs nothing after it", "data: a\r\r\n", []int{9}, 10},
		{"CRLF ends the line at its CR", "data: a\r\n\r\n", []int{10}, 11},
		{"byte order mark", "\uFEFFdata\n\nda", []int{9}, 9},
		{"ill-formed characters", "data: \xE2\x82\xFF\n\n", []int{11}, 11},
		{"no event", "id: 1\n\nevent: x\n", nil, 16},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Oracle{}.Interpret([]byte(tt.stream))
			require.Equal(t, tt.ends, got.Ends)
			require.Equal(t, tt.rest, got.Rest)
		})
	}
}

// The vectors and the standard know nothing of these.
func TestOracleDepartsFromStandardAsParserDoes(t *testing.T) {
	t.Run("initial last event ID", func(t *testing.T) {
		got := Oracle{LastEventID: "0"}.Interpret([]byte("data: a\n\nid: 1\ndata: b\n\n"))
		require.Equal(t, []Event{{"message", "a", "0"}, {"message", "b", "1"}}, got.Events)
		require.Equal(t, "1", got.LastEventID)
		require.Equal(t, "0", Oracle{LastEventID: "0"}.Interpret(nil).LastEventID)
	})
	t.Run("retry too large", func(t *testing.T) {
		got := Oracle{}.Interpret([]byte("retry: 9223372036855\n"))
		require.Equal(t, 9223372036854*time.Millisecond, got.Retry)
	})
	t.Run("empty retry", func(t *testing.T) {
		got := Oracle{}.Interpret([]byte("retry:\n"))
		require.False(t, got.HasRetry)
		require.Equal(t, []string{"retry:"}, got.Ignored)
	})
	t.Run("limit", func(t *testing.T) {
		o := Oracle{Limit: 7}
		got := o.Interpret([]byte("\uFEFFdata: a\r\n\r\nx\ndata: b\n\ndata: c\n\n"))
		require.True(t, got.TooLarge)
		require.Len(t, got.Events, 1)
		require.True(t, o.Interpret([]byte("data: ab")).TooLarge)
		require.False(t, o.Interpret([]byte("data: a\n\ndata: b")).TooLarge)
	})
}

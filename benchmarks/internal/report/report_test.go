package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/benchmarks/internal/report"
)

func TestMedian(t *testing.T) {
	_, ok := report.Median(nil)
	require.False(t, ok)
	for want, values := range map[float64][]float64{
		3:   {3},
		2:   {9, 1, 2},
		2.5: {4, 1, 9, 1},
	} {
		got, ok := report.Median(values)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	report.Header(&b, "", "time", "bytes")
	report.Row(&b, "parser", "1 ns", "2 B")
	require.Equal(t, "|  | time | bytes |\n| --- | --: | --: |\n| parser | 1 ns | 2 B |\n", b.String())
}

func TestReplace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(file, []byte("a\n<!-- x -->\nold\n<!-- /x -->\nb\n"), 0o600))
	require.NoError(t, report.Replace(file, "x", "new\n"))
	require.ErrorContains(t, report.Replace(file, "y", "new\n"), "missing <!-- y --> or <!-- /y -->")
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- x -->\n\nnew\n<!-- /x -->\nb\n", string(got))
}

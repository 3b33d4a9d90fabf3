package llm

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateDialects = flag.Bool("update-dialects", false, "write the table of TestDialects to docs/llm.md")

// The table in docs/llm.md has the dialects as its rows, in the same order.
func TestDialects(t *testing.T) {
	want := []string{
		"| dialect | service | a complete response ends with | an error is | the text is |",
		"|---|---|---|---|---|",
	}
	for d := OpenAIChat; int(d) < len(formats); d++ {
		f := formats[d]
		require.NotNil(t, f.read, "%d", int(d))
		row := []string{"`" + d.String() + "`", f.service, f.end, f.failure, f.text}
		require.NotContains(t, row, "", d.String())
		for _, done := range f.done {
			require.Contains(t, f.end, "`"+done+"`", d.String())
		}
		want = append(want, fmt.Sprintf("| %s |", strings.Join(row, " | ")))
	}
	require.Equal(t, AISDK, Dialect(len(formats)-1), "the last dialect")

	const (
		guide = "../docs/llm.md"
		begin = "<!-- dialects -->\n"
		end   = "<!-- /dialects -->\n"
	)
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), begin)
	require.True(t, ok, "%s has no place for the table", guide)
	old, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no end of the table", guide)
	if *updateDialects {
		table := strings.Join(want, "\n") + "\n"
		require.NoError(t, os.WriteFile(guide, []byte(before+begin+table+end+after), 0o644))
		return
	}
	for i, row := range slices.Collect(strings.Lines(old)) {
		require.Less(t, i, len(want), "%s has a row that is not a dialect: %s", guide, row)
		require.Equal(t, want[i], strings.TrimSuffix(row, "\n"), "run go test -run TestDialects ./llm -update-dialects")
	}
	require.Len(t, slices.Collect(strings.Lines(old)), len(want), "run go test -run TestDialects ./llm -update-dialects")
}

// The names are those of the constants.
func TestDialectString(t *testing.T) {
	for d, want := range map[Dialect]string{
		OpenAIChat: "OpenAIChat", GeminiInteractions: "GeminiInteractions", AISDK: "AISDK",
		0: "Dialect(0)", -1: "Dialect(-1)", AISDK + 1: "Dialect(11)",
	} {
		require.Equal(t, want, d.String())
	}
}

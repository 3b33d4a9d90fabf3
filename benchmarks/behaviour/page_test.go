package behaviour

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fetchsse/sse/benchmarks/internal/report"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the tables of docs/comparison.md and README.md")

const (
	page   = "../../docs/comparison.md"
	readme = "../../README.md"
	marker = "comparison" // of the generated part
)

// comparePages compares the tables of the pages with the cells that were measured, or
// writes them. The cells have the names of row and client.
func comparePages(t *testing.T, cells map[string]cell) {
	for _, g := range groups() {
		for _, r := range g.rows {
			for _, c := range clients() {
				if _, ok := cells[r.name+"/"+c.name]; !ok {
					require.False(t, *update, "-update needs all cells, and %s/%s was not measured", r.name, c.name)
					t.Logf("%s/%s was not measured, so the tables were not compared", r.name, c.name)
					return
				}
			}
		}
	}
	compare(t, page, longTables(t, cells))
	if text, err := os.ReadFile(readme); err == nil && strings.Contains(string(text), "<!-- "+marker+" -->") {
		compare(t, readme, shortTable(cells))
	}
}

func compare(t *testing.T, file, measured string) {
	if *update {
		require.NoError(t, report.Replace(file, marker, measured))
		return
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "<!-- "+marker+" -->\n\n")
	claimed, _, ok := strings.Cut(rest, "<!-- /"+marker+" -->")
	require.True(t, ok, "%s has no generated part", file)
	claims := strings.Split(claimed, "\n")
	for i, line := range strings.Split(measured, "\n") {
		require.Less(t, i, len(claims), "%s does not have this line, but -update would write it: %s", file, line)
		require.Equal(t, claims[i], line, "%s claims the first line, but the second one was measured; -update writes it", file)
	}
	require.Equal(t, claimed, measured)
}

// header writes the first two lines of a table.
func header(out *strings.Builder) {
	out.WriteString("| |")
	for _, c := range clients() {
		fmt.Fprintf(out, " %s |", c.title)
	}
	fmt.Fprintf(out, "\n|---|%s\n", strings.Repeat("---|", len(clients())))
}

// longTables returns the generated part of docs/comparison.md.
func longTables(t *testing.T, cells map[string]cell) string {
	var out strings.Builder
	out.WriteString("Versions: ")
	for _, c := range clients() {
		if c.module != "" && c.name != "sse" {
			fmt.Fprintf(&out, "%s, ", goList(t, "-m", "-f", "{{.Path}} {{.Version}}", c.module)[0])
		}
	}
	out.WriteString("and this library as it is in this repository.\n\n")
	var notes []string
	for _, g := range groups() {
		fmt.Fprintf(&out, "## %s\n\n", g.title)
		header(&out)
		for _, r := range g.rows {
			fmt.Fprintf(&out, "| %s |", r.title)
			for _, c := range clients() {
				got := cells[r.name+"/"+c.name]
				fmt.Fprintf(&out, " %s", got.value)
				if got.note != "" {
					note := c.title + " " + got.note
					if !slices.Contains(notes, note) {
						notes = append(notes, note)
					}
					fmt.Fprintf(&out, " (%d)", slices.Index(notes, note)+1)
				}
				out.WriteString(" |")
			}
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "\nThe code is in [%s](../benchmarks/behaviour/%[1]s).\n\n", g.file)
		for _, r := range g.rows {
			fmt.Fprintf(&out, "- *%s*, `TestBehaviour/%s`: %s\n", r.title, r.name, r.how)
		}
		out.WriteString("\n")
	}
	out.WriteString("## Settings\n\nThe cells with a number need a setting. The library does by default what the end of the line says.\n\n")
	for i, note := range notes {
		fmt.Fprintf(&out, "%d. %s\n", i+1, note)
	}
	out.WriteString("\n")
	return out.String()
}

// shortTable returns the generated part of README.md.
func shortTable(cells map[string]cell) string {
	var out strings.Builder
	header(&out)
	for _, g := range groups() {
		for _, r := range g.rows {
			if !r.readme {
				continue
			}
			fmt.Fprintf(&out, "| %s |", r.title)
			for _, c := range clients() {
				got := cells[r.name+"/"+c.name]
				fmt.Fprintf(&out, " %s", got.value)
				if got.note != "" {
					out.WriteString(" \\*")
				}
				out.WriteString(" |")
			}
			out.WriteString("\n")
		}
	}
	out.WriteString("\n\\* with a setting. `io.EOF` is also the result of a complete response. Each cell is the result of a test:\n" +
		"[docs/comparison.md](docs/comparison.md) has more rows, the settings, the versions, and tells how to run the tests.\n\n")
	return out.String()
}

// Package report writes what the commands have measured.
package report

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Median returns the median of the values and reports whether there is one.
func Median(values []float64) (float64, bool) {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0, false
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2, true
}

// Header writes the first two lines of a table in Markdown. Numbers are in all columns but
// the first.
func Header(b *strings.Builder, names ...string) {
	Row(b, names...)
	Row(b, append([]string{"---"}, slices.Repeat([]string{"--:"}, len(names)-1)...)...)
}

// Row writes a line of a table in Markdown.
func Row(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// Replace replaces the text of a file between the comments <!-- name --> and <!-- /name -->.
func Replace(file, name, text string) error {
	start, end := "<!-- "+name+" -->", "<!-- /"+name+" -->"
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(old), start)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: missing %s or %s", file, start, end)
	}
	return os.WriteFile(file, []byte(before+start+"\n\n"+text+end+after), 0o666)
}

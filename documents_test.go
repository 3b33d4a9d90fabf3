package sse_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme finds every Go block of README.md in code that is compiled and run.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(readme, -1)
	require.NotEmpty(t, blocks)
	sources := readmeSources(t)
	for _, b := range blocks {
		require.Contains(t, sources, unindented(b[1]), "example_test.go and examples/ have no such lines")
	}
}

// readmeSources returns the code that README.md may quote.
func readmeSources(t *testing.T) string {
	t.Helper()
	example, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	all := unindented(example)
	require.NoError(t, filepath.WalkDir("examples", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := os.ReadFile(path)
		all += unindented(file)
		return err
	}))
	return all
}

// unindented returns text with a line break before the first line, so that a quote
// starts at the start of a line, and without the indentation.
func unindented(text []byte) string {
	indent := regexp.MustCompile(`(?m)^[\t ]+`)
	return "\n" + indent.ReplaceAllString(strings.ReplaceAll(string(text), "\r\n", "\n"), "")
}

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

// Every Go block of README.md and of the guides occurs in code that is compiled and run.
func TestDocumentsQuoteCode(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	sources := quotable(t)
	for _, name := range append(documents, "README.md") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(text, -1)
		require.NotEmpty(t, blocks, name)
		for _, b := range blocks {
			require.Contains(t, sources, unindented(b[1]), "%s: no example has these lines", name)
		}
	}
}

// quotable returns the code that documents may quote.
func quotable(t *testing.T) string {
	t.Helper()
	paths := []string{"example_test.go", "example_llm_test.go", "guide_test.go"}
	require.NoError(t, filepath.WalkDir("examples", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".go" {
			paths = append(paths, path)
		}
		return err
	}))
	var all strings.Builder
	for _, path := range paths {
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		all.WriteString(unindented(file))
	}
	return all.String()
}

// unindented returns text with a line break before the first line, so that a quote
// starts at the start of a line, and without the indentation.
func unindented(text []byte) string {
	indent := regexp.MustCompile(`(?m)^[\t ]+`)
	return "\n" + indent.ReplaceAllString(strings.ReplaceAll(string(text), "\r\n", "\n"), "")
}

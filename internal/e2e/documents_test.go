package e2e_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.." // the root of the repository

// documents returns the Markdown files whose Go code is checked.
func documents(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(root + "/docs/*.md")
	require.NoError(t, err)
	return append(paths, root+"/README.md", root+"/CONTRIBUTING.md")
}

func TestDocumentsQuoteCompiledCode(t *testing.T) {
	sources := quotableCode(t)
	goBlock := regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	quotes := make(map[string]int) // the number of quotes by document
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		blocks := goBlock.FindAllSubmatch(text, -1)
		for _, b := range blocks {
			require.Contains(t, sources, unindented(b[1]), "%s: no compiled code has these lines", path)
		}
		quotes[filepath.Base(path)] = len(blocks)
	}
	require.Positive(t, quotes["README.md"])
	require.Positive(t, quotes["llm.md"])
	require.Positive(t, quotes["errors.md"])
	require.Positive(t, quotes["protocols.md"])
}

// quotableCode returns the code that documents may quote.
func quotableCode(t *testing.T) string {
	t.Helper()
	paths := []string{
		root + "/example_test.go", root + "/example_llm_test.go", root + "/llm/example_test.go", "guide_test.go", "errors_page_test.go",
		"protocols_page_test.go",
	}
	require.NoError(t, filepath.WalkDir(root+"/examples", func(path string, _ fs.DirEntry, err error) error {
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

// unindented returns text without indentation and with a line break before its first line,
// so that a quote is found only at the beginning of a line.
func unindented(text []byte) string {
	indent := regexp.MustCompile(`(?m)^[\t ]+`)
	return "\n" + indent.ReplaceAllString(strings.ReplaceAll(string(text), "\r\n", "\n"), "")
}

func TestDocumentsLinkToExistingFiles(t *testing.T) {
	code := regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`) // neither a URL nor a heading of the same file
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, l := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(path), l[1]))
			require.NoError(t, err, "%s", path)
		}
	}
}

// The design page names the tests that hold the invariants.
func TestDesignNamesExistingTests(t *testing.T) {
	exists := make(map[string]bool)
	function := regexp.MustCompile(`(?m)^func (\w+)\(`)
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := os.ReadFile(path)
		for _, f := range function.FindAllSubmatch(file, -1) {
			exists[string(f[1])] = true
		}
		return err
	}))
	text, err := os.ReadFile(root + "/docs/design.md")
	require.NoError(t, err)
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.True(t, exists[name[1]], name[1])
	}
}

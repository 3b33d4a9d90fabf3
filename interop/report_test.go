// Package interop runs the library against servers and proxies that others wrote. Its
// tests are the rows of docs/interop.md. They listen on free loopback ports and need what
// install.sh installs.
package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"
)

// A report collects what the tests found, as the rows of a table.
type report struct {
	mu   sync.Mutex
	rows [][3]string
}

var results report

// row adds a line to the table: the peer, what was tried and what held.
func (r *report) row(t *testing.T, peer, tried, format string, args ...any) {
	t.Helper()
	result := fmt.Sprintf(format, args...)
	if t.Failed() {
		result = "FAIL: " + result
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, [3]string{peer, tried, result})
}

// merge joins the lines that differ only in the protocol, which is in the peer after a
// comma.
func (r *report) merge() (merged [][3]string) {
	for _, row := range r.rows {
		peer, protocol, _ := strings.Cut(row[0], ", ")
		if n := len(merged); n > 0 && protocol != "" && strings.HasPrefix(merged[n-1][0], peer+", ") &&
			merged[n-1][1] == row[1] && merged[n-1][2] == row[2] {
			merged[n-1][0] += ", " + protocol
			continue
		}
		merged = append(merged, row)
	}
	return merged
}

func TestMain(m *testing.M) {
	code := m.Run()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range results.merge() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", row[0], row[1], row[2])
	}
	w.Flush()
	os.Exit(code)
}

// docs/interop.md names the tests that measure its results, and shows the settings that
// they use.
func TestDocumentNamesTheTests(t *testing.T) {
	document, err := os.ReadFile("../docs/interop.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var source strings.Builder
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		source.Write(text)
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(document), -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		require.Contains(t, source.String(), "\nfunc "+name+"(t *testing.T)")
	}
	for _, m := range regexp.MustCompile(`\nfunc (Test(?:Nginx|HAProxy|Nchan)\w+)\(`).FindAllStringSubmatch(source.String(), -1) {
		require.Contains(t, named, m[1], "docs/interop.md does not name a test")
	}
	for language, settings := range map[string]string{"nginx": nginxSettings, "haproxy": haproxySettings} {
		block := strings.Join(strings.Fields(settings), " ")
		_, shown, _ := strings.Cut(string(document), "```"+language+"\n")
		shown, _, _ = strings.Cut(shown, "```")
		require.Equal(t, block, strings.Join(strings.Fields(shown), " "))
	}
}

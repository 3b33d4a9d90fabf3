package e2e_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.." // the root of the repository

// documents returns the Markdown files of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	paths := files(t, ".md")
	require.Contains(t, paths, filepath.Join(root, "README.md"))
	require.Contains(t, paths, filepath.Join(root, "docs", "llm.md"))
	return paths
}

// files returns the files of the repository that have one of the extensions.
func files(t *testing.T, extensions ...string) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if slices.Contains(extensions, filepath.Ext(path)) {
			paths = append(paths, path)
		}
		return nil
	}))
	return paths
}

var (
	fencedBlock = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")
	indentation = regexp.MustCompile(`(?m)^[\t ]+`)
	inlineCode  = regexp.MustCompile("`[^`\n]*`")
)

// A block is quoted from a file that is compiled or run, but for output and for commands,
// of which TestDocumentsNameExistingPaths checks the paths.
func TestDocumentsQuoteCompiledCode(t *testing.T) {
	sources := map[string]string{
		"go":   text(t, slices.DeleteFunc(files(t, ".go"), notQuotable)),
		"js":   text(t, files(t, ".js", ".mjs")),
		"html": text(t, files(t, ".html")),
		"yaml": text(t, files(t, ".yaml", ".yml")),
	}
	settings := text(t, files(t, ".go")) // of servers, in the tests of interop
	quotes := make(map[string]int)
	for _, path := range documents(t) {
		for _, block := range fencedBlock.FindAllStringSubmatch(readFile(t, path), -1) {
			language, lines := block[1], unindented(block[2])
			switch language {
			case "sh", "text", "logfmt":
			case "nginx", "haproxy":
				for line := range strings.Lines(lines) {
					require.True(t, strings.Contains(settings, "\n"+strings.TrimSpace(line)), "%s: no test uses the setting %s", path, line)
				}
			default:
				require.Contains(t, sources, language, "%s: a block has an unknown language", path)
				require.True(t, strings.Contains(sources[language], lines), "%s: no compiled code has these lines:%s", path, lines)
			}
			quotes[language]++
		}
	}
	require.Positive(t, quotes["go"])
	require.Positive(t, quotes["nginx"])
}

// notQuotable reports whether the code in the file is not meant for readers.
func notQuotable(path string) bool {
	path = filepath.ToSlash(path)
	return !strings.HasPrefix(path, root+"/examples/") && !strings.HasSuffix(path, "/example_test.go") &&
		!strings.HasSuffix(path, "/example_llm_test.go") && !strings.HasSuffix(path, "/guide_test.go") &&
		!strings.HasSuffix(path, "_page_test.go")
}

// text returns the text of the files, unindented.
func text(t *testing.T, paths []string) string {
	t.Helper()
	var all strings.Builder
	for _, path := range paths {
		all.WriteString(unindented(readFile(t, path)))
	}
	return all.String()
}

// unindented returns text without indentation and with a line break before its first line,
// so that a quote is found only at the beginning of a line.
func unindented(text string) string {
	return "\n" + indentation.ReplaceAllString(text, "")
}

// A command names its packages and directories relative to the root of the repository, or
// to the directory of the document, or to that which the commands before it changed to.
func TestDocumentsNameExistingPaths(t *testing.T) {
	path := regexp.MustCompile(`(?:^|\s)(?:cd\s+|bash\s+|sh\s+)?(\./[\w./-]*|(?:examples|docs|internal|benchmarks|cmd|interop|\.ci)/[\w./-]*)`)
	change := regexp.MustCompile(`^\s*cd\s+([\w./-]+)`)
	checked := 0
	for _, document := range documents(t) {
		for _, block := range fencedBlock.FindAllStringSubmatch(readFile(t, document), -1) {
			if block[1] != "sh" {
				continue
			}
			bases := []string{root, filepath.Dir(document)}
			for line := range strings.Lines(block[2]) {
				line, _, _ = strings.Cut(line, "#")
				if c := change.FindStringSubmatch(line); c != nil {
					bases = append(bases, filepath.Join(root, c[1]), filepath.Join(filepath.Dir(document), c[1]))
				}
				for _, p := range path.FindAllStringSubmatch(line, -1) {
					exists := func(base string) bool {
						_, err := os.Stat(filepath.Join(base, strings.TrimSuffix(p[1], "...")))
						return err == nil
					}
					require.True(t, slices.ContainsFunc(bases, exists), "%s: %s does not exist", document, p[1])
					checked++
				}
			}
		}
	}
	require.Positive(t, checked)
}

// A link within the repository leads to a file, and to a heading in it if it names one.
func TestDocumentsLinkToExistingFiles(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`) // not a URL
	image := regexp.MustCompile(`(?:src|srcset)="([^":]*)"`)
	checked := 0
	for _, path := range documents(t) {
		prose := inlineCode.ReplaceAllString(fencedBlock.ReplaceAllString(readFile(t, path), ""), "")
		for _, l := range append(link.FindAllStringSubmatch(prose, -1), image.FindAllStringSubmatch(prose, -1)...) {
			target := path
			if l[1] != "" {
				target = filepath.Join(filepath.Dir(path), l[1])
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s", path)
			if len(l) == 3 && l[2] != "" {
				require.Contains(t, anchors(t, target), l[2], "%s: %s has no such heading", path, target)
			}
			checked++
		}
	}
	require.Positive(t, checked)
}

// anchors returns the names under which the headings of a Markdown file can be linked to.
func anchors(t *testing.T, path string) (names []string) {
	t.Helper()
	heading := regexp.MustCompile(`(?m)^#+ +(.+?)\s*$`)
	dropped := regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
	for _, h := range heading.FindAllStringSubmatch(fencedBlock.ReplaceAllString(readFile(t, path), ""), -1) {
		name := dropped.ReplaceAllString(strings.ToLower(h[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.ReplaceAll(string(file), "\r\n", "\n")
}

// The design page names the tests that hold the invariants.
func TestDesignNamesExistingTests(t *testing.T) {
	exists := make(map[string]bool)
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, path := range files(t, ".go") {
		for _, f := range function.FindAllStringSubmatch(readFile(t, path), -1) {
			exists[f[1]] = true
		}
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(readFile(t, root+"/docs/design.md"), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.True(t, exists[name[1]], name[1])
	}
}

// Every exported name has a comment: functions, methods, types, and the fields, constants
// and variables, each of its own or with others on its line.
func TestExportedNamesHaveComments(t *testing.T) {
	named, bare := 0, []string{}
	for _, dir := range []string{".", "llm", "ssetest"} {
		sources, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		for _, path := range sources {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			require.NoError(t, err)
			for name, comments := range declared(file) {
				if !name.IsExported() {
					continue
				}
				named++
				if !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" }) {
					bare = append(bare, path+": "+name.Name)
				}
			}
		}
	}
	require.Greater(t, named, 150)
	require.Empty(t, bare)
}

// declared returns the names of the declarations of a file that others can use, with their
// comments.
func declared(file *ast.File) map[*ast.Ident][]*ast.CommentGroup {
	names := make(map[*ast.Ident][]*ast.CommentGroup)
	for _, decl := range file.Decls {
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil || ast.IsExported(receiver(n)) {
					names[n.Name] = append(names[n.Name], n.Doc)
				}
				return false
			case *ast.TypeSpec:
				names[n.Name] = append(names[n.Name], n.Doc, decl.(*ast.GenDecl).Doc)
				return n.Name.IsExported()
			case *ast.ValueSpec:
				for _, name := range n.Names {
					names[name] = append(names[name], n.Doc, n.Comment, decl.(*ast.GenDecl).Doc)
				}
				return false
			case *ast.StructType:
				for _, field := range n.Fields.List {
					for _, name := range field.Names {
						names[name] = append(names[name], field.Doc, field.Comment)
					}
				}
				return false
			}
			return true
		})
	}
	return names
}

// receiver returns the name of the type of which d is a method.
func receiver(d *ast.FuncDecl) string {
	expr := d.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	if index, ok := expr.(*ast.IndexExpr); ok {
		expr = index.X
	}
	return expr.(*ast.Ident).Name
}

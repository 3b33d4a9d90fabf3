//go:build ignore

// Words reports phrases for which this repository has better ones, in the comments and
// error texts of Go files and in the prose of Markdown files. The names of the files come
// from standard input, since go run would take an argument that ends in .go for a source:
//
//	git ls-files '*.go' '*.md' | go run .ci/words.go
//
// An error text is a string that begins with "sse:" or is passed to errors.New or a
// function called Errorf. Other strings are skipped, since many are test data, as are
// code in Markdown, the output of examples, and an identifier at the start of a comment.
package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
)

// replacements maps what to write to the phrases that it replaces, separated by commas.
var replacements = map[string]string{
	"response":                "answer,answers,answered,answering",
	"continue or retry":       "go on,goes on,going on,went on,made again",
	"current":                 "under way",
	"buffered":                "at hand",
	"even so":                 "all the same",
	"the caller":              "nobody,somebody,whoever",
	"consecutive":             "in a row",
	"sent twice":              "ordered twice,paid twice",
	"idempotent":              "twice is the same as once",
	"may have been processed": "worked on",
	"can override":            "last word",
	"note that":               "mind that",
}

// notA has the nouns before which "is not a" replaces "is no".
const notA = "answer,body,byte,client,colon,comment,completion,data,error,event,event stream,failure,field,header,http," +
	"interruption,JSON,limit,line,method,number,part,redirect,request,response,server,silent server,status,stream,URL,value"

var (
	// allowed matches identifiers and what is right although it has one of the phrases.
	allowed = regexp.MustCompile(`\w\.\w+|\bAnswer\(|\bAnswer steps?\b|\[Answer\]|` +
		`(?i:\bthere\s+(is|are|was|were)\s+no\b|\bgo(es)?\s+on\s+the\s+wire\b|` +
		`\b(LLM|model('s)?)\s+answers?\b|\banswers?\s+of\s+((an?|the)\s+)?(LLM|(language\s+)?model)s?\b)`)
	// aboutModels matches the files that speak of the answers of language models.
	aboutModels = regexp.MustCompile(`(^|/)(llm\.md|example_llm_test\.go|guide_test\.go)$|^examples/(README|chat|openai-sdk|quickstart)\b`)

	space         = regexp.MustCompile(`\s+`)
	notSpace      = regexp.MustCompile(`\S`)
	markdownCode  = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$|`[^`]+`|\\]\\([^)]*\\)")
	commentMarker = regexp.MustCompile(`(?m)^\s*//|^/\*|\*/$`)
	exampleOutput = regexp.MustCompile(`(?i)^//\s*(unordered )?output:`)
	errorFunc     = regexp.MustCompile(`^errors\.New$|[Ee]rrorf$`)
	firstWord     = regexp.MustCompile(`^//\s*(?:(?:An?|The)\s+)?(\w+)`)
)

// hide overwrites what re matches with mark, byte by byte: the rest stays in its place.
func hide(text string, re *regexp.Regexp, mark string) string {
	return re.ReplaceAllStringFunc(text, func(match string) string {
		return notSpace.ReplaceAllStringFunc(match, func(r string) string { return strings.Repeat(mark, len(r)) })
	})
}

// prose returns the text of a file with bars in place of what is not prose.
func prose(name, src string) (string, error) {
	if strings.HasSuffix(name, ".md") {
		return hide(src, markdownCode, "|"), nil
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, src, parser.ParseComments)
	if err != nil {
		return "", err
	}
	text := []byte(hide(src, notSpace, "|"))
	show := func(pos token.Pos, s string) { copy(text[files.Position(pos).Offset:], s) }
	identifiers := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			identifiers[n.Name] = true
		case *ast.BasicLit:
			if strings.HasPrefix(n.Value[1:], "sse:") {
				show(n.Pos(), n.Value)
			}
		case *ast.CallExpr:
			f := src[files.Position(n.Fun.Pos()).Offset:files.Position(n.Fun.End()).Offset]
			ast.Inspect(n, func(arg ast.Node) bool {
				if lit, ok := arg.(*ast.BasicLit); ok && errorFunc.MatchString(f) {
					show(lit.Pos(), lit.Value)
				}
				return true
			})
		}
		return true
	})
	for _, group := range file.Comments {
		comment := src[files.Position(group.Pos()).Offset:files.Position(group.End()).Offset]
		if m := firstWord.FindStringSubmatchIndex(comment); m != nil && identifiers[comment[m[2]:m[3]]] {
			comment = comment[:m[2]] + hide(comment[m[2]:m[3]], notSpace, "|") + comment[m[3]:]
		}
		if !exampleOutput.MatchString(comment) {
			show(group.Pos(), hide(comment, commentMarker, " "))
		}
	}
	return string(text), nil
}

// check returns the findings in a file: its name, the line, the phrase and what to say.
func check(name, src string) (findings []string, err error) {
	text, err := prose(name, src)
	text = hide(text, allowed, "|")
	for _, m := range unwanted.FindAllStringIndex(text, -1) {
		phrase := space.ReplaceAllString(text[m[0]:m[1]], " ")
		say := instead[strings.ToLower(phrase)]
		if say != "response" || !aboutModels.MatchString(name) {
			line := 1 + strings.Count(text[:m[0]], "\n")
			findings = append(findings, fmt.Sprintf("%s:%d: %q: say %q", name, line, phrase, say))
		}
	}
	return findings, err
}

// instead maps each phrase, in lower case, to what to say. Unwanted matches the phrases,
// also when they are wrapped.
var instead, unwanted = func() (map[string]string, *regexp.Regexp) {
	instead := map[string]string{}
	var all []string
	for say, phrases := range replacements {
		for phrase := range strings.SplitSeq(phrases, ",") {
			instead[phrase] = say
			all = append(all, phrase)
		}
	}
	for noun := range strings.SplitSeq(notA, ",") {
		for _, phrase := range []string{"is no " + noun, "was no " + noun, "are no " + noun + "s", "were no " + noun + "s"} {
			instead[strings.ToLower(phrase)] = "is not a"
			all = append(all, phrase)
		}
	}
	return instead, regexp.MustCompile(`(?i)\b(` + strings.ReplaceAll(strings.Join(all, "|"), " ", `\s+`) + `)\b`)
}()

// selfCheck returns an error unless each phrase is found wherever it is prose, and only
// there. A check that looks in the wrong place would find nothing for ever.
func selfCheck() error {
	for phrase := range instead {
		wrapped := strings.Replace(phrase, " ", "\n// ", 1)
		for i, sample := range []struct{ name, src string }{
			{"a.go", "package p // é\n\n// It " + wrapped + ".\n"},
			{"a.go", "package p // é\n\nvar e = errors.New(\"it \" + `" + phrase + "`)\n"},
			{"a.go", "package p // é\n\nvar e = fmt.Errorf(\"it " + phrase + " %d\", 1)\n"},
			{"a.go", "package p // é\n\nvar e = \"sse: " + strings.ToUpper(phrase) + "\"\n"},
			{"a.md", "# Été\n\nIt " + phrase + ", they say.\n"},
			// No prose:
			{"a.go", "package p // é\n\nvar s = \"" + phrase + "\"\n"},
			{"a.go", "package p // é\n\nfunc f() {\n\t// Output: " + phrase + "\n}\n"},
			{"a.md", "`" + phrase + "`\n\n```\n" + phrase + "\n```\n"},
		} {
			found, err := check(sample.name, sample.src)
			if len(found) != 0 && !strings.HasPrefix(found[0], sample.name+":3: ") || err != nil || (len(found) == 1) != (i < 5) {
				return fmt.Errorf("self-check: %q gives %q, %v", sample.src, found, err)
			}
		}
	}
	return nil
}

func main() {
	err := selfCheck()
	files, found := 0, 0
	for names := bufio.NewScanner(os.Stdin); err == nil && names.Scan(); files++ {
		var src []byte
		var findings []string
		if src, err = os.ReadFile(names.Text()); err == nil {
			findings, err = check(names.Text(), string(src))
		}
		for _, f := range findings {
			fmt.Println(f)
		}
		found += len(findings)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
	case found > 0:
		fmt.Fprintln(os.Stderr, found, "phrases to replace")
	case files == 0:
		fmt.Fprintln(os.Stderr, "no files on standard input")
	default:
		return
	}
	os.Exit(1)
}

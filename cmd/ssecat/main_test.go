package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// TestMain runs the program instead of the tests if a test has started this binary.
func TestMain(m *testing.M) {
	if os.Getenv("SSECAT_TEST") != "" {
		main()
	}
	os.Exit(m.Run())
}

// command returns a command that runs the program. With the race detector, a program sleeps
// for a second at its end by default.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), "SSECAT_TEST=1", "GORACE=atexit_sleep_ms=0", "TERM=xterm", "COLUMNS=", "NO_COLOR=")
	return cmd
}

// ssecat runs the program to its end.
func ssecat(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := command(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	return wait(t, cmd, cmd.Run()), out.String(), errs.String()
}

// wait returns the exit status of a command that has ended with err.
func wait(t *testing.T, cmd *exec.Cmd, err error) int {
	t.Helper()
	if failed := new(exec.ExitError); err != nil {
		require.ErrorAs(t, err, &failed)
	}
	return cmd.ProcessState.ExitCode()
}

// server serves scripts in order over the loopback interface.
func server(t *testing.T, scripts ...ssetest.Script) *ssetest.Server {
	return ssetest.NewServer(t, ssetest.InOrder(scripts...), ssetest.Loopback())
}

// file writes a file and returns its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

const news = "event: price\nid: 7\ndata: {\"bid\":1.50,\"tags\":[\"a\",\"b\"]}\n\n" +
	": comment\n\ndata: two\ndata: lines\n\nevent: end\ndata: bye\n\n"

func TestOutput(t *testing.T) {
	t.Parallel()
	const chat = `data: {"choices":[{"delta":{"content":"Hel"}}]}` + "\n\n" +
		`data: {"choices":[{"delta":{"content":"lo"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	for name, c := range map[string]struct {
		stream string
		args   []string
		want   string
		stderr string
	}{
		"data":     {stream: news, want: "{\"bid\":1.50,\"tags\":[\"a\",\"b\"]}\ntwo\nlines\nbye\n"},
		"raw":      {stream: news, args: []string{"--raw"}, want: news},
		"type":     {stream: news, args: []string{"--type", "price", "-t", "end"}, want: "{\"bid\":1.50,\"tags\":[\"a\",\"b\"]}\nbye\n"},
		"template": {stream: news, args: []string{"--template", "{{.Type}} {{.ID}} {{.JSON.bid}}", "-t", "price"}, want: "price 7 1.50\n"},
		"a function": {
			stream: news, args: []string{"--template", "{{json .JSON.tags}}", "-t", "price"}, want: "[\"a\",\"b\"]\n",
		},
		"not JSON": {
			stream: news + "data: {\"bid\":2}\n\n", args: []string{"--template", "{{.JSON.bid}}"}, want: "1.50\n2\n",
			stderr: "ssecat: note: --template skips events that lack what it needs; the first: <.JSON.bid>: nil pointer evaluating interface {}.bid\n",
		},
		"until":   {stream: news + "data: more\n\n", args: []string{"--until", "end", "-t", "end"}, want: "bye\n"},
		"done":    {stream: news, args: []string{"--done", "two\nlines"}, want: "{\"bid\":1.50,\"tags\":[\"a\",\"b\"]}\n"},
		"field":   {stream: chat, args: []string{"--field", "choices.0.delta.content"}, want: "Hello"},
		"number":  {stream: news, args: []string{"--field", "bid"}, want: "1.50"},
		"array":   {stream: news, args: []string{"--field=tags.1"}, want: "b"},
		"dialect": {stream: chat, args: []string{"--dialect", "openai"}, want: "Hello"},
		"delta": {
			stream: chat, args: []string{"--dialect", "openai", "--template", "[{{.Delta.Text}}]"}, want: "[Hel]\n[lo]\n",
		},
		"no field": {
			stream: news, args: []string{"--field", "x.y"}, stderr: "ssecat: note: 3 events, none with --field x.y\n",
		},
		"no text": {
			stream: `data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}` + "\n\n", args: []string{"--dialect", "openai"},
			stderr: "ssecat: note: the response has no text (it ended for \"tool_calls\"); --jsonl shows its events\n",
		},
		"refusal": {
			stream: `data: {"choices":[{"delta":{"refusal":"No."},"finish_reason":"stop"}]}` + "\n\n",
			args:   []string{"--dialect", "openai"}, stderr: "ssecat: note: the model refuses: No.\n",
		},
		"headers": {stream: "data: a\n\n", args: []string{"-i", "--show-secrets"}, want: "HTTP/1.1 200 OK\nA: secret\nContent-Type: text/event-stream\n\na\n"},
	} {
		t.Run(name, func(t *testing.T) {
			script := ssetest.Script{ssetest.Answer(200, "Content-Type", "text/event-stream", "A", "secret"), ssetest.Chunks(5), ssetest.Raw(c.stream)}
			code, stdout, stderr := ssecat(t, "", append(c.args, "--once", server(t, script).URL)...)
			if name == "headers" {
				stdout = strings.Join(withoutDate(stdout), "\n")
			}
			require.Equal(t, complete, code, stderr)
			require.Equal(t, c.want, stdout)
			require.Equal(t, c.stderr, stderr)
		})
	}
}

// withoutDate returns the lines of text but that of the Date header.
func withoutDate(text string) (lines []string) {
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "Date: ") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := ssecat(t, "", "--jsonl", "--once", server(t, ssetest.Script{ssetest.Raw(news)}).URL)
	require.Equal(t, complete, code, stderr)
	lines := json.NewDecoder(strings.NewReader(stdout))
	for _, want := range []sse.Event{
		{Type: "price", ID: "7", Data: `{"bid":1.50,"tags":["a","b"]}`},
		{Type: "message", ID: "7", Data: "two\nlines"},
		{Type: "end", ID: "7", Data: "bye"},
	} {
		var got struct {
			Type, ID, Data string
			Time           time.Time
		}
		require.NoError(t, lines.Decode(&got))
		require.Equal(t, want, sse.Event{Type: got.Type, ID: got.ID, Data: got.Data})
		require.WithinDuration(t, time.Now(), got.Time, time.Hour)
	}
	require.Equal(t, 3, strings.Count(stdout, "\n"))
}

// A template prints the time of arrival without the monotonic reading of the clock.
func TestTimeInATemplate(t *testing.T) {
	t.Parallel()
	srv := server(t, ssetest.Script{ssetest.Data("a")})
	code, stdout, stderr := ssecat(t, "", "--template", "{{.Time}}", "--once", srv.URL)
	require.Equal(t, complete, code, stderr)
	require.Regexp(t, `^\d{4}-\d\d-\d\d `, stdout)
	require.NotContains(t, stdout, "m=")
}

// The exit status tells the ends of a stream apart.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	scripts := map[string]ssetest.Script{
		"whole":   {ssetest.Data("a")},
		"done":    {ssetest.Data("a", "[DONE]"), ssetest.Cut()},
		"cut":     {ssetest.Data("a"), ssetest.Cut()},
		"partial": {ssetest.Data("a"), ssetest.Raw("data: b")},
		"stall":   {ssetest.Data("a"), ssetest.Stall()},
		"silent":  {ssetest.Stall()},
		"none":    {ssetest.Answer(204)},
		"missing": {ssetest.Answer(404, "Content-Type", "text/plain", "Content-Length", "9"), ssetest.Raw("not \x1bhere")},
		"json":    {ssetest.Answer(200, "Content-Type", "application/json"), ssetest.Raw(`{"error":"no stream"}`)},
		"error":   {ssetest.Send(sse.Event{Type: "error", Data: "overloaded"})},
		"other":   {ssetest.Data(`{"a":1}`, `{"b":2}`, "[DONE]")},
		"plain":   {ssetest.Answer(200, "Content-Type", "text/plain"), ssetest.Raw("data: a\n\n")},
	}
	for name, c := range map[string]struct {
		script string
		args   []string
		code   int
		stdout string
		stderr string // a part
	}{
		"whole":             {"whole", []string{"--once"}, complete, "a\n", ""},
		"POST":              {"whole", []string{"-d", "x"}, complete, "a\n", ""},
		"done":              {"done", []string{"--once", "--done", "[DONE]"}, complete, "a\n", ""},
		"feed ends":         {"none", nil, complete, "", ""},
		"any type":          {"plain", []string{"--any-type", "--once"}, complete, "a\n", ""},
		"cut":               {"cut", []string{"-XPOST"}, truncated, "a\n", "the connection broke after 1 event"},
		"not done":          {"whole", []string{"--once", "--done", "[DONE]"}, truncated, "a\n", "without [DONE]"},
		"partial":           {"partial", []string{"--once"}, truncated, "a\n", "in the middle of event 2"},
		"dialect cut":       {"cut", []string{"--once", "--dialect", "openai", "--jsonl"}, truncated, "", ""},
		"HTTP error":        {"missing", nil, refused, "", "404 Not Found\nnot \uFFFDhere\n"},
		"not a stream":      {"json", nil, refused, "", `{"error":"no stream"}`},
		"another type":      {"plain", nil, refused, "", "the body begins like an event stream, which --any-type accepts\n"},
		"an error event":    {"error", []string{"--error", "error"}, eventError, "", "error event: overloaded"},
		"dialect error":     {"error", []string{"--dialect", "anthropic"}, eventError, "", "overloaded"},
		"another dialect":   {"other", []string{"--dialect", "responses"}, failed, "", "ssecat: 2 events, none in the format of this dialect; --jsonl shows them\n"},
		"max time":          {"stall", []string{"-m", "2"}, timedOut, "a\n", "--max-time"},
		"idle":              {"stall", []string{"--idle-timeout", "1s", "--once"}, timedOut, "a\n", "waiting for a byte"},
		"open":              {"silent", []string{"--open-timeout", "0.1", "--retry-max", "0"}, timedOut, "", "response headers"},
		"no retry":          {"cut", []string{"--retry-max", "0"}, truncated, "a\n", ""},
		"refused":           {"", []string{"--once", closed.URL, "--retry-max", "0"}, noResponse, "", "refused"},
		"unknown flag":      {"whole", []string{"--nonsense"}, usage, "", "ssecat: there is no flag --nonsense; see ssecat --help\n"},
		"no authority":      {"whole", []string{"--cacert", "/does/not/exist"}, usage, "", "--cacert: open"},
		"not an authority":  {"whole", []string{"--cacert", "main.go"}, usage, "", "--cacert: the file has no PEM certificate"},
		"no recording":      {"", []string{"--replay", "/does/not/exist"}, usage, "", "--replay: open"},
		"no directory":      {"whole", []string{"-o", filepath.Join(t.TempDir(), "none", "file")}, notWritten, "", "none"},
		"wrong template":    {"whole", []string{"--template", "{{.None}}"}, usage, "", "--template: there is no field None in .None"},
		"silent":            {"missing", []string{"-s"}, refused, "", ""},
		"silent, but error": {"missing", []string{"-sS"}, refused, "", "404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			args := c.args
			if c.script != "" {
				args = append(args, server(t, scripts[c.script]).URL)
			}
			code, stdout, stderr := ssecat(t, "", args...)
			require.Equal(t, c.code, code, stderr)
			if name != "dialect cut" {
				require.Equal(t, c.stdout, stdout)
			}
			require.Contains(t, stderr, c.stderr)
			if c.stderr == "" && c.code == complete || name == "silent" {
				require.Empty(t, stderr)
			}
		})
	}
}

// The flags of curl make the request that curl would make.
func TestRequest(t *testing.T) {
	t.Parallel()
	headers := file(t, "X-One: 1\nX-Two: 2\n")
	body := file(t, `{"a":1}`)
	for name, c := range map[string]struct {
		args   []string
		stdin  string
		method string
		body   string
		header map[string]string
	}{
		"GET":    {nil, "", "GET", "", map[string]string{"User-Agent": "ssecat", "Accept": "text/event-stream", "Content-Type": ""}},
		"short":  {[]string{"-XPUT", "-HX-A:b", "-dx=1", "-d", "y=2"}, "", "PUT", "x=1&y=2", map[string]string{"X-A": "b", "Content-Type": "application/x-www-form-urlencoded"}},
		"long":   {[]string{"--request", "PUT", "--header", "X-A: b", "--data", "x"}, "", "PUT", "x", map[string]string{"X-A": "b"}},
		"JSON":   {[]string{"--json", "@" + body}, "", "POST", `{"a":1}`, map[string]string{"Content-Type": "application/json"}},
		"guess":  {[]string{"-d", "@-"}, `[1]`, "POST", `[1]`, map[string]string{"Content-Type": "application/json"}},
		"chosen": {[]string{"-d", "{}", "-H", "content-type: text/x"}, "", "POST", `{}`, map[string]string{"Content-Type": "text/x"}},
		"raw":    {[]string{"--data-raw", "@x"}, "", "POST", "@x", nil},
		"files":  {[]string{"-H", "@" + headers}, "", "GET", "", map[string]string{"X-One": "1", "X-Two": "2"}},
		"user":   {[]string{"-u", "me:pass"}, "", "GET", "", map[string]string{"Authorization": "Basic bWU6cGFzcw=="}},
		"agent":  {[]string{"-A", "me/1", "-b", "a=b"}, "", "GET", "", map[string]string{"User-Agent": "me/1", "Cookie": "a=b"}},
		"pasted": {[]string{"-sSNL", "--compressed", "-H", "user-agent: x"}, "", "GET", "", map[string]string{"User-Agent": "x"}},
		"resume": {[]string{"--last-event-id", "41"}, "", "GET", "", map[string]string{"Last-Event-Id": "41"}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := server(t, ssetest.Script{ssetest.Answer(204)})
			code, _, stderr := ssecat(t, c.stdin, append([]string{srv.URL + "/x"}, c.args...)...)
			require.Equal(t, complete, code, stderr)
			req := srv.Requests()[0]
			require.Equal(t, c.method, req.Method)
			require.Equal(t, c.body, string(req.Body))
			for key, want := range c.header {
				require.Equal(t, want, req.Header.Get(key), key)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: "+r.Proto+"\n\n")
	}))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // that the client does not trust it
	srv.StartTLS()
	defer srv.Close()
	authority := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, noResponse, ""},
		{[]string{"-k"}, complete, "HTTP/2.0\n"},
		{[]string{"--cacert", authority}, complete, "HTTP/2.0\n"},
		{[]string{"-k", "--http1.1"}, complete, "HTTP/1.1\n"},
		{[]string{"-k", "--http2"}, complete, "HTTP/2.0\n"},
	} {
		code, stdout, stderr := ssecat(t, "", append(c.args, "--once", srv.URL)...)
		require.Equal(t, c.code, code, stderr)
		require.Equal(t, c.want, stdout)
	}
}

func TestUnencryptedHTTP2(t *testing.T) {
	t.Parallel()
	srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a")}), ssetest.Loopback(), ssetest.HTTP2())
	code, stdout, stderr := ssecat(t, "", "--http2", "--once", srv.URL)
	require.Equal(t, complete, code, stderr)
	require.Equal(t, "a\n", stdout)
}

func TestProxy(t *testing.T) {
	t.Parallel()
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.RequestURI
		w.WriteHeader(http.StatusNoContent)
	}))
	defer proxy.Close()
	code, _, stderr := ssecat(t, "", "-x", strings.TrimPrefix(proxy.URL, "http://"), "http://feed.example/x")
	require.Equal(t, complete, code, stderr)
	require.Equal(t, "http://feed.example/x", asked)
}

// Flag -v prints no secret.
func TestVerbose(t *testing.T) {
	t.Parallel()
	args := func(url string) []string {
		return []string{
			"-v", strings.Replace(url, "http://", "http://me:secret1@", 1) + "/x?key=secret2", "--once", "-H", "Authorization: secret3",
			"-H", "X-Unknown: secret4", "--json", `{"a":"secret5"}`, "-b", "a=secret6",
		}
	}
	srv := server(t, ssetest.Script{
		ssetest.Answer(200, "Content-Type", "text/event-stream", "Set-Cookie", "secret7", "X-Request-Id", "r1"),
		ssetest.Comment("hi"), ssetest.Raw("odd\n\n"), ssetest.Data("a"),
	})
	code, stdout, stderr := ssecat(t, "", args(srv.URL)...)
	require.Equal(t, complete, code, stderr)
	require.Equal(t, "a\n", stdout)
	require.NotContains(t, stderr, "secret")
	for _, want := range []string{
		"> POST " + srv.URL + "/x?key=[hidden]\n", "> X-Unknown: [hidden]\n", "< HTTP/1.1 200 OK\n", "< X-Request-Id: r1\n",
		"* comment: hi\n", "* ignored: odd\n", "* the response ended\n",
	} {
		require.Contains(t, stderr, want)
	}
	_, _, stderr = ssecat(t, "", append(args(srv.URL), "--show-secrets")...)
	for _, secret := range []string{"secret2", "secret3", "secret4", "secret6", "secret7"} {
		require.Contains(t, stderr, secret)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := ssecat(t, "", "--help")
	require.Equal(t, complete, code, stderr)
	require.Equal(t, help, stdout)
	for name := range dialects {
		require.Contains(t, help, name)
	}
	undocumented := []string{"no-buffer", "location", "fail", "fail-with-body"} // and without effect
	new(options).flags(nil, new(bool)).VisitAll(func(f *flag.Flag) {
		if !slices.Contains(undocumented, f.Name) {
			require.Regexp(t, `(^|\W)--?`+regexp.QuoteMeta(f.Name)+`\W`, help)
		}
	})
	for line := range strings.SplitSeq(help, "\n") {
		require.LessOrEqual(t, len(line), 118, line)
	}
}

// README.md has the exit statuses of the help.
func TestExitStatusesInREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (.*?) \|\r?$`).FindAllStringSubmatch(strings.ReplaceAll(string(readme), "`", ""), -1)
	_, statuses, _ := strings.Cut(help, "Exit status:\n")
	var text []string
	for _, row := range rows {
		text = append(text, row[1], row[2])
	}
	require.Equal(t, strings.Join(strings.Fields(statuses), " "), strings.Join(text, " "))
}

// The reader of a pipe has seen enough.
func TestBrokenPipe(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"--jsonl", "--raw"} {
		cmd := command(t, format, server(t, ssetest.Script{ssetest.Retry(0), ssetest.Data("a", "b")}).URL)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		_, err = io.ReadFull(stdout, make([]byte, 2))
		require.NoError(t, err)
		require.NoError(t, stdout.Close())
		require.Equal(t, notWritten, wait(t, cmd, cmd.Wait()))
		require.Empty(t, stderr.String())
	}
}

// Without a terminal, each cause of an outage is told once.
func TestOutage(t *testing.T) {
	t.Parallel()
	scripts := []ssetest.Script{{ssetest.Retry(time.Millisecond), ssetest.Data("a")}}
	for _, status := range []int{500, 500, 503} {
		scripts = append(scripts, ssetest.Script{ssetest.Answer(status)})
	}
	scripts = append(scripts, ssetest.Script{ssetest.Data("b")}, ssetest.Script{ssetest.Answer(503)}, ssetest.Script{ssetest.Answer(204)})
	srv := server(t, scripts...)
	code, stdout, stderr := ssecat(t, "", srv.URL)
	require.Equal(t, complete, code, stderr)
	require.Equal(t, "a\nb\n", stdout)
	down := "ssecat: GET " + srv.URL + ": 503 Service Unavailable; retrying\n"
	require.Equal(t, "ssecat: GET "+srv.URL+": 500 Internal Server Error; retrying\n"+down+down, stderr)
	code, _, stderr = ssecat(t, "", "-s", server(t, scripts...).URL)
	require.Equal(t, complete, code)
	require.Empty(t, stderr)
}

// Events are printed when they arrive.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, s := range []string{"a", "b"} {
			_, _ = io.WriteString(w, "data: "+s+"\n\n")
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	}))
	defer srv.Close()
	defer close(next)
	cmd := command(t, "--once", srv.URL)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for _, want := range []string{"a\n", "b\n"} {
		got := make([]byte, 2)
		_, err := io.ReadFull(stdout, got)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		next <- struct{}{}
	}
	require.Equal(t, complete, wait(t, cmd, cmd.Wait()))
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "give the URL"},
		{[]string{"a", "b"}, "give one URL"},
		{[]string{"http://"}, "the URL is invalid"},
		{[]string{"ftp://x"}, "use http:// or https://"},
		{[]string{"x", "-H", "secret"}, "-H: a header has no colon"},
		{[]string{"x", "-H", "A b: secret"}, "-H: a header has a character"},
		{[]string{"x", "-m", "secret"}, "-m: give seconds"},
		{[]string{"x", "-m", "NaN"}, "-m: give seconds"},
		{[]string{"x", "-m", "-Inf"}, "-m: give more than 0"},
		{[]string{"x", "--idle-timeout=-1"}, "--idle-timeout: give more than 0"},
		{[]string{"x", "--retry-max", "secret"}, "--retry-max: give a count"},
		{[]string{"x", "-X"}, "-X needs a value"},
		{[]string{"x", "-q"}, "there is no flag -q"},
		{[]string{"x", "--once", "-subscribe"}, "give --once or --subscribe"},
		{[]string{"x", "--raw", "--jsonl"}, "give one of --jsonl"},
		{[]string{"x", "--raw", "--state", "f"}, "--raw prints bytes"},
		{[]string{"x", "--dialect", "none"}, "use one of aisdk, anthropic"},
		{[]string{"x", "--dialect", "openai", "--done", "x"}, "--dialect knows"},
		{[]string{"x", "--serve", "localhost:0"}, "--serve needs --replay"},
		{[]string{"--serve", "localhost:0"}, "--serve needs --replay"},
		{[]string{"x", "--template", "{{"}, "--template: template"},
		{[]string{"x", "--template", "{{.Delta.Text}}"}, "--template: .Delta needs --dialect"},
		{[]string{"x", "--template", "{{.Delta.Nope}}", "--dialect", "openai"}, "--template: there is no field Nope in .Delta.Nope"},
		{[]string{"x", "-x", ":"}, "-x: the URL is invalid"},
		{[]string{"x", "-d", "@/does/not/exist"}, "-d: open"},
	} {
		o, err := parse(c.args, strings.NewReader(""))
		require.ErrorContains(t, err, c.want, "%v %v", c.args, o)
		require.NotContains(t, err.Error(), "secret")
	}
}

// A number of seconds that no Duration can hold is a very long time.
func TestSeconds(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"0.5": 500 * time.Millisecond, "2": 2 * time.Second, "1m30s": 90 * time.Second, "1e12": 1e9 * time.Second, "Inf": 1e9 * time.Second,
	} {
		o, err := parse([]string{"localhost", "-m", s}, nil)
		require.NoError(t, err)
		require.Equal(t, want, o.maxTime, s)
	}
}

func TestURLWithoutScheme(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"localhost:8080/x"}, nil)
	require.NoError(t, err)
	require.Equal(t, "http://localhost:8080/x", o.url.String())
}

// A status is chosen by what has ended the stream, and not by what was wrong before.
func TestExitStatusOfErrors(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		timedOut:   errors.Join(errMaxTime, &sse.ResponseError{StatusCode: 503}),
		notWritten: writeError{net.ErrClosed},
		failed:     errors.New("x"),
	} {
		require.Equal(t, want, exitStatus(t.Context(), err))
	}
}

// Messages do not name the options of package sse.
func TestMessage(t *testing.T) {
	t.Parallel()
	p := sse.NewParser(strings.NewReader("data: long\n\n"), sse.WithMaxEventSize(4))
	for p.Next() {
	}
	require.ErrorIs(t, p.Err(), sse.ErrEventTooLarge)
	require.NotContains(t, message(p.Err()), "With")
}

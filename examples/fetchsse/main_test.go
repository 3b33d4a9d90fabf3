package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// execute runs the program and returns its exit status and output.
func execute(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestDemo(t *testing.T) {
	code, stdout, stderr := execute(t, "", "-interval", "2ms")
	require.Equal(t, success, code, stderr)
	require.Empty(t, stderr)
	changing := regexp.MustCompile(`127\.0\.0\.1:\d+|"time":"[^"]+"|wait: \S+`)
	require.Equal(t, strings.Join([]string{
		`request: POST http://X/fetch-sse`,
		`  X-Demo: fetchsse`,
		`open: 200 OK`,
		`message: {"id":1,X,"body":{"content":"xxx"}}`,
		`message: {"id":2,X,"body":{"content":"xxx"}}`,
		`message: {"id":3,X,"body":{"content":"xxx"}}`,
		`message: {"id":4,X,"body":{"content":"xxx"}}`,
		`close: end of response`,
		``,
		`request: GET http://X/feed`,
		`open: 200 OK`,
		`message 1: news 1`,
		`message 2: news 2`,
		`message 3: news 3`,
		`close: sse: GET http://X/feed: the response ended after 3 events without [END]`,
		`X`,
		`request: GET http://X/feed`,
		`  Last-Event-ID: 3`,
		`open: 200 OK`,
		`message 4: news 4`,
		`message 5: news 5`,
		`message 6: news 6`,
		`close: sse: GET http://X/feed: the connection broke after 3 events, in the middle of event 4: unexpected EOF`,
		`X`,
		`request: GET http://X/feed`,
		`  Last-Event-ID: 6`,
		`open: 200 OK`,
		`message 7: news 7`,
		`message 8: news 8`,
		`message 9: news 9`,
		`close: end of response`,
		`received events 1 to 9 in order, without losses or duplicates`,
		``,
	}, "\n"), changing.ReplaceAllString(stdout, "X"))
}

func TestInOrder(t *testing.T) {
	require.NoError(t, inOrder([]string{"1", "2", "3"}, 3))
	for name, ids := range map[string][]string{
		"one lost":      {"1", "3"},
		"one twice":     {"1", "2", "2", "3"},
		"the last lost": {"1", "2"},
		"one extra":     {"1", "2", "3", "4"},
		"out of order":  {"2", "1", "3"},
		"none":          nil,
	} {
		require.Error(t, inOrder(ids, 3), name)
	}
}

// mirror responds with an event that describes the request.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "event: seen\ndata: %s %s %s %s %s\n\n",
		r.Method, r.Host, r.Header.Values("X-Test"), r.Header.Get("Content-Type"), body)
}

func TestURL(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(mirror))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	file := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(file, []byte("from a file"), 0o600))
	for name, c := range map[string]struct {
		args []string
		seen string
	}{
		"get":          {nil, "GET " + host + " []  "},
		"post":         {[]string{"-d", `{"a":1}`}, "POST " + host + ` [] application/json {"a":1}`},
		"empty body":   {[]string{"-d", ""}, "POST " + host + " [] application/json "},
		"file":         {[]string{"-d", "@" + file}, "POST " + host + " [] application/json from a file"},
		"stdin":        {[]string{"-d", "@-"}, "POST " + host + " [] application/json from stdin"},
		"method":       {[]string{"-X", "PUT", "-d", "x"}, "PUT " + host + " [] application/json x"},
		"headers":      {[]string{"-H", "X-Test: 1", "-H", "x-test:2"}, "GET " + host + " [1 2]  "},
		"content type": {[]string{"-d", "x", "-H", "Content-Type: text/plain"}, "POST " + host + " [] text/plain x"},
		"host":         {[]string{"-H", "Host: example.com"}, "GET example.com []  "},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := execute(t, "from stdin", append(c.args, "-url", srv.URL)...)
			require.Equal(t, success, code, stderr)
			require.Contains(t, stdout, "\nseen: "+c.seen+"\n")
		})
	}
}

func TestSubscribe(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") == "" {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "retry: 300\nid: 1\ndata: x\n\n")
			return
		}
		w.WriteHeader(http.StatusNoContent) // ends the subscription
	}))
	defer srv.Close()
	code, stdout, stderr := execute(t, "", "-subscribe", "-url", srv.URL)
	require.Equal(t, success, code, stderr)
	require.Regexp(t, `message 1: x\nclose: end of response\nwait: 3[0-3]\dms\n`, stdout)
	require.Contains(t, stdout, "Last-Event-ID: 1\n")
}

func TestDone(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(mirror))
	defer srv.Close()
	code, stdout, stderr := execute(t, "", "-url", srv.URL, "-done", "[DONE]")
	require.Equal(t, failure, code)
	require.Contains(t, stdout, "seen: GET")
	require.Contains(t, stderr, "the response ended after 1 event without [DONE]")
}

func TestErrors(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such stream"+strings.Repeat(".", 2000), http.StatusNotFound)
	}))
	defer srv.Close()
	code, stdout, stderr := execute(t, "", "-url", srv.URL)
	require.Equal(t, failure, code)
	require.Equal(t, "request: GET "+srv.URL+"\n", stdout)
	require.Contains(t, stderr, "404 Not Found\nno such stream...")
	require.Less(t, len(stderr), 1200)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-d", "x"},
		{"-subscribe"},
		{"-H", "no colon"},
		{"-d", "@no/such/file"},
		{"argument"},
		{"-nonsense"},
	} {
		code, stdout, stderr := execute(t, "", args...)
		require.Equal(t, usage, code, args)
		require.Empty(t, stdout, args)
		require.Contains(t, stderr, "Usage", args)
	}
	code, _, _ := execute(t, "", "-h")
	require.Equal(t, success, code)
}

// A watcher cancels when a text is printed, as a user does with Ctrl-C.
type watcher struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (w *watcher) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if strings.Contains(w.String(), w.text) {
		w.cancel()
	}
	return n, err
}

func TestCancel(t *testing.T) {
	for _, text := range []string{
		"request: POST", // before a response arrives
		"open:",
		"message: ",
		"message 1: ",
		"wait: ",
	} {
		t.Run(text, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &watcher{text: text, cancel: cancel}
			var errs bytes.Buffer
			require.Equal(t, interrupted, run(ctx, []string{"-interval", "2ms"}, nil, out, &errs))
			require.Empty(t, errs.String())
			want := "\ncanceled: context canceled\n"
			if text == "wait: " {
				want = "\ncanceled: context canceled, waiting to retry: GET "
			}
			require.Contains(t, out.String(), want)
			require.NotContains(t, out.String(), "received events")
		})
	}
}

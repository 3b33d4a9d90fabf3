package ssetest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// servers runs a test on each kind of network.
func servers(t *testing.T, test func(t *testing.T, opts ...ssetest.Option)) {
	t.Run("memory HTTP/1.1", func(t *testing.T) { test(t) })
	t.Run("memory HTTP/2", func(t *testing.T) { test(t, ssetest.HTTP2()) })
	t.Run("loopback HTTP/1.1", func(t *testing.T) { test(t, ssetest.Loopback()) })
	t.Run("loopback HTTP/2", func(t *testing.T) { test(t, ssetest.Loopback(), ssetest.HTTP2()) })
}

// get returns the response to a GET request and its complete body.
func get(t *testing.T, srv *ssetest.Server) (*http.Response, string, error) {
	t.Helper()
	resp, err := srv.Client().Do(srv.Get("/p?q=1"))
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestSteps(t *testing.T) {
	servers(t, func(t *testing.T, opts ...ssetest.Option) {
		checked := false
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{
				ssetest.Check(func(r *http.Request) { checked = r.URL.Query().Get("q") == "1" }),
				ssetest.WantHeader("X-None", ""),
				ssetest.Open(),
				ssetest.Comment("hi"),
				ssetest.Retry(1500 * time.Millisecond),
				ssetest.Data("a", "b\nc"),
				ssetest.Send(sse.Event{Type: "t", ID: "1", Data: "d"}),
				ssetest.Raw("raw"),
			},
			ssetest.Script{ssetest.Answer(404, "X-A", "1", "X-A", "2"), ssetest.Raw("none")},
			ssetest.Script{ssetest.Do(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) })},
			ssetest.Script{},
		), opts...)

		resp, body, err := get(t, srv)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		require.Equal(t, ": hi\n\nretry: 1500\n\ndata: a\n\ndata: b\ndata: c\n\nevent: t\nid: 1\ndata: d\n\nraw", body)
		require.True(t, checked)

		resp, body, err = get(t, srv)
		require.NoError(t, err)
		require.Equal(t, 404, resp.StatusCode)
		require.Equal(t, []string{"1", "2"}, resp.Header["X-A"])
		require.Equal(t, "none", body)

		resp, _, err = get(t, srv)
		require.NoError(t, err)
		require.Equal(t, 418, resp.StatusCode)

		for range 2 { // the last script serves all further requests
			resp, body, err = get(t, srv)
			require.NoError(t, err)
			require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
			require.Empty(t, body)
		}
		require.Len(t, srv.Requests(), 5)
		require.Positive(t, srv.Open())
		if resp.ProtoMajor == 1 { // over HTTP/2, net/http sometimes dials twice at the start
			require.Equal(t, 1, srv.Connections())
			require.Equal(t, 1, srv.Open())
		}
	})
}

func TestRecords(t *testing.T) {
	servers(t, func(t *testing.T, opts ...ssetest.Option) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a")}), opts...)
		before := time.Now()
		req := srv.Post("/p?q=1", "body")
		req.Header.Set("X-A", "1")
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		got := srv.Requests()
		require.Len(t, got, 1)
		require.Equal(t, http.MethodPost, got[0].Method)
		require.Equal(t, "/p?q=1", got[0].Path)
		require.Equal(t, "body", string(got[0].Body))
		require.Equal(t, "1", got[0].Header.Get("X-A"))
		require.Equal(t, "application/json", got[0].Header.Get("Content-Type"))
		require.NotEmpty(t, got[0].Host)
		require.False(t, got[0].Time.Before(before))
	})
}

// If the client disconnects in the middle of its request, the record has the part that had
// arrived.
func TestRecordsAnUnfinishedBody(t *testing.T) {
	for name, opts := range map[string][]ssetest.Option{"HTTP/1.1": nil, "HTTP/2": {ssetest.HTTP2()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a")}), opts...)
				broken := errors.New("broken")
				req := srv.Post("/", "")
				req.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)))
				_, err := srv.Client().Do(req)
				require.ErrorIs(t, err, broken)
				synctest.Wait()
				require.Equal(t, "half", string(srv.Requests()[0].Body))
			})
		})
	}
}

func TestBreaks(t *testing.T) {
	servers(t, func(t *testing.T, opts ...ssetest.Option) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Data("a"), ssetest.Cut()},
			ssetest.Script{ssetest.Cut()},
		), opts...)
		_, body, err := get(t, srv)
		require.Error(t, err)
		require.Equal(t, "data: a\n\n", body)
		_, _, err = get(t, srv)
		require.Error(t, err)
	})
	t.Run("half-close", func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a"), ssetest.HalfClose()}), ssetest.Loopback())
		_, body, err := get(t, srv)
		require.Error(t, err)
		require.Equal(t, "data: a\n\n", body)
	})
	t.Run("reset", func(t *testing.T) {
		read := make(chan struct{}) // some systems discard what the client has not read before a reset
		wait := ssetest.Check(func(*http.Request) { <-read })
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a"), wait, ssetest.Reset()}), ssetest.Loopback())
		resp, err := srv.Client().Do(srv.Get("/"))
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = io.ReadFull(resp.Body, make([]byte, len("data: a\n\n")))
		close(read)
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		errno, _ := errors.AsType[syscall.Errno](err)
		const windows = syscall.Errno(10054) // WSAECONNRESET
		require.Contains(t, []syscall.Errno{syscall.ECONNRESET, windows}, errno)
	})
}

func TestRefuse(t *testing.T) {
	srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a")}))
	srv.Refuse(2)
	for range 2 {
		_, _, err := get(t, srv)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
	_, _, err := get(t, srv)
	require.NoError(t, err)
}

func TestChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{
			ssetest.Chunks(3), ssetest.Raw("1234567"), ssetest.Chunks(0), ssetest.Raw("890"), ssetest.Wait(time.Minute), ssetest.Stall(),
		}))
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := srv.Client().Do(srv.Get("/").WithContext(ctx))
		require.NoError(t, err)
		r := bufio.NewReader(resp.Body)
		for _, want := range []string{"123", "456", "7", "890"} {
			b := make([]byte, 100)
			n, err := r.Read(b)
			require.NoError(t, err)
			require.Equal(t, want, string(b[:n]))
		}
		cancel()
		_, err = r.ReadByte()
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestEarly(t *testing.T) {
	servers(t, func(t *testing.T, opts ...ssetest.Option) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Early(), ssetest.Data("a"), ssetest.Stall()}), opts...)
		r, w := io.Pipe() // a body that never ends
		defer w.Close()
		req := srv.Post("/", "")
		req.Body = r
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		line, err := bufio.NewReader(resp.Body).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "data: a\n", line)
		resp.Body.Close()
	})
}

// A reporter records failures instead of failing a test.
type reporter struct {
	testing.TB
	mu     sync.Mutex
	failed []string
}

func (r *reporter) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

// A bug in the program or in the script fails the test with a clear message.
func TestFailures(t *testing.T) {
	type script = ssetest.Script
	for name, tt := range map[string]struct {
		script script
		opts   []ssetest.Option
		want   string
	}{
		"right":            {script: script{ssetest.WantHeader("X-A", ""), ssetest.WantHeader("Host", "server.test"), ssetest.WantBody("{}")}},
		"header":           {script: script{ssetest.WantHeader("X-A", "1")}, want: `request 0, POST /p: header X-A is "", want "1"`},
		"host":             {script: script{ssetest.WantHeader("host", "x")}, want: `header host is "server.test", want "x"`},
		"body":             {script: script{ssetest.WantBody("[]")}, want: `body is "{}", want "[]"`},
		"panic":            {script: script{ssetest.Check(func(*http.Request) { panic("boom") })}, want: "request 0, POST /p: panic: boom"},
		"empty step":       {script: script{ssetest.Open(), {}}, want: "step 1 is an empty Step"},
		"body, Early":      {script: script{ssetest.Early(), ssetest.WantBody("")}, want: "WantBody cannot be used after Early"},
		"late Early":       {script: script{ssetest.Open(), ssetest.Early()}, want: "step 1 is an empty Step, or an Early after the first step"},
		"late Answer":      {script: script{ssetest.Open(), ssetest.Answer(500)}, want: "Answer(500) must come before Do and before any step that sends"},
		"no body":          {script: script{ssetest.Answer(204), ssetest.Data("x")}, want: "cannot contain these bytes"},
		"too long":         {script: script{ssetest.Answer(200, "Content-Length", "3"), ssetest.Data("x")}, want: "cannot contain these bytes"},
		"HalfClose":        {script: script{ssetest.Open(), ssetest.HalfClose()}, want: "HalfClose requires Loopback"},
		"Reset on HTTP/2":  {script: script{ssetest.Open(), ssetest.Reset()}, opts: []ssetest.Option{ssetest.HTTP2()}, want: "Reset requires HTTP/1.1"},
		"informational":    {script: script{ssetest.Answer(103), ssetest.Data("x")}, want: "Answer(103) is not the response"},
		"invalid key":      {script: script{ssetest.Answer(429, "Retry-After:", "30")}, want: `Answer(429) has an invalid header, "Retry-After:: 30"`},
		"invalid value":    {script: script{ssetest.Answer(200, "X", "a\nb")}, want: "Answer(200) has an invalid header"},
		"nil script":       {want: "the Script is nil"},
		"second value":     {script: script{ssetest.WantHeader("X-Two", "")}, want: `header X-Two is ", leak", want ""`},
		"Cut is not a bug": {script: script{ssetest.Open(), ssetest.Cut()}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reporter{TB: t}
				srv := ssetest.NewServer(r, ssetest.InOrder(tt.script), tt.opts...)
				req := srv.Post("/p", "{}")
				req.Header["X-Two"] = []string{"", "leak"}
				if resp, err := srv.Client().Do(req); err == nil {
					_, _ = io.ReadAll(resp.Body) // some scripts abort the response
					resp.Body.Close()
				}
				synctest.Wait()
				r.mu.Lock()
				defer r.mu.Unlock()
				if tt.want == "" {
					require.Empty(t, r.failed)
					return
				}
				require.Len(t, r.failed, 1)
				require.Contains(t, r.failed[0], tt.want)
			})
		})
	}
	odd := []string{"Retry-After"}
	require.Panics(t, func() { ssetest.Answer(429, odd...) })
	require.Panics(t, func() { ssetest.Send(sse.Event{ID: "a\nb"}) })
	require.Panics(t, func() { ssetest.NewServer(t, nil) })
	require.Panics(t, func() { ssetest.InOrder() })
}

// Every Check and Do can read the body.
func TestCheckAndDoReadTheBody(t *testing.T) {
	var got []string
	check := ssetest.Check(func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got = append(got, fmt.Sprint(string(body), err))
	})
	do := ssetest.Do(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got = append(got, fmt.Sprint(string(body), err))
	})
	srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{check, check, do}))
	resp, err := srv.Client().Do(srv.Post("/", "{}"))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, []string{"{}<nil>", "{}<nil>", "{}<nil>"}, got)
}

// The test does not end before its scripts, because a script may still report a failure.
// This holds for every way to wait, and also if net/http does not notice that the client
// has disconnected.
func TestScriptsEnd(t *testing.T) {
	servers(t, func(t *testing.T, opts ...ssetest.Option) {
		for _, script := range []ssetest.Script{
			{ssetest.Stall()},
			{ssetest.Data("a"), ssetest.Wait(time.Hour)},
			{ssetest.Early(), ssetest.Data("a"), ssetest.Stall()},
			{ssetest.Early(), ssetest.Data("a"), ssetest.Wait(time.Hour)},
			{ssetest.Early(), ssetest.Data("a"), ssetest.Do(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })},
		} {
			t.Run("", func(t *testing.T) {
				srv := ssetest.NewServer(t, ssetest.InOrder(script), opts...)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				if resp, err := srv.Client().Do(srv.Post("/", "{}").WithContext(ctx)); err == nil {
					resp.Body.Close()
				}
			})
		}
		late := false
		t.Run("late", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Check(func(*http.Request) {
				cancel() // only now: a slow machine may not have sent the request before
				time.Sleep(50 * time.Millisecond)
				late = true
			})}), opts...)
			if resp, err := srv.Client().Do(srv.Post("/", "{}").WithContext(ctx)); err == nil {
				resp.Body.Close()
			}
		})
		require.True(t, late)
	})
}

// Close aborts responses: the remaining steps of a script send nothing, and no response
// ends cleanly.
func TestClose(t *testing.T) {
	servers(t, func(t *testing.T, opts ...ssetest.Option) {
		for range 20 {
			srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a"), ssetest.Stall(), ssetest.Data("b")}), opts...)
			resp, err := srv.Client().Do(srv.Get("/"))
			require.NoError(t, err)
			srv.Close()
			body, err := io.ReadAll(resp.Body)
			require.Error(t, err)
			require.NotContains(t, string(body), "b")
			resp.Body.Close()
		}
	})
}

func TestComment(t *testing.T) {
	srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Comment("a\r\n\ndata: b")}))
	_, body, err := get(t, srv)
	require.NoError(t, err)
	require.Equal(t, ": a\n: \n: data: b\n\n", body)
}

func TestEncode(t *testing.T) {
	for _, tt := range []struct {
		event sse.Event
		want  string
	}{
		{sse.Event{}, "data: \n\n"},
		{sse.Event{Type: "message", Data: "a"}, "data: a\n\n"},
		{sse.Event{Type: "t", ID: "1", Data: " a\n\nb"}, "event: t\nid: 1\ndata:  a\ndata: \ndata: b\n\n"},
		{sse.Event{Data: "a\r\nb\rc"}, "data: a\ndata: b\ndata: c\n\n"},
	} {
		require.Equal(t, tt.want, ssetest.Encode(tt.event))
	}
	for _, bad := range []sse.Event{{Type: "a\nb"}, {ID: "a\rb"}, {ID: "a\x00b"}} {
		require.Panics(t, func() { ssetest.Encode(bad) })
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("t", "1", "a\nb")
	f.Add("", "", "")
	f.Add("message", " x ", " leading\n\n\r\ntrailing\n")
	f.Fuzz(func(t *testing.T, typ, id, data string) {
		clean := func(s, remove string) string {
			return strings.Map(func(r rune) rune {
				if strings.ContainsRune(remove, r) {
					return -1
				}
				return r
			}, strings.ToValidUTF8(s, ""))
		}
		e := sse.Event{Type: clean(typ, "\r\n"), ID: clean(id, "\r\n\x00"), Data: clean(data, "\r")}
		p := sse.NewParser(strings.NewReader(ssetest.Encode(e) + ssetest.Encode(sse.Event{Data: "next"})))
		require.True(t, p.Next())
		if e.Type == "" {
			e.Type = "message"
		}
		require.Equal(t, e, p.Event())
		require.True(t, p.Next())
		require.Equal(t, sse.Event{Type: "message", Data: "next", ID: e.ID}, p.Event())
		require.False(t, p.Next())
		require.NoError(t, p.Err())
	})
}

// The following tests are the complete versions of those in the package documentation.

// The program must resume after a broken connection and process every event.
func TestProgramResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Send(sse.Event{ID: "1", Data: "a"}), ssetest.Cut()},
			ssetest.Script{ssetest.WantHeader("Last-Event-ID", "1"), ssetest.Send(sse.Event{ID: "2", Data: "b"})},
			ssetest.Script{ssetest.WantHeader("Last-Event-ID", "2"), ssetest.Answer(204)},
		))
		stream, err := sse.Subscribe(srv.Get("/feed"), sse.WithHTTPClient(srv.Client()))
		require.NoError(t, err)
		var got []string
		for event, err := range stream.Events() {
			require.NoError(t, err)
			got = append(got, event.Data)
		}
		require.Equal(t, []string{"a", "b"}, got)
	})
}

// The server is too busy and sends Retry-After.
func TestProgramWaitsFor429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Answer(429, "Retry-After", "30")},
			ssetest.Script{ssetest.Data("[DONE]")},
		))
		stream, err := sse.Fetch(srv.Post("/chat", "{}"), sse.WithHTTPClient(srv.Client()), sse.WithDone("[DONE]"))
		require.NoError(t, err)
		require.False(t, stream.Next())
		require.NoError(t, stream.Err())
		requests := srv.Requests()
		require.Equal(t, 30*time.Second, requests[1].Time.Sub(requests[0].Time))
	})
}

// The program must not accept a truncated response as complete.
func TestProgramSeesTruncation(t *testing.T) {
	srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("Hel"), ssetest.Raw("data: lo"), ssetest.Cut()}))
	stream, err := sse.Fetch(srv.Post("/chat", "{}"), sse.WithHTTPClient(srv.Client()), sse.WithDone("[DONE]"))
	require.NoError(t, err)
	require.True(t, stream.Next())
	require.False(t, stream.Next())
	truncated, ok := errors.AsType[*sse.TruncatedError](stream.Err())
	require.True(t, ok)
	require.Equal(t, "lo", truncated.Partial.Data)
}

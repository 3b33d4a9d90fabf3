package sse_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// A situation is a row of the table "What happens when" in the package comment and in
// README.md, with servers that lead into it.
type situation struct {
	name             string
	fetch, subscribe string // what they do, in the words of the table
	idempotent       bool   // Fetch retries only idempotent requests
	atFirst          bool   // until a response was accepted; a reconnect is retried
	cases            []situationCase
}

// A situationCase is a server that leads into a situation.
type situationCase struct {
	name   string
	unsent error  // the dialer's, if the request is not sent
	script Script // if it is
	opts   []sse.Option
	want   []string     // data of the events that are delivered before
	stop   interruption // called after those events

	// The error of the attempt or connection.
	status int   // of a ResponseError
	err    error // in its tree

	// Where it differs from the row.
	fetch  string
	detail string // names it in the table of POST counts
}

var (
	idleTimeout  = sse.WithIdleTimeout(time.Minute)
	eventTimeout = sse.WithEventTimeout(time.Minute)

	finish = Send(sse.Event{Type: "finish", Data: "f"})

	cancelStream interruption = func(_ *sse.Stream, cancel context.CancelCauseFunc) { cancel(errUserLeft) }
	closeStream  interruption = func(s *sse.Stream, _ context.CancelCauseFunc) { s.Close() }
)

var situations = []situation{
	{
		name:  "request not sent: connection refused, DNS, TLS",
		fetch: "retry, twice", subscribe: "retry",
		cases: []situationCase{
			{name: "connection refused", unsent: errRefused, err: errRefused},
			{name: "DNS", unsent: &net.DNSError{Err: "server misbehaving", Name: "server.test", IsTemporary: true}},
			{name: "TLS", unsent: tls.AlertError(80), err: tls.AlertError(80)},
		},
	},
	{
		name:  "unknown host, untrusted certificate, at first",
		fetch: "its error", subscribe: "its error", atFirst: true,
		cases: []situationCase{
			{name: "unknown host", unsent: errUnknownHost, err: errUnknownHost},
			{name: "untrusted certificate", unsent: errUntrusted, err: errUntrusted},
		},
	},
	{
		name:  "408, 425, 429, 529",
		fetch: "retry, twice", subscribe: "retry",
		cases: append(statuses(408, 425, 429, 529),
			situationCase{name: "Retry-After of a minute", script: Script{Answer(429, "Retry-After", "60")}, status: 429},
			situationCase{
				name: "Retry-After of more than a minute", script: Script{Answer(429, "Retry-After", "61")}, status: 429,
				fetch: "*ResponseError", detail: "Retry-After of more than a minute",
			}),
	},
	{
		name:  "500, 502, 503, 504, 52x, 530, 598, 599, or no response (ErrOpenTimeout)",
		fetch: "retry, twice", subscribe: "retry", idempotent: true,
		cases: append(statuses(500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530, 598, 599),
			situationCase{name: "no response", script: Script{Cut()}},
			situationCase{
				name: "ErrOpenTimeout", script: Script{Stall()},
				opts: []sse.Option{sse.WithOpenTimeout(time.Second)}, err: sse.ErrOpenTimeout,
			}),
	},
	{
		name:  "any other status, or not text/event-stream",
		fetch: "*ResponseError", subscribe: "*ResponseError",
		cases: append(statuses(202, 304, 400, 401, 404, 410, 501),
			situationCase{
				name: "205 text/event-stream", script: Script{Answer(205, "Content-Type", "text/event-stream")},
				status: 205,
			},
			situationCase{name: "200 without a type", script: Script{Answer(200)}, status: 200},
			situationCase{
				name: "200 HTML", script: Script{Answer(200, "Content-Type", "text/html"), Raw("<p>")},
				status: 200,
			}),
	},
	{
		name:  "204",
		fetch: "clean end", subscribe: "clean end",
		cases: []situationCase{{name: "204", script: Script{Answer(204)}}},
	},
	{
		name:  "completed: WithDone, WithTerminator, or an end after WithCompleteAfter",
		fetch: "clean end", subscribe: "clean end",
		cases: []situationCase{
			{name: "WithDone", script: Script{Data("b", "[DONE]")}, opts: []sse.Option{doneEvent}, want: []string{"b"}},
			{
				name: "WithDone, then silence", script: Script{Data("b", "[DONE]"), Stall()},
				opts: []sse.Option{doneEvent}, want: []string{"b"},
			},
			{
				name: "WithTerminator, then a break", script: Script{Send(sse.Event{Type: "stop", Data: "z"}), Cut()},
				opts: []sse.Option{stopEvent}, want: []string{"z"},
			},
			{
				name: "WithCompleteAfter, then an end", script: Script{finish, Data("usage")},
				opts: []sse.Option{finishEvent}, want: []string{"f", "usage"},
			},
			{
				name: "WithCompleteAfter, then WithDone", script: Script{finish, Data("[DONE]"), Stall()},
				opts: []sse.Option{finishEvent, doneEvent}, want: []string{"f"},
			},
		},
	},
	{
		name:  "body ends between events",
		fetch: "clean end", subscribe: "reconnect",
		cases: []situationCase{
			{name: "after an event", script: Script{Data("b")}, want: []string{"b"}},
			{name: "after a comment", script: Script{Comment("x")}},
			{
				name: "before the event of WithDone", script: Script{Data("b")}, opts: []sse.Option{doneEvent}, want: []string{"b"},
				fetch: "*TruncatedError", detail: "before the completion event",
			},
			{
				name: "before the event of WithTerminator", script: Script{Comment("x")}, opts: []sse.Option{stopEvent},
				fetch: "*TruncatedError", detail: "before the completion event",
			},
			{
				name: "before the event of WithCompleteAfter", script: Script{Data("b")}, opts: []sse.Option{finishEvent}, want: []string{"b"},
				fetch: "*TruncatedError", detail: "before the completion event",
			},
		},
	},
	{
		name:  "body ends in the middle of an event",
		fetch: "*TruncatedError", subscribe: "reconnect",
		cases: []situationCase{
			{name: "after a line", script: Script{Raw("data: x\n")}},
			{name: "in a line", script: Script{Data("b"), Raw("data: x")}, want: []string{"b"}},
			{
				name: "after the event of WithCompleteAfter", script: Script{finish, Raw("data: x\n")},
				opts: []sse.Option{finishEvent}, want: []string{"f"},
			},
		},
	},
	{
		name:  "body breaks off",
		fetch: "*TruncatedError", subscribe: "reconnect",
		cases: []situationCase{
			{name: "before the first byte", script: Script{Open(), Cut()}},
			{name: "between events", script: Script{Data("b"), Cut()}, want: []string{"b"}},
			{name: "in the middle of an event", script: Script{Raw("data: x\n"), Cut()}},
			{
				name: "after the event of WithCompleteAfter", script: Script{finish, Cut()},
				opts: []sse.Option{finishEvent}, want: []string{"f"},
			},
		},
	},
	{
		name:  "idle or event timeout",
		fetch: "its error", subscribe: "reconnect",
		cases: []situationCase{
			{
				name: "idle timeout", script: Script{Data("b"), Stall()},
				opts: []sse.Option{idleTimeout}, want: []string{"b"}, err: sse.ErrIdleTimeout,
			},
			{
				name: "event timeout", script: Script{Open(), Stall()},
				opts: []sse.Option{eventTimeout}, err: sse.ErrEventTimeout,
			},
		},
	},
	{
		name:  "event over the limit",
		fetch: "ErrEventTooLarge", subscribe: "ErrEventTooLarge",
		cases: []situationCase{
			{
				name: "WithMaxEventSize", script: Script{Data("b", strings.Repeat("x", 100))},
				opts: []sse.Option{sse.WithMaxEventSize(50)}, want: []string{"b"},
			},
		},
	},
	{
		name:  "error event or text (WithEventError, WithIgnoredError)",
		fetch: "*EventError", subscribe: "*EventError",
		cases: []situationCase{
			{
				name: "WithEventError", script: Script{Data("b"), Send(sse.Event{Type: "error"}), Data("c")},
				opts: []sse.Option{failOnError}, want: []string{"b"}, err: errInBand,
			},
			{
				name: "WithIgnoredError", script: Script{Data("b"), Raw("error: x\n\n"), Data("c")},
				opts: []sse.Option{failOnText}, want: []string{"b"}, err: errInBand,
			},
			{
				name: "WithIgnoredError, then a break", script: Script{Data("b"), Raw("error: x"), Cut()},
				opts: []sse.Option{failOnText}, want: []string{"b"}, err: errInBand,
			},
		},
	},
	{
		name:  "context done",
		fetch: "context.Cause", subscribe: "context.Cause",
		cases: []situationCase{
			{
				name: "while events arrive", script: Script{Data("b", "c"), Stall()},
				want: []string{"b"}, stop: cancelStream, err: errUserLeft,
			},
		},
	},
	{
		name:  "Close",
		fetch: "ErrClosed", subscribe: "ErrClosed",
		cases: []situationCase{
			{name: "while events arrive", script: Script{Data("b", "c"), Stall()}, want: []string{"b"}, stop: closeStream},
		},
	},
}

// statuses returns a case for each status.
func statuses(codes ...int) (cases []situationCase) {
	for _, code := range codes {
		cases = append(cases, situationCase{name: fmt.Sprint(code), script: Script{Answer(code)}, status: code})
	}
	return cases
}

// situationRequests are requests that Fetch treats in different ways.
var situationRequests = []struct {
	name       string
	make       func(*Server) *http.Request
	idempotent bool
}{
	{"GET", get, true},
	{"POST", post, false},
	{"POST with Idempotency-Key", keyed("Idempotency-Key"), true},
}

func TestSituations(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			for _, c := range s.cases {
				for _, r := range situationRequests {
					in(t, "Fetch, "+r.name+", "+c.name, func(t *testing.T) {
						outcome := cmp.Or(c.fetch, s.fetch)
						if outcome == "retry, twice" && (r.idempotent || !s.idempotent) {
							requireTwoRetries(t, c, r.make)
							return
						}
						got := c.play(t, (*sse.Client).Fetch, r.make, theCase)
						require.Equal(t, 1, got.attempts)
						require.Equal(t, c.want, got.data)
						c.requireOutcome(t, outcome, got.err)
					})
				}
				in(t, "Subscribe, "+c.name, func(t *testing.T) {
					c.requireSubscribe(t, s.subscribe, nil)
				})
				in(t, "Subscribe, on a reconnect, "+c.name, func(t *testing.T) {
					outcome := s.subscribe
					if s.atFirst {
						outcome = "retry"
					}
					c.requireSubscribe(t, outcome, Script{Data("a")})
				})
			}
		})
	}
}

// laterEvent is the response to an attempt after those that fail.
var laterEvent = Script{Data("later")}

// theCase lets all attempts lead into the situation.
func theCase(int) Script { return nil }

// requireTwoRetries requires that Fetch retries twice and not more often.
func requireTwoRetries(t *testing.T, c situationCase, request func(*Server) *http.Request) {
	t.Helper()
	got := c.play(t, (*sse.Client).Fetch, request, func(attempt int) Script {
		if attempt < 2 {
			return nil
		}
		return laterEvent
	})
	require.NoError(t, got.err)
	require.Equal(t, []string{"later"}, got.data)
	require.Equal(t, 3, got.attempts)

	got = c.play(t, (*sse.Client).Fetch, request, theCase)
	c.requireFailure(t, got.err)
	require.ErrorContains(t, got.err, "sse: gave up after 2 retries: ")
	require.Equal(t, 3, got.attempts)
}

// requireSubscribe requires what Subscribe does in a situation, after a first connection
// if that has a script.
func (c situationCase) requireSubscribe(t *testing.T, outcome string, first Script) {
	t.Helper()
	// After the event of WithCompleteAfter, a clean end would be that of the stream.
	scripts := []Script{nil, append(slices.Clone(laterEvent), Cut()), gone}
	want := c.want
	if first != nil {
		scripts = append([]Script{first}, scripts...)
		want = append([]string{"a"}, want...)
	}
	got := c.play(t, (*sse.Client).Subscribe, post, func(attempt int) Script { return scripts[attempt] })
	for _, r := range got.requests {
		require.Equal(t, "{}", string(r.Body))
	}
	switch outcome {
	case "retry", "reconnect":
		require.NoError(t, got.err)
		require.Equal(t, append(want, "later"), got.data)
		require.Equal(t, len(scripts), got.attempts)
	default:
		c.requireOutcome(t, outcome, got.err)
		require.Equal(t, want, got.data)
		require.Equal(t, len(scripts)-2, got.attempts)
	}
}

// requireOutcome requires that err is how a stream ends in the words of the table.
func (c situationCase) requireOutcome(t *testing.T, outcome string, err error) {
	t.Helper()
	switch outcome {
	case "clean end":
		require.NoError(t, err)
	case "*ResponseError", "retry, twice", "its error":
		c.requireFailure(t, err)
	case "*TruncatedError":
		truncatedError(t, err)
	case "ErrEventTooLarge":
		require.ErrorIs(t, err, sse.ErrEventTooLarge)
	case "*EventError":
		eventError(t, err)
		require.ErrorIs(t, err, c.err)
	case "context.Cause":
		require.Equal(t, c.err, err)
	case "ErrClosed":
		require.Equal(t, sse.ErrClosed, err)
	default:
		t.Fatalf("unknown outcome %q", outcome)
	}
}

// requireFailure requires that err is the error of the attempt and names the request.
func (c situationCase) requireFailure(t *testing.T, err error) {
	t.Helper()
	require.ErrorContains(t, err, "//server.test/: ")
	if c.status != 0 {
		refusedWith(c.status)(t, err)
	}
	if c.err != nil {
		require.ErrorIs(t, err, c.err)
	}
}

// An exchange is what a server has got from a stream and what the stream has delivered.
type exchange struct {
	attempts int
	data     []string
	err      error
	requests []Request
}

// play opens a stream and reads it to its end. Attempts, counted from 0, get the script
// that next returns, and lead into the situation where it returns nil.
func (c situationCase) play(t *testing.T, call func(*sse.Client, *http.Request, ...sse.Option) (*sse.Stream, error),
	request func(*Server) *http.Request, next func(attempt int) Script, opts ...sse.Option,
) (p exchange) {
	t.Helper()
	var attempts, unsent atomic.Int64
	current := func() Script { return next(int(attempts.Load() - 1)) }
	srv := NewServer(t, func(int, *http.Request) Script {
		if script := current(); script != nil {
			return script
		}
		return c.script
	})
	hc := failingDial(srv, func(int) error {
		if c.unsent == nil || current() != nil {
			return nil
		}
		unsent.Add(1)
		return c.unsent
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	opts = slices.Concat(c.opts, opts, []sse.Option{sse.WithTrace(&sse.Trace{Request: func(*http.Request) { attempts.Add(1) }})})
	var s *sse.Stream
	s, p.err = call(client(srv, sse.WithHTTPClient(hc)), request(srv).WithContext(ctx), opts...)
	if p.err == nil {
		defer s.Close()
		for s.Next() {
			p.data = append(p.data, string(s.Data()))
			if c.stop != nil && string(s.Data()) == c.want[len(c.want)-1] {
				c.stop(s, cancel)
			}
		}
		p.err = s.Err()
	}
	p.attempts, p.requests = int(attempts.Load()), srv.Requests()
	require.Len(t, p.requests, p.attempts-int(unsent.Load()))
	return p
}

var updatePostCounts = flag.Bool("update-post-counts", false, "write the table of TestPostCounts to docs/llm.md")

// The number of POSTs that a server gets is that of the table in docs/llm.md. It is one at
// most unless the request was not processed or is idempotent.
func TestPostCounts(t *testing.T) {
	lines := []string{
		"| situation | POSTs | with `Idempotency-Key` | with `WithResume` |",
		"|---|--:|--:|--:|",
	}
	counts := make(map[string]string) // by name
	for _, s := range situations {
		for _, c := range s.cases {
			name := s.name
			if c.detail != "" {
				name += ", " + c.detail
			}
			posts, gets := c.count(t, false, false)
			require.Zero(t, gets, name)
			if s.atFirst {
				require.Zero(t, posts, name)
			} else if s.fetch != "retry, twice" || s.idempotent {
				require.Equal(t, 1, posts, name)
			}
			keyed, gets := c.count(t, true, false)
			require.Zero(t, gets, name)
			require.LessOrEqual(t, keyed, 3, name)
			resumed, gets := c.count(t, false, true)
			require.Equal(t, posts, resumed, "%s: WithResume sends no POST of its own", name)
			count := fmt.Sprintf("%d | %d | %d", posts, keyed, resumed)
			if gets > 0 {
				count += fmt.Sprintf(" and %d GET", gets)
			}
			if _, ok := counts[name]; !ok {
				counts[name] = count
				lines = append(lines, fmt.Sprintf("| %s | %s |", identifiers.ReplaceAllString(name, "`$0`"), count))
			}
			require.Equal(t, counts[name], count, "%s, %s: give the case a detail of its own", name, c.name)
		}
	}
	const (
		guide = "docs/llm.md"
		begin = "<!-- post counts -->\n"
		end   = "<!-- /post counts -->\n"
	)
	table := strings.Join(lines, "\n") + "\n"
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "%s has no place for the table", guide)
	old, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no end of the table", guide)
	if *updatePostCounts {
		require.NoError(t, os.WriteFile(guide, []byte(before+begin+table+end+after), 0o644))
		return
	}
	require.Equal(t, table, old, "run go test -run TestPostCounts -update-post-counts .")
}

// identifiers are the words that the documents set as code.
var identifiers = regexp.MustCompile(`With[A-Z]\w+|Err[A-Z]\w+|Retry-After|text/event-stream|\bClose\b`)

// count returns the number of requests that the server gets from a Fetch with a POST. If
// the request is not sent at first, it is sent by the last attempt.
func (c situationCase) count(t *testing.T, key, resume bool) (posts, gets int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		request := post
		if key {
			request = keyed("Idempotency-Key")
		}
		var resumed atomic.Bool
		var opts []sse.Option
		if resume {
			opts = append(opts, sse.WithResume(func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
				_, cut := errors.AsType[*sse.TruncatedError](a.Err)
				if !cut && !errors.Is(a.Err, sse.ErrIdleTimeout) && !errors.Is(a.Err, sse.ErrEventTimeout) {
					return nil, nil // nothing to resume
				}
				resumed.Store(true)
				return http.NewRequestWithContext(ctx, http.MethodGet, "http://server.test/rest", nil)
			}))
		}
		p := c.play(t, (*sse.Client).Fetch, request, func(attempt int) Script {
			if resumed.Load() || c.unsent != nil && attempt == 2 {
				return Script{finish, Send(sse.Event{Type: "stop"}), Data("[DONE]")}
			}
			return nil
		}, opts...)
		for _, r := range p.requests {
			if r.Method == http.MethodPost {
				posts++
			} else {
				gets++
			}
		}
	})
	return posts, gets
}

// The tables of the documents have the situations as their rows, in the same order.
func TestDocumentsListTheSituations(t *testing.T) {
	for document, rows := range map[string][][]string{
		"package comment": packageCommentTable(t),
		"README.md":       readmeTable(t),
	} {
		t.Run(document, func(t *testing.T) {
			var names []string
			for _, s := range situations {
				names = append(names, s.name)
			}
			var got []string
			for _, cells := range rows {
				require.Len(t, cells, 3)
				got = append(got, cells[0])
			}
			require.Equal(t, names, got)
			for i, s := range situations {
				require.True(t, strings.HasPrefix(rows[i][1], s.fetch), "Fetch, %s: %q", s.name, rows[i][1])
				require.Equal(t, s.idempotent, strings.HasPrefix(rows[i][1], "retry, twice, if "), "Fetch, %s: %q", s.name, rows[i][1])
				require.True(t, strings.HasPrefix(rows[i][2], s.subscribe), "Subscribe, %s: %q", s.name, rows[i][2])
			}
		})
	}
}

// packageCommentTable returns the cells of the table in the package comment.
func packageCommentTable(t *testing.T) (rows [][]string) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.PackageClauseOnly)
		require.NoError(t, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(set, files, "github.com/fetchsse/sse")
	require.NoError(t, err)
	for _, block := range pkg.Parser().Parse(pkg.Doc).Content {
		code, ok := block.(*comment.Code)
		if !ok || !strings.HasPrefix(code.Text, "situation ") {
			continue
		}
		for line := range strings.Lines(code.Text) {
			rows = append(rows, columns.Split(strings.TrimSpace(line), -1))
		}
	}
	require.NotEmpty(t, rows, "the package comment has no table of situations")
	return rows[1:] // without the head
}

// columns are separated by two spaces or more.
var columns = regexp.MustCompile(` {2,}`)

// readmeTable returns the cells of the table in README.md, without backticks.
func readmeTable(t *testing.T) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "\n| situation | ")
	require.True(t, ok, "README.md has no table of situations")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, line := range strings.Split(strings.ReplaceAll(table, "`", ""), "\n")[2:] {
		rows = append(rows, strings.Split(strings.Trim(line, "| "), " | "))
	}
	return rows
}

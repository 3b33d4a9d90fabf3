package sse_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// "Place in the stream": what the next request says after a connection.
func TestPlaceInTheStream(t *testing.T) {
	tests := []struct {
		name   string
		stream string
		want   string
	}{
		{name: "committed at the blank line", stream: "id: 1\ndata: a\n\n", want: "1"},
		{name: "committed without data", stream: "id: 1\n\n", want: "1"},
		{name: "not committed before", stream: "id: 1\n\nid: 2\ndata: b\n", want: "1"},
		{name: "never committed", stream: "id: 2\ndata: b\n", want: "-"},
		{name: "kept by events without one", stream: "id: 1\ndata: a\n\ndata: b\n\n", want: "1"},
		{name: "cleared", stream: "id: 1\ndata: a\n\nid\n\n", want: "-"},
		{name: "NUL is ignored", stream: "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", want: "1"},
		{name: "UTF-8", stream: "id: ünï→✓\ndata: a\n\n", want: "ünï→✓"},
		{name: "tab", stream: "id: a\tb\ndata: a\n\n", want: "a\tb"},
	}
	in(t, "a header whose key was written by hand", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\n")}, gone))
		req := srv.Get("/")
		req.Header = http.Header{"Last-Event-ID": {"0"}}
		_, err := read(client(srv).Subscribe(req))
		require.NoError(t, err)
		require.Equal(t, []string{"0", "1"}, sentIDs(srv))
		require.Equal(t, http.Header{"Last-Event-ID": {"0"}}, req.Header)

		req.Header = http.Header{"Last-Event-ID": nil}
		srv = NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\n")}, gone))
		_, err = read(client(srv).Subscribe(req))
		require.NoError(t, err)
		require.Equal(t, []string{"-", "1"}, sentIDs(srv))
	})
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{Raw(tt.stream)}, gone))
			s, err := client(srv).Subscribe(srv.Get("/"))
			_, err = read(s, err)
			require.NoError(t, err)
			require.Equal(t, []string{"-", tt.want}, sentIDs(srv))
			require.Equal(t, tt.want, orDash(s.LastEventID()))
		})
	}
	in(t, "an initial ID survives until the server sends another", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, Script{Open(), Cut()}, Script{Send(sse.Event{ID: "8", Data: "b"})}, gone))
		s, err := client(srv, sse.WithLastEventID("7")).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.Equal(t, sse.Event{Type: "message", Data: "a", ID: "7"}, s.Event())
		_, err = read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"7", "7", "7", "8"}, sentIDs(srv))
	})
	in(t, "an initial ID from the caller's headers", func(t *testing.T) {
		clear := Script{Raw("id\ndata: x\n\n")}
		srv := NewServer(t, InOrder(Script{Data("a")}, clear, gone))
		req := srv.Get("/")
		req.Header.Set("Last-Event-ID", "7")
		_, err := read(client(srv).Subscribe(req))
		require.NoError(t, err)
		require.Equal(t, []string{"7", "7", "-"}, sentIDs(srv))

		srv = NewServer(t, InOrder(Script{Data("a")}, clear, gone))
		_, err = read(client(srv, sse.WithHeader("last-event-id", "7")).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"7", "7", "-"}, sentIDs(srv))
	})
	in(t, "every connection starts from the ID of the one before", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"})}, Script{Data("b")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		var ids []string
		for e := range s.Events() {
			ids = append(ids, e.ID)
		}
		require.Equal(t, []string{"1", "1"}, ids)
	})
	in(t, "an ID that no header can carry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: a\x01b\ndata: x\n\n")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/p?q=1"))
		require.NoError(t, err)
		require.True(t, s.Next())
		require.Equal(t, "a\x01b", s.Event().ID)
		require.False(t, s.Next())
		require.EqualError(t, s.Err(), "sse: GET http://server.test/p: the last event ID has a control character, so no header can carry it; use WithResume to resume another way")
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "a reconnect asks the caller's URL again", func(t *testing.T) {
		redirect := Script{Answer(307, "Location", "/b")}
		srv := NewServer(t, InOrder(redirect, Script{Data("a")}, redirect, Script{Data("b")}, gone))
		_, err := read(client(srv).Subscribe(srv.Get("/a")))
		require.NoError(t, err)
		var paths []string
		for _, r := range srv.Requests() {
			paths = append(paths, r.Path)
		}
		require.Equal(t, []string{"/a", "/b", "/a", "/b", "/a"}, paths)
	})
}

func orDash(id string) string {
	if id == "" {
		return "-"
	}
	return id
}

func TestWithResume(t *testing.T) {
	cut := Script{Send(sse.Event{ID: "1", Data: "a"}), Raw("data: lost"), Cut()}
	in(t, "Fetch goes on after a break", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut, Script{Send(sse.Event{ID: "2", Data: "b"})}))
		var asked []sse.Attempt
		got, err := read(client(srv, sse.WithResume(func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
			asked = append(asked, a)
			return srv.Get("/resume?after=" + a.LastEventID), nil
		})).Fetch(srv.Post("/start", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
		require.Equal(t, []string{"-", "1"}, sentIDs(srv))
		require.Equal(t, "POST /start", srv.Requests()[0].Method+" "+srv.Requests()[0].Path)
		require.Equal(t, "GET /resume?after=1", srv.Requests()[1].Method+" "+srv.Requests()[1].Path)
		require.Len(t, asked, 1)
		require.Equal(t, 1, asked[0].Events)
		require.ErrorIs(t, asked[0].Err, io.ErrUnexpectedEOF)
	})
	in(t, "FromResponse goes on after a break", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut, Script{Data("b")}))
		resp, err := srv.Client().Do(srv.Post("/start", "{}"))
		require.NoError(t, err)
		got, err := read(sse.FromResponse(resp, sse.WithHTTPClient(srv.Client()), everySecond,
			sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return srv.Get("/resume"), nil })))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
	in(t, "Subscribe resumes by it after a clean end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"})}, gone))
		_, err := read(client(srv, sse.WithResume(func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
			return srv.Get("/resume"), a.Err
		})).Subscribe(srv.Get("/start")))
		require.NoError(t, err)
		require.Equal(t, "/resume", srv.Requests()[1].Path)
	})
	in(t, "Subscribe with a body that cannot be made again", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, gone))
		req := srv.Post("/", "")
		req.Body = io.NopCloser(strings.NewReader("once"))
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return srv.Get("/resume"), nil
		})).Subscribe(req))
		require.NoError(t, err)
		require.Equal(t, "once", string(srv.Requests()[0].Body))
	})
	in(t, "the same request again and again", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut, cut, cut, Script{Data("b")}))
		again := srv.Post("/resume", "{}")
		got, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return again, nil
		})).Fetch(srv.Post("/start", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a", "a", "a", "b"}, got)
		for _, r := range srv.Requests() {
			require.Equal(t, "{}", string(r.Body))
		}
	})
	// Requests whose body cannot be made again: start is the first one, and resume makes the
	// others.
	once := func(srv *Server, path string) *http.Request {
		r := srv.Post(path, "")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("once")), -1
		return r
	}
	for name, tt := range map[string]struct {
		resume func(srv *Server, start, again *http.Request) *http.Request
		want   []string // sent
		ok     bool
	}{
		"another one each time": {
			resume: func(srv *Server, _, _ *http.Request) *http.Request { return once(srv, "/resume") },
			want:   []string{"/start once", "/resume once", "/resume once"}, ok: true,
		},
		"with a new body each time": {
			resume: func(srv *Server, _, again *http.Request) *http.Request {
				again.Body = once(srv, "/").Body
				return again
			},
			want: []string{"/start once", "/resume once", "/resume once"}, ok: true,
		},
		"the first one": {
			resume: func(_ *Server, start, _ *http.Request) *http.Request { return start },
			want:   []string{"/start once"},
		},
		"a clone of the first one": {
			resume: func(_ *Server, start, _ *http.Request) *http.Request { return start.Clone(start.Context()) },
			want:   []string{"/start once"},
		},
		"the same one again": {
			resume: func(_ *Server, _, again *http.Request) *http.Request { return again },
			want:   []string{"/start once", "/resume once"},
		},
	} {
		in(t, "a body that cannot be made again: "+name, func(t *testing.T) {
			srv := NewServer(t, InOrder(cut, cut, Script{Data("b")}))
			start, again := once(srv, "/start"), once(srv, "/resume")
			_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
				return tt.resume(srv, start, again), nil
			})).Fetch(start))
			if tt.ok {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "WithResume: the body of the request was sent before and cannot be made again; set GetBody")
			}
			var sent []string
			for _, r := range srv.Requests() {
				sent = append(sent, r.Path+" "+string(r.Body))
			}
			require.Equal(t, tt.want, sent)
		})
	}
	in(t, "a body that cannot be made again and was not sent", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}, Script{Data("a")}))
		srv.Refuse(1)
		start, asked := once(srv, "/"), 0
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			if asked++; asked == 1 {
				return start, nil
			}
			return nil, nil
		})).Fetch(start))
		require.Error(t, err)
		require.Len(t, srv.Requests(), 1, "an empty one was sent")
		require.Equal(t, "once", string(srv.Requests()[0].Body))
	})
	in(t, "a body of a bad request is closed", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut))
		body := &closer{Reader: strings.NewReader("once")}
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return &http.Request{Method: http.MethodPost, Body: body}, nil
		})).Fetch(srv.Get("/")))
		require.ErrorContains(t, err, "no URL")
		require.True(t, body.closed)
	})
	nothing := sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return nil, nil })
	in(t, "nothing to resume", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut))
		got, err := read(client(srv, nothing).Fetch(srv.Get("/")))
		require.Equal(t, []string{"a"}, got)
		lost, ok := errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok)
		require.Equal(t, "lost", lost.Partial.Data)
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "204 to a resume is no completion", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut, gone))
		get := sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) { return srv.Get("/resume"), nil })
		_, err := read(client(srv, get, sse.WithDone("[DONE]")).Fetch(srv.Post("/", "{}")))
		lost, ok := errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "lost", lost.Partial.Data)

		srv = NewServer(t, InOrder(cut, Script{Answer(503)}, gone))
		_, err = read(client(srv, get).Fetch(srv.Post("/", "{}")))
		lost, ok = errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "lost", lost.Partial.Data)
	})
	in(t, "nothing to resume after a failed resume", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut, Script{Answer(503)}))
		asked := 0
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			if asked++; asked == 1 {
				return srv.Get("/resume"), nil
			}
			return nil, nil
		})).Fetch(srv.Post("/", "{}")))
		lost, ok := errors.AsType[*sse.TruncatedError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "lost", lost.Partial.Data)
		require.Len(t, srv.Requests(), 2)
	})
	in(t, "nothing to resume after a Reconnect", func(t *testing.T) {
		for _, at := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond} { // in the wait, and in the stream
			srv := NewServer(t, InOrder(cut, Script{Send(sse.Event{ID: "2", Data: "b"}), Stall()}))
			var asked []sse.Attempt
			s, err := client(srv, sse.WithResume(func(_ context.Context, a sse.Attempt) (*http.Request, error) {
				asked = append(asked, a)
				if len(asked) == 1 && at > time.Second {
					return srv.Get("/resume"), nil
				}
				return nil, nil
			})).Fetch(srv.Get("/"))
			require.NoError(t, err)
			time.AfterFunc(at, s.Reconnect)
			_, err = read(s, nil)
			lost, ok := errors.AsType[*sse.TruncatedError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, 1, lost.Events)
			last := asked[len(asked)-1]
			require.Equal(t, 1, last.Events)
			require.True(t, last.Retry)
			require.ErrorIs(t, last.Err, io.ErrUnexpectedEOF)
		}
	})
	in(t, "nothing to resume after a clean end", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}))
		for _, open := range bothCalls(client(srv)) {
			_, err := read(open(srv.Get("/"), nothing))
			require.NoError(t, err)
		}
		require.Len(t, srv.Requests(), 2)
	})
	in(t, "nothing to resume before a stream was opened", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}, Script{Data("a")}))
		got, err := read(client(srv, nothing).Fetch(srv.Post("/", "{}")))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
		require.Equal(t, "{}", string(srv.Requests()[1].Body))
	})
	in(t, "an ID that no header can carry", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: a\x01b\ndata: x\n\n")}, gone))
		_, err := read(client(srv, sse.WithResume(func(_ context.Context, a sse.Attempt) (*http.Request, error) {
			return srv.Get("/?hex=" + http.CanonicalHeaderKey(strings.ReplaceAll(a.LastEventID, "\x01", "01"))), nil
		})).Subscribe(srv.Get("/")))
		require.NoError(t, err)
		require.Equal(t, []string{"-", "-"}, sentIDs(srv))
	})
	in(t, "a stream that is closed in a wait asks for nothing more", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut))
		s, err := client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			t.Error("asked")
			return nil, nil
		})).Fetch(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Second/2, func() { s.Close() })
		_, err = read(s, nil)
		require.Equal(t, sse.ErrClosed, err)
	})
	in(t, "an error of the function ends the stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut))
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return nil, errInBand
		})).Subscribe(srv.Get("/")))
		require.ErrorIs(t, err, errInBand)
		require.ErrorContains(t, err, "sse: ")
		require.Len(t, srv.Requests(), 1)
	})
	in(t, "a bad request of the function ends the stream", func(t *testing.T) {
		srv := NewServer(t, InOrder(cut))
		_, err := read(client(srv, sse.WithResume(func(context.Context, sse.Attempt) (*http.Request, error) {
			return new(http.Request), nil
		})).Subscribe(srv.Get("/")))
		require.ErrorContains(t, err, "no URL")
	})
}

func TestReconnect(t *testing.T) {
	in(t, "drops the connection and makes a new one at once", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Send(sse.Event{ID: "1", Data: "a"}), Stall()}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		time.AfterFunc(time.Minute, s.Reconnect)
		require.False(t, s.Next())
		require.NoError(t, s.Err())
		require.Equal(t, []time.Duration{time.Minute}, gaps(srv))
		require.Equal(t, []string{"-", "1"}, sentIDs(srv))
	})
	in(t, "cuts a wait short", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "3000")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Minute, s.Reconnect)
		_, err = read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Minute}, gaps(srv))
	})
	in(t, "breaks off an attempt", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, Script{Stall()}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Minute, s.Reconnect)
		_, err = read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{time.Second, 59 * time.Second}, gaps(srv))
	})
	in(t, "loses nothing that has arrived", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Raw("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c"), Stall()}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		s.Reconnect()
		s.Reconnect()
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"b"}, got)
		require.Equal(t, []string{"-", "2"}, sentIDs(srv))
	})
	in(t, "a block that has not arrived whole completes nothing", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Raw("data: [DONE]\n"), Stall()}, Script{Data("b", "[DONE]")}))
		s, err := client(srv, sse.WithDone("[DONE]")).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(time.Second, s.Reconnect)
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
	in(t, "cuts short a wait that is about to begin", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a")}, Script{Answer(503)}, gone))
		var s *sse.Stream
		s, err := client(srv, sse.WithTrace(&sse.Trace{Wait: func(sse.Attempt) {
			if s != nil {
				s.Reconnect()
			}
		}})).Subscribe(srv.Get("/"))
		_, err = read(s, err)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, 0}, gaps(srv))
	})
	in(t, "starts counting again", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503)}))
		s, err := client(srv, sse.WithMaxRetries(3)).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		time.AfterFunc(2500*time.Millisecond, s.Reconnect) // in the third wait
		_, err = read(s, nil)
		require.ErrorContains(t, err, "gave up after 3 retries")
		const s1 = time.Second
		require.Equal(t, []time.Duration{s1, s1, s1 / 2, s1, s1, s1}, gaps(srv))
	})
	in(t, "before the first call of Next", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Answer(503, "Retry-After", "3000")}, gone))
		s, err := client(srv).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		s.Reconnect()
		_, err = read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0}, gaps(srv))
	})
	in(t, "is what progress is counted from", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}, Script{Answer(503)}, gone))
		var seen []sse.Attempt
		s, err := client(srv, sse.WithTrace(&sse.Trace{Wait: func(a sse.Attempt) { seen = append(seen, a) }})).Subscribe(srv.Get("/"))
		require.NoError(t, err)
		require.True(t, s.Next())
		time.AfterFunc(49*time.Hour, s.Reconnect)
		require.False(t, s.Next())
		require.NoError(t, s.Err())
		require.Len(t, seen, 1)
		require.Zero(t, seen[0].Elapsed)
		require.Equal(t, 1, seen[0].Number)
	})
	in(t, "resumes a stream of Fetch", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Stall()}, Script{Data("b")}))
		s, err := client(srv, sse.WithResume(func(_ context.Context, a sse.Attempt) (*http.Request, error) {
			return srv.Get("/resume"), nil
		})).Fetch(srv.Post("/", "{}"))
		require.NoError(t, err)
		time.AfterFunc(time.Minute, s.Reconnect)
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
		require.Equal(t, []time.Duration{time.Minute}, gaps(srv))
	})
	in(t, "means nothing to a stream that cannot ask again", func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Data("a"), Wait(time.Minute), Data("b")}))
		s, err := client(srv).Fetch(srv.Get("/"))
		require.NoError(t, err)
		s.Reconnect()
		got, err := read(s, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	})
}

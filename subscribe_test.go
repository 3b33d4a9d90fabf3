package sse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// The rows about what Subscribe goes on after.
func TestSubscribeGoesOn(t *testing.T) {
	first := Data("a")
	tests := []struct {
		name   string
		script Script // of the second connection; the third sends b, the fourth is gone
		opts   []sse.Option
	}{
		{name: "clean end", script: Script{Comment("x")}},
		{name: "clean end with data pending", script: Script{Raw("data: x\n")}},
		{name: "clean end before WithDone", script: Script{Comment("x")}, opts: []sse.Option{sse.WithDone("[DONE]")}},
		{name: "clean end before WithTerminator", script: Script{Comment("x")}, opts: []sse.Option{stopEvent}},
		{name: "connection lost before the headers", script: Script{Cut()}},
		{name: "connection lost", script: Script{Open(), Cut()}},
		{name: "connection lost in a block", script: Script{Raw("data: x\n"), Cut()}},
		{name: "open timeout", script: Script{Stall()}, opts: []sse.Option{sse.WithOpenTimeout(time.Second)}},
		{name: "idle timeout", script: Script{Open(), Stall()}, opts: []sse.Option{sse.WithIdleTimeout(time.Second)}},
		{name: "event timeout", script: Script{Open(), Stall()}, opts: []sse.Option{sse.WithEventTimeout(time.Second)}},
		{name: "408", script: Script{Answer(408)}},
		{name: "425", script: Script{Answer(425)}},
		{name: "429", script: Script{Answer(429)}},
		{name: "500", script: Script{Answer(500)}},
		{name: "502", script: Script{Answer(502)}},
		{name: "503", script: Script{Answer(503)}},
		{name: "504", script: Script{Answer(504)}},
		{name: "529", script: Script{Answer(529)}},
		{name: "429 with a far Retry-After", script: Script{Answer(429, "Retry-After", "3000")}},
	}
	for _, tt := range tests {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(Script{first}, tt.script, Script{Data("b")}, gone))
			got, err := read(client(srv, tt.opts...).Subscribe(srv.Post("/", "{}")))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b"}, got)
			require.Len(t, srv.Requests(), 4)
			require.Equal(t, "{}", string(srv.Requests()[3].Body))
		})
		in(t, tt.name+", on the first attempt", func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script, Script{Data("b")}, gone))
			got, err := read(client(srv, tt.opts...).Subscribe(srv.Post("/", "{}")))
			require.NoError(t, err)
			require.Equal(t, []string{"b"}, got)
			require.Len(t, srv.Requests(), 3)
		})
	}
}

// The rows about what ends a subscription, on the first attempt and on a reconnect.
func TestSubscribeEnds(t *testing.T) {
	tests := []struct {
		name   string
		script Script
		opts   []sse.Option
		want   []string
		check  func(t *testing.T, err error)
	}{
		{name: "204", script: gone},
		{name: "WithDone", script: Script{Data("b", "[DONE]"), Stall()}, opts: []sse.Option{sse.WithDone("[DONE]")}, want: []string{"b"}},
		{name: "WithTerminator", script: Script{Send(sse.Event{Type: "stop", Data: "z"}), Cut()}, opts: []sse.Option{stopEvent}, want: []string{"z"}},
		{name: "400", script: Script{Answer(400)}, check: refusedWith(400)},
		{name: "401", script: Script{Answer(401)}, check: refusedWith(401)},
		{name: "410", script: Script{Answer(410)}, check: refusedWith(410)},
		{name: "501", script: Script{Answer(501)}, check: refusedWith(501)},
		{name: "200 HTML", script: Script{Answer(200, "Content-Type", "text/html")}, check: refusedWith(200)},
		{name: "event too large", script: Script{Data(strings.Repeat("x", 100))}, opts: []sse.Option{sse.WithMaxEventSize(50)}, check: func(t *testing.T, err error) {
			require.ErrorIs(t, err, sse.ErrEventTooLarge)
		}},
		{name: "error event", script: Script{Send(sse.Event{Type: "error"})}, opts: []sse.Option{failOnError}, check: func(t *testing.T, err error) {
			require.ErrorIs(t, err, errInBand)
		}},
	}
	for _, tt := range tests {
		for _, before := range [][]Script{nil, {{Data("a")}}} {
			name := tt.name
			if before != nil {
				name += ", on a reconnect"
			}
			in(t, name, func(t *testing.T) {
				srv := NewServer(t, InOrder(append(before, tt.script)...))
				got, err := read(client(srv, tt.opts...).Subscribe(srv.Get("/")))
				if tt.check == nil {
					require.NoError(t, err)
				} else {
					tt.check(t, err)
				}
				want := tt.want
				if before != nil {
					want = append([]string{"a"}, want...)
				}
				require.Equal(t, want, got)
				require.Len(t, srv.Requests(), len(before)+1)
			})
		}
	}
}

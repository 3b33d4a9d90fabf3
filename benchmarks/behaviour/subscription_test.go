package behaviour

import (
	"slices"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

func subscriptions() []row {
	var (
		soon = ssetest.Raw("retry: 20\nid: 7\ndata: one\n\n") // the wait of clients that respect it
		next = ssetest.Script{ssetest.Send(sse.Event{ID: "8", Data: "two"}), ssetest.Stall()}
	)
	return []row{
		{
			name: "reconnects", title: "reconnects after a disconnect", readme: true,
			how: "The server ends the response after an event, first normally and then with a broken connection.",
			measure: func(t *testing.T, c *client, set setting) string {
				end := begin(t, c.feed, set, nil, ssetest.Script{soon}, next)
				cut := begin(t, c.feed, set, nil, ssetest.Script{soon, ssetest.Cut()}, next)
				afterEnd := end.wait(end.again, 0) == "ready"
				afterCut := cut.wait(cut.again, 0) == "ready"
				if afterCut && !afterEnd {
					return "if broken"
				}
				return yes(afterEnd && afterCut)
			},
		},
		{
			name: "resumes", title: "resumes with `Last-Event-ID`",
			how: "The connection breaks after an event with an ID. The second request has the ID.",
			measure: func(t *testing.T, c *client, set setting) string {
				tr := begin(t, c.feed, set, nil, ssetest.Script{soon, ssetest.Cut()}, next)
				if tr.wait(tr.again, 0) == "done" {
					return "no"
				}
				return yes(tr.srv.Requests()[1].Header.Get("Last-Event-ID") == "7")
			},
		},
		{
			name: "partial-event", title: "drops half an event before it resumes",
			how: "The connection breaks in the middle of an event, whose `id` line has come. The second request has the ID before that.",
			measure: func(t *testing.T, c *client, set setting) string {
				tr := begin(t, c.feed, set, nil, ssetest.Script{soon, ssetest.Raw("id: 8\ndata: half\n"), ssetest.Cut()}, next)
				if tr.wait(tr.again, 0) == "done" {
					return "–"
				}
				half := slices.ContainsFunc(tr.received(), func(e event) bool { return e.data == "half" })
				return yes(tr.srv.Requests()[1].Header.Get("Last-Event-ID") == "7" && !half)
			},
		},
		{
			name: "retry", title: "waits as long as `retry:` says",
			how: "The server sends `retry: 6000`, and the connection breaks. *Yes* means that the next request comes after 3 seconds or " +
				"later, because go-sse varies the wait by half by default.",
			measure: func(t *testing.T, c *client, set setting) string {
				const wait = 6 * time.Second
				tr := begin(t, c.feed, set, nil, ssetest.Script{ssetest.Raw("retry: 6000\ndata: one\n\n"), ssetest.Cut()}, next)
				if tr.wait(tr.again, 0) == "done" {
					return "–"
				}
				r := tr.srv.Requests()
				return yes(r[1].Time.Sub(r[0].Time) >= wait/2)
			},
		},
		{
			name: "retry-after", title: "waits as long as `Retry-After` says",
			how: "The second request of a subscription gets the status 503, and the first POST of a program the status 429, both with " +
				"`Retry-After: 3`. *Yes* means that the next request comes after 3 seconds or later, in one of the two cases.",
			measure: func(t *testing.T, c *client, set setting) string {
				const wait = 3 * time.Second
				busy := func(status int) ssetest.Script {
					return ssetest.Script{ssetest.Answer(status, "Retry-After", "3")}
				}
				third := make(chan struct{})
				reached := ssetest.Check(closer(third))
				feed := begin(t, c.feed, set, nil, ssetest.Script{soon, ssetest.Cut()}, busy(503),
					ssetest.Script{reached, ssetest.Open(), ssetest.Stall()})
				post := begin(t, c.once, set, nil, busy(429), ssetest.Script{ssetest.Data("[DONE]")})
				waited := false
				if feed.wait(third, 0) == "ready" {
					r := feed.srv.Requests()
					waited = r[2].Time.Sub(r[1].Time) >= wait
				}
				if post.wait(post.again, 0) == "ready" {
					r := post.srv.Requests()
					waited = waited || r[1].Time.Sub(r[0].Time) >= wait
				}
				return yes(waited)
			},
		},
		{
			name: "idle", title: "notices a connection that is silent", readme: true, set: idleTimeout,
			how: "The server sends an event and then nothing. *Yes* means that the client reconnects or returns. Where there is an idle " +
				"timeout, it is 300 ms. *No* means that nothing has happened after 2 seconds. A limit for the whole response does not " +
				"count, such as `WithRequestTimeout` of openai-go.",
			measure: func(t *testing.T, c *client, set setting) string {
				tr := begin(t, c.feed, set, nil, ssetest.Script{soon, ssetest.Stall()}, next)
				timeout := 2 * time.Second
				if set == idleTimeout {
					timeout = limit // it is noticed long before
				}
				return yes(tr.wait(tr.again, timeout) != "")
			},
		},
		{
			name: "cancel-read", title: "cancel ends a blocked read",
			how: "The context ends while the client waits for the next event.",
			measure: func(t *testing.T, c *client, set setting) string {
				tr := begin(t, c.feed, set, nil, next)
				require.Equal(t, "ready", tr.wait(tr.first, 0))
				tr.stop()
				return yes(tr.wait(nil, 10*time.Second) == "done")
			},
		},
		{
			name: "cancel-wait", title: "cancel ends the wait before a reconnect", set: cancelWait,
			how: "The connection breaks after `retry: 60000`, and the context ends 2 seconds later. *No* means that the client has not " +
				"returned 5 seconds after that.",
			measure: func(t *testing.T, c *client, set setting) string {
				tr := begin(t, c.feed, set, nil, ssetest.Script{ssetest.Raw("retry: 60000\ndata: one\n\n"), ssetest.Cut()},
					ssetest.Script{ssetest.Cut()})
				require.Equal(t, "ready", tr.wait(tr.first, 0))
				if tr.wait(nil, 2*time.Second) == "done" {
					return "–" // it does not reconnect
				}
				tr.stop()
				return yes(tr.wait(nil, 5*time.Second) == "done")
			},
		},
	}
}

package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fetchsse/sse"
)

// trace returns the hooks of -v, of -i and of --raw.
func (c *cat) trace() *sse.Trace {
	t := &sse.Trace{Open: func(resp *http.Response) {
		c.tap.last.accepted = true
		head := append([]string{resp.Proto + " " + resp.Status}, headers(resp.Header, c.o.showSecrets)...)
		if c.o.include {
			_ = c.screen.print("", []byte(strings.Join(head, "\n")+"\n\n")) // the first event fails too
		}
		if c.o.verbose {
			c.lines("< ", head)
		}
	}}
	if !c.o.verbose {
		t.Wait = c.outage()
		return t
	}
	t.Request = func(req *http.Request) {
		h := req.Header.Clone()
		h.Set("Host", req.URL.Host)
		if req.Host != "" {
			h.Set("Host", req.Host)
		}
		c.lines("> ", append([]string{req.Method + " " + address(req.URL, c.o.showSecrets)}, headers(h, c.o.showSecrets)...))
	}
	t.Comment = func(text string) { c.screen.note("* comment: " + text) }
	t.Ignored = func(line string) { c.screen.note("* ignored: " + line) }
	t.Disconnect = func(err error) {
		if err == nil {
			c.screen.note("* the response ended")
			return
		}
		c.screen.note("* " + words(err))
	}
	t.Wait = func(a sse.Attempt) {
		c.screen.note(fmt.Sprintf("* waiting %v for retry %d: %s", a.Delay.Round(time.Millisecond), a.Number, shortReason(a.Err)))
	}
	return t
}

// outage returns a hook that tells why there is a retry, once for each cause of an outage.
// A connection that brought events does not count. On a terminal, the status line tells.
func (c *cat) outage() func(sse.Attempt) {
	if c.o.silent || c.screen.errIsTerminal {
		return nil
	}
	var last string
	return func(a sse.Attempt) {
		if a.Events > 0 {
			last = ""
			return
		}
		reason := shortReason(a.Err)
		if op, ok := errors.AsType[*net.OpError](a.Err); ok {
			reason = op.Op + ": " + op.Err.Error() // the port of the client differs each time
		}
		if a.Err != nil && reason != last {
			c.screen.note("ssecat: " + message(a.Err) + "; retrying")
		}
		last = reason
	}
}

// lines writes lines to standard error, each after prefix.
func (c *cat) lines(prefix string, lines []string) {
	for _, line := range lines {
		c.screen.note(prefix + line)
	}
}

const hidden = "[hidden]"

// headers returns the lines of h in order. A header can hold a secret unless it is known
// not to.
func headers(h http.Header, secrets bool) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if !secrets && !isPublic(name) {
				value = hidden
			}
			lines = append(lines, name+": "+value)
		}
	}
	return lines
}

// isPublic reports whether the values of a header are known to be harmless.
func isPublic(name string) bool {
	if slices.Contains(publicNames, name) {
		return true
	}
	return slices.ContainsFunc(publicPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

var (
	publicNames = []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Age", "Allow", "Alt-Svc", "Anthropic-Beta", "Anthropic-Version",
		"Cache-Control", "Cf-Cache-Status", "Cf-Ray", "Connection", "Content-Encoding", "Content-Length", "Content-Type",
		"Date", "Host", "Keep-Alive", "Last-Event-Id", "Mcp-Protocol-Version", "Openai-Processing-Ms", "Openai-Version",
		"Origin", "Pragma", "Request-Id", "Retry-After", "Retry-After-Ms", "Server", "Strict-Transport-Security",
		"Transfer-Encoding", "User-Agent", "Vary", "Via", "X-Accel-Buffering", "X-Cache", "X-Content-Type-Options",
		"X-Frame-Options", "X-Request-Id", "X-Robots-Tag",
	}
	publicPrefixes = []string{"Access-Control-Allow-", "Access-Control-Expose-", "Ratelimit", "X-Ratelimit-", "Anthropic-Ratelimit-"}
)

// address returns u without its password and, unless secrets are shown, without the values
// of its query.
func address(u *url.URL, secrets bool) string {
	shown := *u
	if secrets {
		return shown.String()
	}
	shown.User = nil
	shown.RawQuery, shown.Fragment = "", ""
	var query []string
	for _, name := range slices.Sorted(maps.Keys(u.Query())) {
		query = append(query, url.QueryEscape(name)+"="+hidden)
	}
	if query == nil {
		return shown.String()
	}
	return shown.String() + "?" + strings.Join(query, "&")
}

// details returns what a refused response says, for the message at the end.
func details(err error) string {
	const most = 2000 // bytes
	refusal, ok := errors.AsType[*sse.ResponseError](err)
	if !ok || refusal.Err != nil || len(refusal.Body) == 0 {
		return ""
	}
	text := refusal.Body[:min(len(refusal.Body), most)]
	return strings.TrimSpace(string(visible(text))) + "\n"
}

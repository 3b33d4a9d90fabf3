package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// An origin is a server of another origin than the page's. It records its requests.
type origin struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

// newOrigin starts a server that allows any origin and any header.
func newOrigin(t *testing.T, serve http.HandlerFunc) *origin {
	o := new(origin)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.requests = append(o.requests, r)
		o.mu.Unlock()
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Headers", "*, Authorization")
		if r.Method != http.MethodOptions {
			serve(w, r)
		}
	}))
	t.Cleanup(o.Close)
	return o
}

// methods returns the methods of the requests so far.
func (o *origin) methods() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var methods []string
	for _, r := range o.requests {
		methods = append(methods, r.Method)
	}
	return strings.Join(methods, " ")
}

// last returns the last request.
func (o *origin) last() *http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests[len(o.requests)-1]
}

// A seen is what the client of the page has reported.
type seen struct {
	Kind, Data, Reason, Body string
}

// A call is what the client of the page gets.
type call struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	Headers     string `json:"headers"`
	Body        string `json:"body"`
	Reconnect   bool   `json:"reconnect"`
	IDInQuery   bool   `json:"idInQuery"`
	IdleTimeout int    `json:"idleTimeout"`
}

// get reads the response to a GET with the client of the page, and returns what that has
// reported.
func (tab *tab) get(url string, headers ...string) []seen {
	tab.t.Helper()
	return tab.read(call{Method: "GET", URL: url, Headers: strings.Join(headers, "\n")})
}

// subscribe is get with reconnects, up to the first failure.
func (tab *tab) subscribe(url string) []seen {
	tab.t.Helper()
	return tab.read(call{Method: "GET", URL: url, Reconnect: true})
}

func (tab *tab) read(c call) []seen {
	tab.t.Helper()
	text, err := json.Marshal(c)
	require.NoError(tab.t, err)
	tab.eval(fmt.Sprintf(`{
		const all = window.seen = [];
		fetchSSE.connect(%s, (kind, d) => all.push({kind, ...d}));
	}`, text))
	tab.until(`seen.some(s => ["end", "error"].includes(s.kind) || s.kind == "wait" && s.reason != "the response ended")`)
	defer tab.eval("fetchSSE.disconnect()")
	return get(tab, chromedp.Evaluate[[]seen]("seen"))
}

func sendEvent(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 1\nid: 1\ndata: x\n\n")
}

// facts checks what docs/browser.md says about browsers.
func facts(tab *tab) {
	t := tab.t

	// A header that is not safelisted costs a preflight. Last-Event-ID is one.
	plain := newOrigin(t, sendEvent)
	tab.get(plain.URL)
	require.Equal(t, "GET", plain.methods())
	require.Equal(t, "text/event-stream", plain.last().Header.Get("Accept"))
	tab.get(plain.URL, "Authorization: x")
	require.Equal(t, "GET OPTIONS GET", plain.methods())
	resumed := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		sendEvent(w, r)
	})
	byQuery := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("lastEventID") == "1" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		sendEvent(w, r)
	})
	tab.subscribe(resumed.URL)
	require.Equal(t, "GET OPTIONS GET", resumed.methods())
	tab.read(call{Method: "GET", URL: byQuery.URL, Reconnect: true, IDInQuery: true})
	require.Equal(t, "GET GET", byQuery.methods())
	for contentType, methods := range map[string]string{
		"":                               "POST",
		"Content-Type: text/plain":       "POST",
		"Content-Type: application/json": "OPTIONS POST",
	} {
		posted := newOrigin(t, sendEvent)
		tab.read(call{Method: "POST", URL: posted.URL, Headers: contentType, Body: "{}"})
		require.Equal(t, methods, posted.methods(), contentType)
	}

	// The browser drops some headers.
	tab.get(plain.URL, "Cookie: a=b", "Referer: http://example.com", "Accept-Encoding: identity", "Host: example.com")
	require.Equal(t, "GET OPTIONS GET GET", plain.methods())
	require.Empty(t, plain.last().Header.Get("Cookie"))
	require.NotEqual(t, "identity", plain.last().Header.Get("Accept-Encoding"))
	require.Equal(t, strings.TrimPrefix(plain.URL, "http://"), plain.last().Host)

	// It follows redirects itself. Of the headers, only Authorization stays behind.
	redirecting := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusTemporaryRedirect)
	})
	tab.get(redirecting.URL, "Authorization: x", "X-Api-Key: secret")
	require.Empty(t, plain.last().Header.Get("Authorization"))
	require.Equal(t, "secret", plain.last().Header.Get("X-Api-Key"))
	all := tab.get(redirecting.URL, "js.fetch:redirect: error")
	require.Contains(t, all[len(all)-1].Reason, "Failed to fetch")

	// A failure has no reason: a refused connection looks like a missing permission.
	closed := newOrigin(t, sendEvent)
	closed.Close()
	forbidding := httptest.NewServer(http.HandlerFunc(sendEvent))
	defer forbidding.Close()
	for _, url := range []string{closed.URL, forbidding.URL} {
		all := tab.subscribe(url)
		require.Equal(t, "wait", all[len(all)-1].Kind, "Subscribe retries")
		require.Contains(t, all[len(all)-1].Reason, "net/http: fetch() failed: TypeError: Failed to fetch")
	}

	// The headers of another origin are hidden, but for the safelisted ones.
	busy := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	all = tab.subscribe(newOrigin(t, busy).URL)
	require.Contains(t, all[len(all)-1].Reason, "429 Too Many Requests")
	require.NotContains(t, all[len(all)-1].Reason, "retry after")
	exposing := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
		busy(w, r)
	})
	all = tab.subscribe(exposing.URL)
	require.Contains(t, all[len(all)-1].Reason, "retry after 1h0m0s")

	// The cache of the browser counts for a GET.
	cached := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		sendEvent(w, r)
	})
	tab.get(cached.URL)
	tab.get(cached.URL)
	require.Equal(t, "GET", cached.methods())

	// Cookies go to another origin only if the request asks for it.
	welcoming := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		sendEvent(w, r)
	})
	tab.eval(`document.cookie = "a=b"`)
	tab.get(welcoming.URL)
	require.Empty(t, welcoming.last().Header.Get("Cookie"))
	tab.get(welcoming.URL, "js.fetch:credentials: include")
	require.Equal(t, "a=b", welcoming.last().Header.Get("Cookie"))
	require.Equal(t, "GET GET", welcoming.methods())
}

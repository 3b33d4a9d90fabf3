package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

func TestPage(t *testing.T) {
	browser := startBrowser(t)
	p := startProgram(t)
	page := open(t, browser, p)
	for name, test := range map[string]func(*tab, *program){
		"disconnect":              disconnect,
		"resume":                  resume,
		"refusal":                 refusal,
		"idle timeout":            idleTimeout,
		"idle timeout and resume": idleTimeoutAndResume,
		"no preflight":            noPreflight,
		"keyboard":                keyboard,
		"screenshots":             screenshots,
	} {
		t.Run(name, func(t *testing.T) { test(page.with(t), p) })
	}
	t.Run("facts", func(t *testing.T) { facts(page.with(t)) })
}

// requireSequence fails unless ids counts from 1.
func requireSequence(t *testing.T, ids []string) {
	t.Helper()
	for i, id := range ids {
		require.Equal(t, strconv.Itoa(i+1), id, "%s", ids)
	}
}

func disconnect(tab *tab, p *program) {
	tab.set("body", `{"content":"a b"}`)
	tab.set("idle", "0")
	tab.click("connect")
	requireSequence(tab.t, tab.untilMessages("go-log", 3))
	requireSequence(tab.t, tab.untilMessages("es-log", 3))
	require.Contains(tab.t, tab.text("go-log"), `hello {"content":"a b"}`)
	require.Equal(tab.t, "open", tab.text("go-state"))
	number := get(tab, chromedp.Evaluate[string]("stream"))

	tab.click("silence") // no message ends the read
	start := time.Now()
	tab.click("disconnect")
	p.await(tab.t, `^(stream `+number+`: ended after message \d+: the client has disconnected)$`)
	tab.t.Log("from the click of the test to the end of the handler:", time.Since(start))
	tab.untilText("go-log", "handler ended")
	tab.untilText("go-log", "disconnected by the user")
	require.Equal(tab.t, "disconnected", tab.text("go-state"))
	tab.t.Log("the page:", get(tab, chromedp.Text("#go-log li:last-child span")))
}

func resume(tab *tab, _ *program) {
	tab.click("connect")
	tab.untilMessages("go-log", 3)
	tab.click("drop")
	tab.untilText("go-log", "resuming after ")
	tab.untilText("go-log", "the connection broke after ")
	before := len(tab.untilMessages("go-log", 3))
	tab.until(`[...document.querySelectorAll("#go-log span")].filter(e => e.textContent.startsWith("open: ")).length == 2`)
	requireSequence(tab.t, tab.untilMessages("go-log", before+3))
	requireSequence(tab.t, tab.untilMessages("es-log", before+3))
	tab.click("disconnect")
}

func refusal(tab *tab, p *program) {
	tab.click("refuse")
	tab.untilText("go-state", "error")
	tab.untilText("go-log", "sse: POST "+p.url+"/refused: 403 Forbidden")
	tab.untilText("go-log", "the token has expired")
	tab.untilText("es-state", "error")

	tab.set("url", "http://[")
	tab.click("connect")
	tab.untilText("go-log", "the URL is malformed")
	tab.untilText("es-log", "the URL is malformed")
}

func idleTimeout(tab *tab, _ *program) {
	tab.set("idle", "0.5")
	tab.click("reconnect") // off
	tab.click("connect")
	tab.untilMessages("go-log", 1)
	tab.click("silence")
	tab.until(`["ended", "error", "disconnected"].includes($("go-state").textContent)`)
	require.Equal(tab.t, "error", tab.text("go-state"))
	require.Contains(tab.t, tab.text("go-log"), "/messages: timed out waiting for a byte")
	require.Equal(tab.t, "open", tab.text("es-state"), "EventSource does not notice")
}

func idleTimeoutAndResume(tab *tab, _ *program) {
	tab.set("idle", "0.5")
	tab.click("connect")
	tab.untilMessages("go-log", 1)
	tab.click("silence")
	tab.untilText("go-log", "timed out waiting for a byte")
	before := len(tab.untilMessages("go-log", 1))
	tab.untilText("go-log", "resuming after ")
	requireSequence(tab.t, tab.untilMessages("go-log", before+3))
	tab.click("disconnect")
}

// A server that was made for EventSource allows any origin, and does not know OPTIONS.
func noPreflight(tab *tab, _ *program) {
	methods := make(chan string, 100)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods <- r.Method
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 1\ndata: from another origin\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer other.Close()
	defer other.CloseClientConnections() // also those of a test that failed
	tab.set("url", other.URL)
	tab.set("method", "GET")
	tab.set("headers", "")
	tab.click("connect")
	tab.untilMessages("go-log", 1)
	tab.untilMessages("es-log", 1)
	tab.click("disconnect")
	require.Equal(tab.t, "GET", <-methods)
	require.Equal(tab.t, "GET", <-methods)
	require.Empty(tab.t, methods)
}

// All controls can be reached and used with the keyboard.
func keyboard(tab *tab, _ *program) {
	tab.until(`$("disconnect").disabled`)
	tab.run(chromedp.Focus("#method"))
	want := []string{"url", "idle", "headers", "body", "connect", "reconnect", "drop", "silence", "refuse", "go-log", "es-log"}
	for _, id := range want {
		tab.run(chromedp.KeyEvent(kb.Tab))
		require.Equal(tab.t, id, get(tab, chromedp.Evaluate[string]("document.activeElement.id")))
	}
	tab.run(chromedp.Focus("#connect"), chromedp.KeyEvent(kb.Enter))
	tab.untilMessages("go-log", 1)
	tab.run(chromedp.Focus("#disconnect"), chromedp.KeyEvent(" "))
	tab.untilText("go-state", "disconnected")
}

// screenshots writes pictures of the page to the directory in ARTIFACTS, or to one that is
// removed after the test.
func screenshots(tab *tab, _ *program) {
	dir := os.Getenv("ARTIFACTS")
	if dir == "" {
		dir = tab.t.TempDir()
	}
	tab.run(chromedp.EmulateViewport(1100, 850))
	tab.set("idle", "1")
	tab.click("connect")
	tab.untilMessages("go-log", 3)
	tab.click("drop")
	tab.untilText("go-log", "resuming after ")
	tab.untilMessages("es-log", 5)
	tab.click("disconnect")
	tab.untilText("go-log", "handler ended")
	for _, scheme := range []string{"light", "dark"} {
		tab.run(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}))
		picture := get(tab, chromedp.CaptureScreenshot())
		require.NoError(tab.t, os.WriteFile(filepath.Join(dir, scheme+".png"), picture, 0o600))
	}
}

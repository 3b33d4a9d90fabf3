// Package e2e drives the page of examples/browser in Chromium.
package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// limit bounds each wait. Nothing takes as long unless it hangs.
const limit = 30 * time.Second

// chromium returns the path of the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	require.FailNow(t, "there is no Chromium, which this test drives; as root on Debian, install.sh installs it")
	return ""
}

// startBrowser starts Chromium and returns the context of its first tab.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // it does not work for root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(limit),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx))
	return ctx
}

// A program is the example, as a process.
type program struct {
	url string

	mu    sync.Mutex
	lines []string // of its output
}

// startProgram builds the example and runs it until the end of the test.
func startProgram(t *testing.T) *program {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "browser")
	const root = "../../.."
	build := exec.Command("go", "build", "-o", binary, "./examples/browser")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	cmd := exec.Command(binary, "-interval", "100ms")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait(), "the status after Ctrl-C")
	})
	p := new(program)
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
	}()
	p.url = p.await(t, `^open (http://127\.0\.0\.1:\d+) `)
	t.Log(p.await(t, `^(client\.wasm: .*)`))
	return p
}

// await waits for a line of the output that matches re and returns its first group.
func (p *program) await(t *testing.T, re string) string {
	t.Helper()
	pattern := regexp.MustCompile(re)
	for end := time.Now().Add(4 * limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		p.mu.Lock()
		for _, line := range p.lines {
			if m := pattern.FindStringSubmatch(line); m != nil {
				p.mu.Unlock()
				return m[1]
			}
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	require.FailNow(t, "no line matches "+re, "%s", strings.Join(p.lines, "\n"))
	return ""
}

// A tab is a tab of the browser with the page in it.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// open opens the page and waits until its client runs.
func open(t *testing.T, browser context.Context, p *program) *tab {
	t.Helper()
	tab := &tab{t, browser}
	tab.run(chromedp.Navigate(p.url), chromedp.WaitEnabled("#connect"))
	return tab
}

// with returns the tab for a subtest, with the values that the page began with.
func (tab *tab) with(t *testing.T) *tab {
	t.Helper()
	fresh := *tab
	fresh.t = t
	fresh.eval(`$("form").reset()`)
	t.Cleanup(func() { fresh.eval("fetchSSE.disconnect()") })
	return &fresh
}

// eval runs JavaScript in the page.
func (tab *tab) eval(script string) {
	tab.t.Helper()
	tab.run(chromedp.Evaluate[chromedp.Void](script))
}

func (tab *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	require.NoError(tab.t, chromedp.Do(tab.ctx, steps...))
}

// get runs an action and returns its value.
func get[T any](tab *tab, action chromedp.Action[T]) T {
	tab.t.Helper()
	v, err := chromedp.Run(tab.ctx, action)
	require.NoError(tab.t, err)
	return v
}

// click clicks what has the id, as a user does.
func (tab *tab) click(id string) {
	tab.t.Helper()
	tab.run(chromedp.Click("#" + id))
}

// set sets the value of what has the id.
func (tab *tab) set(id, value string) {
	tab.t.Helper()
	tab.eval(fmt.Sprintf("$(%q).value = %q", id, value))
}

// until waits until a condition of JavaScript holds.
func (tab *tab) until(condition string, args ...any) {
	tab.t.Helper()
	condition = fmt.Sprintf(condition, args...)
	err := chromedp.Do(tab.ctx, chromedp.Poll[chromedp.Void](condition,
		chromedp.WithPollingInterval(10*time.Millisecond), chromedp.WithPollingTimeout(limit)))
	if err != nil {
		require.NoError(tab.t, err, "%s\n%s\n%s", condition, tab.text("go-log"), tab.text("es-log"))
	}
}

// text returns the visible text of what has the id.
func (tab *tab) text(id string) string {
	tab.t.Helper()
	return get(tab, chromedp.Text("#"+id))
}

// untilMessages waits until the log has n messages and returns all their IDs.
func (tab *tab) untilMessages(log string, n int) []string {
	tab.t.Helper()
	messages := fmt.Sprintf(`[...document.querySelectorAll("#%s li[data-id]")]`, log)
	tab.until("%s.length >= %d", messages, n)
	return get(tab, chromedp.Evaluate[[]string](messages+".map(e => e.dataset.id)"))
}

// untilText waits until the element has the text.
func (tab *tab) untilText(id, text string) {
	tab.t.Helper()
	tab.until(`document.getElementById(%q).textContent.includes(%q)`, id, text)
}

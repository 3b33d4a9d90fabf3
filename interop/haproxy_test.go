package interop

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// haproxy returns a function that starts HAProxy as a proxy with these settings in its
// sections global and defaults, for HTTP/1.1, HTTP/2 with TLS and HTTP/2 without.
func haproxy(global, settings string) startProxy {
	return func(t *testing.T, origin string) *proxy {
		t.Helper()
		certificate, secure := certificate(t)
		listen := [...]string{freeAddress(t), freeAddress(t), freeAddress(t)}
		config := writeFile(t, "haproxy.cfg", fmt.Sprintf(`
global
	log stderr format raw local0
	%s
defaults
	mode http
	timeout connect 5s
	timeout client 5s
	%s
frontend events
	bind %s
	bind %s ssl crt %s alpn h2,http/1.1
	bind %s proto h2
	default_backend origin
backend origin
	server origin %s
`, global, settings, listen[0], listen[1], certificate, listen[2], origin))
		c := start(t, command(t, "haproxy", "-W", "-f", config))
		for _, address := range listen {
			c.awaitListener(t, address)
		}
		await(t, "the end of the start", func() bool { return haproxyStarts(c) == 1 })
		return &proxy{c, "HAProxy " + version(t, `HAProxy version (\d[\d.]*)`, "haproxy", "-v"), []endpoint{
			{"HTTP/1.1", "http://" + listen[0], newClient(t, &http.Transport{})},
			{"HTTP/2", "https://" + listen[1], secure},
			{"h2c", "http://" + listen[2], newClient(t, unencrypted())},
		}}
	}
}

// reloadHAProxy makes HAProxy read its configuration again and waits until a new worker
// runs and the old one stops.
func reloadHAProxy(t *testing.T, c *child) {
	t.Helper()
	starts := haproxyStarts(c)
	reloads := strings.Count(c.output.String(), "Reloading HAProxy")
	var sent time.Time
	await(t, "a new worker", func() bool {
		// The signal is lost if it arrives just after a start.
		if strings.Count(c.output.String(), "Reloading HAProxy") == reloads && time.Since(sent) > time.Second {
			c.signal(t, syscall.SIGUSR2)
			sent = time.Now()
		}
		return haproxyStarts(c) > starts
	})
}

func haproxyStarts(c *child) int { return strings.Count(c.output.String(), "Loading success") }

// haproxySettings are the settings of HAProxy for event streams that docs/interop.md
// recommends.
const haproxySettings = `
	timeout server 1h
	option abortonclose
	option http-no-delay`

func TestHAProxyPassesEvents(t *testing.T) {
	testPassing(t, "recommended settings", haproxy("", haproxySettings))
}

// Without option http-no-delay, an event waits in a corked socket for the next one, for at
// most 200 ms.
func TestHAProxyDelaysEvents(t *testing.T) {
	passages := deliver(t, haproxy("", "timeout server 1h"))
	http1 := passages[0]
	require.Greater(t, http1.took, 2*time.Second)
	results.row(t, http1.peer, "default settings", "20 of 20 events, each after %d ms",
		(http1.took / 20).Round(20*time.Millisecond).Milliseconds())
	for _, http2 := range passages[1:] {
		require.Less(t, http2.took, 2*time.Second)
		results.row(t, http2.peer, "default settings", "20 of 20 events, each as soon as it was sent")
	}
}

// HAProxy tries to connect three more times by default, which takes three seconds.
func TestHAProxyOriginDown(t *testing.T) {
	testDown(t, http.StatusServiceUnavailable, haproxy("", haproxySettings+"\n\tretries 0"))
}

func TestHAProxySlowOrigin(t *testing.T) {
	testSlow(t, "headers after timeout server", haproxy("", "timeout server 500ms"))
}

// Over HTTP/2, HAProxy ends the response of a crashed origin as if it were complete.
func TestHAProxyOriginCrashes(t *testing.T) {
	testBreaks(t, "origin crashes", haproxy("", haproxySettings), brokenOff, cleanEnd, ssetest.Cut())
}

func TestHAProxyOriginCrashesWithinAnEvent(t *testing.T) {
	testBreaks(t, "origin crashes within an event", haproxy("", haproxySettings), brokenOff, cleanWithin,
		ssetest.Raw("data: lo"), ssetest.Cut())
}

// The timeout for tunnels is not that for event streams.
func TestHAProxyServerTimeout(t *testing.T) {
	testBreaks(t, "silence over timeout server", haproxy("", "timeout server 500ms\n\ttimeout tunnel 1h"),
		brokenOff, cleanEnd, ssetest.Stall())
}

func TestHAProxyComments(t *testing.T) {
	testComments(t, "comments within timeout server", haproxy("", "timeout server 1s"))
}

func TestHAProxyReload(t *testing.T) {
	testReload(t, true, "reload", haproxy("", haproxySettings), reloadHAProxy)
}

func TestHAProxyHardStop(t *testing.T) {
	testReload(t, false, "reload, hard-stop-after 500ms", haproxy("hard-stop-after 500ms", haproxySettings), reloadHAProxy)
}

func TestHAProxyLeaving(t *testing.T) {
	testLeaving(t, "Close in mid-stream", haproxy("", haproxySettings))
}

// Without option abortonclose, HAProxy does not tell a silent origin that a client has left
// over HTTP/1.1.
func TestHAProxyIgnoresLeaving(t *testing.T) {
	const limit = 2 * time.Second
	lasted := make(chan time.Duration, 1)
	srv := origin(t, func(*http.Request) ssetest.Script {
		return ssetest.Script{step(1), ssetest.Check(func(r *http.Request) {
			begun := time.Now()
			<-r.Context().Done()
			lasted <- time.Since(begun)
		})}
	})
	p := haproxy("", "timeout server 2s")(t, addressOf(srv.URL))
	s, err := sse.Fetch(request(t, "POST", p.endpoints[0].url))
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, next(t, s, 1))
	s.Close()
	require.Greater(t, <-lasted, limit*9/10)
	results.row(t, p.name+", HTTP/1.1", "Close in mid-stream, default settings", "the request of the origin lasts until timeout server")
}

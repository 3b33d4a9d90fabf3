package interop

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// version returns what the output of a command tells about its version.
func version(t *testing.T, pattern, name string, args ...string) string {
	t.Helper()
	out, err := command(t, name, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	m := regexp.MustCompile(pattern).FindSubmatch(out)
	require.NotNil(t, m, "%s", out)
	return string(m[1])
}

func nginxVersion(t *testing.T) string {
	t.Helper()
	return "nginx " + version(t, `nginx/(\S+)`, "nginx", "-v")
}

// startNginx starts nginx with a configuration of its own: main is for the main context
// and http for that of HTTP. It has one worker.
func startNginx(t *testing.T, main, http string) *child {
	t.Helper()
	if os.Geteuid() == 0 {
		main += "user root;\n" // the workers write below the directory of the test
	}
	dir := t.TempDir()
	config := writeFile(t, "nginx.conf", fmt.Sprintf(`%s
daemon off;
pid %s/pid;
error_log stderr notice;
worker_processes 1;
events {}
http {
	access_log off;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	%s
}
`, main, dir, http))
	return start(t, command(t, "nginx", "-e", "stderr", "-p", dir, "-c", config))
}

// reloadNginx makes nginx read its configuration again and waits until a new worker runs
// and the old one has begun to shut down.
func reloadNginx(t *testing.T, c *child) {
	t.Helper()
	workers := len(nginxWorkers(c))
	old := strings.Count(c.output.String(), "gracefully shutting down")
	c.signal(t, syscall.SIGHUP)
	await(t, "a new worker", func() bool {
		return len(nginxWorkers(c)) > workers && strings.Count(c.output.String(), "gracefully shutting down") > old
	})
}

// killNginxWorker kills the worker, as a crash would, and waits for the next one.
func killNginxWorker(t *testing.T, c *child) {
	t.Helper()
	workers := nginxWorkers(c)
	pid, err := strconv.Atoi(workers[len(workers)-1][1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	await(t, "a new worker", func() bool { return len(nginxWorkers(c)) > len(workers) })
}

// nginxWorkers returns the matches of startedWorker in the log.
func nginxWorkers(c *child) [][]string {
	return startedWorker.FindAllStringSubmatch(c.output.String(), -1)
}

var startedWorker = regexp.MustCompile(`start worker process (\d+)`)

// nginxProxy returns a function that starts nginx as a proxy with these settings in its
// main context and in that of the location, for HTTP/1.1, HTTP/2 with TLS and HTTP/2
// without.
func nginxProxy(main, settings string) startProxy {
	return func(t *testing.T, origin string) *proxy {
		t.Helper()
		certificate, secure := certificate(t)
		listen := [...]string{freeAddress(t), freeAddress(t), freeAddress(t)}
		c := startNginx(t, main, fmt.Sprintf(`
	ssl_certificate %[4]s;
	ssl_certificate_key %[4]s;
	server {
		listen %[1]s;
		listen %[2]s ssl http2;
		listen %[3]s http2;
		location / {
			proxy_pass http://%[5]s;
			%[6]s
		}
	}
`, listen[0], listen[1], listen[2], certificate, origin, settings))
		for _, address := range listen {
			c.awaitListener(t, address)
		}
		return &proxy{c, nginxVersion(t), []endpoint{
			{"HTTP/1.1", "http://" + listen[0], newClient(t, &http.Transport{})},
			{"HTTP/2", "https://" + listen[1], secure},
			{"h2c", "http://" + listen[2], newClient(t, unencrypted())},
		}}
	}
}

// nginxSettings are the settings of nginx for event streams that docs/interop.md
// recommends.
const nginxSettings = `
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffering off;
			proxy_read_timeout 1h;`

// nginxWithin returns the same settings with another limit of the silence.
func nginxWithin(limit string) string { return strings.ReplaceAll(nginxSettings, "1h", limit) }

func TestNginxPassesEvents(t *testing.T) {
	testPassing(t, "recommended settings", nginxProxy("", nginxSettings))
}

func TestNginxOriginDown(t *testing.T) {
	testDown(t, http.StatusBadGateway, nginxProxy("", nginxSettings))
}

func TestNginxSlowOrigin(t *testing.T) {
	testSlow(t, "headers after proxy_read_timeout", nginxProxy("", nginxWithin("500ms")))
}

// The default of proxy_http_version is HTTP/1.0 before nginx 1.29.7. There, the end of the
// connection is the end of the response, and nginx passes it on as that.
func TestNginxOriginCrashesOverHTTP10(t *testing.T) {
	testBreaks(t, "origin crashes, proxy_http_version 1.0", nginxProxy("", "proxy_buffering off;"), cleanEnd, cleanEnd, ssetest.Cut())
}

func TestNginxOriginCrashesOverHTTP10WithinAnEvent(t *testing.T) {
	testBreaks(t, "origin crashes within an event, proxy_http_version 1.0", nginxProxy("", "proxy_buffering off;"), cleanWithin, cleanWithin,
		ssetest.Raw("data: lo"), ssetest.Cut())
}

func TestNginxOriginCrashes(t *testing.T) {
	testBreaks(t, "origin crashes", nginxProxy("", nginxSettings), brokenOff, brokenOff, ssetest.Cut())
}

func TestNginxReadTimeout(t *testing.T) {
	testBreaks(t, "silence over proxy_read_timeout", nginxProxy("", nginxWithin("500ms")), brokenOff, brokenOff, ssetest.Stall())
}

func TestNginxComments(t *testing.T) {
	testComments(t, "comments within proxy_read_timeout", nginxProxy("", nginxWithin("1s")))
}

func TestNginxReload(t *testing.T) {
	testReload(t, true, "reload", nginxProxy("", nginxSettings), reloadNginx)
}

func TestNginxWorkerShutdownTimeout(t *testing.T) {
	testReload(t, false, "reload, worker_shutdown_timeout 500ms",
		nginxProxy("worker_shutdown_timeout 500ms;", nginxSettings), reloadNginx)
}

func TestNginxKilledWorker(t *testing.T) {
	testReload(t, false, "killed worker", nginxProxy("", nginxSettings), killNginxWorker)
}

func TestNginxLeaving(t *testing.T) {
	testLeaving(t, "Close in mid-stream", nginxProxy("", nginxSettings))
}

// By default, nginx holds events back until they fill a buffer. The ends of the chunks of
// HTTP/1.1 prevent that; see TestNginxPassesEventsOverHTTP11.
func TestNginxHoldsEvents(t *testing.T) {
	arrived := make(chan struct{})
	sent := make(chan int, 1)
	srv := origin(t, func(*http.Request) ssetest.Script {
		return ssetest.Script{ssetest.Open(), ssetest.Do(func(w http.ResponseWriter, r *http.Request) {
			for n := 1; ; n++ {
				fmt.Fprintf(w, "data: %0256d\n\n", n)
				w.(http.Flusher).Flush()
				select {
				case <-arrived:
					sent <- n
					return
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})}
	})
	p := nginxProxy("", "")(t, addressOf(srv.URL))
	s, err := sse.Fetch(request(t, "GET", p.endpoints[0].url))
	require.NoError(t, err)
	defer s.Close()
	next(t, s, 1)
	close(arrived)
	held := <-sent
	require.Greater(t, held, 1)
	results.row(t, p.name+", HTTP/1.1", "default settings", "the first event arrives after %d events of 256 bytes", held)
}

func TestNginxPassesEventsOverHTTP11(t *testing.T) {
	testPassing(t, "default buffering, proxy_http_version 1.1", nginxProxy("", "proxy_http_version 1.1;"))
}

func TestNginxAccelBuffering(t *testing.T) {
	testPassing(t, "default settings, X-Accel-Buffering: no", nginxProxy("", ""), "X-Accel-Buffering", "no")
}

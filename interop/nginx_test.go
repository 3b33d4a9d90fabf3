package interop

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
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

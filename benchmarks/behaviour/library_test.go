package behaviour

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/benchmarks/internal/report"
	"github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	"github.com/stretchr/testify/require"
	tmaxmax "github.com/tmaxmax/go-sse"
)

func library() []row {
	return []row{
		{
			name: "loop", title: "the loop of a program",
			how:     "The form in which a program gets the events. See [clients_test.go](../benchmarks/behaviour/clients_test.go).",
			measure: func(_ *testing.T, c *client, _ setting) string { return c.loop },
		},
		{
			name: "serves", title: "serves events too", readme: true,
			how:     "The server of the library sends an event, which this library reads.",
			measure: serves,
		},
		{
			name: "go-version", title: "oldest version of Go", readme: true,
			how: "The `go` line of the go.mod.",
			measure: func(t *testing.T, c *client, _ setting) string {
				if c.module == "" {
					return "any"
				}
				major, minor, ok := strings.Cut(goList(t, "-m", "-f", "{{.GoVersion}}", c.module)[0], ".")
				require.True(t, ok)
				minor, _, _ = strings.Cut(minor, ".")
				return major + "." + minor
			},
		},
		{
			name: "modules", title: "modules in a program beside the library",
			how: "The modules with packages that the package imports, directly or indirectly, without the standard library. Those of " +
				"tests do not count. The package of this library is llm, which imports package sse.",
			measure: func(t *testing.T, c *client, _ setting) string {
				modules := goList(t, "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", c.pkg)
				slices.Sort(modules)
				modules = slices.DeleteFunc(slices.Compact(modules), func(m string) bool { return m == "" || m == c.module })
				return strconv.Itoa(len(modules))
			},
		},
		{
			name: "speed", title: "bytes parsed per second, relative",
			how: "The medians of [results.txt](../benchmarks/results.txt), for events of 320 bytes in reads of 4 KiB. It is not measured " +
				"again here. This library makes an `Event` of each, and openai-go does not decode the JSON.",
			measure: func(t *testing.T, c *client, _ setting) string {
				if c.results == "" {
					return "–"
				}
				return fmt.Sprintf("%.2f", speed(t, c.results)/speed(t, clients()[0].results))
			},
		},
	}
}

// goList runs go list in the directory of the test and returns the lines of its output.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// speed returns the median of the MB/s of a parser.
func speed(t *testing.T, name string) float64 {
	t.Helper()
	file, err := os.Open("../results.txt")
	require.NoError(t, err)
	defer file.Close()
	var values []float64
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if i := slices.Index(fields, "MB/s"); i > 0 && fields[0] == "BenchmarkParser/workload=openai/reads=4KiB/peer="+name {
			v, err := strconv.ParseFloat(fields[i-1], 64)
			require.NoError(t, err)
			values = append(values, v)
		}
	}
	require.NoError(t, lines.Err())
	median, ok := report.Median(values)
	require.True(t, ok, "results.txt has no results for %s", name)
	return median
}

// serves measures whether the server of a library sends an event.
func serves(t *testing.T, c *client, _ setting) string {
	if c.serve == nil {
		return "no"
	}
	handler, stop := c.serve()
	defer stop()
	srv := httptest.NewServer(handler)
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"?stream=test", nil)
	require.NoError(t, err)
	stream, err := sse.Subscribe(req, sse.WithHTTPClient(srv.Client()), sse.WithIdleTimeout(limit))
	require.NoError(t, err)
	defer stream.Close()
	require.True(t, stream.Next(), "%v", stream.Err())
	return yes(string(stream.Data()) == "hello")
}

// repeat calls publish until stop is called, since an event is lost if it is published
// before the subscription.
func repeat(publish func()) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.Tick(10 * time.Millisecond); ; {
			select {
			case <-ended:
				return
			case <-tick:
				publish()
			}
		}
	}()
	return func() { close(ended); <-done }
}

func serveGoSSE() (http.Handler, func()) {
	srv := new(tmaxmax.Server)
	message := new(tmaxmax.Message)
	message.AppendData("hello")
	return srv, repeat(func() { _ = srv.Publish(message) })
}

type hello struct{}

func (hello) Id() string    { return "1" }
func (hello) Event() string { return "" }
func (hello) Data() string  { return "hello" }

func serveLaunchDarkly() (http.Handler, func()) {
	srv := eventsource.NewServer()
	stop := repeat(func() { srv.Publish([]string{"test"}, hello{}) })
	return srv.Handler("test"), func() { stop(); srv.Close() }
}

func serveR3labs() (http.Handler, func()) {
	srv := r3labs.New()
	srv.CreateStream("test")
	stop := repeat(func() { srv.Publish("test", &r3labs.Event{Data: []byte("hello")}) })
	return srv, func() { stop(); srv.Close() }
}

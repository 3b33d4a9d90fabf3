// Idle measures the memory of an idle event stream beside that of an idle WebSocket, in the
// process of the client and in that of the server. It prints a table with the medians:
//
//	go run ./cmd/idle                                    # five rounds, in about a minute
//	go run ./cmd/idle -out ../docs/sse-or-websocket.md   # also writes the table to the guide
//
// It compares bytes and not times, so other programs may run beside it.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/fetchsse/sse/benchmarks"
	"github.com/fetchsse/sse/benchmarks/internal/report"
)

func main() {
	benchmarks.Child()
	streams := flag.Int("streams", 2000, "`number` of streams")
	rounds := flag.Int("rounds", 5, "`number` of rounds")
	out := flag.String("out", "", "write the table to this `file`, between the comments <!-- idle --> and <!-- /idle -->")
	flag.Parse()
	if err := run(*streams, *rounds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

// rows are the kinds of streams, in the order of the table.
var rows = []struct {
	label, client, proto string
	apart                bool
}{
	{"event stream, HTTP/1.1", "sse-subscribe", "http1", false},
	{"event stream, HTTP/1.1, client buffers of 512 B", "sse-small-buffers", "http1", false},
	{"event stream, HTTP/2, 250 on a connection", "sse-subscribe", "http2", false},
	{"event stream, HTTP/2, one on a connection", "sse-subscribe", "http2", true},
	{"WebSocket, HTTP/1.1", "websocket", "http1", false},
}

var columns = []struct{ label, unit string }{
	{"client: heap", "client-heap-B/stream"},
	{"stacks", "client-stack-B/stream"},
	{"resident", "client-rss-B/stream"},
	{"goroutines", "client-goroutines/stream"},
	{"server: heap", "server-heap-B/stream"},
	{"stacks", "server-stack-B/stream"},
	{"resident", "server-rss-B/stream"},
	{"goroutines", "server-goroutines/stream"},
}

func run(streams, rounds int, out string) error {
	values := make([]map[string][]float64, len(rows)) // by unit
	for range rounds {
		for i, row := range rows {
			result, err := measure(benchmarks.Job{
				Measure: "idle-both", Client: row.client, Proto: row.proto, Apart: row.apart, N: streams, Size: 300,
			})
			if err != nil {
				return err
			}
			if values[i] == nil {
				values[i] = map[string][]float64{}
			}
			for unit, value := range result {
				values[i][unit] = append(values[i][unit], value)
			}
		}
	}
	text := table(values, streams, rounds)
	fmt.Print(text)
	if out == "" {
		return nil
	}
	return report.Replace(out, "idle", text)
}

// measure runs one job with a server of its own: the memory of an earlier one would not
// come back completely.
func measure(job benchmarks.Job) (benchmarks.Result, error) {
	server, err := benchmarks.StartServer()
	if err != nil {
		return nil, err
	}
	defer server.Close()
	return server.Run(job, time.Minute)
}

// table returns the medians of the values as a table in Markdown.
func table(values []map[string][]float64, streams, rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s. %d streams after an event of 300 B. Medians of %d rounds.\n\n", report.ThisMachine(), streams, rounds)
	names := []string{"per stream"}
	for _, c := range columns {
		names = append(names, c.label)
	}
	report.Header(&b, names...)
	for i, row := range rows {
		cells := []string{row.label}
		for _, c := range columns {
			value, _ := report.Median(values[i][c.unit])
			if strings.Contains(c.unit, "goroutines") {
				cells = append(cells, fmt.Sprintf("%.1f", value))
			} else {
				cells = append(cells, fmt.Sprintf("%.1f KB", value/1e3))
			}
		}
		report.Row(&b, cells...)
	}
	b.WriteString("\n")
	return b.String()
}

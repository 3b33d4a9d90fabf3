package main

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/fetchsse/sse/benchmarks"
	"github.com/fetchsse/sse/benchmarks/internal/report"
)

// modules maps the names of peers to their module paths.
var modules = map[string]string{
	"sse-data":         "github.com/fetchsse/sse",
	"openai-go":        "github.com/openai/openai-go/v3",
	"anthropic-sdk-go": "github.com/anthropics/anthropic-sdk-go",
	"ogen":             "github.com/ogen-go/ogen",
	"tmaxmax":          "github.com/tmaxmax/go-sse",
	"launchdarkly":     "github.com/launchdarkly/eventsource",
	"r3labs":           "github.com/r3labs/sse/v2",
	"resty":            "resty.dev/v3",
}

// label returns the name of a peer in the tables.
func label(name string) string {
	switch name {
	case "sse":
		return "**this library**"
	case "sse-data":
		return "**this library**, `Data`"
	case "sse-event":
		return "**this library**, `Event`"
	case "sse-timeouts":
		return "**this library**, `Data`, with timeouts"
	case "sse-subscribe":
		return "**this library**, `Subscribe`"
	case "sse-subscribe-timeouts":
		return "**this library**, `Subscribe`, with timeouts"
	case "scan-floor":
		return "*scan floor*"
	case "copy-floor":
		return "*copy floor*, same buffer"
	case "copy-floor-new":
		return "*copy floor*, new buffer"
	case "sse-small-buffers":
		return "**this library**, `Subscribe`, buffers of 512 B"
	case "bare-loop":
		return "*bare loop*"
	case "bare-512":
		return "*bare loop*, 512 B"
	}
	return name
}

// table returns all results in Markdown.
func (c *comparison) table(m report.Machine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s. Medians of %d interleaved rounds.\n\n", m, c.rounds)
	if v := versions(); v != "" {
		fmt.Fprintf(&b, "Versions: %s.\n\n", v)
	}
	c.targetTable(&b)
	if slices.Contains(c.parts, "parser") {
		c.parserTables(&b)
	}
	if slices.Contains(c.parts, "client") {
		c.clientTable(&b)
	}
	if slices.Contains(c.parts, "latency") {
		c.latencyTable(&b)
	}
	if slices.Contains(c.parts, "idle") {
		c.idleTable(&b)
	}
	if slices.Contains(c.parts, "completions") {
		c.completionsTable(&b)
	}
	if slices.Contains(c.parts, "reconnect") {
		c.reconnectTable(&b)
	}
	return b.String()
}

// versions returns the peers with the versions of their modules in this build.
func versions() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var all []string
	for _, name := range []string{"openai-go", "anthropic-sdk-go", "ogen", "tmaxmax", "launchdarkly", "r3labs", "resty"} {
		for _, dep := range info.Deps {
			if dep.Path == modules[name] {
				all = append(all, dep.Path+" "+dep.Version)
			}
		}
	}
	return strings.Join(all, ", ")
}

// value returns a formatted median, or the reason why it is missing.
func (c *comparison) value(name, unit string, format func(float64) string) string {
	if v, ok := c.median(name, unit); ok {
		return format(v)
	}
	if n, ok := c.notes[name]; ok {
		return n.short
	}
	return "–"
}

func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func nanoseconds(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.1f s", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.1f ms", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1f µs", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f ns", v)
	}
	return fmt.Sprintf("%.1f ns", v)
}

func allocations(v float64) string { return fmt.Sprintf("%.2g", v) }

func bytes(v float64) string {
	if v < 1000 && v > -1000 {
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.1f KB", v/1e3)
}

func (c *comparison) parserTables(b *strings.Builder) {
	workloads := benchmarks.Workloads()
	names := []string{"time per event"}
	for _, w := range workloads {
		names = append(names, w.Name)
	}
	tables := []string{"4KiB", "whole", "64KiB", "37B", "1B"}
	for _, reads := range tables {
		if reads == "4KiB" {
			fmt.Fprintf(b, "### Parsers, reads of 4 KiB\n\n%s\n\n", legend(workloads))
		} else {
			fmt.Fprintf(b, "<details><summary>Parsers, reads: %s</summary>\n\n", reads)
		}
		report.Header(b, names...)
		for _, p := range benchmarks.Peers() {
			cells := []string{label(p.Name)}
			for _, w := range workloads {
				cells = append(cells, c.value(parserName(w.Name, reads, p.Name), "ns/event", nanoseconds))
			}
			report.Row(b, cells...)
		}
		b.WriteString("\n")
		if reads != "4KiB" {
			b.WriteString("</details>\n\n")
			continue
		}
		names := slices.Clone(names)
		names[0] = "allocations per event"
		report.Header(b, names...)
		for _, p := range benchmarks.Peers() {
			cells := []string{label(p.Name)}
			for _, w := range workloads {
				cells = append(cells, c.value(parserName(w.Name, reads, p.Name), "allocs/event", allocations))
			}
			report.Row(b, cells...)
		}
		b.WriteString("\n")
		c.wrongList(b)
	}
	fmt.Fprintf(b, "### One event of 8 MiB, reads of 1 KiB\n\n")
	report.Header(b, "", "time")
	for _, p := range append(benchmarks.CopyFloors(), benchmarks.Peers()...) {
		report.Row(b, label(p.Name), c.value(parserName("8MiB", largeReads.Name, p.Name), "ns/event", nanoseconds))
	}
	b.WriteString("\n")
}

// legend tells what the streams contain.
func legend(workloads []benchmarks.Workload) string {
	var all []string
	for _, w := range workloads {
		all = append(all, w.Name+": "+w.Note)
	}
	return "The streams are " + strings.Join(all, "; ") + "."
}

// wrongList writes the wrong event of each parser that the tables mark as wrong.
func (c *comparison) wrongList(b *strings.Builder) {
	for _, which := range slices.Sorted(maps.Keys(c.wrong)) {
		fmt.Fprintf(b, "- wrong: %s: %s\n", strings.Replace(which, " ", ", ", 1), c.wrong[which].long)
	}
	if len(c.wrong) > 0 {
		b.WriteString("\n")
	}
}

func (c *comparison) clientTable(b *strings.Builder) {
	fmt.Fprintf(b, "### Whole clients: CPU time per event of %d B\n\n", 320)
	report.Header(b, "", "HTTP/1.1", "HTTP/2", "HTTP/1.1, one event per write", "HTTP/2, one event per write", "events per CPU second, HTTP/1.1")
	for _, name := range cpuClients {
		report.Row(
			b, label(name),
			c.value(clientName("http1", false, name), "cpu-ns/event", nanoseconds),
			c.value(clientName("http2", false, name), "cpu-ns/event", nanoseconds),
			c.value(clientName("http1", true, name), "cpu-ns/event", nanoseconds),
			c.value(clientName("http2", true, name), "cpu-ns/event", nanoseconds),
			c.value(clientName("http1", false, name), "events/cpu-second", number),
		)
	}
	b.WriteString("\n")
}

func (c *comparison) latencyTable(b *strings.Builder) {
	b.WriteString("### Delivery latency, one event per millisecond\n\n")
	report.Header(b, "", "HTTP/1.1 p50", "p99", "HTTP/2 p50", "p99")
	us := func(v float64) string { return number(v) + " µs" }
	for _, name := range latencyClients {
		report.Row(
			b, label(name),
			c.value(latencyName("http1", name), "p50-µs", us), c.value(latencyName("http1", name), "p99-µs", us),
			c.value(latencyName("http2", name), "p50-µs", us), c.value(latencyName("http2", name), "p99-µs", us),
		)
	}
	b.WriteString("\n")
}

func (c *comparison) idleTable(b *strings.Builder) {
	for _, proto := range protos {
		for _, size := range idleSizes {
			fmt.Fprintf(b, "### Idle streams, %s, after an event of %d B\n\n", protoLabel(proto), size)
			report.Header(b, "per stream", "heap", "heap spans", "stacks", "resident", "goroutines")
			for _, name := range slices.Concat(idleClients, idleOnce) {
				id := idleName(proto, size, name)
				if c.value(id, "heap-B/stream", bytes) == "–" {
					continue // not in a short run
				}
				report.Row(
					b, label(name),
					c.value(id, "heap-B/stream", bytes), c.value(id, "inuse-B/stream", bytes),
					c.value(id, "stack-B/stream", bytes), c.value(id, "rss-B/stream", bytes),
					c.value(id, "goroutines/stream", func(v float64) string { return fmt.Sprintf("%.0f", v) }),
				)
			}
			b.WriteString("\n")
		}
	}
}

func protoLabel(proto string) string {
	if proto == "http2" {
		return "HTTP/2"
	}
	return "HTTP/1.1"
}

func (c *comparison) completionsTable(b *strings.Builder) {
	b.WriteString("### 100 consecutive completions, HTTP/1.1 and TLS\n\n")
	report.Header(b, "", "connections", "handshakes", "time per completion")
	for _, client := range benchmarks.Completers() {
		id := completionsName(client.Name)
		report.Row(
			b, label(client.Name), c.value(id, "connections", number), c.value(id, "handshakes", number),
			c.value(id, "ms/completion", func(v float64) string { return number(v) + " ms" }),
		)
	}
	b.WriteString("\n")
}

func (c *comparison) reconnectTable(b *strings.Builder) {
	b.WriteString("### 200 drops and reconnects\n\n")
	report.Header(b, "", "time", "lost events", "duplicates", "broken", "empty")
	for _, client := range benchmarks.Reconnecters() {
		id := reconnectName(client.Name)
		cells := []string{label(client.Name), c.value(id, "ms", func(v float64) string { return nanoseconds(v * 1e6) })}
		for _, unit := range []string{"lost", "twice", "broken", "empty"} {
			if client.Raw {
				cells = append(cells, "")
				continue
			}
			cells = append(cells, c.value(id, unit, number))
		}
		report.Row(b, cells...)
	}
	b.WriteString("\n")
	for _, client := range benchmarks.Reconnecters() {
		if n, ok := c.notes[reconnectName(client.Name)]; ok {
			fmt.Fprintf(b, "- failed: %s: %s\n\n", client.Name, n.long)
		}
	}
}

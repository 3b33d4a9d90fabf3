package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fetchsse/sse/benchmarks/internal/report"
)

// value returns a median as text.
func (s *scale) value(name, unit string, format func(float64) string) string {
	v, ok := report.Median(s.values[name+" "+unit])
	if !ok {
		return "–"
	}
	return format(v)
}

func (s *scale) memoryTable() string {
	var b strings.Builder
	report.Header(&b, "per idle stream", "streams", "heap", "heap spans", "stacks", "resident", "peak", "goroutines", "CPU time of opening", "descriptors, all streams", "CPU time of a GC, all streams")
	for _, p := range held {
		for _, n := range heldStreams {
			name := memoryName(p.proto, n)
			report.Row(
				&b, p.label, thousands(float64(n)),
				s.value(name, "heap-B/stream", kilobytes), s.value(name, "inuse-B/stream", kilobytes),
				s.value(name, "stack-B/stream", kilobytes), s.value(name, "rss-B/stream", kilobytes),
				s.value(name, "peak-B/stream", kilobytes),
				s.value(name, "goroutines/stream", func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }),
				s.value(name, "open-µs/stream", func(µs float64) string { return fmt.Sprintf("%.2f ms", µs/1e3) }),
				s.value(name, "descriptors", thousands),
				s.value(name, "gc-ms", func(v float64) string { return fmt.Sprintf("%.0f ms", v) }),
			)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func (s *scale) loadTable() string {
	var b strings.Builder
	report.Header(&b, "", "streams", "events per second", "CPU time per event", "events per second of CPU time")
	for _, p := range loaded {
		for _, l := range loads {
			for _, n := range loadedStreams {
				name := loadName(p.proto, l.batch, n)
				protocol, _, _ := strings.Cut(p.label, ",")
				report.Row(
					&b, protocol+", "+l.label, thousands(float64(n)),
					s.value(name, "events/s", significant), s.value(name, "cpu-ns/event", microseconds),
					s.value(name, "events/cpu-second", significant),
				)
			}
		}
	}
	b.WriteString("\n")
	return b.String()
}

func (s *scale) stormTable() string {
	var b strings.Builder
	report.Header(
		&b, "server", "wait: 1 %", "50 %", "99 %", "max", "most waits that end in any 100 ms",
		"return: 1 %", "50 %", "99 %", "max", "most requests in any 100 ms", "requests",
	)
	for _, o := range overloads {
		name := stormName(o.name)
		cells := []string{o.label}
		for _, times := range []string{"wait", "return"} {
			for _, q := range []string{"p1", "p50", "p99", "max"} {
				cells = append(cells, s.value(name, times+"-"+q+"-ms", seconds))
			}
			within := map[string]string{"wait": "waits-in-100ms", "return": "requests-in-100ms"}[times]
			cells = append(cells, s.value(name, within, thousands))
		}
		report.Row(&b, append(cells, s.value(name, "requests", thousands))...)
	}
	n := thousands(float64(stormStreams))
	cells := []string{"*computed: every client waits 1 s*", "1.00 s", "1.00 s", "1.00 s", "1.00 s", n}
	report.Row(&b, append(cells, "1.00 s", "1.00 s", "1.00 s", "1.00 s", n, n)...)
	b.WriteString("\n")
	return b.String()
}

func kilobytes(v float64) string { return fmt.Sprintf("%.1f KB", v/1e3) }

func microseconds(ns float64) string { return fmt.Sprintf("%.1f µs", ns/1e3) }

func seconds(ms float64) string { return fmt.Sprintf("%.2f s", ms/1e3) }

// significant returns a number with two significant digits.
func significant(v float64) string {
	rounded, _ := strconv.ParseFloat(fmt.Sprintf("%.1e", v), 64)
	return thousands(rounded)
}

// thousands returns a number with commas.
func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

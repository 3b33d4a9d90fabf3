package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/fetchsse/sse/benchmarks/internal/report"
)

// The sizes need these numbers, which are not measured. docs/scaling.md gives the reasons.
const (
	perProcess  = 20_000 // streams of HTTP/1.1
	perHTTP2    = 100    // streams on a connection of HTTP/2
	ports       = 28_232 // of one local address to one address and port: 32768 to 60999
	kernelBytes = 3_584  // of a connected socket: 2,368 + 832 + 192 + 192
	keepAlive   = 15.0   // seconds between two comments on a stream

	// A comment of 3 bytes in a chunk (5), a record of TLS 1.3 (22), TCP and IPv4 with
	// timestamps (52) and Ethernet (14), and the acknowledgment of it.
	commentBytes, ackBytes = 3 + 5 + 22 + 52 + 14, 52 + 14
)

// A size is a row of the table: what one stream needs, and how to print what many need.
type size struct {
	label, arithmetic string
	each              float64
	format            func(float64) string
}

// sizes returns the rows of the sizing table.
func (s *scale) sizes() []size {
	most := heldStreams[len(heldStreams)-1]
	median := func(name, unit string) float64 {
		v, ok := report.Median(s.values[name+" "+unit])
		if !ok {
			return math.NaN()
		}
		return v
	}
	memory := func(proto, unit string) float64 { return median(memoryName(proto, most), unit) }
	event := median(loadName("http1", 1, loadedStreams[len(loadedStreams)-1]), "cpu-ns/event") / 1e9
	open := memory("https1", "open-µs/stream") / 1e6
	tls, http2 := memory("https1", "rss-B/stream"), memory("http2-100", "rss-B/stream")
	bits := (commentBytes + ackBytes) * 8 / keepAlive
	return []size{
		{"processes with HTTP/1.1", fmt.Sprintf("1 / %s", thousands(perProcess)), 1.0 / perProcess, whole},
		{"idle memory, HTTP/1.1 with TLS", kilobytes(tls), tls, gigabytes},
		{"idle memory, HTTP/2", kilobytes(http2), http2, gigabytes},
		{"memory of the kernel, HTTP/1.1", kilobytes(kernelBytes), kernelBytes, gigabytes},
		{"descriptors, HTTP/1.1", "1", 1, thousands},
		{"connections and descriptors, HTTP/2", fmt.Sprintf("1 / %d", perHTTP2), 1.0 / perHTTP2, whole},
		{"local addresses, HTTP/1.1 to one address and port", fmt.Sprintf("1 / %s", thousands(ports)), 1.0 / ports, whole},
		{"packets per second for keep-alives", fmt.Sprintf("2 / %.0f s", keepAlive), 2 / keepAlive, thousands},
		{"network for keep-alives", fmt.Sprintf("(%d B + %d B) × 8 / %.0f s", commentBytes, ackBytes, keepAlive), bits, megabits},
		{"CPUs for keep-alives", fmt.Sprintf("%s / %.0f s", microseconds(event*1e9), keepAlive), event / keepAlive, twoDigits},
		{"CPUs for an event per stream and second", microseconds(event*1e9) + " / 1 s", event, twoDigits},
		{"CPU time to open all, HTTP/1.1 with TLS", fmt.Sprintf("%.2f ms", open*1e3), open, cpuSeconds},
	}
}

func (s *scale) sizingTable() string {
	var b strings.Builder
	streams := []float64{1e3, 1e4, 1e5, 1e6}
	names := []string{"", "for one stream"}
	for _, n := range streams {
		names = append(names, thousands(n)+" streams")
	}
	report.Header(&b, names...)
	for _, size := range s.sizes() {
		cells := []string{size.label, size.arithmetic}
		for _, n := range streams {
			if v := size.each * n; math.IsNaN(v) {
				cells = append(cells, "–")
			} else {
				cells = append(cells, size.format(v))
			}
		}
		report.Row(&b, cells...)
	}
	b.WriteString("\n")
	return b.String()
}

// whole rounds up: there is no half of a process.
func whole(v float64) string { return thousands(math.Ceil(v)) }

func gigabytes(v float64) string { return twoDigits(v/1e9) + " GB" }

func megabits(v float64) string { return twoDigits(v/1e6) + " Mbit/s" }

func cpuSeconds(v float64) string { return twoDigits(v) + " s" }

// twoDigits returns a number with two significant digits and without an exponent.
func twoDigits(v float64) string {
	if v >= 1 && v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	if v >= 10 {
		return significant(v)
	}
	return fmt.Sprintf("%.2g", v)
}

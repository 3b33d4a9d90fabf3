package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fetchsse/sse/benchmarks"
	"github.com/fetchsse/sse/benchmarks/internal/report"
)

// A target is a goal of the library and the result of this run.
type target struct {
	measure, goal, result string
	met, known            bool // known: the run has measured it
}

// targetTable writes the targets that this run has measured.
func (c *comparison) targetTable(b *strings.Builder) {
	b.WriteString("### Targets\n\n")
	b.WriteString("| measure | target | result | met |\n| --- | --- | --- | --- |\n")
	for _, t := range c.targets() {
		if !t.known {
			continue
		}
		met := "**no**"
		if t.met {
			met = "yes"
		}
		report.Row(b, t.measure, t.goal, t.result, met)
	}
	b.WriteString("\n")
}

func (c *comparison) targets() []target {
	ns := func(workload, peer string) float64 { return c.get(parserName(workload, "4KiB", peer), "ns/event") }
	allocs := func(workload, peer string) float64 { return c.get(parserName(workload, "4KiB", peer), "allocs/event") }
	large := func(peer string) float64 { return c.get(parserName("8MiB", largeReads.Name, peer), "ns/event") }
	cpu := func(peer string) float64 { return c.get(clientName("http1", false, peer), "cpu-ns/event") }
	faster := func(workload string, checked bool) float64 {
		return c.fastest(workload, "4KiB", checked) / ns(workload, "sse-data")
	}
	t := []target{
		atMost("`Data`, 320 B, 4 KiB reads", "scan floor", ns("openai", "sse-data")/ns("openai", "scan-floor"), 2),
		atLeast("`Data`, 320 B, 4 KiB reads", "the rate of openai-go", ns("openai", "openai-go")/ns("openai", "sse-data"), 4),
		// A parser's fixed number of allocations is divided by the events of one stream.
		count("`Data`, allocations per event", allocs("openai", "sse-data"), 0),
		atLeast("`Data`, ticks", "the fastest peer", faster("ticks", true), 2.5),
		atLeast("`Data`, 125 B", "the fastest peer", faster("anthropic", true), 3),
		atLeast("`Event`, 320 B", "openai-go", ns("openai", "openai-go")/ns("openai", "sse-event"), 1.35),
		atLeast("`Event`, 125 B", "openai-go", ns("anthropic", "openai-go")/ns("anthropic", "sse-event"), 1.5),
		count("`Event`, allocations per event", max(allocs("openai", "sse-event"), allocs("anthropic", "sse-event"), allocs("ticks", "sse-event")), 1),
		atMost("CR", "LF", ns("cr", "sse-data")/ns("openai", "sse-data"), 1.5),
		atMost("CRLF", "LF", ns("crlf", "sse-data")/ns("openai", "sse-data"), 1.5),
		c.oneByte(),
		atMost("8 MiB event, 1 KiB reads", "copy floor, new buffer", large("sse-data")/large("copy-floor-new"), 3),
		atMost("8 MiB event, 1 KiB reads", "copy floor, same buffer", large("sse-data")/large("copy-floor"), 3),
		atLeast("CJK", "the fastest peer that does not check UTF-8", faster("cjk", false), 2),
		atMost("client, HTTP/1.1, `Data`, CPU", "bare loop", cpu("sse-data")/cpu("bare-loop"), 1.25),
		atMost("client, HTTP/1.1, `Event`, CPU", "openai-go", cpu("sse-event")/cpu("openai-go"), 0.9),
	}
	t = append(t, c.idleTargets()...)
	ratio := cpu("sse-timeouts") / cpu("sse-data")
	t = append(t, atMost("client with timeouts, CPU", "without timeouts", ratio, 1.05))
	for _, proto := range protos {
		t = append(t, c.latencyTarget(proto, "p50-µs"), c.latencyTarget(proto, "p99-µs"))
	}
	return append(t, c.streamTargets()...)
}

// get returns a median, or NaN if there is none. NaN meets no target.
func (c *comparison) get(name, unit string) float64 {
	if v, ok := c.median(name, unit); ok {
		return v
	}
	return math.NaN()
}

// fastest returns the time of the fastest peer that parses a workload correctly. checked
// includes the peers that check UTF-8.
func (c *comparison) fastest(workload, reads string, checked bool) float64 {
	best := math.NaN()
	for _, p := range benchmarks.Peers() {
		if p.Ours || p.Floor || p.UTF8 && !checked {
			continue
		}
		if v, ok := c.median(parserName(workload, reads, p.Name), "ns/event"); ok && !(v >= best) {
			best = v
		}
	}
	return best
}

func atMost(measure, than string, ratio, limit float64) target {
	return target{
		measure, fmt.Sprintf("≤ %.4g × %s", limit, than), fmt.Sprintf("%.3g ×", ratio),
		ratio <= limit, !math.IsNaN(ratio),
	}
}

func atLeast(measure, than string, ratio, limit float64) target {
	return target{
		measure, fmt.Sprintf("≥ %.4g × %s", limit, than), fmt.Sprintf("%.3g ×", ratio),
		ratio >= limit, !math.IsNaN(ratio),
	}
}

func count(measure string, v, limit float64) target {
	return target{
		measure, fmt.Sprintf("≤ %.4g", limit), fmt.Sprintf("%.3g", v),
		v <= limit+0.02, !math.IsNaN(v),
	}
}

// oneByte returns the target for 1-byte reads, for the workload with the worst ratio.
func (c *comparison) oneByte() target {
	worst, where := math.NaN(), ""
	for _, w := range benchmarks.Workloads() {
		ratio := c.get(parserName(w.Name, "1B", "sse-data"), "ns/event") / c.fastest(w.Name, "1B", true)
		if !math.IsNaN(ratio) && !(ratio <= worst) {
			worst, where = ratio, w.Name
		}
	}
	return atMost("`Data`, 1-byte reads, worst workload ("+where+")", "the fastest peer", worst, 1)
}

// idleTargets returns the targets for idle subscriptions.
func (c *comparison) idleTargets() []target {
	var t []target
	for _, proto := range protos {
		for _, size := range idleSizes {
			get := func(client, unit string) float64 { return c.get(idleName(proto, size, client), unit) }
			prefix := fmt.Sprintf("idle, %s, after %d B, ", protoLabel(proto), size)
			resident := 1.03
			if proto == "http2" {
				resident = 1.1
			}
			const ours, timeouts, bare = "sse-subscribe", "sse-subscribe-timeouts", "bare-loop"
			t = append(
				t,
				atMost(prefix+"heap", "bare loop", get(ours, "heap-B/stream")/get(bare, "heap-B/stream"), 1.03),
				atMost(prefix+"resident", "bare loop", get(ours, "rss-B/stream")/get(bare, "rss-B/stream"), resident),
				atMost(prefix+"goroutines", "bare loop",
					math.Round(get(ours, "goroutines/stream"))/math.Round(get(bare, "goroutines/stream")), 1),
				count(prefix+"extra bytes with timeouts", math.Round(get(timeouts, "heap-B/stream")-get(ours, "heap-B/stream")), 200),
				count(prefix+"extra goroutines with timeouts",
					math.Round(get(timeouts, "goroutines/stream")-get(ours, "goroutines/stream")), 0),
			)
		}
	}
	return t
}

// latencyTarget returns the target for latency. It is met if the rounds of the library
// overlap with those of the bare loop.
func (c *comparison) latencyTarget(proto, unit string) target {
	bare := c.values[latencyName(proto, "bare-loop")+" "+unit]
	ours := c.values[latencyName(proto, "sse-event")+" "+unit]
	if len(bare) == 0 || len(ours) == 0 {
		return target{}
	}
	name, _, _ := strings.Cut(unit, "-")
	return target{
		fmt.Sprintf("latency, %s, %s", protoLabel(proto), name),
		"rounds overlap with the bare loop",
		fmt.Sprintf("%s … %s and %s … %s µs",
			number(slices.Min(ours)), number(slices.Max(ours)), number(slices.Min(bare)), number(slices.Max(bare))),
		slices.Min(ours) <= slices.Max(bare), true,
	}
}

func (c *comparison) streamTargets() []target {
	reconnect := func(unit string) float64 { return c.get(reconnectName("sse"), unit) }
	wrongEvents := reconnect("lost") + reconnect("twice") + reconnect("broken") + reconnect("empty")
	completed := completionsName("sse")
	return []target{
		atMost("200 drops, time", "bare loop", reconnect("ms")/c.get(reconnectName("bare-loop"), "ms"), 1.1),
		count("200 drops, lost, duplicate, broken and empty events", wrongEvents, 0),
		count("100 completions, connections", c.get(completed, "connections"), 1),
		count("100 completions, handshakes", c.get(completed, "handshakes"), 1),
	}
}

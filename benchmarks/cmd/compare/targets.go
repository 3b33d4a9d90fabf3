package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fetchsse/sse/benchmarks"
)

// A target is a goal of the library and how near it came.
type target struct {
	measure, goal, reached string
	met, known             bool
}

// targetTable writes the goals that the run can judge.
func (c *comparison) targetTable(b *strings.Builder) {
	b.WriteString("### Targets\n\n")
	b.WriteString("| measure | target | reached | met |\n| --- | --- | --- | --- |\n")
	for _, t := range c.targets() {
		if !t.known {
			continue
		}
		met := "**no**"
		if t.met {
			met = "yes"
		}
		row(b, t.measure, t.goal, t.reached, met)
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
		atLeast("`Data`, 320 B, 4 KiB reads", "openai-go's rate", ns("openai", "openai-go")/ns("openai", "sse-data"), 4),
		// What a parser allocates once is spread over the events of one stream here.
		count("`Data`, allocations an event", allocs("openai", "sse-data"), 0),
		atLeast("`Data`, ticks", "the fastest peer", faster("ticks", true), 2.5),
		atLeast("`Data`, 125 B", "the fastest peer", faster("anthropic", true), 3),
		atLeast("`Event`, 320 B", "openai-go", ns("openai", "openai-go")/ns("openai", "sse-event"), 1.35),
		atLeast("`Event`, 125 B", "openai-go", ns("anthropic", "openai-go")/ns("anthropic", "sse-event"), 1.5),
		count("`Event`, allocations an event", max(allocs("openai", "sse-event"), allocs("anthropic", "sse-event"), allocs("ticks", "sse-event")), 1),
		atMost("CR", "LF", ns("cr", "sse-data")/ns("openai", "sse-data"), 1.5),
		atMost("CRLF", "LF", ns("crlf", "sse-data")/ns("openai", "sse-data"), 1.5),
		c.oneByte(),
		atMost("8 MiB event, 1 KiB reads", "the reads and one copy, new buffer", large("sse-data")/large("copy-floor-new"), 3),
		atMost("8 MiB event, 1 KiB reads", "the reads and one copy, same buffer", large("sse-data")/large("copy-floor"), 3),
		atLeast("CJK", "the fastest peer that checks nothing", faster("cjk", false), 2),
		atMost("client, HTTP/1.1, `Data`, CPU", "bare loop", cpu("sse-data")/cpu("bare-loop"), 1.25),
		atMost("client, HTTP/1.1, `Event`, CPU", "openai-go", cpu("sse-event")/cpu("openai-go"), 0.9),
	}
	t = append(t, c.idleTargets()...)
	more := cpu("sse-timeouts") / cpu("sse-data")
	t = append(t, atMost("timeouts on, CPU", "off", more, 1.05))
	for _, proto := range protos {
		t = append(t, c.latencyTarget(proto, "p50-µs"), c.latencyTarget(proto, "p99-µs"))
	}
	return append(t, c.streamTargets()...)
}

// get returns a median, or NaN, which no target takes for met.
func (c *comparison) get(name, unit string) float64 {
	if v, ok := c.median(name, unit); ok {
		return v
	}
	return math.NaN()
}

// fastest returns the time of the fastest peer that is right on a workload, those that
// check UTF-8 included or not.
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
		measure, fmt.Sprintf("≤ %.4g", limit), fmt.Sprintf("%.2g", v),
		v <= limit+0.02, !math.IsNaN(v),
	}
}

// oneByte judges the workload that 1-byte reads are the worst on.
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

// idleTargets judges subscriptions, the streams that last.
func (c *comparison) idleTargets() []target {
	var t []target
	for _, proto := range protos {
		for _, size := range idleSizes {
			get := func(client, unit string) float64 { return c.get(idleName(proto, size, client), unit) }
			what := fmt.Sprintf("idle, %s, after %d B, ", protoLabel(proto), size)
			resident := 1.03
			if proto == "http2" {
				resident = 1.1
			}
			const ours, timeouts, bare = "sse-subscribe", "sse-subscribe-timeouts", "bare-loop"
			t = append(
				t,
				atMost(what+"heap", "bare loop", get(ours, "heap-B/stream")/get(bare, "heap-B/stream"), 1.03),
				atMost(what+"resident", "bare loop", get(ours, "rss-B/stream")/get(bare, "rss-B/stream"), resident),
				atMost(what+"goroutines", "bare loop",
					math.Round(get(ours, "goroutines/stream"))/math.Round(get(bare, "goroutines/stream")), 1),
				count(what+"timeouts on, bytes more", math.Round(get(timeouts, "heap-B/stream")-get(ours, "heap-B/stream")), 200),
				count(what+"timeouts on, goroutines more",
					math.Round(get(timeouts, "goroutines/stream")-get(ours, "goroutines/stream")), 0),
			)
		}
	}
	return t
}

// latencyTarget takes two clients for the same if their rounds overlap.
func (c *comparison) latencyTarget(proto, unit string) target {
	bare := c.values[latencyName(proto, "bare-loop")+" "+unit]
	ours := c.values[latencyName(proto, "sse-event")+" "+unit]
	if len(bare) == 0 || len(ours) == 0 {
		return target{}
	}
	name, _, _ := strings.Cut(unit, "-")
	return target{
		fmt.Sprintf("latency, %s, %s", protoLabel(proto), name),
		"rounds overlap those of the bare loop",
		fmt.Sprintf("%s … %s against %s … %s µs",
			number(slices.Min(ours)), number(slices.Max(ours)), number(slices.Min(bare)), number(slices.Max(bare))),
		slices.Min(ours) <= slices.Max(bare), true,
	}
}

func (c *comparison) streamTargets() []target {
	again := func(unit string) float64 { return c.get(reconnectName("sse"), unit) }
	spoilt := again("lost") + again("twice") + again("broken") + again("empty")
	completed := completionsName("sse")
	return []target{
		atMost("200 drops, time", "bare loop", again("ms")/c.get(reconnectName("bare-loop"), "ms"), 1.1),
		count("200 drops, events lost, twice, broken, empty", spoilt, 0),
		count("100 completions, connections", c.get(completed, "connections"), 1),
		count("100 completions, handshakes", c.get(completed, "handshakes"), 1),
	}
}

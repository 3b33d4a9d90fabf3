package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fetchsse/sse/benchmarks"
	"github.com/fetchsse/sse/benchmarks/internal/report"
)

// chart returns an SVG bar chart of the time per event of 320 bytes in reads of 4 KiB. It
// is readable on light and dark pages.
func (c *comparison) chart(m report.Machine) string {
	type bar struct {
		peer benchmarks.Peer
		ns   float64
	}
	var bars []bar
	for _, p := range benchmarks.Peers() {
		if ns, ok := c.median(parserName("openai", "4KiB", p.Name), "ns/event"); ok {
			bars = append(bars, bar{p, ns})
		}
	}
	slices.SortFunc(bars, func(a, b bar) int { return cmp.Compare(a.ns, b.ns) })
	if len(bars) == 0 {
		return ""
	}
	const (
		width, left, right = 720, 190, 90
		top, step, thick   = 52, 28, 18
	)
	height := top + len(bars)*step + 30
	slowest := bars[len(bars)-1].ns

	var b strings.Builder
	title := "Time to parse one event of 320 bytes (reads of 4 KiB), lower is better"
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		width, height, width, height, title)
	b.WriteString(`<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 15px; }
.note { font-size: 11px; fill: #59636e; }
.ours { fill: #0969da; }
.peer { fill: #8c959f; }
.floor { fill: #d0d7de; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note { fill: #9198a1; }
  .ours { fill: #4493f8; }
  .peer { fill: #6e7681; }
  .floor { fill: #3d444d; }
}
</style>
`)
	fmt.Fprintf(&b, `<text class="title" x="12" y="26">%s</text>`+"\n", title)
	for i, bar := range bars {
		class := "peer"
		switch {
		case bar.peer.Ours:
			class = "ours"
		case bar.peer.Floor:
			class = "floor"
		}
		y := top + i*step
		long := max(2, bar.ns/slowest*(width-left-right))
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-10, y+thick-4, chartLabel(bar.peer.Name))
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`, class, left, y, long, thick)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", left+long+8, y+thick-4, nanoseconds(bar.ns))
	}
	fmt.Fprintf(&b, `<text class="note" x="12" y="%d">%s. The floor only finds the line ends.</text>`+"\n", height-10, m)
	b.WriteString("</svg>\n")
	return b.String()
}

func chartLabel(name string) string {
	switch name {
	case "sse-data":
		return "this library, Data"
	case "sse-event":
		return "this library, Event"
	case "scan-floor":
		return "scan floor"
	}
	return name
}

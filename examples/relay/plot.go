package main

import (
	_ "embed"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/template"
	"time"
)

// plotTemplate is an SVG picture with the colors of the page around it. A library for plots
// would have only one set of colors, and is larger than the rest of this module.
//
//go:embed plot.svg.tmpl
var plotTemplate string

// The geometry of the plot, in pixels. Each panel has a logarithmic scale.
const (
	plotLeft, plotRight       = 70.0, 940.0
	countTop, countBottom     = 70.0, 268.0
	latencyTop, latencyBottom = 332.0, 532.0

	bin = 100 * time.Millisecond // of which a bar and the dots show the events
)

// A plot has the values for plotTemplate.
type plot struct {
	Left, Right                float64
	CountTop, CountHeight      float64
	LatencyTop, LatencyHeight  float64
	NameBottom                 float64
	Bars, Dots                 string // paths
	BarWidth                   float64
	Seconds, Counts, Latencies []tick
	Faults                     []span
}

// A tick is a line of the grid with its label.
type tick struct {
	At    float64
	Label string
}

// A span is the time of a fault.
type span struct {
	From, Width float64
	Label       string
}

// writePlot writes a file with the plot: how many events were stored at each time, and how
// long it took until the events of each time were stored.
func writePlot(file string, started time.Time, faults []*fault, arrivals []arrival) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := drawPlot(f, started, faults, arrivals); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func drawPlot(w io.Writer, started time.Time, faults []*fault, arrivals []arrival) error {
	counts := map[int]int{} // by the bin in which they were stored
	type dot struct {
		bin  int // in which the event was made
		feed string
	}
	worst := map[dot]time.Duration{}
	last, most := 1, 10
	slowest := time.Second
	for _, a := range arrivals {
		i := int(a.stored.Sub(started) / bin)
		counts[i]++
		last, most = max(last, i+1), max(most, counts[i])
		d := dot{int(a.made.Sub(started) / bin), a.feed}
		worst[d] = max(worst[d], a.latency())
		slowest = max(slowest, a.latency())
	}
	x := func(t time.Duration) float64 {
		return plotLeft + (plotRight-plotLeft)*float64(t)/float64(time.Duration(last)*bin)
	}
	// log returns the height of a value on a scale from 1 to the power of ten over most.
	log := func(value, most, top, bottom float64) float64 {
		return bottom - (bottom-top)*math.Log10(max(value, 1))/math.Ceil(math.Log10(most))
	}
	count := func(n int) float64 { return log(float64(n), float64(most), countTop, countBottom) }
	latency := func(d time.Duration) float64 {
		return log(float64(d)/float64(time.Millisecond), float64(slowest)/float64(time.Millisecond), latencyTop, latencyBottom)
	}

	p := plot{
		Left: plotLeft, Right: plotRight,
		CountTop: countTop, CountHeight: countBottom - countTop,
		LatencyTop: latencyTop, LatencyHeight: latencyBottom - latencyTop,
		NameBottom: countTop - 12, BarWidth: 0.8 * (x(bin) - plotLeft),
	}
	var bars, dots strings.Builder
	for i := range last {
		if counts[i] > 0 {
			// A bin with one event is on the line of 1, and needs some height.
			fmt.Fprintf(&bars, "M%.1f %.0fV%.1f", x(time.Duration(i)*bin+bin/2), countBottom+1, count(counts[i]))
		}
	}
	for d, l := range worst {
		fmt.Fprintf(&dots, "M%.1f %.1fh0", x(time.Duration(d.bin)*bin+bin/2), latency(l))
	}
	p.Bars, p.Dots = bars.String(), dots.String()
	step := 1
	for last/step > 150 { // 15 labels at most
		step *= 2
	}
	for s := 0; s*10 <= last; s += step {
		p.Seconds = append(p.Seconds, tick{x(time.Duration(s) * time.Second), fmt.Sprintf("%d s", s)})
	}
	for n := 1; n/10 < most; n *= 10 {
		p.Counts = append(p.Counts, tick{count(n), fmt.Sprint(n)})
	}
	for d := time.Millisecond; d/10 < slowest; d *= 10 {
		p.Latencies = append(p.Latencies, tick{latency(d), duration(d)})
	}
	for _, f := range faults {
		from, to := x(f.at.Sub(started)), x(f.until.Sub(started))
		p.Faults = append(p.Faults, span{from, to - from, f.name})
	}
	t, err := template.New("plot").Parse(plotTemplate)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

// duration returns a power of ten as a label.
func duration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// Scale measures a process with many streams: its memory, the CPU time of its events, and
// when the streams return after the server has dropped all of them. It writes the results of
// every round to scale.txt, in the format of benchstat, and the tables with the medians to
// docs/scaling.md.
//
//	go run ./cmd/scale               # everything, in less than three minutes
//	go run ./cmd/scale -rounds 3     # medians of three rounds
//	go run ./cmd/scale -short        # few streams; writes no files
//	go run ./cmd/scale -parts storm  # one part; writes no files
//
// Run it in the directory of the module, on an otherwise idle machine. The server and the
// client are separate processes, and each needs 10,100 file descriptors.
package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fetchsse/sse/benchmarks"
	"github.com/fetchsse/sse/benchmarks/internal/report"
)

const (
	results  = "scale.txt"
	document = "../docs/scaling.md" // seen from the directory of the module
)

var allParts = []string{"memory", "load", "storm"}

func main() {
	benchmarks.Child()
	s := &scale{values: map[string][]float64{}}
	short := flag.Bool("short", false, "measure few streams, briefly")
	flag.IntVar(&s.rounds, "rounds", 1, "`number` of rounds")
	parts := flag.String("parts", strings.Join(allParts, ","), "comma-separated `list` of parts to run")
	flag.Parse()
	s.plan(*short)
	if err := s.run(strings.Split(*parts, ","), *short); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// A scale is one run of the command.
type scale struct {
	rounds int
	cells  []cell
	values map[string][]float64 // results by name and unit
}

// A cell is one measurement.
type cell struct {
	part, name string
	job        benchmarks.Job
}

// limit is the longest time that a measurement may take.
const limit = 90 * time.Second

func (s *scale) run(parts []string, short bool) error {
	began := time.Now()
	for _, part := range parts {
		if !slices.Contains(allParts, part) {
			return fmt.Errorf("unknown part %q", part)
		}
	}
	server, err := benchmarks.StartServer()
	if err != nil {
		return err
	}
	defer server.Close()
	var raw strings.Builder
	machine := report.ThisMachine()
	raw.WriteString(machine.Header())
	for round := range s.rounds {
		for _, c := range s.cells {
			if !slices.Contains(parts, c.part) {
				continue
			}
			started := time.Now()
			c.job.Session = fmt.Sprintf("%s %d", c.name, round)
			r, err := server.Run(c.job, limit)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			s.record(&raw, c.name, r)
			fmt.Fprintf(os.Stderr, "round %d: %s %v\n", round+1, c.name, time.Since(started).Round(100*time.Millisecond))
		}
	}
	fmt.Fprintf(os.Stderr, "done in %v\n", time.Since(began).Round(time.Second))

	write := !short && len(parts) == len(allParts)
	if write {
		if err := os.WriteFile(results, []byte(raw.String()), 0o666); err != nil {
			return err
		}
	}
	tables := map[string]string{
		"memory": fmt.Sprintf("Machine: %v. %s.\n\n", machine, plural(s.rounds)) + s.memoryTable(),
		"load":   s.loadTable(),
		"storm":  s.stormTable(),
	}
	if write {
		tables["sizing"] = s.sizingTable()
		parts = append(parts, "sizing")
	}
	for _, part := range parts {
		fmt.Println(tables[part])
		if write {
			if err := report.Replace(document, part, tables[part]); err != nil {
				return err
			}
		}
	}
	return nil
}

func plural(rounds int) string {
	if rounds == 1 {
		return "One round"
	}
	return fmt.Sprintf("Medians of %d rounds", rounds)
}

// record stores the results of a measurement and writes them as a line for benchstat.
func (s *scale) record(raw io.Writer, name string, r benchmarks.Result) {
	fmt.Fprintf(raw, "Benchmark%s 1", name)
	for _, unit := range slices.Sorted(maps.Keys(r)) {
		s.values[name+" "+unit] = append(s.values[name+" "+unit], r[unit])
		fmt.Fprintf(raw, " %.5g %s", r[unit], unit)
	}
	fmt.Fprintln(raw)
}

// An endpoint is a protocol as the tables show it.
type endpoint struct{ proto, label string }

var (
	held = []endpoint{
		{"http1", "HTTP/1.1"},
		{"https1", "HTTP/1.1 with TLS"},
		{"http2-100", "HTTP/2, 100 streams per connection"},
		{"http2", "HTTP/2, 250 streams per connection"},
	}
	loaded = []endpoint{held[0], held[3]}
)

// A load is a rate of events and the number of events per write.
type load struct {
	rate, batch int
	label       string
}

var loads = []load{
	{20_000, 1, "one event per write"},
	{200_000, 50, "50 events per write"},
}

// An overload is a storm as the tables show it. A rate of admission is a share of the
// streams.
type overload struct {
	name, label string
	storm       benchmarks.Storm
	share       int // the server accepts one in share of the streams per second; 0 means all
}

var overloads = []overload{
	{"default", "no `retry:`", benchmarks.Storm{}, 0},
	{"retry", "`retry: 1000`", benchmarks.Storm{Retry: 1000}, 0},
	{"spread", "`retry:` at random from 1000 to 6000", benchmarks.Storm{Retry: 1000, Spread: 5000}, 0},
	{"refused", "no `retry:`; 503 with `Retry-After: 2`", benchmarks.Storm{After: 2}, 8},
	{"refused-spread", "no `retry:`; 503 with `Retry-After` at random from 1 to 5", benchmarks.Storm{After: 1, Until: 5}, 8},
}

var (
	heldStreams   = []int{1_000, 10_000}
	loadedStreams = []int{1, 100, 1_000, 10_000}
	stormStreams  = 10_000
)

func memoryName(proto string, n int) string {
	return fmt.Sprintf("Memory/proto=%s/streams=%d", proto, n)
}

func loadName(proto string, batch, n int) string {
	return fmt.Sprintf("Load/proto=%s/batch=%d/streams=%d", proto, batch, n)
}

func stormName(name string) string { return "Storm/server=" + name }

// plan lists the measurements.
func (s *scale) plan(short bool) {
	millis := 1500
	if short {
		heldStreams, loadedStreams, stormStreams, millis = []int{50, 300}, []int{1, 100}, 300, 200
	}
	for _, p := range held {
		for _, n := range heldStreams {
			s.cells = append(s.cells, cell{
				"memory", memoryName(p.proto, n),
				benchmarks.Job{Measure: "memory", Proto: p.proto, N: n, Size: 300},
			})
		}
	}
	for _, p := range loaded {
		for _, l := range loads {
			for _, n := range loadedStreams {
				s.cells = append(s.cells, cell{
					"load", loadName(p.proto, l.batch, n),
					benchmarks.Job{Measure: "load", Proto: p.proto, N: n, Rate: l.rate, Batch: l.batch, Millis: millis},
				})
			}
		}
	}
	for _, o := range overloads {
		if o.share > 0 {
			o.storm.Admit = stormStreams / o.share
		}
		s.cells = append(s.cells, cell{
			"storm", stormName(o.name),
			benchmarks.Job{Measure: "storm", Proto: "http1", N: stormStreams, Storm: o.storm},
		})
	}
}

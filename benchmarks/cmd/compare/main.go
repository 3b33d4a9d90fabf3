// Compare runs all measurements in interleaved rounds. It writes the results of every
// round, tables with the medians, and a chart.
//
//	go run ./cmd/compare              # everything, in less than ten minutes
//	go run ./cmd/compare -short       # one short round; writes no files
//	go run ./cmd/compare -parts idle  # one part; writes no files
//
// Run it in the directory of the module, on an otherwise idle machine.
package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fetchsse/sse/benchmarks"
	"github.com/fetchsse/sse/benchmarks/internal/report"
)

func main() {
	benchmarks.Child()
	testing.Init()
	c := new(comparison)
	flag.BoolVar(&c.short, "short", false, "run one short round")
	flag.IntVar(&c.rounds, "rounds", 5, "`number` of rounds")
	flag.StringVar(&c.profiles, "profiles", "", "write profiles of the clients to this `directory`; profiling slows them down")
	flag.BoolVar(&c.long, "long", false, "measure the CPU time of each client for two seconds")
	out := flag.String("out", "", "write the results to this `directory` (default: the current one for a complete run)")
	parts := flag.String("parts", strings.Join(allParts, ","), "comma-separated `list` of parts to run")
	flag.Parse()
	c.parts = strings.Split(*parts, ",")
	if *out == "" && !c.short && len(c.parts) == len(allParts) {
		*out = "."
	}
	if err := c.main(*out); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

var allParts = []string{"parser", "client", "latency", "idle", "completions", "reconnect"}

// A comparison is one run of the command.
type comparison struct {
	short    bool
	long     bool
	rounds   int
	profiles string
	parts    []string

	server *benchmarks.Server
	raw    io.Writer
	round  int
	values map[string][]float64 // results by name and unit
	notes  map[string]note      // reasons for missing results, by name
	wrong  map[string]note      // parsers with wrong events, by name and stream
	errors []string
}

// A note is the reason for a missing result.
type note struct {
	short string // for the tables: wrong, failed or a lower bound
	long  string
}

func (c *comparison) main(out string) error {
	began := time.Now()
	c.values = make(map[string][]float64)
	c.notes = make(map[string]note)
	c.wrong = make(map[string]note)
	if c.short {
		c.rounds = 1
	}
	c.raw = io.Discard
	if out != "" {
		f, err := os.Create(filepath.Join(out, "results.txt"))
		if err != nil {
			return err
		}
		defer f.Close()
		c.raw = f
	}
	m := report.ThisMachine()
	fmt.Fprint(c.raw, m.Header())

	var err error
	if c.server, err = benchmarks.StartServer(); err != nil {
		return err
	}
	defer c.server.Close()
	cells := c.parserCells()
	for c.round = 1; c.round <= c.rounds; c.round++ {
		for _, part := range c.parts {
			began := time.Now()
			switch part {
			case "parser":
				c.parser(cells)
			case "client":
				c.client()
			case "latency":
				c.latency()
			case "idle":
				c.idle()
			case "completions":
				c.completions()
			case "reconnect":
				c.reconnect()
			default:
				return fmt.Errorf("unknown part %q", part)
			}
			fmt.Fprintf(os.Stderr, "round %d: %s %v\n", c.round, part, time.Since(began).Round(time.Second))
		}
	}

	text := c.table(m)
	fmt.Println(text)
	for _, e := range c.errors {
		fmt.Fprintln(os.Stderr, "error:", e)
	}
	if out == "" {
		return nil
	}
	if err := report.Replace(filepath.Join(out, "README.md"), "table", text); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "chart.svg"), []byte(c.chart(m)), 0o666); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "done in %v\n", time.Since(began).Round(time.Second))
	return nil
}

// record stores the results of a measurement and writes them as a line for benchstat.
func (c *comparison) record(name string, results map[string]float64) {
	fmt.Fprintf(c.raw, "Benchmark%s 1", name)
	for _, unit := range slices.Sorted(maps.Keys(results)) {
		c.values[name+" "+unit] = append(c.values[name+" "+unit], results[unit])
		fmt.Fprintf(c.raw, " %.4g %s", results[unit], unit)
	}
	fmt.Fprintln(c.raw)
}

// median returns the median of a measurement and reports whether there is a result.
func (c *comparison) median(name, unit string) (float64, bool) {
	return report.Median(c.values[name+" "+unit])
}

// A cell is the measurement of one parser on one stream with one size of reads.
type cell struct {
	name  string
	peer  benchmarks.Peer
	work  *benchmarks.Workload
	reads benchmarks.Reads
}

func parserName(workload, reads, peer string) string {
	return fmt.Sprintf("Parser/workload=%s/reads=%s/peer=%s", workload, reads, peer)
}

// A pass over a stream that takes longer than slowPass is measured once. A pass that takes
// longer than its limit is stopped and not measured.
const (
	slowPass   = 150 * time.Millisecond
	passLimit  = 300 * time.Millisecond
	largeLimit = 12 * time.Second
)

var largeReads = benchmarks.Reads{Name: "1KiB", Size: 1 << 10}

// parserCells verifies every parser on every stream. It returns the measurements of those
// that are correct and fast enough.
func (c *comparison) parserCells() []cell {
	if !slices.Contains(c.parts, "parser") {
		return nil
	}
	var cells []cell
	workloads := benchmarks.Workloads()
	for i := range workloads {
		for _, reads := range benchmarks.ReadSizes() {
			for _, p := range benchmarks.Peers() {
				cells = c.verified(cells, p, &workloads[i], reads, passLimit)
			}
		}
	}
	large := benchmarks.Large()
	limit := largeLimit
	if c.short {
		limit = passLimit
	}
	for _, p := range append(benchmarks.Peers(), benchmarks.CopyFloors()...) {
		cells = c.verified(cells, p, &large, largeReads, limit)
	}
	return cells
}

// verified verifies p on w. It appends the measurement to cells, or notes why there is
// none.
func (c *comparison) verified(cells []cell, p benchmarks.Peer, w *benchmarks.Workload, reads benchmarks.Reads, limit time.Duration) []cell {
	name := parserName(w.Name, reads.Name, p.Name)
	if n, ok := c.wrong[p.Name+" "+w.Name]; ok {
		c.notes[name] = n
		return cells
	}
	took, err := benchmarks.Verify(p, w, reads, limit)
	each := float64(took.Nanoseconds()) / float64(w.Count)
	switch {
	case err == benchmarks.ErrSlow:
		c.notes[name] = note{"> " + nanoseconds(each), "too slow"}
	case err != nil:
		c.notes[name] = note{"wrong", err.Error()}
		c.wrong[p.Name+" "+w.Name] = c.notes[name]
	case took > slowPass:
		c.record(name, map[string]float64{"ns/event": each})
	default:
		return append(cells, cell{name, p, w, reads})
	}
	return cells
}

func (c *comparison) parser(cells []cell) {
	// Shuffle the parsers. While a parser runs that does not allocate, the runtime returns
	// memory to the system, which slows down the next parser that allocates.
	rand.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
	for _, cell := range cells {
		benchtime := "10ms"
		switch {
		case cell.reads == largeReads:
			benchtime = "100ms" // a single pass measures mostly page faults
		case cell.reads.Size == 4<<10:
			benchtime = "60ms"
		}
		if c.short {
			benchtime = "1ms"
		}
		if err := flag.Set("test.benchtime", benchtime); err != nil {
			panic(err)
		}
		r := testing.Benchmark(func(b *testing.B) { benchmarks.Bench(b, cell.peer, cell.work, cell.reads) })
		if r.N == 0 {
			c.errors = append(c.errors, cell.name+" failed")
			continue
		}
		c.record(cell.name, map[string]float64{
			"ns/event":     r.Extra["ns/event"],
			"allocs/event": r.Extra["allocs/event"],
			"MB/s":         float64(r.Bytes) * float64(r.N) / 1e6 / r.T.Seconds(),
		})
	}
}

// do runs a job in a separate process and records its result.
func (c *comparison) do(name string, job benchmarks.Job) {
	if _, failed := c.notes[name]; failed {
		return
	}
	r, err := c.server.Run(job, 40*time.Second)
	if err != nil {
		c.notes[name] = note{"failed", err.Error()}
		return
	}
	c.record(name, r)
}

// cpuClients are the clients whose CPU time is measured.
var cpuClients = []string{
	"bare-loop", "sse-data", "sse-event", "sse-timeouts", "openai-go", "anthropic-sdk-go",
	"ogen", "tmaxmax", "launchdarkly", "r3labs", "resty",
}

var protos = []string{"http1", "http2"}

func clientName(proto string, flush bool, client string) string {
	writes := "bulk"
	if flush {
		writes = "single"
	}
	return fmt.Sprintf("Client/proto=%s/writes=%s/client=%s", proto, writes, client)
}

func (c *comparison) client() {
	millis := 400
	switch {
	case c.short:
		millis = 50
	case c.long:
		millis = 2000
	}
	for _, flush := range []bool{false, true} {
		for _, proto := range protos {
			for _, client := range cpuClients {
				job := benchmarks.Job{Measure: "cpu", Client: client, Proto: proto, Flush: flush, Millis: millis}
				if c.profiles != "" && !flush {
					job.Profile = filepath.Join(c.profiles, fmt.Sprintf("cpu-%s-%s.pb.gz", client, proto))
				}
				c.do(clientName(proto, flush, client), job)
			}
		}
	}
}

var latencyClients = []string{"bare-loop", "sse-event"}

func latencyName(proto, client string) string {
	return fmt.Sprintf("Latency/proto=%s/client=%s", proto, client)
}

func (c *comparison) latency() {
	n := 1050
	if c.short {
		n = 250
	}
	for _, proto := range protos {
		for _, client := range latencyClients {
			c.do(latencyName(proto, client), benchmarks.Job{Measure: "latency", Client: client, Proto: proto, N: n})
		}
	}
}

// The idle streams of idleClients, which have targets, are measured in three rounds, those
// of idleOnce in the first round only.
var (
	idleClients = []string{"bare-loop", "bare-512", "sse-data", "sse-subscribe", "sse-subscribe-timeouts", "sse-small-buffers"}
	idleOnce    = []string{"openai-go", "anthropic-sdk-go", "ogen", "tmaxmax", "launchdarkly", "r3labs", "resty"}
	idleSizes   = []int{300, 16 << 10}
)

func idleName(proto string, size int, client string) string {
	return fmt.Sprintf("Idle/proto=%s/event=%d/client=%s", proto, size, client)
}

func (c *comparison) idle() {
	n, clients := 2000, idleClients
	switch {
	case c.short:
		n = 200
	case c.round == 1:
		clients = append(slices.Clone(clients), idleOnce...)
	case c.round > 3:
		return
	}
	for _, proto := range protos {
		for _, size := range idleSizes {
			for _, client := range clients {
				job := benchmarks.Job{Measure: "idle", Client: client, Proto: proto, N: n, Size: size}
				if c.profiles != "" {
					job.Profile = filepath.Join(c.profiles, fmt.Sprintf("idle-%s-%s-%d.pb.gz", client, proto, size))
				}
				c.do(idleName(proto, size, client), job)
			}
		}
	}
}

func completionsName(client string) string { return "Completions/client=" + client }

func (c *comparison) completions() {
	n := 100
	if c.short {
		n = 20
	}
	for _, client := range benchmarks.Completers() {
		c.do(completionsName(client.Name), benchmarks.Job{Measure: "completions", Client: client.Name, Proto: "http1", N: n})
	}
}

func reconnectName(client string) string { return "Reconnect/client=" + client }

func (c *comparison) reconnect() {
	drops := 200
	if c.short {
		drops = 12
	}
	if c.round > 3 {
		return
	}
	for _, client := range benchmarks.Reconnecters() {
		session := fmt.Sprintf("%s-%d", client.Name, c.round)
		c.do(reconnectName(client.Name),
			benchmarks.Job{Measure: "reconnect", Client: client.Name, Proto: "http1", N: drops, Session: session})
	}
}

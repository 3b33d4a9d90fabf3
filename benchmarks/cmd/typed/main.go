// Typed runs the benchmarks of package typed with several releases of Go in interleaved
// rounds. It writes the results of every round to typed.txt, in the format of benchstat,
// and the tables with the medians to README.md.
//
//	go run ./cmd/typed            # all rounds, in about two minutes after compiling
//	go run ./cmd/typed -rounds 1  # writes no files
//
// Run it in the directory of the module, on an otherwise idle machine.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/fetchsse/sse/benchmarks/internal/report"
)

func main() {
	releases := flag.String("releases", "go1.26.8,go1.27.1", "comma-separated `list` of releases of Go")
	rounds := flag.Int("rounds", 5, "`number` of rounds")
	time := flag.String("benchtime", "300ms", "`time` for each result of a round")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, strings.Split(*releases, ","), *rounds, *time); err != nil {
		fmt.Fprintln(os.Stderr, "typed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, releases []string, rounds int, benchtime string) error {
	dir, err := os.MkdirTemp("", "typed")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, release := range releases {
		fmt.Fprintln(os.Stderr, "compiling with", release)
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", filepath.Join(dir, release), "./typed")
		cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+release)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go test -c with %s: %w", release, err)
		}
	}
	var raw bytes.Buffer
	t := &table{decoders: map[string][]string{}, values: map[string][]float64{}}
	for range rounds {
		for _, release := range releases {
			cmd := exec.CommandContext(ctx, filepath.Join(dir, release), "-test.run", "^$", "-test.bench", "Typed", "-test.benchtime", benchtime)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("the benchmarks with %s: %w", release, err)
			}
			fmt.Fprintf(&raw, "toolchain: %s\n%s\n", release, out)
			if err := t.add(release, string(out)); err != nil {
				return err
			}
		}
	}
	text := t.markdown(releases, rounds)
	fmt.Print(text)
	if rounds < 2 {
		return nil
	}
	if err := os.WriteFile("typed.txt", raw.Bytes(), 0o666); err != nil {
		return err
	}
	return report.Replace("README.md", "typed", text)
}

// A table has the results by release, workload, decoder and unit.
type table struct {
	cpu       string
	workloads []string
	decoders  map[string][]string
	values    map[string][]float64
}

// add adds the output of one round.
func (t *table) add(release, out string) error {
	found, previous := false, ""
	for line := range strings.Lines(out) {
		if cpu, ok := strings.CutPrefix(line, "cpu: "); ok {
			t.cpu = strings.TrimSpace(cpu)
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "BenchmarkTyped/") {
			continue
		}
		name, procs := fields[0], "-"+strconv.Itoa(runtime.GOMAXPROCS(0))
		name = strings.TrimSuffix(strings.TrimPrefix(name, "BenchmarkTyped/workload="), procs)
		workload, decoder, ok := strings.Cut(name, "/decoder=")
		if !ok {
			return fmt.Errorf("a result has another name: %s", name)
		}
		if !slices.Contains(t.workloads, workload) {
			t.workloads = append(t.workloads, workload)
		}
		if !slices.Contains(t.decoders[workload], decoder) { // some need a later release
			after := slices.Index(t.decoders[workload], previous)
			t.decoders[workload] = slices.Insert(t.decoders[workload], after+1, decoder)
		}
		previous = decoder
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return err
			}
			id := key(release, workload, decoder, fields[i+1])
			t.values[id] = append(t.values[id], v)
		}
		found = true
	}
	if !found {
		return errors.New("there is no result of BenchmarkTyped")
	}
	return nil
}

func key(parts ...string) string { return strings.Join(parts, " ") }

// markdown returns the tables. The first decoder is the measure of the others.
func (t *table) markdown(releases []string, rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s, %d CPUs, %s/%s. Medians of %d interleaved rounds.\n", t.cpu, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, rounds)
	for _, workload := range t.workloads {
		fmt.Fprintf(&b, "\n| %s |", workload)
		var rule strings.Builder
		rule.WriteString("\n| --- |")
		for _, release := range releases {
			fmt.Fprintf(&b, " %s: CPU time | relative | allocations | bytes |", release)
			rule.WriteString(" --: | --: | --: | --: |")
		}
		b.WriteString(rule.String() + "\n")
		for _, decoder := range t.decoders[workload] {
			fmt.Fprintf(&b, "| %s |", label(decoder))
			for _, release := range releases {
				get := func(decoder, unit string) (float64, bool) {
					return report.Median(t.values[key(release, workload, decoder, unit)])
				}
				ns, ok := get(decoder, "cpu-ns/event")
				if !ok {
					b.WriteString("  |  |  |  |")
					continue
				}
				first, _ := get(t.decoders[workload][0], "cpu-ns/event")
				allocs, _ := get(decoder, "allocs/event")
				size, _ := get(decoder, "B/event")
				fmt.Fprintf(&b, " %.0f ns | %.2f × | %.1f | %.0f |", ns, ns/first, allocs, size)
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n")
	return b.String()
}

// label returns a decoder as the tables show it. This library is in bold type.
func label(decoder string) string {
	name, with, _ := strings.Cut(strings.ReplaceAll(decoder, "_", "/"), ",")
	label := name
	if strings.HasPrefix(name, "sse.") || strings.HasPrefix(name, "llm.") {
		label = "**this library**, `" + name + "`"
	}
	if with == "AsAny" {
		with = "`AsAny`"
	}
	if with != "" {
		label += ", " + with
	}
	return label
}

package typed

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/fetchsse/sse/benchmarks"
	"github.com/stretchr/testify/require"
)

// limited reads at most 4 KiB at a time, as a connection does.
type limited struct{ r *bytes.Reader }

func (l limited) Read(p []byte) (int, error) { return l.r.Read(p[:min(len(p), 4<<10)]) }

func newBody(stream []byte) io.Reader { return limited{bytes.NewReader(stream)} }

// check returns an error unless the reader gets the text of the workload.
func check(w *workload, r reader) error {
	out := &texts{keep: true}
	if err := r.read(newBody(w.stream), out); err != nil {
		return err
	}
	if out.all.String() != w.text || out.chunks != w.chunks {
		return errors.New("the text is wrong")
	}
	return nil
}

// Every reader gets the same text.
func TestReaders(t *testing.T) {
	for _, w := range workloads() {
		for _, r := range w.readers {
			t.Run(w.name+"/"+r.name, func(t *testing.T) {
				require.NoError(t, check(&w, r))
			})
		}
	}
}

func TestWorkloads(t *testing.T) {
	all := workloads()
	for chunk := range strings.SplitAfterSeq(string(all[0].stream[:10*chunkSize]), "\n\n") {
		require.Contains(t, []int{0, chunkSize}, len(chunk))
	}
	bad := all[1]
	bad.text = "other"
	require.Error(t, check(&bad, bad.readers[0]))
}

// BenchmarkTyped measures one pass over a response. The values for each event include the
// costs of opening the stream, a few hundred bytes for 800 chunks. The CPU time includes
// that of the garbage collector, and other programs disturb it less than ns/event.
func BenchmarkTyped(b *testing.B) {
	for _, w := range workloads() {
		for _, r := range w.readers {
			b.Run("workload="+w.name+"/decoder="+strings.ReplaceAll(r.name, "/", "_"), func(b *testing.B) {
				if err := check(&w, r); err != nil {
					b.Fatal(err)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				began := benchmarks.CPUTime()
				for b.Loop() {
					out := new(texts)
					if err := r.read(newBody(w.stream), out); err != nil || out.bytes != len(w.text) {
						b.Fatal("the text is wrong", err)
					}
				}
				used := benchmarks.CPUTime() - began
				runtime.ReadMemStats(&after)
				n := float64(b.N) * float64(w.chunks)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/event")
				b.ReportMetric(float64(used.Nanoseconds())/n, "cpu-ns/event")
				b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/event")
				b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n, "B/event")
			})
		}
	}
}

package benchmarks

import (
	"runtime"
	"testing"
)

// Bench measures p on w. One operation reads the complete stream. The metrics to compare
// are ns/event and allocs/event. Verify must have accepted p on w.
func Bench(b *testing.B, p Peer, w *Workload, reads Reads) {
	b.SetBytes(int64(len(w.Stream)))
	b.ReportAllocs()
	events := w.Count
	s := new(Sink)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		s.Events = 0
		if err := p.Run(NewReader(w.Stream, reads.Size), w, s); err != nil {
			b.Fatal(err)
		}
		if s.Events != events && !p.Floor {
			b.Fatalf("got %d events, want %d", s.Events, events)
		}
	}
	runtime.ReadMemStats(&after)
	n := float64(b.N) * float64(events)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/event")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/event")
}

package benchmarks

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Child()
	os.Exit(m.Run())
}

// wrong lists the workloads that a peer parses incorrectly. These are not measured.
var wrong = map[string][]string{
	"openai-go":        {"cr"},
	"anthropic-sdk-go": {"cr"},
	"resty":            {"crlf", "cr"},
}

// Every adapter reports exactly the events of every workload with every size of reads,
// unless the workload is listed in wrong. A peer may be too slow; this library may not.
func TestAdapters(t *testing.T) {
	workloads := Workloads()
	for _, p := range Peers() {
		t.Run(p.Name, func(t *testing.T) {
			for i := range workloads {
				w := &workloads[i]
				for _, reads := range ReadSizes() {
					limit := 200 * time.Millisecond
					if p.Ours {
						limit = 10 * time.Second
					}
					_, err := Verify(p, w, reads, limit)
					known := slices.Contains(wrong[p.Name], w.Name)
					switch {
					case errors.Is(err, ErrSlow) && !p.Ours:
						t.Logf("%s, reads of %s: %v", w.Name, reads.Name, err)
					case err != nil && !known:
						t.Errorf("%s, reads of %s: %v", w.Name, reads.Name, err)
					case err == nil && known:
						t.Errorf("%s, reads of %s: listed in wrong, but the events are correct", w.Name, reads.Name)
					}
				}
			}
		})
	}
}

func BenchmarkParser(b *testing.B) {
	workloads := Workloads()
	for i := range workloads {
		w := &workloads[i]
		for _, reads := range ReadSizes() {
			for _, p := range Peers() {
				b.Run("workload="+w.Name+"/reads="+reads.Name+"/peer="+p.Name, func(b *testing.B) {
					if _, err := Verify(p, w, reads, time.Second); err != nil {
						b.Skip(err)
					}
					Bench(b, p, w, reads)
				})
			}
		}
	}
}

func BenchmarkLarge(b *testing.B) {
	w := Large()
	reads := Reads{"1KiB", 1 << 10}
	for _, p := range append(Peers(), CopyFloors()...) {
		b.Run("peer="+p.Name, func(b *testing.B) {
			if _, err := Verify(p, &w, reads, 20*time.Second); err != nil {
				b.Skip(err)
			}
			Bench(b, p, &w, reads)
		})
	}
}

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 123_456: "123,456", 1_234_567: "1,234,567"} {
		require.Equal(t, want, thousands(v))
	}
	for v, want := range map[float64]string{0.000123: "0.00012", 0.5: "0.5", 1: "1.0", 8.84: "8.8", 12.6: "13", 15_432: "15,000"} {
		require.Equal(t, want, twoDigits(v))
	}
	require.Equal(t, "4", whole(3.54))
}

func TestSizing(t *testing.T) {
	s := &scale{values: map[string][]float64{
		memoryName("https1", 10_000) + " rss-B/stream":    {50_000, 51_000, 70_000},
		memoryName("https1", 10_000) + " open-µs/stream":  {1_000},
		memoryName("http2-100", 10_000) + " rss-B/stream": {20_000},
		loadName("http1", 1, 10_000) + " cpu-ns/event":    {15_000},
	}}
	text := s.sizingTable()
	for _, row := range []string{
		"| idle memory, HTTP/1.1 with TLS | 51.0 KB | 0.051 GB | 0.51 GB | 5.1 GB | 51 GB |",
		"| connections and descriptors, HTTP/2 | 1 / 100 | 10 | 100 | 1,000 | 10,000 |",
		"| local addresses, HTTP/1.1 to one address and port | 1 / 28,232 | 1 | 1 | 4 | 36 |",
		"| network for keep-alives | (96 B + 66 B) × 8 / 15 s | 0.086 Mbit/s | 0.86 Mbit/s | 8.6 Mbit/s | 86 Mbit/s |",
		"| CPUs for keep-alives | 15.0 µs / 15 s | 0.001 | 0.01 | 0.1 | 1.0 |",
		"| CPU time to open all, HTTP/1.1 with TLS | 1.00 ms | 1.0 s | 10 s | 100 s | 1,000 s |",
	} {
		require.Contains(t, strings.Split(text, "\n"), row)
	}
}

// A run takes minutes, so the place for its tables must exist before it.
func TestDocumentHasTheMarks(t *testing.T) {
	text, err := os.ReadFile("../../" + document)
	require.NoError(t, err)
	for _, part := range append(allParts, "sizing") {
		require.Contains(t, string(text), "<!-- "+part+" -->\n")
		require.Contains(t, string(text), "<!-- /"+part+" -->\n")
	}
}

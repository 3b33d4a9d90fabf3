package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPlot(t *testing.T) {
	started := time.Now()
	at := func(d time.Duration) time.Time { return started.Add(d) }
	faults := []*fault{{name: "relay-1 <killed>", at: at(time.Second), until: at(3 * time.Second)}}
	arrivals := []arrival{
		{"a", at(0), at(2 * time.Millisecond)},
		{"b", at(0), at(3 * time.Millisecond)},
		{"b", at(4 * time.Second), at(60 * time.Second)},
	}
	file := filepath.Join(t.TempDir(), "plot.svg")
	require.NoError(t, writePlot(file, started, faults, arrivals))
	svg, err := os.ReadFile(file)
	require.NoError(t, err)

	var texts []string
	paths := map[string]string{}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.CharData:
			texts = append(texts, strings.TrimSpace(string(token)))
		case xml.StartElement:
			for _, a := range token.Attr {
				if a.Name.Local == "d" {
					paths[token.Attr[0].Value] = a.Value
				}
			}
		}
	}
	require.Contains(t, texts, "relay-1 <killed>")
	for _, label := range []string{"1", "10", "1 ms", "100 s", "0 s", "60 s"} {
		require.Contains(t, texts, label)
	}
	require.Equal(t, 2, strings.Count(paths["bars"], "M"), "bars at 0 s and 60 s")
	require.Equal(t, 3, strings.Count(paths["dots"], "M"))
	require.NotContains(t, string(svg), "NaN")

	require.NoError(t, drawPlot(io.Discard, started, nil, nil))
}

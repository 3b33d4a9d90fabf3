package sse

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The numbers come from the oracle: what the parser says would prove nothing.
var updateStreams = flag.Bool("update-streams", false, "write what the oracle says to testdata/streams/*.json")

// A streamFile is NAME.json: what there is in the stream of NAME.sse next to it.
type streamFile struct {
	Provider   string `json:"provider"`
	Note       string `json:"note"`
	Terminator string `json:"terminator"`
	License    string `json:"license,omitempty"`

	Events        int            `json:"events"`
	Types         map[string]int `json:"types"`
	DataJoin      string         `json:"data_join"`
	DataSHA256    string         `json:"sha256_of_concatenated_data"`
	FirstData     string         `json:"first_data"` // up to 80 characters
	LastData      string         `json:"last_data"`
	LastEventID   string         `json:"last_event_id"`
	RetryMS       *int64         `json:"retry_ms"`
	Comments      int            `json:"comments"`
	FirstComment  *string        `json:"first_comment"` // with or without its leading space
	UnknownFields map[string]int `json:"unknown_fields"`
	Discarded     bool           `json:"discarded_final_block"` // it had data
}

// describe fills in what can be computed.
func (f *streamFile) describe(o outcome, ignored []string, discarded bool) {
	f.Events = len(o.Events)
	f.Types, f.UnknownFields = make(map[string]int), make(map[string]int)
	f.FirstData, f.LastData = "", ""
	var data []string
	for _, e := range o.Events {
		f.Types[e.Type]++
		data = append(data, e.Data)
	}
	if len(data) > 0 {
		f.FirstData, f.LastData = upTo80(data[0]), upTo80(data[len(data)-1])
	}
	sum := sha256.Sum256([]byte(strings.Join(data, f.DataJoin)))
	f.DataSHA256 = hex.EncodeToString(sum[:])
	f.LastEventID = o.LastEventID
	f.RetryMS = nil
	if o.HasRetry {
		f.RetryMS = new(o.Retry.Milliseconds())
	}
	f.Comments, f.FirstComment = len(o.Comments), nil
	if len(o.Comments) > 0 {
		f.FirstComment = &o.Comments[0]
	}
	for _, line := range ignored {
		if name, _, _ := strings.Cut(line, ":"); name != "id" && name != "retry" {
			f.UnknownFields[name]++
		}
	}
	f.Discarded = discarded
}

func upTo80(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 80)])
}

// require requires that a description made of an outcome is that of the file.
func (f streamFile) require(t *testing.T, o outcome, ignored []string, discarded bool) {
	t.Helper()
	got := f
	got.describe(o, ignored, discarded)
	if f.FirstComment != nil {
		require.NotNil(t, got.FirstComment)
		require.Equal(t, strings.TrimPrefix(*f.FirstComment, " "), *got.FirstComment)
		got.FirstComment = f.FirstComment
	}
	require.Equal(t, f, got)
}

func TestStreams(t *testing.T) {
	for _, s := range streamFiles(t, "testdata/streams") {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if *updateStreams {
				s.update(t)
			}
			s.check(t)
			if len(s.stream) > 20<<10 {
				return // the work is quadratic
			}
			want := oracle{}.read(s.stream)
			for _, c := range splits(s.stream) {
				want.check(t, oracle{}, c, s.stream)
			}
		})
	}
}

// More streams, recorded and reconstructed, lie outside the repository where there are
// any.
func TestSharedStreams(t *testing.T) {
	const dir = "../shared/streams"
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no more streams: ", err)
	}
	for _, s := range streamFiles(t, dir) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.check(t)
		})
	}
}

// A streamCase is a stream and its description.
type streamCase struct {
	name, path string
	stream     []byte
	file       streamFile
}

func streamFiles(t testing.TB, dir string) []streamCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.sse"))
	require.NoError(t, err)
	require.NotEmpty(t, paths, dir)
	var all []streamCase
	for _, path := range paths {
		s := streamCase{path: strings.TrimSuffix(path, ".sse")}
		s.name = filepath.Base(s.path)
		s.stream, err = os.ReadFile(path)
		require.NoError(t, err)
		description, err := os.ReadFile(s.path + ".json")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(description, &s.file), s.path)
		all = append(all, s)
	}
	return all
}

// check requires that the oracle, and the parser in one go and byte by byte, find what
// the description says, and that the parser agrees with the oracle in every chunking.
func (s *streamCase) check(t *testing.T) {
	t.Helper()
	want := oracle{}.read(s.stream)
	s.file.require(t, want.outcome, want.ignored, s.discards(want))
	for _, c := range chunkings()[:2] {
		got := sight(c.reader(s.stream))
		require.NoError(t, got.err, c.name)
		s.file.require(t, got.outcome, got.ignored, got.pending)
	}
	for _, c := range chunkings() {
		want.check(t, oracle{}, c, s.stream)
	}
}

// discards reports whether a block with data is lost at the end of the stream: a blank
// line there would have made an event of it.
func (s *streamCase) discards(v verdict) bool {
	finished := oracle{}.read(append(bytes.Clone(s.stream), "\n\n"...))
	return len(finished.Events) > len(v.Events)
}

// update writes the description as the oracle has it.
func (s *streamCase) update(t *testing.T) {
	t.Helper()
	v := oracle{}.read(s.stream)
	s.file.DataJoin, s.file.License = "\n", "MIT"
	s.file.describe(v.outcome, v.ignored, s.discards(v))
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	require.NoError(t, e.Encode(s.file))
	require.NoError(t, os.WriteFile(s.path+".json", b.Bytes(), 0o644))
}

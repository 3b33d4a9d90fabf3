package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/spec"
)

// The numbers come from the oracle: those of the parser would prove nothing.
var streamUpdate = flag.Bool("update-streams", false, "write what the oracle finds to testdata/streams/*.json")

// A streamFile is NAME.json, which describes the stream of NAME.sse.
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
func (f *streamFile) describe(o spec.Outcome, ignored []string, discarded bool) {
	f.Events = len(o.Events)
	f.Types, f.UnknownFields = make(map[string]int), make(map[string]int)
	f.FirstData, f.LastData = "", ""
	var data []string
	for _, e := range o.Events {
		f.Types[e.Type]++
		data = append(data, e.Data)
	}
	if len(data) > 0 {
		f.FirstData, f.LastData = streamUpTo80(data[0]), streamUpTo80(data[len(data)-1])
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
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "event", "id", "retry": // known, without effect here
		default:
			f.UnknownFields[name]++
		}
	}
	f.Discarded = discarded
}

func streamUpTo80(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), 80)])
}

// require requires that the description of an outcome is that of the file.
func (f streamFile) require(t *testing.T, o spec.Outcome, ignored []string, discarded bool) {
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

// Recordings of services are of others, so they are not in the repository.
var moreStreams = flag.String("streams", "", "a `directory` with recorded streams to read too, each with its description")

func TestStreamsAreAsDescribed(t *testing.T) {
	streams := streamCases(t, "../../testdata/streams")
	if *moreStreams != "" {
		streams = append(streams, streamCases(t, *moreStreams)...)
	}
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if *streamUpdate {
				s.update(t)
			}
			s.check(t)
			if len(s.stream) > 20<<10 {
				return // the splits take quadratic time
			}
			s.checkChunkings(t, spec.Splits(s.stream))
		})
	}
}

// A streamCase is a stream and its description.
type streamCase struct {
	name, path string
	stream     []byte
	file       streamFile
}

func streamCases(t testing.TB, dir string) []streamCase {
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

// check requires that the oracle finds what the description says, that the parser agrees with
// the oracle in every chunking, and that a response reports the discarded block.
func (s *streamCase) check(t *testing.T) {
	t.Helper()
	want := spec.Oracle{}.Interpret(s.stream)
	s.file.require(t, want.Outcome, want.Ignored, s.discards(want))
	s.checkChunkings(t, spec.Chunkings())
	for _, c := range spec.Chunkings() {
		require.Equal(t, s.file.Discarded, streamTruncated(t, c.Reader(s.stream)), c.Name)
	}
}

// streamShown is how many bytes of an ignored line a parser shows.
const streamShown = 1 << 10

func (s *streamCase) checkChunkings(t *testing.T, ways []spec.Chunking) {
	t.Helper()
	want := spec.Oracle{}.Interpret(s.stream)
	for _, c := range ways {
		got, err := streamRecord(c.Reader(s.stream))
		require.NoError(t, err, c.Name)
		require.NoError(t, want.Check(got, streamShown), c.Name)
	}
}

// streamRecord runs a parser over r and records what it reports.
func streamRecord(r io.Reader) (*spec.Recorder, error) {
	got := spec.NewRecorder(r)
	p := sse.NewParser(got, sse.WithTrace(&sse.Trace{Comment: got.Comment, Ignored: got.Ignore}))
	for p.Next() {
		got.Event(spec.Event(p.Event()))
	}
	got.LastEventID = p.LastEventID()
	got.Retry, got.HasRetry = p.Retry()
	return got, p.Err()
}

// streamTruncated reports whether a block with data is lost at the end of a response with the
// body r.
func streamTruncated(t *testing.T, r io.Reader) bool {
	t.Helper()
	s, err := sse.FromResponse(&http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       io.NopCloser(r),
	})
	require.NoError(t, err)
	for range s.Events() {
	}
	if s.Err() != nil {
		require.ErrorAs(t, s.Err(), new(*sse.TruncatedError))
	}
	return s.Err() != nil
}

// discards reports whether a block with data is lost at the end of the stream: a blank line
// there would have made an event of it.
func (s *streamCase) discards(v spec.Verdict) bool {
	finished := spec.Oracle{}.Interpret(append(bytes.Clone(s.stream), "\n\n"...))
	return len(finished.Events) > len(v.Events)
}

// update writes the description as the oracle finds it.
func (s *streamCase) update(t *testing.T) {
	t.Helper()
	v := spec.Oracle{}.Interpret(s.stream)
	s.file.DataJoin, s.file.License = "\n", "MIT"
	s.file.describe(v.Outcome, v.Ignored, s.discards(v))
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	require.NoError(t, e.Encode(s.file))
	require.NoError(t, os.WriteFile(s.path+".json", b.Bytes(), 0o644))
}

package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/spec"
)

// record runs a parser over r and records what it reports.
func record(r io.Reader, opts ...sse.Option) (*spec.Recorder, error) {
	got := spec.NewRecorder(r)
	trace := sse.WithTrace(&sse.Trace{Comment: got.Comment, Ignored: got.Ignore})
	p := sse.NewParser(got, append(opts, trace)...)
	for p.Next() {
		got.Event(spec.Event(p.Event()))
	}
	got.LastEventID = p.LastEventID()
	got.Retry, got.HasRetry = p.Retry()
	return got, p.Err()
}

// optionsOf returns the options that make a parser do as the oracle does.
func optionsOf(o spec.Oracle) []sse.Option {
	opts := []sse.Option{sse.WithLastEventID(o.LastEventID)}
	if o.Limit > 0 {
		opts = append(opts, sse.WithMaxEventSize(o.Limit))
	}
	return opts
}

// checkParser requires that the parser agrees with the oracle about a stream that arrives in
// one of these ways, and that no event comes later than it can.
func checkParser(t testing.TB, o spec.Oracle, stream []byte, ways ...spec.Chunking) {
	t.Helper()
	want := o.Interpret(stream)
	for _, c := range ways {
		got, err := record(c.Reader(stream), optionsOf(o)...)
		if want.TooLarge {
			require.ErrorIs(t, err, sse.ErrEventTooLarge, c.Name)
		} else {
			require.NoError(t, err, c.Name)
		}
		require.NoError(t, want.Check(got, sse.MaxShown), c.Name)
	}
}

// everyChunking returns the chunkings for a stream, with all of its splits if it is short:
// they take quadratic time.
func everyChunking(stream []byte, short int) []spec.Chunking {
	if len(stream) > short {
		return spec.Chunkings()
	}
	return append(spec.Chunkings(), spec.Splits(stream)...)
}

func vectors(t testing.TB) []spec.Vector {
	t.Helper()
	all, err := spec.Vectors("testdata/parser")
	require.NoError(t, err)
	require.Greater(t, len(all), 100)
	return all
}

func TestAppendEvent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event sse.Event
		want  string
	}{
		{"zero", sse.Event{}, "id:\ndata:\n\n"},
		{"data", sse.Event{Data: "a"}, "id:\ndata: a\n\n"},
		{"message", sse.Event{Type: "message", Data: "a", ID: "1"}, "id: 1\ndata: a\n\n"},
		{"all fields", sse.Event{Type: "t", Data: "a", ID: "1"}, "event: t\nid: 1\ndata: a\n\n"},
		{"lines", sse.Event{Data: "a\n\nb"}, "id:\ndata: a\ndata:\ndata: b\n\n"},
		{"a line end at the end", sse.Event{Data: "a\n"}, "id:\ndata: a\ndata:\n\n"},
		{"a line end alone", sse.Event{Data: "\n"}, "id:\ndata:\ndata:\n\n"},
		{"spaces", sse.Event{Type: " ", Data: "  a \n b", ID: " 1 "}, "event:  \nid:  1 \ndata:   a \ndata:  b\n\n"},
		{"colons", sse.Event{Type: ":", Data: ":", ID: "id: 1"}, "event: :\nid: id: 1\ndata: :\n\n"},
		{"NUL in the data", sse.Event{Data: "a\x00b"}, "id:\ndata: a\x00b\n\n"},
		{"byte order marks", sse.Event{Type: "\uFEFF", Data: "\uFEFFa", ID: "\uFEFF"}, "event: \uFEFF\nid: \uFEFF\ndata: \uFEFFa\n\n"},
		{"other line ends", sse.Event{Data: "a\u2028b\u0085c"}, "id:\ndata: a\u2028b\u0085c\n\n"},
		{"replacement character", sse.Event{Data: "\uFFFD"}, "id:\ndata: \uFFFD\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sse.AppendEvent(nil, tt.event)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
			got, err = sse.AppendEvent(got, sse.Event{Type: "x"})
			require.NoError(t, err)
			require.Equal(t, tt.want+"event: x\nid:\ndata:\n\n", string(got))

			p := sse.NewParser(bytes.NewReader(got))
			require.True(t, p.Next())
			want := tt.event
			if want.Type == "" {
				want.Type = "message"
			}
			require.Equal(t, want, p.Event())
			require.True(t, p.Next())
			require.Equal(t, sse.Event{Type: "x"}, p.Event(), "an ID does not stay in force")
		})
	}
	for _, tt := range []struct {
		event sse.Event
		want  string
	}{
		{sse.Event{Type: "a\nb"}, `sse: AppendEvent: the Type has '\n', which its field cannot hold`},
		{sse.Event{Type: "a\r"}, `sse: AppendEvent: the Type has '\r', which its field cannot hold`},
		{sse.Event{Type: "\x00"}, `sse: AppendEvent: the Type has '\x00', which its field cannot hold`},
		{sse.Event{Type: "\xFF"}, "sse: AppendEvent: the Type has ill-formed UTF-8; see strings.ToValidUTF8"},
		{sse.Event{ID: "a\nb"}, `sse: AppendEvent: the ID has '\n', which its field cannot hold`},
		{sse.Event{ID: "\r"}, `sse: AppendEvent: the ID has '\r', which its field cannot hold`},
		{sse.Event{ID: "a\x00"}, `sse: AppendEvent: the ID has '\x00', which its field cannot hold`},
		{sse.Event{ID: "\xE2\x82"}, "sse: AppendEvent: the ID has ill-formed UTF-8; see strings.ToValidUTF8"},
		{sse.Event{Data: "a\rb"}, `sse: AppendEvent: the Data has '\r', which its field cannot hold`},
		{sse.Event{Data: "a\r\nb"}, `sse: AppendEvent: the Data has '\r', which its field cannot hold`},
		{sse.Event{Data: "\xED\xA0\x80"}, "sse: AppendEvent: the Data has ill-formed UTF-8; see strings.ToValidUTF8"},
		{sse.Event{Type: "secret\xFF", Data: "secret", ID: "secret"}, "sse: AppendEvent: the Type has ill-formed UTF-8; see strings.ToValidUTF8"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			dst := append(make([]byte, 0, 100), "data: a\n\n"...)
			got, err := sse.AppendEvent(dst, tt.event)
			require.EqualError(t, err, tt.want)
			require.Equal(t, "data: a\n\n", string(got))
			require.Equal(t, make([]byte, 10), dst[len(dst):len(dst)+10], "the room after the slice is untouched")
		})
	}
	t.Run("does not allocate if there is room", func(t *testing.T) {
		dst := make([]byte, 0, 1000)
		e := sse.Event{Type: "t", Data: "a\nb\n\u4E8B", ID: "1"}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if _, err := sse.AppendEvent(dst, e); err != nil {
				t.Error(err)
			}
		}))
	})
}

func TestParserFollowsStandard(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			ways := append(spec.Chunkings(), spec.Chunking{
				Name:   "as given",
				Reader: func([]byte) io.Reader { return spec.Chunks(io.EOF, v.Chunks...) },
			})
			for _, c := range ways {
				got, err := record(c.Reader(v.Bytes()))
				require.NoError(t, err, "%s: %s", c.Name, v.Why)
				require.NoError(t, v.Check(got.Outcome), "%s: %s", c.Name, v.Why)
			}
		})
	}
}

// An event must not wait for another read. The test makes that read fail in place of
// blocking.
func TestParserDispatchesAtBlankLine(t *testing.T) {
	for _, v := range vectors(t) {
		if v.DispatchedBeforeEOF == nil {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			more := 0
			p := sse.NewParser(io.MultiReader(
				spec.Chunks(io.EOF, v.Chunks...),
				readerFunc(func([]byte) (int, error) { more++; return 0, io.EOF }),
			))
			for i := range *v.DispatchedBeforeEOF {
				require.True(t, p.Next(), "event %d", i)
				require.Zero(t, more, "event %d came only after another read", i)
			}
		})
	}
}

// A wire is a stream to run through every chunking.
type wire struct {
	name   string
	stream []byte
}

func wires(t testing.TB) []wire {
	all := []wire{
		{"line ends in every order", []byte("data: a\n\r\rdata: b\r\n\n\rdata: c\n\r\n\rdata: d\r\r\n\n\r\n\r\n")},
		{"line ends only", []byte("\r\n\r\r\n\n\r\n\r\n\r")},
		{"CR after everything", []byte("\uFEFF\rid: 1\r: c\rdata: a\rretry: 5\r\rdata\r\r")},
		{"byte order marks", []byte("\uFEFF\uFEFFdata: a\n\n\uFEFFdata: b\n\ndata: \uFEFF\n\n")},
		{"half a byte order mark", []byte("\xEF\xBBdata: a\n\ndata: b\n\n")},
		{"only half a byte order mark", []byte("\xEF\xBB")},
		{"ill-formed at line ends", []byte("data:\xE2\x82\ndata: \xF0\x9F\x98\n\nid: \xC3\r\revent:\xED\xA0\x80\ndata\n\n")},
		{"ill-formed in and between events", []byte(": \xFF\n\ndata: a\n\ndata: \xFF\n\nid: \xE2\n\n" +
			"event: \xC3\ndata: b\n\ndata: c\n: \xFF\n\ndata: d\n\ndata: e\ndata:\xFF\xE2\x82\n\nfoo: \xFF\n\ndata: f\n\ndata: \xF0\x9F")},
		{"one ill-formed byte at every place", illFormedEverywhere(70)},
		{"long ignored line, cut inside a character", []byte("foo:" + strings.Repeat("\u4E8B", 400) + "\ndata: a\n\n")},
		{"long ignored line, ill-formed", []byte(strings.Repeat("\xDF", 1500) + "\ndata: a\n\n")},
		{"id cleared and set", []byte("id: 1\n\nid\ndata: a\n\nid: 2\ndata: b\nid: x\x00\n\nid:\n\nid: 3\ndata: c")},
		{"nothing but ignored lines", []byte("retry: 1x\nretry:\nid: \x00\nfoo: bar\n{\n\n: c\n:\n")},
	}
	for _, v := range vectors(t) {
		all = append(all, wire{v.Name, v.Bytes()})
	}
	return all
}

// illFormedEverywhere returns n events with n bytes of data, one of them ill-formed: a search
// for such bytes may take several at a time.
func illFormedEverywhere(n int) []byte {
	var stream []byte
	for i := range n {
		data := bytes.Repeat([]byte("x"), n)
		data[i] = 0xFF
		stream = fmt.Appendf(stream, "data: %s\n\ndata: %d\n\n", data, i)
	}
	return stream
}

func TestParserIgnoresChunkBoundaries(t *testing.T) {
	for _, w := range wires(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			o := spec.Oracle{LastEventID: "before"}
			checkParser(t, o, w.stream, everyChunking(w.stream, 20<<10)...)
		})
	}
}

func TestParserIgnoresEmptyReads(t *testing.T) {
	stream := []byte("\uFEFFid: 7\r\nevent: x\r\ndata: a\r\n\r\ndata: b\r\rdata: c\n\n")
	var chunks [][]byte
	for _, c := range stream {
		chunks = append(chunks, []byte{c}, nil, nil)
	}
	checkParser(t, spec.Oracle{}, stream, spec.Chunking{
		Name:   "empty reads",
		Reader: func([]byte) io.Reader { return spec.Chunks(io.EOF, chunks...) },
	})
}

// The Partial of a TruncatedError is the event that a line end and a blank line would have
// made of the unfinished block.
func TestParserKeepsUnfinishedBlock(t *testing.T) {
	for _, w := range wires(t) {
		if len(w.stream) > 2<<10 {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			for i := range len(w.stream) + 1 {
				checkUnfinished(t, w.stream[:i], bytes.NewReader(w.stream[:i]))
			}
		})
	}
}

func checkUnfinished(t testing.TB, stream []byte, r io.Reader) {
	t.Helper()
	before := spec.Oracle{}.Interpret(stream)
	// A line that is not a data line cannot be told before its end: an id may be half of one.
	rest := stream[before.Rest:]
	finished := slices.Clip(stream[:before.Rest])
	if bytes.HasPrefix(rest, []byte("data:")) {
		finished = append(finished, rest...)
	}
	after := spec.Oracle{}.Interpret(append(finished, "\n\n"...))

	got, truncated := unfinished(t, r)
	if len(after.Events) > len(before.Events) {
		require.True(t, truncated, "%q", stream)
		require.Equal(t, sse.Event(after.Events[len(before.Events)]), got, "%q", stream)
		return
	}
	require.Equal(t, mayBeCutOff(stream, before, rest), truncated, "%q", stream)
	require.Empty(t, got.Data, "%q", stream)
}

// mayBeCutOff reports whether the end of a stream without unfinished data cuts off an event
// even so: a type, the beginning of a line that may become one or data, or text outside of
// any field in a stream without events.
func mayBeCutOff(stream []byte, before spec.Verdict, rest []byte) bool {
	// A block can name the type of an event without one.
	named := bytes.ReplaceAll(stream[:before.Rest], []byte("message"), []byte("another"))
	finished := sse.NewParser(strings.NewReader(string(named) + "data\n\n"))
	typ := ""
	for finished.Next() {
		typ = finished.Type()
	}
	foreign := false
	ignored := sse.WithTrace(&sse.Trace{Ignored: func(line string) {
		name, _, _ := strings.Cut(line, ":")
		foreign = foreign || name != "retry" && name != "id" && name != "event"
	}})
	for lines := sse.NewParser(bytes.NewReader(stream[:before.Rest]), ignored); lines.Next(); {
	}
	if len(rest) > 0 {
		foreign = foreign || !begins(rest, ":", "data:", "event:", "id:", "retry:") && !bytes.HasPrefix([]byte("\uFEFF"), stream)
	}
	return typ != "message" || len(rest) > 0 && (begins(rest, "event:") || bytes.HasPrefix([]byte("data"), rest)) ||
		foreign && len(before.Events) == 0
}

// begins reports whether line begins with one of the names, or is the beginning of one.
func begins(line []byte, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		n := min(len(line), len(name))
		return string(line[:n]) == name[:n]
	})
}

// unfinished returns the unfinished block of a response with the body r, and whether the end
// of the response has cut off data. Only a Stream reports it.
func unfinished(t testing.TB, r io.Reader) (sse.Event, bool) {
	t.Helper()
	s, err := sse.FromResponse(response(io.NopCloser(r)))
	require.NoError(t, err)
	for s.Next() {
	}
	if s.Err() == nil {
		return sse.Event{}, false
	}
	cut, ok := errors.AsType[*sse.TruncatedError](s.Err())
	require.True(t, ok, "%v", s.Err())
	return cut.Partial, true
}

func TestParserHasEventOnlyAfterNext(t *testing.T) {
	p := sse.NewParser(strings.NewReader("id: 1\nevent: x\ndata: a\n\nid: 2\n\nevent: y\ndata: b\n"))
	requireNone := func() {
		t.Helper()
		require.Zero(t, p.Event())
		require.Nil(t, p.Data())
		require.Empty(t, p.Type())
	}
	requireNone()
	require.Empty(t, p.LastEventID())
	require.True(t, p.Next())
	require.Equal(t, sse.Event{Type: "x", Data: "a", ID: "1"}, p.Event())
	require.Equal(t, p.Event(), p.Event())
	require.Equal(t, "x", p.Type())
	require.Equal(t, []byte("a"), p.Data())
	require.Equal(t, "1", p.LastEventID())
	for range 2 {
		require.False(t, p.Next())
		requireNone()
		require.Equal(t, "2", p.LastEventID(), "a block with an id and no data counts")
		require.NoError(t, p.Err())
	}
}

func TestParserDispatchesEmptyData(t *testing.T) {
	p := sse.NewParser(strings.NewReader("data\n\n"))
	require.True(t, p.Next())
	require.NotNil(t, p.Data())
	require.Equal(t, sse.Event{Type: "message"}, p.Event())
}

func TestParserSetsReconnectionTimeAtEndOfLine(t *testing.T) {
	p := sse.NewParser(strings.NewReader("data: a\n\nretry: 0\ndata: b\n\nretry: 2500"))
	require.True(t, p.Next())
	_, ok := p.Retry()
	require.False(t, ok)
	require.True(t, p.Next())
	d, ok := p.Retry()
	require.True(t, ok)
	require.Zero(t, d)
	require.False(t, p.Next())
	d, _ = p.Retry()
	require.Zero(t, d, "the line was cut off")
}

func TestParserClampsReconnectionTime(t *testing.T) {
	tests := []struct {
		digits string
		want   time.Duration
	}{
		{"9223372036854", 9223372036854 * time.Millisecond},
		{"9223372036855", 9223372036854 * time.Millisecond},
		{"18446744073709551617", 9223372036854 * time.Millisecond},
		{strings.Repeat("9", 1000), 9223372036854 * time.Millisecond},
		{strings.Repeat("0", 1000) + "1", time.Millisecond},
	}
	for _, tt := range tests {
		p := sse.NewParser(strings.NewReader("retry:" + tt.digits + "\n"))
		require.False(t, p.Next())
		d, ok := p.Retry()
		require.True(t, ok)
		require.Equal(t, tt.want, d, tt.digits)
	}
}

func TestParserStopsAtReadError(t *testing.T) {
	broken := errors.New("broken")
	then := func(r ...io.Reader) io.Reader {
		return io.MultiReader(append([]io.Reader{strings.NewReader("data: a\n\n")}, r...)...)
	}
	tests := []struct {
		name  string
		r     io.Reader
		reads int
		want  error
		text  string
	}{
		{"error", then(iotest.ErrReader(broken)), 2, broken, "sse: read: broken"},
		{
			"error with data", iotest.DataErrReader(then(strings.NewReader("data: b\n"), iotest.ErrReader(broken))),
			2, broken, "sse: read: broken",
		},
		{"error around EOF", then(iotest.ErrReader(fmt.Errorf("x: %w", io.EOF))), 2, io.EOF, "sse: read: x: EOF"},
		{
			"unexpected end", then(iotest.ErrReader(io.ErrUnexpectedEOF)),
			2, io.ErrUnexpectedEOF, "sse: read: unexpected EOF",
		},
		{
			"no progress", then(readerFunc(func([]byte) (int, error) { return 0, nil })),
			1 + sse.MaxEmpty, io.ErrNoProgress, "sse: read: " + io.ErrNoProgress.Error(),
		},
		{
			"more than was asked for", then(readerFunc(func(b []byte) (int, error) { return len(b) + 1, nil })),
			2, nil, "sse: read: the reader returned an impossible count",
		},
		{
			"less than nothing", then(readerFunc(func([]byte) (int, error) { return -1, broken })),
			2, nil, "sse: read: the reader returned an impossible count",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reads := 0
			p := sse.NewParser(readerFunc(func(b []byte) (int, error) { reads++; return tt.r.Read(b) }))
			require.True(t, p.Next())
			require.Equal(t, "a", string(p.Data()))
			require.NoError(t, p.Err())
			for range 3 {
				require.False(t, p.Next())
				require.EqualError(t, p.Err(), tt.text)
				require.Equal(t, tt.reads, reads, "nothing is read after an error")
			}
			if tt.want != nil {
				require.ErrorIs(t, p.Err(), tt.want)
			}
		})
	}
}

func TestParserRejectsBadOptions(t *testing.T) {
	tests := []struct {
		name string
		r    io.Reader
		opt  sse.Option
		want string
	}{
		{"no reader", nil, nil, "sse: NewParser: the reader is nil"},
		{"no size", strings.NewReader("data\n\n"), sse.WithMaxEventSize(0), "WithMaxEventSize"},
		{"negative size", strings.NewReader("data\n\n"), sse.WithMaxEventSize(-1), "WithMaxEventSize"},
		{"unsendable ID", strings.NewReader("data\n\n"), sse.WithLastEventID("a\nb"), "WithLastEventID"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := sse.NewParser(tt.r, tt.opt)
			for range 2 {
				require.False(t, p.Next())
				require.ErrorContains(t, p.Err(), tt.want)
				require.True(t, strings.HasPrefix(p.Err().Error(), "sse: "))
			}
			require.Zero(t, p.Event())
			for range p.Events() {
				return
			}
			require.Fail(t, "the iterator yields no error")
		})
	}
}

// The caller may change the borrowed data and append to it: the bytes after it stay as they
// are.
func TestParserDataMayBeChanged(t *testing.T) {
	stream := "data: a\n\ndata: b\ndata: c\n\nid: 7\ndata: \xFF\n\ndata: d\n\n"
	p := sse.NewParser(strings.NewReader(stream))
	var got []string
	for p.Next() {
		got = append(got, string(p.Data()))
		_ = append(p.Data(), "data: overwritten\n\n"...)
		for i := range p.Data() {
			p.Data()[i] = '\n'
		}
	}
	require.NoError(t, p.Err())
	require.Equal(t, []string{"a", "b\nc", "\uFFFD", "d"}, got)
}

// An Event belongs to the caller: it does not change when the parser continues.
func TestParserEventIsCopy(t *testing.T) {
	var stream strings.Builder
	var want, got []sse.Event
	for i := range 3000 {
		e := sse.Event{Type: fmt.Sprint("type", i), Data: strings.Repeat(fmt.Sprint(i), i), ID: fmt.Sprint("id", i)}
		fmt.Fprintf(&stream, "event: %s\nid: %s\ndata: %s\n\n", e.Type, e.ID, e.Data)
		want = append(want, e)
	}
	p := sse.NewParser(strings.NewReader(stream.String()))
	for p.Next() {
		got = append(got, p.Event())
		require.Equal(t, got[len(got)-1].ID, p.LastEventID())
	}
	require.NoError(t, p.Err())
	require.Equal(t, want, got)
}

// The ID is right even if the caller asks for it only now and then.
func TestParserKeepsLastEventID(t *testing.T) {
	p := sse.NewParser(strings.NewReader("data: a\n\nid: 1\ndata: b\n\nid: 2\ndata: c\n\nid\ndata: d\n\nid: 5\ndata: e\n\n"),
		sse.WithLastEventID("0"))
	require.Equal(t, "0", p.LastEventID())
	require.True(t, p.Next())
	require.Equal(t, sse.Event{Type: "message", Data: "a", ID: "0"}, p.Event())
	require.True(t, p.Next())
	require.True(t, p.Next())
	require.Equal(t, "2", p.LastEventID())
	require.Equal(t, sse.Event{Type: "message", Data: "c", ID: "2"}, p.Event())
	require.True(t, p.Next())
	require.Equal(t, sse.Event{Type: "message", Data: "d"}, p.Event())
	require.True(t, p.Next())
	require.Equal(t, sse.Event{Type: "message", Data: "e", ID: "5"}, p.Event())
	require.Equal(t, "5", p.LastEventID())
}

func TestParserTracesIgnoredLines(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := []struct{ name, stream, want string }{
		{"unknown field", "foo: bar\n", "foo: bar"},
		{"unknown field without colon", "foo\r\n", "foo"},
		{"upper case", "Data: x\n", "Data: x"},
		{"space before the name", " data: x\n", " data: x"},
		{"retry that is not a number", "retry: 1s\n", "retry: 1s"},
		{"empty retry", "retry\n", "retry"},
		{"id with NUL", "id: a\x00b\n", "id: a\x00b"},
		{"ill-formed", "foo\xFF: \xE2\x82\n", "foo\uFFFD: \uFFFD"},
		{"JSON", "{\"error\":{}}\n", "{\"error\":{}}"},
		{"long", long + "\n", long[:sse.MaxShown]},
		{"long retry", "retry:" + long + "\n", "retry:" + long[6:sse.MaxShown]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			p := sse.NewParser(strings.NewReader(tt.stream+": c\nid: 1\nretry: 1\ndata: a\n\n"),
				sse.WithTrace(&sse.Trace{Ignored: func(line string) { got = append(got, line) }}))
			require.True(t, p.Next())
			require.Equal(t, []string{tt.want}, got)
		})
	}
}

// A program that recovers from a panic in a hook gets the event whose block the line is in,
// and nothing of a block that was dropped.
func TestParserContinuesAfterPanicInHook(t *testing.T) {
	for _, line := range []string{"foo: bar", ": comment", "id: a\x00b", "retry: soon"} {
		t.Run(line, func(t *testing.T) {
			calls := 0
			out := func(string) {
				if calls++; calls == 1 {
					panic("out")
				}
			}
			p := sse.NewParser(strings.NewReader("event: t\nid: 1\ndata: a\n"+line+"\ndata: b\n\ndata: c\n\n"),
				sse.WithTrace(&sse.Trace{Comment: out, Ignored: out}))
			require.Panics(t, func() { p.Next() })
			require.Zero(t, p.Event())
			require.True(t, p.Next())
			require.Equal(t, sse.Event{Type: "t", Data: "a\nb", ID: "1"}, p.Event())
			require.True(t, p.Next())
			require.Equal(t, sse.Event{Type: "message", Data: "c", ID: "1"}, p.Event())
			require.Equal(t, 1, calls)
		})
	}
	t.Run("a block without data", func(t *testing.T) {
		p := sse.NewParser(strings.NewReader("event: t\nid: 1\n\ndata: a\n\n"),
			sse.WithTrace(&sse.Trace{Ignored: func(string) { panic("out") }}))
		require.Panics(t, func() { p.Next() })
		require.True(t, p.Next())
		require.Equal(t, sse.Event{Type: "message", Data: "a", ID: "1"}, p.Event())
	})
}

func TestParserAllowsMissingHooks(t *testing.T) {
	for _, trace := range []*sse.Trace{nil, {}} {
		p := sse.NewParser(strings.NewReader(": c\nfoo\ndata: a\n\n"), sse.WithTrace(trace))
		require.True(t, p.Next())
	}
}

func TestParserEvents(t *testing.T) {
	type pair struct {
		event sse.Event
		err   error
	}
	collect := func(p *sse.Parser, most int) (all []pair) {
		for e, err := range p.Events() {
			if all = append(all, pair{e, err}); len(all) == most {
				break
			}
		}
		return all
	}
	a := pair{event: sse.Event{Type: "message", Data: "a"}}
	b := pair{event: sse.Event{Type: "message", Data: "b"}}

	t.Run("clean end", func(t *testing.T) {
		p := sse.NewParser(strings.NewReader("data: a\n\ndata: b\n\ndata: c"))
		require.Equal(t, []pair{a, b}, collect(p, 9))
		require.NoError(t, p.Err())
	})
	t.Run("error last and alone", func(t *testing.T) {
		p := sse.NewParser(io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(iotest.ErrTimeout)))
		got := collect(p, 9)
		require.Equal(t, []pair{a, {err: p.Err()}}, got)
		require.ErrorIs(t, p.Err(), iotest.ErrTimeout)
	})
	t.Run("too large", func(t *testing.T) {
		p := sse.NewParser(strings.NewReader("data: a\n\ndata: bb\n\n"), sse.WithMaxEventSize(7))
		got := collect(p, 9)
		require.Equal(t, []pair{a, {err: p.Err()}}, got)
		require.ErrorIs(t, p.Err(), sse.ErrEventTooLarge)
	})
	t.Run("second time", func(t *testing.T) {
		p := sse.NewParser(strings.NewReader("data: a\n\ndata: b\n\n"))
		require.Equal(t, []pair{a}, collect(p, 1))
		for range 2 {
			got := collect(p, 9)
			require.Len(t, got, 1)
			require.Error(t, got[0].err)
			require.Zero(t, got[0].event)
		}
		require.NoError(t, p.Err())
	})
	t.Run("Next after leaving the loop", func(t *testing.T) {
		p := sse.NewParser(strings.NewReader("data: a\n\ndata: b\n\n"))
		require.Equal(t, []pair{a}, collect(p, 1))
		require.True(t, p.Next())
		require.Equal(t, b.event, p.Event())
	})
}

// The limit is on the lines of a block with the line ends between them. The one at the
// end of the last line and the blank line do not count.
func TestParserLimitsBlockSize(t *testing.T) {
	tests := []struct {
		name, block string
		size        int
	}{
		{"one line", "data: x\n\n", 7},
		{"one long line", "data: a line of 24 bytes\n\n", 24},
		{"one line, CRLF", "data: x\r\n\r\n", 7},
		{"one line, CR", "data: x\r\r", 7},
		{"two lines", "data: x\ndata: y\n\n", 15},
		{"two lines, CRLF", "data: x\r\ndata: y\r\n\r\n", 16},
		{"two lines, CR", "data: x\rdata: y\r\r", 15},
		{"event and id", "event: x\nid: y\ndata\n\n", 19},
		{"comment", ": cc\ndata: x\n\n", 12},
		{"comment last", "data: x\n: cc\n\n", 12},
		{"ignored line", "ignored\ndata: x\n\n", 15},
		{"no data", "event: x\nid: y\n\n", 14},
		{"nothing but comments", ": a\n: b\n: c\n\n", 11},
		{"characters count in bytes", "data: \u20AC\n\n", 9},
		{"ill-formed characters count as sent", "data: \xFF\xFF\n\n", 8},
		{"not ended", "data: x", 7},
		{"line ended", "data: x\n", 7},
		{"line ended by CR", "data: x\r", 7},
		{"second line not ended", "data: x\r\ndata", 13},
		{"longer than the buffer", "data: " + strings.Repeat("x", 5000) + "\n\n", 5006},
		{"as long as the small buffer", "data: " + strings.Repeat("x", sse.IdleSize-6) + "\n\n", sse.IdleSize},
		{"lines as long as the buffer", strings.Repeat("data: x\r\n", 500) + "\r\n", 4498},
	}
	const before = ": c\nid: 1\ndata\n\n" // 14 bytes, with CRLF 16
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Run("alone", func(t *testing.T) {
				checkLimit(t, tt.block, tt.size, false)
				checkLimit(t, tt.block, tt.size-1, true)
			})
			if tt.size <= 16 {
				return // the events around it would be over the limit
			}
			t.Run("after an event", func(t *testing.T) {
				checkLimit(t, before+tt.block, tt.size, false)
				checkLimit(t, before+tt.block, tt.size-1, true)
			})
			t.Run("after an event, with CRLF and mark", func(t *testing.T) {
				stream := "\uFEFF" + strings.ReplaceAll(before, "\n", "\r\n") + tt.block
				checkLimit(t, stream, tt.size, false)
				checkLimit(t, stream, tt.size-1, true)
			})
		})
	}
}

// checkLimit requires that the stream is over the limit or not, and that the parser reports
// it at the same place in every chunking.
func checkLimit(t *testing.T, stream string, limit int, tooLarge bool) {
	t.Helper()
	o := spec.Oracle{Limit: limit}
	require.Equal(t, tooLarge, o.Interpret([]byte(stream)).TooLarge, "the oracle, %.50q", stream)
	checkParser(t, o, []byte(stream), everyChunking([]byte(stream), 1<<10)...)
}

func TestParserAllowsLargestLimit(t *testing.T) {
	data := strings.Repeat("x", 100_000)
	p := sse.NewParser(strings.NewReader("data: "+data+"\n\n"), sse.WithMaxEventSize(math.MaxInt))
	require.True(t, p.Next())
	require.Len(t, p.Data(), len(data))
}

// The smallest limit leaves room for blank lines, and for a byte order mark.
func TestParserAllowsSmallestLimit(t *testing.T) {
	for _, stream := range []string{"\n\n\r\r\n", "\uFEFF\n\n", "\uFEFF", "\uFEFFx\n\n", "x\n\nx\n\nx"} {
		checkLimit(t, stream, 1, false)
	}
	for _, stream := range []string{"xx", "\uFEFFxx", "x\nx", "x\n\nxx\n\n", "\xEFx"} {
		checkLimit(t, stream, 1, true)
	}
}

// The events before it are delivered; then the error comes, without waiting for another
// byte, and stays.
func TestParserStopsAtBlockOverLimit(t *testing.T) {
	tests := []struct{ name, large string }{
		{"in its line", "data: bcdefghijk"},
		{"at its line end", "data: bcdefghijk\n"},
		{"before another event", "data: bcdefghijk\n\ndata: c\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reads := 0
			r := strings.NewReader("id: 1\ndata: a\n\n" + tt.large)
			p := sse.NewParser(readerFunc(func(b []byte) (int, error) { reads++; return r.Read(b) }), sse.WithMaxEventSize(13))
			require.True(t, p.Next())
			require.Equal(t, sse.Event{Type: "message", Data: "a", ID: "1"}, p.Event())
			require.NoError(t, p.Err())
			for range 3 {
				require.False(t, p.Next())
				require.ErrorIs(t, p.Err(), sse.ErrEventTooLarge)
				require.Regexp(t, "^sse: event too large.* 13 bytes", p.Err().Error())
				require.Equal(t, 1, reads)
			}
			require.Equal(t, "1", p.LastEventID())
			require.Zero(t, p.Event())
		})
	}
}

// A block over the limit is too large even if the reader ends or fails with its last bytes.
func TestParserLimitsLastBlock(t *testing.T) {
	for _, end := range []error{io.EOF, io.ErrClosedPipe} {
		for _, stream := range []string{"data: x", "data: x\n", "data: x\n\n"} {
			t.Run(fmt.Sprintf("%v after %q", end, stream), func(t *testing.T) {
				r := spec.Chunks(end, []byte(stream))
				p := sse.NewParser(iotest.DataErrReader(r), sse.WithMaxEventSize(6))
				require.False(t, p.Next())
				require.ErrorIs(t, p.Err(), sse.ErrEventTooLarge)
			})
		}
	}
}

// largestBuffer returns the size of the largest buffer that a parser of r uses, how many
// events it finds, and its error.
func largestBuffer(r io.Reader, limit int) (size, events int, err error) {
	var p *sse.Parser
	p = sse.NewParser(readerFunc(func(b []byte) (int, error) {
		buf, _, _, _ := sse.BufferOf(p)
		size = max(size, len(buf))
		return r.Read(b)
	}), sse.WithMaxEventSize(limit))
	for p.Next() {
		events++
	}
	return size, events, p.Err()
}

// maxBuffer returns how large the buffer may get: enough for a block within the limit, its
// line end, and a read.
func maxBuffer(limit int) int { return max(sse.BusySize, limit+len("\r\n")+sse.IdleSize) }

// The limit and one read bound the memory for any stream.
func TestParserBoundsBuffer(t *testing.T) {
	const limit = 100_000
	tests := []struct{ name, first, again string }{
		{"endless line", "data: ", "x"},
		{"endless name", "", "x"},
		{"endless comment", ":", " "},
		{"comments", "", ": c\n"},
		{"ignored lines", "", "{}\r\n"},
		{"data lines", "", "data: 0123456789\n"},
		{"empty data lines", "", "data\r"},
		{"event names", "", "event: x\n"},
		{"ids", "", "id: x\n"},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 37, 1 << 10, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", tt.name, size), func(t *testing.T) {
				endless := &repeater{stream: []byte(strings.Repeat(tt.again, 1<<10)), size: size}
				got, events, err := largestBuffer(io.MultiReader(strings.NewReader(tt.first), endless), limit)
				require.ErrorIs(t, err, sse.ErrEventTooLarge)
				require.Zero(t, events)
				require.LessOrEqual(t, got, maxBuffer(limit))
			})
		}
	}
}

// A repeater repeats a stream without end, up to size bytes at a time.
type repeater struct {
	stream []byte
	size   int
	at     int
}

func (r *repeater) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), r.size)], r.stream[r.at:])
	if r.at += n; r.at == len(r.stream) {
		r.at = 0
	}
	return n, nil
}

// After a large event the buffers shrink to the size for small ones, even if reads never end
// where an event does, as on a busy stream.
func TestParserShrinksBuffers(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	tests := []struct{ name, large, small string }{
		{"data", "data: " + big + "\n\n", "data: a\n\n"},
		{"ill-formed data", "data: \xFF" + big + "\n\n", "data: \xFF\n\n"},
		{"id", "id: " + big + "\ndata\n\n", "id: 1\ndata: a\n\nid: 2\ndata: b\n\n"},
		{"id before the last one", "id: " + big + "\ndata\n\nid: 1\ndata\n\n", "data: a\n\n"},
		{"id that is replaced in its block", "id: " + big + "\nid: 1\ndata\n\n", "id: 1\ndata: a\n\n"},
		{"comment", ":" + big + "\n\n", "data: a\n\n"},
	}
	for _, tt := range tests {
		for _, shift := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s, reads end %d bytes into an event", tt.name, shift), func(t *testing.T) {
				small := strings.Repeat(tt.small, 10)
				first := tt.large + small[:shift]
				again := &repeater{stream: []byte(small[shift:] + small[:shift]), size: len(small)}
				p := sse.NewParser(io.MultiReader(strings.NewReader(first), again))
				for range 100 {
					require.True(t, p.Next())
				}
				buf, _, _, _ := sse.BufferOf(p)
				fixed, ids := sse.RetainedBy(p)
				require.LessOrEqual(t, len(buf), sse.KeepSize, "the buffer")
				require.LessOrEqual(t, fixed, sse.KeepSize, "the replaced data")
				require.LessOrEqual(t, ids, sse.KeepSize, "the IDs")
			})
		}
	}
}

// An unfinished block of some hundred bytes does not keep the buffer of a large event.
func TestParserShrinksBufferOfAnUnfinishedBlock(t *testing.T) {
	large, rest := "data: "+strings.Repeat("x", 1<<20)+"\n\n", "data: "+strings.Repeat("y", 600)
	var p *sse.Parser
	waits := 0
	p = sse.NewParser(io.MultiReader(strings.NewReader(large+rest), readerFunc(func([]byte) (int, error) {
		buf, block, _, end := sse.BufferOf(p)
		require.Equal(t, len(rest), end-block)
		require.Len(t, buf, sse.BusySize)
		waits++
		return 0, io.EOF
	})))
	require.True(t, p.Next())
	require.False(t, p.Next())
	require.Equal(t, 1, waits)
}

// While a parser waits for an event and no block is buffered, its buffer is the small one.
func TestParserWaitsWithSmallBuffer(t *testing.T) {
	large, small := "data: "+strings.Repeat("x", 100_000)+"\n\n", "data: a\n\n"
	r := spec.Chunks(io.EOF, []byte(small), []byte(large), []byte(small+small), []byte(large+small))
	var p *sse.Parser
	waits := 0
	p = sse.NewParser(readerFunc(func(b []byte) (int, error) {
		if buf, block, _, end := sse.BufferOf(p); block == end {
			waits++
			require.Len(t, buf, sse.IdleSize)
		}
		return r.Read(b)
	}))
	for range 6 {
		require.True(t, p.Next(), "%v", p.Err())
	}
	require.False(t, p.Next())
	require.Equal(t, 5, waits, "before each chunk and the end")
}

func TestParserKeepsBlockWhenShrinking(t *testing.T) {
	got, err := record(spec.Chunks(io.EOF,
		[]byte("id: "+strings.Repeat("x", 1<<20)+"\ndata\n\n"),
		[]byte("id: 1\ndata: a\n\nid: 2\ndata: b\ndata: c"),
		[]byte("d\nevent: x"),
		[]byte("\n\n"),
	))
	require.NoError(t, err)
	require.Equal(t, []spec.Event{
		{Type: "message", Data: "a", ID: "1"},
		{Type: "x", Data: "b\ncd", ID: "2"},
	}, got.Events[1:])
}

// A byte that was searched is not searched again, even if reads are small: turning it into
// a line end or into ill-formed UTF-8 afterwards changes nothing.
func TestParserSearchesEachByteOnce(t *testing.T) {
	const size = 1 << 20
	for _, poison := range []byte("\n\r\xFF") {
		for _, read := range []int{1, 1 << 10} {
			t.Run(fmt.Sprintf("%q after reads of %d", poison, read), func(t *testing.T) {
				head, tail := "data: ", "\n\n"
				x := &repeater{stream: bytes.Repeat([]byte("x"), 1<<10), size: read}
				var p *sse.Parser
				poisoned := readerFunc(func(b []byte) (int, error) {
					buf, _, line, end := sse.BufferOf(p)
					for i := max(line+len(head), end-read); i < end; i++ {
						buf[i] = poison
					}
					return x.Read(b)
				})
				p = sse.NewParser(io.MultiReader(
					strings.NewReader(head), io.LimitReader(poisoned, size), strings.NewReader(tail),
				))
				require.True(t, p.Next())
				require.Len(t, p.Data(), size)
				require.Less(t, bytes.Count(p.Data(), []byte("x")), 2<<10, "the test has poisoned too little")
				require.False(t, p.Next())
				require.NoError(t, p.Err())
			})
		}
	}
}

// The bytes that the parser moves, to make room or to grow, are a bounded multiple of
// those that it reads.
func TestParserMovesFewBytes(t *testing.T) {
	small := strings.Repeat("id: 12\ndata: 0123456789\n\n", 4000)
	tests := []struct {
		name, stream string
		limit        int
	}{
		{"large event", "data: " + strings.Repeat("x", 1<<20) + "\n\n", 16 << 20},
		{"large event at the limit", "data\n\ndata: " + strings.Repeat("x", 100_000) + "\n\n", 100_006},
		{"many lines", strings.Repeat("data: x\n", 20_000) + "\n", 16 << 20},
		{"small events", small, 16 << 20},
		{"small events, small limit", small, 100},
		{"half a buffer", strings.Repeat("data: "+strings.Repeat("x", 2100)+"\n\n", 500), 16 << 20},
		{"nearly a buffer", strings.Repeat("data\n\ndata: "+strings.Repeat("x", 3600)+"\n\n", 500), 16 << 20},
		{"at the limit", strings.Repeat("data\n\ndata: "+strings.Repeat("x", 5000)+"\n\n", 500), 5006},
		{"large and small", strings.Repeat("data: "+strings.Repeat("x", 100_000)+"\n\n"+small, 3), 16 << 20},
	}
	for _, tt := range tests {
		for _, read := range []int{1, 37, 1 << 10, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", tt.name, read), func(t *testing.T) {
				t.Parallel()
				var p *sse.Parser
				r := spec.LimitReads(strings.NewReader(tt.stream), read)
				moved, last, base := 0, 0, (*byte)(nil)
				p = sse.NewParser(readerFunc(func(b []byte) (int, error) {
					buf, block, _, end := sse.BufferOf(p)
					if block < last || &buf[0] != base {
						moved += end - block
					}
					last, base = block, &buf[0]
					return r.Read(b)
				}), sse.WithMaxEventSize(tt.limit))
				for p.Next() {
					_, block, _, _ := sse.BufferOf(p)
					last = min(last, block)
				}
				require.NoError(t, p.Err())
				require.LessOrEqual(t, moved, 3*len(tt.stream))
			})
		}
	}
}

// The memory that a large event allocates is a bounded multiple of its size.
func TestParserGrowsLinearly(t *testing.T) {
	for _, read := range []int{1, 1 << 10} {
		size := int64(8 << 20)
		if read == 1 {
			size = 2 << 20 // the race detector is slow
		}
		p := sse.NewParser(io.MultiReader(
			strings.NewReader("data: "),
			io.LimitReader(&repeater{stream: bytes.Repeat([]byte("x"), 1<<10), size: read}, size),
			strings.NewReader("\n\n"),
		))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.True(t, p.Next())
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(5*size), "reads of %d", read)
	}
}

// A server that makes up a type for every event, or large ones, does not fill the memory.
func TestParserBoundsRememberedTypes(t *testing.T) {
	var r bytes.Buffer
	types := make(map[string]bool)
	for i := range 1000 {
		for _, size := range []int{0, sse.MaxType, sse.MaxType + 1} {
			typ := fmt.Sprintf("%0*d", size, i)
			types[typ] = true
			fmt.Fprintf(&r, "event: %s\ndata\n\n", typ)
		}
	}
	p := sse.NewParser(&r)
	for p.Next() {
		require.True(t, types[p.Type()], p.Type())
		delete(types, p.Type())
	}
	require.Empty(t, types)
	require.LessOrEqual(t, len(sse.TypesOf(p)), sse.MaxTypes)
	for typ := range sse.TypesOf(p) {
		require.LessOrEqual(t, len(typ), sse.MaxType)
	}
}

// readSize is a usual size of reads: that of the buffers of net/http.
const readSize = 4 << 10

// kept holds an event, to make its allocations real: one that is only looked at may stay on
// the stack.
var kept sse.Event

func TestParserAllocatesOncePerEvent(t *testing.T) {
	tests := []struct{ name, stream string }{
		{"data", "data: 0123456789\n\n"},
		{"many data lines", "data: 0\r\ndata: 1\r\ndata\r\n\r\n"},
		{"event and data", "event: delta\ndata: 0123456789\n\nevent: ping\ndata: 0123456789\n\n"},
		{"id and data", twoIDs("100", "0123456789")},
		{"id and more data", twoIDs("100", jsonText(200))},
		{"long id and data", twoIDs(jsonText(100), jsonText(100))},
		{"all fields", "event: tick\nid: 1001\ndata: abc\nretry: 10\n\nid: 1002\ndata: def\n: c\nfoo: bar\n\n"},
		{"ill-formed data", "data: \xFF\xE2\x82\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, read := range []int{1, 37, readSize} {
				p := sse.NewParser(&repeater{stream: []byte(tt.stream), size: read})
				require.True(t, p.Next())
				require.Zero(t, testing.AllocsPerRun(1000, func() {
					p.Next()
					_ = p.Data()
					_ = p.Type()
				}), "Next and Data, reads of %d", read)
				require.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
					p.Next()
					kept = p.Event()
				}), 1.0, "Next and Event, reads of %d", read)
			}
		})
	}
}

// An ID that the caller keeps must not keep the data of a large event in memory: the
// two share an allocation only if they are small.
func TestParserSeparatesIDFromLargeData(t *testing.T) {
	stream := twoIDs("100", strings.Repeat("x", sse.MaxJoined+1))
	p := sse.NewParser(&repeater{stream: []byte(stream), size: readSize})
	require.InDelta(t, 2, testing.AllocsPerRun(1000, func() {
		p.Next()
		kept = p.Event()
	}), 0)
}

// A large ID that was asked for is held once.
func TestParserHoldsALargeIDOnce(t *testing.T) {
	const size = 8 << 20
	id := strings.Repeat("i", size)
	p := sse.NewParser(io.MultiReader(strings.NewReader("id: "), strings.NewReader(id), strings.NewReader("\ndata: a\n\n"), strings.NewReader("data: b\n\n")))
	before := liveHeap()
	require.True(t, p.Next())
	require.Equal(t, "a", p.Event().Data)
	require.Len(t, p.LastEventID(), size)
	require.True(t, p.Next())
	require.InDelta(t, size, liveHeap()-before, size/4)
	require.Equal(t, id, p.LastEventID())
}

// liveHeap returns the size of the reachable objects.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC() // sync.Pool keeps what it has over the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// twoIDs returns two events with different IDs.
func twoIDs(id, data string) string {
	return fmt.Sprintf("id: %[1]s1\ndata: %[2]s\n\nid: %[1]s2\ndata: %[2]s\n\n", id, data)
}

// jsonText returns JSON-like text of n bytes without a line end.
func jsonText(n int) string {
	const piece = `{"index":0,"delta":{"content":"the quick brown fox"}},`
	return strings.Repeat(piece, n/len(piece)+1)[:n]
}

// checkUTF8 requires that text, which has no line ends, is decoded as the Encoding Standard
// says when it is data.
func checkUTF8(t testing.TB, text []byte) {
	t.Helper()
	p := sse.NewParser(bytes.NewReader(slices.Concat([]byte("data: "), text, []byte("\n\n"))))
	require.True(t, p.Next())
	if want := spec.DecodeWithoutBOM(text); string(p.Data()) != want {
		require.Equal(t, want, string(p.Data()), "%x", text)
	}
}

// Every border of the table of well-formed sequences, and each possible next byte.
func TestParserReplacesIllFormedUTF8(t *testing.T) {
	first := []byte("\x7F\x80\xBF\xC0\xC1\xC2\xDF\xE0\xE1\xEC\xED\xEE\xEF\xF0\xF1\xF3\xF4\xF5\xF7\xF8\xFF")
	next := []byte("A\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xE2\xFF")
	for _, a := range first {
		for _, b := range next {
			for _, c := range next {
				for _, d := range next {
					checkUTF8(t, []byte{a, b, c, d})
				}
			}
		}
	}
}

// Long runs of characters of one size, in which one byte or character is another: a search
// that takes several of them at a time must find it.
func TestParserReplacesIllFormedUTF8InRuns(t *testing.T) {
	others := []string{
		"A", "\x00", "\x80", "\xBF", "\xC2", "\xE0", "\xE2", "\xED", "\xF0", "\xFF",
		"\xC2\xA2", "\xE0\x80\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xED\xA0\x80", "\xE4\xBA", "\xE4\x3A\x80",
		"\xE4\xBA\x3A", "\xF0\x9F\x98\x80", "\xF0\x8F\x98\x80", "\xF4\x90\x80\x80", "\xFE\x80\x80",
	}
	for _, run := range []string{"x", "\u00E9", "\u4E8B", "\uFF21", "\U0001F600"} {
		text := []byte(strings.Repeat(run, 40))
		for i := range text {
			for _, other := range others {
				checkUTF8(t, bytes.Join([][]byte{text[:i], text[min(i+len(other), len(text)):]}, []byte(other)))
			}
			checkUTF8(t, text[:i])
			checkUTF8(t, text[i:])
		}
	}
}

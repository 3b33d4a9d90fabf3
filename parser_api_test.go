package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// Before the first and after the last event there is none.
func TestParserWithoutEvent(t *testing.T) {
	p := NewParser(strings.NewReader("id: 1\nevent: x\ndata: a\n\nid: 2\n\nevent: y\ndata: b\n"))
	none := func() {
		t.Helper()
		require.Zero(t, p.Event())
		require.Nil(t, p.Data())
		require.Empty(t, p.Type())
	}
	none()
	require.Empty(t, p.LastEventID())
	require.True(t, p.Next())
	require.Equal(t, Event{Type: "x", Data: "a", ID: "1"}, p.Event())
	require.Equal(t, p.Event(), p.Event())
	require.Equal(t, "x", p.Type())
	require.Equal(t, []byte("a"), p.Data())
	require.Equal(t, "1", p.LastEventID())
	for range 2 {
		require.False(t, p.Next())
		none()
		require.Equal(t, "2", p.LastEventID(), "a block with an id and no data counts")
		require.NoError(t, p.Err())
	}
}

// Empty data is not the same as none.
func TestParserEmptyData(t *testing.T) {
	p := NewParser(strings.NewReader("data\n\n"))
	require.True(t, p.Next())
	require.NotNil(t, p.Data())
	require.Equal(t, Event{Type: "message"}, p.Event())
}

// The retry time is there as soon as its line has ended.
func TestParserRetry(t *testing.T) {
	p := NewParser(strings.NewReader("data: a\n\nretry: 0\ndata: b\n\nretry: 2500"))
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

func TestParserRetryOverflow(t *testing.T) {
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
	for _, test := range tests {
		p := NewParser(strings.NewReader("retry:" + test.digits + "\n"))
		require.False(t, p.Next())
		d, ok := p.Retry()
		require.True(t, ok)
		require.Equal(t, test.want, d, test.digits)
	}
}

func TestParserReadErrors(t *testing.T) {
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
			1 + maxEmpty, io.ErrNoProgress, "sse: read: " + io.ErrNoProgress.Error(),
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
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reads := 0
			p := NewParser(readerFunc(func(b []byte) (int, error) { reads++; return test.r.Read(b) }))
			require.True(t, p.Next())
			require.Equal(t, "a", string(p.Data()))
			require.NoError(t, p.Err())
			for range 3 {
				require.False(t, p.Next())
				require.EqualError(t, p.Err(), test.text)
				require.Equal(t, test.reads, reads, "nothing is read after an error")
			}
			if test.want != nil {
				require.ErrorIs(t, p.Err(), test.want)
			}
		})
	}
}

func TestParserBadOptions(t *testing.T) {
	tests := []struct {
		name string
		r    io.Reader
		opt  Option
		want string
	}{
		{"no reader", nil, nil, "sse: NewParser: the reader is nil"},
		{"no size", strings.NewReader("data\n\n"), WithMaxEventSize(0), "WithMaxEventSize"},
		{"negative size", strings.NewReader("data\n\n"), WithMaxEventSize(-1), "WithMaxEventSize"},
		{"unsendable ID", strings.NewReader("data\n\n"), WithLastEventID("a\nb"), "WithLastEventID"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := NewParser(test.r, test.opt)
			for range 2 {
				require.False(t, p.Next())
				require.ErrorContains(t, p.Err(), test.want)
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

// The data is borrowed, but what the caller appends to it does not reach the bytes that
// come after it.
func TestParserDataAppended(t *testing.T) {
	stream := "data: a\n\ndata: b\ndata: c\n\nid: 7\ndata: \xFF\n\ndata: d\n\n"
	p := NewParser(strings.NewReader(stream))
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

// An Event is the caller's: it does not change when the parser goes on.
func TestParserEventKept(t *testing.T) {
	var stream strings.Builder
	var want, got []Event
	for i := range 3000 {
		e := Event{Type: fmt.Sprint("type", i), Data: strings.Repeat(fmt.Sprint(i), i), ID: fmt.Sprint("id", i)}
		fmt.Fprintf(&stream, "event: %s\nid: %s\ndata: %s\n\n", e.Type, e.ID, e.Data)
		want = append(want, e)
	}
	p := NewParser(strings.NewReader(stream.String()))
	for p.Next() {
		got = append(got, p.Event())
		require.Equal(t, got[len(got)-1].ID, p.LastEventID())
	}
	require.NoError(t, p.Err())
	require.Equal(t, want, got)
}

// An ID that is asked for only now and then is the right one.
func TestParserLastEventID(t *testing.T) {
	p := NewParser(strings.NewReader("data: a\n\nid: 1\ndata: b\n\nid: 2\ndata: c\n\nid\ndata: d\n\nid: 5\ndata: e\n\n"),
		WithLastEventID("0"))
	require.Equal(t, "0", p.LastEventID())
	require.True(t, p.Next())
	require.Equal(t, Event{Type: "message", Data: "a", ID: "0"}, p.Event())
	require.True(t, p.Next())
	require.True(t, p.Next())
	require.Equal(t, "2", p.LastEventID())
	require.Equal(t, Event{Type: "message", Data: "c", ID: "2"}, p.Event())
	require.True(t, p.Next())
	require.Equal(t, Event{Type: "message", Data: "d"}, p.Event())
	require.True(t, p.Next())
	require.Equal(t, Event{Type: "message", Data: "e", ID: "5"}, p.Event())
	require.Equal(t, "5", p.LastEventID())
}

func TestParserIgnored(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := []struct{ name, stream, want string }{
		{"unknown field", "foo: bar\n", "foo: bar"},
		{"unknown field without colon", "foo\r\n", "foo"},
		{"upper case", "Data: x\n", "Data: x"},
		{"space before the name", " data: x\n", " data: x"},
		{"retry that is no number", "retry: 1s\n", "retry: 1s"},
		{"empty retry", "retry\n", "retry"},
		{"id with NUL", "id: a\x00b\n", "id: a\x00b"},
		{"ill-formed", "foo\xFF: \xE2\x82\n", "foo\uFFFD: \uFFFD"},
		{"JSON", "{\"error\":{}}\n", "{\"error\":{}}"},
		{"long", long + "\n", long[:maxShown]},
		{"long retry", "retry:" + long + "\n", "retry:" + long[6:maxShown]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			p := NewParser(strings.NewReader(test.stream+": c\nid: 1\nretry: 1\ndata: a\n\n"),
				WithTrace(&Trace{Ignored: func(line string) { got = append(got, line) }}))
			require.True(t, p.Next())
			require.Equal(t, []string{test.want}, got)
		})
	}
}

// Hooks that are not set are not called.
func TestParserNoHooks(t *testing.T) {
	for _, trace := range []*Trace{nil, {}} {
		p := NewParser(strings.NewReader(": c\nfoo\ndata: a\n\n"), WithTrace(trace))
		require.True(t, p.Next())
	}
}

// A server that makes up a type for every event, or large ones, fills no memory.
func TestParserTypesBounded(t *testing.T) {
	var r bytes.Buffer
	types := make(map[string]bool)
	for i := range 1000 {
		for _, size := range []int{0, maxType, maxType + 1} {
			typ := fmt.Sprintf("%0*d", size, i)
			types[typ] = true
			fmt.Fprintf(&r, "event: %s\ndata\n\n", typ)
		}
	}
	p := NewParser(&r)
	for p.Next() {
		require.True(t, types[p.Type()], p.Type())
		delete(types, p.Type())
	}
	require.Empty(t, types)
	require.LessOrEqual(t, len(p.types), maxTypes)
	for typ := range p.types {
		require.LessOrEqual(t, len(typ), maxType)
	}
}

// kept is where an event has to be put for its allocations to be real: one that is only
// looked at may stay on the stack.
var kept Event

func TestParserAllocations(t *testing.T) {
	tests := []struct{ name, stream string }{
		{"data", "data: 0123456789\n\n"},
		{"many data lines", "data: 0\r\ndata: 1\r\ndata\r\n\r\n"},
		{"event and data", "event: delta\ndata: 0123456789\n\nevent: ping\ndata: 0123456789\n\n"},
		{"id and data", withIDs("100", "0123456789")},
		{"id and more data", withIDs("100", text(200))},
		{"long id and data", withIDs(text(100), text(100))},
		{"all fields", "event: tick\nid: 1001\ndata: abc\nretry: 10\n\nid: 1002\ndata: def\n: c\nfoo: bar\n\n"},
		{"ill-formed data", "data: \xFF\xE2\x82\n\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, read := range []int{1, 37, readSize} {
				p := NewParser(&repeater{stream: []byte(test.stream), size: read})
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

// withIDs returns two events with different IDs.
func withIDs(id, data string) string {
	return fmt.Sprintf("id: %[1]s1\ndata: %[2]s\n\nid: %[1]s2\ndata: %[2]s\n\n", id, data)
}

// An ID that the caller keeps must not keep the data of a large event in memory: the
// two share an allocation only if they are small.
func TestParserLargeDataAndID(t *testing.T) {
	stream := withIDs("100", strings.Repeat("x", maxJoined+1))
	p := NewParser(&repeater{stream: []byte(stream), size: readSize})
	require.InDelta(t, 2, testing.AllocsPerRun(1000, func() {
		p.Next()
		kept = p.Event()
	}), 0)
}

func TestParserEvents(t *testing.T) {
	type pair struct {
		event Event
		err   error
	}
	collect := func(p *Parser, most int) (all []pair) {
		for e, err := range p.Events() {
			if all = append(all, pair{e, err}); len(all) == most {
				break
			}
		}
		return all
	}
	a, b := pair{event: Event{Type: "message", Data: "a"}}, pair{event: Event{Type: "message", Data: "b"}}

	t.Run("clean end", func(t *testing.T) {
		p := NewParser(strings.NewReader("data: a\n\ndata: b\n\ndata: c"))
		require.Equal(t, []pair{a, b}, collect(p, 9))
		require.NoError(t, p.Err())
	})
	t.Run("error last and alone", func(t *testing.T) {
		p := NewParser(io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(iotest.ErrTimeout)))
		got := collect(p, 9)
		require.Equal(t, []pair{a, {err: p.Err()}}, got)
		require.ErrorIs(t, p.Err(), iotest.ErrTimeout)
	})
	t.Run("too large", func(t *testing.T) {
		p := NewParser(strings.NewReader("data: a\n\ndata: bb\n\n"), WithMaxEventSize(7))
		got := collect(p, 9)
		require.Equal(t, []pair{a, {err: p.Err()}}, got)
		require.ErrorIs(t, p.Err(), ErrEventTooLarge)
	})
	t.Run("second time", func(t *testing.T) {
		p := NewParser(strings.NewReader("data: a\n\ndata: b\n\n"))
		require.Equal(t, []pair{a}, collect(p, 1))
		for range 2 {
			got := collect(p, 9)
			require.Len(t, got, 1)
			require.Error(t, got[0].err)
			require.Zero(t, got[0].event)
		}
		require.NoError(t, p.Err())
	})
	t.Run("loop left", func(t *testing.T) {
		p := NewParser(strings.NewReader("data: a\n\ndata: b\n\n"))
		require.Equal(t, []pair{a}, collect(p, 1))
		require.True(t, p.Next(), "the parser goes on where the loop was left")
		require.Equal(t, b.event, p.Event())
	})
}

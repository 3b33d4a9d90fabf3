package benchmarks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	anthropicstream "github.com/anthropics/anthropic-sdk-go/packages/ssestream"
	"github.com/fetchsse/sse"
	"github.com/launchdarkly/eventsource"
	ogen "github.com/ogen-go/ogen/sse"
	openaistream "github.com/openai/openai-go/v3/packages/ssestream"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
	"resty.dev/v3"
)

// A Peer reads a stream with one library and passes its events to a Sink.
type Peer struct {
	Name  string
	IDs   bool // reports the IDs of events
	UTF8  bool // replaces ill-formed UTF-8, as the standard requires
	Ours  bool // is this library
	Floor bool // does not parse events and is not verified
	Run   func(r *Reader, w *Workload, s *Sink) error
}

// A Sink counts events. Check is nil during measurements.
type Sink struct {
	Events int
	Bytes  int
	Check  func(Event)
}

func (s *Sink) add(typ, data, id string) {
	s.Events++
	s.Bytes += len(data)
	if s.Check != nil {
		s.Check(Event{typ, data, id})
	}
}

// maxEvent is the maximum event size for peers with a lower default.
const maxEvent = 16 << 20

// Peers returns the scan floor, this library and the other libraries.
func Peers() []Peer {
	return []Peer{
		{Name: "scan-floor", Floor: true, Run: scanFloor},
		{Name: "sse-data", IDs: true, UTF8: true, Ours: true, Run: runData},
		{Name: "sse-event", IDs: true, UTF8: true, Ours: true, Run: runEvent},
		{Name: "openai-go", Run: runOpenAI},
		{Name: "anthropic-sdk-go", Run: runAnthropic},
		{Name: "ogen", IDs: true, UTF8: true, Run: runOgen},
		{Name: "tmaxmax", IDs: true, Run: runTmaxmax},
		{Name: "launchdarkly", IDs: true, Run: runLaunchDarkly},
		{Name: "r3labs", IDs: true, Run: runR3labs},
		{Name: "resty", IDs: true, Run: runResty},
	}
}

// CopyFloors returns the lower bounds for an event that is larger than a read: they copy
// each read, either into one buffer for all passes or into a new buffer for each pass.
func CopyFloors() []Peer {
	var used []byte
	return []Peer{
		{Name: "copy-floor", Floor: true, Run: func(r *Reader, w *Workload, _ *Sink) error {
			if len(used) < len(w.Stream) {
				used = make([]byte, len(w.Stream))
			}
			return copyAll(used, r)
		}},
		{Name: "copy-floor-new", Floor: true, Run: func(r *Reader, w *Workload, _ *Sink) error {
			return copyAll(make([]byte, len(w.Stream)), r)
		}},
	}
}

func copyAll(dst []byte, r *Reader) error {
	buf := make([]byte, min(r.size, 64<<10))
	for at := 0; ; {
		n, err := r.Read(buf)
		if err != nil {
			return nil
		}
		at += copy(dst[at:], buf[:n])
	}
}

// scanFloor reads into one buffer and finds the line ends.
func scanFloor(r *Reader, w *Workload, s *Sink) error {
	buf := make([]byte, min(r.size, 64<<10))
	for {
		n, err := r.Read(buf)
		if err != nil {
			return nil
		}
		for b := buf[:n]; ; {
			i := bytes.IndexByte(b, w.EOL)
			if i < 0 {
				break
			}
			s.Bytes += i
			b = b[i+1:]
		}
	}
}

func runData(r *Reader, _ *Workload, s *Sink) error {
	p := sse.NewParser(r)
	for p.Next() {
		s.Events++
		s.Bytes += len(p.Data())
		if s.Check != nil {
			s.Check(Event{p.Type(), string(p.Data()), p.LastEventID()})
		}
	}
	return p.Err()
}

func runEvent(r *Reader, _ *Workload, s *Sink) error {
	p := sse.NewParser(r)
	for p.Next() {
		e := p.Event()
		s.add(e.Type, e.Data, e.ID)
	}
	return p.Err()
}

// runOpenAI and runAnthropic use the SDK's event decoder, without decoding JSON. It keeps
// a line end at the end of the data, which the check accepts.
func runOpenAI(r *Reader, _ *Workload, s *Sink) error {
	d := openaistream.NewDecoder(&http.Response{Body: io.NopCloser(r)})
	for d.Next() {
		e := d.Event()
		s.Events++
		s.Bytes += len(e.Data)
		if s.Check != nil {
			s.Check(Event{e.Type, strings.TrimSuffix(string(e.Data), "\n"), ""})
		}
	}
	return d.Err()
}

func runAnthropic(r *Reader, _ *Workload, s *Sink) error {
	d := anthropicstream.NewDecoder(&http.Response{Body: io.NopCloser(r)})
	for d.Next() {
		e := d.Event()
		s.Events++
		s.Bytes += len(e.Data)
		if s.Check != nil {
			s.Check(Event{e.Type, strings.TrimSuffix(string(e.Data), "\n"), ""})
		}
	}
	return d.Err()
}

func runOgen(r *Reader, _ *Workload, s *Sink) error {
	d := ogen.NewDecoder(r, 0, maxEvent, "", nil)
	for {
		e, err := d.Decode()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.add(e.Type, e.Data, e.ID)
	}
}

func runTmaxmax(r *Reader, _ *Workload, s *Sink) error {
	for e, err := range tmaxmax.Read(r, &tmaxmax.ReadConfig{MaxEventSize: maxEvent}) {
		if err != nil {
			return err
		}
		s.add(e.Type, e.Data, e.LastEventID)
	}
	return nil
}

func runLaunchDarkly(r *Reader, _ *Workload, s *Sink) error {
	d := eventsource.NewDecoder(r)
	for {
		e, err := d.Decode()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.add(e.Event(), e.Data(), e.Id())
	}
}

// runR3labs and runResty use the client of the library, which has no public parser, with
// a transport that returns the stream.
func runR3labs(r *Reader, _ *Workload, s *Sink) error {
	c := r3labs.NewClient("http://stream.invalid", r3labs.ClientMaxBufferSize(maxEvent))
	c.Connection = &http.Client{Transport: canned{r}}
	c.ReconnectStrategy = never{}
	return c.SubscribeRaw(func(e *r3labs.Event) {
		s.Events++
		s.Bytes += len(e.Data)
		if s.Check != nil {
			s.Check(Event{string(e.Event), string(e.Data), string(e.ID)})
		}
	})
}

func runResty(r *Reader, w *Workload, s *Sink) error {
	add := func(v any) {
		e := v.(*resty.SSE)
		s.add(e.Name, e.Data, e.ID)
	}
	c := resty.NewSSESource().
		SetURL("http://stream.invalid").
		SetTransport(canned{r}).
		SetSizeMaxBuffer(maxEvent).
		OnMessage(add, nil)
	if typ := w.Event(0).Type; typ != "message" {
		c.AddEventListener(typ, add, nil)
	}
	err := c.Get()
	if err == io.EOF {
		return nil
	}
	return err
}

// canned is a transport that responds to every request with body.
type canned struct{ body io.Reader }

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       io.NopCloser(c.body),
		Request:    req,
	}, nil
}

// never is a backoff policy for r3labs that never retries.
type never struct{}

func (never) NextBackOff() time.Duration { return -1 }
func (never) Reset()                     {}

// ErrSlow is returned by Verify for a peer that exceeds the limit.
var ErrSlow = errors.New("too slow")

// Verify runs p over w once and compares every event with those of w. It stops the peer
// after limit and then returns ErrSlow. Any other error describes the first wrong event.
func Verify(p Peer, w *Workload, reads Reads, limit time.Duration) (time.Duration, error) {
	wrong := ""
	got := 0
	s := &Sink{Check: func(e Event) {
		if wrong == "" && got < w.Count {
			wrong = difference(p, w, got, e)
		}
		got++
	}}
	start := time.Now()
	r := NewReader(w.Stream, reads.Size)
	r.until = start.Add(limit)
	err := p.Run(r, w, s)
	took := time.Since(start)
	switch {
	case r.cut || took > 2*limit:
		return took, ErrSlow
	case p.Floor:
		return took, nil
	case err != nil:
		return took, fmt.Errorf("got error %q after %d of %d events", err, got, w.Count)
	case wrong != "":
		return took, errors.New(wrong)
	case got != w.Count:
		return took, fmt.Errorf("got %d events, want %d", got, w.Count)
	}
	return took, nil
}

// difference describes how got differs from event i of the workload. It returns "" if they
// are equal.
func difference(p Peer, w *Workload, i int, got Event) string {
	want := w.Event(i)
	if got.Type == "" {
		got.Type = "message" // some peers document an empty type for unnamed events
	}
	switch {
	case got.Type != want.Type:
		return fmt.Sprintf("event %d: got type %.40q, want %.40q", i+1, got.Type, want.Type)
	case got.Data != want.Data:
		return fmt.Sprintf("event %d: got %d bytes of data, want %d", i+1, len(got.Data), len(want.Data))
	case p.IDs && w.IDs && got.ID != want.ID:
		return fmt.Sprintf("event %d: got ID %.40q, want %.40q", i+1, got.ID, want.ID)
	}
	return ""
}

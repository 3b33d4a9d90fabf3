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

// A Peer reads a stream with one library and hands its events to a Sink.
type Peer struct {
	Name  string
	IDs   bool // it tells the IDs of events
	UTF8  bool // it replaces what is not UTF-8, as the standard wants
	Ours  bool
	Floor bool // it finds no events and is not verified
	Run   func(r *Reader, w *Workload, s *Sink) error
}

// A Sink takes events. Check is nil while time is measured.
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

// maxEvent is the limit that peers are given whose own would be too low.
const maxEvent = 16 << 20

// Peers returns this library, the others, and the floors.
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

// CopyFloors are what an event costs at least that is larger than a read: the reads and
// one copy of its bytes, into the same buffer again and again, or into a new one each
// time.
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

// scanFloor finds the line ends with reads of the same size into one buffer.
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

// runOpenAI and runAnthropic use the decoder below the SDK's JSON. It leaves a line end
// at the end of the data, which does not count as wrong.
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

// runR3labs and runResty have no public parser, so it is their client, with a transport
// that answers with the stream.
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
	take := func(v any) {
		e := v.(*resty.SSE)
		s.add(e.Name, e.Data, e.ID)
	}
	c := resty.NewSSESource().
		SetURL("http://stream.invalid").
		SetTransport(canned{r}).
		SetSizeMaxBuffer(maxEvent).
		OnMessage(take, nil)
	if typ := w.Event(0).Type; typ != "message" {
		c.AddEventListener(typ, take, nil)
	}
	err := c.Get()
	if err == io.EOF {
		return nil
	}
	return err
}

// canned is a transport that answers every request with the same stream.
type canned struct{ body io.Reader }

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       io.NopCloser(c.body),
		Request:    req,
	}, nil
}

// never is a backoff policy of r3labs that does not try again.
type never struct{}

func (never) NextBackOff() time.Duration { return -1 }
func (never) Reset()                     {}

// ErrSlow is the verdict on a peer that did not get through a workload in time.
var ErrSlow = errors.New("too slow")

// Verify runs p over w once and compares every event. The error is nil, ErrSlow or says
// what is wrong. A peer that has not finished after limit is cut short.
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
		return took, fmt.Errorf("ends with %q after %d of %d events", err, got, w.Count)
	case wrong != "":
		return took, errors.New(wrong)
	case got != w.Count:
		return took, fmt.Errorf("%d events instead of %d", got, w.Count)
	}
	return took, nil
}

// difference returns how event number i differs from the workload's, or nothing.
func difference(p Peer, w *Workload, i int, got Event) string {
	want := w.Event(i)
	if got.Type == "" {
		got.Type = "message" // a documented habit of some peers
	}
	switch {
	case got.Type != want.Type:
		return fmt.Sprintf("event %d has the type %.40q instead of %.40q", i+1, got.Type, want.Type)
	case got.Data != want.Data:
		return fmt.Sprintf("event %d has other data: %d bytes instead of %d", i+1, len(got.Data), len(want.Data))
	case p.IDs && w.IDs && got.ID != want.ID:
		return fmt.Sprintf("event %d has the ID %.40q instead of %.40q", i+1, got.ID, want.ID)
	}
	return ""
}

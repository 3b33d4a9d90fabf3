package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// guide has the code of docs/llm.md as functions that read a response, each with a server
// that causes the failure it handles.
var guide = []struct {
	name   string
	script Script
	read   func(req *http.Request, out io.Writer) error
	out    string
	err    []string // parts of the error message; none if the guide gets no error
}{
	{
		name:   "event too large",
		script: Script{Data(strings.Repeat("x", 100_000)), Data(strings.Repeat("x", 5<<20))},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := sse.Fetch(req, sse.WithMaxEventSize(4<<20)) // the default is 32 MiB
			if err != nil {
				return err
			}
			for event, err := range stream.Events() {
				if err != nil {
					return err // sse.ErrEventTooLarge, once
				}
				fmt.Fprint(out, len(event.Data))
			}
			return nil
		},
		out: "100000",
		err: []string{"event too large"},
	},
	{
		name:   "truncated response",
		script: Script{Data("Good")},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := sse.Fetch(req, sse.WithDone("[DONE]"))
			if err != nil {
				return err
			}
			for event, err := range stream.Events() {
				if cut, ok := errors.AsType[*sse.TruncatedError](err); ok {
					return fmt.Errorf("%w; unfinished: %q", err, cut.Partial.Data)
				}
				fmt.Fprint(out, event.Data)
			}
			return nil
		},
		out: "Good",
		err: []string{"the response ended after 1 event without [DONE]"},
	},
	{
		name:   "error event",
		script: Script{Data(`{"error":null}`, `{"error":{"message":"overloaded"}}`)},
		read: func(req *http.Request, out io.Writer) error {
			failure := func(e sse.Event) error {
				var v struct{ Error any } // nil if the member is missing or null
				if json.Unmarshal([]byte(e.Data), &v) == nil && v.Error != nil || e.Type == "error" {
					return errors.New(e.Data)
				}
				return nil
			}
			stream, err := sse.Fetch(req, sse.WithDone("[DONE]"), sse.WithEventError(failure))
			if err != nil {
				return err
			}
			return printAll(stream, out)
		},
		out: `{"error":null}`,
		err: []string{`error event: {"error":{"message":"overloaded"}}`},
	},
	{
		name:   "error outside of any event",
		script: Script{Raw(`{"error":"gateway timeout"}`)},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := sse.Fetch(req, sse.WithDone("[DONE]"))
			if err != nil {
				return err
			}
			err = printAll(stream, out)
			if cut, ok := errors.AsType[*sse.TruncatedError](err); ok && len(cut.Ignored) > 0 {
				return fmt.Errorf("%w: %s", err, strings.Join(cut.Ignored, "\n"))
			}
			return err
		},
		err: []string{"gateway timeout"},
	},
	{
		name:   "request sent again with an idempotency key",
		script: Script{Cut()},
		read: func(req *http.Request, out io.Writer) error {
			req.Header.Set("Idempotency-Key", "order-4711") // only if the service supports it
			stream, err := sse.Fetch(req, sse.WithMaxRetries(1))
			if err != nil {
				return err
			}
			return printAll(stream, out)
		},
		err: []string{"gave up after 1 retry"},
	},
	{
		name:   "dead connection",
		script: Script{Data("Good"), Stall()},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := sse.Fetch(req,
				sse.WithOpenTimeout(30*time.Second), // until the headers
				sse.WithIdleTimeout(time.Minute),    // between any two bytes
			)
			if err != nil {
				return err
			}
			return printAll(stream, out)
		},
		out: "Good",
		err: []string{"timed out waiting for a byte"},
	},
	{
		name:   "client timeout and a long response",
		script: Script{Data("Good"), Wait(time.Hour), Data(" morning")},
		read: func(req *http.Request, out io.Writer) error {
			hc := *http.DefaultClient
			hc.Timeout = 10 * time.Second // limits the wait for the headers, not the response
			stream, err := sse.Fetch(req, sse.WithHTTPClient(&hc))
			if err != nil {
				return err
			}
			return printAll(stream, out)
		},
		out: "Good morning",
	},
	{
		name:   "leaving the loop",
		script: Script{Data("Good", "morning"), Stall()},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := sse.Fetch(req)
			if err != nil {
				return err
			}
			for event, err := range stream.Events() {
				if err != nil || event.Data == "morning" {
					break // releases the connection, so that the server stops
				}
				fmt.Fprint(out, event.Data)
			}
			return nil
		},
		out: "Good",
	},
	{
		name:   "error response",
		script: Script{Answer(429, "Retry-After", "90"), Raw("quota used up")},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := sse.Fetch(req)
			if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
				return fmt.Errorf("%w: %.300s", err, refusal.Body) // refusal.RetryAfter is the time to wait
			}
			if err != nil {
				return err
			}
			return printAll(stream, out)
		},
		err: []string{"429 Too Many Requests", "1m30s: quota used up"},
	},
	{
		name:   "chunk that is not JSON",
		script: Script{Data("", `{"text":"Good"}`, "oops", `{"text":" morning"}`)},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := sse.Fetch(req)
			if err != nil {
				return err
			}
			for chunk, err := range sse.Decode[struct{ Text string }](stream) {
				if bad, ok := errors.AsType[*sse.DecodeError](err); ok {
					fmt.Fprintf(out, "[%q]", bad.Event.Data)
					continue // the next one may be good
				}
				if err != nil {
					return err
				}
				fmt.Fprint(out, chunk.Text)
			}
			return nil
		},
		out: `[""]Good["oops"] morning`,
	},
}

func printAll(stream *sse.Stream, out io.Writer) error {
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		fmt.Fprint(out, event.Data)
	}
	return nil
}

func TestGuideHandlesItsFailures(t *testing.T) {
	for _, tt := range guide {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.script))
			transport := http.DefaultClient.Transport
			http.DefaultClient.Transport = srv.Client().Transport
			defer func() { http.DefaultClient.Transport = transport }()
			out := new(strings.Builder)
			err := tt.read(srv.Post("/", "{}"), out)
			require.Equal(t, tt.out, out.String())
			if len(tt.err) == 0 {
				require.NoError(t, err)
			}
			for _, part := range tt.err {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// guide has the code of docs/llm.md as functions that read a response, each with a server
// that causes what it handles.
var guide = []struct {
	name   string
	script Script
	more   []Script // the next responses
	read   func(req *http.Request, out io.Writer) error
	out    string
	err    []string // parts of the error message; none if the guide gets no error
}{
	{
		name:   "truncated response",
		script: Script{Data(`{"choices":[{"delta":{"content":"Good"}}]}`), Raw("data: {\"choices\":[{")},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := llm.Fetch(req, llm.OpenAIChat)
			if err != nil {
				return err
			}
			for text, err := range stream.Text() {
				if cut, ok := errors.AsType[*sse.TruncatedError](err); ok {
					return fmt.Errorf("%w; unfinished: %q", err, cut.Partial.Data)
				}
				fmt.Fprint(out, text)
			}
			return nil
		},
		out: "Good",
		err: []string{"the response ended after 1 event", `unfinished: "{\"choices\":[{"`},
	},
	{
		name:   "error event",
		script: Script{Data(`{"choices":[{"delta":{"content":"Good"}}]}`, `{"error":{"type":"server_error","message":"overloaded"}}`)},
		read:   diagnose,
		out:    "Good",
		err:    []string{"server_error (500): overloaded; worth a retry: true"},
	},
	{
		name:   "error in place of the response",
		script: Script{Answer(429, "Content-Type", "application/json"), Raw(`{"error":{"type":"insufficient_quota","message":"used up"}}`)},
		read:   diagnose,
		err:    []string{"insufficient_quota (429): used up; worth a retry: false"},
	},
	{
		name:   "wait that is too long",
		script: Script{Answer(429, "Retry-After", "90"), Raw("quota used up")},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := llm.Fetch(req, llm.Anthropic)
			if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && refusal.RetryAfter > time.Minute {
				return fmt.Errorf("come back in %v: %w", refusal.RetryAfter, err)
			}
			if err != nil {
				return err
			}
			return printAll(stream.Stream, out)
		},
		err: []string{"come back in 1m30s", "429 Too Many Requests"},
	},
	{
		name:   "chunk that is not JSON",
		script: Script{Data(`{"choices":[{"delta":{"content":"Good"}}]}`, `{"cho`, `{"choices":[{"delta":{"content":" morning"}}]}`, "[DONE]")},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := llm.Fetch(req, llm.OpenAIChat)
			if err != nil {
				return err
			}
			for text, err := range stream.Text() {
				if bad, ok := errors.AsType[*sse.DecodeError](err); ok {
					fmt.Fprintf(out, "[%s]", bad.Event.Data)
					continue // if the program can do without the chunk
				}
				if err != nil {
					return err
				}
				fmt.Fprint(out, text)
			}
			return nil
		},
		out: `Good[{"cho] morning`,
	},
	{
		name:   "request sent again with an idempotency key",
		script: Script{Cut()},
		more:   []Script{{Data("[DONE]")}},
		read: func(req *http.Request, out io.Writer) error {
			req.Header.Set("Idempotency-Key", "order-4711") // only if the service supports it
			stream, err := llm.Fetch(req, llm.OpenAIChat)
			if err != nil {
				return err
			}
			return printAll(stream.Stream, out)
		},
	},
	{
		name:   "dead connection",
		script: Script{Data(`{"choices":[]}`), Stall()},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := llm.Fetch(req, llm.OpenAIChat,
				sse.WithIdleTimeout(time.Minute), // between any two bytes; without a limit by default
			)
			if err != nil {
				return err
			}
			return printAll(stream.Stream, out)
		},
		out: `{"choices":[]}`,
		err: []string{"timed out waiting for a byte"},
	},
	{
		name:   "response that takes too long",
		script: Script{Data("Good"), Wait(time.Hour), Data(" morning")},
		read: func(req *http.Request, out io.Writer) error {
			ctx, cancel := context.WithTimeout(req.Context(), 5*time.Minute)
			defer cancel()
			stream, err := llm.Fetch(req.WithContext(ctx), llm.OpenAIChat)
			if err != nil {
				return err
			}
			return printAll(stream.Stream, out)
		},
		out: "Good",
		err: []string{"context deadline exceeded"},
	},
	{
		name:   "transcription",
		script: Script{Data(`{"type":"transcript.text.delta","delta":"Good"}`)},
		read: func(req *http.Request, out io.Writer) error {
			stream, err := sse.Fetch(req, sse.WithDone("[DONE]"))
			if err != nil {
				return err
			}
			type event struct{ Type, Delta string }
			for e, err := range sse.Decode[event](stream) {
				if err != nil {
					return err
				}
				fmt.Fprint(out, e.Delta)
			}
			return nil
		},
		out: "Good",
		err: []string{"without [DONE]"},
	},
	{
		name:   "resume that is refused at first",
		script: Script{Retry(time.Second), Send(sse.Event{ID: "1", Data: "Good"}), Cut()},
		more:   []Script{{Answer(409)}, {Answer(409)}, {Send(sse.Event{ID: "2", Data: " morning"}), Data("[DONE]")}},
		read: func(req *http.Request, out io.Writer) error {
			resume := func(ctx context.Context, _ sse.Attempt) (*http.Request, error) {
				return http.NewRequestWithContext(ctx, http.MethodGet, req.URL.String(), nil)
			}
			held := func(a sse.Attempt) (time.Duration, bool) {
				refusal, ok := errors.AsType[*sse.ResponseError](a.Err)
				if ok && refusal.StatusCode == http.StatusConflict && a.Number < 5 {
					return time.Second, true // the server still holds the old connection
				}
				return a.Delay, a.Retry
			}
			stream, err := sse.Fetch(req, sse.WithDone("[DONE]"), sse.WithResume(resume), sse.WithRetryPolicy(held))
			if err != nil {
				return err
			}
			return printAll(stream, out)
		},
		out: "Good morning",
	},
}

// diagnose prints a response and tells what its error means.
func diagnose(req *http.Request, out io.Writer) error {
	stream, err := llm.Fetch(req, llm.OpenAIChat, sse.WithMaxRetries(0))
	if err == nil {
		err = printText(stream, out)
	}
	if failure, ok := errors.AsType[*llm.Error](err); ok {
		return fmt.Errorf("%s (%d): %s; worth a retry: %t", failure.Type, failure.Status, failure.Message, failure.Retryable())
	}
	return err
}

func printText(stream *llm.Stream, out io.Writer) error {
	for text, err := range stream.Text() {
		if err != nil {
			return err
		}
		fmt.Fprint(out, text)
	}
	return nil
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
			srv := NewServer(t, InOrder(append([]Script{tt.script}, tt.more...)...))
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

package sse_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// How the answers of the services end that docs/llm.md lists.
var (
	doneWord = sse.WithDone("[DONE]")

	// lastChunk ends an answer that has no event for that: its last chunk says why it
	// has stopped.
	lastChunk = sse.WithTerminator(func(e sse.Event) bool {
		var chunk struct {
			Choices []struct {
				FinishReason string `json:"finish_reason"`
			}
			Candidates []struct{ FinishReason string }
		}
		if json.Unmarshal([]byte(e.Data), &chunk) != nil {
			return false
		}
		return len(chunk.Choices) > 0 && chunk.Choices[0].FinishReason != "" ||
			len(chunk.Candidates) > 0 && chunk.Candidates[0].FinishReason != ""
	})

	// rpcResponse ends the answer to a JSON-RPC request, which may come after
	// notifications.
	rpcResponse = sse.WithTerminator(func(e sse.Event) bool {
		var message struct {
			ID     json.RawMessage
			Method string
		}
		return json.Unmarshal([]byte(e.Data), &message) == nil && message.ID != nil && message.Method == ""
	})

	difyEnd = sse.WithTerminator(func(e sse.Event) bool {
		var message struct{ Event string }
		return json.Unmarshal([]byte(e.Data), &message) == nil && message.Event == "message_end"
	})
)

func eventOf(types ...string) sse.Option {
	return sse.WithTerminator(func(e sse.Event) bool {
		return slices.Contains(types, e.Type)
	})
}

// inBandError finds the errors that these services put into a stream: an event of this
// type, or a member of this name that is not null.
var inBandError = sse.WithEventError(func(e sse.Event) error {
	if !strings.Contains(e.Data, "error") && e.Type == "message" {
		return nil // decoding every event only to look for it would cost more than all the rest
	}
	var v struct {
		Error *struct{ Message string }
	}
	switch err := json.Unmarshal([]byte(e.Data), &v); {
	case err == nil && v.Error != nil:
		return errors.New(v.Error.Message)
	case e.Type == "error" || e.Type == "response.failed":
		return errors.New(e.Data)
	}
	return nil
})

// ends maps what the description of a stream says of its end to the option for it. The
// first that occurs counts.
var ends = []struct {
	text string
	opt  sse.Option
}{
	{"error: ", doneWord},
	{"event: error", doneWord},
	{"[DONE]", doneWord},
	{"message_stop", eventOf("message_stop")},
	{"response.completed", eventOf("response.completed", "response.incomplete")},
	{"event: done", eventOf("done")},
	{"message_end", difyEnd},
	{"JSON-RPC", rpcResponse},
	{"finish", lastChunk},
	{"JSON body", doneWord},
	{"cut off", doneWord},
}

// endOf returns the option that tells when the stream is complete, and false for a feed,
// which has no end.
func endOf(t *testing.T, terminator string) (sse.Option, bool) {
	t.Helper()
	terminator = strings.ReplaceAll(terminator, "(no [DONE])", "")
	for _, e := range ends {
		if strings.Contains(terminator, e.text) {
			return e.opt, true
		}
	}
	require.Contains(t, []string{"none", "the end"}, terminator, "no option is known for it")
	return nil, false
}

// A recording is a stream and what is known about it.
type recording struct {
	name       string
	stream     []byte
	Terminator string `json:"terminator"`
}

func recordings(t *testing.T, dir string) []recording {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.sse"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var all []recording
	for _, path := range paths {
		r := recording{name: filepath.Base(path)}
		r.stream, err = os.ReadFile(path)
		require.NoError(t, err)
		about, err := os.ReadFile(strings.TrimSuffix(path, ".sse") + ".json")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(about, &r), r.name)
		all = append(all, r)
	}
	return all
}

// Each stream through the client, with the option for its dialect: a whole one ends in
// peace, an error in it is an *EventError with the event, and wherever it is cut, by a
// clean end or a broken connection, the end is a *TruncatedError.
func TestDialects(t *testing.T) {
	testDialects(t, "testdata/streams")
}

func TestSharedDialects(t *testing.T) {
	const dir = "../shared/streams"
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no more streams: ", err)
	}
	testDialects(t, dir)
}

func testDialects(t *testing.T, dir string) {
	for _, r := range recordings(t, dir) {
		end, ok := endOf(t, r.Terminator)
		if !ok {
			continue // a feed
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			whole := replay(t, r.stream, Wait(0), end)
			r.requireEnd(t, whole)
			for i := range 100 {
				k := i * len(r.stream) / 100
				step := Wait(0)
				if i%2 == 1 {
					step = Cut()
				}
				r.requireCut(t, k, whole, replay(t, r.stream[:k], step, end))
			}
			for k := len(r.stream) - 20; k < len(r.stream); k++ { // around the last blank line
				r.requireCut(t, k, whole, replay(t, r.stream[:k], Cut(), end))
			}
		})
	}
}

// requireEnd requires that the whole stream ends as its description says.
func (r *recording) requireEnd(t *testing.T, whole played) {
	t.Helper()
	text := string(r.stream)
	failed := strings.Contains(text, "event: error") || strings.Contains(text, `data: {"error":{`)
	cut := strings.Contains(r.Terminator, "cut off")
	bare := strings.Contains(text, "\nerror: ") || strings.Contains(text, "\n{\n")
	switch {
	case failed:
		e, ok := errors.AsType[*sse.EventError](whole.err)
		require.True(t, ok, "%v", whole.err)
		require.Contains(t, text, e.Event.Data)
		require.NotEmpty(t, e.Err.Error())
	case bare:
		e, ok := errors.AsType[*sse.TruncatedError](whole.err)
		require.True(t, ok, "%v", whole.err)
		require.Contains(t, strings.Join(e.Ignored, ""), `"message"`)
	case cut:
		_, ok := errors.AsType[*sse.TruncatedError](whole.err)
		require.True(t, ok, "%v", whole.err)
	default:
		require.NoError(t, whole.err)
	}
}

// requireCut requires that what was seen of the first k bytes is the beginning of the
// whole, and that it is taken for the whole only if its last event had come.
func (r *recording) requireCut(t *testing.T, k int, whole, got played) {
	t.Helper()
	require.LessOrEqual(t, len(got.events), len(whole.events))
	require.True(t, slices.Equal(whole.events[:len(got.events)], got.events), "cut after %d bytes", k)
	if len(got.events) == len(whole.events) && fmt.Sprintf("%T", got.err) == fmt.Sprintf("%T", whole.err) {
		if failed, ok := errors.AsType[*sse.EventError](got.err); ok {
			require.Contains(t, string(r.stream[:k]), failed.Event.Data)
		} else {
			require.NotContains(t, string(r.stream[k:]), "data", "the last event had not come, cut after %d bytes", k)
		}
		return
	}
	e, ok := errors.AsType[*sse.TruncatedError](got.err)
	require.True(t, ok, "cut after %d bytes: %v", k, got.err)
	require.Equal(t, len(got.events), e.Events)
}

// A played stream is what a consumer has seen of it.
type played struct {
	events []sse.Event
	err    error
}

func replay(t *testing.T, stream []byte, end Step, complete sse.Option) (p played) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		script := Script{Open(), Raw(string(stream)), end}
		srv := NewServer(t, InOrder(script))
		s, err := client(srv, complete, inBandError).Fetch(srv.Post("/", "{}"))
		require.NoError(t, err)
		for e, err := range s.Events() {
			if err != nil {
				p.err = err
			} else {
				p.events = append(p.events, e)
			}
		}
		require.Len(t, srv.Requests(), 1)
	})
	return p
}

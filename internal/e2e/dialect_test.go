package e2e_test

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

// Options that recognize the last event of the services in docs/llm.md.
var (
	doneEvent = sse.WithDone("[DONE]")

	// finishReason is for responses without a closing event: the last chunk has a reason.
	finishReason = sse.WithTerminator(func(e sse.Event) bool {
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

	// rpcResponse is for JSON-RPC, where notifications can precede the response.
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

func eventOfType(types ...string) sse.Option {
	return sse.WithTerminator(func(e sse.Event) bool { return slices.Contains(types, e.Type) })
}

// errorEvent finds the errors that these services send as events: an event of the type
// error or response.failed, or a member "error" that is not null.
var errorEvent = sse.WithEventError(func(e sse.Event) error {
	if !strings.Contains(e.Data, "error") && e.Type == "message" {
		return nil // decoding every event would take most of the time of these tests
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

// ends maps a part of a recording's terminator to the option that recognizes it. The first
// one that occurs applies.
var ends = []struct {
	text string
	opt  sse.Option
}{
	{"error: ", doneEvent},
	{"event: error", doneEvent},
	{"[DONE]", doneEvent},
	{"message_stop", eventOfType("message_stop")},
	{"response.completed", eventOfType("response.completed", "response.incomplete")},
	{"event: done", eventOfType("done")},
	{"message_end", difyEnd},
	{"JSON-RPC", rpcResponse},
	{"finish", finishReason},
	{"JSON body", doneEvent},
	{"cut off", doneEvent},
}

// endOf returns the option that recognizes the end of a stream, and false for a feed, which
// does not end.
func endOf(t *testing.T, terminator string) (sse.Option, bool) {
	t.Helper()
	terminator = strings.ReplaceAll(terminator, "(no [DONE])", "")
	for _, e := range ends {
		if strings.Contains(terminator, e.text) {
			return e.opt, true
		}
	}
	require.Contains(t, []string{"none", "the end"}, terminator, "there is no option for this terminator")
	return nil, false
}

// A recording is a stream of a service, with the description of its end.
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

// A complete stream ends without an error, and an error in it is an *EventError. A stream
// that is cut anywhere, by the end of the body or a lost connection, ends with a
// *TruncatedError.
func TestDialectsAreCompleteOnlyWithTheirLastEvent(t *testing.T) {
	for name, dir := range map[string]string{
		"repository": "../../testdata/streams",
		"shared":     "../../../shared/streams",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(dir); name == "shared" && errors.Is(err, fs.ErrNotExist) {
				t.Skip("no shared streams: ", err)
			}
			for _, r := range recordings(t, dir) {
				if end, ok := endOf(t, r.Terminator); ok {
					t.Run(r.name, func(t *testing.T) {
						t.Parallel()
						r.requireEnds(t, end)
					})
				}
			}
		})
	}
}

// requireEnds requires that the stream ends as described if it is complete, and is truncated
// if it is cut.
func (r *recording) requireEnds(t *testing.T, end sse.Option) {
	t.Helper()
	complete := replay(t, r.stream, Wait(0), end)
	r.requireEnd(t, complete)
	for i := range 100 {
		k := i * len(r.stream) / 100
		disconnect := Wait(0)
		if i%2 == 1 {
			disconnect = Cut()
		}
		r.requireCut(t, k, complete, replay(t, r.stream[:k], disconnect, end))
	}
	for k := len(r.stream) - 20; k < len(r.stream); k++ { // around the last blank line
		r.requireCut(t, k, complete, replay(t, r.stream[:k], Cut(), end))
	}
}

// requireEnd requires that the complete stream ends as described.
func (r *recording) requireEnd(t *testing.T, complete replayed) {
	t.Helper()
	text := string(r.stream)
	switch {
	case strings.Contains(text, "event: error") || strings.Contains(text, `data: {"error":{`):
		e, ok := errors.AsType[*sse.EventError](complete.err)
		require.True(t, ok, "%v", complete.err)
		require.Contains(t, text, e.Event.Data)
		require.NotEmpty(t, e.Err.Error())
	case strings.Contains(text, "\nerror: ") || strings.Contains(text, "\n{\n"): // an error outside of any event
		require.Contains(t, strings.Join(truncatedError(t, complete.err).Ignored, ""), `"message"`)
	case strings.Contains(r.Terminator, "cut off"):
		truncatedError(t, complete.err)
	default:
		require.NoError(t, complete.err)
	}
}

// requireCut requires that the first k bytes have a prefix of the events, and that they are
// complete only if they include the last event.
func (r *recording) requireCut(t *testing.T, k int, complete, got replayed) {
	t.Helper()
	require.LessOrEqual(t, len(got.events), len(complete.events))
	require.True(t, slices.Equal(complete.events[:len(got.events)], got.events), "cut after %d bytes", k)
	if len(got.events) == len(complete.events) && fmt.Sprintf("%T", got.err) == fmt.Sprintf("%T", complete.err) {
		if failed, ok := errors.AsType[*sse.EventError](got.err); ok {
			require.Contains(t, string(r.stream[:k]), failed.Event.Data)
		} else {
			require.NotContains(t, string(r.stream[k:]), "data", "cut before the last event, after %d bytes", k)
		}
		return
	}
	e, ok := errors.AsType[*sse.TruncatedError](got.err)
	require.True(t, ok, "cut after %d bytes: %v", k, got.err)
	require.Equal(t, len(got.events), e.Events)
}

// replayed is what a client has read from a stream.
type replayed struct {
	events []sse.Event
	err    error
}

// replay reads the stream, after which the server disconnects.
func replay(t *testing.T, stream []byte, disconnect Step, end sse.Option) (got replayed) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(t, InOrder(Script{Open(), Raw(string(stream)), disconnect}))
		s, err := client(srv, end, errorEvent).Fetch(srv.Post("/", "{}"))
		require.NoError(t, err)
		for e, err := range s.Events() {
			if err != nil {
				got.err = err
			} else {
				got.events = append(got.events, e)
			}
		}
		require.Len(t, srv.Requests(), 1)
	})
	return got
}

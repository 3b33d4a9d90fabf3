package migrate

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/fetchsse/sse/ssetest"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/stretchr/testify/require"
)

// The parts of a response of Chat Completions.
var (
	good    = ssetest.Data(`{"choices":[{"index":0,"delta":{"content":"Good"},"finish_reason":null}]}`)
	morning = ssetest.Data(`{"choices":[{"index":0,"delta":{"content":" morning!"},"finish_reason":"stop"}]}`)
	usage   = ssetest.Data(`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}`)
	done    = ssetest.Data("[DONE]")
)

var afterOpenAIPrograms = map[string]program{"FromResponse": afterOpenAI, "llm": afterOpenAIWithoutSDK}

func TestOpenAI(t *testing.T) {
	t.Parallel()
	for name, after := range afterOpenAIPrograms {
		t.Run(name, func(t *testing.T) {
			out := same(t, beforeOpenAI, after, ssetest.Script{ssetest.WantHeader("Authorization", "Bearer secret"), good, morning, usage, done})
			require.Equal(t, "Good morning! (12 tokens)\n", out)
		})
	}
}

// The SDK does not tell a truncated response from a whole one.
func TestOpenAITruncated(t *testing.T) {
	t.Parallel()
	for _, script := range []ssetest.Script{{good}, {good, ssetest.Raw(`data: {"choi`)}} {
		old := run(t, beforeOpenAI, script)
		require.NoError(t, old.err)
		require.Equal(t, "Good (0 tokens)\n", old.out)
		for _, after := range afterOpenAIPrograms {
			ours := run(t, after, script)
			truncated(t, ours)
			require.Equal(t, "Good", ours.out)
		}
	}
}

func TestOpenAINotAStream(t *testing.T) {
	t.Parallel()
	old := run(t, beforeOpenAI, page)
	require.NoError(t, old.err)
	require.Equal(t, " (0 tokens)\n", old.out)
	for _, after := range afterOpenAIPrograms {
		refused(t, run(t, after, page), http.StatusOK)
	}
}

// The SDK sends a refused POST up to three times. Fetch sends it once unless the status says
// that the server did not process it.
func TestOpenAIRefused(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Answer(500, "Retry-After", "0", "Content-Type", "application/json"), ssetest.Raw(`{"error":{"message":"broken"}}`)}
	for _, sdk := range []program{beforeOpenAI, afterOpenAI} {
		r := run(t, sdk, script)
		refusal := new(openai.Error)
		require.ErrorAs(t, r.err, &refusal)
		require.Equal(t, 500, refusal.StatusCode)
		require.Len(t, r.requests, 3)
	}
	ours := run(t, afterOpenAIWithoutSDK, script)
	refused(t, ours, 500)
	require.ErrorContains(t, ours.err, "broken")
	require.Len(t, ours.requests, 1)
}

func TestOpenAIErrorEvent(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{good, ssetest.Data(`{"error":{"message":"overloaded"}}`)}
	old := run(t, beforeOpenAI, script)
	require.ErrorAs(t, old.err, new(*ssestream.StreamError))
	for _, after := range afterOpenAIPrograms {
		ours := run(t, after, script)
		require.ErrorAs(t, ours.err, new(*sse.EventError))
		require.ErrorContains(t, ours.err, "overloaded")
	}

	// Some servers send a null. The SDK takes it for an error.
	script = ssetest.Script{ssetest.Data(`{"error":null,"choices":[]}`), good, morning, usage, done}
	old = run(t, beforeOpenAI, script)
	require.ErrorAs(t, old.err, new(*ssestream.StreamError))
	for _, after := range afterOpenAIPrograms {
		require.NoError(t, run(t, after, script).err)
	}
}

func TestOpenAIResponses(t *testing.T) {
	t.Parallel()
	event := func(typ, rest string) ssetest.Step {
		return ssetest.Send(sse.Event{Type: typ, Data: `{"type":"` + typ + `",` + rest + `}`})
	}
	created := event("response.created", `"response":{"id":"r1","status":"in_progress"}`)
	delta := event("response.output_text.delta", `"delta":"Good morning!"`)
	completed := event("response.completed", `"response":{"id":"r1","status":"completed"}`)
	for name, after := range map[string]program{"Decode": afterOpenAIResponses, "DecodeFunc": afterOpenAIResponsesFunc} {
		t.Run(name, func(t *testing.T) {
			out := same(t, beforeOpenAIResponses, after, ssetest.Script{created, delta, completed})
			require.Equal(t, "Good morning! completed\n", out)

			cut := ssetest.Script{created, delta}
			require.NoError(t, run(t, beforeOpenAIResponses, cut).err)
			truncated(t, run(t, after, cut))
		})
	}
}

// A chunk that is malformed ends the stream of the SDK. The loop can continue after it.
func TestOpenAIMalformed(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{good, ssetest.Data(`{"choices":`), morning, done}
	old := run(t, beforeOpenAI, script)
	require.Error(t, old.err)
	require.Equal(t, "Good (0 tokens)\n", old.out)

	srv := ssetest.NewServer(t, ssetest.InOrder(script))
	stream, err := sse.Fetch(srv.Post("/", ""), sse.WithHTTPClient(srv.Client()), llm.OpenAIChat.Option())
	require.NoError(t, err)
	var text strings.Builder
	for chunk, err := range sse.Decode[openai.ChatCompletionChunk](stream) {
		if err != nil {
			require.ErrorAs(t, err, new(*sse.DecodeError))
			continue
		}
		text.WriteString(chunk.Choices[0].Delta.Content)
	}
	require.Equal(t, "Good morning!", text.String())
}

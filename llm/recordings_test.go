package llm_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
)

// Recordings of services are of others, so they are not in the repository.
var moreStreams = flag.String("streams", "", "a `directory` with recorded streams to read too, named as those in testdata/streams")

// dialects are those of the streams whose names begin with a word.
var dialects = map[string]llm.Dialect{
	"ai-sdk": llm.AISDK, "anthropic": llm.Anthropic, "cohere": llm.Cohere, "dify": llm.Dify, "gemini": llm.Gemini,
	"groq": llm.OpenAIChat, "llamabox": llm.OpenAIChat, "openai-chat": llm.OpenAIChat, "openai-responses": llm.OpenAIResponses,
	"openrouter": llm.OpenAIChat, "perplexity": llm.Perplexity, "replicate": llm.Replicate,
}

// A stream reads the same in every way. Its first half has the beginning of its text, and is
// not complete.
func TestStreamsInEveryWay(t *testing.T) {
	dirs := []string{"../testdata/streams"}
	if *moreStreams != "" {
		dirs = append(dirs, *moreStreams)
	}
	for _, dir := range dirs {
		read := 0
		for prefix, dialect := range dialects {
			paths, err := filepath.Glob(filepath.Join(dir, prefix+"*.sse"))
			require.NoError(t, err)
			read += len(paths)
			for _, path := range paths {
				name := strings.TrimSuffix(filepath.Base(path), ".sse")
				t.Run(name, func(t *testing.T) {
					body, err := os.ReadFile(path)
					require.NoError(t, err)
					got := readInEveryWay(t, dialect, string(body))
					if check, ok := recordings[name]; ok && dir == *moreStreams {
						check(t, got)
					}
				})
			}
		}
		require.NotZero(t, read, dir)
	}
}

// readInEveryWay reads a stream in every way, and its first half.
func readInEveryWay(t *testing.T, d llm.Dialect, body string) result {
	t.Helper()
	first := ways[0].read(t, d, strings.NewReader(body))
	require.NotZero(t, first.deltas)
	for _, w := range ways {
		require.Equal(t, first.stream, w.read(t, d, strings.NewReader(body)).stream, w.name)
		half := w.read(t, d, strings.NewReader(body[:len(body)/2]))
		require.True(t, isTruncated(half.cause), "%s: %v", w.name, half.cause)
		require.True(t, strings.HasPrefix(first.text, half.text), w.name)
	}
	var text strings.Builder
	var failure error
	for s, err := range d.Text(parse(body)) {
		text.WriteString(s)
		failure = err
	}
	require.Equal(t, first.text, text.String())
	require.Equal(t, first.cause == nil, failure == nil, "%v", failure)
	return first
}

// recordings checks the known ones of the directory of the flag.
var recordings = map[string]func(*testing.T, result){
	"anthropic-messages-thinking": func(t *testing.T, got result) {
		requireWhole(t, got, "tool_use", nil)
		require.Len(t, got.calls, 1)
		require.NotEmpty(t, got.calls[0].Name)
		require.True(t, json.Valid([]byte(got.calls[0].Arguments)), got.calls[0].Arguments)
		require.NotEmpty(t, got.reasoning)
		require.Positive(t, got.usage.Input)
		require.Positive(t, got.usage.Output)
	},
	"gemini-generate": func(t *testing.T, got result) {
		requireWhole(t, got, "STOP", nil)
		require.NotEmpty(t, got.text)
		require.Empty(t, got.calls)
		require.NotEmpty(t, got.reasoning)
		require.Positive(t, got.usage.Input)
		require.Positive(t, got.usage.Output)
	},
	"cohere-v2-chat": func(t *testing.T, got result) {
		requireWhole(t, got, "TOOL_CALL", &llm.Usage{Input: 1508, Output: 67, Cached: 1472})
		require.Empty(t, got.text)
		require.NotNil(t, got.calls)
	},
	"replicate-text-ids": func(t *testing.T, got result) {
		requireWhole(t, got, "", nil)
		require.Nil(t, got.usage)
		requireOnlyText(t, got)
	},
	"dify-chat-bare-ping": func(t *testing.T, got result) {
		requireWhole(t, got, "", &llm.Usage{Input: 18, Output: 779})
		requireOnlyText(t, got)
	},
	"ai-sdk-ui-message": func(t *testing.T, got result) {
		requireWhole(t, got, "", nil)
		require.Nil(t, got.usage)
		requireOnlyText(t, got)
	},
	"perplexity-reasoning-crlf": func(t *testing.T, got result) {
		requireWhole(t, got, "stop", &llm.Usage{Input: 45, Output: 390})
		require.Greater(t, len(got.text), 1000)
	},
	"openai-responses-background-resume": func(t *testing.T, got result) {
		requireWhole(t, got, "completed", &llm.Usage{Input: 15, Output: 9})
		require.NotEmpty(t, got.text)
	},
	"openai-responses-large-event": func(t *testing.T, got result) {
		requireWhole(t, got, "completed", &llm.Usage{Input: 2772, Output: 1166, Reasoning: 896})
		require.Equal(t, 1, strings.Count(got.text, "Here"))
		require.Equal(t, 270, got.deltas)
	},
	"openai-chat-tools": func(t *testing.T, got result) {
		requireWhole(t, got, "tool_calls", &llm.Usage{Input: 106, Output: 50})
		require.Len(t, got.calls, 2)
		for i, name := range []string{"add", "multiply"} {
			call := got.calls[i]
			require.Equal(t, i, call.Index)
			require.Equal(t, name, call.Name)
			require.NotEmpty(t, call.ID)
			require.JSONEq(t, `{"a":2,"b":3}`, call.Arguments)
		}
	},
	"openrouter-chat-comments": func(t *testing.T, got result) {
		requireWhole(t, got, "stop", &llm.Usage{Input: 15, Output: 178, Reasoning: 156})
		require.NotEmpty(t, got.text)
		require.NotEmpty(t, got.reasoning)
	},
	"groq-midstream-error": func(t *testing.T, got result) {
		e := serviceError(t, got.cause)
		require.Equal(t, "invalid_request_error", e.Type)
		require.Equal(t, "tool_use_failed", e.Code)
		require.Equal(t, 400, e.Status)
		require.NotEmpty(t, got.reasoning)
	},
	"llamabox-error-field": func(t *testing.T, got result) {
		e := serviceError(t, got.cause)
		require.Contains(t, e.Message, "failed to decode")
		require.NotEmpty(t, got.text)
		require.NotEmpty(t, got.reasoning)
	},
}

// requireWhole requires a complete stream with this reason to finish and, unless it is nil,
// this usage.
func requireWhole(t *testing.T, got result, finish string, usage *llm.Usage) {
	t.Helper()
	require.NoError(t, got.cause)
	require.Equal(t, finish, got.finish)
	if usage != nil {
		require.Equal(t, usage, got.usage)
	}
}

func requireOnlyText(t *testing.T, got result) {
	t.Helper()
	require.NotEmpty(t, got.text)
	require.Nil(t, got.calls)
}

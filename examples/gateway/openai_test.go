//go:build !race

// Compiling the SDK for the race detector takes minutes.

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/llm"
	"github.com/fetchsse/sse/ssetest"
)

// readSDK reads a response with openai-go.
func readSDK(ctx context.Context, url string) (openai.ChatCompletionAccumulator, error) {
	client := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("of the client"), option.WithMaxRetries(0))
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model:    "m",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello!")},
	})
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		all.AddChunk(stream.Current())
	}
	return all, stream.Err()
}

// forEach runs test with a gateway that relays and with one that translates.
func forEach(t *testing.T, script ssetest.Script, test func(t *testing.T, url string)) {
	for name, translate := range map[string]bool{"relayed": false, "translated": true} {
		t.Run(name, func(t *testing.T) {
			g, _ := newGateway(t, upstream(t, script...).URL, llm.OpenAIChat)
			g.translate = translate
			test(t, serveGateway(t, g))
		})
	}
}

func TestSDK(t *testing.T) {
	var script ssetest.Script
	var want strings.Builder
	for word := range strings.SplitAfterSeq("Good morning, \\\"what\\\" can I do for you? 👋 ", " ") {
		script = append(script, ssetest.Comment("wait"), ssetest.Data(text(word)))
		want.WriteString(strings.ReplaceAll(word, `\`, ""))
	}
	script = append(script,
		ssetest.Data(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\""}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}`,
			`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
			`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}`, "[DONE]"))
	forEach(t, script, func(t *testing.T, url string) {
		all, err := readSDK(t.Context(), url)
		require.NoError(t, err)
		require.Len(t, all.Choices, 1)
		require.Equal(t, want.String(), all.Choices[0].Message.Content)
		require.Equal(t, "tool_calls", all.Choices[0].FinishReason)
		require.Len(t, all.Choices[0].Message.ToolCalls, 1)
		call := all.Choices[0].Message.ToolCalls[0]
		require.Equal(t, []string{"c1", "f", `{"a":1}`}, []string{call.ID, call.Function.Name, call.Function.Arguments})
		require.EqualValues(t, 14, all.Usage.TotalTokens)
	})
}

// The SDK alone takes a truncated response for a complete one; see examples/openai-sdk. The
// error event of the gateway is its error.
func TestSDKError(t *testing.T) {
	for name, end := range map[string]struct {
		step ssetest.Step
		want string
	}{
		"error event": {ssetest.Data(`{"error":{"message":"crashed"}}`), "crashed"},
		"truncated":   {ssetest.Cut(), "the response of the service has ended too early"},
	} {
		t.Run(name, func(t *testing.T) {
			forEach(t, ssetest.Script{ssetest.Data(text("Hi")), end.step}, func(t *testing.T, url string) {
				all, err := readSDK(t.Context(), url)
				reported := new(ssestream.StreamError)
				require.ErrorAs(t, err, &reported)
				require.ErrorContains(t, err, end.want)
				require.Equal(t, "Hi", all.Choices[0].Message.Content)
			})
		})
	}
}

func TestSDKRefused(t *testing.T) {
	script := ssetest.Script{
		ssetest.Answer(429, "Content-Type", "application/json", "Retry-After", "3"),
		ssetest.Raw(`{"error":{"type":"rate_limit_error","message":"slow down"}}`),
	}
	forEach(t, script, func(t *testing.T, url string) {
		_, err := readSDK(t.Context(), url)
		refusal := new(openai.Error)
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, 429, refusal.StatusCode)
		require.Equal(t, "3", refusal.Response.Header.Get("Retry-After"))
		require.Equal(t, "slow down", refusal.Message)
		require.Equal(t, "rate_limit_error", refusal.Type)
	})
}

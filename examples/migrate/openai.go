package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

func beforeOpenAI(ctx context.Context, url string, out io.Writer) error {
	client := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("secret"))
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model:    "demo",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello!")},
	})
	defer stream.Close()
	var completion openai.ChatCompletionAccumulator
	for stream.Next() {
		chunk := stream.Current()
		completion.AddChunk(chunk)
		if len(chunk.Choices) > 0 {
			fmt.Fprint(out, chunk.Choices[0].Delta.Content)
		}
	}
	fmt.Fprintf(out, " (%d tokens)\n", completion.Usage.TotalTokens)
	return stream.Err()
}

// afterOpenAI keeps the SDK for the request and for the types.
func afterOpenAI(ctx context.Context, url string, out io.Writer) error {
	client := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("secret"))
	params := openai.ChatCompletionNewParams{
		Model:    "demo",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello!")},
	}
	var resp *http.Response
	err := client.Post(ctx, "chat/completions", params, &resp, // the SDK does not read the body
		option.WithJSONSet("stream", true), // which NewStreaming sets
		option.WithHeader("Accept", "text/event-stream"))
	if err != nil {
		return err
	}
	stream, err := sse.FromResponse(resp, llm.OpenAIChat.Option())
	if err != nil {
		return err
	}
	var completion openai.ChatCompletionAccumulator
	for chunk, err := range sse.Decode[openai.ChatCompletionChunk](stream) {
		if err != nil {
			return err
		}
		completion.AddChunk(chunk)
		if len(chunk.Choices) > 0 {
			fmt.Fprint(out, chunk.Choices[0].Delta.Content)
		}
	}
	fmt.Fprintf(out, " (%d tokens)\n", completion.Usage.TotalTokens)
	return nil
}

// afterOpenAIWithoutSDK sends the request with package llm, which knows the API.
func afterOpenAIWithoutSDK(ctx context.Context, url string, out io.Writer) error {
	const prompt = `{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/chat/completions", strings.NewReader(prompt))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer secret")
	stream, err := llm.Fetch(req, llm.OpenAIChat)
	if err != nil {
		return err
	}
	var usage llm.Usage
	for delta, err := range stream.Deltas() {
		if err != nil {
			return err
		}
		fmt.Fprint(out, delta.Text)
		if delta.Usage != nil {
			usage = *delta.Usage
		}
	}
	fmt.Fprintf(out, " (%d tokens)\n", usage.Input+usage.Output)
	return nil
}

func beforeOpenAIResponses(ctx context.Context, url string, out io.Writer) error {
	client := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("secret"))
	stream := client.Responses.NewStreaming(ctx, newResponse())
	defer stream.Close()
	for stream.Next() {
		switch event := stream.Current().AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			fmt.Fprint(out, event.Delta)
		case responses.ResponseCompletedEvent:
			fmt.Fprintln(out, "", event.Response.Status)
		}
	}
	return stream.Err()
}

func afterOpenAIResponses(ctx context.Context, url string, out io.Writer) error {
	stream, err := openResponses(ctx, url)
	if err != nil {
		return err
	}
	for event, err := range sse.Decode[responses.ResponseStreamEventUnion](stream) {
		if err != nil {
			return err
		}
		switch event := event.AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			fmt.Fprint(out, event.Delta)
		case responses.ResponseCompletedEvent:
			fmt.Fprintln(out, "", event.Response.Status)
		}
	}
	return nil
}

// afterOpenAIResponsesFunc decodes only the events that it needs.
func afterOpenAIResponsesFunc(ctx context.Context, url string, out io.Writer) error {
	stream, err := openResponses(ctx, url)
	if err != nil {
		return err
	}
	decode := func(data []byte) (event any, err error) {
		switch stream.Type() {
		case "response.output_text.delta":
			event = new(responses.ResponseTextDeltaEvent)
		case "response.completed":
			event = new(responses.ResponseCompletedEvent)
		default:
			return nil, nil // an event that the program does not need
		}
		return event, json.Unmarshal(data, event)
	}
	for event, err := range sse.DecodeFunc(stream, decode) {
		if err != nil {
			return err
		}
		switch event := event.(type) {
		case *responses.ResponseTextDeltaEvent:
			fmt.Fprint(out, event.Delta)
		case *responses.ResponseCompletedEvent:
			fmt.Fprintln(out, "", event.Response.Status)
		}
	}
	return nil
}

func openResponses(ctx context.Context, url string) (*sse.Stream, error) {
	client := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("secret"))
	var resp *http.Response
	err := client.Post(ctx, "responses", newResponse(), &resp,
		option.WithJSONSet("stream", true), option.WithHeader("Accept", "text/event-stream"))
	if err != nil {
		return nil, err
	}
	return sse.FromResponse(resp, llm.OpenAIResponses.Option())
}

func newResponse() responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: "demo",
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hello!")},
	}
}

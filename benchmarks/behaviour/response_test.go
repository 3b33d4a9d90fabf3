package behaviour

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/fetchsse/sse/ssetest"
	"github.com/openai/openai-go/v3"
	"github.com/stretchr/testify/require"
)

func responses() []row {
	var (
		one      = ssetest.Raw("retry: 20\ndata: " + chunkOf("hello") + "\n\n") // the wait of clients that reconnect
		half     = ssetest.Raw("data: " + chunkOf("world")[:40])
		line     = ssetest.Raw("data: " + chunkOf("world") + "\n")
		done     = ssetest.Data("[DONE]")
		complete = ssetest.Script{one, done}
		failure  = `{"error":{"message":"out of memory","type":"server_error"}}`
	)
	return []row{
		{
			name: "post", title: "sends a POST with a body",
			how: "The server compares the method and the body of the request.",
			measure: func(t *testing.T, c *client, set setting) string {
				tr := begin(t, c.once, set, nil, complete)
				tr.wait(tr.again, 0)
				r := tr.srv.Requests()[0]
				return yes(r.Method == http.MethodPost && strings.Contains(string(r.Body), "Hello!"))
			},
		},
		{
			name: "broken", title: "result of a connection that breaks", set: sendOnce,
			how:     "The connection breaks in the middle of a line of the second event.",
			measure: outcome(complete, one, half, ssetest.Cut()),
		},
		{
			name: "half-event", title: "result of a response that ends in the middle of a line", set: sendOnce,
			how:     "A server or a proxy ends the response normally in the middle of a line of the second event.",
			measure: outcome(complete, one, half),
		},
		{
			name: "half-block", title: "result of a response that ends before a blank line", set: sendOnce,
			how:     "A server or a proxy ends the response normally after the `data` line of the second event.",
			measure: outcome(complete, one, line),
		},
		{
			name: "half-response", title: "result of a response that ends before `[DONE]`", readme: true, set: sendOnce,
			how:     "A server or a proxy ends the response normally after the first event.",
			measure: outcome(complete, one),
		},
		{
			name: "error-event", title: "result of an error in the stream", set: sendOnce,
			how:     "The second event is the JSON of an error, and `[DONE]` follows. *Data* means that the program gets it like any event.",
			measure: outcome(complete, one, ssetest.Data(failure), done),
		},
		{
			name: "json-200", title: "result of a JSON error with status 200", readme: true, set: checkType,
			how:     "The response has the status 200, the type `application/json` and an error in its body.",
			measure: outcome(complete, ssetest.Answer(200, "Content-Type", "application/json"), ssetest.Raw(failure+"\n")),
		},
		{
			name: "html-200", title: "result of an HTML page with status 200", set: checkType,
			how: "The response has the status 200, the type `text/html` and a page in its body.",
			measure: outcome(complete, ssetest.Answer(200, "Content-Type", "text/html"),
				ssetest.Raw("<!DOCTYPE html>\n<html><title>Log in</title>\n</html>\n")),
		},
		{
			name: "refusal", title: "the error for a wrong status has the body", set: readRefusal,
			how: "The response has the status 400 and a JSON body.",
			measure: func(t *testing.T, c *client, set setting) string {
				tr := begin(t, c.once, set, nil, ssetest.Script{
					ssetest.Answer(400, "Content-Type", "application/json"), ssetest.Raw(failure),
				}, complete)
				if tr.wait(tr.again, 0) == "ready" {
					return "sent again"
				}
				require.Error(t, tr.err)
				told := tr.err.Error()
				if c.refusal != nil {
					told = c.refusal(tr.err)
				}
				return yes(strings.Contains(told, "out of memory"))
			},
		},
		{
			name: "sent-twice", title: "sends a POST twice that may have been processed", readme: true, set: sendOnce,
			how: "The server has read the request when the connection breaks, before the headers or in the middle of the response, " +
				"or when it responds with status 500.",
			measure: func(t *testing.T, c *client, set setting) string {
				again := false
				for _, script := range []ssetest.Script{
					{ssetest.Cut()},
					{one, half, ssetest.Cut()},
					{ssetest.Answer(500)},
				} {
					tr := begin(t, c.once, set, nil, script, complete)
					again = tr.wait(tr.again, 0) == "ready" || again
					if tr.srv.Requests()[0].Method != http.MethodPost {
						return "–"
					}
				}
				return yes(again)
			},
		},
		{
			name: "typed", title: "decodes the objects of OpenAI", readme: true,
			how: "A chunk has text and its log probability. *Text* means that the library decodes text, reasoning, tool calls, " +
				"usage and errors, but not all else.",
			measure: func(t *testing.T, c *client, _ setting) string {
				if c.typed == nil {
					return "no"
				}
				const body = `{"choices":[{"index":0,"delta":{"content":"hello"},"logprobs":{"content":[{"token":"hello","logprob":-0.5}]}}]}`
				srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data(body), done}), ssetest.Loopback())
				got, err := c.typed(t.Context(), srv.Client(), srv.URL)
				require.NoError(t, err)
				require.Equal(t, "hello", got.Choices[0].Delta.Content)
				if p := got.Choices[0].Logprobs.Content; len(p) == 1 && p[0].Logprob == -0.5 {
					return "yes"
				}
				return "text"
			},
		},
	}
}

// outcome measures how a client reports the response of the steps to a prompt. The script
// complete serves a second request.
func outcome(complete ssetest.Script, steps ...ssetest.Step) func(*testing.T, *client, setting) string {
	return func(t *testing.T, c *client, set setting) string {
		tr := begin(t, c.once, set, nil, steps, complete)
		if tr.wait(tr.again, 0) == "ready" {
			return "sent again"
		}
		events := tr.received()
		switch {
		case errors.Is(tr.err, io.EOF):
			return "`io.EOF`"
		case tr.err != nil:
			return "error"
		case len(events) > 0 && strings.Contains(events[len(events)-1].data, "error"):
			return "data"
		}
		return "nil error"
	}
}

// The tables say that io.EOF is also the error of a complete response.
func TestEOFIsTheErrorOfACompleteResponse(t *testing.T) {
	for _, c := range clients() {
		if c.name != "go-sse" && c.name != "eventsource" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			tr := begin(t, c.once, sendOnce, nil, ssetest.Script{ssetest.Data(chunkOf("hello"), chunkOf("world"))})
			require.Equal(t, "done", tr.wait(nil, 0))
			require.ErrorIs(t, tr.err, io.EOF)
			require.Len(t, tr.received(), 2)
		})
	}
}

// typedSSE reads a response into the Deltas of package llm, which have no probabilities.
func typedSSE(ctx context.Context, hc *http.Client, url string) (chunk, error) {
	req, err := call{url: url}.request(ctx, http.MethodPost)
	if err != nil {
		return chunk{}, err
	}
	stream, err := llm.Fetch(req, llm.OpenAIChat, sse.WithHTTPClient(hc))
	if err != nil {
		return chunk{}, err
	}
	got := chunk{Choices: make([]choice, 1)}
	for delta, err := range stream.Deltas() {
		if err != nil {
			return chunk{}, err
		}
		got.Choices[0].Delta.Content += delta.Text
	}
	return got, nil
}

func typedOpenAI(ctx context.Context, hc *http.Client, url string) (chunk, error) {
	client := openAI(call{http: hc, url: url})
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{Model: "m"})
	defer stream.Close()
	got := chunk{Choices: make([]choice, 1)}
	for stream.Next() {
		first := stream.Current().Choices[0]
		got.Choices[0].Delta.Content += first.Delta.Content
		for _, token := range first.Logprobs.Content {
			got.Choices[0].Logprobs.Content = append(got.Choices[0].Logprobs.Content, logprob{token.Logprob})
		}
	}
	return got, stream.Err()
}

package behaviour

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fetchsse/sse/ssetest"
)

func parsing() []row {
	large := chunkOf(strings.Repeat("x", 100<<10))
	one := chunkOf("hello")
	before, after, _ := strings.Cut(one, ",")
	return []row{
		{
			name: "large-event", title: "reads an event of 100 KiB", set: largeEvents,
			how:     "The server sends one event of 100 KiB.",
			measure: reads(strings.Repeat("x", 100<<10), ssetest.Raw("data: "+large+"\n\n")),
		},
		{
			name: "cr-lines", title: "reads lines that end with CR",
			how:     "The lines of the event end with CR, which the standard allows. The event after it has LF.",
			measure: reads("hello", ssetest.Raw("data: "+one+"\r\r")),
		},
		{
			name: "crlf-lines", title: "reads lines that end with CRLF",
			how:     "The lines of the event end with CRLF.",
			measure: reads("hello", ssetest.Raw("data: "+one+"\r\n\r\n")),
		},
		{
			name: "no-space", title: "reads `data:x` without a space",
			how:     "A space after the colon is optional.",
			measure: reads("hello", ssetest.Raw("data:"+one+"\n\n")),
		},
		{
			name: "lines", title: "joins the `data` lines of an event",
			how:     "The JSON of the event has two lines.",
			measure: reads("hello", ssetest.Raw("data: "+before+",\ndata: "+after+"\n\n")),
		},
		{
			name: "byte-order-mark", title: "reads a stream with a byte order mark",
			how:     "The stream begins with a byte order mark, which the standard allows.",
			measure: reads("hello", ssetest.Raw("\ufeffdata: "+one+"\n\n")),
		},
		{
			name: "single-bytes", title: "reads an event that arrives byte by byte",
			how:     "The server flushes after each byte.",
			measure: reads("hello", ssetest.Chunks(1), ssetest.Raw("data: "+one+"\r\n\r\n")),
		},
	}
}

// A chunk has a part of a chunk of Chat Completions.
type chunk struct {
	Choices []choice `json:"choices"`
}

type choice struct {
	Delta struct {
		Content string `json:"content"`
	} `json:"delta"`
	Logprobs struct {
		Content []logprob `json:"content"`
	} `json:"logprobs"`
}

type logprob struct {
	Logprob float64 `json:"logprob"`
}

func chunkOf(content string) string {
	return `{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"` + content + `"}}]}`
}

// content returns the text of a chunk, or "" if data is not a chunk.
func content(data string) string {
	var c chunk
	if json.Unmarshal([]byte(data), &c) != nil || len(c.Choices) != 1 {
		return ""
	}
	return c.Choices[0].Delta.Content
}

// reads measures whether a client reads an event with this text. The steps send the event.
// Another event follows, at which the client leaves the loop: the end of the response does
// not matter.
func reads(text string, steps ...ssetest.Step) func(*testing.T, *client, setting) string {
	const last = "the last event"
	script := append(ssetest.Script{}, steps...)
	script = append(script, ssetest.Raw("data: "+chunkOf(last)+"\n\n"))
	leave := func(data string) bool { return content(data) != last }
	return func(t *testing.T, c *client, set setting) string {
		tr := begin(t, c.once, set, leave, script)
		if tr.wait(tr.again, 0) == "ready" {
			return "lost" // it has given up the response
		}
		events := tr.received()
		switch {
		case tr.err != nil:
			return "error"
		case len(events) > 0 && content(events[0].data) == text:
			return "yes"
		}
		return "lost"
	}
}

package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
)

// A format describes the streams of a dialect. To add a dialect, write its read function in
// a file of its own, and add a constant and an element of formats; give it tests with the
// streams of the service. TestDialects writes the table in docs/llm.md.
type format struct {
	name string

	// done is the data of the events that only mark the end. They are not deltas. Where a
	// service does not send such an event, its data can be text of the model.
	done []string

	// read returns the chunk of an event whose data is not in done. It depends on nothing but
	// its arguments. An error means that the data is not what the service sends.
	read func(typ string, data []byte) (chunk, error)

	// These are a row of the table in docs/llm.md.
	service string // and its API
	end     string // how a complete response ends
	failure string // how the service reports an error in the stream
	text    string // where it is
}

var formats = [...]format{
	OpenAIChat: {
		name: "OpenAIChat", done: []string{"[DONE]"}, read: readOpenAIChat,
		service: "OpenAI Chat Completions, also of Azure, DeepSeek, Groq, llama.cpp, Mistral, Ollama, OpenRouter, vLLM, xAI …",
		end:     "`[DONE]`, or a clean end after the `finish_reason`",
		failure: "`\"error\":{…}`, `event: error`, or a field named `error`",
		text:    "`choices[0].delta.content`",
	},
	OpenAIResponses: {
		name: "OpenAIResponses", done: []string{"[DONE]"}, read: readOpenAIResponses,
		service: "OpenAI Responses",
		end:     "`response.completed` or `response.incomplete`; `[DONE]` of a proxy",
		failure: "`response.failed`, `response.cancelled`, or `event: error`",
		text:    "`delta` of `response.output_text.delta`",
	},
	Anthropic: {
		name: "Anthropic", read: readAnthropic,
		service: "Anthropic Messages",
		end:     "`message_stop`, or a clean end after the `stop_reason`",
		failure: "`event: error`",
		text:    "`delta.text` of `content_block_delta`",
	},
	Gemini: {
		name: "Gemini", read: readGemini,
		service: "Gemini API and Vertex AI, `streamGenerateContent` with `alt=sse`",
		end:     "a clean end after the `finishReason` or a `blockReason`",
		failure: "`\"error\":{…}`",
		text:    "`candidates[0].content.parts[].text`",
	},
	GeminiInteractions: {
		name: "GeminiInteractions", read: readGeminiInteractions,
		service: "Gemini Interactions",
		end:     "`interaction.completed`; before the middle of 2026 `interaction.complete`",
		failure: "`error`, or the status `failed`, `cancelled` or `budget_exceeded`",
		text:    "`delta.text` of `step.delta`",
	},
	Cohere: {
		name: "Cohere", done: []string{"[DONE]"}, read: readCohere,
		service: "Cohere Chat, version 2",
		end:     "`message-end` or `[DONE]`",
		failure: "`message-end` with the `finish_reason` `ERROR` or `TIMEOUT`",
		text:    "`delta.message.content.text` of `content-delta`",
	},
	Perplexity: {
		name: "Perplexity", done: []string{"[DONE]"}, read: readPerplexity,
		service: "Perplexity Sonar",
		end:     "a clean end after the `finish_reason`, or `[DONE]`",
		failure: "`\"error\":{…}`",
		text:    "`choices[0].delta.content`",
	},
	Replicate: {
		name: "Replicate", read: readReplicate,
		service: "Replicate, the stream of a prediction",
		end:     "`event: done`",
		failure: "`event: error`, or `event: done` with a `reason`",
		text:    "the data of `event: output`",
	},
	Dify: {
		name: "Dify", read: readDify,
		service: "Dify, chat and workflow applications",
		end:     "`message_end`, or `workflow_finished` of a workflow",
		failure: "`\"event\":\"error\"`, or the `status` `failed` or `stopped`",
		text:    "`answer` of `message` and `agent_message`, `data.text` of `text_chunk`",
	},
	AISDK: {
		name: "AISDK", done: []string{"[DONE]"}, read: readAISDK,
		service: "Vercel AI SDK, UI message stream",
		end:     "`[DONE]`, or a clean end after `finish`",
		failure: "`\"type\":\"error\"`, `abort`, or the `finishReason` `error`",
		text:    "`delta` of `text-delta`",
	},
}

// isDone reports whether an event with this data only marks the end.
func (f *format) isDone(data []byte) bool {
	data = bytes.TrimSpace(data)
	return slices.ContainsFunc(f.done, func(done string) bool { return string(data) == done })
}

// completion names the event that completes a response, for messages.
func (f *format) completion() string {
	if len(f.done) == 0 {
		return "the completion event"
	}
	return f.done[0] + " or another completion event"
}

// A chunk is what an event says.
type chunk struct {
	Delta
	state state
	err   *Error // what the service reports

	// item and part tell apart the texts of a response that has several. With whole, each
	// field is all of a part, an item or the response, and adds what has not come before.
	item, part int
	whole      scope

	// keep is set on text that a later event may repeat or bring back.
	keep bool

	// repeats is set on text that may repeat all the text kept. It adds nothing if it does,
	// and is the first text of its part.
	repeats bool

	// step is set if a step begins. With Reset, only the text of the step is taken back.
	step bool

	// byID is set if the IDs of the calls tell them apart, whatever their Index is.
	byID bool

	// alike is set if some servers give all calls the same Index and no ID.
	alike bool

	// itemID is the ID of the item that is a call, if it has one besides that of the call.
	itemID string

	// served is set if the service makes the ToolCalls itself. No piece of them is a delta.
	served bool
}

// A scope tells how much of a response a chunk has.
type scope int

const (
	piece scope = iota // the chunk is a delta
	wholePart
	wholeItem
	wholeResponse
)

// unnumbered is the Index of a ToolCall that is complete, and that the service does not
// number.
const unnumbered = -1

// continues reports whether c adds to the response and does not end it. If the end has come
// before, it was not the end: some proxies send the reason to finish with each chunk that
// has no text.
func (c chunk) continues() bool {
	return c.state == open && (c.Text != "" && c.whole == piece || strings.TrimSpace(c.Reasoning) != "" || c.Refusal != "" || len(c.ToolCalls) > 0)
}

// join adds what another part of the same chunk adds.
func (d *Delta) join(more Delta) {
	d.Text += more.Text
	d.Reasoning += more.Reasoning
	d.Refusal += more.Refusal
	d.ToolCalls = append(d.ToolCalls, more.ToolCalls...)
	d.Finish = cmp.Or(more.Finish, d.Finish)
}

// A state tells how an event changes what the end of the response means.
type state int

const (
	open     state = iota // the response is not complete
	mayEnd                // from here on, a clean end is complete
	complete              // here the response ends
)

// A memo remembers the last result of reading an event, which the functions of an option
// and the loop ask for one after the other. Several streams may share it.
type memo struct{ last atomic.Pointer[memoEntry] }

type memoEntry struct {
	typ, data string
	chunk     chunk
	err       error
}

func (m *memo) get(typ string, data []byte, read func(string, []byte) (chunk, error)) (chunk, error) {
	if e := m.last.Load(); e != nil && e.typ == typ && e.data == string(data) {
		return e.chunk, e.err
	}
	c, err := read(typ, data)
	m.last.Store(&memoEntry{typ: typ, data: string(data), chunk: c, err: err})
	return c, err
}

// decode decodes the data of an event of this type into v, a pointer to a struct. If it
// returns false, c and err are what reading the event gives: the event is an error, or its
// data is not a JSON object, or not of the kind that the service sends.
func decode(typ string, data []byte, v any) (c chunk, ok bool, err error) {
	if isErrorWord(typ) {
		return chunk{err: eventError(data)}, false, nil
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return chunk{err: dataError(typ, data)}, false, nil
	}
	err = json.Unmarshal(data, v)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = json.Unmarshal(withoutEmptyLists(data), v)
	}
	if err == nil {
		return c, true, nil
	}
	if e, _ := envelope(data); e != nil {
		return chunk{err: e}, false, nil
	}
	return c, false, err
}

// withoutEmptyLists returns data with null in place of each empty list, which some servers
// write for an empty object.
func withoutEmptyLists(data []byte) []byte {
	var b []byte
	var q quotes
	list := -1 // where b has a list that is empty so far
	for _, c := range data {
		b = append(b, c)
		switch {
		case q.has(c):
			list = -1
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		case c == '[':
			list = len(b) - 1
		case c == ']' && list >= 0:
			b = append(b[:list], "null"...)
			list = -1
		default:
			list = -1
		}
	}
	return b
}

// A quotes tells the strings of JSON from the rest of it, byte by byte.
type quotes struct{ open, escaped bool }

// has reports whether c, the next byte, belongs to a string, of which the quotes are part.
func (q *quotes) has(c byte) bool {
	switch {
	case !q.open:
		q.open = c == '"'
		return q.open
	case q.escaped:
		q.escaped = false
	default:
		q.escaped, q.open = c == '\\', c != '"'
	}
	return true
}

// An optional is a member that a response can do without: of JSON of another type, it has
// what can be decoded.
type optional[T any] struct{ value T }

func (o *optional[T]) UnmarshalJSON(b []byte) error {
	if string(b) != "null" {
		_ = json.Unmarshal(b, &o.value)
	}
	return nil
}

// get returns the value, which is zero if o is nil.
func (o *optional[T]) get() (v T) {
	if o != nil {
		v = o.value
	}
	return v
}

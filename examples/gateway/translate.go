package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fetchsse/sse/llm"
)

// errTakenBack reports text that a client has and that the service takes back. Chunks of
// Chat Completions cannot say that.
var errTakenBack = errors.New("the service takes back text that was relayed")

// A translator makes chunks of Chat Completions of what the events of a service say.
type translator struct {
	id, model string
	created   int64

	begun    bool         // a chunk has named the role
	text     []byte       // that the client has
	called   map[int]bool // tool calls that have begun
	finish   string
	hasUsage bool
	usage    llm.Usage
}

func newTranslator(model string) *translator {
	return &translator{
		id:      "chatcmpl-" + rand.Text(),
		model:   model,
		created: time.Now().Unix(),
		called:  make(map[int]bool),
	}
}

// These are the members of a chunk.
type (
	chunk struct {
		ID      string   `json:"id"`
		Object  string   `json:"object"`
		Created int64    `json:"created"`
		Model   string   `json:"model"`
		Choices []choice `json:"choices"`
		Usage   *usage   `json:"usage,omitempty"`
	}
	choice struct {
		Index        int     `json:"index"`
		Delta        delta   `json:"delta"`
		FinishReason *string `json:"finish_reason"`
	}
	delta struct {
		Role             string     `json:"role,omitempty"`
		Content          string     `json:"content,omitempty"`
		ReasoningContent string     `json:"reasoning_content,omitempty"`
		Refusal          string     `json:"refusal,omitempty"`
		ToolCalls        []toolCall `json:"tool_calls,omitempty"`
	}
	toolCall struct {
		Index    int      `json:"index"`
		ID       string   `json:"id,omitempty"`
		Type     string   `json:"type,omitempty"`
		Function function `json:"function"`
	}
	function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	}
	usage struct {
		Prompt        int `json:"prompt_tokens"`
		Completion    int `json:"completion_tokens"`
		Total         int `json:"total_tokens"`
		PromptDetails struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionDetails struct {
			Reasoning int `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	}
)

// chunk returns the data of the chunk for d, or "" if there is nothing to say yet. The
// finish reason and the token counts come last, from end: some services name the reason
// before the last text, and count tokens from the start.
func (t *translator) chunk(d llm.Delta) (string, error) {
	if d.Reset { // its text is what replaces that so far
		rest, ok := strings.CutPrefix(d.Text, string(t.text))
		if !ok {
			return "", errTakenBack
		}
		d.Text = rest
	}
	t.text = append(t.text, d.Text...)
	t.finish = cmp.Or(d.Finish, t.finish)
	if d.Usage != nil {
		t.usage, t.hasUsage = *d.Usage, true
	}
	out := delta{Content: d.Text, ReasoningContent: d.Reasoning, Refusal: d.Refusal}
	for _, call := range d.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, t.toolCall(call))
	}
	if d.Text == "" && d.Reasoning == "" && d.Refusal == "" && len(d.ToolCalls) == 0 {
		return "", nil
	}
	return t.data(out, nil), nil
}

// toolCall returns a piece of a call. The first piece has an ID: clients send it back with
// the result, and not every service sends one.
func (t *translator) toolCall(c llm.ToolCall) toolCall {
	out := toolCall{Index: c.Index, ID: c.ID, Function: function{Name: c.Name, Arguments: c.Arguments}}
	if !t.called[c.Index] {
		t.called[c.Index] = true
		out.Type = "function"
		out.ID = cmp.Or(c.ID, fmt.Sprintf("call_%s_%d", strings.TrimPrefix(t.id, "chatcmpl-"), c.Index))
	}
	return out
}

// end returns the data of the events after the last text of a complete response.
func (t *translator) end() []string {
	finish := finishReason(t.finish)
	if finish == "stop" && len(t.called) > 0 {
		finish = "tool_calls" // Gemini says STOP
	}
	events := []string{t.data(delta{}, &finish)}
	if t.hasUsage {
		u := usage{Prompt: t.usage.Input, Completion: t.usage.Output, Total: t.usage.Input + t.usage.Output}
		u.PromptDetails.Cached = t.usage.Cached
		u.CompletionDetails.Reasoning = t.usage.Reasoning
		events = append(events, t.marshal([]choice{}, &u))
	}
	return append(events, "[DONE]")
}

// data returns the data of a chunk with a choice. The first one names the role.
func (t *translator) data(d delta, finish *string) string {
	if !t.begun {
		t.begun, d.Role = true, "assistant"
	}
	return t.marshal([]choice{{Delta: d, FinishReason: finish}}, nil)
}

func (t *translator) marshal(choices []choice, u *usage) string {
	data, _ := json.Marshal(chunk{t.id, "chat.completion.chunk", t.created, t.model, choices, u}) // cannot fail
	return string(data)
}

// finishReason returns OpenAI's word for the reason why a response ends.
func finishReason(reason string) string {
	switch strings.ToLower(reason) {
	case "", "stop", "end_turn", "stop_sequence", "complete", "completed", "finish_reason_unspecified",
		"pause_turn", "compaction", "succeeded", "partial-succeeded", "paused", "eos", "eos_token":
		return "stop"
	case "length", "max_tokens", "max_output_tokens", "model_context_window_exceeded", "model_length", "incomplete":
		return "length"
	case "tool_calls", "tool_call", "tool-calls", "tool_use", "function_call", "requires_action":
		return "tool_calls"
	}
	// The services have many words for this: SAFETY, RECITATION, refusal and others. An
	// unknown word is not a reason to take the response for complete.
	return "content_filter"
}

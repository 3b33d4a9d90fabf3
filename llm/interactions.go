package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"
)

// readGeminiInteractions reads an event of the Interactions API:
//
//	data: {"event_type":"interaction.created","interaction":{"status":"in_progress"}}
//	data: {"event_type":"step.start","index":0,"step":{"type":"model_output"}}
//	data: {"event_type":"step.delta","index":0,"delta":{"type":"text","text":"Hello"}}
//	data: {"event_type":"step.stop","index":0}
//	data: {"event_type":"interaction.completed","interaction":{"status":"completed","usage":{…}}}
//	data: [DONE]
//
// Until the middle of 2026, and on Vertex AI, the names were interaction.start,
// content.start, content.delta, content.stop and interaction.complete. [DONE] is not what
// completes the response: it could come after an event that is missing.
func readGeminiInteractions(typ string, data []byte) (c chunk, err error) {
	var v struct {
		members
		EventType   word `json:"event_type"`
		Index       count
		Step        interactionStep
		Content     interactionStep // the name before 2026
		Delta       interactionStep
		Interaction interaction
		Status      word // of interaction.status_update
		Usage       optional[interactionUsage]
	}
	if c, ok, err := decode(typ, data, &v); !ok {
		return c, err
	}
	if c.err = v.errOf(typ, data, v.EventType != ""); c.err != nil {
		return c, nil
	}
	switch kind := string(cmp.Or(v.EventType, v.Type, word(typ))); kind {
	case "error", "interaction.error":
		c.err = eventError(data)
	case "step.start":
		c.Delta = v.Step.begin(int(v.Index))
		c.whole = wholeCalls(c.ToolCalls)
	case "content.start":
		c.Delta = v.Content.begin(int(v.Index))
		c.whole = wholeCalls(c.ToolCalls)
	case "step.delta", "content.delta":
		c.Delta = v.Delta.delta(int(v.Index))
	case "interaction.created", "interaction.start":
	default:
		if name, ok := strings.CutPrefix(kind, "interaction."); ok {
			status := cmp.Or(v.Interaction.Status, v.Status)
			if status == "" && name != "status_update" {
				status = word(name) // interaction.requires_action, for instance
			}
			c = statusChunk(string(status), name == "completed" || name == "complete")
			c.Usage = cmp.Or(v.Interaction.Usage.value, v.Usage.value).usage()
			if c.state == complete {
				c.Text, c.whole = v.Interaction.text(), wholePart
			}
			if e := v.Interaction.Error; c.err != nil {
				c.err = newError(Error{
					Type: cmp.Or(e.Type, c.err.Type), Code: e.Code, Message: cmp.Or(e.Message, c.err.Message), Status: e.Status,
				}, string(data))
			}
		}
	}
	return c, nil
}

// statusChunk returns what the status of an interaction says. With incomplete, the response
// has reached a limit of its length, and with requires_action, the caller has to make calls:
// both are ends of a response, and so is a status that the service invents for its last
// event. The others that end an interaction have stopped it in the middle: they are errors.
func statusChunk(status string, last bool) (c chunk) {
	switch status {
	case "failed", "cancelled", "budget_exceeded":
		c.err = &Error{Type: status, Message: "the interaction ended with the status " + status}
		return c
	case "completed", "requires_action", "incomplete":
		c.Finish, c.state = status, mayEnd
	case "in_progress", "queued", "":
	default:
		if last {
			c.Finish = status
		}
	}
	if last {
		c.state = complete
	}
	return c
}

type interaction struct {
	Status  word
	Usage   optional[interactionUsage]
	Error   failure
	Steps   []interactionStep
	Outputs []interactionStep // the name before 2026
}

// text returns the text of an interaction that comes as a whole.
func (i *interaction) text() string {
	var text strings.Builder
	for _, s := range i.Steps {
		text.WriteString(s.begin(0).Text)
	}
	for _, o := range i.Outputs {
		text.WriteString(o.begin(0).Text)
	}
	return text.String()
}

// An interactionStep is a step, a content or a delta: all have a type.
type interactionStep struct {
	Type      word
	Text      word
	Content   interactionText // of model_output and of a delta of thought_summary
	Summary   interactionText // of thought
	ID, Name  word
	Arguments word
}

// begin returns what a step or content begins with.
func (s *interactionStep) begin(index int) (d Delta) {
	switch s.Type {
	case "model_output", "text":
		d.Text = string(s.Text + s.Content.text)
	case "thought":
		d.Reasoning = string(s.Text + s.Summary.text)
	case "function_call":
		if s.ID != "" || s.Name != "" { // before 2026, the delta told
			d.ToolCalls = []ToolCall{{Index: index, ID: string(s.ID), Name: string(s.Name), Arguments: arguments(s.Arguments)}}
		}
	}
	return d
}

// delta returns what a delta adds. Those with calls and results of the service's own tools
// add nothing.
func (s *interactionStep) delta(index int) (d Delta) {
	switch s.Type {
	case "text":
		d.Text = string(s.Text)
	case "thought_summary", "thought":
		d.Reasoning = string(s.Text + s.Content.text + s.Summary.text)
	case "arguments_delta":
		d.ToolCalls = []ToolCall{{Index: index, Arguments: string(s.Arguments)}}
	case "function_call": // before 2026, a complete one
		d.ToolCalls = []ToolCall{{Index: index, ID: string(s.ID), Name: string(s.Name), Arguments: string(s.Arguments)}}
	}
	return d
}

// An interactionText is the text of a content, or of a list of them.
type interactionText struct{ text word }

func (t *interactionText) UnmarshalJSON(b []byte) error {
	t.text = ""
	var list []struct{ Text word }
	switch b = bytes.TrimSpace(b); b[0] {
	case '"':
		return json.Unmarshal(b, &t.text)
	case '{':
		b = bytes.Join([][]byte{{'['}, b, {']'}}, nil)
	case '[':
	default:
		return nil
	}
	_ = json.Unmarshal(b, &list) // of another kind, an element has no text
	for _, content := range list {
		t.text += content.Text
	}
	return nil
}

// An interactionUsage is a geminiUsage with other names.
type interactionUsage struct {
	Input    count `json:"total_input_tokens"`
	ToolUse  count `json:"total_tool_use_tokens"`
	Cached   count `json:"total_cached_tokens"`
	Output   count `json:"total_output_tokens"`
	Thoughts count `json:"total_thought_tokens"`
}

func (u interactionUsage) usage() *Usage { return geminiUsage(u).usage() }

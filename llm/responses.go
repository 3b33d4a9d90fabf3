package llm

import (
	"cmp"
	"encoding/json"
	"strings"
)

// readOpenAIResponses reads an event of the Responses API:
//
//	event: response.output_text.delta
//	data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hi"}
//
//	event: response.completed
//	data: {"type":"response.completed","response":{"status":"completed","output":[…],"usage":{…}}}
//
// OpenAI sends no [DONE]. Proxies send it after the last event, and some in place of it: they
// translate from Chat Completions, where [DONE] means that the response is complete. It means
// that here too. A proxy that was cut off does not write it, and one that failed writes an
// error before it.
//
// A text comes in deltas, and then as a whole, up to four times: when the text, its part, its
// item and the response are done. Some servers send only one of these. The index in the output
// identifies an item, since some servers change the IDs with every event. Others leave it out,
// or number all items 0: an item with the same index follows one that is done, and the ID of a
// call tells it apart.
func readOpenAIResponses(typ string, data []byte) (c chunk, err error) {
	var v struct {
		members
		ItemID           word  `json:"item_id"`
		OutputIndex      count `json:"output_index"`
		ContentIndex     count `json:"content_index"`
		SummaryIndex     count `json:"summary_index"` // in place of ContentIndex
		Delta            responsesDelta
		Text             content
		Refusal          word
		Arguments, Input word
		Item             responsesItem
		Response         responsesResponse
	}
	if c, ok, err := decode(typ, data, &v); !ok {
		return c, err
	}
	kind := typ
	if v.Object == "response" { // not streamed
		kind = "response.done"
		if err := json.Unmarshal(data, &v.Response); err != nil {
			return c, err
		}
	} else if typ == "message" || strings.HasPrefix(string(v.Type), "response.") { // in place of a type that a proxy has lost
		kind = cmp.Or(string(v.Type), typ)
	}
	kind, isResponse := strings.CutPrefix(kind, "response.")
	if !isResponse {
		c.err = v.errOf(kind, data, false)
		return c, nil
	}

	index := int(v.OutputIndex)
	c.item, c.part, c.keep = index, int(cmp.Or(v.ContentIndex, v.SummaryIndex)), true
	c.itemID = string(cmp.Or(v.ItemID, v.Item.ID))
	kind, isDone := strings.CutSuffix(kind, ".done")
	if isDone {
		c.whole = wholePart
	}
	switch kind {
	case "output_text.delta":
		c.Text = v.Delta.content.text
	case "output_text":
		c.Text = v.Text.text
	case "refusal.delta":
		c.Refusal = string(v.Delta.word)
	case "refusal":
		c.Refusal = string(v.Refusal)
	case "reasoning_text.delta", "reasoning.delta", "reasoning_summary_text.delta", "reasoning_summary.delta":
		c.Reasoning = v.Delta.content.text
	case "reasoning_text", "reasoning", "reasoning_summary_text", "reasoning_summary":
		c.Reasoning = v.Text.text
	case "function_call_arguments.delta", "custom_tool_call_input.delta":
		c.ToolCalls = []ToolCall{{Index: index, Arguments: string(v.Delta.word)}}
	case "function_call_arguments", "custom_tool_call_input":
		c.ToolCalls = []ToolCall{{Index: index, Arguments: string(cmp.Or(v.Arguments, v.Input))}}
	case "output_item.added":
		v.Item.Arguments, v.Item.Input = "", "" // deltas follow
		v.Item.addTo(&c, index)
	case "output_item":
		c.whole = wholeItem
		v.Item.addTo(&c, index)
	case "completed", "incomplete", "failed", "cancelled", "canceled", "done":
		v.Response.end(&c, kind, v.Error, data)
	case "error":
		c.err = eventError(data)
	}
	if c.err == nil && v.Error.isSet() && !strings.Contains(kind, "_call.") && !strings.HasPrefix(kind, "mcp_") {
		c.err = newError(v.Error.Error, string(data)) // and not the failure of a tool
	}
	return c, nil
}

// A responsesDelta is a text, or in some servers an object that has it.
type responsesDelta struct {
	content content
	word    word
}

func (d *responsesDelta) UnmarshalJSON(b []byte) error {
	_ = d.word.UnmarshalJSON(b) // a JSON value is always a word
	return d.content.UnmarshalJSON(b)
}

// A responsesItem is an item of the output: a message, a call of a tool, or thoughts.
type responsesItem struct {
	Type, ID         word
	CallID           word `json:"call_id"`
	Name             word
	Arguments, Input word
	Summary          content
	Content          responsesContent
}

// A responsesContent is the text and the refusal of the parts of an item, which may be a
// single string.
type responsesContent struct{ text, refusal string }

func (c *responsesContent) UnmarshalJSON(b []byte) error {
	*c = responsesContent{}
	if b[0] == '[' {
		var parts []struct {
			Text    content
			Refusal word
		}
		err := json.Unmarshal(b, &parts)
		for _, p := range parts {
			c.text += p.Text.text
			c.refusal += string(p.Refusal)
		}
		return err
	}
	var text content
	err := text.UnmarshalJSON(b)
	c.text = text.text
	return err
}

// addTo adds the item with this index to c.
func (i *responsesItem) addTo(c *chunk, index int) {
	switch i.Type {
	case "message":
		c.Text += i.Content.text
		c.Refusal += i.Content.refusal
	case "reasoning":
		c.Reasoning += cmp.Or(i.Content.text, i.Summary.text)
	case "function_call", "custom_tool_call":
		c.ToolCalls = append(c.ToolCalls, ToolCall{
			Index:     index,
			ID:        string(i.CallID),
			Name:      string(i.Name),
			Arguments: string(cmp.Or(i.Arguments, i.Input)),
		})
	}
}

// A responsesResponse is the response as far as it came.
type responsesResponse struct {
	Status     word
	Error      failure
	Incomplete optional[struct{ Reason word }] `json:"incomplete_details"`
	Output     []responsesItem
	Usage      *optional[openAIUsage]
}

// end adds the response to c, which ends with an event of this kind. The status tells more
// than the kind does.
func (r *responsesResponse) end(c *chunk, kind string, failed failure, data []byte) {
	status := kind
	switch r.Status {
	case "completed", "incomplete", "failed", "cancelled", "canceled":
		status = string(r.Status)
	}
	if status == "done" {
		status = "completed"
	}
	if r.Error.isSet() {
		failed = r.Error
	}
	if failed.isSet() || status == "failed" || status == "cancelled" || status == "canceled" {
		if !failed.isSet() {
			failed.Error = Error{Type: status, Message: cmp.Or(string(r.Incomplete.value.Reason), "the response is "+status)}
		}
		c.err = newError(failed.Error, string(data))
		return
	}
	c.state, c.whole, c.byID = complete, wholeResponse, true
	c.Finish = cmp.Or(string(r.Incomplete.value.Reason), status)
	for n := range r.Output {
		r.Output[n].addTo(c, n)
	}
	c.Usage = r.Usage.get().usage(false)
}

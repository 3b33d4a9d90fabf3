package llm

import (
	"cmp"
	"encoding/json"
)

// readDify reads an event of an application, which has its type in the JSON:
//
//	data: {"event":"message","message_id":"m",…}
//	data: {"event":"message_end","message_id":"m","metadata":{"usage":{…}}}
//
// A workflow application sends other events:
//
//	data: {"event":"text_chunk","data":{"text":"Hello"}}
//	data: {"event":"workflow_finished","data":{"status":"succeeded","outputs":{"text":"Hello"}}}
//
// A chatflow sends message_end and workflow_finished, in an order that depends on the version
// of Dify. When it pauses, message_end may follow too. An agent_thought repeats agent_message
// events, and adds nothing.
func readDify(typ string, data []byte) (c chunk, err error) {
	var v struct {
		members
		Event    word
		Answer   word
		ID       word `json:"message_id"`
		Metadata optional[struct{ Usage optional[openAIUsage] }]
		Data     difyData
	}
	if c, ok, err := decode(typ, data, &v); !ok {
		return c, err
	}
	switch v.Event {
	case "message":
		c.Text, c.repeats = string(v.Answer), true // it may follow agent_message events and repeat them
	case "agent_message":
		c.Text, c.part, c.keep = string(v.Answer), 1, true
	case "message_replace": // a filter takes the text back
		c.Text, c.Reset = string(v.Answer), true
	case "text_chunk":
		c.Text = string(v.Data.Text)
	case "text_replace":
		c.Text, c.Reset = string(v.Data.Text), true
	case "reasoning_chunk":
		c.Reasoning = string(v.Data.Reasoning)
	case "message_end":
		c.Usage = v.Metadata.value.Usage.value.usage(false)
		c.state = complete
	case "workflow_paused": // until a human responds
		c.Finish = cmp.Or(string(v.Data.Status), "paused")
		c.state = mayEnd
	case "workflow_finished":
		c.Finish = string(v.Data.Status)
		c.Text, c.whole = v.Data.text(), wholePart
		if c.state = complete; v.ID != "" { // of a chatflow
			c.state = mayEnd
		}
		c.err = v.Data.err(data)
	case "error":
		c.err = eventError(data)
	case "": // not of Dify, or its error without an event
		c.err = v.errOf(typ, data, false)
	}
	return c, nil
}

// difyData is the data member of an event of a workflow.
type difyData struct {
	Text, Reasoning word
	Status          word
	Error           failure
	Outputs         json.RawMessage
}

// text returns the text in the outputs of a workflow: that of a chatflow, or the only string
// there is.
func (d *difyData) text() (text string) {
	var outputs map[string]any
	_ = json.Unmarshal(d.Outputs, &outputs) // null, if there are none
	if answer, ok := outputs["answer"].(string); ok {
		return answer
	}
	n := 0
	for _, v := range outputs {
		if s, ok := v.(string); ok {
			text = s
			n++
		}
	}
	if n != 1 {
		return ""
	}
	return text
}

// err returns the error of a workflow that has finished, or nil if it has succeeded.
func (d *difyData) err(data []byte) *Error {
	switch d.Status {
	case "", "succeeded", "partial-succeeded":
		return nil
	}
	f := d.Error
	f.Type = cmp.Or(f.Type, string(d.Status)) // failed or stopped
	f.Message = cmp.Or(f.Message, "the workflow has the status "+string(d.Status))
	return newError(f.Error, string(data))
}

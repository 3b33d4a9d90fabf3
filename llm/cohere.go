package llm

import (
	"cmp"
	"encoding/json"
	"strings"
)

// readCohere reads an event of version 2 of the Chat API, which has its type in the JSON too:
//
//	event: content-delta
//	data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hello"}}}}
//
//	event: message-end
//	data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{…}}}
//
//	data: [DONE]
//
// A response that fails has a message-end too, with a reason such as ERROR or TIMEOUT.
func readCohere(typ string, data []byte) (c chunk, err error) {
	var v struct {
		members
		Index count
		Delta struct {
			Message      cohereMessage
			FinishReason word `json:"finish_reason"`
			Error        failure
			Usage        optional[cohereUsage]
		}
	}
	if c, ok, err := decode(typ, data, &v); !ok {
		return c, err
	}
	kind := string(cmp.Or(v.Type, word(typ)))
	if c.err = v.errOf(typ, data, false); c.err != nil {
		return c, nil
	}
	m := v.Delta.Message
	for _, part := range m.Content {
		c.Text += string(part.Text)
		c.Reasoning += string(part.Thinking)
	}
	c.Reasoning += string(m.ToolPlan)
	for _, t := range m.ToolCalls {
		c.ToolCalls = append(c.ToolCalls, ToolCall{
			Index: int(v.Index), ID: string(t.ID), Name: string(t.Function.Name), Arguments: string(t.Function.Arguments),
		})
	}
	if kind == "message-end" {
		c.Finish = string(v.Delta.FinishReason)
		c.Usage = v.Delta.Usage.value.usage()
		c.state = complete
		c.err = cohereError(c.Finish, v.Delta.Error, data)
	}
	return c, nil
}

// cohereError returns the error of a message-end, or nil if the response is complete.
func cohereError(reason string, f failure, data []byte) *Error {
	switch upper := strings.ToUpper(reason); {
	case upper == "ERROR": // documented as an internal error
		f.Status = cmp.Or(f.Status, 500)
	case strings.HasPrefix(upper, "ERROR_"), upper == "TIMEOUT", upper == "USER_CANCEL":
	default:
		if !f.isSet() {
			return nil
		}
	}
	f.Type = cmp.Or(f.Type, reason)
	f.Message = cmp.Or(f.Message, "the response ended with the finish_reason "+reason)
	return newError(f.Error, string(data))
}

// A cohereMessage has objects in the events, and empty lists in message-start.
type cohereMessage struct {
	Content   oneOrMore[struct{ Text, Thinking word }]
	ToolPlan  word `json:"tool_plan"`
	ToolCalls oneOrMore[struct {
		ID       word
		Function openAIFunction
	}] `json:"tool_calls"`
}

// A oneOrMore is a JSON object or a list of them. Anything else is empty.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '[':
		return json.Unmarshal(b, (*[]T)(o))
	case '{':
		*o = make([]T, 1)
		return json.Unmarshal(b, &(*o)[0])
	}
	return nil
}

// A cohereUsage counts twice: the tokens that the model has read and written, and those of
// them that Cohere bills. The cached tokens are of the former.
type cohereUsage struct {
	Tokens cohereTokens
	Billed cohereTokens `json:"billed_units"`
	Cached count        `json:"cached_tokens"`
}

type cohereTokens struct {
	Input  count `json:"input_tokens"`
	Output count `json:"output_tokens"`
}

func (u cohereUsage) usage() *Usage {
	if u == (cohereUsage{}) {
		return nil
	}
	t := u.Tokens
	if t == (cohereTokens{}) {
		t = u.Billed
	}
	return &Usage{Input: int(t.Input), Output: int(t.Output), Cached: int(u.Cached)}
}

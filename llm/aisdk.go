package llm

import (
	"cmp"
	"encoding/json"
)

// readAISDK reads a part of a UI message stream:
//
//	data: {"type":"start-step"}
//	data: {"type":"text-delta","id":"t1","delta":"Hello"}
//	data: {"type":"finish-step"}
//	data: {"type":"finish","finishReason":"stop"}
//	data: [DONE]
//
// Some servers leave out [DONE]. The parts of a tool call have an ID and no index.
func readAISDK(typ string, data []byte) (c chunk, err error) {
	var v struct {
		members
		Delta        word
		ToolCallID   word
		ToolName     word
		InputDelta   word `json:"inputTextDelta"`
		IsServed     word `json:"providerExecuted"`
		Input        json.RawMessage
		FinishReason word
		Reason       word
		Metadata     optional[aiSDKMetadata] `json:"messageMetadata"`
	}
	if c, ok, err := decode(typ, data, &v); !ok {
		return c, err
	}
	call := ToolCall{Index: unnumbered, ID: string(v.ToolCallID), Name: string(v.ToolName)}
	c.byID, c.served = true, v.IsServed != ""
	switch v.Type {
	case "text-delta":
		c.Text, c.keep = string(v.Delta), true
	case "reasoning-delta":
		c.Reasoning = string(v.Delta)
	case "tool-input-start":
		c.ToolCalls = []ToolCall{call}
	case "tool-input-delta":
		call.Arguments = string(v.InputDelta)
		c.ToolCalls = []ToolCall{call}
	case "tool-input-available":
		call.Arguments = string(v.Input)
		c.ToolCalls, c.whole = []ToolCall{call}, wholePart
	case "tool-input-error": // the input is what the model has written, and not always JSON
		if json.Unmarshal(v.Input, &call.Arguments) != nil {
			call.Arguments = string(v.Input)
		}
		c.ToolCalls, c.whole = []ToolCall{call}, wholePart
	case "start-step":
		c.step = true
	case "reset-step":
		c.step, c.Reset = true, true
	case "finish":
		c.Finish = string(v.FinishReason)
		if c.state = mayEnd; c.Finish == "error" {
			c.err = newError(Error{Type: c.Finish, Message: "the response ended with the finishReason error"}, string(data))
		}
	case "abort":
		c.err = newError(Error{Type: "abort", Message: cmp.Or(string(v.Reason), "the response was aborted")}, string(data))
	default: // without a type, it can be the error of a gateway
		if v.Type == "" || isErrorWord(string(v.Type)) {
			c.err = v.errOf(typ, data, false)
		}
	}
	c.Usage = v.Metadata.value.usage()
	return c, nil
}

// aiSDKMetadata is what an application adds to a message. The protocol does not say what it
// contains. Many applications add the usage as the AI SDK counts it, as usage or totalUsage.
type aiSDKMetadata struct{ Usage, TotalUsage optional[aiSDKUsage] }

func (m *aiSDKMetadata) usage() *Usage {
	u := cmp.Or(m.TotalUsage.value, m.Usage.value)
	if u == (aiSDKUsage{}) {
		return nil
	}
	return &Usage{
		Input:     int(u.Input),
		Output:    int(u.Output),
		Cached:    int(cmp.Or(u.InputDetails.CacheRead, u.Cached)),
		Reasoning: int(cmp.Or(u.OutputDetails.Reasoning, u.Reasoning)),
	}
}

type aiSDKUsage struct {
	Input        count `json:"inputTokens"`
	Output       count `json:"outputTokens"`
	Cached       count `json:"cachedInputTokens"`
	Reasoning    count `json:"reasoningTokens"`
	InputDetails struct {
		CacheRead count `json:"cacheReadTokens"`
	} `json:"inputTokenDetails"`
	OutputDetails struct {
		Reasoning count `json:"reasoningTokens"`
	} `json:"outputTokenDetails"`
}

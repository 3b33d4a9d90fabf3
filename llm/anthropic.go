package llm

import (
	"cmp"
	"encoding/json"
	"strings"
)

// readAnthropic reads an event of the Messages API:
//
//	event: message_start
//	data: {"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}
//
//	event: content_block_delta
//	data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}
//
//	event: message_delta
//	data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}
//
//	event: message_stop
//	data: {"type":"message_stop"}
//
// Some gateways leave out message_stop, some the lines with the field event, and some send
// [DONE], which says nothing.
func readAnthropic(typ string, data []byte) (c chunk, err error) {
	var v struct {
		members
		Index        count
		Message      optional[anthropicMessage] // in an error, it can be a string
		ContentBlock anthropicBlock             `json:"content_block"`
		Delta        anthropicDelta
		StopDetails  optional[anthropicStopDetails] `json:"stop_details"`
		Usage        optional[anthropicUsage]
	}
	if c, ok, err := decode(typ, data, &v); !ok {
		return c, err
	}
	switch cmp.Or(string(v.Type), typ) {
	case "message_start":
		c.Usage = v.Message.value.Usage.value.usage()
	case "content_block_start":
		c.Text, c.Reasoning = string(v.ContentBlock.Text), string(v.ContentBlock.Thinking)
		c.ToolCalls, c.served = v.ContentBlock.toolCalls(int(v.Index))
		c.whole = wholeCalls(c.ToolCalls)
	case "content_block_delta":
		c.Text, c.Reasoning = string(v.Delta.Text), string(v.Delta.Thinking)
		if v.Delta.PartialJSON != "" {
			c.ToolCalls = []ToolCall{{Index: int(v.Index), Arguments: string(v.Delta.PartialJSON)}}
		}
	case "message_delta":
		c.Usage = v.Usage.value.usage()
		if c.Finish = string(v.Delta.StopReason); c.Finish != "" {
			c.state = mayEnd
		}
		if c.Finish == "refusal" {
			c.Refusal = string(cmp.Or(v.Delta.StopDetails.value.Explanation, v.StopDetails.value.Explanation))
		}
	case "message_stop":
		c.state = complete
	}
	c.err = v.errOf(typ, data, false)
	return c, nil
}

// An anthropicMessage is the message of message_start.
type anthropicMessage struct{ Usage optional[anthropicUsage] }

// An anthropicBlock is the beginning of a content block. Its text is empty, except with some
// gateways.
type anthropicBlock struct {
	Type           word
	ID, Name       word
	Text, Thinking word
	Input          word
}

// toolCalls returns the call that the block is, if it is one, and whether the service makes
// it itself. The index of the block numbers the call, as it does in the deltas.
func (b *anthropicBlock) toolCalls(index int) (calls []ToolCall, served bool) {
	switch b.Type {
	case "tool_use":
	case "server_tool_use", "mcp_tool_use":
		served = true
	default:
		return nil, false
	}
	return []ToolCall{{Index: index, ID: string(b.ID), Name: string(b.Name), Arguments: arguments(b.Input)}}, served
}

// wholeCalls returns the scope of calls that begin with these arguments: where they are
// complete, the pieces that follow repeat them.
func wholeCalls(calls []ToolCall) scope {
	if len(calls) > 0 && json.Valid([]byte(calls[0].Arguments)) {
		return wholePart
	}
	return piece
}

// arguments returns the arguments that a call begins with, or "" for an empty object, after
// which they come in pieces.
func arguments(w word) string {
	if strings.Join(strings.Fields(string(w)), "") == "{}" {
		return ""
	}
	return string(w)
}

type anthropicDelta struct {
	Text, Thinking word
	PartialJSON    word                           `json:"partial_json"`
	StopReason     word                           `json:"stop_reason"`
	StopDetails    optional[anthropicStopDetails] `json:"stop_details"`
}

type anthropicStopDetails struct{ Explanation word }

type anthropicUsage struct {
	Input         count `json:"input_tokens"` // without those of the cache
	CacheCreation count `json:"cache_creation_input_tokens"`
	CacheRead     count `json:"cache_read_input_tokens"`
	Output        count `json:"output_tokens"`
	OutputDetails struct {
		Thinking count `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
}

// usage returns the counts, or nil if there are none.
func (u anthropicUsage) usage() *Usage {
	if u == (anthropicUsage{}) {
		return nil
	}
	return &Usage{
		Input:     int(u.Input + u.CacheCreation + u.CacheRead),
		Output:    int(u.Output),
		Cached:    int(u.CacheRead),
		Reasoning: int(u.OutputDetails.Thinking),
	}
}

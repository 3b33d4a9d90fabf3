package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/fetchsse/sse"
)

// decode unmarshals the data of an event into a T.
func decode[T any](e sse.Event) (v T, err error) {
	if err = json.Unmarshal([]byte(e.Data), &v); err != nil {
		err = &sse.DecodeError{Event: e, Err: err}
	}
	return v, err
}

// eventError returns the error that an event reports, or nil. Each API has its own place
// for the message:
//
//	{"error":{"message":"…"}}                 all but Responses; some compatible servers send a string
//	event: error {"message":"…"}              Responses
//	event: response.failed {"response":{"error":{"message":"…"}}}
func eventError(e sse.Event) error {
	var v struct {
		Error, Message errorMessage
		Response       struct{ Error errorMessage }
	}
	// The parse functions report invalid JSON. An event of an error type is an error even
	// if its data is not JSON.
	_ = json.Unmarshal([]byte(e.Data), &v)
	m := v.Error
	if e.Type == "error" || e.Type == "response.failed" {
		m = cmp.Or(m, v.Response.Error, v.Message, errorMessage(e.Data), "unknown")
	}
	if m == "" {
		return nil
	}
	return errors.New(string(m))
}

// An errorMessage is the text of an error. In JSON it is a string or an object with a
// message.
type errorMessage string

func (m *errorMessage) UnmarshalJSON(b []byte) error {
	var v struct{ Type, Status, Message string }
	switch {
	case json.Unmarshal(b, (*string)(m)) == nil: // also for null, which leaves m empty
	case json.Unmarshal(b, &v) != nil || v.Message == "":
		*m = errorMessage(b)
	default:
		*m = errorMessage(strings.TrimPrefix(cmp.Or(v.Type, v.Status)+": "+v.Message, ": "))
	}
	return nil
}

func parseOpenAI(e sse.Event) (d delta, err error) {
	c, err := decode[struct {
		Choices []struct {
			Delta        struct{ Content string }
			FinishReason string `json:"finish_reason"`
		}
		Usage struct { // only in the last chunk, which has no choices
			Input  int `json:"prompt_tokens"`
			Output int `json:"completion_tokens"`
		}
	}](e)
	d.input, d.output = c.Usage.Input, c.Usage.Output
	for _, choice := range c.Choices {
		d.text += choice.Delta.Content
		d.stopReason = earlyStop(choice.FinishReason, "stop")
	}
	return d, err
}

func parseResponses(e sse.Event) (d delta, err error) {
	switch e.Type {
	case "response.output_text.delta":
		c, err := decode[struct{ Delta string }](e)
		return delta{text: c.Delta}, err
	case "response.completed", "response.incomplete":
		c, err := decode[struct {
			Response struct {
				Incomplete struct{ Reason string } `json:"incomplete_details"`
				Usage      struct {
					Input  int `json:"input_tokens"`
					Output int `json:"output_tokens"`
				}
			}
		}](e)
		r := c.Response
		d = delta{input: r.Usage.Input, output: r.Usage.Output, stopReason: r.Incomplete.Reason}
		if e.Type == "response.incomplete" {
			d.stopReason = cmp.Or(d.stopReason, "no reason given")
		}
		return d, err
	}
	return delta{}, nil // other events add nothing
}

func parseAnthropic(e sse.Event) (d delta, err error) {
	type tokens struct {
		Input  int `json:"input_tokens"`
		Output int `json:"output_tokens"`
	}
	switch e.Type {
	case "message_start":
		c, err := decode[struct{ Message struct{ Usage tokens } }](e)
		return delta{input: c.Message.Usage.Input, output: c.Message.Usage.Output}, err
	case "content_block_delta":
		c, err := decode[struct{ Delta struct{ Type, Text string } }](e)
		if c.Delta.Type != "text_delta" {
			return delta{}, err // thinking, or the input of a tool
		}
		return delta{text: c.Delta.Text}, err
	case "message_delta":
		c, err := decode[struct {
			Delta struct {
				StopReason string `json:"stop_reason"`
			}
			Usage tokens
		}](e)
		return delta{input: c.Usage.Input, output: c.Usage.Output, stopReason: earlyStop(c.Delta.StopReason, "end_turn")}, err
	}
	return delta{}, nil // other events add nothing
}

type geminiChunk struct {
	Candidates []struct {
		Content struct {
			Parts []struct {
				Text    string
				Thought bool
			}
		}
		FinishReason string
	}
	UsageMetadata struct {
		PromptTokenCount, CandidatesTokenCount, ThoughtsTokenCount int
	}
	PromptFeedback struct{ BlockReason string }
}

func (c geminiChunk) finishReason() string {
	if len(c.Candidates) == 0 {
		return ""
	}
	return c.Candidates[0].FinishReason
}

func parseGemini(e sse.Event) (d delta, err error) {
	c, err := decode[geminiChunk](e)
	if err == nil && c.PromptFeedback.BlockReason != "" {
		err = fmt.Errorf("the prompt was blocked: %s", c.PromptFeedback.BlockReason)
	}
	for _, candidate := range c.Candidates {
		for _, part := range candidate.Content.Parts {
			if !part.Thought {
				d.text += part.Text
			}
		}
	}
	u := c.UsageMetadata
	d.input, d.output = u.PromptTokenCount, u.CandidatesTokenCount+u.ThoughtsTokenCount
	d.stopReason = earlyStop(c.finishReason(), "STOP")
	return d, err
}

// earlyStop returns reason, or "" if it is the normal reason of a model to stop.
func earlyStop(reason, normal string) string {
	if reason == normal {
		return ""
	}
	return reason
}

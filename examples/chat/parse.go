package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/fetchsse/sse"
)

// decode reads the data of an event, of which a T has what matters here.
func decode[T any](e sse.Event) (v T, err error) {
	if err = json.Unmarshal([]byte(e.Data), &v); err != nil {
		err = &sse.DecodeError{Event: e, Err: err}
	}
	return v, err
}

// failure returns the error that an event reports, if it does. By then the status 200
// was sent long ago. The dialects differ in where they put the message:
//
//	{"error":{"message":"…"}}                 all but Responses; compatible servers may have a plain string
//	event: error {"message":"…"}              Responses
//	event: response.failed {"response":{"error":{"message":"…"}}}
func failure(e sse.Event) error {
	var v struct {
		Error, Message problem
		Response       struct{ Error problem }
	}
	// What is no JSON is parse's business, unless the event's type says that it is an error.
	_ = json.Unmarshal([]byte(e.Data), &v)
	p := v.Error
	if e.Type == "error" || e.Type == "response.failed" {
		p = cmp.Or(p, v.Response.Error, v.Message, problem(e.Data), "unknown")
	}
	if p == "" {
		return nil
	}
	return errors.New(string(p))
}

// A problem is the text of an error: a string, or an object with a message.
type problem string

func (p *problem) UnmarshalJSON(b []byte) error {
	var v struct{ Type, Status, Message string }
	switch {
	case json.Unmarshal(b, (*string)(p)) == nil: // also null, which is no problem
	case json.Unmarshal(b, &v) != nil || v.Message == "":
		*p = problem(b)
	default:
		*p = problem(strings.TrimPrefix(cmp.Or(v.Type, v.Status)+": "+v.Message, ": "))
	}
	return nil
}

func parseOpenAI(e sse.Event) (p piece, err error) {
	c, err := decode[struct {
		Choices []struct {
			Delta        struct{ Content string }
			FinishReason string `json:"finish_reason"`
		}
		Usage struct { // in the last chunk, which has no choices
			Input  int `json:"prompt_tokens"`
			Output int `json:"completion_tokens"`
		}
	}](e)
	p.input, p.output = c.Usage.Input, c.Usage.Output
	for _, choice := range c.Choices {
		p.text += choice.Delta.Content
		p.note = unless("stop", choice.FinishReason)
	}
	return p, err
}

func parseResponses(e sse.Event) (p piece, err error) {
	switch e.Type {
	case "response.output_text.delta":
		c, err := decode[struct{ Delta string }](e)
		return piece{text: c.Delta}, err
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
		p = piece{input: r.Usage.Input, output: r.Usage.Output, note: r.Incomplete.Reason}
		if e.Type == "response.incomplete" {
			p.note = cmp.Or(p.note, "no reason given")
		}
		return p, err
	}
	return piece{}, nil // what is being built, and much else
}

func parseAnthropic(e sse.Event) (p piece, err error) {
	type tokens struct {
		Input  int `json:"input_tokens"`
		Output int `json:"output_tokens"`
	}
	switch e.Type {
	case "message_start":
		c, err := decode[struct{ Message struct{ Usage tokens } }](e)
		return piece{input: c.Message.Usage.Input, output: c.Message.Usage.Output}, err
	case "content_block_delta":
		c, err := decode[struct{ Delta struct{ Type, Text string } }](e)
		if c.Delta.Type != "text_delta" {
			return piece{}, err // what the model thinks, or the input of a tool
		}
		return piece{text: c.Delta.Text}, err
	case "message_delta":
		c, err := decode[struct {
			Delta struct {
				StopReason string `json:"stop_reason"`
			}
			Usage tokens
		}](e)
		return piece{input: c.Usage.Input, output: c.Usage.Output, note: unless("end_turn", c.Delta.StopReason)}, err
	}
	return piece{}, nil // ping, the end of a block, and what is new tomorrow
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

func parseGemini(e sse.Event) (p piece, err error) {
	c, err := decode[geminiChunk](e)
	if err == nil && c.PromptFeedback.BlockReason != "" {
		err = fmt.Errorf("the prompt was refused: %s", c.PromptFeedback.BlockReason)
	}
	for _, candidate := range c.Candidates {
		for _, part := range candidate.Content.Parts {
			if !part.Thought {
				p.text += part.Text
			}
		}
	}
	u := c.UsageMetadata
	p.input, p.output = u.PromptTokenCount, u.CandidatesTokenCount+u.ThoughtsTokenCount
	p.note = unless("STOP", c.finishReason())
	return p, err
}

// unless returns the reason for which the model stopped unless it is the usual one.
func unless(usual, reason string) string {
	if reason == usual {
		return ""
	}
	return reason
}

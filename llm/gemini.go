package llm

import "bytes"

// readGemini reads a chunk of streamGenerateContent:
//
//	data: {"candidates":[{"content":{"parts":[{"text":"Hel"}]},"index":0}]}
//	data: {"candidates":[{"content":{"parts":[{"text":"lo"}]},"finishReason":"STOP"}],"usageMetadata":{…}}
//
// Nothing marks the end but the finishReason of the last chunk. Earlier chunks can have one
// too. A prompt that a filter has stopped has no candidates:
//
//	data: {"promptFeedback":{"blockReason":"SAFETY"}}
//
// The arguments of a call that Vertex AI sends in pieces, which a request has to ask for,
// are paths and values, not JSON. They are left out.
func readGemini(typ string, data []byte) (c chunk, err error) {
	if typ == "error" {
		return chunk{err: eventError(data)}, nil
	}
	var v struct {
		members
		Candidates     []geminiCandidate
		PromptFeedback struct{ BlockReason, BlockReasonMessage word }
		UsageMetadata  *geminiUsage
	}
	if ok, err := object(data, &v); !ok || err != nil {
		return chunk{err: outsideError(data)}, err
	}
	for _, candidate := range v.Candidates {
		if candidate.Index == 0 {
			c.Delta = candidate.delta()
		}
	}
	if reason := v.PromptFeedback.BlockReason; c.Finish == "" && reason != "BLOCK_REASON_UNSPECIFIED" {
		c.Finish = string(reason)
		c.Refusal = string(v.PromptFeedback.BlockReasonMessage)
	}
	if c.Finish != "" {
		c.state = mayEnd
	}
	c.Usage = v.UsageMetadata.usage()
	c.err = v.err(data)
	return c, nil
}

// outsideError returns the error that data reports which is not an object, or nil. It can be
// a list.
func outsideError(data []byte) *Error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '[' {
		e, _ := envelope(data) // [DONE] is not JSON
		return e
	}
	return textError(data)
}

type geminiCandidate struct {
	Index         count
	Content       struct{ Parts []geminiPart }
	FinishReason  word
	FinishMessage word
}

type geminiPart struct {
	Text         word
	Thought      word // true if the text is a thought
	FunctionCall *struct{ ID, Name, Args word }
}

func (c *geminiCandidate) delta() (d Delta) {
	for _, p := range c.Content.Parts {
		if p.Thought != "" {
			d.Reasoning += string(p.Text)
		} else {
			d.Text += string(p.Text)
		}
		if call := p.FunctionCall; call != nil && *call != (struct{ ID, Name, Args word }{}) {
			d.ToolCalls = append(d.ToolCalls, ToolCall{Index: unnumbered, ID: string(call.ID), Name: string(call.Name), Arguments: string(call.Args)})
		}
	}
	if c.FinishReason != "FINISH_REASON_UNSPECIFIED" {
		d.Finish = string(c.FinishReason)
	}
	if isRefusal(d.Finish) { // STOP has a message too, which tells of calls
		d.Refusal = string(c.FinishMessage)
	}
	return d
}

type geminiUsage struct {
	Prompt     count `json:"promptTokenCount"`
	ToolPrompt count `json:"toolUsePromptTokenCount"`
	Cached     count `json:"cachedContentTokenCount"` // of Prompt
	Candidates count `json:"candidatesTokenCount"`
	Thoughts   count `json:"thoughtsTokenCount"` // beside Candidates
}

// usage returns the counts, or nil if there are none.
func (u *geminiUsage) usage() *Usage {
	if u == nil || *u == (geminiUsage{}) {
		return nil
	}
	return &Usage{
		Input:     int(u.Prompt + u.ToolPrompt),
		Output:    int(u.Candidates + u.Thoughts),
		Cached:    int(u.Cached),
		Reasoning: int(u.Thoughts),
	}
}

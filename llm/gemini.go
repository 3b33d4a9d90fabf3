package llm

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
	var v struct {
		members
		Candidates     []geminiCandidate
		PromptFeedback optional[geminiFeedback]
		UsageMetadata  optional[geminiUsage]
	}
	if c, ok, err := decode(typ, data, &v); !ok {
		return c, err
	}
	for _, candidate := range v.Candidates {
		if candidate.Index == 0 {
			c.Delta.join(candidate.delta())
		}
	}
	if reason := v.PromptFeedback.value.BlockReason; c.Finish == "" && reason != "BLOCK_REASON_UNSPECIFIED" {
		c.Finish = string(reason)
		c.Refusal = string(v.PromptFeedback.value.BlockReasonMessage)
	}
	if c.Finish != "" {
		c.state = mayEnd
	}
	c.Usage = v.UsageMetadata.value.usage()
	c.err = v.errOf(typ, data, v.Candidates != nil)
	return c, nil
}

// A geminiFeedback tells why a filter has stopped a prompt.
type geminiFeedback struct{ BlockReason, BlockReasonMessage word }

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
	Input    count `json:"promptTokenCount"`
	ToolUse  count `json:"toolUsePromptTokenCount"`
	Cached   count `json:"cachedContentTokenCount"` // of Input
	Output   count `json:"candidatesTokenCount"`
	Thoughts count `json:"thoughtsTokenCount"` // beside Output
}

// usage returns the counts, or nil if there are none.
func (u geminiUsage) usage() *Usage {
	if u == (geminiUsage{}) {
		return nil
	}
	return &Usage{
		Input:     int(u.Input + u.ToolUse),
		Output:    int(u.Output + u.Thoughts),
		Cached:    int(u.Cached),
		Reasoning: int(u.Thoughts),
	}
}

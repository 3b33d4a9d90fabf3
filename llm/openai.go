package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
)

// readOpenAIChat reads a chunk of Chat Completions:
//
//	data: {"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}
//	data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}
//	data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}
//	data: [DONE]
//
// Some servers leave out [DONE], and some send the usage with each chunk. Data that is not
// an object is a keep-alive, or belongs to an event that the server has invented.
func readOpenAIChat(typ string, data []byte) (chunk, error) { return readChat(typ, data, false) }

// readPerplexity reads a chunk of Sonar, whose streams end with the chunk that has a finish
// reason: only some models send [DONE]. A chunk repeats in its message what came before.
func readPerplexity(typ string, data []byte) (chunk, error) { return readChat(typ, data, true) }

// readChat is for both. If reasoningApart is set, the output tokens are those without the
// reasoning.
func readChat(typ string, data []byte, reasoningApart bool) (c chunk, err error) {
	if string(bytes.TrimSpace(data)) == "[DONE]" {
		return chunk{state: complete}, nil
	}
	if typ == "error" {
		return chunk{err: eventError(data)}, nil
	}
	var v struct {
		members
		Code, Message word // the error of a gateway that has no choices
		Choices       []openAIChoice
		Usage         *openAIUsage
		XGroq         struct {
			Error failure
			Usage *openAIUsage
		} `json:"x_groq"`
	}
	if ok, err := object(data, &v); !ok || err != nil {
		return chunk{err: textError(data)}, err
	}
	if v.XGroq.Error.isSet() {
		v.Error = v.XGroq.Error
	}
	var choice openAIChoice
	if i := slices.IndexFunc(v.Choices, func(c openAIChoice) bool { return c.Index == 0 }); i >= 0 {
		choice = v.Choices[i]
	}
	c.Delta, c.whole = choice.delta()
	c.alike = true
	if c.Finish != "" {
		c.state = mayEnd
	}
	switch {
	case choice.Error.isSet():
		v.Error = choice.Error
	case isFailure(c.Finish) && !v.Error.isSet():
		v.Error.Error = Error{Type: c.Finish, Message: "the service ended the response with finish_reason " + c.Finish}
	}
	if v.Choices != nil || typ != "message" {
		v.Detail = failure{} // that of something else
	} else if v.Message != "" && v.Code != "" && v.Code != "0" && v.Code != "200" {
		v.Type = "error"
	}
	c.err = v.err(data)
	c.Usage = cmp.Or(v.Usage, choice.Usage, v.XGroq.Usage).usage(reasoningApart)
	return c, nil
}

// isFailure reports whether a finish reason means that the service has failed: those of
// OpenRouter, vLLM, DeepSeek and Zhipu.
func isFailure(finish string) bool {
	switch finish {
	case "error", "abort", "insufficient_system_resource", "network_error":
		return true
	}
	return false
}

type openAIChoice struct {
	Index        count
	Delta        openAIMessage
	Message      openAIMessage // of a response that comes as one chunk
	Text         content       // of the legacy Completions
	FinishReason word          `json:"finish_reason"`
	Error        failure
	Usage        *openAIUsage // of Moonshot
}

// delta returns what the choice adds. It is whole if it has the text of a message in place
// of that of a delta.
func (c *openAIChoice) delta() (d Delta, whole scope) {
	m := c.Delta
	if m.isEmpty() && c.Text == (content{}) {
		m, whole = c.Message, wholePart
	}
	d = Delta{
		Text:      c.Text.text + m.Content.text,
		Reasoning: cmp.Or(m.ReasoningContent.text, m.Reasoning.text, m.ReasoningText.text) + m.Content.reasoning,
		Refusal:   string(m.Refusal),
		Finish:    string(c.FinishReason),
	}
	if d.Finish == "null" { // DashScope's word for none
		d.Finish = ""
	}
	if m.FunctionCall != nil {
		m.ToolCalls = append(m.ToolCalls, openAIToolCall{Function: *m.FunctionCall})
	}
	for _, step := range m.ReasoningSteps {
		d.Reasoning += step.Thought.text
	}
	for i, t := range m.ToolCalls {
		if t.Index != nil {
			i = int(*t.Index)
		}
		d.ToolCalls = append(d.ToolCalls, ToolCall{Index: i, ID: string(t.ID), Name: string(t.Function.Name), Arguments: string(t.Function.Arguments)})
	}
	return d, whole
}

type openAIMessage struct {
	Content          content
	ReasoningContent content                     `json:"reasoning_content"` // of DeepSeek, vLLM
	Reasoning        content                     // of Groq, OpenRouter
	ReasoningText    content                     `json:"reasoning_text"`  // of GitHub Copilot
	ReasoningSteps   []struct{ Thought content } `json:"reasoning_steps"` // of Perplexity
	Refusal          word
	ToolCalls        []openAIToolCall `json:"tool_calls"`
	FunctionCall     *openAIFunction  `json:"function_call"` // before there were tools
}

func (m *openAIMessage) isEmpty() bool {
	return m.Content == (content{}) && m.ReasoningContent == (content{}) && m.Reasoning == (content{}) &&
		m.ReasoningText == (content{}) && m.ReasoningSteps == nil && m.Refusal == "" && m.ToolCalls == nil && m.FunctionCall == nil
}

type openAIToolCall struct {
	Index    *count // some servers send complete calls without it
	ID       word
	Function openAIFunction
}

type openAIFunction struct {
	Name      word
	Arguments word
}

// A content is text as a JSON string, or as a list of parts, as Mistral sends thoughts:
//
//	[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]},{"type":"text","text":"Hi"}]
type content struct{ text, reasoning string }

func (c *content) UnmarshalJSON(b []byte) error {
	*c = content{}
	switch b[0] {
	case '"':
		return json.Unmarshal(b, &c.text)
	case '[':
		var parts []content
		err := json.Unmarshal(b, &parts)
		for _, p := range parts {
			c.text += p.text
			c.reasoning += p.reasoning
		}
		return err
	case '{':
		var part struct{ Text, Thinking content }
		err := json.Unmarshal(b, &part)
		c.text = part.Text.text
		c.reasoning = part.Thinking.text + part.Thinking.reasoning + part.Text.reasoning
		return err
	}
	return nil // of another kind, null for instance: it has no text
}

type openAIUsage struct {
	Prompt     count `json:"prompt_tokens"`
	Completion count `json:"completion_tokens"`
	Total      count `json:"total_tokens"`
	Input      count `json:"input_tokens"` // of the Responses API
	Output     count `json:"output_tokens"`
	CacheHits  count `json:"prompt_cache_hit_tokens"` // of DeepSeek
	Cached     count `json:"cached_tokens"`           // of Moonshot
	Reasoning  count `json:"reasoning_tokens"`        // of Perplexity, SGLang

	PromptDetails     openAITokens `json:"prompt_tokens_details"`
	CompletionDetails openAITokens `json:"completion_tokens_details"`
	InputDetails      openAITokens `json:"input_tokens_details"`
	OutputDetails     openAITokens `json:"output_tokens_details"`
}

type openAITokens struct {
	Cached    count `json:"cached_tokens"`
	Reasoning count `json:"reasoning_tokens"`
}

// usage returns the counts, or nil if there are none. Some servers send zeros until the end.
func (u *openAIUsage) usage(reasoningApart bool) *Usage {
	if u == nil {
		return nil
	}
	input, output := cmp.Or(u.Prompt, u.Input), cmp.Or(u.Completion, u.Output)
	reasoning := cmp.Or(u.CompletionDetails.Reasoning, u.OutputDetails.Reasoning, u.Reasoning)
	if reasoningApart || reasoning > output || reasoning > 0 && u.Total == input+output+reasoning { // xAI
		output += reasoning
	}
	total := Usage{
		Input:     int(input),
		Output:    int(output),
		Cached:    int(cmp.Or(u.PromptDetails.Cached, u.InputDetails.Cached, u.CacheHits, u.Cached)),
		Reasoning: int(reasoning),
	}
	if total == (Usage{}) {
		return nil
	}
	return &total
}

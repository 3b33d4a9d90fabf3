package llm

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
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
	var v struct {
		members
		Choices []openAIChoice
		Usage   *optional[openAIUsage]
		XGroq   *optional[xGroq] `json:"x_groq"`
	}
	if c, ok, err := decode(typ, data, &v); !ok {
		return c, err
	}
	groq := v.XGroq.get()
	if groq.Error.isSet() {
		v.Error = groq.Error
	}
	usage := groq.Usage
	for i := range v.Choices { // several are 0 in some chunks of GitHub Copilot
		choice := &v.Choices[i]
		if choice.Index != 0 {
			continue
		}
		d, whole := choice.delta()
		c.Delta.join(d)
		c.whole = max(c.whole, whole)
		usage = cmp.Or(choice.Usage, usage)
		switch {
		case choice.Error.isSet():
			v.Error = choice.Error
		case !v.Error.isSet():
			v.Error.Error = choice.FinishReason.err()
		}
	}
	c.alike = true
	if c.Finish != "" {
		c.state = mayEnd
	}
	c.err = v.errOf(typ, data, v.Choices != nil)
	c.Usage = cmp.Or(v.Usage, usage).get().usage(reasoningApart)
	return c, nil
}

// A finishReason is the word for why a text ends. Some servers send an object with it.
type finishReason struct {
	word    string
	message string
}

func (r *finishReason) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case 'n': // null
		return nil
	case '{':
		var f failure
		f.decode(b, 0)
		*r = finishReason{word: cmp.Or(f.Type, string(b)), message: f.Message}
		return nil
	}
	err := (*word)(&r.word).UnmarshalJSON(b)
	if r.word == "null" { // DashScope's word for none
		r.word = ""
	}
	return err
}

// err returns the error of a reason which means that the service has failed: those of
// OpenRouter, vLLM, SGLang, DeepSeek and Zhipu.
func (r finishReason) err() Error {
	switch strings.ToLower(r.word) {
	case "error", "abort", "aborted", "timeout", "cancelled", "canceled", "insufficient_system_resource", "network_error":
		return Error{Type: r.word, Message: cmp.Or(r.message, "the service ended the response with finish_reason "+r.word)}
	}
	return Error{}
}

// An xGroq is what Groq adds to a chunk.
type xGroq struct {
	Error failure
	Usage *optional[openAIUsage]
}

type openAIChoice struct {
	Index        count
	Delta        openAIMessage
	Message      openAIMessage // of a response that comes as one chunk
	Text         content       // of the legacy Completions
	FinishReason finishReason  `json:"finish_reason"`
	Error        failure
	Usage        *optional[openAIUsage] // of Moonshot
}

// delta returns what the choice adds. It is whole if it has the text of a message in place
// of that of a delta.
func (c *openAIChoice) delta() (d Delta, whole scope) {
	m := c.Delta
	if m.isEmpty() && c.Text == (content{}) && !c.Message.isEmpty() {
		m, whole = c.Message, wholePart
	}
	d = Delta{
		Text:      c.Text.text + m.Content.text,
		Reasoning: cmp.Or(m.ReasoningContent.text, m.Reasoning.text, m.ReasoningText.text) + m.Content.reasoning,
		Refusal:   string(m.Refusal),
		Finish:    c.FinishReason.word,
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
	ReasoningContent content                              `json:"reasoning_content"` // of DeepSeek, vLLM
	Reasoning        content                              // of Groq, OpenRouter
	ReasoningText    content                              `json:"reasoning_text"`  // of GitHub Copilot
	ReasoningSteps   oneOrMore[struct{ Thought content }] `json:"reasoning_steps"` // of Perplexity
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

func (c *content) UnmarshalJSON(b []byte) error { return c.decode(b, 0) }

// decode decodes b, which is JSON at this depth.
func (c *content) decode(b []byte, depth int) (err error) {
	*c = content{}
	switch {
	case depth > maxDepth:
		return errDepth
	case len(b) == 0: // a member that is missing
	case b[0] == '"':
		err = json.Unmarshal(b, &c.text)
	case b[0] == '[':
		var parts []json.RawMessage
		err = json.Unmarshal(b, &parts)
		for _, part := range parts {
			var p content
			err = cmp.Or(err, p.decode(part, depth+1))
			c.text += p.text
			c.reasoning += p.reasoning
		}
	case b[0] == '{':
		var part struct{ Text, Thinking json.RawMessage }
		err = json.Unmarshal(b, &part)
		var text, thinking content
		err = cmp.Or(err, text.decode(part.Text, depth+1), thinking.decode(part.Thinking, depth+1))
		c.text = text.text
		c.reasoning = thinking.text + thinking.reasoning + text.reasoning
	}
	return err // of another kind, null for instance, it has no text
}

// errDepth is a DecodeError, so that a text is not lost without a word.
var errDepth = errors.New("the text is too deep in objects and lists")

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
func (u openAIUsage) usage(reasoningApart bool) *Usage {
	if u == (openAIUsage{}) {
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

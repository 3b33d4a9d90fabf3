package llm_test

import (
	"testing"

	"github.com/fetchsse/sse/llm"
)

func TestPerplexity(t *testing.T) {
	check(t, llm.Perplexity, []stream{
		{
			name: "whole",
			body: `data: {"object":"chat.completion.chunk","choices":[{"index":0,"message":{"role":"assistant","content":"Hel"},"delta":{"role":"assistant","content":"Hel"}}],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}

: ping - 2026-01-01 00:00:00

data: {"object":"chat.completion.chunk","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"delta":{"role":"assistant","content":"lo"}}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}

data: {"object":"chat.completion.done","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"delta":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"citation_tokens":500,"reasoning_tokens":1}}

`,
			text: "Hello", finish: "stop", usage: &llm.Usage{Input: 9, Output: 3, Reasoning: 1},
		},
		{
			name: "[DONE], which sonar-deep-research sends",
			body: `data: {"choices":[{"index":0,"message":{"content":"Hello"},"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":33,"completion_tokens":10,"reasoning_tokens":500}}

data: [DONE]

`,
			text: "Hello", finish: "stop", usage: &llm.Usage{Input: 33, Output: 510, Reasoning: 500},
		},
		{
			name: "the concise mode",
			body: `data: {"object":"chat.reasoning","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_steps":[{"thought":"Search.","type":"web_search"}]}}]}

data: {"object":"chat.reasoning.done","choices":[{"index":0,"message":{"role":"assistant","content":"","reasoning_steps":[{"thought":"Search.","type":"web_search"}]},"delta":{"role":"assistant","content":""}}]}

data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hello"}}]}

data: {"object":"chat.completion.done","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}

`,
			text: "Hello", reasoning: "Search.", finish: "stop", usage: &llm.Usage{Input: 9, Output: 2},
		},
		{
			name: "an error",
			body: `data: {"error":{"message":"Invalid model","type":"invalid_model","code":400}}

`,
			err: "Invalid model",
		},
		{
			name: "no finish reason",
			body: hel,
			text: "Hel", err: "truncated",
		},
	})
}

package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fetchsse/sse/llm"
)

// A dialect describes the requests of one API. Package llm knows its responses.
type dialect struct {
	response llm.Dialect

	path  string // relative to the base URL; {model} is replaced
	query string // key=value to set in the URL
	model string // default model
	key   string // environment variable of the API key
	auth  func(h http.Header, key string)
	body  func(model, prompt string) any
}

type object = map[string]any

var dialects = map[string]dialect{
	"openai": {
		response: llm.OpenAIChat,
		path:     "chat/completions",
		model:    "gpt-5-mini",
		key:      "OPENAI_API_KEY",
		auth:     bearer,
		body: func(model, prompt string) any {
			return object{
				"model": model, "messages": userMessage(prompt), "stream": true,
				"stream_options": object{"include_usage": true},
			}
		},
	},
	"responses": {
		response: llm.OpenAIResponses,
		path:     "responses",
		model:    "gpt-5-mini",
		key:      "OPENAI_API_KEY",
		auth:     bearer,
		body: func(model, prompt string) any {
			return object{"model": model, "input": prompt, "stream": true}
		},
	},
	"anthropic": {
		response: llm.Anthropic,
		path:     "messages",
		model:    "claude-haiku-4-5",
		key:      "ANTHROPIC_API_KEY",
		auth: func(h http.Header, key string) {
			h.Set("Anthropic-Version", "2023-06-01")
			setKey(h, "X-Api-Key", "", key)
		},
		body: func(model, prompt string) any {
			return object{"model": model, "messages": userMessage(prompt), "stream": true, "max_tokens": 4096}
		},
	},
	"gemini": {
		response: llm.Gemini,
		path:     "models/{model}:streamGenerateContent",
		query:    "alt=sse", // without it, the response is a JSON array
		model:    "gemini-2.5-flash",
		key:      "GEMINI_API_KEY",
		auth:     func(h http.Header, key string) { setKey(h, "X-Goog-Api-Key", "", key) },
		body: func(_, prompt string) any {
			return object{"contents": []object{{"role": "user", "parts": []object{{"text": prompt}}}}}
		},
	},
}

// providers returns the names of the dialects.
func providers() string {
	return strings.Join(slices.Sorted(maps.Keys(dialects)), ", ")
}

func userMessage(prompt string) []object {
	return []object{{"role": "user", "content": prompt}}
}

func bearer(h http.Header, key string) { setKey(h, "Authorization", "Bearer ", key) }

// setKey sets the header name to prefix and key. It does nothing if key is empty, because
// a local server may need no key.
func setKey(h http.Header, name, prefix, key string) {
	if key != "" {
		h.Set(name, prefix+key)
	}
}

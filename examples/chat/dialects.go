package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fetchsse/sse"
)

// A dialect describes the requests and the responses of one API.
type dialect struct {
	path  string // relative to the base URL; {model} is replaced
	query string // key=value to set in the URL
	model string // default model
	key   string // environment variable of the API key
	auth  func(h http.Header, key string)
	body  func(model, prompt string) any

	parse    func(sse.Event) (delta, error)
	complete sse.Option // detects the end of a complete response
}

// A delta is the part of the response in one event. Most events set few of its fields.
type delta struct {
	text          string
	input, output int    // tokens so far
	stopReason    string // why the model stopped early, if it did
}

type object = map[string]any

var dialects = map[string]dialect{
	"openai": {
		path:  "chat/completions",
		model: "gpt-5-mini",
		key:   "OPENAI_API_KEY",
		auth:  bearer,
		body: func(model, prompt string) any {
			return object{
				"model": model, "messages": userMessage(prompt), "stream": true,
				"stream_options": object{"include_usage": true},
			}
		},
		parse:    parseOpenAI,
		complete: sse.WithDone("[DONE]"),
	},
	"responses": {
		path:  "responses",
		model: "gpt-5-mini",
		key:   "OPENAI_API_KEY",
		auth:  bearer,
		body: func(model, prompt string) any {
			return object{"model": model, "input": prompt, "stream": true}
		},
		parse: parseResponses,
		// The third way to end is response.failed, which eventError reports.
		complete: sse.WithTerminator(func(e sse.Event) bool {
			return e.Type == "response.completed" || e.Type == "response.incomplete"
		}),
	},
	"anthropic": {
		path:  "messages",
		model: "claude-haiku-4-5",
		key:   "ANTHROPIC_API_KEY",
		auth: func(h http.Header, key string) {
			h.Set("Anthropic-Version", "2023-06-01")
			setKey(h, "X-Api-Key", "", key)
		},
		body: func(model, prompt string) any {
			return object{"model": model, "messages": userMessage(prompt), "stream": true, "max_tokens": 4096}
		},
		parse:    parseAnthropic,
		complete: sse.WithTerminator(func(e sse.Event) bool { return e.Type == "message_stop" }),
	},
	"gemini": {
		path:  "models/{model}:streamGenerateContent",
		query: "alt=sse", // without it, the response is a JSON array
		model: "gemini-2.5-flash",
		key:   "GEMINI_API_KEY",
		auth:  func(h http.Header, key string) { setKey(h, "X-Goog-Api-Key", "", key) },
		body: func(_, prompt string) any {
			return object{"contents": []object{{"role": "user", "parts": []object{{"text": prompt}}}}}
		},
		parse: parseGemini,
		// The chunk with the finish reason is the last one.
		complete: sse.WithTerminator(func(e sse.Event) bool {
			c, err := decode[geminiChunk](e)
			return err == nil && c.finishReason() != ""
		}),
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

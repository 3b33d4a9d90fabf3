package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fetchsse/sse"
)

// A dialect is how one provider is asked and how it answers.
type dialect struct {
	path  string // below the base URL; {model} is replaced
	query string // key=value that is set in the URL
	model string // the default
	key   string // the environment variable
	auth  func(h http.Header, key string)
	body  func(model, prompt string) any

	parse    func(sse.Event) (piece, error)
	complete sse.Option // tells a complete answer from one that was cut
}

// A piece is what one event adds to the answer. Most events leave most of it out.
type piece struct {
	text          string
	input, output int    // tokens so far
	note          string // why the model stopped, unless it had said all
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
		// response.failed is the third way to end, which failure makes an error.
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
			setIfAny(h, "X-Api-Key", "", key)
		},
		body: func(model, prompt string) any {
			return object{"model": model, "messages": userMessage(prompt), "stream": true, "max_tokens": 4096}
		},
		parse:    parseAnthropic,
		complete: sse.WithTerminator(func(e sse.Event) bool { return e.Type == "message_stop" }),
	},
	"gemini": {
		path:  "models/{model}:streamGenerateContent",
		query: "alt=sse", // without it, the answer is a JSON array
		model: "gemini-2.5-flash",
		key:   "GEMINI_API_KEY",
		auth:  func(h http.Header, key string) { setIfAny(h, "X-Goog-Api-Key", "", key) },
		body: func(_, prompt string) any {
			return object{"contents": []object{{"role": "user", "parts": []object{{"text": prompt}}}}}
		},
		parse: parseGemini,
		// Nothing follows the chunk that says why the model has finished.
		complete: sse.WithTerminator(func(e sse.Event) bool {
			c, err := decode[geminiChunk](e)
			return err == nil && c.finishReason() != ""
		}),
	},
}

// providers lists the dialects.
func providers() string {
	return strings.Join(slices.Sorted(maps.Keys(dialects)), ", ")
}

func userMessage(prompt string) []object {
	return []object{{"role": "user", "content": prompt}}
}

func bearer(h http.Header, key string) { setIfAny(h, "Authorization", "Bearer ", key) }

// setIfAny sends no key where there is none: a server of one's own needs none.
func setIfAny(h http.Header, name, prefix, key string) {
	if key != "" {
		h.Set(name, prefix+key)
	}
}

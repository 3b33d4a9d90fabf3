package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// serve starts the embedded server on a free port of the loopback interface. It returns
// the base URL, which is the same for all dialects, and a function that stops the server.
func serve(pause time.Duration) (*url.URL, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	for pattern, write := range map[string]writer{
		"POST /chat/completions":  writeOpenAI,
		"POST /responses":         writeResponses,
		"POST /messages":          writeAnthropic,
		"POST /models/{model...}": writeGemini,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { sendResponse(w, r, write, pause) })
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }() // returns when stop closes the server
	stop := func() { _ = srv.Close() }
	return &url.URL{Scheme: "http", Host: l.Addr().String()}, stop, nil
}

// A writer returns the blocks of a provider's stream for a response with these tokens.
// input is the number of tokens in the prompt.
type writer func(tokens []string, input int) []string

// sendResponse responds to a prompt block by block, with a pause before each block.
func sendResponse(w http.ResponseWriter, r *http.Request, write writer, pause time.Duration) {
	var body struct { // each dialect uses one of these members
		Messages []struct{ Content string }
		Input    string
		Contents []struct{ Parts []struct{ Text string } }
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil {
		http.Error(w, `{"error":{"message":"the request body must be JSON of at most 1 MiB"}}`, http.StatusBadRequest)
		return
	}
	prompt := []string{body.Input}
	for _, m := range body.Messages {
		prompt = append(prompt, m.Content)
	}
	for _, c := range body.Contents {
		for _, p := range c.Parts {
			prompt = append(prompt, p.Text)
		}
	}
	words := strings.Fields(strings.Join(prompt, " "))
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for _, block := range write(makeTokens(words), len(words)) {
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return
		}
		if _, err := io.WriteString(w, block); err != nil || http.NewResponseController(w).Flush() != nil {
			return // the client disconnected
		}
	}
}

// makeTokens returns the tokens of the response, one for each word.
func makeTokens(prompt []string) []string {
	return strings.SplitAfter(fmt.Sprintf("You wrote “%.40s”. I am only a loop that sends one word at a time. "+
		"Every word is a separate event, so you can read the first word before the last one is written. "+
		"For a response from a model, name its server with -url. 再见 👋",
		strings.Join(prompt, " ")), " ")
}

func quote(s string) string {
	b, _ := json.Marshal(s) // cannot fail for a string
	return string(b)
}

func writeOpenAI(tokens []string, input int) []string {
	chunk := func(choices, usage string) string {
		return `data: {"id":"chatcmpl-demo","object":"chat.completion.chunk","created":1767225600,"model":"demo",` +
			`"choices":[` + choices + `],"usage":` + usage + "}\n\n"
	}
	choice := func(delta, finish string) string {
		return chunk(`{"index":0,"delta":`+delta+`,"logprobs":null,"finish_reason":`+finish+`}`, "null")
	}
	blocks := []string{": processing\n\n", choice(`{"role":"assistant","content":"","refusal":null}`, "null")}
	for _, token := range tokens {
		blocks = append(blocks, choice(`{"content":`+quote(token)+`}`, "null"))
	}
	usage := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`,
		input, len(tokens), input+len(tokens))
	return append(blocks, choice(`{}`, `"stop"`), chunk("", usage), "data: [DONE]\n\n")
}

// named returns a block whose event field and data both contain the name of the event.
func named(name, rest string, args ...any) string {
	return "event: " + name + "\ndata: {\"type\":\"" + name + `"` + fmt.Sprintf(rest, args...) + "}\n\n"
}

func writeResponses(tokens []string, input int) []string {
	const response = `,"response":{"id":"resp_demo","object":"response","status":"%s","error":null,` +
		`"incomplete_details":null,"model":"demo","output":[%s],"usage":%s}`
	const item = `{"id":"msg_demo","type":"message","status":"%s","role":"assistant","content":[%s]}`
	text := `{"type":"output_text","annotations":[],"text":` + quote(strings.Join(tokens, "")) + `}`
	completed := fmt.Sprintf(item, "completed", text)
	usage := fmt.Sprintf(`{"input_tokens":%d,"output_tokens":%d,"total_tokens":%d}`,
		input, len(tokens), input+len(tokens))
	blocks := []string{
		named("response.created", response, "in_progress", "", "null"),
		named("response.in_progress", response, "in_progress", "", "null"),
		named("response.output_item.added", `,"output_index":0,"item":`+item, "in_progress", ""),
	}
	for _, token := range tokens {
		blocks = append(blocks, named("response.output_text.delta",
			`,"item_id":"msg_demo","output_index":0,"content_index":0,"delta":%s`, quote(token)))
	}
	return append(blocks,
		named("response.output_item.done", `,"output_index":0,"item":%s`, completed),
		named("response.completed", response, "completed", completed, usage))
}

func writeAnthropic(tokens []string, input int) []string {
	blocks := []string{
		named("message_start", `,"message":{"id":"msg_demo","type":"message","role":"assistant","model":"demo",`+
			`"content":[],"stop_reason":null,"usage":{"input_tokens":%d,"output_tokens":1}}`, input),
		named("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`),
		named("ping", ""),
	}
	for _, token := range tokens {
		blocks = append(blocks, named("content_block_delta",
			`,"index":0,"delta":{"type":"text_delta","text":%s}`, quote(token)))
	}
	return append(blocks,
		named("content_block_stop", `,"index":0`),
		named("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}`,
			len(tokens)),
		named("message_stop", ""))
}

// writeGemini returns blocks without event names whose lines end with CRLF. The first
// part of the response is a thought.
func writeGemini(tokens []string, input int) []string {
	chunk := func(parts, finish string, output int) string {
		return fmt.Sprintf(`data: {"candidates":[{"content":{"parts":[%s],"role":"model"}%s,"index":0}],`+
			`"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,"thoughtsTokenCount":3},`+
			`"modelVersion":"demo","responseId":"demo"}`+"\r\n\r\n", parts, finish, input, output)
	}
	blocks := []string{chunk(`{"text":"Loops do not think.","thought":true}`, "", 0)}
	for i, token := range tokens[:len(tokens)-1] {
		blocks = append(blocks, chunk(`{"text":`+quote(token)+`}`, "", i+1))
	}
	last := tokens[len(tokens)-1]
	return append(blocks, chunk(`{"text":`+quote(last)+`}`, `,"finishReason":"STOP"`, len(tokens)))
}

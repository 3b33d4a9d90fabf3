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

// serve starts the embedded server on a free port of the loopback interface. It
// returns the base URL for all dialects and a function that ends the server.
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
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { play(w, r, write, pause) })
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }() // returns when stop closes the server
	stop := func() { _ = srv.Close() }
	return &url.URL{Scheme: "http", Host: l.Addr().String()}, stop, nil
}

// A writer writes an answer as the blocks of a provider's stream.
type writer func(tokens []string, input int) []string

// play sends the answer block by block, as a model would that is still writing it.
func play(w http.ResponseWriter, r *http.Request, write writer, pause time.Duration) {
	var asked struct { // each dialect uses one of these
		Messages []struct{ Content string }
		Input    string
		Contents []struct{ Parts []struct{ Text string } }
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked); err != nil {
		http.Error(w, `{"error":{"message":"post JSON, at most 1 MiB"}}`, http.StatusBadRequest)
		return
	}
	prompt := []string{asked.Input}
	for _, m := range asked.Messages {
		prompt = append(prompt, m.Content)
	}
	for _, c := range asked.Contents {
		for _, p := range c.Parts {
			prompt = append(prompt, p.Text)
		}
	}
	words := strings.Fields(strings.Join(prompt, " "))
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for _, block := range write(compose(words), len(words)) {
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return
		}
		if _, err := io.WriteString(w, block); err != nil || http.NewResponseController(w).Flush() != nil {
			return // the client has gone
		}
	}
}

// compose returns the tokens of the answer, which are words here.
func compose(prompt []string) []string {
	return strings.SplitAfter(fmt.Sprintf("You wrote “%.40s”, and I am only a loop that sends one word after the other. "+
		"Every word travels in an event of its own, so you can read the first while the last is not yet written. "+
		"To get an answer that is worth more, name a real server with -url. 再见 👋",
		strings.Join(prompt, " ")), " ")
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always can be
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

// named returns a block of an API that names its events, and repeats the name in the data.
func named(name, rest string, args ...any) string {
	return "event: " + name + "\ndata: {\"type\":\"" + name + `"` + fmt.Sprintf(rest, args...) + "}\n\n"
}

func writeResponses(tokens []string, input int) []string {
	const response = `,"response":{"id":"resp_demo","object":"response","status":"%s","error":null,` +
		`"incomplete_details":null,"model":"demo","output":[%s],"usage":%s}`
	const item = `{"id":"msg_demo","type":"message","status":"%s","role":"assistant","content":[%s]}`
	text := `{"type":"output_text","annotations":[],"text":` + quote(strings.Join(tokens, "")) + `}`
	whole := fmt.Sprintf(item, "completed", text)
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
		named("response.output_item.done", `,"output_index":0,"item":%s`, whole),
		named("response.completed", response, "completed", whole, usage))
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

// writeGemini ends lines with CRLF and names no events. The first part is a thought.
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

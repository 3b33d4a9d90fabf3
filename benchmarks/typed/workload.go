package typed

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A reader reads a stream and adds the texts of its chunks to out.
type reader struct {
	name string
	read func(r io.Reader, out *texts) error
}

// texts counts the texts of chunks. Keep is set for the comparison of the texts, and not
// while the time is measured.
type texts struct {
	chunks, bytes int
	keep          bool
	all           strings.Builder
}

func (t *texts) add(text string) {
	if text == "" {
		return
	}
	t.chunks++
	t.bytes += len(text)
	if t.keep {
		t.all.WriteString(text)
	}
}

// A workload is a response as a stream. All readers must get its text.
type workload struct {
	name    string
	stream  []byte
	text    string
	chunks  int
	readers []reader
}

// json2Readers has the readers for encoding/json/v2 by the name of their workload. It is
// empty if the package does not exist.
var json2Readers map[string]reader

const (
	chunkCount = 800
	chunkSize  = 320 // of a chunk of Chat Completions, its framing included
)

// words are the tokens of the responses, one for each chunk.
var words = strings.SplitAfter("The quick brown fox jumps over \"the\" lazy dog, ünless it rains. ", " ")

// workloads returns the streams with their readers. They end as those of the services do.
func workloads() []workload {
	openai := workload{name: "openai", readers: openaiReaders()}
	anthropic := workload{name: "anthropic", readers: anthropicReaders()}
	var chat, messages strings.Builder
	for i := range chunkCount {
		word := words[i%(len(words)-1)]
		quoted, _ := json.Marshal(word) // a string always succeeds
		chat.WriteString(chatChunk(string(quoted)))
		fmt.Fprintf(&messages, "event: content_block_delta\ndata: "+
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%s}}`+"\n\n", quoted)
		openai.text += word
	}
	chat.WriteString(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1741569952,"model":"gpt-5-mini",` +
		`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n")
	messages.WriteString("event: message_delta\ndata: " +
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":800}}` + "\n\n")
	messages.WriteString("event: message_stop\ndata: " + `{"type":"message_stop"}` + "\n\n")

	openai.stream, openai.chunks = []byte(chat.String()), chunkCount
	anthropic.stream, anthropic.chunks, anthropic.text = []byte(messages.String()), chunkCount, openai.text
	all := []workload{openai, anthropic}
	for i := range all {
		if r, ok := json2Readers[all[i].name]; ok {
			all[i].readers = slices.Insert(all[i].readers, 1, r)
		}
	}
	return all
}

// chatChunk returns a chunk of chunkSize bytes with the quoted text. The services pad their
// chunks as well.
func chatChunk(quoted string) string {
	const head = `data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,` +
		`"model":"gpt-5-mini","service_tier":"default","system_fingerprint":"fp_50cad350e4",` +
		`"choices":[{"index":0,"delta":{"content":`
	const tail = `},"finish_reason":null}],"obfuscation":"`
	pad := chunkSize - len(head) - len(quoted) - len(tail) - len("\"}\n\n")
	return head + quoted + tail + strings.Repeat("x", pad) + "\"}\n\n"
}

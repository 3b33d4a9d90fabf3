package typed

import (
	"io"
	"iter"
	"net/http"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	goccy "github.com/goccy/go-json"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/tidwall/gjson"
)

// A ChatChunk is a chunk of Chat Completions.
type ChatChunk struct {
	ID                string       `json:"id"`
	Object            string       `json:"object"`
	Created           int64        `json:"created"`
	Model             string       `json:"model"`
	ServiceTier       string       `json:"service_tier"`
	SystemFingerprint string       `json:"system_fingerprint"`
	Choices           []ChatChoice `json:"choices"`
	Usage             *ChatUsage   `json:"usage"`
}

// A ChatChoice is a choice of a chunk.
type ChatChoice struct {
	Index        int    `json:"index"`
	FinishReason string `json:"finish_reason"`
	Delta        struct {
		Role    string `json:"role"`
		Content string `json:"content"`
		Refusal string `json:"refusal"`
	} `json:"delta"`
}

// A ChatUsage counts tokens.
type ChatUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
}

// text returns the text of the chunk.
func (c *ChatChunk) text() string {
	if len(c.Choices) == 0 {
		return ""
	}
	return c.Choices[0].Delta.Content
}

// Contents returns the texts of the chunks without decoding the rest of them.
func Contents(s sse.Source) iter.Seq2[string, error] {
	return sse.DecodeFunc(s, func(data []byte) (string, error) {
		return gjson.GetBytes(data, "choices.0.delta.content").String(), nil // copies the string
	})
}

// decodeGoccy decodes with github.com/goccy/go-json.
func decodeGoccy[T any](data []byte) (v T, err error) {
	err = goccy.Unmarshal(data, &v)
	return v, err
}

// chunks adds the texts of decoded chunks to out.
func chunks(seq iter.Seq2[ChatChunk, error], out *texts) error {
	for chunk, err := range seq {
		if err != nil {
			return err
		}
		out.add(chunk.text())
	}
	return nil
}

// contents adds the texts of seq to out.
func contents(seq iter.Seq2[string, error], out *texts) error {
	for text, err := range seq {
		if err != nil {
			return err
		}
		out.add(text)
	}
	return nil
}

func openaiReaders() []reader {
	return []reader{
		{"sse.Decode,encoding/json", func(r io.Reader, out *texts) error {
			return chunks(sse.Decode[ChatChunk](sse.NewParser(r)), out)
		}},
		{"sse.DecodeFunc,goccy/go-json", func(r io.Reader, out *texts) error {
			return chunks(sse.DecodeFunc(sse.NewParser(r), decodeGoccy[ChatChunk]), out)
		}},
		{"sse.DecodeFunc,gjson", func(r io.Reader, out *texts) error {
			return contents(Contents(sse.NewParser(r)), out)
		}},
		{"llm.OpenAIChat.Text", func(r io.Reader, out *texts) error {
			return contents(llm.OpenAIChat.Text(sse.NewParser(r)), out)
		}},
		{"sse.Decode,openai-go", func(r io.Reader, out *texts) error {
			for chunk, err := range sse.Decode[openai.ChatCompletionChunk](sse.NewParser(r)) {
				if err != nil {
					return err
				}
				out.add(chunk.Choices[0].Delta.Content)
			}
			return nil
		}},
		{"openai-go", func(r io.Reader, out *texts) error {
			decoder := ssestream.NewDecoder(&http.Response{Body: io.NopCloser(r)})
			stream := ssestream.NewStream[openai.ChatCompletionChunk](decoder, nil)
			for stream.Next() {
				out.add(stream.Current().Choices[0].Delta.Content)
			}
			return stream.Err()
		}},
	}
}

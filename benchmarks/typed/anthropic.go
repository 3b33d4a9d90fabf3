package typed

import (
	"encoding/json"
	"io"
	"iter"
	"net/http"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"
	"github.com/fetchsse/sse"
	goccy "github.com/goccy/go-json"
	"github.com/tidwall/gjson"
)

// A ContentBlockDelta is the event content_block_delta of the Messages API.
type ContentBlockDelta struct {
	Type  string `json:"type"`
	Index int    `json:"index"`
	Delta struct {
		Type        string `json:"type"`
		Text        string `json:"text"`
		Thinking    string `json:"thinking"`
		PartialJSON string `json:"partial_json"`
	} `json:"delta"`
}

// A MessageDelta is the event message_delta of the Messages API.
type MessageDelta struct {
	Delta struct {
		StopReason string `json:"stop_reason"`
	} `json:"delta"`
	Usage struct {
		OutputTokens int `json:"output_tokens"`
	} `json:"usage"`
}

// A MessageStop is the event message_stop of the Messages API.
type MessageStop struct{}

// Messages returns the events of a stream of the Messages API: a *ContentBlockDelta, a
// *MessageDelta, a *MessageStop, or nil for any other event. The type of the event tells
// which, so that its data is decoded once.
func Messages(s sse.Source, decode func(data []byte, v any) error) iter.Seq2[any, error] {
	return sse.DecodeFunc(s, func(data []byte) (v any, err error) {
		switch s.Type() {
		case "content_block_delta":
			v = new(ContentBlockDelta)
		case "message_delta":
			v = new(MessageDelta)
		case "message_stop":
			v = new(MessageStop)
		default:
			return nil, nil
		}
		return v, decode(data, v)
	})
}

// messages adds the texts of decoded events to out.
func messages(r io.Reader, decode func(data []byte, v any) error, out *texts) error {
	for event, err := range Messages(sse.NewParser(r), decode) {
		if err != nil {
			return err
		}
		if e, ok := event.(*ContentBlockDelta); ok {
			out.add(e.Delta.Text)
		}
	}
	return nil
}

func anthropicReaders() []reader {
	open := func(r io.Reader) *ssestream.Stream[anthropic.MessageStreamEventUnion] {
		decoder := ssestream.NewDecoder(&http.Response{Body: io.NopCloser(r)})
		return ssestream.NewStream[anthropic.MessageStreamEventUnion](decoder, nil)
	}
	return []reader{
		{"sse.DecodeFunc,encoding/json", func(r io.Reader, out *texts) error { return messages(r, json.Unmarshal, out) }},
		{"sse.DecodeFunc,goccy/go-json", func(r io.Reader, out *texts) error { return messages(r, goccy.Unmarshal, out) }},
		{"sse.DecodeFunc,gjson", func(r io.Reader, out *texts) error {
			s := sse.NewParser(r)
			return contents(sse.DecodeFunc(s, func(data []byte) (string, error) {
				if s.Type() != "content_block_delta" {
					return "", nil
				}
				return gjson.GetBytes(data, "delta.text").String(), nil
			}), out)
		}},
		{"anthropic-sdk-go", func(r io.Reader, out *texts) error {
			stream := open(r)
			for stream.Next() {
				if e := stream.Current(); e.Type == "content_block_delta" {
					out.add(e.Delta.Text)
				}
			}
			return stream.Err()
		}},
		{"anthropic-sdk-go,AsAny", func(r io.Reader, out *texts) error {
			stream := open(r)
			for stream.Next() {
				switch e := stream.Current().AsAny().(type) {
				case anthropic.ContentBlockDeltaEvent:
					if d, ok := e.Delta.AsAny().(anthropic.TextDelta); ok {
						out.add(d.Text)
					}
				}
			}
			return stream.Err()
		}},
	}
}

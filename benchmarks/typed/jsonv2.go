//go:build go1.27 && goexperiment.jsonv2

package typed

import (
	"encoding/json/v2"
	"io"

	"github.com/fetchsse/sse"
)

// decodeJSON2 decodes with encoding/json/v2, which Go 1.27 has unless it is turned off with
// GOEXPERIMENT=nojsonv2. A file that imports it needs go1.27 in its build constraint if the
// go.mod says go 1.26. The package compares names with their case, and rejects duplicate
// names and ill-formed UTF-8.
func decodeJSON2[T any](data []byte) (v T, err error) {
	err = json.Unmarshal(data, &v)
	return v, err
}

func unmarshalJSON2(data []byte, v any) error { return json.Unmarshal(data, v) }

func init() {
	const name = "sse.DecodeFunc,encoding/json/v2"
	json2Readers = map[string]reader{
		"openai": {name, func(r io.Reader, out *texts) error {
			return chunks(sse.DecodeFunc(sse.NewParser(r), decodeJSON2[ChatChunk]), out)
		}},
		"anthropic": {name, func(r io.Reader, out *texts) error { return messages(r, unmarshalJSON2, out) }},
	}
}

package main

import (
	"encoding/json"
	"fmt"

	"github.com/fetchsse/sse"
)

// A message is a JSON-RPC message: a request, a notification or a response.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// An rpcError is the error with which a server responds to a request.
type rpcError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// The codes of the errors that are evaluated.
const (
	methodNotFound     = -32601
	headerMismatch     = -32020
	missingCapability  = -32021
	unsupportedVersion = -32022
)

func (e *rpcError) Error() string {
	return fmt.Sprintf("the server reports: %s (%d)", e.Message, e.Code)
}

// decode decodes the data of an event. An event without data, which only sets an event ID
// or the reconnection time, is not a message: its JSONRPC is empty.
func decode(data []byte) (m message, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &m)
	}
	return m, err
}

func (m message) isResponse() bool {
	return m.Method == "" && (m.Result != nil || m.Error != nil)
}

// isResponse reports whether an event has the response to a request. It is the last event
// of a stream.
func isResponse(e sse.Event) bool {
	m, err := decode([]byte(e.Data))
	return err == nil && m.isResponse()
}

// raw encodes a value that JSON can represent.
func raw(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

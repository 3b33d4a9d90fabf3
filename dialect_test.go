package sse_test

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/fetchsse/sse"
)

var doneWord = sse.WithDone("[DONE]")

// inBandError finds errors that services send as events: an event of the type error or
// response.failed, or a member "error" that is not null.
var inBandError = sse.WithEventError(func(e sse.Event) error {
	if !strings.Contains(e.Data, "error") && e.Type == "message" {
		return nil
	}
	var v struct {
		Error *struct{ Message string }
	}
	switch err := json.Unmarshal([]byte(e.Data), &v); {
	case err == nil && v.Error != nil:
		return errors.New(v.Error.Message)
	case e.Type == "error" || e.Type == "response.failed":
		return errors.New(e.Data)
	}
	return nil
})

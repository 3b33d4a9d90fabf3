package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
)

// readReplicate reads an event of a prediction. Its type is only in the event line, and the
// data of an output is text, whatever it looks like:
//
//	event: output
//	id: 1700000000:0
//	data: Hello
//
//	event: done
//	data: {}
//
// A prediction that has not succeeded is done too, with a reason.
func readReplicate(typ string, data []byte) (c chunk, err error) {
	switch typ {
	case "output":
		c.Text = string(data)
	case "error":
		c.err = eventError(data)
	case "done":
		if c.err, err = replicateDone(data); err == nil { // else the reason is not known
			c.state = complete
		}
	case "message": // not of Replicate, but a gateway may report an error
		var v members
		var ok bool
		if c, ok, _ = decode(typ, data, &v); ok {
			c.err = v.errOf(typ, data, false)
		}
	}
	return c, err
}

// replicateDone returns the error of the last event, or nil if the prediction has succeeded.
func replicateDone(data []byte) (*Error, error) {
	var v struct {
		members
		Reason word
	}
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return nil, nil
	} else if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	e := v.err(data)
	switch v.Reason {
	case "", "succeeded", "completed":
		return e, nil
	}
	if e == nil {
		e = newError(Error{Message: "the prediction ended with the reason " + string(v.Reason)}, string(data))
	}
	e.Type = cmp.Or(e.Type, string(v.Reason))
	return e, nil
}

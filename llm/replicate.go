package llm

import "cmp"

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
		c.state = complete
		c.err, err = replicateDone(data)
	case "message": // not of Replicate, but a gateway may report an error
		var v members
		if ok, err := object(data, &v); ok && err == nil {
			c.err = v.err(data)
		} else {
			c.err = textError(data)
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
	if _, err := object(data, &v); err != nil {
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

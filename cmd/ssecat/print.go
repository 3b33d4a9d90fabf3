package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// An item has the parts of an event that can be printed. It is also the data of --template, and
// without --dialect only its plain part is.
type item struct {
	plain
	Delta llm.Delta // with --dialect
}

type plain struct {
	sse.Event
	Time time.Time // of arrival
}

// JSON returns the data as a JSON value, or nil if it is not one.
func (i plain) JSON() any {
	d := json.NewDecoder(strings.NewReader(i.Data))
	d.UseNumber() // prints numbers as they came
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// A printer makes the output of the events.
type printer struct {
	o *options

	events, printed int       // that had the type, and that had output
	delta           llm.Delta // the Refusal, Finish and Reset of all deltas
	seen            int       // all events
	known           bool      // one of them had something of the dialect
}

// append appends the output of an event to b.
func (p *printer) append(b []byte, i item) ([]byte, error) {
	p.seen++
	p.known = p.known || !reflect.DeepEqual(i.Delta, llm.Delta{})
	p.delta.Refusal += i.Delta.Refusal
	p.delta.Reset = p.delta.Reset || i.Delta.Reset
	if i.Delta.Finish != "" {
		p.delta.Finish = i.Delta.Finish
	}
	if !p.o.types.allows(i.Type) || p.o.raw { // the tap prints raw bytes
		return b, nil
	}
	p.events++
	start := len(b)
	b, err := p.format(b, i)
	if len(b) > start {
		p.printed++
	}
	return b, err
}

func (p *printer) format(b []byte, i item) ([]byte, error) {
	switch {
	case p.o.jsonl:
		line, err := json.Marshal(struct {
			Type string    `json:"type"`
			ID   string    `json:"id"`
			Data string    `json:"data"`
			Time time.Time `json:"time"`
		}{i.Type, i.ID, i.Data, i.Time})
		return append(append(b, line...), '\n'), err
	case p.o.template != nil:
		text, err := p.o.execute(i)
		if err != nil {
			return b, err
		}
		return append(append(b, text...), '\n'), nil
	case p.o.field != nil:
		return appendValue(b, find(i.JSON(), p.o.field)), nil
	case p.o.dialect != 0:
		return append(b, i.Delta.Text...), nil
	}
	return append(append(b, i.Data...), '\n'), nil
}

// A skipError tells that an event does not have what --template needs.
type skipError struct{ error }

// wrongField matches what package template says of a field that no event can have.
var wrongField = regexp.MustCompile(`at <(.*)>: can't evaluate field (\w+) in type \*?(main|sse|llm|time)\.`)

// execute returns the output of the template. A skipError is due to the event.
func (o *options) execute(i item) ([]byte, error) {
	var data any = i
	if o.dialect == 0 {
		data = i.plain
	}
	var out bytes.Buffer
	err := o.template.Execute(&out, data)
	if err == nil {
		return out.Bytes(), nil
	}
	switch match := wrongField.FindStringSubmatch(err.Error()); {
	case match == nil:
		_, reason, _ := strings.Cut(err.Error(), " at ")
		return nil, skipError{errors.New(cmp.Or(reason, err.Error()))}
	case match[2] == "Delta":
		return nil, errors.New("--template: .Delta needs --dialect")
	default:
		return nil, fmt.Errorf("--template: there is no field %s in %s", match[2], match[1])
	}
}

// checkTemplate executes the template for an event, which finds a wrong field.
func (o *options) checkTemplate() error {
	if o.template == nil {
		return nil
	}
	_, err := o.execute(item{plain: plain{sse.Event{Type: "message", ID: "1", Data: "{}"}, time.Now()}})
	if _, ok := err.(skipError); ok {
		return nil
	}
	return err
}

// name returns the type and the ID of an event, for the data on a terminal, where a person
// reads it.
func (p *printer) name(e sse.Event) string {
	if p.o.jsonl || p.o.template != nil || p.o.field != nil || p.o.dialect != 0 {
		return ""
	}
	if e.Type == "message" {
		return e.ID
	}
	return strings.TrimSpace(e.Type + " " + e.ID)
}

// find returns the value at a path of names and indexes, or nil.
func find(v any, path []string) any {
	for _, name := range path {
		switch node := v.(type) {
		case map[string]any:
			v = node[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

// appendValue appends a JSON value: a string as it is, null as nothing, and others as JSON.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return b
	case string:
		return append(b, v...)
	}
	text, _ := json.Marshal(v) // it came from JSON
	return append(b, text...)
}

// check returns an error if the text of a dialect was wanted of events that are not of it.
func (p *printer) check() error {
	isText := !p.o.jsonl && !p.o.raw && p.o.template == nil && p.o.field == nil
	if p.o.dialect == 0 || !isText || p.seen == 0 || p.known {
		return nil
	}
	return fmt.Errorf("%s, none in the format of this dialect; --jsonl shows them", count(p.seen, "event", "events"))
}

// notes returns what a person should know after a complete stream.
func (p *printer) notes() (notes []string) {
	if p.delta.Refusal != "" {
		notes = append(notes, "the model refuses: "+p.delta.Refusal)
	}
	if p.delta.Reset {
		notes = append(notes, "the service took back a part of the text")
	}
	if p.events == 0 || p.printed > 0 {
		return notes
	}
	switch {
	case p.o.jsonl, p.o.template != nil:
	case p.o.field != nil:
		notes = append(notes, fmt.Sprintf("%s, none with --field %s", count(p.events, "event", "events"), strings.Join(p.o.field, ".")))
	case p.o.dialect != 0 && p.delta.Refusal == "" && p.known:
		notes = append(notes, fmt.Sprintf("the response has no text (it ended for %q); --jsonl shows its events", p.delta.Finish))
	}
	return notes
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// An item is what there is to print of an event. It is also the data of --template.
type item struct {
	sse.Event
	Time  time.Time // of arrival
	Delta llm.Delta // with --dialect
}

// JSON returns the data as a JSON value, or nil if it is not one.
func (i item) JSON() any {
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
	delta           llm.Delta // the joined deltas, without the text
}

// append appends the output of an event to b.
func (p *printer) append(b []byte, i item) ([]byte, error) {
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
		var out bytes.Buffer
		err := p.o.template.Execute(&out, i)
		if err != nil {
			err = fmt.Errorf("--template: %w", err)
		}
		return append(append(b, out.Bytes()...), '\n'), err
	case p.o.field != nil:
		return appendValue(b, find(i.JSON(), p.o.field)), nil
	case p.o.dialect != 0:
		return append(b, i.Delta.Text...), nil
	}
	return append(append(b, i.Data...), '\n'), nil
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
		notes = append(notes, fmt.Sprintf("none of %d events has --field %s", p.events, strings.Join(p.o.field, ".")))
	case p.o.dialect != 0 && p.delta.Refusal == "":
		notes = append(notes, fmt.Sprintf("the response has no text (it ended for %q); --jsonl shows its events", p.delta.Finish))
	}
	return notes
}

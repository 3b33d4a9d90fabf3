package llm

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// A memory holds what is known of a response so far. Its deltas depend on that and on their
// events.
type memory struct {
	had   map[place]bool   // the parts of which something came
	said  [3][]byte        // of each kind, the text kept
	items map[place][]byte // of the text kept, that of items since they were last complete
	step  int              // how much of the text came before the current step
	calls map[callKey]*call
	taken map[int]bool // the Index of each call
	next  int          // the Index of the next call that has none, or one that another has
	usage Usage
}

func newMemory() *memory {
	m := new(memory)
	m.reset(false)
	return m
}

// A place is where a response has one of its texts.
type place struct {
	kind       kind
	item, part int
}

type kind int

const (
	aText kind = iota
	aThought
	aRefusal
)

// A callKey finds a call. A call has several:
//
//	{Index in the stream, its ID}
//	{Index in the stream, the ID of its item}
//	{Index in the stream, ""}   of the calls with this Index, the last
//	{anyIndex, its ID}
type callKey struct {
	index int
	id    string
}

const anyIndex = unnumbered - 1

// A call is a tool call as far as it came. Several calls may have the same Index in the
// stream.
type call struct {
	ToolCall      // with the Index that tells it apart, and of the Arguments the first piece
	served   bool // by the service
	whole    bool // it came as a whole: pieces that follow repeat it
	braces   braces
}

// delta returns what c adds to the response.
func (m *memory) delta(c chunk) Delta {
	d := c.Delta
	switch {
	case d.Reset:
		m.reset(c.step)
		d.Text = string(m.said[aText]) + d.Text    // what the earlier steps had, and what replaces the text
		m.had[place{aText, c.item, c.part}] = true // what was taken back does not return as a whole
	case c.step:
		m.step = len(m.said[aText])
	case c.repeats && !m.had[place{aText, c.item, c.part}] && d.Text == string(m.said[aText]):
		d.Text = ""
	default:
		d.Text = m.add(&c, aText, d.Text)
	}
	d.Reasoning = m.add(&c, aThought, d.Reasoning)
	d.Refusal = m.add(&c, aRefusal, d.Refusal)
	d.ToolCalls = m.addCalls(&c)
	if u := d.Usage; u != nil { // some services send a count once and leave it out later
		m.usage = Usage{
			Input:     cmp.Or(u.Input, m.usage.Input),
			Output:    cmp.Or(u.Output, m.usage.Output),
			Cached:    cmp.Or(u.Cached, m.usage.Cached),
			Reasoning: cmp.Or(u.Reasoning, m.usage.Reasoning),
		}
		total := m.usage
		d.Usage = &total
	}
	return d
}

// reset forgets the text, or only that of the current step.
func (m *memory) reset(step bool) {
	if !step {
		m.step = 0
	}
	m.said[aText] = m.said[aText][:m.step]
	m.had, m.items = make(map[place]bool), make(map[place][]byte)
	m.calls, m.taken = make(map[callKey]*call), make(map[int]bool)
}

// add returns what s adds to the texts of a kind: of a text that is whole, what has not come
// before.
func (m *memory) add(c *chunk, k kind, s string) string {
	if s == "" {
		return ""
	}
	p, item := place{k, c.item, c.part}, place{kind: k, item: c.item}
	switch c.whole {
	case wholePart:
		if m.had[p] {
			return ""
		}
	case wholeItem:
		came := m.items[item]
		delete(m.items, item) // what follows belongs to another item, which may have the same index
		if rest, ok := bytes.CutPrefix(came, []byte(s)); ok && len(rest) > 0 {
			m.items[item] = rest
		}
		s = beyond(s, came)
	case wholeResponse:
		s = beyond(s, m.said[k])
	}
	if s == "" {
		return ""
	}
	m.had[p] = true
	if c.keep {
		m.said[k] = append(m.said[k], s...)
		if c.whole < wholeItem {
			m.items[item] = append(m.items[item], s...)
		}
	}
	return s
}

// beyond returns what s has after the text that came before, or "" if it does not begin with
// that text: it may be the same in another form.
func beyond(s string, came []byte) string {
	if len(came) > len(s) || s[:len(came)] != string(came) {
		return ""
	}
	return s[len(came):]
}

// addCalls returns the pieces of calls that c adds. The ID and the Name come once, although
// some servers repeat them.
func (m *memory) addCalls(c *chunk) (added []ToolCall) {
	if c.whole == wholeResponse && len(m.calls) > 0 && !m.knows(c.ToolCalls) {
		return nil // some servers give the calls other IDs here
	}
	for _, t := range c.ToolCalls {
		k := m.call(t, c)
		m.index(k, t, c)
		k.served = k.served || c.served
		if k.ID != "" {
			t.ID = ""
		}
		if k.Name == t.Name || c.whole != piece && k.Name != "" {
			t.Name = ""
		}
		if c.whole != piece && k.Arguments != "" || c.whole == piece && k.whole {
			t.Arguments = ""
		}
		t.Index = k.Index
		k.ID += t.ID
		k.Name += t.Name
		k.Arguments = cmp.Or(k.Arguments, t.Arguments)
		k.braces.write(t.Arguments)
		k.whole = k.whole || c.whole != piece && t.Arguments != ""
		if !k.served && (t.ID != "" || t.Name != "" || t.Arguments != "") {
			added = append(added, t)
		}
	}
	return added
}

// knows reports whether one of the calls came before.
func (m *memory) knows(calls []ToolCall) bool {
	return slices.ContainsFunc(calls, func(t ToolCall) bool { return t.ID != "" && m.calls[callKey{anyIndex, t.ID}] != nil })
}

// call returns the call that t belongs to, which may be new: the one with the same ID, or
// else the last with the same Index.
func (m *memory) call(t ToolCall, c *chunk) *call {
	if k := m.calls[callKey{anyIndex, t.ID}]; k != nil && c.byID {
		return k
	}
	if t.Index == unnumbered {
		return m.newCall(t)
	}
	for _, id := range []string{t.ID, c.itemID} {
		if k := m.calls[callKey{t.Index, id}]; k != nil && id != "" {
			return k
		}
	}
	if k := m.calls[callKey{t.Index, ""}]; k != nil && !k.isOther(t, c) {
		return k
	}
	return m.newCall(t)
}

// index lets call find k, to which t belongs.
func (m *memory) index(k *call, t ToolCall, c *chunk) {
	if t.ID == "" && t.Name == "" && m.calls[callKey{t.Index, ""}] == k {
		return // a piece of the last
	}
	m.calls[callKey{t.Index, ""}] = k
	m.calls[callKey{t.Index, t.ID}] = k
	m.calls[callKey{t.Index, c.itemID}] = k
	if t.ID != "" || t.Index == unnumbered {
		m.calls[callKey{anyIndex, t.ID}] = k
	}
}

// isOther reports whether t begins another call with the same Index in the stream: some
// servers number all calls alike. It does with another ID or name, or where the arguments so
// far are complete.
func (k *call) isOther(t ToolCall, c *chunk) bool {
	noID := k.ID == "" && t.ID == ""
	otherID := k.ID != "" && t.ID != "" && k.ID != t.ID
	if t.Name != "" && (otherID || noID && k.Arguments != "" && k.Name != t.Name) {
		return true
	}
	return c.alike && c.whole == piece && (t.ID == "" || otherID) && strings.HasPrefix(t.Arguments, "{") &&
		strings.HasPrefix(k.Arguments, "{") && k.braces.depth == 0
}

// newCall returns a new call, with the Index of t if it has one that no other call has.
func (m *memory) newCall(t ToolCall) *call {
	k := new(call)
	k.Index = t.Index
	if t.Index == unnumbered || m.taken[t.Index] {
		k.Index = m.next
	}
	m.next = max(m.next, k.Index+1)
	m.taken[k.Index] = true
	return k
}

// A braces counts the objects and lists that are open in JSON, which is written to it in
// pieces. None are open at the end of an object.
type braces struct {
	depth  int
	quotes quotes
}

func (b *braces) write(s string) {
	for _, c := range []byte(s) {
		switch {
		case b.quotes.has(c):
		case c == '{' || c == '[':
			b.depth++
		case c == '}' || c == ']':
			b.depth--
		}
	}
}

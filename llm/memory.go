package llm

import (
	"cmp"
	"slices"
)

// A memory holds what the deltas of a response depend on beside their events.
type memory struct {
	had   map[piece]bool // what came before
	last  piece          // of those
	text  []byte         // the text kept
	step  int            // how much of it came before the current step
	calls []*call
	next  int // the Index of the next call that has none, or one that another has
	usage Usage
}

// A piece is one of the texts of a part.
type piece struct {
	kind rune
	part int
}

// A call is a tool call as far as it came. Several calls may have the same Index in the
// stream; the last of them is the current one.
type call struct {
	ToolCall      // with the Index that tells it apart
	wire     int  // the Index in the stream
	served   bool // by the service
}

// delta returns what c adds to the response.
func (m *memory) delta(c chunk) Delta {
	d := c.Delta
	switch {
	case d.Reset:
		m.reset(c.step)
		d.Text = string(m.text) + d.Text // what the earlier steps had, and what replaces the text
		m.note(piece{'t', c.part})       // what was taken back does not return as a whole
	case c.step:
		m.step = len(m.text)
	case c.repeats && !m.had[piece{'t', c.part}] && d.Text == string(m.text):
		d.Text = ""
	default:
		d.Text = m.add(&c, 't', d.Text)
		if c.keep {
			m.text = append(m.text, d.Text...)
		}
	}
	d.Reasoning = m.add(&c, 'r', d.Reasoning)
	d.Refusal = m.add(&c, 'n', d.Refusal)
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
	m.text = m.text[:m.step]
	m.had, m.calls = nil, nil
}

// add returns s, or "" if it is the whole of a part that came before.
func (m *memory) add(c *chunk, kind rune, s string) string {
	p := piece{kind, c.part}
	if s == "" || c.whole && m.had[p] {
		return ""
	}
	m.note(p)
	return s
}

// note notes that p came, and with it something of its item and of the response.
func (m *memory) note(p piece) {
	if m.had == nil {
		m.had = make(map[piece]bool)
	} else if p == m.last {
		return
	}
	m.had[p], m.had[piece{p.kind, allOf(p.part >> 16)}], m.had[piece{p.kind, everything}] = true, true, true
	m.last = p
}

// addCalls returns the pieces of calls that c adds. The ID and the Name come once, although
// some servers repeat them.
func (m *memory) addCalls(c *chunk) (added []ToolCall) {
	if c.whole && c.part == everything && len(m.calls) > 0 {
		return nil
	}
	for _, t := range c.ToolCalls {
		k := m.call(t, c)
		k.served = k.served || c.served
		if k.ID != "" {
			t.ID = ""
		}
		if k.Name == t.Name || c.whole && k.Name != "" {
			t.Name = ""
		}
		if c.whole && k.Arguments != "" {
			t.Arguments = ""
		}
		t.Index = k.Index
		k.ID += t.ID
		k.Name += t.Name
		k.Arguments = cmp.Or(k.Arguments, t.Arguments)
		if !k.served && (t.ID != "" || t.Name != "" || t.Arguments != "") {
			added = append(added, t)
		}
	}
	return added
}

// call returns the call that t belongs to, which may be new.
func (m *memory) call(t ToolCall, c *chunk) *call {
	if c.byID {
		t.Index = unnumbered
	}
	for _, k := range slices.Backward(m.calls) {
		switch {
		case c.byID && k.ID == t.ID:
			return k
		case t.Index != unnumbered && k.wire == t.Index:
			if c.whole || !k.isOther(t) {
				return k
			}
			return m.newCall(t)
		}
	}
	return m.newCall(t)
}

// isOther reports whether t begins another call with the same Index in the stream, by a new
// ID beside a Name: some servers number all calls alike.
func (k *call) isOther(t ToolCall) bool {
	return t.Name != "" && (k.ID != "" && t.ID != "" && k.ID != t.ID ||
		k.ID == "" && t.ID == "" && k.Arguments != "" && k.Name != t.Name)
}

// newCall returns a new call, with the Index of t if it has one that no other call has.
func (m *memory) newCall(t ToolCall) *call {
	k := &call{wire: t.Index}
	k.Index = t.Index
	if t.Index == unnumbered || slices.ContainsFunc(m.calls, func(k *call) bool { return k.Index == t.Index }) {
		k.Index = m.next
	}
	m.next = max(m.next, k.Index+1)
	m.calls = append(m.calls, k)
	return k
}

package llm

import (
	"bytes"
	"encoding/json"
	"html"
	"strings"
)

// doneLine is a sentinel that has lost the name of its field.
const doneLine = "[DONE]"

// ignoredError returns the error that text outside any field reports, or nil. Such text is
// what a server or a proxy has written in place of an event stream, or in the middle of
// one: a field called error, JSON on one or many lines, HTML, or plain text. A field with
// another name is not an error, since the standard lets clients ignore it, unless it is a
// misspelt data or event. A sentinel is not one either: it says nothing that events do not.
func ignoredError(text string) *Error {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed == doneLine {
		return nil
	}
	switch trimmed[0] {
	case '{', '[':
		return documentError(trimmed)
	case '<':
		return newError(Error{Message: plainText(trimmed)}, text)
	}
	if i := strings.LastIndexByte(text, '\n'); i >= 0 && len(text) >= maxText {
		text = text[:i+1] // the last line may be cut
	}
	rest := text
	for line := range strings.Lines(text) {
		name, _, isField := strings.Cut(strings.TrimSpace(line), ":")
		_, value, _ := strings.Cut(rest, ":")
		rest = rest[len(line):]
		switch {
		case isField && isErrorName(name):
			if f := fieldFailure(value); f.isSet() {
				return newError(f.Error, text)
			}
		case isField && isMisspelt(line, name, "data"), isField && isMisspelt(line, name, "event"):
			return newError(Error{Message: "a line that is not a field because of its case or white space: " + strings.TrimSpace(line)}, text)
		case isField && isFieldName(name), isKeepAlive(name), name == "", name == doneLine:
		default:
			return newError(Error{Message: trimmed}, text)
		}
	}
	return nil
}

// fieldFailure returns the error in the value of a field: JSON, with or without text after
// it, or text. JSON may begin on a later line.
func fieldFailure(value string) (f failure) {
	first, _, _ := strings.Cut(value, "\n")
	first = strings.TrimSpace(first)
	if json.NewDecoder(strings.NewReader(value)).Decode(&f) != nil && first != "" && !strings.EqualFold(first, "none") {
		f.Error = Error{Message: strings.TrimSpace(value)}
	}
	return f
}

// documentError returns the error in JSON that is not in a field: one value or several. The
// chunk of a response that lacks the name of its field is an error, since its text is lost.
func documentError(text string) *Error {
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil { // cut off, or text that begins with a bracket
			return newError(Error{Message: "text in place of events: " + text}, text)
		}
		e, _ := envelope(value)
		if e == nil {
			e = bareError(value, true)
		}
		if e != nil {
			return newError(*e, text)
		}
		var lost struct{ Choices, Candidates, Delta json.RawMessage }
		if _ = json.Unmarshal(value, &lost); lost.Choices != nil || lost.Candidates != nil || lost.Delta != nil {
			return newError(Error{Message: "a chunk that is not in a data field: " + text}, text)
		}
	}
	return nil
}

// dataError returns the error that the data of an event reports which is not an object, or
// nil: a list with one, or text. In an event without a type of its own, any text is an error
// that is more than one word, as outside of events.
func dataError(typ string, data []byte) *Error {
	data = bytes.TrimSpace(data)
	text := string(data)
	if text == "" {
		return nil
	}
	switch text[0] {
	case '[':
		if e, err := envelope(data); err == nil { // [DONE] is not JSON
			return e
		}
	case '"':
		if json.Unmarshal(data, &text) == nil {
			text = strings.TrimSpace(text)
		}
	}
	name, _, isField := strings.Cut(text, ":")
	lower := strings.ToLower(text)
	switch {
	case isField && isErrorName(name):
		return ignoredError(text)
	case strings.HasPrefix(lower, "<html"), strings.HasPrefix(lower, "<!doctype"), strings.HasPrefix(lower, "[error"),
		typ == "message" && (isErrorName(text) || isSentence(text)):
		return newError(Error{Message: plainText(text)}, string(data))
	}
	return nil
}

// isSentence reports whether text is more than a word, and not a comment or JSON.
func isSentence(text string) bool {
	return strings.ContainsAny(text, " \t\n") && !strings.ContainsAny(text[:1], ":[{") && !isKeepAlive(text)
}

// isErrorName reports whether name is one of an error, such as error or ValueError.
func isErrorName(name string) bool {
	name = strings.ToLower(strings.TrimSpace(name))
	return name == "err" || !strings.Contains(name, " ") &&
		(strings.HasSuffix(name, "error") || strings.HasSuffix(name, "errors") || strings.HasSuffix(name, "exception"))
}

// isFieldName reports whether name can be that of a field which the standard lets clients
// ignore.
func isFieldName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// isMisspelt reports whether a line with this name is nearly the field, so that its content
// is lost.
func isMisspelt(line, name, field string) bool {
	return strings.EqualFold(strings.TrimSpace(name), field) && !strings.HasPrefix(line, field+":")
}

// isKeepAlive reports whether a line is one that a server writes to keep the connection open.
func isKeepAlive(line string) bool {
	switch plainWord(line) {
	case "ping", "pong", "keepalive", "heartbeat", "connected", "processing":
		return true
	}
	return false
}

// plainText returns the title of an HTML document, or other text as it is.
func plainText(s string) string {
	if !strings.HasPrefix(s, "<") {
		return s
	}
	if lower := strings.ToLower(s); len(lower) == len(s) {
		if i := strings.Index(lower, "<title>"); i >= 0 {
			if j := strings.Index(lower[i:], "</title>"); j >= 0 {
				if title := strings.Join(strings.Fields(html.UnescapeString(s[i+len("<title>"):i+j])), " "); title != "" {
					return title
				}
			}
		}
	}
	return "an HTML document in place of the response"
}

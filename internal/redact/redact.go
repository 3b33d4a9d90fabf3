// Package redact keeps secrets and unbounded text out of error messages.
package redact

import (
	"errors"
	"regexp"
	"strings"
)

const (
	maxQuote = 64  // bytes of a quotation that may be shown
	maxText  = 512 // bytes of a whole message
)

// quotation matches text that an error message quotes: a URL, which may have a secret in
// its query or user information, a part of a malformed response, or a name.
var quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\S*://\S*`)

// aboutHeaders matches the messages of net/http about a header that it cannot parse.
// They quote its value.
var aboutHeaders = regexp.MustCompile(`malformed|Location|Content-Length|transfer encoding|trailer`)

// Error returns err, or an error that stands for it if the message of err shows a URL or
// quotes more than a short name. [errors.Is] and [errors.As] still find everything in the
// tree of err; [errors.Unwrap] finds nothing, since that would show the message again.
func Error(err error) error {
	message := err.Error()
	text := Text(message)
	if text == message {
		return err
	}
	return &redactedError{text: text, err: err}
}

// Text returns message without its URLs and long quotations, and bounds its length.
func Text(message string) string {
	return Bound(quotation.ReplaceAllStringFunc(message, func(quote string) string {
		if len(quote) < maxQuote && !strings.Contains(quote, "//") &&
			!strings.ContainsAny(quote, "?@#") && !aboutHeaders.MatchString(message) {
			return quote
		}
		return `"..."`
	}))
}

// Bound returns text, cut after 512 bytes.
func Bound(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return text
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }
func (e *redactedError) As(target any) bool   { return errors.As(e.err, target) }

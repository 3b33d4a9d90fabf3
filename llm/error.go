package llm

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxRaw   = 4 << 10  // bytes of Error.Raw, and of its Message
	maxWord  = 64       // bytes of its Type, and of its Code
	maxDepth = 8        // objects and lists around an error or a text
	maxText  = 64 << 10 // bytes of a text outside of fields, and of a refusal
)

// An Error is an error that the service reports: in place of a response, as an event, or
// outside any event. Find it with [errors.AsType], in the tree of an [*sse.EventError] or
// [*sse.ResponseError], or by itself as the refusal at the end of [Dialect.Text].
type Error struct {
	Type    string // the service's word for the kind of error, such as overloaded_error or UNAVAILABLE; at most 64 bytes
	Code    string // a second word, where the service has one; at most 64 bytes
	Message string // never empty
	Status  int    // the status that the service gives or documents for the error; 0 if there is none
	Raw     string // what was received, at most 4,096 bytes
}

// Error returns the type, or else the code, and the message, in at most 600 bytes.
func (e *Error) Error() string {
	kind := cmp.Or(e.Type, e.Code)
	if kind == "" || kind == e.Message {
		return "llm: " + bound(e.Message, 512)
	}
	return "llm: " + bound(kind, 64) + ": " + bound(e.Message, 512)
}

// LogValue implements [slog.LogValuer]. It leaves out the message, which may repeat what was
// sent, and words that do not look like names.
func (e *Error) LogValue() slog.Value {
	var text strings.Builder
	text.WriteString("llm: error")
	for _, word := range []string{e.Type, e.Code} {
		if word != "" && len(word) <= 64 && isFieldName(word) {
			text.WriteString(" " + word)
		}
	}
	if e.Status != 0 {
		text.WriteString(" " + strconv.Itoa(e.Status))
	}
	return slog.StringValue(text.String())
}

// MarshalText is LogValue for encoders that do not use it.
func (e *Error) MarshalText() ([]byte, error) { return []byte(e.LogValue().String()), nil }

// Retryable reports whether the same request may succeed later, judging by the status and
// by the words of the service: a used-up quota, for example, does not pass, although its
// status is often 429. [sse.Retryable] asks it for an error in a stream, and looks only at
// the status of a refused response.
func (e *Error) Retryable() bool {
	words := []string{plainWord(e.Type), plainWord(e.Code)}
	has := func(list []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	switch {
	case has(permanent):
		return false
	case has(temporary):
		return true
	}
	switch e.Status {
	case 408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 598, 599:
		return true
	}
	return false
}

// The words of the services, as plainWord returns them.
var (
	permanent = []string{
		"insufficientquota", "insufficientquotaerror", "insufficientuserquota", "exceededcurrentquotaerror", "quotaexceeded",
		"insufficientbalance", "insufficientbalanceerror", "insufficientcredits",
		"billingerror", "billinghardlimitreached", "billingnotactive", "budgetexceeded", "usagelimitreached",
	}
	temporary = []string{
		"overloaded", "overloadederror", "engineoverloaded", "engineoverloadederror", "serveroverloaded", "serverisoverloaded",
		"ratelimit", "ratelimiterror", "ratelimitexceeded", "ratelimitexceedederror", "ratelimitreachederror", "requestlimitexceeded",
		"toomanyrequests", "throttling", "throttlingratequota", "slowdown", "resourceexhausted",
		"servererror", "internalservererror", "internalerror", "internal", "apierror", "networkerror",
		"timeout", "timeouterror", "deadlineexceeded", "gatewaytimeout", "vectorstoretimeout", "badgateway",
		"serviceunavailable", "serviceunavailableerror", "temporarilyunavailable", "unavailable", "insufficientsystemresource", "aborted",
	}
)

// plainWord returns the letters of s in lower case: services write the same word in several
// ways.
func plainWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r = unicode.ToLower(r); unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
}

// statuses are those that the services document for types of errors.
var statuses = map[string]int{
	"invalid_request_error": 400,
	"authentication_error":  401,
	"billing_error":         402,
	"permission_error":      403,
	"not_found_error":       404,
	"request_too_large":     413,
	"rate_limit_error":      429,
	"api_error":             500,
	"timeout_error":         504,
	"overloaded_error":      529,
	"rate_limit_exceeded":   429,
	"insufficient_quota":    429,
	"invalid_api_key":       401,
	"server_error":          500,

	// The Interactions API of Gemini has codes.
	"invalid_request":     400,
	"failed_precondition": 400,
	"parameter_unknown":   400,
	"authentication":      401,
	"payment_required":    402,
	"permission_denied":   403,
	"not_found":           404,
	"model_not_found":     404,
	"already_exists":      409,
	"aborted":             409,
	"out_of_range":        416,
	"quota_exceeded":      429,
	"too_many_requests":   429,
	"unimplemented":       501,
	"service_unavailable": 503,
	"deadline_exceeded":   504,
	"gateway_timeout":     504,
}

// asError returns err without making a nil pointer a non-nil error. It is a copy: streams
// that share an option can read the same error, and a caller may change it.
func asError(err *Error) error {
	if err == nil {
		return nil
	}
	e := *err
	return &e
}

// newError returns a copy of e with bounded fields, a message and a status. The service has
// sent it as raw.
func newError(e Error, raw string) *Error {
	e.Raw = bound(raw, maxRaw)
	e.Type, e.Code = bound(strings.TrimSpace(e.Type), maxWord), bound(strings.TrimSpace(e.Code), maxWord)
	e.Message = cmp.Or(bound(strings.TrimSpace(e.Message), maxRaw), e.Type, e.Code,
		bound(strings.TrimSpace(raw), 512), "the service reports an error without a message")
	e.Status = cmp.Or(e.Status, statuses[e.Code], statuses[e.Type]) // a code is more specific
	return &e
}

// bound returns s in at most n bytes.
func bound(s string, n int) string {
	const mark = "..."
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n-len(mark)], "") + mark
	}
	return s
}

// isRefusal reports whether a reason to end a response means that the model or a filter
// refuses to respond.
func isRefusal(finish string) bool {
	switch strings.ToLower(finish) {
	case "", "stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "tool_call", "function_call", "length",
		"max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "eos", "eos_token", "incomplete",
		"compaction", "complete", "pause_turn", "completed", "finish_reason_unspecified", "requires_action", "tool-calls",
		"succeeded", "partial-succeeded", "paused": // of a workflow
		return false
	}
	return true
}

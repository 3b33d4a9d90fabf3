package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html"
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

// newError completes e, which raw has told.
func newError(e Error, raw string) *Error {
	e.Raw = bound(raw, maxRaw)
	e.Type, e.Code = bound(strings.TrimSpace(e.Type), maxWord), bound(strings.TrimSpace(e.Code), maxWord)
	e.Message = cmp.Or(bound(strings.TrimSpace(e.Message), maxRaw), e.Type, e.Code,
		bound(strings.TrimSpace(raw), 512), "the service reports an error without a message")
	e.Status = cmp.Or(e.Status, statuses[e.Type], statuses[e.Code])
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

// A failure is a JSON value in which a service reports an error: an object, a string, a
// number, or a list of them. null, {}, "", false, 0 and [] report none.
type failure struct{ Error }

func (f *failure) UnmarshalJSON(b []byte) error {
	f.decode(b, 0)
	return nil
}

// decode decodes b, which is JSON at this depth.
func (f *failure) decode(b []byte, depth int) {
	f.Error = Error{}
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0: // a member that is missing
	case depth > maxDepth:
		f.Message = string(b)
	case b[0] == '"':
		_ = json.Unmarshal(b, &f.Message)
		if strings.EqualFold(f.Message, "none") || f.Message == "null" {
			f.Message = ""
		}
	case b[0] == '[':
		var list []json.RawMessage
		_ = json.Unmarshal(b, &list)
		for _, element := range list {
			if f.decode(element, depth+1); f.isSet() {
				return
			}
		}
	case b[0] == '{':
		f.object(b, depth)
	case b[0] == 't':
		f.Message = "true"
	case b[0] >= '1' && b[0] <= '9':
		f.Code = string(b)
		f.Status = word(b).status()
	}
}

// object reads an object that is an error, or that has one in a member:
//
//	{"type":"…","code":"…","message":"…"}   {"error":{…}}   {"status":404,"error":"Not Found","message":"…"}
func (f *failure) object(b []byte, depth int) {
	var v struct {
		Type, Name, Code, Status word
		Message, Msg, Title      word
		Error, Errors, Detail    json.RawMessage
		ErrorText                word // of the AI SDK

		ErrorType        word           `json:"error_type"`
		ErrorCode        word           `json:"error_code"`
		ErrorMessage     word           `json:"error_message"`
		ErrorMsg         word           `json:"error_msg"`
		ErrorDescription word           `json:"error_description"`
		StatusCode       word           `json:"status_code"`
		HTTPStatus       word           `json:"statusCode"`
		Base             optional[base] `json:"base_resp"`
	}
	_ = json.Unmarshal(b, &v)                                         // whose members take any JSON
	for _, w := range []word{v.ErrorType, v.Type, v.Name, v.Status} { // Google's UNAVAILABLE is a status
		if f.Type == "" && w != "error" && w != "true" && w != "None" && !w.isNumber() {
			f.Type = string(w)
		}
	}
	f.Message = string(cmp.Or(v.Message, v.ErrorMessage, v.ErrorText, v.Msg, v.ErrorMsg, v.ErrorDescription))
	for _, w := range []word{v.StatusCode, v.HTTPStatus, v.Status, v.Code, v.ErrorCode} {
		f.Status = cmp.Or(f.Status, w.status())
	}
	for _, w := range []word{v.Code, v.ErrorCode, v.Base.value.Code} {
		if f.Code == "" && w.status() == 0 && w != "0" {
			f.Code = string(w)
		}
	}

	var in, list, detail failure
	in.decode(v.Error, depth+1)
	list.decode(v.Errors, depth+1)
	detail.decode(v.Detail, depth+1)
	inner := cmp.Or(in.Error, list.Error)
	code := cmp.Or(v.Code, v.ErrorCode, v.StatusCode)
	switch {
	case inner == (Error{}) && code != "" && code.isGood() && word(f.Message).isGood() && f.Type == "":
		f.Error = Error{} // {"code":200,"message":"success"}
		return
	case inner != (Error{}):
		switch title := inner.Message; {
		case f.Message == "" || inner != Error{Message: title}:
		case title == "true":
			inner.Message = f.Message
		case len(title) <= 64:
			inner = Error{Type: title, Message: f.Message}
		}
		f.Error = Error{
			Type:    cmp.Or(inner.Type, string(v.ErrorType)),
			Code:    cmp.Or(inner.Code, f.Code),
			Message: cmp.Or(inner.Message, f.Message),
			Status:  cmp.Or(inner.Status, f.Status),
		}
	case f.Message == "":
		f.Message = cmp.Or(detail.Message, string(v.Base.value.Message), string(v.Title))
	}
	if f.Error == (Error{}) && !isEmpty(b) {
		f.Message = string(b)
	}
}

// A base is how MiniMax tells of an error. Without one, the code is 0.
type base struct {
	Code    word `json:"status_code"`
	Message word `json:"status_msg"`
}

// isEmpty reports whether b is a JSON object whose members all say nothing.
func isEmpty(b []byte) bool {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(b, &members) // b was decoded before
	for _, m := range members {
		switch strings.Join(strings.Fields(string(m)), "") {
		case "null", `""`, "false", "0", "{}", "[]":
		default:
			return false
		}
	}
	return true
}

func (f *failure) isSet() bool { return f.Error != Error{} }

// A word is a JSON string, a number, or the JSON of anything else but null and false.
type word string

func (w *word) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null" || string(b) == "false":
		*w = ""
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(w))
	default:
		*w = word(b)
	}
	return nil
}

func (w word) isNumber() bool {
	_, err := strconv.Atoi(string(w))
	return err == nil
}

// isGood reports whether w is "" or says that all is well.
func (w word) isGood() bool {
	if w == "" {
		return true
	}
	if n, err := strconv.Atoi(string(w)); err == nil {
		return n == 0 || n/100 == 2
	}
	switch strings.ToLower(string(w)) {
	case "ok", "success", "none":
		return true
	}
	return false
}

// isFailing reports whether a status w is one of an error.
func (w word) isFailing() bool {
	switch strings.ToLower(string(w)) {
	case "error", "fail", "failed", "failure":
		return true
	}
	return w.status() != 0
}

// status returns w if it is the status of a refusal, or 0.
func (w word) status() int {
	if n, err := strconv.Atoi(string(w)); err == nil && n >= 400 && n < 600 {
		return n
	}
	return 0
}

// A count is a JSON number, which may be in a string, or 0 for anything else.
type count int

func (c *count) UnmarshalJSON(b []byte) error {
	*c = 0
	if f, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64); err == nil && f >= 0 && f < 1<<31 {
		*c = count(f)
	}
	return nil
}

// refusal returns the error in the body of a response with this status that is not an
// event stream, or nil if there is none.
func refusal(status int, body []byte) error {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	refused := status/100 != 2
	if len(body) == 0 || !refused && !isEnvelope(body) { // a complete response, perhaps
		return nil
	}
	f := parseFailure(body)
	if !f.isSet() {
		return nil
	}
	if refused {
		f.Status = cmp.Or(f.Status, status)
	}
	return newError(f.Error, string(body))
}

// parseFailure returns the error that data is: JSON, HTML, text, or the event of one.
func parseFailure(data []byte) (f failure) {
	if json.Unmarshal(data, &f) == nil {
		return f
	}
	for line := range bytes.Lines(data) {
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok && json.Unmarshal(value, &f) == nil {
			return f
		}
	}
	return failure{Error{Message: plainText(string(data))}}
}

// isEnvelope reports whether body is a JSON object, or a list of them, that tells of an error
// with more than a message.
func isEnvelope(body []byte) bool {
	e, err := envelope(body)
	return err == nil && (e != nil || bareError(body, false) != nil)
}

// envelope returns the error in a member of a JSON object, or of one in a list, or nil:
//
//	{"error":{"message":"…"}}   {"error":"…"}   [{"error":{…}}]   {"errors":[…]}
//	{"error_type":"…","error_message":"…"}   {"detail":"…"}   {"object":"error","message":"…"}
func envelope(data []byte) (*Error, error) {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '[' {
		var list []json.RawMessage
		err := json.Unmarshal(data, &list)
		for _, element := range list {
			if element[0] == '{' {
				if e, err := envelope(element); e != nil || err != nil {
					return e, err
				}
			}
		}
		return nil, err
	}
	var v members
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	if v.err(data) == nil && !v.Detail.isSet() {
		return nil, nil
	}
	return eventError(data), nil // with the members beside the error
}

// members are those of a JSON object that report an error.
type members struct {
	Error, Errors, Detail failure
	ErrorType             word           `json:"error_type"`
	ErrorCode             word           `json:"error_code"`
	ErrorMessage          word           `json:"error_message"`
	Base                  optional[base] `json:"base_resp"`
	Object, Type          word           // "error" makes an error of the object
}

// err returns the error that the members of data report, or nil.
func (m *members) err(data []byte) *Error {
	for _, f := range []*failure{&m.Error, &m.Errors} {
		if f.isSet() {
			return newError(f.Error, string(data))
		}
	}
	if m.ErrorType != "" || !m.ErrorCode.isGood() || m.ErrorMessage != "" || !m.Base.value.Code.isGood() ||
		isErrorWord(string(m.Object)) || isErrorWord(string(m.Type)) {
		return eventError(data)
	}
	return nil
}

// errOf is err for the data of an event of this type. If the event has nothing of the
// dialect, and no type of its own, all of data can be an error.
func (m *members) errOf(typ string, data []byte, isKnown bool) *Error {
	e := m.err(data)
	switch {
	case e != nil, isKnown, typ != "message", m.Object != "", m.Type != "":
		return e
	case m.Detail.isSet():
		return newError(m.Detail.Error, string(data))
	}
	return bareError(data, true)
}

// bareError returns the error that a JSON object is by what it says, or nil. With alone, a
// message needs nothing beside it:
//
//	{"message":"Internal server error"}   {"code":500,"msg":"…","success":false}
//	{"status":"error","message":"…"}   {"internalServerException":{"message":"…"}}
func bareError(data []byte, alone bool) *Error {
	var v struct {
		Object, Type, Code, Status word
		Message, Msg               word
		StatusCode                 word `json:"status_code"`
		HTTPStatus                 word `json:"statusCode"`
		Success                    json.RawMessage
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(data, &v) != nil || json.Unmarshal(data, &all) != nil || v.Object != "" || v.Type != "" {
		return nil
	}
	for name, value := range all {
		if strings.HasSuffix(name, "Exception") && value[0] == '{' { // of AWS
			e := eventError(value)
			return newError(Error{Type: cmp.Or(e.Type, name), Code: e.Code, Message: e.Message, Status: e.Status}, string(data))
		}
	}
	code, message := cmp.Or(v.Code, v.StatusCode, v.HTTPStatus), cmp.Or(v.Message, v.Msg)
	hasMessage := message != "" && message[0] != '{' && message[0] != '['
	switch {
	case string(v.Success) == "false", v.Status.isFailing(), !code.isGood() && (hasMessage || code.status() != 0):
	case alone && hasMessage && code == "" && v.Status == "" && !message.isGood() && !isKeepAlive(string(message)):
	default:
		return nil
	}
	return eventError(data)
}

// isErrorWord reports whether the type of an event or of an object says that it is an error.
func isErrorWord(s string) bool {
	switch strings.ToLower(s) {
	case "error", "errors", "err", "exception":
		return true
	}
	return strings.HasSuffix(s, "Exception") || strings.HasSuffix(s, "_error") && statuses[s] != 0
}

// eventError returns the error of an event that is one by its type.
func eventError(data []byte) *Error {
	return newError(parseFailure(bytes.TrimSpace(data)).Error, string(data))
}

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

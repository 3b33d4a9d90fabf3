package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

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
// message is enough:
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

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// errShutdown is the cause of the context of a request when the gateway stops.
var errShutdown = errors.New("the gateway is shutting down")

// A failure is what the gateway makes of an error: for its log, and for the client in place
// of a response or at the end of one.
type failure struct {
	ending string // for the log; "complete" without an error

	status     int    // 0 if the client is not there any more
	kind       string // a word for programs
	message    string
	retryAfter time.Duration

	header http.Header // of the service
	body   []byte      // what the service says, in JSON, for a client that reads its dialect
	event  *sse.Event  // the same as an event

	cut bool // the connection has to end
}

// explain returns what the error of an exchange means. The messages of the library have the
// address of the service, which is not for clients.
func (e *exchange) explain(ctx context.Context, err error) failure {
	gone, isGone := errors.AsType[*clientGoneError](err)
	switch {
	case err == nil:
		return failure{ending: "complete"}
	case errors.Is(context.Cause(ctx), errShutdown) && !isGone:
		return failure{ending: "shut down", status: http.StatusServiceUnavailable, kind: "service_unavailable", message: errShutdown.Error(), retryAfter: time.Second}
	case isGone && gone.isStalled():
		return failure{ending: "client stalled"}
	case ctx.Err() != nil || isGone:
		return failure{ending: "client left"}
	}
	if bad, ok := errors.AsType[*clientError](err); ok {
		return failure{ending: "bad request", status: bad.status, kind: "invalid_request_error", message: bad.message}
	}
	f := e.explainService(err)
	if e.translate {
		f.body, f.event = nil, nil // they are in the dialect of the service
	}
	return f
}

// explainService returns what an error of the service means, or of reaching it.
func (e *exchange) explainService(err error) failure {
	f := failure{ending: "no response", status: http.StatusBadGateway, kind: "api_error", message: "the service cannot be reached"}
	if refusal, ok := errors.AsType[*sse.ResponseError](err); ok {
		return e.explainRefusal(refusal)
	} else if reported, ok := errors.AsType[*sse.EventError](err); ok {
		f.ending, f.message = "error event", "the service has reported an error"
		if reported.Event.Type != "" { // else it is text outside any event
			f.event = &reported.Event
		}
		if data := []byte(reported.Event.Data); json.Valid(data) {
			f.body = data
		}
		f.addReason(err, true)
	} else if _, ok := errors.AsType[*sse.TruncatedError](err); ok {
		f.ending, f.message = "truncated", "the response of the service has ended too early"
	} else if errors.Is(err, sse.ErrEventTooLarge) {
		f.ending, f.message = "event too large", "the service has sent an event that is too large"
	} else if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		f.ending, f.status, f.kind, f.message = "timeout", http.StatusGatewayTimeout, "timeout_error", "the service does not respond"
	} else if e.stream != nil {
		f.ending, f.message = "not relayed", "the response of the service cannot be relayed"
	}
	return f
}

// addReason adds what the service says about the error. Its status counts in place of one
// that the gateway has chosen.
func (f *failure) addReason(err error, chosen bool) {
	reason, ok := errors.AsType[*llm.Error](err)
	if !ok {
		return
	}
	f.kind, f.message = cmp.Or(reason.Type, reason.Code, f.kind), reason.Message
	if chosen && reason.Status >= 400 && reason.Status < 600 {
		f.status = reason.Status
	}
}

// explainRefusal returns what a response of the service means that is not an event stream.
func (e *exchange) explainRefusal(refusal *sse.ResponseError) failure {
	if refusal.StatusCode == http.StatusUnauthorized && !e.passKey {
		// The client has not sent this key and cannot change it. The message of the
		// service may repeat a part of it.
		return failure{ending: "refused", status: http.StatusBadGateway, kind: "api_error", message: "the service does not accept the key of the gateway"}
	}
	f := failure{
		ending:     "refused",
		status:     refusal.StatusCode,
		kind:       "api_error",
		message:    "the service responds with " + cmp.Or(http.StatusText(refusal.StatusCode), "an unknown status"),
		retryAfter: refusal.RetryAfter,
		header:     refusal.Header,
	}
	mediaType, _, _ := mime.ParseMediaType(refusal.Header.Get("Content-Type"))
	isJSON := mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
	if body := bytes.TrimSpace(refusal.Body); isJSON && !refusal.BodyTruncated && json.Valid(body) {
		f.body = body
	}
	isResponse := refusal.StatusCode < 300 && refusal.Err == nil && f.body != nil && !e.translate
	switch {
	case isResponse: // the client has not asked for a stream
		f.ending = "not a stream"
	case refusal.StatusCode < 400:
		f.status, f.message = http.StatusBadGateway, "the response of the service is not an event stream"
	}
	f.addReason(refusal.Err, refusal.StatusCode < 400)
	return f
}

// errorEvent returns the event that tells a client about f in the dialect that it reads: the
// event of the service, if there is one.
func (e *exchange) errorEvent(f failure) sse.Event {
	if f.event != nil {
		return *f.event
	}
	event := sse.Event{Data: errorData(e.reads(), f), ID: e.stream.LastEventID()}
	switch e.reads() {
	case 0, llm.OpenAIResponses, llm.Anthropic, llm.GeminiInteractions, llm.Replicate:
		event.Type = "error"
	}
	return event
}

// errorData returns the JSON that tells about f in the dialect d.
func errorData(d llm.Dialect, f failure) string {
	type object = map[string]any
	var v object
	switch d {
	case llm.Anthropic:
		v = object{"type": "error", "error": object{"type": f.kind, "message": f.message}}
	case llm.OpenAIResponses:
		v = object{"type": "error", "code": f.kind, "message": f.message, "param": nil}
	case llm.Gemini:
		v = object{"error": object{"code": f.status, "message": f.message, "status": googleStatus(f.status)}}
	case llm.GeminiInteractions:
		v = object{"event_type": "error", "error": object{"code": f.kind, "message": f.message}}
	case llm.Cohere:
		v = object{"type": "message-end", "delta": object{"finish_reason": "ERROR", "error": f.message}}
	case llm.Replicate:
		v = object{"detail": f.message}
	case llm.Dify:
		v = object{"event": "error", "status": f.status, "code": f.kind, "message": f.message}
	case llm.AISDK:
		v = object{"type": "error", "errorText": f.message}
	default: // OpenAI's clients test whether there is a member error
		v = object{"error": object{"message": f.message, "type": f.kind, "param": nil, "code": nil}}
	}
	data, _ := json.Marshal(v) // cannot fail for strings and numbers
	return string(data)
}

// googleStatus returns the word of Google's services for a status.
func googleStatus(status int) string {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusMethodNotAllowed:
		return "INVALID_ARGUMENT"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	}
	return "INTERNAL"
}

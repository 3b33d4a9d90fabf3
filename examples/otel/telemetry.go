package main

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// A Telemetry makes the spans and metrics of calls of language models, with the names of
// the GenAI semantic conventions v0.1.0, which are still in development:
//
//	https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md
//
// Up to v1.41 of the general conventions, the names of the duration and of the two times of
// chunks began with gen_ai.client.operation in place of gen_ai.client.inference. The
// counters of tokens were one histogram, gen_ai.client.token.usage.
//
// It records no text, header or query, and no words of the service but its short names for
// an error and for the reason to finish.
type Telemetry struct {
	tracer trace.Tracer

	duration, firstChunk, perChunk                      metric.Float64Histogram
	operationInput, operationOutput                     metric.Int64Histogram
	inputTokens, outputTokens, cacheRead, reasoningUsed metric.Int64Counter
}

// NewTelemetry returns a Telemetry that uses the providers.
func NewTelemetry(tracers trace.TracerProvider, meters metric.MeterProvider) (*Telemetry, error) {
	const name = "github.com/fetchsse/sse/examples/otel"
	m := meters.Meter(name)
	var errs []error
	seconds := func(name, description string) metric.Float64Histogram {
		h, err := m.Float64Histogram("gen_ai.client.inference."+name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92))
		errs = append(errs, err)
		return h
	}
	distribution := func(name, description string) metric.Int64Histogram {
		h, err := m.Int64Histogram("gen_ai.client.inference.operation."+name, metric.WithUnit("{token}"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864))
		errs = append(errs, err)
		return h
	}
	tokens := func(name, description string) metric.Int64Counter {
		c, err := m.Int64Counter("gen_ai.client.inference.usage."+name, metric.WithUnit("{token}"), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	t := &Telemetry{
		tracer:          tracers.Tracer(name),
		duration:        seconds("duration", "Duration of the call, retries included."),
		firstChunk:      seconds("time_to_first_chunk", "Time from the call to the first chunk of its response."),
		perChunk:        seconds("time_per_output_chunk", "Time from one chunk to the next."),
		operationInput:  distribution("input_tokens", "Input tokens of one call."),
		operationOutput: distribution("output_tokens", "Output tokens of one call."),
		inputTokens:     tokens("input_tokens", "Input tokens, those from a cache included."),
		outputTokens:    tokens("output_tokens", "Output tokens, those of the reasoning included."),
		cacheRead:       tokens("cache_read.input_tokens", "Input tokens that the service had in a cache."),
		reasoningUsed:   tokens("reasoning.output_tokens", "Output tokens of the reasoning."),
	}
	return t, errors.Join(errs...)
}

// An Operation tells what a request asks for.
type Operation struct {
	Name     string // chat, text_completion or generate_content
	Provider string // openai, anthropic, gcp.gemini or another name of the conventions
	Model    string
}

// Start begins the span of a call, and returns req with the span in its context:
//
//	req, call := telemetry.Start(req, Operation{"chat", "openai", "gpt-5-mini"})
//	stream, err := llm.Fetch(req, llm.OpenAIChat, call.Option())
//	if err != nil {
//		call.End(err)
//		return err
//	}
//	for delta, err := range call.Deltas(stream.Deltas()) {
//
// The goroutine that reads the stream must make all calls.
func (t *Telemetry) Start(req *http.Request, o Operation) (*http.Request, *Call) {
	attrs := append(server(req),
		attribute.String("gen_ai.operation.name", o.Name),
		attribute.String("gen_ai.provider.name", o.Provider),
		attribute.String("gen_ai.request.model", o.Model))
	c := &Call{Telemetry: t, parent: req.Context(), attrs: attrs, began: time.Now()}
	ctx, span := t.tracer.Start(req.Context(), o.Name+" "+o.Model, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(c.began), trace.WithAttributes(attrs...), trace.WithAttributes(attribute.Bool("gen_ai.request.stream", true)))
	c.span = span
	c.ctx = context.WithoutCancel(ctx) // a canceled call is recorded too
	return req.WithContext(ctx), c
}

// server returns the attributes of the server of req.
func server(req *http.Request) []attribute.KeyValue {
	port, err := strconv.Atoi(req.URL.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[req.URL.Scheme]
	}
	return []attribute.KeyValue{semconv.ServerAddress(req.URL.Hostname()), semconv.ServerPort(port)}
}

// A Call is one call of a model.
type Call struct {
	*Telemetry
	parent context.Context // of the caller's request
	ctx    context.Context // with the span; it does not end
	span   trace.Span
	attrs  []attribute.KeyValue
	began  time.Time
	ended  bool

	attempt  trace.Span // the current one, or nil
	attempts int

	chunk  time.Time // when the last one came
	finish string
	usage  *llm.Usage
}

// Option returns the hooks that make a child span for each attempt. With a transport that
// makes spans itself, such as that of otelhttp, leave them out.
func (c *Call) Option() sse.Option {
	return sse.WithTrace(&sse.Trace{
		Request: func(req *http.Request) {
			c.endAttempt(nil) // after Stream.Reconnect
			attrs := append(server(req), semconv.HTTPRequestMethodKey.String(req.Method),
				semconv.URLFull(req.URL.Scheme+"://"+req.URL.Host+req.URL.EscapedPath())) // queries may have keys
			if c.attempts > 0 {
				attrs = append(attrs, semconv.HTTPRequestResendCount(c.attempts))
			}
			c.attempts++
			_, c.attempt = c.tracer.Start(c.ctx, req.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
		},
		Open: func(resp *http.Response) {
			if c.attempt != nil { // sse.FromResponse makes no request
				c.attempt.SetAttributes(semconv.HTTPResponseStatusCode(resp.StatusCode))
			}
		},
		Disconnect: func(err error) { c.endAttempt(err) },
		Wait:       func(a sse.Attempt) { c.endAttempt(a.Err) }, // of an attempt that was not accepted
	})
}

// endAttempt ends the span of the current attempt, if there is one.
func (c *Call) endAttempt(err error) {
	if c.attempt == nil {
		return
	}
	if refused, ok := errors.AsType[*sse.ResponseError](err); ok {
		c.attempt.SetAttributes(semconv.HTTPResponseStatusCode(refused.StatusCode))
	}
	c.fail(c.attempt, err)
	c.attempt.End()
	c.attempt = nil
}

// Deltas returns an iterator over deltas that measures them and ends the call. Each event
// of the stream is a chunk. Since the events are read in the loop, its time counts as well.
func (c *Call) Deltas(deltas iter.Seq2[llm.Delta, error]) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		result := errLeft
		defer func() { c.End(result) }() // also after a panic in the loop
		var last error
		for delta, err := range deltas {
			if err == nil {
				c.add(delta)
			}
			if last = err; !yield(delta, err) {
				if err != nil {
					result = err
				} else if c.finish != "" {
					result = nil // nothing of the text is missing
				}
				return
			}
		}
		if isData(last) {
			last = nil // the loop has continued after it
		}
		result = last
	}
}

// errLeft is the result of a call whose response was not read to its end.
var errLeft = errors.New("the loop was left before the response was complete")

// isData reports whether err is about the data of one event, after which others may follow.
func isData(err error) bool {
	_, ok := errors.AsType[*sse.DecodeError](err)
	return ok
}

// add records a chunk.
func (c *Call) add(d llm.Delta) {
	now := time.Now()
	if c.chunk.IsZero() {
		first := now.Sub(c.began).Seconds()
		c.firstChunk.Record(c.ctx, first, metric.WithAttributes(c.attrs...))
		c.span.SetAttributes(attribute.Float64("gen_ai.response.time_to_first_chunk", first))
	} else {
		c.perChunk.Record(c.ctx, now.Sub(c.chunk).Seconds(), metric.WithAttributes(c.attrs...))
	}
	c.chunk = now
	if d.Finish != "" {
		c.finish = word(d.Finish)
	}
	if d.Usage != nil {
		c.usage = d.Usage // the latest has the sums
	}
}

// End ends the call with the error of llm.Fetch, or with nil. Deltas does so itself. A call
// has one end; further ones are ignored.
func (c *Call) End(err error) {
	if c.ended {
		return
	}
	c.ended = true
	c.endAttempt(err)

	now := time.Now()
	attrs := c.attrs
	if err != nil {
		attrs = append(attrs[:len(attrs):len(attrs)], semconv.ErrorTypeKey.String(c.errorType(err)))
		c.finish = "error" // expected, and not received
	}
	c.duration.Record(c.ctx, now.Sub(c.began).Seconds(), metric.WithAttributes(attrs...))
	c.recordUsage(err == nil)
	if c.finish != "" {
		c.span.SetAttributes(attribute.StringSlice("gen_ai.response.finish_reasons", []string{c.finish}))
	}
	c.fail(c.span, err)
	c.span.End(trace.WithTimestamp(now))
}

// recordUsage records the tokens. Counters count those of failed calls too, and 0 if the
// service has not told how many there were.
func (c *Call) recordUsage(whole bool) {
	var u llm.Usage
	if c.usage != nil {
		u = *c.usage
		c.span.SetAttributes(attribute.Int("gen_ai.usage.input_tokens", u.Input), attribute.Int("gen_ai.usage.output_tokens", u.Output),
			attribute.Int("gen_ai.usage.cache_read.input_tokens", u.Cached), attribute.Int("gen_ai.usage.reasoning.output_tokens", u.Reasoning))
	}
	attrs := metric.WithAttributes(c.attrs...)
	modality := metric.WithAttributes(attribute.String("gen_ai.token.modality", "unknown"))
	c.inputTokens.Add(c.ctx, int64(u.Input), attrs, modality)
	c.outputTokens.Add(c.ctx, int64(u.Output), attrs, modality)
	c.cacheRead.Add(c.ctx, int64(u.Cached), attrs, modality)
	c.reasoningUsed.Add(c.ctx, int64(u.Reasoning), attrs, modality)
	if whole && c.usage != nil {
		c.operationInput.Record(c.ctx, int64(u.Input), attrs)
		c.operationOutput.Record(c.ctx, int64(u.Output), attrs)
	}
}

// fail marks a span as failed if err is not nil. The description is what the errors of
// package sse write to logs: the method, the host, the path, and what happened. Other
// errors may have the words of a service or of the program, and get none.
func (c *Call) fail(span trace.Span, err error) {
	if err == nil {
		return
	}
	description := ""
	if v, ok := err.(slog.LogValuer); ok {
		description = v.LogValue().Resolve().String()
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(c.errorType(err)))
	span.SetStatus(codes.Error, description)
}

// errorType returns the value of error.type:
//
//	canceled, deadline_exceeded, closed            the context has ended, or Stream.Close was called
//	abandoned                                      the loop was left before the end
//	open_timeout, idle_timeout, event_timeout      a limit of package sse
//	429, 503 and other numbers                     the status of a refused response
//	not_event_stream                               a response with a status of success
//	overloaded_error and other words, or a number  an error in the stream, as the service calls it
//	stream_error                                   an error in the stream without such a word
//	truncated                                      the response is incomplete
//	event_too_large, invalid_data                  an event over the limit, or one that does not decode
//	_OTHER                                         anything else, such as a connection that failed
//
// A call that ended while it waited to retry has both the end of the context and the last
// failure in its error. The end of the context counts.
func (c *Call) errorType(err error) string {
	if cause := context.Cause(c.parent); cause != nil && errors.Is(err, cause) {
		if c.parent.Err() == context.DeadlineExceeded {
			return "deadline_exceeded"
		}
		return "canceled"
	}
	for _, known := range []struct {
		err  error
		name string
	}{
		{sse.ErrClosed, "closed"},
		{errLeft, "abandoned"},
		{sse.ErrOpenTimeout, "open_timeout"},
		{sse.ErrIdleTimeout, "idle_timeout"},
		{sse.ErrEventTimeout, "event_timeout"},
		{sse.ErrEventTooLarge, "event_too_large"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	if refused, ok := errors.AsType[*sse.ResponseError](err); ok {
		if refused.StatusCode/100 == 2 {
			return "not_event_stream"
		}
		return strconv.Itoa(refused.StatusCode)
	}
	if reported, ok := errors.AsType[*llm.Error](err); ok {
		for _, name := range []string{reported.Type, reported.Code} {
			if w := word(name); w == name && w != "" {
				return w
			}
		}
		if reported.Status != 0 {
			return strconv.Itoa(reported.Status)
		}
	}
	if _, ok := errors.AsType[*sse.EventError](err); ok {
		return "stream_error"
	}
	if _, ok := errors.AsType[*sse.TruncatedError](err); ok {
		return "truncated"
	}
	if isData(err) {
		return "invalid_data"
	}
	return semconv.ErrorTypeOther.Value.AsString()
}

// word returns s if it is a short name without digits, as services have for errors and
// reasons, and "other" if it may be something else, such as a message or a key.
func word(s string) string {
	isOther := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-' && r != '.'
	}
	if len(s) > 40 || strings.ContainsFunc(s, isOther) {
		return "other"
	}
	return s
}

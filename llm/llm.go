// Package llm reads the responses of language models, which arrive as event streams.
//
//	stream, err := llm.Fetch(req, llm.OpenAIChat)
//	if err != nil {
//		return err
//	}
//	for text, err := range stream.Text() {
//		if err != nil {
//			return err // the response is incomplete
//		}
//		fmt.Print(text)
//	}
//
// A program that needs more than the text ranges over the Deltas:
//
//	for d, err := range stream.Deltas() {
//		// err as above; then d.Text, d.Reasoning, d.ToolCalls, d.Finish, d.Usage …
//	}
//
// By default nothing limits how long a service may be silent in the middle of a response.
// Set [sse.WithIdleTimeout].
//
// A [Dialect] knows what the streams of a service look like: the event that completes a
// response, the ways in which the service and the proxies before it report an error, and
// where the text is. Without that knowledge, half a response looks like a whole one.
//
// An error of the service is an [*Error]. It is in the tree of an [*sse.EventError] if it
// came in the stream, and of an [*sse.ResponseError] if it came in place of it. A stream that
// ends too early is an [*sse.TruncatedError]. All else is as in package sse: a stream has one
// reader, works only while it is read, and is closed when its loop is left.
//
// The guide is docs/llm.md in the repository, with a table of the dialects.
package llm

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/bridge"
)

// openTimeout is the time for the response headers. Some services send them with the first
// token, and a model may think for minutes before it.
const openTimeout = 10 * time.Minute

// Fetch sends req with [sse.Fetch] and returns the response as a stream of the dialect d.
// It uses the options of [Dialect.Option], and opts after them. It blocks until the response
// headers have arrived, which some services send with the first token: end the context of
// req to stop it. A refusal is an [*sse.ResponseError] with an [*Error] in its tree, if the
// body has one. If d is not a dialect, nothing is sent.
func Fetch(req *http.Request, d Dialect, opts ...sse.Option) (*Stream, error) {
	r := newReader(d)
	s, err := sse.Fetch(req, r.option(), sse.JoinOptions(opts...))
	if err != nil {
		return nil, err
	}
	return &Stream{Stream: s, reader: r}, nil
}

// A Stream is the response of a language model. [Fetch] returns one; the zero value is not
// usable. One goroutine reads it, with a single loop over its Deltas, its Text, or the
// events of its sse.Stream.
type Stream struct {
	*sse.Stream
	reader *reader
}

// Deltas returns an iterator over what the events add to the response; see
// [Dialect.Deltas].
func (s *Stream) Deltas() iter.Seq2[Delta, error] { return s.reader.deltas(s.Stream) }

// Text returns an iterator over the text of the response; see [Dialect.Text].
func (s *Stream) Text() iter.Seq2[string, error] { return s.reader.text(s.Stream) }

// A Dialect is the format of a service's event streams. The zero value is not a dialect: a
// call that uses it fails.
type Dialect int

// The dialects. The table in docs/llm.md tells how the streams of each end and fail.
const (
	// OpenAIChat is Chat Completions of OpenAI, and also of Azure, DeepSeek, Groq, llama.cpp,
	// Mistral, Ollama, OpenRouter, vLLM, xAI and others. It reads the legacy Completions too.
	OpenAIChat Dialect = iota + 1
	// OpenAIResponses is the Responses API of OpenAI.
	OpenAIResponses
	// Anthropic is the Messages API of Anthropic.
	Anthropic
	// Gemini is streamGenerateContent of the Gemini API and of Vertex AI, with alt=sse.
	Gemini
	// GeminiInteractions is the Interactions API of Gemini, with the events of 2026 and
	// those before.
	GeminiInteractions
	// Cohere is version 2 of Cohere's Chat API.
	Cohere
	// Perplexity is the Sonar API of Perplexity.
	Perplexity
	// Replicate is the stream of a prediction of Replicate.
	Replicate
	// Dify is the API of applications made with Dify.
	Dify
	// AISDK is the UI message stream of Vercel's AI SDK.
	AISDK
)

// String returns the name of the dialect.
func (d Dialect) String() string {
	if f, ok := d.format(); ok {
		return f.name
	}
	return fmt.Sprintf("Dialect(%d)", int(d))
}

// format returns the format of the dialect, if there is one.
func (d Dialect) format() (format, bool) {
	if d <= 0 || int(d) >= len(formats) {
		return format{}, false
	}
	return formats[d], true
}

// Option returns the options for streams of the dialect, for [sse.Subscribe],
// [sse.FromResponse] or an [sse.Client], whose calls can share it. A stream is complete at
// the event that the service ends it with, and truncated without it. An error that the
// service reports in the stream is an [*sse.EventError], and the body of a refused response
// is read: both have an [*Error] in their tree. The response headers may take 10 minutes,
// unless [sse.WithOpenTimeout] says otherwise.
//
// The options of two dialects add up, so that a stream is complete at the end of either.
// Make a client for each dialect.
func (d Dialect) Option() sse.Option { return newReader(d).option() }

// Deltas returns an iterator over what the events of s add to the response: one Delta for
// each event, which is zero if the event adds nothing. Within the loop, the methods of s
// describe the current event. The caller owns the Deltas.
//
// A JSON object that is malformed, or has a member of another type than the dialect sends,
// yields an [*sse.DecodeError] beside a zero Delta, after which the loop can continue. Other
// data, such as a keep-alive, is passed over, unless it reports an error. Any other error
// is the last pair. It is an error that the service has reported, in an event or outside of
// one, or that of a stream which has ended too early. That holds also for a Parser, and for
// a Stream that was opened without [Dialect.Option], whose Err does not report these. In all
// else it is like [sse.Decode].
func (d Dialect) Deltas(s sse.Source) iter.Seq2[Delta, error] { return newReader(d).deltas(s) }

// Text returns an iterator over the text of the response, without the Deltas that have
// none. If the model refuses to respond, or a filter stops it before the first text, the
// last pair is an [*Error] with the reason. The stream is complete even so, and its Err is
// nil. Text does not tell why a text ends, for example at the limit of its length, or that
// the service takes text back, which AISDK and Dify allow: see [Delta]. In all else it is
// like [Dialect.Deltas].
func (d Dialect) Text(s sse.Source) iter.Seq2[string, error] { return newReader(d).text(s) }

// A Delta is what one event adds to a response. Joined, the deltas are the response. The
// zero Delta is that of an event that adds nothing.
type Delta struct {
	Text      string     // of the response
	Reasoning string     // the model's thoughts, as far as the service shows them
	Refusal   string     // what the model or a filter says in place of the text
	ToolCalls []ToolCall // pieces of calls, to be joined by their Index
	Finish    string     // why the text ends, in the service's own words; "" before the end
	Usage     *Usage     // of the whole response so far; nil unless the event tells it
	Reset     bool       // the service takes back the text so far; Text is what replaces it
}

// A ToolCall is a piece of a call that the model makes. The ID and the Name come once, the
// Arguments, which are JSON unless the tool takes text, in any number of pieces. Of a call
// without arguments, some services send an empty object, and some nothing: then they are "".
type ToolCall struct {
	Index     int    // the same for all pieces of a call
	ID        string // in the service's own words
	Name      string // of the tool
	Arguments string // the next piece of them
}

// Usage counts tokens. A count is 0 if the service does not tell it.
type Usage struct {
	Input     int // of the prompt
	Output    int // of the response, its reasoning included
	Cached    int // of Input, those that the service had in a cache
	Reasoning int // of Output
}

// A reader reads the streams of a dialect. A stream opened with its option and read with
// its deltas parses each event once.
type reader struct {
	format format
	err    error // the dialect does not exist
	last   *memo // nil without the option
}

func newReader(d Dialect) *reader {
	r := new(reader)
	var ok bool
	if r.format, ok = d.format(); !ok {
		r.err = fmt.Errorf("llm: %v is not a dialect; use a constant such as OpenAIChat", d)
	}
	return r
}

// read returns the chunk of an event. An error means that the data is not what the dialect
// sends.
func (r *reader) read(typ string, data []byte) (chunk, error) {
	switch {
	case r.format.isDone(data):
		return chunk{state: complete}, nil
	case r.last == nil:
		return r.format.read(typ, data)
	}
	return r.last.get(typ, data, r.format.read)
}

func (r *reader) option() sse.Option {
	if r.err != nil {
		return bridge.Fail(r.err).(sse.Option)
	}
	r.last = new(memo)
	read := func(e sse.Event) chunk {
		c, _ := r.read(e.Type, []byte(e.Data))
		return c
	}
	return sse.JoinOptions(
		bridge.OpenTimeout(openTimeout).(sse.Option),
		bridge.Refusal(refusal).(sse.Option),
		sse.WithDone(r.format.done...),
		sse.WithTerminator(func(e sse.Event) bool { return read(e).state == complete }),
		sse.WithCompleteAfter(func(e sse.Event) bool { return read(e).state == mayEnd }),
		bridge.Reopen(func(e sse.Event) bool { return read(e).continues() }).(sse.Option),
		sse.WithEventError(func(e sse.Event) error { return asError(read(e).err) }),
		sse.WithIgnoredError(func(text string) error { return asError(ignoredError(text)) }),
	)
}

func (r *reader) deltas(s sse.Source) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		if r.err != nil {
			if c, ok := s.(io.Closer); ok {
				c.Close()
			}
			yield(Delta{}, r.err)
			return
		}
		bridge.Watch(s, r.watcher())
		m := newMemory()
		var reached state
		events := 0
		for c, err := range sse.DecodeFunc(s, func(data []byte) (chunk, error) { return r.read(s.Type(), data) }) {
			events++
			if c.err != nil {
				err = &sse.EventError{Event: s.Event(), Err: asError(c.err)}
			}
			if err != nil {
				_, canContinue := errors.AsType[*sse.DecodeError](err)
				if !yield(Delta{}, err) || !canContinue {
					return
				}
				continue
			}
			if reached = max(reached, c.state); c.continues() {
				reached = open
			}
			if !yield(m.delta(c), nil) || reached == complete {
				return
			}
		}
		end := bridge.Ended(s)
		if !end.Completed && (end.Open || reached != mayEnd) {
			yield(Delta{}, end.Truncated(events, r.format.completion()))
		}
	}
}

// watcher tells what a source without the option does not deliver.
func (r *reader) watcher() bridge.Watcher {
	return bridge.Watcher{
		Text: func(text string) error { return asError(ignoredError(text)) },
		Block: func(typ string) (bool, error) {
			c, _ := r.read(typ, nil)
			return c.state == complete, asError(c.err)
		},
		IsDone: func(data string) bool { return r.format.isDone([]byte(data)) },
	}
}

func (r *reader) text(s sse.Source) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		silent := true
		var refusal Error
		var words strings.Builder
		for d, err := range r.deltas(s) {
			silent = silent && len(d.ToolCalls) == 0
			if err != nil || d.Text != "" {
				silent = false
				if !yield(d.Text, err) {
					return
				}
				continue
			}
			refusal.Type = cmp.Or(d.Finish, refusal.Type)
			if words.Len() <= maxText {
				words.WriteString(d.Refusal)
			}
		}
		if silent && (words.Len() > 0 || isRefusal(refusal.Type)) {
			refusal.Type = bound(refusal.Type, maxWord)
			refusal.Message = cmp.Or(bound(strings.TrimSpace(words.String()), maxText), "the response has no text")
			yield("", &refusal)
		}
	}
}

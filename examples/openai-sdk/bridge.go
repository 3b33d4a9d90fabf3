package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
)

// Open asks as client.Chat.Completions.NewStreaming does, with the client's key, URL,
// middleware and retries, and returns the answer as a stream:
//
//	stream, err := Open(ctx, client, params, sse.WithIdleTimeout(time.Minute))
//	…
//	for chunk, err := range sse.Decode[openai.ChatCompletionChunk](stream) {
//
// An answer without its [DONE] is a *sse.TruncatedError, a chunk over 1 MiB
// sse.ErrEventTooLarge, five minutes of silence sse.ErrIdleTimeout, an error that the
// server reports in the stream a *sse.EventError around the SDK's own
// *ssestream.StreamError, and an answer that is no event stream a *sse.ResponseError.
// opts change these defaults. A status from 400 on is the SDK's *openai.Error.
//
// The stream ends with ctx. Mind two limits that are not of this kind:
//   - The SDK sends a request up to three times, also when it got no answer: the server
//     may then have worked, and billed, twice. [option.WithMaxRetries](0) prevents that.
//     Once an answer has begun, nobody sends anything again.
//   - [option.WithRequestTimeout] and the Timeout of an http.Client include the body:
//     they cut a long answer off, with [context.DeadlineExceeded] in the error. Bound the
//     whole with ctx, and the silence with [sse.WithIdleTimeout].
func Open(ctx context.Context, client openai.Client, params openai.ChatCompletionNewParams, opts ...sse.Option) (*sse.Stream, error) {
	var resp *http.Response
	err := client.Post(ctx, "chat/completions", params, &resp, // the SDK hands the response over as it came
		option.WithJSONSet("stream", true), // params have no such field
		option.WithHeader("Accept", "text/event-stream"))
	if err != nil {
		return nil, err
	}
	return sse.FromResponse(resp, withDefaults(opts)...)
}

// Guard does the same for code that calls client.Chat.Completions.NewStreaming and is to
// stay as it is. It is an option of a client or of a call:
//
//	client := openai.NewClient(Guard())
//
// The errors are those of [Open], and come from stream.Err. What NewStreaming cannot tell
// from Chat.Completions.New passes untouched: an answer that is no event stream, which the
// SDK takes for a whole answer without chunks.
//
// It hands the SDK a body in which whole events are written anew, so that each is parsed
// twice. [ssestream.RegisterDecoder] would save that, but is too blunt: a decoder is for
// all clients of the process and sees nothing but the body, while not every API ends its
// streams with [DONE]: an answer of the Responses API is complete with response.completed,
// and would count as truncated.
func Guard(opts ...sse.Option) option.RequestOption {
	opts = withDefaults(opts)
	return option.WithMiddleware(func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(req)
		if err != nil || !isChatStream(req, resp) {
			return resp, err
		}
		// An error of the middleware would have the SDK ask again; one of the body has not.
		stream, err := sse.FromResponse(resp, opts...)
		guarded := *resp // a copy: the body of resp is still the stream's
		guarded.Body = &guardedBody{stream: stream, err: err}
		return &guarded, nil
	})
}

// withDefaults returns the options of a Chat Completions stream; those of the caller win.
func withDefaults(opts []sse.Option) []sse.Option {
	return slices.Concat([]sse.Option{
		sse.WithDone("[DONE]"),
		sse.WithEventError(failure),
		sse.WithIdleTimeout(5 * time.Minute), // some models think for minutes before they speak
		sse.WithMaxEventSize(1 << 20),        // a chunk has a few hundred bytes
	}, opts)
}

// failure returns the error that an event reports, if it does.
func failure(e sse.Event) error {
	var v struct{ Error *json.RawMessage } // nil if it is null, too
	if json.Unmarshal([]byte(e.Data), &v) != nil || v.Error == nil {
		return nil
	}
	var reason struct{ Message string }
	_ = json.Unmarshal(*v.Error, &reason) // some servers send a mere string
	return &ssestream.StreamError{
		Message: cmp.Or(reason.Message, string(*v.Error)),
		Event:   ssestream.Event{Type: e.Type, Data: []byte(e.Data)},
	}
}

// isChatStream reports whether resp is a stream of the Chat Completions API.
func isChatStream(req *http.Request, resp *http.Response) bool {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return resp.StatusCode == http.StatusOK && mediaType == "text/event-stream" &&
		strings.HasSuffix(req.URL.Path, "/chat/completions")
}

// A guardedBody is a response body that has the events of a stream and ends with its
// error. [DONE] is not among them; the SDK takes the end of the body for the same.
type guardedBody struct {
	stream *sse.Stream // nil if err says why
	err    error
	unread bytes.Buffer
}

func (b *guardedBody) Read(p []byte) (int, error) {
	for b.unread.Len() == 0 {
		switch {
		case b.err != nil:
			return 0, b.err
		case b.stream.Next():
			writeEvent(&b.unread, b.stream.Type(), b.stream.Data())
		default:
			b.err = cmp.Or(b.stream.Err(), io.EOF)
		}
	}
	return b.unread.Read(p)
}

func (b *guardedBody) Close() error {
	if b.stream == nil {
		return nil // FromResponse has closed the response
	}
	return b.stream.Close()
}

// writeEvent writes an event as a block of an event stream.
func writeEvent(w *bytes.Buffer, typ string, data []byte) {
	if typ != "message" {
		w.WriteString("event: " + typ + "\n")
	}
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		w.WriteString("data: ")
		w.Write(line)
		w.WriteByte('\n')
	}
	w.WriteByte('\n')
}

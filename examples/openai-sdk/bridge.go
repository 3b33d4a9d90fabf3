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

// Open sends the same request as client.Chat.Completions.NewStreaming, with the client's
// key, URL, middleware and retries. It returns the response as a stream:
//
//	stream, err := Open(ctx, client, params, sse.WithIdleTimeout(time.Minute))
//	…
//	for chunk, err := range sse.Decode[openai.ChatCompletionChunk](stream) {
//
// A response that is not an event stream is a *sse.ResponseError, and a response without
// [DONE] is a *sse.TruncatedError. A chunk over 1 MiB is sse.ErrEventTooLarge, and five
// minutes of silence are sse.ErrIdleTimeout. If the server reports an error in the
// stream, the error is a *sse.EventError that wraps the SDK's *ssestream.StreamError.
// opts override these defaults. For a status of 400 or more, Open returns the SDK's
// *openai.Error.
//
// The stream ends when ctx is done. Two limits of the SDK apply as well:
//   - The SDK sends a request up to three times, even if no response arrived. The server
//     may then process and charge it more than once. [option.WithMaxRetries](0) prevents
//     that. After the response has started, the request is not sent again.
//   - [option.WithRequestTimeout] and the Timeout of an http.Client include the time to
//     read the body. They interrupt a long response with [context.DeadlineExceeded]. Use
//     ctx to limit the complete response and [sse.WithIdleTimeout] to limit its silence.
func Open(ctx context.Context, client openai.Client, params openai.ChatCompletionNewParams, opts ...sse.Option) (*sse.Stream, error) {
	var resp *http.Response
	err := client.Post(ctx, "chat/completions", params, &resp, // the SDK does not read the response
		option.WithJSONSet("stream", true), // params has no such field
		option.WithHeader("Accept", "text/event-stream"))
	if err != nil {
		return nil, err
	}
	return sse.FromResponse(resp, withDefaults(opts)...)
}

// Guard returns an option with the checks of [Open] for code that calls
// client.Chat.Completions.NewStreaming. It is an option of a client or of a call:
//
//	client := openai.NewClient(Guard())
//
// The errors of Open are returned by stream.Err. Guard does not check a response that is
// not an event stream, because it may be the response to Chat.Completions.New. The SDK
// accepts it as a complete response without chunks.
//
// Guard replaces the response body with one that contains only complete events, so each
// event is parsed twice. A decoder for [ssestream.RegisterDecoder] would parse it once,
// but it applies to all clients of the process and sees only the body. Streams of other
// APIs do not end with [DONE]: a response of the Responses API ends with
// response.completed, and the decoder would report it as truncated.
func Guard(opts ...sse.Option) option.RequestOption {
	opts = withDefaults(opts)
	return option.WithMiddleware(func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(req)
		if err != nil || !isChatStream(req, resp) {
			return resp, err
		}
		// The SDK retries after an error of the middleware, but not after an error of the
		// body.
		stream, err := sse.FromResponse(resp, opts...)
		guarded := *resp // a copy, because the stream reads resp.Body
		guarded.Body = &guardedBody{stream: stream, err: err}
		return &guarded, nil
	})
}

// withDefaults returns the options of a Chat Completions stream, followed by opts, which
// override them.
func withDefaults(opts []sse.Option) []sse.Option {
	return slices.Concat([]sse.Option{
		sse.WithDone("[DONE]"),
		sse.WithEventError(eventError),
		sse.WithIdleTimeout(5 * time.Minute), // some models think for minutes before the first token
		sse.WithMaxEventSize(1 << 20),        // a chunk has a few hundred bytes
	}, opts)
}

// eventError returns the error that an event reports, or nil.
func eventError(e sse.Event) error {
	var v struct{ Error *json.RawMessage } // nil if the member is missing or null
	if json.Unmarshal([]byte(e.Data), &v) != nil || v.Error == nil {
		return nil
	}
	var reason struct{ Message string }
	_ = json.Unmarshal(*v.Error, &reason) // some servers send a string
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

// A guardedBody is a response body that contains the events of a stream and ends with the
// stream's error. It does not contain [DONE]; the SDK treats the end of the body in the
// same way.
type guardedBody struct {
	stream *sse.Stream // nil if FromResponse returned an error
	err    error       // sticky error
	unread bytes.Buffer
}

func (b *guardedBody) Read(p []byte) (int, error) {
	for b.unread.Len() == 0 {
		switch {
		case b.err != nil:
			return 0, b.err
		case b.stream.Next():
			var block []byte
			block, b.err = sse.AppendEvent(b.unread.AvailableBuffer(), b.stream.Event())
			b.unread.Write(block)
		default:
			b.err = cmp.Or(b.stream.Err(), io.EOF)
		}
	}
	return b.unread.Read(p)
}

func (b *guardedBody) Close() error {
	if b.stream == nil {
		return nil // FromResponse has closed the response body
	}
	return b.stream.Close()
}

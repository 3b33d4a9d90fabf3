// Package sse consumes event streams (Server-Sent Events): it is fetch() plus
// EventSource for Go programs. It sends any request with any header, reads the events
// of the answer, and, when asked to, survives every disconnect without losing its
// place.
//
//	req, err := http.NewRequestWithContext(ctx, "POST", url, body)
//	…
//	stream, err := sse.Fetch(req, sse.WithDone("[DONE]"))
//	if err != nil {
//		return err
//	}
//	for event, err := range stream.Events() {
//		if err != nil {
//			return err // the answer is not complete
//		}
//		fmt.Print(event.Data)
//	}
//
// [Fetch] reads one response: the answer of an LLM, for example. [Subscribe] keeps a
// subscription: a feed that has to last for weeks. Both return a [Stream], which one
// goroutine reads; all work happens in its calls of [Stream.Next], and no goroutine
// runs between them. A [Parser] reads events from any io.Reader.
//
// # Terms
//
// They are those of the WHATWG HTML standard, section "Server-sent events". An event
// stream is made of lines; a line is a comment or a field; the lines up to a blank
// one are a block. The blank line dispatches the block's data as an event, and
// commits its id as the last event ID. The retry field sets the reconnection time. An
// attempt is one request with its answer; it makes progress when it dispatches an
// event.
//
// # What happens when
//
// Fetch sends a request again only if it was not sent, if the status says that it was
// not acted on, or if twice is the same as once (2): what the server may have acted on
// is never ordered twice. Subscribe goes on until the context ends, the stream
// completes, or an answer says that going on is pointless.
//
//	situation                                       Fetch                     Subscribe
//	request not sent: connection refused, DNS, TLS  retry, twice              retry
//	408, 425, 429, 503, 529                         retry, twice (1)          retry
//	500, 502, 504, or no response (ErrOpenTimeout)  retry, twice, if (2) (1)  retry
//	any other status, or not text/event-stream      *ResponseError            *ResponseError
//	204                                             clean end (3)             clean end
//	completion event (WithDone, WithTerminator)     clean end                 clean end
//	body ends between events                        clean end (4)             reconnect
//	body ends in the middle of an event             *TruncatedError           reconnect
//	body breaks off                                 *TruncatedError           reconnect
//	idle or event timeout                           its error                 reconnect
//	event over the limit                            ErrEventTooLarge          ErrEventTooLarge
//	error event (WithEventError)                    *EventError               *EventError
//	context done                                    context.Cause             context.Cause
//	Close                                           ErrClosed (5)             ErrClosed (5)
//
// (1) Unless Retry-After asks for more than a minute: then it is a *ResponseError.
// (2) GET, HEAD, OPTIONS, PUT, DELETE, or a request with an Idempotency-Key or
// X-Idempotency-Key header. (3) With [WithResume], Fetch reconnects after a break as
// Subscribe does; a 204 then means that there is no rest, and the end is the
// *TruncatedError. (4) A *TruncatedError if [WithDone] or [WithTerminator] says how a
// complete stream ends. (5) If it interrupted something.
//
// # When it tries again
//
// After a connection that brought events it waits the reconnection time, if the server
// has set one, up to a tenth over so that clients do not come back in one moment, and at
// most an hour. Every other wait is the backoff policy's ([WithBackOff]): by default 1,
// 2, 4 … 30 s, give or take half, starting from the reconnection time and never under
// it, nor under 100 ms. Retry-After raises a wait, to an hour at most. [WithRetryPolicy]
// has the last word. Whoever handles each event before asking for the next gets every
// event at least once, from a server that resumes after Last-Event-ID.
//
// # Requests
//
// The caller makes the request and keeps it: every attempt sends a copy. Accept,
// Cache-Control and Accept-Encoding get values that fit an event stream unless the
// caller has set them, Last-Event-ID the place to resume. Redirects are followed as
// net/http does, the body included where the status asks for that; once they leave the
// origin, only Accept, Cache-Control, Content-Type, User-Agent and Last-Event-ID go
// along. A reconnect asks the caller's URL again.
//
// # Errors
//
// Test them with [errors.Is] and [errors.As]. In this order: the cause of the context
// (ask its Err whether it has ended: the cause can be any error) and [ErrClosed] come as
// they are; [*ResponseError], [*TruncatedError],
// [*EventError], [ErrOpenTimeout], [ErrIdleTimeout], [ErrEventTimeout] and
// [ErrEventTooLarge] come with the request they belong to and, if retries came before,
// their number. A [*DecodeError] is about one event and ends nothing. Messages name
// method, scheme, host and path, and never a query, a header value or an unbounded piece
// of what the server sent.
//
// Say how the server's answers end: [WithDone] or [WithTerminator], and [WithEventError]
// for the errors that it puts into the stream. An event is looked at in this order:
// WithDone, WithEventError, WithTerminator. docs/llm.md in the repository lists what the
// services do that answer for language models.
//
// # Limits
//
// A block may have 16 MiB ([WithMaxEventSize]); memory is the block under way, and a small
// buffer while nothing comes. What a large event needed goes back to a pool, which the
// garbage collector empties. The wait for response headers is bounded by 2 minutes
// ([WithOpenTimeout]); set less where the server answers at once. Set [WithIdleTimeout]
// where the server sends keep-alives: a dead connection may otherwise stay silent for
// ever.
//
// A stream that waits holds little more than net/http does, which over HTTP/1.1 is mostly
// the buffers of the connection: with tens of thousands of them, set ReadBufferSize and
// WriteBufferSize of the [http.Transport] to 512, or use HTTP/2.
package sse

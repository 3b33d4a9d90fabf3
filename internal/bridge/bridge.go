// Package bridge gives package llm what package sse does not export. Package sse sets the
// functions. Their options are of type sse.Option and their sources of type sse.Source,
// which this package cannot import.
package bridge

import "time"

var (
	// Fail returns an option with which a call fails with err.
	Fail func(err error) (option any)

	// OpenTimeout returns an option that is WithOpenTimeout where that is not given.
	OpenTimeout func(d time.Duration) (option any)

	// Refusal returns an option that calls read with the status and the body of a response
	// that CheckResponse refuses. The error becomes the Err of the ResponseError.
	Refusal func(read func(status int, body []byte) error) (option any)

	// Reopen returns an option that undoes WithCompleteAfter: after an event for which f
	// returns true, an end is not complete. f is a func(sse.Event) bool.
	Reopen func(f any) (option any)

	// Watch lets w watch source, which may be a Parser.
	Watch func(source any, w Watcher)

	// Ended returns how source ended, after its last Next.
	Ended func(source any) End
)

// A Watcher is told of what a source does not deliver as an event.
type Watcher struct {
	// Text gets text outside any field, as a function of WithIgnoredError.
	Text func(text string) error

	// Block gets the type of a block without data. It can complete the source.
	Block func(typ string) (complete bool, err error)

	// IsDone reports whether data, of an event without its blank line at the end of the
	// source, completes it.
	IsDone func(data string) bool
}

// An End tells how a source ended without an error.
type End struct {
	Completed bool // by an event that an option or a Watcher names
	Open      bool // in the middle of a block, or after text outside any field

	// Truncated returns the TruncatedError for an end that is too early: after this many
	// events, and without the one that without names.
	Truncated func(events int, without string) error
}

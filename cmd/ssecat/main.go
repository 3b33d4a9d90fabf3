// Ssecat prints an event stream (Server-Sent Events) as it arrives: what curl -N should be
// for them. It knows when a response is complete, reconnects to feeds, resumes where it
// stopped, and prints the text of language models.
//
//	go install github.com/fetchsse/sse/cmd/ssecat@latest
//	ssecat https://example.com/feed
//	ssecat --help
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

// The exit statuses. Where curl has one for the same end, it is curl's.
const (
	complete    = 0
	failed      = 1
	usage       = 2
	noResponse  = 7
	eventError  = 10
	truncated   = 18
	refused     = 22
	notWritten  = 23
	timedOut    = 28
	interrupted = 130 // as shells report a program that Ctrl-C has ended
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	o, err := parse(args, os.Stdin)
	if err != nil {
		fmt.Fprintf(os.Stderr, "ssecat: %v; see ssecat --help\n", err)
		return usage
	}
	if o.help {
		fmt.Print(help)
		return complete
	}
	ignoreBrokenPipe() // a write to a closed pipe is an error then
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C exits even if a write blocks
	if o.serve != "" {
		err = serve(ctx, o)
	} else {
		err = newCat(o).run(ctx)
	}
	code := exitStatus(ctx, err)
	if err != nil && code != interrupted && (!o.silent || o.showError) && !isBrokenPipe(err) {
		report(os.Stderr, err)
	}
	return code
}

var errMaxTime = errors.New("the time of --max-time is over")

// A writeError is the failure to write the output, the state or the recording.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// A usageError is the failure to read a file that the command line names.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// asWriteError returns err as a writeError, or nil.
func asWriteError(err error) error {
	if err == nil {
		return nil
	}
	return writeError{err}
}

// exitStatus returns the exit status for err. The context ends with Ctrl-C.
func exitStatus(ctx context.Context, err error) int {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	_, isWrite := errors.AsType[writeError](err)
	_, isUsage := errors.AsType[usageError](err)
	_, isEvent := errors.AsType[*sse.EventError](err)
	_, isRefusal := errors.AsType[*sse.ResponseError](err)
	_, isTruncated := errors.AsType[*sse.TruncatedError](err)
	_, isUntrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case err == nil:
		return complete
	case isWrite:
		return notWritten
	case isUsage:
		return usage
	case ctx.Err() != nil:
		return interrupted
	case is(errMaxTime, sse.ErrOpenTimeout, sse.ErrIdleTimeout, sse.ErrEventTimeout):
		return timedOut // also while it waited to retry after another failure
	case isEvent:
		return eventError
	case isRefusal:
		return refused
	case isTruncated:
		return truncated
	case sse.NotSent(err), sse.Retryable(err), isUntrusted:
		return noResponse
	}
	return failed
}

// A cat reads one stream and prints it.
type cat struct {
	o      *options
	screen *screen
	status *status
	tap    *tap
	state  *state // nil without --state
	print  *printer
}

func newCat(o *options) *cat {
	scr := newScreen(o)
	return &cat{o: o, screen: scr, status: newStatus(scr), print: &printer{o: o}}
}

// run reads the stream to its end.
func (c *cat) run(ctx context.Context) (err error) {
	ctx, stopReading := context.WithCancelCause(ctx)
	defer stopReading(nil)
	if c.o.maxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.o.maxTime, errMaxTime)
		defer cancel()
	}
	if c.o.replay != "" {
		stop, err := c.o.playToSelf()
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := c.screen.open(c.o); err != nil {
		return writeError{err}
	}
	defer func() { err = errors.Join(err, asWriteError(c.screen.close())) }()
	if c.o.state != "" {
		if c.state, err = openState(c.o.state, c.screen.out); err != nil {
			return writeError{err}
		}
	}
	req, err := c.o.request(ctx)
	if err != nil {
		return err
	}
	if c.tap, err = newTap(c.o, c.status, c.screen, stopReading); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, asWriteError(c.tap.close())) }()
	stop := c.status.show()
	defer stop()
	open := sse.Fetch
	if c.o.subscribe {
		open = sse.Subscribe
	}
	stream, err := open(req, c.options()...)
	if err != nil {
		return err
	}
	return c.read(stream)
}

// options returns the options of the stream.
func (c *cat) options() []sse.Option {
	id := c.o.lastEventID
	if c.state != nil && c.state.ID != "" {
		id = c.state.ID
	}
	opts := []sse.Option{
		sse.WithHTTPClient(c.tap.client()),
		sse.WithIdleTimeout(c.o.idleTimeout),
		sse.WithTrace(c.status.trace()),
		sse.WithTrace(c.trace()),
	}
	if id != "" {
		opts = append(opts, sse.WithLastEventID(id))
	}
	if c.o.dialect != 0 {
		opts = append(opts, c.o.dialect.Option())
	}
	if c.o.openTimeout > 0 {
		opts = append(opts, sse.WithOpenTimeout(c.o.openTimeout))
	}
	if c.o.retryMax >= 0 {
		opts = append(opts, sse.WithMaxRetries(c.o.retryMax))
	}
	if c.o.anyType {
		opts = append(opts, sse.WithResponseCheck(checkStatus))
	}
	if len(c.o.done) > 0 {
		opts = append(opts, sse.WithDone(c.o.done...))
	}
	if len(c.o.until) > 0 {
		opts = append(opts, sse.WithTerminator(func(e sse.Event) bool { return c.o.until.has(e.Type) }))
	}
	if len(c.o.errors) > 0 {
		opts = append(opts, sse.WithEventError(func(e sse.Event) error {
			if c.o.errors.has(e.Type) {
				return errors.New(e.Data)
			}
			return nil
		}))
	}
	return opts
}

// read prints the events of the stream. The ID of an event is saved after it was printed.
func (c *cat) read(stream *sse.Stream) error {
	deltas := sse.DecodeFunc(stream, func([]byte) (llm.Delta, error) { return llm.Delta{}, nil })
	if c.o.dialect != 0 {
		deltas = c.o.dialect.Deltas(stream)
	}
	var output []byte
	skipped := 0
	for delta, err := range deltas {
		if bad, ok := errors.AsType[*sse.DecodeError](err); ok {
			c.warn(words(bad))
		} else if err != nil {
			return err
		}
		arrived := c.status.event()
		event := stream.Event()
		output, err = c.print.append(output[:0], item{plain{event, arrived}, delta})
		if skip, ok := err.(skipError); ok {
			if skipped++; skipped == 1 {
				c.warn("--template skips events that lack what it needs; the first: " + message(skip))
			}
		} else if err != nil {
			return err
		}
		if err := c.write(c.print.name(event), output, stream.LastEventID()); err != nil {
			return writeError{err}
		}
	}
	for _, note := range c.print.notes() {
		c.warn(note)
	}
	if c.state != nil { // the last block may have had an ID and no event
		if err := c.state.save(stream.LastEventID()); err != nil {
			return writeError{err}
		}
	}
	return c.print.check()
}

// warn tells what is not an error.
func (c *cat) warn(text string) {
	if !c.o.silent {
		c.screen.note("ssecat: note: " + text)
	}
}

// write prints the output of an event and then saves its ID.
func (c *cat) write(name string, output []byte, id string) error {
	if c.state != nil && len(output) > 0 {
		if err := c.state.announce(id, output); err != nil {
			return err
		}
	}
	if err := c.screen.print(name, output); err != nil {
		return err
	}
	if c.state == nil {
		return nil
	}
	return c.state.save(id)
}

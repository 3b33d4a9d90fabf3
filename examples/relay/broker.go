package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fetchsse/sse"
)

// Headers of the messages.
const (
	headerID     = "Sse-Id"       // the last event ID after this event
	headerType   = "Sse-Type"     // the type of the event
	headerSource = "Relay-Source" // the name of the source
	headerLease  = "Relay-Lease"  // the token of the owner
	headerSeq    = "Relay-Seq"    // the number of the event in its source
	headerHash   = "Relay-Hash"   // of an event without an ID of its own, and of the place in a marker
	headerMarker = "Relay-Marker" // on messages that are not events
)

const (
	subjects     = "events."
	markerToken  = "_lease"
	requestLimit = 2 * time.Second // after it, the leader may be another server
)

// A setupError is a mistake in the settings, which waiting does not mend.
type setupError struct{ message string }

func (e *setupError) Error() string { return e.message }

// A broker is the stream in which the events are stored.
type broker struct {
	js     jetstream.JetStream
	leader nats.JetStreamContext // its reads of a message go to the leader of the stream
	stream string
	limit  int // the bytes of a message with its headers
}

// openBroker opens the stream of c, and creates it if there is none.
func openBroker(ctx context.Context, nc *nats.Conn, c config) (*broker, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	leader, err := nc.JetStream()
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, c.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name:               c.Stream,
			Description:        "events of event streams",
			Subjects:           []string{subjects + ">"},
			Replicas:           c.Replicas,
			Duplicates:         c.Duplicates,
			AllowAtomicPublish: true,
		})
	}
	if errors.Is(err, jetstream.ErrInvalidStreamName) {
		return nil, &setupError{err.Error()}
	} else if err != nil {
		return nil, fmt.Errorf("stream %s: %w", c.Stream, err)
	}
	found := stream.CachedInfo().Config
	switch {
	case !slices.Contains(found.Subjects, subjects+">"):
		return nil, &setupError{fmt.Sprintf("stream %s: its subjects are %q, without %s>", c.Stream, found.Subjects, subjects)}
	case !found.AllowAtomicPublish:
		return nil, &setupError{fmt.Sprintf("stream %s: it does not allow atomic publishing", c.Stream)}
	case found.Retention != jetstream.LimitsPolicy:
		return nil, &setupError{fmt.Sprintf("stream %s: its retention has to be by limits, since the last message of a source has the place", c.Stream)}
	}
	b := &broker{js: js, leader: leader, stream: c.Stream, limit: int(nc.MaxPayload())}
	if found.MaxMsgSize > 0 {
		b.limit = min(b.limit, int(found.MaxMsgSize))
	}
	return b, nil
}

// A place is where a source has been read to. The last message of a source has it.
type place struct {
	id   string // the last event ID
	kind string // the type of the last event
	hash string // of the last event; empty if there is none
	seq  uint64 // the number of the last event

	last  uint64 // the sequence of the last message in the stream
	token uint64 // of the owner that published it
}

// place reads the place of a source. A source without messages has the zero place.
func (b *broker) place(ctx context.Context, source string) (at place, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	m, err := b.leader.GetLastMsg(b.stream, filter(source), nats.Context(ctx))
	if errors.Is(err, nats.ErrMsgNotFound) {
		return place{}, nil
	} else if err != nil {
		return place{}, err
	}
	at = place{id: m.Header.Get(headerID), kind: m.Header.Get(headerType), last: m.Sequence}
	_, own, _ := strings.Cut(m.Header.Get(jetstream.MsgIDHeader), ":")
	at.hash = cmp.Or(m.Header.Get(headerHash), own)
	at.token, err = strconv.ParseUint(m.Header.Get(headerLease), 10, 64)
	if err == nil {
		at.seq, err = strconv.ParseUint(m.Header.Get(headerSeq), 10, 64)
	}
	if err != nil {
		return place{}, fmt.Errorf("message %d on %s is not of a relay: %w", m.Sequence, m.Subject, err)
	}
	return at, nil
}

// takeOver makes the owner of a lease the only one that can publish events of the source. It
// returns the place. After it, the last message is a marker, and the broker refuses an owner that
// still expects the one before. The error is errTaken if another relay has the lease.
func (b *broker) takeOver(ctx context.Context, source string, l *lease) (place, error) {
	at, err := b.place(ctx, source)
	if err != nil {
		return place{}, err
	}
	token := l.token
	if at.token >= token {
		// Another owner was here since this lease was acquired, the response to the marker was
		// lost, or the bucket was created again and its revisions are lower than before.
		if err := l.held(ctx); err != nil {
			return place{}, err
		}
		token = at.token + 1
	}
	return b.mark(ctx, source, at, token)
}

// mark publishes the marker of a new owner after the message that has the place. The broker
// refuses it if that is not the last message any more.
func (b *broker) mark(ctx context.Context, source string, at place, token uint64) (place, error) {
	at.token = token
	m := newMessage(source, markerToken, at)
	m.Header.Set(headerMarker, "lease")
	if at.hash != "" {
		m.Header.Set(headerHash, at.hash)
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	ack, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequenceForSubject(at.last, filter(source)))
	if err != nil {
		return place{}, err
	}
	at.last = ack.Sequence
	return at, nil
}

// newMessage returns a message without data that has a place.
func newMessage(source, token string, at place) *nats.Msg {
	m := nats.NewMsg(subjects + source + "." + token)
	m.Header[headerID] = []string{at.id}
	m.Header[headerType] = []string{at.kind}
	m.Header[headerSource] = []string{source}
	m.Header[headerLease] = []string{strconv.FormatUint(at.token, 10)}
	m.Header[headerSeq] = []string{strconv.FormatUint(at.seq, 10)}
	return m
}

// filter matches the subjects of a source.
func filter(source string) string { return subjects + source + ".>" }

// An item is an event that waits to be published.
type item struct {
	sse.Event
	hash string
	own  bool // the event has an ID of its own
}

// newItem returns an event as an item. before is the ID of the event before, or of the place.
func newItem(e sse.Event, before string) item {
	return item{Event: e, hash: hash(e), own: e.ID != "" && e.ID != before}
}

// size returns the bytes that an item needs in memory, about.
func (i item) size() int { return len(i.Data) + len(i.ID) + len(i.Type) + 128 }

// headerRoom is more than the headers need without the ID and the type of the event.
const headerRoom = 1 << 10

// fits reports whether the message of an item is not over the limit, nor its headers over the
// 64 KiB of JetStream.
func (i item) fits(limit int) bool {
	header := headerRoom + len(i.ID) + len(i.Type)
	return header <= 64<<10 && header+len(i.Data) <= limit
}

// hash returns a hash of an event with its ID.
func hash(e sse.Event) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s%d:%s%s", len(e.ID), e.ID, len(e.Type), e.Type, e.Data)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// maxToken limits a token of a subject. The broker closes the connection if the line with the
// subject is too long, 4 KiB by default.
const maxToken = 200

// typeToken returns a token of a subject for the type of an event. The token has letters,
// digits, hyphens and underscores, and % before the two hexadecimal digits of any other byte.
// A token that begins with an underscore is reserved for the relay, so that is escaped too.
func typeToken(kind string) string {
	var b strings.Builder
	for i := range len(kind) {
		switch c := kind[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() <= maxToken {
		return b.String()
	}
	// The start, and a hash in place of the rest. No other type has the tilde.
	return b.String()[:maxToken-23] + "~" + hash(sse.Event{Type: kind})
}

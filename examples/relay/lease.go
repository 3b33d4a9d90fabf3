package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// errTaken reports that another relay has a source.
var errTaken = errors.New("another relay has the source")

// The key-value bucket has two kinds of keys. Both end after the lease time unless they are
// renewed.
const (
	sourceKeys = "sources." // a source, with its owner as the value
	relayKeys  = "relays."  // a relay that runs
)

// maxSubjects limits the keys of a request. The server responds with at most 1,024 messages.
const maxSubjects = 500

// leases is the bucket in which relays agree which of them reads a source.
type leases struct {
	js     jetstream.JetStream
	bucket jetstream.KeyValue
	owner  string // unique for each start of a relay
}

// openLeases opens the bucket of c, and creates it if there is none.
func openLeases(ctx context.Context, js jetstream.JetStream, c config) (*leases, error) {
	bucket, err := js.KeyValue(ctx, c.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      c.Bucket,
			Description: "leases of relays",
			TTL:         c.Lease,
			Replicas:    c.Replicas,
		})
	}
	if errors.Is(err, jetstream.ErrInvalidBucketName) {
		return nil, &setupError{fmt.Sprintf("%v: %q", err, c.Bucket)}
	} else if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", c.Bucket, err)
	}
	status, err := bucket.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", c.Bucket, err)
	}
	if status.TTL() != c.Lease {
		return nil, &setupError{fmt.Sprintf("bucket %s: its leases last for %v and not for %v: set -lease, or use a different bucket", c.Bucket, status.TTL(), c.Lease)}
	}
	return &leases{js, bucket, c.Name + "-" + nuid.Next()}, nil
}

// survey announces this relay. It returns how many relays run, and which of the sources any
// of them has.
func (l *leases) survey(ctx context.Context, sources []sourceConfig) (relays int, taken map[string]bool, err error) {
	if _, err := l.bucket.PutString(ctx, relayKeys+l.owner, ""); err != nil {
		return 0, nil, err
	}
	prefix := "$KV." + l.bucket.Bucket() + "."
	taken = map[string]bool{}
	all := []string{prefix + relayKeys + ">"}
	for _, s := range sources {
		all = append(all, prefix+sourceKeys+s.Name)
	}
	for subjects := range slices.Chunk(all, maxSubjects) {
		// Unlike a list of the keys, this needs no consumer, which only the leader of the
		// cluster can create. The message may be older than that of the leader.
		messages, err := jetstreamext.GetLastMsgsFor(ctx, l.js, "KV_"+l.bucket.Bucket(), subjects)
		if err != nil {
			return 0, nil, err
		}
		for m, err := range messages {
			if errors.Is(err, jetstreamext.ErrNoMessages) {
				break
			} else if err != nil {
				return 0, nil, err
			}
			key := strings.TrimPrefix(m.Subject, prefix)
			if source, ok := strings.CutPrefix(key, sourceKeys); m.Header.Get("KV-Operation") != "" {
				continue // the key was deleted
			} else if ok {
				taken[source] = true
			} else {
				relays++
			}
		}
		if ctx.Err() != nil { // the loop has ended early
			return 0, nil, ctx.Err()
		}
	}
	return max(relays, 1), taken, nil
}

// leave removes the announcement of this relay.
func (l *leases) leave(ctx context.Context) error {
	return l.bucket.Delete(ctx, relayKeys+l.owner)
}

// acquire gets the lease of a source. The error is errTaken if another relay has it.
func (l *leases) acquire(ctx context.Context, source string) (*lease, error) {
	revision, err := l.bucket.Create(ctx, sourceKeys+source, []byte(l.owner))
	if isWrongSequence(err) {
		return nil, errTaken
	} else if err != nil {
		return nil, err
	}
	return &lease{leases: l, key: sourceKeys + source, token: revision, revision: revision}, nil
}

// A lease is the right to read a source, as far as the relays agree on it. It prevents work
// that is done twice. Messages that are stored twice, the publisher prevents.
type lease struct {
	*leases
	key      string
	token    uint64 // the revision of the acquisition; a later owner has a higher one if the bucket stays
	revision uint64 // the last one
}

// renew extends the lease. The error is errTaken if another relay has it. After any other
// error, such as that of a broker that is away, the lease may still be renewed.
func (l *lease) renew(ctx context.Context) error {
	revision, err := l.bucket.Update(ctx, l.key, []byte(l.owner), l.revision)
	if isWrongSequence(err) {
		revision, err = l.find(ctx)
	}
	if err == nil {
		l.revision = revision
	}
	return err
}

// held returns an error unless this relay has the lease. The error is errTaken if another one
// has it, or none. A response may be old. It does no harm: the broker refuses the publishes of
// all owners but one, with or without the lease.
func (l *lease) held(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	entry, err := l.bucket.Get(ctx, l.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) || err == nil && string(entry.Value()) != l.owner {
		return errTaken
	}
	return err
}

// find returns the revision of the lease if it is not the one that is known: that of a
// renewal whose response was lost, or of a new one if the lease has ended and no other relay
// has it. In between, another relay may have had it; its marker then ends this owner.
func (l *lease) find(ctx context.Context) (uint64, error) {
	entry, err := l.bucket.Get(ctx, l.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return l.bucket.Create(ctx, l.key, []byte(l.owner))
	} else if err != nil {
		return 0, err
	}
	if string(entry.Value()) != l.owner {
		return 0, errTaken
	}
	return entry.Revision(), nil
}

// release gives the lease back, unless another relay has it.
func (l *lease) release(ctx context.Context) error {
	return l.bucket.Delete(ctx, l.key, jetstream.LastRevision(l.revision))
}

// isWrongSequence reports whether the broker has refused a message because the last one is
// not the expected one. A stream with replicas has a second code for it.
func isWrongSequence(err error) bool {
	switch errorCode(err) {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return true
	}
	return false
}

// errorCode returns the code of an error of JetStream, or 0.
func errorCode(err error) jetstream.ErrorCode {
	if e, ok := errors.AsType[*jetstream.APIError](err); ok {
		return e.ErrorCode
	}
	return 0
}

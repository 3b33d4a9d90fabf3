package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fetchsse/sse"
)

// owner returns a publisher that has taken the source "a" over.
func owner(t *testing.T, c config, token uint64) *publisher {
	t.Helper()
	b := testBroker(t, c)
	at, err := b.takeOver(t.Context(), "a", leaseOf(t, c, "a", token))
	require.NoError(t, err)
	return newPublisher(b, "a", at, make(chan struct{}, maxPublishes), newMetrics(nil), slog.New(slog.NewTextHandler(testLog(), nil)))
}

// leaseOf returns a lease that a new relay has now, as if it had been acquired with a token.
func leaseOf(t *testing.T, c config, source string, token uint64) *lease {
	t.Helper()
	l := testLeases(t, c, "owner")
	_, err := l.bucket.PutString(t.Context(), sourceKeys+source, l.owner)
	require.NoError(t, err)
	return &lease{leases: l, key: sourceKeys + source, token: token}
}

// items returns events with the IDs and data first to last.
func items(first, last int) (all []item) {
	for i := first; i <= last; i++ {
		n := fmt.Sprint(i)
		all = append(all, newItem(sse.Event{ID: n, Type: "message", Data: n}, ""))
	}
	return all
}

// An owner that was paused cannot publish after another has taken over, and one with an older
// lease cannot take over.
func TestOldOwnerIsRefused(t *testing.T) {
	for n := 1; n <= 3; n += 2 { // a message, a batch
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := testConfig(t)
			expired := leaseOf(t, c, "a", 5)
			old := owner(t, c, 5)
			require.NoError(t, old.store(t.Context(), items(1, 2)))
			renewed := owner(t, c, 6)
			require.Equal(t, "2", renewed.at.id)
			require.Equal(t, uint64(2), renewed.at.seq)

			require.ErrorIs(t, old.store(t.Context(), items(3, 2+n)), errLost)
			require.NoError(t, renewed.store(t.Context(), items(3, 5)))
			require.ErrorIs(t, old.store(t.Context(), items(3, 2+n)), errLost)
			_, err := old.takeOver(t.Context(), "a", expired)
			require.ErrorIs(t, err, errTaken)
			require.Equal(t, []string{"1", "2", "3", "4", "5"}, datas(t, c))
		})
	}
}

// A relay is paused after it has read the place. Another one takes over, or publishes events.
func TestTakeOverAfterPause(t *testing.T) {
	c := testConfig(t)
	current := owner(t, c, 5)
	paused := current.at
	require.NoError(t, current.store(t.Context(), items(1, 1)))
	_, err := current.mark(t.Context(), "a", paused, 7)
	require.True(t, isWrongSequence(err), err)

	paused = current.at
	next := owner(t, c, 8)
	_, err = current.mark(t.Context(), "a", paused, 7)
	require.True(t, isWrongSequence(err), err)
	require.ErrorIs(t, current.store(t.Context(), items(2, 2)), errLost)
	require.NoError(t, next.store(t.Context(), items(2, 2)))
	require.Equal(t, []string{"1", "2"}, datas(t, c))
}

// An owner can take over again after the response to its marker was lost.
func TestTakeOverTwice(t *testing.T) {
	c := testConfig(t)
	l := leaseOf(t, c, "a", 5)
	b := testBroker(t, c)
	first, err := b.takeOver(t.Context(), "a", l)
	require.NoError(t, err)
	again, err := b.takeOver(t.Context(), "a", l)
	require.NoError(t, err)
	require.Greater(t, again.token, first.token)
	require.Equal(t, first.id, again.id)
}

// The bucket is deleted and created again, so its revisions are lower than the tokens in the
// stream, or equal. A new owner takes over even so, and the old one is refused: also if both
// have the same revision.
func TestBucketCreatedAgain(t *testing.T) {
	for _, revision := range []uint64{2, 5} {
		t.Run(fmt.Sprint(revision), func(t *testing.T) {
			c := testConfig(t)
			old := owner(t, c, 5)
			require.NoError(t, old.store(t.Context(), items(1, 2)))
			require.NoError(t, old.js.DeleteKeyValue(t.Context(), c.Bucket))
			next := owner(t, c, revision)
			require.Equal(t, "2", next.at.id)
			require.NoError(t, next.store(t.Context(), items(3, 3)))
			require.ErrorIs(t, old.store(t.Context(), items(4, 4)), errLost)
			require.Equal(t, []string{"1", "2", "3"}, datas(t, c))
		})
	}
}

// A publish whose response was lost is not repeated if its events are stored, within the
// duplicate window and after it. A server and a cluster check this in a different order.
func TestUnknownResult(t *testing.T) {
	cluster := testConfig(t)
	cluster.NATS, cluster.Replicas = startCluster(t), 3
	for name, c := range map[string]config{"server": testConfig(t), "cluster": cluster} {
		for n := 1; n <= 3; n += 2 { // a message, a batch
			for _, past := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d past %t", name, n, past), func(t *testing.T) {
					if c.Duplicates = time.Minute; past {
						c.Duplicates = 100 * time.Millisecond
					}
					p := owner(t, c, 5)
					before, expected := p.at, p.expected
					require.NoError(t, p.publish(t.Context(), items(1, n)))
					p.at, p.expected = before, expected // as if there had been no response
					if past {
						time.Sleep(300 * time.Millisecond)
					}
					require.NoError(t, p.store(t.Context(), items(1, 5)))
					require.NoError(t, p.store(t.Context(), items(6, 6)))
					require.Equal(t, []string{"1", "2", "3", "4", "5", "6"}, datas(t, c))
					require.NoError(t, p.js.DeleteStream(t.Context(), c.Stream))
				})
			}
		}
	}
}

// A publish that did not arrive is repeated.
func TestPublishThatDidNotArrive(t *testing.T) {
	c := testConfig(t)
	p := owner(t, c, 5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.publish(ctx, items(1, 1)), context.Canceled)
	require.NoError(t, p.store(t.Context(), items(1, 3)))
	require.Equal(t, []string{"1", "2", "3"}, datas(t, c))
}

// The messages of a stream may be deleted. The publisher continues after the last one that is
// left.
func TestDeletedMessages(t *testing.T) {
	c := testConfig(t)
	p := owner(t, c, 5)
	require.NoError(t, p.store(t.Context(), items(1, 3)))
	stream, err := p.js.Stream(t.Context(), c.Stream)
	require.NoError(t, err)
	require.NoError(t, stream.DeleteMsg(t.Context(), p.at.last))
	require.NoError(t, p.store(t.Context(), items(4, 5)))
	require.NoError(t, stream.Purge(t.Context()))
	require.NoError(t, p.store(t.Context(), items(6, 7)))
	at, err := p.place(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, uint64(7), at.seq)
}

// Events that the broker has within the duplicate window are not stored again, and those
// between them are.
func TestDuplicatesInBatch(t *testing.T) {
	c := testConfig(t)
	p := owner(t, c, 5)
	require.NoError(t, p.store(t.Context(), items(1, 4)))
	require.NoError(t, p.store(t.Context(), append(items(2, 3), items(5, 6)...)))
	require.NoError(t, p.store(t.Context(), append(items(6, 6), items(7, 7)...)))
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6", "7"}, datas(t, c))
	require.EqualValues(t, 3, testutil.ToFloat64(p.metrics.duplicates))
}

// The server may have lower limits for batches than the relay expects: the publisher waits
// while there are too many batches, and publishes message by message if they are too large.
func TestLimitsOfServer(t *testing.T) {
	c := defaultConfig()
	c.NATS = startNATS(t, t.TempDir(), -1, server.JSLimitOpts{
		MaxBatchInflightPerStream: 1, MaxBatchTimeout: 500 * time.Millisecond, MaxBatchSize: 2,
	}).ClientURL()
	p := owner(t, c, 5)
	other, err := jetstreamext.NewBatchPublisher(p.js)
	require.NoError(t, err)
	require.NoError(t, other.Add(subjects+"b.message", nil)) // it stays until the timeout
	_, err = jetstreamext.PublishMsgBatch(t.Context(), p.js, []*nats.Msg{nats.NewMsg(subjects + "c.message"), nats.NewMsg(subjects + "c.message")})
	require.Equal(t, jetstreamext.JSErrCodeAtomicPublishTooManyInflight, errorCode(err))
	require.NoError(t, p.store(t.Context(), items(1, 2)))
	require.NoError(t, p.store(t.Context(), items(3, 7)))
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6", "7"}, datas(t, c))
}

// Batches have limits. All of the window is stored, in order.
func TestBatches(t *testing.T) {
	c := testConfig(t)
	p := owner(t, c, 5)
	const n = 2*maxBatch + 3
	w := newWindow(n, windowBytes, p.metrics.window.WithLabelValues("a"))
	for _, i := range items(1, n) {
		w.add(i)
	}
	w.close()
	require.NoError(t, p.run(t.Context(), w))
	requireFeed(t, c, n)
	require.Zero(t, w.bytes)
}

func TestWindow(t *testing.T) {
	w := newWindow(3, 1000, newMetrics(nil).window.WithLabelValues("a"))
	large := item{Event: sse.Event{Data: strings.Repeat("x", 600)}}
	require.True(t, w.wait(t.Context()))
	w.add(large)
	w.add(large)
	full, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.False(t, w.wait(full), "the bytes are over the limit")
	require.Len(t, w.head(t.Context(), 3, 1000), 1)
	require.Len(t, w.head(t.Context(), 3, 2000), 2)
	require.Len(t, w.head(t.Context(), 1, 2000), 1)
	require.Len(t, w.head(t.Context(), 1, 1), 1, "at least one")
	w.drop(1)
	require.True(t, w.wait(t.Context()))
	w.drop(1)
	for range 3 {
		require.True(t, w.wait(t.Context()))
		w.add(item{})
	}
	full, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.False(t, w.wait(full), "the messages are over the limit")
	w.drop(3)
	w.close()
	require.Empty(t, w.head(t.Context(), 3, 1000))
}

func TestTypeToken(t *testing.T) {
	for kind, want := range map[string]string{
		"message":    "message",
		"price.up":   "price%2Eup",
		"a b*>\t%":   "a%20b%2A%3E%09%25",
		"_lease":     "%5Flease",
		"a_b":        "a_b",
		"ä":          "%C3%A4",
		"$JS.API":    "%24JS%2EAPI",
		"~\x00":      "%7E%00",
		"A-Z_a-z0-9": "A-Z_a-z0-9",
	} {
		require.Equal(t, want, typeToken(kind))
	}
	long := typeToken(strings.Repeat("x", 1000))
	require.Len(t, long, maxToken)
	require.NotEqual(t, long, typeToken(strings.Repeat("x", 1001)))
}

// The broker has lost the stream, so its sequences begin at 1. The publisher continues there, knows
// its own events, and is refused after another owner has taken over.
func TestStreamCreatedAgain(t *testing.T) {
	for n := 1; n <= 3; n += 2 { // a message, a batch
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			p := owner(t, testConfig(t), 5)
			require.NoError(t, p.store(t.Context(), items(1, 20)))
			p.broker = testBroker(t, testConfig(t)) // an empty one
			_, err := p.resolve(t.Context(), n)     // after the first publish is refused
			require.NoError(t, err)
			before, expected := p.at, p.expected
			require.NoError(t, p.publish(t.Context(), items(21, 20+n)))
			p.at, p.expected = before, expected // as if there had been no response
			stored, err := p.resolve(t.Context(), n)
			require.NoError(t, err)
			require.Equal(t, n, stored)
			require.NoError(t, p.store(t.Context(), items(31, 50)))

			c := testConfig(t)
			p.broker = testBroker(t, c)
			next := owner(t, c, 7)
			require.NoError(t, next.store(t.Context(), items(1, 4)))
			require.ErrorIs(t, p.store(t.Context(), items(51, 50+n)), errLost)
			require.Equal(t, []string{"1", "2", "3", "4"}, datas(t, c))
		})
	}
}

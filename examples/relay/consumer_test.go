package main

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/ssetest"
)

// consume calls handle for the events of a source, from the oldest on. It leaves out the
// markers of its owners.
func consume(ctx context.Context, js jetstream.JetStream, source string, handle func(id, typ string, data []byte)) error {
	consumer, err := js.OrderedConsumer(ctx, "EVENTS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"events." + source + ".>"},
	})
	if err != nil {
		return err
	}
	for {
		m, err := consumer.Next(jetstream.FetchContext(ctx))
		if err != nil {
			return err
		}
		if h := m.Headers(); h.Get("Relay-Marker") == "" {
			handle(h.Get("Sse-Id"), h.Get("Sse-Type"), m.Data())
		}
	}
}

func TestConsumer(t *testing.T) {
	c := testConfig(t, sourceConfig{Name: "prices", URL: scripted(t,
		ssetest.Script{soon(), event("1", "a"), event("2", "b")}, ssetest.Script{ssetest.Answer(204)})})
	startRelay(t, c)
	want(t, c, "a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	var got []string
	err := consume(ctx, testBroker(t, c).js, "prices", func(id, typ string, data []byte) {
		if got = append(got, id+" "+typ+" "+string(data)); len(got) == 2 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"1 message a", "2 message b"}, got)
}

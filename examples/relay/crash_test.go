//go:build linux

package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The crash tests run relays, and the nodes of a cluster, as processes, and kill them:
//
//	RELAY_KILLS=50 go test -race -run TestKilledRelays -v
//
// RELAY_SEED repeats the random times of a run, which prints its seed with -v or if it fails.

// childVariable makes the executable of the tests a relay or a node.
const childVariable = "RELAY_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
		return
	}
	os.Setenv(childVariable, "1") // for the children
	os.Exit(m.Run())
}

const crashLease = time.Second

// startStage starts a stage that ends with the test. The server forgets the IDs of messages
// soon, so that only the expected sequence prevents duplicates.
func startStage(t *testing.T, o stageOptions) *stage {
	t.Helper()
	o.lease, o.duplicates = crashLease, 100*time.Millisecond
	s, err := newStage(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range slices.Concat(s.relays, s.cluster.nodes) {
				t.Log(p.failure("failed test"))
			}
		}
		s.close()
	})
	return s
}

// requireStored finishes the stage, and requires that everything is stored, once and in
// order, and that no process reported a data race. It returns the messages of the stream.
func requireStored(t *testing.T, s *stage) []message {
	t.Helper()
	require.NoError(t, s.reading(t.Context()), "after the last fault")
	require.True(t, sleep(t.Context(), crashLease)) // the last feed to be taken over sends something
	messages, err := s.finish(t.Context())
	require.NoError(t, err)
	for _, f := range s.feeds {
		r := check(f, messages)
		t.Logf("%-12s %6d events, %6d stored, %3d duplicates, %d lost, %d not sent again", r.feed, r.made, r.stored, r.duplicates, r.lost, r.missed)
		require.NoError(t, r.failed(f))
		require.Positive(t, r.stored, f.name)
	}
	for _, p := range slices.Concat(s.relays, s.cluster.nodes) {
		log, err := os.ReadFile(filepath.Join(s.dir, p.name+".log"))
		require.NoError(t, err)
		require.NotContains(t, string(log), "DATA RACE")
		require.NotContains(t, string(log), "panic:")
	}
	return messages
}

// count returns the number in an environment variable, or a default.
func count(t *testing.T, variable string, fallback int) int {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return fallback
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err, variable)
	return n
}

func TestKilledRelays(t *testing.T) {
	t.Parallel() // the crash tests mostly wait
	kills := count(t, "RELAY_KILLS", 6)
	seed := count(t, "RELAY_SEED", int(time.Now().UnixNano()))
	t.Logf("RELAY_SEED=%d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	pauseUpTo := func(d time.Duration) {
		require.True(t, sleep(t.Context(), time.Duration(random.Int64N(int64(d)))))
	}
	s := startStage(t, stageOptions{nodes: 1, relays: 2, feeds: newFeeds(300, 5*time.Second)})
	started := 2
	killed := map[string]int{}
	kill := func(p *process, when string) {
		p.kill()
		killed[when]++
		kills--
	}
	restart := func(p *process) {
		require.NoError(t, p.start())
		started++
	}

	for round := 0; kills > 0; round++ {
		victim, _, err := s.busiest(t.Context())
		require.NoError(t, err)
		switch round % 4 {
		case 0:
			pauseUpTo(time.Second)
			kill(victim, "at any time")
			pauseUpTo(time.Second)
			restart(victim)
		case 1:
			bursts := s.feeds[slices.IndexFunc(s.feeds, func(f *demoFeed) bool { return f.name == "bursts" })]
			victim, _ = s.owner(t, bursts.name)
			_, grown := bursts.available()
			<-grown
			pauseUpTo(30 * time.Millisecond)
			kill(victim, "during a burst")
			restart(victim)
		case 2:
			other := s.relays[0]
			if other == victim {
				other = s.relays[1]
			}
			kill(victim, "before a take-over")
			require.True(t, sleep(t.Context(), crashLease))
			pauseUpTo(700 * time.Millisecond)
			kill(other, "during a take-over")
			restart(other)
			restart(victim)
		case 3:
			kill(victim, "before a start")
			restart(victim)
			pauseUpTo(300 * time.Millisecond)
			kill(victim, "after a start")
			restart(victim)
		}
	}
	t.Logf("killed: %v", killed)
	messages := requireStored(t, s)
	var markers int
	for _, m := range messages {
		if m.marker {
			markers++
		}
	}
	t.Logf("%d relays started, %d take-overs", started, markers)
	require.Greater(t, markers, len(s.feeds), "no relay had to take over from one that was killed")
}

func TestPausedRelay(t *testing.T) {
	t.Parallel()
	s := startStage(t, stageOptions{nodes: 1, relays: 2, feeds: newFeeds(1500, 5*time.Second)})
	for range 2 {
		require.True(t, sleep(t.Context(), crashLease))
		sleeper, sources := s.owner(t, "fast")
		at := time.Now()
		require.NoError(t, pause(sleeper.cmd.Process))
		require.True(t, sleep(t.Context(), 2*crashLease))
		s.requireTakenOver(t, sources, at)
		require.NoError(t, resume(sleeper.cmd.Process))
	}
	requireStored(t, s)
}

// owner returns the relay that has a source, and all sources of this relay. It waits for one.
func (s *stage) owner(t *testing.T, source string) (owner *process, sources []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		for _, p := range s.relays {
			if sources := s.owns(ctx, p); slices.Contains(sources, source) {
				return p, sources
			}
		}
		require.True(t, sleep(ctx, 20*time.Millisecond), "no relay has %s", source)
	}
}

// requireTakenOver waits until each of the sources has a marker that is newer than at.
func (s *stage) requireTakenOver(t *testing.T, sources []string, at time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, source := range sources {
		for !s.markedAfter(ctx, source, at) {
			require.True(t, sleep(ctx, 50*time.Millisecond), "no relay has taken over %s", source)
		}
	}
}

func TestKilledLeader(t *testing.T) {
	t.Parallel()
	s := startStage(t, stageOptions{nodes: 3, relays: 2, feeds: newFeeds(500, time.Minute)})
	require.True(t, sleep(t.Context(), crashLease))
	leader, err := s.cluster.leader(t.Context(), stageStream)
	require.NoError(t, err)
	leader.kill()

	// The other nodes elect a leader after up to 9 seconds.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		second, err := s.cluster.leader(ctx, stageStream)
		if err == nil && second != leader {
			break
		}
		require.True(t, sleep(ctx, 100*time.Millisecond), "no second leader")
	}
	require.NoError(t, leader.start())
	requireStored(t, s)
}

// A node whose port is in use ends with a message. The demo would wait for it otherwise.
func TestNodeWithoutPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dir := t.TempDir()
	settings, err := json.Marshal(nodeConfig{Name: "node", Store: dir, Port: l.Addr().(*net.TCPAddr).Port})
	require.NoError(t, err)
	p := newProcess(dir, "node", []string{"-demo"}, []string{nodeVariable + "=" + string(settings)})
	require.NoError(t, p.start())
	defer p.kill()
	eventually(t, func() bool { return !p.running() })
	require.ErrorContains(t, p.stop(t.Context(), patience), "address already in use")
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// stageStream is the stream of a stage.
const stageStream = "EVENTS"

// A stage has everything that the demo and the crash tests need: feeds, a cluster, and
// relays between them.
type stage struct {
	dir     string
	feeds   []*demoFeed
	cluster *cluster
	relays  []*process
	metrics map[*process]string // the URLs

	source    *http.Server
	serving   sync.WaitGroup
	producing sync.WaitGroup
	endFeeds  context.CancelFunc
}

// stageOptions are the sizes of a stage.
type stageOptions struct {
	nodes      int // of the cluster
	relays     int
	lease      time.Duration
	duplicates time.Duration // for which the cluster knows the IDs of messages
	feeds      []*demoFeed
}

// newStage starts a stage. Its feeds make events from now on.
func newStage(ctx context.Context, o stageOptions) (s *stage, err error) {
	s = &stage{feeds: o.feeds, metrics: map[*process]string{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "relay"); err != nil {
		return nil, err
	}
	if s.cluster, err = newCluster(ctx, s.dir, o.nodes); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.source = &http.Server{Handler: handle(s.feeds), ReadHeaderTimeout: 10 * time.Second}
	s.serving.Go(func() { _ = s.source.Serve(l) })
	settings := filepath.Join(s.dir, "relay.yaml")
	if err := os.WriteFile(settings, o.yaml("http://"+l.Addr().String()), 0o600); err != nil {
		return nil, err
	}
	ports, err := freePorts(o.relays)
	if err != nil {
		return nil, err
	}
	for i := range o.relays {
		name := fmt.Sprintf("relay-%d", i+1)
		address := fmt.Sprintf("127.0.0.1:%d", ports[i])
		p := newProcess(s.dir, name, []string{
			"-nats", s.cluster.url(), "-config", settings, "-name", name, "-listen", address, "-stream", stageStream,
			"-replicas", fmt.Sprint(o.nodes), "-lease", o.lease.String(),
		}, nil)
		if err := p.start(); err != nil {
			return nil, err
		}
		s.relays = append(s.relays, p)
		s.metrics[p] = "http://" + address + "/metrics"
	}
	if err := s.reading(ctx); err != nil {
		return nil, err
	}
	producing, cancel := context.WithCancel(ctx)
	s.endFeeds = cancel
	for _, f := range s.feeds {
		s.producing.Go(func() { f.run(producing) })
	}
	return s, nil
}

// yaml returns the settings file of the relays.
func (o stageOptions) yaml(source string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "duplicates: %v\nsources:\n", o.duplicates)
	for _, f := range o.feeds {
		fmt.Fprintf(&b, "- {name: %s, url: %s/%s, idle_timeout: 15s}\n", f.name, source, f.name)
	}
	return b.Bytes()
}

// reading waits until some relay reads each feed.
func (s *stage) reading(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		owned := map[string]bool{}
		for _, p := range s.relays {
			for _, name := range s.owns(ctx, p) {
				owned[name] = true
			}
		}
		if len(owned) == len(s.feeds) {
			return nil
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return s.relays[0].failure(fmt.Sprintf("only %d of %d feeds are read", len(owned), len(s.feeds)))
		}
	}
}

// owned matches a metric of a source that a relay has.
var owned = regexp.MustCompile(`^relay_source_state\{source="([^"]*)",state="(reading|blocked)"\} 1$`)

// owns returns the sources that a relay has, from its metrics: none if it does not respond.
func (s *stage) owns(ctx context.Context, p *process) (sources []string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics[p], nil)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if match := owned.FindStringSubmatch(lines.Text()); match != nil {
			sources = append(sources, match[1])
		}
	}
	return sources
}

// busiest returns the relay that has the most sources, and these. If no relay has any, as
// after the broker failed, it waits.
func (s *stage) busiest(ctx context.Context) (p *process, sources []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		for _, candidate := range s.relays {
			if has := s.owns(ctx, candidate); len(has) > len(sources) {
				p, sources = candidate, has
			}
		}
		if p != nil {
			return p, sources, nil
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return nil, nil, errors.New("no relay has a source")
		}
	}
}

// finish ends the feeds, waits until their last events are stored, and stops the relays as
// SIGTERM does. It returns all messages of the stream.
func (s *stage) finish(ctx context.Context) ([]message, error) {
	s.endFeeds()
	s.producing.Wait()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, f := range s.feeds {
		// If that takes too long, the check shows what is missing.
		for !s.drained(limited, f) && sleep(limited, 50*time.Millisecond) {
		}
	}
	var failures []error
	for _, p := range s.relays {
		failures = append(failures, p.stop(ctx, 20*time.Second))
	}
	limited, cancel = context.WithTimeout(ctx, time.Minute)
	defer cancel()
	messages, err := readStream(limited, s.cluster.js, stageStream)
	return messages, errors.Join(append(failures, err)...)
}

// drained reports whether the last event of a feed is stored. That of a feed without IDs may
// never be.
func (s *stage) drained(ctx context.Context, f *demoFeed) bool {
	made, _ := f.available()
	if f.share == 0 || made == 0 {
		return true
	}
	m, err := s.last(ctx, filter(f.name))
	if err != nil {
		return false
	}
	if m.Header.Get(headerMarker) == "" {
		var p payload
		return json.Unmarshal(m.Data, &p) == nil && p.N == made
	}
	// The marker has the ID of the event before it. If more events share it, the relay gets
	// these after the marker.
	return m.Header.Get(headerID) == f.id(made) && (made-1)%f.share == 0
}

// markedAfter reports whether a relay has taken a source over after a time.
func (s *stage) markedAfter(ctx context.Context, source string, at time.Time) bool {
	m, err := s.last(ctx, subjects+source+"."+markerToken)
	return err == nil && m.Time.After(at)
}

// last returns the last message of a subject.
func (s *stage) last(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	// A request that is lost while a connection breaks gets no response.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	stream, err := s.cluster.js.Stream(ctx, stageStream)
	if err != nil {
		return nil, err
	}
	return stream.GetLastMsgForSubject(ctx, subject)
}

// close ends everything that runs and removes the files.
func (s *stage) close() {
	for _, p := range s.relays {
		p.kill()
	}
	if s.endFeeds != nil {
		s.endFeeds()
		s.producing.Wait()
	}
	if s.source != nil {
		_ = s.source.Close()
		s.serving.Wait()
	}
	if s.cluster != nil {
		s.cluster.close()
	}
	_ = os.RemoveAll(s.dir)
}

// stored returns the number of messages in the stream.
func (s *stage) stored(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	stream, err := s.cluster.js.Stream(ctx, stageStream)
	if err != nil {
		return 0, err
	}
	return stream.CachedInfo().State.Msgs, nil
}

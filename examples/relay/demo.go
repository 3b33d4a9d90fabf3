package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	duration time.Duration // of the feeds
	svg      string        // the file for the plot, if not empty
}

// runDemo runs the demo and returns the exit status.
func runDemo(ctx context.Context, o demoOptions) int {
	var err error
	if settings := os.Getenv(nodeVariable); settings != "" {
		err = runNode(ctx, settings)
	} else {
		err = demonstrate(ctx, o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		return 1
	}
	return 0
}

// A fault is what happened to a process during the demo.
type fault struct {
	name    string
	at      time.Time
	until   time.Time // when the process continued or was started again
	relay   bool      // otherwise a node of the cluster
	sources []string  // that the relay had
}

// demonstrate relays ten feeds into a cluster, while a relay is killed, a node is killed, and
// a relay is paused. It returns an error if an event is lost or stored twice.
func demonstrate(ctx context.Context, o demoOptions, out io.Writer) error {
	const nodes, relays, fast = 3, 3, 1000
	o.duration = max(o.duration, 10*time.Second) // for all faults
	lease := min(max(o.duration/15, time.Second), 2*time.Second)
	fmt.Fprintf(out, "starting %d NATS servers and %d relays with leases of %v\n", nodes, relays, lease)
	s, err := newStage(ctx, stageOptions{
		nodes: nodes, relays: relays, lease: lease, duplicates: 2 * time.Minute, feeds: newFeeds(fast, o.duration/2),
	})
	if err != nil {
		return err
	}
	defer s.close()

	started := time.Now()
	faults, err := s.disturb(ctx, o.duration, lease, newStatus(out, started, s))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "the feeds have ended; stopping the relays")
	messages, err := s.finish(ctx)
	if err != nil {
		return err
	}
	arrivals := arrivalsOf(s.feeds, messages)
	if err := printFaults(out, started, faults, messages, arrivals); err != nil {
		return err
	}
	if o.svg != "" {
		if err := writePlot(o.svg, started, faults, arrivals); err != nil {
			return err
		}
	}
	return printResults(out, s.feeds, messages)
}

// disturb lets the feeds run for a time, and lets one process after another fail.
func (s *stage) disturb(ctx context.Context, d, lease time.Duration, status *status) ([]*fault, error) {
	var killed, failed, paused fault
	var relay, node, sleeper *process
	// An election of the cluster takes up to 9 seconds.
	leader := d >= 25*time.Second
	steps := []struct {
		at time.Duration
		do func() error
	}{
		{d * 10 / 100, func() (err error) {
			if relay, killed.sources, err = s.busiest(ctx); err != nil {
				return err
			}
			killed.name, killed.relay = relay.name+" killed", true
			killed.at = time.Now()
			relay.kill()
			return nil
		}},
		{d * 27 / 100, func() error {
			killed.until = time.Now()
			return relay.start()
		}},
		{d * 30 / 100, func() (err error) {
			if node, err = s.node(ctx, leader); err != nil {
				return err
			}
			failed.name = node.name + " killed"
			if leader {
				failed.name += " (leader of the stream)"
			}
			failed.at = time.Now()
			node.kill()
			return nil
		}},
		{d * 50 / 100, func() error {
			failed.until = time.Now()
			return node.start()
		}},
		{d * 78 / 100, func() (err error) {
			if sleeper, paused.sources, err = s.busiest(ctx); err != nil {
				return err
			}
			paused.name, paused.relay = sleeper.name+" paused", true
			paused.at = time.Now()
			return pause(sleeper.cmd.Process)
		}},
		{d*78/100 + max(d*12/100, lease*9/5), func() error {
			paused.until = time.Now()
			return resume(sleeper.cmd.Process)
		}},
		{d, func() error { return nil }},
	}
	faults := []*fault{&killed, &failed, &paused}
	started := time.Now()
	for _, step := range steps {
		for time.Since(started) < step.at {
			status.print(ctx, faults)
			if !sleep(ctx, min(100*time.Millisecond, step.at-time.Since(started))) {
				return nil, ctx.Err()
			}
		}
		if err := step.do(); err != nil {
			return nil, err
		}
	}
	status.end()
	return faults, nil
}

// node returns the leader of the stream, or a node that leads neither the stream nor the
// leases. It waits while they have no leader.
func (s *stage) node(ctx context.Context, leader bool) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		first, err := s.cluster.leader(ctx, stageStream)
		second, err2 := s.cluster.leader(ctx, "KV_RELAY")
		switch err := errors.Join(err, err2); {
		case err == nil && leader:
			return first, nil
		case err == nil:
			i := slices.IndexFunc(s.cluster.nodes, func(p *process) bool { return p != first && p != second })
			return s.cluster.nodes[i], nil
		case !sleep(ctx, 100*time.Millisecond):
			return nil, err
		}
	}
}

// A status prints how the demo proceeds: on a line that it overwrites if the output is a
// terminal, else on a line every two seconds.
type status struct {
	out      io.Writer
	started  time.Time
	stage    *stage
	terminal bool
	next     time.Time
	before   uint64 // messages at the time of the last line
	last     time.Time
}

func newStatus(out io.Writer, started time.Time, s *stage) *status {
	st := &status{out: out, started: started, stage: s}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		st.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return st
}

// print prints a line, if it is time for one.
func (s *status) print(ctx context.Context, faults []*fault) {
	now := time.Now()
	if now.Before(s.next) {
		return
	}
	s.next = now.Add(2 * time.Second)
	if s.terminal {
		s.next = now.Add(500 * time.Millisecond)
	}
	var line strings.Builder
	fmt.Fprintf(&line, "%5.1f s  ", now.Sub(s.started).Seconds())
	if stored, err := s.stage.stored(ctx); err != nil {
		line.WriteString("the stream does not respond")
	} else {
		fmt.Fprintf(&line, "%6d messages stored", stored)
		if s.before > 0 {
			fmt.Fprintf(&line, ", %5.0f a second", float64(stored-s.before)/now.Sub(s.last).Seconds())
		}
		s.before, s.last = stored, now
	}
	line.WriteString(", feeds of the relays:")
	for _, p := range s.stage.relays {
		limited, cancel := context.WithTimeout(ctx, 100*time.Millisecond) // it may be paused
		fmt.Fprintf(&line, " %d", len(s.stage.owns(limited, p)))
		cancel()
	}
	for _, f := range faults {
		if !f.at.IsZero() && f.until.IsZero() {
			fmt.Fprintf(&line, "  [%s]", f.name)
		}
	}
	if s.terminal {
		fmt.Fprintf(s.out, "\r\x1b[K\x1b[?7l%s\x1b[?7h", &line) // a narrow terminal cuts the line
	} else {
		fmt.Fprintln(s.out, &line)
	}
}

// end ends the line of a terminal.
func (s *status) end() {
	if s.terminal {
		fmt.Fprintln(s.out)
	}
}

// An arrival is an event that was stored.
type arrival struct {
	feed         string
	made, stored time.Time
}

func (a arrival) latency() time.Duration { return a.stored.Sub(a.made) }

// arrivalsOf returns the events of messages, each the first time that it was stored.
func arrivalsOf(feeds []*demoFeed, messages []message) (arrivals []arrival) {
	for _, f := range feeds {
		times := f.times()
		seen := make([]bool, len(times))
		for _, m := range messages {
			if m.source != f.name || m.marker {
				continue
			}
			if p, err := f.compare(m); err == nil && p.N <= len(times) && !seen[p.N-1] {
				seen[p.N-1] = true
				arrivals = append(arrivals, arrival{f.name, times[p.N-1], m.stored})
			}
		}
	}
	return arrivals
}

// printFaults prints what followed from each fault.
func printFaults(out io.Writer, started time.Time, faults []*fault, messages []message, arrivals []arrival) error {
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "fault\tat\tlasted\tfeeds\ttake-over after\tlatest event after")
	for _, f := range faults {
		takeOver := "-"
		if times := takeOvers(f, messages); len(times) > 0 {
			takeOver = fmt.Sprintf("%.1f to %.1f s", slices.Min(times).Seconds(), slices.Max(times).Seconds())
		}
		affected := "all"
		if f.relay {
			affected = fmt.Sprint(len(f.sources))
		}
		var worst time.Duration
		for _, a := range arrivals {
			if a.made.After(f.at) && a.made.Before(f.until) && (!f.relay || slices.Contains(f.sources, a.feed)) {
				worst = max(worst, a.latency())
			}
		}
		fmt.Fprintf(w, "%s\t%.1f s\t%.1f s\t%s\t%s\t%.1f s\n", f.name, f.at.Sub(started).Seconds(),
			f.until.Sub(f.at).Seconds(), affected, takeOver, worst.Seconds())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	latencies := make([]time.Duration, len(arrivals))
	for i, a := range arrivals {
		latencies[i] = a.latency()
	}
	slices.Sort(latencies)
	if len(latencies) > 0 {
		fmt.Fprintf(out, "\nHalf of the events were stored within %v after the feed made them, 90 %% within %v.\n\n",
			latencies[len(latencies)/2].Round(100*time.Microsecond), latencies[len(latencies)*9/10].Round(100*time.Microsecond))
	}
	return nil
}

// takeOvers returns the times from a fault to the markers of the relays that took the
// sources over.
func takeOvers(f *fault, messages []message) (times []time.Duration) {
	for _, source := range f.sources {
		i := slices.IndexFunc(messages, func(m message) bool {
			return m.marker && m.source == source && m.stored.After(f.at)
		})
		if i >= 0 {
			times = append(times, messages[i].stored.Sub(f.at))
		}
	}
	return times
}

// printResults prints what is stored of each feed: first of those whose events have IDs of
// their own. It returns an error if an event is lost, or one with an ID is stored twice.
func printResults(out io.Writer, feeds []*demoFeed, messages []message) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, strings.Join([]string{"feed", "events", "stored", "duplicates", "lost", "out of order", "not sent again", ""}, "\t"))
	row := func(r result) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", r.feed, r.made, r.stored, r.duplicates, r.lost, r.disordered, r.missed)
	}
	var failures []error
	var without []result
	total := result{feed: "with IDs"}
	for _, f := range feeds {
		r := check(f, messages)
		failures = append(failures, r.failed(f))
		if f.share != 1 {
			without = append(without, r)
			continue
		}
		row(r)
		total.made += r.made
		total.stored += r.stored
		total.duplicates += r.duplicates
		total.lost += r.lost
		total.disordered += r.disordered
		total.missed += r.missed
	}
	row(total)
	for _, r := range without {
		row(r)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return errors.Join(failures...)
}

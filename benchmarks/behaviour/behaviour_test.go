package behaviour

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// A row is a behaviour. Its cells are the results of measure.
type row struct {
	name   string // in the names of tests
	title  string // in the table
	how    string // what a cell tells, and how it is measured
	readme bool   // also in the table of README.md
	alone  bool   // one client after the other

	// set is measured besides the defaults, for the clients that have it.
	set     setting
	measure func(t *testing.T, c *client, set setting) string
}

// A group is the rows of one file.
type group struct {
	title, file string
	rows        []row
}

func groups() []group {
	return []group{
		{"Parsing", "parsing_test.go", parsing()},
		{"One response of a language model", "response_test.go", responses()},
		{"A subscription", "subscription_test.go", subscriptions()},
		{"Resources and secrets", "resources_test.go", resources()},
		{"The library itself", "library_test.go", library()},
	}
}

// A cell is the result for one client. If a setting changes the result, value is the one
// with the setting, and note tells of the default.
type cell struct{ value, note string }

func TestBehaviour(t *testing.T) {
	var mu sync.Mutex
	cells := make(map[string]cell) // by the names of row and client
	for _, g := range groups() {
		for _, r := range g.rows {
			t.Run(r.name, func(t *testing.T) {
				var running sync.WaitGroup
				defer running.Wait()
				for _, c := range clients() {
					one := func() {
						t.Run(c.name, func(t *testing.T) {
							got := measure(t, r, c)
							t.Logf("%s: %s: %s %s", c.name, r.title, got.value, got.note)
							mu.Lock()
							defer mu.Unlock()
							cells[r.name+"/"+c.name] = got
						})
					}
					if r.alone {
						one()
					} else {
						running.Go(one)
					}
				}
			})
		}
	}
	comparePages(t, cells)
}

func measure(t *testing.T, r row, c *client) cell {
	byDefault := r.measure(t, c, defaults)
	option, ok := c.settings[r.set]
	if !ok {
		return cell{value: byDefault}
	}
	with := r.measure(t, c, r.set)
	if with == byDefault {
		return cell{value: with}
	}
	note := "with " + option
	if byDefault != "–" {
		note += "; by default: " + byDefault
	}
	return cell{with, note}
}

// limit ends a test that would otherwise wait forever.
const limit = time.Minute

// A trial is one use of a client with a server.
type trial struct {
	t     *testing.T
	srv   *ssetest.Server
	stop  context.CancelFunc // ends the context of the client
	first chan struct{}      // closed at the first event
	again chan struct{}      // closed at the second request
	done  chan struct{}      // closed when the client has returned err
	err   error

	mu     sync.Mutex
	events []event
}

type event struct{ id, data string }

// begin starts to read with a client. The server handles each request with the script of
// its number, and those after the last script with that one. The client leaves the loop
// when on returns false, if on is not nil.
func begin(t *testing.T, read reader, set setting, on func(data string) bool, scripts ...ssetest.Script) *trial {
	tr := &trial{t: t, first: make(chan struct{}), again: make(chan struct{}), done: make(chan struct{})}
	inOrder := ssetest.InOrder(scripts...)
	tr.srv = ssetest.NewServer(t, func(n int, r *http.Request) ssetest.Script {
		if n == 1 {
			close(tr.again)
		}
		return inOrder(n, r)
	}, ssetest.Loopback())
	ctx, stop := context.WithCancel(t.Context())
	tr.stop = stop
	go func() {
		defer close(tr.done)
		tr.err = read(ctx, call{http: tr.srv.Client(), url: tr.srv.URL, key: "secret", set: set, on: func(id, data string) bool {
			tr.mu.Lock()
			defer tr.mu.Unlock()
			if tr.events = append(tr.events, event{id, data}); len(tr.events) == 1 {
				close(tr.first)
			}
			return on == nil || on(data)
		}})
	}()
	return tr
}

// received returns a copy of the events so far.
func (tr *trial) received() []event {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.events)
}

// wait waits until ready is closed or the client has returned, and reports which. Without
// a timeout one of them has to happen; after a timeout, wait returns "".
func (tr *trial) wait(ready <-chan struct{}, timeout time.Duration) string {
	tr.t.Helper()
	after := time.NewTimer(limit)
	if timeout > 0 {
		after.Reset(timeout)
	}
	defer after.Stop()
	select {
	case <-ready:
		return "ready"
	case <-tr.done:
		select {
		case <-ready: // before that
			return "ready"
		default:
			return "done"
		}
	case <-after.C:
		require.Positive(tr.t, timeout, "the client has not done anything in %s", limit)
		return ""
	}
}

func yes(condition bool) string {
	if condition {
		return "yes"
	}
	return "no"
}

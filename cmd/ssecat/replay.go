package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// A player serves a recording: the nth request gets what the nth attempt got, with the same
// pauses. After the last one, a subscription ends with status 204. Then it starts again.
type player struct {
	recording
	attempts [][]record // each begins with its request

	mu   sync.Mutex
	next int
}

// openRecording reads a recording.
func openRecording(path string) (*player, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("--replay: %w", err)}
	}
	defer file.Close()
	lines := bufio.NewReader(file)
	p := new(player)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF { // a last line without its end was being written at a kill
			break
		}
		var r record
		if err == nil && n == 1 {
			err = json.Unmarshal(line, &p.recording)
		} else if err == nil {
			err = json.Unmarshal(line, &r)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("--replay: line %d: %w", n, err)
		case p.Version != 1:
			return nil, errors.New("--replay: the file is not a recording of this version of ssecat")
		case n == 1:
		case r.Request != nil:
			p.attempts = append(p.attempts, []record{r})
		case len(p.attempts) == 0:
			return nil, fmt.Errorf("--replay: line %d comes before a request", n)
		default:
			last := len(p.attempts) - 1
			p.attempts[last] = append(p.attempts[last], r)
		}
	}
	if len(p.attempts) == 0 {
		return nil, errors.New("--replay: the recording has no request")
	}
	return p, nil
}

// ServeHTTP serves the next attempt.
func (p *player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	n := p.next
	if p.next++; p.next > len(p.attempts) || p.next == len(p.attempts) && !p.Subscribe {
		p.next = 0
	}
	p.mu.Unlock()
	if n == len(p.attempts) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	begin := time.Now()
	first := p.attempts[n][0]
	pause := func(at float64) {
		t := time.NewTimer(time.Duration((at-first.At)*float64(time.Second)) - time.Since(begin))
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	_, _ = io.Copy(io.Discard, r.Body) // a client may send all of it before it reads
	pause(first.Opened)
	if first.Response == nil {
		panic(http.ErrAbortHandler)
	}
	w.Header()["Content-Type"] = nil // no guess
	maps.Copy(w.Header(), first.Response.Header)
	w.WriteHeader(first.Response.Status)
	flush := http.NewResponseController(w).Flush
	_ = flush() // fails if the client has gone
	for _, step := range p.attempts[n][1:] {
		pause(step.At)
		if step.End == clean {
			return
		}
		if step.End != "" {
			break
		}
		_, _ = w.Write(append(step.Base64, step.Data...)) // it has one of them
		_ = flush()
	}
	panic(http.ErrAbortHandler)
}

// listen serves the recording at an address and returns its URL.
func (p *player) listen(address string) (*url.URL, *http.Server, error) {
	recorded, err := url.Parse(p.URL)
	if err != nil {
		return nil, nil, fmt.Errorf("--replay: %w", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	srv := &http.Server{Handler: p}
	srv.SetKeepAlivesEnabled(false) // net/http repeats a GET on a connection that was kept
	go srv.Serve(l)
	return &url.URL{Scheme: "http", Host: l.Addr().String(), Path: cmp.Or(recorded.Path, "/")}, srv, nil
}

// playToSelf starts a player of the recording, and makes it the server of the request. The
// method and the mode are those of the recording unless the command line has others.
func (o *options) playToSelf() (stop func(), err error) {
	p, err := openRecording(o.replay)
	if err != nil {
		return nil, err
	}
	u, srv, err := p.listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o.url, o.proxy = u, nil
	if !o.modeSet {
		o.subscribe = p.Subscribe
	}
	if o.method == http.MethodGet && o.body == nil {
		o.method = p.Method
	}
	return func() { srv.Close() }, nil
}

// serve serves the recording to other programs until Ctrl-C.
func serve(ctx context.Context, o *options) error {
	p, err := openRecording(o.replay)
	if err != nil {
		return err
	}
	u, srv, err := p.listen(o.serve)
	if err != nil {
		return err
	}
	defer srv.Close()
	fmt.Println(u)
	<-ctx.Done()
	return context.Cause(ctx)
}

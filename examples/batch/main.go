// Batch sends 1,000 prompts to a model, 20 at a time, and tells what became of each. Some
// responses are complete, and others are refused, break off, fail or take too long. Each
// ends in exactly one class:
//
//	go run ./examples/batch
//
// It starts a server of its own on a free loopback port, which misbehaves by a script. The
// exit status is 0 only if every response is in the class that the script says, with the
// text that the server has sent. After Ctrl-C, the prompts that are left are in the class
// canceled, and the exit status is 130.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C exits at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	success     = 0
	failed      = 1
	usage       = 2
	interrupted = 130 // as shells report a program that Ctrl-C has ended
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("batch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	prompts := flags.Int("n", 1000, "`number` of prompts")
	parallel := flags.Int("parallel", 20, "`number` of requests at a time")
	timeout := flags.Duration("timeout", 2*time.Second, "time for each response")
	deadline := flags.Duration("deadline", time.Minute, "time for all responses")
	seed := flags.Uint64("seed", 1, "`seed` of the script of the server")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return success
	}
	if err == nil && (flags.NArg() > 0 || *prompts < 1 || *parallel < 1 || *timeout <= 0 || *deadline <= 0) {
		err = errors.New("the numbers and times must be positive, and there are no arguments")
		fmt.Fprintln(stderr, err)
		flags.Usage()
	}
	if err != nil {
		return usage // Parse has printed it
	}

	script := newScript(*prompts, *seed)
	url, stop, err := serve(script)
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return failed
	}
	defer stop()
	// The default transport keeps two idle connections for a host.
	transport := &http.Transport{MaxIdleConnsPerHost: *parallel}
	defer transport.CloseIdleConnections()
	all, cancel := context.WithTimeout(ctx, *deadline)
	defer cancel()
	b := batch{
		url:      url,
		client:   &http.Client{Transport: transport},
		parallel: *parallel,
		timeout:  *timeout,
		progress: newProgress(stderr, *prompts),
	}
	results := b.ask(all, *prompts)

	printTable(stdout, results, script)
	if ctx.Err() != nil {
		return interrupted
	}
	return check(stderr, results, script)
}

// printTable prints how many responses are in each class.
func printTable(out io.Writer, results []result, script []behavior) {
	const row = "%-17s %9v %9v %11v\n"
	fmt.Fprintf(out, row, "class", "responses", "scripted", "characters")
	var got, want, chars [classes]int
	wait := time.Duration(0)
	for i, r := range results {
		got[r.class]++
		want[script[i].class]++
		chars[r.class] += len(r.text)
		if wait == 0 || r.retryAfter > 0 && r.retryAfter < wait {
			wait = r.retryAfter
		}
	}
	for c := range classes {
		fmt.Fprintf(out, row, c, got[c], want[c], chars[c])
	}
	fmt.Fprintf(out, row, "total", len(results), len(script), "")
	if wait > 0 {
		fmt.Fprintf(out, "the server asks for a retry after %v at the earliest\n", wait)
	}
}

// check compares each result with the script and returns the exit status.
func check(stderr io.Writer, results []result, script []behavior) int {
	wrong := 0
	for i, r := range results {
		want := script[i]
		if r.class == want.class && r.text == want.text && r.retryAfter == want.retryAfter {
			continue
		}
		if wrong++; wrong <= 10 {
			fmt.Fprintf(stderr, "prompt %d (%s): got %v, %q, retry after %v (%v); want %v, %q, retry after %v\n",
				i, want.name, r.class, r.text, r.retryAfter, r.err, want.class, want.text, want.retryAfter)
		}
	}
	if wrong > 0 {
		fmt.Fprintf(stderr, "error: %d of %d responses differ from the script\n", wrong, len(script))
		return failed
	}
	return success
}

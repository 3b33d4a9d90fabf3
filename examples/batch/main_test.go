package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counts returns how many results are in each class.
func counts(results []result) (n [classes]int) {
	for _, r := range results {
		n[r.class]++
	}
	return n
}

func TestBatch(t *testing.T) {
	var out, errs bytes.Buffer
	require.Equal(t, success, run(t.Context(), []string{"-timeout", "5s"}, &out, &errs), &errs)
	require.Regexp(t, `(?m)^total +1000 +1000 *$`, out.String())
	require.Contains(t, out.String(), "retry after 30s at the earliest")
	require.Equal(t, 4, strings.Count(errs.String(), " of 1000, "))
	require.NotContains(t, errs.String(), "\r")
}

// Every script has prompts in all classes, and the same seed gives the same script.
func TestScript(t *testing.T) {
	script := newScript(1000, 7)
	require.Equal(t, script, newScript(1000, 7))
	require.NotEqual(t, script, newScript(1000, 8))
	var n [classes]int
	names := map[string]bool{}
	for _, b := range script {
		n[b.class]++
		names[b.name] = true
	}
	for c := range canceled {
		require.NotZero(t, n[c], c)
	}
	require.Zero(t, n[canceled])
	require.Len(t, names, len(faults([]string{"a"}))+2)
}

// An interrupter calls a function when a text is written.
type interrupter struct {
	text string
	once sync.Once
	call func()
}

func (w *interrupter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), w.text) {
		w.once.Do(w.call)
	}
	return len(b), nil
}

// After Ctrl-C every prompt is accounted for.
func TestInterrupt(t *testing.T) {
	for name, cause := range map[string]error{"without a cause": nil, "by a signal": errors.New("interrupt signal received")} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			script := newScript(1000, 1)
			url, stop, err := serve(script)
			require.NoError(t, err)
			defer stop()
			b := batch{
				url: url, parallel: 20, timeout: 5 * time.Second,
				progress: newProgress(&interrupter{text: "250 of 1000", call: func() { cancel(cause) }}, 1000),
			}
			results := b.ask(ctx, 1000)
			n := counts(results)
			sum := 0
			for _, of := range n {
				sum += of
			}
			require.Equal(t, 1000, sum)
			require.GreaterOrEqual(t, n[canceled], 700)
			require.NotZero(t, n[whole])
			for i, r := range results {
				if r.class != canceled {
					require.Equal(t, script[i].class, r.class, "%s: %v", script[i].name, r.err)
				} else {
					require.True(t, strings.HasPrefix(script[i].text, r.text))
				}
			}
		})
	}
}

func TestInterruptedProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	require.Equal(t, interrupted, run(ctx, nil, &out, &interrupter{text: "250 of 1000", call: cancel}))
	require.Regexp(t, `(?m)^total +1000 +1000 *$`, out.String())
}

// The time for all responses ends, and those that are left have timed out.
func TestDeadline(t *testing.T) {
	var out, errs bytes.Buffer
	require.Equal(t, failed, run(t.Context(), []string{"-deadline", "1ns"}, &out, &errs))
	require.Regexp(t, `(?m)^timed out +1000 `, out.String())
	require.Regexp(t, `error: \d+ of 1000 responses differ from the script`, errs.String())
}

// A response in another class, with another text or with another wait is an error.
func TestCheck(t *testing.T) {
	script := []behavior{{class: truncated, text: "a", retryAfter: 1}}
	require.Equal(t, success, check(io.Discard, []result{{class: truncated, text: "a", retryAfter: 1}}, script))
	for _, r := range []result{
		{class: whole, text: "a", retryAfter: 1},
		{class: truncated, text: "b", retryAfter: 1},
		{class: truncated, text: "a"},
	} {
		require.Equal(t, failed, check(io.Discard, []result{r}, script))
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, 2)
	p.terminal = true
	p.done(whole)
	p.done(truncated) // less than 100 ms later
	p.end()
	require.True(t, strings.HasPrefix(out.String(), "\r\x1b[K1 of 2, 1 whole"))
	require.True(t, strings.HasSuffix(out.String(), "\r\x1b[K"))

	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	require.False(t, isTerminal(f))
	require.False(t, isTerminal(&out))
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-nonsense"}, {"argument"}, {"-n", "0"}, {"-parallel", "-1"}, {"-timeout", "0"}, {"-deadline", "0"}} {
		var errs bytes.Buffer
		require.Equal(t, usage, run(t.Context(), args, io.Discard, &errs), args)
		require.Contains(t, errs.String(), "Usage", args)
	}
	require.Equal(t, success, run(t.Context(), []string{"-h"}, io.Discard, io.Discard))
}

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A progress tells how many responses have ended: on a terminal in a line that changes, and
// elsewhere in a line for each quarter.
type progress struct {
	out      io.Writer
	total    int
	terminal bool

	mu    sync.Mutex
	count [classes]int
	ended int
	last  time.Time // of the line
}

func newProgress(out io.Writer, total int) *progress {
	return &progress{out: out, total: total, terminal: isTerminal(out)}
}

// isTerminal reports whether out is a terminal, or another device that shows nothing, such
// as /dev/null.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// done counts a response.
func (p *progress) done(c class) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[c]++
	p.ended++
	switch {
	case p.terminal && time.Since(p.last) > 100*time.Millisecond:
		p.last = time.Now()
		fmt.Fprintf(p.out, "\r\x1b[K%d of %d, %d whole", p.ended, p.total, p.count[whole])
	case !p.terminal && p.ended*4/p.total > (p.ended-1)*4/p.total:
		fmt.Fprintf(p.out, "%d of %d, %d whole\n", p.ended, p.total, p.count[whole])
	}
}

// end removes the line from the terminal.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

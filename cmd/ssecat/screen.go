package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A screen is standard output and standard error, which may be the same terminal. The
// status line is below the output there.
type screen struct {
	outIsTerminal bool
	errIsTerminal bool
	colors        bool
	quiet         bool // there is no status line

	mu      sync.Mutex
	out     *os.File // standard output, or the file of -o
	err     *os.File
	status  func() string // returns the status line; nil if there is none
	shown   bool          // it is on the terminal
	below   bool          // it is below the line of the cursor, which output will continue
	midLine bool          // the last output has not ended its line
}

func newScreen(o *options) *screen {
	isDumb := os.Getenv("TERM") == "dumb"
	s := &screen{out: os.Stdout, err: os.Stderr}
	s.outIsTerminal = o.output == "" && isTerminal(os.Stdout) && !isDumb
	s.errIsTerminal = isTerminal(os.Stderr) && !isDumb
	s.colors = os.Getenv("NO_COLOR") == ""
	s.quiet = o.silent
	return s
}

// open opens the file of -o. With --state, the output is appended to it.
func (s *screen) open(o *options) (err error) {
	if o.output == "" {
		return nil
	}
	mode := os.O_TRUNC
	if o.state != "" {
		mode = os.O_APPEND
	}
	s.out, err = os.OpenFile(o.output, os.O_CREATE|os.O_RDWR|mode, 0o666)
	return err
}

// close ends the last line on a terminal, and closes the file of -o.
func (s *screen) close() error {
	s.setStatus(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outIsTerminal && s.midLine {
		_, err := io.WriteString(s.out, "\n")
		return err
	}
	if s.out != os.Stdout {
		return s.out.Close()
	}
	return nil
}

// print writes output at once. On a terminal, its name comes before it, and control
// characters of the server are marked.
func (s *screen) print(name string, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outIsTerminal {
		b = visible(b)
		if name != "" {
			b = append([]byte(s.paint(cyan, string(visible([]byte(name))))+" "), b...)
		}
		s.clear()
		s.midLine = b[len(b)-1] != '\n'
		defer s.draw()
	}
	_, err := s.out.Write(b)
	return err
}

// note writes a line to standard error.
func (s *screen) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if s.errIsTerminal {
		line = string(visible([]byte(line)))
		if s.midLine {
			line = "\n" + line
		}
		s.midLine = false
		defer s.draw()
	}
	_, _ = io.WriteString(s.err, line+"\n") // without standard error, there is nothing to tell
}

// setStatus shows the line that f returns, now, after each output and at each
// refresh. A nil f removes it.
func (s *screen) setStatus(f func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status = f; f == nil {
		s.clear()
	}
	s.draw()
}

// refresh draws the status line again.
func (s *screen) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draw()
}

// draw draws the status line below the line of the cursor, if output will continue that.
func (s *screen) draw() {
	if s.status == nil {
		return
	}
	s.below = s.midLine
	s.shown = true
	line := "\r" + s.status() + "\x1b[K"
	if s.below { // move down, which may scroll, and back up; then draw
		line = "\x1bD\x1b[A\x1b7\x1b[B" + line + "\x1b8"
	} else {
		line += "\r"
	}
	_, _ = io.WriteString(s.err, line)
}

// clear removes the status line, and leaves the cursor where output continues.
func (s *screen) clear() {
	if !s.shown {
		return
	}
	s.shown = false
	erase := "\r\x1b[K"
	if s.below {
		erase = "\x1b7\x1b[B\r\x1b[K\x1b8"
	}
	_, _ = io.WriteString(s.err, erase)
}

// paint returns text in a color of the terminal.
func (s *screen) paint(color, text string) string {
	if !s.colors {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// The colors.
const (
	green  = "32"
	yellow = "33"
	cyan   = "36"
	red    = "31"
	dim    = "2"
)

// visible returns b with a mark in place of each control character, which could move the
// cursor or worse. Ill-formed bytes stay: they may be a part of a character.
func visible(b []byte) []byte {
	shown := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			shown = utf8.AppendRune(shown, utf8.RuneError)
		} else {
			shown = append(shown, b[:n]...)
		}
		b = b[n:]
	}
	return shown
}

// report writes the error that ended the program.
func report(w io.Writer, err error) {
	_, _ = io.WriteString(w, "ssecat: "+message(err)+"\n"+details(err))
}

// message returns the words of err for the user of the program.
func message(err error) string { return string(visible([]byte(words(err)))) }

// words returns the message of err with flags in place of options of package sse.
func words(err error) string { return toFlags.Replace(strings.TrimPrefix(err.Error(), "sse: ")) }

var toFlags = strings.NewReplacer(
	"; see WithMaxEventSize", "",
	"which WithResponseCheck can accept", "which --any-type accepts",
)

//go:build linux || darwin

package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// isTerminal reports whether f is a terminal. Other character devices have no size.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	_, ok := windowSize(f)
	return ok
}

// windowSize returns the columns of a terminal.
func windowSize(f *os.File) (columns int, ok bool) {
	var size struct{ rows, columns, x, y uint16 }
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	return int(size.columns), errno == 0
}

// ignoreBrokenPipe makes a write to a closed pipe an error in place of a signal.
func ignoreBrokenPipe() { signal.Ignore(syscall.SIGPIPE) }

// isBrokenPipe reports whether err is that of a closed pipe: its reader has seen enough.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

//go:build !windows

package main

import (
	"errors"
	"os/signal"
	"syscall"
)

// ignoreBrokenPipe makes a write to a closed pipe an error in place of a signal.
func ignoreBrokenPipe() { signal.Ignore(syscall.SIGPIPE) }

// isBrokenPipe reports whether err is that of a closed pipe: its reader has seen enough.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

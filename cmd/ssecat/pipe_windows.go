package main

import (
	"errors"
	"syscall"
)

// errNoData is ERROR_NO_DATA, with the text "The pipe is being closed."
const errNoData = syscall.Errno(232)

// ignoreBrokenPipe does nothing: a write to a closed pipe is an error on Windows.
func ignoreBrokenPipe() {}

// isBrokenPipe reports whether err is that of a closed pipe: its reader has seen enough.
func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, errNoData)
}

//go:build !linux && !darwin

package main

import "os"

// isTerminal reports whether f is a terminal that knows the usual control sequences. Those
// of Windows that do not set one of these variables may not.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && (os.Getenv("TERM") != "" || os.Getenv("WT_SESSION") != "")
}

func windowSize(*os.File) (columns int, ok bool) { return 0, false }

//go:build !linux

package main

import (
	"errors"
	"os"
	"syscall"
)

// errNeedsLinux is the error of the demo elsewhere. Its processes would outlive it.
var errNeedsLinux = errors.New("the demo needs Linux")

func childAttributes() *syscall.SysProcAttr { return nil }
func terminate(*os.Process) error           { return errNeedsLinux }
func pause(*os.Process) error               { return errNeedsLinux }
func resume(*os.Process) error              { return errNeedsLinux }

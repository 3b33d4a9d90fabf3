package main

import (
	"os"
	"syscall"
)

// childAttributes returns attributes with which a child dies with this process, also if it
// is stopped, and does not get the Ctrl-C of the terminal.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// pause stops a process as kill -STOP does. It continues after resume.
func pause(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A process runs this executable once more: as a relay, or as a node of the cluster. It can
// be killed and started again.
type process struct {
	name string
	args []string
	env  []string // in addition to that of this process
	log  string   // the file with its standard error, over all its lives

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
}

// newProcess returns a process that does not run yet. Its log is in a directory.
func newProcess(dir, name string, args, env []string) *process {
	return &process{name: name, args: args, env: env, log: filepath.Join(dir, name+".log")}
}

// start starts the process. It dies with this one.
func (p *process) start() error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has a copy
	cmd := exec.Command(executable, p.args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stderr = log
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the state has the result
		close(exited)
	}()
	p.cmd, p.exited = cmd, exited
	return nil
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process without warning, as kill -9 does, and waits for that.
func (p *process) kill() {
	if p.running() {
		_ = p.cmd.Process.Kill() // fails only if the process has just ended
		<-p.exited
	}
}

// stop ends the process with SIGTERM. It is an error if the process has ended before, does
// not end within a limit, or has another exit status than 0.
func (p *process) stop(ctx context.Context, limit time.Duration) error {
	if !p.running() {
		return p.failure("ended too early")
	}
	if err := terminate(p.cmd.Process); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-p.exited:
	case <-ctx.Done():
		p.kill()
		return p.failure("did not stop in time")
	}
	if !p.cmd.ProcessState.Success() {
		return p.failure(p.cmd.ProcessState.String())
	}
	return nil
}

// failure returns an error with the last lines of the log.
func (p *process) failure(reason string) error {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Errorf("%s: %s", p.name, reason)
	}
	const shown = 4000 // bytes
	if len(log) > shown {
		log = log[len(log)-shown:]
		_, log, _ = bytes.Cut(log, []byte("\n"))
	}
	return fmt.Errorf("%s: %s; its log:\n%s", p.name, reason, log)
}

package benchmarks

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// The server, and every measurement of a client, run in processes of their own: the
// program itself, started again with a role in its environment.
const (
	roleEnv = "SSE_BENCHMARK_ROLE"
	jobEnv  = "SSE_BENCHMARK_JOB"
)

// Child does what the process was started for if that is a role, and ends it then. To
// be called first by main and TestMain.
func Child() {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		return
	case "server":
		err = serve()
	case "client":
		err = work()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A Server is the server's process.
type Server struct {
	Endpoint
	cmd   *exec.Cmd
	stdin io.Closer
}

// StartServer starts the server in a process of its own.
func StartServer() (*Server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &Server{cmd: exec.Command(exe)}
	s.cmd.Env = append(os.Environ(), roleEnv+"=server")
	s.cmd.Stderr = os.Stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.Endpoint)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	return s, nil
}

// Close ends the server.
func (s *Server) Close() {
	s.stdin.Close()
	_ = s.cmd.Wait()
}

// A Job is one measurement of one client.
type Job struct {
	Measure string // cpu, latency, idle, completions, reconnect
	Client  string
	Proto   string // http1, http2
	Flush   bool   // cpu: one event in a write
	Millis  int    // cpu: time to measure
	N       int    // latency: events; idle: streams; completions; reconnect: drops
	Size    int    // idle: bytes of the event
	Profile string // cpu, idle: file for a profile
	Session string // reconnect

	Endpoint Endpoint
}

// A Result holds what a job has measured, by name.
type Result map[string]float64

// Run does a job in a process of its own, which is ended after limit.
func (s *Server) Run(job Job, limit time.Duration) (Result, error) {
	job.Endpoint = s.Endpoint
	b, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), roleEnv+"=client", jobEnv+"="+string(b))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("not finished after %v", limit)
	}
	if err != nil {
		return nil, err
	}
	var r Result
	return r, json.Unmarshal(out, &r)
}

// work does the job of this process and prints its result.
func work() error {
	var job Job
	if err := json.Unmarshal([]byte(os.Getenv(jobEnv)), &job); err != nil {
		return err
	}
	measure := map[string]func(Job) (Result, error){
		"cpu":         Job.cpu,
		"latency":     Job.latency,
		"idle":        Job.idle,
		"completions": Job.completions,
		"reconnect":   Job.reconnect,
	}
	r, err := measure[job.Measure](job)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", job.Measure, job.Client, err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// httpClient returns a client with a transport of its own and the default settings.
func (j Job) httpClient() *http.Client {
	t := new(http.Transport)
	if j.Proto == "http2" {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	if j.Measure == "completions" {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(j.Endpoint.Cert)
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: t}
}

func (j Job) url(path string) string { return "http://" + j.Endpoint.Plain + path }

func find(clients []Client, name string) (Client, error) {
	for _, c := range clients {
		if c.Name == name {
			return c, nil
		}
	}
	return Client{}, fmt.Errorf("there is no client %q", name)
}

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
	"strings"
	"time"
)

// The server and each measurement of a client run in separate processes. These run the
// same program with a role in the environment.
const (
	roleEnv = "SSE_BENCHMARK_ROLE"
	jobEnv  = "SSE_BENCHMARK_JOB"
)

// Child runs the role of a child process and exits. It returns if the process has no role.
// main and TestMain must call it first.
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

// A Server is the process of the server.
type Server struct {
	Endpoint
	cmd   *exec.Cmd
	stdin io.Closer
}

// StartServer starts the server in a separate process.
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
		return nil, fmt.Errorf("start server: %w", err)
	}
	return s, nil
}

// Close stops the server.
func (s *Server) Close() {
	s.stdin.Close()
	_ = s.cmd.Wait()
}

// A Job is one measurement of one client.
type Job struct {
	Measure string // cpu, latency, idle, idle-both, completions, reconnect
	Client  string
	Proto   string // http1, http2; memory, load: also https1 and http2-100
	Flush   bool   // cpu: one event per write
	Millis  int    // cpu, load: duration of the measurement
	N       int    // latency: events; completions: responses; reconnect: drops; others: streams
	Size    int    // idle, memory: bytes of the event
	Apart   bool   // idle: each stream has a connection of its own, also over HTTP/2
	Profile string // cpu, idle: name of the profile to write
	Session string // reconnect: name of the feed; load, storm: a name for its streams
	Batch   int    // load: events per write
	Rate    int    // load: events per second of all streams
	Storm   Storm  // storm: the server's part

	Endpoint Endpoint
}

// A Result maps units to measured values.
type Result map[string]float64

// Run runs a job in a separate process and kills it after limit.
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
		return nil, fmt.Errorf("%s of %s took longer than %v", job.Measure, job.Client, limit)
	}
	if err != nil {
		return nil, err
	}
	var r Result
	return r, json.Unmarshal(out, &r)
}

// work runs the job of this process and prints its result.
func work() error {
	var job Job
	if err := json.Unmarshal([]byte(os.Getenv(jobEnv)), &job); err != nil {
		return err
	}
	measure := map[string]func(Job) (Result, error){
		"cpu":         Job.cpu,
		"latency":     Job.latency,
		"idle":        Job.idle,
		"idle-both":   Job.idleBoth,
		"completions": Job.completions,
		"reconnect":   Job.reconnect,
		"memory":      Job.memory,
		"load":        Job.load,
		"storm":       Job.storm,
	}
	r, err := measure[job.Measure](job)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", job.Measure, job.Client, err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// httpClient returns a client with a new transport.
func (j Job) httpClient() *http.Client {
	t := new(http.Transport)
	if strings.HasPrefix(j.Proto, "http2") {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	if j.Measure == "completions" || j.Proto == "https1" {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(j.Endpoint.Cert)
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: t}
}

func (j Job) url(path string) string {
	switch j.Proto {
	case "https1":
		return "https://" + j.Endpoint.TLS + path
	case "http2-100":
		return "http://" + j.Endpoint.Hundred + path
	}
	return "http://" + j.Endpoint.Plain + path
}

// get decodes the JSON of a response of the server.
func (j Job) get(path string, v any) error {
	resp, err := http.Get(j.url(path))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(v)
}

func find(clients []Client, name string) (Client, error) {
	for _, c := range clients {
		if c.Name == name {
			return c, nil
		}
	}
	return Client{}, fmt.Errorf("unknown client %q", name)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// nodeVariable is the environment variable that makes the demo a node of its own cluster. It
// has a nodeConfig as JSON.
const nodeVariable = "RELAY_DEMO_NODE"

// A nodeConfig has the settings of a node of the cluster.
type nodeConfig struct {
	Name   string
	Store  string   // directory of JetStream
	Port   int      // for clients
	Route  int      // port for the other nodes
	Routes []string // URLs of all nodes; empty without a cluster
}

// runNode runs a NATS server until ctx ends.
func runNode(ctx context.Context, settings string) error {
	var c nodeConfig
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return fmt.Errorf("%s: %w", nodeVariable, err)
	}
	o := &server.Options{
		ServerName: c.Name,
		Host:       "127.0.0.1",
		Port:       c.Port,
		JetStream:  true,
		StoreDir:   c.Store,
		NoSigs:     true,
	}
	if len(c.Routes) > 0 {
		o.Cluster = server.ClusterOpts{Name: "demo", Host: "127.0.0.1", Port: c.Route}
		o.Routes = server.RoutesFromStr(strings.Join(c.Routes, ","))
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return err
	}
	srv.SetLogger(warnings{}, false, false)
	srv.Start()
	<-ctx.Done()
	srv.Shutdown()
	srv.WaitForShutdown()
	return nil
}

// warnings is a logger of the server that prints only warnings and errors.
type warnings struct{}

func (warnings) Noticef(string, ...any) {}
func (warnings) Debugf(string, ...any)  {}
func (warnings) Tracef(string, ...any)  {}

func (warnings) Warnf(format string, v ...any)  { fmt.Fprintf(os.Stderr, format+"\n", v...) }
func (warnings) Errorf(format string, v ...any) { fmt.Fprintf(os.Stderr, format+"\n", v...) }

// Fatalf also ends the process, as the logger of the server does. A port may be in use.
func (warnings) Fatalf(format string, v ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", v...)
	os.Exit(1)
}

// A cluster is a JetStream cluster on the loopback interface. Each node is a process.
type cluster struct {
	nodes []*process
	urls  []string // for clients
	conn  *nats.Conn
	js    jetstream.JetStream
}

// newCluster starts a cluster that stores its messages in a directory, and waits until it
// can store any. A cluster of one node is a single server.
func newCluster(ctx context.Context, dir string, size int) (c *cluster, err error) {
	ports, err := freePorts(2 * size)
	if err != nil {
		return nil, err
	}
	var routes []string
	for i := range size {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[size+i]))
	}
	if size == 1 {
		routes = nil
	}
	c = new(cluster)
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	for i := range size {
		name := fmt.Sprintf("node-%d", i+1)
		settings, err := json.Marshal(nodeConfig{
			Name: name, Store: filepath.Join(dir, name), Port: ports[i], Route: ports[size+i], Routes: routes,
		})
		if err != nil {
			return nil, err
		}
		node := newProcess(dir, name, []string{"-demo"}, []string{nodeVariable + "=" + string(settings)})
		if err := node.start(); err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, node)
		c.urls = append(c.urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
	}
	c.conn, err = nats.Connect(c.url(), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		return nil, err
	}
	if c.js, err = jetstream.New(c.conn); err != nil {
		return nil, err
	}
	return c, c.ready(ctx)
}

// ready waits until the cluster can create a stream with a replica on each node.
func (c *cluster) ready(ctx context.Context) error {
	const name = "READY"
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(ctx, 2*time.Second)
		_, err := c.js.CreateStream(attempt, jetstream.StreamConfig{Name: name, Replicas: len(c.nodes)})
		done()
		if err == nil || errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return c.js.DeleteStream(ctx, name)
		}
		for _, node := range c.nodes {
			if !node.running() {
				return node.failure("ended too early")
			}
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("the cluster is not ready: %w", err)
		}
	}
}

// url returns the address of all nodes for the flag -nats and for nats.Connect.
func (c *cluster) url() string { return strings.Join(c.urls, ",") }

// leader returns the node that leads a stream.
func (c *cluster) leader(ctx context.Context, stream string) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // without a leader there is no response
	defer cancel()
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	info := s.CachedInfo()
	if info.Cluster == nil {
		return c.nodes[0], nil
	}
	i := slices.IndexFunc(c.nodes, func(p *process) bool { return p.name == info.Cluster.Leader })
	if i < 0 {
		return nil, fmt.Errorf("the stream %s has no leader", stream)
	}
	return c.nodes[i], nil
}

// close ends all nodes.
func (c *cluster) close() {
	if c.conn != nil {
		c.conn.Close()
	}
	for _, node := range c.nodes {
		node.kill()
	}
}

// freePorts returns ports that are free on the loopback interface. They are below those
// that systems give to outgoing connections, which could take the port of a node while it
// restarts.
func freePorts(n int) ([]int, error) {
	const first, last = 10_000, 30_000
	var ports []int
	for range 1000 {
		port := first + rand.IntN(last-first)
		if slices.Contains(ports, port) {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue // it is in use
		}
		l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free port")
}

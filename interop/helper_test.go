package interop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// patience is how long a test waits for what has to happen. The peers are real processes
// on a machine that may be busy.
const patience = 30 * time.Second

// withoutWaits keeps the decisions of the library and shortens its waits, for tests in real
// time.
var withoutWaits = sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) {
	return 100 * time.Millisecond, a.Retry
})

// A child is a program that a test has started.
type child struct {
	cmd    *exec.Cmd
	output output
	ended  chan struct{} // closed when the program has ended
}

// output is a buffer for the output of a child.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command returns the command that runs an installed program.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil { // servers are not in the path of every user
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	require.NoErrorf(t, err, "%s is not installed; run interop/install.sh", name)
	return exec.Command(path, args...)
}

// start runs cmd until the test ends. If the test fails, it logs what cmd has written.
func start(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &c.output, &c.output
	cmd.WaitDelay = time.Second // for a process of its own that keeps the output open
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	require.NoError(t, cmd.Start())
	go func() {
		defer close(c.ended)
		_ = cmd.Wait() // servers end by a signal
	}()
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("%s has written:\n%s", filepath.Base(cmd.Path), &c.output)
		}
	})
	return c
}

// stop ends the program and the processes that it has started.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.ended
}

// signal sends sig to the program.
func (c *child) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(sig))
}

// awaitListener waits until the program accepts connections at address.
func (c *child) awaitListener(t *testing.T, address string) {
	t.Helper()
	await(t, "a listener at "+address, func() bool {
		select {
		case <-c.ended:
			require.FailNowf(t, "the program has ended", "%s: %s", c.cmd, &c.output)
		default:
		}
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// await waits until happened returns true.
func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !happened(); {
		require.Truef(t, time.Now().Before(deadline), "%s: not within %v", what, patience)
		time.Sleep(10 * time.Millisecond)
	}
}

// freeAddress returns an address of the loopback interface at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// writeFile writes a file to a directory of the test and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// certificate returns a file with a certificate for 127.0.0.1 and its key, and a client
// that trusts it and speaks HTTP/2 if the server does.
func certificate(t *testing.T) (path string, hc *http.Client) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	path = writeFile(t, "certificate.pem",
		string(public)+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))

	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(public))
	return path, newClient(t, &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
	})
}

// newClient returns a client whose connections end with the test.
func newClient(t *testing.T, transport *http.Transport) *http.Client {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// unencrypted returns a transport for HTTP/2 without TLS.
func unencrypted() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: protocols}
}

// request returns a request whose context ends with the test, or after enough time.
func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	require.NoError(t, err)
	return req
}

// read returns the events of a stream and the error that ended it.
func read(s *sse.Stream, err error) ([]sse.Event, error) {
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var events []sse.Event
	for s.Next() {
		events = append(events, s.Event())
	}
	return events, s.Err()
}

// next returns the data of the next n events of a stream that does not end before.
func next(t *testing.T, s *sse.Stream, n int) (data []string) {
	t.Helper()
	for range n {
		require.True(t, s.Next(), "after %q: %v", data, s.Err())
		data = append(data, s.Event().Data)
	}
	return data
}

// describe returns how a stream ended.
func describe(err error) string {
	if err == nil {
		return "clean end"
	}
	if truncated, ok := errors.AsType[*sse.TruncatedError](err); ok {
		if truncated.Clean {
			return "truncated, Clean"
		}
		return "truncated, not Clean"
	}
	if refused, ok := errors.AsType[*sse.ResponseError](err); ok {
		return fmt.Sprintf("refused with %d", refused.StatusCode)
	}
	return err.Error()
}

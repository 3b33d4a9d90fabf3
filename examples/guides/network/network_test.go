package network

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/flaky"
	"github.com/fetchsse/sse/ssetest"
)

// fetch returns the data of the first event of url, and the response.
func fetch(t *testing.T, hc *http.Client, url string, opts ...sse.Option) (string, *http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	stream, err := sse.Fetch(req, append(opts, sse.WithHTTPClient(hc), sse.WithMaxRetries(0))...)
	if err != nil {
		return "", nil, err
	}
	defer stream.Close()
	require.True(t, stream.Next(), "%v", stream.Err())
	return string(stream.Data()), stream.Response(), nil
}

// hello sends one event, which tells the host of the request.
func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "data: hello from %s\n\n", r.Host)
}

// serveProxy starts a forward proxy that asks for the password "secret". It responds to
// plain requests itself, and connects all others to the server at target.
func serveProxy(t *testing.T, target string) *url.URL {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
		if user, password, _ := auth.BasicAuth(); user != "me" || password != "secret" {
			w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if r.Method != http.MethodConnect {
			hello(w, r)
			return
		}
		server, err := net.Dial("tcp", target)
		if !assert.NoError(t, err) {
			return
		}
		defer server.Close()
		w.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer client.Close()
		go func() { _, _ = io.Copy(server, buffered) }() // ends when the connections are closed
		_, _ = io.Copy(client, server)
	}))
	t.Cleanup(proxy.Close)
	u, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	u.User = url.UserPassword("me", "secret")
	return u
}

func serveTLS(t *testing.T, config *tls.Config) (srv *httptest.Server, roots []byte) {
	srv = httptest.NewUnstartedServer(http.HandlerFunc(hello))
	srv.EnableHTTP2 = true
	srv.TLS = config
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
}

func TestProxyClient(t *testing.T) {
	srv, roots := serveTLS(t, nil)
	proxy := serveProxy(t, srv.Listener.Addr().String())
	hc := ProxyClient(proxy)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	hc.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}

	data, _, err := fetch(t, hc, "http://feed.test/")
	require.NoError(t, err)
	require.Equal(t, "hello from feed.test", data)
	data, resp, err := fetch(t, hc, "https://example.com/") // a name in the certificate of httptest
	require.NoError(t, err)
	require.Equal(t, "hello from example.com", data)
	require.Equal(t, 2, resp.ProtoMajor) // within the tunnel

	proxy.User = url.UserPassword("me", "wrong")
	_, _, err = fetch(t, ProxyClient(proxy), "http://feed.test/")
	refusal, ok := errors.AsType[*sse.ResponseError](err)
	require.True(t, ok)
	require.Equal(t, http.StatusProxyAuthRequired, refusal.StatusCode)
	_, _, err = fetch(t, ProxyClient(proxy), "https://example.com/")
	require.ErrorContains(t, err, "the proxy refused: 407 Proxy Authentication Required")
	require.NotContains(t, err.Error(), "wrong")
	require.True(t, sse.NotSent(err))
}

// net/http reads the environment once, so the test runs in a process of its own.
func TestProxyFromEnvironment(t *testing.T) {
	const child = "NETWORK_TEST_PROXY"
	if os.Getenv(child) == "" {
		exe, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestProxyFromEnvironment$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1", "NO_PROXY=internal.test,10.0.0.0/8",
			"HTTP_PROXY="+serveProxy(t, "").String())
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestProxyFromEnvironment")
		return
	}
	data, _, err := fetch(t, http.DefaultClient, "http://feed.test/")
	require.NoError(t, err)
	require.Equal(t, "hello from feed.test", data)

	direct := errors.New("direct")
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, direct }
	transport := Transport()
	for _, host := range []string{"internal.test", "feed.internal.test", "10.1.2.3", "localhost", "127.0.0.1"} {
		transport.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
			require.Equal(t, host+":80", addr)
			return nil, direct
		}
		_, _, err = fetch(t, &http.Client{Transport: transport}, "http://"+host+"/")
		require.ErrorIs(t, err, direct)
	}
	_, _, err = fetch(t, &http.Client{Transport: &http.Transport{DialContext: dial}}, "http://feed.test/")
	require.ErrorIs(t, err, direct) // an empty transport has no proxy
}

func TestTrustingClient(t *testing.T) {
	srv, roots := serveTLS(t, nil)
	_, _, err := fetch(t, &http.Client{Transport: Transport()}, srv.URL)
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	require.True(t, ok)
	require.True(t, sse.NotSent(err))
	require.False(t, sse.Retryable(err))

	hc, err := TrustingClient(roots)
	require.NoError(t, err)
	_, resp, err := fetch(t, hc, srv.URL)
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor)
	_, err = TrustingClient([]byte("no certificate"))
	require.Error(t, err)

	// A transport that was not copied from the default one has no HTTP/2 with a TLS config.
	own := &http.Transport{TLSClientConfig: hc.Transport.(*http.Transport).TLSClientConfig.Clone()}
	own.TLSClientConfig.NextProtos = nil
	_, resp, err = fetch(t, &http.Client{Transport: own}, srv.URL)
	require.NoError(t, err)
	require.Equal(t, 1, resp.ProtoMajor)
}

func TestHTTP1Client(t *testing.T) {
	srv, roots := serveTLS(t, nil)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	hc := HTTP1Client()
	hc.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	_, resp, err := fetch(t, hc, srv.URL)
	require.NoError(t, err)
	require.Equal(t, 1, resp.ProtoMajor)
}

func TestLeanClient(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(hello))
	defer srv.Close()
	hc := LeanClient()
	data, _, err := fetch(t, hc, srv.URL)
	require.NoError(t, err)
	require.Contains(t, data, "hello")
	require.Equal(t, 512, hc.Transport.(*http.Transport).ReadBufferSize)
}

func TestSocketClient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	srv := &http.Server{Handler: http.HandlerFunc(hello), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	data, _, err := fetch(t, SocketClient(path), "http://localhost/events")
	require.NoError(t, err)
	require.Equal(t, "hello from localhost", data)
	require.NoError(t, srv.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	_, _, err = fetch(t, SocketClient(path), "http://localhost/events")
	require.True(t, sse.NotSent(err), "%v", err)
}

// certificate writes a certificate for clients to the files, signed by the authority, with
// this serial number.
func certificate(t *testing.T, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey, serial int64, certFile, keyFile string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority, &key.PublicKey, authorityKey)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	write := func(file, kind string, der []byte) {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	write(certFile, "CERTIFICATE", der)
	write(keyFile, "EC PRIVATE KEY", keyDER)
}

func TestCertifiedClient(t *testing.T) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &authorityKey.PublicKey, authorityKey)
	require.NoError(t, err)
	authority, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(authority)

	srv, roots := serveTLS(t, &tls.Config{ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert})
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "id: 1\ndata: client %v\n\n", r.TLS.PeerCertificates[0].SerialNumber)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	certFile, keyFile := filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	certificate(t, authority, authorityKey, 7, certFile, keyFile)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	stream, err := sse.Subscribe(req, sse.WithHTTPClient(CertifiedClient(certFile, keyFile, pool)))
	require.NoError(t, err)
	defer stream.Close()
	require.True(t, stream.Next())
	require.Equal(t, "client 7", stream.Event().Data)
	certificate(t, authority, authorityKey, 8, certFile, keyFile)
	stream.Reconnect()
	require.True(t, stream.Next())
	require.Equal(t, "client 8", stream.Event().Data)

	// With TLS 1.3, the server refuses a client after the handshake of the client has ended:
	// the message is "certificate required", or that of a broken connection.
	without := Transport()
	without.TLSClientConfig = &tls.Config{RootCAs: pool}
	_, _, err = fetch(t, &http.Client{Transport: without}, srv.URL)
	require.True(t, sse.Retryable(err), "%v", err)
	require.False(t, sse.NotSent(err))

	// A file that cannot be read is an error of the handshake.
	require.NoError(t, os.Remove(keyFile))
	_, _, err = fetch(t, CertifiedClient(certFile, keyFile, pool), srv.URL)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.True(t, sse.NotSent(err))
}

// Over a dead connection of HTTP/2 nothing arrives any more. The ping ends it.
func TestPingingClient(t *testing.T) {
	srv := ssetest.NewServer(t, ssetest.InOrder(
		ssetest.Script{ssetest.Data("a"), ssetest.Stall()},
		ssetest.Script{ssetest.Data("b"), ssetest.Stall()},
	), ssetest.Loopback(), ssetest.HTTP2())
	proxy := flaky.New(t, strings.TrimPrefix(srv.URL, "http://"))
	hc := PingingClient()
	transport := hc.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	require.Positive(t, transport.HTTP2.SendPingTimeout)
	transport.HTTP2.SendPingTimeout, transport.HTTP2.PingTimeout = 100*time.Millisecond, 100*time.Millisecond

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+proxy.Address, nil)
	require.NoError(t, err)
	var reasons []error
	stream, err := sse.Subscribe(req, sse.WithHTTPClient(hc), sse.WithTrace(&sse.Trace{
		Disconnect: func(err error) { reasons = append(reasons, err) },
	}))
	require.NoError(t, err)
	defer stream.Close()
	require.True(t, stream.Next())
	proxy.Silence()
	require.True(t, stream.Next(), "%v", stream.Err())
	require.Equal(t, "b", stream.Event().Data)
	require.Len(t, reasons, 1)
	require.ErrorContains(t, reasons[0], "client connection lost")
}

func TestReadRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var old, current *ssetest.Server
		old = ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{
			ssetest.Send(sse.Event{ID: "1", Data: "old"}), ssetest.Wait(30 * time.Minute),
			ssetest.Comment("quiet"), ssetest.Wait(time.Hour), ssetest.Comment("quiet"), ssetest.Stall(),
		}))
		current = ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.WantHeader("Last-Event-ID", "1"), ssetest.Send(sse.Event{ID: "2", Data: "new"})},
			ssetest.Script{ssetest.Answer(204)},
		))
		var moved atomic.Bool // the host has another address
		dialer := func(srv *ssetest.Server) *http.Transport { return srv.Client().Transport.(*http.Transport) }
		transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if moved.Load() {
				return dialer(current).DialContext(ctx, network, addr)
			}
			return dialer(old).DialContext(ctx, network, addr)
		}}
		time.AfterFunc(time.Minute, func() { moved.Store(true) })
		var got []string
		began := time.Now()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://feed.test/", nil)
		require.NoError(t, err)
		err = ReadRenewed(req, time.Hour, func(e sse.Event) { got = append(got, e.Data) },
			sse.WithHTTPClient(&http.Client{Transport: transport}))
		require.NoError(t, err)
		require.Equal(t, []string{"old", "new"}, got)
		require.Less(t, time.Since(began), 2*time.Hour)
		require.Len(t, old.Requests(), 1)
	})
}

// The Timeout of a client covers the whole response, but not in this library.
func TestClientTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{
			ssetest.Data("a"), ssetest.Wait(time.Minute), ssetest.Data("b"),
		}))
		hc := srv.Client()
		hc.Timeout = 10 * time.Second

		resp, err := hc.Do(srv.Get("/"))
		require.NoError(t, err)
		stream, err := sse.FromResponse(resp)
		require.NoError(t, err)
		began := time.Now()
		require.True(t, stream.Next())
		require.False(t, stream.Next())
		require.Equal(t, 10*time.Second, time.Since(began))
		require.ErrorIs(t, stream.Err(), context.DeadlineExceeded)

		stream, err = sse.Fetch(srv.Get("/"), sse.WithHTTPClient(hc))
		require.NoError(t, err)
		require.True(t, stream.Next())
		require.True(t, stream.Next())
		require.False(t, stream.Next())
		require.NoError(t, stream.Err())
	})
}

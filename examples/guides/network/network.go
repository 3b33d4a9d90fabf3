// Package network makes the http.Clients of docs/network.md: for proxies, certificates,
// sockets and protocols.
package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/fetchsse/sse"
)

// Transport returns a copy of the default transport to be changed. Unlike an empty
// http.Transport, it has the proxy of the environment, HTTP/2 and the usual timeouts.
func Transport() *http.Transport {
	return http.DefaultTransport.(*http.Transport).Clone()
}

// ProxyClient returns a client that sends all requests through a proxy.
func ProxyClient(proxy *url.URL) *http.Client {
	transport := Transport()
	transport.Proxy = http.ProxyURL(proxy) // such as http://user:password@proxy.example:3128
	return &http.Client{Transport: transport}
}

// TrustingClient returns a client that trusts the authorities in pem and those of the
// system.
func TrustingClient(pem []byte) (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("network: the PEM has no certificate")
	}
	transport := Transport()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return &http.Client{Transport: transport}, nil
}

// CertifiedClient returns a client with a certificate of its own. It reads the files for
// each new connection, so a reconnect uses a certificate that was renewed.
func CertifiedClient(certFile, keyFile string, roots *x509.CertPool) *http.Client {
	transport := Transport()
	transport.TLSClientConfig = &tls.Config{
		RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(certFile, keyFile)
			return &cert, err
		},
	}
	return &http.Client{Transport: transport}
}

// PingingClient returns a client that finds dead connections of HTTP/2: after 15 seconds
// without a frame it sends a ping, and waits 5 seconds for the response.
func PingingClient() *http.Client {
	transport := Transport()
	transport.HTTP2 = &http.HTTP2Config{
		SendPingTimeout: 15 * time.Second,
		PingTimeout:     5 * time.Second,
	}
	return &http.Client{Transport: transport}
}

// ProbingClient returns a client whose connections are dead for the system after
// 30 seconds in which the other side acknowledges nothing.
func ProbingClient() *http.Client {
	dialer := &net.Dialer{
		Timeout: 10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable:   true,
			Idle:     15 * time.Second,
			Interval: 5 * time.Second,
			Count:    3,
		},
	}
	transport := Transport()
	transport.DialContext = dialer.DialContext
	return &http.Client{Transport: transport}
}

// LeanClient returns a client for thousands of idle streams over HTTP/1.1: the buffers of
// each connection are small.
func LeanClient() *http.Client {
	transport := Transport()
	transport.ReadBufferSize, transport.WriteBufferSize = 512, 512
	return &http.Client{Transport: transport}
}

// SocketClient returns a client that sends all requests to a Unix socket. Their URLs need a
// host, which only the Host header shows: http://localhost/events.
func SocketClient(path string) *http.Client {
	transport := Transport()
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &http.Client{Transport: transport}
}

// HTTP1Client returns a client that never uses HTTP/2.
func HTTP1Client() *http.Client {
	transport := Transport()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	return &http.Client{Transport: transport}
}

// ReadRenewed handles the events of a subscription. After about maxAge it replaces the
// connection, also while the server sends only comments. The new one is to the address
// that the host then has.
func ReadRenewed(req *http.Request, maxAge time.Duration, handle func(sse.Event), opts ...sse.Option) error {
	var stream *sse.Stream
	var renewal time.Time
	renew := func(string) {
		if stream != nil && time.Now().After(renewal) {
			stream.Reconnect()
		}
	}
	opts = append(opts, sse.WithTrace(&sse.Trace{
		Open:    func(*http.Response) { renewal = time.Now().Add(maxAge + rand.N(maxAge/10)) }, // not all programs at once
		Comment: renew,
	}))
	stream, err := sse.Subscribe(req, opts...)
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		handle(event)
		renew("")
	}
	return nil
}

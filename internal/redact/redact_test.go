package redact

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransportKeepsWhatQuotesNothing(t *testing.T) {
	for _, err := range []error{
		io.ErrUnexpectedEOF,
		errors.New("http2: client connection lost"),
		&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		fmt.Errorf("tls: failed to verify certificate: %w", x509.UnknownAuthorityError{Cert: &x509.Certificate{}}),
	} {
		require.Equal(t, err, Transport(err))
	}
}

func TestTransportHidesQuotations(t *testing.T) {
	for text, err := range map[string]error{
		`failed to parse Location header "...": invalid port`:    errors.New(`failed to parse Location header "http://u:secret@h:x/": invalid port`),
		`invalid proxy address "...": parse "...": invalid port`: errors.New(`invalid proxy address "user:secret@proxy:bad": parse "http://user:secret@proxy:bad": invalid port`),
		`Get "...": EOF`:                               &url.Error{Op: "Get", URL: "https://h/token?secret=1", Err: io.EOF},
		`unsupported transfer encoding: "..."`:         errors.New(`unsupported transfer encoding: "secret"`),
		`broken: malformed MIME header line`:           fmt.Errorf("broken: %w", textproto.ProtocolError("malformed MIME header line: Set-Cookie=secret")),
		`too many transfer encodings: ["..." "..."]`:   errors.New(`too many transfer encodings: ["gzip" "secret"]`),
		`failed to parse Location header "...": parse`: errors.New(`failed to parse Location header "http://h/%zz?a=\"&token=secret": parse`),
		`malformed HTTP response "..."`:                errors.New(`malformed HTTP response "secret\`),
		`proxy "prod": malformed HTTP version "..."`:   errors.New(`proxy "prod": malformed HTTP version "secret"`),
		`proxy "prod": Get "...": Post "...": EOF`: fmt.Errorf(`proxy "prod": %w`, &url.Error{
			Op: "Get", URL: "https://h/?secret", Err: &url.Error{Op: "Post", URL: "https://h/\"secret", Err: io.EOF},
		}),
		`parse "...": invalid port "..." after host`: parseError("http://user:sec/secret@h"),
		`http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug="..."`: errors.New(
			`http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug="secret"`),
		`read tcp: EOF`:              fmt.Errorf("readLoopPeekFailLocked: %w", &net.OpError{Op: "read", Net: "tcp", Err: io.EOF}),
		`malformed MIME header line`: textproto.ProtocolError("malformed MIME header line: " + strings.Repeat("secret", 10_000)),
		`http: message cannot contain multiple Content-Length headers; got ["..." "..."]`: errors.New(
			`http: message cannot contain multiple Content-Length headers; got ["1" "secret"]`),
	} {
		require.EqualError(t, Transport(err), text)
	}
	require.LessOrEqual(t, len(Transport(errors.New("malformed HTTP response"+strings.Repeat("x", 10_000))).Error()), maxText+len("..."))
}

// The words of a function of the caller are shown as they are.
func TestTransportKeepsOtherWords(t *testing.T) {
	for _, err := range []error{
		errors.New(`no credentials for profile "prod": run "vault login"`),
		&net.OpError{Op: "dial", Err: errors.New(`no credentials for profile "prod"`)},
		errors.New(strings.Repeat("long ", 1000)),
	} {
		require.Equal(t, err, Transport(err))
	}
}

func parseError(address string) error {
	_, err := url.Parse(address)
	return err
}

// A hidden message is in no error of the tree, and the errors are still found.
func TestTransportKeepsTheTree(t *testing.T) {
	get := &url.Error{Op: "Post", URL: "https://h/token?secret=1", Err: syscall.ECONNREFUSED}
	err := Transport(fmt.Errorf("proxy: %w", get))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	found, ok := errors.AsType[*url.Error](err)
	require.True(t, ok)
	require.Equal(t, get, found)
	_, ok = errors.AsType[*url.EscapeError](err)
	require.False(t, ok)
	for e := err; e != nil; e = errors.Unwrap(e) {
		require.NotContains(t, e.Error(), "secret")
	}
}

func TestWordsAreThoseKnownToBeSafe(t *testing.T) {
	own := errors.New("sse: own")
	secret := errors.New("key=secret")
	authority := x509.UnknownAuthorityError{Cert: &x509.Certificate{}}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{secret, ""},
		{fmt.Errorf("GET http://h/?k=secret: %w", secret), ""},
		{fmt.Errorf("secret: %w", own), "sse: own"},
		{fmt.Errorf("secret: %w", io.ErrUnexpectedEOF), "unexpected EOF"},
		{fmt.Errorf("secret: %w", context.Canceled), "context canceled"},
		{errors.Join(secret, gzip.ErrChecksum), "gzip: invalid checksum"},
		{&url.Error{Op: "Get", URL: "http://h/?secret", Err: syscall.ECONNRESET}, "connection reset by peer"},
		{&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "dial tcp 127.0.0.1:1: connection refused"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: secret}, "dial tcp: failed"},
		{&net.DNSError{Err: "no such host", Name: "h.test", IsNotFound: true}, "lookup h.test: no such host"},
		{fmt.Errorf("secret: %w", authority), authority.Error()},
		{errors.New("stream error: stream ID 7; INTERNAL_ERROR; received from secret"), "stream error: stream ID 7; INTERNAL_ERROR"},
		{fmt.Errorf("secret: %w", Safe("known")), "known"},
		{&net.DNSError{Err: "secret", Name: "h.test"}, "lookup h.test: failed"},
		{&net.DNSError{Err: "secret", Name: "h.test", Server: "secret", IsTimeout: true}, "lookup h.test: timed out"},
		{&net.OpError{Op: "secret", Err: io.EOF}, "EOF"},
		{&net.OpError{Op: "secret", Err: secret}, "failed"},
		{&net.OpError{Op: "dial", Net: "secret", Source: addr("secret"), Addr: addr("secret"), Err: secret}, "dial: failed"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.AddrError{Err: "secret", Addr: "secret"}}, "proxyconnect tcp: failed"},
		{tls.RecordHeaderError{Msg: "secret"}, "tls: first record does not look like a TLS handshake"},
		{&tls.CertificateVerificationError{Err: secret}, "tls: failed to verify certificate: failed"},
		{Transport(errors.New(`malformed HTTP response "secret"`)), "malformed HTTP response"},
	} {
		require.Equal(t, tt.want, Words(tt.err, own))
	}
}

type addr string

func (a addr) Network() string { return string(a) }
func (a addr) String() string  { return string(a) }

func TestBoundKeepsCharactersWhole(t *testing.T) {
	require.Equal(t, "short", Bound("short"))
	text := Bound(strings.Repeat("界", 400))
	require.Equal(t, strings.Repeat("界", 170)+"...", text)
}

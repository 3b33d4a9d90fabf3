package redact

import (
	"compress/gzip"
	"context"
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
		`Get "...": EOF`:                             &url.Error{Op: "Get", URL: "https://h/token?secret=1", Err: io.EOF},
		`unsupported transfer encoding: "..."`:       errors.New(`unsupported transfer encoding: "secret"`),
		`broken: malformed MIME header line`:         fmt.Errorf("broken: %w", textproto.ProtocolError("malformed MIME header line: Set-Cookie=secret")),
		`too many transfer encodings: ["..." "..."]`: errors.New(`too many transfer encodings: ["gzip" "secret"]`),
		`Location header "...": parse`:               errors.New(`Location header "http://h/%zz?a=\"&token=secret": parse`),
		`unpaired "..."`:                             errors.New(`unpaired "secret\`),
	} {
		require.EqualError(t, Transport(err), text)
	}
	require.LessOrEqual(t, len(Transport(errors.New(strings.Repeat("x", 10_000))).Error()), maxText+len("..."))
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
		{Transport(errors.New(`malformed HTTP response "secret"`)), "malformed HTTP response"},
	} {
		require.Equal(t, tt.want, Words(tt.err, own))
	}
}

func TestBoundKeepsCharactersWhole(t *testing.T) {
	require.Equal(t, "short", Bound("short"))
	text := Bound(strings.Repeat("界", 400))
	require.Equal(t, strings.Repeat("界", 170)+"...", text)
}

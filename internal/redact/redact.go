// Package redact keeps secrets and unbounded text out of error messages and logs.
//
// An error of net/http quotes what it has received and the URL that it asked; the rest of its
// message is constant. Such messages are recognized by their text, because round trippers
// and functions of the caller pass them on. A log shows only the words of errors whose types
// or constants this package knows.
package redact

import (
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const maxText = 512 // bytes of a message

// quotation matches text that an error of net/http quotes, as %q and strconv.Quote do, or
// the rest of the message after an unpaired quote.
var quotation = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*(?:"|\\?$)`)

// quoting matches the constant part of the messages of net/http that comes before a
// quotation of what it has received.
var quoting = regexp.MustCompile(`(` + strings.Join([]string{
	`malformed HTTP (response|status code|version)`,
	`malformed MIME header( initial line| line|: missing colon)?:`,
	`(bad|invalid empty) Content-Length`,
	`cannot contain multiple Content-Length headers; got`,
	`unsupported transfer encoding:`,
	`too many transfer encodings:`,
	`(bad trailer|invalid Trailer) key`,
	`failed to parse Location header`,
	`invalid proxy address`,
	`(invalid|duplicate) pseudo-header`,
	`invalid header field (name|value for)`,
	`ErrCode=[A-Z0-9_]+, debug=`,
}, `|`) + `) ?\[?"`)

// internalName is that of a function of net/http, which is no help to a user. It stands
// before the error of a connection that broke before net/http had noted its request.
const internalName = "readLoopPeekFailLocked: "

// Transport returns err, the error of a round tripper or of the body of its response, or an
// error that stands for it if its message has a form that net/http makes: of a quotation of
// a URL or of what a server or proxy has sent, or of unbounded length. Other words are those
// of a function of the caller, which are shown as they are. [errors.Is] and [errors.As]
// still find everything in the tree of err; [errors.Unwrap] finds nothing, since that
// would show the message again.
func Transport(err error) error {
	message := err.Error()
	text := hideURLs(message, err)
	if header, ok := errors.AsType[textproto.ProtocolError](err); ok { // not all versions quote it
		name, _, _ := strings.Cut(string(header), ":")
		text = strings.Replace(text, string(header), name, 1)
	}
	if at := quoting.FindStringIndex(text); at != nil {
		text = text[:at[0]] + quotation.ReplaceAllString(text[at[0]:], `"..."`)
	}
	if text != message || constant.MatchString(text) {
		text = Bound(text)
	}
	text = strings.Replace(text, internalName, "", 1)
	if text == message {
		return err
	}
	return &redactedError{text: text, err: err}
}

// hideURLs returns message, which is that of err, without the URLs that each [*url.Error]
// in the tree of err quotes. An error of parsing quotes also parts of the URL.
func hideURLs(message string, err error) string {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok || u == nil {
			return message
		}
		before := u.Error()
		after := strings.Replace(before, strconv.Quote(u.URL), `"..."`, 1)
		if u.Op == "parse" {
			after = quotation.ReplaceAllString(before, `"..."`)
		}
		message = strings.Replace(message, before, after, 1)
		err = u.Err
	}
}

// sentinels are errors whose messages are constant.
var sentinels = []error{
	io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, os.ErrDeadlineExceeded,
	context.Canceled, context.DeadlineExceeded,
	http.ErrBodyReadAfterClose, http.ErrSchemeMismatch, gzip.ErrHeader, gzip.ErrChecksum,
}

// constant matches the constant start of the messages of net/http for errors that have
// neither a variable nor a type that could be named here.
var constant = regexp.MustCompile(`^(` + strings.Join([]string{
	`stream error: stream ID \d+; [A-Z0-9_]+`,
	`connection error: [A-Z0-9_]+`,
	`http2: client conn(ection)? (lost|not usable|is closed|could not be established|force closed)`,
	`http2: (response|request) header list larger than (peer's )?advertised limit`,
	`http2: server sent GOAWAY and closed the connection`,
	`http2: Transport received (Server's graceful shutdown GOAWAY|GOAWAY from server)`,
	`http2: Transport: cannot retry err`,
	`http2: timeout awaiting response headers`,
	`http2: response body closed`,
	`http: server closed idle connection`,
	`http: CloseIdleConnections called`,
	`http: read on closed response body`,
	`net/http: HTTP/1.x transport connection broken`,
	`net/http: TLS handshake timeout`,
	`net/http: timeout awaiting response headers`,
	`net/http: server response headers exceeded \d+ bytes`,
	`net/http: request canceled`,
	`net/http: fetch\(\) failed`,
	`bad Content-Length`,
	`http: message cannot contain multiple Content-Length headers`,
	`failed to parse Location header`,
	`invalid byte in chunk length`,
	`invalid proxy address`,
	`malformed chunked encoding`,
	`malformed HTTP (response|status code|version)`,
	`malformed MIME header( line)?`,
	`stopped after 10 redirects`,
	`too many transfer encodings`,
	`unsupported transfer encoding`,
	`Proxy Authentication Required`,
}, `|`) + `)`)

// Words returns the part of the message of err that is known to be safe, or "". The
// messages of own, the sentinels of the library, are.
func Words(err error, own ...error) string {
	return cmp.Or(sentinel(err, own), words(err))
}

// sentinel returns the message of the first of known that is in the tree of err.
func sentinel(err error, known []error) string {
	for _, e := range known {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return ""
}

func words(err error) string {
	switch e := err.(type) {
	case nil:
		return ""
	case Safe:
		return string(e)
	case *redactedError:
		return words(e.err)
	case *net.OpError:
		return Bound(operation(e))
	case *net.DNSError: // its other words can be those of a dial function of the caller
		switch {
		case e.IsNotFound:
			return Bound("lookup " + e.Name + ": no such host")
		case e.IsTimeout:
			return Bound("lookup " + e.Name + ": timed out")
		}
		return Bound("lookup " + e.Name + ": failed")
	case tls.RecordHeaderError:
		return "tls: first record does not look like a TLS handshake"
	case *tls.CertificateVerificationError:
		return "tls: failed to verify certificate: " + cmp.Or(words(e.Err), "failed")
	case syscall.Errno, tls.AlertError, x509.UnknownAuthorityError, x509.HostnameError, x509.CertificateInvalidError:
		return Bound(err.Error())
	case interface{ Unwrap() error }:
		if text := words(e.Unwrap()); text != "" {
			return text
		}
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if text := words(err); text != "" {
				return text
			}
		}
	}
	return cmp.Or(sentinel(err, sentinels), constant.FindString(err.Error()))
}

// operation returns the message of e, as far as its parts are those of package net.
func operation(e *net.OpError) string {
	safe := net.OpError{Err: errors.New(cmp.Or(words(e.Err), "failed"))}
	if !slices.Contains(operations, e.Op) {
		return safe.Err.Error()
	}
	safe.Op = e.Op
	if slices.Contains(networks, e.Net) {
		safe.Net = e.Net
	}
	if isOfNet(e.Source) {
		safe.Source = e.Source
	}
	if isOfNet(e.Addr) {
		safe.Addr = e.Addr
	}
	return safe.Error()
}

var (
	operations = []string{"dial", "read", "write", "close", "proxyconnect", "socks connect", "set", "raw-read", "raw-write"}
	networks   = []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix"}
)

func isOfNet(a net.Addr) bool {
	switch a.(type) {
	case *net.TCPAddr, *net.UDPAddr, *net.UnixAddr, *net.IPAddr:
		return true
	}
	return false
}

// Bound returns text, cut after 512 bytes.
func Bound(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return text
}

// Safe is an error whose message is known to be safe.
type Safe string

func (e Safe) Error() string { return string(e) }

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }
func (e *redactedError) As(target any) bool   { return errors.As(e.err, target) }

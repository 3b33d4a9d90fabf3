// Package redact keeps secrets and unbounded text out of error messages and logs.
//
// What is shown is what is known to be safe. An error of net/http quotes what it has
// received and the URL that it asked; the rest of its message is constant. A log shows
// only the words of errors whose types or constants this package knows.
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
	"os"
	"regexp"
	"strings"
	"syscall"
)

const maxText = 512 // bytes of a message

// quotation matches text that an error of net/http quotes, as %q and strconv.Quote do, or
// the rest of the message after an unpaired quote.
var quotation = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*(?:"|\\?$)`)

// Transport returns err, which is of net/http, or an error that stands for it if its
// message quotes a URL or what a server or proxy has sent. [errors.Is] and [errors.As]
// still find everything in the tree of err; [errors.Unwrap] finds nothing, since that
// would show the message again.
func Transport(err error) error {
	message := err.Error()
	text := message
	if header, ok := errors.AsType[textproto.ProtocolError](err); ok { // net/http does not quote it
		name, _, _ := strings.Cut(string(header), ":")
		text = strings.Replace(text, string(header), name, 1)
	}
	if !isCertificate(err) {
		text = quotation.ReplaceAllString(text, `"..."`)
	}
	text = Bound(text)
	if text == message {
		return err
	}
	return &redactedError{text: text, err: err}
}

// isCertificate reports whether err is about a certificate. It quotes only names in it.
func isCertificate(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	return verification || authority
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
	case *redactedError:
		return words(e.err)
	case *net.OpError: // its message ends with that of Err
		operation := *e
		operation.Err = errors.New(cmp.Or(words(e.Err), "failed"))
		return Bound(operation.Error())
	case *net.DNSError, syscall.Errno, tls.AlertError, tls.RecordHeaderError, *tls.CertificateVerificationError,
		x509.UnknownAuthorityError, x509.HostnameError, x509.CertificateInvalidError:
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

// Bound returns text, cut after 512 bytes.
func Bound(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return text
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }
func (e *redactedError) As(target any) bool   { return errors.As(e.err, target) }

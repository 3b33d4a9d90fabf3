// Package request checks and copies HTTP requests.
package request

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"

	"github.com/fetchsse/sse/internal/body"
	"github.com/fetchsse/sse/internal/header"
)

// Check returns an error if req cannot be sent. The errors of net/http for this look like
// those of a broken connection.
func Check(req *http.Request) error {
	switch {
	case req == nil:
		return errors.New("sse: the request is nil")
	case req.URL == nil:
		return errors.New("sse: the request has no URL")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("sse: the URL has the scheme %.20q; use http or https", req.URL.Scheme)
	case req.URL.Host == "":
		return errors.New("sse: the URL has no host")
	case req.Method != "" && !header.IsToken(req.Method):
		return fmt.Errorf("sse: invalid method %.40q", req.Method)
	case req.ContentLength > 0 && req.Body == nil:
		return errors.New("sse: the request has a ContentLength and no Body")
	case req.RequestURI != "":
		return errors.New("sse: RequestURI is for servers; clear it")
	}
	for key := range req.Trailer {
		switch http.CanonicalHeaderKey(key) {
		case "Content-Length", "Trailer", "Transfer-Encoding":
			return fmt.Errorf("sse: the Trailer must not have %s", key)
		}
	}
	return cmp.Or(checkHeader(req.Header), checkHeader(req.Trailer))
}

func checkHeader(h http.Header) error {
	for key, values := range h {
		if !header.IsName(key) {
			return fmt.Errorf("sse: %w", header.ErrName)
		}
		if slices.ContainsFunc(values, func(v string) bool { return !header.IsValue(v) }) {
			return fmt.Errorf("sse: the header %s has a control character in its value", key)
		}
	}
	return nil
}

// ErrLength reports a body that is longer or shorter than the ContentLength of its request.
var ErrLength = errors.New("sse: the Body is longer or shorter than the ContentLength of the request")

// CheckLength returns ErrLength if the body of req is in memory and has another length than
// req says.
func CheckLength(req *http.Request) error {
	if n := lengthInMemory(req); n >= 0 && n != req.ContentLength {
		return ErrLength
	}
	return nil
}

// CountBody makes the body of req fail with ErrLength when it has been read and has another
// length than req says. net/http has no error for this that could be told from that of a
// broken connection. A body in memory stays as it is: net/http sends it with the headers.
func CountBody(req *http.Request) {
	if hasLength(req) && lengthInMemory(req) < 0 {
		req.Body = &counter{req.Body, req.ContentLength}
	}
}

// hasLength reports whether req has a body and says how long it is.
func hasLength(req *http.Request) bool {
	return req.ContentLength > 0 && req.Body != nil && req.Body != http.NoBody
}

// lengthInMemory returns the length of the body of req if req says one and the body is in
// memory, or -1.
func lengthInMemory(req *http.Request) int64 {
	if !hasLength(req) {
		return -1
	}
	return body.LengthInMemory(req.Body)
}

// A counter is a body that has to end after so many bytes.
type counter struct {
	io.ReadCloser
	left int64
}

func (c *counter) Read(b []byte) (n int, err error) {
	n, err = c.ReadCloser.Read(b)
	if int64(n) > c.left {
		n, err = int(c.left), ErrLength // HTTP/2 would look at the number first
	}
	c.left -= int64(n)
	if err == io.EOF && c.left > 0 {
		err = ErrLength
	}
	return n, err
}

// Name returns the method, scheme, host and path of req as the start of a message, or ""
// without a URL.
func Name(req *http.Request) string {
	if req == nil || req.URL == nil {
		return ""
	}
	u := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	return cmp.Or(req.Method, http.MethodGet) + " " + u.String() + ": "
}

// Clone returns a copy of req that may be changed, with a body of its own if req has
// GetBody. It then closes the body of req, as net/http does after sending, unless GetBody
// returns that again, as it may do with a file.
func Clone(ctx context.Context, req *http.Request) (*http.Request, error) {
	req = req.Clone(ctx)
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if req.Body == nil || req.GetBody == nil {
		return req, nil
	}
	again, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("GetBody: %w", err)
	}
	if t := reflect.TypeOf(again); t != reflect.TypeOf(req.Body) || !t.Comparable() || again != req.Body {
		req.Body.Close()
	}
	req.Body = again
	return req, nil
}

// CloseBody closes the body of req, if there is one.
func CloseBody(req *http.Request) {
	if req != nil && req.Body != nil {
		req.Body.Close()
	}
}

// IsOneShot reports whether the body of req can be sent only once.
func IsOneShot(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.GetBody == nil
}

// IsIdempotent reports whether a request with this method can be sent twice.
func IsIdempotent(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut,
		http.MethodDelete, "QUERY": // RFC 10008
		return true
	}
	return false
}

// HasIdempotencyKey reports whether the server can recognize a request that is sent twice.
func HasIdempotencyKey(h http.Header) bool {
	return header.Has(h, "Idempotency-Key") || header.Has(h, "X-Idempotency-Key")
}

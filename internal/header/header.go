// Package header reads and writes the HTTP headers of event streams.
package header

import (
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// LastEventID is the key of the Last-Event-ID header in the form of net/http.
const LastEventID = "Last-Event-Id"

// A Field is one header.
type Field struct{ Key, Value string }

// ErrName reports a header name that is not a token. It does not show the name, which
// may be a whole header with its value.
var ErrName = errors.New("a header name has a character that is not allowed in one")

// IsToken reports whether s is a token as HTTP defines it.
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// IsValue reports whether a header can carry s: it has no control character but the tab.
func IsValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}

// Keys returns the keys of h for the header name in any case. A map written by hand need
// not have canonical keys.
func Keys(h http.Header, name string) (keys []string) {
	for key := range h {
		if strings.EqualFold(key, name) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Has reports whether h has a value for the header name that is not empty.
func Has(h http.Header, name string) bool {
	for _, key := range Keys(h, name) {
		for _, value := range h[key] {
			if value != "" {
				return true
			}
		}
	}
	return false
}

// Remove removes the header name from h and returns a value that it had.
func Remove(h http.Header, name string) (value string) {
	for _, key := range Keys(h, name) {
		if len(h[key]) > 0 {
			value = h[key][0]
		}
		delete(h, key)
	}
	return value
}

// Set sets fields in req, in place of what it has. The Host is not in the Header of a
// request of net/http.
func Set(req *http.Request, fields []Field) {
	for _, f := range fields {
		if http.CanonicalHeaderKey(f.Key) == "Host" {
			req.Host = f.Value
			continue
		}
		Remove(req.Header, f.Key)
		req.Header.Set(f.Key, f.Value)
	}
}

// MediaType returns the media type of the Content-Type in lower case, without its
// parameters.
func MediaType(h http.Header) string {
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// ContentEncoding returns the encoding of a body, or "" if it is not encoded. A browser
// has already decoded the body.
func ContentEncoding(h http.Header) string {
	e := strings.ToLower(strings.TrimSpace(strings.Join(h.Values("Content-Encoding"), ",")))
	if e == "identity" || runtime.GOOS == "js" {
		return ""
	}
	return e
}

// IsGzip reports whether the body is encoded with gzip.
func IsGzip(h http.Header) bool {
	e := ContentEncoding(h)
	return e == "gzip" || e == "x-gzip"
}

// RetryAfter returns the wait that a Retry-After header asks for, in seconds or until a
// date. It is 0 if the header is absent, in the past or malformed, and the longest
// Duration if that cannot hold it.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	const longest = time.Duration(1<<63 - 1)
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds > int64(longest/time.Second) {
		return longest // the digits are too many
	}
	return time.Duration(seconds) * time.Second
}

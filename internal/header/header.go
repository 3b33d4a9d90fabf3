// Package header reads and writes the HTTP headers of event streams.
package header

import (
	"errors"
	"iter"
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

// IsName reports whether s can be the name of a header. For the browser, net/http also takes
// the options of fetch, such as js.fetch:credentials, for headers.
func IsName(s string) bool {
	return IsToken(s) || runtime.GOOS == "js" && strings.HasPrefix(s, "js.fetch:")
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
	name = http.CanonicalHeaderKey(name) // which folds ASCII only
	for key := range h {
		if http.CanonicalHeaderKey(key) == name {
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

// MediaType returns the media type in lower case and without its parameters, or "" if there
// is none. As the Fetch standard extracts it, the last valid type of all Content-Type
// headers counts.
func MediaType(h http.Header) (mediaType string) {
	for value := range splitList(strings.Join(h.Values("Content-Type"), ",")) {
		t, _, _ := strings.Cut(value, ";")
		t = strings.Trim(t, " \t\r\n")
		kind, subtype, _ := strings.Cut(t, "/")
		if IsToken(kind) && IsToken(subtype) && t != "*/*" {
			mediaType = strings.ToLower(t)
		}
	}
	return mediaType
}

// splitList returns the elements of a list in a header, which commas separate outside of
// quoted strings.
func splitList(list string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(list); i++ {
			switch c := list[i]; {
			case c == '"':
				quoted = !quoted
			case c == '\\' && quoted:
				i++
			case c == ',' && !quoted:
				if !yield(list[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(list[start:])
	}
}

// ContentEncoding returns the encodings of a body, or "" if it is not encoded. A word that
// is not a registered content coding does not count: some servers send "none" or "utf-8",
// for example to stop a proxy from compressing. A browser has already decoded the body.
func ContentEncoding(h http.Header) string {
	if runtime.GOOS == "js" {
		return ""
	}
	var codings []string
	for value := range splitList(strings.ToLower(strings.Join(h.Values("Content-Encoding"), ","))) {
		switch value = strings.TrimSpace(value); value {
		case "aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "pack200-gzip",
			"x-compress", "x-gzip", "zstd":
			codings = append(codings, value)
		}
	}
	return strings.Join(codings, ",")
}

// IsGzip reports whether the body is encoded with gzip.
func IsGzip(h http.Header) bool {
	e := ContentEncoding(h)
	return e == "gzip" || e == "x-gzip"
}

// RetryAfter returns the wait that the response headers ask for: the milliseconds of
// Retry-After-Ms, or else the seconds of Retry-After, or the time until its date. Numbers
// may have a fraction. It is 0 if there is no valid value or it is in the past, and the
// longest Duration if that cannot hold it.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := parseDuration(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	value := strings.TrimSpace(h.Get("Retry-After"))
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	d, _ := parseDuration(value, time.Second)
	return d
}

// parseDuration returns the duration of a decimal number of units.
func parseDuration(number string, unit time.Duration) (time.Duration, bool) {
	number = strings.TrimSpace(number)
	whole, fraction, _ := strings.Cut(number, ".")
	if whole == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	const longest = time.Duration(1<<63 - 1)
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n >= int64(longest/unit) {
		return longest, true // the digits are too many
	}
	f, _ := strconv.ParseFloat("0."+fraction+"0", 64) // only digits, so it is a number
	return time.Duration(n)*unit + time.Duration(f*float64(unit)), true
}

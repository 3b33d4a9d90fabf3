package sse

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2024, 2, 29, 12, 0, 0, 500, time.UTC)
	for v, want := range map[string]time.Duration{
		"":                                 0,
		"0":                                0,
		"7":                                7 * time.Second,
		" 7\t":                             7 * time.Second,
		"007":                              7 * time.Second,
		"-7":                               0,
		"+7":                               0,
		"7.5":                              0,
		"7s":                               0,
		"soon":                             0,
		"9223372036":                       9223372036 * time.Second,
		"9223372037":                       math.MaxInt64,
		"99999999999999999999999999999":    math.MaxInt64,
		"Thu, 29 Feb 2024 12:00:09 GMT":    9*time.Second - 500,
		"Thu, 29 Feb 2024 11:59:59 GMT":    0,
		"Thursday, 29-Feb-24 12:00:09 GMT": 9*time.Second - 500,
		"Fri, 31 Dec 9999 23:59:59 GMT":    math.MaxInt64,
	} {
		require.Equal(t, want, parseRetryAfter(v, now), "%q", v)
	}
}

// Any header value is read without a panic, and the result agrees with net/http's.
func FuzzHeaders(f *testing.F) {
	for _, v := range []string{"", "7", " 7 ", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "text/event-stream; charset=utf-8", "GZIP, br"} {
		f.Add(v)
	}
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, v string) {
		after := parseRetryAfter(v, now)
		require.GreaterOrEqual(t, after, time.Duration(0))
		if at, err := http.ParseTime(strings.TrimSpace(v)); err == nil {
			require.Equal(t, max(at.Sub(now), 0), after)
		} else if strings.Trim(strings.TrimSpace(v), "0123456789") != "" {
			require.Zero(t, after)
		}
		h := http.Header{"Content-Type": {v}, "Content-Encoding": {v}}
		name, _, _ := strings.Cut(strings.ToLower(v), ";")
		require.Equal(t, strings.TrimSpace(name) == "text/event-stream", isEventStream(h))
		if isGzip(h) {
			require.True(t, isDecodable(h))
		}
		if isToken(v) {
			require.NotContains(t, v, " ")
		}
		if isHeaderValue(v) {
			require.NotContains(t, v, "\n")
			require.NotContains(t, v, "\x00")
		}
		refusal := &ResponseError{StatusCode: 200, Header: h}
		require.Less(t, len(refusal.Error()), 400)
	})
}

func TestOrigin(t *testing.T) {
	for _, same := range [][2]string{
		{"http://a/b?c", "HTTP://A:80"},
		{"https://a", "https://a:443/b"},
		{"http://[::1]/", "http://[::1]:80/"},
	} {
		require.Equal(t, originOf(t, same[0]), originOf(t, same[1]))
	}
	for _, other := range [][2]string{
		{"http://a", "https://a"},
		{"http://a:443", "https://a"},
		{"http://a", "http://a:8080"},
		{"https://a", "https://a:80"},
		{"http://a", "http://b.a"},
	} {
		require.NotEqual(t, originOf(t, other[0]), originOf(t, other[1]))
	}
}

func originOf(t *testing.T, address string) string {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return origin(u)
}

func TestRedact(t *testing.T) {
	for _, fine := range []string{
		`lookup host: certificate of "Example CA" is bad`,
		`x509: unknown authority (possibly because of "crypto/rsa: verification error")`,
	} {
		err := errors.New(fine)
		require.Equal(t, err, redact(err))
	}
	for _, bad := range []string{
		`failed to parse Location header "http://u:secret@h:x/": invalid port`,
		`failed to parse Location header "http://h/%zz?a=\"&token=secret": parse`,
		`Location header "//user:secret@h:x/": invalid`,
		`failed to parse "/a?secret"`,
		`Location header "%zz#access_token=secret"`,
		`invalid proxy address "user:secret@proxy:bad"`,
		`Get "https://h/token?secret=1": EOF`,
		`cannot reach http://h/p?secret: no`,
		`malformed MIME header line: ` + strings.Repeat("x", 600) + "secret",
		`malformed MIME header: missing colon: "Set-Cookie session=secret"`,
		`malformed "` + strings.Repeat("secret", 20) + `"`,
		`unexpected "` + strings.Repeat("secret", 20) + `"`,
		`bad Content-Length "secret"`,
		`unsupported transfer encoding: "secret"`,
		`too many transfer encodings: ["gzip" "secret"]`,
	} {
		text := redact(errors.New(bad)).Error()
		require.NotContains(t, text, "secret")
		require.Less(t, len(text), 600)
	}
}

// No message of the tree shows a secret, and errors.Is and errors.As still find the cause.
func TestRedactKeepsTheCause(t *testing.T) {
	quota := errors.New("quota used up, see https://h/quota?secret=1")
	get := &url.Error{Op: "Post", URL: "https://h/token?secret=1", Err: syscall.ECONNREFUSED}
	err := redact(fmt.Errorf("token: %w", errors.Join(fmt.Errorf("oauth2: %w", get), quota)))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorIs(t, err, quota)
	found, ok := errors.AsType[*url.Error](err)
	require.True(t, ok)
	require.Equal(t, get, found)
	_, ok = errors.AsType[*ResponseError](err)
	require.False(t, ok)
	for e := err; e != nil; e = errors.Unwrap(e) {
		require.NotContains(t, e.Error(), "secret")
	}
}

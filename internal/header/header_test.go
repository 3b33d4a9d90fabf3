package header

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2024, 2, 29, 12, 0, 0, 500, time.UTC)
	for v, want := range map[string]time.Duration{
		"":                                 0,
		"0":                                0,
		"7":                                7 * time.Second,
		" 7\t":                             7 * time.Second,
		"007":                              7 * time.Second,
		"-7":                               0,
		"+7":                               0,
		"7.5":                              7500 * time.Millisecond,
		"7.":                               7 * time.Second,
		".5":                               0,
		"7.5.5":                            0,
		"7s":                               0,
		"soon":                             0,
		"9223372035":                       9223372035 * time.Second,
		"9223372037":                       math.MaxInt64,
		"99999999999999999999999999999":    math.MaxInt64,
		"Thu, 29 Feb 2024 12:00:09 GMT":    9*time.Second - 500,
		"Thu, 29 Feb 2024 11:59:59 GMT":    0,
		"Thursday, 29-Feb-24 12:00:09 GMT": 9*time.Second - 500,
		"Fri, 31 Dec 9999 23:59:59 GMT":    math.MaxInt64,
	} {
		require.Equal(t, want, RetryAfter(http.Header{"Retry-After": {v}}, now), "%q", v)
	}
	require.Zero(t, RetryAfter(nil, now))
	for ms, want := range map[string]time.Duration{
		"1500": 1500 * time.Millisecond, "0.5": 500 * time.Microsecond, "0": 0, "soon": 7 * time.Second,
	} {
		h := http.Header{"Retry-After": {"7"}, "Retry-After-Ms": {ms}}
		require.Equal(t, want, RetryAfter(h, now), "Retry-After-Ms: %s", ms)
	}
}

func TestMediaTypeIsTheLastValidOne(t *testing.T) {
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{nil, ""},
		{[]string{"text/event-stream"}, "text/event-stream"},
		{[]string{" Text/Event-Stream ; charset=utf-8"}, "text/event-stream"},
		{[]string{"text/plain", "text/event-stream"}, "text/event-stream"},
		{[]string{"text/event-stream", "text/plain"}, "text/plain"},
		{[]string{"text/plain, text/event-stream"}, "text/event-stream"},
		{[]string{"text/event-stream, */*"}, "text/event-stream"},
		{[]string{"text/event-stream, what"}, "text/event-stream"},
		{[]string{`text/plain; a="x, text/html`}, "text/plain"},
		{[]string{`text/event-stream; a="b,\",c/d", text/plain`}, "text/plain"},
		{[]string{"what"}, ""},
	} {
		require.Equal(t, tt.want, MediaType(http.Header{"Content-Type": tt.values}), "%q", tt.values)
	}
}

func TestContentEncodingOnlyKnowsCodings(t *testing.T) {
	for value, want := range map[string]string{
		"none": "", "utf-8": "", "chunked": "", "binary": "", "identity, identity": "", "": "",
		"br": "br", "zstd": "zstd", "deflate": "deflate", "compress": "compress", "identity, BR": "br",
	} {
		require.Equal(t, want, ContentEncoding(http.Header{"Content-Encoding": {value}}), value)
	}
}

// A letter that only Unicode folds to one of ASCII makes another name.
func TestKeysFoldsOnlyASCII(t *testing.T) {
	require.Equal(t, []string{"iDEMPOTENCY-KEY"}, Keys(http.Header{"iDEMPOTENCY-KEY": nil, "Idempotency-\u212aey": nil}, "Idempotency-Key"))
	require.Empty(t, Keys(http.Header{"La\u017ft-Event-Id": nil}, "Last-Event-ID"))
}

// The header name counts in any case: a map written by hand need not be canonical.
func TestNamesMatchInAnyCase(t *testing.T) {
	h := http.Header{"x-key": {"", "a"}, "X-Key": nil, "Other": {""}}
	require.ElementsMatch(t, []string{"x-key", "X-Key"}, Keys(h, "X-KEY"))
	require.True(t, Has(h, "X-Key"))
	require.False(t, Has(h, "Other"), "an empty value is none")
	require.False(t, Has(nil, "X-Key"))
	require.Empty(t, Remove(h, "x-key"), "the first value")
	require.Equal(t, http.Header{"Other": {""}}, h)
	h["last-event-id"] = []string{"7"}
	require.Equal(t, "7", Remove(h, LastEventID))
}

func TestSetReplacesEachSpelling(t *testing.T) {
	req := &http.Request{Header: http.Header{"x-key": {"a"}}}
	Set(req, []Field{{"X-Key", "b"}, {"host", "h.test"}})
	require.Equal(t, http.Header{"X-Key": {"b"}}, req.Header)
	require.Equal(t, "h.test", req.Host)
}

func TestContentEncodingOfSeveralHeaders(t *testing.T) {
	require.Equal(t, "gzip,br", ContentEncoding(http.Header{"Content-Encoding": {"GZIP", "br"}}))
	require.Empty(t, ContentEncoding(http.Header{"Content-Encoding": {" Identity "}}))
	require.True(t, IsGzip(http.Header{"Content-Encoding": {"X-GZIP"}}))
	require.False(t, IsGzip(nil))
}

// Any value is read without a panic, and the result agrees with that of net/http.
func FuzzHeaders(f *testing.F) {
	for _, v := range []string{"", "7", " 7 ", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "text/event-stream; charset=utf-8", "GZIP, br"} {
		f.Add(v)
	}
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, v string) {
		h := http.Header{"Content-Type": {v}, "Content-Encoding": {v}, "Retry-After": {v}}
		after := RetryAfter(h, now)
		require.GreaterOrEqual(t, after, time.Duration(0))
		if at, err := http.ParseTime(strings.TrimSpace(v)); err == nil {
			require.Equal(t, max(at.Sub(now), 0), after)
		} else if strings.Trim(strings.TrimSpace(v), "0123456789.") != "" {
			require.Zero(t, after)
		}
		if mediaType := MediaType(h); mediaType != "" {
			require.Contains(t, strings.ToLower(v), mediaType)
		}
		if IsGzip(h) {
			require.Contains(t, ContentEncoding(h), "gzip")
		}
		if IsToken(v) {
			require.NotContains(t, v, " ")
			require.NotEmpty(t, v)
		}
		if IsValue(v) {
			require.NotContains(t, v, "\n")
			require.NotContains(t, v, "\x00")
		}
	})
}

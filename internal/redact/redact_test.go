package redact

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestErrorKeepsShortQuotes(t *testing.T) {
	for _, message := range []string{
		`lookup host: certificate of "Example CA" is bad`,
		`x509: unknown authority (possibly because of "crypto/rsa: verification error")`,
	} {
		err := errors.New(message)
		require.Equal(t, err, Error(err))
	}
}

func TestErrorHidesURLsAndHeaders(t *testing.T) {
	for _, message := range []string{
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
		text := Error(errors.New(message)).Error()
		require.NotContains(t, text, "secret")
		require.Less(t, len(text), 600)
	}
}

// A hidden message is in no error of the tree, and the errors are still found.
func TestErrorKeepsTheTree(t *testing.T) {
	quota := errors.New("quota used up, see https://h/quota?secret=1")
	get := &url.Error{Op: "Post", URL: "https://h/token?secret=1", Err: syscall.ECONNREFUSED}
	err := Error(fmt.Errorf("token: %w", errors.Join(fmt.Errorf("oauth2: %w", get), quota)))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorIs(t, err, quota)
	found, ok := errors.AsType[*url.Error](err)
	require.True(t, ok)
	require.Equal(t, get, found)
	_, ok = errors.AsType[*url.EscapeError](err)
	require.False(t, ok)
	for e := err; e != nil; e = errors.Unwrap(e) {
		require.NotContains(t, e.Error(), "secret")
	}
}

func TestBoundKeepsCharactersWhole(t *testing.T) {
	require.Equal(t, "short", Bound("short"))
	text := Bound(strings.Repeat("界", 400))
	require.Equal(t, strings.Repeat("界", 170)+"...", text)
}

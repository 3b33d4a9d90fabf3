package request

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsIdempotent(t *testing.T) {
	for method, want := range map[string]bool{
		"": true, "GET": true, "HEAD": true, "OPTIONS": true, "PUT": true, "DELETE": true, "TRACE": true, "QUERY": true,
		"POST": false, "PATCH": false, "REPORT": false, "get": false,
	} {
		require.Equal(t, want, IsIdempotent(method), method)
	}
}

func TestHasIdempotencyKeyInAnyCase(t *testing.T) {
	require.True(t, HasIdempotencyKey(http.Header{"idempotency-key": {"k"}}))
	require.True(t, HasIdempotencyKey(http.Header{"X-Idempotency-Key": {"k"}}))
	require.False(t, HasIdempotencyKey(http.Header{"Idempotency-Key": {""}}))
	require.False(t, HasIdempotencyKey(nil))
}

func TestNameLeavesOutSecrets(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), "", "http://user:secret@h.test/a%2Fb?secret=1#secret", nil)
	require.NoError(t, err)
	require.Equal(t, "GET http://h.test/a%2Fb: ", Name(req))
	require.Empty(t, Name(nil))
	require.Empty(t, Name(&http.Request{}))
}

func TestCloneMakesABodyOfItsOwn(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h.test/", strings.NewReader("x"))
	require.NoError(t, err)
	for range 2 {
		clone, err := Clone(t.Context(), req)
		require.NoError(t, err)
		clone.Header.Set("K", "v")
		body, err := io.ReadAll(clone.Body)
		require.NoError(t, err)
		require.Equal(t, "x", string(body))
	}
	require.Empty(t, req.Header)
	errBody := errors.New("no body")
	req.GetBody = func() (io.ReadCloser, error) { return nil, errBody }
	_, err = Clone(t.Context(), req)
	require.ErrorIs(t, err, errBody)
	clone, err := Clone(t.Context(), &http.Request{})
	require.NoError(t, err)
	require.NotNil(t, clone.Header)
}

// A rewinder is a body that GetBody returns again.
type rewinder struct {
	*strings.Reader
	closed int
}

func (r *rewinder) Close() error { r.closed++; return nil }

func TestCloneKeepsABodyThatGetBodyReturnsAgain(t *testing.T) {
	body := &rewinder{Reader: strings.NewReader("x")}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h.test/", body)
	require.NoError(t, err)
	req.GetBody = func() (io.ReadCloser, error) {
		_, err := body.Seek(0, io.SeekStart)
		return body, err
	}
	for range 2 {
		clone, err := Clone(t.Context(), req)
		require.NoError(t, err)
		text, err := io.ReadAll(clone.Body)
		require.NoError(t, err)
		require.Equal(t, "x", string(text))
	}
	require.Zero(t, body.closed)
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("y")), nil }
	_, err = Clone(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, 1, body.closed)
}

func TestIsOneShot(t *testing.T) {
	require.False(t, IsOneShot(&http.Request{}))
	require.False(t, IsOneShot(&http.Request{Body: http.NoBody}))
	require.True(t, IsOneShot(&http.Request{Body: io.NopCloser(strings.NewReader("x"))}))
}

package request

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse/internal/body"
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

func TestCheckLength(t *testing.T) {
	for _, tt := range []struct {
		body   io.Reader
		length int64
		ok     bool
	}{
		{strings.NewReader("abc"), 3, true},
		{strings.NewReader("abc"), 4, false},
		{bytes.NewReader([]byte("abc")), 2, false},
		{bytes.NewBufferString("abc"), 2, false},
		{iotest.OneByteReader(strings.NewReader("abc")), 2, true},
		{strings.NewReader("abc"), 0, true}, // unknown
		{strings.NewReader("abc"), -1, true},
	} {
		err := CheckLength(&http.Request{Body: io.NopCloser(tt.body), ContentLength: tt.length})
		require.Equal(t, tt.ok, err == nil, "%T, %d", tt.body, tt.length)
	}
	oneShot := body.NewOneShot(io.NopCloser(strings.NewReader("abc")))
	require.NoError(t, CheckLength(&http.Request{Body: oneShot, ContentLength: 3}))
	require.Equal(t, ErrLength, CheckLength(&http.Request{Body: oneShot, ContentLength: 4}))
	require.NoError(t, CheckLength(&http.Request{Body: http.NoBody, ContentLength: 3}))
	require.NoError(t, CheckLength(&http.Request{Body: struct{ io.ReadCloser }{}, ContentLength: 3}))
}

func TestCountBody(t *testing.T) {
	for _, tt := range []struct {
		length int64
		want   string
		err    error
	}{
		{2, "ab", ErrLength},
		{3, "abc", nil},
		{4, "abc", ErrLength},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
			req := &http.Request{Body: io.NopCloser(wrap(strings.NewReader("abc"))), ContentLength: tt.length}
			CountBody(req)
			got, err := io.ReadAll(req.Body)
			require.Equal(t, tt.want, string(got))
			require.Equal(t, tt.err, err)
		}
	}
	broken := &http.Request{Body: io.NopCloser(iotest.ErrReader(io.ErrClosedPipe)), ContentLength: 3}
	CountBody(broken)
	_, err := io.ReadAll(broken.Body)
	require.Equal(t, io.ErrClosedPipe, err)
	for _, body := range []io.ReadCloser{nil, http.NoBody, io.NopCloser(strings.NewReader("abc"))} {
		req := &http.Request{Body: body, ContentLength: 3}
		CountBody(req)
		require.Equal(t, body, req.Body)
	}
}

func TestIsOneShot(t *testing.T) {
	require.False(t, IsOneShot(&http.Request{}))
	require.False(t, IsOneShot(&http.Request{Body: http.NoBody}))
	require.True(t, IsOneShot(&http.Request{Body: io.NopCloser(strings.NewReader("x"))}))
}

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"
	"github.com/stretchr/testify/require"
)

// A reader sends a prompt and returns the text of the response.
type reader func(ctx context.Context, opts ...option.RequestOption) (string, error)

// withOpen and withGuard use the bridge. withSDK uses the SDK alone.

func withOpen(limits ...sse.Option) reader {
	return func(ctx context.Context, opts ...option.RequestOption) (string, error) {
		stream, err := Open(ctx, openai.NewClient(opts...), newParams(), limits...)
		if err != nil {
			return "", err
		}
		var text strings.Builder
		for chunk, err := range sse.Decode[openai.ChatCompletionChunk](stream) {
			if err != nil {
				return text.String(), err
			}
			printChunk(&text, chunk)
		}
		return text.String(), nil
	}
}

func withGuard(limits ...sse.Option) reader {
	return func(ctx context.Context, opts ...option.RequestOption) (string, error) {
		return withSDK(ctx, append(opts, Guard(limits...))...)
	}
}

func withSDK(ctx context.Context, opts ...option.RequestOption) (string, error) {
	client := openai.NewClient(opts...)
	stream := client.Chat.Completions.NewStreaming(ctx, newParams())
	defer stream.Close()
	var text strings.Builder
	for stream.Next() {
		printChunk(&text, stream.Current())
	}
	return text.String(), stream.Err()
}

func newParams() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    "demo",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello!")},
	}
}

// testBoth runs test with Open and with Guard, which must behave the same.
func testBoth(t *testing.T, test func(t *testing.T, newReader func(...sse.Option) reader)) {
	t.Run("Open", func(t *testing.T) { test(t, withOpen) })
	t.Run("Guard", func(t *testing.T) { test(t, withGuard) })
}

// server starts a server that serves every request with script. It returns the server and
// the options of its clients.
func server(t *testing.T, script ssetest.Script) (*ssetest.Server, []option.RequestOption) {
	t.Helper()
	srv := ssetest.NewServer(t, ssetest.InOrder(script), ssetest.Loopback())
	return srv, []option.RequestOption{
		option.WithBaseURL(srv.URL + "/v1"),
		option.WithAPIKey("secret"),
		option.WithHTTPClient(srv.Client()),
	}
}

// readScript reads a response from a server that serves script.
func readScript(t *testing.T, read reader, script ...ssetest.Step) (string, error) {
	t.Helper()
	_, opts := server(t, script)
	return read(t.Context(), opts...)
}

// Parts of responses.
var (
	morning = ssetest.Raw(content("Good") + content(" morning!"))
	done    = ssetest.Data("[DONE]")
)

func TestComplete(t *testing.T) {
	testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
		srv, opts := server(t, ssetest.Script{ssetest.Comment("wait"), morning, done})
		text, err := newReader()(t.Context(), opts...)
		require.NoError(t, err)
		require.Equal(t, "Good morning!", text)

		// The request is the request of the SDK.
		require.Len(t, srv.Requests(), 1)
		req := srv.Requests()[0]
		require.Equal(t, "/v1/chat/completions", req.Path)
		require.Equal(t, "Bearer secret", req.Header.Get("Authorization"))
		require.JSONEq(t, `{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`, string(req.Body))
	})
}

func TestTruncated(t *testing.T) {
	ends := map[string]ssetest.Script{
		"before [DONE]":  {morning},
		"within a chunk": {morning, ssetest.Raw(`data: {"id":`)},
		"connection":     {morning, ssetest.Cut()},
	}
	for name, script := range ends {
		t.Run(name, func(t *testing.T) {
			testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
				text, err := readScript(t, newReader(), script...)
				require.Equal(t, "Good morning!", text)
				cut := new(sse.TruncatedError)
				require.ErrorAs(t, err, &cut)
				require.Equal(t, 2, cut.Events)
			})
		})
	}
}

// Without the bridge, the SDK accepts a truncated response as complete.
func TestTruncatedWithoutBridge(t *testing.T) {
	text, err := readScript(t, withSDK, morning, ssetest.Raw(`data: {"id":`))
	require.NoError(t, err)
	require.Equal(t, "Good morning!", text)
}

func TestTooLarge(t *testing.T) {
	testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
		text, err := readScript(t, newReader(sse.WithMaxEventSize(1<<10)), morning, ssetest.Raw(content(strings.Repeat("x", 1<<10))), done)
		require.ErrorIs(t, err, sse.ErrEventTooLarge)
		require.Equal(t, "Good morning!", text)
	})
}

func TestSilence(t *testing.T) {
	testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
		text, err := readScript(t, newReader(sse.WithIdleTimeout(time.Second)), morning, ssetest.Stall())
		require.ErrorIs(t, err, sse.ErrIdleTimeout)
		require.Equal(t, "Good morning!", text)
	})
}

func TestErrorEvent(t *testing.T) {
	messages := map[string]string{
		`{"error":{"message":"overloaded","code":529}}`: "overloaded",
		`{"error":"overloaded"}`:                        `"overloaded"`,
	}
	for data, message := range messages {
		testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
			text, err := readScript(t, newReader(), morning, ssetest.Data(data))
			require.Equal(t, "Good morning!", text)
			reported := new(sse.EventError)
			require.ErrorAs(t, err, &reported)
			require.EqualError(t, reported.Err, message)

			// The tree contains the SDK's error as well.
			sdkErr := new(ssestream.StreamError)
			require.ErrorAs(t, err, &sdkErr)
			require.JSONEq(t, data, string(sdkErr.Event.Data))
		})
	}
}

// Some servers send "error":null, which is not an error. The SDK treats it as one, and so
// does Guard.
func TestNoError(t *testing.T) {
	_, err := readScript(t, withOpen(), ssetest.Raw(chunk(`"choices":[],"error":null`)), done)
	require.NoError(t, err)
}

func TestRefused(t *testing.T) {
	testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
		_, err := readScript(t, newReader(), ssetest.Answer(http.StatusUnauthorized, "Content-Type", "application/json"),
			ssetest.Raw(`{"error":{"message":"no such key"}}`))
		refusal := new(openai.Error)
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "no such key", refusal.Message)
	})
}

func TestNotEventStream(t *testing.T) {
	page := []ssetest.Step{ssetest.Answer(http.StatusOK, "Content-Type", "text/html"), ssetest.Raw("<p>Please log in.")}
	_, err := readScript(t, withOpen(), page...)
	refusal := new(sse.ResponseError)
	require.ErrorAs(t, err, &refusal)

	text, err := readScript(t, withGuard(), page...) // Guard does not know that the request was for a stream
	require.NoError(t, err)
	require.Empty(t, text)
}

// The SDK retries a POST, but not after the response has started.
func TestRetries(t *testing.T) {
	testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
		srv, opts := server(t, ssetest.Script{ssetest.Cut()})
		opts = append(opts, option.WithMaxRetryDelay(time.Millisecond))
		_, err := newReader()(t.Context(), opts...)
		require.Error(t, err)
		require.Len(t, srv.Requests(), 3)

		_, err = newReader()(t.Context(), append(opts, option.WithMaxRetries(0))...)
		require.Error(t, err)
		require.Len(t, srv.Requests(), 4)

		srv, opts = server(t, ssetest.Script{morning, ssetest.Cut()})
		_, err = newReader()(t.Context(), opts...)
		require.Error(t, err)
		require.Len(t, srv.Requests(), 1)
	})
}

// An invalid option is an error of the call. The SDK does not send the request again.
func TestBadOption(t *testing.T) {
	testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
		srv, opts := server(t, ssetest.Script{morning, done})
		_, err := newReader(sse.WithMaxEventSize(-1))(t.Context(), opts...)
		require.ErrorContains(t, err, "WithMaxEventSize")
		require.Len(t, srv.Requests(), 1)
	})
}

func TestContext(t *testing.T) {
	testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
		cause := errors.New("the user has left")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		cancelOnComment := sse.WithTrace(&sse.Trace{Comment: func(string) { cancel(cause) }})
		_, opts := server(t, ssetest.Script{morning, ssetest.Comment("cancel"), ssetest.Stall()})
		text, err := newReader(cancelOnComment)(ctx, opts...)
		require.ErrorIs(t, err, cause)
		require.Equal(t, "Good morning!", text)
	})
}

// The SDK's request timeout includes the body of the response. The SDK cancels the
// request's context when the body is closed, which must not hide the error of the stream.
func TestRequestTimeout(t *testing.T) {
	testBoth(t, func(t *testing.T, newReader func(...sse.Option) reader) {
		_, opts := server(t, ssetest.Script{morning, ssetest.Data(`{"error":"overloaded"}`)})
		reported := new(sse.EventError)
		_, err := newReader()(t.Context(), append(opts, option.WithRequestTimeout(time.Minute))...)
		require.ErrorAs(t, err, &reported)

		_, opts = server(t, ssetest.Script{morning, ssetest.Stall()})
		_, err = newReader()(t.Context(), append(opts, option.WithRequestTimeout(50*time.Millisecond))...)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// Guard does not check other responses. A stream of the Responses API has no [DONE].
func TestGuardOtherResponses(t *testing.T) {
	_, opts := server(t, ssetest.Script{ssetest.Data(`{"type":"response.completed"}`)})
	client := openai.NewClient(append(opts, Guard())...)
	stream := client.Responses.NewStreaming(t.Context(), responses.ResponseNewParams{Model: "demo"})
	require.True(t, stream.Next())
	require.Equal(t, "response.completed", stream.Current().Type)
	require.False(t, stream.Next())
	require.NoError(t, stream.Err())

	_, opts = server(t, ssetest.Script{
		ssetest.Answer(http.StatusOK, "Content-Type", "application/json"),
		ssetest.Raw(`{"choices":[{"message":{"content":"Good morning!"}}]}`),
	})
	client = openai.NewClient(append(opts, Guard())...)
	completion, err := client.Chat.Completions.New(t.Context(), newParams())
	require.NoError(t, err)
	require.Equal(t, "Good morning!", completion.Choices[0].Message.Content)
}

// The body of Guard preserves every event.
func TestGuardedBody(t *testing.T) {
	want := []sse.Event{{Type: "message", Data: "a\n\nb\n"}, {Type: "note", Data: ""}, {Type: "message", Data: " c"}}
	var sent strings.Builder
	for _, e := range want {
		sent.WriteString(ssetest.Encode(e))
	}
	stream, err := sse.FromResponse(&http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       io.NopCloser(strings.NewReader(sent.String())),
	})
	require.NoError(t, err)
	body := &guardedBody{stream: stream}
	defer body.Close()
	var got []sse.Event
	for e, err := range sse.NewParser(body).Events() {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Equal(t, want, got)
}

func TestDemo(t *testing.T) {
	var out strings.Builder
	require.NoError(t, demo(t.Context(), &out, newParams(), 0))
	port := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	require.Equal(t, `A complete response, read with Open and with Guard:
Good morning, what can I do for you? (15 tokens)
Good morning, what can I do for you?

A truncated response, read with Open, with Guard and with the SDK alone:
Good morning, what
  error: sse: POST http://HOST/truncated/chat/completions: the response ended after 3 events without [DONE]
Good morning, what
  error: sse: POST http://HOST/truncated/chat/completions: the response ended after 3 events without [DONE]
Good morning, what
  error: <nil>
`, port.ReplaceAllString(out.String(), "HOST"))
}

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

// A way asks and returns the text of the answer.
type way func(ctx context.Context, opts ...option.RequestOption) (string, error)

// byOpen and byGuard are the two ways of the bridge, bySDK is that without it.

func byOpen(limits ...sse.Option) way {
	return func(ctx context.Context, opts ...option.RequestOption) (string, error) {
		stream, err := Open(ctx, openai.NewClient(opts...), question(), limits...)
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

func byGuard(limits ...sse.Option) way {
	return func(ctx context.Context, opts ...option.RequestOption) (string, error) {
		return bySDK(ctx, append(opts, Guard(limits...))...)
	}
}

func bySDK(ctx context.Context, opts ...option.RequestOption) (string, error) {
	client := openai.NewClient(opts...)
	stream := client.Chat.Completions.NewStreaming(ctx, question())
	defer stream.Close()
	var text strings.Builder
	for stream.Next() {
		printChunk(&text, stream.Current())
	}
	return text.String(), stream.Err()
}

func question() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    "demo",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello!")},
	}
}

// bothWays runs test with each of the two ways, which are to behave the same.
func bothWays(t *testing.T, test func(t *testing.T, by func(...sse.Option) way)) {
	t.Run("Open", func(t *testing.T) { test(t, byOpen) })
	t.Run("Guard", func(t *testing.T) { test(t, byGuard) })
}

// server starts a server that answers every request with script, and returns it with
// the options of a client of it.
func server(t *testing.T, script ssetest.Script) (*ssetest.Server, []option.RequestOption) {
	t.Helper()
	srv := ssetest.NewServer(t, ssetest.InOrder(script), ssetest.Loopback())
	return srv, []option.RequestOption{
		option.WithBaseURL(srv.URL + "/v1"),
		option.WithAPIKey("secret"),
		option.WithHTTPClient(srv.Client()),
	}
}

// ask asks a server that answers with script.
func ask(t *testing.T, w way, script ...ssetest.Step) (string, error) {
	t.Helper()
	_, opts := server(t, script)
	return w(t.Context(), opts...)
}

// The pieces of answers.
var (
	morning = ssetest.Raw(content("Good") + content(" morning!"))
	done    = ssetest.Data("[DONE]")
)

func TestWhole(t *testing.T) {
	bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
		srv, opts := server(t, ssetest.Script{ssetest.Comment("wait"), morning, done})
		text, err := by()(t.Context(), opts...)
		require.NoError(t, err)
		require.Equal(t, "Good morning!", text)

		// The request is the SDK's.
		require.Len(t, srv.Requests(), 1)
		req := srv.Requests()[0]
		require.Equal(t, "/v1/chat/completions", req.Path)
		require.Equal(t, "Bearer secret", req.Header.Get("Authorization"))
		require.JSONEq(t, `{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`, string(req.Body))
	})
}

func TestCut(t *testing.T) {
	ends := map[string]ssetest.Script{
		"before [DONE]":  {morning},
		"within a chunk": {morning, ssetest.Raw(`data: {"id":`)},
		"connection":     {morning, ssetest.Cut()},
	}
	for name, script := range ends {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
				text, err := ask(t, by(), script...)
				require.Equal(t, "Good morning!", text)
				cut := new(sse.TruncatedError)
				require.ErrorAs(t, err, &cut)
				require.Equal(t, 2, cut.Events)
			})
		})
	}
}

// This is what the bridge is for: the SDK takes the end of the response for the end of
// the answer.
func TestCutWithoutBridge(t *testing.T) {
	text, err := ask(t, bySDK, morning, ssetest.Raw(`data: {"id":`))
	require.NoError(t, err)
	require.Equal(t, "Good morning!", text)
}

func TestTooLarge(t *testing.T) {
	bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
		text, err := ask(t, by(sse.WithMaxEventSize(1<<10)), morning, ssetest.Raw(content(strings.Repeat("x", 1<<10))), done)
		require.ErrorIs(t, err, sse.ErrEventTooLarge)
		require.Equal(t, "Good morning!", text)
	})
}

func TestSilence(t *testing.T) {
	bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
		text, err := ask(t, by(sse.WithIdleTimeout(50*time.Millisecond)), morning, ssetest.Stall())
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
		bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
			text, err := ask(t, by(), morning, ssetest.Data(data))
			require.Equal(t, "Good morning!", text)
			failed := new(sse.EventError)
			require.ErrorAs(t, err, &failed)
			require.EqualError(t, failed.Err, message)

			// Code that looks for the SDK's error finds it.
			theirs := new(ssestream.StreamError)
			require.ErrorAs(t, err, &theirs)
			require.JSONEq(t, data, string(theirs.Event.Data))
		})
	}
}

// Some servers send the member without an error. The SDK alone, and thus Guard, takes it
// for one.
func TestNoError(t *testing.T) {
	_, err := ask(t, byOpen(), ssetest.Raw(chunk(`"choices":[],"error":null`)), done)
	require.NoError(t, err)
}

func TestRefused(t *testing.T) {
	bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
		_, err := ask(t, by(), ssetest.Answer(http.StatusUnauthorized, "Content-Type", "application/json"),
			ssetest.Raw(`{"error":{"message":"no such key"}}`))
		refusal := new(openai.Error)
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "no such key", refusal.Message)
	})
}

func TestNoEventStream(t *testing.T) {
	page := []ssetest.Step{ssetest.Answer(http.StatusOK, "Content-Type", "text/html"), ssetest.Raw("<p>Please log in.")}
	_, err := ask(t, byOpen(), page...)
	refusal := new(sse.ResponseError)
	require.ErrorAs(t, err, &refusal)

	text, err := ask(t, byGuard(), page...) // Guard cannot see that a stream was asked for
	require.NoError(t, err)
	require.Empty(t, text)
}

// The SDK repeats a POST by itself, but not once the answer has begun.
func TestRetries(t *testing.T) {
	bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
		srv, opts := server(t, ssetest.Script{ssetest.Cut()})
		opts = append(opts, option.WithMaxRetryDelay(time.Millisecond))
		_, err := by()(t.Context(), opts...)
		require.Error(t, err)
		require.Len(t, srv.Requests(), 3)

		_, err = by()(t.Context(), append(opts, option.WithMaxRetries(0))...)
		require.Error(t, err)
		require.Len(t, srv.Requests(), 4)

		srv, opts = server(t, ssetest.Script{morning, ssetest.Cut()})
		_, err = by()(t.Context(), opts...)
		require.Error(t, err)
		require.Len(t, srv.Requests(), 1)
	})
}

// A bad option is an error at once, and nothing is asked twice for it.
func TestBadOption(t *testing.T) {
	bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
		srv, opts := server(t, ssetest.Script{morning, done})
		_, err := by(sse.WithMaxEventSize(-1))(t.Context(), opts...)
		require.ErrorContains(t, err, "WithMaxEventSize")
		require.Len(t, srv.Requests(), 1)
	})
}

func TestContext(t *testing.T) {
	bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
		why := errors.New("the user has left")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		leave := sse.WithTrace(&sse.Trace{Comment: func(string) { cancel(why) }})
		_, opts := server(t, ssetest.Script{morning, ssetest.Comment("leave"), ssetest.Stall()})
		text, err := by(leave)(ctx, opts...)
		require.ErrorIs(t, err, why)
		require.Equal(t, "Good morning!", text)
	})
}

// The SDK's timeout of a request includes the answer. It ends the SDK's context with the
// body, which must not hide why the stream has ended.
func TestRequestTimeout(t *testing.T) {
	bothWays(t, func(t *testing.T, by func(...sse.Option) way) {
		_, opts := server(t, ssetest.Script{morning, ssetest.Data(`{"error":"overloaded"}`)})
		failed := new(sse.EventError)
		_, err := by()(t.Context(), append(opts, option.WithRequestTimeout(time.Minute))...)
		require.ErrorAs(t, err, &failed)

		_, opts = server(t, ssetest.Script{morning, ssetest.Stall()})
		_, err = by()(t.Context(), append(opts, option.WithRequestTimeout(50*time.Millisecond))...)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// Guard leaves other answers alone. A stream of the Responses API needs no [DONE].
func TestGuardOthers(t *testing.T) {
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
	answer, err := client.Chat.Completions.New(t.Context(), question())
	require.NoError(t, err)
	require.Equal(t, "Good morning!", answer.Choices[0].Message.Content)
}

// The body of Guard loses nothing of an event.
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
	require.NoError(t, demo(t.Context(), &out, question(), 0))
	port := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	require.Equal(t, `A whole answer, by Open and by Guard:
Good morning, what can I do for you? (15 tokens)
Good morning, what can I do for you?

An answer that is cut, by Open, by Guard and by the SDK alone:
Good morning, what
  error: sse: POST http://HOST/cut/chat/completions: truncated after 3 events: unexpected EOF
Good morning, what
  error: sse: POST http://HOST/cut/chat/completions: truncated after 3 events: unexpected EOF
Good morning, what
  error: <nil>
`, port.ReplaceAllString(out.String(), "HOST"))
}

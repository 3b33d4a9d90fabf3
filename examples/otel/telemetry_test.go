package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// secret is in all that must not reach the telemetry: the text, the query, a header and
// the messages of errors.
const secret = "sk-secret"

// Parts of responses, with a second before each chunk.
func token() ssetest.Script {
	return ssetest.Script{ssetest.Wait(time.Second), ssetest.Data(`{"choices":[{"index":0,"delta":{"content":"` + secret + `"}}]}`)}
}

func end() ssetest.Script {
	return ssetest.Script{
		ssetest.Wait(time.Second), ssetest.Data(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`),
		ssetest.Data(`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}}`, "[DONE]"),
	}
}

func script(parts ...ssetest.Script) ssetest.Script {
	var all ssetest.Script
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func refuse(status int, headers ...string) ssetest.Script {
	return ssetest.Script{
		ssetest.Answer(status, append(headers, "Content-Type", "application/json")...),
		ssetest.Raw(`{"error":{"message":"` + secret + `","code":"` + secret + `"}}`),
	}
}

// A call is what the telemetry says about one call.
type call struct {
	errorType   string
	description string
	finish      string
	duration    time.Duration
	first       time.Duration   // to the first chunk, 0 without one
	chunks      []time.Duration // count and sum of the times between chunks
	tokens      string          // counters of input, output, cached and reasoning tokens; counts of the histograms
	attempts    []string        // status, error and resend count of each
}

// record reads responses that scripts make, and returns what the telemetry says. The
// function read gets the deltas; nil reads all.
func record(t *testing.T, ctx context.Context, read func(*Call, *llm.Stream) error, opts []sse.Option, scripts ...ssetest.Script) (call, error) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	reader := sdkmetric.NewManualReader()
	telemetry, err := NewTelemetry(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)), sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	require.NoError(t, err)

	srv := ssetest.NewServer(t, ssetest.InOrder(scripts...))
	req := srv.Post("/v1/chat/completions?key="+secret, "{}").WithContext(ctx)
	req.Header.Set("Authorization", "Bearer "+secret)
	req, c := telemetry.Start(req, Operation{Name: "chat", Provider: "openai", Model: "demo"})
	stream, result := llm.Fetch(req, llm.OpenAIChat, append(opts, c.Option(), sse.WithHTTPClient(srv.Client()))...)
	switch {
	case result != nil:
		c.End(result)
	case read == nil:
		result = readAll(c, stream)
	default:
		result = read(c, stream)
	}
	c.End(errors.New("ignored: the call has ended"))

	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &collected))
	require.NotContains(t, fmt.Sprintf("%+v %+v", spans.GetSpans(), collected), secret)
	return summary(t, spans.GetSpans(), collected), result
}

func readAll(c *Call, stream *llm.Stream) error {
	for _, err := range c.Deltas(stream.Deltas()) {
		if err != nil {
			return err
		}
	}
	return nil
}

func summary(t *testing.T, spans tracetest.SpanStubs, collected metricdata.ResourceMetrics) call {
	t.Helper()
	var c call
	get := func(attrs []attribute.KeyValue, key attribute.Key) string {
		set := attribute.NewSet(attrs...)
		v, ok := set.Value(key)
		if !ok {
			return ""
		}
		return v.String()
	}
	root := spans[len(spans)-1] // ends last
	for _, s := range spans[:len(spans)-1] {
		require.Equal(t, "POST", s.Name)
		require.Equal(t, root.SpanContext.SpanID(), s.Parent.SpanID())
		c.attempts = append(c.attempts, strings.TrimSpace(get(s.Attributes, "http.response.status_code")+" "+
			get(s.Attributes, "error.type")+" "+get(s.Attributes, "http.request.resend_count")))
	}
	require.Equal(t, "chat demo", root.Name)
	require.Equal(t, "openai", get(root.Attributes, "gen_ai.provider.name"))
	require.Equal(t, "true", get(root.Attributes, "gen_ai.request.stream"))
	c.errorType, c.description = get(root.Attributes, "error.type"), root.Status.Description
	require.Equal(t, c.errorType != "", root.Status.Code == codes.Error)
	c.finish = get(root.Attributes, "gen_ai.response.finish_reasons")
	c.duration = root.EndTime.Sub(root.StartTime)

	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	counters, counts := "", ""
	for _, m := range collected.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Histogram[float64]:
			require.Len(t, data.DataPoints, 1)
			p := data.DataPoints[0]
			require.Equal(t, "demo", get(p.Attributes.ToSlice(), "gen_ai.request.model"))
			switch m.Name {
			case "gen_ai.client.inference.duration":
				require.Equal(t, c.duration, seconds(p.Sum))
				require.Equal(t, c.errorType, get(p.Attributes.ToSlice(), "error.type"))
			case "gen_ai.client.inference.time_to_first_chunk":
				c.first = seconds(p.Sum)
				require.Equal(t, fmt.Sprint(p.Sum), get(root.Attributes, "gen_ai.response.time_to_first_chunk"))
			case "gen_ai.client.inference.time_per_output_chunk":
				c.chunks = []time.Duration{time.Duration(p.Count), seconds(p.Sum)}
			}
		case metricdata.Histogram[int64]:
			counts += fmt.Sprint(" ", data.DataPoints[0].Count, "x", data.DataPoints[0].Sum)
		case metricdata.Sum[int64]:
			require.Len(t, data.DataPoints, 1)
			counters += fmt.Sprint(" ", data.DataPoints[0].Value)
		}
	}
	c.tokens = strings.TrimSpace(counters + counts)
	return c
}

func TestWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := record(t, t.Context(), nil, nil, script(token(), token(), end()))
		require.NoError(t, err)
		require.Equal(t, call{
			finish: `["stop"]`, duration: 3 * time.Second, first: time.Second, chunks: []time.Duration{3, 2 * time.Second},
			tokens: "9 3 4 0 1x9 1x3", attempts: []string{"200"},
		}, got)
	})
}

func TestTruncated(t *testing.T) {
	for name, cut := range map[string]ssetest.Script{
		"clean":  {},
		"broken": {ssetest.Cut()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := record(t, t.Context(), nil, nil, script(token(), token(), cut))
				require.Error(t, err)
				require.Contains(t, got.description, "after 2 events")
				got.description = ""
				require.Equal(t, call{
					errorType: "truncated", finish: `["error"]`, duration: 2 * time.Second, first: time.Second,
					chunks: []time.Duration{1, time.Second}, tokens: "0 0 0 0", attempts: []string{"200 truncated"},
				}, got)
			})
		})
	}
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := record(t, t.Context(), nil, nil, refuse(http.StatusUnauthorized))
		require.ErrorContains(t, err, secret) // which the telemetry does not have
		require.Equal(t, call{
			errorType: "401", description: got.description, finish: `["error"]`, tokens: "0 0 0 0", attempts: []string{"401 401"},
		}, got)
		require.Contains(t, got.description, "401 Unauthorized")
	})
}

// Another 2xx is not a failure of HTTP, and is one of the call.
func TestNotEventStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := record(t, t.Context(), nil, nil, ssetest.Script{ssetest.Answer(200, "Content-Type", "text/html"), ssetest.Raw("<p>" + secret)})
		require.Error(t, err)
		require.Equal(t, "not_event_stream", got.errorType)
		require.Equal(t, []string{"200 not_event_stream"}, got.attempts)
	})
}

func TestRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := record(t, t.Context(), nil, nil, refuse(http.StatusTooManyRequests, "Retry-After", "30"), script(token(), end()))
		require.NoError(t, err)
		require.Equal(t, call{
			finish: `["stop"]`, duration: 32 * time.Second, first: 31 * time.Second, chunks: []time.Duration{2, time.Second},
			tokens: "9 3 4 0 1x9 1x3", attempts: []string{"429 429", "200  1"},
		}, got)
	})
}

func TestContext(t *testing.T) {
	cause := errors.New(secret)
	for name, test := range map[string]struct {
		ctx      func(context.Context) (context.Context, context.CancelFunc)
		want     string
		attempts []string
		scripts  []ssetest.Script
	}{
		"canceled": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				stop := time.AfterFunc(2*time.Second, func() { cancel(cause) })
				return ctx, func() { stop.Stop() }
			},
			"canceled",
			[]string{"200 canceled"},
			[]ssetest.Script{script(token(), ssetest.Script{ssetest.Stall()})},
		},
		"deadline": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 2*time.Second)
			},
			"deadline_exceeded",
			[]string{"200 deadline_exceeded"},
			[]ssetest.Script{script(token(), ssetest.Script{ssetest.Stall()})},
		},
		"waiting to retry": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 2*time.Second)
			},
			"deadline_exceeded",
			[]string{"429 429"},
			[]ssetest.Script{refuse(http.StatusTooManyRequests, "Retry-After", "30")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := test.ctx(t.Context())
				defer stop()
				got, err := record(t, ctx, nil, nil, test.scripts...)
				require.ErrorIs(t, err, context.Cause(ctx))
				require.Equal(t, test.want, got.errorType)
				require.Equal(t, 2*time.Second, got.duration)
				require.Equal(t, `["error"]`, got.finish)
				require.Equal(t, test.attempts, got.attempts)
			})
		})
	}
}

func TestErrorEvent(t *testing.T) {
	for data, want := range map[string]string{
		`{"error":{"type":"overloaded_error","message":"` + secret + `"}}`:                     "overloaded_error",
		`{"error":{"code":"rate_limit_exceeded","message":"` + secret + `"}}`:                  "rate_limit_exceeded",
		`{"error":{"type":"` + secret + ` is not known","message":"` + secret + `"}}`:          "stream_error",
		`{"error":{"type":"` + secret + `-0123456789","code":503,"message":"` + secret + `"}}`: "503",
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := record(t, t.Context(), nil, nil, script(token(), ssetest.Script{ssetest.Data(data)}))
			require.ErrorContains(t, err, secret)
			require.Equal(t, want, got.errorType, data)
			require.Equal(t, []string{"200 " + want}, got.attempts)
			require.Equal(t, time.Second, got.first)
			require.Nil(t, got.chunks)
		})
	}
}

func TestLimits(t *testing.T) {
	for want, test := range map[string]struct {
		option sse.Option
		script ssetest.Script
	}{
		"open_timeout":    {sse.WithOpenTimeout(time.Second), ssetest.Script{ssetest.Stall()}},
		"idle_timeout":    {sse.WithIdleTimeout(2 * time.Second), script(token(), ssetest.Script{ssetest.Stall()})},
		"event_timeout":   {sse.WithEventTimeout(2 * time.Second), script(token(), ssetest.Script{ssetest.Stall()})},
		"event_too_large": {sse.WithMaxEventSize(10), token()},
		"_OTHER":          {sse.WithPrepare(func(*http.Request) error { return errors.New(secret) }), token()},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := record(t, t.Context(), nil, []sse.Option{test.option}, test.script)
				require.Error(t, err)
				require.Equal(t, want, got.errorType)
			})
		})
	}
}

// A loop that is left after the reason to finish has the whole text.
func TestLeft(t *testing.T) {
	leave := func(isEnough func(llm.Delta) bool) func(*Call, *llm.Stream) error {
		return func(c *Call, stream *llm.Stream) error {
			for d, err := range c.Deltas(stream.Deltas()) {
				if err != nil || isEnough(d) {
					return err
				}
			}
			return nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		got, err := record(t, t.Context(), leave(func(llm.Delta) bool { return true }), nil, script(token(), end()))
		require.NoError(t, err)
		require.Equal(t, "abandoned", got.errorType)
		require.Equal(t, `["error"]`, got.finish)

		got, err = record(t, t.Context(), leave(func(d llm.Delta) bool { return d.Finish != "" }), nil, script(token(), end()))
		require.NoError(t, err)
		require.Empty(t, got.errorType)
		require.Equal(t, `["stop"]`, got.finish)
		require.Equal(t, "0 0 0 0", got.tokens) // the usage comes later
	})
}

// After data that does not decode, the loop may continue or not.
func TestInvalidData(t *testing.T) {
	bad := ssetest.Script{ssetest.Data(`{"choices":` + secret)}
	synctest.Test(t, func(t *testing.T) {
		got, err := record(t, t.Context(), nil, nil, script(token(), bad, end()))
		require.Error(t, err)
		require.Equal(t, "invalid_data", got.errorType)

		ignore := func(c *Call, stream *llm.Stream) error {
			for range c.Deltas(stream.Deltas()) {
			}
			return nil
		}
		got, err = record(t, t.Context(), ignore, nil, script(token(), end()[:2], bad, ssetest.Script{ssetest.Data("[DONE]")}))
		require.NoError(t, err)
		require.Empty(t, got.errorType)
		require.Equal(t, `["stop"]`, got.finish)
	})
}

func TestDemo(t *testing.T) {
	var out strings.Builder
	require.NoError(t, demo(t.Context(), &out, time.Millisecond))
	text := regexp.MustCompile(`\d+m?s\b`).ReplaceAllString(out.String(), "TIME")
	for _, want := range []string{
		"/whole\n    span POST, TIME, Unset ",
		`text: "Good morning!", error: <nil>`,
		`text: "Good morning", error: sse: POST `,
		" http.response.status_code=429 error.type=429\n    span POST, TIME, Unset ",
		"gen_ai.client.inference.duration: 2, mean TIME\n",
		"gen_ai.client.inference.duration: 1, mean TIME, error.type=overloaded_error\n",
		"gen_ai.client.inference.usage.output_tokens: 6\n",
	} {
		require.Contains(t, text, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, demo(ctx, &out, time.Millisecond), context.Canceled)
}

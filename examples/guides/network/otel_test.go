package network

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// A span of otelhttp covers one attempt up to the end of its body. Its metric for the
// duration covers only the time to the headers.
func TestSpansOfOtelhttp(t *testing.T) {
	done := sse.WithDone("[DONE]")
	type result struct {
		duration time.Duration
		status   codes.Code
	}
	for name, test := range map[string]struct {
		call    func(*http.Request, ...sse.Option) (*sse.Stream, error)
		option  sse.Option
		leave   bool // the loop after the first event
		scripts []ssetest.Script
		want    []result
	}{
		"whole": {
			sse.Fetch, done, false,
			[]ssetest.Script{{ssetest.Wait(time.Second), ssetest.Data("a"), ssetest.Wait(time.Minute), ssetest.Data("[DONE]")}},
			[]result{{61 * time.Second, codes.Unset}},
		},
		"without [DONE]": { // an error, which the span does not know
			sse.Fetch, done, false,
			[]ssetest.Script{{ssetest.Wait(time.Second), ssetest.Data("a"), ssetest.Wait(time.Minute)}},
			[]result{{61 * time.Second, codes.Unset}},
		},
		"left": { // not an error, but one of the span
			sse.Fetch, done, true,
			[]ssetest.Script{{ssetest.Wait(time.Second), ssetest.Data("a"), ssetest.Stall()}},
			[]result{{time.Second, codes.Error}},
		},
		"reconnected": {
			sse.Subscribe, nil, false,
			[]ssetest.Script{
				{ssetest.Wait(time.Second), ssetest.Retry(0), ssetest.Data("a"), ssetest.Wait(time.Hour), ssetest.Cut()},
				{ssetest.Wait(time.Second), ssetest.Data("a"), ssetest.Wait(time.Hour)},
				{ssetest.Wait(time.Second), ssetest.Answer(http.StatusNoContent)},
			},
			[]result{{time.Hour + time.Second, codes.Error}, {time.Hour + time.Second, codes.Unset}, {time.Second, codes.Unset}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ssetest.NewServer(t, ssetest.InOrder(test.scripts...))
				spans, metrics := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
				hc := &http.Client{Transport: otelhttp.NewTransport(srv.Client().Transport,
					otelhttp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))),
					otelhttp.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics))))}
				stream, err := test.call(srv.Get("/"), sse.WithHTTPClient(hc), test.option)
				require.NoError(t, err)
				require.Empty(t, spans.Ended()) // none while the response comes
				for range stream.Events() {
					if test.leave {
						break
					}
				}
				synctest.Wait()
				var got []result
				for _, span := range spans.Ended() {
					got = append(got, result{span.EndTime().Sub(span.StartTime()).Round(time.Second), span.Status().Code})
				}
				require.Equal(t, test.want, got)
				require.Equal(t, time.Duration(len(test.want))*time.Second, sum(t, metrics))
			})
		})
	}
}

// sum returns the sum of the durations that otelhttp measured.
func sum(t *testing.T, reader sdkmetric.Reader) time.Duration {
	var collected metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &collected))
	total := 0.0
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == "http.client.request.duration" {
				for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
					total += p.Sum
				}
			}
		}
	}
	return time.Duration(total * float64(time.Second)).Round(time.Second)
}

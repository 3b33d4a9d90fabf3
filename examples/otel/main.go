// Otel reads responses of language models and reports them to OpenTelemetry: spans and
// metrics of the GenAI semantic conventions, also for responses that are refused, sent
// again or cut off. It starts a small server of its own and prints what a collector would
// get:
//
//	go run .
//
// The file telemetry.go can be copied into other programs.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C aborts
	defer stop()
	if err := demo(ctx, os.Stdout, 100*time.Millisecond); err != nil {
		log.Fatal(err)
	}
}

// demo reads one response of each kind and prints the spans and metrics.
func demo(ctx context.Context, out io.Writer, interval time.Duration) error {
	url, stop, err := serve(interval)
	if err != nil {
		return err
	}
	defer stop()

	// A program would use the exporters of go.opentelemetry.io/otel/exporters/otlp.
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(printer{out}))
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	telemetry, err := NewTelemetry(tracers, meters)
	if err != nil {
		return err
	}
	for _, path := range []string{"/whole", "/truncated", "/refused", "/busy", "/overloaded"} {
		fmt.Fprintf(out, "%s\n", path)
		text, err := ask(ctx, telemetry, url+path, interval)
		fmt.Fprintf(out, "  text: %q, error: %v\n\n", text, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &collected); err != nil {
		return err
	}
	printMetrics(out, collected)
	return nil
}

// ask sends a request and returns the text of its response.
func ask(ctx context.Context, telemetry *Telemetry, url string, wait time.Duration) (string, error) {
	const body = `{"model":"demo","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hello!"}]}`
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")

	req, call := telemetry.Start(req, Operation{Name: "chat", Provider: "openai", Model: "demo"})
	stream, err := llm.Fetch(req, llm.OpenAIChat, call.Option(),
		sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return wait, a.Retry })) // a demo does not wait for a second
	if err != nil {
		call.End(err)
		return "", err
	}
	var text strings.Builder
	for delta, err := range call.Deltas(stream.Deltas()) {
		if err != nil {
			return text.String(), err
		}
		text.WriteString(delta.Text)
	}
	return text.String(), nil
}

// A printer is an exporter that prints a line for each span.
type printer struct{ out io.Writer }

func (p printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		indent := "  "
		if s.Parent().IsValid() {
			indent = "    "
		}
		fmt.Fprintf(p.out, "%sspan %s, %v, %v", indent, s.Name(), milliseconds(s.EndTime().Sub(s.StartTime()).Seconds()), s.Status().Code)
		for _, a := range s.Attributes() {
			if a.Key != "gen_ai.response.time_to_first_chunk" {
				fmt.Fprintf(p.out, " %s=%s", a.Key, a.Value.String())
			}
		}
		fmt.Fprintln(p.out)
	}
	return nil
}

func (p printer) Shutdown(context.Context) error { return nil }

// printMetrics prints a line for each metric and each of its error types.
func printMetrics(out io.Writer, collected metricdata.ResourceMetrics) {
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			var lines []string
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					lines = append(lines, fmt.Sprintf("%d, mean %v", p.Count, milliseconds(p.Sum/float64(p.Count)))+errorOf(p.Attributes))
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					lines = append(lines, fmt.Sprintf("%d, sum %d", p.Count, p.Sum)+errorOf(p.Attributes))
				}
			case metricdata.Sum[int64]:
				total := int64(0)
				for _, p := range data.DataPoints { // one for each server
					total += p.Value
				}
				lines = append(lines, fmt.Sprint(total))
			}
			slices.SortFunc(lines, func(a, b string) int { // by the error
				_, a, _ = strings.Cut(a, " error.type=")
				_, b, _ = strings.Cut(b, " error.type=")
				return cmp.Compare(a, b)
			})
			for _, line := range lines {
				fmt.Fprintf(out, "%s: %s\n", m.Name, line)
			}
		}
	}
}

func errorOf(attrs attribute.Set) string {
	if v, ok := attrs.Value("error.type"); ok {
		return ", error.type=" + v.AsString()
	}
	return ""
}

func milliseconds(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}

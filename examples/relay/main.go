// Relay reads event streams and publishes their events to NATS JetStream.
//
//	go run . -nats nats://127.0.0.1:4222 -config relay.yaml   relay
//	go run . -demo -duration 30s                              demo with a cluster of its own
//	go run .                                                  the same, in a few seconds
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run is the program without the process. It returns the exit status.
func run(ctx context.Context, args []string, log io.Writer) int {
	if len(args) == 0 {
		return runDemo(ctx, demoOptions{duration: 5 * time.Second})
	}
	flags := flag.NewFlagSet("relay", flag.ContinueOnError)
	flags.SetOutput(log)
	demo := flags.Bool("demo", false, "run a demo with a cluster and feeds of its own")
	duration := flags.Duration("duration", 30*time.Second, "`time` for which the feeds of the demo send")
	svg := flags.String("svg", "", "`file` for the plot of the demo")
	c, err := parseFlags(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(log, "relay:", err)
		return 2
	case *demo:
		return runDemo(ctx, demoOptions{duration: *duration, svg: *svg})
	}
	if err := c.check(); err != nil {
		fmt.Fprintln(log, "relay:", err)
		return 2
	}
	var handler slog.Handler = slog.NewTextHandler(log, nil)
	if c.Log == "json" {
		handler = slog.NewJSONHandler(log, nil)
	}
	if err := newRelay(c, slog.New(handler)).run(ctx); err != nil {
		fmt.Fprintln(log, "relay:", err)
		return 1
	}
	return 0
}

// Browser serves a page that reads event streams with this library, compiled to
// WebAssembly, and with the EventSource of the browser beside it. It builds the page's
// client, prints the address of the page and serves it until Ctrl-C:
//
//	go run ./examples/browser
//
// It prints when each stream begins and ends, as the server sees it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("browser", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:0", "`address` to listen on")
	interval := flags.Duration("interval", 700*time.Millisecond, "time between messages")
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp:
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if err := serve(ctx, *addr, *interval, stdout); err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return 1
	}
	return 0
}

// serve builds the client and serves the page until ctx ends.
func serve(ctx context.Context, addr string, interval time.Duration, out io.Writer) error {
	fmt.Fprintln(out, "building the client")
	client, err := build(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "client.wasm: %.1f MB, %.1f MB with gzip\n", mega(client.size), mega(len(client.zipped)))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "open http://%s in a browser; Ctrl-C ends the server\n", l.Addr())
	srv := &http.Server{Handler: newServer(client, interval, out), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	if err := srv.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func mega(n int) float64 { return float64(n) / 1e6 }

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A bundle is the client for the browser.
type bundle struct {
	zipped  []byte // client.wasm, compressed with gzip
	size    int    // without the compression
	support []byte // wasm_exec.js, which belongs to the release of Go that has built it
}

// build compiles package client. The go command must run in a module that has it.
func build(ctx context.Context) (*bundle, error) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "client.wasm")
	const path = "github.com/fetchsse/sse/examples/browser/client"
	if _, err := goCommand(ctx, "build", "-ldflags=-s -w", "-o", file, path); err != nil {
		return nil, err
	}
	root, err := goCommand(ctx, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	support, err := os.ReadFile(filepath.Join(strings.TrimSpace(root), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, err
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var zipped bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // a valid level
	_, _ = zw.Write(wasm)                                       // a Buffer has no errors
	_ = zw.Close()
	return &bundle{zipped: zipped.Bytes(), size: len(wasm), support: support}, nil
}

// goCommand runs the go command for the browser and returns its output.
func goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return string(out), nil
}

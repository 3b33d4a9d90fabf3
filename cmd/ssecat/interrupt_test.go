//go:build !windows

package main

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// Ctrl-C ends a feed, whatever it does: status 130 and no message.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]ssetest.Script{
		"reading":    {ssetest.Data("a"), ssetest.Stall()},
		"waiting":    {ssetest.Retry(time.Hour), ssetest.Data("a")},
		"connecting": {ssetest.Stall()},
	} {
		t.Run(name, func(t *testing.T) {
			srv := server(t, script)
			cmd := command(t, srv.URL)
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			require.NoError(t, cmd.Start())
			if name == "connecting" {
				require.Eventually(t, func() bool { return len(srv.Requests()) > 0 }, time.Minute, time.Millisecond)
			} else {
				_, err = io.ReadFull(stdout, make([]byte, len("a\n")))
				require.NoError(t, err)
			}
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			require.Equal(t, interrupted, wait(t, cmd, cmd.Wait()))
			require.Empty(t, stderr.String())
		})
	}
}

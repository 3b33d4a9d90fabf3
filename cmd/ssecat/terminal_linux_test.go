package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

// openTerminal returns both sides of a pseudo-terminal.
func openTerminal(t *testing.T, columns uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	control := func(request uintptr, argument unsafe.Pointer) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(argument))
		require.Zero(t, errno)
	}
	var number, unlock int32
	control(syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	control(syscall.TIOCGPTN, unsafe.Pointer(&number))
	size := [4]uint16{24, columns}
	control(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	return master, slave
}

// onTerminal runs a command on a terminal and returns what it shows.
func onTerminal(t *testing.T, columns uint16, cmd *exec.Cmd) (code int, shown string) {
	t.Helper()
	master, slave := openTerminal(t, columns)
	defer master.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = slave
	}
	cmd.Stderr = slave
	require.NoError(t, cmd.Start())
	slave.Close()
	var out bytes.Buffer
	_, _ = out.ReadFrom(master) // it ends with EIO when the command does
	return wait(t, cmd, cmd.Wait()), out.String()
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	price := ssetest.Send(sse.Event{Type: "price", ID: "7", Data: "1.5\x1b[2J"})
	script := ssetest.Script{ssetest.Retry(time.Millisecond), price}
	end := ssetest.Script{ssetest.Send(sse.Event{Type: "end", Data: "bye"})}
	args := func() []string { return []string{server(t, script, end).URL, "--until", "end"} }
	withEnv := func(t *testing.T, columns uint16, env ...string) (shown string) {
		t.Helper()
		cmd := command(t, args()...)
		cmd.Env = append(cmd.Env, env...)
		code, shown := onTerminal(t, columns, cmd)
		require.Equal(t, complete, code, shown)
		return shown
	}

	t.Run("colors", func(t *testing.T) {
		t.Parallel()
		code, shown := onTerminal(t, 100, command(t, args()...))
		require.Equal(t, complete, code, shown)
		require.Contains(t, shown, "\x1b[36mprice 7\x1b[0m 1.5\uFFFD[2J\r\n")
		require.Contains(t, shown, "\x1b[32m● connected\x1b[0m\x1b[2m · 1 event · ")
		require.Contains(t, shown, "\x1b[31m● retry in ")
		require.Contains(t, shown, " · 1 retry · the response ended after 1 event")
		require.Contains(t, shown, "\x1b[36mend 7\x1b[0m bye\r\n")
		require.True(t, strings.HasSuffix(shown, "\x1b[K"), "%q", shown) // the line is gone
	})
	t.Run("NO_COLOR and few columns", func(t *testing.T) {
		t.Parallel()
		shown := withEnv(t, 30, "NO_COLOR=1")
		require.Contains(t, shown, "\r● ")
		require.NotContains(t, shown, "m●")
		require.Contains(t, shown, "price 7 1.5")
		for part := range strings.SplitSeq(shown, "\r") {
			if text, _, ok := strings.Cut(part, "\x1b"); ok && strings.HasPrefix(text, "●") {
				require.Less(t, len([]rune(text)), 30, text)
			}
		}
	})
	t.Run("COLUMNS", func(t *testing.T) {
		t.Parallel()
		shown := withEnv(t, 100, "COLUMNS=14", "NO_COLOR=1")
		require.Contains(t, shown, "\r● connected ·\x1b[K")
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		code, shown := onTerminal(t, 100, command(t, append(args(), "-s")...))
		require.Equal(t, complete, code, shown)
		require.Contains(t, shown, " bye\r\n")
		require.NotContains(t, shown, "●")
	})
	t.Run("a dumb terminal", func(t *testing.T) {
		t.Parallel()
		shown := withEnv(t, 100, "TERM=dumb")
		require.Contains(t, shown, "bye\r\n")
		require.NotContains(t, shown, "●")
	})
	t.Run("piped output", func(t *testing.T) {
		t.Parallel()
		cmd := command(t, args()...)
		var out bytes.Buffer
		cmd.Stdout = &out
		_, shown := onTerminal(t, 100, cmd)
		require.Equal(t, "1.5\x1b[2J\nbye\n", out.String())
		require.Contains(t, shown, "● connected")
		require.NotContains(t, shown, "bye")
	})
}

// The text of a model continues its line, and the status is below it.
func TestTerminalText(t *testing.T) {
	t.Parallel()
	const chunk = `{"choices":[{"delta":{"content":%q}}]}`
	srv := server(t, ssetest.Script{
		ssetest.Data(fmt.Sprintf(chunk, "Hel")), ssetest.Wait(20 * time.Millisecond), ssetest.Data(fmt.Sprintf(chunk, "lo"), "[DONE]"),
	})
	code, shown := onTerminal(t, 100, command(t, "--dialect", "openai", "-d", "{}", srv.URL))
	require.Equal(t, complete, code, shown)
	require.Contains(t, shown, "Hel\x1bD\x1b[A\x1b7\x1b[B\r")
	require.Contains(t, shown, "\x1b[K\x1b8lo")
	require.True(t, strings.HasSuffix(shown, "\r\n"), "%q", shown)
}

package network

import (
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeepAlive(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	options := []int{syscall.TCP_KEEPIDLE, syscall.TCP_KEEPINTVL, syscall.TCP_KEEPCNT}
	for name, test := range map[string]struct {
		transport http.RoundTripper
		want      []int
	}{
		"default":       {http.DefaultTransport, []int{30, 15, 9}},
		"ProbingClient": {ProbingClient().Transport, []int{15, 5, 3}},
	} {
		conn, err := test.transport.(*http.Transport).DialContext(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		raw, err := conn.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			for i, option := range options {
				got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option)
				require.NoError(t, err)
				require.Equal(t, test.want[i], got, name)
			}
		}))
	}
}

package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
)

// An nchan is a channel of a server that keeps the history of its messages in memory.
type nchan struct {
	*child
	name, url string
}

const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

func startNchan(t *testing.T) *nchan {
	t.Helper()
	require.FileExists(t, nchanModule, "nchan is not installed; run interop/install.sh")
	address := freeAddress(t)
	c := startNginx(t, "load_module "+nchanModule+";\n", fmt.Sprintf(`
	server {
		listen %s;
		nchan_channel_id messages;
		location = /publish {
			nchan_publisher;
			nchan_message_buffer_length 1000;
			nchan_message_timeout 1h;
		}
		location = /subscribe {
			nchan_subscriber eventsource;
			nchan_subscriber_first_message oldest;
		}
	}
`, address))
	c.awaitListener(t, address)
	return &nchan{c, "nchan on " + nginxVersion(t), "http://" + address}
}

// publish adds the messages from..to to the history.
func (n *nchan) publish(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		resp, err := http.Post(n.url+"/publish", "text/plain", strings.NewReader("message "+strconv.Itoa(i)))
		require.NoError(t, err)
		resp.Body.Close()
		require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, resp.StatusCode)
	}
}

// nextSecond waits until the IDs of nchan differ from those before: they are the second
// and a number, which begins at 0 again when the history is lost.
func nextSecond(t *testing.T) {
	t.Helper()
	now := time.Now().Unix()
	await(t, "the next second", func() bool { return time.Now().Unix() > now })
}

// messages returns the data of messages from..to.
func messages(from, to int) (data []string) {
	for i := from; i <= to; i++ {
		data = append(data, "message "+strconv.Itoa(i))
	}
	return data
}

// A cutter counts connections and breaks each of them after a number of bytes.
type cutter struct {
	connections atomic.Int32
	size        func(n int) int // of what the nth connection delivers
}

// client returns a client whose connections break.
func (c *cutter) client(t *testing.T) *http.Client {
	t.Helper()
	return newClient(t, &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return &cutConn{conn, c.size(int(c.connections.Add(1)))}, err
		},
	})
}

type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		c.Conn.Close()
		return 0, errors.New("the connection was cut")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// isLast returns whether an event completes a stream of n messages.
func isLast(n int) func(sse.Event) bool {
	return func(e sse.Event) bool { return e.Data == "message "+strconv.Itoa(n) }
}

func dataOf(events []sse.Event) (data []string) {
	for _, e := range events {
		data = append(data, e.Data)
	}
	return data
}

// The subscription reads a part of the history, then what is published while it reads.
// Each of its connections breaks, at every place of an event sooner or later.
func TestNchanCutConnections(t *testing.T) {
	n := startNchan(t)
	n.publish(t, 1, 30)
	published := make(chan struct{})
	go func() {
		defer close(published)
		n.publish(t, 31, 60)
	}()
	c := &cutter{size: func(n int) int { return 350 + 11*n }}
	events, err := read(sse.Subscribe(request(t, "GET", n.url+"/subscribe"), sse.WithHTTPClient(c.client(t)),
		withoutWaits, sse.WithTerminator(isLast(60))))
	<-published
	require.NoError(t, err)
	require.Equal(t, messages(1, 60), dataOf(events))
	id := regexp.MustCompile(`^\d+:\d+$`)
	for _, e := range events {
		require.Regexp(t, id, e.ID)
	}
	require.Greater(t, c.connections.Load(), int32(5))
	results.row(t, n.name, "cut connections", "%d of 60 messages in order, each once, over %d connections",
		len(events), c.connections.Load())
}

// A reload or a crash of its worker loses the history of nchan. The subscription resumes
// with what is published afterwards. The messages that it has not read are missing, and
// nothing tells that.
func TestNchanLosesItsHistory(t *testing.T) {
	for _, test := range []struct {
		name string
		lose func(t *testing.T, n *nchan)
	}{
		{"reload", func(t *testing.T, n *nchan) { reloadNginx(t, n.child) }},
		{"killed worker", func(t *testing.T, n *nchan) { killNginxWorker(t, n.child) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := startNchan(t)
			n.publish(t, 1, 20)
			var disconnects []error
			s, err := sse.Subscribe(request(t, "GET", n.url+"/subscribe"), withoutWaits, sse.WithTrace(&sse.Trace{
				Disconnect: func(err error) { disconnects = append(disconnects, err) },
			}))
			require.NoError(t, err)
			defer s.Close()
			require.Equal(t, messages(1, 20), next(t, s, 20))
			test.lose(t, n)
			nextSecond(t)
			go n.publish(t, 21, 40)
			require.Equal(t, messages(21, 40), next(t, s, 20), "after the history was lost")
			require.Equal(t, []error{nil}, disconnects, "the end of the connection is the end of the response")
			place := s.LastEventID()
			s.Close()

			n.publish(t, 41, 50) // while there is no subscriber
			test.lose(t, n)
			nextSecond(t)
			n.publish(t, 51, 60)
			events, err := read(sse.Subscribe(request(t, "GET", n.url+"/subscribe"), withoutWaits,
				sse.WithLastEventID(place), sse.WithTerminator(isLast(60))))
			require.NoError(t, err)
			require.Equal(t, messages(51, 60), dataOf(events))
			results.row(t, n.name, test.name, "clean end, then 20 of 20 new messages; missing: the 10 of 60 that were not read before")
		})
	}
}

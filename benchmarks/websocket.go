package benchmarks

import (
	"context"
	"net/http"
	"strconv"

	"github.com/coder/websocket"
)

// websocketClient returns a client that reads messages of github.com/coder/websocket, for
// the measurement of idle streams.
func websocketClient() Client {
	return Client{Name: "websocket", Path: "/websocket", Run: readWebSocket}
}

func readWebSocket(ctx context.Context, hc *http.Client, url string, on Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := dialWebSocket(ctx, hc, url)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if !on("", data) {
			return nil
		}
	}
}

// dialWebSocket is a separate function for the reason that openSubscription has.
func dialWebSocket(ctx context.Context, hc *http.Client, url string) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: hc})
	return conn, err
}

// websocket sends one message and then keeps the connection open. As the documentation of
// CloseRead asks of a server that only writes, another goroutine reads the frames of the
// client.
func (s *server) websocket(w http.ResponseWriter, r *http.Request) {
	size, _ := strconv.Atoi(r.FormValue("size"))
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the response has been sent
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(context.Background()) // not that of the request: see http.Hijacker
	if conn.Write(ctx, websocket.MessageText, []byte(block(size))) == nil {
		<-ctx.Done()
	}
}

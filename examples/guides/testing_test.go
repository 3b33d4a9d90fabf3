package guides_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// The code of docs/testing.md: a program, and its tests.

// complete returns the text of a response. Half a text is an error.
func complete(client *sse.Client, req *http.Request) (string, error) {
	stream, err := client.Fetch(req, sse.WithDone("[DONE]"))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for event, err := range stream.Events() {
		if err != nil {
			return "", err
		}
		text.WriteString(event.Data)
	}
	return text.String(), nil
}

type order struct {
	Item     string
	Quantity int
}

// decodeOrder returns the order of an event.
func decodeOrder(data []byte) (o order, err error) {
	if err := json.Unmarshal(data, &o); err != nil {
		return order{}, err
	}
	if o.Item == "" || o.Quantity <= 0 {
		return order{}, errors.New("not an order")
	}
	return o, nil
}

// followOrders calls handle for each order of a feed.
func followOrders(client *sse.Client, req *http.Request, handle func(order)) error {
	stream, err := client.Subscribe(req, sse.WithIdleTimeout(time.Minute))
	if err != nil {
		return err
	}
	for o, err := range sse.DecodeFunc(stream, decodeOrder) {
		if err != nil {
			return err
		}
		handle(o)
	}
	return nil
}

func TestComplete(t *testing.T) {
	srv := ssetest.NewServer(t, ssetest.InOrder(
		ssetest.Script{
			ssetest.WantHeader("Content-Type", "application/json"),
			ssetest.WantBody(`{"prompt":"Greet me."}`),
			ssetest.Data("Good ", "morning", "[DONE]"),
		},
	))
	client := sse.NewClient(sse.WithHTTPClient(srv.Client()))
	text, err := complete(client, srv.Post("/chat", `{"prompt":"Greet me."}`))
	require.NoError(t, err)
	require.Equal(t, "Good morning", text)
	require.Len(t, srv.Requests(), 1)
}

// Wherever the response is cut, the program has the whole text or an error.
func TestCutAtEveryPlace(t *testing.T) {
	const response = "data: Good \n\ndata: morning\n\ndata: [DONE]\n\n"
	for name, end := range map[string]ssetest.Script{
		"broken": {ssetest.Cut()}, // the connection breaks
		"ended":  {},              // a proxy ends the response cleanly
	} {
		t.Run(name, func(t *testing.T) {
			whole := 0
			for n := range len(response) + 1 {
				script := append(ssetest.Script{ssetest.Open(), ssetest.Raw(response[:n])}, end...)
				srv := ssetest.NewServer(t, ssetest.InOrder(script))
				text, err := complete(sse.NewClient(sse.WithHTTPClient(srv.Client())), srv.Post("/chat", "{}"))
				if err == nil {
					require.Equal(t, "Good morning", text, "cut after %q", response[:n])
					whole++
				}
				require.Len(t, srv.Requests(), 1) // a POST is not sent twice
			}
			require.Positive(t, whole)
			require.Less(t, whole, len("[DONE]"))
		})
	}
}

// A busy server asks for 30 seconds. In the bubble, they take no time.
func TestWaitsAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{ssetest.Answer(429, "Retry-After", "30"), ssetest.Raw("slow down")},
			ssetest.Script{ssetest.Data("Good morning", "[DONE]")},
		))
		_, err := complete(sse.NewClient(sse.WithHTTPClient(srv.Client())), srv.Post("/chat", "{}"))
		require.NoError(t, err)
		requests := srv.Requests()
		require.Len(t, requests, 2)
		require.Equal(t, 30*time.Second, requests[1].Time.Sub(requests[0].Time))
	})
}

// A refusal that does not pass is an error with the reason of the server.
func TestRefused(t *testing.T) {
	srv := ssetest.NewServer(t, ssetest.InOrder(
		ssetest.Script{ssetest.Answer(403, "Content-Type", "application/json"), ssetest.Raw(`{"error":"not your key"}`)},
	))
	_, err := complete(sse.NewClient(sse.WithHTTPClient(srv.Client())), srv.Post("/chat", "{}"))
	refusal, ok := errors.AsType[*sse.ResponseError](err)
	require.True(t, ok, err)
	require.Equal(t, 403, refusal.StatusCode)
	require.JSONEq(t, `{"error":"not your key"}`, string(refusal.Body))
	require.Len(t, srv.Requests(), 1)
}

// The connection becomes silent. The program resumes after a minute, until the server ends
// the feed with 204.
func TestResumesAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(
			ssetest.Script{
				ssetest.WantHeader("Last-Event-ID", ""),
				ssetest.Send(sse.Event{ID: "1", Data: `{"item":"tea","quantity":2}`}),
				ssetest.Wait(50 * time.Second), ssetest.Comment("ping"), // the connection is not dead yet
				ssetest.Stall(),
			},
			ssetest.Script{
				ssetest.WantHeader("Last-Event-ID", "1"),
				ssetest.Check(func(r *http.Request) {
					if r.URL.Query().Get("shop") != "north" {
						t.Errorf("the URL of the reconnect is %s", r.URL)
					}
				}),
				ssetest.Send(sse.Event{ID: "2", Data: `{"item":"milk","quantity":1}`}),
			},
			ssetest.Script{ssetest.WantHeader("Last-Event-ID", "2"), ssetest.Answer(204)},
		))
		var items []string
		err := followOrders(sse.NewClient(sse.WithHTTPClient(srv.Client())), srv.Get("/orders?shop=north"),
			func(o order) { items = append(items, o.Item) })
		require.NoError(t, err)
		require.Equal(t, []string{"tea", "milk"}, items)
		requests := srv.Requests()
		require.Len(t, requests, 3)
		require.GreaterOrEqual(t, requests[1].Time.Sub(requests[0].Time), 110*time.Second)
	})
}

// An order that is not one ends the program's loop. The program leaves no goroutine running,
// which would fail the bubble, and no connection open.
func TestLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data(`{"item":"tea"}`), ssetest.Stall()}))
		err := followOrders(sse.NewClient(sse.WithHTTPClient(srv.Client())), srv.Get("/orders"), func(order) {})
		require.ErrorContains(t, err, "not an order")

		srv.Client().CloseIdleConnections()
		synctest.Wait()
		require.Zero(t, srv.Open())
	})
}

// The file is a response of the real server, saved with curl.
func TestRecordedOrders(t *testing.T) {
	recorded, err := os.ReadFile("testdata/orders.sse")
	require.NoError(t, err)
	for _, size := range []int{1, 7, 4096} { // bytes at a time
		synctest.Test(t, func(t *testing.T) {
			srv := ssetest.NewServer(t, ssetest.InOrder(
				ssetest.Script{ssetest.Chunks(size), ssetest.Raw(string(recorded))},
				ssetest.Script{ssetest.Answer(204)},
			))
			var orders []order
			err := followOrders(sse.NewClient(sse.WithHTTPClient(srv.Client())), srv.Get("/orders"),
				func(o order) { orders = append(orders, o) })
			require.NoError(t, err)
			require.Equal(t, []order{{"tea", 2}, {"milk", 1}}, orders)
		})
	}
}

// A Parser reads a recording without a server.
func TestRecordedOrdersWithoutAServer(t *testing.T) {
	file, err := os.Open("testdata/orders.sse")
	require.NoError(t, err)
	defer file.Close()
	var orders []order
	for o, err := range sse.DecodeFunc(sse.NewParser(file), decodeOrder) {
		require.NoError(t, err)
		orders = append(orders, o)
	}
	require.Equal(t, []order{{"tea", 2}, {"milk", 1}}, orders)
}

// FuzzDecodeOrder gives the decoder any data that an event can have.
func FuzzDecodeOrder(f *testing.F) {
	f.Add(`{"item":"tea","quantity":2}`)
	f.Add("{\"item\":\"milk\",\n\"quantity\":-1}")
	f.Add("")
	f.Fuzz(func(t *testing.T, data string) {
		stream, err := sse.AppendEvent(nil, sse.Event{Data: data})
		if err != nil {
			return // no event has this data
		}
		for o, err := range sse.DecodeFunc(sse.NewParser(bytes.NewReader(stream)), decodeOrder) {
			if err == nil && (o.Item == "" || o.Quantity <= 0) {
				t.Errorf("%q decodes to %+v", data, o)
			}
			if err != nil && o != (order{}) {
				t.Errorf("%q decodes to %+v, with the error %v", data, o, err)
			}
		}
	})
}

// The server is not there yet. It runs on a real socket, as a program that is a child
// process needs it.
func TestServerComesLater(t *testing.T) {
	srv := ssetest.NewServer(t, ssetest.InOrder(
		ssetest.Script{ssetest.Data(`{"item":"tea","quantity":2}`)},
		ssetest.Script{ssetest.Answer(204)},
	), ssetest.Loopback())
	srv.Refuse(1)
	policy := sse.WithRetryPolicy(func(a sse.Attempt) (time.Duration, bool) { return 0, a.Retry }) // a test does not wait
	var orders []order
	err := followOrders(sse.NewClient(sse.WithHTTPClient(srv.Client()), policy), srv.Get("/orders"),
		func(o order) { orders = append(orders, o) })
	require.NoError(t, err)
	require.Equal(t, []order{{"tea", 2}}, orders)
	require.Len(t, srv.Requests(), 2) // the refused connection brought none
}

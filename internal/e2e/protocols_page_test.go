package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	. "github.com/fetchsse/sse/ssetest" //nolint:revive // steps read as a script without the package name
)

// The code of docs/protocols.md.

type rpcMessage struct{ Method, Result string }

var errWhole = errors.New("the response is JSON")

func rules(url string) sse.Option {
	return sse.JoinOptions(
		sse.WithResponseCheck(func(resp *http.Response) error {
			if resp.Header.Get("Content-Type") == "application/json" {
				return errWhole // the ResponseError will have the body
			}
			return sse.CheckResponse(resp)
		}),
		sse.WithTerminator(func(e sse.Event) bool {
			m, err := decodeMessage([]byte(e.Data))
			return err == nil && m.Result != ""
		}),
		sse.WithResume(func(ctx context.Context, a sse.Attempt) (*http.Request, error) {
			if a.LastEventID == "" {
				return nil, nil // the response is lost
			}
			return http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		}))
}

func decodeMessage(data []byte) (m rpcMessage, err error) {
	err = json.Unmarshal(data, &m)
	return m, err
}

func messages(c *sse.Client, req *http.Request) iter.Seq2[rpcMessage, error] {
	return func(yield func(rpcMessage, error) bool) {
		stream, err := c.Fetch(req)
		if refusal, ok := errors.AsType[*sse.ResponseError](err); ok && refusal.Err == errWhole {
			yield(decodeMessage(refusal.Body))
		} else if err != nil {
			yield(rpcMessage{}, err)
		} else {
			sse.DecodeFunc(stream, decodeMessage)(yield)
		}
	}
}

func TestProtocolsPage(t *testing.T) {
	progress, result := rpcMessage{Method: "progress"}, rpcMessage{Result: "42"}
	for _, tt := range []struct {
		name    string
		scripts []Script
		want    []rpcMessage
		err     string
	}{
		{"stream", []Script{{Data(`{"method":"progress"}`, `{"result":"42"}`)}}, []rpcMessage{progress, result}, ""},
		{"JSON", []Script{{Answer(200, "Content-Type", "application/json"), Raw(`{"result":"42"}`)}}, []rpcMessage{result}, ""},
		{"broken and resumed", []Script{
			{Retry(time.Second), Send(sse.Event{ID: "1", Data: `{"method":"progress"}`}), Cut()},
			{WantHeader("Last-Event-ID", "1"), Data(`{"result":"42"}`)},
		}, []rpcMessage{progress, result}, ""},
		{"broken and lost", []Script{{Data(`{"method":"progress"}`), Cut()}}, []rpcMessage{progress}, "broke after 1 event"},
		{"incomplete", []Script{{Data(`{"method":"progress"}`)}}, []rpcMessage{progress}, "without the completion event"},
		{"refused", []Script{{Answer(403)}}, nil, "403"},
	} {
		in(t, tt.name, func(t *testing.T) {
			srv := NewServer(t, InOrder(tt.scripts...))
			var got []rpcMessage
			var errs []string
			c := sse.NewClient(sse.WithHTTPClient(srv.Client()), rules(srv.URL))
			for m, err := range messages(c, srv.Post("/", "{}")) {
				if err != nil {
					errs = append(errs, err.Error())
					continue
				}
				got = append(got, m)
			}
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.err != "", len(errs) == 1, "%q", errs)
			require.Contains(t, strings.Join(errs, ""), tt.err)
			require.Len(t, srv.Requests(), len(tt.scripts))
		})
	}
}

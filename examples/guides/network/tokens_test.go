package network

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/ssetest"
)

// serveGuarded starts a server with a service for tokens at /token and a feed elsewhere.
// The functions get the number of the request to their part.
func serveGuarded(t *testing.T, token, feed func(n int) ssetest.Script) *ssetest.Server {
	tokens, feeds := 0, 0 // the program makes one request at a time
	return ssetest.NewServer(t, func(_ int, r *http.Request) ssetest.Script {
		if r.URL.Path == "/token" {
			tokens++
			return token(tokens)
		}
		feeds++
		return feed(feeds)
	})
}

// issue sends token n, which lasts for an hour.
func issue(n int) ssetest.Script {
	return ssetest.Script{
		ssetest.Answer(http.StatusOK, "Content-Type", "application/json"),
		ssetest.Raw(fmt.Sprintf(`{"access_token":"token %d","token_type":"Bearer","expires_in":3600}`, n)),
	}
}

func newSource(ctx context.Context, srv *ssetest.Server) func() oauth2.TokenSource {
	config := &clientcredentials.Config{
		ClientID: "me", ClientSecret: "secret", TokenURL: srv.URL + "/token",
		AuthStyle: oauth2.AuthStyleInHeader, // otherwise it tries two styles
	}
	client := srv.Client()
	return func() oauth2.TokenSource {
		// Neither the end of the request nor Close ends a wait for a token. This limits it.
		limited := &http.Client{Transport: client.Transport, Timeout: 10 * time.Second}
		return config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, limited))
	}
}

func TestTokens(t *testing.T) {
	wantToken := func(n int) ssetest.Step {
		return ssetest.WantHeader("Authorization", fmt.Sprintf("Bearer token %d", n))
	}
	synctest.Test(t, func(t *testing.T) {
		srv := serveGuarded(t, issue, func(n int) ssetest.Script {
			return []ssetest.Script{
				{wantToken(1), ssetest.Send(sse.Event{ID: "1", Data: "a"}), ssetest.Cut()},
				{wantToken(1), ssetest.Answer(http.StatusUnauthorized)},                                                 // revoked
				{wantToken(2), ssetest.Send(sse.Event{ID: "2", Data: "b"}), ssetest.Wait(2 * time.Hour), ssetest.Cut()}, // expired
				{wantToken(3), ssetest.Send(sse.Event{ID: "3", Data: "c"}), ssetest.Cut()},
				{wantToken(3), ssetest.Answer(http.StatusUnauthorized)},
				{wantToken(4), ssetest.Answer(http.StatusUnauthorized)}, // has another reason
			}[n-1]
		})
		tokens := NewTokens(newSource(t.Context(), srv))
		stream, err := sse.Subscribe(srv.Get("/feed"), sse.WithHTTPClient(srv.Client()), tokens.Option())
		require.NoError(t, err)
		var got strings.Builder
		for stream.Next() {
			got.WriteString(stream.Event().Data)
		}
		require.Equal(t, "abc", got.String())
		require.ErrorContains(t, stream.Err(), "401 Unauthorized")
		require.Len(t, srv.Requests(), 4+6)
	})
}

func TestTokensOfABusyService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := serveGuarded(t, func(n int) ssetest.Script {
			switch n {
			case 1:
				return ssetest.Script{ssetest.Answer(http.StatusServiceUnavailable)}
			case 2:
				return ssetest.Script{ssetest.Stall()}
			}
			return issue(n)
		}, func(int) ssetest.Script { return ssetest.Script{ssetest.Data("a"), ssetest.Stall()} })
		tokens := NewTokens(newSource(t.Context(), srv))
		stream, err := sse.Subscribe(srv.Get("/feed"), sse.WithHTTPClient(srv.Client()), tokens.Option())
		require.NoError(t, err)
		defer stream.Close()
		began := time.Now()
		require.True(t, stream.Next(), "%v", stream.Err())
		require.GreaterOrEqual(t, time.Since(began), 30*time.Second) // two waits and a timeout
	})
	synctest.Test(t, func(t *testing.T) {
		srv := serveGuarded(t, func(int) ssetest.Script {
			return ssetest.Script{ssetest.Answer(http.StatusUnauthorized)}
		}, func(int) ssetest.Script { return ssetest.Script{ssetest.Data("a")} })
		tokens := NewTokens(newSource(t.Context(), srv))
		_, err := sse.Subscribe(srv.Get("/feed"), sse.WithHTTPClient(srv.Client()), tokens.Option())
		require.ErrorIs(t, err, errNoToken)
		require.True(t, sse.NotSent(err))
	})
}

// The transport of oauth2 is simpler, and differs from WithPrepare.
func TestTransportOfOAuth2(t *testing.T) {
	client := func(srv *ssetest.Server) *http.Client {
		source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "secret"})
		return &http.Client{Transport: &oauth2.Transport{Source: source, Base: srv.Client().Transport}}
	}
	authorize := func(req *http.Request) error {
		req.Header.Set("Authorization", "Bearer secret")
		return nil
	}
	t.Run("another origin gets the token", func(t *testing.T) {
		redirect := ssetest.Script{ssetest.Answer(http.StatusTemporaryRedirect, "Location", "http://other.test/")}
		srv := ssetest.NewServer(t, ssetest.InOrder(
			redirect, ssetest.Script{ssetest.WantHeader("Authorization", "Bearer secret"), ssetest.Data("a")},
			redirect, ssetest.Script{ssetest.WantHeader("Authorization", ""), ssetest.Data("a")},
		))
		_, _, err := fetch(t, client(srv), srv.URL)
		require.NoError(t, err)
		_, _, err = fetch(t, srv.Client(), srv.URL, sse.WithPrepare(authorize))
		require.NoError(t, err)
		require.Len(t, srv.Requests(), 4)
	})
	t.Run("a failing source is retried", func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Answer(http.StatusUnauthorized)}))
		source := newSource(t.Context(), srv)()
		_, _, err := fetch(t, &http.Client{Transport: &oauth2.Transport{Source: source}}, srv.URL)
		_, ok := errors.AsType[*oauth2.RetrieveError](err)
		require.True(t, ok)
		require.True(t, sse.Retryable(err))
	})
	t.Run("NotSent is not certain", func(t *testing.T) {
		srv := ssetest.NewServer(t, ssetest.InOrder(ssetest.Script{ssetest.Data("a")}))
		srv.Refuse(2)
		_, _, err := fetch(t, client(srv), srv.URL)
		require.ErrorContains(t, err, "connection refused")
		require.False(t, sse.NotSent(err))
		_, _, err = fetch(t, srv.Client(), srv.URL, sse.WithPrepare(authorize))
		require.ErrorContains(t, err, "connection refused")
		require.True(t, sse.NotSent(err))
	})
}

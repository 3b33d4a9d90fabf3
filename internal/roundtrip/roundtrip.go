// Package roundtrip sends one request with the caller's http.Client, follows its
// redirects safely, and observes how far it came.
package roundtrip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fetchsse/sse/internal/body"
	"github.com/fetchsse/sse/internal/header"
	"github.com/fetchsse/sse/internal/redact"
)

// A Trip is one request with its redirects.
type Trip struct {
	client     http.Client    // the caller's
	requests   int            // sent so far, redirects included
	last       *http.Response // of the last request, nil if it has none
	leftOrigin bool
	askToClose bool // see OwnConnection

	target    atomic.Pointer[url.URL] // of the last request
	dialing   atomic.Bool             // the transport looked for a connection
	connected atomic.Bool             // and got one
	proxied   atomic.Bool             // it looked for one to a proxy
	handshake atomic.Bool             // a TLS handshake has begun
	conns     atomic.Int32            // new connections for the last request

	watched bool        // a round tripper that is not of net/http got a body that tells
	used    atomic.Bool // whether it was used
}

// maxConns is the number of new connections that net/http may use for one request. It
// retries without a wait, and without an end if an HTTP/2 server sends GOAWAY on each.
const maxConns = 5

// ErrNoConnLasts reports that a server has ended maxConns connections without processing
// the request.
var ErrNoConnLasts error = redact.Safe(fmt.Sprintf("the server ended each of %d new connections before its response", maxConns))

// New returns a Trip for a request to be sent with a copy of hc, nil meaning
// [http.DefaultClient].
func New(hc *http.Client) *Trip {
	return &Trip{client: *cmp.Or(hc, http.DefaultClient)}
}

// OwnConnection makes the request use a new connection that no other request shares: those
// in the pool may be dead without net/http knowing it, as after a change of the network,
// and over HTTP/2 each retry would go back into the same one. It returns the idle ones of
// the pool to the system. Other requests on a dead connection find out by themselves.
//
// A copy of the transport has a new connection, but not the round trippers of
// RegisterProtocol. The transport is copied only if the connection that was given up was
// pooled: if it was one of net/http. Other round trippers can only be asked to close it.
func (t *Trip) OwnConnection(pooled bool) {
	t.client.CloseIdleConnections()
	transport, ok := t.transport().(*http.Transport)
	if !ok || !pooled {
		t.askToClose = true
		return
	}
	own := transport.Clone()
	if own.TLSNextProto["h2"] != nil {
		// The HTTP/2 of golang.org/x/net/http2.ConfigureTransport would put the connection
		// into its pool, which has the dead one. The HTTP/2 of net/http does not know the
		// settings of its Transport, such as ReadIdleTimeout, but those of transport.HTTP2.
		own.TLSNextProto, own.ForceAttemptHTTP2 = nil, true
	}
	own.DisableKeepAlives = true // it ends with the response
	t.client.Transport = own
}

// Do sends req and follows redirects as the client does. Its Timeout is not applied,
// since it would include the body. Headers that may be secret do not follow a redirect
// to another origin. The error is without the *url.Error around it, which shows the query,
// and the words of net/http in it are redacted. Those of the caller's functions are not.
//
// It calls cancel with [ErrNoConnLasts] to end the request if net/http sends it over one
// connection after the other. cancel must end its context.
func (t *Trip) Do(req *http.Request, cancel context.CancelCauseFunc) (*http.Response, error) {
	hc := t.client
	req.Close = req.Close || t.askToClose
	hc.Transport = t
	hc.Timeout = 0
	hc.CheckRedirect = t.checkRedirect
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: t.getConn,
		GotConn: func(info httptrace.GotConnInfo) {
			t.connected.Store(true)
			if t.isOfNetHTTP() && !info.Reused && t.conns.Add(1) > maxConns {
				cancel(ErrNoConnLasts)
			}
		},
		TLSHandshakeStart: func() { t.handshake.Store(true) },
	}))
	t.makeInterruptible(req)
	resp, err := hc.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if context.Cause(req.Context()) == ErrNoConnLasts {
		if resp != nil {
			resp.Body.Close()
		}
		t.last = nil
		return nil, ErrNoConnLasts
	}
	if err != nil {
		err = redact.Transport(t.refusedByProxy(err))
	}
	return resp, err
}

// makeInterruptible makes the end of the context of req end the reading of its body.
func (t *Trip) makeInterruptible(req *http.Request) {
	sent, ok := body.Interruptible(req.Context(), req.Body)
	if !ok {
		return
	}
	req.Body = sent
	if again := req.GetBody; again != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			b, err := again()
			if err == nil {
				b, _ = body.Interruptible(req.Context(), b)
			}
			return b, err
		}
	}
}

// RoundTrip implements [http.RoundTripper] for the client of Do.
func (t *Trip) RoundTrip(req *http.Request) (*http.Response, error) {
	t.requests++
	t.last = nil
	t.target.Store(req.URL)
	t.connected.Store(false)
	t.proxied.Store(false)
	t.handshake.Store(false)
	t.conns.Store(0)
	resp, err := t.transport().RoundTrip(t.watch(req))
	if err == nil {
		t.last = resp
	}
	return resp, err
}

// watch returns req with a body that tells whether it was used, if a round tripper that is
// not of net/http gets it.
func (t *Trip) watch(req *http.Request) *http.Request {
	if t.isOfNetHTTP() || req.Body == nil || req.Body == http.NoBody {
		return req
	}
	t.watched = true
	r := *req
	r.Body = &watchedBody{req.Body, &t.used}
	if req.GetBody != nil {
		r.GetBody = func() (io.ReadCloser, error) {
			t.used.Store(true)
			return req.GetBody()
		}
	}
	return &r
}

type watchedBody struct {
	io.ReadCloser
	used *atomic.Bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.used.Store(true)
	return b.ReadCloser.Read(p)
}

// getConn is called when the transport looks for a connection to addr, with a host and a
// port: those of the server or of a proxy.
func (t *Trip) getConn(addr string) {
	t.dialing.Store(true)
	target := t.target.Load()
	t.proxied.Store(addr != net.JoinHostPort(target.Hostname(), port(target)))
}

// refusedByProxy returns an error that tells so if a proxy has refused to connect to the
// server, and err otherwise. The error of net/http for that is only the text of the status
// line, of which those of the standard are shown.
func (t *Trip) refusedByProxy(err error) error {
	if reflect.TypeOf(err) != reflect.TypeOf(io.EOF) || !t.proxied.Load() || t.connected.Load() || t.target.Load().Scheme != "https" {
		return err
	}
	for code := 300; code < 600; code++ {
		if text := http.StatusText(code); text != "" && strings.EqualFold(text, err.Error()) {
			return redact.Safe(fmt.Sprintf("the proxy refused: %d %s", code, text))
		}
	}
	transport, ok := t.transport().(*http.Transport)
	if !ok || t.handshake.Load() || transport.OnProxyConnectResponse != nil || transport.GetProxyConnectHeader != nil ||
		redact.Words(err) != "" {
		return err // of a function of the caller, or of another kind
	}
	return redact.Safe("the proxy refused the connection")
}

func (t *Trip) transport() http.RoundTripper {
	return cmp.Or(t.client.Transport, http.DefaultTransport)
}

// isOfNetHTTP reports whether the request goes to the transport of net/http, and not to a
// round tripper of the caller.
func (t *Trip) isOfNetHTTP() bool {
	_, ok := t.transport().(*http.Transport)
	return ok
}

// EndsReads reports whether the end of the request's context ends a Read of the body of
// resp. It does over HTTP/1 with the transport of net/http, also within another round
// tripper: that transport reports its connections. Over HTTP/2 it does not while the request
// body is being sent, so for HTTP/2 the result is false; nor does it after 101 Switching
// Protocols, which leaves the connection to the caller.
func (t *Trip) EndsReads(resp *http.Response) bool {
	return t.connected.Load() && resp.ProtoMajor == 1 &&
		resp.StatusCode != http.StatusSwitchingProtocols
}

// Unsent reports whether the request certainly did not reach a server. The proof is that
// the transport of net/http looked for a connection and got none. Another round tripper may
// have sent the request elsewhere before, whatever its error is, unless the request has a
// body that it has not used.
func (t *Trip) Unsent() bool {
	return t.dialing.Load() && !t.connected.Load() && t.requests == 1 &&
		(t.isOfNetHTTP() || t.watched && !t.used.Load())
}

// Pooled reports whether the transport has looked for a connection in a pool, as net/http
// does. A round tripper of RegisterProtocol, such as one for HTTP/3, does not.
func (t *Trip) Pooled() bool {
	return t.dialing.Load() && (t.last == nil || t.last.ProtoMajor <= 2)
}

// Redirected reports whether a server responded with a redirect that was followed. That
// server may have processed the request.
func (t *Trip) Redirected() bool { return t.requests > 1 }

// LeftOrigin reports whether a redirect led to another origin, where the caller's headers
// were not sent.
func (t *Trip) LeftOrigin() bool { return t.leftOrigin }

// LastResponse returns the response to the last request, even if Do returned an error:
// that is then about the redirect in this response.
func (t *Trip) LastResponse() *http.Response { return t.last }

func (t *Trip) checkRedirect(req *http.Request, via []*http.Request) error {
	if (req.URL.Scheme != "http" && req.URL.Scheme != "https") || req.URL.Host == "" {
		return errors.New("the redirect does not lead to an http or https URL")
	}
	if leavesOrigin(req, via) {
		t.leftOrigin = true
		removeSecrets(req)
	}
	if t.client.CheckRedirect != nil {
		return t.client.CheckRedirect(req, via)
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// leavesOrigin reports whether any redirect led away from the origin of the first
// request, even if a later one leads back.
func leavesOrigin(req *http.Request, via []*http.Request) bool {
	home := origin(via[0].URL)
	away := func(r *http.Request) bool { return origin(r.URL) != home }
	return away(req) || slices.ContainsFunc(via, away)
}

// removeSecrets removes all headers of a redirected request but those known to be safe.
// The Referer is not: it has the query of the previous request.
func removeSecrets(req *http.Request) {
	for key := range req.Header {
		switch key {
		case "Accept", "Cache-Control", "Content-Type", "User-Agent", header.LastEventID:
		default:
			delete(req.Header, key)
		}
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Host = ""
}

// origin returns the scheme, host and port of u.
func origin(u *url.URL) string {
	return u.Scheme + "://" + lowerASCII(u.Hostname()) + ":" + port(u)
}

// port returns the port of u, or that of its scheme.
func port(u *url.URL) string {
	if u.Port() == "" && u.Scheme == "http" {
		return "80"
	}
	return cmp.Or(u.Port(), "443")
}

// lowerASCII returns s with its ASCII letters in lower case. Other letters stay: folding
// them would make one host of two that DNS tells apart.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

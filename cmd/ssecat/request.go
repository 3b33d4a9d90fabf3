package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/internal/redact"
)

// request returns the request of the command line.
func (o *options) request(ctx context.Context) (*http.Request, error) {
	var body io.Reader
	if o.body != nil {
		body = bytes.NewReader(o.body) // NewRequest sets GetBody, which a reconnect needs
	}
	req, err := http.NewRequestWithContext(ctx, o.method, o.url.String(), body)
	if err != nil {
		return nil, errors.New("the URL or the method is invalid")
	}
	maps.Copy(req.Header, o.header)
	req.Host = o.header.Get("Host") // net/http ignores Host in req.Header
	if o.body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", o.contentType())
	}
	if o.json && req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "text/event-stream")
	}
	if o.user != "" {
		user, password, _ := strings.Cut(o.user, ":")
		req.SetBasicAuth(user, password)
	}
	return req, nil
}

// transport returns the transport of the command line.
func (o *options) transport() (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{InsecureSkipVerify: o.insecure}
	if o.cacert != "" {
		pem, err := os.ReadFile(o.cacert)
		if err != nil {
			return nil, usageError{fmt.Errorf("--cacert: %w", err)}
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usageError{errors.New("--cacert: the file has no PEM certificate")}
		}
	}
	if o.proxy != nil {
		t.Proxy = http.ProxyURL(o.proxy)
	}
	if o.http1 || o.http2 {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(o.http1)
		t.Protocols.SetHTTP2(o.http2)
		t.Protocols.SetUnencryptedHTTP2(o.http2)
	}
	return t, nil
}

// checkStatus is the check of --any-type: the media type does not matter.
func checkStatus(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return sse.CheckResponse(resp)
}

// A tap sees the bytes of the responses: it counts them, prints them with --raw and records
// them with --record.
type tap struct {
	*http.Transport // also for CloseIdleConnections
	status          *status
	stop            context.CancelCauseFunc // ends the stream
	screen          *screen                 // nil without --raw
	rec             *recorder               // nil without --record
	last            *tapBody                // of the last response
}

func newTap(o *options, s *status, scr *screen, stop context.CancelCauseFunc) (*tap, error) {
	t := &tap{status: s, stop: stop}
	if o.raw {
		t.screen = scr
	}
	var err error
	if t.Transport, err = o.transport(); err != nil {
		return nil, err
	}
	if o.record != "" {
		if t.rec, err = newRecorder(o); err != nil {
			return nil, writeError{err}
		}
	}
	return t, nil
}

func (t *tap) client() *http.Client { return &http.Client{Transport: t} }

func (t *tap) close() error { return t.rec.close() }

// RoundTrip implements [http.RoundTripper].
func (t *tap) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := t.Transport.RoundTrip(req)
	if err != nil {
		err = redact.Transport(err) // what package sse does to the errors of net/http itself
		t.rec.request(began, req, nil, err)
		return nil, err
	}
	t.last = &tapBody{ReadCloser: resp.Body, tap: t, ctx: req.Context()}
	if resp.StatusCode/100 != 3 { // a redirect would lead a replay to the real server
		t.last.rec = t.rec
		t.rec.request(began, req, resp, nil)
	}
	resp.Body = t.last
	return resp, nil
}

// A tapBody is a body that a tap sees.
type tapBody struct {
	io.ReadCloser
	tap      *tap
	rec      *recorder
	ctx      context.Context // of the request
	accepted bool            // it is that of an event stream
	once     sync.Once       // of end
}

func (b *tapBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.tap.status.read(n)
		b.rec.data(p[:n])
		if b.accepted && b.tap.screen != nil {
			if failed := b.tap.screen.print("", p[:n]); failed != nil {
				b.tap.stop(writeError{failed}) // an error of Read would be a reason to reconnect
				return n, failed
			}
		}
	}
	if err != nil {
		b.end(err, b.ctx.Err() != nil)
	}
	return n, err
}

// end records the end of the body, once: it is read to its end and then closed, perhaps by
// another goroutine.
func (b *tapBody) end(err error, gone bool) {
	b.once.Do(func() { b.rec.end(err, gone) })
}

func (b *tapBody) Close() error {
	b.end(nil, true)
	return b.ReadCloser.Close()
}

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// A recording is a file of JSON lines. The first tells what was asked for, and the others
// what happened when. It has no query, no request header and no header that may be secret,
// but all that the server has sent in the stream.
//
//	{"ssecat":1,"method":"GET","url":"https://example.com/feed","subscribe":true,"time":"2026-01-02T15:04:05Z"}
//	{"at":0.01,"request":{"last_event_id":"41"},"response":{"status":200,"header":{"Content-Type":["text/event-stream"]}},"opened":0.2}
//	{"at":0.25,"data":"id: 42\ndata: news\n\n"}
//	{"at":3.5,"end":"cut","reason":"unexpected EOF"}
type recording struct {
	Version   int       `json:"ssecat"`
	Method    string    `json:"method"`
	URL       string    `json:"url"`
	Subscribe bool      `json:"subscribe"`
	Time      time.Time `json:"time"`
}

// A record is a line of a recording. It has a Request, Data or Base64, or an End.
type record struct {
	At float64 `json:"at"` // seconds since the start

	// An attempt, with its response at Opened unless there was none.
	Request  *recordedRequest  `json:"request,omitempty"`
	Response *recordedResponse `json:"response,omitempty"`
	Opened   float64           `json:"opened,omitempty"`

	// Bytes of the body. Base64 has those that are not UTF-8.
	Data   string `json:"data,omitempty"`
	Base64 []byte `json:"base64,omitempty"`

	// The end of the response.
	End    end    `json:"end,omitempty"`
	Reason string `json:"reason,omitempty"`
}

type recordedRequest struct {
	LastEventID string `json:"last_event_id"`
}

type recordedResponse struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
}

// An end is how a response ended.
type end string

const (
	clean end = "clean"
	cut   end = "cut"  // the connection broke, or there was no response
	left  end = "left" // by ssecat
)

// A recorder writes a recording. A nil recorder does nothing.
type recorder struct {
	mu    sync.Mutex
	file  *os.File
	start time.Time
	err   error // the first of writing
}

func newRecorder(o *options) (*recorder, error) {
	file, err := os.OpenFile(o.record, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	r := &recorder{file: file, start: time.Now()}
	bare := *o.url
	bare.User, bare.RawQuery, bare.Fragment = nil, "", ""
	r.write(recording{Version: 1, Method: o.method, URL: bare.String(), Subscribe: o.subscribe, Time: r.start})
	return r, r.err
}

// write writes a line.
func (r *recorder) write(v any) {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = r.file.Write(append(text, '\n'))
	}
	if r.err == nil {
		r.err = err
	}
}

func (r *recorder) at(t time.Time) float64 { return float64(t.Sub(r.start).Microseconds()) / 1e6 }

// request records an attempt that began at a time, with its response or its error.
func (r *recorder) request(began time.Time, req *http.Request, resp *http.Response, failure error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	line := record{At: r.at(began), Request: &recordedRequest{req.Header.Get("Last-Event-ID")}, Opened: r.at(time.Now())}
	if resp == nil {
		line.End, line.Reason = cut, failure.Error()
	} else {
		header := http.Header{}
		for name, values := range resp.Header {
			if isPublic(name) {
				header[name] = values
			}
		}
		line.Response = &recordedResponse{resp.StatusCode, header}
	}
	r.write(line)
}

// data records bytes of the body.
func (r *recorder) data(b []byte) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	line := record{At: r.at(time.Now())}
	if utf8.Valid(b) {
		line.Data = string(b)
	} else {
		line.Base64 = b
	}
	r.write(line)
}

// end records the end of the response.
func (r *recorder) end(err error, gone bool) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	line := record{At: r.at(time.Now()), End: clean}
	switch {
	case err == io.EOF:
	case gone:
		line.End = left
	default:
		line.End, line.Reason = cut, err.Error()
	}
	r.write(line)
}

// close closes the file and returns the first error of writing.
func (r *recorder) close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.file.Close(); r.err == nil {
		r.err = err
	}
	return r.err
}

package benchmarks

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"time"
)

// idle measures the memory and the goroutines of a stream that waits after its first event.
func (j Job) idle() (Result, error) {
	c, err := find(Clients(), j.Client)
	if err != nil {
		return nil, err
	}
	if j.Profile != "" {
		runtime.MemProfileRate = 1
	}
	before := usage()
	stop, err := j.open(c)
	if err != nil {
		return nil, err
	}
	defer stop()
	after := usage()
	if j.Profile != "" {
		if err := writeProfile(j.Profile); err != nil {
			return nil, err
		}
	}
	return j.perStream("", before, after), nil
}

// idleBoth measures a stream as idle does, in the process of the client and in that of the
// server. The server must have no other streams.
func (j Job) idleBoth() (Result, error) {
	c, err := find(append(Clients(), websocketClient()), j.Client)
	if err != nil {
		return nil, err
	}
	serverBefore, err := j.serverUsage()
	if err != nil {
		return nil, err
	}
	before := usage()
	stop, err := j.open(c)
	if err != nil {
		return nil, err
	}
	defer stop()
	after := usage()
	serverAfter, err := j.serverUsage()
	if err != nil {
		return nil, err
	}
	r := j.perStream("client-", before, after)
	maps.Copy(r, j.perStream("server-", serverBefore, serverAfter))
	return r, nil
}

// open opens the streams of j and reads the first event of each. It returns a function that
// ends them.
func (j Job) open(c Client) (stop func(), err error) {
	newClient := func() *http.Client {
		hc := j.httpClient()
		t := hc.Transport.(*http.Transport)
		t.ReadBufferSize, t.WriteBufferSize = c.Buffers, c.Buffers
		return hc
	}
	shared := newClient()
	path := "/idle"
	if c.Path != "" {
		path = c.Path
	}
	url := j.url(path + "?size=" + strconv.Itoa(j.Size))
	ctx, cancel := context.WithCancel(context.Background())
	opened := make(chan error, j.N)
	const atOnce = 32
	slots := make(chan struct{}, atOnce)
	for range j.N {
		slots <- struct{}{}
		hc := shared // as an argument it would enlarge the stack of the goroutine
		if j.Apart {
			hc = newClient()
		}
		go func() {
			got := 0
			err := c.Run(ctx, hc, url, func(_ string, data []byte) bool {
				was := got
				got += len(data)
				if !c.Raw && was == 0 || c.Raw && was < j.Size && got >= j.Size {
					<-slots
					opened <- nil
				}
				return true
			})
			select {
			case <-ctx.Done():
			case opened <- errorOr(err, "the stream ended"):
				select {
				case <-slots: // the next one may open, so that the error is reported
				default:
				}
			}
		}()
	}
	for range j.N {
		if err := <-opened; err != nil {
			cancel()
			return nil, err
		}
	}
	time.Sleep(200 * time.Millisecond)
	return cancel, nil
}

// perStream returns the differences between two results of usage, divided by the streams.
func (j Job) perStream(prefix string, before, after map[string]float64) Result {
	r := Result{}
	for name := range after {
		r[prefix+name+"/stream"] = (after[name] - before[name]) / float64(j.N)
	}
	return r
}

// serverUsage returns the usage of the process of the server.
func (j Job) serverUsage() (u map[string]float64, err error) {
	err = j.get("/usage", &u)
	return u, err
}

// usage returns the memory and the goroutines of the process after garbage collections.
func usage() map[string]float64 {
	for range 6 { // each collection halves a stack at most; a pool needs two to be emptied
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return map[string]float64{
		"heap-B":     float64(m.HeapAlloc),
		"inuse-B":    float64(m.HeapInuse),
		"stack-B":    float64(m.StackInuse),
		"rss-B":      resident(),
		"goroutines": float64(runtime.NumGoroutine()),
	}
}

// resident returns the resident memory of the process, or 0 if it is unknown.
func resident() float64 {
	b, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(b)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(string(fields[1]))
	return float64(pages * os.Getpagesize())
}

func writeProfile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.Lookup("heap").WriteTo(f, 0)
}

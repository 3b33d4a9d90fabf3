package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A relay reads its share of the sources.
type relay struct {
	config  config
	log     *slog.Logger
	metrics *metrics
	nc      *nats.Conn
	broker  *broker
	leases  *leases
	slots   chan struct{} // for the publishes of all sources

	ended chan string         // the names of sources that this relay does not have any more
	owned map[string]*running // by name
}

// running is a source that this relay has.
type running struct {
	stop     context.CancelFunc
	stopping bool
}

func newRelay(c config, log *slog.Logger) *relay {
	return &relay{
		config:  c,
		log:     log,
		metrics: newMetrics(c.Sources),
		slots:   make(chan struct{}, maxPublishes),
		ended:   make(chan string),
		owned:   map[string]*running{},
	}
}

// run relays until ctx ends.
func (r *relay) run(ctx context.Context) (err error) {
	if r.nc, err = connect(r.config, r.log); err != nil {
		return err
	}
	defer r.nc.Close()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", r.config.Listen)
	if err != nil {
		return err
	}
	stop := serve(l, r.handler())
	defer stop()
	r.log.Info("listening on http://" + l.Addr().String())
	if err := r.open(ctx); ctx.Err() != nil {
		return nil
	} else if err != nil {
		return err
	}
	r.share(ctx)
	return nil
}

// connect returns a connection to NATS. It connects again after each disconnect.
func connect(c config, log *slog.Logger) (*nats.Conn, error) {
	nc, err := nats.Connect(c.NATS,
		nats.Name(c.Name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // the users of the server may change
		nats.ReconnectWait(500*time.Millisecond),
		nats.ReconnectBufSize(-1), // the publishers repeat themselves
		nats.ConnectHandler(func(nc *nats.Conn) { log.Info("connected to NATS", "server", nc.ConnectedUrlRedacted()) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted()) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("cannot connect to NATS", "error", err) }),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() {
				log.Warn("disconnected from NATS", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS reports an error", "error", err) }),
	)
	if _, ok := errors.AsType[*url.Error](err); ok {
		// The error may have the password in it.
		return nil, errors.New("the URL of NATS is invalid; special characters in a password need percent-encoding")
	}
	return nc, err
}

// open opens the stream and the bucket. It waits for NATS.
func (r *relay) open(ctx context.Context) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		request, cancel := context.WithTimeout(ctx, requestLimit)
		b, err := openBroker(request, r.nc, r.config)
		if err == nil {
			r.broker = b
			r.leases, err = openLeases(request, b.js, r.config)
		}
		cancel()
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[*setupError](err); ok {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.log.Warn("cannot open the stream and the bucket", "wait", wait, "error", err)
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// share relays this relay's share of the sources until ctx ends, and gives them back then.
func (r *relay) share(ctx context.Context) {
	var sources sync.WaitGroup
	for tick := time.NewTimer(0); ctx.Err() == nil; {
		select {
		case <-tick.C:
			if err := r.balance(ctx, &sources); err != nil && ctx.Err() == nil {
				r.log.Warn("cannot find out which sources are free", "error", err)
			}
			tick.Reset(r.config.Lease / 3)
		case name := <-r.ended:
			delete(r.owned, name)
		case <-ctx.Done():
		}
	}
	r.log.Info("stopping", "sources", len(r.owned))
	for len(r.owned) > 0 {
		delete(r.owned, <-r.ended)
	}
	sources.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestLimit)
	defer cancel()
	if err := r.leases.leave(last); err != nil {
		r.log.Warn("cannot leave the other relays", "error", err)
	}
	r.log.Info("stopped")
}

// balance acquires free sources up to this relay's share, and gives back those over it.
func (r *relay) balance(ctx context.Context, sources *sync.WaitGroup) error {
	ctxSurvey, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	relays, taken, err := r.leases.survey(ctxSurvey, r.config.Sources)
	if err != nil {
		return err
	}
	all := r.config.Sources
	share := (len(all) + relays - 1) / relays
	count := 0
	for _, s := range r.owned {
		if s.stopping {
			continue
		}
		if count++; count > share {
			s.stopping = true
			s.stop()
		}
	}
	for _, i := range rand.Perm(len(all)) { // relays that start together try different ones
		s := all[i]
		if count >= share || taken[s.Name] || r.owned[s.Name] != nil {
			continue
		}
		lease, err := r.leases.acquire(ctxSurvey, s.Name)
		if errors.Is(err, errTaken) {
			continue
		} else if err != nil {
			return err
		}
		count++
		own, stop := context.WithCancel(ctx)
		r.owned[s.Name] = &running{stop: stop}
		sources.Go(func() {
			defer stop()
			(&source{s, r, lease, r.log.With("source", s.Name)}).run(own)
			r.ended <- s.Name
		})
	}
	return nil
}

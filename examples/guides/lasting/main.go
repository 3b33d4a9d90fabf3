// Lasting keeps the balances of accounts in a SQLite database, from feeds of payments to
// which it subscribes for weeks. It counts each payment once, whatever fails: a connection,
// the token, a server, or the program itself. Each argument is the name and URL of a feed:
//
//	go run ./lasting -login https://login.example.com/token north=https://bank.example.com/payments
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"expvar"
	"flag"
	"log"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fetchsse/sse"
	_ "modernc.org/sqlite"
)

// The schema has the balances, and for each feed the ID of its last payment.
const schema = `
CREATE TABLE IF NOT EXISTS balance (account TEXT PRIMARY KEY, cents INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS place (feed TEXT PRIMARY KEY, id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rejected (feed TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL);`

var (
	file     = flag.String("db", "balances.db", "keep the balances in this `file`")
	loginURL = flag.String("login", "", "get tokens with a POST to this `URL`")
	metrics  = flag.String("metrics", "localhost:8090", "serve /debug/vars on this `address`")
	pause    = flag.Duration("pause", time.Minute, "start a failed feed again after this `time` or up to twice as much")
)

// A feed is a subscription with its database, counters and log.
type feed struct {
	name, url string
	db        *sql.DB
	counts    *expvar.Map
	log       *slog.Logger
}

// A payment is the data of an event.
type payment struct {
	Account string
	Cents   int64
	Time    time.Time
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := sql.Open("sqlite", "file:"+*file+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1) // SQLite has one writer
	if _, err := db.Exec(schema); err != nil {
		log.Fatal(err)
	}
	go func() { slog.Error("no metrics", "err", http.ListenAndServe(*metrics, nil)) }()

	client, all := newClient(), expvar.NewMap("feeds")
	var running sync.WaitGroup
	for _, arg := range flag.Args() {
		name, url, _ := strings.Cut(arg, "=")
		f := &feed{name, url, db, new(expvar.Map), slog.With("feed", name)}
		all.Set(name, f.counts)
		running.Go(func() { f.supervise(ctx, client) })
	}
	running.Wait()
	if err := db.Close(); err != nil {
		log.Fatal(err)
	}
}

// supervise follows the feed until the context or the server ends it. After an error that
// the subscription does not retry, it starts the feed again, since a person may mend the
// cause: a permission, a full disk.
func (f *feed) supervise(ctx context.Context, client *sse.Client) {
	for {
		err := f.follow(ctx, client)
		if err == nil || ctx.Err() != nil {
			f.log.Info("ended", "err", err)
			return
		}
		f.log.Error("failed", "err", err) // a person has to look at this
		f.counts.Add("failures", 1)
		select {
		case <-ctx.Done():
		case <-time.After(*pause + rand.N(*pause)):
		}
	}
}

// follow subscribes to the feed after the place in the database.
func (f *feed) follow(ctx context.Context, client *sse.Client) error {
	var place string
	_, err := f.db.Exec("INSERT INTO place VALUES (?, '') ON CONFLICT DO NOTHING", f.name)
	if err := errors.Join(err, f.db.QueryRow("SELECT id FROM place WHERE feed = ?", f.name).Scan(&place)); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return err
	}
	stream, err := client.Subscribe(req, sse.WithLastEventID(place), f.observe(), renewToken())
	if err != nil {
		return err
	}
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		if place != "" && event.ID == place { // the server has sent the last event again
			f.counts.Add("repeated", 1)
			continue
		}
		if err := f.apply(event, place); err != nil {
			return err
		}
		place = event.ID
	}
	return nil // the server has ended the feed
}

// apply adds a payment to its account and moves the place to it, both or neither. It has no
// context, so that the end of the program does not interrupt it.
func (f *feed) apply(event sse.Event, place string) error {
	tx, err := f.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // without effect after Commit
	var p payment
	isPayment := json.Unmarshal([]byte(event.Data), &p) == nil
	if isPayment {
		_, err = tx.Exec("INSERT INTO balance VALUES (?, ?) ON CONFLICT DO UPDATE SET cents = cents + excluded.cents", p.Account, p.Cents)
	} else {
		_, err = tx.Exec("INSERT INTO rejected VALUES (?, ?, ?)", f.name, event.ID, event.Data)
	}
	if err != nil {
		return err
	}
	moved, err := tx.Exec("UPDATE place SET id = ? WHERE feed = ? AND id = ?", event.ID, f.name, place)
	if err != nil {
		return err
	}
	if n, err := moved.RowsAffected(); n != 1 {
		return errors.Join(errors.New("another program has moved the place"), err)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if isPayment {
		f.measure(p)
	}
	return nil
}

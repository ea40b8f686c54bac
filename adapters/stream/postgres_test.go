package stream_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/stream"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// Two processes on one database, eight writers, and a listening connection
// that is cut in the middle: each watcher is told of each event once, both in
// the same order, and somebody who reconnects elsewhere goes on where they were.
func TestTwoProcesses(t *testing.T) {
	one, two := postgrestest.Open(t), postgrestest.Another(t)
	us := postgrestest.Tenant(t, one)
	const writers, each = 8, 25
	here, there := watch(t, one, us, ""), watch(t, two, us, "")
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range each {
				if err := one.Events().Update(t.Context(), us, func(tx events.Tx) error {
					_, err := tx.Emit(t.Context(), events.Draft{Type: events.PostUpdated, Subject: id.New("post")})
					return err
				}); err != nil {
					t.Error(err)
				}
				if i == each/2 {
					postgrestest.Exec(t, one, `select pg_terminate_backend(pid) from pg_stat_activity
						where datname = current_database() and query like 'listen %'`)
				}
			}
		})
	}
	var first, second []events.ID
	for len(first) < writers*each {
		first = append(first, here(t))
	}
	for len(second) < writers*each {
		second = append(second, there(t))
	}
	wg.Wait()
	seen := map[events.ID]bool{}
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("%d: %s here, %s there", i, first[i], second[i])
		}
		seen[first[i]] = true
	}
	if len(seen) != writers*each {
		t.Errorf("%d events of %d", len(seen), writers*each)
	}
	moved := watch(t, two, us, events.Cursor(first[100]))
	for i := 101; i < len(first); i++ {
		if got := moved(t); got != first[i] {
			t.Fatalf("after a move: %s, want %s", got, first[i])
		}
	}
}

// watch opens a stream in a process of its own and returns its next event.
func watch(t *testing.T, db *postgres.DB, who tenants.ID, last events.Cursor) func(*testing.T) events.ID {
	t.Helper()
	source := events.New(db.Events(), allowAll{}, eventstest.Sealer{}, nil, time.Now)
	hub := stream.New(source, db.ListenEvents, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = hub.Run(ctx) }()
	s, err := hub.Subscribe(t.Context(), tenants.SystemScope(who), last, nil)
	must(t, err)
	t.Cleanup(func() { s.Close(); cancel(); <-done })
	if m := next(t, s); m.Kind != stream.Ready {
		t.Fatalf("first = %+v", m)
	}
	return func(t *testing.T) events.ID {
		t.Helper()
		m := next(t, s)
		if m.Kind != stream.Event {
			t.Fatalf("got %+v", m)
		}
		return m.Event.ID
	}
}

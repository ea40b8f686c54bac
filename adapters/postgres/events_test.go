package postgres_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func TestEvents(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "filters alone": postgrestest.FiltersAlone, "row security alone": postgrestest.RowSecurityAlone,
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			eventstest.Run(t, func(t *testing.T) (events.Store, tenants.ID, tenants.ID) {
				return db.Events(), postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
			})
		})
	}
}

// Writers do not wait for each other, and a reader that follows them sees each
// event once, none skipped, and those of one transaction together.
func TestEventsUnderParallelWriters(t *testing.T) {
	db := postgrestest.Open(t)
	store, us := db.Events(), postgrestest.Tenant(t, db)
	const writers, each = 8, 40
	var wrote sync.Map // subject → true, for what committed
	var done atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			defer done.Add(1)
			for i := range each {
				first, second := id.New("post"), id.New("post")
				boom := errors.New("boom")
				err := store.Update(t.Context(), us, func(tx events.Tx) error {
					for _, subject := range []string{first, second} {
						if _, err := tx.Emit(t.Context(), events.Draft{Type: events.PostUpdated, Subject: subject}); err != nil {
							return err
						}
						runtime.Gosched()
					}
					if (w+i)%7 == 0 {
						return boom
					}
					return nil
				})
				switch {
				case err == nil:
					wrote.Store(first, true)
					wrote.Store(second, true)
				case !errors.Is(err, boom):
					t.Error(err)
				}
			}
		})
	}
	var got []events.Event
	from := events.Place{Cursor: events.Start}
	for last := false; !last; {
		finished := done.Load() == writers
		must(t, store.View(t.Context(), us, func(tx events.Tx) error {
			page, err := tx.Events(t.Context(), from, nil, 7)
			if err != nil {
				return err
			}
			last = finished && !page.More && !page.Unsettled
			if got = append(got, page.Events...); len(page.Events) > 0 {
				from, err = tx.Place(t.Context(), page.Next)
			}
			return err
		}))
	}
	wg.Wait()
	want := 0
	wrote.Range(func(any, any) bool { want++; return true })
	if len(got) != want {
		t.Errorf("read %d events, %d were written", len(got), want)
	}
	for i, e := range got {
		if _, ok := wrote.LoadAndDelete(e.Subject); !ok {
			t.Errorf("event about %s: rolled back, or told twice", e.Subject)
		}
		if i > 0 && !e.Place.After(got[i-1].Place) {
			t.Errorf("%d is out of order: %+v after %+v", i, e.Place, got[i-1].Place)
		}
		if e.Place.Nth == 2 && (i == 0 || got[i-1].Place.Commit != e.Place.Commit) {
			t.Errorf("%d is apart from the rest of its transaction", i)
		}
	}
}

// An event whose transaction is older than an open one shows; one that is
// younger waits, because the open one may still write before it.
func TestAnOpenTransactionHoldsTheLine(t *testing.T) {
	db := postgrestest.Open(t)
	store, us := db.Events(), postgrestest.Tenant(t, db)
	emit := func(tx events.Tx) (events.ID, error) {
		return tx.Emit(t.Context(), events.Draft{Type: events.PostUpdated, Subject: id.New("post")})
	}
	read := func() (page events.Page) {
		must(t, store.View(t.Context(), us, func(tx events.Tx) (err error) {
			page, err = tx.Events(t.Context(), events.Place{}, nil, 10)
			return err
		}))
		return page
	}
	began, finish := make(chan events.ID), make(chan bool)
	go func() {
		_ = store.Update(context.Background(), us, func(tx events.Tx) error {
			eid, err := emit(tx)
			began <- eid
			<-finish
			return err
		})
		close(began)
	}()
	first := <-began
	var second events.ID
	must(t, store.Update(t.Context(), us, func(tx events.Tx) (err error) { second, err = emit(tx); return err }))
	if page := read(); len(page.Events) != 0 || !page.Unsettled {
		t.Errorf("page = %+v", page)
	}
	close(finish)
	<-began
	eventstest.Settle(t, store, us)
	if page := read(); len(page.Events) != 2 || page.Events[0].ID != first || page.Events[1].ID != second {
		t.Errorf("page = %+v", page)
	}
}

func TestListenEvents(t *testing.T) {
	db := postgrestest.Open(t)
	burst := make([]tenants.ID, 5) // more than may notify by themselves
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ready, heard, ended := make(chan bool, 1), make(chan tenants.ID, 100), make(chan error, 1)
	go func() {
		ended <- db.ListenEvents(ctx, func() { ready <- true }, func(who tenants.ID) { heard <- who })
	}()
	<-ready
	missing := map[tenants.ID]bool{}
	for i := range burst {
		burst[i] = postgrestest.Tenant(t, db)
		missing[burst[i]] = true
	}
	for _, who := range burst {
		must(t, db.Events().Update(ctx, who, func(tx events.Tx) error {
			_, err := tx.Emit(ctx, events.Draft{Type: events.PostCreated, Subject: id.New("post")})
			return err
		}))
	}
	for len(missing) > 0 {
		select {
		case who := <-heard:
			delete(missing, who)
		case <-ctx.Done():
			t.Fatalf("heard nothing of %v", missing)
		}
	}
	cancel()
	if err := <-ended; !fault.Is(err, fault.Canceled) {
		t.Errorf("err = %v", err)
	}
}

// A fan-out is asked for in the event's transaction, and only if an endpoint
// may want it.
func TestFanOutIsAskedFor(t *testing.T) {
	db := postgrestest.Open(t)
	for name, tc := range map[string]struct {
		types []events.Filter
		state events.EndpointState
		want  int
	}{
		"all":      {nil, events.Enabled, 1},
		"star":     {[]events.Filter{"*"}, events.Enabled, 1},
		"by name":  {[]events.Filter{"post.updated"}, events.Enabled, 1},
		"by noun":  {[]events.Filter{"media.*", "post.*"}, events.Enabled, 1},
		"another":  {[]events.Filter{"post.created", "media.*"}, events.Enabled, 0},
		"disabled": {nil, events.Disabled, 0},
	} {
		us := postgrestest.Tenant(t, db)
		must(t, db.Events().Update(t.Context(), us, func(tx events.Tx) error {
			e := endpoint(tc.types)
			if tc.state == events.Disabled {
				e.SetState(events.Disabled)
			}
			return tx.SaveEndpoint(t.Context(), e)
		}))
		must(t, db.Events().Update(t.Context(), us, func(tx events.Tx) error {
			_, err := tx.Emit(t.Context(), events.Draft{Type: events.PostUpdated, Subject: id.New("post")})
			return err
		}))
		if got := jobsOf(t, db, us, "webhooks.fan_out"); got != tc.want {
			t.Errorf("%s: %d jobs, want %d", name, got, tc.want)
		}
	}
}

func TestPruneEvents(t *testing.T) {
	db := postgrestest.Open(t)
	store, us := db.Events(), postgrestest.Tenant(t, db)
	var ids []events.ID
	var pending *events.Delivery
	for range 4 {
		must(t, store.Update(t.Context(), us, func(tx events.Tx) error {
			eid, err := tx.Emit(t.Context(), events.Draft{Type: events.PostUpdated, Subject: id.New("post")})
			ids = append(ids, eid)
			return err
		}))
	}
	must(t, store.Update(t.Context(), us, func(tx events.Tx) error {
		e := endpoint(nil)
		must(t, tx.SaveEndpoint(t.Context(), e))
		for _, eid := range ids[:2] {
			pending = events.NewDelivery(e.ID, &events.Event{ID: eid, Type: events.PostUpdated}, "", time.Now())
			_, err := tx.AddDelivery(t.Context(), pending)
			must(t, err)
		}
		return nil
	}))
	postgrestest.Exec(t, db, "update events set at = now() - interval '31 days' where id = $1", ids[0])
	for i, xid := range []string{"9000000000000000000", "9000000000000000001"} { // a restored dump
		postgrestest.Exec(t, db, "update events set xid = $1::text::xid8 where id = $2", xid, ids[i+1])
	}
	postgrestest.Exec(t, db, "update webhook_deliveries set next_at = now() - interval '2 hours' where id = $1", pending.ID)
	postgrestest.Exec(t, db, "delete from river.river_job where args ->> 'tenant' = $1", us) // a lost queue

	for range 2 {
		must(t, db.PruneEvents(t.Context(), events.Retention))
	}

	eventstest.Settle(t, store, us)
	must(t, store.View(t.Context(), us, func(tx events.Tx) error {
		page, err := tx.Events(t.Context(), events.Place{}, nil, 10)
		var got []events.ID
		for _, e := range page.Events {
			got = append(got, e.ID)
		}
		if diff := cmp.Diff(ids[1:], got); diff != "" {
			t.Error(diff)
		}
		return err
	}))
	if n := jobsOf(t, db, us, "webhooks.deliver"); n != 1 {
		t.Errorf("%d jobs for the late delivery", n)
	}
}

func endpoint(types []events.Filter) *events.Endpoint {
	return &events.Endpoint{
		ID: events.NewEndpointID(), URL: "https://example.com/", Types: types, State: events.Enabled,
		APIVersion: events.APIVersion, Secrets: []events.SealedSecret{{Row: "r", Sealed: []byte("s")}}, CreatedAt: time.Now(),
	}
}

func jobsOf(t *testing.T, db *postgres.DB, who tenants.ID, kind string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), postgrestest.Of(t, db).Admin)
	must(t, err)
	defer conn.Close(t.Context())
	must(t, conn.QueryRow(t.Context(), "select count(*) from river.river_job where kind = $1 and args ->> 'tenant' = $2", kind, who).Scan(&n))
	return n
}

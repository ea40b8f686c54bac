package postgres_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

func TestWorkIsBeingDoneWhileAWorkerClaims(t *testing.T) {
	db := postgrestest.Open(t)
	ctx := t.Context()
	me := postgres.Worker{Holder: "host/" + id.New("req"), Version: "test", Slots: 64, Busy: 3, Up: time.Hour, Quiet: 30 * time.Second}

	if err := db.Beat(ctx, me); err != nil {
		t.Fatal(err)
	}
	if err := db.Working(ctx, time.Second); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a claim long ago: %v", err)
	}
	me.Quiet, me.Busy = 0, 5
	if err := db.Beat(ctx, me); err != nil {
		t.Fatal(err)
	}
	if err := db.Working(ctx, 10*time.Second); err != nil {
		t.Errorf("a claim just now: %v", err)
	}
	got := find(t, db, me.Holder)
	if got == nil || got.Busy != 5 || got.Slots != 64 || got.Version != "test" || got.Up.Round(time.Minute) != time.Hour || got.Quiet > 5*time.Second {
		t.Errorf("listed as %+v", got)
	}
	if err := db.Retire(ctx, me.Holder); err != nil {
		t.Fatal(err)
	}
	if got := find(t, db, me.Holder); got != nil {
		t.Errorf("retired and listed as %+v", got)
	}
}

func find(t *testing.T, db *postgres.DB, holder string) *postgres.Worker {
	t.Helper()
	ws, err := db.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ws {
		if w.Holder == holder {
			return &w
		}
	}
	return nil
}

func TestFiguresForOperatorsCanBeAsked(t *testing.T) {
	db := postgrestest.Open(t)
	if b, err := db.Backlog(t.Context()); err != nil || b.Due < 0 || b.Oldest < 0 {
		t.Errorf("backlog %+v, %v", b, err)
	}
	if counts, err := db.JobCounts(t.Context()); err != nil || len(counts) < 4 {
		t.Errorf("jobs %v, %v", counts, err)
	}
	if pools := db.Pools(); len(pools) != 2 || pools[0].Max == 0 {
		t.Errorf("pools %+v", pools)
	}
}

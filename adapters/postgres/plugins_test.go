package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/catalog/catalogtest"
	"github.com/carillonhq/carillon/tenants"
)

func TestPlugins(t *testing.T) {
	catalogtest.Run(t, func(t *testing.T) catalogtest.Opened {
		db := postgrestest.Open(t)
		o := catalogtest.Opened{Store: db.Plugins(), Operator: postgrestest.Operator}
		o.Agency, o.Stranger = postgrestest.Child(t, db, o.Operator, tenants.Agency), postgrestest.Child(t, db, o.Operator, tenants.Agency)
		o.Workspace, o.Sibling = postgrestest.Child(t, db, o.Agency, tenants.Workspace), postgrestest.Child(t, db, o.Agency, tenants.Workspace)
		postgrestest.Exec(t, db, "update tenants set tier = 'free' where tenant_id = $1", o.Agency)
		postgrestest.Exec(t, db, "update tenants set tier = 'agency' where tenant_id = $1", o.Stranger)
		return o
	})
}

// A change is heard of at once, one that was given up is not.
func TestPluginChangesAreHeard(t *testing.T) {
	db := postgrestest.Open(t)
	heard := make(chan struct{}, 100)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	go func() { _ = db.ListenPlugins(ctx, func() { heard <- struct{}{} }) }()
	wait := func() {
		t.Helper()
		select {
		case <-heard:
		case <-ctx.Done():
			t.Fatal("nothing was heard")
		}
	}
	wait() // it listens
	for len(heard) > 0 {
		<-heard
	}
	no := errors.New("no")
	if err := db.Plugins().Update(t.Context(), postgrestest.Operator, func(context.Context, catalog.Tx) error { return no }); !errors.Is(err, no) {
		t.Fatal(err)
	}
	p := catalogtest.NewPlugin()
	must(t, db.Plugins().Update(t.Context(), postgrestest.Operator, func(ctx context.Context, tx catalog.Tx) error {
		return errors.Join(tx.SavePlugin(ctx, p), tx.Emit(ctx, catalog.EventAdded, p.Name, catalog.EventData{Plugin: p.ID}))
	}))
	wait()
	if len(heard) != 0 {
		t.Error("what was given up was heard of, too")
	}
}

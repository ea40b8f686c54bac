package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/media/mediatest"
	"github.com/carillonhq/carillon/tenants"
)

func TestMedia(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "filters alone": postgrestest.FiltersAlone, "row security alone": postgrestest.RowSecurityAlone,
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			mediatest.Run(t, func(t *testing.T) (media.Store, tenants.ID, tenants.ID) {
				return db.Media(), postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
			})
		})
	}
}

func TestTenantsWithStaleMediaAreFound(t *testing.T) {
	db := postgrestest.Open(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	for tenant, state := range map[tenants.ID]media.State{us: media.Uploading, them: media.Ready} {
		m := mediatest.New(mediatest.At, state)
		if err := db.Media().Update(t.Context(), tenant, func(tx media.Tx) error { return tx.Save(t.Context(), m) }); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := db.StaleMedia(t.Context(), mediatest.At.Add(time.Second), 1000)
	if err != nil || !slices.Contains(ids, us) || slices.Contains(ids, them) {
		t.Errorf("got %v, %v; want %s and not %s", ids, err, us, them)
	}
}

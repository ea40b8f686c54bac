package postgres_test

import (
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
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

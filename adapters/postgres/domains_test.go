package postgres_test

import (
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains/domainstest"
)

// The contract holds with both walls and with each of them alone.
func TestDomains(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "row security alone": postgrestest.RowSecurityAlone, "filters alone": postgrestest.FiltersAlone,
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			domainstest.Run(t, db.Domains(), func(t *testing.T) tenants.ID { return postgrestest.Tenant(t, db) })
		})
	}
}

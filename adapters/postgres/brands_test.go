package postgres_test

import (
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding/brandingtest"
)

func TestBrands(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "row security alone": postgrestest.RowSecurityAlone, "filters alone": postgrestest.FiltersAlone,
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			brandingtest.Run(t, db.Brands(), func(t *testing.T) (parent, child, other tenants.ID) {
				parent = postgrestest.Child(t, db, postgrestest.Operator, tenants.Reseller)
				child, other = postgrestest.Child(t, db, parent, tenants.Agency), postgrestest.Child(t, db, parent, tenants.Agency)
				postgrestest.Exec(t, db, "update tenants set name = case tenant_id when $1 then 'parent' else 'child' end where tenant_id in ($1, $2)", parent, child)
				return parent, child, other
			})
		})
	}
}

package postgres_test

import (
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels/channelstest"
)

func TestChannels(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls":         postgrestest.Open,
		"row security alone": postgrestest.RowSecurityAlone,
		"filters alone":      postgrestest.FiltersAlone,
	} {
		t.Run(name, func(t *testing.T) {
			channelstest.Run(t, func(t *testing.T) channelstest.Opened {
				db := open(t)
				return channelstest.Opened{Store: db.Channels(), Us: postgrestest.Tenant(t, db), Them: postgrestest.Tenant(t, db)}
			})
		})
	}
}

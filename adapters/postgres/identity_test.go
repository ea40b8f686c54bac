package postgres_test

import (
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/identity/identitytest"
)

func TestIdentity(t *testing.T) {
	identitytest.RunStore(t, postgrestest.Open(t).Identity())
}

func TestKeys(t *testing.T) {
	db := postgrestest.Open(t)
	identitytest.RunKeys(t, db.Keys(), postgrestest.Tenant(t, db), postgrestest.Tenant(t, db))
}

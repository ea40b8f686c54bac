package postgres_test

import (
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
)

func TestPing(t *testing.T) {
	db := postgrestest.Open(t)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	postgrestest.Tenant(t, db)
}

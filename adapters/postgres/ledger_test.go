package postgres_test

import (
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/ledger/ledgertest"
	"github.com/carillonhq/carillon/tenants"
)

func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Opened {
		db := postgrestest.Open(t)
		agency := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
		return ledgertest.Opened{
			Store: db.Ledger(), Agency: agency,
			Us: postgrestest.Child(t, db, agency, tenants.Workspace), Them: postgrestest.Child(t, db, agency, tenants.Workspace),
		}
	})
}

package postgres_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/ledger"
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

func TestAHoldThatCannotBeFreedKeepsNoOther(t *testing.T) {
	db := postgrestest.Isolated(t)
	first, second, now := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db), time.Now().UTC()
	for i, tenant := range []tenants.ID{first, second} {
		e := ledger.Entry{ID: "work", Held: 100, State: ledger.Held, At: now, Until: now.Add(time.Duration(i-9) * time.Minute), Period: ledger.Period(now)}
		_, err := db.Ledger().Hold(t.Context(), tenant, e, []ledger.Limit{{Tenant: tenant, Micros: -1}})
		must(t, err)
	}
	postgrestest.Exec(t, db, "update spend_accounts set held = 0 where tenant_id = $1", first) // less than is to be given back
	if n, err := db.Ledger().Free(t.Context(), now); n != 1 || err == nil {
		t.Errorf("freed %d, %v", n, err)
	}
	left, err := db.Ledger().Balances(t.Context(), second, []ledger.Limit{{Tenant: second, Micros: -1}}, ledger.Period(now))
	if err != nil || len(left) != 1 || left[0].Held != 0 {
		t.Errorf("%+v, %v", left, err)
	}
}

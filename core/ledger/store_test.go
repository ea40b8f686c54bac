package ledger_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/ledger/ledgertest"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemory(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledgertest.Opened {
		return ledgertest.Opened{Store: ledgertest.NewStore(), Us: tenants.NewID(), Them: tenants.NewID(), Agency: tenants.NewID()}
	})
}

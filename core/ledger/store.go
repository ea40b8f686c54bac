package ledger

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// Store keeps the ledger. Each method is one transaction.
type Store interface {
	// Hold adds e and e.Held to what is held of each limit's account in e.Period,
	// if held, spent and e.Held together stay within every limit; else it changes
	// nothing and returns Exhausted of the first that does not reach. An entry of
	// that ID that is held with the same amount is returned as it is; any other
	// is Ended.
	Hold(ctx context.Context, tenant tenants.ID, e Entry, limits []Limit) (Entry, error)
	// Settle books cost in the accounts that the hold was taken from.
	Settle(ctx context.Context, tenant tenants.ID, id string, cost int64) error
	Release(ctx context.Context, tenant tenants.ID, id string) error
	Extend(ctx context.Context, tenant tenants.ID, id string, until time.Time) error
	// Free ends what is held past now, of every tenant, and says how many.
	Free(ctx context.Context, now time.Time) (int, error)
	// Balances answers for each limit, in their order.
	Balances(ctx context.Context, tenant tenants.ID, limits []Limit, period time.Time) ([]Balance, error)
}

package audit

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// Store reads books. What writes them is the Recorder of each context.
type Store interface {
	// Entries returns up to q.Limit entries of tenant, newest first.
	Entries(ctx context.Context, tenant tenants.ID, q Query) ([]Record, error)
}

// Chains is what sealing and verifying need, across tenants.
type Chains interface {
	// Waiting hands each tenant's entries that wait to be sealed to seal, oldest
	// first and up to limit in all, with the head of the tenant's chain, nil if
	// there is none, and the database's clock. It keeps what seal returns, in
	// one transaction, and says how many entries that were. A tenant whose seal
	// fails is passed over and reported. Only one process is at it at a time;
	// for the others nothing waits. Tenants in skip are left alone.
	Waiting(ctx context.Context, limit int, skip map[tenants.ID]error, seal SealFunc) (n int, failed map[tenants.ID]error, err error)

	// Books lists up to limit tenants that have entries, by ID and from after on.
	Books(ctx context.Context, after tenants.ID, limit int) ([]tenants.ID, error)
	// Links returns up to limit links of a chain with a Seq greater than after, in order.
	Links(ctx context.Context, tenant tenants.ID, after int64, limit int) ([]Link, error)
	// Heads returns limit heads or more of a chain with a Seq greater than after,
	// in order, and all of each Seq.
	Heads(ctx context.Context, tenant tenants.ID, after int64, limit int) ([]Head, error)
	// Last is the latest head of a chain, nil if it has not begun.
	Last(ctx context.Context, tenant tenants.ID) (*Head, error)
	// AddHead keeps one more head of a Seq that has one.
	AddHead(ctx context.Context, tenant tenants.ID, h Head) error
	// Loose returns up to limit names of entries that are neither in the chain
	// nor waiting for it, and of what waits and has no entry.
	Loose(ctx context.Context, tenant tenants.ID, limit int) (slipped, gone []ID, err error)
	// Oldest is when the longest waiting entry was written; zero if none waits.
	Oldest(ctx context.Context, tenant tenants.ID) (time.Time, error)
}

// SealFunc chains entries to head.
type SealFunc func(tenant tenants.ID, head *Head, waiting []Record, now time.Time) ([]Link, Head, error)

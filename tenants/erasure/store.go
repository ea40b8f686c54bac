package erasure

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps erasures and removes what tenants own.
type Store interface {
	// Ask keeps e with Above filled in, closes the tenant, and records entry in
	// its book and in that of the one above. It returns ErrName,
	// ErrChildren, or fault.Conflict, "erasure.asked", for a second wish.
	Ask(ctx context.Context, e *Erasure, w Wish, entry audit.Entry) error
	// Of is the open erasure of a tenant that user owns, or ErrNotFound.
	Of(ctx context.Context, user tenants.UserID, tenant tenants.ID) (*Erasure, error)
	// CallOff opens the tenant again, if e still waits: ErrLost if not. It
	// records entry in its book and in that of the one above.
	CallOff(ctx context.Context, e *Erasure, entry audit.Entry) error

	// Take leases one erasure that is due and that nobody is at for ttl, nil if
	// there is none. It runs from then on, and Covers is all that goes. One
	// whose tenant somebody opened meanwhile is canceled instead.
	Take(ctx context.Context, ttl time.Duration) (*Erasure, error)
	// Progress says how far e is and keeps the lease; ErrLost if somebody else has
	// it, or it is over.
	Progress(ctx context.Context, e *Erasure, ttl time.Duration) error

	// DropKeys removes the keys of what a tenant sealed, and its waiting work, but
	// for what Files goes by.
	DropKeys(ctx context.Context, tenant tenants.ID) error
	// Files lists up to limit blobs of a tenant after one that is named, in order.
	Files(ctx context.Context, tenant tenants.ID, after string, limit int) (keys []storage.Key, last string, err error)
	// DropRows removes up to limit rows of a tenant, the references first, and
	// says how many. Zero: only the tenant itself and its book are left.
	DropRows(ctx context.Context, tenant tenants.ID, limit int) (int64, error)
	// Bury removes the tenant with its book, and what names it elsewhere.
	// It returns false if there was more than limit of that; it is called again.
	Bury(ctx context.Context, tenant tenants.ID, limit int) (done bool, err error)
	// Ended is where a tenant's book ends, for its tombstone: no link is zero.
	Ended(ctx context.Context, tenant tenants.ID) (seq int64, hash string, err error)
	// Tombstone records entry in the books of the tenant above and the operator,
	// unless a book has one of the same subject and erasure already.
	Tombstone(ctx context.Context, above tenants.ID, entry audit.Entry) error
	// Finish ends e, which names nobody from then on; ErrLost as Progress.
	Finish(ctx context.Context, e *Erasure) error
}

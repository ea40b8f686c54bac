package media

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps one tenant's files. Package mediatest holds its contract as a
// test suite.
type Store interface {
	// View runs fn on a consistent, read-only snapshot.
	View(ctx context.Context, who tenants.ID, fn func(Tx) error) error
	// Update runs fn in a transaction: all of it happens, or none of it. fn
	// must not call the outside world; a rollback cannot take that back.
	Update(ctx context.Context, who tenants.ID, fn func(Tx) error) error
}

// Tx is what media may do inside a transaction. It sees one tenant.
type Tx interface {
	audit.Recorder

	// Media returns fault.NotFound for a file of another tenant, as for none.
	Media(ctx context.Context, id ID) (*Media, error)
	// Lock is Media, and nobody begins to show the file until the transaction
	// ends: whoever would is found by Uses, or does not find the file.
	Lock(ctx context.Context, id ID) (*Media, error)
	// Uses lists up to limit posts that show the file and are not over: drafts,
	// and those with something yet to go out.
	Uses(ctx context.Context, id ID, limit int) ([]string, error)
	// Detach takes the file off the drafts that show something besides, as an
	// edit would. It comes before Lock.
	Detach(ctx context.Context, id ID) error
	// Some returns those of ids that exist, in any order.
	Some(ctx context.Context, ids []ID) ([]*Media, error)
	// Page returns up to limit ready files, newest first, below before.
	Page(ctx context.Context, before ID, limit int) ([]*Media, error)
	// Stale returns up to limit files that are not ready and were created
	// before that time.
	Stale(ctx context.Context, before time.Time, limit int) ([]*Media, error)
	// Save checks and writes m. It returns fault.Conflict if m is stale.
	Save(ctx context.Context, m *Media) error
	// Drop removes the row. Removing what is not there succeeds.
	Drop(ctx context.Context, id ID) error
	// Announce emits media.ready for m, if the Tx commits.
	Announce(ctx context.Context, m *Media) error
	// Lament emits media.failed for a file that never became ready, if the Tx
	// commits.
	Lament(ctx context.Context, id ID) error
}

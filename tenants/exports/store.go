package exports

import (
	"context"
	"encoding/json"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// A Ref names an export across tenants.
type Ref struct {
	Tenant tenants.ID
	ID     ID
}

// Store keeps exports, and reads all that a tenant owns.
type Store interface {
	// Owned lists the tenants below tenant, at any depth, that user owns.
	Owned(ctx context.Context, tenant tenants.ID, user tenants.UserID) ([]tenants.ID, error)
	// Create keeps e, queues its work under e.Job, and records entry, all or
	// nothing. It returns fault.Conflict, "export.running", while another one is being made.
	Create(ctx context.Context, tenant tenants.ID, e *Export, entry audit.Entry) error
	// Export returns ErrNotFound for one of another tenant, as for none.
	Export(ctx context.Context, tenant tenants.ID, name ID) (*Export, error)
	// Exports lists them newest first and before the one named, unless none is.
	Exports(ctx context.Context, tenant tenants.ID, before ID, limit int) ([]Export, error)
	// Note records an entry in tenant's book.
	Note(ctx context.Context, tenant tenants.ID, entry audit.Entry) error

	// Lease takes a running export that nobody is at for ttl, as its next
	// attempt. It returns ErrLost if somebody is, and one that is over as it is.
	Lease(ctx context.Context, tenant tenants.ID, name ID, ttl time.Duration) (*Export, error)
	// Progress says how far e is and keeps the lease for ttl; for none, it gives
	// it back. It returns ErrLost unless e.Attempt is the latest.
	Progress(ctx context.Context, tenant tenants.ID, e *Export, ttl time.Duration) error
	// Finish writes e as it ended. A ready one is told of, as EventReady. It
	// returns ErrLost like Progress.
	Finish(ctx context.Context, tenant tenants.ID, e *Export, entry audit.Entry) error
	// Left lists running exports that nobody is at, of every tenant, and
	// Outdated those whose archive is past its time.
	Left(ctx context.Context, limit int) ([]Ref, error)
	Outdated(ctx context.Context, limit int) ([]Ref, error)
	// Requeue queues the work of an export that was left, under its old name,
	// unless it waits in the queue.
	Requeue(ctx context.Context, tenant tenants.ID, name ID) error
	// Expire says that the archive is gone.
	Expire(ctx context.Context, tenant tenants.ID, name ID) error

	// Kinds are the kinds of things a tenant owns, in the order to write them.
	Kinds(ctx context.Context) ([]string, error)
	// Page reads up to limit things of a kind as JSON, without their secrets,
	// after a position; nil is the first. A nil next is the end.
	Page(ctx context.Context, tenant tenants.ID, kind string, after []string, limit int) (things []json.RawMessage, next []string, err error)
}

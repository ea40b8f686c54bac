package domains

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps claims to hosts. View and Update see one tenant; the others look
// across tenants and return names alone. Package domainstest holds the
// contract as a test suite.
type Store interface {
	// View runs fn on a consistent, read-only snapshot.
	View(ctx context.Context, tenant tenants.ID, fn func(Tx) error) error
	// Update runs fn in a transaction: all of it happens or none. Updates of
	// one tenant take turns.
	Update(ctx context.Context, tenant tenants.ID, fn func(Tx) error) error
	// Due names up to limit claims that are to be looked at by now, those that
	// have waited longest first.
	Due(ctx context.Context, now time.Time, limit int) ([]Due, error)
	// Served lists every host that is proven, of all tenants.
	Served(ctx context.Context) ([]Place, error)
}

// Tx is what a use case may do to one tenant's claims.
type Tx interface {
	audit.Recorder

	// Domains lists all, the oldest first.
	Domains(ctx context.Context) ([]Domain, error)
	// Domain returns fault.NotFound for one that the tenant does not have.
	Domain(ctx context.Context, name ID) (*Domain, error)
	// Save inserts a claim of version 0 and replaces any other, unless somebody
	// else did first: fault.Conflict. A host that is proven for another tenant is
	// fault.Conflict with the reason "domain.held", at the latest when Update
	// ends.
	Save(ctx context.Context, d *Domain) error
	// Remove forgets d.
	Remove(ctx context.Context, d *Domain) error
	// Tell emits an event of what turned, and puts a letter in the post.
	Tell(ctx context.Context, d *Domain, t Turn) error
	// Owners names the people whose the tenant is.
	Owners(ctx context.Context) ([]tenants.UserID, error)
}

// Due is a claim to look at.
type Due struct {
	Tenant tenants.ID
	Domain ID
}

// A Place is a host that is served, and whose it is.
type Place struct {
	Host      string
	Tenant    tenants.ID
	Canonical bool
}

package admin

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps the realm. It reaches across tenants, and does nothing there but
// what Tx says.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn in a transaction: all of it happens, or none of it. What
	// it changes of the Edge, every process hears of.
	Update(ctx context.Context, fn func(Tx) error) error

	// Session finds a session by its token in one round trip, or returns
	// fault.NotFound. Seen notes that it was used.
	Session(ctx context.Context, h Hash) (*Session, *Operator, error)
	Seen(ctx context.Context, s SessionID, at time.Time) error
	// Impersonation finds one that is alive at now, as is the session that
	// began it, or returns fault.NotFound.
	Impersonation(ctx context.Context, h Hash, now time.Time) (*Impersonation, error)
	// Edge reads what holds for everybody.
	Edge(ctx context.Context) (Edge, error)
	// Root is the operator's tenant, or fault.NotFound.
	Root(ctx context.Context) (tenants.ID, error)
}

// Tx is what this realm may do inside a transaction. Everything returns
// fault.NotFound for what is not there.
type Tx interface {
	// Record writes in the operator's book.
	audit.Recorder
	// RecordIn writes in the book of a tenant.
	RecordIn(ctx context.Context, tenant tenants.ID, e audit.Entry) error

	Accounts
	Others
	Rules
}

// Accounts is operators and their sessions.
type Accounts interface {
	// Operator, in an Update, keeps others from changing it until the end.
	Operator(ctx context.Context, id OperatorID) (*Operator, error)
	OperatorByEmail(ctx context.Context, address string) (*Operator, error)
	// OperatorByLink finds whom a link is for that is alive at now.
	OperatorByLink(ctx context.Context, h Hash, now time.Time) (*Operator, error)
	// Operators lists them, oldest first. In an Update, it keeps others from
	// changing them until the end.
	Operators(ctx context.Context) ([]Operator, error)
	SaveOperator(ctx context.Context, o *Operator) error
	// RemoveOperator takes the sessions along.
	RemoveOperator(ctx context.Context, id OperatorID) error

	AddSession(ctx context.Context, s *Session) error
	// EndSession takes the impersonations along.
	EndSession(ctx context.Context, id SessionID) error
	EndSessions(ctx context.Context, of OperatorID) error

	// Guard holds its row until the transaction ends.
	Guard(ctx context.Context, key string) (Guard, error)
	SaveGuard(ctx context.Context, key string, g Guard) error

	AddImpersonation(ctx context.Context, i *Impersonation) error
	EndImpersonation(ctx context.Context, of OperatorID, id string) (*Impersonation, error)
}

// Others is people and tenants.
type Others interface {
	Users(ctx context.Context, q Search) ([]User, error)
	User(ctx context.Context, id tenants.UserID) (*User, error)
	// Seats lists where a person is a member, by the tenant's name.
	Seats(ctx context.Context, id tenants.UserID) ([]Seat, error)
	// SuspendUser writes SuspendedAt and Reason, and ends the sessions of one
	// who is suspended.
	SuspendUser(ctx context.Context, u *User) error

	Tenants(ctx context.Context, q Search) ([]Tenant, error)
	// Tenant, in an Update, keeps others from changing it until the end.
	Tenant(ctx context.Context, id tenants.ID) (*Tenant, error)
	// SuspendTenant writes Suspended and Reason.
	SuspendTenant(ctx context.Context, t *Tenant) error
	// SaveTier writes Tier and Grant.
	SaveTier(ctx context.Context, t *Tenant) error
	// DueGrants lists tenants whose grant ended before now, some at a time.
	DueGrants(ctx context.Context, now time.Time) ([]tenants.ID, error)
	// RoleOf is what a person who is not suspended is in a tenant; empty: nothing.
	RoleOf(ctx context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Role, error)
}

// Rules is what the Edge is made of.
type Rules interface {
	// AddBlock returns fault.Conflict for a range that is blocked.
	AddBlock(ctx context.Context, b *Block) error
	DropBlock(ctx context.Context, id string) error
	Maintenance(ctx context.Context) (Maintenance, error)
	SaveMaintenance(ctx context.Context, m Maintenance) error
	// Hold pauses all publishing and reports whether it was going on until now.
	Hold(ctx context.Context, why string) (bool, error)
	Release(ctx context.Context) error
	SaveFlag(ctx context.Context, f *Flag) error
	DropFlag(ctx context.Context, name string) error
	// SaveOverride takes an override back if on is nil. It returns
	// fault.NotFound for a flag that is not there.
	SaveOverride(ctx context.Context, tenant tenants.ID, flag string, on *bool, by string, at time.Time) error
}

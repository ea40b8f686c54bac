package registry

import (
	"context"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps the tree. View and Update see one tenant; the other methods look
// across tenants and do nothing but what they say. Package registrytest holds
// the contract as a test suite.
type Store interface {
	// View runs fn on a consistent, read-only snapshot.
	View(ctx context.Context, tenant tenants.ID, fn func(Tx) error) error
	// Update runs fn in a transaction: all of it happens or none. Updates of
	// one tenant take turns, and each that commits moves its authz version.
	Update(ctx context.Context, tenant tenants.ID, fn func(Tx) error) error

	// Standing answers in one round trip; user may be empty. It returns
	// fault.NotFound for a tenant that is not there. A tenant without the user
	// is no error: Role is empty.
	Standing(ctx context.Context, tenant tenants.ID, user tenants.UserID) (Standing, error)
	// Mine lists the tenants of a person, by name.
	Mine(ctx context.Context, user tenants.UserID) ([]Place, error)
	// Children lists direct children only, by ID and from after on.
	Children(ctx context.Context, parent, after tenants.ID, limit int) ([]Entry, error)
	// Create writes a tenant with its first owner and fills in Ancestors,
	// Authz and Version. e is recorded in both books, the parent's and the
	// child's. It returns fault.NotFound if the parent is gone and
	// fault.Conflict if it is suspended, or for a second operator.
	Create(ctx context.Context, t *Tenant, owner Member, e audit.Entry) error
	// Operator is the root of the tree, or fault.NotFound.
	Operator(ctx context.Context) (tenants.ID, error)
	// SetState opens or closes child, and records e in both books. It returns
	// fault.NotFound unless child is a direct child of parent. The child's
	// subscribers hear EventUpdated.
	SetState(ctx context.Context, parent, child tenants.ID, state State, reason string, e audit.Entry) error
}

// Tx is what the registry may do inside a transaction. Each change of the
// tenant or of a member tells the tenant's subscribers, if the Tx commits: a
// use case cannot forget to.
type Tx interface {
	audit.Recorder

	Tenant(ctx context.Context) (*Tenant, error)
	// SaveTenant checks and writes name, settings and pause, and nothing else.
	// It returns fault.Conflict if t is stale. It tells EventUpdated.
	SaveTenant(ctx context.Context, t *Tenant) error

	// Member returns fault.NotFound for a person who is none.
	Member(ctx context.Context, user tenants.UserID) (*Member, error)
	Members(ctx context.Context, after tenants.UserID, limit int) ([]Member, error)
	Owners(ctx context.Context) (int, error)
	// SaveMember inserts m if its Version is 0, and returns fault.Conflict if
	// the person is a member already or m is stale. It tells EventMember.
	SaveMember(ctx context.Context, m *Member) error
	// RemoveMember tells EventMember, without a role.
	RemoveMember(ctx context.Context, user tenants.UserID) error

	// Role returns fault.NotFound for a name that is not there.
	Role(ctx context.Context, name string) (*Role, error)
	Roles(ctx context.Context) ([]Role, error)
	RoleInUse(ctx context.Context, role tenants.Role) (bool, error)
	// SaveRole checks r and inserts it if its Version is 0; fault.Conflict if
	// the name is taken or r is stale.
	SaveRole(ctx context.Context, r *Role) error
	RemoveRole(ctx context.Context, name string) error
}

package registry

import (
	"context"
	"time"

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
	// is no error: Role is empty. A grant counts until it ends by the store's
	// own clock.
	Standing(ctx context.Context, tenant tenants.ID, user tenants.UserID) (Standing, error)
	// Closure is what the people of a suspended tenant are told.
	Closure(ctx context.Context, tenant tenants.ID) (Closure, error)
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
	// fault.NotFound unless child is a direct child of parent, and SuspendedAbove
	// if somebody higher suspended it. The child's subscribers hear EventUpdated.
	SetState(ctx context.Context, parent, child tenants.ID, state State, reason string, e audit.Entry) error

	// RolesFor lists the custom roles that count in tenant, by name: its own
	// and, in a workspace, those of the agency whose name it does not have.
	RolesFor(ctx context.Context, tenant tenants.ID) ([]Role, error)
	// RemoveRole drops a role of tenant and gives its holders instead: members
	// and those invited, in tenant and directly below where the name means this
	// role; who they have it from is e's actor, and e is in the book of each. It
	// returns fault.Conflict if there are any and instead is empty, and
	// fault.NotFound for a name that is not there.
	RemoveRole(ctx context.Context, tenant tenants.ID, name string, instead tenants.Role, e audit.Entry) error

	// AskAccess writes a request into child, e into both books, and a notice to
	// its owners into the post. It returns fault.NotFound unless
	// child is directly below a.To, and fault.Conflict if one of a.To waits there.
	AskAccess(ctx context.Context, child tenants.ID, a *Access, e audit.Entry) error
	// Received lists what was granted to parent or asked by it, latest first
	// and before the one that is named, unless none is.
	Received(ctx context.Context, parent tenants.ID, before AccessID, limit int) ([]Received, error)
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

	People
	Newcomers
	Accesses

	// Role returns fault.NotFound for a name that is not there.
	Role(ctx context.Context, name string) (*Role, error)
	Roles(ctx context.Context) ([]Role, error)
	// SaveRole checks r and inserts it if its Version is 0; fault.Conflict if
	// the name is taken or r is stale.
	SaveRole(ctx context.Context, r *Role) error
}

// People is the members of a tenant and who is to own it.
type People interface {
	// Member returns fault.NotFound for a person who is none.
	Member(ctx context.Context, user tenants.UserID) (*Member, error)
	Members(ctx context.Context, after tenants.UserID, limit int) ([]Member, error)
	// Owners names the people whose the tenant is, in order.
	Owners(ctx context.Context) ([]tenants.UserID, error)
	// Seats counts the members, and the invitations alive at now.
	Seats(ctx context.Context, now time.Time) (members, waiting int, err error)
	// SaveMember inserts m if its Version is 0, and returns fault.Conflict if
	// the person is a member already or m is stale. It tells EventMember.
	SaveMember(ctx context.Context, m *Member) error
	// RemoveMember tells EventMember, without a role. It drops the offer of
	// ownership that they are a part of.
	RemoveMember(ctx context.Context, user tenants.UserID) error

	// Offer returns fault.NotFound if there is none.
	Offer(ctx context.Context) (*Offer, error)
	// SaveOffer checks o and puts it in the place of any other.
	SaveOffer(ctx context.Context, o *Offer) error
	DropOffer(ctx context.Context) error
}

// Newcomers is those who are invited.
type Newcomers interface {
	// Invitation returns fault.NotFound for one that is not there.
	Invitation(ctx context.Context, name InvitationID) (*Invitation, error)
	// OpenInvitation is the one of email that nobody closed, or fault.NotFound.
	OpenInvitation(ctx context.Context, email string) (*Invitation, error)
	// Invitations lists them latest first and before the one that is named,
	// unless none is.
	Invitations(ctx context.Context, before InvitationID, limit int) ([]Invitation, error)
	// SaveInvitation checks i and inserts it if its Version is 0; fault.Conflict
	// if the address has an open one or i is stale.
	SaveInvitation(ctx context.Context, i *Invitation) error
	// MemberAt reports whether email is the address of a member. Of people who
	// are none it says nothing: for them, as for nobody, it is false.
	MemberAt(ctx context.Context, email string) (bool, error)
	// Send puts a letter in the post if the transaction commits.
	Send(ctx context.Context, l Letter) error
	// Notify puts a notice in the post if the transaction commits.
	Notify(ctx context.Context, n Notice) error
}

// Accesses is what the tenant above was let do here, or wants to.
type Accesses interface {
	// Access returns fault.NotFound for one that is not there.
	Access(ctx context.Context, name AccessID) (*Access, error)
	// Accesses lists them latest first and before the one that is named, unless
	// none is.
	Accesses(ctx context.Context, before AccessID, limit int) ([]Access, error)
	// OpenAccess counts what is granted or requested at now.
	OpenAccess(ctx context.Context, now time.Time) (int, error)
	// SaveAccess checks a and inserts it if its Version is 0; fault.Conflict if
	// a is stale.
	SaveAccess(ctx context.Context, a *Access) error
}

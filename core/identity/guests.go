package identity

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Guests is how those who were invited to a tenant come in: with the account
// of the address that the letter went to, or with a new one. It is safe for
// concurrent use.
type Guests struct {
	people      *Directory
	invitations Invitations
}

// Invitations is what Guests needs of the tenants.
type Invitations interface {
	// Invited says what a link from a letter offers. Whoever shows it has read
	// the mail of the address. It returns fault.Invalid for one that does not work.
	Invited(ctx context.Context, link secret.Secret) (*registry.Invited, error)
	// Join makes user, whose address is email, a member. The link works once.
	Join(ctx context.Context, link secret.Secret, user tenants.UserID, email string) (*registry.Invited, error)
}

// NewGuests returns the use cases. Every argument is required.
func NewGuests(people *Directory, invitations Invitations) *Guests {
	return &Guests{people: people, invitations: invitations}
}

// Register makes an account for the address of an invitation, which the link
// proves, and accepts. It signs nobody in. It returns fault.Conflict if the
// address has an account: its owner signs in and accepts. Should accepting
// fail after the account was made, the link still works for that.
func (g *Guests) Register(ctx context.Context, _ Client, link secret.Secret, name string, password secret.Secret) (*registry.Invited, error) {
	to, err := g.invitations.Invited(ctx, link)
	if err != nil {
		return nil, err
	}
	user, err := g.people.Add(ctx, Registration{Email: to.Email, Name: name, Password: password}, "")
	if fault.Is(err, fault.Conflict) {
		return nil, fault.New(fault.Conflict, "invitation.known_address", "This address has an account. Sign in with it, and accept the invitation.")
	}
	if err != nil {
		return nil, err
	}
	if to, err = g.invitations.Join(ctx, link, user.ID, user.Email); err != nil {
		return nil, err
	}
	return to, g.people.SetHome(ctx, user.ID, to.Tenant)
}

// Accept makes the person who is signed in a member, if the invitation went to
// their address; else it returns fault.Forbidden.
func (g *Guests) Accept(ctx context.Context, who Principal, link secret.Secret) (*registry.Invited, error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	people, err := g.people.Names(ctx, []tenants.UserID{who.User})
	if err != nil {
		return nil, err
	}
	if len(people) == 0 {
		return nil, errRequired()
	}
	return g.invitations.Join(ctx, link, who.User, people[0].Email)
}

package identity_test

import (
	"context"
	"testing"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// invited is one invitation behind the link "good", and who took it.
type invited struct {
	to    registry.Invited
	by    tenants.UserID
	fails error
}

func (i *invited) Invited(_ context.Context, link secret.Secret) (*registry.Invited, error) {
	if link != "good" || i.by != "" {
		return nil, fault.New(fault.Invalid, "invitation.link", "No.")
	}
	return &i.to, nil
}

func (i *invited) Join(ctx context.Context, link secret.Secret, user tenants.UserID, email string) (*registry.Invited, error) {
	to, err := i.Invited(ctx, link)
	switch {
	case err != nil:
		return nil, err
	case i.fails != nil:
		return nil, i.fails
	case email != to.Email:
		return nil, fault.New(fault.Forbidden, "invitation.other_address", "No.")
	}
	i.by = user
	return to, nil
}

func TestGuests(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	people := w.people
	door := &invited{to: registry.Invited{Tenant: tenants.NewID(), Email: "guest@example.com"}}
	guests := identity.NewGuests(people, door)
	const password secret.Secret = "mist orchard velvet quarry"

	_, err := guests.Register(ctx, identity.Client{}, "bad", "Guest", password)
	want(t, "a link that does not work", err, fault.Invalid, "invitation.link")
	_, err = guests.Register(ctx, identity.Client{}, "good", "Guest", "short")
	want(t, "a weak password", err, fault.Invalid, "password.too_short")
	if door.by != "" {
		t.Fatal("it was used up")
	}

	door.fails = fault.New(fault.Quota, "member.no_seat", "No.")
	_, err = guests.Register(ctx, identity.Client{}, "good", "Guest", password)
	want(t, "no seat", err, fault.Quota, "member.no_seat")
	door.fails = nil
	_, err = guests.Register(ctx, identity.Client{}, "good", "Guest", password)
	want(t, "the address has an account by now", err, fault.Conflict, "invitation.known_address")
	guest, err := people.Find(ctx, "guest@example.com")
	must(t, err)
	other, err := people.Add(ctx, identity.Registration{Email: "other@example.com", Name: "Other", Password: password}, "")
	must(t, err)
	_, err = guests.Accept(ctx, identity.Principal{User: other.ID, Session: "ses_1"}, "good")
	want(t, "somebody else", err, fault.Forbidden, "invitation.other_address")
	_, err = guests.Accept(ctx, keyPrincipal(), "good")
	want(t, "a key", err, fault.Forbidden, "key.not_a_person")
	_, err = guests.Accept(ctx, identity.Principal{User: "usr_gone", Session: "ses_1"}, "good")
	want(t, "nobody", err, fault.Unauthenticated, "auth.required")
	_, err = guests.Accept(ctx, identity.Principal{User: guest.ID, Session: "ses_1"}, "good")
	must(t, err)
	if door.by != guest.ID {
		t.Errorf("taken by %s", door.by)
	}

	next := &invited{to: registry.Invited{Tenant: tenants.NewID(), Email: "new@example.com"}}
	_, err = identity.NewGuests(people, next).Register(ctx, identity.Client{}, "good", "New", password)
	must(t, err)
	fresh, err := people.Find(ctx, "new@example.com")
	if err != nil || fresh.Home != next.to.Tenant || next.by != fresh.ID {
		t.Errorf("%+v, %v", fresh, err)
	}
}

// A key whose maker comes in by grant is nobody's: a grant is for people.
func TestAKeyDoesNotComeInByGrant(t *testing.T) {
	w := newWorld()
	who := w.admin()
	key := w.key(t, who, ci())
	who.Grant = "acg_1"
	w.members[who.User] = who
	_, err := w.Authenticate(t.Context(), key.Secret.Reveal())
	want(t, "by grant", err, fault.Unauthenticated, "key.invalid")
}

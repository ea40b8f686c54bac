package registry

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// An Invited is an invitation as the reader of its letter sees it.
type Invited struct {
	Tenant    tenants.ID
	Name      string // of the tenant
	Kind      tenants.Kind
	Email     string // whom it is for
	Role      tenants.Role
	ExpiresAt time.Time
}

// Invited says what a link from a letter offers. Whoever shows it has read the
// mail of the address: it is a proof of that. It returns fault.Invalid for any
// link that does not work, and fault.Forbidden while the tenant is suspended.
func (s *Service) Invited(ctx context.Context, link secret.Secret) (*Invited, error) {
	tenant, name, hash, err := readLink(link)
	if err != nil {
		return nil, err
	}
	var out *Invited
	err = s.store.View(ctx, tenant, func(tx Tx) error {
		inv, err := tx.Invitation(ctx, name)
		if err != nil {
			return err
		}
		if !inv.opens(hash, s.now()) {
			return noLink()
		}
		t, err := tx.Tenant(ctx)
		if err != nil {
			return err
		}
		out = &Invited{Tenant: t.ID, Name: t.Name, Kind: t.Kind, Email: inv.Email, Role: inv.Role, ExpiresAt: inv.ExpiresAt}
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return nil, noLink()
	}
	if err != nil {
		return nil, err
	}
	st, err := s.store.Standing(ctx, tenant, "")
	if err == nil && st.Suspended {
		err = fault.New(fault.Forbidden, "tenant.suspended", "This tenant is suspended. Ask whoever invited you.")
	}
	return out, err
}

// Join makes user, whose address is email, a member by the link from a letter.
// Nobody gives more than they have, on the day that it is taken: if whoever
// invited may not any more, the invitation is void. It returns fault.Invalid
// for a link that does not work, fault.Forbidden if it is for another address
// or the tenant is suspended, fault.Conflict if it is void or user is a member
// already, and fault.Quota if the plan has no seat left.
func (s *Service) Join(ctx context.Context, link secret.Secret, user tenants.UserID, email string) (*Invited, error) {
	to, err := s.Invited(ctx, link)
	if err != nil {
		return nil, err
	}
	if email != to.Email || user == "" {
		return nil, fault.New(fault.Forbidden, "invitation.other_address", "This invitation is for another address. Sign in with the one it was sent to.")
	}
	_, name, hash, err := readLink(link)
	if err != nil {
		return nil, err
	}
	st, err := s.store.Standing(ctx, to.Tenant, "")
	if err != nil {
		return nil, err
	}
	given, err := s.stillGives(ctx, to, name)
	if err != nil {
		return nil, err
	}
	now := s.now()
	return to, s.store.Update(ctx, to.Tenant, func(tx Tx) error {
		inv, err := tx.Invitation(ctx, name)
		if err != nil {
			return err
		}
		if !inv.opens(hash, now) || inv.Role != to.Role {
			return noLink()
		}
		if err := given.unchanged(ctx, tx); err != nil {
			return err
		}
		if err := seat(ctx, tx, st.Tier, now, false); err != nil {
			return err
		}
		return s.seatInvited(ctx, tx, inv, user, now)
	})
}

func (s *Service) seatInvited(ctx context.Context, tx Tx, inv *Invitation, user tenants.UserID, now time.Time) error {
	if err := tx.SaveMember(ctx, &Member{User: user, Role: inv.Role, GrantedBy: inv.Actor, CreatedAt: now, UpdatedAt: now}); err != nil {
		return err
	}
	inv.close(InvitationAccepted, now)
	inv.AcceptedBy = user
	if err := tx.SaveInvitation(ctx, inv); err != nil {
		return err
	}
	return tx.Record(ctx, audit.Of(string(user), "invitation.accept", string(inv.ID), "role", string(inv.Role), "invited_by", inv.Actor))
}

// stillGives reports whether whoever invited may still give what they promised.
func (s *Service) stillGives(ctx context.Context, to *Invited, name InvitationID) (*Role, error) {
	var inv *Invitation
	err := s.store.View(ctx, to.Tenant, func(tx Tx) (err error) {
		inv, err = tx.Invitation(ctx, name)
		return err
	})
	if err != nil || inv.InvitedBy == "" {
		return nil, err
	}
	void := fault.New(fault.Conflict, "invitation.void", "Whoever invited you may no longer do so. Ask for another invitation.")
	who, err := s.Resolve(ctx, inv.InvitedBy, to.Tenant)
	if fault.Is(err, fault.NotFound) || err == nil && who.Grant != "" {
		return nil, void
	}
	if err != nil {
		return nil, err
	}
	if err := s.authz.Allow(ctx, who, ActMemberManage); fault.Is(err, fault.Forbidden) {
		return nil, void
	} else if err != nil {
		return nil, err
	}
	given, err := s.mayGive(ctx, who, inv.Role)
	if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.Invalid) {
		return nil, void
	}
	return given, err
}

package registry

import (
	"context"
	"slices"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// AddColleague gives a role here to somebody who can be told apart without
// asking them: a member of the tenant directly above, as who is, where who may
// see the members. All others are invited. It answers fault.NotFound for them
// as for a person who never was, so nobody learns who has an account; ask it
// before anything else is looked up that only an existing person has.
func (s *Service) AddColleague(ctx context.Context, who tenants.Scope, user tenants.UserID, role tenants.Role) (*Member, error) {
	if err := s.authz.Allow(ctx, who, ActMemberManage); err != nil {
		return nil, err
	}
	known, err := s.colleagues(ctx, who, user)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, NoColleague()
	}
	return s.AddMember(ctx, who, user, role)
}

// NoColleague is the answer to an address or a person that who cannot see.
func NoColleague() error {
	return fault.New(fault.NotFound, "user.not_found", "Nobody in the tenant above has this address, as far as you may see its members. Send an invitation.").On("/email")
}

// colleagues reports whether who knows user as a member of this tenant or of
// the one above.
func (s *Service) colleagues(ctx context.Context, who tenants.Scope, user tenants.UserID) (bool, error) {
	theirs, err := s.store.Mine(ctx, user)
	if err != nil {
		return false, err
	}
	is := func(t tenants.ID) bool { return slices.ContainsFunc(theirs, func(p Place) bool { return p.ID == t }) }
	if is(who.Tenant) {
		return true, nil
	}
	here, err := s.Get(ctx, who)
	if err != nil || here.Parent == "" || !is(here.Parent) || who.User == "" || who.Key != "" || who.Grant != "" {
		return false, err
	}
	above, err := s.Resolve(ctx, who.User, here.Parent)
	if err == nil {
		err = s.authz.Allow(ctx, above, ActMemberRead)
	}
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Forbidden) || fault.Is(err, fault.Quota) {
		return false, nil
	}
	return err == nil, err
}

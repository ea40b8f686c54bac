package registry

import (
	"context"
	"strconv"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// MaxPlaces is how many workspaces a person can be given at once.
const MaxPlaces = 100

// A Seat is a role in a tenant.
type Seat struct {
	Tenant tenants.ID
	Role   tenants.Role
}

// A Seated is what became of one Seat that was to be given.
type Seated struct {
	Seat
	Err error // nil: it is theirs
}

// GiveWorkspaces makes a member of who's tenant a member of several tenants
// directly below it, each with a role of its own, or changes the role they
// have there. Being above opens nothing: each seat is given by who's own right
// in that tenant, and one where who is no member answers as one that never
// was. Each is a change by itself; Seated.Err says what kept one from
// happening. A key cannot: it is bound to one tenant.
func (s *Service) GiveWorkspaces(ctx context.Context, who tenants.Scope, user tenants.UserID, to []Seat) ([]Seated, error) {
	if err := s.authz.Allow(ctx, who, ActMemberManage); err != nil {
		return nil, err
	}
	if err := who.InPerson(); err != nil {
		return nil, err
	}
	if err := distinct(to); err != nil {
		return nil, err
	}
	below, err := s.below(ctx, who, user)
	if err != nil {
		return nil, err
	}
	out := make([]Seated, len(to))
	for i, seat := range to {
		out[i] = Seated{seat, noTenant()}
		if _, ok := below[seat.Tenant]; ok {
			out[i].Err = s.give(ctx, who.User, user, seat)
		}
	}
	return out, ctx.Err()
}

func distinct(to []Seat) error {
	if len(to) == 0 || len(to) > MaxPlaces {
		return fault.New(fault.Invalid, "member.places", "Name 1 to %d workspaces.", MaxPlaces).On("/workspaces")
	}
	seen := map[tenants.ID]bool{}
	for i, seat := range to {
		if seen[seat.Tenant] {
			return fault.New(fault.Invalid, "member.place_twice", "This workspace is there twice.").On("/workspaces/" + strconv.Itoa(i) + "/tenant_id")
		}
		seen[seat.Tenant] = true
	}
	return nil
}

// give is one seat, by the right that by has there.
func (s *Service) give(ctx context.Context, by, user tenants.UserID, seat Seat) error {
	who, err := s.Resolve(ctx, by, seat.Tenant)
	if err != nil {
		return err
	}
	_, err = s.SetRole(ctx, who, user, seat.Role)
	if fault.Is(err, fault.NotFound) {
		_, err = s.AddMember(ctx, who, user, seat.Role)
	}
	return err
}

// Workspaces says what a member of who's tenant is in the tenants directly
// below it, as far as who may see the members there.
func (s *Service) Workspaces(ctx context.Context, who tenants.Scope, user tenants.UserID) ([]Place, error) {
	if err := s.authz.Allow(ctx, who, ActMemberRead); err != nil {
		return nil, err
	}
	if err := who.InPerson(); err != nil {
		return nil, err
	}
	below, err := s.below(ctx, who, user)
	if err != nil {
		return nil, err
	}
	theirs, err := s.store.Mine(ctx, user)
	if err != nil {
		return nil, err
	}
	var out []Place
	for _, p := range theirs {
		if _, mine := below[p.ID]; !mine {
			continue
		}
		there, err := s.Resolve(ctx, who.User, p.ID)
		if err == nil {
			err = s.authz.Allow(ctx, there, ActMemberRead)
		}
		switch {
		case err == nil:
			out = append(out, p)
		case !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Quota):
			return nil, err
		}
	}
	return out, nil
}

// below is the tenants directly below who's that who is a member of. It returns
// fault.NotFound if user is no member of who's tenant.
func (s *Service) below(ctx context.Context, who tenants.Scope, user tenants.UserID) (map[tenants.ID]Place, error) {
	if err := s.store.View(ctx, who.Tenant, func(tx Tx) error {
		_, err := tx.Member(ctx, user)
		return err
	}); err != nil {
		return nil, err
	}
	mine, err := s.store.Mine(ctx, who.User)
	if err != nil {
		return nil, err
	}
	out := map[tenants.ID]Place{}
	for _, p := range mine {
		if p.Parent == who.Tenant {
			out[p.ID] = p
		}
	}
	return out, nil
}

// Leave ends user's own membership of tenant, also of a suspended one. The
// last owner cannot: fault.Conflict. For a tenant that user is no member of it
// returns fault.NotFound, as for none.
func (s *Service) Leave(ctx context.Context, user tenants.UserID, tenant tenants.ID) error {
	if !tenant.Valid() || user == "" {
		return noTenant()
	}
	err := s.store.Update(ctx, tenant, func(tx Tx) error {
		m, err := tx.Member(ctx, user)
		if err != nil {
			return err
		}
		if err := keepAnOwner(ctx, tx, m); err != nil {
			return err
		}
		if err := tx.RemoveMember(ctx, user); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(user), "member.leave", string(user), "was", string(m.Role)))
	})
	if fault.Is(err, fault.NotFound) {
		return noTenant()
	}
	return err
}

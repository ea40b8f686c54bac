package registry

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// A Member is a person in a tenant.
type Member struct {
	User      tenants.UserID
	Role      tenants.Role
	GrantedBy string // a person, a key or "system"
	Version   int    // bumped by every save; a stale save is a conflict
	CreatedAt time.Time
	UpdatedAt time.Time
}

// customPrefix begins the name of a custom role where a role is expected.
const customPrefix = "custom:"

// rank orders the built-in roles by what they open; a custom role has none.
func rank(r tenants.Role) int {
	return slices.Index([]tenants.Role{
		tenants.Client, tenants.Viewer, tenants.Approver, tenants.Editor, tenants.Manager, tenants.Admin, tenants.Owner,
	}, r)
}

// Members lists up to limit members, in the order of their IDs and from after on.
func (s *Service) Members(ctx context.Context, who tenants.Scope, after tenants.UserID, limit int) ([]Member, error) {
	if err := s.authz.Allow(ctx, who, ActMemberRead); err != nil {
		return nil, err
	}
	var all []Member
	err := s.store.View(ctx, who.Tenant, func(tx Tx) (err error) {
		all, err = tx.Members(ctx, after, limit)
		return err
	})
	return all, err
}

// AddMember gives a person a role here. The caller has made sure that user exists.
func (s *Service) AddMember(ctx context.Context, who tenants.Scope, user tenants.UserID, role tenants.Role) (*Member, error) {
	if err := s.authz.Allow(ctx, who, ActMemberManage); err != nil {
		return nil, err
	}
	if !id.Is("usr", string(user)) {
		return nil, fault.New(fault.Invalid, "member.user", "This is not a person.")
	}
	given, err := s.mayGive(ctx, who, role)
	if err != nil {
		return nil, err
	}
	now := s.now()
	m := &Member{User: user, Role: role, GrantedBy: who.Actor(), CreatedAt: now, UpdatedAt: now}
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if err := given.unchanged(ctx, tx); err != nil {
			return err
		}
		if err := seat(ctx, tx, who.Tier, now, true); err != nil {
			return err
		}
		if err := tx.SaveMember(ctx, m); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "member.add", string(user), "role", string(role)))
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// SetRole changes what a member may do, from their next request on. The last
// owner stays one: fault.Conflict.
func (s *Service) SetRole(ctx context.Context, who tenants.Scope, user tenants.UserID, role tenants.Role) (*Member, error) {
	if err := s.authz.Allow(ctx, who, ActMemberManage); err != nil {
		return nil, err
	}
	given, err := s.mayGive(ctx, who, role)
	if err != nil {
		return nil, err
	}
	var m *Member
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) (err error) {
		if err = given.unchanged(ctx, tx); err != nil {
			return err
		}
		if m, err = tx.Member(ctx, user); err != nil {
			return err
		}
		if err = mayTake(who, m.Role); err != nil {
			return err
		}
		if role != tenants.Owner {
			if err = keepAnOwner(ctx, tx, m); err != nil {
				return err
			}
		}
		was := m.Role
		m.Role, m.GrantedBy, m.UpdatedAt = role, who.Actor(), s.now()
		if err = tx.SaveMember(ctx, m); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "member.set_role", string(user), "role", string(role), "was", string(was)))
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// RemoveMember ends a membership. People may always leave by themselves,
// except for the last owner: fault.Conflict.
func (s *Service) RemoveMember(ctx context.Context, who tenants.Scope, user tenants.UserID) error {
	leaving := who.Key == "" && who.User != "" && who.User == user
	if !leaving {
		if err := s.authz.Allow(ctx, who, ActMemberManage); err != nil {
			return err
		}
	}
	return s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		m, err := tx.Member(ctx, user)
		if err != nil {
			return err
		}
		if !leaving {
			if err := mayTake(who, m.Role); err != nil {
				return err
			}
		}
		if err := keepAnOwner(ctx, tx, m); err != nil {
			return err
		}
		if err := tx.RemoveMember(ctx, user); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "member.remove", string(user), "was", string(m.Role)))
	})
}

// mayGive reports whether who may give role to somebody: an existing one that
// opens nothing that is closed to who. A key never makes admins, and nobody
// makes owners, who must want to be: see ownership.go. The installation's own
// command line does.
//
// The authorizer may read the database, so it is asked before the transaction;
// what it was asked about is returned, to be found unchanged inside. For a
// built-in role that is nothing.
func (s *Service) mayGive(ctx context.Context, who tenants.Scope, role tenants.Role) (*Role, error) {
	if name, custom := strings.CutPrefix(string(role), customPrefix); custom {
		return s.mayGiveCustom(ctx, who, name)
	}
	switch {
	case rank(role) < 0:
		return nil, noRole(role)
	case rank(role) > rank(who.Role), who.Key != "" && rank(role) >= rank(tenants.Admin):
		return nil, fault.New(fault.Forbidden, "role.above_own", "You cannot give a role that may do more than you.").On("/role")
	case role == tenants.Owner && who.User != "":
		return nil, ownedByOffer()
	}
	return nil, nil
}

func (s *Service) mayGiveCustom(ctx context.Context, who tenants.Scope, name string) (*Role, error) {
	all, err := s.store.RolesFor(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(r Role) bool { return r.Name == name })
	if at < 0 {
		return nil, noRole(customPrefix + tenants.Role(name))
	}
	return &all[at], s.holds(ctx, who, all[at].Actions)
}

// unchanged reports whether r is still what it was. A nil r is no custom role,
// and one from above is not for this tenant to hold still.
func (r *Role) unchanged(ctx context.Context, tx Tx) error {
	if r == nil || r.Inherited {
		return nil
	}
	now, err := tx.Role(ctx, r.Name)
	if fault.Is(err, fault.NotFound) || err == nil && !slices.Equal(now.Actions, r.Actions) {
		return fault.New(fault.Conflict, "role.stale", "Someone else changed this role. Reload it and try again.").On("/role")
	}
	return err
}

// mayTake reports whether who may change or end the membership of a role.
func mayTake(who tenants.Scope, role tenants.Role) error {
	if rank(role) > rank(who.Role) || who.Key != "" && rank(role) >= rank(tenants.Admin) {
		return fault.New(fault.Forbidden, "role.above_own", "You cannot change a member who may do more than you.")
	}
	return nil
}

// keepAnOwner refuses to lose the last owner. Store.Update takes turns, so two
// owners cannot remove each other.
func keepAnOwner(ctx context.Context, tx Tx, leaving *Member) error {
	if leaving.Role != tenants.Owner {
		return nil
	}
	owners, err := tx.Owners(ctx)
	if err == nil && len(owners) <= 1 {
		return fault.New(fault.Conflict, "member.last_owner", "A tenant needs an owner. Make somebody else one first.")
	}
	return err
}

func noRole(role tenants.Role) error {
	return fault.New(fault.Invalid, "role.unknown", "There is no role %q here.", role).On("/role")
}

package registry

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// A Role is a custom role of one tenant. As a member's role it is written
// "custom:" and its name. What an agency defines can be given in its
// workspaces, too; a name means the nearest role that has it.
type Role struct {
	Name      string // lower-case letters, digits and dashes
	Title     string
	Actions   []tenants.Action // sorted
	Inherited bool             // it is the tenant's above, and not to be changed here
	Version   int              // bumped by every save; a stale save is a conflict
	CreatedAt time.Time
	UpdatedAt time.Time
}

// As is the role as a member carries it.
func (r *Role) As() tenants.Role { return tenants.Role(customPrefix + r.Name) }

// MaxRoles is how many custom roles a tenant may have: they are read as a whole.
const MaxRoles = 50

var roleName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// Check holds the invariants. Every save runs it.
func (r *Role) Check() error {
	switch {
	case !roleName.MatchString(r.Name):
		return fault.New(fault.Invalid, "role.name", "Use 1 to 40 lower-case letters, digits and dashes, and begin with a letter.").On("/name")
	case strings.TrimSpace(r.Title) == "" || utf8.RuneCountInString(r.Title) > MaxName:
		return fault.New(fault.Invalid, "role.title", "A title has 1 to %d characters.", MaxName).On("/title")
	case len(r.Actions) == 0 || len(r.Actions) > 100:
		return fault.New(fault.Invalid, "role.actions", "A role allows 1 to 100 actions.").On("/actions")
	}
	return nil
}

// Roles lists the custom roles that can be given in who's tenant, by name: its
// own and those from above.
func (s *Service) Roles(ctx context.Context, who tenants.Scope) ([]Role, error) {
	if err := s.authz.Allow(ctx, who, ActMemberRead); err != nil {
		return nil, err
	}
	return s.store.RolesFor(ctx, who.Tenant)
}

// CreateRole defines a custom role. It can allow nothing that its author may not do.
func (s *Service) CreateRole(ctx context.Context, who tenants.Scope, name, title string, actions []tenants.Action) (*Role, error) {
	if err := s.authz.Allow(ctx, who, ActRoleManage); err != nil {
		return nil, err
	}
	if err := s.holds(ctx, who, actions); err != nil {
		return nil, err
	}
	now := s.now()
	r := &Role{Name: name, Title: title, Actions: normal(actions), CreatedAt: now, UpdatedAt: now}
	if err := r.Check(); err != nil {
		return nil, err
	}
	above, err := s.store.RolesFor(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(above, func(a Role) bool { return a.Inherited && a.Name == name }) {
		return nil, fault.New(fault.Conflict, "role.exists", "The tenant above has a role of this name already.").On("/name")
	}
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		all, err := tx.Roles(ctx)
		if err != nil {
			return err
		}
		if len(all) >= MaxRoles {
			return fault.New(fault.Quota, "role.too_many", "A tenant has at most %d roles of its own.", MaxRoles).Knowing(fault.Facts{Limit: MaxRoles})
		}
		if err := tx.SaveRole(ctx, r); err != nil {
			return err
		}
		return tx.Record(ctx, recordOf(who, "role.create", r))
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// UpdateRole changes what a custom role allows, for all who have it and from
// their next request on. A version other than 0 must be the current one.
func (s *Service) UpdateRole(ctx context.Context, who tenants.Scope, name, title string, actions []tenants.Action, version int) (*Role, error) {
	if err := s.authz.Allow(ctx, who, ActRoleManage); err != nil {
		return nil, err
	}
	if err := s.holds(ctx, who, actions); err != nil {
		return nil, err
	}
	var r *Role
	err := s.store.Update(ctx, who.Tenant, func(tx Tx) (err error) {
		if r, err = tx.Role(ctx, name); err != nil {
			return err
		}
		if version != 0 && version != r.Version {
			return fault.New(fault.Conflict, "role.stale", "Someone else changed this role. Reload it and try again.")
		}
		r.Title, r.Actions, r.UpdatedAt = title, normal(actions), s.now()
		if err = r.Check(); err != nil {
			return err
		}
		if err = tx.SaveRole(ctx, r); err != nil {
			return err
		}
		return tx.Record(ctx, recordOf(who, "role.update", r))
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// recordOf is an entry about a role, with what it allows.
func recordOf(who tenants.Scope, action string, r *Role) audit.Entry {
	allows := make([]string, len(r.Actions))
	for i, act := range r.Actions {
		allows[i] = string(act)
	}
	return audit.By(who, action, string(r.As()), "actions", strings.Join(allows, " "))
}

// DeleteRole removes a custom role. Those who have it, here and in the tenants
// directly below, and those who are invited with it, get instead, which who
// must be able to give; an empty instead is fault.Conflict while there are any.
func (s *Service) DeleteRole(ctx context.Context, who tenants.Scope, name string, instead tenants.Role) error {
	if err := s.authz.Allow(ctx, who, ActRoleManage); err != nil {
		return err
	}
	if instead == tenants.Role(customPrefix+name) {
		return fault.New(fault.Invalid, "role.itself", "Choose another role than the one that goes.").On("/query/reassign_to")
	}
	if instead != "" {
		if err := s.authz.Allow(ctx, who, ActMemberManage); err != nil {
			return err
		}
		if _, err := s.mayGive(ctx, who, instead); err != nil {
			return fault.Of(err).On("/query/reassign_to")
		}
	}
	e := audit.By(who, "role.delete", customPrefix+name, "instead", string(instead))
	return s.store.RemoveRole(ctx, who.Tenant, name, instead, e)
}

// CustomRoles says what the custom roles of a tenant's members may do. It is
// apart from Service because a Service needs an authorizer, and the authorizer
// needs this.
func CustomRoles(ctx context.Context, store Store, tenant tenants.ID) (map[tenants.Role][]tenants.Action, error) {
	out := map[tenants.Role][]tenants.Action{}
	all, err := store.RolesFor(ctx, tenant)
	for _, r := range all {
		out[r.As()] = r.Actions
	}
	return out, err
}

// holds reports whether who may do all of actions.
func (s *Service) holds(ctx context.Context, who tenants.Scope, actions []tenants.Action) error {
	for i, act := range actions {
		err := s.authz.Allow(ctx, who, act)
		if fault.Is(err, fault.Invalid) {
			return fault.New(fault.Invalid, "role.unknown_action", "There is nothing called %.64q to allow.", string(act)).On("/actions/" + strconv.Itoa(i)).Because(err)
		}
		if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.Quota) {
			return fault.New(fault.Forbidden, "role.above_own", "You cannot give away %q: it is not yours.", act).
				On("/actions/" + strconv.Itoa(i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// normal sorts and drops repetitions.
func normal(actions []tenants.Action) []tenants.Action {
	return slices.Compact(slices.Sorted(slices.Values(actions)))
}

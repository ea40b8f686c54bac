// Package registry keeps the tree of tenants and who belongs where.
//
// It decides who is acting before anybody else decides anything: Resolve turns
// a person and a tenant into the Scope that every use case takes. Nothing of
// it is remembered between requests, so a role that is taken away is gone with
// the next one, on every process.
//
// Being above a tenant opens nothing in it. A parent sees the directory entry
// of its direct children (name, kind, state), may suspend them, and that is
// all; who creates a child becomes its first owner by a membership like any
// other. What more it needs, the child's owner grants, for a time.
//
// Start with Service; tenant.go, member.go and role.go hold the rules.
// invitation.go and join.go are how people come in, ownership.go how a tenant
// changes hands, access.go how the tenant above is let in.
package registry

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// What a member may be allowed to do here.
const (
	ActRead          tenants.Action = "tenant.read"
	ActUpdate        tenants.Action = "tenant.update"
	ActCreateChild   tenants.Action = "tenant.create_child"
	ActSuspend       tenants.Action = "tenant.suspend"
	ActPause         tenants.Action = "tenant.pause"
	ActTransfer      tenants.Action = "tenant.transfer"
	ActMemberRead    tenants.Action = "member.read"
	ActMemberManage  tenants.Action = "member.manage"
	ActRoleManage    tenants.Action = "role.manage"
	ActAccessRead    tenants.Action = "access.read"
	ActAccessGrant   tenants.Action = "access.grant"
	ActAccessRequest tenants.Action = "access.request"
)

// Service is the use cases of the registry. It is safe for concurrent use.
type Service struct {
	store Store
	authz tenants.Authorizer
	now   func() time.Time
}

// New returns a Service. Every argument is required.
func New(store Store, authz tenants.Authorizer, now func() time.Time) *Service {
	return &Service{store: store, authz: authz, now: now}
}

// Resolve says who user is in tenant: a member, or somebody from the tenant
// above under a grant that is alive. It returns fault.NotFound alike for a
// tenant that is not there and for one that user has no business in, and
// fault.Forbidden, with whom to ask, if it is suspended.
func (s *Service) Resolve(ctx context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Scope, error) {
	if !tenant.Valid() || user == "" {
		return tenants.Scope{}, noTenant()
	}
	st, err := s.store.Standing(ctx, tenant, user)
	if err != nil {
		return tenants.Scope{}, err
	}
	who := tenants.Scope{Tenant: tenant, Kind: st.Kind, User: user, Role: st.Role, Tier: st.Tier, Authz: st.Authz}
	if who.Role == "" && st.Grant != "" {
		who.Role, who.Grant = entering(st.GrantRole, st.Home), string(st.Grant)
	}
	if who.Role == "" {
		return tenants.Scope{}, noTenant()
	}
	if st.Suspended {
		return tenants.Scope{}, s.suspended(ctx, tenant)
	}
	return who, nil
}

// suspended says why tenant is closed, and whom to ask.
func (s *Service) suspended(ctx context.Context, tenant tenants.ID) error {
	c, err := s.store.Closure(ctx, tenant)
	if err != nil {
		return err
	}
	return c.fault()
}

// Standing says how a tenant stands, for callers that are no member, such as
// an API key. It returns fault.NotFound, and fault.Forbidden for a suspended one.
func (s *Service) Standing(ctx context.Context, tenant tenants.ID) (Standing, error) {
	if !tenant.Valid() {
		return Standing{}, noTenant()
	}
	st, err := s.store.Standing(ctx, tenant, "")
	if err == nil && st.Suspended {
		err = s.suspended(ctx, tenant)
	}
	return st, err
}

// Mine lists the tenants that user is a member of, by name.
func (s *Service) Mine(ctx context.Context, user tenants.UserID) ([]Place, error) {
	return s.store.Mine(ctx, user)
}

// Get returns the tenant that who is in.
func (s *Service) Get(ctx context.Context, who tenants.Scope) (*Tenant, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	var t *Tenant
	err := s.store.View(ctx, who.Tenant, func(tx Tx) (err error) {
		t, err = tx.Tenant(ctx)
		return err
	})
	return t, err
}

// Children lists up to limit directory entries of who's direct children, in
// the order of their IDs and from after on.
func (s *Service) Children(ctx context.Context, who tenants.Scope, after tenants.ID, limit int) ([]Entry, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	return s.store.Children(ctx, who.Tenant, after, limit)
}

// A Draft describes a tenant to be created.
type Draft struct {
	Kind     tenants.Kind
	Name     string
	Tier     tenants.Tier // empty: that of the nearest ancestor
	Settings Settings
}

// Create makes a child of who's tenant, and who its first owner.
func (s *Service) Create(ctx context.Context, who tenants.Scope, d Draft) (*Tenant, error) {
	if err := s.authz.Allow(ctx, who, ActCreateChild); err != nil {
		return nil, err
	}
	if who.User == "" {
		return nil, fault.New(fault.Forbidden, "tenant.needs_owner", "Only a person can create a tenant: somebody has to own it.")
	}
	if !who.Kind.Holds(d.Kind) {
		return nil, fault.New(fault.Invalid, "tenant.kind", "A tenant of kind %q cannot be below one of kind %q.", d.Kind, who.Kind).On("/kind")
	}
	if d.Tier != "" && rankTier(d.Tier) > rankTier(who.Tier) {
		return nil, fault.New(fault.Quota, "tenant.tier", "A child's plan cannot exceed its parent's, which is %s.", who.Tier).On("/tier").
			Knowing(fault.Facts{Plan: string(who.Tier), NeededPlan: string(d.Tier)})
	}
	return s.create(ctx, who.Tenant, d, Member{User: who.User, Role: tenants.Owner, GrantedBy: who.Actor()}, audit.By(who, "tenant.create", ""))
}

func (s *Service) create(ctx context.Context, parent tenants.ID, d Draft, owner Member, e audit.Entry) (*Tenant, error) {
	now := s.now()
	t := &Tenant{
		ID: tenants.NewID(), Parent: parent, Kind: d.Kind, Name: d.Name, Tier: d.Tier,
		State: Active, Settings: d.Settings, CreatedAt: now, UpdatedAt: now,
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	owner.CreatedAt, owner.UpdatedAt = now, now
	e.Subject, e.Detail = string(t.ID), map[string]string{"kind": string(d.Kind), "owner": string(owner.User)}
	if err := s.store.Create(ctx, t, owner, e); err != nil {
		return nil, err
	}
	return t, nil
}

// Bootstrap returns the operator, the root of the tree, and creates it with
// user as its first owner if there is none yet. It is for the installation
// itself, not for people.
func (s *Service) Bootstrap(ctx context.Context, user tenants.UserID, name string) (tenants.ID, error) {
	root, err := s.store.Operator(ctx)
	if !fault.Is(err, fault.NotFound) {
		return root, err
	}
	d := Draft{Kind: tenants.Operator, Name: name, Tier: tenants.Team}
	t, err := s.create(ctx, "", d, Member{User: user, Role: tenants.Owner, GrantedBy: string(tenants.System)}, audit.Of(string(tenants.System), "tenant.create", ""))
	if fault.Is(err, fault.Conflict) { // another process was faster
		return s.store.Operator(ctx)
	}
	if err != nil {
		return "", err
	}
	return t.ID, nil
}

// Found gives a person who signed up an agency of their own on the free plan.
func (s *Service) Found(ctx context.Context, user tenants.UserID, name string) (*Tenant, error) {
	if user == "" {
		return nil, fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
	}
	root, err := s.store.Operator(ctx)
	if err != nil {
		return nil, err
	}
	d := Draft{Kind: tenants.Agency, Name: name, Tier: tenants.Free}
	return s.create(ctx, root, d, Member{User: user, Role: tenants.Owner, GrantedBy: string(tenants.System)}, audit.Of(string(user), "tenant.create", ""))
}

// A Change is what to change about a tenant; nil leaves a thing as it is.
type Change struct {
	Name     *string
	Settings *Settings
	Version  int // the one the change is based on; 0 takes any
}

// Update changes the tenant that who is in. It returns fault.Conflict if
// somebody else changed it since c.Version.
func (s *Service) Update(ctx context.Context, who tenants.Scope, c Change) (*Tenant, error) {
	if err := s.authz.Allow(ctx, who, ActUpdate); err != nil {
		return nil, err
	}
	return s.change(ctx, who, "tenant.update", func(t *Tenant) error {
		if c.Version != 0 && c.Version != t.Version {
			return stale()
		}
		if c.Name != nil {
			t.Name = *c.Name
		}
		if c.Settings != nil {
			t.Settings = *c.Settings
		}
		return nil
	})
}

// Pause stops publishing in who's tenant and everything below it.
func (s *Service) Pause(ctx context.Context, who tenants.Scope, reason string) (*Tenant, error) {
	if err := s.authz.Allow(ctx, who, ActPause); err != nil {
		return nil, err
	}
	return s.change(ctx, who, "publishing.pause", func(t *Tenant) error { t.Paused, t.PausedReason = true, reason; return nil })
}

// Unpause lets publishing go on, unless a tenant above is paused too.
func (s *Service) Unpause(ctx context.Context, who tenants.Scope) (*Tenant, error) {
	if err := s.authz.Allow(ctx, who, ActPause); err != nil {
		return nil, err
	}
	return s.change(ctx, who, "publishing.resume", func(t *Tenant) error { t.Paused, t.PausedReason = false, ""; return nil })
}

func (s *Service) change(ctx context.Context, who tenants.Scope, action string, how func(*Tenant) error) (*Tenant, error) {
	var t *Tenant
	err := s.store.Update(ctx, who.Tenant, func(tx Tx) (err error) {
		if t, err = tx.Tenant(ctx); err != nil {
			return err
		}
		if err = how(t); err != nil {
			return err
		}
		t.UpdatedAt = s.now()
		if err = tx.SaveTenant(ctx, t); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, action, string(t.ID), "reason", t.PausedReason))
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Suspend closes a direct child of who's tenant, and all below it, to
// everybody. It returns fault.NotFound for anything but a direct child, and
// fault.Conflict for one that somebody higher suspended.
func (s *Service) Suspend(ctx context.Context, who tenants.Scope, child tenants.ID, reason string) error {
	if err := s.authz.Allow(ctx, who, ActSuspend); err != nil {
		return err
	}
	if utf8.RuneCountInString(reason) > maxReason {
		return tooLong("/reason", maxReason)
	}
	return s.store.SetState(ctx, who.Tenant, child, Suspended, reason, audit.By(who, "tenant.suspend", string(child), "reason", reason))
}

// Resume reopens a child. What is suspended further up or down stays so, and
// what somebody higher suspended is not theirs to open: fault.Conflict.
func (s *Service) Resume(ctx context.Context, who tenants.Scope, child tenants.ID) error {
	if err := s.authz.Allow(ctx, who, ActSuspend); err != nil {
		return err
	}
	return s.store.SetState(ctx, who.Tenant, child, Active, "", audit.By(who, "tenant.resume", string(child)))
}

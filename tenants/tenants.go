// Package tenants says on whose behalf the kernel is acting.
//
// Tenants form a tree: operator → reseller → agency → workspace. Each node is
// a tenant of its own, with its own rows and its own row-level-security key;
// being above another node opens nothing. People reach a node through a
// membership there, and through nothing else.
//
// A use case takes a Scope as its second argument, right after the context:
// forgetting who is asking is a compile error here, not a data leak.
package tenants

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

// ID names a tenant, such as "ten_01jd…". The zero ID is nobody and opens no door.
type ID string

// Valid reports whether t is a well-formed tenant name.
func (t ID) Valid() bool { return id.Is("ten", string(t)) }

// NewID returns a fresh tenant name.
func NewID() ID { return ID(id.New("ten")) }

// UserID names a person, such as "usr_01jd…".
type UserID string

// Kind is a tenant's place in the tree.
type Kind string

// The levels, from the top.
const (
	Operator  Kind = "operator"
	Reseller  Kind = "reseller"
	Agency    Kind = "agency"
	Workspace Kind = "workspace"
)

// Holds reports whether a tenant of kind k may have one of kind child below it.
func (k Kind) Holds(child Kind) bool {
	switch k {
	case Operator:
		return child == Reseller || child == Agency
	case Reseller:
		return child == Agency
	case Agency:
		return child == Workspace
	}
	return false
}

// Role is what a member may do inside one tenant: a built-in role or the name
// of a custom role of that tenant ("custom:…").
type Role string

// The built-in roles.
const (
	Owner    Role = "owner"
	Admin    Role = "admin"
	Manager  Role = "manager"
	Editor   Role = "editor"
	Approver Role = "approver"
	Client   Role = "client"
	Viewer   Role = "viewer"
	// System is the kernel acting on its own: workers and jobs.
	System Role = "system"
)

// BuiltinRoles lists what a member can be given, strongest first.
func BuiltinRoles() []Role {
	return []Role{Owner, Admin, Manager, Editor, Approver, Client, Viewer}
}

// Tier is what a tenant pays for.
type Tier string

// The tiers.
const (
	Free    Tier = "free"
	Creator Tier = "creator"
	Pro     Tier = "pro"
	Team    Tier = "agency"
)

// Tiers lists every tier, smallest first.
func Tiers() []Tier { return []Tier{Free, Creator, Pro, Team} }

// A Scope is one actor, in one tenant, on one plan. It is read from the
// database on each request; no token carries it.
type Scope struct {
	Tenant  ID
	Kind    Kind
	User    UserID // empty for the system
	Role    Role
	Tier    Tier
	Authz   int64    // version of the tenant's members and roles that this was read from
	Key     string   // the API key used, if any
	Granted []Action // what that key is narrowed to; nil means everything the role may
	Grant   string   // the grant of access that a person of the tenant above is here by; empty for members
	// Impersonator is the operator who acts as User; empty: nobody does.
	Impersonator string
}

// SystemScope is the kernel acting on its own in tenant t.
func SystemScope(t ID) Scope { return Scope{Tenant: t, Role: System} }

// Actor names who acts, for records: a key, a person or "system".
func (s Scope) Actor() string {
	switch {
	case s.Key != "":
		return s.Key
	case s.User != "":
		return string(s.User)
	}
	return string(System)
}

// Action is a permission, such as "post.schedule". Each has its rows in
// policies/policy.csv; a test keeps the two lists equal.
type Action string

// InPerson refuses with fault.Forbidden whoever is not a member themselves: keys,
// those who are here by a grant, the system.
func (s Scope) InPerson() error {
	if s.User == "" || s.Key != "" || s.Grant != "" {
		return fault.New(fault.Forbidden, "auth.session_required", "This is for a member in person, not for an API key.")
	}
	return nil
}

// An Authorizer decides. It returns nil, fault.Forbidden (the role may not, or
// the key is not scoped for it), fault.Quota (the tier may not; it names the
// one that may) or fault.Invalid for an action that there is none of.
type Authorizer interface {
	Allow(ctx context.Context, who Scope, act Action) error
}

type ctxKey struct{}

// NewContext carries who across a framework that only passes a context. Only
// the HTTP and job edges call it.
func NewContext(ctx context.Context, who Scope) context.Context {
	return context.WithValue(ctx, ctxKey{}, who)
}

// FromContext is the other half. A scope without a tenant is refused.
func FromContext(ctx context.Context) (Scope, error) {
	who, _ := ctx.Value(ctxKey{}).(Scope)
	if !who.Tenant.Valid() {
		return Scope{}, fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
	}
	return who, nil
}

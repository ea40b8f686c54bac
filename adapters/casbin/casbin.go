// Package casbin answers tenants.Authorizer from the rules in policies and
// from tenants' custom roles.
//
// Casbin walks every rule on every question, so it is asked once per rule set
// and the answers are kept: those for built-in roles and plans for good, those
// for a tenant's custom roles under the version of its roles that the Scope
// was read with. A change of roles makes a new version, so there is nothing to
// invalidate and no process that can miss an invalidation. What a decision
// costs does not depend on how many tenants or members there are.
//
// Start with Allow.
package casbin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	casbin "github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	stringadapter "github.com/casbin/casbin/v2/persist/string-adapter"

	"github.com/carillonhq/carillon/policies"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// CustomRoles says what a tenant's own roles may do, by their full name
// ("custom:…"). It is asked once per version of the tenant's roles.
type CustomRoles interface {
	CustomRoles(ctx context.Context, tenant tenants.ID) (map[tenants.Role][]tenants.Action, error)
}

// Authorizer decides by role, by key and by plan. It is safe for concurrent use.
type Authorizer struct {
	custom  CustomRoles
	roles   map[tenants.Role]actions
	known   actions
	tiers   map[tenants.Tier]actions
	kinds   map[tenants.Kind]actions
	special actions // those that are not for every kind
	tenants *lru[version, map[tenants.Role]actions]
}

var _ tenants.Authorizer = (*Authorizer)(nil)

type actions map[tenants.Action]bool

// version is one state of one tenant's roles.
type version struct {
	tenant tenants.ID
	authz  int64
}

// remembered is how many tenants' custom roles are kept compiled, about 2 KB each.
const remembered = 8192

// New compiles the embedded rules. Without custom, custom roles may do nothing.
func New(custom CustomRoles) (*Authorizer, error) {
	e, err := enforcer(policies.Policy)
	if err != nil {
		return nil, err
	}
	a := &Authorizer{
		custom: custom, known: actions{}, roles: map[tenants.Role]actions{}, tiers: map[tenants.Tier]actions{}, kinds: map[tenants.Kind]actions{}, special: actions{},
		tenants: newLRU[version, map[tenants.Role]actions](remembered),
	}
	all, err := e.GetAllNamedActions("p")
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	for _, act := range all {
		a.known[tenants.Action(act)] = true
	}
	for _, role := range append(tenants.BuiltinRoles(), tenants.System) {
		if a.roles[role], err = compile(all, func(act string) (bool, error) { return e.Enforce(string(role), "*", act) }); err != nil {
			return nil, err
		}
	}
	for _, tier := range tenants.Tiers() {
		second := casbin.NewEnforceContext("2")
		if a.tiers[tier], err = compile(all, func(act string) (bool, error) { return e.Enforce(second, string(tier), act) }); err != nil {
			return nil, err
		}
	}
	return a, a.compileKinds(e)
}

// compileKinds asks what each kind of tenant may of what is not for all.
func (a *Authorizer) compileKinds(e *casbin.Enforcer) error {
	special, err := e.GetAllNamedActions("p3")
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	for _, act := range special {
		a.special[tenants.Action(act)] = true
	}
	third := casbin.NewEnforceContext("3")
	for _, kind := range []tenants.Kind{tenants.Operator, tenants.Reseller, tenants.Agency, tenants.Workspace} {
		if a.kinds[kind], err = compile(special, func(act string) (bool, error) { return e.Enforce(third, string(kind), act) }); err != nil {
			return err
		}
	}
	return nil
}

// Allow implements tenants.Authorizer. The kernel acting on its own is bound by
// its role but by no plan: what a tenant was sold is checked when a person asks.
func (a *Authorizer) Allow(ctx context.Context, who tenants.Scope, act tenants.Action) error {
	may, err := a.role(ctx, who)
	if err != nil {
		return err
	}
	switch {
	case !a.known[act]:
		return fault.New(fault.Invalid, "action.unknown", "There is nothing called %.64q to allow.", string(act))
	case !may[act]:
		return fault.New(fault.Forbidden, "role.denied", "Your role does not allow this.")
	case a.special[act] && !a.kinds[who.Kind][act]:
		return fault.New(fault.Forbidden, "kind.denied", "This is not for a tenant of this kind.")
	case who.Granted != nil && !slices.Contains(who.Granted, act):
		return fault.New(fault.Forbidden, "key.denied", "This key is not scoped for %s.", act)
	case who.Role != tenants.System && !a.tiers[who.Tier][act]:
		return a.tooSmall(who.Tier, act)
	}
	return nil
}

// Actions is what a built-in role may do in a tenant of any kind, sorted. It is
// before key and plan.
func (a *Authorizer) Actions(role tenants.Role) []tenants.Action {
	var out []tenants.Action
	for act, may := range a.roles[role] {
		if may && !a.special[act] {
			out = append(out, act)
		}
	}
	slices.Sort(out)
	return out
}

// tooSmall says which plan includes what tier does not.
func (a *Authorizer) tooSmall(tier tenants.Tier, act tenants.Action) error {
	facts := fault.Facts{Plan: string(tier)}
	for _, larger := range tenants.Tiers() {
		if a.tiers[larger][act] {
			facts.NeededPlan = string(larger)
			return fault.New(fault.Quota, "tier.denied", "Your plan, %s, does not include this; %s does.", tier, larger).Knowing(facts)
		}
	}
	return fault.New(fault.Quota, "tier.denied", "Your plan does not include this.").Knowing(facts)
}

// role is what who's role may do, before key and plan.
func (a *Authorizer) role(ctx context.Context, who tenants.Scope) (actions, error) {
	if !strings.HasPrefix(string(who.Role), customPrefix) {
		return a.roles[who.Role], nil
	}
	if a.custom == nil || !who.Tenant.Valid() {
		return nil, nil
	}
	key := version{who.Tenant, who.Authz}
	if roles, ok := a.tenants.get(key); ok {
		return roles[who.Role], nil
	}
	rows, err := a.custom.CustomRoles(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	roles, err := compileCustom(who.Tenant, rows)
	if err != nil {
		return nil, err
	}
	a.tenants.put(key, roles)
	return roles[who.Role], nil
}

const customPrefix = "custom:"

// compileCustom puts a tenant's roles through the same model, in its domain.
func compileCustom(tenant tenants.ID, rows map[tenants.Role][]tenants.Action) (map[tenants.Role]actions, error) {
	e, err := enforcer("")
	if err != nil {
		return nil, err
	}
	var rules [][]string
	for role, acts := range rows {
		for _, act := range acts {
			rules = append(rules, []string{string(role), string(tenant), string(act)})
		}
	}
	if _, err := e.AddPoliciesEx(rules); err != nil {
		return nil, fmt.Errorf("custom roles: %w", err)
	}
	out := make(map[tenants.Role]actions, len(rows))
	for role, acts := range rows {
		names := make([]string, len(acts))
		for i, act := range acts {
			names[i] = string(act)
		}
		if out[role], err = compile(names, func(act string) (bool, error) { return e.Enforce(string(role), string(tenant), act) }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func enforcer(policy string) (*casbin.Enforcer, error) {
	m, err := model.NewModelFromString(policies.Model)
	if err != nil {
		return nil, fmt.Errorf("policy model: %w", err)
	}
	if policy == "" {
		return casbin.NewEnforcer(m)
	}
	e, err := casbin.NewEnforcer(m, stringadapter.NewAdapter(policy))
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return e, nil
}

// compile asks about each of names once.
func compile(names []string, ask func(act string) (bool, error)) (actions, error) {
	out := actions{}
	for _, name := range names {
		ok, err := ask(name)
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		if ok {
			out[tenants.Action(name)] = true
		}
	}
	return out, nil
}

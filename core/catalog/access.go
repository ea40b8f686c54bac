package catalog

import (
	"context"
	"slices"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Enable switches a plugin on for who's tenant and all below it; in the
// operator's tenant, for the whole installation. Errors: fault.Quota if the
// plan does not include it, fault.Conflict if somebody above does not want it.
func (s *Service) Enable(ctx context.Context, who tenants.Scope, id string) (Entry, error) {
	return s.set(ctx, who, id, true)
}

// Disable is the opposite. Nothing is lost: what is planned waits.
func (s *Service) Disable(ctx context.Context, who tenants.Scope, id string) (Entry, error) {
	return s.set(ctx, who, id, false)
}

func (s *Service) set(ctx context.Context, who tenants.Scope, id string, on bool) (Entry, error) {
	if err := s.Authz.Allow(ctx, who, ActEnable); err != nil {
		return Entry{}, err
	}
	if who.Kind == tenants.Operator {
		return s.setForAll(ctx, who, id, on)
	}
	return s.choose(ctx, who, id, on)
}

func (s *Service) setForAll(ctx context.Context, who tenants.Scope, id string, on bool) (Entry, error) {
	return s.change(ctx, who, id, switching(on), func(_ context.Context, _ Tx, p *Plugin) (*Version, []string, error) {
		switch {
		case on && p.Level != BuiltIn && p.Active == "":
			return nil, nil, fault.New(fault.Conflict, "plugin.not_approved", "No version of this plugin is approved yet.")
		case on == (p.State == Enabled):
			return nil, nil, nil
		case on:
			p.State = Enabled
			return nil, []string{EventEnabled}, nil
		}
		p.State = Disabled
		return nil, []string{EventDisabled}, nil
	})
}

// switching is what it is called in records.
func switching(on bool) string {
	if on {
		return "plugin.enable"
	}
	return "plugin.disable"
}

// choose records a tenant's own word.
func (s *Service) choose(ctx context.Context, who tenants.Scope, id string, on bool) (Entry, error) {
	e, err := s.get(ctx, who, id) // what they cannot see is not there
	if err != nil {
		return Entry{}, err
	}
	if on && e.Closed == ClosedByPlan {
		return Entry{}, fault.New(fault.Quota, string(ClosedByPlan), "Your plan does not include this platform.").
			Knowing(fault.Facts{Plan: string(who.Tier), NeededPlan: string(e.Plugin.Grants.Least(who))})
	}
	happened := map[bool]string{true: EventEnabled, false: EventDisabled}[on]
	err = s.Store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := tx.SaveChoice(ctx, id, Choice{On: on, By: who.Actor(), At: s.Now()}); err != nil {
			return err
		}
		if err := tx.Emit(ctx, happened, string(who.Tenant), EventData{Plugin: id, Actor: who.Actor()}); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, switching(on), id))
	})
	if err != nil {
		return Entry{}, err
	}
	e, err = s.get(ctx, who, id)
	if err == nil && on && e.Closed == ClosedByChoice {
		return Entry{}, fault.New(fault.Conflict, string(ClosedByChoice), "Somebody above this tenant has switched this platform off. Your choice is kept for when they switch it on.")
	}
	return e, err
}

// Least is the smallest plan above who's that includes the plugin; empty: it is
// not for want of a plan that who may not have it, or none does.
func (g Grants) Least(who tenants.Scope) tenants.Tier {
	if _, named := g.Tenants[who.Tenant]; named || slices.Contains(g.Tiers, who.Tier) {
		return ""
	}
	all := tenants.Tiers()
	for _, t := range all[slices.Index(all, who.Tier)+1:] {
		if slices.Contains(g.Tiers, t) {
			return t
		}
	}
	return ""
}

// fault says a reason to people.
func (r Reason) fault() *fault.Error {
	switch r {
	case ClosedForAll:
		return fault.New(fault.Forbidden, "platform.disabled", "This platform is switched off for everybody here.")
	case ClosedByPlan:
		return fault.New(fault.Quota, "platform.not_included", "Your plan does not include this platform.")
	}
	return fault.New(fault.Forbidden, "platform.switched_off", "This platform is switched off in this workspace, or above it.")
}

// Access answers core/channels: which platforms a tenant may not use.
type Access struct{ Store System }

// Closed returns the platforms that t may not use, each with the fault that
// says why: fault.Quota for the plan, fault.Forbidden for the rest.
func (a Access) Closed(ctx context.Context, t tenants.ID) (map[string]error, error) {
	closed, err := a.Store.Closed(ctx, t)
	if err != nil {
		return nil, err
	}
	out := map[string]error{}
	for id, why := range closed {
		out[id] = why.fault()
	}
	return out, nil
}

package admin

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// A Tenant is a node of the tree as operators see it.
type Tenant struct {
	ID        tenants.ID
	Parent    tenants.ID
	Kind      tenants.Kind
	Name      string
	Tier      tenants.Tier // its own; empty: that of the nearest ancestor
	Suspended bool         // itself; an ancestor's counts as well
	Reason    string
	CreatedAt time.Time
	Grant     *Grant // of a plan, for a time
}

// A Grant is a plan that a tenant has until some time. Then it falls back to
// what it had.
type Grant struct {
	Tenant tenants.ID
	Tier   tenants.Tier
	Was    tenants.Tier // empty: that of the nearest ancestor
	Reason string
	By     string
	At     time.Time
	Until  time.Time
}

// maxGrant is the longest that a plan can be granted for.
const maxGrant = 5 * 366 * 24 * time.Hour

// Tenants finds tenants, by id.
func (s *Service) Tenants(ctx context.Context, who Who, q Search) (page []Tenant, more bool, err error) {
	return found(ctx, s, who, q, Tx.Tenants)
}

// Tenant is one of them.
func (s *Service) Tenant(ctx context.Context, who Who, tenant tenants.ID) (t *Tenant, err error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(tx Tx) error {
		t, err = tx.Tenant(ctx, tenant)
		return err
	})
	return t, err
}

// SuspendTenant closes a tenant and all below it to everybody. The operator's
// own cannot be: fault.Conflict.
func (s *Service) SuspendTenant(ctx context.Context, who Who, tenant tenants.ID, reason string) (*Tenant, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	reason, err := because(reason)
	if err != nil {
		return nil, err
	}
	return s.setTenant(ctx, audit.Of(who.actor(), "tenant.suspend", string(tenant), "reason", reason), tenant, true, reason)
}

// ResumeTenant opens it again.
func (s *Service) ResumeTenant(ctx context.Context, who Who, tenant tenants.ID) (*Tenant, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	return s.setTenant(ctx, audit.Of(who.actor(), "tenant.resume", string(tenant)), tenant, false, "")
}

func (s *Service) setTenant(ctx context.Context, e audit.Entry, tenant tenants.ID, suspended bool, reason string) (t *Tenant, err error) {
	if !tenant.Valid() {
		return nil, Missing("tenant")
	}
	err = s.update(ctx, e, func(tx Tx) error {
		if t, err = tx.Tenant(ctx, tenant); err != nil {
			return err
		}
		if t.Kind == tenants.Operator {
			return errOwn()
		}
		t.Suspended, t.Reason = suspended, reason
		return tx.SuspendTenant(ctx, t)
	}, tenant)
	return t, err
}

// GrantTier gives a tenant a plan until a time, in place of a grant that it may
// have. What it falls back to is what it had before the first.
func (s *Service) GrantTier(ctx context.Context, who Who, tenant tenants.ID, tier tenants.Tier, until time.Time, reason string) (*Tenant, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	reason, err := because(reason)
	now := s.Now()
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains(tenants.Tiers(), tier):
		return nil, fault.New(fault.Invalid, "tenant.tier", "There is no plan %q.", tier).On("/tier")
	case !until.After(now) || until.Sub(now) > maxGrant:
		return nil, fault.New(fault.Invalid, "grant.until", "Choose a time in the future, at most five years away.").On("/until")
	case !tenant.Valid():
		return nil, Missing("tenant")
	}
	g := &Grant{Tenant: tenant, Tier: tier, Reason: reason, By: who.actor(), At: now, Until: until}
	e := audit.Of(who.actor(), "tier.grant", string(tenant), "tier", string(tier), "until", until.UTC().Format(time.RFC3339), "reason", reason)
	return s.regrade(ctx, e, tenant, func(t *Tenant) error {
		g.Was = t.Tier
		if t.Grant != nil {
			g.Was = t.Grant.Was
		}
		t.Tier, t.Grant = tier, g
		return nil
	})
}

// EndGrant makes a tenant fall back now.
func (s *Service) EndGrant(ctx context.Context, who Who, tenant tenants.ID) (*Tenant, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	return s.regrade(ctx, audit.Of(who.actor(), "tier.end", string(tenant)), tenant, func(t *Tenant) error {
		if t.Grant == nil {
			return Missing("grant")
		}
		t.fallBack()
		return nil
	})
}

// fallBack ends a grant. A plan that was chosen otherwise meanwhile stays.
func (t *Tenant) fallBack() {
	if t.Tier == t.Grant.Tier {
		t.Tier = t.Grant.Was
	}
	t.Grant = nil
}

func (s *Service) regrade(ctx context.Context, e audit.Entry, tenant tenants.ID, how func(*Tenant) error) (t *Tenant, err error) {
	err = s.update(ctx, e, func(tx Tx) error {
		if t, err = tx.Tenant(ctx, tenant); err != nil {
			return err
		}
		if t.Kind == tenants.Operator {
			return errOwn()
		}
		if err := how(t); err != nil {
			return err
		}
		return tx.SaveTier(ctx, t)
	}, tenant)
	return t, err
}

// Expire ends every grant whose time has come, and says how many there were. A
// worker calls it every few seconds.
func (s *Service) Expire(ctx context.Context) (n int, err error) {
	var due []tenants.ID
	now := s.Now()
	if err := s.Store.View(ctx, func(tx Tx) error {
		due, err = tx.DueGrants(ctx, now)
		return err
	}); err != nil {
		return 0, err
	}
	for _, tenant := range due {
		_, err := s.regrade(ctx, audit.Of(string(tenants.System), "tier.expire", string(tenant)), tenant, func(t *Tenant) error {
			if t.Grant == nil || t.Grant.Until.After(now) {
				return errSettled
			}
			t.fallBack()
			return nil
		})
		switch {
		case fault.Is(err, fault.Conflict): // another worker was faster
		case err != nil:
			return n, err
		default:
			n++
		}
	}
	return n, nil
}

var errSettled = fault.New(fault.Conflict, "grant.ended", "This was done.")

func errOwn() error {
	return fault.New(fault.Conflict, "operator.own_tenant", "This is the operator's own tenant.")
}

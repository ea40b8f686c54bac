package publishing

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// ActSettings is changing the rules for everybody in the tenant, and so part of
// running it: whoever may rename it may do this.
const ActSettings tenants.Action = "tenant.update"

// Settings are a tenant's publishing rules.
type Settings struct {
	// MissedAfter is how late a post may start. One that is later, because
	// everything was down or paused, is missed instead: news from yesterday
	// is worse than no news. Zero means it is sent however late.
	MissedAfter time.Duration
}

// DefaultSettings are those of a tenant that has not chosen.
var DefaultSettings = Settings{MissedAfter: 6 * time.Hour}

// MaxMissedAfter is the longest that can be chosen, short of ever.
const MaxMissedAfter = 30 * 24 * time.Hour

// Check holds the bounds. Whole seconds are the finest that is kept.
func (s Settings) Check() error {
	if s.MissedAfter < 0 || s.MissedAfter > MaxMissedAfter || s.MissedAfter%time.Second != 0 {
		return fault.New(fault.Invalid, "settings.missed_after", "Choose 0, or whole seconds up to 30 days.").On("/missed_after_s")
	}
	return nil
}

// Settings returns the tenant's publishing rules.
func (s *Service) Settings(ctx context.Context, who tenants.Scope) (out Settings, err error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return out, err
	}
	err = s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		out, err = tx.Settings(ctx)
		return err
	})
	return out, err
}

// UpdateSettings replaces the tenant's publishing rules. They hold from the
// next claim on, for what is already planned too.
func (s *Service) UpdateSettings(ctx context.Context, who tenants.Scope, rules Settings) error {
	if err := s.authz.Allow(ctx, who, ActSettings); err != nil {
		return err
	}
	if err := rules.Check(); err != nil {
		return err
	}
	return s.store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := tx.SaveSettings(ctx, rules); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "publishing.settings", string(who.Tenant), "missed_after", rules.MissedAfter.String()))
	})
}

package catalog

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// change loads, changes and saves one plugin, and records it as action. fn says
// what happened; nothing is nothing to record.
func (s *Service) change(ctx context.Context, who tenants.Scope, id, action string, fn func(context.Context, Tx, *Plugin) (*Version, []string, error)) (Entry, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return Entry{}, err
	}
	err := s.Store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		p, err := s.line(ctx, tx, id)
		if err != nil {
			return err
		}
		v, happened, err := fn(ctx, tx, p)
		if err != nil || happened == nil {
			return err
		}
		if err := s.keep(ctx, tx, who, p, v, happened); err != nil {
			return err
		}
		return tx.Record(ctx, recordOf(who, action, p, v))
	})
	if err != nil {
		return Entry{}, err
	}
	return s.get(ctx, who, id)
}

// recordOf is an entry about a plugin, with the version that matters.
func recordOf(who tenants.Scope, action string, p *Plugin, v *Version) audit.Entry {
	if v == nil {
		return audit.By(who, action, p.ID)
	}
	return audit.By(who, action, p.ID, "version", v.Version, "digest", v.Digest, "level", string(v.Level))
}

// Approve lets the version that waits run, with all that it asks for. digest is
// the one that was looked at: without it nothing is approved, and another is a
// conflict.
func (s *Service) Approve(ctx context.Context, who tenants.Scope, id, digest string) (Entry, error) {
	return s.change(ctx, who, id, "plugin.approve", func(ctx context.Context, tx Tx, p *Plugin) (*Version, []string, error) {
		if p.Pending != "" && digest == "" {
			return nil, nil, fault.New(fault.Invalid, "plugin.no_digest", "Say which version was looked at, by its digest.").On("/digest")
		}
		v, err := waiting(ctx, tx, p, digest)
		if err != nil {
			return nil, nil, err
		}
		p.activate(v)
		return v, []string{EventUpgraded}, tx.SaveVersion(ctx, v)
	})
}

// Dismiss lets the version that waits go; what runs runs on. It waits again if
// somebody adds it again. digest is as in Approve. A plugin of which nothing
// else is there is removed instead.
func (s *Service) Dismiss(ctx context.Context, who tenants.Scope, id, digest string) (Entry, error) {
	var gone string
	e, err := s.change(ctx, who, id, "plugin.dismiss", func(ctx context.Context, tx Tx, p *Plugin) (*Version, []string, error) {
		v, err := waiting(ctx, tx, p, digest)
		switch {
		case err != nil:
			return nil, nil, err
		case p.Active == "":
			return nil, nil, fault.New(fault.Conflict, "plugin.nothing_else", "This plugin has no other version. Remove the plugin.")
		}
		p.Pending = ""
		if v.Ran { // a way back to it stays
			return v, []string{EventUpdated}, nil
		}
		gone = v.Digest
		return v, []string{EventUpdated}, tx.DropVersion(ctx, id, v.Digest)
	})
	if err == nil && gone != "" {
		_ = s.Bundles.Forget(ctx, gone) // what is left of one is waste, not harm
	}
	return e, err
}

// waiting is the version that waits for approval. digest, if it is not empty, is
// the one that was looked at.
func waiting(ctx context.Context, tx Tx, p *Plugin, digest string) (*Version, error) {
	switch {
	case p.Pending == "":
		return nil, fault.New(fault.Conflict, "plugin.nothing_pending", "Nothing of this plugin waits for approval.")
	case digest != "" && digest != p.Pending:
		return nil, fault.New(fault.Conflict, "plugin.other_pending", "Another version waits by now. Look at it first.")
	}
	return tx.Version(ctx, p.ID, p.Pending)
}

// Rollback runs another version that is still kept and that ran before: the one
// before, or the one that version names by number or digest. The plugin is
// pinned by it, so that nothing undoes it, and no signer is accepted by it. One that never ran is for Approve,
// which shows what it asks for.
func (s *Service) Rollback(ctx context.Context, who tenants.Scope, id, version string) (Entry, error) {
	return s.change(ctx, who, id, "plugin.rollback", func(ctx context.Context, tx Tx, p *Plugin) (*Version, []string, error) {
		all, err := tx.Versions(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		v := find(all, p.Previous)
		if version != "" {
			v = named(all, version)
		}
		switch {
		case v == nil:
			return nil, nil, fault.New(fault.Conflict, "plugin.no_such_version", "That version is not kept here.").On("/version")
		case v.Digest == p.Active:
			return nil, nil, fault.New(fault.Conflict, "plugin.runs_already", "That version runs already.").On("/version")
		case !v.Ran:
			return nil, nil, fault.New(fault.Conflict, "plugin.never_ran", "That version never ran here, so there is no way back to it. Approve it while it waits, or add it again.").On("/version")
		}
		accepted := p.Signer
		p.activate(v)
		if p.Channel = Pinned; v.Level == Community && v.Key != accepted {
			p.Signer = "" // it may have been revoked since it ran
		}
		return v, []string{EventUpgraded}, tx.SaveVersion(ctx, v)
	})
}

func named(all []Version, version string) *Version {
	for i := range all {
		if all[i].Version == version || all[i].Digest == version {
			return &all[i]
		}
	}
	return nil
}

// A ChannelChange is a partial update. Nil fields stay.
type ChannelChange struct {
	Channel *Channel
	Row     int // the one the change is based on; 0 takes any
}

// Update changes which versions a plugin takes by itself.
func (s *Service) Update(ctx context.Context, who tenants.Scope, id string, c ChannelChange) (Entry, error) {
	return s.change(ctx, who, id, "plugin.set_channel", func(_ context.Context, _ Tx, p *Plugin) (*Version, []string, error) {
		if c.Row != 0 && c.Row != p.Row {
			return nil, nil, ErrStale()
		}
		if c.Channel == nil {
			return nil, nil, nil
		}
		p.Channel = *c.Channel
		return nil, []string{EventUpdated}, nil
	})
}

// Remove takes a plugin away, with its bundles. Its channels stay, and what is
// planned for them waits until it is added again.
func (s *Service) Remove(ctx context.Context, who tenants.Scope, id string) error {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return err
	}
	var gone []Version
	err := s.Store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		p, err := s.line(ctx, tx, id)
		if err != nil {
			return err
		}
		if p.Level == BuiltIn {
			return fault.New(fault.Conflict, "plugin.builtin", "%s is part of this program: disable it.", id)
		}
		if gone, err = tx.Versions(ctx, id); err != nil {
			return err
		}
		for _, v := range gone {
			if err := tx.DropVersion(ctx, id, v.Digest); err != nil {
				return err
			}
		}
		p.remove()
		if err := s.keep(ctx, tx, who, p, nil, []string{EventRemoved}); err != nil {
			return err
		}
		return tx.Record(ctx, recordOf(who, "plugin.remove", p, nil))
	})
	if err != nil {
		return err
	}
	for _, v := range gone {
		_ = s.Bundles.Forget(ctx, v.Digest) // what is left of one is waste, not harm
	}
	return nil
}

// Grants returns who may use a plugin.
func (s *Service) Grants(ctx context.Context, who tenants.Scope, id string) (g Grants, row int, err error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return g, 0, err
	}
	err = s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		p, err := s.line(ctx, tx, id)
		if err == nil {
			g, row = p.Grants, p.Row
		}
		return err
	})
	return g, row, err
}

// SetGrants replaces who may use a plugin. A row other than the present one is
// a conflict; 0 takes any.
func (s *Service) SetGrants(ctx context.Context, who tenants.Scope, id string, row int, g Grants) (Grants, int, error) {
	_, err := s.change(ctx, who, id, "plugin.set_grants", func(_ context.Context, _ Tx, p *Plugin) (*Version, []string, error) {
		if row != 0 && row != p.Row {
			return nil, nil, ErrStale()
		}
		p.Grants = g
		return nil, []string{EventUpdated}, nil
	})
	if err != nil {
		return g, 0, err
	}
	return s.Grants(ctx, who, id)
}

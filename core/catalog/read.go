package catalog

import (
	"cmp"
	"context"
	"slices"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// An Entry is a plugin as somebody sees it.
type Entry struct {
	Plugin   Plugin
	Manifest social.Manifest // of the version that runs; of the one that waits if none does
	// Closed is why the asking tenant may not use it.
	Closed Reason
	// Choice is the asking tenant's own word, nil if it has none.
	Choice *Choice
	// Health is how it does in this process.
	Health Health

	// What follows is for the operator alone.

	Pending  *Version  // the version that waits for approval
	Diff     []Change  // what approving it approves
	Versions []Version // all there are, the last added first
}

// List returns the plugins that who gets to see, by id: all of them to the
// operator, to others those that run.
func (s *Service) List(ctx context.Context, who tenants.Scope) ([]Entry, error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	if who.Kind == tenants.Operator {
		return s.listAll(ctx, who)
	}
	lines, err := s.Store.Instance(ctx)
	if err != nil {
		return nil, err
	}
	return s.listFor(ctx, who, lines)
}

// listAll is the operator's list.
func (s *Service) listAll(ctx context.Context, who tenants.Scope) (out []Entry, err error) {
	health := s.Runtime()
	err = s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		lines, err := tx.Plugins(ctx)
		if err != nil {
			return err
		}
		for _, p := range s.withBuiltins(lines) {
			if p.State == Removed {
				continue
			}
			e, err := s.describe(ctx, tx, p)
			if err != nil {
				return err
			}
			e.Health = health[p.ID]
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// withBuiltins adds the builtins that nobody said anything about.
func (s *Service) withBuiltins(lines []Plugin) []Plugin {
	out := slices.Clone(lines)
	for _, b := range s.Builtins {
		if !slices.ContainsFunc(lines, func(p Plugin) bool { return p.ID == b.Manifest.ID }) {
			out = append(out, *newPlugin(b.Manifest.ID, BuiltIn, s.Now()))
		}
	}
	slices.SortFunc(out, func(a, b Plugin) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// describe is all there is to say of a plugin.
func (s *Service) describe(ctx context.Context, tx Tx, p Plugin) (Entry, error) {
	e := Entry{Plugin: p}
	if b, ok := s.builtin(p.ID); ok {
		e.Manifest = b.Manifest
		return e, nil
	}
	all, err := tx.Versions(ctx, p.ID)
	if err != nil {
		return e, err
	}
	e.Versions, e.Pending = all, find(all, p.Pending)
	active := find(all, p.Active)
	if e.Pending != nil {
		e.Diff, e.Manifest = p.diff(*e.Pending, active), e.Pending.Manifest
	}
	if active != nil {
		e.Manifest = active.Manifest
	}
	return e, nil
}

// listFor is a tenant's list.
func (s *Service) listFor(ctx context.Context, who tenants.Scope, lines []Line) ([]Entry, error) {
	closed, err := s.Store.Closed(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	var choices map[string]Choice
	if err := s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		choices, err = tx.Choices(ctx)
		return err
	}); err != nil {
		return nil, err
	}
	health := s.Runtime()
	var out []Entry
	for _, e := range s.running(lines) {
		id := e.Plugin.ID
		if e.Closed = closed[id]; e.Closed == ClosedForAll {
			continue
		}
		if c, ok := choices[id]; ok {
			e.Choice = &c
		}
		e.Health = Health{State: health[id].State, Version: health[id].Version} // no more is theirs to know
		out = append(out, e)
	}
	return out, nil
}

// running are the plugins that run, with their manifests, by id.
func (s *Service) running(lines []Line) (out []Entry) {
	var plugins []Plugin
	for _, l := range lines {
		plugins = append(plugins, l.Plugin)
	}
	for _, p := range s.withBuiltins(plugins) {
		e := Entry{Plugin: Plugin{ID: p.ID, Name: p.Name, Level: p.Level, State: p.State, Channel: p.Channel, Row: p.Row, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}}
		b, builtin := s.builtin(p.ID)
		i := slices.IndexFunc(lines, func(l Line) bool { return l.Plugin.ID == p.ID && l.Active != nil })
		switch {
		case !p.Runs():
			continue
		case builtin:
			e.Manifest = b.Manifest
		case i >= 0:
			e.Manifest = lines[i].Active.Manifest
		default: // a builtin of another process's program
			continue
		}
		out = append(out, e)
	}
	return out
}

// Get returns one plugin as who sees it.
func (s *Service) Get(ctx context.Context, who tenants.Scope, id string) (Entry, error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return Entry{}, err
	}
	return s.get(ctx, who, id)
}

func (s *Service) get(ctx context.Context, who tenants.Scope, id string) (Entry, error) {
	if who.Kind != tenants.Operator {
		return s.getFor(ctx, who, id)
	}
	var e Entry
	err := s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		p, err := s.line(ctx, tx, id)
		if err != nil {
			return err
		}
		e, err = s.describe(ctx, tx, *p)
		return err
	})
	e.Health = s.Runtime()[id]
	return e, err
}

func (s *Service) getFor(ctx context.Context, who tenants.Scope, id string) (Entry, error) {
	lines, err := s.Store.Instance(ctx)
	if err != nil {
		return Entry{}, err
	}
	all, err := s.listFor(ctx, who, lines)
	if err != nil {
		return Entry{}, err
	}
	for _, e := range all {
		if e.Plugin.ID == id {
			return e, nil
		}
	}
	return Entry{}, ErrNotFound()
}

// line returns a plugin to change. A builtin has one even if nobody ever said
// anything about it; one that was removed has none.
func (s *Service) line(ctx context.Context, tx Tx, id string) (*Plugin, error) {
	p, err := tx.Plugin(ctx, id)
	if _, ok := s.builtin(id); ok && fault.Is(err, fault.NotFound) {
		return newPlugin(id, BuiltIn, s.Now()), nil
	}
	if err == nil && p.State == Removed {
		return nil, ErrNotFound()
	}
	return p, err
}

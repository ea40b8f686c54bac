package publishing

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Create keeps a draft. Nothing leaves until it is scheduled or published: a
// time that comes with it is a wish, which Schedule fulfills. What it names
// must be there; whether a platform takes it is for Validate.
func (s *Service) Create(ctx context.Context, who tenants.Scope, c Content, when Schedule) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActCreate); err != nil {
		return nil, err
	}
	p := NewPost(c, who.Actor())
	var err error
	if p.Schedule, err = when.intent(); err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	if err := s.formats(ctx, who, c, described{}); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := p.Schedule.feasible(ctx, tx); err != nil {
			return err
		}
		if err := refer(ctx, tx, c, c.Refs()); err != nil {
			return err
		}
		if err := tx.SavePost(ctx, p); err != nil {
			return err
		}
		if err := emit(ctx, tx, "post.created", p); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "post.create", string(p.ID)))
	})
	if err != nil {
		return nil, err
	}
	return &Detail{Post: p}, nil
}

// Edit replaces the content and the planned time. What is already on its way
// is refused with fault.Conflict; what is only planned is planned anew, and
// what had a time and is given none becomes a draft again.
func (s *Service) Edit(ctx context.Context, who tenants.Scope, id PostID, version int, c Content, when Schedule) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActEdit); err != nil {
		return nil, err
	}
	if err := s.mayEdit(ctx, who, id, version, c, when); err != nil {
		return nil, err
	}
	return s.change(ctx, who, id, "post.edit", func(ctx context.Context, tx Tx, d *Detail) error {
		if d.Version != version {
			return stale(d.Version)
		}
		if err := s.edit(ctx, tx, d, c, when); err != nil {
			return err
		}
		return emit(ctx, tx, "post.updated", d.Post)
	})
}

// change runs one use case on a locked post, records it as action and returns
// what became of it.
func (s *Service) change(ctx context.Context, who tenants.Scope, id PostID, action string, fn func(context.Context, Tx, *Detail) error) (*Detail, error) {
	var out *Detail
	err := s.store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		d, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := fn(ctx, tx, d); err != nil {
			return err
		}
		if err := tx.Record(ctx, audit.By(who, action, string(id), "at", dueOf(d))); err != nil {
			return err
		}
		out = d
		return hold(ctx, tx, d)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// dueOf is when a post goes out, for records.
func dueOf(d *Detail) string {
	if d.Schedule.At.IsZero() {
		return ""
	}
	return d.Schedule.At.UTC().Format(time.RFC3339)
}

func (s *Service) edit(ctx context.Context, tx Tx, d *Detail, c Content, when Schedule) error {
	if err := untouched(d, "it can no longer be edited"); err != nil {
		return err
	}
	if err := refer(ctx, tx, c, c.Refs()); err != nil {
		return err
	}
	d.Content = c
	if !d.pending() { // a draft, or one that ended: it goes out when somebody says so
		return redraft(ctx, tx, d, when)
	}
	if d.unplans(when) {
		return unplan(ctx, tx, d)
	}
	if d.moves(when) {
		if err := d.moveTo(ctx, tx, when); err != nil {
			return err
		}
	}
	return replan(ctx, tx, d, editOne)
}

// redraft gives a draft a wished time, or none. One that went by meanwhile is
// no reason to refuse other words.
func redraft(ctx context.Context, tx Tx, d *Detail, when Schedule) (err error) {
	moved := d.moves(when)
	if d.Schedule, err = when.intent(); err != nil {
		return err
	}
	if moved {
		if err := d.Schedule.feasible(ctx, tx); err != nil {
			return err
		}
	}
	return tx.SavePost(ctx, d.Post)
}

// mayEdit checks what an edit of a planned post brings with it: it must stay
// publishable, and who gives it another time or other channels schedules.
func (s *Service) mayEdit(ctx context.Context, who tenants.Scope, id PostID, version int, c Content, when Schedule) error {
	now, err := s.Get(ctx, who, id)
	switch {
	case err != nil:
		return err
	case now.Version != version:
		return stale(now.Version)
	case !now.pending():
		return s.formats(ctx, who, c, described{})
	case now.unplans(when):
		if err := s.authz.Allow(ctx, who, ActCancel); err != nil {
			return err
		}
		return s.formats(ctx, who, c, described{})
	}
	if now.moves(when) || !slices.Equal(now.Content.channels(), c.channels()) {
		if err := s.authz.Allow(ctx, who, ActSchedule); err != nil {
			return err
		}
	}
	return s.validate(ctx, who, c)
}

// pending reports whether something of the post is planned and has not left.
func (d *Detail) pending() bool {
	return slices.ContainsFunc(d.Deliveries, (*Delivery).pending)
}

// moves reports whether when is another time than the planned one.
func (d *Detail) moves(when Schedule) bool {
	return when.Local != "" && (when.Local != d.Schedule.Local || when.Zone != d.Schedule.Zone)
}

// unplans reports whether when takes a planned time away. What goes out now has
// none to take.
func (d *Detail) unplans(when Schedule) bool {
	return when.Local == "" && d.Schedule.Local != ""
}

// channels lists where the content goes, in order.
func (c Content) channels() []channels.ID {
	ids := make([]channels.ID, len(c.Variants))
	for i, v := range c.Variants {
		ids[i] = v.Channel
	}
	slices.Sort(ids)
	return ids
}

// untouched refuses a change of what may have had an effect.
func untouched(d *Detail, why string) error {
	for _, dl := range d.Deliveries {
		if !dl.Untouched() {
			return fault.New(fault.Conflict, "post.in_flight", "Part of this post is out or on its way; %s.", why)
		}
	}
	return nil
}

// Delete removes a post that never left. What is out stays on record.
func (s *Service) Delete(ctx context.Context, who tenants.Scope, id PostID, version int) error {
	if err := s.authz.Allow(ctx, who, ActDelete); err != nil {
		return err
	}
	return s.store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		d, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if d.Version != version {
			return stale(d.Version)
		}
		if err := untouched(d, "it stays on record"); err != nil {
			return err
		}
		if err := emit(ctx, tx, "post.deleted", d.Post); err != nil {
			return err
		}
		if err := tx.DeletePost(ctx, id); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "post.delete", string(id)))
	})
}

// emit tells subscribers which post changed, and how it stands. The rest they
// fetch.
func emit(ctx context.Context, tx Tx, event string, p *Post) error {
	return tx.Emit(ctx, event, string(p.ID), map[string]any{"state": p.State, "version": p.Version})
}

func stale(current int) error {
	return fault.New(fault.Conflict, StaleReason, "Somebody else changed this post; it is at version %d now.", current)
}

// StaleReason is the reason of a save with an old version.
const StaleReason = "post.stale"

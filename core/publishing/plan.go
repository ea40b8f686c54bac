package publishing

import (
	"context"
	"errors"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Schedule plans a post for a wall time in a zone, or without one for the time
// that the post itself has. Scheduling what is planned moves it.
func (s *Service) Schedule(ctx context.Context, who tenants.Scope, id PostID, version int, when Schedule) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActSchedule); err != nil {
		return nil, err
	}
	if when.Local == "" && when.Zone == "" {
		now, err := s.Get(ctx, who, id)
		if err != nil {
			return nil, err
		}
		if when = now.Schedule; when.Local == "" {
			return nil, fault.New(fault.Invalid, "schedule.none", "This post has no time of its own. Say when it is to go out.").On("/schedule")
		}
	}
	if _, err := when.Resolve(); err != nil {
		return nil, err
	}
	return s.plan(ctx, who, id, version, "post.schedule", when)
}

// Publish sends a post now. Of a post that went out in part, it sends what was
// rejected, missed or canceled; what is live stays.
func (s *Service) Publish(ctx context.Context, who tenants.Scope, id PostID, version int) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActPublish); err != nil {
		return nil, err
	}
	return s.plan(ctx, who, id, version, "post.publish", Schedule{})
}

// plan makes the deliveries of a valid post, or moves those there are. The
// platforms' rules are checked outside the transaction, against the version
// that the transaction then insists on.
func (s *Service) plan(ctx context.Context, who tenants.Scope, id PostID, version int, action string, when Schedule) (*Detail, error) {
	now, err := s.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	if now.Version != version {
		return nil, stale(now.Version)
	}
	if err := s.validate(ctx, who, now.Content); err != nil {
		return nil, err
	}
	return s.change(ctx, who, id, action, func(ctx context.Context, tx Tx, d *Detail) error {
		if d.Version != version {
			return stale(d.Version)
		}
		if err := d.moveTo(ctx, tx, when); err != nil {
			return err
		}
		if err := refer(ctx, tx, d.Content, Refs{Media: d.Content.Refs().Media}); err != nil {
			return err
		}
		return replan(ctx, tx, d, replanOne)
	})
}

// moveTo sets the instant by the database's clock. An empty schedule is now.
func (d *Detail) moveTo(ctx context.Context, tx Tx, when Schedule) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	if when.Local == "" {
		d.Schedule = Schedule{At: now}
		return nil
	}
	if when, err = when.Resolve(); err != nil {
		return err
	}
	if err := when.ahead(now); err != nil {
		return err
	}
	d.Schedule = when
	return nil
}

// Cancel stops what has not left yet. What is being sent cannot be taken back:
// if nothing else is left, that is fault.Conflict "post.too_late", and should
// it turn out that it was not sent after all, it will not be.
func (s *Service) Cancel(ctx context.Context, who tenants.Scope, id PostID) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActCancel); err != nil {
		return nil, err
	}
	var tooLate error
	out, err := s.change(ctx, who, id, "post.cancel", func(ctx context.Context, tx Tx, d *Detail) error {
		stopped, marked, err := cancelAll(ctx, tx, d)
		switch {
		case err != nil:
			return err
		case !stopped && !marked:
			return fault.New(fault.Conflict, "post.not_planned", "There is nothing to cancel.")
		case !stopped:
			tooLate = fault.New(fault.Conflict, "post.too_late", "Too late to be sure: it is on its way, and being verified. If it was not sent, it will not be.")
			return nil
		}
		was := d.State
		d.State = Sum(states(d.Deliveries))
		if err := tx.SetState(ctx, d.ID, d.State); err != nil {
			return err
		}
		return tell(ctx, tx, d.ID, was, d.State)
	})
	return out, errors.Join(err, tooLate)
}

func cancelAll(ctx context.Context, tx Tx, d *Detail) (stopped, marked bool, err error) {
	for _, dl := range d.Deliveries {
		s, m := dl.cancel()
		stopped, marked = stopped || s, marked || m
		if s || m {
			if err := tx.SaveDelivery(ctx, dl); err != nil {
				return stopped, marked, err
			}
		}
	}
	return stopped, marked, nil
}

package publishing

import (
	"context"
	"errors"
	"time"

	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// How often an object that a platform has accepted and does not show yet is
// looked at: with pauses of half its age, for as long as a review may take.
const (
	followFirst = time.Minute
	followMost  = 24 * time.Hour
	followFor   = 60 * 24 * time.Hour
)

// A sight is what a platform says now of an object that was hidden.
type sight struct {
	segment SegmentID
	hidden  Hidden
}

// FollowUp asks the platforms again about what they have accepted and do not
// show yet, and keeps and tells what changed. It returns when to ask next; zero
// if nothing is left to ask about. A platform that cannot be asked is passed
// over: what it said last stands.
func (s *Service) FollowUp(ctx context.Context, who tenants.Scope, id PostID) (again time.Duration, err error) {
	if err := s.authz.Allow(ctx, who, ActPublish); err != nil {
		return 0, err
	}
	d, now, err := s.look(ctx, who, id)
	if err != nil {
		return 0, err
	}
	var news []sight
	var failed []error
	for _, dl := range d.Deliveries {
		for _, sg := range dl.Segments {
			age := now.Sub(sg.LiveAt)
			if !sg.following() || age > followFor {
				continue
			}
			hidden, can, err := s.peek(ctx, who, dl, sg)
			if err != nil {
				failed = append(failed, err)
			} else if hidden != sg.Hidden {
				news = append(news, sight{sg.ID, hidden})
			}
			if can && hidden != "" && hidden != TakenBack {
				again = sooner(again, followPause(age))
			}
		}
	}
	if err := s.noteSights(ctx, who, id, news); err != nil {
		return again, err
	}
	return again, errors.Join(failed...)
}

// following reports whether the platform may still change its mind about s.
func (s *Segment) following() bool {
	return s.State == Live && s.Ref != nil && (s.Hidden == Processing || s.Hidden == InReview)
}

func followPause(age time.Duration) time.Duration { return min(max(age/2, followFirst), followMost) }

func sooner(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func (s *Service) look(ctx context.Context, who tenants.Scope, id PostID) (d *Detail, now time.Time, err error) {
	err = s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		p, err := tx.Post(ctx, id)
		if err != nil {
			return err
		}
		if now, err = tx.Now(ctx); err != nil {
			return err
		}
		d, err = detail(ctx, tx, p)
		return err
	})
	return d, now, err
}

// peek asks about one object, if the platform can be asked. If that fails, or
// it cannot tell, nothing changed.
func (s *Service) peek(ctx context.Context, who tenants.Scope, d *Delivery, sg *Segment) (h Hidden, can bool, err error) {
	t, err := s.channels.Describe(ctx, who, d.Channel)
	if err != nil {
		return sg.Hidden, true, err
	}
	if !t.Manifest.Can(social.CanStatus) || !t.Manifest.Can(social.CanFind) {
		return sg.Hidden, false, nil
	}
	f, err := s.channels.Find(ctx, who, d.Channel, social.FindRequest{
		Content: social.Content{Format: d.Format, Text: sg.Part.Text, At: d.DueAt}, State: sg.Step, Since: sg.LiveAt, Ref: sg.Ref,
	})
	switch {
	case err == nil && f.Verdict == social.Found && f.Receipt != nil:
		return hidden(f.Receipt.Status), true, nil
	case err == nil && f.Verdict == social.Absent:
		return TakenBack, true, nil
	}
	return sg.Hidden, true, err
}

// noteSights keeps what is new, unless somebody else did.
func (s *Service) noteSights(ctx context.Context, who tenants.Scope, id PostID, news []sight) error {
	if len(news) == 0 {
		return nil
	}
	return s.store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if _, err := tx.LockPost(ctx, id); err != nil {
			return err
		}
		all, err := tx.Deliveries(ctx, id)
		if err != nil {
			return err
		}
		for _, n := range news {
			if err := n.keep(ctx, tx, all); err != nil {
				return err
			}
		}
		return nil
	})
}

func (n sight) keep(ctx context.Context, tx Tx, all []*Delivery) error {
	for _, d := range all {
		s := d.Segment(n.segment)
		if s == nil || !s.following() || s.Hidden == n.hidden {
			continue
		}
		s.Hidden = n.hidden
		if err := tx.SaveSegments(ctx, d, s); err != nil {
			return err
		}
		if err := tx.Emit(ctx, "delivery.updated", string(d.ID), s.news(d)); err != nil {
			return err
		}
	}
	return nil
}

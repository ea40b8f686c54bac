package publishing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Validate says everything the platforms would object to, without any effect.
// It returns nil when the content could go out now.
func (s *Service) Validate(ctx context.Context, who tenants.Scope, c Content) ([]fault.Violation, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	p := NewPost(c, who.Actor())
	if err := p.Check(); err != nil {
		f := fault.Of(err)
		return []fault.Violation{{Field: f.Field, Reason: f.Reason, Message: f.Message}}, nil
	}
	return s.violations(ctx, who, c)
}

func (s *Service) validate(ctx context.Context, who tenants.Scope, c Content) error {
	v, err := s.violations(ctx, who, c)
	if err != nil {
		return err
	}
	return fault.Check(v)
}

func (s *Service) violations(ctx context.Context, who tenants.Scope, c Content) ([]fault.Violation, error) {
	if len(c.Variants) == 0 {
		return []fault.Violation{{Field: "/channels", Reason: "post.no_channel", Message: "Choose at least one channel."}}, nil
	}
	var all []fault.Violation
	for i, v := range c.Variants {
		found, err := s.checkVariant(ctx, who, c, v, fmt.Sprintf("/channels/%d", i))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (s *Service) checkVariant(ctx context.Context, who tenants.Scope, c Content, v Variant, at string) ([]fault.Violation, error) {
	target, err := s.channels.Describe(ctx, who, v.Channel)
	if fault.Is(err, fault.NotFound) {
		return []fault.Violation{{Field: at + "/channel_id", Reason: "channel.not_found", Message: "There is no such channel."}}, nil
	}
	if err != nil {
		return nil, err
	}
	if target.Channel.State != channels.Connected {
		return []fault.Violation{{Field: at + "/channel_id", Reason: "channel." + string(target.Channel.State), Message: target.Channel.Remedy}}, nil
	}
	format, ok := target.Manifest.Format(v.Format)
	if !ok || !slices.Contains(target.Account.Formats, format.ID) {
		return []fault.Violation{{Field: at + "/format", Reason: "channel.no_format", Message: "This channel has no such format."}}, nil
	}
	found := s.rules.Settings(format.Settings, v.Settings, at+"/settings")
	parts, thread := c.PartsFor(v)
	if len(parts) > 1 && !target.Manifest.Can(social.CanReply) {
		found = append(found, fault.Violation{Field: at, Reason: "channel.no_threads", Message: target.Manifest.Name + " takes a single post: no thread, no first comment."})
	}
	for i, part := range parts {
		attached, err := s.media.Attach(ctx, who, mediaIDs(part))
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) || fault.Is(err, fault.Invalid) {
			f := fault.Of(err)
			found = append(found, fault.Violation{Field: pointer(v, i, thread, at) + "/media", Reason: f.Reason, Message: f.Message})
			continue
		}
		if err != nil {
			return nil, err
		}
		withAlt(attached, part)
		found = append(found, s.rules.Check(format, target.Account.Limits, part.Text, attached, pointer(v, i, thread, at))...)
	}
	return found, nil
}

// pointer is where part i of v was written: in the variant, or in the post.
func pointer(v Variant, i, thread int, at string) string {
	if i >= thread {
		if v.FirstComment == nil {
			at = ""
		}
		return at + "/first_comment"
	}
	if v.Parts == nil {
		at = ""
	}
	return fmt.Sprintf("%s/segments/%d", at, i)
}

func mediaIDs(p Part) []media.ID {
	ids := make([]media.ID, len(p.Media))
	for i, a := range p.Media {
		ids[i] = a.Media
	}
	return ids
}

func withAlt(attached []social.Media, p Part) {
	for i := range attached {
		if alt := p.Media[i].Alt; alt != "" {
			attached[i].Alt = alt
		}
	}
}

// Schedule plans a post for a wall time in a zone. Scheduling what is planned
// moves it.
func (s *Service) Schedule(ctx context.Context, who tenants.Scope, id PostID, version int, when Schedule) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActSchedule); err != nil {
		return nil, err
	}
	if _, err := when.Resolve(); err != nil {
		return nil, err
	}
	return s.plan(ctx, who, id, version, when)
}

// Publish sends a post now. Of a post that went out in part, it sends what was
// rejected, missed or canceled; what is live stays.
func (s *Service) Publish(ctx context.Context, who tenants.Scope, id PostID, version int) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActPublish); err != nil {
		return nil, err
	}
	return s.plan(ctx, who, id, version, Schedule{})
}

// plan makes the deliveries of a valid post, or moves those there are. The
// platforms' rules are checked outside the transaction, against the version
// that the transaction then insists on.
func (s *Service) plan(ctx context.Context, who tenants.Scope, id PostID, version int, when Schedule) (*Detail, error) {
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
	return s.change(ctx, who, id, func(ctx context.Context, tx Tx, d *Detail) error {
		if d.Version != version {
			return stale(d.Version)
		}
		if err := d.moveTo(ctx, tx, when); err != nil {
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

// replan brings the deliveries in line with the content and the time, each as
// one decides. What is out or on its way stays as it is; if nothing else is
// left, that is a conflict.
func replan(ctx context.Context, tx Tx, d *Detail, one func(*Post, Variant, *Delivery) (*Delivery, bool)) error {
	old := make(map[channels.ID]*Delivery, len(d.Deliveries))
	for _, dl := range d.Deliveries {
		old[dl.Channel] = dl
	}
	d.Deliveries = nil
	changed := false
	for _, v := range d.Content.Variants {
		dl, moved := one(d.Post, v, old[v.Channel])
		delete(old, v.Channel)
		d.Deliveries = append(d.Deliveries, dl)
		if moved {
			changed = true
			if err := tx.SaveDelivery(ctx, dl); err != nil {
				return err
			}
		}
	}
	for _, gone := range old { // a channel that was taken off the post
		if !gone.Untouched() {
			d.Deliveries = append(d.Deliveries, gone)
			continue
		}
		changed = true
		if err := tx.DeleteDelivery(ctx, gone.ID); err != nil {
			return err
		}
	}
	if !changed {
		return fault.New(fault.Conflict, "post.in_flight", "This post is already out or on its way.")
	}
	return planned(ctx, tx, d)
}

func replanOne(p *Post, v Variant, old *Delivery) (dl *Delivery, moved bool) {
	switch {
	case old == nil:
		return newDelivery(p, v, p.Schedule.At), true
	case old.Untouched():
		old.rebuild(p, v, p.Schedule.At)
		return old, true
	}
	return old, old.resume(p.Schedule.At)
}

// editOne changes what is planned and leaves alone what has ended: an edit is
// no order to send it after all.
func editOne(p *Post, v Variant, old *Delivery) (dl *Delivery, moved bool) {
	if old != nil && !old.pending() {
		return old, false
	}
	return replanOne(p, v, old)
}

// pending reports whether the delivery is planned and nothing of it has left.
func (d *Delivery) pending() bool { return d.Untouched() && !d.Segments[0].State.Final() }

// rebuild gives a delivery that had no effect new content and a new time. It
// keeps its name and its segments', so their attempts stay on record.
func (d *Delivery) rebuild(p *Post, v Variant, at time.Time) {
	fresh := newDelivery(p, v, at)
	d.Format, d.Settings, d.Hash, d.DueAt = fresh.Format, fresh.Settings, fresh.Hash, at
	for i, s := range fresh.Segments {
		if i >= len(d.Segments) {
			d.Segments = append(d.Segments, s)
			continue
		}
		d.Segments[i].Comment = s.Comment
		d.Segments[i].reset(s.Part, s.NextAt)
	}
	d.Segments = d.Segments[:len(fresh.Segments)]
}

// resume puts the failed tail of a chain that began well back on its way.
func (d *Delivery) resume(at time.Time) bool {
	for i, s := range d.Segments {
		if s.State == Live {
			continue
		}
		if s.State != Rejected && s.State != Missed && s.State != Canceled {
			return false // still under way, or in doubt
		}
		for _, rest := range d.Segments[i:] {
			rest.reset(rest.Part, time.Time{})
		}
		s.wake(at)
		if i > 0 {
			s.ReplyTo, s.Root = d.Segments[i-1].Ref, d.Segments[0].Ref
			if s.Comment {
				s.ReplyTo = s.Root
			}
		}
		return true
	}
	return false
}

func planned(ctx context.Context, tx Tx, d *Detail) error {
	d.State = Sum(states(d.Deliveries))
	if err := tx.SavePost(ctx, d.Post); err != nil {
		return err
	}
	if err := emit(ctx, tx, "post.scheduled", d.Post); err != nil {
		return err
	}
	return tx.WakeDispatch(ctx)
}

func states(ds []*Delivery) []State {
	out := make([]State, len(ds))
	for i, d := range ds {
		out[i] = d.State()
	}
	return out
}

// Cancel stops what has not left yet. What is being sent cannot be taken back:
// if nothing else is left, that is fault.Conflict "post.too_late", and should
// it turn out that it was not sent after all, it will not be.
func (s *Service) Cancel(ctx context.Context, who tenants.Scope, id PostID) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActCancel); err != nil {
		return nil, err
	}
	var tooLate error
	out, err := s.change(ctx, who, id, func(ctx context.Context, tx Tx, d *Detail) error {
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
		d.State = Sum(states(d.Deliveries))
		if err := tx.SetState(ctx, d.ID, d.State); err != nil {
			return err
		}
		return emit(ctx, tx, "post.canceled", d.Post)
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

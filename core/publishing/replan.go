package publishing

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
)

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
	switch {
	case changed:
	case slices.ContainsFunc(d.Deliveries, (*Delivery).cut):
		return fault.New(fault.Conflict, "post.chain_broken", "The rest of it cannot follow: what is before it is there, but nobody knows under which name. Make it a post of its own.")
	default:
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
		if d.chainBroken(i) {
			return false
		}
		for _, rest := range d.Segments[i:] {
			rest.reset(rest.Part, time.Time{})
			rest.OrderedAt = at
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

// chainBroken reports whether segment i has nothing to reply to: what is before
// it is there, and nobody knows under which name.
func (d *Delivery) chainBroken(i int) bool {
	nameless := func(s *Segment) bool { return s.Ref == nil || s.Ref.ID == "" }
	return i > 0 && (nameless(d.Segments[0]) || nameless(d.Segments[i-1]))
}

// cut reports whether what is left of d cannot follow what is there.
func (d *Delivery) cut() bool {
	i := slices.IndexFunc(d.Segments, func(s *Segment) bool { return s.State != Live })
	return i > 0 && d.Segments[i].State.Final() && d.chainBroken(i)
}

// unplan takes a post back to before it was scheduled. What was tried already
// stays on record, as canceled.
func unplan(ctx context.Context, tx Tx, d *Detail) (err error) {
	d.Schedule = Schedule{}
	d.Deliveries = slices.DeleteFunc(d.Deliveries, func(dl *Delivery) bool {
		if err != nil || !dl.pending() {
			return false
		}
		if tried := slices.ContainsFunc(dl.Segments, func(s *Segment) bool { return s.Attempt > 0 }); tried {
			dl.cancel()
			err = tx.SaveDelivery(ctx, dl)
			return false
		}
		err = tx.DeleteDelivery(ctx, dl.ID)
		return true
	})
	if err != nil {
		return err
	}
	d.State = Sum(states(d.Deliveries))
	return tx.SavePost(ctx, d.Post)
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

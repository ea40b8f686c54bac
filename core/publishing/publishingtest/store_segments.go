package publishingtest

import (
	"context"
	"slices"
	"sort"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
)

func (tx *memTx) Deliveries(_ context.Context, posts ...publishing.PostID) ([]*publishing.Delivery, error) {
	var out []*publishing.Delivery
	for _, d := range tx.st.deliveries {
		if slices.Contains(posts, d.Post) {
			out = append(out, clone(d))
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

func (tx *memTx) Outlines(ctx context.Context, posts ...publishing.PostID) ([]*publishing.Delivery, error) {
	ds, err := tx.Deliveries(ctx, posts...)
	for _, d := range ds {
		outline(d)
	}
	return ds, err
}

// outline leaves of d what Tx.Outlines returns.
func outline(d *publishing.Delivery) {
	d.Settings, d.Hash = nil, ""
	for i, s := range d.Segments {
		d.Segments[i] = &publishing.Segment{
			ID: s.ID, Position: s.Position, Comment: s.Comment, State: s.State, Ref: s.Ref, LiveAt: s.LiveAt, Problem: s.Problem,
			Hidden: s.Hidden, Warnings: s.Warnings,
		}
	}
}

func (tx *memTx) SaveDelivery(_ context.Context, d *publishing.Delivery) error {
	tx.st.deliveries[d.ID] = clone(d)
	return nil
}

func (tx *memTx) DeleteDelivery(_ context.Context, id publishing.DeliveryID) error {
	delete(tx.st.deliveries, id)
	return nil
}

// Arm implements publishing.Store.
func (s *Store) Arm(ctx context.Context, c publishing.Claim, a publishing.Arming) error {
	return s.Update(ctx, c.Tenant, func(_ context.Context, tx publishing.Tx) error {
		st := tx.(*memTx).st
		if _, ok := st.deliveries[c.Delivery]; !ok {
			return publishing.ErrLost
		}
		opened, err := st.change(c.Delivery).Arm(c, a, s.now())
		if err != nil {
			return err
		}
		for _, old := range st.attempts {
			if old.Segment == c.Segment && old.EndedAt.IsZero() {
				return fault.New(fault.Conflict, "attempt.open", "Another attempt is open.")
			}
		}
		st.attempts = append(st.attempts, *opened)
		return nil
	})
}

func (tx *memTx) CloseAttempt(_ context.Context, s publishing.SegmentID, o publishing.Outcome, p *publishing.Problem) error {
	for i := range tx.st.attempts {
		if a := &tx.st.attempts[i]; a.Segment == s && a.EndedAt.IsZero() {
			a.EndedAt, a.Outcome, a.Problem = tx.s.now(), o, p
		}
	}
	return nil
}

func (tx *memTx) DropAttempt(_ context.Context, s publishing.SegmentID) error {
	tx.st.attempts = slices.DeleteFunc(tx.st.attempts, func(a publishing.Attempt) bool { return a.Segment == s && a.EndedAt.IsZero() })
	return nil
}

func (tx *memTx) ResolveAttempts(_ context.Context, s publishing.SegmentID, o publishing.Outcome) error {
	for i := range tx.st.attempts {
		if a := &tx.st.attempts[i]; a.Segment == s && a.Outcome == publishing.OutcomeLost {
			a.Outcome = o
		}
	}
	return nil
}

func (tx *memTx) Attempts(_ context.Context, post publishing.PostID) ([]publishing.Attempt, error) {
	var out []publishing.Attempt
	for _, a := range tx.st.attempts {
		for _, d := range tx.st.deliveries {
			if d.Post == post && d.Segment(a.Segment) != nil {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// Peek implements publishing.Store.
func (s *Store) Peek(ctx context.Context, c publishing.Claim) (w *publishing.Work, err error) {
	err = s.View(ctx, c.Tenant, func(ctx context.Context, tx publishing.Tx) (err error) {
		w, err = tx.Work(ctx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	w.State, w.Rest = "", nil
	return w, nil
}

func (tx *memTx) Work(ctx context.Context, c publishing.Claim) (*publishing.Work, error) {
	d, ok := tx.st.deliveries[c.Delivery]
	if !ok {
		return nil, fault.New(fault.NotFound, "segment.not_found", "There is no such part.")
	}
	all, err := tx.Deliveries(ctx, c.Post)
	if err != nil {
		return nil, err
	}
	w := &publishing.Work{State: tx.st.posts[c.Post].State, Delivery: clone(d), Now: tx.s.now()}
	for _, other := range all {
		if other.ID != d.ID {
			w.Rest = append(w.Rest, other.State())
		}
	}
	w.Settings, err = tx.Settings(ctx)
	return w, err
}

// Refs implements publishing.Tx.
func (tx *memTx) Refs(_ context.Context, ch channels.ID, since time.Time) (out []string, err error) {
	for _, d := range tx.st.deliveries {
		for _, s := range d.Segments {
			if d.Channel == ch && s.Ref != nil && s.Ref.ID != "" && !s.LiveAt.Before(since) {
				out = append(out, s.Ref.ID)
			}
		}
	}
	return out, nil
}

// taken reports whether another segment of the channel has the same object.
func (tx *memTx) taken(ch channels.ID, s *publishing.Segment) bool {
	for _, d := range tx.st.deliveries {
		for _, other := range d.Segments {
			if d.Channel == ch && other.ID != s.ID && other.Ref != nil && s.Ref != nil && s.Ref.ID != "" && other.Ref.ID == s.Ref.ID {
				return true
			}
		}
	}
	return false
}

func (tx *memTx) SaveSegments(_ context.Context, d *publishing.Delivery, segments ...*publishing.Segment) error {
	for _, s := range segments {
		if tx.taken(d.Channel, s) {
			return publishing.ErrTaken
		}
		known := &tx.st.change(d.ID).Segments[s.Position]
		part := (*known).Part
		*known = clone(s)
		(*known).Part = part
	}
	return nil
}

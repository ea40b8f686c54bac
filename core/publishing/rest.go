package publishing

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

func (r *Runner) miss(ctx context.Context, c Claim) error {
	err := r.change(ctx, c, func(w *work) error {
		w.s.State = Missed
		w.s.settle(&Problem{Kind: social.Transient, Reason: "segment.missed", Message: "Its time passed while nothing could be sent."})
		return w.settled(ctx)
	})
	return err
}

// release gives a segment back as it is.
func (r *Runner) release(ctx context.Context, c Claim) error {
	err := r.change(ctx, c, func(w *work) error { w.s.wake(w.now); return nil })
	return err
}

// postpone gives a segment back until it is due.
func (r *Runner) postpone(ctx context.Context, c Claim) error {
	err := r.change(ctx, c, func(w *work) error { w.s.wake(w.d.DueAt); return nil })
	return err
}

// hold gives a blocked segment back; the queue leaves it out until the block
// is lifted.
func (r *Runner) hold(ctx context.Context, c Claim) error {
	err := r.change(ctx, c, func(w *work) error { w.s.wake(w.now.Add(blockedPause)); return nil })
	return err
}

func (r *Runner) live(ctx context.Context, c Claim, rc social.Receipt, by Evidence) error {
	err := r.change(ctx, c, func(w *work) error {
		w.s.applied(rc, by, w.now)
		return w.settled(ctx)
	})
	return err
}

// news is what subscribers are told of a segment.
func (s *Segment) news(d *Delivery) map[string]any {
	data := map[string]any{"post": d.Post, "channel": d.Channel, "segment": s.ID, "state": s.State}
	if s.Hidden != "" {
		data["visibility"] = s.Hidden
	}
	if len(s.Warnings) > 0 {
		data["warnings"] = s.Warnings
	}
	return data
}

// settled starts what follows a segment that came to rest and brings the
// post's sum up to date.
func (w *work) settled(ctx context.Context) error {
	changed := append(w.d.next(w.s.Position, w.now), w.s)
	if err := w.tx.Emit(ctx, "delivery.updated", string(w.d.ID), w.s.news(w.d)); err != nil {
		return err
	}
	if w.s.following() {
		if err := w.tx.FollowUp(ctx, w.d.Post, followFirst); err != nil {
			return err
		}
	}
	w.saved = true
	for _, s := range changed {
		if s.State.Final() || s.State == NeedsReview {
			w.rested = append(w.rested, s)
		}
	}
	if err := w.tx.SaveSegments(ctx, w.d, changed...); err != nil {
		return err
	}
	sum := Sum(append(w.rest, w.d.State()))
	if err := w.tx.SetState(ctx, w.d.Post, sum); err != nil {
		return err
	}
	if len(changed) > 1 {
		if err := w.tx.WakeDispatch(ctx); err != nil { // for the next segment
			return err
		}
	}
	return tell(ctx, w.tx, w.d.Post, w.was, sum)
}

var eventOf = map[State]string{
	Published: "post.published", PartlyCanceled: "post.published", PartlyFailed: "post.failed", Failed: "post.failed", NeedsReview: "post.needs_review", Missed: "post.missed",
	Canceled: "post.canceled",
}

// tell says what became of a post, if that is not what it was: the sum of its
// deliveries alone decides it, whoever changed one of them.
func tell(ctx context.Context, tx Tx, post PostID, was, sum State) error {
	event, ok := eventOf[sum]
	if !ok || was == sum {
		return nil
	}
	if event == eventOf[Published] {
		if err := tx.RefreshMetrics(ctx, post, ""); err != nil {
			return err
		}
	}
	return tx.Emit(ctx, event, string(post), map[string]any{"state": sum})
}

// tell tells the observer what came to rest.
func (r *Runner) tell(w *work) {
	if len(w.rested) == 0 {
		return
	}
	r.observe.At(AtSettled)
	for _, s := range w.rested {
		late := time.Duration(-1)
		if s.Position == 0 {
			late = w.now.Sub(w.d.wanted(s))
		}
		r.observe.Settled(s.State, late)
	}
}

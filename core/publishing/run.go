package publishing

import (
	"context"
	"errors"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// Point is a named place in the protocol. A fault driver kills the process
// there to prove that it does not matter.
type Point string

// The points, in the order a segment passes them.
const (
	AtClaimed  Point = "claimed"
	AtPrepared Point = "prepared"
	AtArmed    Point = "armed" // journaled, not sent
	AtSent     Point = "sent"  // answered, not recorded
	AtSettled  Point = "settled"
)

// Observer watches the protocol. Its methods are called from many goroutines.
type Observer interface {
	At(p Point)
	// Settled tells of a segment that reached s; late is how long after its
	// delivery was due, for the first of a chain, and negative for the others.
	Settled(s State, late time.Duration)
}

// Runner carries segments through the protocol. It is safe for concurrent use.
type Runner struct {
	store    Store
	queue    Queue
	channels Channels
	media    Media
	rules    Rules
	observe  Observer
	mono     func() time.Time // a monotonic clock; never compared with stored times
	timing   Timing
	doubt    func(context.Context, *work) (done bool, err error) // reconcile, but for a control
}

// NewRunner returns a Runner with DefaultTiming. Every argument is required.
func NewRunner(store Store, queue Queue, ch Channels, m Media, rules Rules, o Observer, mono func() time.Time) *Runner {
	r := &Runner{store: store, queue: queue, channels: ch, media: m, rules: rules, observe: o, mono: mono, timing: DefaultTiming}
	r.doubt = r.reconcile
	return r
}

// Within sets the times that r keeps, before its first Run. Whoever claims for
// r has to claim for t.Lease.
func (r *Runner) Within(t Timing) error {
	if err := t.Check(); err != nil {
		return err
	}
	r.timing = t
	return nil
}

// maxSteps bounds what one claim may do in a row, so that a plugin that never
// gets anywhere does not keep a worker.
const maxSteps = 16

// blockedPause is how soon a blocked segment is looked at again, should the
// queue hand it out all the same.
const blockedPause = 5 * time.Second

// Run takes a claimed segment as far as it can go now. It returns nil when the
// segment is at rest, waits for its time or belongs to somebody else; an error
// means the database could not be reached, and the lease will run out.
func (r *Runner) Run(ctx context.Context, c Claim) error {
	r.observe.At(AtClaimed)
	for i := range maxSteps {
		w, err := r.load(ctx, c, i == 0)
		if err != nil && ctx.Err() != nil { // told to stop before it began
			err = r.release(context.WithoutCancel(ctx), c)
			return ignoreLost(err)
		}
		if err != nil {
			return ignoreLost(err)
		}
		done, err := r.step(ctx, w)
		if err != nil || done {
			return ignoreLost(err)
		}
	}
	err := r.change(ctx, c, func(w *work) error { w.s.wake(w.now.Add(time.Second)); return nil })
	return ignoreLost(err)
}

func ignoreLost(err error) error {
	if err != nil && (errors.Is(err, ErrLost) || fault.Is(err, fault.NotFound)) {
		return nil
	}
	return err
}

// work is a claimed segment with what surrounds it, as of one transaction.
type work struct {
	c       Claim
	d       *Delivery
	s       *Segment
	was     State     // of the post, inside change
	rest    []State   // of the post's other deliveries, inside change
	now     time.Time // the database's
	blocked string    // as of load
	rules   Settings
	tx      Tx         // inside change only
	saved   bool       // by settled
	rested  []*Segment // by settled: what waits for nobody any more, or for a person
}

func (r *Runner) step(ctx context.Context, w *work) (done bool, err error) {
	untouched := w.s.State == Scheduled || w.s.State == Preparing || w.s.State == Armed
	switch {
	case untouched && w.s.Verify:
		return false, r.suspect(ctx, w.c)
	case untouched && w.s.Position == 0 && w.rules.MissedAfter > 0 && w.now.Sub(w.c.Waiting) > w.rules.MissedAfter:
		return true, r.miss(ctx, w.c) // nobody came, also because it was held back: nobody waits for it any more
	case w.s.State == Scheduled && w.s.Position == 0 && w.d.DueAt.After(w.now): // it was moved
		return true, r.postpone(ctx, w.c)
	case w.blocked != "" && w.s.State != Sending && w.s.State != Unknown:
		return true, r.hold(ctx, w.c)
	}
	switch w.s.State {
	case Scheduled:
		return r.prepare(ctx, w)
	case Preparing:
		return r.prepare(ctx, w)
	case Armed:
		return r.commit(ctx, w)
	case Sending: // its sender died; whoever finds it never sends
		return r.orphaned(ctx, w)
	case Unknown:
		return r.doubt(ctx, w)
	}
	return true, nil
}

// load reads the claimed segment, or answers ErrLost if it was taken over.
// What has just been claimed, and is not in doubt, was not held back a moment
// ago; that is asked again before anything leaves.
func (r *Runner) load(ctx context.Context, c Claim, justClaimed bool) (*work, error) {
	w := &work{c: c}
	got, err := r.store.Peek(ctx, c)
	if err == nil {
		err = w.take(got)
	}
	if err == nil && (!justClaimed || !w.s.State.Untouched()) {
		w.blocked, err = r.queue.Blocked(ctx, c.Tenant, w.d.Channel)
	}
	return w, err
}

func (w *work) take(got *Work) error {
	w.d, w.s = got.Delivery, got.Delivery.Segment(w.c.Segment)
	if w.s == nil || w.s.Generation != w.c.Generation {
		return ErrLost
	}
	w.was, w.rest, w.now, w.rules = got.State, got.Rest, got.Now, got.Settings
	return nil
}

// change applies fn to the segment under the post's lock and saves the
// delivery. fn is not called, and ErrLost returned, if the claim was lost. Once
// it is committed, the observer is told what came to rest.
func (r *Runner) change(ctx context.Context, c Claim, fn func(*work) error) error {
	w := &work{c: c}
	err := r.store.Update(ctx, c.Tenant, func(ctx context.Context, tx Tx) error {
		got, err := tx.Work(ctx, c)
		if err == nil {
			err = w.take(got)
		}
		if err != nil {
			return err
		}
		w.tx, w.saved, w.rested = tx, false, nil
		if err := fn(w); err != nil || w.saved {
			return err
		}
		return tx.SaveSegments(ctx, w.d, w.s)
	})
	if err == nil {
		r.tell(w)
	}
	return err
}

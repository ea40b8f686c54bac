package publishing

import (
	"context"
	"errors"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
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
	for range maxSteps {
		w, err := r.load(ctx, c)
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
	_, err := r.change(ctx, c, func(w *work) error { w.s.wake(w.now.Add(time.Second)); return nil })
	return ignoreLost(err)
}

func ignoreLost(err error) error {
	if err != nil && (errors.Is(err, errLost) || fault.Is(err, fault.NotFound)) {
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
	now     time.Time // the database's
	blocked string    // as of load
	rules   Settings
	tx      Tx   // inside change only
	saved   bool // by settled
}

func (r *Runner) step(ctx context.Context, w *work) (done bool, err error) {
	untouched := w.s.State == Scheduled || w.s.State == Preparing || w.s.State == Armed
	switch {
	case untouched && w.s.Verify:
		return false, r.suspect(ctx, w.c)
	case untouched && w.s.Position == 0 && w.rules.MissedAfter > 0 && w.now.Sub(w.d.DueAt) > w.rules.MissedAfter:
		return true, r.miss(ctx, w.c) // also while it is held back: nobody waits for it any more
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

// prepare takes one repeatable step. A first step that asks for the commit at
// once goes straight on to it: arming writes the step's state anyway.
func (r *Runner) prepare(ctx context.Context, w *work) (done bool, err error) {
	req, err := r.request(ctx, w)
	if err == nil && w.s.State == Scheduled {
		err = r.recheck(ctx, w, req)
	}
	var step social.Step
	if err == nil {
		call, cancel := context.WithTimeout(ctx, r.timing.Step)
		step, err = r.channels.Publish(call, tenants.SystemScope(w.c.Tenant), w.d.Channel, req)
		cancel()
	}
	switch {
	case ctx.Err() != nil:
		return true, r.release(context.WithoutCancel(ctx), w.c)
	case err != nil:
		return true, r.unprepared(ctx, w.c, social.FaultOf(err, false))
	case step.Receipt != nil: // it was there already
		return true, r.live(ctx, w.c, *step.Receipt, ByLookup)
	case step.Next == nil || len(step.Next.State) > social.MaxState:
		return true, r.unprepared(ctx, w.c, broken("The plugin's answer breaks its contract."))
	}
	r.observe.At(AtPrepared)
	if step.Next.Commit && step.Next.After <= 0 {
		w.s.Step = step.Next.State
		return r.commit(ctx, w)
	}
	_, err = r.change(ctx, w.c, func(w *work) error { w.s.advance(step.Next, w.now, r.timing.Lease); return nil })
	return step.Next.After > 0, err
}

// unprepared decides what a failed preparation means. Nothing was published.
func (r *Runner) unprepared(ctx context.Context, c Claim, f *social.Fault) error {
	w, err := r.change(ctx, c, func(w *work) error {
		switch f.Kind {
		case social.RateLimited, social.Transient, social.Ambiguous, social.AuthExpired:
			if w.now.Sub(w.d.DueAt) > patience {
				w.s.reject(f)
				return w.settled(ctx)
			}
			if f.Kind == social.RateLimited {
				w.s.park(f, w.now)
				return nil
			}
			w.s.again(f, w.now)
		case social.AuthRevoked: // the channel is blocked until it is reconnected
			w.s.again(f, w.now)
		default:
			w.s.reject(f)
			return w.settled(ctx)
		}
		return nil
	})
	return r.rested(w, err)
}

func (r *Runner) miss(ctx context.Context, c Claim) error {
	_, err := r.change(ctx, c, func(w *work) error {
		w.s.State = Missed
		w.s.settle(&Problem{Kind: social.Transient, Reason: "segment.missed", Message: "Its time passed while nothing could be sent."})
		return w.settled(ctx)
	})
	return err
}

// release gives a segment back as it is.
func (r *Runner) release(ctx context.Context, c Claim) error {
	_, err := r.change(ctx, c, func(w *work) error { w.s.wake(w.now); return nil })
	return err
}

// postpone gives a segment back until it is due.
func (r *Runner) postpone(ctx context.Context, c Claim) error {
	_, err := r.change(ctx, c, func(w *work) error { w.s.wake(w.d.DueAt); return nil })
	return err
}

// hold gives a blocked segment back; the queue leaves it out until the block
// is lifted.
func (r *Runner) hold(ctx context.Context, c Claim) error {
	_, err := r.change(ctx, c, func(w *work) error { w.s.wake(w.now.Add(blockedPause)); return nil })
	return err
}

func (r *Runner) live(ctx context.Context, c Claim, rc social.Receipt, by Evidence) error {
	w, err := r.change(ctx, c, func(w *work) error {
		w.s.applied(rc, by, w.now)
		return w.settled(ctx)
	})
	return r.rested(w, err)
}

// load reads the claimed segment, or answers errLost if it was taken over.
func (r *Runner) load(ctx context.Context, c Claim) (*work, error) {
	w := &work{c: c}
	err := r.store.View(ctx, c.Tenant, func(ctx context.Context, tx Tx) error { return w.read(ctx, tx, false) })
	if err == nil {
		w.blocked, err = r.queue.Blocked(ctx, c.Tenant, w.d.Channel)
	}
	return w, err
}

func (w *work) read(ctx context.Context, tx Tx, lock bool) error {
	got, err := tx.Work(ctx, w.c, lock)
	if err != nil {
		return err
	}
	w.d, w.s = got.Delivery, got.Delivery.Segment(w.c.Segment)
	if w.s == nil || w.s.Generation != w.c.Generation {
		return errLost
	}
	w.was, w.now, w.rules, w.tx = got.State, got.Now, got.Settings, tx
	return nil
}

// change applies fn to the segment under the post's lock and saves the
// delivery. fn is not called, and errLost returned, if the claim was lost.
func (r *Runner) change(ctx context.Context, c Claim, fn func(*work) error) (*work, error) {
	w := &work{c: c}
	return w, r.store.Update(ctx, c.Tenant, func(ctx context.Context, tx Tx) error {
		if err := w.read(ctx, tx, true); err != nil {
			return err
		}
		if err := fn(w); err != nil || w.saved {
			return err
		}
		return tx.SaveSegments(ctx, w.d, w.s)
	})
}

// settled starts what follows a segment that came to rest and brings the
// post's sum up to date.
func (w *work) settled(ctx context.Context) error {
	changed := append(w.d.next(w.s.Position, w.now), w.s)
	if err := w.tx.Emit(ctx, "delivery.updated", string(w.d.ID), map[string]any{
		"post": w.d.Post, "channel": w.d.Channel, "segment": w.s.ID, "state": w.s.State,
	}); err != nil {
		return err
	}
	w.saved = true
	if err := w.tx.SaveSegments(ctx, w.d, changed...); err != nil {
		return err
	}
	all, err := w.tx.DeliveryStates(ctx, w.d.Post)
	if err != nil {
		return err
	}
	sum := Sum(all)
	if err := w.tx.SetState(ctx, w.d.Post, sum); err != nil {
		return err
	}
	if len(changed) > 1 {
		if err := w.tx.WakeDispatch(ctx); err != nil { // for the next segment
			return err
		}
	}
	if sum == w.was {
		return nil
	}
	return w.tell(ctx, sum)
}

var eventOf = map[State]string{
	Published: "post.published", PartlyFailed: "post.failed", Failed: "post.failed", NeedsReview: "post.needs_review", Missed: "post.missed",
}

func (w *work) tell(ctx context.Context, sum State) error {
	event, ok := eventOf[sum]
	if !ok {
		return nil
	}
	if sum == Published {
		if err := w.tx.RefreshMetrics(ctx, w.d.Post, ""); err != nil {
			return err
		}
	}
	return w.tx.Emit(ctx, event, string(w.d.Post), map[string]any{"state": sum})
}

// request builds what the plugin gets. It is the same for every attempt at one
// revision, media addresses apart.
func (r *Runner) request(ctx context.Context, w *work) (social.PublishRequest, error) {
	attached, err := r.media.Attach(ctx, tenants.SystemScope(w.c.Tenant), mediaIDs(w.s.Part))
	if err != nil {
		return social.PublishRequest{}, attachFault(err)
	}
	withAlt(attached, w.s.Part)
	return social.PublishRequest{
		Call:    social.Call{Idempotency: w.s.Key()},
		Content: w.content(attached),
		State:   w.s.Step,
		Attempt: w.s.Attempt,
	}, nil
}

func (w *work) content(attached []social.Media) social.Content {
	return social.Content{
		Format: w.d.Format, Text: w.s.Part.Text, Media: attached, Settings: w.d.Settings,
		ReplyTo: w.s.ReplyTo, Root: w.s.Root, At: w.d.DueAt,
	}
}

// attachFault is what a missing attachment means: the post cannot go out.
func attachFault(err error) error {
	if f := fault.Of(err); f.Code == fault.NotFound || f.Code == fault.Invalid || f.Code == fault.Conflict {
		return &social.Fault{Kind: social.Invalid, Source: social.FromPlugin, Key: f.Reason, Message: f.Message, Err: err}
	}
	return err
}

func broken(msg string) *social.Fault {
	return &social.Fault{Kind: social.Permanent, Source: social.FromPlugin, Key: "plugin.contract", Message: msg}
}

// rested tells the observer, once the change is committed.
func (r *Runner) rested(w *work, err error) error {
	if err != nil {
		return err
	}
	r.observe.At(AtSettled)
	late := time.Duration(-1)
	if w.s.Position == 0 {
		late = w.now.Sub(w.d.DueAt)
	}
	r.observe.Settled(w.s.State, late)
	return nil
}

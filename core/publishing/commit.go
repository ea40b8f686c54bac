package publishing

import (
	"context"
	"errors"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// commit arms the segment, makes the one irreversible call and records its
// outcome. What is slow stands before the arming: the request, the channel's
// token and its allowance. Behind it stand a look at the kill switch and one at
// the clock, and then the call.
func (r *Runner) commit(ctx context.Context, w *work) (done bool, err error) {
	req, err := r.request(ctx, w)
	replay := w.s.State == Unknown
	switch {
	case err != nil && replay: // it may be live, whatever became of its parts
		return true, r.unsure(ctx, w.c, social.FaultOf(err, false), 0)
	case err != nil:
		return true, r.unprepared(ctx, w.c, social.FaultOf(err, false))
	}
	if replay && w.s.ArmedHash != requestHash(req) {
		return r.altered(ctx, w)
	}
	req.Commit, req.Attempt = true, w.s.Attempt+1

	s := &start{r: r, w: w, req: req, cancel: func() {}}
	borrow, cancel := context.WithTimeout(ctx, r.timing.Step)
	step, sendErr := r.channels.Commit(borrow, tenants.SystemScope(w.c.Tenant), w.d.Channel, req, s.ready)
	cancel()
	s.cancel()
	after := context.WithoutCancel(ctx)
	switch {
	case s.err != nil: // somebody was faster, or the database is away
		return true, s.err
	case !s.armed && ctx.Err() != nil:
		return true, r.release(after, w.c)
	case !s.armed:
		return true, r.unarmed(after, w, social.FaultOf(sendErr, false))
	case !s.gone:
		return true, r.notSent(after, w.c, replay, s.blocked)
	}
	r.observe.At(AtSent)
	return true, r.record(after, w.c, replay, step, sendErr)
}

// A start is one call on its way out.
type start struct {
	r       *Runner
	w       *work
	req     social.PublishRequest
	armed   bool
	gone    bool   // the call may have been made
	blocked string // why it was not
	err     error  // why it is not armed
	cancel  context.CancelFunc
}

var errHeld = errors.New("publishing: held back at the last moment")

// ready is channels.Ready: it arms, and has the last look. A shutdown must not
// cut a call whose effect cannot be taken back. Its time runs from before the
// arming, so that a process suspended on the way has none left.
func (s *start) ready(ctx context.Context) (context.Context, error) {
	var call context.Context
	call, s.cancel = context.WithTimeout(context.WithoutCancel(ctx), s.r.timing.Commit)
	began := s.r.mono()
	if s.err = s.r.arm(call, s.w, s.req); s.err != nil {
		return nil, s.err
	}
	s.armed = true
	s.r.observe.At(AtArmed)
	var err error
	s.blocked, err = s.r.queue.Blocked(call, s.w.c.Tenant, s.w.d.Channel)
	if err != nil || s.blocked != "" || s.r.hesitated(began) {
		return nil, errHeld
	}
	s.gone = true
	return call, nil
}

// unarmed decides what it means that a call could not even be begun: the token
// cannot be renewed, say, or the allowance is used up. What was prepared is kept.
func (r *Runner) unarmed(ctx context.Context, w *work, f *social.Fault) error {
	prepared, attempt := w.s.Step, w.s.Attempt
	return r.change(ctx, w.c, func(w *work) error {
		switch {
		case w.s.Attempt != attempt:
			return ErrLost
		case w.s.State == Unknown:
			return w.stillUnknown(ctx, f, 0)
		}
		w.s.State, w.s.Step, w.s.Label = Armed, prepared, ""
		return w.unprepared(ctx, f)
	})
}

// hesitated reports whether too much time has passed since started for the
// call to be safe. A clock that stands still while the machine sleeps is not
// believed alone, nor one that somebody sets.
func (r *Runner) hesitated(started time.Time) bool {
	now := r.mono()
	return now.Sub(started) > r.timing.Fresh || now.Round(0).Sub(started.Round(0)) > r.timing.Fresh
}

// arm is the committed journal entry before the call. It fails if the segment
// was canceled or edited since it was loaded: both bump the generation, and an
// edit changes the hash.
func (r *Runner) arm(ctx context.Context, w *work, req social.PublishRequest) error {
	return r.store.Arm(ctx, w.c, Arming{
		State: w.s.State, Canceling: w.s.Canceling, Attempt: w.s.Attempt, Hash: w.d.Hash,
		Step: w.s.Step, Key: w.s.Key(), RequestHash: requestHash(req), Replay: w.s.State == Unknown, Lease: r.timing.Lease,
	})
}

// notSent closes an attempt that never left, because something was blocked at
// the last moment or this process hesitated.
func (r *Runner) notSent(ctx context.Context, c Claim, replay bool, blocked string) error {
	return r.insist(ctx, c, func(w *work) error {
		at := w.now
		if blocked != "" {
			at = at.Add(blockedPause)
		}
		if replay {
			w.s.State = Unknown
			w.s.wake(at)
		} else {
			w.s.disarm(at)
		}
		if err := w.tx.CloseAttempt(ctx, w.s.ID, NotSent, nil); err != nil {
			return err
		}
		return w.ended(ctx)
	})
}

func (r *Runner) record(ctx context.Context, c Claim, replay bool, step social.Step, sendErr error) error {
	err := r.insist(ctx, c, func(w *work) error { return w.outcome(ctx, replay, step, sendErr) })
	if isTaken(err) {
		return r.contested(ctx, c)
	}
	return err
}

// insist writes what became of an attempt. It tries for a while if the
// database is away; if that fails too, the lease runs out and somebody
// reconciles.
func (r *Runner) insist(ctx context.Context, c Claim, fn func(*work) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.timing.Lease/2)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		err := r.change(ctx, c, fn)
		if err == nil || errors.Is(err, ErrLost) || !retryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func retryable(err error) bool {
	f := fault.Of(err)
	return f.Code == fault.Internal || f.Code == fault.Unavailable || f.Code == fault.Conflict && f.Reason != TakenReason
}

func (w *work) outcome(ctx context.Context, replay bool, step social.Step, sendErr error) error {
	if sendErr == nil && step.Receipt != nil {
		w.s.applied(*step.Receipt, ByReceipt, w.now)
		if err := w.closeAttempt(ctx, Applied, nil); err != nil {
			return err
		}
		if w.s.Attempt > 1 { // there are others
			if err := w.tx.ResolveAttempts(ctx, w.s.ID, FoundLater); err != nil {
				return err
			}
		}
		return w.settled(ctx)
	}
	f := social.FaultOf(sendErr, true)
	if sendErr == nil { // "call again" is no answer to a commit
		f = &social.Fault{Kind: social.Ambiguous, Source: social.FromPlugin, Key: "plugin.contract", Message: "The plugin did not say whether it published."}
	}
	switch {
	case f.Local && f.Kind == social.Transient:
		return w.stayed(ctx, replay, f)
	case replay:
		return w.replayFailed(ctx, f)
	}
	return w.refused(ctx, f)
}

// stayed takes an attempt back that this process could not even begin: its
// plugin rests, say. Nothing left, and there may be thousands of them in a day,
// so the journal does not keep them.
func (w *work) stayed(ctx context.Context, replay bool, f *social.Fault) error {
	if err := w.tx.DropAttempt(ctx, w.s.ID); err != nil {
		return err
	}
	w.s.Attempt--
	if replay {
		return w.stillUnknown(ctx, f, 0)
	}
	return w.later(ctx, f)
}

// refused decides what a failed first call means.
func (w *work) refused(ctx context.Context, f *social.Fault) error {
	switch f.Kind {
	case social.Ambiguous:
		return w.inDoubt(ctx, f)
	case social.Duplicate: // the platform says it has it; look
		if err := w.closeAttempt(ctx, Refused, f); err != nil {
			return err
		}
		w.s.doubt(f, w.now)
		return w.settled(ctx)
	case social.RateLimited, social.AuthExpired, social.AuthRevoked, social.Transient:
		return w.later(ctx, f)
	}
	w.s.reject(f)
	if err := w.closeAttempt(ctx, Refused, f); err != nil {
		return err
	}
	return w.settled(ctx)
}

// later arms again after a refusal that may pass. A rate limit is no failure
// and does not lengthen the back-off.
func (w *work) later(ctx context.Context, f *social.Fault) error {
	if f.Kind != social.AuthRevoked && w.now.Sub(w.d.wanted(w.s)) > patience {
		w.s.reject(f)
		if err := w.closeAttempt(ctx, Refused, f); err != nil {
			return err
		}
		return w.settled(ctx)
	}
	w.s.disarm(w.now)
	switch {
	case w.s.State == Canceled:
	case f.Kind == social.RateLimited:
		w.s.park(f, w.now)
	case lostItsPlace(f):
		w.s.anew(f, w.now)
	default:
		w.s.again(f, w.now)
	}
	if err := w.closeAttempt(ctx, Refused, f); err != nil {
		return err
	}
	return w.ended(ctx)
}

// ended tells of a segment that a cancellation caught up with.
func (w *work) ended(ctx context.Context) error {
	if w.s.State != Canceled {
		return nil
	}
	return w.settled(ctx)
}

func (w *work) inDoubt(ctx context.Context, f *social.Fault) error {
	// When to look depends on the platform; reconcile sets it.
	w.s.doubt(f, w.now)
	if err := w.closeAttempt(ctx, OutcomeLost, f); err != nil {
		return err
	}
	return w.settled(ctx)
}

func (w *work) closeAttempt(ctx context.Context, o Outcome, f *social.Fault) error {
	return w.tx.CloseAttempt(ctx, w.s.ID, o, problemOf(f))
}

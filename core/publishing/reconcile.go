package publishing

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// orphaned turns a segment whose sender died into an unknown one.
func (r *Runner) orphaned(ctx context.Context, w *work) (done bool, err error) {
	f := &social.Fault{Kind: social.Ambiguous, Source: social.FromPlugin, Key: "segment.sender_died", Message: "The process that was sending this stopped."}
	err = r.change(ctx, w.c, func(w *work) error {
		if w.s.State != Sending {
			return ErrLost
		}
		// Its sender may have been at work until this moment, whatever clocks
		// say of when it began: the quiet period counts from here.
		w.s.State, w.s.CalledAt = Unknown, w.now
		w.s.Problem = problemOf(f)
		if err := w.closeAttempt(ctx, OutcomeLost, f); err != nil {
			return err
		}
		return w.settled(ctx)
	})
	return false, err
}

// suspect doubts a segment that the original of a restored database may have
// sent.
func (r *Runner) suspect(ctx context.Context, c Claim) error {
	return r.change(ctx, c, func(w *work) error {
		w.s.State = Unknown
		w.s.Problem = &Problem{Kind: social.Ambiguous, Reason: "segment.restored", Message: "It may have gone out before this database was restored."}
		if w.s.DoubtAt.IsZero() {
			w.s.DoubtAt = w.now
		}
		return nil
	})
}

// reconcile finds out whether an unknown segment is on the platform. It sends
// only with a key that the platform remembers, or after the platform said that
// it is not there.
func (r *Runner) reconcile(ctx context.Context, w *work) (done bool, err error) {
	target, err := r.channels.Describe(ctx, tenants.SystemScope(w.c.Tenant), w.d.Channel)
	if err != nil {
		return true, r.unsure(ctx, w.c, social.FaultOf(err, false), 0)
	}
	class := r.recovery(w, target)
	quiet := w.s.CalledAt.Add(settle(target.Manifest))
	switch {
	case class == social.NoDedup:
		return true, r.askPerson(ctx, w.c)
	case w.now.Before(quiet):
		err := r.change(ctx, w.c, func(w *work) error { w.s.wake(quiet); return nil })
		return true, err
	case class == social.NativeKey && w.blocked != "": // it cannot look, and must not send
		err := r.change(ctx, w.c, func(w *work) error { w.s.wake(w.now.Add(blockedWait)); return nil })
		return true, err
	case class == social.NativeKey:
		return r.commit(ctx, w)
	}
	return r.find(ctx, w, target)
}

// altered settles the doubt about a segment that would no longer be sent as it
// was: a picture's description was changed, say. The key stands for what was
// sent, so it is not sent again: it is looked up, or a person is asked.
func (r *Runner) altered(ctx context.Context, w *work) (done bool, err error) {
	target, err := r.channels.Describe(ctx, tenants.SystemScope(w.c.Tenant), w.d.Channel)
	if err != nil {
		return true, r.unsure(ctx, w.c, social.FaultOf(err, false), 0)
	}
	if target.Manifest.Can(social.CanFind) {
		return r.find(ctx, w, target)
	}
	return true, r.askPerson(ctx, w.c)
}

// blockedWait is how soon a blocked segment in doubt is looked at again.
const blockedWait = 15 * time.Second

// recovery is how the doubt about a segment is settled: by the platform's
// class, or by looking where sending the key again is out of the question.
func (r *Runner) recovery(w *work, t channels.Target) social.Dedup {
	m, class := t.Manifest, dedup(t)
	if class != social.NativeKey && class != social.ByFind {
		return social.NoDedup
	}
	forgotten := m.KeyLife > 0 && w.now.Sub(w.s.DoubtAt) > m.KeyLife-r.timing.Commit
	mustLook := w.s.Verify || w.s.Canceling || forgotten
	switch {
	case class == social.ByFind && m.Can(social.CanFind):
		return social.ByFind
	case class == social.NativeKey && (mustLook || w.blocked != "") && m.Can(social.CanFind):
		return social.ByFind
	case class == social.NativeKey && !mustLook:
		return social.NativeKey
	}
	return social.NoDedup
}

func settle(m social.Manifest) time.Duration {
	if m.Settle > 0 {
		return m.Settle
	}
	return social.DefaultSettle
}

// dedup is the manifest's recovery class, unless this account's server is
// known to be weaker.
func dedup(t channels.Target) social.Dedup {
	switch d := social.Dedup(t.Account.Public["dedup"]); d {
	case social.ByFind, social.NoDedup:
		return d
	}
	return t.Manifest.Dedup
}

// find looks the segment up. What is absent after the quiet period was never
// applied and is armed again. What is found and stands for another segment is
// not this one, however alike: it is looked for once more, past all of those.
func (r *Runner) find(ctx context.Context, w *work, target channels.Target) (done bool, err error) {
	req, err := r.request(ctx, w)
	if err != nil {
		return true, r.unsure(ctx, w.c, social.FaultOf(err, false), 0)
	}
	ask := social.FindRequest{Call: req.Call, Content: req.Content, State: w.s.Step, Since: since(w), Restored: w.s.Verify}
	found, err := r.lookUp(ctx, w, ask)
	if err == nil && found.Verdict == social.Found && found.Receipt != nil {
		err = r.foundLater(ctx, w.c, *found.Receipt)
		if !isTaken(err) {
			return true, err
		}
		if ask.Taken, err = r.taken(ctx, w, ask.Since); err != nil {
			return true, err
		}
		if found, err = r.lookUp(ctx, w, ask); err == nil && found.Verdict == social.Found && found.Receipt != nil {
			return true, r.foundOrUnsure(ctx, w.c, *found.Receipt)
		}
	}
	switch {
	case err != nil:
		return true, r.unsure(ctx, w.c, social.FaultOf(err, false), 0)
	case found.Verdict == social.Absent && w.s.Problem != nil && w.s.Problem.Kind == social.Duplicate:
		return true, r.askPerson(ctx, w.c) // the platform contradicts itself
	case found.Verdict == social.Absent:
		return false, r.absent(ctx, w.c)
	}
	return true, r.unsure(ctx, w.c, nil, found.After)
}

func (r *Runner) lookUp(ctx context.Context, w *work, ask social.FindRequest) (social.Finding, error) {
	call, cancel := context.WithTimeout(ctx, r.timing.Step/2) // there may be a second one
	defer cancel()
	return r.channels.Find(call, tenants.SystemScope(w.c.Tenant), w.d.Channel, ask)
}

// taken is what stands for other segments of the channel. A platform's clock
// may be off, so it goes further back than the lookup.
func (r *Runner) taken(ctx context.Context, w *work, since time.Time) (refs []string, err error) {
	err = r.store.View(ctx, w.c.Tenant, func(ctx context.Context, tx Tx) (err error) {
		refs, err = tx.Refs(ctx, w.d.Channel, since.Add(-time.Hour))
		return err
	})
	return refs, err
}

// since is the earliest the object can have appeared, with room for clocks
// that disagree. What a restored database doubts may have been sent at any time
// since there was such a post: by an order that the copy does not know.
func since(w *work) time.Time {
	at := w.s.DoubtAt
	if w.s.Verify {
		for _, one := range []time.Time{w.d.DueAt, id.Born(string(w.d.Post))} {
			if !one.IsZero() && one.Before(at) {
				at = one
			}
		}
	}
	return at.Add(-social.ClockSkew)
}

func (r *Runner) foundLater(ctx context.Context, c Claim, rc social.Receipt) error {
	return r.change(ctx, c, func(w *work) error {
		w.s.applied(rc, ByLookup, w.now)
		if err := w.tx.ResolveAttempts(ctx, w.s.ID, FoundLater); err != nil {
			return err
		}
		return w.settled(ctx)
	})
}

// foundOrUnsure is foundLater where a plugin had its chance to pass over what
// is taken: another lookup may have taken this one meanwhile.
func (r *Runner) foundOrUnsure(ctx context.Context, c Claim, rc social.Receipt) error {
	err := r.foundLater(ctx, c, rc)
	if isTaken(err) {
		return r.unsure(ctx, c, takenFault(), 0)
	}
	return err
}

func (r *Runner) absent(ctx context.Context, c Claim) error {
	return r.change(ctx, c, func(w *work) error {
		holder, until := w.s.Holder, w.now.Add(r.timing.Lease) // this claim goes on
		changed := []*Segment{w.s}
		if w.s.Verify && !w.s.Canceling {
			w.s.restart(until)
			changed = w.d.cleared(w.s.Position)
		} else {
			w.s.disarm(until)
		}
		if err := w.tx.ResolveAttempts(ctx, w.s.ID, AbsentLater); err != nil {
			return err
		}
		if w.s.State == Canceled {
			return w.settled(ctx)
		}
		w.s.Holder, w.s.Problem, w.saved = holder, nil, true
		return w.tx.SaveSegments(ctx, w.d, changed...)
	})
}

// unsure looks again later, and after an hour asks a person.
func (r *Runner) unsure(ctx context.Context, c Claim, f *social.Fault, after time.Duration) error {
	err := r.change(ctx, c, func(w *work) error { return w.stillUnknown(ctx, f, after) })
	return err
}

func (w *work) stillUnknown(ctx context.Context, f *social.Fault, after time.Duration) error {
	since := w.s.DoubtAt
	if w.s.Verify && w.d.DueAt.After(since) { // nobody misses it yet
		since = w.d.DueAt
	}
	if w.now.Sub(since) > lookPatience && w.s.Tries > 3 {
		w.s.ask(f)
		return w.settled(ctx)
	}
	w.s.State = Unknown
	w.s.Tries++
	w.s.wake(w.now.Add(pauseAfter(w.s.Tries, f, after)))
	return nil
}

func retryAfter(f *social.Fault) time.Duration {
	if f == nil {
		return 0
	}
	return f.RetryAfter
}

func (r *Runner) askPerson(ctx context.Context, c Claim) error {
	err := r.change(ctx, c, func(w *work) error {
		problem := w.s.Problem
		if w.s.Verify {
			problem = &Problem{Kind: social.Ambiguous, Reason: "segment.restored",
				Message: "It may have gone out before this database was restored, and the platform cannot be asked."}
		}
		w.s.ask(nil)
		w.s.Problem = problem
		return w.settled(ctx)
	})
	return err
}

// replayFailed decides what a failed call with a known key means. A refusal
// now says nothing of the call before it, so the doubt stays.
func (w *work) replayFailed(ctx context.Context, f *social.Fault) error {
	outcome := Refused
	if f.Kind == social.Ambiguous {
		outcome = OutcomeLost
	}
	if err := w.closeAttempt(ctx, outcome, f); err != nil {
		return err
	}
	w.s.CalledAt = w.now
	return w.stillUnknown(ctx, f, 0)
}

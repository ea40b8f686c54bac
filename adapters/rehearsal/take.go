package rehearsal

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// An Actor takes the steps of an object: a plugin under the host, or alone.
type Actor interface {
	Publish(context.Context, social.PublishRequest) (social.Step, error)
	Find(context.Context, social.FindRequest) (social.Finding, error)
}

// Phase is where an object stands in the protocol.
type Phase string

// The phases.
const (
	Preparing  Phase = "preparing"
	Committing Phase = "committing"
	Doubt      Phase = "in doubt" // a commit may have happened
	Published  Phase = "published"
	Failed     Phase = "failed"
	Review     Phase = "needs review" // only a person can tell
)

// Over reports whether nothing follows.
func (p Phase) Over() bool { return p == Published || p == Failed || p == Review }

// A Take is one object on its way, moved by the rules of the kernel: a commit
// is armed before it is sent, an unknown outcome is settled by the manifest's
// recovery class, a refusal that may be repeated is.
type Take struct {
	Phase   Phase
	Request social.PublishRequest
	Receipt *social.Receipt
	Fault   *social.Fault // the last
	Armed   time.Time     // when the first commit was

	dedup  social.Dedup
	find   bool
	settle time.Duration
}

// A Record is one step that was taken.
type Record struct {
	Phase     Phase // in which it was taken
	Method    string
	Label     string
	State     int // bytes
	After     time.Duration
	Fault     *social.Fault
	Err       error // as the host got it
	Step      social.Step
	Finding   *social.Finding
	Exchanges []Exchange
	At        time.Time
	Took      time.Duration
}

// Take begins an object on behalf of an account.
func (s *Stage) Take(account social.Account, call social.Call, content social.Content) *Take {
	call.Idempotency = "idem-" + rand.Text()
	if content.At.IsZero() {
		content.At = time.Now().UTC().Truncate(time.Second)
	}
	t := &Take{
		Phase: Preparing, dedup: s.Manifest.Dedup, find: s.Manifest.Can(social.CanFind), settle: s.Settings.Settle,
		Request: social.PublishRequest{Call: call, Account: account, Content: content, Attempt: 1},
	}
	if weaker := social.Dedup(account.Public["dedup"]); weaker == social.ByFind || weaker == social.NoDedup {
		t.dedup = weaker
	}
	return t
}

// Dedup is the account's recovery class.
func (t *Take) Dedup() social.Dedup { return t.dedup }

// Step takes the next step and says what came of it. The caller waits for
// Record.After before the next.
func (t *Take) Step(ctx context.Context, stage *Stage, by Actor) Record {
	r := Record{Phase: t.Phase, Method: t.method(), At: time.Now()}
	mark := stage.Proxy.Label(r.Method)
	if r.Method == "find" {
		t.look(ctx, stage, by, &r)
	} else {
		t.publish(ctx, stage, by, &r)
	}
	r.Took = time.Since(r.At)
	// Those of others that are under way say so; what says nothing may be ours.
	r.Exchanges = slices.DeleteFunc(stage.Proxy.Since(mark), func(e Exchange) bool {
		return e.Call.Operation != "" && e.Call.Operation != t.Request.Call.Idempotency
	})
	return r
}

// method is what the next step calls.
func (t *Take) method() string {
	switch {
	case t.Phase == Doubt && t.lookUp():
		return "find"
	case t.Phase == Preparing:
		return "publish"
	}
	return "commit"
}

// lookUp reports whether doubt is settled by looking.
func (t *Take) lookUp() bool {
	return t.dedup == social.ByFind || t.find && t.Fault != nil && t.Fault.Kind == social.Duplicate
}

func (t *Take) publish(ctx context.Context, stage *Stage, by Actor, r *Record) {
	t.Request.Commit = t.Phase != Preparing
	if t.Request.Commit && t.Armed.IsZero() {
		t.Armed = time.Now()
	}
	if t.Phase == Doubt {
		t.Request.Attempt++
	}
	r.Step, r.Err = by.Publish(ctx, t.Request)
	if r.Err == nil && !stage.claim(r.Step.Receipt, t.Request.Call.Idempotency) {
		r.Step, r.Err = social.Step{}, social.Fail(social.Ambiguous, Taken, "What the platform named stands for another post.")
	}
	switch {
	case r.Err != nil:
		t.failed(r)
	case r.Step.Receipt != nil:
		t.Phase, t.Receipt, t.Fault = Published, r.Step.Receipt, nil
	case r.Step.Next != nil:
		n := r.Step.Next
		r.Label, r.State, r.After = n.Label, len(n.State), n.After
		t.Request.State, t.Fault = n.State, nil
		if t.Phase = Preparing; n.Commit {
			t.Phase = Committing
		}
	default: // an outcome that is none is a broken plugin's
		t.failed(r)
	}
}

// failed moves by the kind of a fault.
func (t *Take) failed(r *Record) {
	f := social.FaultOf(r.Err, t.Request.Commit)
	r.Fault, t.Fault, r.After = f, f, f.RetryAfter
	switch f.Kind {
	case social.Ambiguous, social.Duplicate:
		t.Phase = Doubt
		if !t.Request.Commit {
			t.Phase = Preparing
		} else if t.dedup == social.NoDedup && !t.lookUp() {
			t.Phase = Review
		}
		r.After = max(r.After, t.settle)
	case social.Transient, social.RateLimited, social.AuthExpired:
	default:
		t.Phase = Failed
	}
}

// Asks is what the kernel asks of an object of which nobody knows whether it was
// sent at.
func (t *Take) Asks(at time.Time) social.FindRequest {
	return social.FindRequest{Call: t.Request.Call, Account: t.Request.Account, Content: t.Request.Content, State: t.Request.State, Since: at.Add(-social.ClockSkew)}
}

// Find asks as the kernel does: what is found and stands for another object is
// not this one, and is asked for once more, past all of those.
func (t *Take) Find(ctx context.Context, stage *Stage, by Actor, at time.Time) (social.Finding, error) {
	ask := t.Asks(at)
	found, err := by.Find(ctx, ask)
	if err != nil || found.Verdict != social.Found || stage.claim(found.Receipt, ask.Call.Idempotency) {
		return found, err
	}
	ask.Taken = stage.others(ask.Call.Idempotency)
	return by.Find(ctx, ask)
}

func (t *Take) look(ctx context.Context, stage *Stage, by Actor, r *Record) {
	found, err := t.Find(ctx, stage, by, t.Armed)
	if err == nil && found.Verdict == social.Found && !stage.claim(found.Receipt, t.Request.Call.Idempotency) {
		found.Verdict = social.Unsure // it had its chance to pass over what is taken
	}
	if err != nil {
		r.Err, r.Fault = err, social.FaultOf(err, false)
		r.After = r.Fault.RetryAfter
		if k := r.Fault.Kind; k != social.Transient && k != social.RateLimited && k != social.AuthExpired && k != social.Ambiguous {
			t.Phase = Review
		}
		return
	}
	r.Finding = &found
	switch found.Verdict {
	case social.Found:
		t.Phase, t.Receipt = Published, found.Receipt
	case social.Absent:
		// A platform that has it and does not show it contradicts itself.
		if t.Phase = Committing; t.dedup == social.NoDedup || t.Fault != nil && t.Fault.Kind == social.Duplicate {
			t.Phase = Review
			return
		}
		t.Fault, t.Request.Attempt = nil, t.Request.Attempt+1
	default:
		r.After = max(found.After, 50*time.Millisecond)
	}
}

// maxSteps bounds one object.
const maxSteps = 200

// Run takes steps until the object is over or until stops it, waiting at most
// limit between two. until may be nil.
func (t *Take) Run(ctx context.Context, stage *Stage, by Actor, limit time.Duration, until func(*Take, Record) bool) []Record {
	var all []Record
	for range maxSteps {
		r := t.Step(ctx, stage, by)
		all = append(all, r)
		if t.Phase.Over() || ctx.Err() != nil || until != nil && until(t, r) {
			break
		}
		pause(ctx, min(r.After, limit))
	}
	return all
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

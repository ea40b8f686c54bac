package publishing

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

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
		err := r.live(ctx, w.c, *step.Receipt, ByLookup)
		if isTaken(err) {
			err = r.contested(ctx, w.c)
		}
		return true, err
	case step.Next == nil || len(step.Next.State) > social.MaxState:
		return true, r.unprepared(ctx, w.c, broken("The plugin's answer breaks its contract."))
	}
	r.observe.At(AtPrepared)
	if step.Next.Commit && step.Next.After <= 0 {
		w.s.Step = step.Next.State
		return r.commit(ctx, w)
	}
	err = r.change(ctx, w.c, func(w *work) error { w.s.advance(step.Next, w.now, r.timing.Lease); return nil })
	return step.Next.After > 0, err
}

// unprepared decides what a failed preparation means. Nothing was published.
func (r *Runner) unprepared(ctx context.Context, c Claim, f *social.Fault) error {
	return r.change(ctx, c, func(w *work) error { return w.unprepared(ctx, f) })
}

func (w *work) unprepared(ctx context.Context, f *social.Fault) error {
	switch f.Kind {
	case social.RateLimited, social.Transient, social.Ambiguous, social.AuthExpired:
		switch {
		case w.now.Sub(w.d.wanted(w.s)) > patience:
			w.s.reject(f)
			return w.settled(ctx)
		case f.Kind == social.RateLimited:
			w.s.park(f, w.now)
		case lostItsPlace(f):
			w.s.anew(f, w.now)
		default:
			w.s.again(f, w.now)
		}
		return nil
	case social.AuthRevoked: // the channel is blocked until it is reconnected
		w.s.again(f, w.now)
		return nil
	}
	w.s.reject(f)
	return w.settled(ctx)
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

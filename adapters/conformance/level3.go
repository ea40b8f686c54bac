package conformance

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// level3 kills the plugin's process before each step and inside it, before and
// after the platform has the request. The host starts another one, and the
// protocol goes on from what was persisted.
func level3(ctx context.Context, b *bench) {
	if len(b.happy) == 0 {
		b.add(Result{ID: "L3.kill", Level: 3, Title: "the process is killed", Section: "killed"}, untried{"nothing was published on level 1"})
		return
	}
	for _, s := range b.cases {
		steps := b.happy[s.name]
		for n, r := range steps {
			name := fmt.Sprintf("%s, step %d (%s)", s.name, n+1, r.Method)
			b.check(ctx, 3, fmt.Sprintf("%s.%d.between", s.name, n+1), name+": killed before it begins", "killed", func(ctx context.Context) error {
				return b.killedBefore(ctx, s, n)
			})
			if len(r.Exchanges) == 0 {
				continue
			}
			b.check(ctx, 3, fmt.Sprintf("%s.%d.unsent", s.name, n+1), name+": killed before the platform has its request", "killed", func(ctx context.Context) error {
				return b.killedInside(ctx, s, n, 0, &rehearsal.Action{Name: "killed before the platform had it", Cut: rehearsal.BeforeBody})
			})
			b.check(ctx, 3, fmt.Sprintf("%s.%d.applied", s.name, n+1), name+": killed when the platform has applied its request", "killed", func(ctx context.Context) error {
				return b.killedInside(ctx, s, n, len(r.Exchanges)-1, &rehearsal.Action{Name: "killed before the answer", Forward: true, Cut: rehearsal.AfterBody})
			})
		}
	}
	b.again()
}

// killedBefore ends the process between two steps.
func (b *bench) killedBefore(ctx context.Context, s sample, step int) error {
	return b.survives(ctx, s, func(n int) bool {
		if n == step {
			b.session.Kill()
		}
		return n == step
	})
}

// killedInside ends the process while the step's request with that number is
// under way.
func (b *bench) killedInside(ctx context.Context, s sample, step, request int, act *rehearsal.Action) error {
	var dead atomic.Bool
	kill := func() { dead.Store(b.session.Kill()) }
	if act.Forward {
		act.After = kill
	} else {
		act.Before = kill
	}
	return b.survives(ctx, s, func(n int) bool {
		if n == step {
			b.stage.Proxy.Spoil(nth(request, func(rehearsal.Exchange) bool { return true }, func(rehearsal.Exchange) *rehearsal.Action { return act }))
		}
		return dead.Load()
	})
}

// survives publishes s under a fresh host, calling strike before each step,
// until it reports that the process was killed and the object is over.
func (b *bench) survives(ctx context.Context, s sample, strike func(step int) bool) error {
	b.again()
	p, before, err := b.counted(ctx)
	if err != nil {
		return err
	}
	t := b.take(s.fresh())
	var records []rehearsal.Record
	struck := false
	for n := 0; n < 200 && !t.Phase.Over() && ctx.Err() == nil; n++ {
		struck = strike(n) || struck
		r := t.Step(ctx, b.stage, p)
		records = append(records, r)
		if t.Phase == rehearsal.Doubt {
			// A platform goes on with what it has begun.
			if err := b.stage.Proxy.Settle(ctx); err != nil {
				return err
			}
		}
		pause(ctx, min(r.After, b.opt.Pause))
	}
	if struck = strike(-1) || struck; !struck {
		return skip{"the step made no request this time"}
	}
	return b.one(ctx, before, t, records)
}

// one checks that exactly one object is live, or at most one where only a
// person can tell.
func (b *bench) one(ctx context.Context, before int, t *rehearsal.Take, records []rehearsal.Record) error {
	after, err := b.count(ctx)
	if err != nil {
		return err
	}
	made := after - before
	if t.Dedup() == social.NoDedup && t.Phase == rehearsal.Review {
		if made > 1 {
			return broke("at most one object at the platform", "left %d", made).with(exchangesOf(records))
		}
		return nil
	}
	if made > 1 {
		return broke("exactly one object at the platform", "left %d", made).with(exchangesOf(records))
	}
	if err := outcome(t, records); err != nil {
		return err
	}
	if made != 1 {
		return broke("exactly one object at the platform", "has a receipt and left %d", made).with(exchangesOf(records))
	}
	return nil
}

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// Limits of the process itself. They are far over what a plugin needs, because
// a busy machine is not the plugin's fault.
const (
	describeTime = 100 * time.Millisecond // the best of several
	leaveTime    = 15 * time.Second
	shortCall    = 2 * time.Second
	grace        = 10 * time.Second // past a deadline
)

// level0 is about the process: it starts, describes itself, keeps deadlines and
// leaves when it should.
func level0(ctx context.Context, b *bench) {
	b.check(ctx, 0, "handshake", "it starts and speaks the protocol", "the-process", b.handshake)
	b.check(ctx, 0, "manifest", "the manifest is complete", "manifest", b.manifest)
	b.check(ctx, 0, "describe", "describing itself is quick, the same each time, and without network", "manifest", b.describe)
	b.check(ctx, 0, "lifeline", "it leaves when its standard input ends", "the-process", b.lifeline)
	b.check(ctx, 0, "sigterm", "asked to leave, it leaves", "the-process", b.leaves)
	b.check(ctx, 0, "drain", "asked to leave, it finishes what it has begun", "the-process", b.drains)
	b.check(ctx, 0, "deadline", "a call ends when its time is over", "deadlines", b.deadline)
}

// handshake was made when the stage opened; here the host makes it, too.
func (b *bench) handshake(ctx context.Context) error {
	_, err := b.plugin(ctx)
	return err
}

func (b *bench) manifest(context.Context) error {
	m := b.stage.Manifest
	if err := sdk.CheckManifest(m); err != nil {
		return broke("a manifest that the host accepts", "has one where %v", err)
	}
	if m.Dedup != social.NoDedup && !m.Can(social.CanFind) {
		return broke("Find on a platform whose lost commits are settled by "+string(m.Dedup), "has none")
	}
	return nil
}

func (b *bench) describe(ctx context.Context) error {
	raw, err := b.stage.Spawn(ctx)
	if err != nil {
		return err
	}
	defer raw.Kill()
	mark := b.stage.Proxy.Label("describe")
	first, err := json.Marshal(b.stage.Manifest)
	if err != nil {
		return err
	}
	best := time.Hour
	for range 10 {
		begun := time.Now()
		m, err := raw.Describe(ctx)
		if err != nil {
			return broke("a manifest each time", "failed: %v", err)
		}
		best = min(best, time.Since(begun))
		if again, err := json.Marshal(m); err != nil || string(again) != string(first) {
			return broke("the same manifest each time", "described two platforms:\n%s\n%s", first, again)
		}
	}
	if calls := b.stage.Proxy.Since(mark); len(calls) > 0 {
		return broke("no request while describing itself", "made some").with(calls)
	}
	if best > describeTime {
		return broke("an answer within "+describeTime.String(), "took %s at best", best)
	}
	return nil
}

func (b *bench) lifeline(ctx context.Context) error {
	raw, err := b.stage.Spawn(ctx)
	if err != nil {
		return err
	}
	defer raw.Kill()
	raw.CloseInput()
	if !raw.Left(leaveTime) {
		return broke("the process ends when its standard input does, because then its host is gone", "ran on for %s", leaveTime)
	}
	return nil
}

func (b *bench) leaves(ctx context.Context) error {
	raw, err := b.stage.Spawn(ctx)
	if err != nil {
		return err
	}
	defer raw.Kill()
	raw.Terminate()
	if !raw.Left(leaveTime) {
		return broke("the process ends after SIGTERM", "ran on for %s", leaveTime)
	}
	return nil
}

// drains sends SIGTERM while the plugin waits for the platform.
func (b *bench) drains(ctx context.Context) error {
	raw, err := b.stage.Spawn(ctx)
	if err != nil {
		return err
	}
	defer raw.Kill()
	met, terminated := make(chan struct{}), make(chan struct{})
	b.stage.Proxy.Spoil(once(func(rehearsal.Exchange) *rehearsal.Action {
		return &rehearsal.Action{Name: "held while the plugin is asked to leave", Forward: true, Before: func() {
			close(met)
			<-terminated
		}}
	}))
	done := make(chan []rehearsal.Record, 1)
	t, err := b.any()
	if err != nil {
		return err
	}
	go func() {
		// One step past the held request is enough: later ones find nobody.
		done <- t.Run(ctx, b.stage, raw, b.opt.Pause, func(_ *rehearsal.Take, r rehearsal.Record) bool { return len(r.Exchanges) > 0 })
	}()
	select {
	case <-met:
		raw.Terminate()
		time.AfterFunc(300*time.Millisecond, func() { close(terminated) })
	case records := <-done:
		close(terminated)
		return skip{"it asked the platform nothing: " + told(last(records))}
	}
	records := <-done
	if r := last(records); r.Fault != nil && r.Fault.Key == "plugin.broken" {
		return broke("the answer of a call that was begun before SIGTERM", "%s", told(r)).with(r.Exchanges)
	}
	if !raw.Left(leaveTime) {
		return broke("the process ends after SIGTERM, once its calls are answered", "ran on for %s", leaveTime)
	}
	return nil
}

// any is an object of any kind, even if there is no account to post to.
func (b *bench) any() (*rehearsal.Take, error) {
	if len(b.cases) == 0 {
		return nil, skip{"the manifest has no format"}
	}
	return b.take(b.cases[0].fresh()), nil
}

// deadline lets every request go unanswered.
func (b *bench) deadline(ctx context.Context) error {
	raw, err := b.stage.Spawn(ctx) // a host would end one that hangs, and start another
	if err != nil {
		return err
	}
	defer raw.Kill()
	b.stage.Proxy.Spoil(func(rehearsal.Exchange) *rehearsal.Action {
		return &rehearsal.Action{Name: "never answered", Stall: true}
	})
	t, err := b.any()
	if err != nil {
		return err
	}
	mark := b.stage.Proxy.Label("deadline")
	short, cancel := context.WithTimeout(ctx, shortCall)
	defer cancel()
	t.Run(short, b.stage, raw, 0, nil)
	if err := b.gaveUp(ctx, mark); err != nil {
		return err
	}
	if err := alive(ctx, raw); err != nil {
		return broke("a process that still answers once a call's time is over", "did not: %v", err)
	}
	return nil
}

// gaveUp waits until the plugin has let go of what it was waiting for.
func (b *bench) gaveUp(ctx context.Context, mark int) error {
	wait, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := b.stage.Proxy.Settle(wait); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ctx.Err()
		}
		return broke("requests end with the call that they are for", "still waited for the platform %s after the deadline", grace).
			with(b.stage.Proxy.Since(mark))
	}
	return nil
}

// alive asks whether the process still answers, by calling it.
func alive(ctx context.Context, raw *rehearsal.Raw) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	_, err := raw.Describe(ctx)
	return err
}

// once applies rule to the first request alone.
func once(rule func(rehearsal.Exchange) *rehearsal.Action) func(rehearsal.Exchange) *rehearsal.Action {
	return nth(0, func(rehearsal.Exchange) bool { return true }, rule)
}

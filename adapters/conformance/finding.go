package conformance

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// found asks for an object that was sent at since, as the kernel does, until the
// answer is sure.
func (b *bench) found(ctx context.Context, p rehearsalPlugin, t *rehearsal.Take, since time.Time) (social.Finding, []rehearsal.Exchange, error) {
	mark := b.stage.Proxy.Label("find")
	if b.stage.Settings.Settle > 0 {
		pause(ctx, b.stage.Settings.Settle)
	}
	for range 20 {
		f, err := t.Find(ctx, b.stage, p, since)
		if err != nil {
			fault := social.FaultOf(err, false)
			if w := written(fault); w != nil {
				return f, nil, w
			}
			return f, nil, broke("an answer", "failed: %v", err).with(b.stage.Proxy.Since(mark))
		}
		if f.Verdict != social.Unsure {
			return f, b.stage.Proxy.Since(mark), nil
		}
		pause(ctx, min(max(f.After, 50*time.Millisecond), b.opt.Pause))
	}
	return social.Finding{}, nil, broke("an answer that is sure at last", "was still unsure after 20 questions").with(b.stage.Proxy.Since(mark))
}

func (b *bench) absentBefore(ctx context.Context) error {
	t, p, err := b.prepared(ctx, b.textOnly().fresh())
	if err != nil {
		return err
	}
	f, exchanges, err := b.found(ctx, p, t, time.Now())
	if err != nil {
		return err
	}
	if f.Verdict != social.Absent {
		return broke("absent", "answered %q for something that was never sent", f.Verdict).with(exchanges)
	}
	return nil
}

func (b *bench) foundAfter(ctx context.Context) error {
	for _, s := range b.cases {
		since := time.Now()
		t, err := b.put(ctx, s.fresh())
		if err != nil {
			return err
		}
		f, exchanges, err := b.found(ctx, b.session.Plugin, t, since)
		if err != nil {
			return err
		}
		if f.Verdict != social.Found || f.Receipt.Ref.ID != t.Receipt.Ref.ID {
			return broke(fmt.Sprintf("found, as %q", t.Receipt.Ref.ID), "answered %q (%+v) to %s", f.Verdict, f.Receipt, s.name).with(exchanges)
		}
	}
	return nil
}

// toldApart: yesterday's post with the same words is no evidence for today's.
func (b *bench) toldApart(ctx context.Context) error {
	content := b.textOnly().fresh()
	if _, err := b.put(ctx, content); err != nil {
		return err
	}
	t, p, err := b.prepared(ctx, content)
	if err != nil {
		return err
	}
	f, exchanges, err := b.found(ctx, p, t, time.Now())
	if err != nil {
		return err
	}
	if f.Verdict == social.Found {
		return broke("absent or unsure", "took the older object %q for it", f.Receipt.Ref.ID).with(exchanges)
	}
	return nil
}

// passedOver: of two objects with the same words, each is its own post's. Who
// goes by the words is told in taken which are others'.
func (b *bench) passedOver(ctx context.Context) error {
	content := b.textOnly().fresh()
	since := time.Now()
	var both [2]*rehearsal.Take
	for i := range both {
		t, err := b.put(ctx, content)
		if err != nil {
			return err
		}
		both[i] = t
	}
	for i, t := range both {
		other := both[1-i].Receipt.Ref.ID
		ask := t.Asks(since)
		ask.Taken = []string{other}
		mark := b.stage.Proxy.Label("find")
		f, err := b.session.Plugin.Find(ctx, ask)
		exchanges := b.stage.Proxy.Since(mark)
		if w := written(faultOf(err)); w != nil {
			return w
		}
		want := fmt.Sprintf("found, as %q, or unsure: %q is in taken, it stands for another post", t.Receipt.Ref.ID, other)
		switch {
		case err != nil:
			return broke(want, "failed: %v", err).with(exchanges)
		case f.Verdict == social.Unsure:
		case f.Verdict != social.Found || f.Receipt.Ref.ID != t.Receipt.Ref.ID:
			return broke(want, "answered %q (%+v)", f.Verdict, f.Receipt).with(exchanges)
		}
	}
	return nil
}

// atOnce is how many objects are published at once to fill a page.
const atOnce = 8

// notLostBehind publishes more after an object than a listing shows. Absent
// would have it published again.
func (b *bench) notLostBehind(ctx context.Context) error {
	since := time.Now()
	text := b.textOnly()
	t, err := b.put(ctx, text.fresh())
	if err != nil {
		return err
	}
	if err := b.crowd(ctx, text, cmp.Or(b.stage.Settings.Page, defaultPage)); err != nil {
		return err
	}
	f, exchanges, err := b.verdict(ctx, b.session.Plugin, t, since)
	switch {
	case err != nil:
		return err
	case f.Verdict == social.Absent:
		return broke("found, or unsure where the page ends before the commit", "answered %q for something that is there", f.Verdict).with(exchanges)
	case f.Verdict == social.Found && f.Receipt.Ref.ID != t.Receipt.Ref.ID:
		return broke(fmt.Sprintf("found, as %q, or unsure", t.Receipt.Ref.ID), "took %q for it", f.Receipt.Ref.ID).with(exchanges)
	}
	return nil
}

// defaultPage is more than most listings show at once.
const defaultPage = 50

// crowd publishes n objects.
func (b *bench) crowd(ctx context.Context, s sample, n int) error {
	p, err := b.plugin(ctx)
	if err != nil {
		return err
	}
	failed := make(chan error, n)
	slots := make(chan struct{}, atOnce)
	for range n {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			t := b.take(s.fresh())
			failed <- outcome(t, t.Run(ctx, b.stage, p, b.opt.Pause, nil))
		}()
	}
	for range n {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}

// verdict asks once. Unsure is an answer.
func (b *bench) verdict(ctx context.Context, p rehearsalPlugin, t *rehearsal.Take, since time.Time) (social.Finding, []rehearsal.Exchange, error) {
	pause(ctx, b.stage.Settings.Settle)
	mark := b.stage.Proxy.Label("find")
	f, err := t.Find(ctx, b.stage, p, since)
	exchanges := b.stage.Proxy.Since(mark)
	if w := written(faultOf(err)); w != nil {
		return f, exchanges, w
	}
	if err != nil {
		return f, exchanges, broke("an answer", "failed: %v", err).with(exchanges)
	}
	return f, exchanges, nil
}

// tellsVisibility asks about an object by its ref, and about one that is none.
func (b *bench) tellsVisibility(ctx context.Context) error {
	t, err := b.put(ctx, b.textOnly().fresh())
	if err != nil {
		return err
	}
	gone := t.Receipt.Ref
	gone.ID += "0"
	for _, one := range []struct {
		ref  social.Ref
		want social.Verdict
	}{{t.Receipt.Ref, social.Found}, {gone, social.Absent}} {
		mark := b.stage.Proxy.Label("find")
		f, err := b.session.Plugin.Find(ctx, social.FindRequest{Call: t.Request.Call, Account: t.Request.Account, Content: t.Request.Content, Ref: &one.ref})
		exchanges := b.stage.Proxy.Since(mark)
		if err != nil || f.Verdict != one.want || one.want == social.Found && f.Receipt.Ref.ID != one.ref.ID {
			return broke(fmt.Sprintf("%s for %s", one.want, one.ref.ID), "answered %q (%+v, %v)", f.Verdict, f.Receipt, err).with(exchanges)
		}
	}
	return nil
}

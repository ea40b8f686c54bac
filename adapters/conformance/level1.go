package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// level1 is the happy path of everything that the manifest promises.
func level1(ctx context.Context, b *bench) {
	m := b.stage.Manifest
	mark := b.stage.Proxy.Label("")
	for _, s := range b.cases {
		b.check(ctx, 1, "publish."+s.name, "it publishes: "+s.name, "publishing", func(ctx context.Context) error { return b.publishes(ctx, s) })
	}
	for _, s := range b.cases {
		b.check(ctx, 1, "repeat."+s.name, "preparing can be repeated and shows nothing: "+s.name, "publishing", func(ctx context.Context) error { return b.repeats(ctx, s) })
	}
	b.check(ctx, 1, "long", "a text over the limit is refused by name", "faults", b.tooLong)
	b.check(ctx, 1, "longest", "a text as long as the limit allows is published", "faults", b.longest)
	b.check(ctx, 1, "token", "a token that the platform does not know asks for sign-in", "faults", b.badToken)
	for _, c := range []struct {
		need  social.Capability
		id    string
		title string
		run   func(context.Context) error
	}{
		{social.CanReply, "thread", "a reply hangs under its parent", b.thread},
		{social.CanFind, "find.absent", "nothing is found before the commit", b.absentBefore},
		{social.CanFind, "find.found", "an object is found after the commit", b.foundAfter},
		{social.CanFind, "find.equal", "an older object with the same words is not taken for this one", b.toldApart},
		{social.CanFind, "find.taken", "of two objects with the same words, each is found for its own post", b.passedOver},
		{social.CanFind, "find.full", "an object that newer ones have pushed off the page is not called absent", b.notLostBehind},
		{social.CanStatus, "find.status", "it is told how public an object is that is known, and that another is not there", b.tellsVisibility},
		{social.CanMetrics, "metrics", "metrics come for what is known, and only for that", b.metrics},
		{social.CanAccounts, "accounts", "the account is listed", b.accounts},
		{social.CanConnect, "connect", "a person signs in", b.connects},
		{social.CanRefresh, "refresh", "a credential is renewed", b.refreshes},
	} {
		b.check(ctx, 1, c.id, c.title, "abilities", func(ctx context.Context) error {
			if !m.Can(c.need) {
				return skip{fmt.Sprintf("the manifest does not declare %q", c.need)}
			}
			return c.run(ctx)
		})
	}
	b.check(ctx, 1, "egress", "every request goes through the host's proxy to a host of the manifest", "network", func(context.Context) error {
		return b.wayOut(b.stage.Proxy.Since(mark))
	})
	b.check(ctx, 1, "whose", "every request says which call it is of", "network", func(ctx context.Context) error {
		if len(b.stage.Proxy.Since(mark)) == 0 { // no other check was asked for
			if _, err := b.put(ctx, b.textOnly().fresh()); err != nil {
				return err
			}
		}
		return b.inACall(b.stage.Proxy.Since(mark))
	})
}

// publishes drives one object from its first step to the receipt.
func (b *bench) publishes(ctx context.Context, s sample) error {
	p, before, err := b.counted(ctx)
	if err != nil {
		return err
	}
	t := b.take(s.fresh())
	records := t.Run(ctx, b.stage, p, b.opt.Pause, nil)
	if err := outcome(t, records); err != nil {
		return err
	}
	for _, r := range records {
		if err := b.wellFormed(r, t.Request.Call); err != nil {
			return err
		}
	}
	if sent := mutations(last(records).Exchanges); len(sent) != 1 {
		return broke("a commit makes exactly one request that changes anything", "made %d", len(sent)).with(last(records).Exchanges)
	}
	if err := b.isOne(ctx, before, t, records); err != nil {
		return err
	}
	b.happy[s.name] = records
	return nil
}

// isOne compares the receipt with what the fake holds.
func (b *bench) isOne(ctx context.Context, before int, t *rehearsal.Take, records []rehearsal.Record) error {
	list, err := b.stage.Objects(ctx)
	if err != nil {
		return err
	}
	if len(list) != before+1 {
		return broke("one object more at the platform", "left %d more", len(list)-before).with(exchangesOf(records))
	}
	at := slices.IndexFunc(list, func(o rehearsal.Object) bool { return o.ID == t.Receipt.Ref.ID })
	if at < 0 {
		return broke("a receipt that names the object by the platform's id", "named %q; the platform has %q", t.Receipt.Ref.ID, ids(list)).with(exchangesOf(records))
	}
	if text := t.Request.Content.Text; list[at].Text != "" && list[at].Text != text {
		return broke("the text arrives as it was written: "+text, "sent %q", list[at].Text).with(exchangesOf(records))
	}
	return nil
}

func ids(list []rehearsal.Object) []string {
	var out []string
	for _, o := range list[max(0, len(list)-5):] {
		out = append(out, o.ID)
	}
	return out
}

// wellFormed checks what every step has to keep to.
func (b *bench) wellFormed(r rehearsal.Record, call social.Call) error {
	switch {
	case r.Step.Next != nil && len(r.Step.Next.State) > social.MaxState:
		return broke(fmt.Sprintf("a state of at most %d bytes", social.MaxState), "left %d", len(r.Step.Next.State))
	case r.Step.Next != nil && b.leaks(string(r.Step.Next.State), call) != "":
		return broke("a state without secrets: it is stored", "put %s into it", b.leaks(string(r.Step.Next.State), call))
	case r.Step.Receipt != nil && r.Step.Receipt.Status == "":
		return broke("a receipt says how public the object is", "left the status out")
	case r.Step.Receipt != nil && r.Step.Receipt.Ref.URL != "" && !strings.HasPrefix(r.Step.Receipt.Ref.URL, "http"):
		return broke("a receipt's URL is one", "gave %q", r.Step.Receipt.Ref.URL)
	}
	return nil
}

// leaks names the secret of what c lends that is in text, or "".
func (b *bench) leaks(text string, c social.Call) string {
	if token := c.Credential.AccessToken; token != "" && strings.Contains(text, token) {
		return "the access token"
	}
	for name, s := range c.Credential.Secrets {
		if len(s) >= 4 && strings.Contains(text, s) {
			return "the secret " + name
		}
	}
	for _, name := range social.SecretSettings(b.stage.Manifest.SettingsSchema) {
		if s := c.App[name]; len(s) >= 4 && strings.Contains(text, s) {
			return "the operator's " + name
		}
	}
	return ""
}

// repeats takes every preparing step three times from the same state.
func (b *bench) repeats(ctx context.Context, s sample) error {
	p, before, err := b.counted(ctx)
	if err != nil {
		return err
	}
	t := b.take(s.fresh())
	var all []rehearsal.Record
	for range 50 {
		for range 2 { // from the same state, its answer thrown away
			if again := *t; t.Phase == rehearsal.Preparing {
				all = append(all, again.Step(ctx, b.stage, p))
			}
		}
		r := t.Step(ctx, b.stage, p)
		all = append(all, r)
		if t.Phase != rehearsal.Preparing {
			break
		}
		if r.Fault != nil {
			return outcome(t, all)
		}
		pause(ctx, min(r.After, b.opt.Pause))
	}
	if t.Phase != rehearsal.Committing {
		return broke("a step that asks for the commit", "is %s after %d steps: %s", t.Phase, len(all), told(last(all))).with(exchangesOf(all))
	}
	if after, err := b.count(ctx); err != nil || after != before {
		return broke("nothing to see before the commit", "left %d objects (%v)", after-before, err).with(exchangesOf(all))
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

package conformance

import (
	"context"
	"fmt"
	"slices"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// put publishes content and expects it to work.
func (b *bench) put(ctx context.Context, content social.Content) (*rehearsal.Take, error) {
	p, err := b.plugin(ctx)
	if err != nil {
		return nil, err
	}
	t := b.take(content)
	return t, outcome(t, t.Run(ctx, b.stage, p, b.opt.Pause, nil))
}

// prepared is an object that is ready for its commit.
func (b *bench) prepared(ctx context.Context, content social.Content) (*rehearsal.Take, rehearsalPlugin, error) {
	p, err := b.plugin(ctx)
	if err != nil {
		return nil, nil, err
	}
	t := b.take(content)
	records := t.Run(ctx, b.stage, p, b.opt.Pause, func(t *rehearsal.Take, _ rehearsal.Record) bool { return t.Phase == rehearsal.Committing })
	if t.Phase != rehearsal.Committing {
		if err := outcome(t, records); err != nil {
			return nil, nil, err
		}
		return nil, nil, broke("a step that asks for the commit before the object is published", "published without").with(exchangesOf(records))
	}
	return t, p, nil
}

func (b *bench) thread(ctx context.Context) error {
	text := b.textOnly()
	root, err := b.put(ctx, text.fresh())
	if err != nil {
		return err
	}
	content := text.fresh()
	content.ReplyTo, content.Root = &root.Receipt.Ref, &root.Receipt.Ref
	mark := b.stage.Proxy.Label("reply")
	if _, err := b.put(ctx, content); err != nil {
		return err
	}
	for _, e := range b.stage.Proxy.Since(mark) {
		if e.Mutates() && e.Holds(root.Receipt.Ref.ID) {
			return nil
		}
	}
	return broke("a reply that names its parent "+root.Receipt.Ref.ID, "did not send that").with(b.stage.Proxy.Since(mark))
}

// textOnly is the plainest sample.
func (b *bench) textOnly() sample {
	for _, s := range b.cases {
		if len(s.content.Media) == 0 {
			return s
		}
	}
	return b.cases[0]
}

func (b *bench) metrics(ctx context.Context) error {
	t, err := b.put(ctx, b.textOnly().fresh())
	if err != nil {
		return err
	}
	mark := b.stage.Proxy.Label("metrics")
	gone := t.Receipt.Ref
	gone.ID += "0"
	got, err := b.session.Plugin.Metrics(ctx, social.MetricsRequest{
		Call: t.Request.Call, Account: t.Request.Account, Posts: []social.Ref{gone, t.Receipt.Ref},
	})
	exchanges := b.stage.Proxy.Since(mark)
	if err != nil {
		return broke("metrics of "+t.Receipt.Ref.ID, "failed: %v", err).with(exchanges)
	}
	if len(got) != 1 || got[0].Ref.ID != t.Receipt.Ref.ID || len(got[0].Values) == 0 {
		return broke("metrics of "+t.Receipt.Ref.ID+" alone, without the one that does not exist", "answered %+v", got).with(exchanges)
	}
	return nil
}

func (b *bench) accounts(ctx context.Context) error {
	p, err := b.plugin(ctx)
	if err != nil {
		return err
	}
	account, call, _ := b.stage.Account(0)
	mark := b.stage.Proxy.Label("accounts")
	list, err := p.Accounts(ctx, call)
	if err != nil {
		return broke("the accounts of the credential", "failed: %v", err).with(b.stage.Proxy.Since(mark))
	}
	if !slices.ContainsFunc(list, func(a social.Account) bool { return a.ID == account.ID }) {
		return broke(fmt.Sprintf("the account %q among them", account.ID), "answered %+v", list).with(b.stage.Proxy.Since(mark))
	}
	return nil
}

// maxScreens bounds a sign-in.
const maxScreens = 10

func (b *bench) connects(ctx context.Context) error {
	if len(b.stage.Settings.Connect) == 0 {
		return untried{"carillon.yaml does not say in test.connect what a person enters"}
	}
	p, err := b.plugin(ctx)
	if err != nil {
		return err
	}
	_, call, _ := b.stage.Account(0)
	call.Credential = social.Credential{}
	req := social.ConnectRequest{Call: call, RedirectURI: "http://127.0.0.1/callback"}
	mark := b.stage.Proxy.Label("connect")
	for n := range maxScreens {
		if in, ok := b.stage.Input(n); ok {
			req.Input = in
		}
		step, err := p.Connect(ctx, req)
		switch {
		case err != nil:
			return broke("another screen, or a credential", "failed: %v", err).with(b.stage.Proxy.Since(mark))
		case step.Done != nil:
			return b.usable(ctx, p, call, *step.Done)
		case step.Redirect != "":
			return nil // what follows happens at the platform, in a browser
		}
		req.State, req.Input = step.State, nil
	}
	return broke("a sign-in that ends", "wanted more than %d screens", maxScreens).with(b.stage.Proxy.Since(mark))
}

// usable reports whether a credential that came of a sign-in lists accounts.
func (b *bench) usable(ctx context.Context, p rehearsalPlugin, call social.Call, c social.Credential) error {
	if !b.stage.Manifest.Can(social.CanAccounts) {
		return nil
	}
	call.Credential = c
	list, err := p.Accounts(ctx, call)
	if err != nil || len(list) == 0 {
		return broke("a credential with which accounts are listed", "gave one that lists %d (%v)", len(list), err)
	}
	return nil
}

func (b *bench) refreshes(ctx context.Context) error {
	p, err := b.plugin(ctx)
	if err != nil {
		return err
	}
	_, call, _ := b.stage.Account(0)
	mark := b.stage.Proxy.Label("refresh")
	c, err := p.Refresh(ctx, call)
	if err != nil {
		return broke("a renewed credential", "failed: %v", err).with(b.stage.Proxy.Since(mark))
	}
	if c.AccessToken == "" && len(c.Secrets) == 0 {
		return broke("a renewed credential", "gave an empty one").with(b.stage.Proxy.Since(mark))
	}
	return nil
}

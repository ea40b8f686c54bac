package conformance

import (
	"context"
	"fmt"
	"strings"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

func (b *bench) tooLong(ctx context.Context) error {
	f := b.stage.Manifest.Formats[0]
	if f.Text.Max == 0 {
		return skip{"the manifest sets no limit"}
	}
	content := social.Content{Format: f.ID, Text: strings.Repeat("é", f.Text.Max+1)}
	return b.refusedByName(ctx, content)
}

// longest publishes as many units as the manifest allows, each of several
// bytes: a plugin that counts otherwise than it says refuses it.
func (b *bench) longest(ctx context.Context) error {
	f := b.stage.Manifest.Formats[0]
	if f.Text.Max == 0 {
		return skip{"the manifest sets no limit"}
	}
	text := full(f.Text)
	if f.Text.MaxBytes > 0 && len(text) > f.Text.MaxBytes {
		return skip{"the limit in bytes comes first"}
	}
	content := b.textOnly().content
	if content.Format != "" && content.Format != f.ID || len(content.Media) > 0 {
		return skip{"no case is a text in the first format"}
	}
	content.Text = text
	before, err := b.count(ctx)
	if err != nil {
		return err
	}
	t, err := b.put(ctx, content)
	if err != nil {
		return err
	}
	if t.Phase != rehearsal.Published {
		return broke(fmt.Sprintf("a text of %d %s to be published", f.Text.Max, f.Text.Count), "ended as %s (%v)", t.Phase, t.Fault)
	}
	if after, err := b.count(ctx); err != nil || after != before+1 {
		return broke("one object at the platform", "left %d (%v)", after-before, err)
	}
	return nil
}

// full is a text of exactly the most units of a rule.
func full(r social.TextRule) string {
	switch r.Count {
	case social.Graphemes:
		return strings.Repeat("e\u0301", r.Max) // two code points, three bytes
	case social.Bytes:
		return strings.Repeat("é", r.Max/2) + strings.Repeat("e", r.Max%2)
	}
	return strings.Repeat("é", r.Max)
}

func (b *bench) refusedByName(ctx context.Context, content social.Content) error {
	p, before, err := b.counted(ctx)
	if err != nil {
		return err
	}
	t := b.take(content)
	records := t.Run(ctx, b.stage, p, b.opt.Pause, nil)
	r := last(records)
	if err := written(r.Fault); err != nil {
		return err
	}
	if r.Fault == nil || r.Fault.Kind != social.Invalid || len(r.Fault.Violations) == 0 || r.Fault.Violations[0].Field != "/content/text" {
		return broke("the fault invalid with a violation on /content/text", "%s", told(r)).with(exchangesOf(records))
	}
	if after, err := b.count(ctx); err != nil || after != before {
		return broke("nothing at the platform", "left %d objects (%v)", after-before, err).with(exchangesOf(records))
	}
	return nil
}

func (b *bench) badToken(ctx context.Context) error {
	p, err := b.plugin(ctx)
	if err != nil {
		return err
	}
	t := b.take(b.cases[0].fresh())
	if t.Request.Call.Credential.AccessToken == "" {
		return skip{"the account signs in with something else than a token"}
	}
	const wrong = "not-a-token-of-this-platform"
	t.Request.Call.Credential.AccessToken = wrong
	records := t.Run(ctx, b.stage, p, 0, func(_ *rehearsal.Take, r rehearsal.Record) bool { return r.Fault != nil })
	r := last(records)
	if err := written(r.Fault); err != nil {
		return err
	}
	if r.Fault == nil || r.Fault.Kind != social.AuthExpired && r.Fault.Kind != social.AuthRevoked {
		return broke("the fault auth_expired or auth_revoked", "%s", told(r)).with(exchangesOf(records))
	}
	return nil
}

// wayOut finds requests that went where they must not.
func (b *bench) wayOut(list []rehearsal.Exchange) error {
	var refused, around []rehearsal.Exchange
	for _, e := range list {
		if e.Refused {
			refused = append(refused, e)
		}
		if e.Direct {
			around = append(around, e)
		}
	}
	switch {
	case len(refused) > 0:
		return broke("requests to hosts of the manifest alone", "called others, which the host does not let through").with(refused[:1])
	case len(around) > 0:
		return broke("requests through the proxy that HTTPS_PROXY names", "connected by itself, which the sandbox does not allow").with(around[:1])
	}
	return nil
}

// inACall finds requests that did not say on whose behalf they were made.
func (b *bench) inACall(list []rehearsal.Exchange) error {
	for _, e := range list {
		if e.Unattributed() && !e.Refused {
			return broke("requests that go through the proxy of their call: the SDKs do that when they get the call's context", "made one that says of no call that it is its").
				with([]rehearsal.Exchange{e})
		}
	}
	return nil
}

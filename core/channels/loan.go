package channels

import (
	"context"
	"errors"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// A loan is a credential lent for one call.
type loan struct {
	tenant   tenants.ID
	pseudo   string
	use      use
	channel  *Channel
	grant    *Grant
	secret   secret
	app      map[string]string
	platform social.Platform
	manifest social.Manifest
}

// call fills in what only this package knows.
func (l *loan) call(c social.Call) social.Call {
	c.Tenant, c.Credential, c.App = l.pseudo, pinned(l.manifest, l.secret.Credential, l.grant.Instance), l.app
	return c
}

// scoped checks that the sign-in brought what a capability needs.
func (l *loan) scoped(c social.Capability) error {
	missing := lacking(l.manifest.ScopesOf(c), l.channel.Scopes)
	if len(missing) == 0 {
		return nil
	}
	f := social.Fail(social.Unsupported, "platform.missing_scope", "This channel's sign-in does not include that. Connect it again.")
	f.Missing = missing
	return f
}

// lend makes one call and learns from how it went.
func lend[T any](ctx context.Context, s *Service, who tenants.Scope, id ID, u use, do func(context.Context, *loan) (T, error)) (T, error) {
	var none T
	l, err := s.borrow(ctx, who.Tenant, id, u)
	if err == nil {
		err = ctx.Err() // nobody is waiting for the call any more
	}
	if err != nil {
		return none, unreached(err)
	}
	out, err := do(ctx, l)
	if no := (*declined)(nil); errors.As(err, &no) {
		return none, s.refund(ctx, l, no.why)
	}
	if err != nil && !u.commit && social.FaultOf(err, u.commit).Kind == social.AuthExpired {
		if err := s.again(ctx, l); err != nil {
			return none, err
		}
		out, err = do(ctx, l)
	}
	if err != nil {
		return none, s.learn(ctx, l, social.FaultOf(err, u.commit))
	}
	return out, nil
}

// borrow checks that the channel can be used, takes the allowances and lends
// the credential, renewed first if it is due.
func (s *Service) borrow(ctx context.Context, t tenants.ID, id ID, u use) (*loan, error) {
	l := &loan{tenant: t, use: u}
	var closed []Refusal
	var err error
	l.channel, l.grant, closed, err = s.Store.Look(ctx, t, id)
	if fault.Is(err, fault.NotFound) {
		return nil, gone(err)
	}
	if err == nil {
		err = l.channel.open(u)
	}
	if err == nil && l.grant == nil {
		err = fault.New(fault.NotFound, "grant.not_found", "There is no such sign-in.")
	}
	if err == nil {
		err = refused(u.closedFor(closed, l.channel, l.grant), nil)
	}
	if err != nil {
		return nil, err
	}
	if l.platform, err = s.Plugins.Platform(ctx, l.channel.Platform); err != nil {
		return nil, err
	}
	l.manifest, l.pseudo = l.platform.Manifest(), s.pseudonym(t, l.channel.Platform)
	if l.app, err = s.settings(ctx, l.grant.App, l.channel.Platform, appInstance(l.manifest, l.grant.Instance)); err != nil {
		return nil, err
	}
	if err = s.unseal(ctx, l); err != nil {
		return nil, err
	}
	if err = s.fresh(ctx, l, 0); err != nil {
		return nil, err
	}
	return l, s.spend(ctx, t, l.manifest, u, l.channel, l.grant)
}

// open checks that the channel can be used for u.
func (c *Channel) open(u use) error {
	if c.State != Connected {
		return &social.Fault{Kind: social.AuthRevoked, Source: social.FromPlatform, Key: c.Reason, Message: c.Remedy}
	}
	if c.Paused && u.kind == quotaPublish {
		return &social.Fault{
			Kind: social.Transient, Source: social.FromPlatform, Key: "channel.paused", Message: "This channel is paused.", RetryAfter: pausedAgain,
		}
	}
	return nil
}

// unreached makes a failure before the call one that proves nothing was sent:
// a commit that ends in anything else counts as one that may be live. What is
// missing besides the channel itself, such as a plugin, may come back.
func unreached(err error) error {
	var f *social.Fault
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &f):
	case f.Kind == social.Ambiguous, f.Kind == social.Duplicate, !f.Kind.Refused(): // of a renewal, not of the post
		return before(social.Transient, err)
	default:
		return err
	}
	if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.Quota) {
		return before(social.Permission, err)
	}
	return before(social.Transient, err)
}

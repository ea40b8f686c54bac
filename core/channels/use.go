package channels

import (
	"context"
	"errors"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// pausedAgain is when to ask again for a channel that someone paused.
const pausedAgain = time.Minute

// Describe says what a channel takes and whether it can be used now.
func (s *Service) Describe(ctx context.Context, who tenants.Scope, id ID) (Target, error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return Target{}, err
	}
	ch, _, _, err := s.Store.Look(ctx, who.Tenant, id)
	if err != nil {
		return Target{}, err
	}
	p, err := s.Plugins.Platform(ctx, ch.Platform)
	if err != nil {
		return Target{}, err
	}
	return target(*ch, p.Manifest()), nil
}

// Publish takes one step of req on a channel. It fills in Call (but for
// Idempotency and Locale) and Account, and makes one call to the plugin, with
// no retry: only a step that is not a commit is repeated, once, after the
// platform said the token has expired. A commit is not; its AuthExpired fault
// comes back after the token was renewed, so that the caller can record the
// refusal and commit again.
//
// Errors are *social.Fault: the plugin's own; RateLimited without a call when
// an allowance is used up; AuthRevoked without a call when the channel needs a
// person; NotFound without a call when there is no such channel, Permission
// when who may not; and Transient for every other reason that nothing reached
// the plugin. Only what the plugin was handed can be Ambiguous.
func (s *Service) Publish(ctx context.Context, who tenants.Scope, id ID, req social.PublishRequest) (social.Step, error) {
	return s.publish(ctx, who, id, req, func(ctx context.Context) (context.Context, error) { return ctx, nil })
}

// Ready is the last word before a call: all that the call needs is at hand, and
// only the call is left to make. It returns the context for that, or why it is
// not to be made.
type Ready func(context.Context) (context.Context, error)

// Commit is Publish for the step that cannot be taken back. Reading the channel,
// renewing its token and spending its allowance may take long; ready is asked
// after all that, and its error comes back as it is: then nothing was called,
// and what was spent is given back.
func (s *Service) Commit(ctx context.Context, who tenants.Scope, id ID, req social.PublishRequest, ready Ready) (social.Step, error) {
	req.Commit = true
	return s.publish(ctx, who, id, req, ready)
}

func (s *Service) publish(ctx context.Context, who tenants.Scope, id ID, req social.PublishRequest, ready Ready) (social.Step, error) {
	if err := s.Authz.Allow(ctx, who, ActPublish); err != nil {
		return social.Step{}, unreached(err)
	}
	u := use{kind: quotaPublish, commit: req.Commit}
	if !req.Commit && len(req.State) == 0 {
		u.media = len(req.Content.Media)
	}
	return lend(ctx, s, who, id, u, func(ctx context.Context, l *loan) (social.Step, error) {
		req.Call, req.Account = l.call(req.Call), l.channel.Account
		call, err := ready(ctx)
		if err != nil {
			return social.Step{}, &declined{err}
		}
		return l.platform.Publish(call, req)
	})
}

// declined is a call that was not made, because its caller decided so.
type declined struct{ why error }

func (d *declined) Error() string { return d.why.Error() }

// Find looks for what a lost commit would have published. Errors are as for
// Publish; Unsupported if the platform cannot look.
func (s *Service) Find(ctx context.Context, who tenants.Scope, id ID, req social.FindRequest) (social.Finding, error) {
	if err := s.Authz.Allow(ctx, who, ActPublish); err != nil {
		return social.Finding{}, unreached(err)
	}
	return lend(ctx, s, who, id, use{kind: quotaFind}, func(ctx context.Context, l *loan) (social.Finding, error) {
		if err := l.scoped(social.CanFind); err != nil {
			return social.Finding{}, err
		}
		finder, ok := l.platform.(social.Finder)
		if !ok || !l.manifest.Can(social.CanFind) {
			return social.Finding{}, social.Fail(social.Unsupported, "platform.cannot_find", "This platform cannot be asked what is on it.")
		}
		req.Call, req.Account = l.call(req.Call), l.channel.Account
		return finder.Find(ctx, req)
	})
}

// Metrics reads how posts did. Errors are as for Publish, but for who may not:
// that is the plain fault.
func (s *Service) Metrics(ctx context.Context, who tenants.Scope, id ID, posts []social.Ref) ([]social.Metrics, error) {
	if err := s.Authz.Allow(ctx, who, ActMetrics); err != nil {
		return nil, err
	}
	return lend(ctx, s, who, id, use{kind: quotaMetrics}, func(ctx context.Context, l *loan) ([]social.Metrics, error) {
		if err := l.scoped(social.CanMetrics); err != nil {
			return nil, err
		}
		meter, ok := l.platform.(social.Meter)
		if !ok || !l.manifest.Can(social.CanMetrics) {
			return nil, social.Fail(social.Unsupported, "platform.no_metrics", "This platform does not say how posts do.")
		}
		return meter.Metrics(ctx, social.MetricsRequest{Call: l.call(social.Call{}), Account: l.channel.Account, Posts: posts})
	})
}

// gone says that there is no such channel.
func gone(err error) error { return before(social.NotFound, err) }

// before is a failure before the call, as one of the platform's vocabulary.
func before(kind social.Kind, err error) *social.Fault {
	f := fault.Of(err)
	return &social.Fault{Kind: kind, Source: social.FromPlugin, Key: f.Reason, Message: f.Message, RetryAfter: f.RetryAfter, Err: err}
}

// again readies a loan for a second call after its token was refused.
func (s *Service) again(ctx context.Context, l *loan) error {
	if err := s.fresh(ctx, l, l.grant.Generation); err != nil {
		return unreached(err)
	}
	return unreached(s.spend(ctx, l.tenant, l.manifest, l.use, l.channel, l.grant))
}

// learn draws the consequences of a refusal and returns what to tell the caller.
func (s *Service) learn(ctx context.Context, l *loan, f *social.Fault) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	switch f.Kind {
	case social.RateLimited:
		learned, err := s.park(ctx, l.tenant, l.use, l.channel, l.grant, f)
		return because(learned, err)
	case social.AuthRevoked:
		current, err := s.withdrawOne(ctx, l, f)
		if err == nil && !current {
			return expired(f) // the token was an old one: the new one may do
		}
		return because(f, err)
	case social.AuthExpired:
		if !l.use.commit {
			return f
		}
		return s.renewRefused(ctx, l, f)
	}
	return f
}

// renewRefused renews the token that a commit was refused for. The fault that
// comes back says whether committing again can help, and when.
func (s *Service) renewRefused(ctx context.Context, l *loan, f *social.Fault) error {
	err := s.fresh(ctx, l, l.grant.Generation)
	var newer *social.Fault
	if errors.As(err, &newer) {
		if newer.Kind == social.AuthRevoked {
			return newer
		}
		again := *f
		again.RetryAfter = max(f.RetryAfter, newer.RetryAfter)
		return &again
	}
	return because(f, err)
}

// expired is f as the refusal of an outdated token.
func expired(f *social.Fault) *social.Fault {
	again := *f
	again.Kind = social.AuthExpired
	return &again
}

// because keeps what went wrong besides, for the log. The platform's answer
// stays the answer: it is about what happened there.
func because(f *social.Fault, err error) error {
	if err == nil {
		return f
	}
	both := *f
	both.Err = errors.Join(f.Err, err)
	return &both
}

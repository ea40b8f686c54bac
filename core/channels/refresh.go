package channels

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// tryRenew renews l's grant unless somebody else is at it (held is false). The
// lease is a row, taken and given back in transactions of their own; the
// platform is asked in between.
func (s *Service) tryRenew(ctx context.Context, l *loan) (held bool, err error) {
	var fence int64
	err = s.Store.Update(ctx, l.tenant, func(ctx context.Context, tx Tx) (err error) {
		fence, held, err = tx.Lease(ctx, l.grant.ID, l.grant.Generation, leaseTime)
		return err
	})
	if err != nil || !held {
		return false, err
	}
	// The refresh token may work once: from here on the answer is kept, even
	// if whoever asked has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTime+settleTime)
	defer cancel()
	next, err := s.ask(ctx, l)
	if err != nil {
		return true, s.postpone(ctx, l, fence, renewalFault(err))
	}
	return true, s.keepRenewed(ctx, l, fence, next)
}

// ask gets a new credential from the platform.
func (s *Service) ask(ctx context.Context, l *loan) (secret, error) {
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	g := l.grant
	if l.manifest.Auth.Kind == social.AuthOAuth2 {
		_, client, err := s.ownApp(ctx, g.App, g.Platform, g.Instance)
		if err != nil {
			return secret{}, err
		}
		t, err := s.OAuth.Refresh(ctx, at(*l.manifest.Auth.OAuth2, g.Instance), client, l.secret.Refresh)
		if err != nil {
			return secret{}, err
		}
		return merged(l.secret, secretOf(t, g.Instance, s.Now()))
	}
	refresher, ok := l.platform.(social.Refresher)
	if !ok {
		return secret{}, social.Fail(social.Unsupported, "platform.cannot_refresh", "This platform's sign-in cannot be renewed.")
	}
	app, err := s.settings(ctx, g.App, g.Platform, "")
	if err != nil {
		return secret{}, err
	}
	cred, err := refresher.Refresh(ctx, social.Call{
		Tenant: s.pseudonym(l.tenant, g.Platform), Credential: pinned(l.manifest, l.secret.Credential, g.Instance), App: app,
		Idempotency: place(string(g.ID), strconv.FormatInt(g.Generation, 10)),
	})
	if err != nil {
		return secret{}, err
	}
	return merged(l.secret, secret{Credential: cred})
}

// merged lays a renewed secret over the old one. What the answer leaves out
// stays: a platform that omits the refresh token means the old one.
func merged(old, renewed secret) (secret, error) {
	a, b := old.Credential, renewed.Credential
	if b.AccessToken == "" && len(b.Secrets) == 0 {
		return secret{}, social.Fail(social.Transient, "auth.empty_answer", "The platform's answer had no token in it.")
	}
	out := secret{Refresh: either(renewed.Refresh, old.Refresh), Credential: social.Credential{
		AccessToken: either(b.AccessToken, a.AccessToken), Secrets: overlay(a.Secrets, b.Secrets),
		Public: overlay(a.Public, b.Public), Scopes: a.Scopes, ExpiresAt: b.ExpiresAt,
	}}
	if len(b.Scopes) > 0 {
		out.Credential.Scopes = b.Scopes
	}
	return out, nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// overlay returns under with every non-empty value of over.
func overlay(under, over map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, under)
	for k, v := range over {
		if v != "" {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// keepRenewed stores next as the following generation. If a newer one is there
// already, that one is taken instead.
func (s *Service) keepRenewed(ctx context.Context, l *loan, fence int64, next secret) (err error) {
	g := *l.grant
	g.Generation++
	g.Scopes, g.RefreshedAt, g.Failures, g.Problem = next.Credential.Scopes, s.Now(), 0, ""
	g.schedule(s.Now(), next.Credential.ExpiresAt, true)
	if g.Sealed, err = s.seal(ctx, l.tenant, grantPlace(g.ID, g.Generation), next); err != nil {
		return err
	}
	stored, err := s.persist(ctx, l.tenant, &g, fence)
	if err != nil {
		return err
	}
	if !stored {
		return s.reload(ctx, l, g.ID)
	}
	l.grant, l.secret = &g, next
	return nil
}

// persist stores a renewed grant and reports whether it took its place. The old
// refresh token may be used up by now, and then this answer is the only way
// back in: while the database is away it is tried again, as long as ctx lasts.
func (s *Service) persist(ctx context.Context, tenant tenants.ID, g *Grant, fence int64) (stored bool, err error) {
	for {
		err = s.Store.Update(ctx, tenant, func(ctx context.Context, tx Tx) (err error) {
			stored, err = tx.Renew(ctx, g, fence)
			return err
		})
		if !fault.Is(err, fault.Unavailable) || pause(ctx, waitStep) != nil {
			return stored, err
		}
	}
}

// postpone gives the lease back after a failure. Only a typed refusal of the
// grant itself takes its channels off line; everything else is tried again.
func (s *Service) postpone(ctx context.Context, l *loan, fence int64, f *social.Fault) error {
	again := s.Now().Add(max(backoff(l.grant.Failures), f.RetryAfter))
	if f.Kind == social.AuthRevoked {
		again = time.Time{}
	}
	var current bool
	err := s.Store.Update(ctx, l.tenant, func(ctx context.Context, tx Tx) (err error) {
		if current, err = tx.Postpone(ctx, l.grant, fence, again, f.Key); err != nil || !current {
			return err
		}
		if f.Kind == social.AuthRevoked {
			return withdraw(ctx, tx, l.grant.ID, f)
		}
		return nil
	})
	if err == nil && !current {
		if err = s.reload(ctx, l, l.grant.ID); err == nil {
			return busy() // someone else took over; what they got will do
		}
	}
	return because(f, err)
}

func backoff(failures int) time.Duration {
	return min(backoffFirst<<min(failures, 10), backoffMax)
}

// renewalFault keeps the reason of failures that are not the platform's.
func renewalFault(err error) *social.Fault {
	f := social.FaultOf(err, false)
	if !fromPlatform(err) {
		f.Key = fault.Of(err).Reason
	}
	return f
}

// withdraw takes every channel of a grant off line.
func withdraw(ctx context.Context, tx Tx, id GrantID, f *social.Fault) error {
	list, err := tx.Channels(ctx, Query{Grant: id, Limit: maxPerGrant})
	if err != nil {
		return err
	}
	for i := range list {
		if err := withdrawChannel(ctx, tx, &list[i], f); err != nil {
			return err
		}
	}
	return nil
}

// maxPerGrant is more accounts than any platform lets one person manage.
const maxPerGrant = 10_000

func withdrawChannel(ctx context.Context, tx Tx, ch *Channel, f *social.Fault) error {
	remedy := "Connect this account again."
	if f.Message != "" {
		remedy = f.Message + " " + remedy
	}
	if !ch.withdraw(f.Key, remedy) {
		return nil
	}
	if err := tx.SaveChannel(ctx, ch); err != nil {
		return err
	}
	return emit(ctx, tx, EventNeedsReconnect, ch)
}

// withdrawOne takes l's channel off line, if what the platform refused is
// still what is stored.
func (s *Service) withdrawOne(ctx context.Context, l *loan, f *social.Fault) (current bool, err error) {
	err = s.Store.Update(ctx, l.tenant, func(ctx context.Context, tx Tx) error {
		g, err := tx.Grant(ctx, l.grant.ID)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		ch, err := tx.Channel(ctx, l.channel.ID)
		if err != nil {
			return err
		}
		if current = ch.Grant == g.ID && g.Generation == l.grant.Generation; !current {
			return nil
		}
		return withdrawChannel(ctx, tx, ch, f)
	})
	return current, err
}

package channels

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// How long things may take. A lease outlives the call and the storing of its
// result together, so that it runs out only on a holder that died.
const (
	renewTime  = 30 * time.Second
	settleTime = 10 * time.Second
	leaseTime  = renewTime + settleTime + 20*time.Second
	// waitTime is how long a call waits for another process's renewal.
	waitTime = leaseTime
	waitStep = 100 * time.Millisecond
)

// After a failed renewal the next is tried after backoffFirst, then twice as
// long, up to backoffMax.
const (
	backoffFirst = 30 * time.Second
	backoffMax   = 30 * time.Minute
)

// keepAttempts is how long a sign-in can be read after it ended.
const keepAttempts = 24 * time.Hour

// keepQuotas is how long an allowance is kept that nobody draws on.
const keepQuotas = 7 * 24 * time.Hour

// Due lists grants of every tenant that are to be renewed now. It is for the
// kernel's own sweep.
func (s *Service) Due(ctx context.Context, limit int) ([]Due, error) {
	return s.Store.DueGrants(ctx, limit)
}

// Purge deletes sign-ins that ended a day ago. It is for the kernel's own sweep.
func (s *Service) Purge(ctx context.Context) (int, error) {
	n, err := s.Store.PurgeConnections(ctx, s.Now().Add(-keepAttempts))
	if err != nil {
		return n, err
	}
	more, err := s.Store.PurgeQuotas(ctx, keepQuotas)
	return n + more, err
}

// Renew renews a grant if it is due and nobody else is at it. It returns nil
// when there is nothing to do, and a *social.Fault when the platform refuses
// or cannot be reached; the next try is then on record.
func (s *Service) Renew(ctx context.Context, who tenants.Scope, id GrantID) error {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return err
	}
	l := &loan{tenant: who.Tenant}
	if err := s.reload(ctx, l, id); err != nil {
		if fault.Is(err, fault.NotFound) {
			return nil // disconnected since
		}
		return err
	}
	if !l.grant.due(s.Now()) {
		return nil
	}
	var err error
	if l.platform, err = s.Plugins.Platform(ctx, l.grant.Platform); err != nil {
		return err
	}
	l.manifest = l.platform.Manifest()
	if !l.secret.renewable(l.manifest) {
		return nil
	}
	_, err = s.tryRenew(ctx, l)
	return err
}

func (g *Grant) due(now time.Time) bool { return !g.RefreshAt.IsZero() && !now.Before(g.RefreshAt) }

func (g *Grant) expired(now time.Time) bool {
	return !g.ExpiresAt.IsZero() && !now.Before(g.ExpiresAt)
}

// fresh gives l a credential that should work: the stored one, or a renewed
// one if that is due or if the platform has refused generation refused. Many
// may ask at once, in many processes: one of them asks the platform, the
// others wait for its result or go on with a token that still works.
func (s *Service) fresh(ctx context.Context, l *loan, refused int64) error {
	for waited := time.Duration(0); waited < waitTime; waited += waitStep {
		if refused != 0 || waited > 0 {
			if err := s.reload(ctx, l, l.grant.ID); err != nil {
				return err
			}
		}
		rejected := l.grant.Generation == refused
		if done, err := s.settled(ctx, l, rejected); done || err != nil {
			return err
		}
		held, err := s.tryRenew(ctx, l)
		usable := !rejected && !l.grant.expired(s.Now())
		if revoked(err) || err != nil && !usable {
			return err
		}
		if held || usable {
			return nil
		}
		if err := pause(ctx, waitStep); err != nil {
			return err
		}
	}
	return busy()
}

func revoked(err error) bool {
	return err != nil && social.FaultOf(err, false).Kind == social.AuthRevoked
}

// settled reports whether the credential of l can be used as it is. An error
// says that nothing can be done about it now.
func (s *Service) settled(ctx context.Context, l *loan, rejected bool) (bool, error) {
	now := s.Now()
	if !rejected && !l.grant.due(now) && !l.grant.expired(now) {
		return true, nil
	}
	if !l.secret.renewable(l.manifest) {
		if rejected {
			return false, s.lapsed(ctx, l)
		}
		return true, nil // the platform decides
	}
	if l.grant.Failures > 0 && !l.grant.due(now) {
		return false, &social.Fault{
			Kind: social.Transient, Source: social.FromPlatform, Key: l.grant.Problem,
			Message: "The sign-in could not be renewed. It is tried again soon.", RetryAfter: max(l.grant.RefreshAt.Sub(now), 0),
		}
	}
	return false, nil
}

// lapsed takes channels off line whose token was refused and cannot be renewed.
func (s *Service) lapsed(ctx context.Context, l *loan) error {
	f := social.Fail(social.AuthRevoked, "auth.lapsed", "The platform has ended this sign-in.")
	err := s.Store.Update(ctx, l.tenant, func(ctx context.Context, tx Tx) error {
		return withdraw(ctx, tx, l.grant.ID, f)
	})
	return because(f, err)
}

func busy() error {
	return &social.Fault{
		Kind: social.Transient, Source: social.FromPlugin, Key: "auth.busy", Message: "The sign-in is being renewed.", RetryAfter: 5 * time.Second,
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// reload reads the grant again and opens it.
func (s *Service) reload(ctx context.Context, l *loan, id GrantID) error {
	err := s.Store.View(ctx, l.tenant, func(ctx context.Context, tx Tx) (err error) {
		l.grant, err = tx.Grant(ctx, id)
		return err
	})
	if err != nil {
		return err
	}
	return s.unseal(ctx, l)
}

func (s *Service) unseal(ctx context.Context, l *loan) error {
	l.secret = secret{}
	return s.open(ctx, l.tenant, grantPlace(l.grant.ID, l.grant.Generation), l.grant.Sealed, &l.secret)
}

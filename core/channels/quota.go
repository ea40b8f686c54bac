package channels

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// The kinds of call. A manifest's quota with one of these IDs counts calls of
// that kind: Publish counts commits, Media counts attachments of a first
// step. A quota with any other ID counts every call.
const (
	quotaPublish = "publish"
	quotaMedia   = "media"
	quotaFind    = "find"
	quotaMetrics = "metrics"
)

// A use is one call to a platform, as far as allowances care.
type use struct {
	kind   string // quotaPublish, quotaFind or quotaMetrics
	commit bool
	media  int // attachments that this step uploads
}

// cost is what u takes from the quota with id.
func (u use) cost(id string) int {
	switch id {
	case quotaPublish:
		if u.commit {
			return 1
		}
		return 0
	case quotaMedia:
		return u.media
	case quotaFind, quotaMetrics:
		if u.kind == id {
			return 1
		}
		return 0
	}
	return 1
}

// subject is whose allowance of a scope a channel draws on.
func subject(scope social.QuotaScope, c *Channel, g *Grant) string {
	switch scope {
	case social.ScopeApp:
		return place(string(g.App), g.Instance)
	case social.ScopeAccount:
		return place(c.Home(), c.Account.ID)
	}
	return ""
}

// closedFor is the first of the closures that holds for calls of u's kind, for
// the whole tenant or this account; nil if none does.
func (u use) closedFor(closed []Refusal, c *Channel, g *Grant) *Refusal {
	for _, r := range closed {
		if r.Name == u.kind && r.Scope != social.ScopeApp && r.Subject == subject(r.Scope, c, g) {
			return &r
		}
	}
	return nil
}

// claims splits what u takes into the tenant's own and the app's.
func (u use) claims(m social.Manifest, c *Channel, g *Grant) (own, app []Claim) {
	for _, q := range m.Quotas {
		cost := u.cost(q.ID)
		if cost == 0 || q.Limit <= 0 || q.Window <= 0 {
			continue
		}
		claim := Claim{Name: q.ID, Scope: q.Scope, Subject: subject(q.Scope, c, g), Limit: q.Limit, Window: q.Window, Cost: cost}
		if q.Scope == social.ScopeApp {
			app = append(app, claim)
		} else {
			own = append(own, claim)
		}
	}
	return own, app
}

// spend takes what u needs, or says until when there is none. What it took is
// given back if the rest is refused: a call that was not made costs nothing.
func (s *Service) spend(ctx context.Context, t tenants.ID, m social.Manifest, u use, c *Channel, g *Grant) error {
	own, app := u.claims(m, c, g)
	if r, err := s.appParked(ctx, m.ID, u.kind, subject(social.ScopeApp, c, g)); err != nil || r != nil {
		return refused(r, err)
	}
	if len(own) > 0 {
		err := s.Store.Update(ctx, t, func(ctx context.Context, tx Tx) error { return refused(tx.Spend(ctx, m.ID, own)) })
		if err != nil {
			return err
		}
	}
	if len(app) == 0 {
		return nil
	}
	r, err := s.Store.SpendApp(ctx, m.ID, app)
	if err = refused(r, err); err != nil && len(own) > 0 {
		err = s.giveBack(ctx, t, m.ID, own, err)
	}
	return err
}

// refund gives back all that a loan took, for a call that was not made, and
// returns why it was not. An allowance that cannot be given back is spent.
func (s *Service) refund(ctx context.Context, l *loan, why error) error {
	own, app := l.use.claims(l.manifest, l.channel, l.grant)
	var failed error
	if len(own) > 0 {
		failed = s.giveBack(ctx, l.tenant, l.manifest.ID, own, nil)
	}
	if len(app) > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
		defer cancel()
		failed = errors.Join(failed, s.Store.GiveBackApp(ctx, l.manifest.ID, app))
	}
	if failed != nil {
		return errors.Join(why, failed)
	}
	return why
}

// giveBack undoes the spending of claims and returns why it was in vain.
func (s *Service) giveBack(ctx context.Context, t tenants.ID, platform string, claims []Claim, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	err := s.Store.Update(ctx, t, func(ctx context.Context, tx Tx) error { return tx.GiveBack(ctx, platform, claims) })
	var f *social.Fault
	if errors.As(why, &f) {
		return because(f, err)
	}
	return errors.Join(why, err)
}

// refused turns a refusal into the fault that publishing waits on.
func refused(r *Refusal, err error) error {
	if err != nil || r == nil {
		return err
	}
	return &social.Fault{
		Kind: social.RateLimited, Source: social.FromPlatform, Key: "quota." + r.Name, Scope: r.Scope, RetryAfter: r.RetryAfter,
		Message: fmt.Sprintf("The platform takes no more for now. It goes on in %s.", r.RetryAfter.Round(time.Second)),
	}
}

// defaultPark is how long to stay away when a platform does not say.
const defaultPark = time.Minute

// park stores what a platform's own refusal taught, for every process. It
// returns the fault with the gaps filled in.
func (s *Service) park(ctx context.Context, t tenants.ID, u use, c *Channel, g *Grant, f *social.Fault) (*social.Fault, error) {
	learned := *f
	if learned.RetryAfter <= 0 {
		learned.RetryAfter = defaultPark
	}
	if learned.Scope == "" {
		learned.Scope = social.ScopeAccount
	}
	claim := Claim{Name: u.kind, Scope: learned.Scope, Subject: subject(learned.Scope, c, g)}
	if learned.Scope == social.ScopeApp {
		return &learned, s.Store.ParkApp(ctx, c.Platform, claim, learned.RetryAfter)
	}
	return &learned, s.Store.Update(ctx, t, func(ctx context.Context, tx Tx) error {
		return tx.Park(ctx, c.Platform, claim, learned.RetryAfter)
	})
}

// parkLife is how long another process's parked app may go unnoticed.
const parkLife = time.Second

// parkCache keeps the parked apps of each platform: asking on every call would
// make one row the busiest of the database.
type parkCache struct {
	mu   sync.Mutex
	kept map[string]parkedApps
}

type parkedApps struct {
	read     time.Time
	refusals []Refusal
}

// appParked reports whether calls of a kind are closed for a whole app.
func (s *Service) appParked(ctx context.Context, platform, kind, subject string) (*Refusal, error) {
	now := s.Now()
	s.off.mu.Lock()
	known, ok := s.off.kept[platform]
	s.off.mu.Unlock()
	if !ok || now.Sub(known.read) >= parkLife {
		refusals, err := s.Store.ParkedApps(ctx, platform)
		if err != nil {
			return nil, err
		}
		known = parkedApps{read: now, refusals: refusals}
		s.off.mu.Lock()
		if s.off.kept == nil {
			s.off.kept = map[string]parkedApps{}
		}
		s.off.kept[platform] = known
		s.off.mu.Unlock()
	}
	for _, r := range known.refusals {
		if left := r.RetryAfter - now.Sub(known.read); r.Name == kind && r.Subject == subject && left > 0 {
			r.RetryAfter = left
			return &r, nil
		}
	}
	return nil, nil
}

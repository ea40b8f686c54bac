package admin

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// ImpersonationTTL is how long an operator acts as somebody at most.
const ImpersonationTTL = 30 * time.Minute

// An Impersonation is an operator who acts as a user, in one tenant.
type Impersonation struct {
	ID        string // "imp_01jd…"
	Operator  OperatorID
	Session   SessionID // it ends with it
	Hash      Hash
	User      tenants.UserID
	Tenant    tenants.ID
	Reason    string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Impersonate lets an operator act as a member of a tenant, and returns the
// token for it. It needs a session, whose code was shown, and a reason. What
// must not be done so (passwords, factors, keys, exports, billing) is refused
// at the edge.
func (s *Service) Impersonate(ctx context.Context, who Who, user tenants.UserID, tenant tenants.ID, reason string) (*Impersonation, secret.Secret, error) {
	if err := who.allow(); err != nil {
		return nil, "", err
	}
	if who.By != "" {
		return nil, "", errRequired() // a shell has no session to end it with
	}
	reason, err := because(reason)
	switch {
	case err != nil:
		return nil, "", err
	case !id.Is("usr", string(user)):
		return nil, "", Missing("user")
	case !tenant.Valid():
		return nil, "", Missing("tenant")
	}
	token, now := newToken(ImpersonationPrefix), s.Now()
	imp := &Impersonation{
		ID: id.At("imp", now), Operator: who.ID, Session: who.Session, Hash: hash(token), User: user, Tenant: tenant, Reason: reason,
		CreatedAt: now, ExpiresAt: now.Add(ImpersonationTTL),
	}
	e := audit.Of(string(user), "impersonation.start", imp.ID, "user", string(user), "tenant", string(tenant), "reason", reason)
	e.Behind = who.actor()
	err = s.update(ctx, e, func(tx Tx) error {
		t, err := tx.Tenant(ctx, tenant)
		if err != nil {
			return err
		}
		if t.Kind == tenants.Operator {
			return errOwn()
		}
		role, err := tx.RoleOf(ctx, user, tenant)
		if err != nil {
			return err
		}
		if role == "" {
			return fault.New(fault.NotFound, "member.not_found", "There is no such member.")
		}
		return tx.AddImpersonation(ctx, imp)
	}, tenant)
	if err != nil {
		return nil, "", err
	}
	return imp, token, nil
}

// EndImpersonation ends one of who's own.
func (s *Service) EndImpersonation(ctx context.Context, who Who, name string) error {
	if err := who.allow(); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx Tx) error {
		imp, err := tx.EndImpersonation(ctx, who.ID, name)
		if err != nil {
			return err
		}
		e := audit.Of(string(imp.User), "impersonation.end", imp.ID, "user", string(imp.User), "tenant", string(imp.Tenant))
		e.Behind = who.actor()
		if err := tx.RecordIn(ctx, imp.Tenant, e); err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
}

// Impersonated says who is acted as with a token, and by whom, read from the
// database on each call. It returns fault.Unauthenticated for everything that
// is no living one.
func (s *Service) Impersonated(ctx context.Context, token string) (*Impersonation, error) {
	if !wellFormed(ImpersonationPrefix, token) {
		return nil, errRequired()
	}
	imp, err := s.Store.Impersonation(ctx, hash(secret.Secret(token)), s.Now())
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Unauthenticated, "impersonation.ended", "This has ended. Begin again as an operator.")
	}
	return imp, err
}

package admin

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants/audit"
)

// How long a session lives.
const (
	SessionTTL = 12 * time.Hour   // in all
	IdleTTL    = 30 * time.Minute // without a request
)

// A Session is one sign-in of an operator.
type Session struct {
	ID        SessionID
	Operator  OperatorID
	Hash      Hash
	Agent     string
	Address   string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

// Authenticate says which operator holds a token. What it answers is read from
// the database on each call. It returns fault.Unauthenticated for everything
// that is no operator's living session.
func (s *Service) Authenticate(ctx context.Context, token string) (Who, error) {
	if !wellFormed(SessionPrefix, token) {
		return Who{}, errRequired()
	}
	now := s.Now()
	session, o, err := s.Store.Session(ctx, hash(secret.Secret(token)))
	switch {
	case fault.Is(err, fault.NotFound):
		return Who{}, errRequired()
	case err != nil:
		return Who{}, err
	case !now.Before(session.ExpiresAt), now.Sub(session.SeenAt) > IdleTTL:
		return Who{}, errRequired()
	}
	if now.Sub(session.SeenAt) > time.Minute {
		if err := s.Store.Seen(ctx, session.ID, now); err != nil {
			return Who{}, err
		}
	}
	return Who{ID: o.ID, Session: session.ID, Email: o.Email}, nil
}

// Logout ends the session of who, and what they act as.
func (s *Service) Logout(ctx context.Context, who Who) error {
	if err := who.allow(); err != nil {
		return err
	}
	return s.update(ctx, audit.Of(who.actor(), "operator.sign_out", string(who.Session)), func(tx Tx) error {
		return tx.EndSession(ctx, who.Session)
	})
}

// Me is the operator behind who.
func (s *Service) Me(ctx context.Context, who Who) (o *Operator, err error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(tx Tx) error {
		o, err = tx.Operator(ctx, who.ID)
		return err
	})
	return o, err
}

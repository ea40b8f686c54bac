package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Method is a way to prove who one is.
type Method string

// The methods.
const (
	ByPassword Method = "password"
	ByIdentity Method = "identity" // a provider of OpenID Connect vouches for them
	ByPasskey  Method = "passkey"
	ByTOTP     Method = "totp"
	ByRecovery Method = "recovery"
)

// alone reports whether a method is two factors in one: a passkey that signs
// people in asks for their finger or their PIN.
func (m Method) alone() bool { return m == ByPasskey }

// Entry is what every way of signing in ends with: a session or, for a person
// with a second factor, a challenge to answer first. Exactly one is set.
type Entry struct {
	*SignedIn
	Asked *Asked
}

// finish is where every way of signing in ends, once it has proven by how that
// a client is user: a session, or the question for a second factor.
func (s *Service) finish(ctx context.Context, from Client, user tenants.UserID, how Method) (*Entry, error) {
	if !how.alone() {
		held, err := s.held(ctx, user)
		if err != nil {
			return nil, err
		}
		if held.second() {
			asked, err := s.askSecond(ctx, from, held, how)
			if err != nil {
				return nil, err
			}
			return &Entry{Asked: asked}, nil
		}
	}
	in, err := s.enter(ctx, from, user, []Method{how}, func(Tx) error { return nil })
	if err != nil {
		return nil, err
	}
	return &Entry{SignedIn: in}, nil
}

// enter opens a session for a person who proved who they are by methods, along
// with what goes with it. A person whose own agency could not be made when they
// verified gets it now.
func (s *Service) enter(ctx context.Context, from Client, user tenants.UserID, methods []Method, along func(Tx) error) (*SignedIn, error) {
	if err := s.settle(ctx, user); err != nil {
		return nil, err
	}
	session, first := newSession(user, from, methods, s.now()), newToken(refreshPrefix)
	var device secret.Secret
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		if err := along(tx); err != nil {
			return err
		}
		if device, err = s.meet(ctx, tx, from, session); err != nil {
			return err
		}
		if err := tx.AddSession(ctx, session); err != nil {
			return err
		}
		if err := tx.AddRefresh(ctx, &RefreshToken{Hash: hash(first), Session: session.ID}); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(user), "session.start", string(session.ID), "methods", joined(methods)))
	})
	if err != nil {
		return nil, err
	}
	in, err := s.pair(session, first)
	if err != nil {
		return nil, err
	}
	in.Device = device
	return in, nil
}

func joined(methods []Method) string {
	var out []string
	for _, m := range methods {
		out = append(out, string(m))
	}
	return strings.Join(out, " ")
}

// strong reports whether methods are two factors.
func strong(methods []Method) bool {
	return len(methods) > 1 || slices.ContainsFunc(methods, Method.alone)
}

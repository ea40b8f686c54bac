package identity

import (
	"context"
	"errors"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Login opens a session. It returns fault.Unauthenticated for a wrong address
// or password, without saying which, fault.Forbidden with reason
// email.unverified if the password is right and the mailed link was not
// followed yet, and fault.RateLimited after too many tries.
func (s *Service) Login(ctx context.Context, from Client, email string, password secret.Secret) (*SignedIn, error) {
	address, err := Address(email)
	if err != nil {
		return nil, err
	}
	if tooLong(password) {
		return nil, errLogin()
	}
	cred, err := s.attempt(ctx, address)
	if err != nil {
		return nil, err
	}
	stale, err := s.confirm(ctx, address, cred.Hashes, password)
	if err != nil {
		return nil, err
	}
	if !cred.Verified {
		return nil, fault.New(fault.Forbidden, "email.unverified", "Please follow the link we mailed you first.")
	}
	if stale {
		if err := s.rehash(ctx, cred.User, password); err != nil {
			return nil, err
		}
	}
	return s.open(ctx, from, cred.User, address)
}

// attempt counts a try at address before the password is looked at, so that
// tries made at the same time count too, and returns what to try against.
func (s *Service) attempt(ctx context.Context, address string) (cred Credential, err error) {
	key, now := s.guardKey("login", address), s.now()
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := s.count(ctx, tx, key, signIn, now); err != nil {
			return err
		}
		cred, err = tx.Credential(ctx, address, now)
		return err
	})
	return cred, err
}

// count is one try at key. Every refusal takes back the transaction it is in.
func (s *Service) count(ctx context.Context, tx Tx, key string, p pace, now time.Time) error {
	g, err := tx.Guard(ctx, key)
	if err != nil {
		return err
	}
	if wait := g.try(p, now); wait > 0 {
		return fault.New(fault.RateLimited, "auth.slow_down", "Too many tries. Please wait a little.").After(wait)
	}
	return tx.SaveGuard(ctx, key, g)
}

// confirm compares a password in one computation, whatever is there to compare
// it with. If the comparison could
// not be made at all, the try is given back: being busy is not a guess.
func (s *Service) confirm(ctx context.Context, address string, hashes []string, password secret.Secret) (stale bool, err error) {
	match, stale, err := s.hasher.Verify(ctx, password, hashes...)
	if err != nil {
		return false, s.giveBack(ctx, address, err)
	}
	if !match {
		return false, errLogin()
	}
	return stale, nil
}

func (s *Service) giveBack(ctx context.Context, address string, cause error) error {
	key := s.guardKey("login", address)
	err := s.store.Update(context.WithoutCancel(ctx), func(tx Tx) error {
		g, err := tx.Guard(ctx, key)
		if err != nil || g.Count == 0 {
			return err
		}
		g.Count, g.Until = g.Count-1, time.Time{}
		return tx.SaveGuard(ctx, key, g)
	})
	if err != nil {
		return err
	}
	return cause
}

func (s *Service) rehash(ctx context.Context, user tenants.UserID, password secret.Secret) error {
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error { return tx.SetPassword(ctx, user, hash) })
}

// open starts a session for a person who proved who they are. A person whose
// own agency could not be made when they verified gets it now.
func (s *Service) open(ctx context.Context, from Client, user tenants.UserID, address string) (*SignedIn, error) {
	if err := s.settle(ctx, user); err != nil {
		return nil, err
	}
	session, first := newSession(user, from, s.now()), newToken(refreshPrefix)
	err := s.store.Update(ctx, func(tx Tx) error {
		if err := tx.SaveGuard(ctx, s.guardKey("login", address), Guard{}); err != nil {
			return err
		}
		if err := tx.AddSession(ctx, session); err != nil {
			return err
		}
		if err := tx.AddRefresh(ctx, &RefreshToken{Hash: hash(first), Session: session.ID}); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(user), "session.start", string(session.ID)))
	})
	if err != nil {
		return nil, err
	}
	return s.pair(session, first)
}

// pair completes what the owner of a session holds.
func (s *Service) pair(session *Session, refresh secret.Secret) (*SignedIn, error) {
	claims := Claims{User: session.User, Session: session.ID, Expires: s.now().Add(AccessTTL).Truncate(time.Second)}
	access, err := s.tokens.Sign(claims)
	if err != nil {
		return nil, err
	}
	return &SignedIn{
		Session: session.ID, User: session.User, Access: access, AccessExpires: claims.Expires,
		Refresh: refresh, RefreshExpires: session.ExpiresAt,
	}, nil
}

// Refresh exchanges a refresh token for the next pair. A token works once; the
// client that used it may repeat the call for ten seconds and gets the same
// successor. Anyone else who shows a used token ends the session: there are
// two copies, and the wrong one may have been first.
func (s *Service) Refresh(ctx context.Context, from Client, token secret.Secret) (*SignedIn, error) {
	if !wellFormed(refreshPrefix, token.Reveal()) {
		return nil, errSignedOut()
	}
	next := successor(s.cfg.RefreshKey, token)
	var session *Session
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		session, err = s.rotate(ctx, tx, from, hash(token), hash(next))
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, errSignedOut()
	case err != nil:
		return nil, err
	case session == nil:
		return nil, fault.New(fault.Unauthenticated, "session.reused", "This session was used in two places and has been closed. Please sign in again.")
	}
	return s.pair(session, next)
}

// rotate returns nil without an error when it ended the session instead: that
// must be committed.
func (s *Service) rotate(ctx context.Context, tx Tx, from Client, old, next Hash) (*Session, error) {
	link, err := tx.Refresh(ctx, old)
	if err != nil {
		return nil, err
	}
	session, err := tx.Session(ctx, link.Session) // locks: two refreshes of one session take turns
	if err != nil {
		return nil, err
	}
	if link, err = tx.Refresh(ctx, old); err != nil {
		return nil, err
	}
	now := s.now()
	if !session.alive(now) {
		return nil, errSignedOut()
	}
	switch link.use(from, now) {
	case sameClient:
		return session, nil
	case stolen:
		return nil, errors.Join(tx.EndSession(ctx, session.User, session.ID),
			tx.Record(ctx, audit.Of(string(tenants.System), "session.reused", string(session.ID), "user", string(session.User))))
	}
	session.renew(from, now)
	if err := tx.SaveRefresh(ctx, link); err != nil {
		return nil, err
	}
	if err := tx.AddRefresh(ctx, &RefreshToken{Hash: next, Session: session.ID}); err != nil {
		return nil, err
	}
	return session, tx.SaveSession(ctx, session)
}

// Logout ends the session of who.
func (s *Service) Logout(ctx context.Context, who Principal) error {
	return s.RevokeSession(ctx, who, who.Session)
}

// Sessions lists where who is signed in, latest first.
func (s *Service) Sessions(ctx context.Context, who Principal) (list []Session, err error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(tx Tx) error {
		list, err = tx.Sessions(ctx, who.User, s.now())
		return err
	})
	return list, err
}

// RevokeSession ends one session of who, at once and on every node.
func (s *Service) RevokeSession(ctx context.Context, who Principal, id SessionID) error {
	if err := who.person(); err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		if err := tx.EndSession(ctx, who.User, id); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "session.end", string(id)))
	})
}

// RevokeOtherSessions ends every session of who but the one asking.
func (s *Service) RevokeOtherSessions(ctx context.Context, who Principal) error {
	if err := who.person(); err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		if err := tx.EndSessions(ctx, who.User, who.Session); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "session.end_others", string(who.Session)))
	})
}

func errLogin() error {
	return fault.New(fault.Unauthenticated, "login.failed", "The e-mail address or the password is wrong.")
}

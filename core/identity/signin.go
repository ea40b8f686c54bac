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

// Login opens a session, or asks a person who has one for their second factor.
// It returns fault.Unauthenticated for a wrong address or password, without
// saying which, and fault.RateLimited after too many tries. Who has registered
// and not followed the link yet gets the former, too: whoever registers an
// address knows that password, and must not learn from it whether somebody
// else has an account with the address.
func (s *Service) Login(ctx context.Context, from Client, email string, password secret.Secret) (*Entry, error) {
	address, err := Address(email)
	if err != nil {
		return nil, err
	}
	if tooLong(password) {
		return nil, errLogin()
	}
	cred, used, err := s.attempt(ctx, address, s.atTheDoor(ctx, from, address))
	if err != nil {
		return nil, err
	}
	stale, err := s.confirm(ctx, used, cred.Hashes, password)
	if err != nil {
		return nil, err
	}
	if !cred.Verified {
		return nil, errLogin()
	}
	if err := s.forgive(ctx, used); err != nil {
		return nil, err
	}
	if stale {
		if err := s.rehash(ctx, cred.User, password); err != nil {
			return nil, err
		}
	}
	return s.finish(ctx, from, cred.User, ByPassword)
}

// counter is what one try counts at.
type counter struct {
	key    string
	pace   pace
	shared bool // with other people: being right forgets one try, not all
}

// atTheDoor says what a try to sign in counts at: a device that its person has
// signed in on before has its own counter. All others share that of their
// network and that of the address, so a stranger who keeps guessing holds up
// strangers alone.
func (s *Service) atTheDoor(ctx context.Context, from Client, address string) func(Tx, Credential) ([]counter, error) {
	return func(tx Tx, cred Credential) ([]counter, error) {
		d, err := known(ctx, tx, from, cred.User, s.now())
		if err != nil {
			return nil, err
		}
		if d != nil {
			return []counter{{key: s.guardKey("device", string(d.User)+"\x00"+from.Device.Reveal()), pace: signIn}}, nil
		}
		return []counter{
			{key: s.guardKey("network", from.trim().Address.String()), pace: network, shared: true},
			{key: s.guardKey("login", address), pace: signIn},
		}, nil
	}
}

// attempt counts a try at address before the password is looked at, so that
// tries made at the same time count too, and returns what to try against and
// what it was counted at.
func (s *Service) attempt(ctx context.Context, address string, counters func(Tx, Credential) ([]counter, error)) (cred Credential, used []counter, err error) {
	now := s.now()
	err = s.store.Update(ctx, func(tx Tx) (err error) {
		if cred, err = tx.Credential(ctx, address, now); err != nil {
			return err
		}
		if used, err = counters(tx, cred); err != nil {
			return err
		}
		for _, c := range used {
			if err := s.count(ctx, tx, c.key, c.pace, now); err != nil {
				return err
			}
		}
		return nil
	})
	return cred, used, err
}

// forgive forgets the tries at counters: the last one was right.
func (s *Service) forgive(ctx context.Context, used []counter) error {
	return s.recount(ctx, used, func(c counter, g *Guard) {
		if c.shared { // a wait stays: else one's own account would end it
			g.Count--
			return
		}
		*g = Guard{}
	})
}

// recount changes what was counted at counters.
func (s *Service) recount(ctx context.Context, used []counter, change func(counter, *Guard)) error {
	return s.store.Update(ctx, func(tx Tx) error {
		for _, c := range used {
			g, err := tx.Guard(ctx, c.key)
			if err != nil {
				return err
			}
			if g.Count == 0 {
				continue
			}
			change(c, &g)
			if err := tx.SaveGuard(ctx, c.key, g); err != nil {
				return err
			}
		}
		return nil
	})
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
func (s *Service) confirm(ctx context.Context, used []counter, hashes []string, password secret.Secret) (stale bool, err error) {
	match, stale, err := s.hasher.Verify(ctx, password, hashes...)
	if err != nil {
		return false, s.giveBack(ctx, used, err)
	}
	if !match {
		return false, errLogin()
	}
	return stale, nil
}

func (s *Service) giveBack(ctx context.Context, used []counter, cause error) error {
	err := s.recount(context.WithoutCancel(ctx), used, func(_ counter, g *Guard) { g.Count, g.Until = g.Count-1, time.Time{} })
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
		var again bool
		if session, again, err = s.rotate(ctx, tx, from, hash(token), hash(next)); again {
			next, err = s.derived(ctx, tx, token)
		}
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

// derived finds the token that followed this one, by whichever key it was.
func (s *Service) derived(ctx context.Context, tx Tx, token secret.Secret) (secret.Secret, error) {
	for _, key := range append([][]byte{s.cfg.RefreshKey}, s.cfg.OtherRefreshKeys...) {
		next := successor(key, token)
		if _, err := tx.Refresh(ctx, hash(next)); !fault.Is(err, fault.NotFound) {
			return next, err
		}
	}
	return "", errSignedOut() // by a key that is gone
}

// rotate returns nil without an error when it ended the session instead: that
// must be committed. again is whether the token was used before, by its client.
func (s *Service) rotate(ctx context.Context, tx Tx, from Client, old, next Hash) (session *Session, again bool, err error) {
	link, err := tx.Refresh(ctx, old)
	if err != nil {
		return nil, false, err
	}
	session, err = tx.Session(ctx, link.Session) // locks: two refreshes of one session take turns
	if err != nil {
		return nil, false, err
	}
	if link, err = tx.Refresh(ctx, old); err != nil {
		return nil, false, err
	}
	now := s.now()
	if !session.alive(now) {
		return nil, false, errSignedOut()
	}
	switch link.use(from, now) {
	case sameClient:
		return session, true, nil
	case stolen:
		return nil, false, errors.Join(tx.EndSession(ctx, session.User, session.ID),
			tx.Record(ctx, audit.Of(string(tenants.System), "session.reused", string(session.ID), "user", string(session.User))))
	}
	session.renew(from, now)
	if err := tx.SaveRefresh(ctx, link); err != nil {
		return nil, false, err
	}
	if err := tx.AddRefresh(ctx, &RefreshToken{Hash: next, Session: session.ID}); err != nil {
		return nil, false, err
	}
	return session, false, tx.SaveSession(ctx, session)
}

func errLogin() error {
	return fault.New(fault.Unauthenticated, "login.failed", "The e-mail address or the password is wrong. If you have just registered, follow the link in the mail first.")
}

package identity

import (
	"context"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// ResetPassword sets a new password by a mailed link and ends every session.
// It returns fault.Invalid for a link that does not work or a password that
// breaks a rule; the link survives the latter.
func (s *Service) ResetPassword(ctx context.Context, _ Client, token, password secret.Secret) error {
	if !wellFormed(resetPrefix, token.Reveal()) {
		return errLink()
	}
	held, err := s.resets(ctx, token)
	if err != nil {
		return linkOr(err)
	}
	if err := checkPassword(password, held.User.Email, "/password", held.shortest()); err != nil {
		return err
	}
	next, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return linkOr(s.store.Update(ctx, func(tx Tx) error {
		one, err := tx.TakeOneTime(ctx, ForReset, hash(token), s.now())
		if err != nil {
			return err
		}
		if err := s.setPassword(ctx, tx, tenants.UserID(one.Subject), password, next, nil); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(one.Subject, "password.reset", one.Subject))
	}))
}

// resets returns whose password a link lets choose.
func (s *Service) resets(ctx context.Context, token secret.Secret) (held *Held, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		one, err := tx.OneTime(ctx, ForReset, hash(token), s.now())
		if err != nil {
			return err
		}
		held, err = holds(ctx, tx, tenants.UserID(one.Subject))
		return err
	})
	return held, err
}

// ChangePassword sets a new password and ends every other session. It returns
// fault.Invalid if current is wrong.
func (s *Service) ChangePassword(ctx context.Context, who Principal, current, next secret.Secret) error {
	held, err := s.Factors(ctx, who)
	if err != nil {
		return err
	}
	if err := checkPassword(next, held.User.Email, "/password", held.shortest()); err != nil {
		return err
	}
	if err := s.proveOwnPassword(ctx, who, held.User.Email, current, "/current"); err != nil {
		return err
	}
	hash, err := s.hasher.Hash(ctx, next)
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		keep, err := tx.Session(ctx, who.Session)
		if err != nil {
			return errSignedOut()
		}
		if err := s.setPassword(ctx, tx, who.User, next, hash, keep); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "password.change", string(who.User)))
	})
}

// setPassword also ends what the old password opened but keep, which may be
// nil, and tells the owner.
func (s *Service) setPassword(ctx context.Context, tx Tx, name tenants.UserID, password secret.Secret, hash string, keep *Session) error {
	if _, err := tx.Guard(ctx, s.guardKey("factors", string(name))); err != nil { // one at a time
		return err
	}
	held, err := holds(ctx, tx, name)
	if err != nil {
		return err
	}
	short := utf8.RuneCountInString(password.Reveal()) < MinPassword
	if short && !held.second() { // the other factor went meanwhile
		return errPasswordAlone()
	}
	if err := tx.SetPassword(ctx, name, hash); err != nil {
		return err
	}
	if err := tx.SetShortPassword(ctx, name, short); err != nil {
		return err
	}
	if err := tx.ForgetOneTime(ctx, ForReset, string(name)); err != nil {
		return err
	}
	if err := endOthers(ctx, tx, name, keep); err != nil {
		return err
	}
	if err := tx.SaveGuard(ctx, s.guardKey("login", held.User.Email), Guard{}); err != nil {
		return err
	}
	return tx.Send(ctx, Letter{ID: id.At("let", s.now()), Kind: LetterChanged, Email: held.User.Email})
}

// endOthers ends every session of a person but keep, and forgets the devices
// they began on.
func endOthers(ctx context.Context, tx Tx, user tenants.UserID, keep *Session) error {
	if keep == nil {
		keep = new(Session)
	}
	if err := tx.EndSessions(ctx, user, keep.ID); err != nil {
		return err
	}
	return tx.ForgetDevices(ctx, user, keep.Device)
}

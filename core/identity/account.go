package identity

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Register asks for an account. The answer is the same for every address: the
// owner of a new one gets a link to follow, the owner of a known one a note
// that they have an account already. It returns fault.Invalid for input that
// breaks a rule, fault.RateLimited when hashing is busy and fault.Forbidden
// where nobody registers by themselves.
func (s *Service) Register(ctx context.Context, from Client, r Registration) error {
	if err := s.mayRegister(); err != nil {
		return err
	}
	r, err := r.check()
	if err != nil {
		return err
	}
	hash, err := s.hasher.HashSalted(ctx, r.Password, s.salt(r.Email))
	if err != nil {
		return err
	}
	pending := newPending(r, hash, s.now())
	return s.write(ctx, Letter{Kind: LetterVerify, Email: r.Email, Pending: pending.ID, Host: from.Host}, func(tx Tx) error {
		return tx.AddPending(ctx, pending)
	})
}

// mayRegister refuses strangers who would make an account, in whichever way.
func (s *Service) mayRegister() error {
	if s.cfg.Closed {
		return fault.New(fault.Forbidden, "registration.closed", "Nobody can register here by themselves. Ask the people who run this service.")
	}
	return nil
}

// ResendVerify has the link of a registration mailed again, or, if there are
// several, which may be other people's, the advice to register again. The
// answer is the same for every address.
func (s *Service) ResendVerify(ctx context.Context, from Client, email string) error {
	return s.ask(ctx, Letter{Kind: LetterVerify, Host: from.Host}, email)
}

// ForgotPassword has a link to choose a new password mailed, if there is an
// account. The answer is the same for every address.
func (s *Service) ForgotPassword(ctx context.Context, _ Client, email string) error {
	return s.ask(ctx, Letter{Kind: LetterReset}, email)
}

func (s *Service) ask(ctx context.Context, l Letter, email string) (err error) {
	if l.Email, err = Address(email); err != nil {
		return err
	}
	return s.write(ctx, l, func(Tx) error { return nil })
}

// write posts a letter along with what goes with it. Too many for one address
// are dropped without a word: the answer must not tell.
func (s *Service) write(ctx context.Context, l Letter, along func(Tx) error) error {
	now := s.now()
	l.ID = id.At("let", now)
	err := s.store.Update(ctx, func(tx Tx) error {
		if err := s.count(ctx, tx, s.guardKey(string(l.Kind), l.Email), letterPace, now); err != nil {
			return err
		}
		if err := along(tx); err != nil {
			return err
		}
		return tx.Send(ctx, l)
	})
	if fault.Is(err, fault.RateLimited) {
		return nil
	}
	return err
}

// Verify turns the registration behind a mailed link into a user with an
// agency of their own, and drops every other registration of the address. The
// link proves who reads the mail, the password who registered: a stranger has
// the one, the owner of the address the other, and only somebody with both is
// let in. It signs nobody in. It returns fault.Invalid for a link that does not
// work and for a password that is not the registration's, which the link
// survives, and fault.RateLimited after too many of those.
func (s *Service) Verify(ctx context.Context, _ Client, token, password secret.Secret) error {
	if !wellFormed(verifyPrefix, token.Reveal()) {
		return errLink()
	}
	pending, err := s.registration(ctx, hash(token))
	if err != nil {
		return linkOr(err)
	}
	if tooLong(password) {
		return errRegistration()
	}
	match, _, err := s.hasher.Verify(ctx, password, pending.Hash)
	if err != nil {
		return err
	}
	if !match {
		return errRegistration()
	}
	if err := s.admit(ctx, pending, hash(token)); err != nil {
		return linkOr(err)
	}
	return s.settle(ctx, pending.User)
}

// registration counts a try at the registration behind a link, and returns it.
func (s *Service) registration(ctx context.Context, token Hash) (pending *Pending, err error) {
	now := s.now()
	err = s.store.Update(ctx, func(tx Tx) error {
		one, err := tx.OneTime(ctx, ForVerify, token, now)
		if err != nil {
			return err
		}
		if err := s.count(ctx, tx, s.guardKey("verify", one.Subject), signIn, now); err != nil {
			return err
		}
		pending, err = tx.Pending(ctx, PendingID(one.Subject))
		return err
	})
	return pending, err
}

// admit makes the user, unless the link was used in the meantime.
func (s *Service) admit(ctx context.Context, pending *Pending, token Hash) error {
	return s.store.Update(ctx, func(tx Tx) error {
		if _, err := tx.TakeOneTime(ctx, ForVerify, token, s.now()); err != nil {
			return err
		}
		if err := tx.AddUser(ctx, pending.user(s.now()), pending.Hash); err != nil {
			return err
		}
		if err := tx.ForgetPending(ctx, pending.Email); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(pending.User), "account.create", string(pending.User)))
	})
}

// linkOr hides what is wrong with a link.
func linkOr(err error) error {
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return errLink()
	}
	return err
}

func errRegistration() error {
	return fault.New(fault.Invalid, "registration.password", "This is not the password of this registration. If you did not choose one, register yourself: the mail that comes then is yours.").On("/password")
}

// settle gives a user a home if they have none. It runs outside of any
// transaction, for it opens its own; if it fails now, signing in repeats it.
func (s *Service) settle(ctx context.Context, name tenants.UserID) error {
	user, err := s.user(ctx, name)
	if err != nil || user.Home != "" {
		return err
	}
	home, err := s.homes.Provision(ctx, user.ID, user.Name)
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error { return tx.SetHome(ctx, user.ID, home) })
}

// Me returns the person behind who. Their home is named as long as they are a
// member there: they may have left it, or given it away.
func (s *Service) Me(ctx context.Context, who Principal) (*User, error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	user, err := s.user(ctx, who.User)
	if err != nil || user.Home == "" {
		return user, err
	}
	_, err = s.members.Resolve(ctx, user.ID, user.Home)
	switch {
	case fault.Is(err, fault.NotFound):
		user.Home = ""
	case err != nil && !fault.Is(err, fault.Forbidden): // it is suspended, and theirs all the same
		return nil, err
	}
	return user, nil
}

func (s *Service) user(ctx context.Context, name tenants.UserID) (user *User, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		user, err = tx.User(ctx, name)
		return err
	})
	return user, err
}

package identity

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Proofs is what second factors are made with. Every field is required.
type Proofs struct {
	Codes    Codes
	Passkeys Passkeys
	Sealer   Sealer
	// Party says who asks for passkeys on a host, such as "app.example.org". The
	// zero Party means that nobody can there.
	Party func(ctx context.Context, host string) (Party, error)
}

// Codes makes secrets for authenticator apps and checks their codes.
type Codes interface {
	Secret() []byte
	// Enrol returns secret as people type it, as an otpauth address and as a
	// picture (PNG).
	Enrol(account string, secret []byte) (typed, uri string, picture []byte, err error)
	// Step says of which step near now code is, and false if of none.
	Step(secret []byte, code string, now time.Time) (step int64, ok bool)
}

// Sealer encrypts what is kept of second factors. What was sealed for one place
// opens at no other.
type Sealer interface {
	Seal(ctx context.Context, place string, plain []byte) ([]byte, error)
	Open(ctx context.Context, place string, sealed []byte) ([]byte, error)
}

// Held is the second factors of a person.
type Held struct {
	User     User
	TOTP     *TOTP // confirmed; nil if there is none
	Passkeys []Passkey
	Recovery int // codes that are left
}

// second reports whether signing in by a password takes a second step.
func (h *Held) second() bool { return h.TOTP != nil || len(h.Passkeys) > 0 }

// methods lists what can be answered with at a party, best first.
func (h *Held) methods(p Party) (list []Method) {
	if len(of(p, h.Passkeys)) > 0 {
		list = append(list, ByPasskey)
	}
	if h.TOTP != nil {
		list = append(list, ByTOTP)
	}
	if h.Recovery > 0 {
		list = append(list, ByRecovery)
	}
	return list
}

// Factors returns the second factors of who.
func (s *Service) Factors(ctx context.Context, who Principal) (*Held, error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	return s.held(ctx, who.User)
}

func (s *Service) held(ctx context.Context, user tenants.UserID) (held *Held, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		held, err = holds(ctx, tx, user)
		return err
	})
	return held, err
}

func holds(ctx context.Context, tx Tx, name tenants.UserID) (*Held, error) {
	user, err := tx.User(ctx, name)
	if err != nil {
		return nil, err
	}
	h := &Held{User: *user}
	if h.TOTP, err = optional(tx.TOTP(ctx, name, true)); err != nil {
		return nil, err
	}
	if h.Passkeys, err = tx.Passkeys(ctx, name); err != nil {
		return nil, err
	}
	h.Recovery, err = tx.RecoveryCodes(ctx, name)
	return h, err
}

// FactorChange is what happened to the second factors of a person.
type FactorChange string

// The changes, as letters tell them and as the audit keeps them.
const (
	TOTPAdded       FactorChange = "totp.add"
	TOTPRemoved     FactorChange = "totp.remove"
	PasskeyAdded    FactorChange = "passkey.add"
	PasskeyRemoved  FactorChange = "passkey.remove"
	PasskeySuspect  FactorChange = "passkey.suspect" // its counter went back: there may be a copy
	RecoveryUsed    FactorChange = "recovery.use"
	RecoveryRenewed FactorChange = "recovery.renew"
)

// tell writes to the person what happened to their factors, and into the book.
func (s *Service) tell(ctx context.Context, tx Tx, to *User, what FactorChange) error {
	if err := tx.Record(ctx, audit.Of(string(to.ID), string(what), string(to.ID))); err != nil {
		return err
	}
	return tx.Send(ctx, Letter{ID: id.At("let", s.now()), Kind: LetterFactor, Email: to.Email, What: what})
}

// lose is what goes with removing a factor: without any other, the codes that
// stand in for it go, too, and the password has to be good enough alone.
func (s *Service) lose(ctx context.Context, tx Tx, name tenants.UserID, what FactorChange) error {
	if _, err := tx.Guard(ctx, s.guardKey("factors", string(name))); err != nil { // one at a time
		return err
	}
	left, err := holds(ctx, tx, name)
	if err != nil {
		return err
	}
	if len(left.Passkeys) == 0 {
		list, err := tx.Externals(ctx, name)
		if err != nil {
			return err
		}
		if err := s.keepsAWay(ctx, tx, &left.User, len(list)); err != nil {
			return err
		}
	}
	if !left.second() {
		if left.User.ShortPassword {
			return errPasswordAlone()
		}
		if err := tx.SetRecoveryCodes(ctx, name, nil); err != nil {
			return err
		}
	}
	return s.tell(ctx, tx, &left.User, what)
}

package identity

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// RecoveryCodes is how many codes a person gets. Each works once, in place of
// a second factor that is lost.
const RecoveryCodes = 10

// A code is 120 random bits, written as four groups of six. That is past what
// needs a slow hash (OWASP ASVS 5.0, 6.5.2: 112 bits).
const (
	codeGroups = 4
	codeGroup  = 6
)

func newRecoveryCode() secret.Secret {
	var b [codeGroups * codeGroup]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	var out strings.Builder
	for i, c := range b {
		if i > 0 && i%codeGroup == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(base32[c&31])
	}
	return secret.Secret(out.String())
}

// recoveryHash is how a code is kept. Case, dashes and spaces do not count, and
// neither does which of two letters that look alike was read.
func recoveryHash(code secret.Secret) Hash {
	text := strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1").Replace(strings.ToLower(code.Reveal()))
	return hash(secret.Secret("recovery\x00" + text))
}

// RenewRecoveryCodes replaces the codes of who. It returns fault.Conflict for
// a person without a second factor: there is nothing to stand in for.
func (s *Service) RenewRecoveryCodes(ctx context.Context, who Principal) (codes []secret.Secret, err error) {
	if err := s.SteppedUp(ctx, who); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		held, err := holds(ctx, tx, who.User)
		if err != nil {
			return err
		}
		if !held.second() {
			return fault.New(fault.Conflict, "factor.none", "Add an authenticator app or a passkey first.")
		}
		if codes, err = draw(ctx, tx, who.User); err != nil {
			return err
		}
		return s.tell(ctx, tx, &held.User, RecoveryRenewed)
	})
	return codes, err
}

// gain is what goes with a new factor: recovery codes with the first one, and
// a letter.
func (s *Service) gain(ctx context.Context, tx Tx, user tenants.UserID, what FactorChange) (codes []secret.Secret, err error) {
	held, err := holds(ctx, tx, user)
	if err != nil {
		return nil, err
	}
	if held.Recovery == 0 {
		if codes, err = draw(ctx, tx, user); err != nil {
			return nil, err
		}
	}
	return codes, s.tell(ctx, tx, &held.User, what)
}

func draw(ctx context.Context, tx Tx, user tenants.UserID) (codes []secret.Secret, err error) {
	hashes := make([]Hash, RecoveryCodes)
	for i := range hashes {
		code := newRecoveryCode()
		codes, hashes[i] = append(codes, code), recoveryHash(code)
	}
	return codes, tx.SetRecoveryCodes(ctx, user, hashes)
}

// proveRecovery uses up a code and tells the person.
func (s *Service) proveRecovery(ctx context.Context, user tenants.UserID, lane string, code secret.Secret) error {
	now := s.now()
	err := s.store.Update(ctx, func(tx Tx) error { return s.count(ctx, tx, s.second(user, lane), signIn, now) })
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := tx.TakeRecoveryCode(ctx, user, recoveryHash(code)); err != nil {
			return err
		}
		owner, err := tx.User(ctx, user)
		if err != nil {
			return err
		}
		if err := tx.SaveGuard(ctx, s.second(user, lane), Guard{}); err != nil {
			return err
		}
		return s.tell(ctx, tx, owner, RecoveryUsed)
	})
	if fault.Is(err, fault.NotFound) {
		return errCode()
	}
	return err
}

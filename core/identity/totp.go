package identity

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// EnrolTTL is how long a secret waits for its first code.
const EnrolTTL = 15 * time.Minute

// TOTP is an authenticator app of a person, as it is kept: they have one that
// counts, and may have one that waits for its first code.
type TOTP struct {
	ID          string // such as "fac_01jd…"
	User        tenants.UserID
	Sealed      []byte // the secret that app and server share
	CreatedAt   time.Time
	ConfirmedAt time.Time // zero: it waits, and counts for nothing
	UsedAt      time.Time
	Step        int64 // of the last code that was taken: no code of it or before works again
}

func (t *TOTP) place() string { return "totp/" + t.ID }

// Enrolment is what an app needs to be one's own. It is shown once.
type Enrolment struct {
	Secret    secret.Secret // as people type it
	URI       secret.Secret // as an otpauth address
	Picture   []byte        // of the address, PNG
	ExpiresAt time.Time
}

// EnrolTOTP makes a secret for an app of who. It counts once ConfirmTOTP has
// seen a code of it; until then an app they have already stays as it is.
func (s *Service) EnrolTOTP(ctx context.Context, who Principal) (*Enrolment, error) {
	if err := s.SteppedUp(ctx, who); err != nil {
		return nil, err
	}
	user, err := s.user(ctx, who.User)
	if err != nil {
		return nil, err
	}
	now, plain := s.now(), s.proofs.Codes.Secret()
	typed, uri, picture, err := s.proofs.Codes.Enrol(user.Email, plain)
	if err != nil {
		return nil, err
	}
	t := &TOTP{ID: id.At("fac", now), User: user.ID, CreatedAt: now}
	if t.Sealed, err = s.proofs.Sealer.Seal(ctx, t.place(), plain); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := tx.SaveTOTP(ctx, t); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(user.ID), "totp.enrol", string(user.ID)))
	})
	if err != nil {
		return nil, err
	}
	return &Enrolment{Secret: secret.Secret(typed), URI: secret.Secret(uri), Picture: picture, ExpiresAt: now.Add(EnrolTTL)}, nil
}

// ConfirmTOTP makes the app that waits the one that counts, by a code of it,
// and returns recovery codes if the person had none. It returns fault.Invalid
// for a wrong code and fault.NotFound if no app waits.
func (s *Service) ConfirmTOTP(ctx context.Context, who Principal, code secret.Secret) ([]secret.Secret, error) {
	if err := s.SteppedUp(ctx, who); err != nil {
		return nil, err
	}
	t, step, err := s.checkCode(ctx, who.User, false, string(who.Session), code)
	if err != nil {
		return nil, err
	}
	var codes []secret.Secret
	err = s.store.Update(ctx, func(tx Tx) (err error) {
		waits, err := tx.TOTP(ctx, who.User, false)
		if err != nil || waits.ID != t.ID {
			return errNoEnrolment()
		}
		if err := tx.DropTOTP(ctx, who.User, false); err != nil {
			return err
		}
		waits.ConfirmedAt, waits.UsedAt, waits.Step = s.now(), s.now(), step
		if err := tx.SaveTOTP(ctx, waits); err != nil {
			return err
		}
		codes, err = s.gain(ctx, tx, who.User, TOTPAdded)
		return err
	})
	return codes, err
}

// RemoveTOTP takes the app of who off their account, and one that waits.
func (s *Service) RemoveTOTP(ctx context.Context, who Principal) error {
	if err := s.SteppedUp(ctx, who); err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		if _, err := tx.TOTP(ctx, who.User, true); err != nil {
			return err
		}
		if err := tx.DropTOTP(ctx, who.User, false); err != nil {
			return err
		}
		if err := tx.DropTOTP(ctx, who.User, true); err != nil {
			return err
		}
		return s.lose(ctx, tx, who.User, TOTPRemoved)
	})
}

// proveCode takes a code of the app that counts. It works once.
func (s *Service) proveCode(ctx context.Context, user tenants.UserID, lane string, code secret.Secret) error {
	t, step, err := s.checkCode(ctx, user, true, lane, code)
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		t, err := same(ctx, tx, t)
		if err != nil || step <= t.Step {
			return errCode()
		}
		t.Step, t.UsedAt = step, s.now()
		if err := tx.SaveTOTP(ctx, t); err != nil {
			return err
		}
		return tx.SaveGuard(ctx, s.second(user, lane), Guard{})
	})
}

// same returns t as it is now: it may have been used or replaced meanwhile.
func same(ctx context.Context, tx Tx, t *TOTP) (*TOTP, error) {
	now, err := tx.TOTP(ctx, t.User, true)
	if err == nil && now.ID != t.ID {
		return nil, errCode()
	}
	return now, err
}

// checkCode counts a try and says of which step the code is. The secret is
// opened between transactions: the key may be elsewhere.
func (s *Service) checkCode(ctx context.Context, user tenants.UserID, confirmed bool, lane string, code secret.Secret) (t *TOTP, step int64, err error) {
	now := s.now()
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := s.count(ctx, tx, s.second(user, lane), signIn, now); err != nil {
			return err
		}
		t, err = tx.TOTP(ctx, user, confirmed)
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound) && confirmed:
		return nil, 0, errCode()
	case fault.Is(err, fault.NotFound), err == nil && !confirmed && now.Sub(t.CreatedAt) >= EnrolTTL:
		return nil, 0, errNoEnrolment()
	case err != nil:
		return nil, 0, err
	}
	plain, err := s.proofs.Sealer.Open(ctx, t.place(), t.Sealed)
	if err != nil {
		return nil, 0, err
	}
	step, ok := s.proofs.Codes.Step(plain, code.Reveal(), now)
	if !ok {
		return nil, 0, errCode()
	}
	return t, step, nil
}

// second names the counter of tries at a person's second factor. Each lane has
// its own: a stranger who knows the password uses up nobody else's.
func (s *Service) second(user tenants.UserID, lane string) string {
	return s.guardKey("second", string(user)+"\x00"+lane)
}

func errCode() error {
	return fault.New(fault.Invalid, "factor.wrong_code", "This code is wrong, or was used already. Wait for the next one.").On("/code")
}

func errNoEnrolment() error {
	return fault.New(fault.NotFound, "totp.not_waiting", "No authenticator app waits for its first code. Begin again.")
}

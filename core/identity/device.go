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

// DeviceTTL is for how long a device is known after it was last signed in on.
const DeviceTTL = 180 * 24 * time.Hour

// settling is for how long an account is so new that its first device is no
// news to its owner.
const settling = time.Hour

const devicePrefix = "cdv_"

// Device is where a person has signed in, told by a token that it keeps. It
// opens nothing. It has tries of its own, so a stranger who guesses at the door
// keeps nobody out who has been in.
type Device struct {
	Hash   Hash
	User   tenants.UserID
	SeenAt time.Time
}

// known returns the device of a client if user has signed in on it, else nil.
func known(ctx context.Context, tx Tx, from Client, user tenants.UserID, now time.Time) (*Device, error) {
	if !wellFormed(devicePrefix, from.Device.Reveal()) {
		return nil, nil
	}
	d, err := optional(tx.Device(ctx, hash(from.Device), user))
	if err != nil || d == nil || now.Sub(d.SeenAt) >= DeviceTTL {
		return nil, err
	}
	return d, nil
}

// lane names whose tries a client uses up: those of a device that is known, or
// those that all strangers share.
func (s *Service) lane(ctx context.Context, from Client, user tenants.UserID) (lane string, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		d, err := known(ctx, tx, from, user, s.now())
		if err == nil && d != nil {
			lane = from.Device.Reveal()
		}
		return err
	})
	return lane, err
}

// meet recognises the device of a new session or, if it is not known, gives it
// a token and tells the person: it may not be theirs.
func (s *Service) meet(ctx context.Context, tx Tx, from Client, session *Session) (secret.Secret, error) {
	now := s.now()
	d, err := known(ctx, tx, from, session.User, now)
	if err != nil {
		return "", err
	}
	if d != nil {
		d.SeenAt, session.Device = now, d.Hash
		return from.Device, tx.SaveDevice(ctx, d)
	}
	token := newToken(devicePrefix)
	session.Device = hash(token)
	if err := s.greet(ctx, tx, session); err != nil {
		return "", err
	}
	return token, tx.SaveDevice(ctx, &Device{Hash: session.Device, User: session.User, SeenAt: now})
}

// greet tells a person of a new device, but for the one they registered with.
func (s *Service) greet(ctx context.Context, tx Tx, session *Session) error {
	user, err := tx.User(ctx, session.User)
	if err != nil {
		return err
	}
	n, err := tx.Devices(ctx, session.User)
	if err != nil || n == 0 && s.now().Sub(user.CreatedAt) < settling {
		return err
	}
	return tx.Send(ctx, Letter{
		ID: id.At("let", s.now()), Kind: LetterDevice, Email: user.Email, Session: session.ID,
		Device: session.DeviceName(), Place: session.Network(), At: session.CreatedAt,
	})
}

// DisownSession ends the session that a mailed link is about and forgets its
// device. It returns fault.Invalid for a link that does not work.
func (s *Service) DisownSession(ctx context.Context, _ Client, token secret.Secret) error {
	if !wellFormed(ForDisown.prefix(), token.Reveal()) {
		return errLink()
	}
	err := s.store.Update(ctx, func(tx Tx) error {
		one, err := tx.TakeOneTime(ctx, ForDisown, hash(token), s.now())
		if err != nil {
			return err
		}
		session, err := optional(tx.Session(ctx, SessionID(one.Subject)))
		if err != nil || session == nil { // it ended by itself
			return err
		}
		if err := revoke(ctx, tx, session); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(session.User), "session.disown", one.Subject))
	})
	return linkOr(err)
}

// revoke ends a session and forgets the device it is on.
func revoke(ctx context.Context, tx Tx, session *Session) error {
	if err := tx.ForgetDevice(ctx, session.Device, session.User); err != nil {
		return err
	}
	return tx.EndSession(ctx, session.User, session.ID)
}

// optional turns fault.NotFound into nil.
func optional[T any](v *T, err error) (*T, error) {
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return v, err
}

package identity

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps people, their sessions and what is on its way to them. None of
// it belongs to a tenant. Package identitytest holds its contract as a test
// suite.
type Store interface {
	// View runs fn on a consistent, read-only snapshot.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn in a transaction: all of it happens, or none of it.
	Update(ctx context.Context, fn func(Tx) error) error
	// Live returns a session or fault.NotFound. It is Tx.Session for every
	// request that comes with an access token, in one round trip.
	Live(ctx context.Context, id SessionID) (*Session, error)
}

// Tx is what identity may do inside a transaction.
type Tx interface {
	// Record writes in the operator's book: people are of no tenant.
	audit.Recorder

	People
	Sessions
	Factors
	Post
	Externals

	// Guard returns how often key was tried lately, the zero Guard if never.
	// Nobody else sees key until the transaction ends.
	Guard(ctx context.Context, key string) (Guard, error)
	SaveGuard(ctx context.Context, key string, g Guard) error
	// Sweep forgets what is of no use after now: expired registrations,
	// one-time tokens, attempts, challenges, sessions, enrolments and devices, and
	// guards last tried before quiet.
	Sweep(ctx context.Context, now, quiet time.Time) error
}

// People is users and those who would be.
type People interface {
	// Credential returns what address signs in with: a user's, else those of
	// the registrations alive at now, latest first, else the zero Credential.
	// User is the latest's, and Pending is empty if several are alive. A user
	// without a password has no hashes.
	Credential(ctx context.Context, address string, now time.Time) (Credential, error)
	// User returns fault.NotFound if there is none.
	User(ctx context.Context, id tenants.UserID) (*User, error)
	// Users returns those of ids that exist, in any order.
	Users(ctx context.Context, ids []tenants.UserID) ([]User, error)
	// AddUser returns fault.Conflict if the address has a user. An empty hash
	// is no password: then nothing signs in with the address alone.
	AddUser(ctx context.Context, u *User, hash string) error
	SetPassword(ctx context.Context, id tenants.UserID, hash string) error
	// SetShortPassword writes User.ShortPassword.
	SetShortPassword(ctx context.Context, id tenants.UserID, short bool) error
	SetHome(ctx context.Context, id tenants.UserID, home tenants.ID) error

	AddPending(ctx context.Context, p *Pending) error
	// Pending returns fault.NotFound if there is none.
	Pending(ctx context.Context, id PendingID) (*Pending, error)
	// ForgetPending drops every registration of address and its tokens.
	ForgetPending(ctx context.Context, address string) error
}

// Sessions is sessions and their chains of refresh tokens.
type Sessions interface {
	AddSession(ctx context.Context, s *Session) error
	// Session returns fault.NotFound if there is none. In an Update it keeps
	// others from changing the session until the transaction ends.
	Session(ctx context.Context, id SessionID) (*Session, error)
	// Sessions returns those of user alive at now, latest first.
	Sessions(ctx context.Context, user tenants.UserID, now time.Time) ([]Session, error)
	// SaveSession writes what a refresh, a name and a step-up change.
	SaveSession(ctx context.Context, s *Session) error
	// EndSession removes a session of user and its tokens. It returns
	// fault.NotFound for another person's, as for none.
	EndSession(ctx context.Context, user tenants.UserID, id SessionID) error
	// EndSessions removes every session of user but keep, which may be empty.
	EndSessions(ctx context.Context, user tenants.UserID, keep SessionID) error

	AddRefresh(ctx context.Context, r *RefreshToken) error
	// Refresh returns fault.NotFound if no living session has the token.
	Refresh(ctx context.Context, hash Hash) (*RefreshToken, error)
	// SaveRefresh writes that the token was used.
	SaveRefresh(ctx context.Context, r *RefreshToken) error
}

// Factors is second factors, the questions for them and known devices.
type Factors interface {
	// TOTP returns the app of user that is confirmed, or the one that waits, or
	// fault.NotFound. In an Update it keeps others from changing it.
	TOTP(ctx context.Context, user tenants.UserID, confirmed bool) (*TOTP, error)
	// SaveTOTP replaces the one that is confirmed, or the one that waits.
	SaveTOTP(ctx context.Context, t *TOTP) error
	// DropTOTP is harmless if there is none.
	DropTOTP(ctx context.Context, user tenants.UserID, confirmed bool) error

	// RecoveryCodes returns how many are left.
	RecoveryCodes(ctx context.Context, user tenants.UserID) (int, error)
	// SetRecoveryCodes replaces all.
	SetRecoveryCodes(ctx context.Context, user tenants.UserID, codes []Hash) error
	// TakeRecoveryCode removes a code, so it works once, or returns
	// fault.NotFound.
	TakeRecoveryCode(ctx context.Context, user tenants.UserID, code Hash) error

	// Passkeys returns those of user, oldest first.
	Passkeys(ctx context.Context, user tenants.UserID) ([]Passkey, error)
	// Passkey finds one by how its device calls it, or returns fault.NotFound.
	// In an Update it keeps others from changing it.
	Passkey(ctx context.Context, party string, credential []byte) (*Passkey, error)
	// AddPasskey returns fault.Conflict if the party has the credential.
	AddPasskey(ctx context.Context, k *Passkey) error
	// SavePasskey writes its name, its record and its times.
	SavePasskey(ctx context.Context, k *Passkey) error
	DropPasskey(ctx context.Context, user tenants.UserID, id PasskeyID) error

	AddChallenge(ctx context.Context, c *Challenge) error
	// Challenge returns fault.NotFound for another question and for one that
	// expired at now, as for none.
	Challenge(ctx context.Context, q Question, hash Hash, now time.Time) (*Challenge, error)
	// TakeChallenge removes it, so it is answered once.
	TakeChallenge(ctx context.Context, q Question, hash Hash, now time.Time) error

	// Device returns fault.NotFound for a device that user never signed in on.
	Device(ctx context.Context, hash Hash, user tenants.UserID) (*Device, error)
	// Devices returns how many user has.
	Devices(ctx context.Context, user tenants.UserID) (int, error)
	SaveDevice(ctx context.Context, d *Device) error
	// ForgetDevice is harmless if there is none.
	ForgetDevice(ctx context.Context, hash Hash, user tenants.UserID) error
	// ForgetDevices forgets every device of user but keep.
	ForgetDevices(ctx context.Context, user tenants.UserID, keep Hash) error
}

// Post is letters and the one-time tokens in them.
type Post interface {
	// Send puts a letter in the post if the transaction commits.
	Send(ctx context.Context, l Letter) error
	AddOneTime(ctx context.Context, o *OneTime) error
	// OneTime is TakeOneTime without taking it.
	OneTime(ctx context.Context, p Purpose, hash Hash, now time.Time) (*OneTime, error)
	// TakeOneTime removes and returns the token, so it works once. It returns
	// fault.NotFound for one of another purpose or expired at now, as for none.
	TakeOneTime(ctx context.Context, p Purpose, hash Hash, now time.Time) (*OneTime, error)
	// ForgetOneTime drops every token of that purpose and subject.
	ForgetOneTime(ctx context.Context, p Purpose, subject string) error
}

// Externals is accounts elsewhere, and the attempts to sign in with one.
type Externals interface {
	// External returns fault.NotFound if nobody has linked it.
	External(ctx context.Context, issuer, subject string) (*External, error)
	// Externals returns those of user, oldest first. In an Update it keeps
	// others from changing them until the transaction ends.
	Externals(ctx context.Context, user tenants.UserID) ([]External, error)
	// AddExternal returns fault.Conflict if somebody has linked it.
	AddExternal(ctx context.Context, e *External) error
	// TouchExternal writes that it was used.
	TouchExternal(ctx context.Context, id ExternalID, at time.Time) error
	// RemoveExternal returns fault.NotFound for another person's, as for none.
	RemoveExternal(ctx context.Context, user tenants.UserID, id ExternalID) error

	AddAttempt(ctx context.Context, a *Attempt) error
	// TakeAttempt removes and returns an attempt, so it works once. It returns
	// fault.NotFound for one of another binder or expired at now, as for none.
	TakeAttempt(ctx context.Context, state, binder Hash, now time.Time) (*Attempt, error)
}

// KeyStore keeps a tenant's API keys.
type KeyStore interface {
	View(ctx context.Context, who tenants.ID, fn func(KeyTx) error) error
	Update(ctx context.Context, who tenants.ID, fn func(KeyTx) error) error
	// Holder finds a key in whichever tenant it is. It is the one question
	// asked before the tenant is known.
	Holder(ctx context.Context, id KeyID) (*Holder, error)
	// Touch records a use.
	Touch(ctx context.Context, tenant tenants.ID, id KeyID, at time.Time) error
}

// KeyTx is what identity may do with one tenant's keys inside a transaction.
type KeyTx interface {
	audit.Recorder

	// Keys returns all, latest first.
	Keys(ctx context.Context) ([]Key, error)
	// Key returns fault.NotFound for a key of another tenant, as for none.
	Key(ctx context.Context, id KeyID) (*Key, error)
	AddKey(ctx context.Context, k *Key, hash Hash) error
	// EndKey writes k.ExpiresAt.
	EndKey(ctx context.Context, k *Key) error
	// RevokeKey writes k.RevokedAt.
	RevokeKey(ctx context.Context, k *Key) error
}

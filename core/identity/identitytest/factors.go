package identitytest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// second is what is kept of second factors and devices.
type second struct {
	apps       map[app]identity.TOTP
	recovery   map[code]bool
	passkeys   map[identity.PasskeyID]identity.Passkey
	challenges map[identity.Hash]identity.Challenge
	devices    map[device]identity.Device
}

type app struct {
	user      tenants.UserID
	confirmed bool
}

type code struct {
	user tenants.UserID
	hash identity.Hash
}

type device struct {
	hash identity.Hash
	user tenants.UserID
}

func (s *second) clone() second {
	return second{
		apps: clone(s.apps), recovery: clone(s.recovery), passkeys: clone(s.passkeys), challenges: clone(s.challenges), devices: clone(s.devices),
	}
}

func (s *second) sweep(now time.Time) {
	maps.DeleteFunc(s.challenges, func(_ identity.Hash, c identity.Challenge) bool { return !now.Before(c.ExpiresAt) })
	maps.DeleteFunc(s.devices, func(_ device, d identity.Device) bool { return now.Sub(d.SeenAt) >= identity.DeviceTTL })
	maps.DeleteFunc(s.apps, func(a app, t identity.TOTP) bool { return !a.confirmed && now.Sub(t.CreatedAt) >= identity.EnrolTTL })
}

func (s *second) TOTP(_ context.Context, user tenants.UserID, confirmed bool) (*identity.TOTP, error) {
	return get(s.apps, app{user, confirmed})
}

func (s *second) SaveTOTP(_ context.Context, t *identity.TOTP) error {
	s.apps[app{t.User, !t.ConfirmedAt.IsZero()}] = *t
	return nil
}

func (s *second) DropTOTP(_ context.Context, user tenants.UserID, confirmed bool) error {
	delete(s.apps, app{user, confirmed})
	return nil
}

func (s *second) RecoveryCodes(_ context.Context, user tenants.UserID) (n int, _ error) {
	for c := range s.recovery {
		if c.user == user {
			n++
		}
	}
	return n, nil
}

func (s *second) SetRecoveryCodes(_ context.Context, user tenants.UserID, codes []identity.Hash) error {
	maps.DeleteFunc(s.recovery, func(c code, _ bool) bool { return c.user == user })
	for _, h := range codes {
		s.recovery[code{user, h}] = true
	}
	return nil
}

func (s *second) TakeRecoveryCode(_ context.Context, user tenants.UserID, hash identity.Hash) error {
	if !s.recovery[code{user, hash}] {
		return none()
	}
	delete(s.recovery, code{user, hash})
	return nil
}

func (s *second) Passkeys(_ context.Context, user tenants.UserID) (list []identity.Passkey, _ error) {
	for _, k := range s.passkeys {
		if k.User == user {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b identity.Passkey) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

func (s *second) Passkey(_ context.Context, party string, credential []byte) (*identity.Passkey, error) {
	for _, k := range s.passkeys {
		if k.Party == party && bytes.Equal(k.Credential, credential) {
			return &k, nil
		}
	}
	return nil, none()
}

func (s *second) AddPasskey(ctx context.Context, k *identity.Passkey) error {
	if _, err := s.Passkey(ctx, k.Party, k.Credential); err == nil {
		return fault.New(fault.Conflict, "passkey.taken", "This passkey is known already.")
	}
	s.passkeys[k.ID] = *k
	return nil
}

func (s *second) SavePasskey(_ context.Context, k *identity.Passkey) error {
	return change(s.passkeys, k.ID, func(old *identity.Passkey) {
		old.Name, old.Record, old.UsedAt, old.SuspectAt = k.Name, k.Record, k.UsedAt, k.SuspectAt
	})
}

func (s *second) DropPasskey(_ context.Context, user tenants.UserID, id identity.PasskeyID) error {
	if k, ok := s.passkeys[id]; !ok || k.User != user {
		return none()
	}
	delete(s.passkeys, id)
	return nil
}

func (s *second) AddChallenge(_ context.Context, c *identity.Challenge) error {
	s.challenges[c.Hash] = *c
	return nil
}

func (s *second) Challenge(_ context.Context, q identity.Question, hash identity.Hash, now time.Time) (*identity.Challenge, error) {
	c, err := get(s.challenges, hash)
	if err != nil || c.Question != q || !now.Before(c.ExpiresAt) {
		return nil, none()
	}
	return c, nil
}

func (s *second) TakeChallenge(ctx context.Context, q identity.Question, hash identity.Hash, now time.Time) error {
	if _, err := s.Challenge(ctx, q, hash, now); err != nil {
		return err
	}
	delete(s.challenges, hash)
	return nil
}

func (s *second) Device(_ context.Context, hash identity.Hash, user tenants.UserID) (*identity.Device, error) {
	return get(s.devices, device{hash, user})
}

func (s *second) Devices(_ context.Context, user tenants.UserID) (n int, _ error) {
	for d := range s.devices {
		if d.user == user {
			n++
		}
	}
	return n, nil
}

func (s *second) SaveDevice(_ context.Context, d *identity.Device) error {
	s.devices[device{d.Hash, d.User}] = *d
	return nil
}

func (s *second) ForgetDevice(_ context.Context, hash identity.Hash, user tenants.UserID) error {
	delete(s.devices, device{hash, user})
	return nil
}

func (s *second) ForgetDevices(_ context.Context, user tenants.UserID, keep identity.Hash) error {
	maps.DeleteFunc(s.devices, func(d device, _ identity.Device) bool { return d.user == user && d.hash != keep })
	return nil
}

package identitytest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func (s *state) External(_ context.Context, issuer, subject string) (*identity.External, error) {
	for _, e := range s.externals {
		if e.Issuer == issuer && e.Subject == subject {
			return &e, nil
		}
	}
	return nil, none()
}

func (s *state) Externals(_ context.Context, user tenants.UserID) (list []identity.External, _ error) {
	for _, e := range s.externals {
		if e.User == user {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b identity.External) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

func (s *state) AddExternal(ctx context.Context, e *identity.External) error {
	if _, err := s.External(ctx, e.Issuer, e.Subject); err == nil {
		return fault.New(fault.Conflict, "external.taken", "Somebody has linked this.")
	}
	s.externals[e.ID] = *e
	return nil
}

func (s *state) TouchExternal(_ context.Context, id identity.ExternalID, at time.Time) error {
	return change(s.externals, id, func(e *identity.External) { e.UsedAt = at })
}

func (s *state) RemoveExternal(_ context.Context, user tenants.UserID, id identity.ExternalID) error {
	if e, ok := s.externals[id]; !ok || e.User != user {
		return none()
	}
	delete(s.externals, id)
	return nil
}

func (s *state) AddAttempt(_ context.Context, a *identity.Attempt) error {
	s.attempts[a.State] = *a
	return nil
}

func (s *state) TakeAttempt(_ context.Context, state, binder identity.Hash, now time.Time) (*identity.Attempt, error) {
	a, err := get(s.attempts, state)
	if err != nil || a.Binder != binder || !now.Before(a.ExpiresAt) {
		return nil, none()
	}
	delete(s.attempts, state)
	return a, nil
}

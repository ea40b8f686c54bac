// Package identitytest has stores for tests and the contracts that both they
// and the real ones must meet.
package identitytest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit/audittest"
)

// Store is an identity.Store in memory. Its zero value is ready to use, from
// any number of goroutines.
type Store struct {
	mu    sync.Mutex
	state state
}

type state struct {
	audittest.Recorder
	users     map[tenants.UserID]user
	pending   map[identity.PendingID]identity.Pending
	sessions  map[identity.SessionID]identity.Session
	refreshes map[identity.Hash]identity.RefreshToken
	onetimes  map[identity.Hash]identity.OneTime
	guards    map[string]identity.Guard
	letters   []identity.Letter
	externals map[identity.ExternalID]identity.External
	attempts  map[identity.Hash]identity.Attempt
	second
}

type user struct {
	identity.User
	hash string
}

func (s *state) clone() *state {
	return &state{
		users: clone(s.users), pending: clone(s.pending), sessions: clone(s.sessions), refreshes: clone(s.refreshes),
		onetimes: clone(s.onetimes), guards: clone(s.guards), letters: slices.Clone(s.letters),
		externals: clone(s.externals), attempts: clone(s.attempts),
		second: s.second.clone(),
	}
}

func clone[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// View implements identity.Store.
func (s *Store) View(_ context.Context, fn func(identity.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn(s.state.clone())
}

// Update implements identity.Store.
func (s *Store) Update(_ context.Context, fn func(identity.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state.clone()
	if err := fn(next); err != nil {
		return err
	}
	s.state = *next
	return nil
}

// Live implements identity.Store.
func (s *Store) Live(_ context.Context, id identity.SessionID) (*identity.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return get(s.state.sessions, id)
}

// Letters returns what was put in the post, oldest first.
func (s *Store) Letters() []identity.Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.state.letters)
}

// Rows returns everything kept, for tests that look for what must not be.
func (s *Store) Rows() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.clone()
	return []any{c.users, c.pending, c.sessions, c.refreshes, c.onetimes, c.guards, c.letters, c.externals, c.attempts, c.second}
}

func none() error { return fault.New(fault.NotFound, "not_found", "There is no such thing.") }

// get returns a copy, or fault.NotFound.
func get[K comparable, V any](m map[K]V, k K) (*V, error) {
	v, ok := m[k]
	if !ok {
		return nil, none()
	}
	return &v, nil
}

func (s *state) Credential(_ context.Context, address string, now time.Time) (identity.Credential, error) {
	for _, u := range s.users {
		if u.Email == address {
			cred := identity.Credential{User: u.ID, Verified: true}
			if u.hash != "" {
				cred.Hashes = []string{u.hash}
			}
			return cred, nil
		}
	}
	var alive []identity.Pending
	for _, p := range s.pending {
		if p.Email == address && now.Before(p.ExpiresAt) {
			alive = append(alive, p)
		}
	}
	slices.SortFunc(alive, func(a, b identity.Pending) int { return cmp.Compare(b.ID, a.ID) })
	var cred identity.Credential
	for _, p := range alive {
		cred.User, cred.Hashes = alive[0].User, append(cred.Hashes, p.Hash)
	}
	if len(alive) == 1 {
		cred.Pending = alive[0].ID
	}
	return cred, nil
}

func (s *state) User(_ context.Context, id tenants.UserID) (*identity.User, error) {
	u, err := get(s.users, id)
	if err != nil {
		return nil, err
	}
	return &u.User, nil
}

func (s *state) Users(_ context.Context, ids []tenants.UserID) (list []identity.User, _ error) {
	for _, id := range ids {
		if u, ok := s.users[id]; ok {
			list = append(list, u.User)
		}
	}
	return list, nil
}

func (s *state) AddUser(_ context.Context, u *identity.User, hash string) error {
	for _, other := range s.users {
		if other.Email == u.Email {
			return fault.New(fault.Conflict, "email.taken", "This address has an account.")
		}
	}
	s.users[u.ID] = user{*u, hash}
	return nil
}

func (s *state) SetPassword(_ context.Context, id tenants.UserID, hash string) error {
	return change(s.users, id, func(u *user) { u.hash = hash })
}

func (s *state) SetShortPassword(_ context.Context, id tenants.UserID, short bool) error {
	return change(s.users, id, func(u *user) { u.ShortPassword = short })
}

func (s *state) SetHome(_ context.Context, id tenants.UserID, home tenants.ID) error {
	return change(s.users, id, func(u *user) { u.Home = home })
}

func change[K comparable, V any](m map[K]V, k K, fn func(*V)) error {
	v, err := get(m, k)
	if err != nil {
		return err
	}
	fn(v)
	m[k] = *v
	return nil
}

func (s *state) AddPending(_ context.Context, p *identity.Pending) error {
	s.pending[p.ID] = *p
	return nil
}

func (s *state) Pending(_ context.Context, id identity.PendingID) (*identity.Pending, error) {
	return get(s.pending, id)
}

func (s *state) ForgetPending(ctx context.Context, address string) error {
	for id, p := range s.pending {
		if p.Email == address {
			delete(s.pending, id)
			_ = s.ForgetOneTime(ctx, identity.ForVerify, string(id))
		}
	}
	return nil
}

func (s *state) AddSession(_ context.Context, v *identity.Session) error {
	s.sessions[v.ID] = *v
	return nil
}

func (s *state) Session(_ context.Context, id identity.SessionID) (*identity.Session, error) {
	return get(s.sessions, id)
}

func (s *state) Sessions(_ context.Context, user tenants.UserID, now time.Time) ([]identity.Session, error) {
	var list []identity.Session
	for _, v := range s.sessions {
		if v.User == user && now.Before(v.ExpiresAt) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b identity.Session) int { return cmp.Compare(b.ID, a.ID) })
	return list, nil
}

func (s *state) SaveSession(_ context.Context, v *identity.Session) error {
	return change(s.sessions, v.ID, func(old *identity.Session) { *old = *v })
}

func (s *state) EndSession(_ context.Context, user tenants.UserID, id identity.SessionID) error {
	if v, ok := s.sessions[id]; !ok || v.User != user {
		return none()
	}
	delete(s.sessions, id)
	maps.DeleteFunc(s.refreshes, func(_ identity.Hash, r identity.RefreshToken) bool { return r.Session == id })
	return nil
}

func (s *state) EndSessions(ctx context.Context, user tenants.UserID, keep identity.SessionID) error {
	for id, v := range s.sessions {
		if v.User == user && id != keep {
			_ = s.EndSession(ctx, user, id)
		}
	}
	return nil
}

func (s *state) AddRefresh(_ context.Context, r *identity.RefreshToken) error {
	s.refreshes[r.Hash] = *r
	return nil
}

func (s *state) Refresh(_ context.Context, hash identity.Hash) (*identity.RefreshToken, error) {
	return get(s.refreshes, hash)
}

func (s *state) SaveRefresh(_ context.Context, r *identity.RefreshToken) error {
	return change(s.refreshes, r.Hash, func(old *identity.RefreshToken) { *old = *r })
}

func (s *state) Send(_ context.Context, l identity.Letter) error {
	s.letters = append(s.letters, l)
	return nil
}

func (s *state) AddOneTime(_ context.Context, o *identity.OneTime) error {
	s.onetimes[o.Hash] = *o
	return nil
}

func (s *state) OneTime(_ context.Context, p identity.Purpose, hash identity.Hash, now time.Time) (*identity.OneTime, error) {
	o, err := get(s.onetimes, hash)
	if err != nil || o.Purpose != p || !now.Before(o.ExpiresAt) {
		return nil, none()
	}
	return o, nil
}

func (s *state) TakeOneTime(ctx context.Context, p identity.Purpose, hash identity.Hash, now time.Time) (*identity.OneTime, error) {
	o, err := s.OneTime(ctx, p, hash, now)
	if err != nil {
		return nil, err
	}
	delete(s.onetimes, hash)
	return o, nil
}

func (s *state) ForgetOneTime(_ context.Context, p identity.Purpose, subject string) error {
	maps.DeleteFunc(s.onetimes, func(_ identity.Hash, o identity.OneTime) bool { return o.Purpose == p && o.Subject == subject })
	return nil
}

func (s *state) Guard(_ context.Context, key string) (identity.Guard, error) {
	return s.guards[key], nil
}

func (s *state) SaveGuard(_ context.Context, key string, g identity.Guard) error {
	s.guards[key] = g
	return nil
}

func (s *state) Sweep(ctx context.Context, now, quiet time.Time) error {
	maps.DeleteFunc(s.pending, func(_ identity.PendingID, p identity.Pending) bool { return !now.Before(p.ExpiresAt) })
	maps.DeleteFunc(s.onetimes, func(_ identity.Hash, o identity.OneTime) bool { return !now.Before(o.ExpiresAt) })
	maps.DeleteFunc(s.attempts, func(_ identity.Hash, a identity.Attempt) bool { return !now.Before(a.ExpiresAt) })
	maps.DeleteFunc(s.guards, func(_ string, g identity.Guard) bool { return g.At.Before(quiet) && g.Until.Before(now) })
	for id, v := range s.sessions {
		if !now.Before(v.ExpiresAt) {
			_ = s.EndSession(ctx, v.User, id)
		}
	}
	s.sweep(now)
	return nil
}

// Package admintest has an admin.Store for tests and the contract that both it
// and the real one must meet.
package admintest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store is an admin.Store in memory, with the people and tenants that it
// reaches. Its zero value is an installation with nothing but its root.
type Store struct {
	mu   sync.Mutex
	now  state
	root tenants.ID
}

// state is all there is. Values are copied on the way in and out, so that a
// transaction that fails leaves no trace.
type state struct {
	operators   map[admin.OperatorID]admin.Operator
	sessions    map[admin.SessionID]admin.Session
	guards      map[string]admin.Guard
	acting      map[string]admin.Impersonation
	people      map[tenants.UserID]admin.User
	seats       map[seat]tenants.Role
	nodes       map[tenants.ID]admin.Tenant
	blocks      map[string]admin.Block
	flags       map[string]admin.Flag
	overrides   map[override]bool
	maintenance admin.Maintenance
	paused      bool
	books       map[tenants.ID][]audit.Entry
}

type seat struct {
	user   tenants.UserID
	tenant tenants.ID
}

type override struct {
	tenant tenants.ID
	flag   string
}

func (s state) clone() state {
	s.operators, s.sessions, s.guards, s.acting = copied(s.operators), copied(s.sessions), copied(s.guards), copied(s.acting)
	s.people, s.seats, s.nodes = copied(s.people), copied(s.seats), copied(s.nodes)
	s.blocks, s.flags, s.overrides, s.books = copied(s.blocks), copied(s.flags), copied(s.overrides), copied(s.books)
	return s
}

func copied[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// AddTenant makes a tenant, and returns its name.
func (s *Store) AddTenant(kind tenants.Kind, name string) tenants.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := admin.Tenant{ID: tenants.NewID(), Kind: kind, Name: name, CreatedAt: time.Now()}
	if kind == tenants.Operator {
		s.root = t.ID
	}
	s.now = s.now.clone()
	s.now.nodes[t.ID] = t
	return t.ID
}

// AddPerson makes a person, and returns their name.
func (s *Store) AddPerson(email, name string) tenants.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := admin.User{ID: tenants.UserID(id.New("usr")), Email: email, Name: name, CreatedAt: time.Now()}
	s.now = s.now.clone()
	s.now.people[u.ID] = u
	return u.ID
}

// Seat gives a person a role; none takes it away.
func (s *Store) Seat(user tenants.UserID, tenant tenants.ID, role tenants.Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.clone()
	if s.now.seats[seat{user, tenant}] = role; role == "" {
		delete(s.now.seats, seat{user, tenant})
	}
}

// Book is what is recorded of a tenant, oldest first; of none, the operator's book.
func (s *Store) Book(tenant tenants.ID) []audit.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.now.books[tenant])
}

// Paused reports whether all publishing is held.
func (s *Store) Paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.paused
}

// PauseAll holds all publishing, as somebody else would.
func (s *Store) PauseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.paused = true
}

// View implements admin.Store.
func (s *Store) View(_ context.Context, fn func(admin.Tx) error) error {
	s.mu.Lock()
	tx := &memTx{state: s.now.clone()}
	s.mu.Unlock()
	return fn(tx)
}

// Update implements admin.Store.
func (s *Store) Update(_ context.Context, fn func(admin.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := &memTx{state: s.now.clone()}
	if err := fn(tx); err != nil {
		return err
	}
	s.now = tx.state
	return nil
}

// Session implements admin.Store.
func (s *Store) Session(_ context.Context, h admin.Hash) (*admin.Session, *admin.Operator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.now.sessions {
		if o := s.now.operators[v.Operator]; v.Hash == h {
			return &v, &o, nil
		}
	}
	return nil, nil, missing("not_found")
}

// Seen implements admin.Store.
func (s *Store) Seen(_ context.Context, name admin.SessionID, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.now.sessions[name]; ok {
		v.SeenAt = at
		s.now.sessions[name] = v
	}
	return nil
}

// Impersonation implements admin.Store.
func (s *Store) Impersonation(_ context.Context, h admin.Hash, now time.Time) (*admin.Impersonation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.now.acting {
		if i.Hash == h && now.Before(i.ExpiresAt) && now.Before(s.now.sessions[i.Session].ExpiresAt) {
			return &i, nil
		}
	}
	return nil, missing("not_found")
}

// Edge implements admin.Store.
func (s *Store) Edge(context.Context) (admin.Edge, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := admin.Edge{Maintenance: s.now.maintenance, Overrides: map[tenants.ID]map[string]bool{}}
	for _, b := range s.now.blocks {
		if b.ExpiresAt.IsZero() || time.Now().Before(b.ExpiresAt) {
			e.Blocks = append(e.Blocks, b)
		}
	}
	for _, f := range s.now.flags {
		for o, on := range s.now.overrides {
			if o.flag != f.Name {
				continue
			}
			if f.Overrides++; e.Overrides[o.tenant] == nil {
				e.Overrides[o.tenant] = map[string]bool{}
			}
			e.Overrides[o.tenant][f.Name] = on
		}
		e.Flags = append(e.Flags, f)
	}
	slices.SortFunc(e.Blocks, func(a, b admin.Block) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(e.Flags, func(a, b admin.Flag) int { return cmp.Compare(a.Name, b.Name) })
	return e, nil
}

// Root implements admin.Store.
func (s *Store) Root(context.Context) (tenants.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.root == "" {
		return "", missing("tenant.not_found")
	}
	return s.root, nil
}

// memTx is a transaction on a copy.
type memTx struct{ state }

func missing(reason string) error {
	return fault.New(fault.NotFound, reason, "There is no such thing.")
}

func get[K comparable, V any](m map[K]V, k K, reason string) (*V, error) {
	v, ok := m[k]
	if !ok {
		return nil, missing(reason)
	}
	return &v, nil
}

// first returns the first that fits.
func first[K comparable, V any](m map[K]V, fits func(V) bool, reason string) (*V, error) {
	for _, v := range m {
		if fits(v) {
			return &v, nil
		}
	}
	return nil, missing(reason)
}

func (tx *memTx) Record(ctx context.Context, e audit.Entry) error { return tx.RecordIn(ctx, "", e) }

func (tx *memTx) RecordIn(_ context.Context, tenant tenants.ID, e audit.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	tx.books[tenant] = append(slices.Clip(tx.books[tenant]), e)
	return nil
}

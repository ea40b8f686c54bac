// Package admintest has an admin.Store for tests and the contract that both it
// and the real one must meet.
package admintest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
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

const noOperator = "operator.not_found"

func (tx *memTx) Operator(_ context.Context, name admin.OperatorID) (*admin.Operator, error) {
	return get(tx.operators, name, noOperator)
}

func (tx *memTx) OperatorByEmail(_ context.Context, address string) (*admin.Operator, error) {
	return first(tx.operators, func(o admin.Operator) bool { return o.Email == address }, noOperator)
}

func (tx *memTx) OperatorByLink(_ context.Context, h admin.Hash, now time.Time) (*admin.Operator, error) {
	return first(tx.operators, func(o admin.Operator) bool { return h != admin.Hash{} && o.Link == h && now.Before(o.LinkEnds) }, noOperator)
}

func (tx *memTx) Operators(context.Context) ([]admin.Operator, error) {
	return sorted(tx.operators, func(a, b admin.Operator) int { return cmp.Compare(a.ID, b.ID) }), nil
}

func sorted[K comparable, V any](m map[K]V, by func(a, b V) int) []V {
	return slices.SortedFunc(maps.Values(m), by)
}

func (tx *memTx) SaveOperator(_ context.Context, o *admin.Operator) error {
	tx.operators[o.ID] = *o
	return nil
}

func (tx *memTx) RemoveOperator(ctx context.Context, name admin.OperatorID) error {
	if _, ok := tx.operators[name]; !ok {
		return missing(noOperator)
	}
	delete(tx.operators, name)
	return tx.EndSessions(ctx, name)
}

func (tx *memTx) AddSession(ctx context.Context, s *admin.Session) error {
	for name, old := range tx.sessions {
		if old.ExpiresAt.Before(s.CreatedAt) {
			_ = tx.EndSession(ctx, name) // it is there
		}
	}
	tx.sessions[s.ID] = *s
	return nil
}

func (tx *memTx) EndSession(_ context.Context, name admin.SessionID) error {
	delete(tx.sessions, name)
	maps.DeleteFunc(tx.acting, func(_ string, i admin.Impersonation) bool { return i.Session == name })
	return nil
}

func (tx *memTx) EndSessions(ctx context.Context, of admin.OperatorID) error {
	for name, s := range tx.sessions {
		if s.Operator == of {
			_ = tx.EndSession(ctx, name) // it is there
		}
	}
	return nil
}

func (tx *memTx) Guard(_ context.Context, key string) (admin.Guard, error) {
	return tx.guards[key], nil
}

func (tx *memTx) SaveGuard(_ context.Context, key string, g admin.Guard) error {
	tx.guards[key] = g
	return nil
}

func (tx *memTx) AddImpersonation(_ context.Context, i *admin.Impersonation) error {
	tx.acting[i.ID] = *i
	return nil
}

func (tx *memTx) EndImpersonation(_ context.Context, of admin.OperatorID, name string) (*admin.Impersonation, error) {
	i, ok := tx.acting[name]
	if !ok || i.Operator != of {
		return nil, missing("impersonation.not_found")
	}
	delete(tx.acting, name)
	return &admin.Impersonation{ID: name, Operator: of, User: i.User, Tenant: i.Tenant, Reason: i.Reason}, nil
}

func (tx *memTx) Users(_ context.Context, q admin.Search) ([]admin.User, error) {
	all := sorted(tx.people, func(a, b admin.User) int { return cmp.Compare(a.ID, b.ID) })
	return page(all, q, func(u admin.User) (string, bool) {
		text := strings.ToLower(q.Text)
		return string(u.ID), text == "" || string(u.ID) == q.Text || strings.HasPrefix(u.Email, text) || strings.Contains(strings.ToLower(u.Name), text)
	}), nil
}

func page[T any](all []T, q admin.Search, fits func(T) (string, bool)) (out []T) {
	for _, v := range all {
		if name, ok := fits(v); ok && name > q.After && len(out) < q.Limit {
			out = append(out, v)
		}
	}
	return out
}

func (tx *memTx) User(_ context.Context, name tenants.UserID) (*admin.User, error) {
	return get(tx.people, name, "user.not_found")
}

func (tx *memTx) Seats(_ context.Context, name tenants.UserID) (out []admin.Seat, err error) {
	for s, role := range tx.seats {
		if t := tx.nodes[s.tenant]; s.user == name {
			out = append(out, admin.Seat{Tenant: t.ID, Name: t.Name, Kind: t.Kind, Role: role})
		}
	}
	slices.SortFunc(out, func(a, b admin.Seat) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Tenant, b.Tenant)) })
	return out, nil
}

func (tx *memTx) SuspendUser(_ context.Context, u *admin.User) error {
	was, err := get(tx.people, u.ID, "user.not_found")
	if err != nil {
		return err
	}
	was.SuspendedAt, was.Reason = u.SuspendedAt, u.Reason
	tx.people[u.ID] = *was
	return nil
}

func (tx *memTx) Tenants(_ context.Context, q admin.Search) ([]admin.Tenant, error) {
	all := sorted(tx.nodes, func(a, b admin.Tenant) int { return cmp.Compare(a.ID, b.ID) })
	return page(all, q, func(t admin.Tenant) (string, bool) {
		named := q.Text == "" || string(t.ID) == q.Text || strings.Contains(strings.ToLower(t.Name), strings.ToLower(q.Text))
		return string(t.ID), named && (q.Kind == "" || t.Kind == q.Kind)
	}), nil
}

const noTenant = "tenant.not_found"

func (tx *memTx) Tenant(_ context.Context, name tenants.ID) (*admin.Tenant, error) {
	t, err := get(tx.nodes, name, noTenant)
	if err == nil && t.Grant != nil {
		g := *t.Grant
		t.Grant = &g
	}
	return t, err
}

func (tx *memTx) SuspendTenant(ctx context.Context, t *admin.Tenant) error {
	was, err := tx.Tenant(ctx, t.ID)
	if err != nil {
		return err
	}
	was.Suspended, was.Reason = t.Suspended, t.Reason
	tx.nodes[t.ID] = *was
	return nil
}

func (tx *memTx) SaveTier(ctx context.Context, t *admin.Tenant) error {
	was, err := tx.Tenant(ctx, t.ID)
	if err != nil {
		return err
	}
	was.Tier, was.Grant = t.Tier, t.Grant
	tx.nodes[t.ID] = *was
	return nil
}

func (tx *memTx) DueGrants(_ context.Context, now time.Time) (due []tenants.ID, err error) {
	for name, t := range tx.nodes {
		if t.Grant != nil && !t.Grant.Until.After(now) {
			due = append(due, name)
		}
	}
	return due, nil
}

func (tx *memTx) RoleOf(_ context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Role, error) {
	if u, ok := tx.people[user]; !ok || !u.SuspendedAt.IsZero() {
		return "", nil
	}
	return tx.seats[seat{user, tenant}], nil
}

func (tx *memTx) AddBlock(_ context.Context, b *admin.Block) error {
	for name, old := range tx.blocks {
		switch {
		case !old.ExpiresAt.IsZero() && !b.CreatedAt.Before(old.ExpiresAt):
			delete(tx.blocks, name)
		case old.Range == b.Range:
			return fault.New(fault.Conflict, "block.exists", "This range is blocked already.").On("/range")
		}
	}
	tx.blocks[b.ID] = *b
	return nil
}

func (tx *memTx) DropBlock(_ context.Context, name string) error {
	if _, ok := tx.blocks[name]; !ok {
		return missing("block.not_found")
	}
	delete(tx.blocks, name)
	return nil
}

func (tx *memTx) Maintenance(context.Context) (admin.Maintenance, error) { return tx.maintenance, nil }

func (tx *memTx) SaveMaintenance(_ context.Context, m admin.Maintenance) error {
	tx.maintenance = m
	return nil
}

func (tx *memTx) Hold(context.Context, string) (bool, error) {
	was := tx.paused
	tx.paused = true
	return !was, nil
}

func (tx *memTx) Release(context.Context) error {
	tx.paused = false
	return nil
}

func (tx *memTx) SaveFlag(_ context.Context, f *admin.Flag) error {
	tx.flags[f.Name] = *f
	return nil
}

func (tx *memTx) DropFlag(_ context.Context, name string) error {
	if _, ok := tx.flags[name]; !ok {
		return missing("flag.not_found")
	}
	delete(tx.flags, name)
	maps.DeleteFunc(tx.overrides, func(o override, _ bool) bool { return o.flag == name })
	return nil
}

func (tx *memTx) SaveOverride(_ context.Context, tenant tenants.ID, flag string, on *bool, _ string, _ time.Time) error {
	key := override{tenant, flag}
	_, there := tx.overrides[key]
	switch _, known := tx.flags[flag]; {
	case on == nil && !there:
		return missing("override.not_found")
	case on == nil:
		delete(tx.overrides, key)
		return nil
	case !known:
		return missing("flag.not_found")
	}
	tx.overrides[key] = *on
	return nil
}

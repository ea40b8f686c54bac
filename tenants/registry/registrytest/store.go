// Package registrytest has a registry.Store for tests and the contract that
// both it and the real one must meet.
package registrytest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Store is a registry.Store in memory. Its zero value is an empty tree.
type Store struct {
	mu    sync.Mutex
	nodes map[tenants.ID]node
	post  []Posted

	noticed []Noticed

	told map[tenants.ID][]Event

	// Emails are the addresses of people, as far as anybody has to know them.
	Emails map[tenants.UserID]string
}

// A Posted is a letter that was put in the post, and whose.
type Posted struct {
	Tenant tenants.ID
	registry.Letter
}

// A Noticed is a notice that was put in the post, and whose.
type Noticed struct {
	Tenant tenants.ID
	registry.Notice
}

// Notices takes out the notices that were posted.
func (s *Store) Notices() []Noticed {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.noticed
	s.noticed = nil
	return all
}

// Post takes out the letters that were posted.
func (s *Store) Post() []Posted {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.post
	s.post = nil
	return all
}

// An Event is what a tenant's subscribers heard.
type Event struct {
	Type, Subject string
	Data          any // registry.Told or registry.ToldMember
}

// Told lists what tenant's subscribers heard, in order.
func (s *Store) Told(_ context.Context, tenant tenants.ID) ([]Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told[tenant]), nil
}

func (s *Store) tell(tenant tenants.ID, events ...Event) {
	if s.told == nil {
		s.told = map[tenants.ID][]Event{}
	}
	s.told[tenant] = append(s.told[tenant], events...)
}

// node is one tenant with what belongs to it. Values are copied on the way in
// and out, so a transaction that fails leaves no trace.
type node struct {
	tenant  registry.Tenant
	members map[tenants.UserID]registry.Member
	roles   map[string]registry.Role
	invited map[registry.InvitationID]registry.Invitation
	access  map[registry.AccessID]registry.Access
	offer   *registry.Offer
}

func newNode(t registry.Tenant, owner registry.Member) node {
	return node{
		t, map[tenants.UserID]registry.Member{owner.User: owner}, map[string]registry.Role{},
		map[registry.InvitationID]registry.Invitation{}, map[registry.AccessID]registry.Access{}, nil,
	}
}

func (n node) clone() node {
	return node{n.tenant, maps.Clone(n.members), maps.Clone(n.roles), maps.Clone(n.invited), maps.Clone(n.access), n.offer}
}

// View implements registry.Store.
func (s *Store) View(_ context.Context, tenant tenants.ID, fn func(registry.Tx) error) error {
	s.mu.Lock()
	n := s.nodes[tenant].clone()
	s.mu.Unlock()
	return fn(&memTx{node: n, emails: s.Emails})
}

// Update implements registry.Store.
func (s *Store) Update(_ context.Context, tenant tenants.ID, fn func(registry.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.nodes[tenant]
	if !ok {
		return missing("tenant")
	}
	tx := &memTx{node: n.clone(), emails: s.Emails}
	if err := fn(tx); err != nil {
		return err
	}
	tx.tenant.Authz++
	s.nodes[tenant] = tx.node
	for _, n := range tx.notices {
		s.noticed = append(s.noticed, Noticed{tenant, n})
	}
	for _, l := range tx.posted {
		s.post = append(s.post, Posted{tenant, l})
	}
	s.tell(tenant, tx.told...)
	return nil
}

// Standing implements registry.Store.
func (s *Store) Standing(_ context.Context, tenant tenants.ID, user tenants.UserID) (registry.Standing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.nodes[tenant]
	if !ok {
		return registry.Standing{}, missing("tenant")
	}
	st := registry.Standing{Kind: n.tenant.Kind, Tier: tenants.Free, Authz: n.tenant.Authz, Role: n.members[user].Role}
	if above := s.nodes[n.tenant.Parent]; n.tenant.Kind == tenants.Workspace {
		st.Authz += above.tenant.Authz
	}
	if home := s.nodes[n.tenant.Parent].members[user].Role; st.Role == "" && home != "" {
		st.Grant, st.GrantRole, st.Home = n.entry(home)
	}
	for _, id := range n.tenant.Ancestors {
		t := s.nodes[id].tenant
		st.Suspended = st.Suspended || t.State == registry.Suspended
		st.Paused = st.Paused || t.Paused
		st.Tier = cmp.Or(t.Tier, st.Tier)
	}
	return st, nil
}

// entry is the grant by which somebody of the tenant above comes in.
func (n node) entry(home tenants.Role) (best registry.AccessID, role, _ tenants.Role) {
	for _, name := range slices.Sorted(maps.Keys(n.access)) { // the latest wins
		if a := n.access[name]; a.To == n.tenant.Parent && a.At(time.Now()) == registry.AccessGranted {
			best, role = name, a.Role
		}
	}
	if best == "" {
		home = ""
	}
	return best, role, home
}

// Closure implements registry.Store.
func (s *Store) Closure(_ context.Context, tenant tenants.ID) (registry.Closure, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closure(tenant), nil
}

func (s *Store) closure(tenant tenants.ID) registry.Closure {
	t := s.nodes[tenant].tenant
	c := registry.Closure{Here: t.State == registry.Suspended, Ask: s.nodes[cmp.Or(t.SuspendedBy, t.Parent)].tenant.Name}
	if c.Here {
		c.Reason = t.StateReason
	}
	return c
}

// Mine implements registry.Store.
func (s *Store) Mine(ctx context.Context, user tenants.UserID) ([]registry.Place, error) {
	s.mu.Lock()
	nodes := maps.Clone(s.nodes)
	s.mu.Unlock()
	out := []registry.Place{}
	for id, n := range nodes {
		st, err := s.Standing(ctx, id, user)
		if err != nil || st.Role == "" {
			continue
		}
		p := registry.Place{Entry: entry(n.tenant), Parent: n.tenant.Parent, Path: slices.Clone(n.tenant.Ancestors), Role: st.Role}
		if st.Suspended {
			p.State, p.Closure = registry.Suspended, s.closure(id)
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b registry.Place) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Children implements registry.Store.
func (s *Store) Children(_ context.Context, parent, after tenants.ID, limit int) ([]registry.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []registry.Entry{}
	for id, n := range s.nodes {
		if n.tenant.Parent == parent && id > after {
			out = append(out, entry(n.tenant))
		}
	}
	slices.SortFunc(out, func(a, b registry.Entry) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], nil
}

func entry(t registry.Tenant) registry.Entry {
	return registry.Entry{ID: t.ID, Name: t.Name, Kind: t.Kind, State: t.State}
}

// Create implements registry.Store.
func (s *Store) Create(ctx context.Context, t *registry.Tenant, owner registry.Member, _ audit.Entry) error {
	if err := t.Check(); err != nil {
		return err
	}
	if t.Parent == "" {
		if _, err := s.Operator(ctx); err == nil {
			return fault.New(fault.Conflict, "tenant.operator_exists", "There is one.")
		}
	} else {
		st, err := s.Standing(ctx, t.Parent, "")
		if err != nil {
			return err
		}
		if st.Suspended {
			return fault.New(fault.Conflict, "tenant.suspended", "The parent is suspended.")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Ancestors = append(slices.Clone(s.nodes[t.Parent].tenant.Ancestors), t.ID)
	t.Authz, t.Version, owner.Version = 1, 1, 1
	if s.nodes == nil {
		s.nodes = map[tenants.ID]node{}
	}
	s.nodes[t.ID] = newNode(*t, owner)
	return nil
}

// Operator implements registry.Store.
func (s *Store) Operator(context.Context) (tenants.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.nodes {
		if n.tenant.Kind == tenants.Operator {
			return id, nil
		}
	}
	return "", missing("tenant")
}

// SetState implements registry.Store.
func (s *Store) SetState(_ context.Context, parent, child tenants.ID, state registry.State, reason string, _ audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.nodes[child]
	if !ok || parent == "" || n.tenant.Parent != parent {
		return missing("tenant")
	}
	if by := n.tenant.SuspendedBy; by != "" && by != parent {
		return registry.SuspendedAbove(s.nodes[by].tenant.Name)
	}
	s.set(n, parent, state, reason)
	return nil
}

// Override implements Tree.
func (s *Store) Override(_ context.Context, tenant tenants.ID, state registry.State, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.nodes[tenant]
	if !ok {
		return missing("tenant")
	}
	s.set(n, n.tenant.Ancestors[0], state, reason)
	return nil
}

func (s *Store) set(n node, by tenants.ID, state registry.State, reason string) {
	n.tenant.State, n.tenant.StateReason, n.tenant.SuspendedBy = state, reason, ""
	if state == registry.Suspended {
		n.tenant.SuspendedBy = by
	}
	n.tenant.Authz++
	n.tenant.Version++
	s.nodes[n.tenant.ID] = n
	s.tell(n.tenant.ID, Event{registry.EventUpdated, string(n.tenant.ID), n.tenant.Told()})
}

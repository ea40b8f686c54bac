package registrytest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

// RolesFor implements registry.Store.
func (s *Store) RolesFor(_ context.Context, tenant tenants.ID) ([]registry.Role, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[tenant]
	out := []registry.Role{}
	for _, r := range n.roles {
		out = append(out, r)
	}
	if n.tenant.Kind == tenants.Workspace {
		for name, r := range s.nodes[n.tenant.Parent].roles {
			if _, own := n.roles[name]; !own {
				r.Inherited = true
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b registry.Role) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// RemoveRole implements registry.Store.
func (s *Store) RemoveRole(_ context.Context, tenant tenants.ID, name string, instead tenants.Role, e audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[tenant]
	r, ok := n.roles[name]
	if !ok {
		return missing("role")
	}
	next := map[tenants.ID]node{}
	for id, at := range s.nodes {
		_, own := at.roles[name]
		if id != tenant && (at.tenant.Parent != tenant || own || at.tenant.Kind != tenants.Workspace) {
			continue
		}
		at = at.clone()
		if at.replace(r.As(), instead, e.Actor) && instead == "" {
			return fault.New(fault.Conflict, "role.in_use", "Somebody has this role.")
		}
		at.tenant.Authz++
		next[id] = at
	}
	delete(next[tenant].roles, name)
	for id, at := range next {
		s.nodes[id] = at
	}
	return nil
}

// replace reports whether anybody had the role.
func (n node) replace(role, instead tenants.Role, by string) (any bool) {
	for user, m := range n.members {
		if m.Role == role {
			m.Role, m.GrantedBy, m.Version = instead, by, m.Version+1
			n.members[user], any = m, true
		}
	}
	for name, i := range n.invited {
		if i.Role == role && i.State == registry.InvitationPending {
			i.Role, i.Version = instead, i.Version+1
			n.invited[name], any = i, true
		}
	}
	return any
}

// AskAccess implements registry.Store.
func (s *Store) AskAccess(_ context.Context, child tenants.ID, a *registry.Access, _ audit.Entry) error {
	if err := a.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.nodes[child]
	if !ok || n.tenant.Parent != a.To || a.To == "" {
		return missing("tenant")
	}
	for _, other := range n.access {
		if other.To == a.To && other.At(time.Now()) == registry.AccessRequested {
			return fault.New(fault.Conflict, "access.asked", "It was asked for already.")
		}
	}
	a.Version = 1
	n = n.clone()
	n.access[a.ID] = *a
	n.tenant.Authz++
	s.nodes[child] = n
	s.noticed = append(s.noticed, Noticed{child, registry.Notice{Kind: registry.NoticeRequested, Access: a.ID}})
	return nil
}

// Received implements registry.Store.
func (s *Store) Received(_ context.Context, parent tenants.ID, before registry.AccessID, limit int) ([]registry.Received, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []registry.Received{}
	for _, n := range s.nodes {
		for _, a := range n.access {
			if a.To == parent && (before == "" || a.ID < before) {
				out = append(out, registry.Received{Access: a, Child: entry(n.tenant)})
			}
		}
	}
	slices.SortFunc(out, func(a, b registry.Received) int { return cmp.Compare(b.ID, a.ID) })
	return out[:min(limit, len(out))], nil
}

func (tx *memTx) Seats(_ context.Context, now time.Time) (members, waiting int, _ error) {
	for _, i := range tx.invited {
		if i.At(now) == registry.InvitationPending {
			waiting++
		}
	}
	return len(tx.members), waiting, nil
}

func (tx *memTx) Offer(context.Context) (*registry.Offer, error) {
	if tx.offer == nil {
		return nil, missing("ownership")
	}
	o := *tx.offer
	return &o, nil
}

func (tx *memTx) SaveOffer(_ context.Context, o *registry.Offer) error {
	if err := o.Check(); err != nil {
		return err
	}
	kept := *o
	tx.offer = &kept
	return nil
}

func (tx *memTx) DropOffer(context.Context) error {
	tx.offer = nil
	return nil
}

func (tx *memTx) Invitation(_ context.Context, name registry.InvitationID) (*registry.Invitation, error) {
	i, ok := tx.invited[name]
	if !ok {
		return nil, missing("invitation")
	}
	i.Hashes = slices.Clone(i.Hashes)
	return &i, nil
}

func (tx *memTx) OpenInvitation(_ context.Context, email string) (*registry.Invitation, error) {
	for _, i := range tx.invited {
		if i.Email == email && i.State == registry.InvitationPending {
			return &i, nil
		}
	}
	return nil, missing("invitation")
}

func (tx *memTx) MemberAt(_ context.Context, email string) (bool, error) {
	for user := range tx.members {
		if at, ok := tx.emails[user]; ok && at == email {
			return true, nil
		}
	}
	return false, nil
}

func (tx *memTx) Invitations(_ context.Context, before registry.InvitationID, limit int) ([]registry.Invitation, error) {
	return latest(tx.invited, before, limit), nil
}

// latest lists what comes before a name, latest first.
func latest[K ~string, V any](all map[K]V, before K, limit int) []V {
	names := []K{}
	for name := range all {
		if before == "" || name < before {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b K) int { return cmp.Compare(b, a) })
	out := []V{}
	for _, name := range names[:min(limit, len(names))] {
		out = append(out, all[name])
	}
	return out
}

func (tx *memTx) SaveInvitation(ctx context.Context, i *registry.Invitation) error {
	if err := i.Check(); err != nil {
		return err
	}
	if tx.invited[i.ID].Version != i.Version {
		return stale("invitation")
	}
	if open, err := tx.OpenInvitation(ctx, i.Email); err == nil && open.ID != i.ID && i.State == registry.InvitationPending {
		return fault.New(fault.Conflict, "invitation.exists", "There is one.")
	}
	i.Version++
	tx.invited[i.ID] = *i
	return nil
}

func (tx *memTx) Send(_ context.Context, l registry.Letter) error {
	tx.posted = append(tx.posted, l)
	return nil
}

func (tx *memTx) Notify(_ context.Context, n registry.Notice) error {
	tx.notices = append(tx.notices, n)
	return nil
}

func (tx *memTx) Access(_ context.Context, name registry.AccessID) (*registry.Access, error) {
	a, ok := tx.access[name]
	if !ok {
		return nil, missing("access")
	}
	return &a, nil
}

func (tx *memTx) Accesses(_ context.Context, before registry.AccessID, limit int) ([]registry.Access, error) {
	return latest(tx.access, before, limit), nil
}

func (tx *memTx) OpenAccess(_ context.Context, now time.Time) (n int, _ error) {
	for _, a := range tx.access {
		if s := a.At(now); s == registry.AccessGranted || s == registry.AccessRequested {
			n++
		}
	}
	return n, nil
}

func (tx *memTx) SaveAccess(_ context.Context, a *registry.Access) error {
	if err := a.Check(); err != nil {
		return err
	}
	if tx.access[a.ID].Version != a.Version {
		return stale("access")
	}
	a.Version++
	tx.access[a.ID] = *a
	return nil
}

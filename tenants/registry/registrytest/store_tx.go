package registrytest

import (
	"context"
	"maps"
	"slices"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit/audittest"
	"github.com/carillonhq/carillon/tenants/registry"
)

type memTx struct {
	audittest.Recorder
	node
	emails  map[tenants.UserID]string
	posted  []registry.Letter
	notices []registry.Notice
	told    []Event
}

func (tx *memTx) Tenant(context.Context) (*registry.Tenant, error) {
	if tx.tenant.ID == "" {
		return nil, missing("tenant")
	}
	t := tx.tenant
	return &t, nil
}

func (tx *memTx) SaveTenant(_ context.Context, t *registry.Tenant) error {
	if err := t.Check(); err != nil {
		return err
	}
	if t.Version != tx.tenant.Version {
		return stale("tenant")
	}
	t.Version++
	now := tx.tenant
	now.Name, now.Settings, now.Paused, now.PausedReason = t.Name, t.Settings, t.Paused, t.PausedReason
	now.Version, now.UpdatedAt = t.Version, t.UpdatedAt
	tx.tenant = now
	tx.told = append(tx.told, Event{registry.EventUpdated, string(now.ID), now.Told()})
	return nil
}

func (tx *memTx) Member(_ context.Context, user tenants.UserID) (*registry.Member, error) {
	m, ok := tx.members[user]
	if !ok {
		return nil, missing("member")
	}
	return &m, nil
}

func (tx *memTx) Members(_ context.Context, after tenants.UserID, limit int) ([]registry.Member, error) {
	out := []registry.Member{}
	for _, user := range slices.Sorted(maps.Keys(tx.members)) {
		if user > after && len(out) < limit {
			out = append(out, tx.members[user])
		}
	}
	return out, nil
}

func (tx *memTx) Owners(context.Context) (all []tenants.UserID, _ error) {
	for _, user := range slices.Sorted(maps.Keys(tx.members)) {
		if tx.members[user].Role == tenants.Owner {
			all = append(all, user)
		}
	}
	return all, nil
}

func (tx *memTx) SaveMember(_ context.Context, m *registry.Member) error {
	if tx.members[m.User].Version != m.Version {
		return stale("member")
	}
	m.Version++
	tx.members[m.User] = *m
	tx.told = append(tx.told, Event{registry.EventMember, string(m.User), registry.ToldMember{Role: m.Role}})
	return nil
}

func (tx *memTx) RemoveMember(_ context.Context, user tenants.UserID) error {
	if _, ok := tx.members[user]; !ok {
		return missing("member")
	}
	delete(tx.members, user)
	if tx.offer != nil && (tx.offer.To == user || tx.offer.From == user) {
		tx.offer = nil
	}
	tx.told = append(tx.told, Event{registry.EventMember, string(user), registry.ToldMember{}})
	return nil
}

func (tx *memTx) Role(_ context.Context, name string) (*registry.Role, error) {
	r, ok := tx.roles[name]
	if !ok {
		return nil, missing("role")
	}
	return &r, nil
}

func (tx *memTx) Roles(context.Context) ([]registry.Role, error) {
	out := []registry.Role{}
	for _, name := range slices.Sorted(maps.Keys(tx.roles)) {
		out = append(out, tx.roles[name])
	}
	return out, nil
}

func (tx *memTx) SaveRole(_ context.Context, r *registry.Role) error {
	if err := r.Check(); err != nil {
		return err
	}
	if tx.roles[r.Name].Version != r.Version {
		return stale("role")
	}
	r.Version++
	tx.roles[r.Name] = *r
	return nil
}

func missing(what string) error {
	return fault.New(fault.NotFound, what+".not_found", "There is no such %s.", what)
}

func stale(what string) error {
	return fault.New(fault.Conflict, what+".stale", "Someone else was faster.")
}

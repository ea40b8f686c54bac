package admintest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/tenants"
)

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

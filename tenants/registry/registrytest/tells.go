package registrytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Tells is the part of the contract that a Store cannot be asked about: what a
// tenant's subscribers hear, each with the change and never without it. told
// lists it, in order, as "type subject".
func Tells(t *testing.T, s Tree, told func(context.Context, tenants.ID) ([]string, error)) {
	root, err := s.Operator(t.Context())
	must(t, err)
	w := world{Tree: s, root: root}
	us, user := w.child(t, root, tenants.Workspace, ""), person()
	w.update(t, us.ID, func(ctx context.Context, tx registry.Tx) error {
		return tx.SaveMember(ctx, &registry.Member{User: user, Role: tenants.Viewer, GrantedBy: "system"})
	})
	w.update(t, us.ID, func(ctx context.Context, tx registry.Tx) error {
		m, err := tx.Member(ctx, user)
		must(t, err)
		m.Role = tenants.Editor
		return tx.SaveMember(ctx, m)
	})
	w.update(t, us.ID, func(ctx context.Context, tx registry.Tx) error { return tx.RemoveMember(ctx, user) })
	w.update(t, us.ID, func(ctx context.Context, tx registry.Tx) error {
		here, err := tx.Tenant(ctx)
		must(t, err)
		here.Name = "Another name"
		return tx.SaveTenant(ctx, here)
	})
	undone := errors.New("undone")
	if err := w.Update(t.Context(), us.ID, func(tx registry.Tx) error {
		return errors.Join(tx.RemoveMember(t.Context(), us.owner), undone)
	}); !errors.Is(err, undone) {
		t.Fatal(err)
	}
	must(t, w.SetState(t.Context(), root, us.ID, registry.Suspended, "unpaid", audit.By(tenants.SystemScope(root), "tenant.suspend", string(us.ID))))
	got, err := told(t.Context(), us.ID)
	must(t, err)
	member := fmt.Sprintf("%s %s", registry.EventMember, user)
	tenant := fmt.Sprintf("%s %s", registry.EventUpdated, us.ID)
	if want := []string{member, member, member, tenant, tenant}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

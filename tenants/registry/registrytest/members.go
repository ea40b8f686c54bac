package registrytest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

func membersComeAndGo(t *testing.T, w world) {
	m := &registry.Member{User: person(), Role: tenants.Viewer, GrantedBy: string(w.us.owner), CreatedAt: noon, UpdatedAt: noon}
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error { return tx.SaveMember(ctx, m) })
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		got, err := tx.Member(ctx, m.User)
		if err != nil {
			return err
		}
		if *got != *m || got.Version != 1 {
			t.Errorf("member = %+v, want %+v", got, m)
		}
		got.Role = tenants.Owner
		return tx.SaveMember(ctx, got)
	})
	want(t, fault.Conflict, w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error {
		return tx.SaveMember(t.Context(), &registry.Member{User: m.User, Role: tenants.Viewer, GrantedBy: "system"})
	}))
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		all, err := tx.Members(t.Context(), "", 10)
		must(t, err)
		rest, err := tx.Members(t.Context(), all[0].User, 10)
		must(t, err)
		owners, err := tx.Owners(t.Context())
		if len(all) != 2 || len(rest) != 1 || !slices.Equal(owners, []tenants.UserID{all[0].User, all[1].User}) {
			t.Errorf("%d members, %d after the first, owners %v", len(all), len(rest), owners)
		}
		return err
	}))
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error { return tx.RemoveMember(ctx, m.User) })
	if st := w.standing(t, w.us.ID, m.User); st.Role != "" {
		t.Errorf("removed and still %s", st.Role)
	}
	want(t, fault.NotFound, w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error { return tx.RemoveMember(t.Context(), m.User) }))
}

func rolesComeAndGo(t *testing.T, w world) {
	writer := person()
	r := &registry.Role{Name: "writer", Title: "Writer", Actions: []tenants.Action{"post.create", "post.read"}, CreatedAt: noon, UpdatedAt: noon}
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error { return tx.SaveRole(ctx, r) })
	want(t, fault.Conflict, w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error {
		again := *r
		again.Version = 0
		return tx.SaveRole(t.Context(), &again)
	}))
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		got, err := tx.Role(ctx, "writer")
		if err != nil {
			return err
		}
		if got.Title != "Writer" || !slices.Equal(got.Actions, r.Actions) || got.Version != 1 || !got.CreatedAt.Equal(noon) {
			t.Errorf("role = %+v", got)
		}
		got.Actions = []tenants.Action{"post.read"}
		return errors.Join(tx.SaveRole(ctx, got),
			tx.SaveMember(ctx, &registry.Member{User: writer, Role: got.As(), GrantedBy: "system"}))
	})
	want(t, fault.Conflict, w.RemoveRole(t.Context(), w.us.ID, "writer", "", done))
	must(t, w.RemoveRole(t.Context(), w.us.ID, "writer", tenants.Viewer, done))
	custom, err := registry.CustomRoles(t.Context(), w, w.us.ID)
	if err != nil || len(custom) != 0 {
		t.Errorf("roles left = %v, %v", custom, err)
	}
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		m, err := tx.Member(t.Context(), writer)
		if err == nil && (m.Role != tenants.Viewer || m.GrantedBy != done.Actor || m.Version != 2) {
			t.Errorf("who had it is %+v", m)
		}
		return err
	}))
	want(t, fault.NotFound, w.RemoveRole(t.Context(), w.us.ID, "writer", "", done))
}

func tenantsAreApart(t *testing.T, w world) {
	w.update(t, w.them.ID, func(ctx context.Context, tx registry.Tx) error {
		return tx.SaveRole(ctx, &registry.Role{Name: "theirs", Title: "x", Actions: []tenants.Action{"post.read"}})
	})
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		_, err := tx.Member(ctx, w.them.owner)
		want(t, fault.NotFound, err)
		_, err = tx.Role(ctx, "theirs")
		want(t, fault.NotFound, err)
		want(t, fault.NotFound, tx.RemoveMember(ctx, w.them.owner))
		members, err := tx.Members(ctx, "", 10)
		must(t, err)
		roles, err := tx.Roles(ctx)
		must(t, err)
		if len(members) != 1 || len(roles) != 0 {
			t.Errorf("members = %v, roles = %v", members, roles)
		}
		return nil
	})
	if st := w.standing(t, w.them.ID, w.them.owner); st.Role != tenants.Owner {
		t.Error("a neighbour removed their owner")
	}
	want(t, fault.NotFound, w.RemoveRole(t.Context(), w.us.ID, "theirs", "", done))
	want(t, fault.NotFound, w.Update(t.Context(), tenants.NewID(), func(registry.Tx) error { return nil }))
}

func updatesMoveAuthz(t *testing.T, w world) {
	before := w.standing(t, w.us.ID, "").Authz
	w.update(t, w.us.ID, func(context.Context, registry.Tx) error { return nil })
	if after := w.standing(t, w.us.ID, "").Authz; after <= before {
		t.Errorf("authz went from %d to %d", before, after)
	}
}

func failedUpdateLeavesNothing(t *testing.T, w world) {
	before, boom := w.standing(t, w.us.ID, w.us.owner), errors.New("boom")
	err := w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error {
		return errors.Join(tx.RemoveMember(t.Context(), w.us.owner), boom)
	})
	if after := w.standing(t, w.us.ID, w.us.owner); !errors.Is(err, boom) || after != before {
		t.Errorf("err = %v, standing = %+v", err, after)
	}
}

func staleSaves(t *testing.T, w world) {
	member := registry.Member{User: person(), Role: tenants.Viewer, GrantedBy: "system"}
	role := registry.Role{Name: "r", Title: "R", Actions: []tenants.Action{"post.read"}}
	var tenant registry.Tenant
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		got, err := tx.Tenant(ctx)
		if err != nil {
			return err
		}
		tenant = *got
		return errors.Join(tx.SaveTenant(ctx, got), tx.SaveMember(ctx, &member), tx.SaveRole(ctx, &role))
	})
	member.Version, role.Version = member.Version+7, role.Version+7
	for name, save := range map[string]func(registry.Tx) error{
		"tenant": func(tx registry.Tx) error { return tx.SaveTenant(t.Context(), &tenant) },
		"member": func(tx registry.Tx) error { return tx.SaveMember(t.Context(), &member) },
		"role":   func(tx registry.Tx) error { return tx.SaveRole(t.Context(), &role) },
	} {
		if err := w.Update(t.Context(), w.us.ID, save); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}

func savingKeepsThePlace(t *testing.T, w world) {
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		got, err := tx.Tenant(ctx)
		if err != nil {
			return err
		}
		got.Name, got.Tier, got.State, got.Kind, got.Ancestors = "New", tenants.Team, registry.Suspended, tenants.Operator, nil
		return tx.SaveTenant(ctx, got)
	})
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		got, err := tx.Tenant(t.Context())
		if got.Name != "New" || got.Tier != "" || got.State != registry.Active || got.Kind != tenants.Workspace || len(got.Ancestors) != 3 {
			t.Errorf("tenant = %+v", got)
		}
		return err
	}))
}

func updatesTakeTurns(t *testing.T, w world) {
	const people = 8
	var wg sync.WaitGroup
	for range people {
		wg.Go(func() {
			if err := w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error {
				members, err := tx.Members(t.Context(), "", 100)
				if err != nil || len(members) > people/2 {
					return err
				}
				return tx.SaveMember(t.Context(), &registry.Member{User: person(), Role: tenants.Viewer, GrantedBy: "system"})
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		members, err := tx.Members(t.Context(), "", 100)
		if len(members) != people/2+1 {
			t.Errorf("%d members: somebody decided on what somebody else was changing", len(members))
		}
		return err
	}))
}

func invariantsHold(t *testing.T, w world) {
	for name, save := range map[string]func(registry.Tx) error{
		"a nameless tenant": func(tx registry.Tx) error {
			got, err := tx.Tenant(t.Context())
			must(t, err)
			got.Name = " "
			return tx.SaveTenant(t.Context(), got)
		},
		"a role that allows nothing": func(tx registry.Tx) error {
			return tx.SaveRole(t.Context(), &registry.Role{Name: "r", Title: "R"})
		},
	} {
		if err := w.Update(t.Context(), w.us.ID, save); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	bad := &registry.Tenant{ID: tenants.NewID(), Parent: w.agency.ID, Kind: tenants.Workspace, Name: "x", Settings: registry.Settings{TimeZone: "Moon/Crater"}}
	want(t, fault.Invalid, w.Create(t.Context(), bad, registry.Member{User: person(), Role: tenants.Owner}, done))
}

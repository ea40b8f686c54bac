package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Nobody gives away, or takes away, more than they have.
func TestWhoMayMakeWhomWhat(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	w.role(t, owner, "writer", "post.create", "tenant.read")
	w.role(t, owner, "steward", "member.manage", "tenant.read")
	w.role(t, owner, "closer", "tenant.suspend")
	key := func(r tenants.Role) tenants.Scope {
		return tenants.Scope{Tenant: w.shop, Role: r, Tier: tenants.Team, User: w.owner, Key: "key_1"}
	}
	as := func(r tenants.Role) tenants.Scope {
		return tenants.Scope{Tenant: w.shop, Role: r, Tier: tenants.Team, User: person()}
	}
	for name, tc := range map[string]struct {
		who      tenants.Scope
		from, to tenants.Role
		want     string
	}{
		"an owner makes an owner":            {owner, tenants.Viewer, tenants.Owner, "ownership.by_offer"},
		"an admin makes an admin":            {as(tenants.Admin), tenants.Viewer, tenants.Admin, ""},
		"an admin makes an owner":            {as(tenants.Admin), tenants.Viewer, tenants.Owner, "role.above_own"},
		"an admin demotes an owner":          {as(tenants.Admin), tenants.Owner, tenants.Viewer, "role.above_own"},
		"an admin gives a custom role":       {as(tenants.Admin), tenants.Viewer, "custom:writer", ""},
		"an admin gives what owners have":    {as(tenants.Admin), tenants.Viewer, "custom:closer", "role.above_own"},
		"a key makes an editor":              {key(tenants.Admin), tenants.Viewer, tenants.Editor, ""},
		"a key makes an admin":               {key(tenants.Owner), tenants.Viewer, tenants.Admin, "role.above_own"},
		"a key demotes an admin":             {key(tenants.Owner), tenants.Admin, tenants.Viewer, "role.above_own"},
		"a steward gives what is theirs":     {as("custom:steward"), "custom:writer", "custom:steward", ""},
		"a steward gives what is not theirs": {as("custom:steward"), "custom:writer", "custom:writer", "role.above_own"},
		"a steward makes a viewer":           {as("custom:steward"), "custom:writer", tenants.Viewer, "role.above_own"},
		"a steward demotes a viewer":         {as("custom:steward"), tenants.Viewer, "custom:steward", "role.above_own"},
		"an editor makes anything":           {as(tenants.Editor), tenants.Viewer, tenants.Viewer, "role.denied"},
		"nobody makes a system":              {owner, tenants.Viewer, tenants.System, "role.unknown"},
		"nobody makes a ghost":               {owner, tenants.Viewer, "custom:ghost", "role.unknown"},
		"nobody makes nothing":               {owner, tenants.Viewer, "", "role.unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := w.AddMember(t.Context(), installation(w.shop), person(), tc.from)
			must(t, err)
			got, err := w.SetRole(t.Context(), tc.who, m.User, tc.to)
			if reason(err) != tc.want {
				t.Fatalf("err = %v, want %q", err, tc.want)
			}
			if err == nil && (got.Role != tc.to || got.GrantedBy != tc.who.Actor()) {
				t.Errorf("member = %+v", got)
			}
			if tc.want == "role.unknown" || strings.Contains(name, "demotes") {
				return
			}
			if _, err := w.AddMember(t.Context(), tc.who, person(), tc.to); reason(err) != tc.want {
				t.Errorf("adding one: %v, want %q", err, tc.want)
			}
		})
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	_, err := w.SetRole(t.Context(), owner, w.owner, tenants.Viewer)
	want(t, fault.Conflict, err)
	want(t, fault.Conflict, w.RemoveMember(t.Context(), owner, w.owner))

	heir, err := w.AddMember(t.Context(), installation(w.shop), person(), tenants.Owner)
	must(t, err)
	must(t, w.RemoveMember(t.Context(), owner, w.owner))
	_, err = w.Resolve(t.Context(), w.owner, w.shop)
	want(t, fault.NotFound, err)
	want(t, fault.Conflict, w.RemoveMember(t.Context(), w.resolve(t, heir.User, w.shop), heir.User))
}

func TestMembers(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	m, err := w.AddMember(t.Context(), owner, person(), tenants.Viewer)
	must(t, err)
	_, err = w.AddMember(t.Context(), owner, m.User, tenants.Editor)
	want(t, fault.Conflict, err)
	_, err = w.AddMember(t.Context(), owner, "bob", tenants.Editor)
	want(t, fault.Invalid, err)
	_, err = w.SetRole(t.Context(), owner, person(), tenants.Editor)
	want(t, fault.NotFound, err)
	want(t, fault.NotFound, w.RemoveMember(t.Context(), owner, person()))
	all, err := w.Members(t.Context(), owner, "", 10)
	if err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	viewer := w.resolve(t, m.User, w.shop)
	want(t, fault.Forbidden, w.RemoveMember(t.Context(), viewer, w.owner))
	must(t, w.RemoveMember(t.Context(), viewer, m.User)) // leaving needs no permission
}

func TestRoles(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	admin := tenants.Scope{Tenant: w.shop, Role: tenants.Admin, Tier: tenants.Team, User: person()}
	for name, tc := range map[string]struct {
		who     tenants.Scope
		slug    string
		title   string
		actions []tenants.Action
		want    string
	}{
		"what an admin has":      {admin, "a", "A", []tenants.Action{"post.create"}, ""},
		"what an owner has":      {admin, "b", "B", []tenants.Action{"post.create", "tenant.suspend"}, "role.above_own"},
		"what nobody knows":      {owner, "c", "C", []tenants.Action{"world.rule"}, "role.above_own"},
		"nothing":                {owner, "d", "D", nil, "role.actions"},
		"a name of its own kind": {owner, "Custom Role", "E", []tenants.Action{"post.create"}, "role.name"},
		"no title":               {owner, "f", " ", []tenants.Action{"post.create"}, "role.title"},
		"the same again":         {admin, "taken", "G", []tenants.Action{"post.create"}, "role.stale"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.slug == "taken" {
				w.role(t, owner, "taken", "post.create")
			}
			if _, err := w.CreateRole(t.Context(), tc.who, tc.slug, tc.title, tc.actions); reason(err) != tc.want {
				t.Errorf("err = %v, want %q", err, tc.want)
			}
		})
	}

	r, err := w.UpdateRole(t.Context(), owner, "a", "A!", []tenants.Action{"tenant.read", "post.create", "tenant.read"}, 1)
	if err != nil || r.Version != 2 || !slices.Equal(r.Actions, []tenants.Action{"post.create", "tenant.read"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	_, err = w.UpdateRole(t.Context(), owner, "a", "A?", []tenants.Action{"tenant.read"}, 1)
	want(t, fault.Conflict, err)
	m, err := w.AddMember(t.Context(), owner, person(), r.As())
	must(t, err)
	want(t, fault.Conflict, w.DeleteRole(t.Context(), owner, "a", ""))
	must(t, w.RemoveMember(t.Context(), owner, m.User))
	must(t, w.DeleteRole(t.Context(), owner, "a", ""))
	want(t, fault.NotFound, w.DeleteRole(t.Context(), owner, "a", ""))
	if all, err := w.Roles(t.Context(), owner); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestATenantHasSoManyRoles(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	for i := range registry.MaxRoles {
		w.role(t, owner, "role-"+string(rune('a'+i/10))+string(rune('0'+i%10)), "tenant.read")
	}
	_, err := w.CreateRole(t.Context(), owner, "one-more", "x", []tenants.Action{"tenant.read"})
	want(t, fault.Quota, err)
}

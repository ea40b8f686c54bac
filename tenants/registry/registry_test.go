package registry_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
	"github.com/carillonhq/carillon/tenants/registry/registrytest"
)

func TestMemoryStore(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) registry.Store { return registrytest.NewStore(t) })
}

func TestResolve(t *testing.T) {
	w := setup(t)
	who := w.resolve(t, w.owner, w.shop)
	if who.Kind != tenants.Workspace || who.Role != tenants.Owner || who.Tier != tenants.Team || who.User != w.owner || who.Authz == 0 {
		t.Errorf("scope = %+v", who)
	}
	for name, tc := range map[string]struct {
		user   tenants.UserID
		tenant tenants.ID
	}{
		"a stranger": {person(), w.shop}, "the operator's owner": {w.root, w.shop}, "nobody": {"", w.shop},
		"no such tenant": {w.owner, tenants.NewID()}, "no tenant": {w.owner, ""}, "not a tenant": {w.owner, "ten_'"},
	} {
		_, err := w.Resolve(t.Context(), tc.user, tc.tenant)
		if f := fault.Of(err); !fault.Is(err, fault.NotFound) || f.Reason != "tenant.not_found" {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}

func TestSuspensionReachesAllBelow(t *testing.T) {
	w := setup(t)
	operator := w.resolve(t, w.root, w.operator)
	must(t, w.Suspend(t.Context(), operator, w.agency, "unpaid"))
	_, err := w.Resolve(t.Context(), w.owner, w.shop)
	if f := fault.Of(err); f == nil || f.Reason != "tenant.suspended" {
		t.Errorf("in a workspace of a suspended agency: %v", err)
	}
	if _, err := w.Standing(t.Context(), w.shop); !fault.Is(err, fault.Forbidden) {
		t.Errorf("for a key: %v", err)
	}
	want(t, fault.NotFound, w.Suspend(t.Context(), operator, w.shop, "")) // a grandchild is no business of ours
	must(t, w.Resume(t.Context(), operator, w.agency))
	w.resolve(t, w.owner, w.shop)
	if _, err := w.Standing(t.Context(), w.shop); err != nil {
		t.Error(err)
	}
}

func TestCreate(t *testing.T) {
	w := setup(t)
	agency, shop := w.resolve(t, w.owner, w.agency), w.resolve(t, w.owner, w.shop)
	keyed := agency
	keyed.User, keyed.Key = "", "key_1"
	small := agency
	small.Tier = tenants.Pro
	viewer := agency
	viewer.Role = tenants.Viewer
	for name, tc := range map[string]struct {
		who   tenants.Scope
		draft registry.Draft
		want  string
	}{
		"a workspace":             {agency, registry.Draft{Kind: tenants.Workspace, Name: "Shop"}, ""},
		"with a plan of its own":  {agency, registry.Draft{Kind: tenants.Workspace, Name: "Shop", Tier: tenants.Pro}, ""},
		"with a bigger plan":      {small, registry.Draft{Kind: tenants.Workspace, Name: "Shop", Tier: tenants.Team}, "tenant.tier"},
		"an agency in an agency":  {agency, registry.Draft{Kind: tenants.Agency, Name: "Shop"}, "tenant.kind"},
		"below a workspace":       {shop, registry.Draft{Kind: tenants.Workspace, Name: "Shop"}, "tenant.kind"},
		"by a machine":            {keyed, registry.Draft{Kind: tenants.Workspace, Name: "Shop"}, "tenant.needs_owner"},
		"without a name":          {agency, registry.Draft{Kind: tenants.Workspace}, "tenant.name"},
		"with a newline":          {agency, registry.Draft{Kind: tenants.Workspace, Name: "a\nb"}, "tenant.name"},
		"with an endless name":    {agency, registry.Draft{Kind: tenants.Workspace, Name: strings.Repeat("ü", 121)}, "tenant.name"},
		"with a plan of nobody's": {agency, registry.Draft{Kind: tenants.Workspace, Name: "x", Tier: "gold"}, "tenant.tier"},
		"in no time zone":         {agency, registry.Draft{Kind: tenants.Workspace, Name: "x", Settings: registry.Settings{TimeZone: "../etc/passwd"}}, "tenant.time_zone"},
		"in no language":          {agency, registry.Draft{Kind: tenants.Workspace, Name: "x", Settings: registry.Settings{Locale: "pt_PT"}}, "tenant.locale"},
		"by a viewer":             {viewer, registry.Draft{Kind: tenants.Workspace, Name: "x"}, "role.denied"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.Create(t.Context(), tc.who, tc.draft)
			if reason(err) != tc.want {
				t.Fatalf("err = %v, want %s", err, tc.want)
			}
			if err == nil {
				if who := w.resolve(t, w.owner, got.ID); who.Role != tenants.Owner {
					t.Errorf("its creator is %s", who.Role)
				}
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	w := setup(t)
	who := w.resolve(t, w.owner, w.shop)
	name := "Renamed"
	got, err := w.Update(t.Context(), who, registry.Change{Name: &name, Settings: &registry.Settings{TimeZone: "Asia/Tokyo", Locale: "ja"}})
	if err != nil || got.Name != name || got.Settings.TimeZone != "Asia/Tokyo" || got.Version != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = w.Update(t.Context(), who, registry.Change{Name: &name, Version: 1})
	want(t, fault.Conflict, err)
	if got, err = w.Pause(t.Context(), who, "holiday"); err != nil || !got.Paused {
		t.Fatalf("%+v, %v", got, err)
	}
	if st, err := w.Standing(t.Context(), w.shop); err != nil || !st.Paused {
		t.Errorf("%+v, %v", st, err)
	}
	if got, err = w.Unpause(t.Context(), who); err != nil || got.Paused || got.PausedReason != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = w.Get(t.Context(), who); err != nil || got.Name != name {
		t.Errorf("%+v, %v", got, err)
	}
}

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
		"an owner makes an owner":            {owner, tenants.Viewer, tenants.Owner, ""},
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
			m, err := w.AddMember(t.Context(), owner, person(), tc.from)
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

	heir, err := w.AddMember(t.Context(), owner, person(), tenants.Owner)
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
		"the same again":         {admin, "taken", "G", []tenants.Action{"post.create"}, "stale"},
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
	want(t, fault.Conflict, w.DeleteRole(t.Context(), owner, "a"))
	must(t, w.RemoveMember(t.Context(), owner, m.User))
	must(t, w.DeleteRole(t.Context(), owner, "a"))
	want(t, fault.NotFound, w.DeleteRole(t.Context(), owner, "a"))
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

func TestBootstrapIsDoneOnce(t *testing.T) {
	s := registry.New(new(registrytest.Store), rules{}, time.Now)
	first, err := s.Bootstrap(t.Context(), person(), "Carillon")
	must(t, err)
	second, err := s.Bootstrap(t.Context(), person(), "Carillon")
	if err != nil || first != second {
		t.Errorf("%s and %s, %v", first, second, err)
	}
}

func TestWhoSignsUpFoundsAnAgency(t *testing.T) {
	w := setup(t)
	user := person()
	agency, err := w.Found(t.Context(), user, "Mine")
	must(t, err)
	who := w.resolve(t, user, agency.ID)
	if who.Role != tenants.Owner || who.Tier != tenants.Free || who.Kind != tenants.Agency {
		t.Errorf("scope = %+v", who)
	}
	mine, err := w.Mine(t.Context(), user)
	if err != nil || len(mine) != 1 || mine[0].ID != agency.ID {
		t.Errorf("%+v, %v", mine, err)
	}
	_, err = w.Found(t.Context(), "", "Mine")
	want(t, fault.Unauthenticated, err)
}

// world is an operator, an agency under it and a workspace under that. owner
// owns the latter two, root the operator.
type world struct {
	*registry.Service
	operator, agency, shop tenants.ID
	root, owner            tenants.UserID
}

func setup(t *testing.T) world {
	t.Helper()
	store := new(registrytest.Store)
	w := world{Service: registry.New(store, rules{store}, time.Now), root: person(), owner: person()}
	var err error
	w.operator, err = w.Bootstrap(t.Context(), w.root, "Carillon")
	must(t, err)
	owner := registry.Member{User: w.owner, Role: tenants.Owner, GrantedBy: "system"}
	for _, n := range []struct {
		id     *tenants.ID
		parent *tenants.ID
		kind   tenants.Kind
	}{{&w.agency, &w.operator, tenants.Agency}, {&w.shop, &w.agency, tenants.Workspace}} {
		child := &registry.Tenant{ID: tenants.NewID(), Parent: *n.parent, Kind: n.kind, Name: string(n.kind), State: registry.Active}
		must(t, store.Create(t.Context(), child, owner))
		*n.id = child.ID
	}
	return w
}

func (w world) resolve(t *testing.T, user tenants.UserID, tenant tenants.ID) tenants.Scope {
	t.Helper()
	who, err := w.Resolve(t.Context(), user, tenant)
	must(t, err)
	return who
}

func (w world) role(t *testing.T, who tenants.Scope, name string, actions ...tenants.Action) {
	t.Helper()
	_, err := w.CreateRole(t.Context(), who, name, name, actions)
	must(t, err)
}

// rules is an authorizer small enough to see through: owners may do all there
// is, admins all but suspend, viewers read, custom roles what they say.
type rules struct{ store registry.Store }

var known = []tenants.Action{
	"tenant.read", "member.read", "post.create", "tenant.update", "tenant.create_child",
	"tenant.pause", "member.manage", "role.manage", "tenant.suspend",
}

func (r rules) Allow(ctx context.Context, who tenants.Scope, act tenants.Action) error {
	var may []tenants.Action
	switch who.Role {
	case tenants.Owner:
		may = known
	case tenants.Admin:
		may = known[:len(known)-1]
	case tenants.Editor, tenants.Viewer:
		may = known[:1]
	default:
		roles, err := registry.CustomRoles(ctx, r.store, who.Tenant)
		if err != nil {
			return err
		}
		may = roles[who.Role]
	}
	if !slices.Contains(may, act) {
		return fault.New(fault.Forbidden, "role.denied", "No.")
	}
	return nil
}

func person() tenants.UserID { return tenants.UserID(id.New("usr")) }

func reason(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Reason
}

func want(t *testing.T, code fault.Code, err error) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("err = %v, want %s", err, code)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

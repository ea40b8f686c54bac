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
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
	"github.com/carillonhq/carillon/tenants/registry/registrytest"
)

func TestMemoryStore(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) registrytest.Tree { return registrytest.NewStore(t) })
}

func TestMemoryStoreTells(t *testing.T) {
	s := registrytest.NewStore(t)
	registrytest.Tells(t, s, func(ctx context.Context, tenant tenants.ID) (heard []string, err error) {
		told, err := s.Told(ctx, tenant)
		for _, e := range told {
			heard = append(heard, e.Type+" "+e.Subject)
		}
		return heard, err
	})
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
	store                  *registrytest.Store
	clock                  *time.Time
	operator, agency, shop tenants.ID
	root, owner            tenants.UserID
}

func setup(t *testing.T) world {
	t.Helper()
	store := new(registrytest.Store)
	clock := time.Now()
	w := world{Service: registry.New(store, rules{store}, func() time.Time { return clock }), store: store, clock: &clock, root: person(), owner: person()}
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
		must(t, store.Create(t.Context(), child, owner, audit.Of("system", "test", "")))
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
	"tenant.pause", "member.manage", "role.manage", "access.read", "access.request", "tenant.suspend", "tenant.transfer", "access.grant",
}

func (r rules) Allow(ctx context.Context, who tenants.Scope, act tenants.Action) error {
	var may []tenants.Action
	switch who.Role {
	case tenants.Owner:
		may = known
	case tenants.Admin:
		may = known[:len(known)-3]
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

// installation is the command line beside the database.
func installation(tenant tenants.ID) tenants.Scope {
	return tenants.Scope{Tenant: tenant, Role: tenants.Owner, Tier: tenants.Team}
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

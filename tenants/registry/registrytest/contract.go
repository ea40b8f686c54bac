package registrytest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

// done is an entry for what a test does.
var done = audit.Of("system", "test", "")

// Run is the contract of a registry.Store. open returns a store that has an
// operator, and may return the same one each time.
func Run(t *testing.T, open func(*testing.T) Tree) {
	for name, test := range map[string]func(*testing.T, world){
		"a child knows its way to the root":       childKnowsItsPath,
		"nothing is created below nothing":        noOrphans,
		"there is one operator":                   oneOperator,
		"tier and state come from above":          standingFromAbove,
		"a stranger has no role":                  strangerHasNoRole,
		"suspending is for the direct parent":     onlyTheParentSuspends,
		"a parent lists its direct children":      listsChildren,
		"people find their tenants":               findsMine,
		"members come and go":                     membersComeAndGo,
		"roles come and go":                       rolesComeAndGo,
		"a tenant sees nothing of another":        tenantsAreApart,
		"every update moves the authz version":    updatesMoveAuthz,
		"an update that fails leaves no trace":    failedUpdateLeavesNothing,
		"a stale save is refused":                 staleSaves,
		"saving a tenant leaves its place alone":  savingKeepsThePlace,
		"updates of one tenant take turns":        updatesTakeTurns,
		"what breaks an invariant is not written": invariantsHold,
		"a role counts in the workspaces below":   rolesReachDown,
		"a role goes everywhere it was given":     rolesGoEverywhere,
		"invitations come and go":                 invitationsComeAndGo,
		"an address has one open invitation":      oneOpenInvitation,
		"one offer of ownership waits":            oneOfferWaits,
		"a grant lets the parent's people in":     grantsLetIn,
		"a parent asks its child":                 parentsAsk,
		"what is closed from higher up stays so":  higherSuspensionsStand,
		"the suspended learn whom to ask":         closuresSayWhomToAsk,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			root, err := s.Operator(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w := world{Tree: s, root: root}
			w.agency = w.child(t, root, tenants.Agency, tenants.Pro)
			w.us, w.them = w.child(t, w.agency.ID, tenants.Workspace, ""), w.child(t, w.agency.ID, tenants.Workspace, "")
			test(t, w)
		})
	}
}

// NewStore returns a Store with an operator.
func NewStore(t testing.TB) *Store {
	t.Helper()
	s := new(Store)
	op := &registry.Tenant{ID: tenants.NewID(), Kind: tenants.Operator, Name: "Operator", Tier: tenants.Team, State: registry.Active}
	if err := s.Create(t.Context(), op, registry.Member{User: person(), Role: tenants.Owner, GrantedBy: "system"}, done); err != nil {
		t.Fatal(err)
	}
	return s
}

type world struct {
	Tree
	root             tenants.ID
	agency, us, them registered
}

type registered struct {
	*registry.Tenant
	owner tenants.UserID
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func person() tenants.UserID { return tenants.UserID(id.New("usr")) }

func (w world) child(t *testing.T, parent tenants.ID, kind tenants.Kind, tier tenants.Tier) registered {
	t.Helper()
	c := registered{&registry.Tenant{
		ID: tenants.NewID(), Parent: parent, Kind: kind, Name: "A " + string(kind), Tier: tier, State: registry.Active,
		Settings: registry.Settings{TimeZone: "Europe/Lisbon"}, CreatedAt: noon, UpdatedAt: noon,
	}, person()}
	owner := registry.Member{User: c.owner, Role: tenants.Owner, GrantedBy: "system", CreatedAt: noon, UpdatedAt: noon}
	if err := w.Create(t.Context(), c.Tenant, owner, done); err != nil {
		t.Fatal(err)
	}
	return c
}

func (w world) update(t *testing.T, tenant tenants.ID, fn func(context.Context, registry.Tx) error) {
	t.Helper()
	must(t, w.Update(t.Context(), tenant, func(tx registry.Tx) error { return fn(t.Context(), tx) }))
}

func (w world) standing(t *testing.T, tenant tenants.ID, user tenants.UserID) registry.Standing {
	t.Helper()
	st, err := w.Standing(t.Context(), tenant, user)
	must(t, err)
	return st
}

func childKnowsItsPath(t *testing.T, w world) {
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		got, err := tx.Tenant(t.Context())
		if err != nil {
			return err
		}
		if got.ID != w.us.ID || !slices.Equal(got.Ancestors, []tenants.ID{w.root, w.agency.ID, w.us.ID}) || got.Parent != w.agency.ID ||
			got.Kind != tenants.Workspace || got.Settings.TimeZone != "Europe/Lisbon" || got.Version != 1 || got.Authz != 1 ||
			got.State != registry.Active || got.Tier != "" || !got.CreatedAt.Equal(noon) {
			t.Errorf("tenant = %+v", got)
		}
		return nil
	}))
}

func noOrphans(t *testing.T, w world) {
	orphan := &registry.Tenant{ID: tenants.NewID(), Parent: tenants.NewID(), Kind: tenants.Workspace, Name: "x", State: registry.Active}
	want(t, fault.NotFound, w.Create(t.Context(), orphan, registry.Member{User: person(), Role: tenants.Owner}, done))
	must(t, w.SetState(t.Context(), w.root, w.agency.ID, registry.Suspended, "", done))
	late := &registry.Tenant{ID: tenants.NewID(), Parent: w.us.ID, Kind: tenants.Workspace, Name: "x", State: registry.Active}
	want(t, fault.Conflict, w.Create(t.Context(), late, registry.Member{User: person(), Role: tenants.Owner}, done))
	_, err := w.Standing(t.Context(), late.ID, "")
	want(t, fault.NotFound, err)
}

func oneOperator(t *testing.T, w world) {
	second := &registry.Tenant{ID: tenants.NewID(), Kind: tenants.Operator, Name: "x", Tier: tenants.Team, State: registry.Active}
	want(t, fault.Conflict, w.Create(t.Context(), second, registry.Member{User: person(), Role: tenants.Owner}, done))
}

func standingFromAbove(t *testing.T, w world) {
	if st := w.standing(t, w.us.ID, w.us.owner); st.Tier != tenants.Pro || st.Suspended || st.Paused || st.Role != tenants.Owner || st.Kind != tenants.Workspace {
		t.Errorf("standing = %+v", st)
	}
	must(t, w.SetState(t.Context(), w.root, w.agency.ID, registry.Suspended, "unpaid", done))
	w.update(t, w.agency.ID, func(ctx context.Context, tx registry.Tx) error {
		a, err := tx.Tenant(ctx)
		if err != nil {
			return err
		}
		a.Paused = true
		return tx.SaveTenant(ctx, a)
	})
	if st := w.standing(t, w.us.ID, ""); !st.Suspended || !st.Paused {
		t.Errorf("below a suspended tenant: %+v", st)
	}
	must(t, w.SetState(t.Context(), w.root, w.agency.ID, registry.Active, "", done))
	if st := w.standing(t, w.us.ID, ""); st.Suspended {
		t.Errorf("after it was resumed: %+v", st)
	}
}

func strangerHasNoRole(t *testing.T, w world) {
	for name, user := range map[string]tenants.UserID{"nobody": "", "a sibling's owner": w.them.owner, "the parent's owner": w.agency.owner} {
		if st := w.standing(t, w.us.ID, user); st.Role != "" {
			t.Errorf("%s is %s here", name, st.Role)
		}
	}
	_, err := w.Standing(t.Context(), tenants.NewID(), w.us.owner)
	want(t, fault.NotFound, err)
}

func onlyTheParentSuspends(t *testing.T, w world) {
	for name, parent := range map[string]tenants.ID{"itself": w.us.ID, "a sibling": w.them.ID, "a grandparent": w.root, "nobody": ""} {
		if err := w.SetState(t.Context(), parent, w.us.ID, registry.Suspended, "", done); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	before := w.standing(t, w.us.ID, "").Authz
	must(t, w.SetState(t.Context(), w.agency.ID, w.us.ID, registry.Suspended, "", done))
	if st := w.standing(t, w.us.ID, ""); !st.Suspended || st.Authz == before {
		t.Errorf("standing = %+v", st)
	}
	if st := w.standing(t, w.them.ID, ""); st.Suspended {
		t.Error("a sibling went with it")
	}
}

func listsChildren(t *testing.T, w world) {
	all, err := w.Children(t.Context(), w.agency.ID, "", 10)
	must(t, err)
	if len(all) != 2 || all[0].ID != w.us.ID || all[0].Name != w.us.Name || all[0].Kind != tenants.Workspace || all[0].State != registry.Active {
		t.Fatalf("children = %+v", all)
	}
	rest, err := w.Children(t.Context(), w.agency.ID, all[0].ID, 10)
	must(t, err)
	first, err := w.Children(t.Context(), w.agency.ID, "", 1)
	must(t, err)
	if len(rest) != 1 || rest[0] != all[1] || len(first) != 1 || first[0] != all[0] {
		t.Errorf("pages = %+v, %+v", first, rest)
	}
}

func findsMine(t *testing.T, w world) {
	user := person()
	for _, tenant := range []tenants.ID{w.us.ID, w.agency.ID} {
		w.update(t, tenant, func(ctx context.Context, tx registry.Tx) error {
			return tx.SaveMember(ctx, &registry.Member{User: user, Role: tenants.Editor, GrantedBy: "system"})
		})
	}
	must(t, w.SetState(t.Context(), w.root, w.agency.ID, registry.Suspended, "", done))
	got, err := w.Mine(t.Context(), user)
	must(t, err)
	if len(got) != 2 || got[0].ID != w.agency.ID || got[1].ID != w.us.ID || got[1].Parent != w.agency.ID ||
		got[1].Role != tenants.Editor || got[1].State != registry.Suspended {
		t.Errorf("mine = %+v", got)
	}
	if path := []tenants.ID{w.root, w.agency.ID, w.us.ID}; len(got) == 2 && (!slices.Equal(got[1].Path, path) || !slices.Equal(got[0].Path, path[:2])) {
		t.Errorf("mine are at %v and %v, want %v", got[0].Path, got[1].Path, path)
	}
	none, err := w.Mine(t.Context(), person())
	if err != nil || len(none) != 0 {
		t.Errorf("a stranger's = %+v, %v", none, err)
	}
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

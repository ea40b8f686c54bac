package registry_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

func TestOwnershipIsOfferedAndAccepted(t *testing.T) {
	for keeps, becomes := range map[tenants.Role]tenants.Role{tenants.Admin: tenants.Admin, tenants.Owner: tenants.Owner, registry.Gone: ""} {
		t.Run(string(keeps), func(t *testing.T) {
			w := setup(t)
			owner := w.resolve(t, w.owner, w.shop)
			heir, err := w.AddMember(t.Context(), owner, person(), tenants.Viewer)
			must(t, err)
			bystander, err := w.AddMember(t.Context(), owner, person(), tenants.Admin)
			must(t, err)
			_, err = w.OfferOwnership(t.Context(), owner, heir.User, keeps)
			must(t, err)
			who, other := w.resolve(t, heir.User, w.shop), w.resolve(t, bystander.User, w.shop)
			_, err = w.Ownership(t.Context(), other)
			want(t, fault.NotFound, err)
			want(t, fault.NotFound, w.AcceptOwnership(t.Context(), other))
			want(t, fault.NotFound, w.AcceptOwnership(t.Context(), owner))
			want(t, fault.NotFound, w.EndOffer(t.Context(), other))
			if o, err := w.Ownership(t.Context(), who); err != nil || o.To != heir.User || o.From != w.owner {
				t.Errorf("%+v, %v", o, err)
			}
			must(t, w.AcceptOwnership(t.Context(), who))
			if is := w.resolve(t, heir.User, w.shop); is.Role != tenants.Owner {
				t.Errorf("the heir is %s", is.Role)
			}
			if was, err := w.Resolve(t.Context(), w.owner, w.shop); was.Role != becomes {
				t.Errorf("the former owner is %q, %v", was.Role, err)
			}
			want(t, fault.NotFound, w.AcceptOwnership(t.Context(), w.resolve(t, heir.User, w.shop))) // once
		})
	}
}

func TestOffersEnd(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	heir, err := w.AddMember(t.Context(), owner, person(), tenants.Viewer)
	must(t, err)
	who := w.resolve(t, heir.User, w.shop)
	offer := func() {
		t.Helper()
		_, err := w.OfferOwnership(t.Context(), owner, heir.User, tenants.Admin)
		must(t, err)
	}
	offer()
	must(t, w.EndOffer(t.Context(), who)) // declined
	want(t, fault.NotFound, w.AcceptOwnership(t.Context(), who))
	offer()
	must(t, w.EndOffer(t.Context(), owner)) // taken back
	want(t, fault.NotFound, w.AcceptOwnership(t.Context(), who))
	offer()
	*w.clock = w.clock.Add(registry.OfferTTL)
	want(t, fault.NotFound, w.AcceptOwnership(t.Context(), who))
	offer()
	second, err := w.AddMember(t.Context(), installation(w.shop), person(), tenants.Owner)
	must(t, err)
	_, err = w.SetRole(t.Context(), w.resolve(t, second.User, w.shop), w.owner, tenants.Editor)
	must(t, err)
	want(t, fault.Conflict, w.AcceptOwnership(t.Context(), who)) // who offered it owns it no more

	boss := w.resolve(t, second.User, w.shop)
	keyed, byGrant := boss, boss
	keyed.Key, byGrant.Grant = "key_1", "acg_1"
	for name, tc := range map[string]struct {
		who   tenants.Scope
		to    tenants.UserID
		keeps tenants.Role
		code  fault.Code
	}{
		"by a key": {keyed, heir.User, tenants.Admin, fault.Forbidden}, "by grant": {byGrant, heir.User, tenants.Admin, fault.Forbidden},
		"by an editor": {w.resolve(t, w.owner, w.shop), heir.User, tenants.Admin, fault.Forbidden},
		"to oneself":   {boss, boss.User, tenants.Admin, fault.Invalid}, "to a stranger": {boss, person(), tenants.Admin, fault.NotFound},
		"to keep nothing known": {boss, heir.User, "custom:x", fault.Invalid},
	} {
		_, err := w.OfferOwnership(t.Context(), tc.who, tc.to, tc.keeps)
		if !fault.Is(err, tc.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLeaving(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	m, err := w.AddMember(t.Context(), owner, person(), tenants.Client)
	must(t, err)
	must(t, w.Suspend(t.Context(), w.resolve(t, w.root, w.operator), w.agency, ""))
	must(t, w.Leave(t.Context(), m.User, w.shop)) // nobody is held in a suspended one
	want(t, fault.Conflict, w.Leave(t.Context(), w.owner, w.shop))
	for name, tenant := range map[string]tenants.ID{"gone": w.shop, "nothing": tenants.NewID(), "no name": "x"} {
		if err := w.Leave(t.Context(), m.User, tenant); reason(err) != "tenant.not_found" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWorkspacesAreGiven(t *testing.T) {
	w := setup(t)
	agency := w.resolve(t, w.owner, w.agency)
	second, err := w.Create(t.Context(), agency, registry.Draft{Kind: tenants.Workspace, Name: "Second"})
	must(t, err)
	foreign := &registry.Tenant{ID: tenants.NewID(), Parent: w.agency, Kind: tenants.Workspace, Name: "Third", State: registry.Active}
	must(t, w.store.Create(t.Context(), foreign, registry.Member{User: person(), Role: tenants.Owner}, audit.Of("system", "test", "")))
	_, err = w.CreateRole(t.Context(), agency, "writer", "Writer", []tenants.Action{"post.create"})
	must(t, err)
	ann, err := w.AddMember(t.Context(), agency, person(), tenants.Viewer)
	must(t, err)
	if _, err := w.Resolve(t.Context(), ann.User, w.shop); !fault.Is(err, fault.NotFound) {
		t.Errorf("a member of the agency in its workspace: %v", err)
	}
	got, err := w.GiveWorkspaces(t.Context(), agency, ann.User, []registry.Seat{
		{Tenant: w.shop, Role: "custom:writer"}, {Tenant: second.ID, Role: tenants.Editor}, {Tenant: foreign.ID, Role: tenants.Editor},
		{Tenant: tenants.NewID(), Role: tenants.Editor}, {Tenant: w.agency, Role: tenants.Admin},
	})
	must(t, err)
	for i, want := range []string{"", "", "tenant.not_found", "tenant.not_found", "tenant.not_found"} {
		if reason(got[i].Err) != want {
			t.Errorf("%d: %v, want %q", i, got[i].Err, want)
		}
	}
	if who := w.resolve(t, ann.User, w.shop); who.Role != "custom:writer" {
		t.Errorf("scope = %+v", who)
	}
	again, err := w.GiveWorkspaces(t.Context(), agency, ann.User, []registry.Seat{{Tenant: second.ID, Role: tenants.Viewer}})
	if err != nil || again[0].Err != nil || w.resolve(t, ann.User, second.ID).Role != tenants.Viewer {
		t.Errorf("%+v, %v", again, err)
	}
	places, err := w.Workspaces(t.Context(), agency, ann.User)
	if err != nil || len(places) != 2 {
		t.Errorf("%+v, %v", places, err)
	}
	keyed := agency
	keyed.Key = "key_1"
	for name, tc := range map[string]struct {
		who  tenants.Scope
		user tenants.UserID
		to   []registry.Seat
		code fault.Code
	}{
		"by a key":    {keyed, ann.User, []registry.Seat{{Tenant: w.shop, Role: tenants.Viewer}}, fault.Forbidden},
		"a stranger":  {agency, person(), []registry.Seat{{Tenant: w.shop, Role: tenants.Viewer}}, fault.NotFound},
		"nothing":     {agency, ann.User, nil, fault.Invalid},
		"twice":       {agency, ann.User, []registry.Seat{{Tenant: w.shop, Role: tenants.Viewer}, {Tenant: w.shop, Role: tenants.Editor}}, fault.Invalid},
		"by a viewer": {w.resolve(t, ann.User, w.agency), ann.User, []registry.Seat{{Tenant: w.shop, Role: tenants.Viewer}}, fault.Forbidden},
	} {
		if _, err := w.GiveWorkspaces(t.Context(), tc.who, tc.user, tc.to); !fault.Is(err, tc.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAgencysRolesAreGoodInItsWorkspaces(t *testing.T) {
	w := setup(t)
	agency, shop := w.resolve(t, w.owner, w.agency), w.resolve(t, w.owner, w.shop)
	w.role(t, agency, "writer", "post.create")
	_, err := w.CreateRole(t.Context(), shop, "writer", "Writer", []tenants.Action{"post.create"})
	want(t, fault.Conflict, err)
	_, err = w.UpdateRole(t.Context(), shop, "writer", "W", []tenants.Action{"post.create"}, 0)
	want(t, fault.NotFound, err)
	want(t, fault.NotFound, w.DeleteRole(t.Context(), shop, "writer", tenants.Viewer))
	ann, err := w.AddMember(t.Context(), shop, person(), "custom:writer")
	must(t, err)
	all, err := w.Roles(t.Context(), shop)
	if err != nil || len(all) != 1 || !all[0].Inherited {
		t.Errorf("%+v, %v", all, err)
	}
	want(t, fault.Conflict, w.DeleteRole(t.Context(), agency, "writer", ""))
	want(t, fault.Invalid, w.DeleteRole(t.Context(), agency, "writer", "custom:writer"))
	want(t, fault.Invalid, w.DeleteRole(t.Context(), agency, "writer", "custom:ghost"))
	want(t, fault.Conflict, w.DeleteRole(t.Context(), agency, "writer", tenants.Owner))
	must(t, w.DeleteRole(t.Context(), agency, "writer", tenants.Editor))
	if who := w.resolve(t, ann.User, w.shop); who.Role != tenants.Editor {
		t.Errorf("scope = %+v", who)
	}
}

func TestAccessIsGranted(t *testing.T) {
	w := setup(t)
	shop, agency := w.resolve(t, w.owner, w.shop), w.resolve(t, w.owner, w.agency)
	client := person()
	_, err := w.AddMember(t.Context(), installation(w.shop), client, tenants.Owner)
	must(t, err)
	must(t, w.Leave(t.Context(), w.owner, w.shop)) // it is the client's own from now on
	shop.User = client
	staff := map[tenants.Role]tenants.UserID{}
	w.role(t, agency, "helper", "post.create")
	for _, r := range []tenants.Role{tenants.Admin, tenants.Viewer, "custom:helper"} {
		m, err := w.AddMember(t.Context(), agency, person(), r)
		must(t, err)
		staff[r] = m.User
	}
	enters := func(user tenants.UserID) string {
		who, err := w.Resolve(t.Context(), user, w.shop)
		if err != nil {
			return reason(err)
		}
		if who.Grant == "" {
			t.Errorf("%+v does not say by which grant", who)
		}
		return string(who.Role)
	}
	expect := func(when string, owner, admin, viewer, custom string) {
		t.Helper()
		for user, want := range map[tenants.UserID]string{w.owner: owner, staff[tenants.Admin]: admin, staff[tenants.Viewer]: viewer, staff["custom:helper"]: custom, w.root: "tenant.not_found"} {
			if got := enters(user); got != want {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
	}
	none := "tenant.not_found"
	expect("before", none, none, none, none)

	draft := registry.AccessDraft{Role: tenants.Manager, Reason: "Moving the channels", Hours: 2}
	asked, err := w.RequestAccess(t.Context(), agency, w.shop, draft)
	must(t, err)
	expect("asked", none, none, none, none)
	got, err := w.ApproveAccess(t.Context(), shop, asked.ID)
	if err != nil || got.DecidedBy != client || !got.Until.Equal(w.clock.Add(2*time.Hour)) {
		t.Fatalf("%+v, %v", got, err)
	}
	expect("granted", "manager", "manager", "viewer", none)
	list, err := w.Received(t.Context(), agency, "", 10)
	if err != nil || len(list) != 1 || list[0].State != registry.AccessGranted || list[0].Child.ID != w.shop {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = w.RevokeAccess(t.Context(), shop, asked.ID)
	must(t, err)
	expect("revoked", none, none, none, none)
	_, err = w.RevokeAccess(t.Context(), shop, asked.ID)
	want(t, fault.Conflict, err)

	second, err := w.RequestAccess(t.Context(), agency, w.shop, draft)
	must(t, err)
	_, err = w.DeclineAccess(t.Context(), shop, second.ID)
	must(t, err)
	expect("declined", none, none, none, none)
	*w.clock = w.clock.Add(time.Millisecond) // names sort by time
	given, err := w.GrantAccess(t.Context(), shop, draft)
	must(t, err)
	expect("given unasked", "manager", "manager", "viewer", none)
	*w.clock = w.clock.Add(3 * time.Hour)
	all, err := w.Accesses(t.Context(), shop, "", 10)
	if err != nil || len(all) != 3 || all[0].ID != given.ID || all[0].State != registry.AccessEnded {
		t.Errorf("%+v, %v", all, err)
	}
	_, err = w.RevokeAccess(t.Context(), shop, given.ID)
	want(t, fault.Conflict, err) // it has ended by itself
}

func TestAccessIsRefused(t *testing.T) {
	w := setup(t)
	shop, agency := w.resolve(t, w.owner, w.shop), w.resolve(t, w.owner, w.agency)
	admin, keyed, byGrant := shop, shop, shop
	admin.Role, keyed.Key, byGrant.Grant = tenants.Admin, "key_1", "acg_1"
	draft := registry.AccessDraft{Role: tenants.Viewer, Reason: "Help", Hours: 1}
	with := func(role tenants.Role, reason string, hours int) registry.AccessDraft {
		return registry.AccessDraft{Role: role, Reason: reason, Hours: hours}
	}
	for name, tc := range map[string]struct {
		who   tenants.Scope
		draft registry.AccessDraft
		code  fault.Code
	}{
		"by an admin": {admin, draft, fault.Forbidden}, "by a key": {keyed, draft, fault.Forbidden}, "by grant": {byGrant, draft, fault.Forbidden},
		"to be an admin": {shop, with(tenants.Admin, "x", 1), fault.Invalid}, "a custom role": {shop, with("custom:x", "x", 1), fault.Invalid},
		"without a reason": {shop, with(tenants.Viewer, " ", 1), fault.Invalid}, "for no time": {shop, with(tenants.Viewer, "x", 0), fault.Invalid},
		"for ever": {shop, with(tenants.Viewer, "x", registry.MaxAccessHours+1), fault.Invalid}, "of the root": {w.resolve(t, w.root, w.operator), draft, fault.Conflict},
	} {
		if _, err := w.GrantAccess(t.Context(), tc.who, tc.draft); !fault.Is(err, tc.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, child := range map[string]tenants.ID{"nothing": tenants.NewID(), "itself": w.agency, "above": w.operator} {
		if _, err := w.RequestAccess(t.Context(), agency, child, draft); reason(err) != "tenant.not_found" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := w.RequestAccess(t.Context(), w.resolve(t, w.root, w.operator), w.shop, draft)
	want(t, fault.NotFound, err) // a grandchild
	_, err = w.RequestAccess(t.Context(), agency, w.shop, draft)
	must(t, err)
	_, err = w.RequestAccess(t.Context(), agency, w.shop, draft)
	want(t, fault.Conflict, err)
	_, err = w.ApproveAccess(t.Context(), shop, "acg_none")
	want(t, fault.NotFound, err)
}

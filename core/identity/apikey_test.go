package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func keyPrincipal() identity.Principal {
	return identity.Principal{User: "usr_1", Scope: &tenants.Scope{Tenant: tenants.NewID()}}
}

// admin makes a member who may make keys.
func (w *world) admin() tenants.Scope {
	who := tenants.Scope{Tenant: tenants.NewID(), User: tenants.UserID(id.New("usr")), Role: tenants.Admin, Tier: tenants.Pro, Kind: tenants.Workspace}
	w.members[who.User] = who
	return who
}

func (w *world) key(t *testing.T, who tenants.Scope, n identity.NewKey) *identity.IssuedKey {
	t.Helper()
	key, err := w.keys.Create(t.Context(), who, n)
	must(t, err)
	return key
}

func ci() identity.NewKey {
	return identity.NewKey{Name: " CI ", Scopes: []tenants.Action{"post.read", "post.create", "post.read"}}
}

func TestAKeyActsForItsMaker(t *testing.T) {
	w := newWorld()
	who := w.admin()
	key := w.key(t, who, ci())
	if !strings.HasPrefix(key.Secret.Reveal(), key.Prefix()) || !strings.HasPrefix(key.Prefix(), "car_live_") {
		t.Errorf("prefix %s", key.Prefix())
	}
	p, err := w.Authenticate(t.Context(), key.Secret.Reveal())
	must(t, err)
	scope := who
	scope.Key, scope.Granted = string(key.ID), []tenants.Action{"post.create", "post.read"}
	if diff := cmp.Diff(identity.Principal{User: who.User, Scope: &scope, APIVersion: "2026-11-01"}, p); diff != "" {
		t.Error(diff)
	}
	list, err := w.keys.List(t.Context(), who)
	must(t, err)
	if len(list) != 1 || list[0].Name != "CI" || strings.Contains(fmt.Sprintf("%+v", list), key.Secret.Reveal()) {
		t.Errorf("%+v", list)
	}
}

// What ends or shrinks a key, each within one call.
func TestAKeyIsNoBetterThanItsMaker(t *testing.T) {
	demote := func(w *world, who tenants.Scope) {
		who.Role = tenants.Viewer
		w.members[who.User] = who
	}
	w := newWorld()
	who := w.admin()
	key := w.key(t, who, ci())
	demote(w, who)
	p, err := w.Authenticate(t.Context(), key.Secret.Reveal())
	if err != nil || p.Scope.Role != tenants.Viewer {
		t.Errorf("demoted: %+v, %v", p, err)
	}
	delete(w.members, who.User)
	_, err = w.Authenticate(t.Context(), key.Secret.Reveal())
	want(t, "its maker left", err, fault.Unauthenticated, "key.invalid")
}

func TestAKeyEnds(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.admin()
	n := ci()
	n.ExpiresAt = w.clock.Add(time.Hour)
	brief, revoked := w.key(t, who, n), w.key(t, who, ci())
	must(t, w.keys.Revoke(ctx, who, revoked.ID))
	must(t, w.keys.Revoke(ctx, who, revoked.ID)) // again is harmless
	_, err := w.Authenticate(ctx, revoked.Secret.Reveal())
	want(t, "revoked", err, fault.Unauthenticated, "key.invalid")
	_, err = w.Authenticate(ctx, brief.Secret.Reveal())
	must(t, err)
	w.pass(time.Hour)
	_, err = w.Authenticate(ctx, brief.Secret.Reveal())
	want(t, "expired", err, fault.Unauthenticated, "key.invalid")
	wrong := []byte(brief.Secret.Reveal())
	wrong[len(wrong)-2] ^= 1
	_, err = w.Authenticate(ctx, string(wrong))
	want(t, "a digit off", err, fault.Unauthenticated, "key.invalid")
	want(t, "another tenant's", w.keys.Revoke(ctx, w.admin(), brief.ID), fault.NotFound, "not_found")
}

func TestUseIsRecordedToTheMinute(t *testing.T) {
	w := newWorld()
	who := w.admin()
	key := w.key(t, who, ci())
	w.pass(59 * time.Second)
	var seen []time.Time
	for range 4 {
		_, err := w.Authenticate(t.Context(), key.Secret.Reveal())
		must(t, err)
		list, err := w.keys.List(t.Context(), who)
		must(t, err)
		seen = append(seen, list[0].LastUsedAt)
		w.pass(30 * time.Second)
	}
	if seen[0].Second() != 0 || len(slices.Compact(seen)) > 3 {
		t.Errorf("recorded %v", seen)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	w := newWorld()
	admin := w.admin()
	w.denied["post.delete"] = true
	key := admin
	key.Key, key.Granted = "key_1", []tenants.Action{identity.ActKeyManage, "post.read"}
	narrow := admin
	narrow.Granted = key.Granted
	guest := admin
	guest.Grant = "acg_1"
	many := make([]tenants.Action, identity.MaxScopes+1)
	for i := range many {
		many[i] = tenants.Action(fmt.Sprint("a.", i))
	}
	for name, tc := range map[string]struct {
		who    tenants.Scope
		n      identity.NewKey
		code   fault.Code
		reason string
	}{
		"no name":                {admin, identity.NewKey{Scopes: []tenants.Action{"post.read"}}, fault.Invalid, "name.empty"},
		"nothing it may do":      {admin, identity.NewKey{Name: "CI"}, fault.Invalid, "key.no_scopes"},
		"too much":               {admin, identity.NewKey{Name: "CI", Scopes: many}, fault.Invalid, "key.too_many_scopes"},
		"over already":           {admin, identity.NewKey{Name: "CI", Scopes: many[:1], ExpiresAt: w.clock}, fault.Invalid, "key.expiry"},
		"for ever and a day":     {admin, identity.NewKey{Name: "CI", Scopes: many[:1], ExpiresAt: w.clock.AddDate(6, 0, 0)}, fault.Invalid, "key.expiry"},
		"more than its maker":    {admin, identity.NewKey{Name: "CI", Scopes: []tenants.Action{"a.b", "post.delete"}}, fault.Forbidden, "key.scope_not_yours"},
		"more than is granted":   {narrow, identity.NewKey{Name: "CI", Scopes: []tenants.Action{"post.create"}}, fault.Forbidden, "key.scope_not_yours"},
		"by a key":               {key, identity.NewKey{Name: "CI", Scopes: []tenants.Action{"post.read"}}, fault.Forbidden, "key.needs_a_person"},
		"by grant":               {guest, ci(), fault.Forbidden, "key.needs_a_person"},
		"nobody's":               {tenants.SystemScope(admin.Tenant), ci(), fault.Forbidden, "key.needs_a_person"},
		"by a key without leave": {tenants.Scope{Tenant: admin.Tenant, User: admin.User, Key: "key_1", Granted: []tenants.Action{"post.read"}}, ci(), fault.Forbidden, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.keys.Create(t.Context(), tc.who, tc.n)
			want(t, name, err, tc.code, tc.reason)
		})
	}
	for range identity.MaxKeys {
		w.key(t, admin, ci())
	}
	_, err := w.keys.Create(t.Context(), admin, ci())
	want(t, "one too many", err, fault.Conflict, "key.too_many")
}

func FuzzAuthenticate(f *testing.F) {
	w := newWorld()
	who := w.admin()
	key, err := w.keys.Create(f.Context(), who, ci())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer " + key.Secret.Reveal())
	f.Add("bearer car_live_" + strings.Repeat("0", 26) + "_" + strings.Repeat("0", 52))
	f.Add("Bearer car_test_x_y")
	f.Add("Basic YTpi")
	f.Add("Bearer  a")
	f.Fuzz(func(t *testing.T, header string) {
		token, err := identity.Bearer(header)
		if err != nil {
			if !fault.Is(err, fault.Unauthenticated) || token != "" {
				t.Errorf("%q, %v", token, err)
			}
			return
		}
		if strings.ContainsAny(token, " \t\r\n\x00") || len(token) > 2048 {
			t.Errorf("token %q", token)
		}
		p, err := w.Authenticate(t.Context(), token)
		if (err == nil) != (token == key.Secret.Reveal()) || err != nil && !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%q: %+v, %v", token, p, err)
		}
	})
}

// A key that is rotated works beside the new one for the grace, and then no more.
func TestAKeyIsRotated(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.admin()
	n := ci()
	n.ExpiresAt = w.clock.Add(48 * time.Hour)
	old := w.key(t, who, n)
	fresh, err := w.keys.Rotate(ctx, who, old.ID, time.Hour)
	must(t, err)
	if fresh.ID == old.ID || fresh.Name != old.Name || !slices.Equal(fresh.Scopes, old.Scopes) || !fresh.ExpiresAt.Equal(n.ExpiresAt) {
		t.Errorf("%+v in place of %+v", fresh.Key, old.Key)
	}
	works := func(name string, key *identity.IssuedKey, does bool) {
		t.Helper()
		if _, err := w.Authenticate(ctx, key.Secret.Reveal()); (err == nil) != does {
			t.Errorf("%s: %v", name, err)
		}
	}
	works("the old one, meanwhile", old, true)
	works("the new one", fresh, true)
	w.pass(time.Hour)
	works("the old one, afterwards", old, false)
	works("the new one, afterwards", fresh, true)

	_, err = w.keys.Rotate(ctx, who, old.ID, time.Hour)
	want(t, "one that has ended", err, fault.Conflict, "key.ended")
	_, err = w.keys.Rotate(ctx, who, fresh.ID, 8*24*time.Hour)
	want(t, "for too long", err, fault.Invalid, "key.grace")
	_, err = w.keys.Rotate(ctx, w.admin(), fresh.ID, 0)
	want(t, "another tenant's", err, fault.NotFound, "not_found")
	byKey := who
	byKey.Key, byKey.Granted = "key_1", []tenants.Action{identity.ActKeyManage, "post.read", "post.create"}
	_, err = w.keys.Rotate(ctx, byKey, fresh.ID, 0)
	want(t, "by a key", err, fault.Forbidden, "key.needs_a_person")
	_, err = w.keys.Rotate(ctx, who, fresh.ID, 0)
	must(t, err)
	works("without any grace", fresh, false)
	works("the last but one", old, false)
}

// A key that goes on working beside the one in its place is one more.
func TestRotatingMakesNoMoreKeysThanThereMayBe(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	who := w.admin()
	var last *identity.IssuedKey
	for range identity.MaxKeys {
		last = w.key(t, who, ci())
	}
	_, err := w.keys.Rotate(ctx, who, last.ID, time.Hour)
	want(t, "with a grace", err, fault.Conflict, "key.too_many")
	w.pass(time.Hour)
	if _, err := w.Authenticate(ctx, last.Secret.Reveal()); err != nil {
		t.Errorf("the refusal ended the key: %v", err)
	}
	fresh, err := w.keys.Rotate(ctx, who, last.ID, 0)
	must(t, err)
	_, err = w.keys.Rotate(ctx, who, fresh.ID, time.Second)
	want(t, "with a second's", err, fault.Conflict, "key.too_many")
}

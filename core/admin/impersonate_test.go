package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func TestWhoCanBeActedAs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, _ := w.operator(olga)
	shop, elsewhere := w.store.AddTenant(tenants.Workspace, "Shop"), w.store.AddTenant(tenants.Workspace, "Elsewhere")
	ann, out := w.store.AddPerson("ann@example.com", "Ann"), w.store.AddPerson("out@example.com", "Out")
	w.store.Seat(ann, shop, tenants.Editor)
	w.store.Seat(ann, w.root, tenants.Owner)
	w.store.Seat(out, shop, tenants.Editor)
	_, err := w.SuspendUser(ctx, who, out, "spam")
	must(t, err)
	for name, tc := range map[string]struct {
		who    admin.Who
		user   tenants.UserID
		tenant tenants.ID
		reason string
		code   fault.Code
		slug   string
	}{
		"by a shell":                 {admin.Shell(), ann, shop, "ticket 1", fault.Unauthenticated, "operator.required"},
		"without a reason":           {who, ann, shop, " \n ", fault.Invalid, "operator.reason"},
		"with too short a reason":    {who, ann, shop, " ab ", fault.Invalid, "operator.reason"},
		"with too long a reason":     {who, ann, shop, strings.Repeat("é", 501), fault.Invalid, "operator.reason"},
		"with a reason of no text":   {who, ann, shop, "abc\xff", fault.Invalid, "operator.reason"},
		"with what nothing can keep": {who, ann, shop, "abc\x00", fault.Invalid, "operator.reason"},
		"what is no person":          {who, "usr_x", shop, "ticket 1", fault.NotFound, "user.not_found"},
		"where is no tenant":         {who, ann, "ten_x", "ticket 1", fault.NotFound, "tenant.not_found"},
		"in a tenant of nobody":      {who, ann, tenants.NewID(), "ticket 1", fault.NotFound, "tenant.not_found"},
		"in the operator's own":      {who, ann, w.root, "ticket 1", fault.Conflict, "operator.own_tenant"},
		"where they are no member":   {who, ann, elsewhere, "ticket 1", fault.NotFound, "member.not_found"},
		"a stranger":                 {who, tenants.UserID(id.New("usr")), shop, "ticket 1", fault.NotFound, "member.not_found"},
		"who is suspended":           {who, out, shop, "ticket 1", fault.NotFound, "member.not_found"},
	} {
		imp, token, err := w.Impersonate(ctx, tc.who, tc.user, tc.tenant, tc.reason)
		want(t, name, err, tc.code, tc.slug)
		if imp != nil || token != "" {
			t.Errorf("%s: a token nevertheless", name)
		}
	}
	if book := w.store.Book(shop); len(book) != 0 {
		t.Errorf("what did not happen is recorded: %+v", book)
	}
	if _, _, err := w.Impersonate(ctx, who, ann, shop, strings.Repeat("é", 500)); err != nil {
		t.Errorf("a reason of 500 characters: %v", err)
	}
}

func TestActingEndsAndIsRecorded(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, session := w.operator(olga)
	other, _ := w.operator("other@example.com")
	shop, ann := w.store.AddTenant(tenants.Workspace, "Shop"), w.store.AddPerson("ann@example.com", "Ann")
	w.store.Seat(ann, shop, tenants.Editor)
	begin := func() (*admin.Impersonation, string) {
		t.Helper()
		imp, token, err := w.Impersonate(ctx, who, ann, shop, "  ticket 1 ")
		must(t, err)
		return imp, token.Reveal()
	}
	ended := func(what, token string) {
		t.Helper()
		_, err := w.Impersonated(ctx, token)
		want(t, what, err, fault.Unauthenticated, "impersonation.ended")
	}
	imp, token := begin()
	got, err := w.Impersonated(ctx, token)
	if err != nil || got.User != ann || got.Tenant != shop || got.Operator != who.ID || got.Reason != "ticket 1" || !strings.HasPrefix(token, admin.ImpersonationPrefix) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", session, strings.Replace(session, admin.SessionPrefix, admin.ImpersonationPrefix, 1)[:20]} {
		_, err := w.Impersonated(ctx, bad)
		want(t, "a token of another kind", err, fault.Unauthenticated, "operator.required")
	}
	_, err = w.Authenticate(ctx, token)
	want(t, "at the realm", err, fault.Unauthenticated, "operator.required")
	want(t, "ended by another", w.EndImpersonation(ctx, other, imp.ID), fault.NotFound, "impersonation.not_found")
	must(t, w.EndImpersonation(ctx, who, imp.ID))
	ended("ended", token)
	for _, book := range []tenants.ID{shop, ""} {
		var trail []string
		for _, e := range w.store.Book(book) {
			if e.Subject == imp.ID && e.Behind == string(who.ID) && e.Actor == string(ann) && e.Detail["tenant"] == string(shop) {
				trail = append(trail, e.Action+" "+e.Detail["reason"])
			}
		}
		if strings.Join(trail, ", ") != "impersonation.start ticket 1, impersonation.end " {
			t.Errorf("in the book of %q: %q", book, trail)
		}
	}
	_, token = begin()
	w.pass(admin.ImpersonationTTL - time.Second)
	if _, err := w.Impersonated(ctx, token); err != nil {
		t.Errorf("before its end: %v", err)
	}
	w.pass(time.Second)
	ended("half an hour later", token)
	if admin.ImpersonationTTL > 30*time.Minute {
		t.Error("it lasts too long")
	}
	_, token = begin()
	must(t, w.Logout(ctx, who))
	ended("after signing out", token)
}

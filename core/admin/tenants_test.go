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

func TestSuspendingTenants(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, _ := w.operator(olga)
	shop := w.store.AddTenant(tenants.Agency, "Shop")
	for name, tc := range map[string]struct {
		tenant tenants.ID
		reason string
		code   fault.Code
		slug   string
	}{
		"the operator's own": {w.root, "because", fault.Conflict, "operator.own_tenant"}, "what is none": {"ten_x", "because", fault.NotFound, "tenant.not_found"},
		"nobody's": {tenants.NewID(), "because", fault.NotFound, "tenant.not_found"}, "without a reason": {shop, "", fault.Invalid, "operator.reason"},
	} {
		_, err := w.SuspendTenant(ctx, who, tc.tenant, tc.reason)
		want(t, name, err, tc.code, tc.slug)
	}
	_, err := w.ResumeTenant(ctx, who, w.root)
	want(t, "resuming the operator's own", err, fault.Conflict, "operator.own_tenant")
	_, err = w.SuspendTenant(ctx, who, shop, " unpaid ")
	must(t, err)
	if got, err := w.Tenant(ctx, who, shop); err != nil || !got.Suspended || got.Reason != "unpaid" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = w.ResumeTenant(ctx, who, shop)
	must(t, err)
	if got, err := w.Tenant(ctx, who, shop); err != nil || got.Suspended || got.Reason != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if book := w.store.Book(shop); len(book) != 2 || book[0].Action != "tenant.suspend" || book[0].Detail["reason"] != "unpaid" || book[1].Action != "tenant.resume" || book[0].Actor != string(who.ID) {
		t.Errorf("book %+v", book)
	}
}

func TestGrantingPlans(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, _ := w.operator(olga)
	shop, soon := w.store.AddTenant(tenants.Agency, "Shop"), w.clock.Add(time.Hour)
	for name, tc := range map[string]struct {
		tenant tenants.ID
		tier   tenants.Tier
		until  time.Time
		reason string
		code   fault.Code
		slug   string
	}{
		"the operator's own": {w.root, tenants.Pro, soon, "a trial", fault.Conflict, "operator.own_tenant"},
		"no plan":            {shop, "gold", soon, "a trial", fault.Invalid, "tenant.tier"},
		"until now":          {shop, tenants.Pro, w.clock, "a trial", fault.Invalid, "grant.until"},
		"for ever":           {shop, tenants.Pro, w.clock.AddDate(6, 0, 0), "a trial", fault.Invalid, "grant.until"},
		"no reason":          {shop, tenants.Pro, soon, "", fault.Invalid, "operator.reason"},
		"no tenant":          {"ten_x", tenants.Pro, soon, "a trial", fault.NotFound, "tenant.not_found"},
		"nobody's":           {tenants.NewID(), tenants.Pro, soon, "a trial", fault.NotFound, "tenant.not_found"},
	} {
		_, err := w.GrantTier(ctx, who, tc.tenant, tc.tier, tc.until, tc.reason)
		want(t, name, err, tc.code, tc.slug)
	}
	_, err := w.EndGrant(ctx, who, shop)
	want(t, "none to end", err, fault.NotFound, "grant.not_found")
	_, err = w.EndGrant(ctx, who, w.root)
	want(t, "the operator's own", err, fault.Conflict, "operator.own_tenant")

	tier := func() tenants.Tier {
		n, err := w.Tenant(ctx, who, shop)
		must(t, err)
		return n.Tier
	}
	grant := func(plan tenants.Tier, until time.Time) *admin.Tenant {
		t.Helper()
		n, err := w.GrantTier(ctx, who, shop, plan, until, "a trial")
		must(t, err)
		return n
	}
	if n := grant(tenants.Pro, soon); n.Grant.Was != "" || n.Grant.By != string(who.ID) || tier() != tenants.Pro {
		t.Errorf("%+v", n.Grant)
	}
	if n := grant(tenants.Team, soon.Add(time.Hour)); n.Grant.Was != "" || tier() != tenants.Team {
		t.Errorf("it falls back to another grant: %+v", n.Grant)
	}
	w.pass(time.Hour)
	if n, err := w.Expire(ctx); n != 0 || err != nil || tier() != tenants.Team {
		t.Errorf("too early: %d, %v", n, err)
	}
	w.pass(time.Hour)
	if n, err := w.Expire(ctx); n != 1 || err != nil || tier() != "" {
		t.Errorf("%d, %v, %q", n, err, tier())
	}
	if n, err := w.Expire(ctx); n != 0 || err != nil {
		t.Errorf("twice: %d, %v", n, err)
	}
	grant(tenants.Pro, w.clock.Add(time.Hour))
	if n, err := w.EndGrant(ctx, who, shop); err != nil || n.Grant != nil || tier() != "" {
		t.Errorf("%+v, %v", n, err)
	}
	// A plan that was chosen otherwise meanwhile stays.
	grant(tenants.Pro, w.clock.Add(time.Hour))
	must(t, w.store.Update(ctx, func(tx admin.Tx) error {
		n, err := tx.Tenant(ctx, shop)
		if err != nil {
			return err
		}
		n.Tier = tenants.Creator
		return tx.SaveTier(ctx, n)
	}))
	if _, err := w.EndGrant(ctx, who, shop); err != nil || tier() != tenants.Creator {
		t.Errorf("%v, %q", err, tier())
	}
}

func TestSuspendingPeople(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, _ := w.operator(olga)
	shop, ann := w.store.AddTenant(tenants.Workspace, "Shop"), w.store.AddPerson("ann@example.com", "Ann")
	w.store.Seat(ann, shop, tenants.Editor)
	_, err := w.SuspendUser(ctx, who, ann, "")
	want(t, "without a reason", err, fault.Invalid, "operator.reason")
	_, err = w.SuspendUser(ctx, who, "usr_x", "because")
	want(t, "nobody", err, fault.NotFound, "user.not_found")
	_, err = w.ResumeUser(ctx, who, tenants.UserID(id.New("usr")))
	want(t, "a stranger", err, fault.NotFound, "user.not_found")
	_, err = w.SuspendUser(ctx, who, ann, " spam ")
	must(t, err)
	u, seats, err := w.User(ctx, who, ann)
	if err != nil || !u.SuspendedAt.Equal(w.clock) || u.Reason != "spam" || len(seats) != 1 || seats[0].Tenant != shop {
		t.Errorf("%+v, %+v, %v", u, seats, err)
	}
	u, err = w.ResumeUser(ctx, who, ann)
	if err != nil || !u.SuspendedAt.IsZero() || u.Reason != "" {
		t.Errorf("%+v, %v", u, err)
	}
	trail := ""
	for _, e := range w.store.Book("") {
		if e.Subject == string(ann) {
			trail += e.Action + " by " + strings.TrimSuffix(e.Actor, string(who.ID)) + "me, "
		}
	}
	if trail != "user.suspend by me, user.resume by me, " {
		t.Errorf("%s", trail)
	}
}

func TestSearching(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, _ := w.operator(olga)
	for range 21 {
		w.store.AddPerson("ann@example.com", "Ann")
	}
	for name, tc := range map[string]struct {
		q    admin.Search
		n    int
		more bool
		slug string
	}{
		"as usual": {admin.Search{}, 20, true, ""}, "all": {admin.Search{Limit: 21}, 21, false, ""}, "the most": {admin.Search{Limit: 100}, 21, false, ""},
		"too many": {admin.Search{Limit: 101}, 0, false, "page.bad_limit"}, "backwards": {admin.Search{Limit: -1}, 0, false, "page.bad_limit"},
		"one": {admin.Search{Limit: 1, Text: " ann "}, 1, true, ""}, "too long": {admin.Search{Text: strings.Repeat("é", 255)}, 0, false, "text.too_long"},
		"long": {admin.Search{Text: strings.Repeat("é", 254)}, 0, false, ""},
	} {
		page, more, err := w.Users(ctx, who, tc.q)
		if f := fault.Of(err); len(page) != tc.n || more != tc.more || (tc.slug == "") != (f == nil) || f != nil && f.Reason != tc.slug {
			t.Errorf("%s: %d, more %v, %v", name, len(page), more, err)
		}
	}
	page, more, err := w.Tenants(ctx, who, admin.Search{Kind: tenants.Operator})
	if len(page) != 1 || more || err != nil {
		t.Errorf("%+v, %v, %v", page, more, err)
	}
}

package admin_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func TestWhatCanBeBlocked(t *testing.T) {
	w := newWorld(t)
	who, _ := w.operator(olga)
	here := netip.MustParseAddr("::ffff:192.0.2.7")
	for text, reason := range map[string]string{
		"": "block.range", "nonsense": "block.range", "fe80::1%eth0": "block.range", "::ffff:1.2.3.0/120": "block.range", "1.2.3.4/33": "block.range",
		"0.0.0.0/0": "block.too_wide", "10.0.0.0/7": "block.too_wide", "::/0": "block.too_wide", "2000::/15": "block.too_wide",
		"192.0.2.7": "block.own_address", "192.0.0.0/8": "block.own_address",
	} {
		_, err := w.Block(t.Context(), who, here, text, "spam", time.Time{})
		if f := fault.Of(err); f == nil || f.Reason != reason {
			t.Errorf("%q: %v, want %s", text, err, reason)
		}
	}
	for text, want := range map[string]string{
		" 198.51.100.9 ": "198.51.100.9/32", "::ffff:198.51.100.8": "198.51.100.8/32", "10.9.9.9/8": "10.0.0.0/8", "2001:db8::1/32": "2001:db8::/32", "2001:db8::1": "2001:db8::1/128",
		"2000::/16": "2000::/16",
	} {
		b, err := w.Block(t.Context(), who, here, text, "spam", time.Time{})
		if err != nil || b.Range.String() != want || b.By != string(who.ID) {
			t.Errorf("%q: %+v, %v", text, b, err)
		}
	}
	_, err := w.Block(t.Context(), who, here, "198.51.100.9", "spam", time.Time{})
	want(t, "once more", err, fault.Conflict, "block.exists")
	_, err = w.Block(t.Context(), who, here, "203.0.113.1", "", time.Time{})
	want(t, "without a reason", err, fault.Invalid, "operator.reason")
	_, err = w.Block(t.Context(), who, here, "203.0.113.1", "spam", w.clock)
	want(t, "until now", err, fault.Invalid, "block.until")
	all, err := w.Blocks(t.Context(), who)
	if err != nil || len(all) != 6 {
		t.Fatalf("%+v, %v", all, err)
	}
	must(t, w.Unblock(t.Context(), who, all[0].ID))
	want(t, "twice", w.Unblock(t.Context(), who, all[0].ID), fault.NotFound, "block.not_found")
}

func TestWhoIsBlocked(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := &admin.Edge{Blocks: []admin.Block{
		{Range: netip.MustParsePrefix("192.0.2.0/24")}, {Range: netip.MustParsePrefix("fe80::/16"), ExpiresAt: noon},
	}}
	for name, tc := range map[string]struct {
		address string
		at      time.Time
		want    bool
	}{
		"in the range": {"192.0.2.77", noon, true}, "written as IPv6": {"::ffff:192.0.2.77", noon, true}, "outside": {"192.0.3.1", noon, false},
		"before the end": {"fe80::1%eth0", noon.Add(-1), true}, "at the end": {"fe80::1", noon, false},
	} {
		if got := e.Blocked(netip.MustParseAddr(tc.address), tc.at); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (&admin.Edge{}).Blocked(netip.Addr{}, noon) {
		t.Error("an edge without blocks holds somebody back")
	}
}

func TestMaintenanceHoldsAndReleases(t *testing.T) {
	w := newWorld(t)
	who, _ := w.operator(olga)
	set := func(m admin.Maintenance) admin.Maintenance {
		t.Helper()
		got, err := w.SetMaintenance(t.Context(), who, m)
		must(t, err)
		return got
	}
	for name, m := range map[string]admin.Maintenance{
		"too soon": {RetryAfter: time.Second - 1}, "too late": {RetryAfter: 24*time.Hour + 1}, "backwards": {RetryAfter: -1},
	} {
		_, err := w.SetMaintenance(t.Context(), who, m)
		want(t, name, err, fault.Invalid, "maintenance.retry_after")
	}
	_, err := w.SetMaintenance(t.Context(), who, admin.Maintenance{Message: strings.Repeat("x", 501)})
	want(t, "a long message", err, fault.Invalid, "text.too_long")

	if m := set(admin.Maintenance{On: true, Message: " "}); m.Message == "" || m.RetryAfter != time.Minute || m.By != string(who.ID) || m.Holds || w.store.Paused() {
		t.Errorf("%+v", m)
	}
	if m := set(admin.Maintenance{On: true, StopPublish: true}); !m.Holds || !w.store.Paused() {
		t.Errorf("%+v", m)
	}
	if m := set(admin.Maintenance{On: true, StopPublish: true, Message: "Longer."}); !m.Holds || !w.store.Paused() {
		t.Errorf("said again: %+v", m)
	}
	if m, err := w.Maintenance(t.Context(), who); err != nil || m.Message != "Longer." || !m.On {
		t.Errorf("%+v, %v", m, err)
	}
	if m := set(admin.Maintenance{StopPublish: true}); m.Holds || w.store.Paused() {
		t.Errorf("after it: %+v", m)
	}
	w.store.PauseAll() // somebody else
	if m := set(admin.Maintenance{On: true, StopPublish: true}); m.Holds {
		t.Errorf("what another paused is its own: %+v", m)
	}
	if set(admin.Maintenance{}); !w.store.Paused() {
		t.Error("it resumed what somebody else paused")
	}
}

func TestFlags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, _ := w.operator(olga)
	agency, shop := w.store.AddTenant(tenants.Agency, "Agency"), w.store.AddTenant(tenants.Workspace, "Shop")
	for _, name := range []string{"", "Upper", "1st", "a b", strings.Repeat("x", 65)} {
		_, err := w.SetFlag(ctx, who, name, "", true)
		want(t, name, err, fault.Invalid, "flag.name")
	}
	_, err := w.SetFlag(ctx, who, "long", strings.Repeat("x", 501), true)
	want(t, "a long description", err, fault.Invalid, "text.too_long")
	f, err := w.SetFlag(ctx, who, strings.Repeat("x", 64), "new", false)
	must(t, err)
	on, off := true, false
	want(t, "no tenant", w.Override(ctx, who, "ten_x", f.Name, &on), fault.NotFound, "tenant.not_found")
	want(t, "nobody", w.Override(ctx, who, tenants.NewID(), f.Name, &on), fault.NotFound, "tenant.not_found")
	want(t, "no flag", w.Override(ctx, who, shop, "nothing", &on), fault.NotFound, "flag.not_found")
	must(t, w.Override(ctx, who, agency, f.Name, &on))
	must(t, w.Override(ctx, who, shop, f.Name, &off))

	e, err := w.store.Edge(ctx)
	must(t, err)
	for name, tc := range map[string]struct {
		path []tenants.ID
		want bool
	}{
		"for all": {nil, false}, "elsewhere": {[]tenants.ID{w.root}, false}, "in the agency": {[]tenants.ID{w.root, agency}, true}, "in the shop": {[]tenants.ID{w.root, agency, shop}, false},
	} {
		if got := e.Features(tc.path); len(got) != 1 || got[f.Name] != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	all, err := w.Flags(ctx, who)
	if err != nil || len(all) != 1 || all[0].Overrides != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	book := w.store.Book(agency)
	if len(book) != 1 || book[0].Action != "flag.override" || book[0].Detail["on"] != "on" {
		t.Errorf("book %+v", book)
	}
	must(t, w.Override(ctx, who, shop, f.Name, nil))
	if book := w.store.Book(shop); book[len(book)-1].Detail["on"] != "as for all" {
		t.Errorf("book %+v", book)
	}
	must(t, w.DropFlag(ctx, who, f.Name))
	want(t, "twice", w.DropFlag(ctx, who, f.Name), fault.NotFound, "flag.not_found")
}

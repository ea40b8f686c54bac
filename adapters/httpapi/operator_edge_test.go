package httpapi_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/tenants"
)

// ranges counts the ranges blocked so far: each is blocked once.
var ranges atomic.Uint32

// Maintenance answers everything but health and the realm.
func TestMaintenance(t *testing.T) {
	w := newWorld(t, postgrestest.Isolated(t))
	boss := bearer(w.operator())
	paused := func() bool {
		st, err := w.db.Registry().Standing(t.Context(), postgrestest.Operator, "")
		must(t, err)
		return st.Paused
	}
	set := func(body string) {
		t.Helper()
		if code, _, answer := w.call("PUT", "/api/v1/operator/maintenance", boss, body); code != 200 {
			t.Fatalf("%d %s", code, answer)
		}
	}
	set(`{"on":true,"message":"Back at noon.","retry_after":600,"publishing":"held"}`)
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 200, "/api/v1/operator/me": 200, "/api/v1/me": 503, "/api/v1/posts": 503, "/docs": 503, "/nothing": 503,
	} {
		code, header, body := w.call("GET", path, boss, "")
		if code != want {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
		if want == 503 && (header.Get("Retry-After") != "600" || !strings.Contains(body, "Back at noon.") || !strings.Contains(body, "server.maintenance")) {
			t.Errorf("%s: %s, Retry-After %s", path, body, header.Get("Retry-After"))
		}
	}
	if !paused() {
		t.Error("publishing goes on")
	}
	set(`{"on":true,"publishing":"goes_on"}`)
	if paused() {
		t.Error("publishing is still held")
	}
	must(t, w.db.PauseAll(t.Context(), "another reason"))
	set(`{"on":true,"publishing":"held"}`)
	set(`{"on":false}`)
	if !paused() {
		t.Error("the end of maintenance resumed what somebody else paused")
	}
	if code, _, _ := w.call("GET", "/api/v1/me", nil, ""); code != 401 {
		t.Errorf("after it: %d", code)
	}
}

// Blocked addresses get nothing; nobody shuts themselves out.
func TestBlockedAddresses(t *testing.T) {
	w := newWorld(t, postgrestest.Isolated(t))
	boss := bearer(w.operator())
	block := func(r string) (int, string) {
		code, _, body := w.call("POST", "/api/v1/operator/blocks", boss, fmt.Sprintf(`{"range":%q,"reason":"a test"}`, r))
		return code, body
	}
	for r, want := range map[string]int{
		"0.0.0.0": 409, "0.0.0.0/8": 409, "0.0.0.0/0": 422, "10.0.0.0/4": 422, "::/0": 422, "nonsense": 422, "fe80::1%eth0": 422, "192.0.2.77": 201,
	} { // the requests of these tests come from 0.0.0.0
		if code, body := block(r); code != want {
			t.Errorf("%s: %d %s, want %d", r, code, body, want)
		}
	}
	if code, body := block("192.0.2.77/32"); code != 409 {
		t.Errorf("once more: %d %s", code, body)
	}
	b, err := w.admin.Block(t.Context(), admin.Shell(), netip.Addr{}, "0.0.0.0/8", "a test", time.Time{})
	must(t, err)
	if code, _, body := w.call("GET", "/api/v1/me", nil, ""); code != 403 || !strings.Contains(body, "address.blocked") {
		t.Errorf("from there: %d %s", code, body)
	}
	if code, _, _ := w.call("GET", "/livez", nil, ""); code != 200 {
		t.Errorf("health: %d", code)
	}
	must(t, w.admin.Unblock(t.Context(), admin.Shell(), b.ID))
	if code, _, _ := w.call("GET", "/api/v1/me", nil, ""); code != 401 {
		t.Errorf("after it: %d", code)
	}
}

// A flag is what the nearest says.
func TestFeatureFlags(t *testing.T) {
	w := newWorld(t, postgrestest.Isolated(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	below := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	_, token := w.member(below, tenants.Viewer)
	boss := bearer(w.operator())
	h := bearer(token)
	h["Carillon-Tenant"] = string(below)
	set := func(path, body string) {
		t.Helper()
		method := "PUT"
		if body == "" {
			method = "DELETE"
		}
		if code, _, answer := w.call(method, "/api/v1/operator"+path, boss, body); code >= 300 {
			t.Fatalf("%s: %d %s", path, code, answer)
		}
	}
	for _, step := range []struct{ path, body, want string }{
		{"/flags/calendar.next", `{"on":false}`, `{"calendar.next":false}`},
		{"/tenants/" + string(agency) + "/flags/calendar.next", `{"on":true}`, `{"calendar.next":true}`},
		{"/tenants/" + string(below) + "/flags/calendar.next", `{"on":false}`, `{"calendar.next":false}`},
		{"/flags/calendar.next", `{"on":true}`, `{"calendar.next":false}`},
		{"/tenants/" + string(below) + "/flags/calendar.next", "", `{"calendar.next":true}`},
		{"/flags/calendar.next", "", `{}`},
	} {
		set(step.path, step.body)
		if _, _, body := w.call("GET", "/api/v1/features", h, ""); !strings.Contains(body, step.want) {
			t.Errorf("after %s %s: %s, want %s", step.path, step.body, body, step.want)
		}
	}
	if code, _, _ := w.call("PUT", "/api/v1/operator/tenants/"+string(below)+"/flags/nothing", boss, `{"on":true}`); code != 404 {
		t.Errorf("an override of nothing: %d", code)
	}
}

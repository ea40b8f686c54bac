package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// A reseller's host shows its brand to everybody, and an agency below names
// whose it is; the installation's own host shows the product's.
func TestAHostShowsItsBrand(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	reseller := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Reseller)
	agency := postgrestest.Child(t, w.db, reseller, tenants.Agency)
	_, token := w.member(reseller, tenants.Admin)
	_, below := w.member(agency, tenants.Client)
	in := func(tenant tenants.ID, token string) map[string]string {
		return map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
	}
	code, headers, answer := w.call("PUT", "/api/v1/brand", in(reseller, token), `{"product":"Chimes","accent":"#ffee00"}`)
	if code != http.StatusOK || headers.Get("ETag") != `"v1"` {
		t.Fatal(code, answer)
	}
	code, _, answer = w.call("GET", "/api/v1/brand", in(agency, below), "")
	got := decode(t, answer)
	from := got["origins"].(map[string]any)
	if code != http.StatusOK || got["product"] != "Chimes" || len(from) != 2 || from["product"].(map[string]any)["tenant_id"] != string(reseller) {
		t.Errorf("%d %s", code, answer)
	}
	host := strings.ToLower(id.New("h")[2:]) + ".example.net"
	name := w.domain(reseller, "proven")
	postgrestest.Exec(t, w.db, "delete from domains where id = $1", name)
	postgrestest.Exec(t, w.db, `insert into domains (tenant_id, id, host, token, state, proven_at, created_at, updated_at)
		values ($1, $2, $3, 'cdp_x', 'proven', now(), now(), now())`, reseller, name, host)
	must(t, w.hosts.Load(t.Context(), w.db.Domains()))
	code, headers, answer = w.on(host, "/api/v1/theme")
	theme := decode(t, answer)
	if code != http.StatusOK || theme["product"] != "Chimes" || strings.Contains(answer, "ten_") || headers.Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("%d %v %s", code, headers, answer)
	}
	if _, _, own := w.on("example.com", "/api/v1/theme"); decode(t, own)["product"] != "Carillon" {
		t.Error(own)
	}
	req := httptest.NewRequest(http.MethodGet, "/api/v1/theme", nil)
	req.Host = host
	req.Header.Set("If-None-Match", headers.Get("ETag"))
	res, err := w.app.Test(req, 20_000)
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode != http.StatusNotModified {
		t.Errorf("again: %d", res.StatusCode)
	}
	code, _, answer = w.call("PUT", "/api/v1/brand", map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(reseller), "If-Match": `"v7"`}, `{}`)
	if code != http.StatusPreconditionFailed {
		t.Errorf("a stale one: %d %s", code, answer)
	}
}

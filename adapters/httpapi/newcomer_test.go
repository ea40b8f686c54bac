package httpapi_test

import (
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/tenants"
)

// newcomer is an owner in a tenant of their own, with the headers of a request.
func newcomer(t *testing.T) (w *world, tenant tenants.ID, headers map[string]string) {
	t.Helper()
	w = newWorld(t, postgrestest.Open(t))
	tenant = postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Owner)
	return w, tenant, map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
}

// with is headers and one more.
func with(headers map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range headers {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// A tenant says its name whichever way it is asked.
func TestATenantHasItsName(t *testing.T) {
	w, tenant, headers := newcomer(t)
	at := "/api/v1/tenants/" + string(tenant)
	for _, step := range []struct{ method, path, body string }{
		{"GET", at, ""}, {"PATCH", at, `{"name":"Another"}`}, {"POST", at + "/publishing:pause", ""}, {"POST", at + "/publishing:resume", ""},
	} {
		code, _, body := w.call(step.method, step.path, headers, step.body)
		if code != 200 || decode(t, body)["id"] != string(tenant) {
			t.Errorf("%s %s: %d %s", step.method, step.path, code, body)
		}
	}
}

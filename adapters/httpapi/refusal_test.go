package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/tenants"
)

// The guard refuses by itself, before it looks at the rest of a request: what
// is wrong with a request is nothing for whoever may not make it. Use cases
// refuse once more, and have tests of their own.
func TestTheGuardRefusesFirst(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	tenant := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	owner, token := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	names["session"] = w.session(token)
	metrics, posts := w.keyFor(tenant, owner, "metrics.read").Reveal(), w.keyFor(tenant, owner, "post.read").Reveal()
	_, routes := contract(t)
	for _, r := range routes {
		path := r.fill(t, names)
		if path += "?"; strings.Count(path, "?") > 1 {
			path = strings.TrimSuffix(path, "?") + "&"
		}
		ask := func(bearer string) string {
			h := map[string]string{"Carillon-Tenant": string(tenant)}
			if bearer != "" {
				h["Authorization"] = "Bearer " + bearer
			}
			code, _, body := w.call(r.method, path+"nonsense=1", h, "")
			return fmt.Sprint(code, " ", body)
		}
		switch action := r.op.Extensions["x-action"]; {
		case r.op.Extensions["x-public"] != nil:
		case r.op.Extensions["x-operator"] != nil:
			r.refused(t, ask(token), "401 ", "operator.required")
		case action == nil:
			r.refused(t, ask(""), "401 ", "auth.required")
			r.refused(t, ask(posts), "403 ", "auth.session_required")
		case action == "metrics.read":
			r.refused(t, ask(posts), "403 ", ".denied")
		default:
			r.refused(t, ask(metrics), "403 ", ".denied")
		}
	}
}

func (r route) refused(t *testing.T, got, status, slug string) {
	t.Helper()
	if !strings.HasPrefix(got, status) || !strings.Contains(got, slug) {
		t.Errorf("%s: %s, want %s%s", r.op.OperationID, got, status, slug)
	}
}

// A person's requests name a tenant that can be one; a key's may name its own.
func TestWhichTenantARequestIsAbout(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant, other := postgrestest.Tenant(t, w.db), postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	key := w.keyFor(tenant, owner, "post.read").Reveal()
	postgrestest.Exec(t, w.db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'owner', 'system')", other, owner)
	for name, tc := range map[string]struct {
		bearer string
		tenant string
		want   string
	}{
		"a person names theirs": {token, string(tenant), "200"}, "a person names none": {token, "", "tenant.required"}, "a person names nonsense": {token, "ten_x", "tenant.not_found"},
		"a key names its own": {key, string(tenant), "200"}, "a key names none": {key, "", "200"}, "a key names its maker's other one": {key, string(other), "tenant.not_found"},
	} {
		h := bearer(tc.bearer)
		h["Carillon-Tenant"] = tc.tenant
		if code, _, body := w.call("GET", "/api/v1/posts", h, ""); !strings.Contains(fmt.Sprint(code, body), tc.want) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

// Nothing answers with what it was sent.
func TestTraceIsNotThere(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	for _, path := range []string{"/", "/livez", "/api/v1/me", "/api/v1/auth/login"} {
		if code, _, body := w.call("TRACE", path, map[string]string{"Authorization": "Bearer canary"}, ""); code < 400 || strings.Contains(body, "canary") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// closedToImpersonation says which operations must be, by what they are about.
var closedToImpersonation = regexp.MustCompile(`(?i)password|factor|totp|passkey|recovery|api-keys|export|billing|secret|step-up|identities`)

// Acting as somebody: named in every answer and in the audit of both, within
// one tenant, and closed where it would be more than looking after them.
func TestActingAsSomebody(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	tenant := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	owner, _ := w.member(tenant, tenants.Owner)
	elsewhere := postgrestest.Tenant(t, w.db)
	postgrestest.Exec(t, w.db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'owner', 'system')", elsewhere, owner)
	names := w.victim(tenant, owner)
	token := w.operator()

	ask := func(body string) (int, string) {
		code, _, answer := w.call("POST", "/api/v1/operator/impersonations", bearer(token), body)
		return code, answer
	}
	if code, answer := ask(fmt.Sprintf(`{"user":%q,"tenant":%q,"reason":" "}`, owner, tenant)); code != 422 {
		t.Errorf("without a reason: %d %s", code, answer)
	}
	if code, answer := ask(fmt.Sprintf(`{"user":%q,"tenant":%q,"reason":"ticket 1"}`, owner, agency)); code != 404 {
		t.Errorf("where they are no member: %d %s", code, answer)
	}
	code, answer := ask(fmt.Sprintf(`{"user":%q,"tenant":%q,"reason":"ticket 1"}`, owner, tenant))
	if code != 201 {
		t.Fatalf("%d %s", code, answer)
	}
	var imp struct{ ID, Token string }
	must(t, json.Unmarshal([]byte(answer), &imp))
	acting := bearer(imp.Token)
	acting["Carillon-Tenant"] = string(tenant)

	code, header, me := w.call("GET", "/api/v1/me", acting, "")
	if code != 200 || !strings.Contains(me, `"impersonation"`) || !strings.Contains(header.Get("Carillon-Impersonator"), "opr_") {
		t.Errorf("me: %d %s, header %q", code, me, header.Get("Carillon-Impersonator"))
	}
	code, header, answer = w.call("POST", "/api/v1/posts", acting, `{"segments":[{"text":"hello"}]}`)
	if code != 201 || header.Get("Carillon-Impersonator") == "" {
		t.Fatalf("a post: %d %s", code, answer)
	}
	page, err := w.db.Audit().Entries(t.Context(), tenant, audit.Query{Action: "post.create", Limit: 1})
	if err != nil || len(page) != 1 || page[0].Actor != string(owner) || !strings.HasPrefix(page[0].Behind, "opr_") {
		t.Errorf("audit = %+v, %v", page, err)
	}
	for _, book := range []tenants.ID{tenant, postgrestest.Operator} {
		page, err := w.db.Audit().Entries(t.Context(), book, audit.Query{Subject: imp.ID, Limit: 1})
		if err != nil || len(page) != 1 || page[0].Detail["reason"] != "ticket 1" {
			t.Errorf("in the book of %s: %+v, %v", book, page, err)
		}
	}
	away := bearer(imp.Token)
	away["Carillon-Tenant"] = string(elsewhere)
	if code, _, _ := w.call("GET", "/api/v1/posts", away, ""); code != 404 {
		t.Errorf("in another tenant of theirs: %d", code)
	}
	names["session"] = id.New("ses")
	_, routes := contract(t)
	closed := 0
	for _, r := range routes {
		about := closedToImpersonation.MatchString(r.path) && (r.method != http.MethodGet || strings.Contains(r.path, "export"))
		if r.op.Extensions["x-public"] != nil || r.op.Extensions["x-operator"] != nil || !about && (r.op.Extensions["x-session"] == nil || r.method == http.MethodGet) {
			continue
		}
		closed++
		if got := w.ask(r, principal{bearer: imp.Token}, tenant, names); !strings.HasPrefix(got, "403 ") || !strings.Contains(got, "impersonation.closed") {
			t.Errorf("%s: %s", r.op.OperationID, got)
		}
	}
	if closed < 6 {
		t.Errorf("only %d operations are closed", closed)
	}
	if code, _, _ := w.call("DELETE", "/api/v1/operator/impersonations/"+imp.ID, bearer(token), ""); code != 204 {
		t.Errorf("ending it: %d", code)
	}
	if code, _, _ := w.call("GET", "/api/v1/me", acting, ""); code != 401 {
		t.Errorf("after it: %d", code)
	}
}

// It ends by itself, and with the operator's session.
func TestActingAsSomebodyEnds(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, _ := w.member(tenant, tenants.Owner)
	for name, end := range map[string]func(who admin.Who, imp *admin.Impersonation){
		"by itself": func(_ admin.Who, imp *admin.Impersonation) {
			postgrestest.Exec(t, w.db, "update impersonations set expires_at = now() - interval '1 second' where id = $1", imp.ID)
		},
		"with the session": func(who admin.Who, _ *admin.Impersonation) { must(t, w.admin.Logout(t.Context(), who)) },
		"with the membership": func(admin.Who, *admin.Impersonation) {
			postgrestest.Exec(t, w.db, "delete from memberships where user_id = $1", owner)
		},
		"when it was forgotten": func(who admin.Who, imp *admin.Impersonation) {
			must(t, w.admin.EndImpersonation(t.Context(), who, imp.ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			postgrestest.Exec(t, w.db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'owner', 'system') on conflict do nothing", tenant, owner)
			who, err := w.admin.Authenticate(t.Context(), w.operator())
			must(t, err)
			imp, token, err := w.admin.Impersonate(t.Context(), who, owner, tenant, "a test")
			must(t, err)
			if d := time.Until(imp.ExpiresAt); d > 30*time.Minute {
				t.Errorf("it lasts %s", d)
			}
			h := bearer(token.Reveal())
			h["Carillon-Tenant"] = string(tenant)
			if code, _, body := w.call("GET", "/api/v1/posts", h, ""); code != 200 {
				t.Fatalf("before: %d %s", code, body)
			}
			end(who, imp)
			if code, _, _ := w.call("GET", "/api/v1/posts", h, ""); code < 400 {
				t.Errorf("after: %d", code)
			}
		})
	}
}

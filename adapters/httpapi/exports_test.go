package httpapi_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/exports"
)

// export is one of tenant's that is being made, by nobody.
func (w *world) export(tenant tenants.ID) string {
	w.t.Helper()
	name := id.New("exp")
	postgrestest.Exec(w.t, w.db, `insert into exports (tenant_id, id, job_id, state, include_children, covers, requested_by, leased_until, created_at)
		values ($1, $2, $3, 'running', false, array[$1], 'system', now() + interval '1 hour', now())`, tenant, name, id.New("job"))
	return name
}

func noExport(s *stage) {
	postgrestest.Exec(s.t, s.db, "update exports set state = 'failed' where tenant_id = $1", s.tenant)
}

// archived has the archive ready.
func archived(s *stage) {
	postgrestest.Exec(s.t, s.db, "update exports set state = 'ready', attempt = 1, expires_at = now() + interval '1 hour' where id = $1", s.names["export"])
}

func TestAnArchiveIsFetchedByALinkAndNothingElse(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Owner)
	_, editor := w.member(tenant, tenants.Admin)
	if code, _, answer := w.call("POST", "/api/v1/exports", in(tenant, editor), `{}`); code != 403 {
		t.Errorf("an admin: %d %s", code, answer)
	}
	code, headers, answer := w.call("POST", "/api/v1/exports", in(tenant, token), `{}`)
	var e struct{ ID, State string }
	must(t, json.Unmarshal([]byte(answer), &e))
	if code != 202 || e.State != "running" || !strings.HasPrefix(headers.Get("Location"), "/api/v1/jobs/job_") {
		t.Fatalf("%d %v %s", code, headers, answer)
	}
	if code, _, answer := w.call("POST", "/api/v1/exports/"+e.ID+":link", in(tenant, token), ""); code != 409 {
		t.Errorf("before it is ready: %d %s", code, answer)
	}
	must(t, w.exports.Run(t.Context(), tenant, exports.ID(e.ID)))
	code, headers, answer = w.call("POST", "/api/v1/exports/"+e.ID+":link", in(tenant, token), "")
	var link struct{ URL string }
	must(t, json.Unmarshal([]byte(answer), &link))
	if code != 201 || headers.Get("Location") != "/api/v1/exports/"+e.ID {
		t.Fatalf("%d at %q: %s", code, headers.Get("Location"), answer)
	}
	u, err := url.Parse(link.URL)
	must(t, err)
	code, headers, answer = w.call("GET", u.RequestURI(), nil, "")
	z, err := zip.NewReader(bytes.NewReader([]byte(answer)), int64(len(answer)))
	must(t, err)
	if code != 200 || len(z.File) < 10 || headers.Get("Content-Disposition") != `attachment; filename="`+e.ID+`.zip"` ||
		headers.Get("Content-Security-Policy") != "sandbox; default-src 'none'" || headers.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", code, headers)
	}
	signed := u.Query().Get("token")
	for name, bad := range map[string]string{"changed": signed[:len(signed)-2] + "AA", "a ticket": w.ticket(tenant, token), "nothing": "x"} {
		if code, _, answer := w.call("GET", "/api/v1/exports:download?token="+url.QueryEscape(bad), nil, ""); code != 401 {
			t.Errorf("%s: %d %s", name, code, answer)
		}
	}
	// Who left does not fetch any more.
	postgrestest.Exec(t, w.db, "update memberships set role = 'editor' where tenant_id = $1", tenant)
	if code, _, answer := w.call("GET", u.RequestURI(), nil, ""); code != 403 {
		t.Errorf("no owner any more: %d %s", code, answer)
	}
}

// ticket is a token for another door.
func (w *world) ticket(tenant tenants.ID, token string) string {
	w.t.Helper()
	_, _, answer := w.call("POST", "/api/v1/events/ticket", in(tenant, token), "")
	var out struct{ Ticket string }
	must(w.t, json.Unmarshal([]byte(answer), &out))
	return out.Ticket
}

// in is what a person sends with a request to a tenant.
func in(tenant tenants.ID, token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
}

// archived is the token of an address of an archive.
func (s *scene) archived() string {
	name := s.export(s.tenant)
	postgrestest.Exec(s.t, s.db, "update exports set state = 'ready', attempt = 1, expires_at = now() + interval '1 hour' where id = $1", name)
	u, err := url.Parse(s.got("POST", "/exports/"+name+":link")["url"])
	must(s.t, err)
	return u.Query().Get("token")
}

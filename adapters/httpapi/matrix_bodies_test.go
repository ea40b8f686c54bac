package httpapi_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// foreign are the requests that name another tenant's things other than in
// their path: {their_…} is filled in with the victim's, and then with names
// that nothing has. An operation that takes such a name and is not here fails.
var foreign = map[string][]string{
	"setMemberRole":    {`{"role":"custom:{their_role}"}`},
	"addMember":        {`{"email":"{their_email}","role":"viewer"}`, `{"email":"guest@example.com","role":"custom:{their_role}"}`},
	"giveWorkspaces":   {`{"workspaces":[{"tenant_id":"{their_tenant}","role":"viewer"}]}`},
	"createInvitation": {`{"email":"guest@example.com","role":"custom:{their_role}"}`},
	"offerOwnership":   {`{"user_id":"{their_user}"}`},
	"deleteRole":       {`?reassign_to=custom:{their_role}`},
	"setPluginGrants":  {`{"tenants":[{"tenant":"{their_tenant}","allow":true}]}`},
	"startConnection":  {`{"platform":"test.platform","reconnect":"{their_channel}"}`},
	"createPost":       naming, "validatePost": naming, "updatePost": naming,
	"batchPosts":  {`{"posts":[{"segments":[{"text":"hello"}],"channels":[{"channel_id":"{their_channel}"}]}]}`},
	"listPosts":   {`?channel={their_channel}`},
	"getCalendar": {`?scheduled_at[gte]=` + soon(-24*time.Hour) + `&scheduled_at[lt]=` + soon(24*time.Hour) + `&channel={their_channel}`},
	"listAudit":   {`?subject={their_post}`, `?actor={their_user}`},
	"exportAudit": {`?subject={their_post}`, `?actor={their_user}`},
}

func soon(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

// naming are contents of posts that name channels and media, each alone.
var naming = []string{
	`{"segments":[{"text":"hello"}],"channels":[{"channel_id":"{their_channel}"}]}`,
	`{"segments":[{"text":"hello","media":[{"id":"{their_media}"}]}],"channels":[{"channel_id":"{channel}"}]}`,
	`{"segments":[{"text":"hello"}],"channels":[{"channel_id":"{channel}","segments":[{"text":"hello","media":[{"id":"{their_media}"}]}]}]}`,
}

// harmless are the operations that answer such a request with a success that
// has nothing in it, each with the reason.
var harmless = map[string]string{
	"giveWorkspaces": "each workspace has a problem of its own in the answer",
	"validatePost":   "what is wrong is the answer",
	"batchPosts":     "each post has a problem of its own in the answer",
	"listPosts":      "a filter that nothing matches", "getCalendar": "a filter that nothing matches",
	"listAudit": "a filter that nothing matches", "exportAudit": "a filter that nothing matches",
}

// Whoever names another tenant's things in a body or a query, at home and with
// every right there, gets the answer to names that nothing has.
func TestForeignNamesInBodies(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "row-level security alone": postgrestest.RowSecurityAlone, "filters alone": postgrestest.FiltersAlone,
	} {
		t.Run(name, func(t *testing.T) { foreignNames(t, newWorld(t, open(t))) })
	}
}

func foreignNames(t *testing.T, w *world) {
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	home, victim := postgrestest.Child(t, w.db, agency, tenants.Workspace), postgrestest.Child(t, w.db, agency, tenants.Workspace)
	owner, token := w.member(home, tenants.Owner)
	other, _ := w.member(victim, tenants.Owner)
	mine, theirs := w.victim(home, owner), w.victim(victim, other)
	mine["post"] = w.draft(home, owner)
	theirs["role"] = w.role(victim, other, "theirs")
	theirs["email"] = w.email(other)
	nothing := strangers(theirs)
	nothing["role"] = "none"
	nothing["email"] = id.New("usr") + "@example.com"
	me := principal{bearer: token, tenant: home}
	_, routes := contract(t)
	for _, r := range routes {
		requests, named := foreign[r.op.OperationID]
		if !named && len(namesIn(r)) > 0 && r.op.Extensions["x-operator"] == nil { // operators name everybody's
			t.Errorf("%s takes %v, and nobody tried another tenant's", r.op.OperationID, namesIn(r))
		}
		for _, request := range requests {
			real, made := w.naming(r, me, request, mine, theirs), w.naming(r, me, request, mine, nothing)
			switch {
			case real != made:
				t.Errorf("%s %s: %s\nbut of nothing: %s", r.op.OperationID, request, real, made)
			case strings.Contains(real, `"code":"request.`), strings.HasPrefix(real, "2") != (harmless[r.op.OperationID] != ""):
				t.Errorf("%s %s: %s", r.op.OperationID, request, real)
			}
		}
	}
}

// naming sends a request of foreign with the names of somebody else. In the
// answer these names are taken out again.
func (w *world) naming(r route, p principal, request string, mine, theirs map[string]string) string {
	w.t.Helper()
	var back []string
	for _, what := range slices.Sorted(maps.Keys(theirs)) {
		request = strings.ReplaceAll(request, "{their_"+what+"}", theirs[what])
		back = append(back, theirs[what], "{their_"+what+"}")
	}
	for what, name := range mine {
		request = strings.ReplaceAll(request, "{"+what+"}", name)
	}
	headers := map[string]string{"Carillon-Tenant": string(p.tenant), "Idempotency-Key": id.New("x"), "Authorization": "Bearer " + p.bearer, "If-Match": `"v1"`}
	path, query, _ := strings.Cut(r.fill(w.t, mine), "?")
	body := request
	if strings.HasPrefix(request, "?") {
		query, body = request[1:], ""
	}
	if query != "" {
		path += "?" + query
	}
	code, _, answer := w.call(r.method, path, headers, body)
	return fmt.Sprint(code, " ", strings.NewReplacer(back...).Replace(answer))
}

// namesIn are the members of the body and the parameters in the query of a
// route that are called as what has an owner is.
func namesIn(r route) (all []string) {
	for _, p := range r.op.Parameters {
		if p.Value.In == "query" && names(p.Value.Name, p.Value.Schema.Value) {
			all = append(all, "?"+p.Value.Name)
		}
	}
	if r.op.RequestBody == nil {
		return all
	}
	for _, content := range r.op.RequestBody.Value.Content {
		members(content.Schema, "", 0, func(pointer, name string, s *openapi3.Schema) {
			if names(name, s) {
				all = append(all, pointer)
			}
		})
	}
	return all
}

func names(member string, s *openapi3.Schema) bool {
	called := strings.HasSuffix(member, "_id") ||
		slices.Contains([]string{"id", "reconnect", "tenant", "channel", "user", "subject", "actor", "reassign_to"}, member)
	return called && len(s.Enum) == 0
}

// members walks every member of a schema.
func members(ref *openapi3.SchemaRef, at string, depth int, visit func(pointer, name string, s *openapi3.Schema)) {
	if ref == nil || depth > 8 {
		return
	}
	s := ref.Value
	for _, part := range slices.Concat(s.AllOf, s.OneOf, s.AnyOf) {
		members(part, at, depth+1, visit)
	}
	members(s.Items, at+"/0", depth+1, visit)
	for name, member := range s.Properties {
		visit(at+"/"+name, name, member.Value)
		members(member, at+"/"+name, depth+1, visit)
	}
}

// draft is a post that can be changed.
func (w *world) draft(tenant tenants.ID, owner tenants.UserID) string {
	w.t.Helper()
	p := publishing.NewPost(publishing.Content{Parts: []publishing.Part{{Text: "hello"}}}, string(owner))
	must(w.t, w.db.Posts().Update(w.t.Context(), tenant, func(ctx context.Context, tx publishing.Tx) error { return tx.SavePost(ctx, p) }))
	return string(p.ID)
}

// role makes a role of tenant that only tenant has.
func (w *world) role(tenant tenants.ID, owner tenants.UserID, name string) string {
	w.t.Helper()
	who, err := w.registry.Resolve(w.t.Context(), owner, tenant)
	must(w.t, err)
	_, err = w.registry.CreateRole(w.t.Context(), who, name, "Theirs", []tenants.Action{"post.read"})
	must(w.t, err)
	return name
}

func (w *world) email(user tenants.UserID) string {
	w.t.Helper()
	all, err := w.names.Names(context.Background(), []tenants.UserID{user})
	must(w.t, err)
	return all[0].Email
}

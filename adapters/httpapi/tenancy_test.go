package httpapi_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/letters"
	"github.com/carillonhq/carillon/tenants/registry"
)

// want calls once, whatever was called before, and compares status and code, which may be empty, and returns the
// answer.
func (w *world) want(status int, code, method, path string, headers map[string]string, body string) map[string]any {
	w.t.Helper()
	got, _, answer := w.call(method, "/api/v1"+path, with(headers, "Idempotency-Key", id.New("x")), body)
	if got != status || code != "" && !strings.Contains(answer, `"code":"`+code+`"`) {
		w.t.Fatalf("%s %s: %d %s, want %d %s", method, path, got, answer, status, code)
	}
	if answer == "" {
		return nil
	}
	return decode(w.t, answer)
}

// letters delivers the letter of an invitation and returns the token in it.
func (w *world) letter(tenant tenants.ID, invitation any, number int) string {
	w.t.Helper()
	b := new(letterbox)
	c := registry.NewCourier(w.db.Registry(), b,
		func(context.Context, tenants.ID) (letters.Head, error) {
			return letters.Head{Home: "https://app.test"}, nil
		},
		func(context.Context, []tenants.UserID) ([]string, error) { return nil, nil }, time.Now)
	must(w.t, c.Deliver(w.t.Context(), tenant, registry.Letter{Invitation: registry.InvitationID(fmt.Sprint(invitation)), Number: number}))
	found := regexp.MustCompile(`#token=(\S+)`).FindStringSubmatch(b.last.Text)
	if found == nil {
		w.t.Fatalf("no link in %+v", b.last)
	}
	return found[1]
}

type letterbox struct{ last mail.Message }

func (b *letterbox) Send(_ context.Context, m mail.Message) error {
	b.last = m
	return nil
}

func TestInvitationsOverHTTP(t *testing.T) {
	w, tenant, owner := newcomer(t)
	known := id.New("ann") + "@example.com"
	w.register(known, "four unrelated words here")
	in, err := w.people.Login(t.Context(), identity.Client{}, known, "four unrelated words here")
	must(t, err)
	_, eve := w.person()
	ann := map[string]string{"Authorization": "Bearer " + in.Access.Reveal()}

	inv := w.want(201, "", "POST", "/invitations", owner, `{"email":"`+strings.ToUpper(known)+`","role":"editor"}`)
	if inv["email"] != known || inv["state"] != "pending" {
		t.Errorf("%v", inv)
	}
	w.want(409, "invitation.exists", "POST", "/invitations", owner, `{"email":"`+known+`","role":"viewer"}`)
	w.want(409, "ownership.by_offer", "POST", "/invitations", owner, `{"email":"x@example.com","role":"owner"}`)
	w.want(422, "role.unknown", "POST", "/invitations", owner, `{"email":"x@example.com","role":"custom:ghost"}`)
	link := `{"token":"` + w.letter(tenant, inv["id"], 1) + `"}`
	if to := w.want(200, "", "POST", "/invitations:look", nil, link); to["tenant_id"] != string(tenant) || to["role"] != "editor" || to["email"] != known {
		t.Errorf("%v", to)
	}
	w.want(401, "", "POST", "/invitations:accept", nil, link)
	w.want(403, "invitation.other_address", "POST", "/invitations:accept", map[string]string{"Authorization": "Bearer " + eve}, link)
	w.want(409, "invitation.known_address", "POST", "/invitations:register", nil, strings.TrimSuffix(link, "}")+`,"name":"Ann","password":"mist orchard velvet quarry"}`)
	w.want(404, "", "GET", "/posts", with(ann, "Carillon-Tenant", string(tenant)), "")
	w.want(200, "", "POST", "/invitations:accept", ann, link)
	w.want(200, "", "GET", "/posts", with(ann, "Carillon-Tenant", string(tenant)), "")
	w.want(422, "invitation.link", "POST", "/invitations:accept", ann, link)
	w.want(422, "invitation.link", "POST", "/invitations:look", nil, link)

	fresh := id.New("ben") + "@example.com"
	inv = w.want(201, "", "POST", "/invitations", owner, `{"email":"`+fresh+`","role":"viewer"}`)
	at := "/invitations/" + fmt.Sprint(inv["id"])
	w.want(429, "invitation.just_sent", "POST", at+":resend", owner, "")
	postgrestest.Exec(t, w.db, "update invitations set sent_at = sent_at - interval '2 minutes' where id = $1", inv["id"])
	first := w.letter(tenant, inv["id"], 1)
	w.want(200, "", "POST", at+":resend", owner, "")
	w.want(422, "invitation.link", "POST", "/invitations:look", nil, `{"token":"`+first+`"}`)
	second := `{"token":"` + w.letter(tenant, inv["id"], 2) + `","name":"Ben","password":"mist orchard velvet quarry"}`
	if to := w.want(201, "", "POST", "/invitations:register", nil, second); to["tenant_id"] != string(tenant) {
		t.Errorf("%v", to)
	}
	tokens := w.want(200, "", "POST", "/auth/login", nil, `{"email":"`+fresh+`","password":"mist orchard velvet quarry"}`)
	ben := as(tenant, fmt.Sprint(tokens["access_token"]))
	if me := w.want(200, "", "GET", "/me", ben, ""); me["home_tenant_id"] != string(tenant) {
		t.Errorf("%v", me)
	}
	w.want(403, "role.denied", "POST", "/invitations", ben, `{"email":"y@example.com","role":"viewer"}`)
	w.want(409, "invitation.closed", "DELETE", at, owner, "")

	inv = w.want(201, "", "POST", "/invitations", owner, `{"email":"zoe@example.com","role":"viewer"}`)
	gone := `{"token":"` + w.letter(tenant, inv["id"], 1) + `"}`
	w.want(204, "", "DELETE", "/invitations/"+fmt.Sprint(inv["id"]), owner, "")
	w.want(422, "invitation.link", "POST", "/invitations:look", nil, gone)
	page := w.want(200, "", "GET", "/invitations?limit=2", owner, "")
	rest := w.want(200, "", "GET", "/invitations?limit=2&cursor="+fmt.Sprint(page["next_cursor"]), owner, "")
	if len(page["data"].([]any)) != 2 || len(rest["data"].([]any)) != 1 || strings.Contains(fmt.Sprint(page, rest), "civ_") {
		t.Errorf("%v\n%v", page, rest)
	}
}

func TestOwnershipOverHTTP(t *testing.T) {
	w, tenant, owner := newcomer(t)
	heir, token := w.member(tenant, tenants.Viewer)
	_, other := w.member(tenant, tenants.Admin)
	at := "/tenants/" + string(tenant) + "/ownership"
	w.want(403, "role.denied", "POST", at+":offer", as(tenant, other), `{"user_id":"`+string(heir)+`"}`)
	w.want(409, "ownership.by_offer", "PUT", "/members/"+string(heir), owner, `{"role":"owner"}`)
	if o := w.want(201, "", "POST", at+":offer", owner, `{"user_id":"`+string(heir)+`"}`); o["keeps"] != "admin" {
		t.Errorf("%v", o)
	}
	w.want(404, "ownership.not_found", "GET", at, as(tenant, other), "")
	w.want(404, "ownership.not_found", "POST", at+":accept", as(tenant, other), "")
	w.want(200, "", "GET", at, as(tenant, token), "")
	w.want(204, "", "DELETE", at, as(tenant, token), "")
	w.want(404, "ownership.not_found", "POST", at+":accept", as(tenant, token), "")
	w.want(201, "", "POST", at+":offer", owner, `{"user_id":"`+string(heir)+`","keeps":"none"}`)
	w.want(204, "", "POST", at+":accept", as(tenant, token), "")
	w.want(404, "tenant.not_found", "GET", at, owner, "") // who gave it away has left
	w.want(409, "member.last_owner", "POST", "/me/tenants/"+string(tenant)+":leave", as("", token), "")
	w.want(204, "", "POST", "/me/tenants/"+string(tenant)+":leave", as("", other), "")
	w.want(404, "tenant.not_found", "POST", "/me/tenants/"+string(tenant)+":leave", as("", other), "")
}

func TestWorkspacesAndRolesOverHTTP(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	_, token := w.member(agency, tenants.Owner)
	boss := as(agency, token)
	var shops []string
	for _, name := range []string{"One", "Two"} {
		shop := w.want(201, "", "POST", "/tenants/"+string(agency)+"/children", boss, `{"name":"`+name+`","kind":"workspace"}`)
		shops = append(shops, fmt.Sprint(shop["id"]))
	}
	ann, hers := w.member(agency, tenants.Viewer)
	w.want(422, "role.copy_or_actions", "POST", "/roles", boss, `{"name":"x","title":"X","copy_of":"editor","actions":["post.read"]}`)
	writer := w.want(201, "", "POST", "/roles", boss, `{"name":"writer","title":"Writer","copy_of":"editor"}`)
	if !strings.Contains(fmt.Sprint(writer["actions"]), "post.publish") || strings.Contains(fmt.Sprint(writer["actions"]), "member.") {
		t.Errorf("%v", writer)
	}
	w.want(404, "tenant.not_found", "GET", "/posts", as(tenants.ID(shops[0]), hers), "")
	got := w.want(200, "", "POST", "/members/"+string(ann)+"/workspaces", boss, fmt.Sprintf(
		`{"workspaces":[{"tenant_id":%q,"role":"custom:writer"},{"tenant_id":%q,"role":"viewer"},{"tenant_id":%q,"role":"viewer"},{"tenant_id":"x","role":"viewer"}]}`,
		shops[0], shops[1], tenants.NewID()))
	for i, given := range []bool{true, true, false, false} {
		if item := got["data"].([]any)[i].(map[string]any); item["given"] != given || given == (item["problem"] != nil) {
			t.Errorf("%d: %v", i, item)
		}
	}
	w.want(201, "", "POST", "/posts", as(tenants.ID(shops[0]), hers), `{"segments":[{"text":"x"}]}`)
	w.want(403, "role.denied", "POST", "/posts", as(tenants.ID(shops[1]), hers), `{"segments":[{"text":"x"}]}`)
	if list := w.want(200, "", "GET", "/members/"+string(ann)+"/workspaces", boss, ""); len(list["data"].([]any)) != 2 {
		t.Errorf("%v", list)
	}
	if roles := w.want(200, "", "GET", "/roles", as(tenants.ID(shops[0]), token), ""); !strings.Contains(fmt.Sprint(roles), "inherited:true") {
		t.Errorf("%v", roles)
	}
	w.want(404, "role.not_found", "DELETE", "/roles/writer", as(tenants.ID(shops[0]), token), "")

	// What the agency takes from its role is gone in the workspace with the next request.
	w.want(200, "", "PUT", "/roles/writer", with(boss, "If-Match", `"v1"`), `{"title":"Reader","actions":["post.read"]}`)
	w.want(403, "role.denied", "POST", "/posts", as(tenants.ID(shops[0]), hers), `{"segments":[{"text":"x"}]}`)
	w.want(409, "role.in_use", "DELETE", "/roles/writer", boss, "")
	w.want(204, "", "DELETE", "/roles/writer?reassign_to=editor", boss, "")
	w.want(201, "", "POST", "/posts", as(tenants.ID(shops[0]), hers), `{"segments":[{"text":"x"}]}`)
	if all := w.want(200, "", "GET", "/roles:built-in", boss, ""); len(all["data"].([]any)) != len(tenants.BuiltinRoles()) {
		t.Errorf("%v", all)
	}
}

func TestAccessOverHTTP(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	shop := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	_, boss := w.member(agency, tenants.Owner)
	_, client := w.member(shop, tenants.Owner)
	above, here, inside := as(agency, boss), as(shop, client), as(shop, boss)
	ask := "/tenants/" + string(agency) + "/children/" + string(shop) + ":request-access"
	body := `{"role":"manager","reason":"Moving the channels","hours":2}`
	w.want(404, "tenant.not_found", "GET", "/posts", inside, "")
	asked := w.want(201, "", "POST", ask, above, body)
	w.want(409, "access.asked", "POST", ask, above, body)
	w.want(404, "tenant.not_found", "GET", "/posts", inside, "")
	at := "/access-grants/" + fmt.Sprint(asked["id"])
	w.want(404, "access.not_found", "POST", at+":approve", above, "") // it is the child's to decide
	w.want(200, "", "POST", at+":approve", here, "")
	w.want(200, "", "GET", "/posts", inside, "")
	w.want(201, "", "POST", "/posts", inside, `{"segments":[{"text":"by grant"}]}`)
	for _, closed := range []struct{ method, path, body string }{
		{"POST", "/invitations", `{"email":"me@example.com","role":"manager"}`}, {"POST", "/roles", `{"name":"x","title":"X","actions":["post.read"]}`},
		{"POST", "/api-keys", `{"name":"k","scopes":["post.read"]}`}, {"POST", "/webhooks", `{"url":"https://example.com/hook"}`}, {"POST", "/access-grants", body},
	} {
		w.want(403, "role.denied", closed.method, closed.path, inside, closed.body)
	}
	if list := w.want(200, "", "GET", "/access-grants:received", above, ""); !strings.Contains(fmt.Sprint(list), "granted") || !strings.Contains(fmt.Sprint(list), string(shop)) {
		t.Errorf("%v", list)
	}
	if book := w.want(200, "", "GET", "/audit", here, ""); !strings.Contains(fmt.Sprint(book), "grant:"+fmt.Sprint(asked["id"])) {
		t.Errorf("the book does not say that somebody was here by grant: %v", book)
	}
	w.want(200, "", "POST", at+":revoke", here, "")
	w.want(404, "tenant.not_found", "GET", "/posts", inside, "")
	again := w.want(201, "", "POST", "/access-grants", here, body)
	w.want(200, "", "GET", "/posts", inside, "")
	postgrestest.Exec(t, w.db, "update access_grants set until = now() where id = $1", again["id"])
	w.want(404, "tenant.not_found", "GET", "/posts", inside, "")
}

// What the operator closed is not the agency's to open, nor to give another
// reason for; and people are sent to the operator.
func TestTheOperatorsSuspensionStands(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	shop := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	_, above := w.member(agency, tenants.Owner)
	_, owner := w.member(shop, tenants.Owner)
	boss, byOperator, byParent := bearer(w.operator()), "/operator/tenants/"+string(shop), "/tenants/"+string(agency)+"/children/"+string(shop)
	w.want(200, "", "POST", byOperator+":suspend", boss, `{"reason":"abuse"}`)
	for verb, body := range map[string]string{"resume": "", "suspend": `{"reason":"a reason of ours"}`} {
		got := w.want(409, "tenant.suspended_above", "POST", byParent+":"+verb, as(agency, above), body)
		if detail := fmt.Sprint(got["detail"]); !strings.Contains(detail, "Ask Operator") || strings.Contains(detail, "abuse") {
			t.Errorf("%s: the parent is told %q", verb, detail)
		}
	}
	got := w.want(403, "tenant.suspended", "GET", "/posts", as(shop, owner), "")
	if detail := fmt.Sprint(got["detail"]); !strings.Contains(detail, "abuse. Ask Operator.") {
		t.Errorf("a member is told %q", detail)
	}
	w.want(200, "", "POST", byOperator+":resume", boss, "")
	w.want(200, "", "GET", "/posts", as(shop, owner), "")
	w.want(204, "", "POST", byParent+":suspend", as(agency, above), `{"reason":"unpaid"}`)
	w.want(200, "", "POST", byOperator+":resume", boss, "") // the operator opens anything
	w.want(200, "", "GET", "/posts", as(shop, owner), "")
}

func TestSuspensionOverHTTP(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	reseller := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Reseller)
	agency := postgrestest.Child(t, w.db, reseller, tenants.Agency)
	shop, apart := postgrestest.Child(t, w.db, agency, tenants.Workspace), postgrestest.Child(t, w.db, agency, tenants.Workspace)
	_, root := w.member(postgrestest.Operator, tenants.Owner)
	_, above := w.member(agency, tenants.Owner)
	_, owner := w.member(shop, tenants.Owner)
	key := map[string]string{"Authorization": "Bearer " + w.key(shop)}
	at := func(parent, child tenants.ID, verb string) string {
		return "/tenants/" + string(parent) + "/children/" + string(child) + ":" + verb
	}
	w.want(200, "", "GET", "/posts", as(shop, owner), "")
	w.want(204, "", "POST", at(agency, apart, "suspend"), as(agency, above), `{"reason":"moved"}`)
	w.want(204, "", "POST", at(postgrestest.Operator, reseller, "suspend"), as(postgrestest.Operator, root), `{"reason":"unpaid bill"}`)
	for who, headers := range map[string]map[string]string{"a person": as(shop, owner), "a key": key, "one above": as(agency, above)} {
		got := w.want(403, "tenant.suspended", "GET", "/tenants/"+string(shop), headers, "")
		if detail := fmt.Sprint(got["detail"]); !strings.Contains(detail, "Ask ") || strings.Contains(detail, "unpaid") {
			t.Errorf("%s is told %q", who, detail)
		}
	}
	places := w.want(200, "", "GET", "/tenants", map[string]string{"Authorization": "Bearer " + owner}, "") // signing in still answers
	if place := places["data"].([]any)[0].(map[string]any); place["state"] != "suspended" || place["ask"] != "agency of a test" || place["suspended_reason"] != nil {
		t.Errorf("%v", place)
	}
	w.want(204, "", "POST", at(postgrestest.Operator, reseller, "resume"), as(postgrestest.Operator, root), "")
	w.want(200, "", "GET", "/posts", as(shop, owner), "")
	children := w.want(200, "", "GET", "/tenants/"+string(agency)+"/children", as(agency, above), "")
	if all := fmt.Sprint(children); strings.Count(all, "state:suspended") != 1 {
		t.Errorf("what was suspended on its own: %s", all)
	}
}

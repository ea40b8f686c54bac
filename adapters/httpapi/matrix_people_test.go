package httpapi_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// What is a person's own, outside of any tenant, answers somebody else as what
// nobody has, and an API key, a forged bearer or nobody not at all. It is all
// still there afterwards.
func TestNobodyReachesAnotherPersonsAccount(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	names["session"] = w.session(token)
	nothing := strangers(names)
	nothing["provider"] = names["provider"] // is everybody's
	before := w.account(token)
	_, routes := contract(t)
	for _, r := range routes {
		if r.op.Extensions["x-action"] != nil || r.op.Extensions["x-public"] != nil || r.op.Extensions["x-operator"] != nil {
			continue // TestTheRealmIsApart has the operators'
		}
		for as, bearer := range map[string]string{"a key of the same tenant": w.key(tenant), "a forged bearer": "x.y.z", "nobody": ""} {
			real, made := w.ask(r, principal{bearer: bearer}, tenant, names), w.ask(r, principal{bearer: bearer}, tenant, nothing)
			if real != made || !strings.HasPrefix(real, "401") && !strings.HasPrefix(real, "403") {
				t.Errorf("%s as %s: %s\nbut of nothing: %s", r.op.OperationID, as, real, made)
			}
		}
		_, other := w.person()
		real := w.ask(r, principal{bearer: other}, tenant, names)
		for kind, name := range names {
			if kind != "provider" && kind != "platform" && kind != "role" && strings.Contains(real, name) {
				t.Errorf("%s shows another's %s: %s", r.op.OperationID, kind, real)
			}
		}
		if strings.Contains(strings.ReplaceAll(r.path, "{provider}", ""), "{") {
			made := w.ask(r, principal{bearer: other}, tenant, nothing)
			if real != made || !strings.HasPrefix(real, "404") {
				t.Errorf("%s as another person: %s\nbut of nothing: %s", r.op.OperationID, real, made)
			}
		}
	}
	if after := w.account(token); after != before {
		t.Errorf("was %s\nis  %s", before, after)
	}
}

// account is all that a person sees of their own, without what moves by looking.
func (w *world) account(token string) string {
	w.t.Helper()
	var out strings.Builder
	for _, path := range []string{"/me", "/me/sessions", "/me/identities", "/me/factors", "/tenants"} {
		code, _, body := w.call("GET", "/api/v1"+path, map[string]string{"Authorization": "Bearer " + token}, "")
		fmt.Fprintln(&out, path, code, body)
	}
	return out.String()
}

// addressed are the public operations that take an address, with a body.
var addressed = map[string]string{
	"registerUser":       `{"email":"%s","password":"four unrelated words here","name":"Somebody"}`,
	"resendVerification": `{"email":"%s"}`,
	"forgotPassword":     `{"email":"%s"}`,
	"login":              `{"email":"%s","password":"not the words of anybody"}`,
	"operatorLogin":      `{"email":"%s","password":"not the words of anybody"}`,
}

// A public operation takes no notice of who sends it, and tells nobody which
// addresses have an account.
func TestPublicOperationsTellNothing(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	known, operator := w.email(owner), id.New("opr")+"@example.com"
	must(t, w.admin.Enlist(t.Context(), admin.Shell(), operator, "Olga", "four unrelated words here"))
	_, routes := contract(t)
	for _, r := range routes {
		if r.op.Extensions["x-public"] == nil {
			continue
		}
		body := bodies[r.op.OperationID]
		if form := addressed[r.op.OperationID]; form != "" {
			if body = fmt.Sprintf(form, known); r.op.OperationID == "operatorLogin" {
				body = fmt.Sprintf(form, operator)
			}
			code, _, answer := w.call(r.method, r.fill(t, names), nil, body)
			other, _, unknown := w.call(r.method, r.fill(t, names), nil, fmt.Sprintf(form, id.New("usr")+"@example.com"))
			if code != other || answer != unknown || code == 400 {
				t.Errorf("%s: %d %s\nof an unknown address: %d %s", r.op.OperationID, code, answer, other, unknown)
			}
		} else if takesAddress(r) {
			t.Errorf("%s takes an address, and nobody tried which are known", r.op.OperationID)
		}
		alone, _, _ := w.call(r.method, r.fill(t, names), nil, body)
		for as, bearer := range map[string]string{"a person": token, "a key": w.key(tenant), "a forged bearer": "x.y.z"} {
			headers := map[string]string{"Authorization": "Bearer " + bearer, "Carillon-Tenant": string(tenant)}
			if code, _, answer := w.call(r.method, r.fill(t, names), headers, body); code != alone {
				t.Errorf("%s as %s: %d %s, and %d as nobody", r.op.OperationID, as, code, answer, alone)
			}
		}
	}
}

func takesAddress(r route) (is bool) {
	if r.op.RequestBody == nil {
		return false
	}
	for _, content := range r.op.RequestBody.Value.Content {
		members(content.Schema, "", 0, func(_, name string, _ *openapi3.Schema) { is = is || name == "email" })
	}
	return is
}

// Whoever comes back from a platform with another's state, and without the
// cookie of the browser that began, is answered as with a state nobody has.
func TestTheCallbackIsForWhoBegan(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	state, binding := sha256.Sum256([]byte("state-of-theirs")), sha256.Sum256([]byte("their-browser"))
	postgrestest.Exec(t, w.db, "update channel_connections set stage = 'redirect', state_hash = $2, binding_hash = $3 where id = $1",
		w.connection(tenant, owner), state[:], binding[:])
	for name, headers := range map[string]map[string]string{
		"nobody": nil, "another's cookie": {"Cookie": "carillon_connect=another-browser"}, "their bearer": {"Authorization": "Bearer " + token},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, real := w.call("GET", "/oauth/callback?code=1&state=state-of-theirs", headers, "")
			other, _, made := w.call("GET", "/oauth/callback?code=1&state=nothing", headers, "")
			if code != other || real != made || code/100 != 4 {
				t.Errorf("%d %s\nof nothing: %d %s", code, real, other, made)
			}
		})
	}
	code, _, body := w.call("GET", "/oauth/callback?code=1&state=state-of-theirs", map[string]string{"Cookie": "carillon_connect=their-browser"}, "")
	if strings.Contains(body, "connection.unknown_state") {
		t.Errorf("who began it: %d %s", code, body)
	}
}

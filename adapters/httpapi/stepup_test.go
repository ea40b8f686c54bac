package httpapi_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// asksOnceMore is what is asked only of somebody who proved lately who they
// are: with a token that leaked, it would outlive its theft.
var asksOnceMore = []string{
	"beginPasskey", "addPasskey", "removePasskey", "renewRecoveryCodes", "enrolTotp", "removeTotp", "confirmTotp",
	"startIdentity", "unlinkIdentity", "createKey", "rotateKey", "offerOwnership", "acceptOwnership", "grantAccess", "trustPluginKey",
	"createExport", "linkExport", "eraseTenant",
}

// A session whose person last proved who they are eleven minutes ago, and a key
// that may everything, are turned away where the contract says so, and nowhere else.
func TestWhatAsksOnceMore(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	tenant := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	owner, token := w.member(tenant, tenants.Owner)
	_, root := w.member(postgrestest.Operator, tenants.Owner)
	names := w.victim(tenant, owner)
	names["session"] = w.session(token)
	postgrestest.Exec(t, w.db, "update sessions set authenticated_at = now() - interval '11 minutes'")
	key := w.keyFor(tenant, owner, identity.ActKeyManage, "access.grant", "tenant.transfer", "tenant.read")
	want := map[string]bool{}
	for _, op := range asksOnceMore {
		want[op] = true
	}
	_, routes := contract(t)
	for _, r := range routes {
		if r.op.Extensions["x-public"] != nil || r.op.Extensions["x-operator"] != nil {
			continue
		}
		op, bearer, at := r.op.OperationID, token, tenant
		if r.op.Extensions["x-action"] == "plugin.manage" {
			bearer, at = root, postgrestest.Operator
		}
		marked := r.op.Extensions["x-step-up"] == true
		if marked != want[op] {
			t.Errorf("%s: x-step-up is %v in the contract", op, marked)
		}
		if !marked && !want[op] && (op == "logout" || strings.HasPrefix(op, "revoke")) {
			continue // it would end this session
		}
		got := w.ask(r, principal{bearer: bearer}, at, names)
		if asked := strings.HasPrefix(got, "403 ") && strings.Contains(got, "stepup.required"); asked != want[op] {
			t.Errorf("%s: %s", op, got)
		}
		if got := w.ask(r, principal{bearer: key.Reveal()}, tenant, names); want[op] && !strings.HasPrefix(got, "403 ") {
			t.Errorf("%s with a key: %s", op, got)
		}
	}
}

// keyFor makes a key for actions.
func (w *world) keyFor(tenant tenants.ID, owner tenants.UserID, scopes ...tenants.Action) secret.Secret {
	w.t.Helper()
	who, err := w.registry.Resolve(w.t.Context(), owner, tenant)
	must(w.t, err)
	k, err := w.keys.Create(w.t.Context(), who, identity.NewKey{Name: "k", Scopes: scopes})
	must(w.t, err)
	return k.Secret
}

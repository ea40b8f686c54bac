package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/catalog/catalogtest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

const addPlugin = "addPlugin"

// as asks in a tenant with a body of that type.
func (w *world) as(token string, tenant tenants.ID, method, path, kind, body string) (int, map[string]any) {
	w.t.Helper()
	code, _, answer := w.call(method, "/api/v1"+path, map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Content-Type": kind}, body)
	if answer == "" {
		return code, nil
	}
	return code, decode(w.t, answer)
}

const asJSON = "application/json"

func sample(plugin, version string, hosts ...string) string {
	m := catalogtest.Manifest(plugin, version)
	m.Egress = append(m.Egress, hosts...)
	b := catalog.Bundle{Digest: strings.ReplaceAll(id.New("x"), "_", ""), Platform: "any", Manifest: m}
	if len(hosts) > 0 {
		b.Command = []string{"python3", "main.py"}
	}
	return string(catalogtest.Of(b))
}

// The operator adds, looks, approves and takes back; a tenant chooses within that.
func TestPluginsOverHTTP(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	_, boss := w.member(postgrestest.Operator, tenants.Owner)
	tenant := postgrestest.Tenant(t, w.db)
	_, admin := w.member(tenant, tenants.Admin)
	_, viewer := w.member(tenant, tenants.Viewer)
	plugin := catalogtest.NewPlugin().ID
	at := "/plugins/" + plugin
	ask := func(want int, token string, in tenants.ID, method, path, body string) map[string]any {
		t.Helper()
		kind := asJSON
		if method == "POST" && path == "/plugins" {
			kind = "application/octet-stream"
		}
		code, answer := w.as(token, in, method, path, kind, body)
		if code != want {
			t.Fatalf("%s %s: %d %v, want %d", method, path, code, answer, want)
		}
		return answer
	}
	root := postgrestest.Operator
	for name, who := range map[string]struct {
		token string
		in    tenants.ID
	}{"a tenant's admin": {admin, tenant}, "a viewer": {viewer, tenant}} {
		if code, answer := w.as(who.token, who.in, "POST", "/plugins", "application/octet-stream", sample(plugin, "1.0.0")); code != 403 {
			t.Errorf("%s: %d %v", name, code, answer)
		}
	}
	if got := ask(201, boss, root, "POST", "/plugins", sample(plugin, "1.0.0")); got["level"] != "local" || got["state"] != "enabled" || got["access"] != "on" {
		t.Errorf("added %v", got)
	}
	got := ask(201, boss, root, "POST", "/plugins", sample(plugin, "1.1.0", "evil.example"))
	if got["version"] != "1.0.0" || fmt.Sprint(got["changes"]) != "[map[kind:host_added what:evil.example] map[kind:command_changed what:python3 main.py]]" {
		t.Errorf("upgrade %v", got)
	}
	seen := ask(200, admin, tenant, "GET", at, "")
	for _, secret := range []string{"changes", "pending", "versions", "hosts"} {
		if seen[secret] != nil {
			t.Errorf("a tenant sees %s: %v", secret, seen[secret])
		}
	}
	if let := ask(200, boss, root, "POST", at+":dismiss", `{"digest":"`+got["pending"].(map[string]any)["digest"].(string)+`"}`); let["pending"] != nil || let["version"] != "1.0.0" {
		t.Errorf("dismissed %v", let)
	}
	got = ask(201, boss, root, "POST", "/plugins", sample(plugin, "1.1.0", "evil.example"))
	if got = ask(200, boss, root, "POST", at+":approve", `{"digest":"`+got["pending"].(map[string]any)["digest"].(string)+`"}`); got["version"] != "1.1.0" {
		t.Errorf("approved %v", got)
	}
	if got = ask(200, boss, root, "POST", at+":rollback", ""); got["version"] != "1.0.0" || got["channel"] != "pinned" {
		t.Errorf("rolled back %v", got)
	}
	if got = ask(200, admin, tenant, "POST", at+":disable", ""); got["access"] != "switched_off" || got["chosen"] != false || got["state"] != "enabled" {
		t.Errorf("switched off %v", got)
	}
	if code, _ := w.as(viewer, tenant, "POST", at+":enable", asJSON, ""); code != 403 {
		t.Errorf("a viewer switched it on: %d", code)
	}
	ask(200, boss, root, "PUT", at+"/grants", `{"tiers":["agency"],"tenants":[{"tenant":"`+string(tenant)+`","allowed":false}]}`)
	if got = ask(402, admin, tenant, "POST", at+":enable", ""); got["code"] != "platform.not_included" {
		t.Errorf("beyond the plan %v", got)
	}
	ask(422, boss, root, "PUT", at+"/grants", `{"tiers":[],"tenants":[{"tenant":"me","allowed":false}]}`)
	ask(200, boss, root, "POST", at+":disable", "")
	ask(404, admin, tenant, "GET", at, "")
	ask(204, boss, root, "DELETE", at, "")
	ask(404, boss, root, "GET", at, "")
	if got = ask(409, boss, root, "POST", "/plugins", sample("test.platform", "9.9.9")); got["code"] != "plugin.builtin" {
		t.Errorf("a builtin's id: %v", got)
	}
}

func TestPluginSettingsOverHTTP(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	_, boss := w.member(postgrestest.Operator, tenants.Owner)
	plugin, _ := w.plugin()
	at := "/plugins/" + plugin + "/settings"
	code, got := w.as(boss, postgrestest.Operator, "PUT", at, asJSON, `{"values":{"token":"canary"}}`)
	if raw, _ := json.Marshal(got); code != 200 || strings.Contains(string(raw), "canary") || fmt.Sprint(got["secrets"]) != "[token]" {
		t.Errorf("%d %v", code, got)
	}
	code, got = w.as(boss, postgrestest.Operator, "PUT", at, asJSON, `{"values":{"token":7}}`)
	if code != 422 || !strings.Contains(fmt.Sprint(got["errors"]), "/values/token") {
		t.Errorf("%d %v", code, got)
	}
}

// What a tenant may not use is not among its platforms, and not to be connected.
func TestAClosedPlatformOverHTTP(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, admin := w.member(tenant, tenants.Owner)
	platforms := func() int {
		_, got := w.as(admin, tenant, "GET", "/platforms", "", "")
		return len(got["data"].([]any))
	}
	if n := platforms(); n != 1 {
		t.Fatalf("%d platforms", n)
	}
	if code, got := w.as(admin, tenant, "POST", "/plugins/test.platform:disable", asJSON, ""); code != 200 {
		t.Fatal(code, got)
	}
	if n := platforms(); n != 0 {
		t.Errorf("%d platforms", n)
	}
	if code, got := w.as(admin, tenant, "POST", "/connections", asJSON, `{"platform":"test.platform"}`); code != 403 || got["code"] != "platform.switched_off" {
		t.Errorf("%d %v", code, got)
	}
}

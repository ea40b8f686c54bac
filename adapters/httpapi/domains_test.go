package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// on asks for path of a host, as an impostor would.
func (w *world) on(host, path string) (int, http.Header, string) {
	w.t.Helper()
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.Host = host
	req.Header.Set("X-Forwarded-Host", "example.com")
	req.Header.Set("Forwarded", "host=example.com")
	res, err := w.app.Test(req, 20_000)
	must(w.t, err)
	raw, err := io.ReadAll(res.Body)
	must(w.t, err)
	return res.StatusCode, res.Header, string(raw)
}

// A host is claimed, proved and served; it is refused before and after, and
// whoever gets certificates is told the same.
func TestAHostFromClaimToEnd(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	reseller := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Reseller)
	_, token := w.member(reseller, tenants.Admin)
	host := strings.ToLower(id.New("h")[2:]) + ".example.net"
	do := func(want int, method, path, body string) map[string]any {
		t.Helper()
		code, _, answer := w.call(method, "/api/v1"+path, map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(reseller)}, body)
		if code != want {
			t.Fatalf("%s %s: %d %s", method, path, code, answer)
		}
		if answer == "" {
			return nil
		}
		return decode(t, answer)
	}
	served := func(want bool) {
		t.Helper()
		must(t, w.hosts.Load(t.Context(), w.db.Domains()))
		code, _, answer := w.on(host, "/login")
		if want != (code == http.StatusOK) || !want && (code != http.StatusMisdirectedRequest || decode(t, answer)["code"] != "request.unknown_host") {
			t.Errorf("served %t: %d %s", want, code, answer)
		}
		code, _, _ = w.on("internal:8788", "/.well-known/carillon/ask?domain="+host)
		if want != (code == http.StatusOK) || !want && code != http.StatusNotFound {
			t.Errorf("asked, served %t: %d", want, code)
		}
	}
	served(false)
	d := do(http.StatusCreated, "POST", "/domains", fmt.Sprintf(`{"host":%q}`, strings.ToUpper(host)))
	if d["host"] != host || d["state"] != "pending" || d["target"] != "app.example.org" {
		t.Errorf("%v", d)
	}
	at := "/domains/" + d["id"].(string)
	if got := do(http.StatusOK, "POST", at+":verify", ""); got["state"] != "pending" || got["problem"] != "no_record" {
		t.Errorf("%v", got)
	}
	served(false)
	proof := d["proof"].(map[string]any)
	w.dns.Set(proof["name"].(string), proof["value"].(string))
	if got := do(http.StatusOK, "POST", at+":verify", ""); got["state"] != "proven" || got["canonical"] != true {
		t.Errorf("%v", got)
	}
	served(true)
	if got := do(http.StatusOK, "GET", "/domains", ""); len(got["data"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	do(http.StatusNoContent, "DELETE", at, "")
	served(false)
	do(http.StatusNotFound, "GET", at, "")
}

// What no tenant has is refused, whatever else the request says; health is
// answered under any name.
func TestUnknownHosts(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	for _, path := range []string{"/", "/docs", "/login", "/api/v1/tenants", "/nothing", "/api/v1/openapi.json", "/livez/", "/.well-known/carillon"} {
		code, _, answer := w.on("evil.example.net", path)
		if code != http.StatusMisdirectedRequest || strings.Contains(answer, "evil") {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if code, _, _ := w.on("10.0.0.7:8788", path); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	for domain, want := range map[string]int{"example.com": 200, "": 404, "evil.example.net": 404, "127.0.0.1": 404} {
		if code, _, _ := w.call("GET", "/.well-known/carillon/ask?domain="+domain, nil, ""); code != want {
			t.Errorf("ask for %q: %d", domain, code)
		}
	}
}

// Each process hears of it within a second.
func TestHostsAreHeard(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	heard := make(chan struct{}, 100)
	go func() { _ = postgrestest.Another(t).ListenHosts(ctx, func() { heard <- struct{}{} }) }()
	next := func(what string) {
		t.Helper()
		select {
		case <-heard:
		case <-ctx.Done():
			t.Fatalf("%s: nothing is heard", what)
		}
	}
	next("listening")
	tenant := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Reseller)
	name := w.domain(tenant, "proven")
	next("proven")
	postgrestest.Exec(t, w.db, "update domains set canonical = true where id = $1", name)
	next("canonical")
	postgrestest.Exec(t, w.db, "delete from domains where id = $1", name)
	next("gone")
}

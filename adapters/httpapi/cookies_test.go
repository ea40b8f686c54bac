package httpapi_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// from are where a browser may say that a request comes from, and whether
// that is a page of ours. The tests' server is example.com, as httptest has it.
var from = map[string]struct {
	headers map[string]string
	own     bool
}{
	"our page":                          {map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "https://example.com"}, true},
	"our page in an older browser":      {map[string]string{"Origin": "https://example.com"}, true},
	"no browser":                        {nil, true},
	"another site":                      {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}, false},
	"a sibling":                         {map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://blog.example.com"}, false},
	"the address bar":                   {map[string]string{"Sec-Fetch-Site": "none"}, false},
	"a browser's new word":              {map[string]string{"Sec-Fetch-Site": "whatever"}, false},
	"another site in an older browser":  {map[string]string{"Origin": "https://evil.test"}, false},
	"a sibling in an older browser":     {map[string]string{"Origin": "https://blog.example.com"}, false},
	"another port":                      {map[string]string{"Origin": "https://example.com:8443"}, false},
	"our page without TLS":              {map[string]string{"Origin": "http://example.com"}, false},
	"a page without an address":         {map[string]string{"Origin": "null"}, false},
	"what begins like us":               {map[string]string{"Origin": "https://example.com.evil.test"}, false},
	"what ends like us":                 {map[string]string{"Origin": "https://notexample.com"}, false},
	"ours as a user name":               {map[string]string{"Origin": "https://example.com@evil.test"}, false},
	"no address":                        {map[string]string{"Origin": "://"}, false},
	"another scheme":                    {map[string]string{"Origin": "file://example.com"}, false},
	"our origin, and another says more": {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://example.com"}, false},
}

// An operation that reads or sets a cookie is for our own pages, whatever else
// comes with the request; every other one does not mind where it comes from.
func TestCookiesAreForOurOwnPages(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	owner, token := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	names["session"], names["passkey"] = w.session(token), w.passkey(owner)
	_, routes := contract(t)
	seen := 0
	for _, r := range routes {
		if r.op.Extensions["x-cookie"] != true {
			continue
		}
		seen++
		for name, f := range from {
			_, own := w.person()
			headers := with(f.headers, "Authorization", "Bearer "+own)
			code, _, body := w.call(r.method, r.fill(t, names), headers, r.body(t))
			if refused := code == 403 && strings.Contains(body, `"auth.cross_site"`); refused == f.own {
				t.Errorf("%s from %s: %d %s", r.op.OperationID, name, code, body)
			}
		}
	}
	if seen < 7 {
		t.Errorf("%d operations with cookies", seen)
	}
	headers := map[string]string{"Authorization": "Bearer " + token, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
	if code, _, body := w.call("GET", "/api/v1/me", headers, ""); code != 200 {
		t.Errorf("who sends a token may come from anywhere: %d %s", code, body)
	}
}

// No cookie opens anything but the operations that are marked, and none of
// those that are not marked sets one.
func TestNothingElseTakesACookie(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	owner, token := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	names["session"], names["passkey"] = w.session(token), w.passkey(owner)
	email := id.New("usr") + "@example.com"
	w.register(email, "four unrelated words here")
	_, in, body := w.call("POST", "/api/v1/auth/login", nil, fmt.Sprintf(`{"email":%q,"password":"four unrelated words here"}`, email))
	access := fmt.Sprint(decode(t, body)["access_token"])
	cookie, _, _ := strings.Cut(in.Get("Set-Cookie"), ";")
	all := strings.Join([]string{cookie, "access_token=" + access, "session=" + access, "Authorization=Bearer " + access}, "; ")
	_, routes := contract(t)
	for _, r := range routes {
		marked := r.op.Extensions["x-cookie"] == true
		code, header, body := w.call(r.method, r.fill(t, names), map[string]string{
			"Cookie": all, "Carillon-Tenant": string(tenant), "Idempotency-Key": id.New("x"), "If-Match": `"v1"`,
		}, r.body(t))
		if r.op.Extensions["x-public"] == nil && code != 401 {
			t.Errorf("%s with cookies alone: %d %s", r.op.OperationID, code, body)
		}
		if set := header.Get("Set-Cookie"); set != "" && !marked {
			t.Errorf("%s sets %q and is not marked x-cookie", r.op.OperationID, set)
		}
	}
}

// A form of another site cannot send JSON, and nothing else is read.
func TestAFormOfAnotherSite(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		headers := map[string]string{"Content-Type": kind}
		if kind == "" {
			headers = map[string]string{"Content-Type": " "}
		}
		code, header, body := w.call("POST", "/api/v1/auth/login", headers, `{"email":"ann@example.com","password":"x"}`)
		if code != 415 || header.Get("Set-Cookie") != "" {
			t.Errorf("%q: %d %s", kind, code, body)
		}
	}
}

// Cookies are read and set in one place each, which knows the rules.
func TestCookiesHaveOneDoor(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	doors := map[string]string{".Cookies(": "cookies.go connections.go", ".Cookie(&": "identity.go", "Header.Cookie(": "", "SetCookie(": ""}
	for _, file := range files {
		source, err := os.ReadFile(file)
		must(t, err)
		for call, allowed := range doors {
			if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(source), call) && !strings.Contains(allowed, file) {
				t.Errorf("%s has %s", file, call)
			}
		}
	}
}

package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// hardened are the headers of every answer, and what they have to say. What a
// page may do besides is in its policy, where nothing is inline.
var hardened = map[string]func(string) bool{
	"Content-Security-Policy": func(v string) bool {
		return strings.HasPrefix(v, "default-src 'none';") && strings.Contains(v, "frame-ancestors 'none'") && strings.Contains(v, "base-uri 'none'") &&
			!strings.Contains(v, "unsafe") && !strings.Contains(v, "*") && !strings.Contains(v, "data:") && !strings.Contains(v, "http:")
	},
	"Strict-Transport-Security":    func(v string) bool { return v == "max-age=63072000; includeSubDomains" },
	"X-Content-Type-Options":       is("nosniff"),
	"X-Frame-Options":              is("DENY"),
	"Referrer-Policy":              is("no-referrer"),
	"Cross-Origin-Opener-Policy":   is("same-origin"),
	"Cross-Origin-Resource-Policy": is("same-origin"),
	"Permissions-Policy":           func(v string) bool { return strings.Contains(v, "camera=()") },
	"Carillon-Request-Id":          func(v string) bool { return id.Is("req", v) },
	"Server":                       is(""),
	"X-Powered-By":                 is(""),
	"Access-Control-Allow-Origin":  is(""), // no other site reads anything
}

func is(want string) func(string) bool { return func(v string) bool { return v == want } }

// Every route there is, and what is none, answers with the same headers: to who
// may, to who may not, by another method, for another host.
func TestEveryAnswerIsHardened(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	names["session"] = w.session(token)
	_, routes := contract(t)
	// One closes the tenant, and comes after all the others.
	slices.SortFunc(routes, func(a, b route) int { return strings.Compare(a.op.OperationID, b.op.OperationID) })
	last := slices.IndexFunc(routes, func(r route) bool { return r.op.OperationID == "eraseTenant" })
	end := routes[last]
	routes = append(slices.Delete(routes, last, last+1), end)
	seen := map[int]int{}
	ask := func(what, method, path string, headers map[string]string, body string) {
		code := w.hardened(what, method, path, headers, body)
		seen[code]++
	}
	for _, r := range routes {
		path := r.fill(t, names)
		_, token := w.member(tenant, tenants.Owner) // whom the one before signed out is somebody else
		signed := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Idempotency-Key": id.New("x"), "If-Match": `"v1"`, "Content-Type": "application/json"}
		ask(r.op.OperationID+" as nobody", r.method, path, nil, "")
		ask(r.op.OperationID+" of another host", r.method, path, map[string]string{"Host": "evil.test"}, "")
		ask(r.op.OperationID+" by another method", "TRACE", path, signed, "")
		ask(r.op.OperationID+" with nonsense", r.method, path, signed, "{")
		ask(r.op.OperationID, r.method, path, signed, named(r.body(t), names))
	}
	for _, path := range []string{
		"/", "/livez", "/readyz", "/docs", "/docs/docs.js", "/docs/style.css", "/errors", "/errors/rate.limited", "/errors/none", "/api/v1/openapi.json", "/nothing", "/api/v1/nothing", "/api/v2/me",
		"/.well-known/carillon/ask?domain=x", "/verify", "/reset-password", "/invitation", "/oauth/callback", "/oauth/callback?state=x&code=y", "/static/../../etc/passwd", "/favicon.ico", "/robots.txt",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
			ask(path, method, path, nil, "")
		}
	}
	for _, code := range []int{200, 201, 202, 204, 303, 400, 401, 403, 404, 405, 409, 421, 422} {
		if seen[code] == 0 {
			t.Errorf("no answer was %d: %v", code, seen)
		}
	}
}

// hardened sends a request and checks the headers of the answer.
func (w *world) hardened(what, method, path string, headers map[string]string, body string) int {
	w.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	if host := headers["Host"]; host != "" {
		req.Host = host
	}
	res, err := w.app.Test(req, 20_000)
	must(w.t, err)
	_, err = io.Copy(io.Discard, res.Body)
	must(w.t, err)
	for name, good := range hardened {
		if got := strings.Join(res.Header.Values(name), ", "); !good(got) {
			w.t.Errorf("%s: %s %s: %d has %s %q", what, method, path, res.StatusCode, name, got)
		}
	}
	kind := res.Header.Get("Content-Type")
	if cache := res.Header.Get("Cache-Control"); cache != "no-store" && (strings.HasPrefix(kind, "application/") && kind != "application/json" || res.StatusCode >= http.StatusBadRequest) {
		w.t.Errorf("%s: %d may be kept: %q", what, res.StatusCode, cache)
	}
	for _, c := range res.Cookies() {
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || c.Path == "" || c.Path == "/" {
			w.t.Errorf("%s: cookie %s", what, fmt.Sprint(c))
		}
	}
	return res.StatusCode
}

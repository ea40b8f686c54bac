package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/idempotency/idempotencytest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// The cast: one person, one tenant they are in, one they are not.
var (
	alice   = tenants.UserID(id.New("usr"))
	home    = tenants.NewID()
	foreign = tenants.NewID()
)

// pinned is what the key is pinned to.
const pinned = "2026-10-01"

// doorman knows the bearer "alice", a person, and "key", bound to home.
type doorman struct{}

func (doorman) Authenticate(_ context.Context, bearer string) (identity.Principal, error) {
	switch bearer {
	case "alice":
		return identity.Principal{User: alice, Session: "ses_x"}, nil
	case "key":
		return identity.Principal{User: alice, Scope: &tenants.Scope{Tenant: home, User: alice, Role: tenants.Owner, Tier: tenants.Team, Key: "key_x"}, APIVersion: pinned}, nil
	}
	return identity.Principal{}, fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
}

func (doorman) StillSignedIn(context.Context, identity.Principal) error { return nil }

func (doorman) SteppedUp(context.Context, identity.Principal) error { return nil }

func (doorman) Resolve(_ context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Scope, error) {
	if user != alice || tenant != home {
		return tenants.Scope{}, fault.New(fault.NotFound, "tenant.none", "No.")
	}
	return tenants.Scope{Tenant: home, User: user, Role: tenants.Owner, Tier: tenants.Team}, nil
}

// Allow lets everything happen but what is named "forbidden".
func (doorman) Allow(_ context.Context, _ tenants.Scope, act tenants.Action) error {
	if act == "forbidden" {
		return fault.New(fault.Forbidden, "auth.forbidden", "Your role does not allow this.")
	}
	return nil
}

// noRealm knows no operator.
type noRealm struct{}

func (noRealm) Authenticate(context.Context, string) (admin.Who, error) {
	return admin.Who{}, fault.New(fault.Unauthenticated, "operator.required", "Please sign in as an operator.")
}

func (noRealm) Impersonated(context.Context, string) (*admin.Impersonation, error) {
	return nil, fault.New(fault.Unauthenticated, "impersonation.ended", "This has ended.")
}

func testConfig() Config {
	return Config{
		Log: slog.New(slog.DiscardHandler), Auth: doorman{}, Scopes: doorman{}, Authz: doorman{}, Realm: noRealm{},
		CursorKey: []byte(strings.Repeat("c", 32)), TicketKey: []byte(strings.Repeat("t", 32)), DownloadKey: []byte(strings.Repeat("d", 32)),
		Timeout: 5 * time.Second, MaxUpload: 3 << 20, Keys: idempotencytest.NewStore(),
	}
}

// serve runs the guard in front of handlers of the test's own, over a socket:
// framing and limits are not to be seen in app.Test.
func serve(t *testing.T, cfg Config, routes ...api.Route) string {
	t.Helper()
	app, err := New(cfg, &Server{})
	if err != nil {
		t.Fatal(err)
	}
	if err := testSurface(t, cfg).contract(app, routes); err != nil {
		t.Fatal(err)
	}
	return listen(t, app)
}

func testSurface(t *testing.T, cfg Config) *surface {
	t.Helper()
	s, err := newSurface(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func listen(t *testing.T, app *fiber.App) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go app.Listener(l) // ends with Shutdown
	t.Cleanup(func() { _ = app.ShutdownWithTimeout(time.Second) })
	return l.Addr().String()
}

// raw sends bytes as they are and reads one answer.
func raw(t *testing.T, addr, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // a test
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go io.WriteString(conn, request) // the server may hang up first
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func echo(c *fiber.Ctx) error { return c.Send(c.Request().Body()) }

var (
	echoRoute = api.Route{Method: "POST", Path: "/test/echo", Operation: "Echo", Handler: echo, Action: "post.create", Keyed: true}
	itemRoute = api.Route{
		Method: "POST", Path: "/test/{post}:verb", Operation: "Item", Action: "post.create", IDs: map[string]string{"post": "post"}, Query: []string{"q"},
		Handler: func(c *fiber.Ctx) error { return c.SendString("item " + c.Params("post") + " " + c.Query("q")) },
	}
	streamRoute = api.Route{
		Method: "POST", Path: "/test/stream", Operation: "Stream", Action: "media.upload", Stream: true,
		Handler: func(c *fiber.Ctx) error {
			n, err := io.Copy(io.Discard, api.BodyStream(c))
			if err != nil {
				return err
			}
			return c.SendString(fmt.Sprint(n))
		},
	}
	panicRoute = api.Route{Method: "GET", Path: "/test/panic", Operation: "Panic", Public: "test", Handler: func(*fiber.Ctx) error { panic("secret cause") }}
	slowRoute  = api.Route{Method: "GET", Path: "/test/slow", Operation: "Slow", Public: "test", Handler: func(c *fiber.Ctx) error {
		<-c.UserContext().Done()
		return c.UserContext().Err()
	}}
	forbiddenRoute = api.Route{Method: "GET", Path: "/test/forbidden", Operation: "Forbidden", Action: "forbidden", Handler: echo}
	personRoute    = api.Route{Method: "GET", Path: "/test/person", Operation: "Person", Session: true, Handler: echo}
	versionRoute   = api.Route{Method: "POST", Path: "/test/version", Operation: "Version", Action: "post.edit", IfMatch: "required", Handler: func(c *fiber.Ctx) error {
		v, err := basedOn(c.UserContext(), 3)
		if err != nil {
			return err
		}
		etag(c.UserContext(), v+1)
		return c.SendStatus(204)
	}}
)

func TestTransport(t *testing.T) {
	cfg := testConfig()
	cfg.Timeout = 300 * time.Millisecond
	addr := serve(t, cfg, echoRoute, itemRoute, streamRoute, panicRoute, slowRoute, forbiddenRoute, personRoute, versionRoute)
	post := id.New("post")
	auth := "Authorization: Bearer key\r\n"
	as := func(method, path, headers, body string) string {
		return fmt.Sprintf("%s /api/v1/test/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s%sContent-Length: %d\r\n\r\n%s", method, path, auth, headers, len(body), body)
	}
	plain := func(method, path, headers string) string {
		return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n", method, path, headers)
	}
	const asJSON = "Content-Type: application/json\r\n"
	big := `"` + strings.Repeat("a", maxJSON) + `"`

	for name, tc := range map[string]struct {
		request     string
		status      int
		has, hasNot string
	}{
		"body arrives":           {as("POST", "echo", asJSON, `{"a":1}`), 200, `{"a":1}`, ""},
		"merge patch":            {as("POST", "echo", "Content-Type: application/merge-patch+json; charset=UTF-8\r\n", `{}`), 200, `{}`, ""},
		"verb after a parameter": {as("POST", post+":verb?q=x", "", ""), 200, "item " + post + " x", ""},
		"no verb":                {as("POST", post, "", ""), 404, "route.not_found", ""},
		"other method":           {plain("DELETE", "/api/v1/test/echo", auth), 405, "route.method_not_allowed", ""},
		"no name":                {as("POST", "nonsense:verb", "", ""), 404, "post.not_found", "nonsense"},
		"other prefix":           {as("POST", id.New("chn")+":verb", "", ""), 404, `"class":"not_found"`, ""},
		"unknown parameter":      {as("POST", post+":verb?admin=1", "", ""), 400, `"pointer":"/query/admin"`, ""},
		"parameter twice":        {as("POST", post+":verb?q=1&q=2", "", ""), 400, `"pointer":"/query/q"`, ""},
		"nul in a parameter":     {as("POST", post+":verb?q=%00", "", ""), 400, `"pointer":"/query/q"`, ""},
		"not utf-8":              {as("POST", post+":verb?q=%ff", "", ""), 400, `"pointer":"/query/q"`, ""},
		"strange parameter":      {as("POST", post+":verb?%ff%00=1", "", ""), 400, "request.unknown_parameter", ""},
		"nul in the path":        {as("POST", post+"%00:verb", "", ""), 404, `"class":"not_found"`, ""},
		"form on a JSON route":   {as("POST", "echo", "Content-Type: application/x-www-form-urlencoded\r\n", "a=1"), 415, "request.unsupported_media_type", ""},
		"text on a JSON route":   {as("POST", "echo", "Content-Type: text/plain\r\n", "{}"), 415, "request.unsupported_media_type", ""},
		"no type at all":         {as("POST", "echo", "", "{}"), 415, "request.unsupported_media_type", ""},
		"other charset":          {as("POST", "echo", "Content-Type: application/json; charset=utf-16\r\n", "{}"), 415, "request.unsupported_media_type", ""},
		"1 MiB too much":         {as("POST", "echo", asJSON, big), 413, "request.too_large", "aaaa"},
		"chunked and too much":   {plain("POST", "/api/v1/test/echo", auth+asJSON+"Transfer-Encoding: chunked\r\n") + chunked(big), 413, "request.too_large", "aaaa"},
		"chunked":                {plain("POST", "/api/v1/test/echo", auth+asJSON+"Transfer-Encoding: chunked\r\n") + chunked(`{"b":2}`), 200, `{"b":2}`, ""},
		"streams":                {as("POST", "stream", "", strings.Repeat("x", 2<<20)), 200, fmt.Sprint(2 << 20), ""},
		"stream too long":        {as("POST", "stream", "", strings.Repeat("x", 3<<20+1)), 413, "request.too_large", ""},
		"chunked stream":         {plain("POST", "/api/v1/test/stream", auth+"Transfer-Encoding: chunked\r\n") + chunked(strings.Repeat("x", 3<<20+1)), 413, "request.too_large", ""},
		"length and chunks":      {plain("POST", "/api/v1/test/echo", auth+asJSON+"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n") + chunked("{}"), 400, "", ""},
		"two lengths":            {plain("POST", "/api/v1/test/echo", auth+asJSON+"Content-Length: 2\r\nContent-Length: 2\r\n") + "{}", 400, "", ""},
		"two hosts":              {plain("GET", "/livez", "Host: evil\r\n"), 400, "", "evil"},
		"absolute, same host":    {plain("GET", "http://h/livez", ""), 200, "ok", ""},
		"absolute, other host":   {plain("GET", "http://evil/livez", ""), 400, "request.wrong_host", "evil"},
		"panic":                  {plain("GET", "/api/v1/test/panic", ""), 500, `"code":"internal"`, "secret cause"},
		"deadline":               {plain("GET", "/api/v1/test/slow", ""), 504, `"code":"request.canceled"`, ""},
		"no such page":           {plain("GET", "/api/v2/nothing", ""), 404, "route.not_found", ""},
		"anonymous":              {plain("POST", "/api/v1/test/echo", ""), 401, `"code":"auth.required"`, ""},
		"other scheme":           {plain("POST", "/api/v1/test/echo", "Authorization: Basic a2V5\r\n"), 401, `"code":"auth.required"`, ""},
		"bad bearer":             {plain("POST", "/api/v1/test/echo", "Authorization: Bearer x\r\n"), 401, `"code":"auth.required"`, ""},
		"person without tenant":  {plain("POST", "/api/v1/test/echo", "Authorization: Bearer alice\r\n"), 422, `"pointer":"/header/Carillon-Tenant"`, ""},
		"person in tenant":       {plain("POST", "/api/v1/test/echo", "Authorization: Bearer alice\r\nCarillon-Tenant: "+string(home)+"\r\n"), 200, "", ""},
		"key where it belongs":   {plain("POST", "/api/v1/test/echo", auth+"Carillon-Tenant: "+string(home)+"\r\n"), 200, "", ""},
		"key elsewhere":          {plain("POST", "/api/v1/test/echo", auth+"Carillon-Tenant: "+string(foreign)+"\r\n"), 404, "tenant.not_found", ""},
		"key on a person's":      {plain("GET", "/api/v1/test/person", auth), 403, "auth.session_required", ""},
		"forbidden":              {plain("GET", "/api/v1/test/forbidden", auth), 403, `"class":"forbidden"`, ""},
		"no If-Match":            {as("POST", "version", "", ""), 428, "precondition.required", ""},
		"any If-Match":           {as("POST", "version", "If-Match: *\r\n", ""), 204, "", ""},
		"bad If-Match":           {as("POST", "version", "If-Match: v3\r\n", ""), 400, "/header/If-Match", ""},
		"stale If-Match":         {as("POST", "version", "If-Match: \"v2\"\r\n", ""), 412, `"current_version":3`, ""},
		"fresh If-Match":         {as("POST", "version", "If-Match: \"v3\"\r\n", ""), 204, "", ""},
		"ready":                  {plain("GET", "/readyz", ""), 200, "ready", ""},
		"reference":              {plain("GET", "/docs", ""), 200, "schedulePost", "<script>"},
		"contract":               {plain("GET", "/api/v1/openapi.json", ""), 200, `"openapi":"3.0.3"`, ""},
		"code page":              {plain("GET", "/errors/rate.limited", ""), 200, "Retry-After", "<script"},
		"class page":             {plain("GET", "/errors/quota", ""), 200, "402", ""},
		"no code page":           {plain("GET", "/errors/none", ""), 404, "route.not_found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, body := raw(t, addr, tc.request)
			if res.StatusCode != tc.status || !hasAny(body, tc.has) {
				t.Fatalf("%d %.300s, want %d with %q", res.StatusCode, body, tc.status, tc.has)
			}
			if tc.hasNot != "" && strings.Contains(body, tc.hasNot) {
				t.Errorf("%.300s leaks %q", body, tc.hasNot)
			}
			checkEnvelope(t, res, body)
		})
	}
}

func hasAny(body, alternatives string) bool {
	for _, a := range strings.Split(alternatives, "|") {
		if strings.Contains(body, a) {
			return true
		}
	}
	return false
}

// checkEnvelope holds for every answer there is.
func checkEnvelope(t *testing.T, res *http.Response, body string) {
	t.Helper()
	name := res.Header.Get(headerRequestID)
	if !id.Is("req", name) {
		t.Errorf("request id %q", name)
	}
	for _, h := range securityHeaders {
		if res.Header.Get(h[0]) == "" {
			t.Errorf("no %s", h[0])
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if res.StatusCode < 400 {
		return
	}
	var p api.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || res.Header.Get("Content-Type") != problemJSON {
		t.Fatalf("no problem document: %s %s %v", res.Header.Get("Content-Type"), body, err)
	}
	if p.Status != res.StatusCode || p.RequestId != name || p.Code == "" || !strings.HasPrefix(p.Type, "/errors/") || p.Title == "" {
		t.Errorf("problem %+v", p)
	}
}

func chunked(body string) string {
	return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
}

// A tenant that is somebody else's and one that never was get the same bytes.
func TestForeignTenantIsNotFound(t *testing.T) {
	addr := serve(t, testConfig(), echoRoute)
	ask := func(tenant string) string {
		res, body := raw(t, addr, "POST /api/v1/test/echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer alice\r\nCarillon-Tenant: "+tenant+"\r\n\r\n")
		return fmt.Sprint(res.StatusCode, strings.ReplaceAll(body, res.Header.Get(headerRequestID), ""))
	}
	want := ask(string(tenants.NewID()))
	for name, tenant := range map[string]string{"foreign": string(foreign), "malformed": "ten_1", "other kind": id.New("post")} {
		if got := ask(tenant); got != want || !strings.HasPrefix(got, "404") {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestUndeclaredRouteDoesNotStart(t *testing.T) {
	for name, r := range map[string]api.Route{
		"nothing": {}, "two": {Action: "post.read", Public: "both"}, "session and action": {Session: true, Action: "post.read"},
	} {
		if err := testSurface(t, testConfig()).contract(fiber.New(), []api.Route{r}); err == nil {
			t.Errorf("%s: a route without one declared door starts", name)
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("q=1&limit=2")
	f.Add("q=%00&%ff")
	f.Add("q&q;q=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		var args fasthttp.Args
		args.Parse(query)
		if err := knownQuery(&args, api.Route{Query: []string{"q"}}, nil); err == nil && (!plain(string(args.Peek("q"))) || args.Len() > 1) {
			t.Fatalf("%q passes", query)
		} else if err != nil && !utf8.ValidString(fault.Of(err).Field) {
			t.Fatalf("%q is pointed at with %q", query, fault.Of(err).Field)
		}
	})
}

func FuzzNearest(f *testing.F) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Add("10.0.0.1", "1.1.1.1, 203.0.113.9")
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		from, err := netip.ParseAddr(peer)
		if err == nil && !within(from, trusted) && nearest(from, forwarded, trusted) != from {
			t.Fatalf("%q talked us out of %s", forwarded, peer)
		}
	})
}

func TestNearest(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, tc := range map[string]struct{ peer, forwarded, want string }{
		"no proxy":            {"203.0.113.9", "", "203.0.113.9"},
		"forged by a client":  {"203.0.113.9", "1.1.1.1", "203.0.113.9"},
		"one proxy":           {"10.0.0.1", "203.0.113.9", "203.0.113.9"},
		"forged left hop":     {"10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"},
		"two proxies":         {"10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"},
		"garbage next to us":  {"10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"},
		"proxy's own request": {"10.0.0.1", "", "10.0.0.1"},
		"zone is dropped":     {"fd00::1", "fe80::1%eth0", "fe80::1"},
		"mapped":              {"10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nearest(netip.MustParseAddr(tc.peer), tc.forwarded, trusted); got.String() != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

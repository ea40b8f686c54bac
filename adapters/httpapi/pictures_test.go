package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/tenants"
)

// labels is a reseller, two agencies below it and a workspace of the first,
// each agency with a proven host of its own, and their owners.
type labels struct {
	*world
	reseller, agency, other tenants.ID
	as                      map[tenants.ID]map[string]string
}

func newLabels(t *testing.T) labels {
	t.Helper()
	l := labels{world: newWorld(t, postgrestest.Open(t)), as: map[tenants.ID]map[string]string{}}
	l.reseller = postgrestest.Child(t, l.db, postgrestest.Operator, tenants.Reseller)
	l.agency, l.other = postgrestest.Child(t, l.db, l.reseller, tenants.Agency), postgrestest.Child(t, l.db, l.reseller, tenants.Agency)
	for _, tenant := range []tenants.ID{l.reseller, l.agency, l.other} {
		postgrestest.Exec(t, l.db, "update tenants set tier = 'agency' where tenant_id = $1", tenant)
		_, token := l.member(tenant, tenants.Owner)
		l.as[tenant] = map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
		l.domain(tenant, "proven")
	}
	must(t, l.hosts.Load(t.Context(), l.db.Domains()))
	return l
}

// host is the one that a tenant has proved.
func (l labels) host(tenant tenants.ID) string {
	l.t.Helper()
	all, err := l.db.Domains().Served(l.t.Context())
	must(l.t, err)
	for _, p := range all {
		if p.Tenant == tenant {
			return p.Host
		}
	}
	l.t.Fatal("it has none")
	return ""
}

// put uploads a picture and returns where it is shown.
func (l labels) put(tenant tenants.ID, kind, content string) string {
	l.t.Helper()
	code, _, body := l.call("PUT", "/api/v1/brand/pictures/"+kind, with(l.as[tenant], "Content-Type", "image/png"), content)
	if code != http.StatusOK {
		l.t.Fatal(code, body)
	}
	pic, _ := decode(l.t, body)[kind].(map[string]any)
	return fmt.Sprint(pic["url"])
}

// A picture is shown at the hosts of those above and below whose it is, and at
// no other.
func TestPicturesAreShownByHost(t *testing.T) {
	l := newLabels(t)
	const content = "a logo"
	at := l.put(l.agency, "logo", content)
	if same := l.put(l.other, "logo", content); same == at {
		t.Errorf("the same picture of two tenants has one address: %s", at)
	}
	for host, want := range map[string]int{"example.com": 200, l.host(l.agency): 200, l.host(l.reseller): 200, l.host(l.other): 404} {
		code, h, body := l.call("GET", at, map[string]string{"Host": host}, "")
		if code != want || want == 200 && body != content {
			t.Errorf("%s: %d %s", host, code, body)
		}
		if want == 404 {
			continue
		}
		for name, says := range map[string]string{
			"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'",
			"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "cross-origin",
		} {
			if h.Get(name) != says {
				t.Errorf("%s: %s is %q", host, name, h.Get(name))
			}
		}
	}
	foreign, _, was := l.call("GET", at, map[string]string{"Host": l.host(l.other)}, "")
	if code, _, body := l.call("GET", at[:len(at)-4]+"0000", map[string]string{"Host": l.host(l.other)}, ""); code != foreign || body != was {
		t.Errorf("another tenant's: %d %s, nobody's: %d %s", foreign, was, code, body)
	}
}

// A picture that is replaced or removed is shown no more, and its bytes go;
// what is left out comes from above.
func TestPicturesComeAndGo(t *testing.T) {
	l := newLabels(t)
	above := l.put(l.reseller, "logo", "from above")
	first := l.put(l.agency, "logo", "the first")
	second := l.put(l.agency, "logo", "the second")
	for at, want := range map[string]int{above: 200, first: 404, second: 200} {
		if code, _, _ := l.call("GET", at, nil, ""); code != want {
			t.Errorf("%s: %d, want %d", at, code, want)
		}
	}
	code, _, _ := l.call("DELETE", "/api/v1/brand/pictures/logo", l.as[l.agency], "")
	_, _, brand := l.call("GET", "/api/v1/brand", l.as[l.agency], "")
	if code != http.StatusNoContent || !strings.Contains(brand, above) || !strings.Contains(brand, `"logo":{"name"`) {
		t.Errorf("%d %s", code, brand)
	}
	_, _, theme := l.call("GET", "/api/v1/theme", map[string]string{"Host": l.host(l.agency)}, "")
	if !strings.Contains(theme, above) {
		t.Errorf("%s", theme)
	}
	for name, tc := range map[string]struct {
		method, path, body string
		code               int
		tenant             tenants.ID
	}{
		"no such place":     {"PUT", "banner", "x", 404, l.agency},
		"nothing to remove": {"DELETE", "favicon", "", 404, l.agency},
		"too large":         {"PUT", "favicon", strings.Repeat("x", 256<<10+1), 422, l.agency},
		"far too large":     {"PUT", "logo", strings.Repeat("x", 1<<20+1), 413, l.agency},
	} {
		if code, _, answer := l.call(tc.method, "/api/v1/brand/pictures/"+tc.path, with(l.as[tc.tenant], "Content-Type", "image/png"), tc.body); code != tc.code {
			t.Errorf("%s: %d %s", name, code, answer)
		}
	}
}

// Changing words leaves the pictures, and pictures the words.
func TestWordsAndPicturesOfABrand(t *testing.T) {
	l := newLabels(t)
	at := l.put(l.agency, "favicon", "an icon")
	code, _, body := l.call("PUT", "/api/v1/brand", with(l.as[l.agency], "If-Match", `"v1"`), `{"product":"Chimes","sender":"hello@chimes.example","sender_name":"Chimes Team"}`)
	if code != 200 || !strings.Contains(body, at) || !strings.Contains(body, `"sender_proven":false`) {
		t.Errorf("%d %s", code, body)
	}
	l.put(l.agency, "logo", "a logo")
	if _, _, body = l.call("GET", "/api/v1/brand", l.as[l.agency], ""); !strings.Contains(body, at) || !strings.Contains(body, `"product":"Chimes"`) {
		t.Errorf("%s", body)
	}
	for field, value := range map[string]string{"sender": "a@b.example\r\nBcc: x@y.example", "sender_name": "Eve <eve@evil.test>", "reply_to": "nobody"} {
		code, _, answer := l.call("PUT", "/api/v1/brand", l.as[l.agency], fmt.Sprintf(`{%q:%q}`, field, value))
		if code != 422 || !strings.Contains(answer, `"pointer":"/`+field+`"`) {
			t.Errorf("%s: %d %s", field, code, answer)
		}
	}
}

// An address is a sender while its host is proven, for mail or for pages; the
// DNS says what else receivers look for.
func TestASenderIsProven(t *testing.T) {
	l := newLabels(t)
	as := l.as[l.agency]
	check := func() map[string]any {
		t.Helper()
		code, _, body := l.call("POST", "/api/v1/brand/sender:check", as, `{"dkim_selector":"s1"}`)
		if code != 200 {
			t.Fatal(code, body)
		}
		return decode(t, body)
	}
	if code, _, body := l.call("POST", "/api/v1/brand/sender:check", as, ""); code != 409 {
		t.Errorf("without a sender: %d %s", code, body)
	}
	l.call("PUT", "/api/v1/brand", as, `{"product":"Chimes","sender":"hello@mail.chimes-and-more.example.org"}`)
	if got := check(); got["proven"] != false {
		t.Errorf("%v", got)
	}
	code, _, body := l.call("POST", "/api/v1/domains", as, `{"host":"chimes-and-more.example.org","mail_only":true}`)
	if code != 201 || decode(t, body)["mail_only"] != true {
		t.Fatal(code, body)
	}
	claim := decode(t, body)
	proof := claim["proof"].(map[string]any)
	l.dns.Set(fmt.Sprint(proof["name"]), fmt.Sprint(proof["value"]))
	l.dns.Set("_dmarc.mail.chimes-and-more.example.org", "v=DMARC1; p=none")
	if code, _, body := l.call("POST", "/api/v1/domains/"+fmt.Sprint(claim["id"])+":verify", as, ""); code != 200 || decode(t, body)["state"] != "proven" || decode(t, body)["canonical"] != false {
		t.Fatal(code, body)
	}
	got := check()
	states := fmt.Sprint(got["records"])
	if got["proven"] != true || !strings.Contains(states, "kind:dmarc") || strings.Count(states, "state:found") != 1 || strings.Count(states, "state:missing") != 2 {
		t.Errorf("%v", got)
	}
	must(t, l.hosts.Load(t.Context(), l.db.Domains()))
	if l.hosts.Proven("chimes-and-more.example.org") {
		t.Error("a host for mail alone is served")
	}
	if code, _, body := l.call("POST", "/api/v1/domains/"+fmt.Sprint(claim["id"])+":make-canonical", as, ""); code != 409 {
		t.Errorf("canonical: %d %s", code, body)
	}
	head, err := l.brands.Head(t.Context(), l.agency, "https://x.test")
	if err != nil || head.From != "hello@mail.chimes-and-more.example.org" || head.Product != "Chimes" {
		t.Errorf("%+v, %v", head, err)
	}
	if head, err = l.brands.Head(t.Context(), l.other, "https://x.test"); err != nil || head.From != "" || head.Product != "Carillon" {
		t.Errorf("beside it: %+v, %v", head, err)
	}
}

// The pages that there are look like the brand of their host, without a style
// or a script within.
func TestPagesLookLikeTheirHost(t *testing.T) {
	l := newLabels(t)
	logo, icon := l.put(l.agency, "logo", "a logo"), l.put(l.agency, "favicon", "an icon")
	l.call("PUT", "/api/v1/brand", with(l.as[l.agency], "If-Match", `"v2"`), `{"product":"Chimes & <b>Co</b>","support":"help@chimes.example","accent":"#7a2048"}`)
	for _, path := range []string{"/login", "/register", "/verify-email", "/reset-password", "/join", "/not-me", "/sign-in/there"} {
		_, h, page := l.call("GET", path, map[string]string{"Host": l.host(l.agency)}, "")
		for _, part := range []string{"Chimes &amp; &lt;b&gt;Co&lt;/b&gt;", `src="` + logo + `"`, `href="` + icon + `"`, "mailto:help@chimes.example", `href="/theme.css"`} {
			if !strings.Contains(page, part) {
				t.Errorf("%s: no %s in %s", path, part, page)
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "img-src 'self'") || strings.Contains(page, "style=") || strings.Contains(page, "<script>") {
			t.Errorf("%s: %s %s", path, csp, page)
		}
		if _, _, own := l.call("GET", path, map[string]string{"Host": "example.com"}, ""); strings.Contains(own, "Chimes") || strings.Contains(own, "<img") || !strings.Contains(own, "Carillon") {
			t.Errorf("%s at the installation's own: %s", path, own)
		}
	}
	if _, h, css := l.call("GET", "/theme.css", map[string]string{"Host": l.host(l.agency)}, ""); !strings.Contains(css, "--accent:#7a2048") || !strings.HasPrefix(h.Get("Content-Type"), "text/css") || h.Get("Vary") != "Host" {
		t.Errorf("%v %s", h, css)
	}
}

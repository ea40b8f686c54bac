package httpapi_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// realm signs an operator in, who has one of everything that has a name there.
func (w *world) realm(names map[string]string) (token string) {
	w.t.Helper()
	ctx, token := w.t.Context(), w.operator()
	who, err := w.admin.Authenticate(ctx, token)
	must(w.t, err)
	imp, _, err := w.admin.Impersonate(ctx, who, tenants.UserID(names["user"]), tenants.ID(names["tenant"]), "a test")
	must(w.t, err)
	flag, err := w.admin.SetFlag(ctx, who, "test."+strings.ToLower(id.New("x")[2:]), "", false)
	must(w.t, err)
	on := true
	must(w.t, w.admin.Override(ctx, who, tenants.ID(names["tenant"]), flag.Name, &on))
	block, err := w.admin.Block(ctx, who, netip.Addr{}, fmt.Sprintf("2001:db8:%x::/64", ranges.Add(1)), "a test", time.Now().Add(time.Minute))
	must(w.t, err)
	_, err = w.admin.GrantTier(ctx, who, tenants.ID(names["tenant"]), tenants.Pro, time.Now().Add(time.Hour), "a test")
	must(w.t, err)
	names["impersonation"], names["flag"], names["block"] = imp.ID, flag.Name, block.ID
	return token
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// Whoever is no operator gets the same answer on every route of the realm,
// whatever they hold; and an operator's token opens nothing elsewhere.
func TestTheRealmIsApart(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	victim := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	owner, _ := w.member(victim, tenants.Owner)
	names := w.victim(victim, owner)
	token := w.realm(names)
	who, err := w.admin.Authenticate(t.Context(), token)
	must(t, err)
	_, acting, err := w.admin.Impersonate(t.Context(), who, owner, victim, "a test")
	must(t, err)
	cast := w.principals(victim, agency)
	cast["impersonator"] = principal{acting.Reveal(), victim, nil}
	cast["forged operator"] = principal{admin.SessionPrefix + strings.Repeat("A", 43), victim, nil}
	_, routes := contract(t)
	for _, r := range routes {
		if r.op.Extensions["x-operator"] != nil {
			for as, p := range cast {
				if got := w.ask(r, p, p.tenant, names); !strings.HasPrefix(got, "401 ") || !strings.Contains(got, "operator.required") {
					t.Errorf("%s as %s: %s", r.op.OperationID, as, got)
				}
			}
			continue
		}
		if r.op.Extensions["x-public"] != nil {
			continue
		}
		names["session"] = id.New("ses")
		if got := w.ask(r, principal{bearer: token}, victim, names); !strings.HasPrefix(got, "401 ") {
			t.Errorf("%s as operator: %s", r.op.OperationID, got)
		}
	}
}

// The way in: password, then a code that is enrolled with its first use and
// works once.
func TestSigningInToTheRealm(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	email, password := id.New("opr")+"@example.com", "four unrelated words here"
	_, link, err := w.admin.AddOperator(t.Context(), admin.Shell(), email, "Olga")
	must(t, err)
	post := func(want int, path, body string) map[string]any {
		t.Helper()
		code, _, answer := w.call("POST", "/api/v1/operator/auth/"+path, nil, body)
		if code != want {
			t.Fatalf("%s %s: %d %s, want %d", path, body, code, answer, want)
		}
		if answer == "" {
			return nil
		}
		return decode(t, answer)
	}
	login := func(pass, code string) string {
		return fmt.Sprintf(`{"email":%q,"password":%q,"code":%q}`, email, pass, code)
	}
	post(401, "login", login(password, "")) // nothing was chosen yet
	post(422, "password", fmt.Sprintf(`{"token":%q,"password":"short"}`, link.Reveal()))
	post(204, "password", fmt.Sprintf(`{"token":%q,"password":%q}`, link.Reveal(), password))
	post(422, "password", fmt.Sprintf(`{"token":%q,"password":%q}`, link.Reveal(), password)) // it works once
	enrol := post(200, "login", login(password, ""))
	if enrol["object"] != "enrolment" || enrol["token"] != nil || !strings.HasPrefix(fmt.Sprint(enrol["uri"]), "otpauth://totp/") {
		t.Fatalf("enrolment = %v", enrol)
	}
	if again := post(200, "login", login(password, "")); again["secret"] != enrol["secret"] {
		t.Error("a second look makes another secret")
	}
	code, err := w.admin.Code(t.Context(), admin.Shell(), email)
	must(t, err)
	post(401, "login", login("wrong words, four of them", code))
	in := post(200, "login", login(password, code))
	if in["object"] != "operator_session" {
		t.Fatalf("session = %v", in)
	}
	token := fmt.Sprint(in["token"])
	post(401, "login", login(password, code)) // it was used
	if got := post(401, "login", login(password, "")); got["code"] != "operator.code_required" {
		t.Errorf("without a code: %v", got)
	}
	if code, _, body := w.call("GET", "/api/v1/operator/me", bearer(token), ""); code != 200 || !strings.Contains(body, `"enrolled":true`) {
		t.Errorf("me: %d %s", code, body)
	}
	if code, _, _ := w.call("POST", "/api/v1/operator/auth/logout", bearer(token), ""); code != 204 {
		t.Errorf("logout: %d", code)
	}
	if code, _, _ := w.call("GET", "/api/v1/operator/me", bearer(token), ""); code != 401 {
		t.Errorf("after it: %d", code)
	}
}

// Guessing becomes slow, for an address with an operator and one without.
func TestGuessingAtTheRealmIsSlow(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	known := id.New("opr") + "@example.com"
	must(t, w.admin.Enlist(t.Context(), admin.Shell(), known, "Olga", "four unrelated words here"))
	for name, email := range map[string]string{"known": known, "unknown": id.New("opr") + "@example.com"} {
		var last int
		for range 7 {
			last, _, _ = w.call("POST", "/api/v1/operator/auth/login", nil, fmt.Sprintf(`{"email":%q,"password":"a guess that is wrong"}`, email))
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("%s: %d", name, last)
		}
	}
}

// A person who is suspended is out at once: sessions, keys, the way in.
func TestSuspendedPeopleAreOut(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	who, err := w.registry.Resolve(t.Context(), owner, tenant)
	must(t, err)
	key, err := w.keys.Create(t.Context(), who, identity.NewKey{Name: "k", Scopes: []tenants.Action{"post.read"}})
	must(t, err)
	boss := bearer(w.operator())
	person := bearer(token)
	person["Carillon-Tenant"] = string(tenant)
	look := func(h map[string]string) int {
		code, _, _ := w.call("GET", "/api/v1/posts", h, "")
		return code
	}
	program := bearer(key.Secret.Reveal())
	if look(person) != 200 || look(program) != 200 {
		t.Fatal("they were out before")
	}
	code, _, body := w.call("POST", "/api/v1/operator/users/"+string(owner)+":suspend", boss, `{"reason":"spam"}`)
	if code != 200 || !strings.Contains(body, `"suspended":true`) {
		t.Fatalf("%d %s", code, body)
	}
	if a, b := look(person), look(program); a != 401 || b != 401 {
		t.Errorf("person %d, program %d", a, b)
	}
	u, _, err := w.admin.User(t.Context(), admin.Shell(), owner)
	must(t, err)
	login := fmt.Sprintf(`{"email":%q,"password":"four unrelated words here"}`, u.Email)
	if code, _, body := w.call("POST", "/api/v1/auth/login", nil, login); code != 403 || !strings.Contains(body, "account.suspended") {
		t.Errorf("signing in: %d %s", code, body)
	}
	if code, _, _ := w.call("POST", "/api/v1/operator/users/"+string(owner)+":resume", boss, ""); code != 200 {
		t.Errorf("resuming: %d", code)
	}
	if code, _, _ := w.call("POST", "/api/v1/auth/login", nil, login); code != 200 || look(program) != 200 {
		t.Errorf("after it: %d", code)
	}
}

// A plan that was granted for a time falls back by itself to what it was.
func TestGrantedPlansFallBack(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	postgrestest.Exec(t, w.db, "update tenants set tier = 'creator' where tenant_id = $1", tenant)
	tier := func() tenants.Tier {
		st, err := w.db.Registry().Standing(t.Context(), tenant, "")
		must(t, err)
		return st.Tier
	}
	boss := bearer(w.operator())
	grant := func(tier string) {
		t.Helper()
		code, _, body := w.call("PUT", "/api/v1/operator/tenants/"+string(tenant)+"/tier", boss,
			fmt.Sprintf(`{"tier":%q,"until":%q,"reason":"a trial"}`, tier, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
		if code != 200 || !strings.Contains(body, `"falls_back_to":"creator"`) {
			t.Fatalf("%d %s", code, body)
		}
	}
	grant("pro")
	grant("agency") // in place of the first
	if _, err := w.admin.Expire(t.Context()); err != nil || tier() != tenants.Team {
		t.Errorf("too early: %v, %s", err, tier())
	}
	postgrestest.Exec(t, w.db, "update tier_grants set until = now() - interval '1 second' where tenant_id = $1", tenant)
	if n, err := w.admin.Expire(t.Context()); err != nil || n != 1 || tier() != tenants.Creator {
		t.Errorf("%d fell back, %v, %s", n, err, tier())
	}
	for _, book := range []tenants.ID{tenant, postgrestest.Operator} {
		page, err := w.db.Audit().Entries(t.Context(), book, audit.Query{Subject: string(tenant), Action: "tier.*", Limit: 10})
		if err != nil || len(page) != 3 || page[0].Action != "tier.expire" {
			t.Errorf("in the book of %s: %+v, %v", book, page, err)
		}
	}
}

// Operators find people and tenants by what they know of them.
func TestOperatorsFindPeopleAndTenants(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tag := strings.ToLower(id.New("x")[2:])
	for i := range 3 {
		_, err := w.names.Add(t.Context(), identity.Registration{Email: fmt.Sprintf("find%d.%s@example.com", i, tag), Name: "Finder " + tag, Password: secret.Secret("four unrelated words here")}, "")
		must(t, err)
	}
	boss := bearer(w.operator())
	list := func(path string) (n int, next string) {
		t.Helper()
		code, _, body := w.call("GET", "/api/v1/operator"+path, boss, "")
		if code != 200 {
			t.Fatalf("%s: %d %s", path, code, body)
		}
		v := decode(t, body)
		next, _ = v["next_cursor"].(string)
		data, _ := v["data"].([]any)
		return len(data), next
	}
	n, next := list("/users?limit=2&q=" + tag)
	if n != 2 || next == "" {
		t.Errorf("%d, %q", n, next)
	}
	if n, next := list("/users?limit=2&q=" + tag + "&cursor=" + next); n != 1 || next != "" {
		t.Errorf("the rest: %d, %q", n, next)
	}
	if n, _ := list("/users?q=find1." + tag); n != 1 {
		t.Errorf("by the beginning of an address: %d", n)
	}
	tenant := postgrestest.Tenant(t, w.db)
	for q, want := range map[string]int{string(tenant): 1, string(tenants.NewID()): 0, "%": 0} {
		if n, _ := list("/tenants?q=" + strings.ReplaceAll(q, "%", "%25")); n != want {
			t.Errorf("%s: %d, want %d", q, n, want)
		}
	}
}

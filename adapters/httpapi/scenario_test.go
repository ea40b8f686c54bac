package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// A name that cannot be one is answered like one that nothing has.
func TestMalformedNamesAreNotFound(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	_, routes := contract(t)
	me := principal{bearer: token, tenant: tenant}
	for _, r := range routes {
		for _, p := range r.op.Parameters {
			prefix, named := p.Value.Extensions["x-id"].(string)
			if p.Value.In != "path" || !named || r.op.Extensions["x-action"] == nil {
				continue
			}
			t.Run(r.op.OperationID+" "+p.Value.Name, func(t *testing.T) {
				w.t = t
				none, bad := copyOf(names), copyOf(names)
				none[p.Value.Name], bad[p.Value.Name] = id.New(prefix), "nonsense"
				want, got := w.ask(r, me, tenant, none), w.ask(r, me, tenant, bad)
				if want != got || !strings.HasPrefix(got, "404") {
					t.Errorf("malformed: %s\nnothing:   %s", got, want)
				}
			})
		}
	}
}

func copyOf(m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// The same request with the same key, many times at once, makes one post.
func TestOnePostPerKey(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Idempotency-Key": "one"}
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := map[string]int{}
	for range 10 {
		wg.Go(func() {
			code, _, body := w.call("POST", "/api/v1/posts", headers, `{"segments":[{"text":"hello"}]}`)
			mu.Lock()
			defer mu.Unlock()
			if code == 201 {
				made[fmt.Sprint(decode(t, body)["id"])]++
			} else if code != 409 {
				t.Errorf("%d %s", code, body)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 {
		t.Errorf("posts %v", made)
	}
	code, header, _ := w.call("POST", "/api/v1/posts", headers, `{"segments":[{"text":"hello"}]}`)
	if code != 201 || header.Get("Idempotency-Replayed") != "true" || header.Get("ETag") != `"v1"` {
		t.Errorf("%d %v", code, header)
	}
	if code, _, body := w.call("POST", "/api/v1/posts", headers, `{"segments":[{"text":"other"}]}`); code != 422 || !strings.Contains(body, "idempotency.mismatch") {
		t.Errorf("%d %s", code, body)
	}
	_, _, body := w.call("GET", "/api/v1/posts", headers, "")
	if n := len(decode(t, body)["data"].([]any)); n != 1 {
		t.Errorf("%d posts", n)
	}
}

// Pages follow each other, and a cursor is good for its own list only.
func TestPages(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
	for range 5 {
		if code, _, body := w.call("POST", "/api/v1/posts", headers, `{"segments":[{"text":"hello"}]}`); code != 201 {
			t.Fatal(code, body)
		}
	}
	seen, cursor, pages := map[any]bool{}, "", 0
	for {
		_, _, body := w.call("GET", "/api/v1/posts?limit=2"+cursor, headers, "")
		list := decode(t, body)
		for _, p := range list["data"].([]any) {
			seen[p.(map[string]any)["id"]] = true
		}
		if pages++; list["has_more"] != true {
			break
		}
		cursor = "&cursor=" + list["next_cursor"].(string)
	}
	if len(seen) != 5 || pages != 3 {
		t.Errorf("%d posts on %d pages", len(seen), pages)
	}
	for name, path := range map[string]string{"other filter": "/api/v1/posts?state=draft" + cursor, "other list": "/api/v1/media?limit=2" + cursor, "changed": "/api/v1/posts?limit=2" + cursor + "x"} {
		if code, _, body := w.call("GET", path, headers, ""); code != 400 || !strings.Contains(body, `"pointer":"/query/cursor"`) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

// A patch changes what it names, takes away what it nulls, and breaks no rule.
func TestPatch(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
	_, _, body := w.call("POST", "/api/v1/posts", headers, `{"segments":[{"text":"one"},{"text":"two"}],"first_comment":{"text":"c"},"schedule":{"local_time":"2027-03-01T09:00:00","timezone":"Europe/Lisbon"}}`)
	post := fmt.Sprint(decode(t, body)["id"])
	version := 1
	for _, step := range []struct {
		patch, has, hasNot string
		status             int
	}{
		{`{"first_comment":null}`, `"text":"two"`, "first_comment", 200},
		{`{"segments":[{"text":"only"}]}`, `"text":"only"`, `"text":"two"`, 200},
		{`{"schedule":{"timezone":"Asia/Tokyo"}}`, `"publish_at":"2027-03-01T00:00:00Z"`, "Lisbon", 200},
		{`{"state":"published"}`, `"pointer":"/state"`, "", 422},
		{`{"segments":[]}`, `"pointer":"/segments"`, "", 422},
		{`{"segments":[{"text":"a","Text":"b"}]}`, `json.duplicate_member`, "", 422},
	} {
		headers["If-Match"] = fmt.Sprintf(`"v%d"`, version)
		code, header, body := w.call("PATCH", "/api/v1/posts/"+post, headers, step.patch)
		if code != step.status || !strings.Contains(body, step.has) || step.hasNot != "" && strings.Contains(body, step.hasNot) {
			t.Fatalf("%s: %d %s", step.patch, code, body)
		}
		if code == 200 {
			if version++; header.Get("ETag") != fmt.Sprintf(`"v%d"`, version) {
				t.Errorf("ETag %s at version %d", header.Get("ETag"), version)
			}
		}
	}
}

// A refresh token lives in the body or in a cookie that only this site sends.
func TestRefresh(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	email, password := id.New("usr")+"@example.com", "four unrelated words here"
	w.register(email, secret.Secret(password))
	code, header, body := w.call("POST", "/api/v1/auth/login", nil, fmt.Sprintf(`{"email":%q,"password":%q}`, email, password))
	cookie := header.Get("Set-Cookie")
	if code != 200 || decode(t, body)["token_type"] != "Bearer" {
		t.Fatal(code, body)
	}
	for _, flag := range []string{"HttpOnly", "secure", "SameSite=Strict", "path=/api/v1/auth"} {
		if !strings.Contains(strings.ToLower(cookie), strings.ToLower(flag)) {
			t.Errorf("cookie %q is not %s", cookie, flag)
		}
	}
	pair, _, _ := strings.Cut(cookie, ";")
	if code, _, body := w.call("POST", "/api/v1/auth/refresh", map[string]string{"Cookie": pair, "Sec-Fetch-Site": "cross-site"}, ""); code != 403 {
		t.Errorf("another site: %d %s", code, body)
	}
	code, header, body = w.call("POST", "/api/v1/auth/refresh", map[string]string{"Cookie": pair, "Sec-Fetch-Site": "same-origin"}, "")
	if code != 200 || header.Get("Set-Cookie") == "" {
		t.Errorf("cookie: %d %s", code, body)
	}
	if code, _, body := w.call("POST", "/api/v1/auth/refresh", nil, ""); code != 401 {
		t.Errorf("nothing: %d %s", code, body)
	}
	token := fmt.Sprint(decode(t, body)["refresh_token"])
	if code, _, body := w.call("POST", "/api/v1/auth/refresh", nil, fmt.Sprintf(`{"refresh_token":%q}`, token)); code != 200 {
		t.Errorf("body: %d %s", code, body)
	}
	if code, _, body := w.call("POST", "/api/v1/auth/login", nil, fmt.Sprintf(`{"email":%q,"password":"wrong words, all of them"}`, email)); code != 401 || strings.Contains(body, email) {
		t.Errorf("wrong password: %d %s", code, body)
	}
}

// An open stream ends with the session it was opened in, and so does a ticket.
func TestAStreamEndsWithItsSession(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	for name, end := range map[string]func(user tenants.UserID, token string){
		"signing out": func(_ tenants.UserID, token string) {
			if code, _, body := w.call("POST", "/api/v1/auth/logout", map[string]string{"Authorization": "Bearer " + token}, ""); code != 204 {
				t.Error(code, body)
			}
		},
		"a new password": func(user tenants.UserID, _ string) {
			must(t, w.db.Identity().Update(t.Context(), func(tx identity.Tx) error { return tx.EndSessions(t.Context(), user, "") }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			user, token := w.member(tenant, tenants.Viewer)
			headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
			_, _, body := w.call("POST", "/api/v1/events/ticket", headers, "")
			ticket := "/api/v1/events/stream?ticket=" + fmt.Sprint(decode(t, body)["ticket"])
			var checks []func(context.Context) error
			open := func(path string, headers map[string]string) {
				if code, _, body := w.call("GET", path, headers, ""); code != 200 {
					t.Fatal(code, body)
				}
				must(t, w.streams.check(t.Context()))
				checks = append(checks, w.streams.check)
			}
			open(ticket, nil)
			open("/api/v1/events/stream", headers)
			end(user, token)
			for _, check := range checks {
				if err := check(t.Context()); !fault.Is(err, fault.Unauthenticated) {
					t.Errorf("the stream goes on: %v", err)
				}
			}
			if code, _, body := w.call("GET", ticket, nil, ""); code != 401 {
				t.Errorf("the ticket opens another: %d %s", code, body)
			}
		})
	}
}

// A ticket opens the stream for who asked for it, and nothing else does.
func TestStreamTicket(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	user, token := w.member(tenant, tenants.Viewer)
	headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
	code, _, body := w.call("POST", "/api/v1/events/ticket", headers, "")
	if code != 201 {
		t.Fatal(code, body)
	}
	ticket := fmt.Sprint(decode(t, body)["ticket"])
	open := func(ticket string) (int, http.Header, string) {
		return w.call("GET", "/api/v1/events/stream?ticket="+ticket, nil, "")
	}
	if code, header, body := open(ticket); code != 200 || header.Get("Content-Type") != "text/event-stream" || body != "event: ready\ndata: {}\n\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, _, body := open(ticket[:len(ticket)-2]); code != 401 || !strings.Contains(body, "stream.bad_ticket") {
		t.Errorf("cut: %d %s", code, body)
	}
	if code, _, body := w.call("GET", "/api/v1/events?ticket="+ticket, nil, ""); code != 401 {
		t.Errorf("another route: %d %s", code, body)
	}
	postgrestest.Exec(t, w.db, "delete from memberships where tenant_id = $1 and user_id = $2", tenant, user)
	if code, _, body := open(ticket); code != 404 {
		t.Errorf("a member no more: %d %s", code, body)
	}
	if code, _, body := w.call("POST", "/api/v1/auth/logout", headers, ""); code != 204 {
		t.Fatal(code, body)
	}
	if code, _, body := open(ticket); code != 401 || !strings.Contains(body, "session") {
		t.Errorf("signed out: %d %s", code, body)
	}
	if code, _, body := w.call("POST", "/api/v1/events/ticket", map[string]string{"Authorization": "Bearer " + w.key(tenant)}, ""); code != 403 {
		t.Errorf("a key: %d %s", code, body)
	}
}

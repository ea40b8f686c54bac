package httpapi_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/totp"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// leisurely makes the database wait before each change of these tables, so that
// what was looked at before it has time to be no longer so.
func (w *world) leisurely() {
	w.t.Helper()
	postgrestest.Exec(w.t, w.db, `create function wait_a_little() returns trigger language plpgsql as $$
		begin perform pg_sleep(0.01); return null; end $$`)
	for _, table := range strings.Fields("memberships roles api_keys webhook_endpoints invitations domains one_time_tokens recovery_codes totp_apps refresh_tokens idempotency_keys posts") {
		postgrestest.Exec(w.t, w.db, "create trigger wait_a_little before insert or update or delete on "+table+" for each statement execute function wait_a_little()")
	}
}

// An answer is what one of many got.
type answer struct {
	code int
	body string
}

// together sends n requests at once.
func (w *world) together(n int, method, path string, headers map[string]string, body func(i int) string) (good []answer, refused map[string]int) {
	w.t.Helper()
	all, begin := make([]answer, n), make(chan struct{})
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() {
			<-begin
			own := with(headers, "X-Forwarded-For", "192.0.2.1")
			if own["Idempotency-Key"] == "" {
				own["Idempotency-Key"] = id.New("x")
			}
			all[i].code, _, all[i].body = w.call(method, "/api/v1"+path, own, body(i))
		})
	}
	close(begin)
	done.Wait()
	refused = map[string]int{}
	for _, a := range all {
		switch {
		case a.code < 300:
			good = append(good, a)
		case a.code >= 500:
			w.t.Errorf("%s: %d %s", path, a.code, a.body)
		default:
			refused[fmt.Sprint(decode(w.t, a.body)["code"])]++
		}
	}
	return good, refused
}

func same(body string) func(int) string { return func(int) string { return body } }

// What there is room for, or may be done once, is not overdone by many who ask at
// once, however long it takes from the look to the deed.
func TestNothingIsOverdoneAtOnce(t *testing.T) {
	db := postgrestest.Isolated(t)
	newWorld(t, db).leisurely()
	for name, race := range map[string]func(*world, tenants.ID, tenants.UserID, map[string]string){
		"keys": func(w *world, _ tenants.ID, _ tenants.UserID, as map[string]string) {
			w.most(100, 160, "/api-keys", as, func(i int) string { return fmt.Sprintf(`{"name":"k%d","scopes":["post.read"]}`, i) })
		},
		"webhooks": func(w *world, _ tenants.ID, _ tenants.UserID, as map[string]string) {
			w.most(20, 100, "/webhooks", as, func(i int) string { return fmt.Sprintf(`{"url":"https://example.com/%d"}`, i) })
		},
		"roles": func(w *world, _ tenants.ID, _ tenants.UserID, as map[string]string) {
			w.most(50, 120, "/roles", as, func(i int) string { return fmt.Sprintf(`{"name":"r%d","title":"R","actions":["post.read"]}`, i) })
		},
		"hosts": func(w *world, _ tenants.ID, _ tenants.UserID, as map[string]string) {
			w.most(20, 100, "/domains", as, func(i int) string {
				return fmt.Sprintf(`{"host":"h%d.%s.example.com"}`, i, strings.ToLower(id.New("h")[20:]))
			})
		},
		"seats": func(w *world, tenant tenants.ID, _ tenants.UserID, as map[string]string) {
			postgrestest.Exec(w.t, w.db, "update tenants set tier = 'pro' where tenant_id = $1", tenant)
			w.most(14, 100, "/invitations", as, func(i int) string { return fmt.Sprintf(`{"email":"g%d@example.com","role":"viewer"}`, i) }) // the owner has the fifteenth
		},
		"a link to a new password":        oneReset,
		"a recovery code":                 oneRecovery,
		"a code of an app":                oneCode,
		"a refresh token":                 oneRefresh,
		"a request with a key":            onePost,
		"owners who remove each other":    lastOwner,
		"a member who is taken out of it": removed,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, db)
			tenant := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
			postgrestest.Exec(t, db, "update tenants set tier = 'agency' where tenant_id = $1", tenant)
			owner, token := w.member(tenant, tenants.Owner)
			race(w, tenant, owner, map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)})
		})
	}
}

// most creates n things where there is room for so many.
func (w *world) most(room, n int, path string, as map[string]string, body func(int) string) {
	w.t.Helper()
	good, refused := w.together(n, "POST", path, as, body)
	if len(good) != room && (len(good) > room || refused["busy"] == 0) { // who was told to try again may have left room
		w.t.Errorf("%d of %d got in where there is room for %d: %v", len(good), n, room, refused)
	}
}

func (w *world) exactlyOne(good []answer, refused map[string]int) {
	w.t.Helper()
	if len(good) != 1 {
		w.t.Errorf("%d succeeded, and the others: %v", len(good), refused)
	}
}

func oneReset(w *world, _ tenants.ID, owner tenants.UserID, _ map[string]string) {
	link, err := w.names.Link(w.t.Context(), owner)
	must(w.t, err)
	w.exactlyOne(w.together(100, "POST", "/auth/password:reset", nil, func(i int) string {
		return fmt.Sprintf(`{"token":%q,"password":"number %d of many words"}`, link.Reveal(), i)
	}))
}

// questions is somebody with an app, and as many questions for their second factor.
func (w *world) questions(n int) (challenges []string, shared []byte, recovery string) {
	w.t.Helper()
	email := id.New("usr") + "@example.com"
	w.register(email, phrase)
	login := quoted(`{"email":%s,"password":%s}`, email, phrase)
	in, _ := w.visit(200, "POST", "/auth/login", "", login)
	shared, codes := w.enrol(in["access_token"].(string))
	for range n {
		asked, _ := w.visit(202, "POST", "/auth/login", "", login)
		challenges = append(challenges, asked["challenge"].(string))
	}
	return challenges, shared, codes[0].(string)
}

func oneRecovery(w *world, _ tenants.ID, _ tenants.UserID, _ map[string]string) {
	challenges, _, code := w.questions(20)
	w.exactlyOne(w.together(100, "POST", "/auth/challenge", nil, func(i int) string {
		return quoted(`{"challenge":%s,"method":"recovery","code":%s}`, challenges[i%len(challenges)], code)
	}))
}

func oneCode(w *world, _ tenants.ID, _ tenants.UserID, _ map[string]string) {
	challenges, shared, _ := w.questions(20)
	next := totp.New("x").Code(shared, time.Now().Add(30*time.Second)) // the present one confirmed the app
	w.exactlyOne(w.together(100, "POST", "/auth/challenge", nil, func(i int) string {
		return quoted(`{"challenge":%s,"method":"totp","code":%s}`, challenges[i%len(challenges)], next)
	}))
}

// Whoever sends a refresh token again at once is the same client, and gets what
// the first one got: there is never more than one that works.
func oneRefresh(w *world, _ tenants.ID, _ tenants.UserID, _ map[string]string) {
	email := id.New("usr") + "@example.com"
	w.register(email, phrase)
	in, _ := w.visit(200, "POST", "/auth/login", "", quoted(`{"email":%s,"password":%s}`, email, phrase))
	good, refused := w.together(100, "POST", "/auth/refresh", nil, same(quoted(`{"refresh_token":%s}`, in["refresh_token"])))
	next := map[string]bool{}
	for _, a := range good {
		next[fmt.Sprint(decode(w.t, a.body)["refresh_token"])] = true
	}
	if len(next) != 1 {
		w.t.Errorf("%d refresh tokens came of one: %v", len(next), refused)
	}
}

func onePost(w *world, _ tenants.ID, _ tenants.UserID, as map[string]string) {
	good, refused := w.together(100, "POST", "/posts", with(as, "Idempotency-Key", "once"), same(`{"segments":[{"text":"hello"}]}`))
	made := map[string]bool{}
	for _, a := range good {
		made[fmt.Sprint(decode(w.t, a.body)["id"])] = true
	}
	if len(made) != 1 {
		w.t.Errorf("%d posts came of one: %v", len(made), refused)
	}
}

func lastOwner(w *world, tenant tenants.ID, owner tenants.UserID, as map[string]string) {
	for range 5 {
		other, token := w.member(tenant, tenants.Owner)
		pair := []map[string]string{as, with(as, "Authorization", "Bearer "+token)}
		each := []tenants.UserID{other, owner}
		var done sync.WaitGroup
		for i := range pair {
			done.Go(func() {
				w.call("DELETE", "/api/v1/members/"+string(each[i]), with(pair[i], "Idempotency-Key", id.New("x")), "")
			})
		}
		done.Wait()
		left := 0
		for i := range pair {
			if code, _, _ := w.call("GET", "/api/v1/members", pair[i], ""); code == 200 {
				left++
				as, owner = pair[i], []tenants.UserID{owner, other}[i]
			}
		}
		if left == 0 {
			w.t.Fatal("nobody is left")
		}
	}
}

// What a member does while they are taken out happens before that or not at all.
func removed(w *world, tenant tenants.ID, _ tenants.UserID, as map[string]string) {
	editor, token := w.member(tenant, tenants.Editor)
	mine := with(as, "Authorization", "Bearer "+token)
	out := make(chan int)
	go func() {
		code, _, _ := w.call("DELETE", "/api/v1/members/"+string(editor), with(as, "Idempotency-Key", id.New("x")), "")
		out <- code
	}()
	w.together(50, "POST", "/posts", mine, same(`{"segments":[{"text":"hello"}]}`))
	if code := <-out; code != 204 {
		w.t.Errorf("removing: %d", code)
	}
	if good, _ := w.together(50, "POST", "/posts", mine, same(`{"segments":[{"text":"hello"}]}`)); len(good) > 0 {
		w.t.Errorf("%d posts of somebody who was removed", len(good))
	}
}

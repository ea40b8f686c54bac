package httpapi_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

// there is a provider whose codes are the addresses of those who come.
type there struct{}

func (there) List() []identity.Provider { return []identity.Provider{{Name: "there", Title: "There"}} }

func (there) Begin(_ context.Context, name string, trip identity.Trip) (string, error) {
	if name != "there" {
		return "", fault.New(fault.NotFound, "provider.not_found", "No.")
	}
	return "https://there.test/?" + url.Values{"state": {trip.State}}.Encode(), nil
}

func (there) Finish(_ context.Context, _ string, back identity.Return, _ identity.Trip) (identity.Assertion, error) {
	code := back.Code.Reveal()
	return identity.Assertion{Issuer: "https://there.test", Subject: code, Email: code, EmailVerified: true, Name: "Somebody"}, nil
}

// leave begins a sign-in in a browser, and returns its state, cookie and binder.
func (w *world) leave(path string, headers map[string]string, body string) (state, cookie, binder string) {
	w.t.Helper()
	code, header, answer := w.call("POST", "/api/v1"+path, headers, body)
	if code != 201 {
		w.t.Fatal(code, answer)
	}
	left := decode(w.t, answer)
	at, err := url.Parse(fmt.Sprint(left["authorization_url"]))
	must(w.t, err)
	cookie, _, _ = strings.Cut(header.Get("Set-Cookie"), ";")
	return at.Query().Get("state"), cookie, fmt.Sprint(left["binder"])
}

func TestSignInWithAProvider(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	const start, finish = "/auth/providers/there:start", "/api/v1/auth/providers/there:finish"
	_, header, _ := w.call("POST", "/api/v1"+start, nil, "")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "path=/api/v1;", "secure"} {
		if !strings.Contains(strings.ToLower(header.Get("Set-Cookie")), strings.ToLower(want)) {
			t.Errorf("cookie %q is not %s", header.Get("Set-Cookie"), want)
		}
	}
	if code, _, body := w.call("POST", "/api/v1/auth/providers/nowhere:start", nil, ""); code != 404 || !strings.Contains(body, "provider.not_found") {
		t.Errorf("a provider that is none: %d %s", code, body)
	}
	email := id.New("usr") + "@example.com"
	back := func(state, more string) string { return fmt.Sprintf(`{"state":%q,"code":%q%s}`, state, email, more) }
	for name, step := range map[string]struct {
		headers func(cookie string) map[string]string
		binder  bool
		status  int
		code    string
	}{
		"no cookie": {func(string) map[string]string { return nil }, false, 401, "sign_in.stale"},
		"another browser's cookie": {func(string) map[string]string {
			_, c, _ := w.leave(start, nil, "")
			return map[string]string{"Cookie": c}
		}, false, 401, "sign_in.stale"},
		"a page of another site": {func(c string) map[string]string {
			return map[string]string{"Cookie": c, "Sec-Fetch-Site": "cross-site"}
		}, false, 403, "auth.cross_site"},
		"a page of a sibling": {func(c string) map[string]string { return map[string]string{"Cookie": c, "Sec-Fetch-Site": "same-site"} }, false, 403, "auth.cross_site"},
		"our own page": {func(c string) map[string]string {
			return map[string]string{"Cookie": c, "Sec-Fetch-Site": "same-origin"}
		}, false, 200, ""},
		"a program without cookies": {func(string) map[string]string { return nil }, true, 200, ""},
	} {
		state, cookie, binder := w.leave(start, nil, "")
		more := ""
		if step.binder {
			more = fmt.Sprintf(`,"binder":%q`, binder)
		}
		code, header, body := w.call("POST", finish, step.headers(cookie), back(state, more))
		if code != step.status || !strings.Contains(body, step.code) {
			t.Errorf("%s: %d %s", name, code, body)
		}
		if signedIn := strings.Contains(strings.Join(header.Values("Set-Cookie"), "\n"), "carillon_refresh="); signedIn != (code == 200) {
			t.Errorf("%s: cookies %v", name, header.Values("Set-Cookie"))
		}
	}
}

func TestLinkingAnAccountElsewhere(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	_, token := w.person()
	headers := map[string]string{"Authorization": "Bearer " + token}
	email := id.New("usr") + "@example.com"
	state, cookie, _ := w.leave("/me/identities:start", headers, `{"provider":"there"}`)
	code, _, body := w.call("POST", "/api/v1/me/identities:finish", with(headers, "Cookie", cookie), fmt.Sprintf(`{"provider":"there","state":%q,"code":%q}`, state, email))
	linked := decode(t, body)
	if code != 200 || linked["issuer"] != "https://there.test" || linked["email"] != email {
		t.Fatal(code, body)
	}
	code, _, body = w.call("GET", "/api/v1/me/identities", headers, "")
	if code != 200 || !strings.Contains(body, fmt.Sprint(linked["id"])) {
		t.Errorf("%d %s", code, body)
	}
	_, other := w.person()
	if code, _, body := w.call("DELETE", "/api/v1/me/identities/"+fmt.Sprint(linked["id"]), map[string]string{"Authorization": "Bearer " + other}, ""); code != 404 {
		t.Errorf("another person's: %d %s", code, body)
	}
	if code, _, body := w.call("DELETE", "/api/v1/me/identities/"+fmt.Sprint(linked["id"]), headers, ""); code != 204 {
		t.Errorf("%d %s", code, body)
	}
}

// The page that a provider sends people back to runs one script of our own.
func TestThePageOfReturn(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	code, header, body := w.call("GET", "/sign-in/there?state=cst_x&code=%3Cscript%3E", nil, "")
	if code != 200 || !strings.Contains(body, `data-target="/api/v1/auth/providers/there:finish"`) || strings.Contains(body, "cst_x") {
		t.Errorf("%d %s", code, body)
	}
	if policy := header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'self'; connect-src 'self'") {
		t.Errorf("policy %s", policy)
	}
	code, _, body = w.call("GET", `/sign-in/%22%3E%3Cscript%3E`, nil, "")
	if strings.Contains(body, "<script>") {
		t.Errorf("%d %s", code, body)
	}
}

// arriving is what somebody brings back who left at path and is email there.
func (s *stage) arriving(path, body, email string) string {
	s.t.Helper()
	state, _, binder := s.leave(path, map[string]string{"Authorization": "Bearer " + s.token}, body)
	more := ""
	if strings.HasPrefix(path, "/me/") {
		more = `"provider":"there",`
	}
	return fmt.Sprintf(`{%s"state":%q,"code":%q,"binder":%q}`, more, state, email, binder)
}

// stranger signs in somebody who is only known there, and returns as whom.
func (s *stage) stranger() (email string) {
	s.t.Helper()
	email = id.New("usr") + "@example.com"
	_, _, answer := s.call("POST", "/api/v1/auth/providers/there:finish", nil, s.arriving("/auth/providers/there:start", "", email))
	s.token = fmt.Sprint(decode(s.t, answer)["access_token"])
	return email
}

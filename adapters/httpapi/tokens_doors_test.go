package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/gateway"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// A door is a place where a token is shown.
type door struct {
	name  string
	opens []string // the purposes that it is for
	show  func(s *scene, token string) (int, string)
}

// bearing shows it in the Authorization header.
func bearing(method, path string) func(*scene, string) (int, string) {
	return func(s *scene, token string) (int, string) {
		h := bearer(token)
		h["Carillon-Tenant"] = string(s.tenant)
		return s.shown(method, path, h, "")
	}
}

// written shows it in a body, in place of %s.
func written(path, body string) func(*scene, string) (int, string) {
	return func(s *scene, token string) (int, string) {
		return s.shown("POST", path, bearer(s.token), strings.ReplaceAll(body, "%s", token))
	}
}

// baked shows it in a cookie.
func baked(path, name string) func(*scene, string) (int, string) {
	return func(s *scene, token string) (int, string) {
		return s.shown("POST", path, map[string]string{"Cookie": name + "=" + token}, "")
	}
}

// asked shows it in the address.
func asked(path string) func(*scene, string) (int, string) {
	return func(s *scene, token string) (int, string) {
		return s.shown("GET", path+token, s.tenantHeaders, "")
	}
}

// returned shows a state with the binder that belongs to it, or a binder with a
// state that it does not belong to.
func returned(path, body string) func(*scene, string) (int, string) {
	return func(s *scene, token string) (int, string) {
		binder := s.binders[token]
		if binder == "" {
			binder = fresh("cbd_")
		}
		who := s.token
		if s.stranger != "" && strings.Contains(path, "step-up") {
			who = s.stranger
		}
		return s.shown("POST", path, bearer(who), strings.NewReplacer("%s", token, "%b", binder).Replace(body))
	}
}

func (s *scene) shown(method, path string, headers map[string]string, body string) (int, string) {
	s.t.Helper()
	code, _, answer := s.call(method, path, headers, body)
	return code, answer
}

const passkeyed = `"passkey":{"id":"x"}`

// doors is every place where a token is shown.
var doors = []door{
	{"bearer in a tenant", []string{"access token", "API key", "impersonation"}, bearing("GET", "/api/v1/posts")},
	{"bearer of a person", []string{"access token", "API key", "impersonation"}, bearing("GET", "/api/v1/me/sessions")},
	{"bearer in the realm", []string{"operator's session"}, bearing("GET", "/api/v1/operator/me")},
	{"cookie to refresh", []string{"refresh token"}, baked("/api/v1/auth/refresh", "carillon_refresh")},
	{"refresh", []string{"refresh token"}, written("/api/v1/auth/refresh", `{"refresh_token":"%s"}`)},
	{"verify", []string{"verification"}, written("/api/v1/auth/verify", `{"token":"%s","password":"four unrelated words here"}`)},
	{"reset", []string{"password reset"}, written("/api/v1/auth/password:reset", `{"token":"%s","password":"four unrelated words here"}`)},
	{"disown", []string{"it was not me"}, written("/api/v1/auth/session:disown", `{"token":"%s"}`)},
	{"look at an invitation", []string{"invitation"}, written("/api/v1/invitations:look", `{"token":"%s"}`)},
	{"download an archive", []string{"archive"}, asked("/api/v1/exports:download?token=")},
	{"accept an invitation", []string{"invitation"}, written("/api/v1/invitations:accept", `{"token":"%s"}`)},
	{"register as invited", []string{"invitation"}, written("/api/v1/invitations:register", `{"token":"%s","name":"New","password":"four unrelated words here"}`)},
	{"operator's password", []string{"link of an operator"}, written("/api/v1/operator/auth/password", `{"token":"%s","password":"four unrelated words here"}`)},
	{"answer", []string{"second factor"}, written("/api/v1/auth/challenge", `{"challenge":"%s","method":"passkey",`+passkeyed+`}`)},
	{"sign in with a passkey", []string{"passkey of anybody"}, written("/api/v1/auth/passkey", `{"challenge":"%s",`+passkeyed+`}`)},
	{"step up with a passkey", []string{"step-up"}, written("/api/v1/auth/step-up", `{"challenge":"%s","method":"passkey",`+passkeyed+`}`)},
	{"add a passkey", []string{"new passkey"}, written("/api/v1/me/passkeys", `{"challenge":"%s","name":"Phone",`+passkeyed+`}`)},
	{"back from a provider", []string{"trip to sign in"}, returned("/api/v1/auth/providers/there:finish", `{"state":"%s","code":"c@example.com","binder":"%b"}`)},
	{"back to link", []string{"trip to link"}, returned("/api/v1/me/identities:finish", `{"provider":"there","state":"%s","code":"d@example.com","binder":"%b"}`)},
	{"back to step up", []string{"trip to step up"}, returned("/api/v1/auth/step-up/providers/there:finish", `{"state":"%s","code":"e@example.com","binder":"%b"}`)},
	{"binder of a provider", nil, written("/api/v1/auth/providers/there:finish", `{"state":"`+fresh("cst_")+`","code":"c@example.com","binder":"%s"}`)},
	{"back from a platform", []string{"trip to a platform"}, func(s *scene, token string) (int, string) {
		return s.shown("GET", "/oauth/callback?code=c&state="+token, map[string]string{"Cookie": "carillon_connect=" + s.binders[token]}, "")
	}},
	{"event stream", []string{"event ticket"}, asked("/api/v1/events/stream?ticket=")},
	{"next page", []string{"cursor"}, asked("/api/v1/posts?limit=1&cursor=")},
	{"page of another list", nil, asked("/api/v1/media?cursor=")},
	{"media gateway", []string{"media for a plugin"}, func(s *scene, token string) (int, string) {
		w, files := httptest.NewRecorder(), new(nothing)
		gateway.New(s.passes, files).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/m/"+token, nil))
		if files.asked {
			return http.StatusOK, "there would be a file"
		}
		return w.Code, w.Body.String()
	}},
}

// forged is a token that is made like one and was never given out: one letter
// of each part that nothing but chance could know is another.
func forged(token string) string {
	out := []byte(token)
	for i := len(out) - 14; i < len(out)-2; i++ {
		if out[i] = 'a'; token[i] == 'a' {
			out[i] = 'b'
		}
	}
	return string(out)
}

// spent are the doors where another door for the same thing took it before. A
// trip ends wherever it is brought back with what its browser kept.
var spent = map[string]bool{"accept an invitation": true, "register as invited": true, "refresh": true}

// Each token is noise at every other's door: the answer is the one to something
// that was never given out, and the token is good for its own door afterwards.
func TestATokenOpensItsOwnDoorOnly(t *testing.T) {
	s := newScene(t)
	tokens := map[string]string{}
	for _, p := range purposes {
		if tokens[p.name] = p.mint(s); len(tokens[p.name]) < 20 {
			t.Fatalf("%s: %q is no token", p.name, tokens[p.name])
		}
	}
	for _, d := range doors {
		for name, token := range tokens {
			if opens(d, name) {
				continue
			}
			code, answer := d.show(s, token)
			wantCode, want := d.show(s, forged(token))
			if code != wantCode || answer != want || code < 400 || code >= 500 {
				t.Errorf("%s at %q: %d %s\nbut what was never given out: %d %s", name, d.name, code, answer, wantCode, want)
			}
		}
	}
	opened := map[string]bool{}
	for _, d := range doors {
		for _, p := range purposes {
			if !opens(d, p.name) {
				continue
			}
			opened[p.name] = true
			token := tokens[p.name]
			if strings.HasPrefix(p.name, "trip") || spent[d.name] {
				token = p.mint(s)
			}
			refused, noise := d.show(s, forged(token))
			if refused < 400 || refused >= 500 {
				t.Errorf("forged %s at %q: %d %s", p.name, d.name, refused, noise)
			}
			if code, answer := d.show(s, token); fmt.Sprint(code, answer) == fmt.Sprint(refused, noise) {
				t.Errorf("%s at its own door %q: %d %s", p.name, d.name, code, answer)
			}
		}
	}
	for _, p := range purposes {
		if !opened[p.name] && p.name != "device" && p.name != "signing secret" { // which open nothing
			t.Errorf("%s has no door", p.name)
		}
	}
}

func opens(d door, purpose string) bool {
	for _, name := range d.opens {
		if name == purpose {
			return true
		}
	}
	return false
}

// nothing is a gateway's files: there are none, and somebody asked for one.
type nothing struct {
	gateway.Files
	asked bool
}

func (n *nothing) Get(context.Context, tenants.Scope, media.ID) (*media.Media, error) {
	n.asked = true
	return nil, fault.New(fault.NotFound, "media.not_found", "No.")
}

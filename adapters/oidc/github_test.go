package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/oidc"
	"github.com/carillonhq/carillon/core/identity"
)

// hub is an Enterprise Server, as far as signing in goes.
type hub struct {
	*httptest.Server
	user, emails string
	token        string // answer of the token endpoint
	asked        url.Values
	denied       bool
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{
		user:   `{"id":583231,"login":"octocat","name":"Mona","email":"public@example.test"}`,
		emails: `[{"email":"other@example.test","primary":false,"verified":true},{"email":"mona@example.test","primary":true,"verified":true}]`,
		token:  `{"access_token":"gho_x","token_type":"bearer","scope":"read:user,user:email"}`,
	}
	mux := http.NewServeMux()
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	reply := func(w http.ResponseWriter, r *http.Request, body string) {
		if h.denied || r.URL.Path != "/login/oauth/access_token" && r.Header.Get("Authorization") != "Bearer gho_x" {
			http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write([]byte(body))
	}
	mux.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		h.asked = r.PostForm
		reply(w, r, h.token)
	})
	mux.HandleFunc("GET /api/v3/user", func(w http.ResponseWriter, r *http.Request) { reply(w, r, h.user) })
	mux.HandleFunc("GET /api/v3/user/emails", func(w http.ResponseWriter, r *http.Request) { reply(w, r, h.emails) })
	return h
}

func (h *hub) issuer() string { return h.URL + "/login/oauth" }

func (h *hub) signIn(t *testing.T, iss string) (identity.Assertion, error) {
	t.Helper()
	p := oidc.New(outside(), []oidc.Config{{Name: "github", Plain: true, Issuer: h.issuer(), ClientID: "id", ClientSecret: "secret"}}, time.Now)
	trip := identity.Trip{State: "s", Verifier: strings.Repeat("v", 43), Redirect: callback + "/github"}
	return p.Finish(t.Context(), "github", identity.Return{Provider: "github", State: "s", Code: "c", Issuer: iss}, trip)
}

func TestGitHub(t *testing.T) {
	h := newHub(t)
	for _, iss := range []string{"", h.issuer()} {
		got, err := h.signIn(t, iss)
		want := identity.Assertion{Issuer: h.issuer(), Subject: "583231", Email: "mona@example.test", EmailVerified: true, Name: "Mona"}
		if err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if h.asked.Get("code_verifier") == "" || h.asked.Get("client_secret") != "secret" || h.asked.Get("redirect_uri") != callback+"/github" {
		t.Errorf("asked %v", h.asked)
	}
}

func TestGitHubSaysLess(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*hub)
		email    string
		verified bool
		reason   string
	}{
		"the address is not verified": {func(h *hub) { h.emails = `[{"email":"mona@example.test","primary":true,"verified":false}]` }, "mona@example.test", false, ""},
		"there is none":               {func(h *hub) { h.emails = `[]` }, "", false, ""},
		"none is the primary one":     {func(h *hub) { h.emails = `[{"email":"mona@example.test","verified":true}]` }, "", false, ""},
		"there is no user":            {func(h *hub) { h.user = `{"login":"octocat"}` }, "", false, "provider.unproven"},
		"the user is no object":       {func(h *hub) { h.user = `[]` }, "", false, "provider.unavailable"},
		"the code was used":           {func(h *hub) { h.token = `{"error":"bad_verification_code","error_description":"c is wrong"}` }, "", false, "provider.code"},
		"our secret is wrong":         {func(h *hub) { h.token = `{"error":"incorrect_client_credentials"}` }, "", false, "provider.unavailable"},
		"it refuses":                  {func(h *hub) { h.denied = true }, "", false, "provider.unavailable"},
	} {
		h := newHub(t)
		tc.change(h)
		got, err := h.signIn(t, "")
		if tc.reason != "" {
			want(t, name, err, tc.reason)
			continue
		}
		if err != nil || got.Email != tc.email || got.EmailVerified != tc.verified || got.Subject != "583231" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	_, err := newHub(t).signIn(t, oidc.GitHub)
	want(t, "the answer of another GitHub", err, "provider.unproven")
}

// GitHub itself is asked for PKCE and told where to send people back to.
func TestWhereGitHubSendsPeople(t *testing.T) {
	p := oidc.New(outside(), []oidc.Config{{Name: "github", Plain: true, Issuer: oidc.GitHub, ClientID: "id"}}, time.Now)
	at, err := p.Begin(t.Context(), "github", identity.Trip{State: "s", Verifier: strings.Repeat("v", 43), Redirect: callback + "/github"})
	must(t, err)
	u, err := url.Parse(at)
	must(t, err)
	q := u.Query()
	if u.Host != "github.com" || u.Path != "/login/oauth/authorize" || q.Get("code_challenge_method") != "S256" || q.Get("scope") != "read:user user:email" || q.Get("state") != "s" {
		t.Error(at)
	}
	_, err = p.Begin(t.Context(), "github", identity.Trip{Since: time.Now()})
	want(t, "to prove once more who one is", err, "provider.no_step_up")
	_, err = p.Begin(t.Context(), "gitlab", identity.Trip{})
	want(t, "a provider that is none", err, "provider.not_found")
}

package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/oauth"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/social"
)

const canary = "CANARY"

// server answers every request alike and keeps the last.
type server struct {
	*httptest.Server
	form url.Values
	body string
	user string
	pass string
	hits int
}

func serve(t *testing.T, status int, header http.Header, body string) *server {
	s := new(server)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits++
		raw, _ := io.ReadAll(r.Body)
		s.body = string(raw)
		s.form, _ = url.ParseQuery(s.body)
		s.user, s.pass, _ = r.BasicAuth()
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) at() social.OAuth2 {
	return social.OAuth2{TokenURL: s.URL + "/oauth/token", RevokeURL: s.URL + "/oauth/revoke", RegisterURL: s.URL + "/api/v1/apps", PKCE: true}
}

func client() *oauth.Client { return oauth.New(http.DefaultClient, time.Now) }

var app = channels.Client{ID: "id", Secret: canary + " secret"}

func TestExchangeSendsWhatTheStandardAsks(t *testing.T) {
	s := serve(t, 200, nil, `{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":7200,"scope":"read write"}`)
	got, err := client().Exchange(t.Context(), s.at(), app, "code", "verifier", "https://back.example")
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"grant_type": {"authorization_code"}, "code": {"code"}, "redirect_uri": {"https://back.example"}, "code_verifier": {"verifier"},
		"client_id": {"id"}, "client_secret": {app.Secret},
	}
	if d := cmp.Diff(want, s.form); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(channels.Token{Access: "a", Refresh: "r", Scopes: []string{"read", "write"}, ExpiresIn: 2 * time.Hour}, got); d != "" {
		t.Error(d)
	}
}

func TestBasicClientAuthKeepsTheSecretOutOfTheBody(t *testing.T) {
	s := serve(t, 200, nil, `{"access_token":"a"}`)
	at := s.at()
	at.BasicClientAuth = true
	if _, err := client().Refresh(t.Context(), at, channels.Client{ID: "i:d", Secret: "s&c"}, "r"); err != nil {
		t.Fatal(err)
	}
	if s.user != "i%3Ad" || s.pass != "s%26c" || s.form.Has("client_secret") || s.form.Get("refresh_token") != "r" {
		t.Errorf("user %q, password %q, form %v", s.user, s.pass, s.form)
	}
}

// What each answer of a token endpoint means.
func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		header http.Header
		body   string
		kind   social.Kind // empty: a token
		after  time.Duration
	}{
		"a token":                  {status: 200, body: `{"access_token":"a"}`},
		"a life in quotes":         {status: 200, body: `{"access_token":"a","expires_in":"60"}`},
		"scopes with commas":       {status: 200, body: `{"access_token":"a","scope":"x,y"}`},
		"scopes in an array":       {status: 200, body: `{"access_token":"a","scope":["x","y"]}`},
		"nulls":                    {status: 200, body: `{"access_token":"a","expires_in":null,"scope":null,"refresh_token":null}`},
		"invalid_grant":            {status: 400, body: `{"error":"invalid_grant"}`, kind: social.AuthRevoked},
		"invalid_grant with 200":   {status: 200, body: `{"error":"invalid_grant"}`, kind: social.AuthRevoked},
		"invalid_client":           {status: 401, body: `{"error":"invalid_client"}`, kind: social.Permission},
		"invalid_scope":            {status: 400, body: `{"error":"invalid_scope"}`, kind: social.Permission},
		"temporarily_unavailable":  {status: 400, body: `{"error":"temporarily_unavailable"}`, kind: social.Transient},
		"another error":            {status: 400, body: `{"error":"odd"}`, kind: social.Permanent},
		"400 without a word":       {status: 400, kind: social.Permanent},
		"401 without a word":       {status: 401, kind: social.Permanent},
		"invalid_grant as text":    {status: 400, body: `invalid_grant`, kind: social.Permanent},
		"an error that is a thing": {status: 400, body: `{"error":{"type":"invalid_grant"}}`, kind: social.Permanent},
		"500":                      {status: 500, body: `<html>`, kind: social.Transient},
		"503 with a time":          {status: 503, header: http.Header{"Retry-After": {"30"}}, kind: social.Transient, after: 30 * time.Second},
		"429":                      {status: 429, header: http.Header{"Retry-After": {"90"}}, kind: social.RateLimited, after: 90 * time.Second},
		"a page":                   {status: 200, body: `<html>`, kind: social.Transient},
		"nothing":                  {status: 200, kind: social.Transient},
		"an empty token":           {status: 200, body: `{"access_token":""}`, kind: social.Transient},
		"a flood":                  {status: 200, body: `{"access_token":"` + strings.Repeat("a", 70<<10) + `"}`, kind: social.Transient},
		"a huge token":             {status: 200, body: `{"access_token":"` + strings.Repeat("a", 20<<10) + `"}`, kind: social.Transient},
		"another kind of token":    {status: 200, body: `{"access_token":"a","token_type":"mac"}`, kind: social.Permanent},
		"a redirect":               {status: 302, header: http.Header{"Location": {"/elsewhere"}}, kind: social.Permanent},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tc.status, tc.header, tc.body)
			_, err := client().Refresh(t.Context(), s.at(), app, canary+" refresh")
			var f *social.Fault
			if tc.kind == "" && err != nil || tc.kind != "" && (!errors.As(err, &f) || f.Kind != tc.kind || f.RetryAfter != tc.after) {
				t.Fatalf("err = %#v, want %q after %v", err, tc.kind, tc.after)
			}
			if s.hits != 1 {
				t.Errorf("%d requests", s.hits)
			}
		})
	}
}

func TestAnErrorHoldsNoSecrets(t *testing.T) {
	s := serve(t, 400, nil, `{"error":"you sent CANARY refresh and CANARY secret"}`)
	_, err := client().Refresh(t.Context(), s.at(), app, canary+" refresh")
	if printed := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(printed, canary) {
		t.Error(printed)
	}
	_, err = client().Refresh(t.Context(), social.OAuth2{TokenURL: "http://" + canary + ".invalid:1/"}, app, "r")
	var f *social.Fault
	if !errors.As(err, &f) || f.Kind != social.Transient || f.Source != social.FromNetwork {
		t.Errorf("err = %v", err)
	}
	token := channels.Token{Access: canary, Refresh: canary}
	if printed := fmt.Sprintf("%v %+v %#v", token, token, token); strings.Contains(printed, canary) {
		t.Error(printed)
	}
}

func TestRegister(t *testing.T) {
	r := channels.Registration{Name: "Carillon", Website: "https://carillon.example", RedirectURI: "https://back.example", Scopes: []string{"read", "write"}}
	s := serve(t, 200, nil, `{"client_id":"i","client_secret":"s","client_secret_expires_at":0}`)
	got, err := client().Register(t.Context(), s.at(), r)
	if err != nil || got != (channels.Client{ID: "i", Secret: "s"}) {
		t.Fatalf("%v, %v", got, err)
	}
	want := url.Values{"client_name": {"Carillon"}, "website": {"https://carillon.example"}, "redirect_uris": {"https://back.example"}, "scopes": {"read write"}}
	if d := cmp.Diff(want, s.form); d != "" {
		t.Error(d)
	}
	at := s.at()
	at.RegisterURL = s.URL + "/register"
	if _, err = client().Register(t.Context(), at, r); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		RedirectURIs []string `json:"redirect_uris"`
		Scope        string   `json:"scope"`
	}
	if err := json.Unmarshal([]byte(s.body), &sent); err != nil || len(sent.RedirectURIs) != 1 || sent.Scope != "read write" {
		t.Errorf("sent %s, %v", s.body, err)
	}
	if _, err := client().Register(t.Context(), serve(t, 200, nil, `{}`).at(), r); err == nil {
		t.Error("a registration without an id was accepted")
	}
}

func TestRevoke(t *testing.T) {
	s := serve(t, 200, nil, "")
	if err := client().Revoke(t.Context(), s.at(), app, "t"); err != nil || s.form.Get("token") != "t" {
		t.Errorf("%v, %v", s.form, err)
	}
	if err := client().Revoke(t.Context(), serve(t, 503, nil, "").at(), app, "t"); err == nil {
		t.Error("a failure passed for a success")
	}
}

func TestACanceledRequestSaysNothingAboutTheGrant(t *testing.T) {
	s := serve(t, 200, nil, `{"access_token":"a"}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var f *social.Fault
	if _, err := client().Refresh(ctx, s.at(), app, "r"); !errors.As(err, &f) || f.Kind != social.Transient {
		t.Errorf("err = %v", err)
	}
}

// reply plays a server in memory.
type reply struct {
	status int
	body   string
}

func (r reply) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: r.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(r.body)), Request: req}, nil
}

// Whatever a server says, the answer is a token or a fault, and only the
// standard's word withdraws a grant.
func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"access_token":"a","expires_in":1e400,"scope":[1]}`)
	f.Add(400, `{"error":"invalid_grant"}`)
	f.Add(200, `{"access_token":"a","expires_in":-5}`)
	f.Add(500, ``)
	f.Fuzz(func(t *testing.T, status int, body string) {
		c := oauth.New(&http.Client{Transport: reply{status, body}}, time.Now)
		token, err := c.Refresh(t.Context(), social.OAuth2{TokenURL: "https://a.example/t"}, app, "r")
		var fault *social.Fault
		switch {
		case err == nil:
			if token.Access == "" || token.ExpiresIn < 0 {
				t.Errorf("token with a life of %v", token.ExpiresIn)
			}
		case !errors.As(err, &fault):
			t.Errorf("err = %v", err)
		case fault.Kind == social.AuthRevoked && !strings.Contains(body, "invalid_grant") && !strings.Contains(body, `\u`):
			t.Errorf("%d %q withdrew the grant", status, body)
		}
	})
}

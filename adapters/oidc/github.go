package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
)

// github is GitHub, or an Enterprise Server. It has no ID token: who signed in
// is asked of its API with the token that was given for the code, over TLS.
// PKCE, the state and its own address to come back to tie the code to the trip.
type github struct {
	http  *http.Client
	cfg   Config
	oauth oauth2.Config
	api   string
}

func newGitHub(c *http.Client, cfg Config) *github {
	return &github{http: c, cfg: cfg, api: githubAPI(cfg.Issuer), oauth: oauth2.Config{
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, Scopes: []string{"read:user", "user:email"},
		Endpoint: oauth2.Endpoint{
			AuthURL: cfg.Issuer + "/authorize", TokenURL: cfg.Issuer + "/access_token", AuthStyle: oauth2.AuthStyleInParams,
		},
	}}
}

// githubAPI is where an issuer's REST API is: a host of its own at GitHub, a
// path at an Enterprise Server.
func githubAPI(issuer string) string {
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return ""
	case issuer == GitHub:
		return "https://api.github.com"
	}
	return u.Scheme + "://" + u.Host + "/api/v3"
}

func (g *github) client(trip identity.Trip) *oauth2.Config {
	own := g.oauth
	own.RedirectURL = trip.Redirect
	return &own
}

func (g *github) begin(_ context.Context, trip identity.Trip) (string, error) {
	if !trip.Since.IsZero() {
		return "", fault.New(fault.Invalid, "provider.no_step_up", "This provider cannot ask you anew who you are. Sign out, and sign in with it again.").On("/provider")
	}
	return g.client(trip).AuthCodeURL(trip.State, oauth2.S256ChallengeOption(trip.Verifier)), nil
}

func (g *github) finish(ctx context.Context, back identity.Return, trip identity.Trip) (identity.Assertion, error) {
	// GitHub says who it is since 2026, Enterprise Servers not all do.
	if err := answered(back, g.cfg.Issuer, false); err != nil {
		return identity.Assertion{}, err
	}
	token, err := exchange(ctx, g.http, g.client(trip), back, trip)
	if err != nil {
		return identity.Assertion{}, err
	}
	var user struct {
		ID          int64
		Login, Name string
	}
	if err := g.get(ctx, token, "/user", &user); err != nil {
		return identity.Assertion{}, err
	}
	if user.ID <= 0 {
		return identity.Assertion{}, distrust(errors.New("github: a user without an id"))
	}
	var addresses []address
	if err := g.get(ctx, token, "/user/emails", &addresses); err != nil {
		return identity.Assertion{}, err
	}
	a := identity.Assertion{Issuer: g.cfg.Issuer, Subject: strconv.FormatInt(user.ID, 10), Name: user.Name}
	if a.Name == "" {
		a.Name = user.Login
	}
	a.Email, a.EmailVerified = primary(addresses)
	return a, nil
}

// address is one of a user's. The "email" of the user itself is what they show
// to the public, and need not be theirs.
type address struct {
	Email             string
	Primary, Verified bool
}

func primary(list []address) (email string, verified bool) {
	for _, a := range list {
		if a.Primary {
			return a.Email, a.Verified
		}
	}
	return "", false
}

func (g *github) get(ctx context.Context, token *oauth2.Token, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.api+path, nil)
	if err != nil {
		return away(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	res, err := g.http.Do(req)
	if err != nil {
		return away(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Type"), "json") {
		return away(errors.New("github: " + path + " answered " + res.Status))
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return away(err)
	}
	return nil
}

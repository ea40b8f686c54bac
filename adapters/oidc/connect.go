package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/carillonhq/carillon/core/identity"
)

// algorithms are what an ID token may be signed with, whatever the provider
// offers: nothing without a key pair of the provider's.
var algorithms = []string{gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.PS256, gooidc.PS384, gooidc.PS512, gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.EdDSA}

// metadataLife is how long what a provider says about itself is believed, and
// the longest that a key counts which it has withdrawn.
const metadataLife = time.Hour

// skew is how much another's clock may be ahead of ours.
const skew = 5 * time.Minute

// behind is how much another's clock may be behind ours where somebody has to
// prove who they are after we asked for it.
const behind = 30 * time.Second

// connect is one OpenID provider.
type connect struct {
	http *http.Client
	cfg  Config
	now  func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	found  *metadata
	until  time.Time
}

// metadata is what a provider says about itself (Discovery 1.0).
type metadata struct {
	provider *gooidc.Provider
	oauth    oauth2.Config
	saysIss  bool // its answers name it (RFC 9207)
}

// discover asks the provider about itself, once in a while. What is known
// stays good while the provider is away.
func (c *connect) discover(ctx context.Context) (*metadata, error) {
	if found, fresh := c.known(); fresh {
		return found, nil
	}
	_, err, _ := c.flight.Do("", func() (any, error) {
		found, err := c.ask(context.WithoutCancel(ctx)) // for all who wait
		c.learn(found, err)
		return nil, err
	})
	if found, _ := c.known(); found != nil {
		return found, nil
	}
	return nil, away(err)
}

func (c *connect) known() (found *metadata, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found, c.found != nil && c.now().Before(c.until)
}

func (c *connect) learn(found *metadata, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.until = c.now().Add(time.Minute)
		return
	}
	c.found, c.until = found, c.now().Add(metadataLife)
}

func (c *connect) ask(ctx context.Context) (*metadata, error) {
	p, err := gooidc.NewProvider(gooidc.ClientContext(ctx, c.http), c.cfg.Issuer) // which refuses the metadata of another issuer
	if err != nil {
		return nil, err
	}
	var more struct {
		SaysIss bool     `json:"authorization_response_iss_parameter_supported"`
		Auth    []string `json:"token_endpoint_auth_methods_supported"`
		Keys    string   `json:"jwks_uri"`
	}
	if err := p.Claims(&more); err != nil {
		return nil, err
	}
	for _, endpoint := range []string{p.Endpoint().AuthURL, p.Endpoint().TokenURL, more.Keys, p.UserInfoEndpoint()} {
		if err := c.secure(endpoint); err != nil {
			return nil, err
		}
	}
	m := &metadata{provider: p, saysIss: more.SaysIss, oauth: oauth2.Config{
		ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret, Endpoint: p.Endpoint(), Scopes: c.scopes(),
	}}
	// Not to be found out by trying: a code works once.
	m.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if c.cfg.ClientSecret == "" || len(more.Auth) > 0 && !slices.Contains(more.Auth, "client_secret_basic") {
		m.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return m, nil
}

// secure refuses an endpoint that is less safe to reach than the issuer, and
// what is no web address: people are sent there, and our secret is.
func (c *connect) secure(endpoint string) error {
	if endpoint == "" { // as the user info may be; the library needs the others
		return nil
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !strings.HasPrefix(c.cfg.Issuer, "http://")) {
		return errors.New("oidc: an endpoint that is not at https")
	}
	return nil
}

func (c *connect) scopes() []string {
	if len(c.cfg.Scopes) == 0 {
		return []string{gooidc.ScopeOpenID, "email", "profile"}
	}
	return append([]string{gooidc.ScopeOpenID}, c.cfg.Scopes...)
}

func (m *metadata) client(trip identity.Trip) *oauth2.Config {
	own := m.oauth
	own.RedirectURL = trip.Redirect
	return &own
}

func (c *connect) begin(ctx context.Context, trip identity.Trip) (string, error) {
	m, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	more := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(trip.Verifier), gooidc.Nonce(trip.Nonce)}
	if !trip.Since.IsZero() { // with max_age, the token has to say when (Core 1.0, 2)
		more = append(more, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return m.client(trip).AuthCodeURL(trip.State, more...), nil
}

func (c *connect) finish(ctx context.Context, back identity.Return, trip identity.Trip) (identity.Assertion, error) {
	m, err := c.discover(ctx)
	if err != nil {
		return identity.Assertion{}, err
	}
	if err := answered(back, c.cfg.Issuer, m.saysIss); err != nil {
		return identity.Assertion{}, err
	}
	token, err := exchange(ctx, c.http, m.client(trip), back, trip)
	if err != nil {
		return identity.Assertion{}, err
	}
	said, err := c.verify(ctx, m, token, trip)
	if err != nil {
		return identity.Assertion{}, err
	}
	if said.Email == "" { // many providers tell it only there
		if err := c.userInfo(ctx, m, token, said); err != nil {
			return identity.Assertion{}, err
		}
	}
	return identity.Assertion{
		Issuer: c.cfg.Issuer, Subject: said.Subject, Email: said.Email, EmailVerified: bool(said.EmailVerified), Name: said.Name,
	}, nil
}

// claims is what is read of an ID token, and of the user info.
type claims struct {
	Subject       string `json:"sub"`
	Party         string `json:"azp"`
	Email         string `json:"email"`
	EmailVerified truth  `json:"email_verified"`
	Name          string `json:"name"`
	AuthTime      int64  `json:"auth_time"` // when they proved who they are, in seconds
}

// maxSubject is the longest subject (Core 1.0, 2).
const maxSubject = 255

// verify reads an ID token (Core 1.0, 3.1.3.7). The library checks signature,
// algorithm, issuer, audience and expiry.
func (c *connect) verify(ctx context.Context, m *metadata, token *oauth2.Token, trip identity.Trip) (*claims, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, distrust(errors.New("oidc: no ID token"))
	}
	verifier := m.provider.Verifier(&gooidc.Config{ // which asks for the keys anew when it meets one it does not know
		ClientID: c.cfg.ClientID, SupportedSigningAlgs: algorithms, Now: c.now,
	})
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, distrust(err)
	}
	var said claims
	if err := id.Claims(&said); err != nil {
		return nil, distrust(err)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(trip.Nonce)) != 1:
		return nil, distrust(errors.New("oidc: another nonce"))
	case len(id.Audience) != 1 && said.Party == "", said.Party != "" && said.Party != c.cfg.ClientID:
		return nil, distrust(errors.New("oidc: issued to another client"))
	case id.IssuedAt.After(c.now().Add(skew)):
		return nil, distrust(errors.New("oidc: issued in the future"))
	case !trip.Since.IsZero() && time.Unix(said.AuthTime, 0).Before(trip.Since.Add(-behind)):
		return nil, distrust(errors.New("oidc: nobody was asked anew"))
	case said.Subject == "" || len(said.Subject) > maxSubject:
		return nil, distrust(errors.New("oidc: no subject"))
	case id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil:
		return nil, distrust(errors.New("oidc: another access token"))
	}
	return &said, nil
}

// userInfo asks the provider for what the ID token does not say. It is
// believed for the same subject alone (Core 1.0, 5.3.2).
func (c *connect) userInfo(ctx context.Context, m *metadata, token *oauth2.Token, said *claims) error {
	if m.provider.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := m.provider.UserInfo(gooidc.ClientContext(ctx, c.http), oauth2.StaticTokenSource(token))
	if err != nil {
		return away(err)
	}
	if info.Subject != said.Subject {
		return distrust(errors.New("oidc: user info of another subject"))
	}
	var more claims
	if err := info.Claims(&more); err != nil {
		return distrust(err)
	}
	said.Email, said.EmailVerified = more.Email, more.EmailVerified
	if said.Name == "" {
		said.Name = more.Name
	}
	return nil
}

// truth is a boolean, also in quotes as some providers have it. Anything else
// is no.
type truth bool

// UnmarshalJSON implements json.Unmarshaler.
func (t *truth) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*t = v == true || v == "true"
	return nil
}

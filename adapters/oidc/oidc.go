// Package oidc signs people in with OpenID Connect (Core 1.0) and, behind the
// same interface, with GitHub, which speaks OAuth 2 and has no ID token.
//
// Its one judgement is what proves that a provider signed somebody in just now
// for us: an ID token that the provider itself handed us for a code, signed
// with one of its own keys by an algorithm that we chose, naming this
// client alone and the nonce of this trip. The answer must also say which
// provider it comes from where the provider promised to (RFC 9207), so that
// one of several cannot collect what another gave.
//
// Nothing is asked of a provider before somebody wants to sign in with it, so
// one that is away keeps nobody from starting.
//
// Start with New; connect.go is OpenID Connect and github.go GitHub.
package oidc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
)

// Config is one provider.
type Config struct {
	Name   string // in addresses
	Title  string // for people
	Issuer string // an address, exactly as the provider writes it
	// Plain is OAuth 2 as GitHub has it, at GitHub or an Enterprise Server,
	// whose issuer ends in /login/oauth.
	Plain        bool
	ClientID     string
	ClientSecret string   // may be empty for a public client
	Scopes       []string // besides "openid"; none means email and profile
}

// GitHub is the issuer of GitHub itself.
const GitHub = "https://github.com/login/oauth"

// Google is the issuer of Google.
const Google = "https://accounts.google.com"

// Providers implements identity.Providers. It is safe for concurrent use.
type Providers struct {
	list  []identity.Provider
	named map[string]provider
}

// provider is one of them, as connect.go and github.go do it.
type provider interface {
	begin(ctx context.Context, trip identity.Trip) (string, error)
	finish(ctx context.Context, back identity.Return, trip identity.Trip) (identity.Assertion, error)
}

// New returns the providers of a configuration. They are asked through c,
// which decides where it may connect to.
func New(c *http.Client, configs []Config, now func() time.Time) *Providers {
	own := *c
	// A code works once, and a redirect would carry it elsewhere.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := &Providers{named: map[string]provider{}}
	for _, cfg := range configs {
		p.list = append(p.list, identity.Provider{Name: cfg.Name, Title: cfg.Title})
		if cfg.Plain {
			p.named[cfg.Name] = newGitHub(&own, cfg)
		} else {
			p.named[cfg.Name] = &connect{http: &own, cfg: cfg, now: now}
		}
	}
	return p
}

// List implements identity.Providers.
func (p *Providers) List() []identity.Provider { return p.list }

// Begin implements identity.Providers.
func (p *Providers) Begin(ctx context.Context, name string, trip identity.Trip) (string, error) {
	one, ok := p.named[name]
	if !ok {
		return "", fault.New(fault.NotFound, "provider.not_found", "Nobody signs in with this here.")
	}
	return one.begin(ctx, trip)
}

// Finish implements identity.Providers.
func (p *Providers) Finish(ctx context.Context, name string, back identity.Return, trip identity.Trip) (identity.Assertion, error) {
	one, ok := p.named[name]
	if !ok {
		return identity.Assertion{}, fault.New(fault.NotFound, "provider.not_found", "Nobody signs in with this here.")
	}
	return one.finish(ctx, back, trip)
}

// answered reads what a provider sent somebody back with. required is whether
// it must say who it is.
func answered(back identity.Return, issuer string, required bool) error {
	switch {
	case back.Issuer != "" && back.Issuer != issuer, back.Issuer == "" && required:
		return distrust(errors.New("oidc: the answer names another issuer, or none"))
	case back.Error == "access_denied":
		return fault.New(fault.Forbidden, "provider.denied", "You did not agree to sign in there.")
	case back.Error != "":
		return fault.New(fault.Forbidden, "provider.refused", "The provider refused this sign-in. Please try again.")
	case back.Code == "":
		return distrust(errors.New("oidc: no code"))
	}
	return nil
}

// exchange trades a code for tokens. It is tried once.
func exchange(ctx context.Context, c *http.Client, cfg *oauth2.Config, back identity.Return, trip identity.Trip) (*oauth2.Token, error) {
	token, err := cfg.Exchange(context.WithValue(ctx, oauth2.HTTPClient, c), back.Code.Reveal(), oauth2.VerifierOption(trip.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && (refused.ErrorCode == "invalid_grant" || refused.ErrorCode == "bad_verification_code"):
		return nil, fault.New(fault.Unauthenticated, "provider.code", "The provider does not take this code. Please start again.")
	case errors.As(err, &refused):
		return nil, away(errors.New("oidc: the token endpoint answered " + refused.Response.Status + " " + slug(refused.ErrorCode)))
	case err != nil:
		return nil, away(err)
	}
	return token, nil
}

// slug is an error code if it looks like one: anything else might quote what
// was sent.
func slug(code string) string {
	for _, c := range code {
		if (c < 'a' || c > 'z') && c != '_' {
			return ""
		}
	}
	return code[:min(len(code), 40)]
}

// away answers for a provider that gave no answer, or none that can be used.
func away(cause error) error {
	return fault.New(fault.Unavailable, "provider.unavailable", "The provider does not answer as it should. Please try again later.").Because(cause)
}

// distrust answers for everything that proves nothing; why stays in the log.
func distrust(cause error) error {
	return fault.New(fault.Unauthenticated, "provider.unproven", "The provider's answer does not prove who you are. Please start again.").Because(cause)
}

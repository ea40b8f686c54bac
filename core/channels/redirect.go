package channels

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// authorize sends the person to the platform's own sign-in.
func (a *attempt) authorize(ctx context.Context) error {
	owner, client, err := a.client(ctx, a.who.Tenant, a.manifest, a.conn.Instance)
	if err != nil {
		return err
	}
	o := at(*a.manifest.Auth.OAuth2, a.conn.Instance)
	state := random(16)
	a.in = signIn{App: owner, Verifier: random(32)}
	to, err := authorizeURL(o, client.ID, a.cfg.CallbackURL, state, a.in.Verifier)
	if err != nil {
		return err
	}
	return a.redirect(ctx, to, state)
}

func authorizeURL(o social.OAuth2, client, redirectURI, state, verifier string) (string, error) {
	u, err := url.Parse(o.AuthorizeURL)
	if err != nil {
		return "", fault.New(fault.Internal, "platform.bad_manifest", "This platform is described wrongly.").Because(err)
	}
	q := u.Query()
	for k, v := range o.AuthorizeParams {
		q.Set(k, v)
	}
	q.Set("response_type", "code")
	q.Set("client_id", client)
	q.Set("redirect_uri", redirectURI)
	q.Set("scope", strings.Join(o.Scopes, " "))
	q.Set("state", state)
	if o.PKCE {
		sum := sha256.Sum256([]byte(verifier))
		q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		q.Set("code_challenge_method", "S256")
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// redirect stores what the person must bring back and sends them off.
func (a *attempt) redirect(ctx context.Context, to, state string) error {
	binding := random(16)
	a.conn.Stage, a.conn.Form = AwaitsRedirect, nil
	a.conn.StateHash, a.conn.BindingHash = hash(state), hash(binding)
	if err := a.keep(ctx); err != nil {
		return err
	}
	a.conn.Redirect, a.conn.Binding = to, binding
	return nil
}

// returned goes on with the query of a redirect.
func (a *attempt) returned(ctx context.Context, query map[string]string) error {
	if code := query["error"]; code != "" {
		return denied(code)
	}
	if a.manifest.Auth.Kind != social.AuthOAuth2 {
		return a.screen(ctx, query)
	}
	o := at(*a.manifest.Auth.OAuth2, a.conn.Instance)
	if !sameIssuer(query["iss"], o.AuthorizeURL) {
		return fault.New(fault.Invalid, "connection.wrong_issuer", "The answer came from another server than the one asked.")
	}
	if query["code"] == "" {
		return fault.New(fault.Invalid, "connection.no_code", "The platform's answer is incomplete. Please start again.")
	}
	_, client, err := a.ownApp(ctx, a.in.App, a.conn.Platform, a.conn.Instance)
	if err != nil {
		return err
	}
	token, err := a.OAuth.Exchange(ctx, o, client, query["code"], a.in.Verifier, a.cfg.CallbackURL)
	if err != nil {
		return err
	}
	return a.signedIn(ctx, secretOf(token, a.conn.Instance, a.Now()))
}

func secretOf(t Token, instance string, now time.Time) secret {
	sec := secret{Credential: social.Credential{AccessToken: t.Access, Scopes: t.Scopes}, Refresh: t.Refresh}
	if instance != "" {
		sec.Credential.Public = map[string]string{"instance": instance}
	}
	if t.ExpiresIn > 0 {
		sec.Credential.ExpiresAt = now.Add(t.ExpiresIn)
	}
	return sec
}

// denied explains the error of an authorization answer (RFC 6749, 4.1.2.1).
func denied(code string) error {
	if code == "access_denied" {
		return fault.New(fault.Invalid, "connection.denied", "Access was not allowed. Nothing was connected.")
	}
	return fault.New(fault.Invalid, "connection.refused", "The platform refused the sign-in. Please start again.").
		Because(fault.New(fault.Invalid, "oauth.error", "%.64q", code))
}

func unknownState() error {
	return fault.New(fault.Invalid, "connection.unknown_state", "This sign-in is not known here or was used already. Please start again.").On("/input/state")
}

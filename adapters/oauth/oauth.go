// Package oauth runs the back channel of OAuth 2: registering a client,
// exchanging a code, refreshing and revoking (RFC 6749, 7591, 7009).
//
// Its one judgement is what a failure means. A grant counts as withdrawn only
// if the server says so in the words of the standard, invalid_grant; a status
// alone, an empty answer or a page of HTML says nothing about the grant.
// Nothing is retried and no redirect is followed: a code and a refresh token
// may work once.
//
// Start with Client; answer.go reads what servers send.
package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/social"
)

// Client implements channels.OAuth. It is safe for concurrent use.
type Client struct {
	http *http.Client
	now  func() time.Time
}

// New returns a Client that goes out through c, which decides where it may
// connect to: instances are addresses that people type.
func New(c *http.Client, now func() time.Time) *Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: &own, now: now}
}

// Exchange implements channels.OAuth.
func (c *Client) Exchange(ctx context.Context, at social.OAuth2, as channels.Client, code, verifier, redirectURI string) (channels.Token, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}}
	if at.PKCE {
		form.Set("code_verifier", verifier)
	}
	return c.token(ctx, at, as, form)
}

// Refresh implements channels.OAuth.
func (c *Client) Refresh(ctx context.Context, at social.OAuth2, as channels.Client, refresh string) (channels.Token, error) {
	return c.token(ctx, at, as, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
}

func (c *Client) token(ctx context.Context, at social.OAuth2, as channels.Client, form url.Values) (channels.Token, error) {
	a, err := c.post(ctx, at, as, at.TokenURL, form)
	if err != nil {
		return channels.Token{}, err
	}
	return a.token()
}

// Revoke implements channels.OAuth.
func (c *Client) Revoke(ctx context.Context, at social.OAuth2, as channels.Client, token string) error {
	a, err := c.post(ctx, at, as, at.RevokeURL, url.Values{"token": {token}})
	if err != nil {
		return err
	}
	return a.fault()
}

// Register implements channels.OAuth, as Mastodon's /api/v1/apps wants it or,
// at any other address, as RFC 7591 does.
func (c *Client) Register(ctx context.Context, at social.OAuth2, r channels.Registration) (channels.Client, error) {
	req, err := registration(ctx, at.RegisterURL, r)
	if err != nil {
		return channels.Client{}, badEndpoint(err)
	}
	a, err := c.do(req)
	if err != nil {
		return channels.Client{}, err
	}
	return a.client()
}

func registration(ctx context.Context, to string, r channels.Registration) (*http.Request, error) {
	scopes := strings.Join(r.Scopes, " ")
	if strings.HasSuffix(to, "/api/v1/apps") {
		form := url.Values{"client_name": {r.Name}, "redirect_uris": {r.RedirectURI}, "scopes": {scopes}}
		if r.Website != "" {
			form.Set("website", r.Website)
		}
		return formRequest(ctx, to, form)
	}
	body, err := json.Marshal(map[string]any{
		"client_name": r.Name, "client_uri": r.Website, "redirect_uris": []string{r.RedirectURI}, "scope": scopes,
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

func formRequest(ctx context.Context, to string, form url.Values) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, err
}

// post sends a form as the client, in the header or the body (RFC 6749, 2.3.1).
func (c *Client) post(ctx context.Context, at social.OAuth2, as channels.Client, to string, form url.Values) (*answer, error) {
	if !at.BasicClientAuth || as.Secret == "" {
		form.Set("client_id", as.ID)
		if as.Secret != "" {
			form.Set("client_secret", as.Secret)
		}
	}
	req, err := formRequest(ctx, to, form)
	if err != nil {
		return nil, badEndpoint(err)
	}
	if at.BasicClientAuth && as.Secret != "" {
		req.SetBasicAuth(url.QueryEscape(as.ID), url.QueryEscape(as.Secret))
	}
	return c.do(req)
}

func (c *Client) do(req *http.Request) (*answer, error) {
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, unreached(err)
	}
	defer func() { _ = res.Body.Close() }()
	return read(res, c.now())
}

// badEndpoint hides the address: it can hold what a person typed.
func badEndpoint(err error) error {
	f := social.Fail(social.Permanent, "oauth.bad_endpoint", "This server cannot be signed in to.")
	f.Err = err
	return f
}

// unreached is a failure of the network. It says nothing about the grant.
func unreached(err error) error {
	f := social.Fail(social.Transient, "oauth.unreachable", "The platform could not be reached.")
	f.Source = social.FromNetwork
	if e := new(url.Error); errors.As(err, &e) { // its text holds the address
		err = e.Err
	}
	f.Err = err
	return f
}

package bluesky

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// scope is what OAuth sign-ins ask for: the same as an app password gives.
const scope = "atproto transition:generic"

// flow is an OAuth sign-in between the redirect and the callback. The host
// keeps it sealed.
type flow struct {
	Identity identity `json:"identity"`
	Server   issuer   `json:"server"`
	Verifier string   `json:"verifier"`
	Key      string   `json:"key"` // the tokens will be bound to it
	Client   string   `json:"client"`
	State    string   `json:"state"`
}

// identity is whom a handle stands for, and where the account lives.
type identity struct{ DID, Handle, PDS string }

// issuer is what an authorization server says of itself (RFC 8414).
type issuer struct {
	Issuer    string   `json:"issuer"`
	Authorize string   `json:"authorization_endpoint"`
	Token     string   `json:"token_endpoint"`
	PAR       string   `json:"pushed_authorization_request_endpoint"`
	Proofs    []string `json:"dpop_signing_alg_values_supported"`
}

// ClientMetadata is the document that an installation serves at its client id,
// an https address of its own (atproto.com/specs/oauth). It introduces a
// public client: there is no secret, each sign-in's tokens are bound to a key.
func ClientMetadata(clientID, name, home, redirect string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"client_id": clientID, "client_name": name, "client_uri": home, "redirect_uris": []string{redirect}, "scope": scope,
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"application_type": "web", "token_endpoint_auth_method": "none", "dpop_bound_access_tokens": true,
	})
}

// clientID is the operator's, or on a loopback installation the one that
// servers know without a document.
func clientID(call social.Call, redirect string) (string, error) {
	if id := call.App["client_id"]; id != "" {
		return id, nil
	}
	u, err := url.Parse(redirect)
	if err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1") {
		return "http://localhost?" + url.Values{"redirect_uri": {redirect}, "scope": {scope}}.Encode(), nil
	}
	return "", social.Fail(social.Unsupported, "bluesky.no_client", "This installation is not set up for signing in at Bluesky. Use an app password.")
}

// redirect begins an OAuth sign-in: find the account's authorization server
// and push the request there, so that only its name travels in the browser.
func (b *Bluesky) redirect(ctx context.Context, req social.ConnectRequest, handle, server string) (social.ConnectStep, error) {
	f := flow{Verifier: rand.Text() + rand.Text(), State: req.Input["state"]}
	p, err := newProver(b.now)
	if err == nil {
		f.Key, err = p.seal()
	}
	if err != nil {
		return social.ConnectStep{}, broken(err)
	}
	if f.Client, err = clientID(req.Call, req.RedirectURI); err != nil {
		return social.ConnectStep{}, err
	}
	if f.Identity, err = b.identify(ctx, handle, server); err != nil {
		return social.ConnectStep{}, err
	}
	if f.Server, err = b.issuer(ctx, f.Identity.PDS); err != nil {
		return social.ConnectStep{}, err
	}
	name, err := b.push(ctx, p, f, req.RedirectURI)
	if err != nil {
		return social.ConnectStep{}, err
	}
	state, err := json.Marshal(f)
	query := url.Values{"client_id": {f.Client}, "request_uri": {name}}
	return social.ConnectStep{Redirect: f.Server.Authorize + "?" + query.Encode(), State: state}, err
}

// identify resolves a handle. A named server answers for its own accounts;
// others are looked up in the directory of identities.
func (b *Bluesky) identify(ctx context.Context, handle, server string) (identity, error) {
	who := identity{Handle: strings.ToLower(strings.TrimPrefix(handle, "@")), PDS: server}
	var answer struct {
		DID string `json:"did"`
	}
	asked := cmp.Or(server, b.appView)
	err := b.query(ctx, asked, "com.atproto.identity.resolveHandle", url.Values{"handle": {who.Handle}}, &answer)
	if err != nil && social.FaultOf(err, false).Kind != social.Invalid {
		return who, err
	}
	if who.DID = answer.DID; who.DID == "" {
		return who, b.web.Violates("/input/identifier", "sign_in.unknown", 0, 0, "Nobody is known by that handle.")
	}
	if server != "" {
		return who, nil
	}
	var doc session
	reply, err := b.web.Do(ctx, web.Request{Method: http.MethodGet, URL: b.directory + "/" + url.PathEscape(who.DID)})
	if err := b.read(reply, err, "", &doc.DIDDoc); err != nil {
		return who, err
	}
	if who.PDS = doc.pds(""); who.PDS == "" {
		return who, b.web.Violates("/input/identifier", "sign_in.homeless", 0, 0, "That account names no server.")
	}
	return who, nil
}

// issuer finds the authorization server of a server of records and refuses one
// that cannot do what the protocol demands.
func (b *Bluesky) issuer(ctx context.Context, pds string) (issuer, error) {
	var resource struct {
		Servers []string `json:"authorization_servers"`
	}
	var is issuer
	if err := b.wellKnown(ctx, pds, "oauth-protected-resource", &resource); err != nil {
		return is, err
	}
	if len(resource.Servers) == 1 {
		if err := b.wellKnown(ctx, strings.TrimRight(resource.Servers[0], "/"), "oauth-authorization-server", &is); err != nil {
			return is, err
		}
	}
	safe := is.Issuer != "" && len(resource.Servers) == 1 && is.Issuer == resource.Servers[0] && slices.Contains(is.Proofs, "ES256")
	for _, endpoint := range []string{is.Authorize, is.Token, is.PAR} {
		safe = safe && trusted(endpoint)
	}
	if !safe {
		return is, social.Fail(social.Unsupported, "bluesky.no_oauth", "That server offers no sign-in that can be used. Use an app password.")
	}
	return is, nil
}

// trusted wants https, except on loopback.
func trusted(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && address(u.Host) == "http://"+u.Host
}

func (b *Bluesky) wellKnown(ctx context.Context, server, name string, into any) error {
	reply, err := b.web.Do(ctx, web.Request{Method: http.MethodGet, URL: server + "/.well-known/" + name})
	return b.read(reply, err, "", into)
}

func (b *Bluesky) push(ctx context.Context, p prover, f flow, redirect string) (string, error) {
	sum := sha256.Sum256([]byte(f.Verifier))
	reply, err := b.signed(ctx, p, "", "", web.Request{Method: http.MethodPost, URL: f.Server.PAR, Form: url.Values{
		"client_id": {f.Client}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {scope}, "state": {f.State},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "login_hint": {f.Identity.Handle},
	}})
	var answer struct {
		URI string `json:"request_uri"`
	}
	if err := b.read(reply, err, "", &answer); err != nil {
		return "", err
	}
	if answer.URI == "" {
		return "", b.web.Odd(false, reply, "")
	}
	return answer.URI, nil
}

// arrive finishes an OAuth sign-in with what came back from the browser. The
// answer has to come from the server that was asked, for the account it was
// asked about.
func (b *Bluesky) arrive(ctx context.Context, req social.ConnectRequest, f flow) (social.ConnectStep, error) {
	in := req.Input
	if in["error"] != "" || in["code"] == "" {
		return social.ConnectStep{}, b.web.Violates("/input", "sign_in.denied", 0, 0, "The sign-in was not finished. Start again.")
	}
	if in["iss"] != f.Server.Issuer {
		return social.ConnectStep{}, b.web.Violates("/input", "sign_in.wrong_issuer", 0, 0, "The answer came from another server than the one asked.")
	}
	credential, err := b.tokens(ctx, f.Server.Token, f.Key, url.Values{
		"grant_type": {"authorization_code"}, "code": {in["code"]}, "code_verifier": {f.Verifier},
		"redirect_uri": {req.RedirectURI}, "client_id": {f.Client},
	}, map[string]string{
		"did": f.Identity.DID, "handle": f.Identity.Handle, "pds": f.Identity.PDS, "instance": sdk.InstanceHost(f.Identity.PDS),
		"token_url": f.Server.Token, "client_id": f.Client,
	})
	if err != nil {
		return social.ConnectStep{}, err
	}
	return social.ConnectStep{Done: &credential}, nil
}

// renew trades the refresh token of an OAuth sign-in, which works once.
func (b *Bluesky) renew(ctx context.Context, call social.Call) (social.Credential, error) {
	c := call.Credential
	if !trusted(c.Public["token_url"]) {
		return social.Credential{}, broken(nil)
	}
	return b.tokens(ctx, c.Public["token_url"], c.Secrets["dpop_key"], url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {c.Secrets["refresh"]}, "client_id": {c.Public["client_id"]},
	}, c.Public)
}

// tokens asks a token endpoint. public is what the credential will say openly;
// the tokens must be for its did.
func (b *Bluesky) tokens(ctx context.Context, endpoint, key string, form url.Values, public map[string]string) (social.Credential, error) {
	p, err := openProver(key, b.now)
	if err != nil {
		return social.Credential{}, broken(err)
	}
	reply, err := b.signed(ctx, p, "", "", web.Request{Method: http.MethodPost, URL: endpoint, Form: form})
	if err == nil && nameOf(reply) == "invalid_grant" {
		return social.Credential{}, b.web.Fault(social.AuthRevoked, "revoked", reply, form.Get("refresh_token"), "Connect this Bluesky account again.")
	}
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Type    string `json:"token_type"`
		Subject string `json:"sub"`
		Scope   string `json:"scope"`
		Life    int64  `json:"expires_in"`
	}
	if err := b.read(reply, err, form.Get("refresh_token"), &answer); err != nil {
		return social.Credential{}, err
	}
	if answer.Access == "" || answer.Type != "DPoP" || answer.Subject == "" || answer.Subject != public["did"] {
		return social.Credential{}, social.Fail(social.AuthRevoked, "bluesky.other_account", "The server answered for another account.")
	}
	return social.Credential{
		AccessToken: answer.Access, Secrets: map[string]string{"refresh": answer.Refresh, "dpop_key": key}, Public: public,
		Scopes: strings.Fields(answer.Scope), ExpiresAt: b.now().Add(time.Duration(answer.Life) * time.Second).UTC(),
	}, nil
}

package bluesky

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

const signInForm = `{
  "type": "object", "additionalProperties": false, "required": ["identifier"],
  "properties": {
    "identifier": {"type": "string", "title": "Handle", "description": "Such as ann.bsky.social", "minLength": 3, "maxLength": 253},
    "password": {"type": "string", "format": "password", "title": "App password", "description": "Leave empty to sign in at your server", "maxLength": 256},
    "instance": {"type": "string", "title": "Server", "description": "Only if the account is not on bsky.social", "maxLength": 253}
  }
}`

const codeForm = `{
  "type": "object", "additionalProperties": false, "required": ["code"],
  "properties": {"code": {"type": "string", "title": "Sign-in code", "description": "Bluesky has sent it by e-mail", "minLength": 1, "maxLength": 32}}
}`

// session is what a server answers a sign-in or a refresh with.
type session struct {
	AccessJWT  string `json:"accessJwt"`
	RefreshJWT string `json:"refreshJwt"`
	DID        string `json:"did"`
	Handle     string `json:"handle"`
	DIDDoc     struct {
		Service []struct {
			ID       string `json:"id"`
			Endpoint string `json:"serviceEndpoint"`
		} `json:"service"`
	} `json:"didDoc"`
}

// Connect implements social.Connector. With an app password it takes one form,
// and a second one when the account asks for a code by e-mail; without one it
// sends the person to their server. In between the host keeps the state sealed.
func (b *Bluesky) Connect(ctx context.Context, req social.ConnectRequest) (social.ConnectStep, error) {
	begun := struct {
		Form map[string]string `json:"form"`
		flow
	}{Form: map[string]string{}}
	if req.State != nil && json.Unmarshal(req.State, &begun) != nil {
		return social.ConnectStep{}, b.web.Violates("/input", "sign_in.stale", 0, 0, "Start signing in again.")
	}
	if begun.Verifier != "" && req.Input["identifier"] == "" {
		return b.arrive(ctx, req, begun.flow)
	}
	input := begun.Form
	for _, name := range []string{"identifier", "password", "instance", "code"} {
		if value := strings.TrimSpace(req.Input[name]); value != "" {
			input[name] = value
		}
	}
	named := cmp.Or(input["instance"], req.Call.Credential.Public["instance"])
	switch {
	case input["identifier"] == "":
		return social.ConnectStep{Form: []byte(signInForm)}, nil
	case input["password"] != "":
		return b.enter(ctx, address(cmp.Or(named, b.entry)), input)
	case named == "":
		return b.redirect(ctx, req, input["identifier"], "")
	}
	return b.redirect(ctx, req, input["identifier"], address(named))
}

// enter signs in with an app password.
func (b *Bluesky) enter(ctx context.Context, server string, input map[string]string) (social.ConnectStep, error) {
	s, factor, err := b.signIn(ctx, server, input)
	if factor {
		state, err := json.Marshal(map[string]any{"form": input})
		return social.ConnectStep{Form: []byte(codeForm), State: state}, err
	}
	if err != nil {
		return social.ConnectStep{}, err
	}
	done := s.credential(map[string]string{"pds": s.pds(server)})
	return social.ConnectStep{Done: &done}, nil
}

// signIn creates a session. factor is true when the server wants a code too.
func (b *Bluesky) signIn(ctx context.Context, server string, input map[string]string) (s session, factor bool, err error) {
	body := map[string]string{"identifier": strings.TrimPrefix(input["identifier"], "@"), "password": input["password"]}
	if input["code"] != "" {
		body["authFactorToken"] = input["code"]
	}
	reply, err := b.web.Do(ctx, web.Request{Method: http.MethodPost, URL: server + "/xrpc/com.atproto.server.createSession", JSON: body})
	if err != nil {
		return s, false, err
	}
	switch nameOf(reply) {
	case "AuthFactorTokenRequired":
		return s, true, nil
	case "AuthenticationRequired":
		f := b.web.Violates("/input/password", "sign_in.refused", 0, 0, "Handle and app password do not match.")
		f.Source, f.HTTPStatus = social.FromPlatform, reply.Status
		return s, false, f
	}
	err = b.read(reply, nil, input["password"], &s)
	return s, false, err
}

// Refresh implements social.Refresher. The old refresh token of an app
// password works for a while longer, so a lost answer loses nothing; that of an
// OAuth sign-in works once.
func (b *Bluesky) Refresh(ctx context.Context, call social.Call) (social.Credential, error) {
	if call.Credential.Secrets["dpop_key"] != "" {
		return b.renew(ctx, call)
	}
	token := call.Credential.Secrets["refresh"]
	reply, err := b.web.Do(ctx, web.Request{Method: http.MethodPost, URL: b.pds(call) + "/xrpc/com.atproto.server.refreshSession", Token: token})
	if err != nil {
		return social.Credential{}, err
	}
	switch nameOf(reply) {
	case "ExpiredToken", "InvalidToken", "AuthMissing", "AuthenticationRequired":
		return social.Credential{}, b.web.Fault(social.AuthRevoked, "revoked", reply, token, "Connect this Bluesky account again.")
	}
	var s session
	if err := b.read(reply, nil, token, &s); err != nil {
		return social.Credential{}, err
	}
	return s.credential(call.Credential.Public), nil
}

// pds is the account's server by its identity document, else the one asked.
func (s session) pds(asked string) string {
	for _, service := range s.DIDDoc.Service {
		if strings.HasSuffix(service.ID, "#atproto_pds") && service.Endpoint != "" {
			return strings.TrimRight(service.Endpoint, "/")
		}
	}
	return asked
}

func (s session) credential(public map[string]string) social.Credential {
	all := map[string]string{"did": s.DID, "handle": s.Handle}
	for name, value := range public {
		if all[name] == "" {
			all[name] = value
		}
	}
	if u, err := url.Parse(all["pds"]); err == nil {
		all["instance"] = u.Host
	}
	return social.Credential{
		AccessToken: s.AccessJWT, Secrets: map[string]string{"refresh": s.RefreshJWT}, Public: all, ExpiresAt: expiry(s.AccessJWT),
	}
}

// expiry reads when a token ends. It is the server's to check; we only want to
// refresh in time. Zero if it does not say.
func expiry(jwt string) time.Time {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Exp <= 0 {
		return time.Time{}
	}
	return time.Unix(claims.Exp, 0).UTC()
}

// Accounts implements social.Lister. The profile is decoration: without an app
// view the account has its handle alone.
func (b *Bluesky) Accounts(ctx context.Context, call social.Call) ([]social.Account, error) {
	var s session
	reply, err := b.as(ctx, call, web.Request{Method: http.MethodGet, URL: b.pds(call) + "/xrpc/com.atproto.server.getSession"})
	if err := b.read(reply, err, call.Credential.AccessToken, &s); err != nil {
		return nil, err
	}
	var profile struct {
		DisplayName string `json:"displayName"`
		Avatar      string `json:"avatar"`
	}
	_ = b.query(ctx, b.appView, "app.bsky.actor.getProfile", url.Values{"actor": {s.DID}}, &profile)
	return []social.Account{{
		ID: s.DID, Handle: "@" + s.Handle, Name: cmp.Or(profile.DisplayName, s.Handle), AvatarURL: profile.Avatar,
		URL: "https://bsky.app/profile/" + s.DID, Type: "profile",
		Public: map[string]string{"did": s.DID, "handle": s.Handle, "pds": b.pds(call)},
	}}, nil
}

func violation(field, reason, message string) []fault.Violation {
	return []fault.Violation{{Field: field, Reason: reason, Message: message}}
}

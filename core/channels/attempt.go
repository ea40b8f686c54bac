package channels

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// An attempt is a connection while it is being worked on.
type attempt struct {
	*Service
	who      tenants.Scope
	conn     *Connection
	platform social.Platform
	manifest social.Manifest
	in       signIn
}

// signIn is what a connection seals between two requests.
type signIn struct {
	Verifier string     `json:"verifier,omitempty"` // PKCE
	App      tenants.ID `json:"app,omitempty"`
	Plugin   []byte     `json:"plugin,omitempty"` // the plugin's own state
	Secret   *secret    `json:"secret,omitempty"` // signed in, accounts not chosen yet
}

// resume takes a stored connection up again.
func (s *Service) resume(ctx context.Context, who tenants.Scope, c *Connection) (*attempt, error) {
	if err := s.closed(ctx, who.Tenant, c.Platform); err != nil {
		return nil, err
	}
	p, err := s.Plugins.Platform(ctx, c.Platform)
	if err != nil {
		return nil, err
	}
	a := &attempt{Service: s, who: who, conn: c, platform: p, manifest: p.Manifest()}
	if len(c.Sealed) > 0 {
		err = s.open(ctx, who.Tenant, connPlace(c, c.Version), c.Sealed, &a.in)
	}
	return a, err
}

// keep seals and stores the attempt as it is.
func (a *attempt) keep(ctx context.Context) (err error) {
	a.conn.Sealed = nil
	if a.conn.Stage != Done && a.conn.Stage != Failed {
		if a.conn.Sealed, err = a.seal(ctx, a.who.Tenant, connPlace(a.conn, a.conn.Version+1), a.in); err != nil {
			return err
		}
	}
	action := "connection.continue"
	if a.conn.Version == 0 {
		action = "connection.start"
	}
	e := audit.By(a.who, action, string(a.conn.ID), "platform", a.conn.Platform, "stage", string(a.conn.Stage))
	return a.Store.Update(ctx, a.who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := tx.SaveConnection(ctx, a.conn); err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
}

func connPlace(c *Connection, version int) string {
	return place("channel_connections", string(c.ID), "sealed", strconv.Itoa(version))
}

// answer is what the caller may see.
func (a *attempt) answer(err error) (Connection, error) {
	if err != nil {
		return Connection{}, signInFault(err)
	}
	return a.conn.public(), nil
}

// public leaves out what only the Store keeps.
func (c Connection) public() Connection {
	c.StateHash, c.BindingHash, c.Sealed = nil, nil, nil
	return c
}

// begin takes the first step that input allows.
func (a *attempt) begin(ctx context.Context, input map[string]string) error {
	if err := a.locate(input); err != nil {
		return err
	}
	auth := a.manifest.Auth
	switch {
	case auth.Kind == social.AuthOAuth2 && perInstance(a.manifest) && a.conn.Instance == "":
		return a.ask(ctx, firstForm(auth.Form))
	case auth.Kind == social.AuthOAuth2:
		return a.authorize(ctx)
	case auth.Kind == social.AuthForm && len(input) == 0 && len(a.in.Plugin) == 0:
		return a.ask(ctx, firstForm(auth.Form))
	case auth.Kind == social.AuthForm, auth.Kind == social.AuthCustom:
		return a.screen(ctx, input)
	}
	return a.signedIn(ctx, secret{})
}

func firstForm(form []byte) []byte {
	if len(form) == 0 {
		return []byte(instanceForm)
	}
	return form
}

// locate notes which server the account is on.
func (a *attempt) locate(input map[string]string) (err error) {
	if input["instance"] != "" {
		a.conn.Instance, err = CleanInstance(input["instance"], a.cfg.AllowLocal)
	}
	return err
}

func (a *attempt) ask(ctx context.Context, form []byte) error {
	a.conn.Stage, a.conn.Form = AwaitsForm, form
	return a.keep(ctx)
}

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

// screen lets the plugin drive one step of its own sign-in. The state that a
// redirect must carry is handed to the plugin as the input "state".
func (a *attempt) screen(ctx context.Context, input map[string]string) error {
	connector, ok := a.platform.(social.Connector)
	if !ok {
		return social.Fail(social.Unsupported, "platform.no_sign_in", "This platform cannot be connected.")
	}
	values := map[string]string{}
	maps.Copy(values, input)
	delete(values, "instance") // only one that was checked; see locate
	var cred social.Credential
	if a.conn.Instance != "" {
		values["instance"] = a.conn.Instance
		cred.Public = map[string]string{"instance": a.conn.Instance}
	}
	call, err := a.call(ctx, cred)
	if err != nil {
		return err
	}
	state := random(16)
	values["state"] = state
	step, err := connector.Connect(ctx, social.ConnectRequest{
		Call: call, State: a.in.Plugin, Input: values, RedirectURI: a.cfg.CallbackURL,
	})
	if err != nil {
		return err
	}
	a.in.Plugin = step.State
	switch {
	case step.Done != nil:
		said := step.Done.Public["instance"]
		host, err := CleanInstance(said, a.cfg.AllowLocal)
		if err != nil && said != "" && roams(a.manifest) {
			return err
		}
		if err == nil {
			a.conn.Instance = host
		}
		return a.signedIn(ctx, secret{Credential: *step.Done})
	case step.Redirect != "":
		return a.redirect(ctx, step.Redirect, state)
	}
	return a.ask(ctx, step.Form)
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

// call is what every request of the sign-in carries.
func (a *attempt) call(ctx context.Context, cred social.Credential) (social.Call, error) {
	instance := appInstance(a.manifest, a.conn.Instance)
	if a.in.App == "" && a.manifest.Auth.Kind != social.AuthOAuth2 {
		owner, _, _, err := a.findApp(ctx, a.who.Tenant, a.conn.Platform, instance)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return social.Call{}, err
		}
		a.in.App = owner
	}
	app, err := a.settings(ctx, a.in.App, a.conn.Platform, instance)
	return social.Call{
		Tenant: a.pseudonym(a.who.Tenant, a.conn.Platform), Credential: pinned(a.manifest, cred, a.conn.Instance), App: app, Idempotency: string(a.conn.ID),
	}, err
}

// denied explains the error of an authorization answer (RFC 6749, 4.1.2.1).
func denied(code string) error {
	if code == "access_denied" {
		return fault.New(fault.Invalid, "connection.denied", "Access was not allowed. Nothing was connected.")
	}
	return fault.New(fault.Invalid, "connection.refused", "The platform refused the sign-in. Please start again.").
		Because(fault.New(fault.Invalid, "oauth.error", "%.64q", code))
}

// signInFault says what went wrong without sending the person to our own
// sign-in: a platform's "unauthenticated" is bad input here.
func signInFault(err error) error {
	f := fault.Of(err)
	if f.Code != fault.Unauthenticated && f.Code != fault.Forbidden || !fromPlatform(err) {
		return err
	}
	return fault.New(fault.Invalid, f.Reason, "%s", f.Message).On("/input").With(f.Violations...).Because(err)
}

func unknownState() error {
	return fault.New(fault.Invalid, "connection.unknown_state", "This sign-in is not known here or was used already. Please start again.").On("/input/state")
}

func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

func hash(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:] }

func sameHash(want []byte, got string) bool {
	return len(want) > 0 && got != "" && subtle.ConstantTimeCompare(want, hash(got)) == 1
}

func pointer(base string, i int) string { return base + "/" + strconv.Itoa(i) }

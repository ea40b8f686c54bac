package channels

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"strconv"

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
		if err != nil && said != "" && a.manifest.Roams() {
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

// signInFault says what went wrong without sending the person to our own
// sign-in: a platform's "unauthenticated" is bad input here.
func signInFault(err error) error {
	f := fault.Of(err)
	if f.Code != fault.Unauthenticated && f.Code != fault.Forbidden || !fromPlatform(err) {
		return err
	}
	return fault.New(fault.Invalid, f.Reason, "%s", f.Message).On("/input").With(f.Violations...).Because(err)
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

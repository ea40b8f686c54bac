package channels

import (
	"context"
	"strconv"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// An App is how a tenant is known to a platform: a registered OAuth client
// and settings. Tenants below use it unless they bring their own, and each app
// has an allowance of its own.
type App struct {
	Platform   string
	Instance   string            // empty for platforms with one server
	ClientID   string            // empty if the platform has none
	Settings   map[string]string // handed to the plugin with every call; not secret
	Sealed     []byte            // an appSecret
	Registered string            // the redirect URI it was registered for on demand; empty if a person set it up
	Version    int               // bumped by every save; a stale save is a conflict

	Secrets []string // names of the further secrets, as GetApp tells them; not stored
	more    map[string]string
}

// Check holds an app's invariants. Every Store runs it before a save.
func (a *App) Check() error {
	if a.Platform == "" {
		return fault.New(fault.Invalid, "app.no_platform", "Say which platform the app is for.").On("/platform")
	}
	return nil
}

// AppSettings is what a person says of an app.
type AppSettings struct {
	Platform     string
	Instance     string
	ClientID     string
	ClientSecret string // empty keeps the present one
	Settings     map[string]string
	// Secrets are settings that are sealed. One that is not named stays, an
	// empty one is deleted. Under ClientSecretName is the client secret.
	Secrets map[string]string
}

// ClientSecretName is what the client secret is called among other secrets.
const ClientSecretName = "client_secret"

// SetApp keeps a tenant's own app for a platform.
func (s *Service) SetApp(ctx context.Context, who tenants.Scope, in AppSettings) error {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return err
	}
	if _, err := s.Plugins.Platform(ctx, in.Platform); err != nil {
		return err
	}
	if in.Instance != "" {
		clean, err := CleanInstance(in.Instance, s.cfg.AllowLocal)
		if err != nil {
			return err
		}
		in.Instance = clean
	}
	app, client, err := s.ownApp(ctx, who.Tenant, in.Platform, in.Instance)
	if fault.Is(err, fault.NotFound) {
		app, err = &App{Platform: in.Platform, Instance: in.Instance}, nil
	}
	if err != nil {
		return err
	}
	if in.ClientSecret != "" {
		client.Secret = in.ClientSecret
	}
	app.ClientID, app.Settings, app.Registered = in.ClientID, in.Settings, ""
	return s.keepApp(ctx, who.Tenant, app, appSecret{client.Secret, app.more}.with(in.Secrets), audit.By(who, "app.set", in.Platform, "instance", in.Instance))
}

// GetApp returns the app that who's tenant uses, its own or one from above,
// without its secret. It returns fault.NotFound if there is none.
func (s *Service) GetApp(ctx context.Context, who tenants.Scope, platform, instance string) (App, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return App{}, err
	}
	_, app, client, err := s.findApp(ctx, who.Tenant, platform, instance)
	if err != nil {
		return App{}, err
	}
	app.Secrets = appSecret{client.Secret, app.more}.names()
	app.Sealed, app.more = nil, nil
	return *app, nil
}

// findApp looks for an app in t and then in the tenants above it.
func (s *Service) findApp(ctx context.Context, t tenants.ID, platform, instance string) (tenants.ID, *App, Client, error) {
	line, err := s.Store.Lineage(ctx, t)
	if err != nil {
		return "", nil, Client{}, err
	}
	for _, owner := range line {
		app, client, err := s.ownApp(ctx, owner, platform, instance)
		if !fault.Is(err, fault.NotFound) {
			return owner, app, client, err
		}
	}
	return "", nil, Client{}, fault.New(fault.NotFound, "app.not_found", "This platform is not set up here yet. Ask whoever runs this installation.")
}

// ownApp returns the app of one tenant, opened.
func (s *Service) ownApp(ctx context.Context, owner tenants.ID, platform, instance string) (app *App, c Client, err error) {
	err = s.Store.View(ctx, owner, func(ctx context.Context, tx Tx) error {
		app, err = tx.App(ctx, platform, instance)
		return err
	})
	if err != nil {
		return nil, Client{}, err
	}
	c.ID = app.ClientID
	if len(app.Sealed) > 0 {
		var secret appSecret
		err = s.open(ctx, owner, appPlace(app, app.Version), app.Sealed, &secret)
		c.Secret, app.more = secret.Client, secret.More
	}
	return app, c, err
}

func (s *Service) keepApp(ctx context.Context, owner tenants.ID, app *App, secret appSecret, e audit.Entry) (err error) {
	app.Sealed = nil
	if secret.Client != "" || len(secret.More) > 0 {
		if app.Sealed, err = s.seal(ctx, owner, appPlace(app, app.Version+1), secret); err != nil {
			return err
		}
	}
	err = s.Store.Update(ctx, owner, func(ctx context.Context, tx Tx) error {
		if err := tx.SaveApp(ctx, app); err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
	s.ForgetApps()
	return err
}

func appPlace(a *App, version int) string {
	return place("channel_apps", a.Platform, a.Instance, "sealed", strconv.Itoa(version))
}

// client returns the app to sign in with, registering one with the instance
// if the platform allows that. A registered app belongs to the top of the
// tree: an instance sees one client per installation, not one per tenant.
func (s *Service) client(ctx context.Context, t tenants.ID, m social.Manifest, instance string) (tenants.ID, Client, error) {
	owner, app, client, err := s.findApp(ctx, t, m.ID, instance)
	stale := err == nil && app.Registered != "" && app.Registered != s.cfg.CallbackURL
	if err == nil && !stale || err != nil && !fault.Is(err, fault.NotFound) || m.Auth.OAuth2.RegisterURL == "" {
		return owner, client, err
	}
	if !stale {
		line, err := s.Store.Lineage(ctx, t)
		if err != nil {
			return "", Client{}, err
		}
		owner, app = line[len(line)-1], &App{Platform: m.ID, Instance: instance}
	}
	return s.register(ctx, owner, app, at(*m.Auth.OAuth2, instance))
}

func (s *Service) register(ctx context.Context, owner tenants.ID, app *App, o social.OAuth2) (tenants.ID, Client, error) {
	client, err := s.OAuth.Register(ctx, o, Registration{
		Name: s.cfg.AppName, Website: s.cfg.Website, RedirectURI: s.cfg.CallbackURL, Scopes: o.Scopes,
	})
	if err != nil {
		return "", Client{}, err
	}
	app.ClientID, app.Registered = client.ID, s.cfg.CallbackURL
	err = s.keepApp(ctx, owner, app, appSecret{client.Secret, app.more}, audit.Of(string(tenants.System), "app.register", app.Platform, "instance", app.Instance))
	if fault.Is(err, fault.Conflict) { // someone else registered at the same time; theirs counts
		_, client, err = s.ownApp(ctx, owner, app.Platform, app.Instance)
	}
	return owner, client, err
}

package channels

import (
	"context"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// An App is how a tenant is known to a platform: a registered OAuth client
// and settings. Tenants below use it unless they bring their own, and each app
// has an allowance of its own.
type App struct {
	Platform string
	Instance string            // empty for platforms with one server
	ClientID string            // empty if the platform has none
	Settings map[string]string // handed to the plugin with every call; not secret
	Sealed   []byte            // the client secret
	Version  int
}

// AppSettings is what a person says of an app.
type AppSettings struct {
	Platform     string
	Instance     string
	ClientID     string
	ClientSecret string // empty keeps the present one
	Settings     map[string]string
}

// SetApp keeps a tenant's own app for a platform.
func (s *Service) SetApp(ctx context.Context, who tenants.Scope, a AppSettings) error {
	return errDraft
}

// GetApp returns the app that who's tenant uses, its own or one from above.
// It returns fault.NotFound if there is none.
func (s *Service) GetApp(ctx context.Context, who tenants.Scope, platform, instance string) (App, error) {
	return App{}, errDraft
}

type appCache struct {
	mu   sync.Mutex
	kept map[string]cachedApp
}

type cachedApp struct {
	settings map[string]string
	until    time.Time
}

type parkCache struct {
	mu   sync.Mutex
	kept map[string]parkedApps
}

type parkedApps struct {
	refusals []Refusal
	read     time.Time
}

// Check holds an app's invariants. Every Store runs it before a save.
func (a *App) Check() error {
	if a.Platform == "" {
		return fault.New(fault.Invalid, "app.no_platform", "Say which platform the app is for.").On("/platform")
	}
	return nil
}

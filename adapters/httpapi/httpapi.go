// Package httpapi is the HTTP surface: openapi.yaml, served.
//
// The contract comes first. Change openapi.yaml, run make generate, and the
// compiler lists what is left to do. A handler translates; it decides nothing.
// Every route is closed until the contract says who may enter: New refuses an
// operation that declares neither an action, nor a session, nor why it is public.
//
// Start with New; guard.go is what each request passes, in order, before its
// handler, and problem.go how it fails. Each tag of the contract has a file.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/idempotency"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
)

// Authenticator turns the credential after "Bearer " into who holds it. It
// returns fault.Unauthenticated for anything that is no live credential.
type Authenticator interface {
	Authenticate(ctx context.Context, bearer string) (identity.Principal, error)
	// StillSignedIn returns fault.Unauthenticated once the session of a person
	// has ended.
	StillSignedIn(ctx context.Context, who identity.Principal) error
	// SteppedUp returns fault.Forbidden for who last proved who they are too
	// long ago, and for a key.
	SteppedUp(ctx context.Context, who identity.Principal) error
}

// Resolver finds what a person is in a tenant. It returns fault.NotFound for a
// tenant the person is no member of, as for none.
type Resolver interface {
	Resolve(ctx context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Scope, error)
}

// Looks says how the pages of a tenant's host look; without a tenant, those of
// the installation's own.
type Looks interface {
	Theme(ctx context.Context, tenant tenants.ID) (branding.Theme, error)
}

// Config is what New needs besides the use cases. Log, Auth, Scopes, Authz,
// Realm, Keys, CursorKey, TicketKey and DownloadKey are required.
type Config struct {
	Log    *slog.Logger
	Auth   Authenticator
	Scopes Resolver
	Authz  tenants.Authorizer
	// Realm is the operators' way in.
	Realm Realm
	// Edge is what holds for everybody, now; nil, or nil from it, is nothing. It
	// is called for each request.
	Edge func() *admin.Edge
	// Hosts says which hosts are served; nil: any.
	Hosts Hosts
	// Looks says how the pages of a host look; nil: as the product's own.
	Looks Looks
	// Keys remembers answers to requests with an Idempotency-Key.
	Keys idempotency.Store
	// Limits counts requests; nil counts in this process only.
	Limits *Limits
	// CursorKey signs cursors: 32 bytes that do nothing else.
	CursorKey []byte
	// TicketKey signs stream tickets: 32 bytes that do nothing else.
	TicketKey []byte
	// DownloadKey signs addresses of archives: 32 bytes that do nothing else.
	DownloadKey []byte

	// OtherCursorKeys and OtherTicketKeys are those that are or will be current
	// elsewhere: what they signed counts, too.
	OtherCursorKeys, OtherTicketKeys, OtherDownloadKeys [][]byte

	// URL is where this surface is reached, "https://api.example.com", with
	// no slash at the end. Empty: problem types are relative.
	URL string
	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// InsecureCookies lets cookies travel over plain HTTP, for a machine of one's own.
	InsecureCookies bool
	// Timeout bounds one request, but for uploads and streams. Zero: 15 s.
	Timeout time.Duration
	// MaxUpload bounds one upload in bytes. Zero: 25 MiB.
	MaxUpload int64

	// Ready answers /readyz: nil means that deliveries are being claimed.
	Ready func(ctx context.Context) error
	// Observe hears of every request that was answered, with its context; it
	// must not block. Nil: nobody does.
	Observe func(ctx context.Context, o Observation)
}

// Figures of the surface.
const (
	maxJSON       = 1 << 20
	maxHeaders    = 16 << 10
	uploadTimeout = 5 * time.Minute
	base          = "/api/v1"
)

// surface is a Config at work.
type surface struct {
	Config
	cursors signer
	tickets signer
	archive signer
	tracer  trace.Tracer
	table   []address
}

// New returns the application, ready to listen. It refuses a contract with an
// operation that anybody could enter by omission.
func New(cfg Config, s *Server) (*fiber.App, error) {
	w, err := newSurface(cfg)
	if err != nil {
		return nil, err
	}
	s.surface = w
	app := fiber.New(fiber.Config{
		// Fiber's strings point into a buffer it will reuse. Copy them, or
		// one request's path parameter turns into another's.
		Immutable: true,
		// Bodies arrive as they are read, because uploads do. Fiber then
		// ignores BodyLimit: body.go has the limits.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		CaseSensitive:                true,
		StrictRouting:                true,
		DisableStartupMessage:        true,
		ErrorHandler:                 w.problems,
		JSONEncoder:                  encode,
		ReadTimeout:                  10 * time.Second,
		WriteTimeout:                 30 * time.Second,
		IdleTimeout:                  60 * time.Second,
		ReadBufferSize:               maxHeaders,
	})
	app.Use(w.observe, w.envelope, w.hosted, w.gate)
	w.operations(app)
	app.Get(callbackPath+"/callback", w.limitAddress(api.Route{Public: "the state and the cookie are the proof"}), s.callback)
	w.knowMethods(app)
	return app, w.contract(app, api.Routes(api.NewStrictHandler(s, nil)))
}

func newSurface(cfg Config) (*surface, error) {
	if cfg.Log == nil || cfg.Auth == nil || cfg.Scopes == nil || cfg.Authz == nil || cfg.Realm == nil || cfg.Keys == nil {
		return nil, errors.New("httpapi: Log, Auth, Scopes, Authz, Realm and Keys are required")
	}
	if len(cfg.CursorKey) < 32 || len(cfg.TicketKey) < 32 || len(cfg.DownloadKey) < 32 {
		return nil, errors.New("httpapi: CursorKey, TicketKey and DownloadKey need 32 bytes each")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 25 << 20
	}
	if cfg.Limits == nil {
		cfg.Limits = NewLimits(nil)
	}
	return &surface{Config: cfg, cursors: signer{cfg.CursorKey, cfg.OtherCursorKeys}, tickets: signer{cfg.TicketKey, cfg.OtherTicketKeys}, archive: signer{cfg.DownloadKey, cfg.OtherDownloadKeys},
		tracer: otel.Tracer("github.com/carillonhq/carillon/adapters/httpapi")}, nil
}

// contract registers the routes, each behind its guard.
func (s *surface) contract(app *fiber.App, routes []api.Route) error {
	for _, r := range routes {
		if err := declared(r); err != nil {
			return err
		}
		s.table = append(s.table, addressOf(r))
		handlers := append(s.guard(r), r.Handler)
		app.Add(r.Method, pattern(r.Path), handlers...)
		if r.Method == fiber.MethodGet { // the server leaves the body out
			app.Add(fiber.MethodHead, pattern(r.Path), handlers...)
		}
	}
	return nil
}

// declared refuses a route that does not say who may enter, or says it twice.
func declared(r api.Route) error {
	n := 0
	for _, said := range []bool{r.Action != "", r.Public != "", r.Session, r.Operator} {
		if said {
			n++
		}
	}
	if r.StepUp && r.Public != "" {
		return fmt.Errorf("httpapi: %s %s is public and asks for a step-up: of whom?", r.Method, r.Path)
	}
	if n != 1 {
		return fmt.Errorf("httpapi: %s %s declares %d of x-action, x-session, x-operator and x-public, want exactly one", r.Method, r.Path, n)
	}
	return nil
}

// pattern turns a path of the contract into one of Fiber's: the colon of a
// verb is no parameter.
func pattern(path string) string {
	path = strings.ReplaceAll(path, ":", `\:`)
	return base + strings.NewReplacer("{", ":", "}", "").Replace(path)
}

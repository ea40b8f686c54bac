package httpapi

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

const headerTenant = "Carillon-Tenant"

// guard is what a request passes before its handler, in order.
func (s *surface) guard(r api.Route) []fiber.Handler {
	return []fiber.Handler{
		s.swallowed(r),
		named(r),
		s.ours(r),
		s.limitAddress(r),
		s.authenticate(r),
		s.version,
		s.limitCaller(r),
		s.authorize(r),
		s.stepUp(r),
		wellFormed(r),
		s.body(r),
		s.precondition(r),
		created(r),
		s.idempotent(r),
	}
}

type callerKey struct{}

// caller is who was authenticated for this request.
func caller(ctx context.Context) identity.Principal {
	p, _ := ctx.Value(callerKey{}).(identity.Principal)
	return p
}

// authenticate finds out who is asking and, for a route with an action, where.
func (s *surface) authenticate(r api.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if r.Public != "" {
			return c.Next()
		}
		if r.Operator {
			return s.asOperator(c)
		}
		if r.Ticket && c.Query("ticket") != "" {
			return s.withTicket(c)
		}
		bearer, err := identity.Bearer(c.Get(fiber.HeaderAuthorization))
		if err != nil {
			return err
		}
		ctx, who, err := s.identify(c, r, bearer)
		if err != nil {
			return err
		}
		ctx = context.WithValue(ctx, callerKey{}, who)
		if r.Session {
			if who.Scope != nil {
				return fault.New(fault.Forbidden, "auth.session_required", "This is for a person, not for an API key.")
			}
			c.SetUserContext(ctx)
			return c.Next()
		}
		scope, err := s.scope(ctx, who, c.Get(headerTenant))
		if err != nil {
			return err
		}
		c.SetUserContext(tenants.NewContext(ctx, scope))
		return c.Next()
	}
}

// scope is what the caller is in the tenant they named. A key is bound to one;
// naming another is no different from naming one that never was.
func (s *surface) scope(ctx context.Context, who identity.Principal, name string) (tenants.Scope, error) {
	tenant := tenants.ID(name)
	switch {
	case who.Scope != nil && (name == "" || tenant == who.Scope.Tenant):
		return *who.Scope, nil
	case name == "":
		return tenants.Scope{}, fault.New(fault.Invalid, "tenant.required", "Say which tenant this is about.").On("/header/" + headerTenant)
	case who.Scope != nil || !tenant.Valid():
		return tenants.Scope{}, noTenant()
	}
	scope, err := s.Scopes.Resolve(ctx, who.User, tenant)
	if fault.Is(err, fault.NotFound) {
		err = noTenant()
	}
	if err != nil {
		return scope, err
	}
	return behind(ctx, scope)
}

func noTenant() error {
	return fault.New(fault.NotFound, "tenant.not_found", "There is no such tenant.")
}

// authorize asks once before the handler. The use case asks again: a handler
// that calls the wrong one must not open a door.
func (s *surface) authorize(r api.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if r.Action == "" {
			return c.Next()
		}
		who, err := tenants.FromContext(c.UserContext())
		if err != nil {
			return err
		}
		if err := s.Authz.Allow(c.UserContext(), who, tenants.Action(r.Action)); err != nil {
			return err
		}
		return c.Next()
	}
}

// stepUp asks once more who somebody is where the contract says so. It comes
// after authorize: who may not at all is not sent to fetch their phone.
func (s *surface) stepUp(r api.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if !r.StepUp {
			return c.Next()
		}
		if err := s.Auth.SteppedUp(c.UserContext(), caller(c.UserContext())); err != nil {
			return err
		}
		return c.Next()
	}
}

// wellFormed refuses names that cannot be names, and parameters that the
// contract does not know or that are given twice.
func wellFormed(r api.Route) fiber.Handler {
	patterns := map[string]*regexp.Regexp{}
	for name, p := range r.Patterns {
		patterns[name] = regexp.MustCompile(p)
	}
	return func(c *fiber.Ctx) error {
		if err := knownQuery(c.Context().QueryArgs(), r, patterns); err != nil {
			return err
		}
		if path, err := url.PathUnescape(c.Path()); err != nil || !plain(path) {
			return fault.New(fault.NotFound, "request.not_found", "There is no such thing.")
		}
		for parameter, prefix := range r.IDs {
			if !id.Is(prefix, c.Params(parameter)) {
				return notFound(prefix)
			}
		}
		return c.Next()
	}
}

// notFound answers as the context that owns the prefix does.
func notFound(prefix string) error {
	if n, ok := nouns[prefix]; ok {
		return fault.New(fault.NotFound, n.reason, "%s", n.message)
	}
	return fault.New(fault.NotFound, "request.not_found", "There is no such thing.")
}

func knownQuery(args *fasthttp.Args, r api.Route, patterns map[string]*regexp.Regexp) error {
	seen := map[string]bool{}
	for k, v := range args.All() {
		name, value := string(k), string(v)
		switch enum, prefix, form := r.Enums[name], r.QueryIDs[name], patterns[name]; {
		case !slices.Contains(r.Query, name):
			return fault.New(fault.Invalid, "request.unknown_parameter", "There is no parameter %.64q here.", name).On("/query/" + strings.ToValidUTF8(name, "?"))
		case seen[name]:
			return fault.New(fault.Invalid, "request.bad_parameter", "This parameter is there twice.").On("/query/" + name)
		case !plain(value) || len(value) > maxParameter || strings.ContainsFunc(value, unicode.IsControl) && !slices.Contains(r.Texts, name):
			return api.BadParameter("/query/" + name)
		case enum != nil && !slices.Contains(enum, value):
			return fault.New(fault.Invalid, "request.unknown_value", "%s can be one of: %s.", name, strings.Join(enum, ", ")).On("/query/" + name)
		case prefix != "" && !id.Is(prefix, value):
			return fault.New(fault.Invalid, "request.bad_parameter", "%s is an id, such as %s_….", name, prefix).On("/query/" + name)
		case form != nil && !form.MatchString(value):
			return api.BadParameter("/query/" + name)
		}
		seen[name] = true
	}
	return nil
}

// plain reports whether the database can hold s as text.
func plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

const maxParameter = 2048

package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Realm is the operators' own way in. Both methods return fault.Unauthenticated
// for anything that is no living token of theirs.
type Realm interface {
	Authenticate(ctx context.Context, token string) (admin.Who, error)
	Impersonated(ctx context.Context, token string) (*admin.Impersonation, error)
}

const headerImpersonator = "Carillon-Impersonator"

type operatorKey struct{}

// operator is who signed in to the realm.
func operator(ctx context.Context) admin.Who {
	who, _ := ctx.Value(operatorKey{}).(admin.Who)
	return who
}

// asOperator lets in an operator, and nobody else whatever they hold.
func (s *surface) asOperator(c *fiber.Ctx) error {
	bearer, err := identity.Bearer(c.Get(fiber.HeaderAuthorization))
	if err != nil {
		return fault.New(fault.Unauthenticated, "operator.required", "Please sign in as an operator.")
	}
	who, err := s.Realm.Authenticate(c.UserContext(), bearer)
	if err != nil {
		return err
	}
	c.SetUserContext(context.WithValue(c.UserContext(), operatorKey{}, who))
	return c.Next()
}

type impersonationKey struct{}

// impersonated is set while an operator acts as the caller.
func impersonated(ctx context.Context) *admin.Impersonation {
	imp, _ := ctx.Value(impersonationKey{}).(*admin.Impersonation)
	return imp
}

// identify says who holds a bearer: a person, a key, or an operator who acts as
// a person, whom every answer then names.
func (s *surface) identify(c *fiber.Ctx, r api.Route, bearer string) (context.Context, identity.Principal, error) {
	ctx := c.UserContext()
	if !strings.HasPrefix(bearer, admin.ImpersonationPrefix) {
		who, err := s.Auth.Authenticate(ctx, bearer)
		return ctx, who, err
	}
	imp, err := s.Realm.Impersonated(ctx, bearer)
	if err != nil {
		return ctx, identity.Principal{}, err
	}
	c.Set(headerImpersonator, string(imp.Operator)+"; until="+imp.ExpiresAt.UTC().Format(time.RFC3339))
	if r.NoImpersonation || r.Session && r.Method != http.MethodGet {
		return ctx, identity.Principal{}, fault.New(fault.Forbidden, "impersonation.closed", "This is for the person alone: an operator who acts as somebody may not.")
	}
	// The name of the session is the impersonation's: no session of theirs is.
	who := identity.Principal{User: imp.User, Session: identity.SessionID(imp.ID)}
	return context.WithValue(ctx, impersonationKey{}, imp), who, nil
}

// behind marks the scope of an operator who acts as somebody, and keeps them in
// the one tenant that they said.
func behind(ctx context.Context, who tenants.Scope) (tenants.Scope, error) {
	imp := impersonated(ctx)
	switch {
	case imp == nil:
		return who, nil
	case imp.Tenant != who.Tenant:
		return tenants.Scope{}, noTenant()
	}
	who.Impersonator = string(imp.Operator)
	return who, nil
}

// gate is what holds for everybody, before anything else is looked at: blocked
// addresses, and maintenance, from which the realm is free so that somebody can
// end it.
func (s *surface) gate(c *fiber.Ctx) error {
	path := c.Path()
	if s.Edge == nil || path == "/livez" || path == "/readyz" {
		return c.Next()
	}
	e := s.Edge()
	switch {
	case e == nil:
		return c.Next()
	case len(e.Blocks) > 0 && e.Blocked(s.client(c), time.Now()):
		return s.problems(c, fault.New(fault.Forbidden, "address.blocked", "Nothing is taken from your address. Ask whoever runs this installation."))
	case e.Maintenance.On && !strings.HasPrefix(path, base+"/operator/"):
		return s.problems(c, fault.New(fault.Unavailable, "server.maintenance", "%s", e.Maintenance.Message).After(e.Maintenance.RetryAfter))
	}
	return c.Next()
}

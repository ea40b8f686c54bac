package httpapi

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/secret"
)

// Federation is what the HTTP surface uses of identity.Federation.
type Federation interface {
	Providers() []identity.Provider
	Start(ctx context.Context, from identity.Client, provider string) (*identity.Departure, error)
	SignIn(ctx context.Context, from identity.Client, r identity.Return) (*identity.Entry, error)
	StartStepUp(ctx context.Context, who identity.Principal, provider string) (*identity.Departure, error)
	StepUp(ctx context.Context, who identity.Principal, r identity.Return) (until time.Time, err error)
	Linked(ctx context.Context, who identity.Principal) ([]identity.External, error)
	StartLink(ctx context.Context, who identity.Principal, provider string) (*identity.Departure, error)
	Link(ctx context.Context, who identity.Principal, r identity.Return) (*identity.External, error)
	Unlink(ctx context.Context, who identity.Principal, id identity.ExternalID) error
}

// The cookie ties a sign-in to the browser that began it. Strict will do: not
// the provider's redirect brings it back, but a page of ours.
const (
	signInCookie = "carillon_sign_in"
	signInPath   = base
)

// ListProviders implements GET /auth/providers.
func (s *Server) ListProviders(context.Context, api.ListProvidersRequestObject) (api.ListProvidersResponseObject, error) {
	return api.ListProviders200JSONResponse{Data: each(s.Federation.Providers(), func(p identity.Provider) api.Provider {
		return api.Provider{Object: api.ProviderObjectProvider, Name: p.Name, Title: p.Title}
	})}, nil
}

// StartProvider implements POST /auth/providers/{provider}:start.
func (s *Server) StartProvider(ctx context.Context, req api.StartProviderRequestObject) (api.StartProviderResponseObject, error) {
	d, err := s.Federation.Start(ctx, s.from(ctx), req.Provider)
	if err != nil {
		return nil, err
	}
	return api.StartProvider201JSONResponse(s.depart(ctx, d)), nil
}

// FinishProvider implements POST /auth/providers/{provider}:finish.
func (s *Server) FinishProvider(ctx context.Context, req api.FinishProviderRequestObject) (api.FinishProviderResponseObject, error) {
	b := req.Body
	back := s.returned(ctx, req.Provider, b.State, b.Code, b.Iss, b.Error, b.Binder)
	in, err := s.Federation.SignIn(ctx, s.fromDevice(ctx, nil), back)
	if err != nil {
		return nil, err
	}
	s.arrived(ctx)
	if in.Asked != nil {
		return api.FinishProvider202JSONResponse(toChallenge(in.Asked)), nil
	}
	return api.FinishProvider200JSONResponse(s.welcome(ctx, in.SignedIn)), nil
}

// ListIdentities implements GET /me/identities.
func (s *Server) ListIdentities(ctx context.Context, _ api.ListIdentitiesRequestObject) (api.ListIdentitiesResponseObject, error) {
	list, err := s.Federation.Linked(ctx, caller(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListIdentities200JSONResponse{Data: each(list, toIdentity)}, nil
}

// StartIdentity implements POST /me/identities:start.
func (s *Server) StartIdentity(ctx context.Context, req api.StartIdentityRequestObject) (api.StartIdentityResponseObject, error) {
	d, err := s.Federation.StartLink(ctx, caller(ctx), req.Body.Provider)
	if err != nil {
		return nil, err
	}
	return api.StartIdentity201JSONResponse(s.depart(ctx, d)), nil
}

// FinishIdentity implements POST /me/identities:finish.
func (s *Server) FinishIdentity(ctx context.Context, req api.FinishIdentityRequestObject) (api.FinishIdentityResponseObject, error) {
	b := req.Body
	back := s.returned(ctx, b.Provider, b.State, b.Code, b.Iss, b.Error, b.Binder)
	linked, err := s.Federation.Link(ctx, caller(ctx), back)
	if err != nil {
		return nil, err
	}
	s.arrived(ctx)
	return api.FinishIdentity200JSONResponse(toIdentity(*linked)), nil
}

// UnlinkIdentity implements DELETE /me/identities/{identity}.
func (s *Server) UnlinkIdentity(ctx context.Context, req api.UnlinkIdentityRequestObject) (api.UnlinkIdentityResponseObject, error) {
	if err := s.Federation.Unlink(ctx, caller(ctx), identity.ExternalID(req.Identity)); err != nil {
		return nil, err
	}
	return api.UnlinkIdentity204Response{}, nil
}

// StartProviderStepUp implements POST /auth/step-up/providers/{provider}:start.
func (s *Server) StartProviderStepUp(ctx context.Context, req api.StartProviderStepUpRequestObject) (api.StartProviderStepUpResponseObject, error) {
	d, err := s.Federation.StartStepUp(ctx, caller(ctx), req.Provider)
	if err != nil {
		return nil, err
	}
	return api.StartProviderStepUp201JSONResponse(s.depart(ctx, d)), nil
}

// FinishProviderStepUp implements POST /auth/step-up/providers/{provider}:finish.
func (s *Server) FinishProviderStepUp(ctx context.Context, req api.FinishProviderStepUpRequestObject) (api.FinishProviderStepUpResponseObject, error) {
	b := req.Body
	until, err := s.Federation.StepUp(ctx, caller(ctx), s.returned(ctx, req.Provider, b.State, b.Code, b.Iss, b.Error, b.Binder))
	if err != nil {
		return nil, err
	}
	s.arrived(ctx)
	return api.FinishProviderStepUp200JSONResponse{Until: until}, nil
}

// depart hands a departure to a client and ties it to the browser.
func (s *surface) depart(ctx context.Context, d *identity.Departure) api.Departure {
	s.cookie(ctx, signInCookie, signInPath, fiber.CookieSameSiteStrictMode, d.Binder.Reveal(), d.ExpiresAt)
	return api.Departure{Object: api.DepartureObjectDeparture, AuthorizationUrl: d.URL, Binder: d.Binder.Reveal(), ExpiresAt: d.ExpiresAt}
}

// arrived lets the browser forget what it kept.
func (s *surface) arrived(ctx context.Context) {
	s.cookie(ctx, signInCookie, signInPath, fiber.CookieSameSiteStrictMode, "", time.Unix(0, 0))
}

// returned is what somebody came back with; the binder is the one in the body
// or the cookie.
func (s *surface) returned(ctx context.Context, provider, state string, code, iss, refusal, binder *string) identity.Return {
	r := identity.Return{
		Provider: provider, State: secret.Secret(state), Code: secret.Secret(or(code)), Issuer: or(iss), Error: or(refusal), Binder: secret.Secret(or(binder)),
	}
	if r.Binder == "" {
		r.Binder = cookieOf(ctx, signInCookie)
	}
	return r
}

func toIdentity(e identity.External) api.Identity {
	out := api.Identity{
		Id: string(e.ID), Object: api.IdentityObjectIdentity, Provider: e.Provider, Issuer: e.Issuer, Email: some(e.Email), CreatedAt: e.CreatedAt,
	}
	if !e.UsedAt.IsZero() {
		out.LastUsedAt = &e.UsedAt
	}
	return out
}

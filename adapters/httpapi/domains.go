package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains"
)

// Domains is what the HTTP surface uses of domains.Service.
type Domains interface {
	Add(ctx context.Context, who tenants.Scope, host string, mail bool) (*domains.Domain, error)
	List(ctx context.Context, who tenants.Scope) ([]domains.Domain, error)
	Get(ctx context.Context, who tenants.Scope, name domains.ID) (*domains.Domain, error)
	Verify(ctx context.Context, who tenants.Scope, name domains.ID) (*domains.Domain, error)
	MakeCanonical(ctx context.Context, who tenants.Scope, name domains.ID) (*domains.Domain, error)
	Remove(ctx context.Context, who tenants.Scope, name domains.ID) error
	Target() string
}

// ListDomains implements GET /domains.
func (s *Server) ListDomains(ctx context.Context, _ api.ListDomainsRequestObject) (api.ListDomainsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.Domains.List(ctx, who)
	if err != nil {
		return nil, err
	}
	return api.ListDomains200JSONResponse{Data: each(all, func(d domains.Domain) api.Domain { return s.toDomain(&d) })}, nil
}

// AddDomain implements POST /domains.
func (s *Server) AddDomain(ctx context.Context, req api.AddDomainRequestObject) (api.AddDomainResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.Domains.Add(ctx, who, req.Body.Host, or(req.Body.MailOnly))
	if err != nil {
		return nil, err
	}
	return api.AddDomain201JSONResponse(s.toDomain(d)), nil
}

// GetDomain implements GET /domains/{domain}.
func (s *Server) GetDomain(ctx context.Context, req api.GetDomainRequestObject) (api.GetDomainResponseObject, error) {
	d, err := s.aboutDomain(ctx, req.Domain, s.Domains.Get)
	return api.GetDomain200JSONResponse(d), err
}

// VerifyDomain implements POST /domains/{domain}:verify.
func (s *Server) VerifyDomain(ctx context.Context, req api.VerifyDomainRequestObject) (api.VerifyDomainResponseObject, error) {
	d, err := s.aboutDomain(ctx, req.Domain, s.Domains.Verify)
	return api.VerifyDomain200JSONResponse(d), err
}

// MakeDomainCanonical implements POST /domains/{domain}:make-canonical.
func (s *Server) MakeDomainCanonical(ctx context.Context, req api.MakeDomainCanonicalRequestObject) (api.MakeDomainCanonicalResponseObject, error) {
	d, err := s.aboutDomain(ctx, req.Domain, s.Domains.MakeCanonical)
	return api.MakeDomainCanonical200JSONResponse(d), err
}

// RemoveDomain implements DELETE /domains/{domain}.
func (s *Server) RemoveDomain(ctx context.Context, req api.RemoveDomainRequestObject) (api.RemoveDomainResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Domains.Remove(ctx, who, domains.ID(req.Domain)); err != nil {
		return nil, err
	}
	return api.RemoveDomain204Response{}, nil
}

// aboutDomain runs a use case about one host.
func (s *Server) aboutDomain(ctx context.Context, name string, do func(context.Context, tenants.Scope, domains.ID) (*domains.Domain, error)) (out api.Domain, err error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return out, err
	}
	d, err := do(ctx, who, domains.ID(name))
	if err != nil {
		return out, err
	}
	return s.toDomain(d), nil
}

func (s *Server) toDomain(d *domains.Domain) api.Domain {
	return api.Domain{
		Id: string(d.ID), Object: api.DomainObjectDomain, Host: d.Host, MailOnly: some(d.Mail), State: api.DomainState(d.State), Canonical: d.Canonical,
		Proof:  api.DomainProof{Type: api.TXT, Name: d.ProofName(), Value: d.ProofText()},
		Target: s.Domains.Target(), Problem: some(api.DomainProblem(d.Problem)), CheckedAt: some(d.CheckedAt), ProvenAt: some(d.ProvenAt),
		ServedUntil: d.Told().ServedTill, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
}

package httpapi

import (
	"cmp"
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Ownership is what the HTTP surface uses of registry.Service for whose a
// tenant is, and for leaving it.
type Ownership interface {
	Ownership(ctx context.Context, who tenants.Scope) (*registry.Offer, error)
	OfferOwnership(ctx context.Context, who tenants.Scope, to tenants.UserID, keeps tenants.Role) (*registry.Offer, error)
	AcceptOwnership(ctx context.Context, who tenants.Scope) error
	EndOffer(ctx context.Context, who tenants.Scope) error
	Leave(ctx context.Context, user tenants.UserID, tenant tenants.ID) error
}

// GetOwnershipOffer implements GET /tenants/{tenant}/ownership.
func (s *Server) GetOwnershipOffer(ctx context.Context, req api.GetOwnershipOfferRequestObject) (api.GetOwnershipOfferResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	o, err := s.Ownership.Ownership(ctx, who)
	if err != nil {
		return nil, err
	}
	return api.GetOwnershipOffer200JSONResponse(toOffer(o)), nil
}

// OfferOwnership implements POST /tenants/{tenant}/ownership:offer.
func (s *Server) OfferOwnership(ctx context.Context, req api.OfferOwnershipRequestObject) (api.OfferOwnershipResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	keeps := cmp.Or(tenants.Role(or(req.Body.Keeps)), tenants.Admin)
	o, err := s.Ownership.OfferOwnership(ctx, who, tenants.UserID(req.Body.UserId), keeps)
	if err != nil {
		return nil, err
	}
	return api.OfferOwnership201JSONResponse(toOffer(o)), nil
}

// AcceptOwnership implements POST /tenants/{tenant}/ownership:accept.
func (s *Server) AcceptOwnership(ctx context.Context, req api.AcceptOwnershipRequestObject) (api.AcceptOwnershipResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	if err := s.Ownership.AcceptOwnership(ctx, who); err != nil {
		return nil, err
	}
	return api.AcceptOwnership204Response{}, nil
}

// EndOwnershipOffer implements DELETE /tenants/{tenant}/ownership.
func (s *Server) EndOwnershipOffer(ctx context.Context, req api.EndOwnershipOfferRequestObject) (api.EndOwnershipOfferResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	if err := s.Ownership.EndOffer(ctx, who); err != nil {
		return nil, err
	}
	return api.EndOwnershipOffer204Response{}, nil
}

// LeaveTenant implements POST /me/tenants/{tenant}:leave.
func (s *Server) LeaveTenant(ctx context.Context, req api.LeaveTenantRequestObject) (api.LeaveTenantResponseObject, error) {
	if err := s.Ownership.Leave(ctx, caller(ctx).User, tenants.ID(req.Tenant)); err != nil {
		return nil, err
	}
	return api.LeaveTenant204Response{}, nil
}

func toOffer(o *registry.Offer) api.OwnershipOffer {
	return api.OwnershipOffer{
		Object: api.OwnershipOfferObjectOwnershipOffer, ToUserId: string(o.To), FromUserId: string(o.From),
		Keeps: api.OwnershipOfferKeeps(o.Keeps), CreatedAt: o.CreatedAt, ExpiresAt: o.ExpiresAt,
	}
}

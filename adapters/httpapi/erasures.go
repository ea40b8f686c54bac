package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/erasure"
)

// Erasures is what the HTTP surface uses of erasure.Service.
type Erasures interface {
	Ask(ctx context.Context, who tenants.Scope, w erasure.Wish) (*erasure.Erasure, error)
	Of(ctx context.Context, user tenants.UserID, tenant tenants.ID) (*erasure.Erasure, error)
	CallOff(ctx context.Context, user tenants.UserID, tenant tenants.ID) error
}

// EraseTenant implements POST /tenants/{tenant}:erase.
func (s *Server) EraseTenant(ctx context.Context, req api.EraseTenantRequestObject) (api.EraseTenantResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	e, err := s.Erasures.Ask(ctx, who, erasure.Wish{Name: req.Body.Name, Children: or(req.Body.IncludeChildren)})
	if err != nil {
		return nil, err
	}
	return api.EraseTenant202JSONResponse(toErasure(e)), nil
}

// GetErasure implements GET /me/tenants/{tenant}/erasure.
func (s *Server) GetErasure(ctx context.Context, req api.GetErasureRequestObject) (api.GetErasureResponseObject, error) {
	e, err := s.Erasures.Of(ctx, caller(ctx).User, tenants.ID(req.Tenant))
	if err != nil {
		return nil, err
	}
	return api.GetErasure200JSONResponse(toErasure(e)), nil
}

// CancelErasure implements DELETE /me/tenants/{tenant}/erasure.
func (s *Server) CancelErasure(ctx context.Context, req api.CancelErasureRequestObject) (api.CancelErasureResponseObject, error) {
	if err := s.Erasures.CallOff(ctx, caller(ctx).User, tenants.ID(req.Tenant)); err != nil {
		return nil, err
	}
	return api.CancelErasure204Response{}, nil
}

func toErasure(e *erasure.Erasure) api.Erasure {
	return api.Erasure{
		Id: string(e.ID), Object: api.ErasureObjectErasure, TenantId: string(e.About), State: api.ErasureState(e.State), Stage: some(e.Stage),
		Percent: e.Percent(), Rows: e.Rows, Files: e.Files, AskedAt: e.AskedAt, DueAt: e.DueAt,
	}
}

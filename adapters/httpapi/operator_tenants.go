package httpapi

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/tenants"
)

// SearchTenants implements GET /operator/tenants.
func (s *Server) SearchTenants(ctx context.Context, req api.SearchTenantsRequestObject) (api.SearchTenantsResponseObject, error) {
	q, err := s.search(ctx, req.Params.Q, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	q.Kind = tenants.Kind(or(req.Params.Kind))
	page, more, err := s.Admin.Tenants(ctx, operator(ctx), q)
	if err != nil {
		return nil, err
	}
	out := api.SearchTenants200JSONResponse{Data: each(page, toNode), HasMore: more}
	if more {
		out.NextCursor = s.next(ctx, string(page[len(page)-1].ID))
	}
	return out, nil
}

func toNode(t admin.Tenant) api.Node {
	out := api.Node{
		Id: string(t.ID), Object: api.NodeObjectNode, ParentId: some(string(t.Parent)), Kind: string(t.Kind), Name: t.Name, Tier: some(string(t.Tier)),
		Suspended: t.Suspended, SuspendedReason: some(t.Reason), CreatedAt: t.CreatedAt,
	}
	if g := t.Grant; g != nil {
		out.Grant = &struct {
			FallsBackTo *string   `json:"falls_back_to,omitempty"`
			GrantedAt   time.Time `json:"granted_at"`
			GrantedBy   string    `json:"granted_by"`
			Reason      string    `json:"reason"`
			Tier        string    `json:"tier"`
			Until       time.Time `json:"until"`
		}{some(string(g.Was)), g.At, g.By, g.Reason, string(g.Tier), g.Until}
	}
	return out
}

// OperatorGetTenant implements GET /operator/tenants/{tenant}.
func (s *Server) OperatorGetTenant(ctx context.Context, req api.OperatorGetTenantRequestObject) (api.OperatorGetTenantResponseObject, error) {
	t, err := s.Admin.Tenant(ctx, operator(ctx), tenants.ID(req.Tenant))
	if err != nil {
		return nil, err
	}
	return api.OperatorGetTenant200JSONResponse(toNode(*t)), nil
}

// OperatorSuspendTenant implements POST /operator/tenants/{tenant}:suspend.
func (s *Server) OperatorSuspendTenant(ctx context.Context, req api.OperatorSuspendTenantRequestObject) (api.OperatorSuspendTenantResponseObject, error) {
	t, err := s.Admin.SuspendTenant(ctx, operator(ctx), tenants.ID(req.Tenant), req.Body.Reason)
	if err != nil {
		return nil, err
	}
	return api.OperatorSuspendTenant200JSONResponse(toNode(*t)), nil
}

// OperatorResumeTenant implements POST /operator/tenants/{tenant}:resume.
func (s *Server) OperatorResumeTenant(ctx context.Context, req api.OperatorResumeTenantRequestObject) (api.OperatorResumeTenantResponseObject, error) {
	t, err := s.Admin.ResumeTenant(ctx, operator(ctx), tenants.ID(req.Tenant))
	if err != nil {
		return nil, err
	}
	return api.OperatorResumeTenant200JSONResponse(toNode(*t)), nil
}

// GrantTier implements PUT /operator/tenants/{tenant}/tier.
func (s *Server) GrantTier(ctx context.Context, req api.GrantTierRequestObject) (api.GrantTierResponseObject, error) {
	t, err := s.Admin.GrantTier(ctx, operator(ctx), tenants.ID(req.Tenant), tenants.Tier(req.Body.Tier), req.Body.Until, req.Body.Reason)
	if err != nil {
		return nil, err
	}
	return api.GrantTier200JSONResponse(toNode(*t)), nil
}

// EndTierGrant implements DELETE /operator/tenants/{tenant}/tier.
func (s *Server) EndTierGrant(ctx context.Context, req api.EndTierGrantRequestObject) (api.EndTierGrantResponseObject, error) {
	t, err := s.Admin.EndGrant(ctx, operator(ctx), tenants.ID(req.Tenant))
	if err != nil {
		return nil, err
	}
	return api.EndTierGrant200JSONResponse(toNode(*t)), nil
}

// OverrideFlag implements PUT /operator/tenants/{tenant}/flags/{flag}.
func (s *Server) OverrideFlag(ctx context.Context, req api.OverrideFlagRequestObject) (api.OverrideFlagResponseObject, error) {
	if err := s.Admin.Override(ctx, operator(ctx), tenants.ID(req.Tenant), req.Flag, &req.Body.On); err != nil {
		return nil, err
	}
	return api.OverrideFlag204Response{}, nil
}

// DropOverride implements DELETE /operator/tenants/{tenant}/flags/{flag}.
func (s *Server) DropOverride(ctx context.Context, req api.DropOverrideRequestObject) (api.DropOverrideResponseObject, error) {
	if err := s.Admin.Override(ctx, operator(ctx), tenants.ID(req.Tenant), req.Flag, nil); err != nil {
		return nil, err
	}
	return api.DropOverride204Response{}, nil
}

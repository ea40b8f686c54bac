package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Access is what the HTTP surface uses of registry.Service to let the tenant
// above in.
type Access interface {
	GrantAccess(ctx context.Context, who tenants.Scope, d registry.AccessDraft) (*registry.Access, error)
	RequestAccess(ctx context.Context, who tenants.Scope, child tenants.ID, d registry.AccessDraft) (*registry.Access, error)
	ApproveAccess(ctx context.Context, who tenants.Scope, name registry.AccessID) (*registry.Access, error)
	DeclineAccess(ctx context.Context, who tenants.Scope, name registry.AccessID) (*registry.Access, error)
	RevokeAccess(ctx context.Context, who tenants.Scope, name registry.AccessID) (*registry.Access, error)
	Accesses(ctx context.Context, who tenants.Scope, before registry.AccessID, limit int) ([]registry.Access, error)
	Received(ctx context.Context, who tenants.Scope, before registry.AccessID, limit int) ([]registry.Received, error)
}

// ListAccessGrants implements GET /access-grants.
func (s *Server) ListAccessGrants(ctx context.Context, req api.ListAccessGrantsRequestObject) (api.ListAccessGrantsResponseObject, error) {
	who, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	all, err := s.Access.Accesses(ctx, who, registry.AccessID(q.after), q.limit+1)
	if err != nil {
		return nil, err
	}
	out := api.ListAccessGrants200JSONResponse{HasMore: len(all) > q.limit}
	if out.HasMore {
		all = all[:q.limit]
		out.NextCursor = s.next(ctx, string(all[q.limit-1].ID))
	}
	out.Data = each(all, func(a registry.Access) api.Access { return toAccess(&a) })
	return out, nil
}

// ListReceivedAccess implements GET /access-grants:received.
func (s *Server) ListReceivedAccess(ctx context.Context, req api.ListReceivedAccessRequestObject) (api.ListReceivedAccessResponseObject, error) {
	who, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	all, err := s.Access.Received(ctx, who, registry.AccessID(q.after), q.limit+1)
	if err != nil {
		return nil, err
	}
	out := api.ListReceivedAccess200JSONResponse{HasMore: len(all) > q.limit}
	if out.HasMore {
		all = all[:q.limit]
		out.NextCursor = s.next(ctx, string(all[q.limit-1].ID))
	}
	out.Data = each(all, func(r registry.Received) api.Received {
		return api.Received{Access: toAccess(&r.Access), Tenant: toChild(r.Child)}
	})
	return out, nil
}

// GrantAccess implements POST /access-grants.
func (s *Server) GrantAccess(ctx context.Context, req api.GrantAccessRequestObject) (api.GrantAccessResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	a, err := s.Access.GrantAccess(ctx, who, accessDraft(req.Body))
	if err != nil {
		return nil, err
	}
	return api.GrantAccess201JSONResponse(toAccess(a)), nil
}

// RequestAccess implements POST /tenants/{tenant}/children/{child}:request-access.
func (s *Server) RequestAccess(ctx context.Context, req api.RequestAccessRequestObject) (api.RequestAccessResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	a, err := s.Access.RequestAccess(ctx, who, tenants.ID(req.Child), accessDraft(req.Body))
	if err != nil {
		return nil, err
	}
	return api.RequestAccess201JSONResponse(toAccess(a)), nil
}

func accessDraft(in *api.AccessInput) registry.AccessDraft {
	return registry.AccessDraft{Role: tenants.Role(in.Role), Reason: in.Reason, Hours: in.Hours}
}

// ApproveAccess implements POST /access-grants/{access}:approve.
func (s *Server) ApproveAccess(ctx context.Context, req api.ApproveAccessRequestObject) (api.ApproveAccessResponseObject, error) {
	a, err := decided(ctx, req.Access, s.Access.ApproveAccess)
	return api.ApproveAccess200JSONResponse(a), err
}

// DeclineAccess implements POST /access-grants/{access}:decline.
func (s *Server) DeclineAccess(ctx context.Context, req api.DeclineAccessRequestObject) (api.DeclineAccessResponseObject, error) {
	a, err := decided(ctx, req.Access, s.Access.DeclineAccess)
	return api.DeclineAccess200JSONResponse(a), err
}

// RevokeAccess implements POST /access-grants/{access}:revoke.
func (s *Server) RevokeAccess(ctx context.Context, req api.RevokeAccessRequestObject) (api.RevokeAccessResponseObject, error) {
	a, err := decided(ctx, req.Access, s.Access.RevokeAccess)
	return api.RevokeAccess200JSONResponse(a), err
}

// decided runs a use case that answers one grant.
func decided(ctx context.Context, name string, decide func(context.Context, tenants.Scope, registry.AccessID) (*registry.Access, error)) (out api.Access, err error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return out, err
	}
	a, err := decide(ctx, who, registry.AccessID(name))
	if err != nil {
		return out, err
	}
	return toAccess(a), nil
}

func toAccess(a *registry.Access) api.Access {
	return api.Access{
		Id: string(a.ID), Object: api.AccessGrant, ToTenantId: string(a.To), Role: api.AccessRole(a.Role), Reason: a.Reason,
		State: api.AccessState(a.State), Hours: a.Hours, Until: some(a.Until), AskedBy: some(string(a.AskedBy)), DecidedBy: some(string(a.DecidedBy)),
		CreatedAt: a.CreatedAt, DecidedAt: some(a.DecidedAt),
	}
}

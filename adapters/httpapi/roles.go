package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// ListRoles implements GET /roles.
func (s *Server) ListRoles(ctx context.Context, _ api.ListRolesRequestObject) (api.ListRolesResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	roles, err := s.Members.Roles(ctx, who)
	if err != nil {
		return nil, err
	}
	return api.ListRoles200JSONResponse{Data: each(roles, func(r registry.Role) api.Role { return toRole(&r) })}, nil
}

// CreateRole implements POST /roles.
func (s *Server) CreateRole(ctx context.Context, req api.CreateRoleRequestObject) (api.CreateRoleResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.Members.CreateRole(ctx, who, req.Body.Name, req.Body.Title, as[tenants.Action](req.Body.Actions))
	if err != nil {
		return nil, err
	}
	etag(ctx, r.Version)
	return api.CreateRole201JSONResponse(toRole(r)), nil
}

// UpdateRole implements PUT /roles/{role}.
func (s *Server) UpdateRole(ctx context.Context, req api.UpdateRoleRequestObject) (api.UpdateRoleResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.Members.UpdateRole(ctx, who, req.Role, req.Body.Title, as[tenants.Action](req.Body.Actions), versionOf(ctx))
	if err != nil {
		return nil, raced(err, s.roleVersion(ctx, who, req.Role))
	}
	etag(ctx, r.Version)
	return api.UpdateRole200JSONResponse(toRole(r)), nil
}

func (s *Server) roleVersion(ctx context.Context, who tenants.Scope, name string) func() (int, error) {
	return func() (int, error) {
		roles, err := s.Members.Roles(ctx, who)
		for _, r := range roles {
			if r.Name == name {
				return r.Version, nil
			}
		}
		return 0, err
	}
}

// DeleteRole implements DELETE /roles/{role}.
func (s *Server) DeleteRole(ctx context.Context, req api.DeleteRoleRequestObject) (api.DeleteRoleResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Members.DeleteRole(ctx, who, req.Role); err != nil {
		return nil, err
	}
	return api.DeleteRole204Response{}, nil
}

func toRole(r *registry.Role) api.Role {
	return api.Role{
		Name: r.Name, Object: api.RoleObjectRole, Title: r.Title, Actions: as[string](r.Actions),
		Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

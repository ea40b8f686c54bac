package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Rights says what the built-in roles may do.
type Rights interface {
	Actions(role tenants.Role) []tenants.Action
}

// ListBuiltInRoles implements GET /roles:built-in.
func (s *Server) ListBuiltInRoles(context.Context, api.ListBuiltInRolesRequestObject) (api.ListBuiltInRolesResponseObject, error) {
	return api.ListBuiltInRoles200JSONResponse{Data: each(tenants.BuiltinRoles(), func(r tenants.Role) api.BuiltInRole {
		return api.BuiltInRole{Name: api.BuiltInRoleName(r), Object: api.BuiltInRoleObjectBuiltInRole, Actions: as[string](s.Rights.Actions(r))}
	})}, nil
}

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
	actions := as[tenants.Action](req.Body.Actions)
	switch {
	case req.Body.CopyOf != nil && req.Body.Actions != nil:
		return nil, fault.New(fault.Invalid, "role.copy_or_actions", "Say actions or copy_of, not both.").On("/copy_of")
	case req.Body.CopyOf != nil:
		actions = s.Rights.Actions(tenants.Role(*req.Body.CopyOf))
	}
	r, err := s.Members.CreateRole(ctx, who, req.Body.Name, req.Body.Title, actions)
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
	if err := s.Members.DeleteRole(ctx, who, req.Role, tenants.Role(or(req.Params.ReassignTo))); err != nil {
		return nil, err
	}
	return api.DeleteRole204Response{}, nil
}

func toRole(r *registry.Role) api.Role {
	return api.Role{
		Name: r.Name, Object: api.RoleObjectRole, Title: r.Title, Actions: as[string](r.Actions), Inherited: some(r.Inherited),
		Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

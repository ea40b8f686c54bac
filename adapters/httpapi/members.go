package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Members is what the HTTP surface uses of registry.Service for people and
// their roles.
type Members interface {
	Members(ctx context.Context, who tenants.Scope, after tenants.UserID, limit int) ([]registry.Member, error)
	AddColleague(ctx context.Context, who tenants.Scope, user tenants.UserID, role tenants.Role) (*registry.Member, error)
	SetRole(ctx context.Context, who tenants.Scope, user tenants.UserID, role tenants.Role) (*registry.Member, error)
	RemoveMember(ctx context.Context, who tenants.Scope, user tenants.UserID) error
	Roles(ctx context.Context, who tenants.Scope) ([]registry.Role, error)
	CreateRole(ctx context.Context, who tenants.Scope, name, title string, actions []tenants.Action) (*registry.Role, error)
	UpdateRole(ctx context.Context, who tenants.Scope, name, title string, actions []tenants.Action, version int) (*registry.Role, error)
	DeleteRole(ctx context.Context, who tenants.Scope, name string, instead tenants.Role) error
	GiveWorkspaces(ctx context.Context, who tenants.Scope, user tenants.UserID, to []registry.Seat) ([]registry.Seated, error)
	Workspaces(ctx context.Context, who tenants.Scope, user tenants.UserID) ([]registry.Place, error)
}

// Names is what the HTTP surface uses of identity.Directory. It asks nobody
// who is asking: the guard has, for the action of the route.
type Names interface {
	Find(ctx context.Context, email string) (*identity.User, error)
	Names(ctx context.Context, ids []tenants.UserID) ([]identity.User, error)
}

// ListMembers implements GET /members.
func (s *Server) ListMembers(ctx context.Context, req api.ListMembersRequestObject) (api.ListMembersResponseObject, error) {
	who, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	members, err := s.Members.Members(ctx, who, tenants.UserID(q.after), q.limit+1)
	if err != nil {
		return nil, err
	}
	out := api.ListMembers200JSONResponse{HasMore: len(members) > q.limit}
	if out.HasMore {
		members = members[:q.limit]
		out.NextCursor = s.next(ctx, string(members[q.limit-1].User))
	}
	out.Data, err = s.named(ctx, members...)
	return out, err
}

// AddMember implements POST /members.
func (s *Server) AddMember(ctx context.Context, req api.AddMemberRequestObject) (api.AddMemberResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	person, err := s.Names.Find(ctx, req.Body.Email)
	if fault.Is(err, fault.NotFound) {
		err = registry.NoColleague()
	}
	if err != nil {
		return nil, err
	}
	m, err := s.Members.AddColleague(ctx, who, person.ID, tenants.Role(req.Body.Role))
	if err != nil {
		return nil, err
	}
	return api.AddMember201JSONResponse(toMember(*m, *person)), nil
}

// SetMemberRole implements PUT /members/{user}.
func (s *Server) SetMemberRole(ctx context.Context, req api.SetMemberRoleRequestObject) (api.SetMemberRoleResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	m, err := s.Members.SetRole(ctx, who, tenants.UserID(req.User), tenants.Role(req.Body.Role))
	if err != nil {
		return nil, err
	}
	named, err := s.named(ctx, *m)
	if err != nil {
		return nil, err
	}
	return api.SetMemberRole200JSONResponse(named[0]), nil
}

// RemoveMember implements DELETE /members/{user}.
func (s *Server) RemoveMember(ctx context.Context, req api.RemoveMemberRequestObject) (api.RemoveMemberResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Members.RemoveMember(ctx, who, tenants.UserID(req.User)); err != nil {
		return nil, err
	}
	return api.RemoveMember204Response{}, nil
}

// ListMemberWorkspaces implements GET /members/{user}/workspaces.
func (s *Server) ListMemberWorkspaces(ctx context.Context, req api.ListMemberWorkspacesRequestObject) (api.ListMemberWorkspacesResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	places, err := s.Members.Workspaces(ctx, who, tenants.UserID(req.User))
	if err != nil {
		return nil, err
	}
	return api.ListMemberWorkspaces200JSONResponse{Data: each(places, toPlace)}, nil
}

// GiveWorkspaces implements POST /members/{user}/workspaces.
func (s *Server) GiveWorkspaces(ctx context.Context, req api.GiveWorkspacesRequestObject) (api.GiveWorkspacesResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	got, err := s.Members.GiveWorkspaces(ctx, who, tenants.UserID(req.User), each(req.Body.Workspaces, func(w api.WorkspaceSeat) registry.Seat {
		return registry.Seat{Tenant: tenants.ID(w.TenantId), Role: tenants.Role(w.Role)}
	}))
	if err != nil {
		return nil, err
	}
	return api.GiveWorkspaces200JSONResponse{Data: each(got, func(g registry.Seated) api.WorkspaceSeated {
		out := api.WorkspaceSeated{TenantId: string(g.Tenant), Role: string(g.Role), Given: g.Err == nil}
		if g.Err != nil {
			p := s.problem(asFault(g.Err))
			p.RequestId = requestID(exchangeOf(ctx).c)
			out.Problem = &p
		}
		return out
	})}, nil
}

// named adds to members who they are.
func (s *Server) named(ctx context.Context, members ...registry.Member) ([]api.Member, error) {
	people, err := s.Names.Names(ctx, each(members, func(m registry.Member) tenants.UserID { return m.User }))
	if err != nil {
		return nil, err
	}
	byID := make(map[tenants.UserID]identity.User, len(people))
	for _, p := range people {
		byID[p.ID] = p
	}
	return each(members, func(m registry.Member) api.Member { return toMember(m, byID[m.User]) }), nil
}

func toMember(m registry.Member, u identity.User) api.Member {
	return api.Member{
		UserId: string(m.User), Object: api.MemberObjectMember, Email: some(u.Email), Name: some(u.Name), Role: string(m.Role),
		GrantedBy: m.GrantedBy, Version: m.Version, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Invitations is what the HTTP surface uses of registry.Service for those who
// are to come.
type Invitations interface {
	Invite(ctx context.Context, who tenants.Scope, email string, role tenants.Role) (*registry.Invitation, error)
	Invitations(ctx context.Context, who tenants.Scope, before registry.InvitationID, limit int) ([]registry.Invitation, error)
	Resend(ctx context.Context, who tenants.Scope, name registry.InvitationID) (*registry.Invitation, error)
	Revoke(ctx context.Context, who tenants.Scope, name registry.InvitationID) error
	Invited(ctx context.Context, link secret.Secret) (*registry.Invited, error)
}

// Guests is what it uses of identity.Guests, for those who come.
type Guests interface {
	Register(ctx context.Context, from identity.Client, link secret.Secret, name string, password secret.Secret) (*registry.Invited, error)
	Accept(ctx context.Context, who identity.Principal, link secret.Secret) (*registry.Invited, error)
}

// ListInvitations implements GET /invitations.
func (s *Server) ListInvitations(ctx context.Context, req api.ListInvitationsRequestObject) (api.ListInvitationsResponseObject, error) {
	who, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	all, err := s.Invitations.Invitations(ctx, who, registry.InvitationID(q.after), q.limit+1)
	if err != nil {
		return nil, err
	}
	out := api.ListInvitations200JSONResponse{HasMore: len(all) > q.limit}
	if out.HasMore {
		all = all[:q.limit]
		out.NextCursor = s.next(ctx, string(all[q.limit-1].ID))
	}
	out.Data = each(all, func(i registry.Invitation) api.Invitation { return toInvitation(&i) })
	return out, nil
}

// CreateInvitation implements POST /invitations.
func (s *Server) CreateInvitation(ctx context.Context, req api.CreateInvitationRequestObject) (api.CreateInvitationResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	email, err := identity.Address(req.Body.Email)
	if err != nil {
		return nil, err
	}
	i, err := s.Invitations.Invite(ctx, who, email, tenants.Role(req.Body.Role))
	if err != nil {
		return nil, err
	}
	return api.CreateInvitation201JSONResponse(toInvitation(i)), nil
}

// ResendInvitation implements POST /invitations/{invitation}:resend.
func (s *Server) ResendInvitation(ctx context.Context, req api.ResendInvitationRequestObject) (api.ResendInvitationResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	i, err := s.Invitations.Resend(ctx, who, registry.InvitationID(req.Invitation))
	if err != nil {
		return nil, err
	}
	return api.ResendInvitation200JSONResponse(toInvitation(i)), nil
}

// RevokeInvitation implements DELETE /invitations/{invitation}.
func (s *Server) RevokeInvitation(ctx context.Context, req api.RevokeInvitationRequestObject) (api.RevokeInvitationResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Invitations.Revoke(ctx, who, registry.InvitationID(req.Invitation)); err != nil {
		return nil, err
	}
	return api.RevokeInvitation204Response{}, nil
}

// LookAtInvitation implements POST /invitations:look.
func (s *Server) LookAtInvitation(ctx context.Context, req api.LookAtInvitationRequestObject) (api.LookAtInvitationResponseObject, error) {
	to, err := s.Invitations.Invited(ctx, secret.Secret(req.Body.Token))
	if err != nil {
		return nil, err
	}
	return api.LookAtInvitation200JSONResponse(toInvited(to)), nil
}

// AcceptInvitation implements POST /invitations:accept.
func (s *Server) AcceptInvitation(ctx context.Context, req api.AcceptInvitationRequestObject) (api.AcceptInvitationResponseObject, error) {
	to, err := s.Guests.Accept(ctx, caller(ctx), secret.Secret(req.Body.Token))
	if err != nil {
		return nil, err
	}
	return api.AcceptInvitation200JSONResponse(toInvited(to)), nil
}

// RegisterInvited implements POST /invitations:register.
func (s *Server) RegisterInvited(ctx context.Context, req api.RegisterInvitedRequestObject) (api.RegisterInvitedResponseObject, error) {
	to, err := s.Guests.Register(ctx, s.from(ctx), secret.Secret(req.Body.Token), req.Body.Name, secret.Secret(req.Body.Password))
	if err != nil {
		return nil, err
	}
	return api.RegisterInvited201JSONResponse(toInvited(to)), nil
}

func toInvitation(i *registry.Invitation) api.Invitation {
	return api.Invitation{
		Id: string(i.ID), Object: api.InvitationObjectInvitation, Email: i.Email, Role: string(i.Role), State: api.InvitationState(i.State),
		InvitedBy: i.Actor, Letters: i.Sent, SentAt: i.SentAt, ExpiresAt: i.ExpiresAt, AcceptedBy: some(string(i.AcceptedBy)),
		ClosedAt: some(i.ClosedAt), CreatedAt: i.CreatedAt,
	}
}

func toInvited(to *registry.Invited) api.Invited {
	return api.Invited{
		TenantId: string(to.Tenant), TenantName: to.Name, Kind: api.TenantKind(to.Kind), Email: to.Email, Role: string(to.Role),
		ExpiresAt: some(to.ExpiresAt),
	}
}
